"""A whole small world on loopback: a registry with one image, the archive its sources name, and a feed of notices.

The image says that it is Debian 12; its suites are signed with a fresh key, which the configuration pins as a reference
in the place of Debian's own. Everything can be bent before it is served: `files`, `suites`, `notices`, `reference`.
"""

import io
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from affineur.cli.main import run
from support.archive import Archive, stanza
from support.command import Done, started
from support.feeds import feed_server, packed, record
from support.registry import Layer, Registry, tar_of

__all__ = ["World", "installed"]

HOST = "http://archive.example"
KEYRING = "usr/share/keyrings/test-archive-keyring.asc"
OS_RELEASE = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'


def installed(name: str, version: str, architecture: str = "amd64", **fields: str) -> str:
    """A stanza of dpkg's status."""
    told = {"Package": name, "Status": "install ok installed", "Version": version, "Architecture": architecture}
    told |= {field.replace("_", "-"): value for field, value in fields.items()}
    return "".join(f"{field}: {value}\n" for field, value in told.items())


class World:
    """Bend it, then `assess` (a context manager).

    Attributes:
        status: stanzas of dpkg's status.
        files: further files of the image, path → content; None leaves one of the defaults out.
        links: path → target of symbolic links of the image.
        layers: the image's layers, base first, instead of the one that is made of all these.
        suites: name → (stanzas of main, arguments of `Archive.suite`); empty the name to leave a suite out.
        notices: OSV records, of the ecosystem `feed_name`.
        reference: lines of the configuration file that pin the archive's key.
        mapped: the folder of the archive's host that the configuration maps to loopback; empty for all of it.
        network: lines of the configuration's table of the network.
        feeds: further lines of the configuration's table of feeds.
        unfixed: where Debian's security tracker is read; empty for nowhere.
        settings: further lines of the configuration file, at its beginning.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.registry = self._stack.enter_context(Registry())
        self.archive = self._stack.enter_context(Archive())
        self.feed = self._stack.enter_context(feed_server())
        self.status = [
            installed("base-files", "12.4+deb12u11"),
            installed("dpkg", "1.21.22"),
            installed("openssl", "3.0.11-1~deb12u1"),
            installed("libssl3", "3.0.11-1~deb12u1", Source="openssl"),
            installed("tzdata", "2024a-0+deb12u1", "all"),
        ]
        offered = [
            stanza("base-files", "12.4+deb12u11"),
            stanza("dpkg", "1.21.22"),
            stanza("openssl", "3.0.11-1~deb12u1"),
            stanza("libssl3", "3.0.11-1~deb12u1", Source="openssl"),
            stanza("tzdata", "2024a-0+deb12u1", "all"),
        ]
        fixed = [
            stanza("openssl", "3.0.15-1~deb12u1"),
            stanza("libssl3", "3.0.15-1~deb12u1", Source="openssl"),
        ]
        debian = {"origin": "Debian", "label": "Debian", "version": "12"}
        self.suites: dict[str, tuple[Sequence[str], dict[str, Any]]] = {
            "bookworm": (offered, {**debian, "suite": "oldstable", "codename": "bookworm"}),
            "bookworm-updates": ((), {**debian, "suite": "oldstable-updates", "codename": "bookworm-updates"}),
            "bookworm-security": (
                fixed,
                {
                    **debian,
                    "label": "Debian-Security",
                    "suite": "oldstable-security",
                    "codename": "bookworm-security",
                    "valid_until": datetime.now(UTC) + timedelta(days=7),
                },
            ),
        }
        self.files: dict[str, bytes | None] = {
            "etc/os-release": OS_RELEASE,
            "etc/apt/sources.list": (
                f"deb [signed-by=/{KEYRING}] {HOST}/debian bookworm main\n"
                f"deb [signed-by=/{KEYRING}] {HOST}/debian bookworm-updates main\n"
                f"deb [signed-by=/{KEYRING}] {HOST}/debian bookworm-security main\n"
            ).encode(),
            KEYRING: self.archive.key.armored.encode(),
        }
        self.links: dict[str, str] = {}
        self.layers: Sequence[bytes | Layer] | None = None
        self.notices = [
            record(
                "DSA-1-1",
                [("Debian:12", "openssl", "3.0.15-1~deb12u1")],
                cves=["CVE-2026-1111"],
                published="2026-05-01T12:00:00Z",
            ),
            record(
                "CVE-2026-1111",
                published="2026-04-30T00:00:00Z",
                severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            ),
        ]
        self.reference = "".join(
            f'[[reference]]\ndistribution = "debian"\nrelease = "bookworm"\nsuite = "{name}"\n'
            f'keys = ["{self.archive.key.fingerprint}"]\norigin = "Debian"\ncodename = "{name}"\n'
            f"security = {str(name.endswith('security')).lower()}\nmax-age-days = 150\n"
            for name in ("bookworm", "bookworm-updates", "bookworm-security")
        )
        self.feed_name = "Debian"
        self.mapped = ""
        self.network = 'allow = ["127.0.0.0/8"]'
        self.feeds = ""
        self.unfixed = ""
        self.settings = ""
        self.config_of_image: Mapping[str, Any] = {}
        self.reference_name = "team/app:1"

    @property
    def image(self) -> str:
        """The reference to judge."""
        return f"{self.registry.host}/{self.reference_name}"

    def publish(self) -> None:
        """Sign and serve the suites, pack the notices, push the image."""
        for name, (stanzas, fields) in self.suites.items():
            self.archive.suite(name, {"main": stanzas}, below="debian/", **fields)
        self.feed.archives[self.feed_name] = packed(self.notices)
        if "1" not in (self.registry.tags("team/app") or ()):
            layers = [self.layer()] if self.layers is None else self.layers
            self.registry.push("team/app", "1", layers=layers, config=self.config_of_image)

    def layer(self) -> bytes:
        """The image's only layer, as a tar."""
        members: dict[str, bytes | tarfile.TarInfo] = {"var/lib/dpkg/status": "\n".join(self.status).encode()}
        members |= {path: content for path, content in self.files.items() if content is not None}
        for path, target in self.links.items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            members[path] = member
        return tar_of(members)

    def update(self) -> None:
        """Have the image take every update that its security suite offers."""
        for offered in self.suites["bookworm-security"][0]:
            fields = dict(line.split(": ", 1) for line in offered.splitlines())
            name, version = fields["Package"], fields["Version"]
            more = {"Source": fields["Source"]} if "Source" in fields else {}
            self.status = [each for each in self.status if f"Package: {name}\n" not in each]
            self.status.append(installed(name, version, fields["Architecture"], **more))

    def configuration(self) -> Path:
        """The configuration file: loopback only, the archive's host mapped, the key pinned."""
        file = self.folder / "config.toml"
        file.write_text(
            f'cache = "{self.folder / "cache"}"\n{self.settings}\n[network]\n{self.network}\n'
            f'[feeds]\nosv = "{self.feed.url}"\nunfixed.debian = "{self.unfixed}"\n{self.feeds}\n'
            f'[[mirror]]\nfrom = "{HOST}{self.mapped}"\n'
            f'to = "{self.archive.url.rstrip("/")}{self.mapped}"\n'
            f"{self.reference}"
        )
        return file

    def words(self, command: str, *arguments: str) -> list[str]:
        """The command line, without the program's name."""
        return [command, "--settings", str(self.configuration()), *arguments, self.image]

    def run(self, command: str, *arguments: str, publish: bool = True) -> Done:
        """Run `affineur COMMAND --settings … ARGUMENTS IMAGE` as its user would."""
        if publish:
            self.publish()
        return self.run_words(self.words(command, *arguments))

    def run_words(self, words: Sequence[str], **variables: str) -> Done:
        """Run `affineur WORDS` in a process of its own, with further variables of the environment."""
        return started(self.folder, words, **variables)

    def run_inside(self, command: str, *arguments: str, publish: bool = True) -> Done:
        """As `run`, but in this process: for tests that replace a part, or run many times."""
        if publish:
            self.publish()
        return self.run_inside_words(self.words(command, *arguments))

    def run_inside_words(self, words: Sequence[str]) -> Done:
        """As `run_words`, but in this process."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(list(words))
        return Done(code, out.getvalue(), err.getvalue())

    def close(self) -> None:
        """Stop the servers."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
