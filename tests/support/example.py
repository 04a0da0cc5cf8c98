"""The small world of the tutorial: registry.example and archive.example, on loopback, as docs/tutorial shows them.

Its dates count from today, so that its letters are the same on every day. `team/app:1` lacks a Critical erratum that
has been out for 12 days and an Important one of 40 days: a C. `team/app:2`, a rebuild of yesterday, lacks nothing.
`team/blind:1` is like `team/app:1`, but its sources leave the security suite out. `team/alma:1` and `team/centos:1` are
of rpm (rpm_example.py), `team/alpine:1` is of apk (apk_example.py). `team/tools` is there to be moved, to prod.example
(moving_example.py).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from support import apk_example
from support.archive import stanza
from support.feeds import packed, record
from support.moving_example import push_tools, registries_conf
from support.pushing import PushableRegistry
from support.rpm_example import MIRRORS, push_rpm, rpm_repositories
from support.world import World, installed

__all__ = ["ExampleWorld"]

REGISTRY = "registry.example"
REPOSITORY = "team/app"
BLIND = "team/blind"
SOURCES = "etc/apt/sources.list"
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"  # 9.8
IMPORTANT = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"  # 7.5


class ExampleWorld(World):
    """`affineur assess registry.example/team/app:1` works as long as the configuration file is used."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.prod = self._stack.enter_context(PushableRegistry())
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._today = today
        self.settings = f'[[mirror]]\nfrom = "https://{REGISTRY}"\nto = "{self.registry.url}"\n' + "".join(
            f'[[mirror]]\nfrom = "{host}"\nto = "{self.archive.url}{below}"\n'
            for host, below in (MIRRORS | apk_example.MIRRORS).items()
        )
        self.reference += apk_example.references(folder)
        self.old = {"curl": "7.88.1-10+deb12u5", "openssl": "3.0.11-1~deb12u1"}
        self.new = {"curl": "7.88.1-10+deb12u12", "openssl": "3.0.15-1~deb12u1"}
        critical, important = today - timedelta(days=12), today - timedelta(days=40)
        offered, fields = self.suites["bookworm"]
        kept = [each for each in offered if not each.startswith(("Package: openssl\n", "Package: libssl3\n"))]
        self.suites["bookworm"] = ([*kept, *self._stanzas(self.old)], fields)
        self.suites["bookworm-security"] = (self._stanzas(self.new), self.suites["bookworm-security"][1])
        self.notices = [
            *_notice("DSA-9001-1", "curl", self.new["curl"], "CVE-2026-1001", IMPORTANT, important),
            *_notice("DSA-9002-1", "openssl", self.new["openssl"], "CVE-2026-1002", CRITICAL, critical),
        ]

    @property
    def image(self) -> str:
        """As the documentation names it."""
        return f"{REGISTRY}/{REPOSITORY}:1"

    @property
    def variables(self) -> dict[str, str]:
        """What leads the program here, as variables of its environment."""
        return {
            "AFFINEUR_CONFIG": str(self.configuration()),
            "CONTAINERS_REGISTRIES_CONF": str(registries_conf(self.folder, self.prod)),
        }

    def publish(self) -> None:
        """Serve the archive, the notices, and the images."""
        if "1" in (self.registry.tags(REPOSITORY) or ()):
            return
        for tag, versions, days in (("1", self.old, 100), ("2", self.new, 1)):
            self._push(REPOSITORY, tag, versions, days)
        sources = self.files[SOURCES] or b""
        self.files[SOURCES] = b"".join(line for line in sources.splitlines(keepends=True) if b"security" not in line)
        self._push(BLIND, "1", self.old, 100)
        self.files[SOURCES] = sources
        push_rpm(self.registry, self._today)
        push_tools(self.registry, self._today)
        self.archive.files.update(rpm_repositories(self._today))
        apk_example.push_alpine(self.registry, self._today)
        self.archive.files.update(apk_example.alpine_files(self._today))
        self.feed.archives["Alpine"] = packed(apk_example.alpine_flaws(self._today))
        super().publish()

    def _push(self, repository: str, tag: str, versions: dict[str, str], days: int) -> None:
        self.status = [
            installed("base-files", "12.4+deb12u11"),
            installed("dpkg", "1.21.22"),
            *(
                installed(name, version, **({} if source == name else {"Source": source}))
                for name, source, version in _binaries(versions)
            ),
            installed("tzdata", "2024a-0+deb12u1", "all"),
        ]
        created = (self._today - timedelta(days=days)).strftime("%Y-%m-%dT06:30:00Z")
        self.registry.push(repository, tag, layers=[self.layer()], config={"created": created})

    @staticmethod
    def _stanzas(versions: dict[str, str]) -> list[str]:
        return [
            stanza(name, version, **({} if source == name else {"Source": source}))
            for name, source, version in _binaries(versions)
        ]


def _binaries(versions: dict[str, str]) -> list[tuple[str, str, str]]:
    """(binary package, source package, version)"""
    named = [("curl", "curl"), ("libcurl4", "curl"), ("libssl3", "openssl"), ("openssl", "openssl")]
    return [(name, source, versions[source]) for name, source in named]


def _notice(
    identifier: str, source: str, fixed: str, cve: str, vector: str, issued: datetime
) -> list[dict[str, object]]:
    moment = issued.strftime("%Y-%m-%dT12:00:00Z")
    return [
        record(identifier, [("Debian:12", source, fixed)], cves=[cve], published=moment),
        record(cve, published=moment, severity=[{"type": "CVSS_V3", "score": vector}]),
    ]
