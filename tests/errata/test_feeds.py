"""Archives on loopback: fetched once, asked for by ETag, used when old, never silently incomplete."""

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from affineur.errata.erratum import Erratum, Fix
from affineur.errata.feeds import Feeds
from affineur.http.client import Client
from affineur.store.feeds import FeedStore
from support.feeds import FeedServer, feed_server, packed, record, told


class Named(NamedTuple):
    id: str = "debian"
    version_id: str = "12"
    codename: str = "bookworm"


BOOKWORM = Named()
TRUSTY = Named("ubuntu", "14.04", "trusty")
SEVERE = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
DEBIAN = [
    record("DSA-1-1", [("Debian:12", "openssl", "3.0.11-1~deb12u2")], cves=["CVE-2024-1000"]),
    record("DSA-2-1", [("Debian:11", "openssl", "1.1.1w-0+deb11u2")], cves=["CVE-2024-1000"]),
    record("DLA-3-1", [("Debian:12", "curl", "7.88.1-10+deb12u5")], published="2023-01-01T00:00:00Z"),
    record("DEBIAN-CVE-2024-1000", severity=[SEVERE]),
]


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        running.archives["Debian"] = packed(DEBIAN)
        yield running


class Clock:
    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.moment


CLIENTS: list[Client] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "feed":  # given up, and still waiting for its server
            thread.join()
    while CLIENTS:
        CLIENTS.pop().close()


def feeds(server: FeedServer, folder: Path, **more: Any) -> Feeds:
    client = Client(environment={}, attempts=1)
    CLIENTS.append(client)
    return Feeds(FeedStore(folder), client, base=server.url, **more)


def test_an_archive_gives_the_errata_of_the_release_and_sources_asked_for(server: FeedServer, tmp_path: Path) -> None:
    errata, unassessed, evidence = told(feeds(server, tmp_path).errata_for(BOOKWORM, ["openssl", "curl", "bash"]))

    assert [erratum.id for erratum in errata] == ["DLA-3-1", "DSA-1-1"]  # oldest first
    assert errata[1].fixes == (Fix("openssl", "3.0.11-1~deb12u2"),)
    assert (errata[1].severity, errata[1].rated_by) == ("critical", "CVSS 9.8 of CVE-2024-1000")
    assert errata[0].severity is None
    assert unassessed == []
    assert evidence[0].source == f"{server.url}/Debian/all.zip"
    assert evidence[0].digest is not None
    assert evidence[0].digest.startswith("sha256:")


def test_installed_versions_leave_out_what_they_do_not_lack(server: FeedServer, tmp_path: Path) -> None:
    reader = feeds(server, tmp_path)
    installed = {"openssl": "3.0.11-1~deb12u1", "curl": "7.88.1-10+deb12u5"}
    assert [erratum.id for erratum in reader.errata_for(BOOKWORM, installed).errata] == ["DSA-1-1"]


def test_within_its_time_a_copy_is_used_without_asking(server: FeedServer, tmp_path: Path) -> None:
    for _ in range(3):
        assert feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"]).errata
    assert len(server.requests) == 1


def test_an_unchanged_archive_is_not_fetched_again(server: FeedServer, tmp_path: Path) -> None:
    feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"])
    errata, unassessed, _ = told(feeds(server, tmp_path, recheck_after_s=0).errata_for(BOOKWORM, ["curl"]))
    assert [erratum.id for erratum in errata] == ["DLA-3-1"]
    assert unassessed == []
    assert [status for _, _, status in server.requests] == [200, 304]


def test_a_changed_archive_is_indexed_anew(server: FeedServer, tmp_path: Path) -> None:
    feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"])
    server.archives["Debian"] = packed([*DEBIAN[:2], record("DSA-9-1", [("Debian:12", "curl", "8")])])
    errata, _, _ = told(feeds(server, tmp_path, recheck_after_s=0).errata_for(BOOKWORM, ["curl"]))
    assert [erratum.id for erratum in errata] == ["DSA-9-1"]


