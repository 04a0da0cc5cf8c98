"""Security databases of apk's distributions: what is lacking, since when, how bad; and what cannot be told."""

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.apk.secdb import Built, SecDB, databases
from affineur.errata.apk.secfixes import read_secdb
from affineur.errata.feeds import Feeds
from affineur.errata.match import cves, errata_of_updates, match
from affineur.errors import ContentError, LimitExceeded, MalformedDocument, NotFound
from affineur.http.response import Headers, Response
from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease
from affineur.repositories.apk.model import Offer
from affineur.repositories.update import Update
from affineur.store.feeds import FeedStore
from support.feeds import packed, record

ALPINE = OSRelease({"ID": "alpine", "VERSION_ID": "3.16.3"})
MAIN = "https://secdb.alpinelinux.org/v3.16/main.json"
COMMUNITY = "https://secdb.alpinelinux.org/v3.16/community.json"
HIGH = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}  # 7.5, by FIRST's calculator
CRITICAL = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}  # 9.8


def secdb(**packages: Mapping[str, list[str] | None]) -> bytes:
    """In the form of https://secdb.alpinelinux.org/v3.16/main.json."""
    entries = [{"pkg": {"name": name, "secfixes": fixes}} for name, fixes in packages.items()]
    document = {
        "apkurl": "{{urlprefix}}/{{distroversion}}/{{reponame}}/{{arch}}/{{pkg.name}}-{{pkg.ver}}.apk",
        "archs": ["x86_64"],
        "reponame": "main",
        "urlprefix": "https://dl-cdn.alpinelinux.org/alpine",
        "distroversion": "v3.16",
        "packages": entries,
    }
    return json.dumps(document).encode()


def alpine_record(cve: str, published: str, *severity: Mapping[str, str]) -> dict[str, Any]:
    return record(f"ALPINE-{cve}", cves=[cve], published=published, severity=list(severity))


class FakeClient:
    """Answers by URL; with an ETag, and 304 to whoever knows it."""

    def __init__(self, **bodies: bytes) -> None:
        self.bodies = {f"https://secdb.alpinelinux.org/v3.16/{name}.json": body for name, body in bodies.items()}
        self.asked: list[tuple[str, str]] = []

    def get(self, url: str, *, limit: int, headers: Mapping[str, str], also: tuple[int, ...]) -> Response:
        self.asked.append((url, headers.get("If-None-Match", "")))
        if url not in self.bodies:
            raise NotFound(f"{url}: not there (HTTP 404)")
        etag = f'"{len(self.bodies[url])}"'
        if headers.get("If-None-Match") == etag:
            return Response(304, Headers([("ETag", etag)]), b"", url)
        return Response(200, Headers([("ETag", etag)]), self.bodies[url], url)


class World:
    """A store, OSV's records in a folder, and the databases."""

    def __init__(self, folder: Path, records: list[dict[str, Any]], **bodies: bytes) -> None:
        self.now = datetime.now(UTC)  # the store dates its files by the real clock
        self.client = FakeClient(**bodies)
        self.store = FeedStore(folder / "cache")
        osv = folder / "osv" / "Alpine"
        osv.mkdir(parents=True)
        (osv / "all.zip").write_bytes(packed(records))
        self.base = str(folder / "osv")

    def secdb(self, offline: bool = False) -> SecDB:
        feeds = Feeds(self.store, None, base=self.base, now=lambda: self.now)
        return SecDB(feeds, None if offline else self.client)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(
        tmp_path,
        [
            alpine_record("CVE-2026-1", "2026-11-20T00:00:00Z", HIGH),
            alpine_record("CVE-2026-2", "2026-03-01T00:00:00Z", CRITICAL),
        ],
        main=secdb(
            openssl={
                "1.1.1t-r0": ["CVE-2026-2", "CVE-2026-3 XSA-1 (+ regression fix)"],
                "1.1.1q-r0": ["CVE-2026-4"],
                "0": ["CVE-2026-5"],
            },
            zlib={"1.2.12-r2": ["CVE-2026-1"]},
        ),
        community=secdb(),
    )


BUILT = Built(
    [
        Offer("libssl1.1", "1.1.1u-r0", "x86_64", "openssl", built=datetime(2026, 5, 1, tzinfo=UTC)),
        Offer("libcrypto1.1", "1.1.1v-r0", "x86_64", "openssl", built=datetime(2026, 4, 1, tzinfo=UTC)),
        Offer("zlib", "1.2.12-r3", "x86_64", "zlib", built=datetime(2026, 11, 1, tzinfo=UTC)),
    ]
)


