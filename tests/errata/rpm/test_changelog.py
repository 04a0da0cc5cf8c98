"""Changelogs of rpm packages, in the forms that packagers write."""

import lzma
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.erratum import Build
from affineur.errata.rpm import changelog as module
from affineur.errata.rpm.builds import errata_of_updates, match_builds
from affineur.errata.rpm.changelog import (
    Mentions,
    entries_between,
    errata_between,
    mentions,
    version_of,
)
from affineur.packages.inventory import Package
from affineur.repositories.rpmmd.other import Entry, read_changelogs
from affineur.repositories.update import Update
from support.leaving_out import leave_out

DAY = datetime(2019, 4, 4, 12, tzinfo=UTC)
WHERE = "https://repo.example/other.xml"


@pytest.mark.parametrize(
    ("author", "version"),
    [  # of the databases of CentOS 7 and 8
        ("Joe Orton <jorton@redhat.com> - 2.4.6-99.1", "2.4.6-99.1"),
        ("Tomáš Mráz <tmraz@redhat.com> 1.0.2k-16.1", "1.0.2k-16.1"),
        ("Marian Csontos <mcsontos@redhat.com> - 7:2.02.180-10.el7_6.3", "7:2.02.180-10.el7_6.3"),
        ("Phil Sutter <psutter@redhat.com> [0.9.3-12.el8.1]", "0.9.3-12.el8.1"),
        ("bstinson@centosproject.org - 8-1.0.9", "8-1.0.9"),
        ("Zuzana Svetlikova <zsvetlik@redhat.com> - 1:10.21.0-3", "1:10.21.0-3"),
        ("Jean-Luc Picard <jl-2@example.org>", ""),
        ("Jean-Luc Picard", ""),
        ("Daniel <d@example.org> - 2.9.1-6.3.", "2.9.1-6.3"),
        ("Ville <v@example.org> - 1.4~rc2-0.1 + 1.3-9", "1.4~rc2-0.1"),
        ("Florian <f@example.org> - 3.9.9", ""),
        ("Daniel Veillard <veillard@redhat.com> - libxml2-2.9.1-6.3", "2.9.1-6.3"),
        ("x1-2@example.org", ""),
        ("-", ""),
        ("", ""),
    ],
)
def test_versions_of_authors(author: str, version: str) -> None:
    assert version_of(author) == version


def entry(version: str, text: str, days: int = 0) -> Entry:
    author = f"A Packager <a@example.org> - {version}" if version else "A Packager <a@example.org>"
    return Entry(DAY - timedelta(days=days), author, text)


HTTPD = [
    entry("2.4.6-99.1", "- Resolves: #1 - CVE-2020-1927 and CVE-2020-1934", 0),
    entry("", "- and cve-2020-11984", 5),
    entry("2.4.6-98", "- a bug", 40),
    entry("2.4.6-97", "- CVE-2018-1312", 90),
    entry("2.4.6-90", "- CVE-2017-1111", 400),
    entry("2.4.6-89", "- CVE-2016-1111", 500),
]


def versions(found: tuple[list[tuple[str, Entry]], str]) -> list[str]:
    return [version for version, _ in found[0]]


def update(
    name: str = "httpd", installed: str = "2.4.6-90.el7.centos", available: str = "2.4.6-99.el7.centos.1"
) -> Update:
    return Update(
        name, "x86_64", installed, available, ("updates",), None, "httpd", available, installed, manager="rpm"
    )


@pytest.mark.parametrize("order", [1, -1], ids=["newest first", "newest last"])
@pytest.mark.parametrize("installed", ["2.4.6-90.el7.centos", "2.4.6-90", "0:2.4.6-90.el7"])
def test_entries_are_cut_at_the_installed_version(order: int, installed: str) -> None:
    found = entries_between(HTTPD[::order], installed, "2.4.6-99.el7.centos.1")
    assert versions(found) == ["2.4.6-99.el7.centos.1"] * 2 + ["2.4.6-98", "2.4.6-97"]
    assert found[1] == ""


def test_a_version_without_an_entry_is_cut_where_older_ones_begin() -> None:
    assert versions(entries_between(HTTPD, "2.4.6-95.el7", "2.4.6-99.el7.1")) == ["2.4.6-99.el7.1"] * 2 + [
        "2.4.6-98",
        "2.4.6-97",
    ]


def test_updates_of_a_minor_release_are_no_older_than_their_base() -> None:
    """glibc of CentOS 7: 2.17-260.el7_6.3 is the entry 2.17-260.3, not 2.17-260."""
    found = [entry("2.17-292", "- x"), entry("2.17-260.3", "- x", 9), entry("2.17-260", "- x", 20)]
    assert versions(entries_between(found, "2.17-260.el7_6.3", "2.17-292.el7")) == ["2.17-292.el7"]


def test_a_changelog_that_does_not_reach_back_says_so() -> None:
    found, missing = entries_between(HTTPD, "2.4.6-40.el7", "2.4.6-99.el7.1")
    assert len(found) == len(HTTPD)
    assert missing == "its changelog goes back to 2.4.6-89 only, not to the installed 2.4.6-40.el7"
    assert entries_between([], "1-1", "2-1") == ([], "its changelog has no entries")
    assert "names no versions" in entries_between([entry("", "- x")], "1-1", "2-1")[1]


def test_a_raised_epoch_is_not_taken_for_an_older_version() -> None:
    found = [entry("1.0-1", "- CVE-2020-1111"), entry("20190101-1", "- x", 100)]
    assert versions(entries_between(found, "20190101-1.el8", "1:1.0-1.el8")) == ["1:1.0-1.el8"]


