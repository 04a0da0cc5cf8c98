"""OSV records, good and hostile."""

import contextlib
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.erratum import Fix, Severity
from affineur.errata.osv import CVERating, Notice, cve_of, read_record
from affineur.errata.rating import as_erratum
from affineur.errors import MalformedDocument
from support.feeds import record

IDS = ("DSA-", "DLA-", "USN-")
SEVERE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"  # 9.8
MILD = "CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L"  # 4.2


def read(made: Any) -> dict[str, Notice] | list[CVERating]:
    return read_record(json.dumps(made).encode(), IDS)


def notice(made: Any, ecosystem: str = "Debian:12") -> Notice:
    found = read(made)
    assert isinstance(found, dict)
    return found[ecosystem]


def ratings(made: Any) -> list[CVERating]:
    found = read(made)
    assert isinstance(found, list)
    return found


def test_the_date_is_the_first_publication() -> None:
    found = notice(record("DSA-1-1", [("Debian:12", "a", "1")], published="2024-05-01T23:30:00-02:00"))
    assert (found.issued, found.at_latest) == (datetime(2024, 5, 2, 1, 30, tzinfo=UTC), None)


def test_without_a_publication_date_the_last_change_is_a_bound() -> None:
    found = notice(record("DSA-1-1", [("Debian:12", "a", "1")], published=None, modified="2026-02-03T04:05:06Z"))
    assert (found.issued, found.at_latest) == (None, datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC))


def test_each_ecosystem_sees_its_own_fixes() -> None:
    made = record(
        "DSA-1-1", [("Debian:12", "a", "1+deb12u1"), ("Debian:11", "a", "1+deb11u1"), ("Debian:12", "b", "2")]
    )
    assert notice(made).fixes == (Fix("a", "1+deb12u1"), Fix("b", "2"))
    assert notice(made, "Debian:11").fixes == (Fix("a", "1+deb11u1"),)


def test_cves_come_from_aliases_upstream_and_related_under_their_plain_names() -> None:
    made = record(
        "USN-1-1",
        [("Debian:12", "a", "1")],
        cves=["UBUNTU-CVE-2024-1000", "CVE-2024-1000"],
        aliases=["CVE-2024-1001", "GHSA-x"],
        related=["DEBIAN-CVE-2024-1002", "USN-2-1"],
    )
    assert notice(made).cves == ("CVE-2024-1001", "CVE-2024-1000", "CVE-2024-1002")


def test_events_are_paired_whatever_their_order() -> None:
    made = record("DSA-1-1", [("Debian:12", "a", "1")])
    made["affected"][0]["ranges"][0]["events"] = [
        {"introduced": "3.0"}, {"fixed": "3.2"}, {"introduced": "0"}, {"fixed": "2.9~1"},
    ]  # fmt: skip
    made["affected"][0]["versions"] = ["2.99"]
    assert notice(made).fixes == (Fix("a", "2.9~1"), Fix("a", "3.2", "3.0", ("2.99",)))


def test_a_source_without_a_fixed_version_is_kept_as_such() -> None:
    made = record("DSA-1-1", [("Debian:12", "a", "1"), ("Debian:12", "b", "1")])
    made["affected"][1]["ranges"][0]["events"] = [{"introduced": "0"}, {"last_affected": "3"}]
    assert (notice(made).fixes, notice(made).unfixed) == ((Fix("a", "1"),), ("b",))


def test_git_ranges_are_no_versions() -> None:
    made = record("DSA-1-1", [("Debian:12", "a", "1")])
    made["affected"][0]["ranges"].append({"type": "GIT", "events": [{"introduced": "0"}, {"fixed": "abcdef"}]})
    assert notice(made).fixes == (Fix("a", "1"),)


@pytest.mark.parametrize(
    ("summary", "cves", "kind"),
    [
        ("shadow regression", [], "bugfix"),
        ("shadow regression", ["CVE-2024-1000"], "security"),
        ("curl - security update", [], "security"),
    ],
)
def test_a_repair_that_names_no_cve_is_a_bug_fix(summary: str, cves: list[str], kind: str) -> None:
    assert notice(record("USN-1-2", [("Debian:12", "a", "1")], cves=cves, summary=summary)).kind == kind


def test_withdrawn_and_foreign_records_give_nothing() -> None:
    assert read(record("DSA-1-1", [("Debian:12", "a", "1")], withdrawn="2024-06-01T00:00:00Z")) == []
    assert read(record("LSN-0100-1", [("Ubuntu:22.04:LTS", "linux", "1")])) == []
    assert read(record("CVE-2024-1000", withdrawn="2024-06-01T00:00:00Z", severity=[])) == []


def test_ubuntus_own_word_goes_before_a_score() -> None:
    severity = [{"type": "CVSS_V3", "score": SEVERE}, {"type": "Ubuntu", "score": "low"}]
    (found,) = ratings(record("UBUNTU-CVE-2024-1000", severity=severity))
    assert (found.cve, found.rating.severity, found.rating.by) == ("CVE-2024-1000", "low", "Ubuntu priority low")
    assert found.rating.score == 9.8, "the score stands beside it"


