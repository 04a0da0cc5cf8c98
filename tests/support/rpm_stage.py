"""A small world of rpm in which every byte can be bent: an image of AlmaLinux 9, and its repositories on loopback.

    stage = RpmStage(tmp_path, network)
    stage.update()                                   # the image lacks nothing: an A
    stage.appstream.packed["updateinfo"] = b"..."    # a document as it lies there
    stage.run("assess", "--json")

Made without rpm and createrepo_c and asked in this process, so that a run takes a tenth of a second. The host of the
distribution is mapped to loopback, whose word then counts for it.
"""

import gzip
import hashlib
import http.server
import io
import re
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from affineur.cli.main import run
from support import made_rpmdb
from support.command import Done
from support.hostile_network import PUBLIC, Network
from support.registry import Answer, Registry, tar_of
from support.rpm_roots import Rpm, primary
from support.rpm_world import HOST, OS_RELEASE, notice, updateinfo

__all__ = ["DATABASE", "HOST", "BentRepository", "Places", "RpmStage", "days_ago", "header"]

DATABASE = "var/lib/rpm/rpmdb.sqlite"
REPO_FILE = "etc/yum.repos.d/test.repo"
_REPO = "http://linux.duke.edu/metadata/repo"


def days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days)


def header(package: Rpm) -> bytes:
    """As a database has it."""
    epoch, version, release = package.parts
    tags: dict[str, made_rpmdb.Value | None] = {"t1000": package.name, "t1001": version, "t1002": release}
    tags |= {"t1003": int(epoch) if epoch else None, "t1011": package.vendor or None, "t1022": package.architecture}
    tags |= {"t1044": package.source_rpm, "t5096": package.module or None, "t268": None}
    return made_rpmdb.header(**tags)


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Says nothing of an asker who left: standard error is the program's that is tested."""


