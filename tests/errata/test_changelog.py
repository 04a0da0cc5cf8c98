"""Debian changelogs, beside dpkg-parsechangelog's reading of the same text."""

import subprocess
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.changelog import entries, entries_between, errata_between
from affineur.errata.deb import changelog_of
from affineur.errata.erratum import Fix
from support.debs import downloaded, entry
from support.leaving_out import leave_out

SECURITY = """\
openssl (3.0.11-1~deb12u2) bookworm-security; urgency=high

  [ Sebastian Andrzej Siewior ]
  * CVE-2023-5363 (Incorrect cipher key & IV length processing).
    Also cve-2023-5678, and CVE-2023-5363 once more.

 -- Sebastian Andrzej Siewior <sebastian@breakpoint.example>  Mon, 23 Oct 2023 19:52:22 +0200

openssl (3.0.11-1~deb12u1) bookworm; urgency=medium

  * Import 3.0.11 (Closes: #1234)

 -- Sebastian Andrzej Siewior <sebastian@breakpoint.example>  Tue, 26 Sep 2023 22:11:29 +0200

openssl (3.0.9-1) unstable; urgency=medium

  * Import 3.0.9

 -- Sebastian Andrzej Siewior <sebastian@breakpoint.example>  Tue, 30 May 2023 18:12:36 +0200
"""


def test_entries_between_the_versions_become_errata_dated_by_their_upload() -> None:
    errata, missing = errata_between(SECURITY, "openssl", "3.0.9-1", "3.0.11-1~deb12u2", "http://archive.example/x.deb")

    assert missing == ""
    first, second = errata
    assert first.id == "changelog:openssl/3.0.11-1~deb12u2"
    assert (first.kind, first.severity, first.cves) == ("security", None, ("CVE-2023-5363", "CVE-2023-5678"))
    assert first.issued == datetime(2023, 10, 23, 17, 52, 22, tzinfo=UTC)
    assert first.fixes == (Fix("openssl", "3.0.11-1~deb12u2"),)
    assert "CVE-2023-5363 (Incorrect" in first.title
    assert first.source == "http://archive.example/x.deb"
    assert (second.kind, second.cves) == ("bugfix", ())


@pytest.mark.parametrize(
    ("installed", "versions"),
    [
        ("3.0.11-1~deb12u2", []),
        ("3.0.11-1~deb12u1", ["3.0.11-1~deb12u2"]),
        ("3.0.11-1~", ["3.0.11-1~deb12u2", "3.0.11-1~deb12u1"]),
        ("3.0.9-1", ["3.0.11-1~deb12u2", "3.0.11-1~deb12u1"]),
    ],
)
def test_the_installed_version_is_outside_and_the_available_inside(installed: str, versions: list[str]) -> None:
    errata, _ = errata_between(SECURITY, "openssl", installed, "3.0.11-1~deb12u2", "")
    assert [erratum.fixes[0].version for erratum in errata] == versions


@pytest.mark.parametrize(
    ("source", "installed", "available", "missing"),
    [
        ("openssl", "3.0.8-1", "3.0.11-1~deb12u2", "goes back to 3.0.9-1 only, not to the installed 3.0.8-1"),
        ("openssl", "3.0.9-1", "3.0.11-1~deb12u3", "does not speak of 3.0.11-1~deb12u3"),
        ("curl", "1", "2", "has no entry of curl"),
    ],
)
def test_what_the_changelog_cannot_tell_is_said(source: str, installed: str, available: str, missing: str) -> None:
    _, said = errata_between(SECURITY, source, installed, available, "")
    assert missing in said


@pytest.mark.parametrize(
    ("distribution", "change", "kind"),
    [
        ("trusty-security", "* Nothing.", "security"),
        ("unstable", "* Fixes CVE-2024-1000.", "security"),
        ("trusty", "* LP: #123", "bugfix"),
        ("unstable", "* New.", "other"),
        ("unstable", "* XCVE-2024-1000, CVE-24-1", "other"),
    ],
)
def test_kinds(distribution: str, change: str, kind: str) -> None:
    (found,), _ = errata_between(entry("a", "2", change, distribution=distribution), "a", "1", "2", "")
    assert found.kind == kind


@pytest.mark.parametrize(
    ("urgency", "severity", "by"),
    [("high", None, ""), ("medium", None, ""), ("Emergency", "critical", "urgency=emergency"), ("low", None, "")],
)
def test_urgency_rates_only_where_the_data_says_so(urgency: str, severity: str | None, by: str) -> None:
    (found,), _ = errata_between(entry("a", "2", urgency=urgency), "a", "1", "2", "")
    assert (found.severity, found.rated_by) == (severity, by)


@pytest.mark.parametrize(
    "date",
    ["yesterday", "Tue, 31 Feb 2023 18:15:03 +0200", "Tue, 24 Okt 2023 18:15:03 +0200", "24 Oct 2023 18:15:03 GMT"],
)
def test_a_date_that_is_none_is_unknown(date: str) -> None:
    (found,) = entries(entry("a", "2", date=date))
    assert found.date is None


