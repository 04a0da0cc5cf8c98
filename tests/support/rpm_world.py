"""A whole small world of rpm on loopback: a registry with one image, and the repositories that its .repo files name.

    world = RpmWorld(tmp_path)
    world.install(build(folder, "hello", "1.0", "1"))
    world.repository("baseos", [build(folder, "hello", "1.1", "1")], updateinfo=UPDATEINFO)
    world.run("assess", "--json").document

The image says that it is AlmaLinux 9; its repositories lie below HOST. Every host that a repository is published at is
mapped to a server with TLS on loopback, whose authority SSL_CERT_FILE names: so its answer is trusted as what that host
says itself.
"""

import hashlib
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from xml.sax.saxutils import quoteattr

from support import rpms
from support.certificates import Authority
from support.command import Done, started
from support.docker_registry import push_image
from support.registry import Registry, tar_of

__all__ = ["HOST", "RpmWorld", "notice", "updateinfo"]

HOST = "https://repo.almalinux.org"
OS_RELEASE = b"""NAME="AlmaLinux"
VERSION="9.4 (Seafoam Ocelot)"
ID="almalinux"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="AlmaLinux 9.4 (Seafoam Ocelot)"
"""


def notice(
    identifier: str,
    packages: Iterable[tuple[str, str, str, str]],
    *,
    kind: str = "security",
    severity: str = "Important",
    issued: str = "2026-05-01 12:00:00",
    cves: Iterable[str] = (),
    module: str = "",
) -> str:
    """One <update> of updateinfo.xml; packages are (name, [epoch:]version-release, architecture, source's file)."""
    shown = []
    for name, version, architecture, source in packages:
        epoch, _, rest = version.rpartition(":")
        upstream, _, release = rest.rpartition("-")
        shown.append(
            f'<package name="{name}" version="{upstream}" release="{release}" epoch="{epoch or 0}"'
            f' arch="{architecture}" src="{source}"><filename>{name}-{rest}.{architecture}.rpm</filename></package>'
        )
    references = "".join(
        f'<reference href="https://www.cve.org/CVERecord?id={cve}" id="{cve}" title="{cve}" type="cve"/>'
        for cve in cves
    )
    parts = dict(zip(("name", "stream", "version", "context"), module.split(":"), strict=False))
    of_module = f"<module {' '.join(f'{k}={quoteattr(v)}' for k, v in parts.items())} arch='x86_64'/>" if module else ""
    return (
        f'<update from="packager@almalinux.org" status="final" type="{kind}" version="1"><id>{identifier}</id>'
        f"<title>{identifier}: an update</title><issued date={quoteattr(issued)}/><updated date={quoteattr(issued)}/>"
        f"<severity>{severity}</severity><references>{references}</references>"
        f'<pkglist><collection short="el9"><name>el9</name>{of_module}{"".join(shown)}</collection></pkglist></update>'
    )


def updateinfo(*notices: str) -> str:
    """A whole updateinfo.xml."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<updates>{"".join(notices)}</updates>\n'


class _Handler(SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        """A query is part of the file's name."""
        return super().translate_path(path.replace("?", "%3F"))

    def log_message(self, format: str, *args: object) -> None:
        pass