class Places:
    """Serves `files`, path without its first slash → bytes or an `Answer`; an endless body is sent up to a limit.

    Attributes:
        requests: paths that were asked for, in order.
        sent: bytes of bodies.
    """

    FLOOD = 1 << 30

    def __init__(self) -> None:
        self.files: dict[str, bytes | Answer] = {}
        self.requests: list[str] = []
        self.sent = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                outer.requests.append(path)
                found = outer.files.get(path, Answer(404))
                answer = Answer(body=found) if isinstance(found, bytes) else found
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                whole = isinstance(answer.body, bytes)
                if answer.length is not None or whole:
                    length = len(answer.body) if answer.length is None else answer.length  # type: ignore[arg-type]
                    self.send_header("Content-Length", str(length))
                if not whole or answer.length is not None:
                    self.close_connection = True
                    self.send_header("Connection", "close")
                self.end_headers()
                try:
                    for chunk in (answer.body,) if isinstance(answer.body, bytes) else answer.body:
                        self.wfile.write(chunk)
                        outer.sent += len(chunk)
                        if outer.sent > outer.FLOOD:
                            return
                except OSError:  # it was left
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class BentRepository:
    """A repository, document by document; what is not bent is true.

    Attributes:
        url: as the image's section names it, with a slash at the end.
        packages: of primary.xml.
        notices: of updateinfo.xml; None: there is none.
        documents: kind → the document, unpacked, in place of what the above make, or beside it.
        packed: kind → its bytes as they lie there, in place of gzip.
        served: kind → the bytes that the server has, other than repomd.xml promises.
        entries: kind → its <data>'s fields in place of the true ones: checksum, open-checksum, size, open-size, href,
            timestamp; None leaves one out.
        repomd: in place of the whole of repomd.xml.
        made, built: the dates of the metadata and of all packages.
        options: of the image's section.
    """

    name: str
    url: str
    packages: list[Rpm] = field(default_factory=list)
    notices: list[str] | None = None
    documents: dict[str, bytes] = field(default_factory=dict)
    packed: dict[str, bytes] = field(default_factory=dict)
    served: dict[str, bytes | Answer | None] = field(default_factory=dict)
    entries: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    repomd: bytes | Answer | None = None
    made: datetime = field(default_factory=lambda: days_ago(1))
    built: datetime = field(default_factory=lambda: days_ago(50))
    options: dict[str, str] = field(default_factory=dict)

    def whole(self) -> dict[str, bytes]:
        """The documents, unpacked."""
        made = {"primary": self.primary()}
        if self.notices is not None:
            made["updateinfo"] = updateinfo(*self.notices).encode()
        return made | self.documents

    def primary(self) -> bytes:
        """primary.xml as the packages make it."""
        content = primary(self.packages)
        return re.sub(rb'build="\d+"', b'build="%d"' % int(self.built.timestamp()), content)

    def publish(self, places: Places, path: str) -> None:
        """Serve it below a path."""
        listed = []
        for kind, content in self.whole().items():
            packed = self.packed.get(kind)
            packed = gzip.compress(content, 1, mtime=0) if packed is None else packed
            fields: dict[str, str | None] = {
                "checksum": hashlib.sha256(packed).hexdigest(),
                "open-checksum": None if kind in self.packed else hashlib.sha256(content).hexdigest(),
                "size": str(len(packed)),
                "open-size": None if kind in self.packed else str(len(content)),
                "href": f"repodata/{kind}.gz",
                "timestamp": str(int(self.made.timestamp())),
            } | dict(self.entries.get(kind, {}))
            listed.append(_data(kind, fields))
            served = self.served.get(kind, packed)
            if served is not None:
                places.files[f"{path}repodata/{kind}.gz"] = served
        made = f'<?xml version="1.0"?>\n<repomd xmlns="{_REPO}"><revision>1</revision>{"".join(listed)}</repomd>'
        places.files[f"{path}repodata/repomd.xml"] = made.encode() if self.repomd is None else self.repomd

    def section(self) -> str:
        """Of a .repo file."""
        told = {"name": self.name, "baseurl": self.url, "enabled": "1", "gpgcheck": "1"} | self.options
        return "\n".join([f"[{self.name}]", *(f"{name}={value}" for name, value in told.items() if value)]) + "\n"


def _data(kind: str, fields: Mapping[str, str | None]) -> str:
    parts = []
    for name, value in fields.items():
        if value is None:
            continue
        if name == "href":
            parts.append(f'<location href="{value}"/>')
        else:
            kind_of = ' type="sha256"' if name.endswith("checksum") else ""
            parts.append(f"<{name}{kind_of}>{value}</{name}>")
    return f'<data type="{kind}">{"".join(parts)}</data>'


