"""A small world of apk on loopback: a registry with one image, its repositories, its security database, OSV's records.

The image says that it is Alpine 3.16; its repositories are signed with a key made here, which the configuration pins in
the place of Alpine's own. Everything can be bent before it is served.
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
from support.command import Done
from support.feeds import feed_server, packed
from support.feeds import record as osv_record
from support.registry import Registry, tar_of

__all__ = ["ApkWorld", "days_ago", "installed"]

HOST = "https://dl.example/alpine"
HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}]  # 7.5


def days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days)


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
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.registry = self._stack.enter_context(Registry())
        self.served = self._stack.enter_context(Repositories())
        self.feed = self._stack.enter_context(feed_server())
        self.packages = [
            installed("alpine-base", "3.16.3-r0"),
            installed("musl", "1.2.3-r4"),
            installed("libssl1.1", "1.1.1s-r0", "openssl"),
            installed("libcrypto1.1", "1.1.1s-r0", "openssl"),
            installed("tree", "2.0.2-r0"),
        ]
        self.files: dict[str, bytes | None] = {
            "etc/os-release": b'ID=alpine\nVERSION_ID=3.16.3\nPRETTY_NAME="Alpine Linux v3.16"\n',
            "etc/apk/arch": b"x86_64\n",
            "etc/apk/repositories": f"{HOST}/v3.16/main\n{HOST}/v3.16/community\n".encode(),
            "etc/apk/world": b"alpine-base\nmusl\nlibssl1.1\ntree\n",
            f"etc/apk/keys/{self.served.key.name}": self.served.key.pem,
        }
        self.main = [
            built("alpine-base", "3.16.3-r0", 300),
            built("apk-tools", "2.12.9-r3", 300),
            built("musl", "1.2.3-r4", 300),
            built("libssl1.1", "1.1.1t-r0", 20, "openssl"),
            built("libcrypto1.1", "1.1.1t-r0", 20, "openssl"),
            built("fresh", "1-r0", 0),
        ]
        self.community = [built("tree", "2.0.2-r1", 40), built("other", "1-r0", 0)]
        self.description = "v3.16.3-13-g4d933a1fa3"
        self.fixes: Mapping[str, Mapping[str, Sequence[str]]] = {"openssl": {"1.1.1t-r0": ["CVE-2026-1000"]}}
        self.databases: dict[str, bytes | None] = {}
        self.flaws = [("CVE-2026-1000", 10)]
        self.feed_name, self.flaw_ids = "Alpine", "ALPINE-"
        self.mirrors = {HOST: "alpine", "https://secdb.alpinelinux.org": "secdb"}
        self.references = [("alpine", "3.16", name, f"{HOST}/v3.16/{name}") for name in ("main", "community")]
        self.pinned = self.served.key.fingerprint

    @property
    def image(self) -> str:
        return f"{self.registry.host}/team/app:1"

    def publish(self) -> None:
        self.served.publish("alpine/v3.16/main", self.main, description=self.description)
        self.served.publish("alpine/v3.16/community", self.community, description=self.description)
        entries = [{"pkg": {"name": name, "secfixes": versions}} for name, versions in self.fixes.items()]
        files: dict[str, bytes | None] = {
            "main.json": json.dumps({"packages": entries}).encode(),
            "community.json": b'{"packages": []}',
        }
        for name, content in (files | self.databases).items():
            if content is not None:
                self.served.files[f"secdb/v3.16/{name}"] = content
        self.feed.archives[self.feed_name] = packed(
            osv_record(
                f"{self.flaw_ids}{cve}", cves=[cve], published=f"{days_ago(days):%Y-%m-%dT%H:%M:%SZ}", severity=HIGH
            )
            for cve, days in self.flaws
        )
        members = {"lib/apk/db/installed": "\n".join(self.packages).encode()}
        members |= {path: content for path, content in self.files.items() if content is not None}
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
        self.publish()
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run([command, "--settings", str(self.configuration()), *arguments, self.image])
        return Done(code, out.getvalue(), err.getvalue())

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def names(found: Sequence[Mapping[str, Any]], *fields: str) -> list[tuple[Any, ...]]:
    """Some fields of a list of a document."""
    return [tuple(each[field] for field in fields) for each in found]