class RpmWorld:
    """Bend it, then `run` (a context manager).

    Attributes:
        files: of the image, path → content; the database and etc/yum.repos.d/test.repo are added.
        database: path → content of the image's database, in place of that of `install`.
        served: a folder for each host.
        urls: repository id → its URL, without a slash at the end.
        metalinks: repository id → the URL of the metalink that its section names in place of `urls`.
        repo_folder: of the image, where test.repo lies.
        repo_options: option → value, for each section of test.repo.
        registry_host: of another registry than the one in this process, to push to.
        settings: further lines of the configuration file, at its beginning; `feeds` of its section [feeds].
    """

    def __init__(self, folder: Path, *, os_release: bytes = OS_RELEASE, host: str = HOST) -> None:
        rpms.needed("rpm", "rpmbuild", "createrepo_c")
        self.folder, self.host = folder, host
        self.served = folder / "served"
        self.served.mkdir()
        self.packages = folder / "rpms"
        self.packages.mkdir()
        self.root = folder / "root"
        self._stack = ExitStack()
        self.registry = self._stack.enter_context(Registry())
        self.authority = Authority(folder / "authority")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(self.served)))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*self.authority.issue("server", "IP:127.0.0.1,DNS:localhost"))
        self.server.socket = self._tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.files: dict[str, bytes] = {"etc/os-release": os_release}
        self.database: dict[str, bytes] = {}
        self._hosts: set[str] = set()
        self.urls: dict[str, str] = {}
        self.metalinks: dict[str, str] = {}
        self.registry_host = ""
        self.repo_folder = "etc/yum.repos.d"
        self.repo_options: dict[str, str] = {}
        self.settings = self.feeds = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._stack.close()

    def build(self, name: str, version: str, release: str, arch: str = "x86_64", **more: Any) -> Path:
        """As rpms.build, into a folder of the world."""
        return rpms.build(self.packages, name, version, release, arch, **more)

    def install(self, *packages: Path) -> None:
        """Have these, and no others, installed."""
        rpms.install_root(self.root, packages)

    def repository(self, name: str, packages: Sequence[Path], url: str = "", **more: Any) -> Path:
        """As rpms.repository, at a URL that the image's .repo file names.

        Args:
            url: a path below `host` will do; `almalinux/9/NAME/x86_64/os` where not given.
        """
        url = url or f"almalinux/9/{name}/x86_64/os"
        self.urls[name] = (url if "://" in url else f"{self.host}/{url}").rstrip("/")
        return rpms.repository(self.place(self.urls[name]), packages, **more)

    def place(self, url: str) -> Path:
        """The file or folder that is served at a URL."""
        address = url.partition("://")[2]
        self._hosts.add(address.partition("/")[0])
        made = self.served / address
        made.parent.mkdir(parents=True, exist_ok=True)
        return made

    def metalink(self, name: str, url: str) -> None:
        """Publish a metalink that names a repository's repomd.xml, for its section to lead to."""
        content = (self.place(self.urls[name]) / "repodata/repomd.xml").read_bytes()
        self.place(url).write_text(
            '<?xml version="1.0" encoding="utf-8"?>\n'
            '<metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:mm0="http://fedorahosted.org/mirrormanager">'
            f'<files><file name="repomd.xml"><mm0:timestamp>{int(time.time())}</mm0:timestamp>'
            f"<size>{len(content)}</size>"
            f'<verification><hash type="sha256">{hashlib.sha256(content).hexdigest()}</hash></verification>'
            f'<resources maxconnections="1"><url protocol="https" type="https" location="US" preference="100">'
            f"{self.urls[name]}/repodata/repomd.xml</url></resources></file></files></metalink>"
        )
        self.metalinks[name] = url

    def demand_certificate(self) -> Path:
        """Have the server ask clients for a certificate, and return a folder for --entitlement-dir."""
        self._tls.load_verify_locations(self.authority.folder / "ca.crt")
        self._tls.verify_mode = ssl.CERT_REQUIRED
        certificate, key = self.authority.issue("subscriber", "DNS:subscriber.example")
        folder = self.folder / "entitlement"
        folder.mkdir()
        (folder / "1.pem").write_bytes(Path(certificate).read_bytes())
        (folder / "1-key.pem").write_bytes(Path(key).read_bytes())
        return folder

    def repo_file(self) -> str:
        """The image's .repo file."""
        text = rpms.repository_file({name: f"{url}/" for name, url in self.urls.items()}, **self.repo_options)
        for name, url in self.metalinks.items():
            text = text.replace(f"baseurl={self.urls[name]}/\n", f"metalink={url}\n")
        return text

    def publish(self) -> str:
        """Push the image, and return its reference."""
        members = self.database or {"var/lib/rpm/rpmdb.sqlite": self.installed()}
        members = {**members, f"{self.repo_folder}/test.repo": self.repo_file().encode(), **self.files}
        if self.registry_host:
            push_image(self.registry_host, "team/app", "1", [tar_of(members)])
        else:
            self.registry.push("team/app", "1", layers=[tar_of(members)])
        return f"{self.registry_host or self.registry.host}/team/app:1"

    def installed(self) -> bytes:
        """The database that `install` made."""
        return (rpms.database(self.root) / "rpmdb.sqlite").read_bytes()

    def run(self, command: str, *arguments: str) -> Done:
        """Run `affineur COMMAND ARGUMENTS IMAGE` as its user would."""
        ours = f"https://127.0.0.1:{self.server.server_address[1]}"
        config = self.folder / "config.toml"
        config.write_text(
            f'cache = "{self.folder / "cache"}"\n{self.settings}\n'
            f'[network]\nallow = ["127.0.0.0/8"]\n[feeds]\nosv = ""\n{self.feeds}'
            + "".join(f'[[mirror]]\nfrom = "https://{host}"\nto = "{ours}/{host}"\n' for host in sorted(self._hosts))
        )
        words = [command, "--settings", str(config), *arguments, self.publish()]
        return started(self.folder, words, SSL_CERT_FILE=str(self.authority.folder / "ca.crt"))

    def zypper_updates(self) -> list[str]:
        """`name.arch version repository` of each line of Debian's `zypper list-updates`, sorted."""
        rpms.needed("zypper")
        folder = self.root / "etc/zypp/repos.d"
        folder.mkdir(parents=True, exist_ok=True)
        places: dict[str, Path | str] = {name: self.place(url) for name, url in self.urls.items()}
        (folder / "test.repo").write_text(rpms.repository_file(places, autorefresh="1"))
        command = ["zypper", "--root", str(self.root), "--non-interactive", "--no-gpg-checks", "list-updates"]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True, env=os.environ | {"LC_ALL": "C"}
        )
        rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
        return sorted(f"{row[2]}.{row[5]} {row[4]} {row[1]}" for row in rows if len(row) == 6 and row[0] == "v")

    def dnf(self, *arguments: str, **more: Any) -> list[str]:
        """The lines that Debian's dnf prints of the same root and repositories, without empty ones."""
        places = {name: self.place(url) for name, url in self.urls.items()}
        done = rpms.dnf(self.root, "-q", *arguments, repos=places, **more)
        return [line for line in done.stdout.splitlines() if line.strip()]