def test_what_a_source_lacks_with_bounds_and_dates(world: World) -> None:
    told = world.secdb().errata_for(ALPINE, {"openssl": "1.1.1s-r0", "zlib": "1.2.12-r1", "musl": "1-r0"}, BUILT)
    assert (told.gaps, told.unassessed) == ((), ())
    openssl, zlib = told.errata
    assert (openssl.id, openssl.kind) == ("secdb:openssl/1.1.1t-r0", "security")
    assert openssl.cves == ("CVE-2026-2", "CVE-2026-3")
    assert openssl.title == "openssl 1.1.1t-r0 fixes CVE-2026-2, CVE-2026-3, XSA-1"
    assert openssl.severity == "critical"
    assert openssl.rated_by == "CVSS 9.8 of ALPINE-CVE-2026-2"
    assert openssl.cve_severities == ("critical", None)
    # known since March, built (as a later version) on the first of April: it came out between
    assert (openssl.issued, openssl.issued_at_latest) == (None, datetime(2026, 4, 2, tzinfo=UTC))
    # its flaw was not known when a version with the fix was built
    assert (zlib.issued, zlib.issued_at_latest) == (datetime(2026, 11, 20, tzinfo=UTC), None)
    assert zlib.severity == "important"
    assert [fix.version for fix in zlib.fixes] == ["1.2.12-r2"]
    assert {each.source for each in told.evidence} >= {MAIN, COMMUNITY}


def test_what_the_image_has_is_not_lacking(world: World) -> None:
    told = world.secdb().errata_for(ALPINE, {"openssl": "1.1.1t-r0", "zlib": "1.2.12-r2"}, BUILT)
    assert told.errata == ()
    assert told.gaps == ()


def test_a_fix_that_nobody_offers_yet_was_known_by_now(world: World) -> None:
    (only,) = world.secdb().errata_for(ALPINE, {"zlib": "1.2.12-r1"}).errata
    assert (only.issued, only.issued_at_latest) == (None, world.now)


def test_matching_is_by_apks_order(world: World) -> None:
    """1.1.1_pre1 is before 1.1.1 to apk; dpkg would have it after."""
    world.client.bodies[MAIN] = secdb(openssl={"1.1.1-r0": ["CVE-2026-2"]})
    package = Package("libssl1.1", "1.1.1_pre1-r0", "x86_64", "openssl", "1.1.1_pre1-r0", manager="apk")
    told = world.secdb().errata_for(ALPINE, {"openssl": package.source_version}, BUILT)
    (finding,) = match([package], told.errata)
    assert (finding.packages, finding.installed, finding.fixed) == (("libssl1.1",), "1.1.1_pre1-r0", "1.1.1-r0")
    assert [row.id for row in cves([finding])] == ["CVE-2026-2"]
    update = Update(
        "libssl1.1",
        "x86_64",
        "1.1.1_pre1-r0",
        "1.1.1-r0",
        (),
        None,
        "openssl",
        "1.1.1-r0",
        "1.1.1_pre1-r0",
        manager="apk",
    )
    (filled,) = errata_of_updates([update], told.errata)
    assert (filled.errata, filled.security) == (("secdb:openssl/1.1.1-r0",), True)


def test_an_unread_database_is_a_gap(world: World) -> None:
    del world.client.bodies[COMMUNITY]
    told = world.secdb().errata_for(ALPINE, {"zlib": "1.2.12-r1"}, BUILT)
    assert len(told.errata) == 1
    assert [COMMUNITY in gap for gap in told.gaps] == [True]


def test_unread_severities_are_a_gap(world: World, tmp_path: Path) -> None:
    (tmp_path / "osv" / "Alpine" / "all.zip").unlink()
    told = world.secdb().errata_for(ALPINE, {"zlib": "1.2.12-r1"}, BUILT)
    assert [each.severity for each in told.errata] == [None]
    assert len(told.gaps) == 1


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"packages": 1}', b"\xff", b'{"packages": [{"pkg": {}}]}'])
def test_what_is_no_database_is_a_gap(world: World, body: bytes) -> None:
    world.client.bodies[MAIN] = body
    assert world.secdb().errata_for(ALPINE, {"zlib": "1.2.12-r1"}, BUILT).gaps


def test_a_version_that_is_none_is_a_gap_for_who_has_that_source(world: World) -> None:
    world.client.bodies[MAIN] = secdb(zlib={"soon": ["CVE-2026-1"]}, other={"later": ["CVE-2026-2"]})
    told = world.secdb().errata_for(ALPINE, {"zlib": "1.2.12-r1"}, BUILT)
    assert told.errata == ()
    assert len(told.gaps) == 1
    assert "'soon'" in told.gaps[0]