MERGED = (
    entry(
        "a", "3-1~deb12u2", "* CVE-2024-5000", distribution="bookworm-security", date="Fri, 10 May 2024 12:00:00 +0000"
    )
    + entry("a", "3-1~deb12u1", "* Rebuild.", distribution="bookworm", date="Wed, 1 May 2024 12:00:00 +0000")
    + entry("a", "2.5-1", "* CVE-2023-4000", distribution="unstable", date="Sun, 1 Oct 2023 12:00:00 +0000")
    + entry("a", "2.2-1", "* CVE-2023-3000", distribution="experimental", date="Fri, 1 Sep 2023 12:00:00 +0000")
    + entry(
        "a", "2-1+deb12u1", "* CVE-2023-2000", distribution="stable-security", date="Sat, 1 Jul 2023 12:00:00 +0000"
    )
    + entry("a", "1", distribution="unstable")
)


@pytest.mark.parametrize("codename", ["bookworm", ""])
def test_what_the_development_release_fixed_came_with_the_next_upload_to_the_release(codename: str) -> None:
    errata, _ = errata_between(MERGED, "a", "1", "3-1~deb12u2", "", codename)
    assert [(erratum.fixes[0].version, erratum.issued and erratum.issued.date().isoformat()) for erratum in errata] == [
        ("3-1~deb12u2", "2024-05-10"),
        ("3-1~deb12u1", "2024-05-01"),
        ("2-1+deb12u1", "2023-07-01"),
    ]
    assert [erratum.cves for erratum in errata] == [
        ("CVE-2024-5000",), ("CVE-2023-3000", "CVE-2023-4000"), ("CVE-2023-2000",),
    ]  # fmt: skip
    assert {erratum.kind for erratum in errata} == {"security"}


def test_entries_that_no_upload_to_the_release_follows_stand_for_themselves() -> None:
    errata, _ = errata_between(MERGED, "a", "2-1+deb12u1", "2.5-1", "", "bookworm")
    assert [erratum.fixes[0].version for erratum in errata] == ["2.5-1", "2.2-1"]
    errata, _ = errata_between(MERGED, "a", "1", "3-1~deb12u2", "", "jammy")
    assert len(errata) == 5


def test_earlier_names_of_the_source_are_passed_over() -> None:
    text = entry("gcc-12", "12.2.0-14") + entry("gcc-11", "13")
    errata, _ = errata_between(text, "gcc-12", "12.2.0-1", "12.2.0-14", "")
    assert [erratum.id for erratum in errata] == ["changelog:gcc-12/12.2.0-14"]


def test_control_characters_stay_out_of_titles() -> None:
    (found,), _ = errata_between(entry("a", "2", "* \x1b[31mred\x07"), "a", "1", "2", "")
    assert found.title.isprintable()


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    for found in entries(text + entry("a", "2") + text):
        assert found.source
        assert found.version


def test_a_hostile_line_takes_no_time_to_speak_of() -> None:
    evil = " -- " + "<" * 200_000 + " \n" + "a (1" + " x" * 200_000 + "\n" + "a (1) " + "x " * 200_000 + "\n"
    assert list(entries(evil * 3)) == []


def parsed(text: str, folder: Path, *which: str) -> list[dict[str, str]]:
    """What dpkg-parsechangelog reads in it: one stanza for each entry."""
    path = folder / "changelog"
    path.write_text(text)
    try:
        done = subprocess.run(
            ["dpkg-parsechangelog", "-l", path, *(which or ("--all",)), "--format", "rfc822"],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        leave_out(f"dpkg-parsechangelog: {error}")
    stanzas = [stanza for stanza in done.stdout.split("\n\n") if stanza.strip()]
    return [
        {
            line.partition(":")[0]: line.partition(":")[2].strip()
            for line in stanza.splitlines()
            if not line.startswith(" ")
        }
        for stanza in stanzas
    ]


@pytest.mark.system
def test_dpkg_reads_the_same_in_our_own_example(tmp_path: Path) -> None:
    _compare(SECURITY, tmp_path)


@pytest.mark.system
@pytest.mark.parametrize("package", ["debianutils", "tzdata", "gcc-12-base", "libssl3"])
def test_dpkg_reads_the_same_in_real_changelogs(package: str, tmp_path: Path) -> None:
    path = downloaded(package, tmp_path)
    _compare(changelog_of(path.read_bytes(), package, str(path)), tmp_path)


@pytest.mark.system
@pytest.mark.parametrize("place", [1, 2, 5, 20])
def test_what_came_since_a_version_is_what_dpkg_says(place: int, tmp_path: Path) -> None:
    path = downloaded("libssl3", tmp_path)
    text = changelog_of(path.read_bytes(), "libssl3", str(path))
    all_of_it = parsed(text, tmp_path)
    available, installed = all_of_it[0]["Version"], all_of_it[place]["Version"]
    since = parsed(text, tmp_path, "--since", installed)
    found, missing = entries_between(text, "openssl", installed, available)
    assert [one.version for one in found] == [stanza["Version"] for stanza in since]
    assert missing == ""


def _compare(text: str, folder: Path) -> None:
    ours, theirs = list(entries(text)), parsed(text, folder)
    assert len(ours) == len(theirs)
    for mine, stanza in zip(ours, theirs, strict=True):
        assert (mine.source, mine.version) == (stanza["Source"], stanza["Version"])
        assert " ".join(mine.distributions) == stanza["Distribution"]
        assert mine.urgency == stanza["Urgency"].lower().split()[0]
        assert mine.date == parsedate_to_datetime(stanza["Date"])