class RpmStage:
    """Bend it, then `run` (a context manager).

    Attributes:
        network: what clients connect by; it fails the test whose connection goes anywhere but to loopback or PUBLIC.
        installed: the image's packages; `database` is path → content in place of the database that they make.
        files: further files of the image, path → content; None leaves one of the defaults out.
        links: path → target of symbolic links.
        repositories: the image's; `more` is the text of further sections.
        reached: hosts (with a scheme) that are mapped to loopback.
    """

    def __init__(self, folder: Path, network: Network) -> None:
        self.folder, self.network = folder, network
        self._stack = ExitStack()
        self.registry = self._stack.enter_context(Registry())
        self.places = Places()
        self._stack.callback(self.places.close)
        self.installed = [
            Rpm("almalinux-release", "9.4-1.el9", "x86_64"),
            Rpm("httpd", "2.4.57-5.el9", "x86_64"),
            Rpm("zlib", "1.2.11-40.el9", "x86_64"),
        ]
        release, httpd, zlib = self.installed
        self.fixed = Rpm("httpd", "2.4.57-8.el9", "x86_64")
        self.baseos = BentRepository("baseos", f"{HOST}/almalinux/9/BaseOS/x86_64/os/", [release, zlib])
        self.appstream = BentRepository(
            "appstream", f"{HOST}/almalinux/9/AppStream/x86_64/os/", [httpd, self.fixed], [self.notice()]
        )
        self.repositories = [self.baseos, self.appstream]
        self.more = ""
        self.database: dict[str, bytes | tarfile.TarInfo] | None = None
        self.files: dict[str, bytes | tarfile.TarInfo | None] = {"etc/os-release": OS_RELEASE}
        self.links: dict[str, str] = {}
        self.reached = [HOST]
        self.public = False
        self.feeds = ""

    def notice(self, identifier: str = "ALSA-2026:1000", **more: Any) -> str:
        """Of the fix; an Important that is out for 40 days."""
        build = "httpd", "2.4.57-8.el9", "x86_64", "httpd-2.4.57-8.el9.src.rpm"
        told = {"issued": f"{days_ago(40):%Y-%m-%d %H:%M:%S}", "cves": ["CVE-2026-1000"]} | more
        return notice(identifier, [build], **told)

    def update(self) -> None:
        """Have the image lack nothing."""
        self.installed = [self.fixed if each.name == "httpd" else each for each in self.installed]

    def layer(self) -> bytes:
        """The image's only layer, as a tar."""
        made = {DATABASE: made_rpmdb.sqlite([header(each) for each in self.installed])}
        members: dict[str, bytes | tarfile.TarInfo] = dict(made if self.database is None else self.database)
        sections = "".join(each.section() for each in self.repositories)
        members[REPO_FILE] = f"{sections}{self.more}".encode("utf-8", "surrogateescape")
        for path, content in self.files.items():
            members.pop(path, None)
            if content is not None:
                members[path] = content
        for path, target in self.links.items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            members[path] = member
        return tar_of(members)

    def path(self, url: str) -> str:
        """Where the server has what a URL below a mapped host names."""
        return url.partition("://")[2]

    def publish(self) -> None:
        """Serve the repositories, push the image."""
        for each in self.repositories:
            each.publish(self.places, self.path(each.url))
        self.registry.push("team/app", "1", layers=[self.layer()])

    def run(self, command: str, *arguments: str, publish: bool = True) -> Done:
        """Run `affineur COMMAND ARGUMENTS IMAGE` in this process; nothing but the cache is written."""
        if publish:
            self.publish()
        config = self.folder / "config.toml"
        mapped = [(host, f"{self.places.url}/{self.path(host)}") for host in dict.fromkeys(self.reached)]
        config.write_text(
            f'cache = "{self.folder / "cache"}"\n[feeds]\nosv = ""\n{self.feeds}\n'
            + "".join(f'[[mirror]]\nfrom = "{host}"\nto = "{to}"\n' for host, to in mapped)
        )
        words = [command, "--settings", str(config), *arguments]
        if self.public:
            self.network.names["registry.example"] = [[PUBLIC]]
            words += ["--tls-verify=false", f"registry.example:{self.registry.port}/team/app:1"]
        else:
            words += [f"{self.registry.host}/team/app:1"]
        out, err = io.StringIO(), io.StringIO()
        before = set(self._written())
        with redirect_stdout(out), redirect_stderr(err):
            code = run(words)
        assert not self.network.forbidden, self.network.forbidden
        assert set(self._written()) == before, "something was written outside the cache"
        done = Done(code, out.getvalue(), err.getvalue())
        assert "Traceback" not in done.err, done.err
        assert "\x1b" not in done.out
        return done

    def _written(self) -> Iterator[Path]:
        """All below the test's folder, which is the user's home too, but for the cache."""
        for path in self.folder.rglob("*"):
            if self.folder / "cache" not in (path, *path.parents):
                yield path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()


def texts(document: Mapping[str, Any]) -> Sequence[str]:
    """Every reason of the grade, and all that could not be told."""
    return [*document["grade"]["reasons"], *(f"{each['what']}: {each['why']}" for each in document["unassessed"])]