def test_an_old_copy_is_used_when_nothing_answers_and_its_date_is_said(server: FeedServer, tmp_path: Path) -> None:
    feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"])
    server.failing = True
    errata, unassessed, evidence = told(feeds(server, tmp_path, recheck_after_s=0).errata_for(BOOKWORM, ["curl"]))
    assert [erratum.id for erratum in errata] == ["DLA-3-1"]
    assert len(unassessed) == 1
    assert unassessed[0].what.startswith(f"notices of Debian after {datetime.now(UTC):%Y-%m-%d}")
    assert "503" in unassessed[0].why
    assert evidence


@pytest.mark.parametrize("content", [b"", b"no zip at all", packed(DEBIAN)[:-30]])
def test_a_broken_archive_is_said_and_keeps_the_old_copy(server: FeedServer, tmp_path: Path, content: bytes) -> None:
    whole = server.archives["Debian"]
    server.archives["Debian"] = content
    errata, unassessed, _ = told(feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"]))
    assert errata == []
    assert [one.what for one in unassessed] == ["notices of Debian"]

    server.archives["Debian"] = whole
    feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"])
    server.archives["Debian"] = content
    errata, unassessed, _ = told(feeds(server, tmp_path, recheck_after_s=0).errata_for(BOOKWORM, ["curl"]))
    assert [erratum.id for erratum in errata] == ["DLA-3-1"]
    assert len(unassessed) == 1


def test_a_slow_server_costs_no_more_than_the_budget(server: FeedServer, tmp_path: Path) -> None:
    server.delay_s = 0.2  # ten pieces
    started = time.monotonic()
    errata, unassessed, _ = told(feeds(server, tmp_path, budget_s=0.3).errata_for(BOOKWORM, ["curl"]))
    assert time.monotonic() - started < 1.5
    assert errata == []
    assert "all the time that it has" in unassessed[0].why


def test_a_refused_connection_is_said(tmp_path: Path) -> None:
    with feed_server() as gone:
        pass
    errata, unassessed, evidence = told(feeds(gone, tmp_path).errata_for(BOOKWORM, ["curl"]))
    assert (errata, evidence) == ([], [])
    assert unassessed[0].what == "notices of Debian"


def test_offline_nothing_is_asked(server: FeedServer, tmp_path: Path) -> None:
    errata, unassessed, _ = told(feeds(server, tmp_path, offline=True).errata_for(BOOKWORM, ["curl"]))
    assert errata == []
    assert "--offline" in unassessed[0].why
    feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"])

    errata, unassessed, _ = told(feeds(server, tmp_path, offline=True).errata_for(BOOKWORM, ["curl"]))
    assert [erratum.id for erratum in errata] == ["DLA-3-1"]
    assert unassessed == []  # confirmed a moment ago

    clock = Clock()
    clock.moment += timedelta(days=3)
    errata, unassessed, _ = told(feeds(server, tmp_path, offline=True, now=clock).errata_for(BOOKWORM, ["curl"]))
    assert [erratum.id for erratum in errata] == ["DLA-3-1"]
    assert unassessed[0].what.startswith("notices of Debian after ")
    assert len(server.requests) == 1


def test_a_broken_record_is_named_and_the_others_are_read(server: FeedServer, tmp_path: Path) -> None:
    server.archives["Debian"] = packed([*DEBIAN, {"id": "DSA-8-1", "published": "yesterday"}])
    errata, unassessed, _ = told(feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"]))
    assert [erratum.id for erratum in errata] == ["DLA-3-1"]
    assert [one.what for one in unassessed] == ["a record of the Debian feed"]
    assert unassessed[0].why.startswith("DSA-8-1.json: ")


def test_of_many_broken_records_all_are_counted(server: FeedServer, tmp_path: Path) -> None:
    server.archives["Debian"] = packed([*DEBIAN, *({"id": f"DSA-8{n}-1", "affected": n} for n in range(150))])
    _, unassessed, _ = told(feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"]))
    assert len(unassessed) == 101
    assert "50 more records" in unassessed[-1].what


def test_a_release_that_the_feed_does_not_know_is_not_free_of_errata(server: FeedServer, tmp_path: Path) -> None:
    errata, unassessed, _ = told(feeds(server, tmp_path).errata_for(Named("debian", "4", "etch"), ["curl"]))
    assert errata == []
    assert "Debian:4" in unassessed[0].why
    errata, unassessed, _ = told(feeds(server, tmp_path).errata_for(Named("centos", "7"), ["curl"]))
    assert errata == []
    assert len(unassessed) == 1


def test_a_notice_without_a_fix_for_an_installed_source_is_said(server: FeedServer, tmp_path: Path) -> None:
    made = record("DSA-7-1", [("Debian:12", "curl", "1"), ("Debian:12", "bash", "1")])
    made["affected"][1]["ranges"] = []
    server.archives["Debian"] = packed([made])
    _, unassessed, _ = told(feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"]))
    assert unassessed == []
    errata, unassessed, _ = told(feeds(server, tmp_path).errata_for(BOOKWORM, ["bash"]))
    assert [erratum.id for erratum in errata] == ["DSA-7-1"]
    assert [one.what for one in unassessed] == ["DSA-7-1 for bash"]


def test_fixes_for_paying_customers_are_told_apart(server: FeedServer, tmp_path: Path) -> None:
    server.archives["Ubuntu"] = packed(
        [
            record("USN-1-1", [("Ubuntu:14.04:LTS", "bash", "4.3-7ubuntu1.7")]),
            record("USN-2-1", [("Ubuntu:Pro:14.04:LTS", "bash", "4.3-7ubuntu1.8+esm1")]),
            record("USN-3-1", [("Ubuntu:14.04:LTS", "bash", "5"), ("Ubuntu:Pro:14.04:LTS", "curl", "6+esm1")]),
            record("USN-4-1", [("Ubuntu:Pro:FIPS:14.04:LTS", "bash", "9"), ("Ubuntu:16.04:LTS", "bash", "9")]),
        ]
    )
    errata, _, _ = told(feeds(server, tmp_path).errata_for(TRUSTY, ["bash", "curl"]))
    assert {erratum.id: erratum.paid_only for erratum in errata} == {
        "USN-1-1": False, "USN-2-1": True, "USN-3-1": False, "USN-3-1+pro": True,
    }  # fmt: skip


def test_unrated_errata_are_rated_by_the_cves_that_they_name(server: FeedServer, tmp_path: Path) -> None:
    def unrated(*cves: str) -> Erratum:
        return Erratum("changelog:x/1", "security", None, None, cves, "", "", (Fix("x", "1"),))

    known, unknown = feeds(server, tmp_path).rated(BOOKWORM, [unrated("CVE-2024-1000"), unrated("CVE-2024-9999")])
    assert (known.severity, known.cve_severities) == ("critical", ("critical",))
    assert unknown == unrated("CVE-2024-9999")


@pytest.mark.parametrize("shape", ["zip", "records", "list"])
def test_the_users_own_files_are_read_offline_and_again_when_they_change(tmp_path: Path, shape: str) -> None:
    given = tmp_path / "given"
    folder = given / "Debian"
    folder.mkdir(parents=True)

    def write(records: list[dict[str, Any]]) -> str:
        if shape == "zip":
            (folder / "all.zip").write_bytes(packed(records))
        elif shape == "records":
            for one in records:
                (folder / f"{one['id']}.json").write_text(json.dumps(one))
        else:
            (given / "list.json").write_text(json.dumps(records))
            return str(given / "list.json")
        return given.as_uri()

    def ids(base: str) -> list[str]:
        reader = Feeds(FeedStore(tmp_path / "store"), None, base=base, offline=True)
        errata, unassessed, evidence = told(reader.errata_for(BOOKWORM, ["curl"]))
        assert unassessed == []
        assert len(evidence) == 1
        return [erratum.id for erratum in errata]

    assert ids(write(DEBIAN)) == ["DLA-3-1"]
    more = [*DEBIAN, record("DSA-9-1", [("Debian:12", "curl", "8")])]
    assert ids(write(more)) == ["DLA-3-1", "DSA-9-1"]


def test_a_folder_without_the_feed_is_said(tmp_path: Path) -> None:
    _, unassessed, _ = told(
        Feeds(FeedStore(tmp_path / "store"), None, base=str(tmp_path)).errata_for(BOOKWORM, ["curl"])
    )
    assert "Debian/all.zip" in unassessed[0].why


def test_a_record_that_does_not_unpack_is_named(server: FeedServer, tmp_path: Path) -> None:
    content = bytearray(packed(DEBIAN))
    at = content.find(b"DSA-2-1.json") + len("DSA-2-1.json")
    content[at + 5 : at + 25] = bytes(20)
    server.archives["Debian"] = bytes(content)
    errata, unassessed, _ = told(feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"]))
    assert [erratum.id for erratum in errata] == ["DLA-3-1"]
    assert [one.why.partition(":")[0] for one in unassessed] == ["DSA-2-1.json"]


def test_a_machine_that_cannot_be_written_is_said(
    server: FeedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(blocked / "tmp"))
    errata, unassessed, _ = told(feeds(server, blocked / "store").errata_for(BOOKWORM, ["curl"]))
    assert errata == []
    assert unassessed[0].what == "notices of Debian"


# ---- what a letter needs: all notices, as of today


def test_without_a_gap(server: FeedServer, tmp_path: Path) -> None:
    assert feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"]).gaps == ()


@pytest.mark.parametrize(("days", "why"), [(6, ""), (8, "the copy at hand is of ")])
@pytest.mark.parametrize("unreachable", [False, True], ids=["offline", "unreachable"])
def test_a_copy_is_good_for_a_week(server: FeedServer, tmp_path: Path, days: int, why: str, unreachable: bool) -> None:
    feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"])
    clock = Clock()
    clock.moment += timedelta(days=days)
    server.failing = unreachable
    noticed = feeds(server, tmp_path, offline=not unreachable, now=clock).errata_for(BOOKWORM, ["curl"])
    assert [erratum.id for erratum in noticed.errata] == ["DLA-3-1"]
    assert bool(noticed.gaps) is bool(why)
    assert why in "".join(noticed.gaps)
    assert len(noticed.unassessed) == 1  # older than a day: said in either case


@pytest.mark.parametrize(
    ("modified", "why"),
    [
        (datetime.now(UTC) - timedelta(days=6), ""),
        (datetime.now(UTC) - timedelta(days=8), "the newest record is of "),
        (None, "no record says when it was changed"),
    ],
    ids=["new", "old", "undated"],
)
def test_a_folder_is_as_old_as_its_newest_record(tmp_path: Path, modified: datetime | None, why: str) -> None:
    """Its files' own dates say only when they were carried here."""
    (tmp_path / "Debian").mkdir()
    dated = modified.isoformat() if modified else None
    records = [{**one, "modified": dated} for one in DEBIAN]
    (tmp_path / "Debian" / "all.zip").write_bytes(packed(records))
    noticed = Feeds(FeedStore(tmp_path / "store"), None, base=str(tmp_path)).errata_for(BOOKWORM, ["curl"])
    assert [erratum.id for erratum in noticed.errata] == ["DLA-3-1"]
    assert bool(noticed.gaps) is bool(why)
    assert why in "".join(noticed.gaps)


@pytest.mark.parametrize(("name", "gap"), [("DSA-9-1", True), ("something", True), ("DEBIAN-CVE-2024-7000", False)])
def test_an_unread_record_that_may_be_a_notice(server: FeedServer, tmp_path: Path, name: str, gap: bool) -> None:
    """A CVE's record only rates, and what nobody rates is a bound."""
    server.archives["Debian"] = packed([*DEBIAN, record(name, affected="none")])
    noticed = feeds(server, tmp_path).errata_for(BOOKWORM, ["curl"])
    assert [erratum.id for erratum in noticed.errata] == ["DLA-3-1"]
    assert bool(noticed.gaps) is gap
    assert all(f"{name}.json" in each for each in noticed.gaps)


@pytest.mark.parametrize("release", [Named("debian", "4", "etch"), Named("debian", "", "sid"), Named("centos", "7")])
def test_where_no_notices_are_there_is_a_gap(server: FeedServer, tmp_path: Path, release: Named) -> None:
    noticed = feeds(server, tmp_path).errata_for(release, ["curl"])
    assert noticed.errata == ()
    assert len(noticed.gaps) == 1
