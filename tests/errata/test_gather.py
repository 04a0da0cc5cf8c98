"""All sources of errata together: nothing twice, nothing lost."""

import gzip
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from affineur.errata.feeds import Feeds
from affineur.errata.gather import Gathered, gather, lowest_versions
from affineur.errors import NotFound
from affineur.packages.inventory import Package
from affineur.repositories.apt.model import Release, SourceEntry, Suite
from affineur.repositories.update import Update
from affineur.store.feeds import FeedStore
from support.debs import data_tar, deb, entry
from support.feeds import packed, record

BASE = "http://archive.example/debian"
DATE = datetime(2024, 6, 1, tzinfo=UTC)
SEVERE = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}


class Bookworm(NamedTuple):
    id: str = "debian"
    version_id: str = "12"
    codename: str = "bookworm"


def changelog(source: str, *entries: str) -> bytes:
    path = f"usr/share/doc/{source}/changelog.Debian.gz"
    return deb(data_tar({path: gzip.compress("".join(entries).encode())}))


DEBS = {
    # a notice explains its newest version: never fetched
    "noticed": changelog("noticed", entry("noticed", "2"), entry("noticed", "1")),
    # no notice, but a changelog, whose CVE the feed rates
    "told": changelog("told", entry("told", "2", "* CVE-2024-1000"), entry("told", "1")),
    # a notice about a version in between, and a changelog that speaks of both
    "partly": changelog(
        "partly", entry("partly", "3", "* CVE-2024-2000"), entry("partly", "2", "* CVE-2024-1000"), entry("partly", "1")
    ),
}
PACKAGES = [Package(name, "1", "amd64", name, "1") for name in ("noticed", "told", "partly", "silent", "idle")]


def suite(name: str, label: str) -> Suite:
    release = Release("Debian", label, name, "", "", DATE, None, (), (), False, False, False, {})
    return Suite(SourceEntry(f"{BASE}/", name, ("main",)), release, (), True, f"{BASE}/{name}")


SUITES = [suite("stable", "Debian"), suite("stable-security", "Debian-Security")]


def update(name: str, available: str, suites: tuple[str, ...] = ("stable-security",)) -> Update:
    content = DEBS.get(name, b"?")
    return Update(
        name, "amd64", "1", available, suites, True, name, available, "1",
        filename=f"pool/{name}.deb", size=len(content), sha256=hashlib.sha256(content).hexdigest(), base_uri=f"{BASE}/",
    )  # fmt: skip


UPDATES = [update("noticed", "2"), update("told", "2", ("stable",)), update("partly", "3"), update("silent", "2")]


@pytest.fixture
def feeds(tmp_path: Path) -> Feeds:
    archive = tmp_path / "given" / "Debian" / "all.zip"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(
        packed(
            [
                record("DSA-1-1", [("Debian:12", "noticed", "2")], cves=["CVE-2024-1000"]),
                record("DSA-2-1", [("Debian:12", "partly", "2")]),  # names no CVE: its changelog does
                record("DEBIAN-CVE-2024-1000", severity=[SEVERE]),
            ]
        )
    )
    return Feeds(FeedStore(tmp_path / "store"), None, base=str(tmp_path / "given"))


def gathered(feeds: Feeds, *, offline: bool = False) -> tuple[Gathered, list[str]]:
    asked: list[str] = []

    def fetch(url: str, limit: int) -> bytes:
        name = url.rpartition("/")[2].removesuffix(".deb")
        asked.append(name)
        if name not in DEBS:
            raise NotFound(f"{url}: not there (HTTP 404)")
        return DEBS[name]

    return gather(Bookworm(), PACKAGES, UPDATES, SUITES, feeds, None if offline else fetch), asked


def test_every_source_of_errata_adds_what_the_others_lack(feeds: Feeds) -> None:
    found, asked = gathered(feeds)

    assert sorted(asked) == ["partly", "silent", "told"]
    assert {f.erratum.id: (f.erratum.severity, f.packages) for f in found.findings} == {
        "DSA-1-1": ("critical", ("noticed",)),
        "DSA-2-1": ("critical", ("partly",)),  # by the CVE that only its changelog names
        "changelog:partly/3": (None, ("partly",)),
        "changelog:told/2": ("critical", ("told",)),
        "unrated:silent/2": (None, ("silent",)),
    }
    assert {one.name: one.errata for one in found.updates} == {
        "noticed": ("DSA-1-1",),
        "told": ("changelog:told/2",),
        "partly": ("DSA-2-1", "changelog:partly/3"),
        "silent": ("unrated:silent/2",),
    }
    assert [one.what for one in found.unassessed] == ["changelog of silent 2"]


def test_offline_what_cannot_be_fetched_is_unrated_or_said(feeds: Feeds) -> None:
    found, asked = gathered(feeds, offline=True)
    assert asked == []
    ids = {finding.erratum.id for finding in found.findings}
    # of "partly" version 3 stands in the security suite, so the notice about 2 does not explain it
    assert ids == {"DSA-1-1", "DSA-2-1", "unrated:partly/3", "unrated:told/2", "unrated:silent/2"}
    assert {one.what for one in found.unassessed} == {
        "changelog of told 2", "changelog of partly 3", "changelog of silent 2",
    }  # fmt: skip
    assert all("--offline" in one.why for one in found.unassessed)


def test_the_lowest_installed_version_counts() -> None:
    packages = [Package(f"p{version}", version, "amd64", "a", version) for version in ("1.10", "1.9", "1.11")]
    assert lowest_versions(packages) == {"a": "1.9"}
