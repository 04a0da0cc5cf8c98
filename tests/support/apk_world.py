"""A small world of apk on loopback: a registry with one image, its repositories, its security database, OSV's records.

The image says that it is Alpine, 3.16 where nothing else is said; its repositories are signed with a key made here,
which the configuration pins in the place of Alpine's own. Everything can be bent before it is served.
"""

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from affineur.cli.main import run
from support.apk import Repositories, record
from support.command import Done, started
from support.docker_registry import push_image
from support.feeds import feed_server, packed
from support.feeds import record as osv_record
from support.registry import Registry, tar_of

__all__ = ["ApkWorld", "days_ago", "installed"]

HOST = "https://dl.example/alpine"
STARTED = datetime.now(UTC)
"""What is published again says the same."""
HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}]  # 7.5


def days_ago(days: int) -> datetime:
    return STARTED - timedelta(days)


def installed(name: str, version: str, origin: str = "", more: str = "") -> str:
    """A record of apk's database, with one file."""
    return f"C:Q1=\nP:{name}\nV:{version}\nA:x86_64\nS:1\nI:2\no:{origin or name}\n{more}F:usr\nR:{name}\nZ:Q1=\n"


def built(name: str, version: str, days: int, origin: str = "") -> str:
    """A record of an index, by how long ago it was built."""
    return record(name, version, int(days_ago(days).timestamp()), origin=origin)