def test_a_database_is_asked_again_by_its_name(world: World) -> None:
    world.secdb().errata_for(ALPINE, {"zlib": "1"}, BUILT)
    world.secdb().errata_for(ALPINE, {"zlib": "1"}, BUILT)
    assert len(world.client.asked) == 2
    world.now += timedelta(days=1)
    told = world.secdb().errata_for(ALPINE, {"zlib": "1"}, BUILT)
    assert [bool(etag) for _, etag in world.client.asked] == [False, False, True, True]
    assert len(told.errata) == 1
    assert told.gaps == ()


def test_offline_what_there_is_is_used_and_its_age_told(world: World) -> None:
    assert world.secdb(offline=True).errata_for(ALPINE, {"zlib": "1"}, BUILT).gaps
    world.secdb().errata_for(ALPINE, {"zlib": "1"}, BUILT)
    world.now += timedelta(days=3)
    told = world.secdb(offline=True).errata_for(ALPINE, {"zlib": "1"}, BUILT)
    assert len(told.errata) == 1
    assert told.gaps == ()
    assert len(told.unassessed) == 2
    world.now += timedelta(days=30)
    assert len(world.secdb(offline=True).errata_for(ALPINE, {"zlib": "1"}, BUILT).gaps) >= 2


def test_where_the_databases_are() -> None:
    def named(**fields: str) -> tuple[str, ...] | str:
        return databases(OSRelease(fields))

    assert named(ID="alpine", VERSION_ID="3.16.3") == (MAIN, COMMUNITY)
    assert named(ID="alpine", VERSION_ID="3.22_alpha20250108")[0] == "https://secdb.alpinelinux.org/edge/main.json"
    assert named(ID="wolfi", VERSION_ID="20230201") == ("https://packages.wolfi.dev/os/security.json",)
    assert named(ID="chainguard") == ("https://packages.cgr.dev/chainguard/security.json",)
    assert "which release" in named(ID="alpine")
    assert "no security database" in named(ID="debian", VERSION_ID="12")


def test_entries_of_every_kind() -> None:
    """As they stand in the databases of Alpine's releases, Wolfi's and Chainguard's."""
    content = secdb(
        a={"1-r0": ["CVE-2019-14697 XSA-123", "CVE-2017-2616 (+ regression fix)", "GHSA-hw42-3568-wj87"], "2-r0": None},
        b={"0": ["CVE-2020-1234"], "1.0-r1 ": ["ALPINE-13661"], "3-r0": [""], "4-r0": ["TBD"]},
        c={},
    )
    found = [(fix.source, fix.version, fix.ids, fix.readable) for fix in read_secdb(content, "x")]
    assert found == [
        ("a", "1-r0", ("CVE-2019-14697", "XSA-123", "CVE-2017-2616", "GHSA-hw42-3568-wj87"), True),
        ("b", "1.0-r1", ("ALPINE-13661",), True),
    ]
    assert list(read_secdb(b'{"packages": null}', "x")) == []
    assert list(read_secdb(b'{"packages": [{"pkg": {"name": "x", "secfixes": null}}]}', "x")) == []


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    content = secdb(a={"1-r0": ["CVE-2019-1000", "CVE-2019-1001"], "2-r0": ["CVE-2019-1002"]})
    for name, value in (("MAX_BYTES", 10), ("MAX_FIXES", 1), ("MAX_IDS", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(f"affineur.errata.apk.secfixes.{name}", value)
            with pytest.raises(LimitExceeded):
                list(read_secdb(content, "x"))
    with pytest.raises(MalformedDocument):
        list(read_secdb(b"[" * 100_000, "x"))


@given(st.binary(max_size=60), st.integers(0, 400))
def test_any_bytes_end_in_fixes_or_in_our_error(noise: bytes, at: int) -> None:
    whole = secdb(openssl={"1.1.1t-r0": ["CVE-2026-2"]})
    for content in (noise, whole[:at] + noise + whole[at:], whole[:at]):
        with contextlib.suppress(ContentError):
            assert all(fix.ids for fix in read_secdb(content, "x"))


def test_by_when_a_version_was_out() -> None:
    assert BUILT.at_latest("openssl", "1.1.1t-r0") == datetime(2026, 4, 1, tzinfo=UTC)
    assert BUILT.at_latest("openssl", "1.1.1v-r0") == datetime(2026, 4, 1, tzinfo=UTC)
    assert BUILT.at_latest("openssl", "1.1.1w-r0") is None
    assert BUILT.at_latest("other", "1") is None