def test_a_word_that_rates_nothing_leaves_the_highest_score() -> None:
    severity = [{"type": "CVSS_V3", "score": s} for s in (MILD, SEVERE)] + [{"type": "Ubuntu", "score": "untriaged"}]
    (found,) = ratings(record("UBUNTU-CVE-2024-1000", severity=severity))
    assert (found.rating.severity, found.rating.by) == ("critical", "CVSS 9.8")


def debian_cve(urgency: Any, score: str = SEVERE) -> dict[str, Any]:
    made = record("DEBIAN-CVE-2024-1000", [("Debian:12", "a", "1"), ("Debian:11", "a", "1")])
    made["affected"][0]["ecosystem_specific"] = {"urgency": urgency}
    made["affected"][1]["ecosystem_specific"] = {"urgency": "not yet assigned"}
    made["severity"] = [{"type": "CVSS_V3", "score": score}]
    return made


@pytest.mark.parametrize(
    ("urgency", "score", "here"),
    [
        ("unimportant", SEVERE, "low"),
        ("medium", SEVERE, "moderate"),
        ("high", SEVERE, "critical"),  # Debian's scale has no word above "high"
        ("high", MILD, "important"),
        ("not yet assigned", MILD, "moderate"),
        (["high"], MILD, "moderate"),  # no word at all
    ],
)
def test_debians_urgency_holds_for_its_package_and_release_only(urgency: Any, score: str, here: str) -> None:
    by_cve = {"CVE-2024-1000": ratings(debian_cve(urgency, score))}
    severities = {}
    for ecosystem in ("Debian:12", "Debian:11"):
        made = record("DSA-1-1", [(ecosystem, "a", "1")], cves=["CVE-2024-1000"])
        severities[ecosystem] = as_erratum(notice(made, ecosystem), by_cve, ecosystem, "feed").severity
    assert severities == {"Debian:12": here, "Debian:11": "critical" if score == SEVERE else "moderate"}


def test_an_erratum_has_the_highest_severity_of_its_cves_and_names_it() -> None:
    by_cve = {
        "CVE-2024-1000": ratings(record("CVE-2024-1000", severity=[{"type": "CVSS_V3", "score": MILD}])),
        "CVE-2024-1001": ratings(record("CVE-2024-1001", severity=[{"type": "CVSS_V3", "score": SEVERE}])),
    }
    made = record("DSA-1-1", [("Debian:12", "a", "1")], cves=["CVE-2024-1000", "CVE-2024-1001", "CVE-2024-1002"])
    erratum = as_erratum(notice(made), by_cve, "Debian:12", "feed")
    assert (erratum.severity, erratum.rated_by) == ("critical", "CVSS 9.8 of CVE-2024-1001")
    assert erratum.cve_severities == (Severity.MODERATE, Severity.CRITICAL, None)
    assert as_erratum(notice(made), {}, "Debian:12", "feed").severity is None


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b"{}", b'{"id": 1}', b'{"id": "DSA-1"', b"\xff\xfe",
        b'{"id": "DSA-1", "published": "soon"}',
        b'{"id": "DSA-1", "published": "2024-01-01T00:00:00"}',  # without a zone it is no date
        b'{"id": "DSA-1", "affected": {}}', b'{"id": "DSA-1", "affected": [{"package": {"name": "a"}}]}',
        b'{"id": "CVE-2024-1000", "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}]}',
        b'{"id": "CVE-2024-1000", "affected": [{"ecosystem_specific": []}]}',
        b'{"id": "DSA-1", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)  # fmt: skip
def test_a_broken_record_is_an_error(content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        read_record(content, IDS)


def test_a_notice_with_absurdly_many_fixes_is_refused() -> None:
    with pytest.raises(MalformedDocument, match="more than"):
        read(record("DSA-1-1", [("Debian:12", f"p{number}", "1") for number in range(20_001)]))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_an_error(content: bytes) -> None:
    with contextlib.suppress(MalformedDocument):
        assert isinstance(read_record(content, IDS), dict | list)


@pytest.mark.parametrize(
    ("name", "cve"),
    [
        ("CVE-2024-1000", "CVE-2024-1000"),
        ("UBUNTU-CVE-2024-1000", "CVE-2024-1000"),
        ("CVE-2024-1000\n", None),
        ("XCVE-2024-1000", None),
        ("DSA-1-1", None),
    ],
)
def test_cve_names(name: str, cve: str | None) -> None:
    assert cve_of(name) == cve


@pytest.mark.corpus
def test_thousands_of_another_distributions_records_are_read(corpus: Path) -> None:
    """AlmaLinux's: the same schema, by other hands."""
    dated = fixed = 0
    with tarfile.open(corpus / "errata" / "almalinux-osv.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            if file is None:
                continue
            content = file.read()
            found = read_record(content, ("ALSA-", "ALBA-", "ALEA-"))
            plain = json.loads(content)
            assert isinstance(found, dict)
            assert {n.issued for n in found.values()} == {datetime.fromisoformat(plain["published"])}
            named = {
                (affected["package"]["name"], event["fixed"])
                for affected in plain["affected"]
                for one in affected["ranges"]
                for event in one["events"]
                if "fixed" in event
            }
            assert {(fix.source, fix.version) for one in found.values() for fix in one.fixes} == named
            dated += 1
            fixed += len(named)
    assert dated == 5680  # the README of the corpus
    assert fixed > dated
