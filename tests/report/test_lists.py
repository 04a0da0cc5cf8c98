"""The pages of updates, CVEs and packages; the list of updates is apt's own, line for line."""

import re
from pathlib import Path

import msgspec
import pytest

from affineur.errata.erratum import Severity
from affineur.report import documents, lists
from affineur.repositories.update import Update
from support import assessments

# `apt list --upgradable` of apt 2.6.1 in a Debian 12 root, without its heading
APT_LINE = re.compile(r"[a-z0-9.+-]+/[a-z-]+(,[a-z-]+)* \S+ \S+ \[upgradable from: \S+\]")


def test_the_list_is_apt_s() -> None:
    lines = lists.render_updates(assessments.rejected(), listed=True).splitlines()
    assert lines[0] == "libc6/stable,stable-security 2.36-9+deb12u4 amd64 [upgradable from: 2.36-9+deb12u3]"
    assert len(lines) == 7
    assert all(APT_LINE.fullmatch(line) for line in lines)


@pytest.mark.corpus
def test_the_article_s_transcript_comes_out_line_for_line(corpus: Path) -> None:
    rows = (corpus.parent / "article" / "ubuntu-trusty-upgradable.tsv").read_text().splitlines()[1:]
    updates = tuple(
        Update(name, architecture, installed, available, tuple(suites.split(",")), None, name, available, installed)
        for name, suites, available, architecture, installed in (row.split("\t") for row in rows)
    )
    page = lists.render_updates(msgspec.structs.replace(assessments.rejected(), updates=updates), listed=True)
    assert page.splitlines() == [
        f"{name}/{suites} {available} {architecture} [upgradable from: {installed}]"
        for name, suites, available, architecture, installed in (row.split("\t") for row in rows)
    ]
    assert len(rows) == 55


def test_security_only_keeps_what_could_not_be_told() -> None:
    lines = lists.render_updates(assessments.rejected(), listed=True, security_only=True).splitlines()
    assert [line.partition("/")[0] for line in lines] == [
        "libc6",
        "libc-bin",
        "libcurl4",
        "openssh-client",
        "perl-base",
        "base-files",
    ]


def test_the_summary_counts_notices_as_dnf_does() -> None:
    # four notices, of one source package each; dnf counts notices, not packages (dnf-plugins: `dnf updateinfo summary`)
    page = lists.render_updates(documents.updates_of(assessments.rejected()))
    assert page.splitlines()[-6:] == [
        "Updates Information Summary: available",
        "    4 Security notice(s)",
        "        1 Critical Security notice(s)",
        "        1 Important Security notice(s)",
        "        1 Moderate Security notice(s)",
        "        1 Unknown Security notice(s)",
    ]
    said = " ".join(page.split())  # wrapped
    assert "7, 5 for security, 1 other, 1 could not be told, 1 held, 2 that no notice speaks of, 1 phased" in said
    assert "packages of programming languages: " in page


def test_errata_are_listed_as_dnf_does() -> None:
    lines = lists.render_updates(assessments.rejected(), errata=True).splitlines()
    # dnf 4: id, severity and kind, package with its version and architecture, in columns
    assert lines[0].split() == ["DSA-5611-1", "Critical/Sec.", "libc6-2.36-9+deb12u4.amd64"]
    assert len({line.index("/Sec.") for line in lines if "Critical" in line}) == 1


def test_counts_are_right_aligned_and_other_kinds_named() -> None:
    base = assessments.rejected()
    errata = tuple(
        assessments.erratum(f"X-{n}", Severity.LOW if n < 12 else None, base.made, "bash", "5", kind=kind)
        for n, kind in enumerate(["security"] * 12 + ["bugfix", "enhancement", "other"])
    )
    update = assessments.update("bash", "4", "5", *(e.id for e in errata))
    notices = assessments.notices([update], errata)
    page = lists.render_updates(msgspec.structs.replace(base, updates=(update,), notices=notices))
    assert page.splitlines()[-5:] == [
        "    12 Security notice(s)",
        "        12 Low Security notice(s)",
        "     1 Bugfix notice(s)",
        "     1 Enhancement notice(s)",
        "     1 other notice(s)",
    ]


def test_cves_are_worst_first_with_versions_and_erratum() -> None:
    page = lists.render_cves(documents.cves_of(assessments.rejected()))
    names = re.findall(r"^CVE-\S+", page, re.MULTILINE)
    assert names == ["CVE-2023-6246", "CVE-2023-46218", "CVE-2023-47038"]
    assert "CVE-2023-6246     critical   2024-01-30  DSA-5611-1\n    glibc 2.36-9+deb12u3 → 2.36-9+deb12u4\n" in page


def test_packages_name_their_source_where_it_differs() -> None:
    base = assessments.accepted()
    document = documents.Packages(
        schema_="affineur.packages/1",
        affineur=base.affineur,
        made=base.made,
        image=base.image,
        distribution=base.distribution,
        packages=(
            documents.InstalledPackage("bash", "5.2.15-2+b7", "amd64", "bash", "5.2.15-2"),
            documents.InstalledPackage("libc6", "2.36-9+deb12u3", "amd64", "glibc", "2.36-9+deb12u3"),
            documents.InstalledPackage("tzdata", "2023c-5", "all", "tzdata", "2023c-5"),
        ),
        evidence=(),
        unassessed=base.unassessed,
    )
    page = lists.render_packages(document)
    assert "  bash    5.2.15-2+b7     amd64  of bash 5.2.15-2\n" in page
    assert "  libc6   2.36-9+deb12u3  amd64  of glibc\n" in page
    assert "  tzdata  2023c-5         all\n" in page
    assert "Packages: 3" in page


@pytest.mark.parametrize("name", assessments.ALL)
def test_nothing_acts_on_the_terminal(name: str) -> None:
    assessment = assessments.ALL[name]()
    pages = (
        lists.render_updates(assessment),
        lists.render_updates(assessment, listed=True),
        lists.render_cves(assessment),
    )
    for page in pages:
        assert page.replace("\n", "").isprintable()