def test_each_version_is_an_erratum_of_the_updates_builds() -> None:
    errata, missing = errata_between(HTTPD, [update(), update("mod_ssl")], WHERE)
    assert missing == ""
    assert [(each.id, each.kind, each.cves) for each in errata] == [
        (
            "changelog:httpd/2.4.6-99.el7.centos.1",
            "security",
            ("CVE-2020-1927", "CVE-2020-1934", "CVE-2020-11984"),
        ),
        ("changelog:httpd/2.4.6-98", "other", ()),
        ("changelog:httpd/2.4.6-97", "security", ("CVE-2018-1312",)),
    ]
    first = errata[0]
    assert (first.severity, first.issued, first.source) == (None, DAY, WHERE)
    assert first.builds == tuple(Build(name, "x86_64", "2.4.6-99.el7.centos.1") for name in ("httpd", "mod_ssl"))
    assert first.title.startswith("httpd 2.4.6-99.el7.centos.1: Resolves: #1")


def test_they_match_as_notices_do() -> None:
    errata, _ = errata_between(HTTPD, [update()], WHERE)
    (found,) = errata_of_updates([update()], errata)
    assert found.errata == tuple(each.id for each in errata)
    assert found.security is True
    installed = Package("httpd", "2.4.6-90.el7.centos", "x86_64", "httpd", "2.4.6-90.el7.centos", manager="rpm")
    assert [finding.erratum.id for finding in match_builds([installed], errata)] == list(found.errata)


def test_the_report_says_how_many_mention_cves_and_since_when() -> None:
    errata, _ = errata_between(HTTPD, [update()], WHERE)
    updates = errata_of_updates([update(), update("other")], errata)
    found = mentions(updates, errata)
    assert found == Mentions(updates=2, described=1, mention_cves=1, cves=4, oldest=DAY - timedelta(days=90))
    assert found.sentence() == "2 updates, 1 mentions CVEs, the oldest since 2019-01-04"
    assert mentions(updates, []).sentence() == "2 updates, none mention CVEs"


def test_a_long_changelog_is_read_up_to_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    endless = (entry(f"{n}-1", "- x", n) for n in iter(lambda: 9, 0))
    assert len(entries_between(endless, "1-1", "9-1")[0]) == 3
    monkeypatch.setattr(module, "MAX_TEXT", 20)
    errata, _ = errata_between([entry("9-1", "- CVE-2020-1111\n- CVE-2020-2222")], [update()], WHERE)
    assert errata[0].cves == ("CVE-2020-1111",)


def test_entries_of_one_day_are_ordered_by_version() -> None:
    found = [entry("1-1", "- a"), entry("1-2", "- b"), entry("1-3", "- c")]
    assert versions(entries_between(found, "1-1.el7", "1-3.el7")) == ["1-3.el7", "1-2"]


def test_entries_of_other_xml_are_taken_as_they_are() -> None:
    shown = "".join(
        f'<changelog author={quoteattr(each.author)} date="{int(each.when.timestamp())}">{each.text}</changelog>'
        for each in reversed(HTTPD)
    )
    document = (
        '<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="1">'
        f'<package pkgid="abc" name="httpd" arch="x86_64"><version epoch="0" ver="2.4.6" rel="99"/>{shown}</package>'
        "</otherdata>"
    )
    ((_, entries),) = read_changelogs([document.encode()], ["sha256:abc"])
    errata, missing = errata_between(entries, [update()], WHERE)
    assert (len(errata), missing) == (3, "")


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60)), max_size=6), st.text(max_size=12))
def test_nothing_that_a_packager_writes_is_an_exception(written: list[tuple[str, str]], installed: str) -> None:
    entries = [Entry(DAY, author, text) for author, text in written]
    found, missing = entries_between(entries, installed, "2-1")
    assert len(found) <= len(entries)
    assert isinstance(missing, str)


@pytest.mark.corpus
@pytest.mark.system
@pytest.mark.parametrize(("name", "reached"), [("centos7-httpd24", 0.98), ("centos8-modularitylabel", 0.94)])
def test_the_newest_entry_of_real_packages_is_about_their_version(
    corpus: Path, tmp_path: Path, name: str, reached: float
) -> None:
    """So that the entries of a package that is installed, seen as an update of itself, are none; as rpm reads them."""
    if not shutil.which("rpm"):
        leave_out("needs rpm")
    (tmp_path / "Packages").write_bytes(lzma.decompress((corpus / "rpmdb" / name / "Packages.xz").read_bytes()))
    layout = "\x01%{NAME}\x02%{SOURCERPM}\x02[%{CHANGELOGTIME}\x03%{CHANGELOGNAME}\x03%{CHANGELOGTEXT}\x02]"
    command = ["rpm", "--dbpath", str(tmp_path), "--define", "_db_backend bdb_ro", "-qa", "--qf", layout]
    done = subprocess.run(command, capture_output=True, check=True)
    count = cut = whole = 0
    for record in done.stdout.decode().split("\x01")[1:]:
        _, source, *fields = record.split("\x02")
        entries = [
            Entry(datetime.fromtimestamp(int(when), UTC), author, text)
            for when, author, text in (field.split("\x03") for field in fields if field)
        ]
        version = "-".join(source.removesuffix(".src.rpm").rsplit("-", 2)[1:])
        if not entries:
            continue
        count += 1
        inside, missing = entries_between(entries, version, version)
        cut += not inside
        whole += bool(missing)
    assert count > 200
    assert cut / count >= reached
    assert whole <= 2
