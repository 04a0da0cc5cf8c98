"""A whole small world of rpm on loopback: a registry with one image, and the repositories that its .repo files name.

    world = RpmWorld(tmp_path)
    world.install(build(folder, "hello", "1.0", "1"))
    world.repository("baseos", [build(folder, "hello", "1.1", "1")], updateinfo=UPDATEINFO)
    world.run("assess", "--json").document

The image says that it is AlmaLinux 9; its repositories lie below HOST, which the configuration maps to a server with
TLS on loopback, whose authority SSL_CERT_FILE names: so its answer is trusted as what a reference host says itself.
"""

import ssl
import threading
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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class RpmWorld:
    """Bend it, then `run` (a context manager).

    Attributes:
        files: of the image, path → content; the database and etc/yum.repos.d/test.repo are added.
        served: the folder whose paths are those below HOST.
        paths: repository id → its path below HOST.
        settings: further lines of the configuration file, at its beginning.
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
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(self.served)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("server", "IP:127.0.0.1,DNS:localhost"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.files: dict[str, bytes] = {"etc/os-release": os_release}
        self.paths: dict[str, str] = {}
        self.repo_options: dict[str, str] = {}
        self.settings = ""

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

    def repository(self, name: str, packages: Sequence[Path], path: str = "", **more: Any) -> Path:
        """As rpms.repository, at a path below HOST (`almalinux/9/NAME/x86_64/os`) that the image's .repo file names."""
        self.paths[name] = path or f"almalinux/9/{name}/x86_64/os"
        return rpms.repository(self.served / self.paths[name], packages, **more)

    def repo_file(self) -> str:
        """The image's .repo file."""
        urls = {name: f"{self.host}/{path}/" for name, path in self.paths.items()}
        return rpms.repository_file(urls, **self.repo_options)

    def publish(self) -> str:
        """Push the image, and return its reference."""
        members = {f"var/lib/rpm/{file.name}": file.read_bytes() for file in rpms.database(self.root).iterdir()}
        members = {path: content for path, content in members.items() if path.endswith("rpmdb.sqlite")}
        members["etc/yum.repos.d/test.repo"] = self.repo_file().encode()
        self.registry.push("team/app", "1", layers=[tar_of({**members, **self.files})])
        return f"{self.registry.host}/team/app:1"

    def run(self, command: str, *arguments: str) -> Done:
        """Run `affineur COMMAND ARGUMENTS IMAGE` as its user would."""
        port = self.server.server_address[1]
        config = self.folder / "config.toml"
        config.write_text(
            f'cache = "{self.folder / "cache"}"\n{self.settings}\n'
            f'[network]\nallow = ["127.0.0.0/8"]\n[feeds]\nosv = ""\n'
            f'[[mirror]]\nfrom = "{self.host}"\nto = "https://127.0.0.1:{port}"\n'
        )
        words = [command, "--settings", str(config), *arguments, self.publish()]
        return started(self.folder, words, SSL_CERT_FILE=str(self.authority.folder / "ca.crt"))

    def dnf(self, *arguments: str) -> str:
        """What Debian's dnf prints of the same root and repositories."""
        done = rpms.dnf(self.root, *arguments, repos={name: self.served / path for name, path in self.paths.items()})
        return done.stdout