class ApkWorld:
    """Bend it, then run a command.

    Attributes:
        packages: records of apk's database.
        files: further files of the image; None leaves one of the defaults out.
        main, community: records of the indexes.
        description: of both.
        fixes: source → version → ids, of main's security database; `databases` are the files as they are served.
        flaws: (CVE, days since it is known), of OSV's folder `feed_name`, in records whose ids begin with `flaw_ids`.
        mirrors: URL → path that it is mapped to on loopback.
        references: (distribution, release, name, URL) of what the configuration pins.
        registry_host: of another registry than the one in this process, to push to.
    """

    def __init__(self, folder: Path, release: str = "3.16") -> None:
        """The release is Alpine's, as `3.16` or `edge`."""
        self.folder = folder
        self.path = release if release == "edge" else f"v{release}"
        version = "3.23_alpha20250612" if release == "edge" else f"{release}.3"
        self._stack = ExitStack()
        self.registry = self._stack.enter_context(Registry())
        self.served = self._stack.enter_context(Repositories())
        self.feed = self._stack.enter_context(feed_server())
        self.packages = [
            installed("alpine-base", f"{version}-r0"),
            installed("musl", "1.2.3-r4"),
            installed("libssl1.1", "1.1.1s-r0", "openssl"),
            installed("libcrypto1.1", "1.1.1s-r0", "openssl"),
            installed("tree", "2.0.2-r0"),
        ]
        self.files: dict[str, bytes | None] = {
            "etc/os-release": f'ID=alpine\nVERSION_ID={version}\nPRETTY_NAME="Alpine Linux {self.path}"\n'.encode(),
            "etc/apk/arch": b"x86_64\n",
            "etc/apk/repositories": f"{HOST}/{self.path}/main\n{HOST}/{self.path}/community\n".encode(),
            "etc/apk/world": b"alpine-base\nmusl\nlibssl1.1\ntree\n",
            f"etc/apk/keys/{self.served.key.name}": self.served.key.pem,
        }
        self.main = [
            built("alpine-base", f"{version}-r0", 300),
            built("apk-tools", "2.12.9-r3", 300),
            built("musl", "1.2.3-r4", 300),
            built("libssl1.1", "1.1.1t-r0", 20, "openssl"),
            built("libcrypto1.1", "1.1.1t-r0", 20, "openssl"),
            built("fresh", "1-r0", 0),
        ]
        self.community = [built("tree", "2.0.2-r1", 40), built("other", "1-r0", 0)]
        self.description = "v20260101-13-g4d933a1fa3" if release == "edge" else f"v{version}-13-g4d933a1fa3"
        self.fixes: Mapping[str, Mapping[str, Sequence[str]]] = {"openssl": {"1.1.1t-r0": ["CVE-2026-1000"]}}
        self.databases: dict[str, bytes | None] = {}
        self.flaws = [("CVE-2026-1000", 10)]
        self.feed_name, self.flaw_ids = "Alpine", "ALPINE-"
        self.mirrors = {HOST: "alpine", "https://secdb.alpinelinux.org": "secdb"}
        self.references = [("alpine", release, name, f"{HOST}/{self.path}/{name}") for name in ("main", "community")]
        self.pinned = self.served.key.fingerprint
        self.registry_host = ""

    @property
    def image(self) -> str:
        return f"{self.registry_host or self.registry.host}/team/app:1"

    def rolling(self, distribution: str) -> None:
        """Make it an image of Wolfi or Chainguard: one repository, no releases, advisories of their own."""
        url = {"wolfi": "https://packages.wolfi.dev/os", "chainguard": "https://apk.cgr.dev/chainguard"}[distribution]
        self.files["etc/os-release"] = f'ID={distribution}\nNAME="{distribution}"\nVERSION_ID="20230201"\n'.encode()
        self.files["etc/apk/repositories"] = f"{url}\n".encode()
        self.packages = [
            installed("wolfi-baselayout", "20230201-r15"),
            installed("libssl3", "3.3.1-r0", "openssl"),
        ]
        records = [
            built("wolfi-baselayout", "20230201-r15", 100),
            built("wolfi-keys", "1-r8", 100),
            built("libssl3", "3.3.1-r0", 90, "openssl"),
            built("libssl3", "3.3.2-r1", 20, "openssl"),
            built("libssl3", "3.3.2-r0", 25, "openssl"),
            built("fresh", "1-r0", 0),
        ]
        self.served.publish("own/os", records, description="")
        self.served.publish("own/chainguard", records, description="")
        self.served.files["own/os/security.json"] = self.served.files["own/chainguard/security.json"] = (
            b'{"apkurl": "x", "archs": ["x86_64"], "reponame": "os", "urlprefix": "https://packages.wolfi.dev",'
            b' "packages": [{"pkg": {"name": "openssl",'
            b' "secfixes": {"0": ["CVE-2026-9"], "3.3.2-r0": ["CVE-2026-1000"]}}}]}'
        )
        self.mirrors = dict.fromkeys(
            ("https://packages.wolfi.dev", "https://apk.cgr.dev", "https://packages.cgr.dev"), "own"
        )
        self.feed_name = distribution.capitalize()
        self.flaw_ids = "CGA-"
        self.references = [("wolfi", "", "os", "https://packages.wolfi.dev/os")]

    def publish(self) -> None:
        self.served.publish(f"alpine/{self.path}/main", self.main, description=self.description)
        self.served.publish(f"alpine/{self.path}/community", self.community, description=self.description)
        entries = [{"pkg": {"name": name, "secfixes": versions}} for name, versions in self.fixes.items()]
        files: dict[str, bytes | None] = {
            "main.json": json.dumps({"packages": entries}).encode(),
            "community.json": b'{"packages": []}',
        }
        for name, content in (files | self.databases).items():
            if content is not None:
                self.served.files[f"secdb/{self.path}/{name}"] = content
        self.feed.archives[self.feed_name] = packed(
            osv_record(
                f"{self.flaw_ids}{cve}", cves=[cve], published=f"{days_ago(days):%Y-%m-%dT%H:%M:%SZ}", severity=HIGH
            )
            for cve, days in self.flaws
        )
        members = {"lib/apk/db/installed": "\n".join(self.packages).encode()}
        members |= {path: content for path, content in self.files.items() if content is not None}
        if self.registry_host:
            push_image(self.registry_host, "team/app", "1", [tar_of(members)])
        else:
            self.registry.push("team/app", "1", layers=[tar_of(members)])

    def configuration(self) -> Path:
        keyring = self.folder / "keyring.pem"
        keyring.write_bytes(self.served.key.pem)
        file = self.folder / "config.toml"
        references = "".join(
            f'[[reference]]\ndistribution = "{distribution}"\nrelease = "{release}"\nsuite = "{name}"\n'
            f'keys = ["{self.pinned}"]\nkeyring = "{keyring}"\nuri = "{url}"\nmax-age-days = 7\n'
            for distribution, release, name, url in self.references
        )
        mirrors = "".join(
            f'[[mirror]]\nfrom = "{url}"\nto = "{self.served.url}/{path}"\n' for url, path in self.mirrors.items()
        )
        file.write_text(
            f'cache = "{self.folder / "cache"}"\n[network]\nallow = ["127.0.0.0/8"]\n[feeds]\nosv = "{self.feed.url}"\n'
            f"{mirrors}{references}"
        )
        return file

    def run(self, command: str, *arguments: str) -> Done:
        """Run `affineur COMMAND --settings … ARGUMENTS IMAGE`, in this process."""
        words = self.words(command, *arguments)
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(words)
        return Done(code, out.getvalue(), err.getvalue())

    def started(self, command: str, *arguments: str) -> Done:
        """The same in a process of its own."""
        return started(self.folder, self.words(command, *arguments))

    def words(self, command: str, *arguments: str) -> list[str]:
        """Publish all, and return what the command line says."""
        self.publish()
        return [command, "--settings", str(self.configuration()), *arguments, self.image]

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def names(found: Sequence[Mapping[str, Any]], *fields: str) -> list[tuple[Any, ...]]:
    """Some fields of a list of a document."""
    return [tuple(each[field] for field in fields) for each in found]
