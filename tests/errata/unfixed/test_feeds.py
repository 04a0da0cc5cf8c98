"""Vendors' word on flaws without a fix: from loopback, folders, archives; kept; and what is said where none is read."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from affineur.errata.erratum import Severity
from affineur.errata.feeds import Feeds
from affineur.errata.unfixed.feeds import UnfixedFeeds
from affineur.errata.unfixed.model import WHAT, Status, Unfixed, UnfixedCVE, apart
from affineur.http.client import Client
from affineur.packages.inventory import Package
from affineur.store.feeds import FeedStore
from support.feeds import record
from support.unfixed import TRACKER, red_hat_document, tarred, ubuntu_document


class Named(NamedTuple):
    id: str
    version_id: str
    codename: str


BOOKWORM = Named("debian", "12", "bookworm")
JAMMY = Named("ubuntu", "22.04", "jammy")
RHEL = Named("rhel", "8.10", "ootpa")


def deb(source: str, version: str, name: str = "") -> Package:
    return Package(name or source, version, "amd64", source, version)


def rpm(name: str, version: str, source: str = "", module: str = "") -> Package:
    return Package(name, version, "x86_64", source or name, version, manager="rpm", module=module)


DEBS = [deb("openssl", "3.0.14-1~deb12u2", "libssl3"), deb("openssl", "3.0.14-1~deb12u2"), deb("tar", "1.34+dfsg-1.2")]


class Clock:
    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.moment


@contextmanager
def serving(content: bytes) -> Iterator[tuple[str, list[int]]]:
    """One file on loopback, with ETag and 304; and the statuses that were answered."""
    statuses: list[int] = []
    etag = f'"{hashlib.md5(content).hexdigest()}"'

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = 304 if self.headers.get("If-None-Match") == etag else 200
            statuses.append(status)
            self.send_response(status)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(content)) if status == 200 else "0")
            self.end_headers()
            if status == 200:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/data.json", statuses
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client(environment={}, attempts=1)
    yield made
    made.close()


def asked(folder: Path, release: Named, packages: list[Package], client: Client | None = None, **more: Any) -> Unfixed:
    vendors: list[str] = ["debian", "ubuntu", "redhat"]
    places = {vendor: str(more.pop(vendor)) for vendor in vendors if vendor in more}
    notices = more.pop("notices", None)
    feeds = UnfixedFeeds(FeedStore(folder / "cache"), client, places, notices, **more)
    try:
        return feeds.unfixed_for(release, packages)
    finally:
        feeds.close()
        if notices:
            notices.close()


def tracker(folder: Path) -> Path:
    path = folder / "tracker.json"
    path.write_text(json.dumps(TRACKER))
    return path


def osv(folder: Path, ecosystem: str = "Debian:12", feed: str = "Debian") -> Feeds:
    place = folder / "osv" / feed
    place.mkdir(parents=True, exist_ok=True)
    open_in = {"package": {"ecosystem": ecosystem, "name": "openssl"}}
    open_in["ranges"] = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]  # type: ignore[assignment]
    severity = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}]  # 7.5
    records = [
        record(f"{feed.upper()}-CVE-2024-13176", severity=severity) | {"affected": [open_in]},
        record(f"{feed.upper()}-CVE-2024-4741", [(ecosystem, "openssl", "3.0.14-1~deb12u1")]),
    ]
    for one in records:
        (place / f"{one['id']}.json").write_text(json.dumps(one))
    return Feeds(FeedStore(folder / "cache"), None, base=str(folder / "osv"))


def test_debians_word_with_its_reason(tmp_path: Path) -> None:
    place = tracker(tmp_path)
    found = asked(tmp_path, BOOKWORM, DEBS, debian=place)
    assert found.told
    assert found.cves == (
        UnfixedCVE(
            id="CVE-2005-2541",
            package="tar",
            installed="1.34+dfsg-1.2",
            status=Status.AFFECTED,
            reason="unimportant",
            severity=Severity.LOW,
            rated_by="Debian urgency unimportant",
            source=str(place),
        ),
        UnfixedCVE(
            id="CVE-2024-13176",
            package="openssl",
            installed="3.0.14-1~deb12u2",
            status=Status.DEFERRED,
            reason="Minor issue; can be fixed in next update",
            severity=None,
            rated_by="",
            source=str(place),
        ),
    )
    assert found.unassessed == ()
    assert "7 statements of Debian's security tracker" in found.evidence[0].statement


def test_the_feed_of_notices_rates_what_the_vendor_does_not(tmp_path: Path) -> None:
    found = asked(tmp_path, BOOKWORM, DEBS, debian=tracker(tmp_path), notices=osv(tmp_path))
    rated = {each.id: (each.severity, each.rated_by) for each in found.cves}
    assert rated["CVE-2024-13176"] == (Severity.IMPORTANT, "CVSS 7.5")


def test_of_a_version_newer_than_the_vendor_speaks_of_nothing_is_told(tmp_path: Path) -> None:
    found = asked(tmp_path, BOOKWORM, [deb("openssl", "3.3.0-1~bpo12+1")], debian=tracker(tmp_path))
    assert found.cves == ()
    ((what, why),) = [(each.what, each.why) for each in found.unassessed]
    assert what == f"{WHAT} of openssl: 1 CVEs"
    assert "newer" in why


def test_cve_records_stand_in_where_no_vendors_word_is_read(tmp_path: Path) -> None:
    found = asked(tmp_path, BOOKWORM, DEBS, notices=osv(tmp_path))
    ((cve, status, reason),) = [(each.id, each.status, each.reason) for each in found.cves]
    assert (cve, status, reason) == ("CVE-2024-13176", Status.AFFECTED, "")
    assert found.told
    assert found.unassessed == ()


def test_whoever_has_the_customers_fix_does_not_lack_it(tmp_path: Path) -> None:
    place = tmp_path / "osv" / "Ubuntu"
    place.mkdir(parents=True)
    fixed = record("UBUNTU-CVE-2026-1111", [("Ubuntu:Pro:22.04:LTS", "zbar", "0.23.92-4ubuntu0.1~esm1")])
    (place / "UBUNTU-CVE-2026-1111.json").write_text(json.dumps(fixed))

    def found(version: str) -> list[Status]:
        notices = Feeds(FeedStore(tmp_path / "cache"), None, base=str(tmp_path / "osv"))
        return [each.status for each in asked(tmp_path, JAMMY, [deb("zbar", version)], notices=notices).cves]

    assert found("0.23.92-4build2") == [Status.CUSTOMERS_ONLY]
    assert found("0.23.92-4ubuntu0.1~esm1") == []


def test_a_vendor_that_cannot_be_read_is_said_beside_what_stands_in(tmp_path: Path) -> None:
    found = asked(tmp_path, BOOKWORM, DEBS, debian=tmp_path / "absent.json", notices=osv(tmp_path))
    assert [each.id for each in found.cves] == ["CVE-2024-13176"]
    assert [each.what for each in found.unassessed] == [f"reasons for {WHAT}"]


@pytest.mark.parametrize(
    ("release", "packages", "why"),
    [
        (Named("centos", "7", ""), [rpm("bash", "4.2.46-31.el7")], "is read for centos here"),
        (Named("wolfi", "20230201", ""), [], "is read for wolfi here"),
        (Named("strange", "1", ""), [], "is read for strange here"),
        (RHEL, [rpm("bash", "4.4.20-4.el8")], "Red Hat has one document for each CVE"),
        (BOOKWORM, DEBS, "feeds.unfixed.debian"),
    ],
)
def test_where_nothing_is_read_it_is_not_told_and_never_none(
    release: Named, packages: list[Package], why: str, tmp_path: Path
) -> None:
    found = asked(tmp_path, release, packages)
    assert not found.told
    assert found.cves == ()
    (one,) = found.unassessed
    assert one.what == WHAT
    assert one.why.startswith("not told: ")
    assert why in one.why


def test_a_release_that_the_tracker_says_nothing_of_is_not_told(tmp_path: Path) -> None:
    found = asked(tmp_path, Named("debian", "99", "unheard"), DEBS, debian=tracker(tmp_path))
    assert not found.told
    assert "says nothing of debian unheard" in found.unassessed[0].why


@pytest.mark.parametrize("form", ["folder", "gz", "xz", "bz2", "one file"])
def test_ubuntus_documents_in_a_folder_or_an_archive(form: str, tmp_path: Path) -> None:
    place = tmp_path / "vex"
    if form == "folder":
        (place / "cve" / "2024").mkdir(parents=True)
        (place / "cve" / "2024" / "CVE-2024-2236.json").write_bytes(ubuntu_document())
    else:
        document = ubuntu_document()
        place.write_bytes(document if form == "one file" else tarred({"CVE-2024-2236.json": document}, form))
    found = asked(tmp_path, JAMMY, [deb("libgcrypt20", "1.9.4-3ubuntu3")], ubuntu=place)
    ((cve, status, reason),) = [(each.id, each.status, each.reason) for each in found.cves]
    assert (cve, status, reason) == ("CVE-2024-2236", Status.AFFECTED, "The package is vulnerable and needs fixing.")


def test_red_hats_source_and_binary_packages_and_modules(tmp_path: Path) -> None:
    place = tmp_path / "vex.tar.gz"
    documents = {
        "cve-2026-1111.json": red_hat_document(
            "CVE-2026-1111", affected={"8:samba": "Fix deferred", "8:samba-libs": "Fix deferred"}
        ),
        "cve-2026-2222.json": red_hat_document("CVE-2026-2222", affected={"8:libcurl": "Will not fix"}),
        "cve-2026-3333.json": red_hat_document("CVE-2026-3333", affected={"8:nodejs:18/nodejs": "Affected"}),
        "cve-2026-4444.json": red_hat_document("CVE-2026-4444", affected={"9:samba": "Affected"}),
    }
    place.write_bytes(tarred(documents))
    installed = [
        rpm("samba-libs", "4.19.4-5.el8", "samba"),
        rpm("libcurl", "7.61.1-34.el8", "curl"),
        rpm("nodejs", "1:18.20.4-1.module+el8", module="nodejs:18:8100020240807:489197e6"),
        rpm("npm", "1:10.7.0-1.module+el8", "nodejs", module="nodejs:20:8100020240808:489197e6"),
    ]
    found = asked(tmp_path, RHEL, installed, redhat=place)
    assert [(each.id, each.package, each.installed, each.status, each.rated_by) for each in found.cves] == [
        ("CVE-2026-1111", "samba", "4.19.4-5.el8", Status.DEFERRED, "Red Hat impact low"),
        ("CVE-2026-2222", "libcurl", "7.61.1-34.el8", Status.WILL_NOT_FIX, "Red Hat impact low"),
        ("CVE-2026-3333", "nodejs", "1:18.20.4-1.module+el8", Status.AFFECTED, "Red Hat impact low"),
    ]
    other = asked(tmp_path, RHEL, [installed[3]], redhat=place)
    assert other.cves == ()  # nodejs:20 is not nodejs:18
    assert other.told


def test_documents_that_are_much_alike_may_shrink_more_than_layers_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("affineur.streams.decompress.RATIO_FREE", 1 << 16)
    document = red_hat_document("CVE-2026-2222", affected={"8:curl": "Will not fix"})
    place = tmp_path / "vex.tar.xz"
    tails = b"".join(b"%4096s" % hashlib.md5(b"%d" % n).hexdigest().encode() for n in range(256))
    others = b'{"statements": [], "tail": "%s"}' % tails
    place.write_bytes(tarred({"a.json": document, **{f"{n}.json": others for n in range(4)}}, "xz"))
    assert 200 < 4 * len(others) / place.stat().st_size < 2000
    found = asked(tmp_path, RHEL, [rpm("curl", "7.61.1-34.el8")], redhat=place)
    assert [each.id for each in found.cves] == ["CVE-2026-2222"]


def test_a_document_that_is_broken_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    place = tmp_path / "vex.tar.gz"
    documents = {
        "a.json": b'{"known_affected": ',
        "b.json": red_hat_document("CVE-2026-2222", affected={"8:curl": "Will not fix"}),
    }
    place.write_bytes(tarred(documents))
    found = asked(tmp_path, RHEL, [rpm("curl", "7.61.1-34.el8")], redhat=place)
    assert [each.id for each in found.cves] == ["CVE-2026-2222"]
    assert [each.what for each in found.unassessed] == [f"{WHAT}: 1 documents of Red Hat's VEX"]


@pytest.mark.parametrize(
    "content", [b"garbage that is no archive", b"\x28\xb5\x2f\xfdbroken", b"\x1f\x8b\x08broken", b""]
)
def test_an_archive_that_is_none_is_not_told(content: bytes, tmp_path: Path) -> None:
    place = tmp_path / "vex.tar.zst"
    place.write_bytes(content)
    found = asked(tmp_path, RHEL, [rpm("curl", "7.61.1-34.el8")], redhat=place)
    assert not found.told


def test_a_tracker_that_is_none_is_not_told(tmp_path: Path) -> None:
    place = tmp_path / "tracker.json"
    place.write_bytes(b'{"openssl": []}')
    found = asked(tmp_path, BOOKWORM, DEBS, debian=place)
    assert not found.told
    assert "not the JSON of Debian's security tracker" in found.unassessed[0].why


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    place = tracker(tmp_path)
    assert len(asked(tmp_path, BOOKWORM, DEBS, debian=place).cves) == 2
    built = sorted((tmp_path / "cache").glob("unfixed-*.sqlite"))
    before = built[0].stat().st_ino
    assert len(asked(tmp_path, BOOKWORM, DEBS, debian=place).cves) == 2
    assert built[0].stat().st_ino == before
    place.write_text(json.dumps({"tar": TRACKER["tar"]}))
    assert [each.package for each in asked(tmp_path, BOOKWORM, DEBS, debian=place).cves] == ["tar"]


def test_the_tracker_is_fetched_once_then_asked_for_by_its_etag(tmp_path: Path, client: Client) -> None:
    clock = Clock()
    with serving(json.dumps(TRACKER).encode()) as (url, statuses):
        for minutes, answered in ((0, [200]), (5, [200]), (30, [200, 304])):
            clock.moment += timedelta(minutes=minutes)
            found = asked(tmp_path, BOOKWORM, DEBS, client, debian=url, now=clock)
            assert len(found.cves) == 2
            assert statuses == answered


def test_a_copy_stands_in_for_a_server_that_is_away_and_its_date_is_said(tmp_path: Path, client: Client) -> None:
    clock = Clock()
    with serving(json.dumps(TRACKER).encode()) as (url, _):
        asked(tmp_path, BOOKWORM, DEBS, client, debian=url, now=clock)
    clock.moment += timedelta(days=2)
    found = asked(tmp_path, BOOKWORM, DEBS, client, debian=url, now=clock)
    assert len(found.cves) == 2
    assert found.unassessed[0].what.startswith(f"{WHAT} after ")
    offline = asked(tmp_path, BOOKWORM, DEBS, None, debian=url, now=clock, offline=True)
    assert len(offline.cves) == 2
    assert "--offline" in offline.unassessed[0].why


def test_without_a_copy_nothing_is_told_offline(tmp_path: Path) -> None:
    found = asked(tmp_path, BOOKWORM, DEBS, debian="https://repo.example/tracker.json", offline=True)
    assert not found.told
    assert "--offline" in found.unassessed[0].why


def test_what_an_erratum_fixes_is_never_among_the_unfixed(tmp_path: Path) -> None:
    found = asked(tmp_path, BOOKWORM, DEBS, debian=tracker(tmp_path))
    left = apart(found.cves, {("CVE-2024-13176", "openssl")})
    assert [each.id for each in left] == ["CVE-2005-2541"]


def test_a_binary_package_is_compared_by_its_source(tmp_path: Path) -> None:
    """Red Hat names libcurl; an erratum of curl fixes it."""
    place = tmp_path / "vex.json"
    place.write_bytes(red_hat_document("CVE-2026-2222", affected={"8:libcurl": "Affected"}))
    installed = [rpm("libcurl", "7.61.1-34.el8", "curl")]
    found = asked(tmp_path, RHEL, installed, redhat=place)
    assert apart(found.cves, {("CVE-2026-2222", "curl")}, installed) == ()
    assert len(apart(found.cves, {("CVE-2026-2222", "wget")}, installed)) == 1


def test_a_damaged_index_is_not_told(tmp_path: Path) -> None:
    import sqlite3

    place = tracker(tmp_path)
    asked(tmp_path, BOOKWORM, DEBS, debian=place)
    (path,) = (tmp_path / "cache").glob("unfixed-*.sqlite")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE entry SET body = ? WHERE key LIKE 'open' || char(0) || '%'", (b"no zlib",))
    database.close()
    found = asked(tmp_path, BOOKWORM, DEBS, debian=place)
    assert not found.told
    assert "damaged" in found.unassessed[0].why
