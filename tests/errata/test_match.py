"""What an image lacks, on source versions."""

import shutil
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.erratum import Erratum, Fix, Severity
from affineur.errata.match import affects, cves, errata_of_updates, match, merged, summary
from affineur.packages.inventory import Package
from affineur.packages.versions.deb import compare
from affineur.repositories.update import Update
from support.leaving_out import leave_out

VERSIONS = st.from_regex(r"\A([0-9]:)?[0-9][0-9a-z.+~]{0,8}(-[0-9][0-9a-z+~]{0,4})?\Z")


def erratum(identifier: str, *fixes: Fix, **more: Any) -> Erratum:
    given_: dict[str, Any] = {
        "kind": "security", "severity": None, "issued": datetime(2024, 1, 1, tzinfo=UTC), "cves": (), "title": "",
        "source": "feed",
    }  # fmt: skip
    return Erratum(id=identifier, fixes=fixes, **{**given_, **more})


def package(name: str, source: str, source_version: str, version: str | None = None) -> Package:
    return Package(name, version or source_version, "amd64", source, source_version)


def update(source: str, installed: str, available: str, **more: Any) -> Update:
    given_: dict[str, Any] = {"suites": ("stable",), "security": False, "architecture": "amd64"}
    return Update(
        name=source,
        installed=installed,
        available=available,
        source=source,
        source_version=available,
        installed_source_version=installed,
        **{**given_, **more},
    )


@given(VERSIONS)
def test_the_fixed_version_itself_lacks_nothing(version: str) -> None:
    assert match([package("a", "a", version)], [erratum("DSA-1", Fix("a", version))]) == []


@given(VERSIONS, VERSIONS)
def test_a_fix_is_lacking_exactly_where_the_installed_version_is_earlier(installed: str, fixed: str) -> None:
    found = match([package("a", "a", installed)], [erratum("DSA-1", Fix("a", fixed))])
    assert bool(found) == (compare(installed, fixed) < 0)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_what_an_update_brings_is_lacking_before_it_and_not_after(installed: str, fixed: str, available: str) -> None:
    errata = [erratum("DSA-1", Fix("a", fixed))]
    (found,) = errata_of_updates([update("a", installed, available)], errata)
    lacking = [bool(match([package("a", "a", version)], errata)) for version in (installed, available)]
    assert bool(found.errata) == (lacking == [True, False])
    assert found.security is bool(found.errata)


def test_binaries_are_matched_by_their_source_version_not_their_own() -> None:
    installed = [package("libc-dev", "libc", "2.0-1", version="9:9"), package("other", "other", "1")]
    (found,) = match(installed, [erratum("DSA-1", Fix("libc", "2.0-2"))])
    assert (found.packages, found.source, found.installed, found.fixed) == (("libc-dev",), "libc", "2.0-1", "2.0-2")


def test_only_binaries_below_the_fix_are_named_and_the_lowest_version_is_given() -> None:
    installed = [package("c", "a", "3"), package("b", "a", "1"), package("a", "a", "2"), package("a", "a", "2")]
    (found,) = match(installed, [erratum("DSA-1", Fix("a", "3"))])
    assert (found.packages, found.installed) == (("a", "b"), "1")


def test_a_flaw_that_came_later_is_not_in_earlier_versions() -> None:
    fix = Fix("a", "3.2", introduced="3.0", listed=("2.5",))
    affected = {version: affects(fix, version) for version in ("2.4", "2.5", "3.0~rc1", "3.0", "3.1", "3.2", "4")}
    assert affected == {
        "2.4": False, "2.5": True, "3.0~rc1": False, "3.0": True, "3.1": True, "3.2": False, "4": False,
    }  # fmt: skip


def test_of_two_branches_the_installed_ones_fix_is_given() -> None:
    errata = [erratum("DSA-1", Fix("a", "1.5"), Fix("a", "2.5", introduced="2.0"))]
    assert [found.fixed for found in match([package("a", "a", "2.1")], errata)] == ["2.5"]
    assert [found.fixed for found in match([package("a", "a", "1.1")], errata)] == ["1.5"]
    assert match([package("a", "a", "1.7")], errata) == []


def test_one_notice_about_two_sources_gives_two_findings() -> None:
    found = match([package("a", "a", "1"), package("b", "b", "1")], [erratum("USN-1", Fix("a", "2"), Fix("b", "2"))])
    assert [(one.erratum.id, one.source) for one in found] == [("USN-1", "a"), ("USN-1", "b")]


def test_a_bug_fix_makes_no_security_update_and_paid_fixes_come_by_none() -> None:
    errata = [
        erratum("USN-1-2", Fix("a", "2"), kind="bugfix"),
        erratum("USN-2-1", Fix("a", "2~esm1"), paid_only=True),
    ]
    (found,) = errata_of_updates([update("a", "1", "3")], errata)
    assert (found.errata, found.security) == (("USN-1-2",), False)
    (unknown,) = errata_of_updates([update("a", "1", "3", security=None)], errata)
    assert unknown.security is None


def test_a_notice_beats_the_changelog_about_the_same_version_and_keeps_its_date() -> None:
    noticed = datetime(2024, 5, 2, tzinfo=UTC)
    notice = erratum("DSA-1", Fix("a", "1:2.0-0"), issued=noticed)
    same = erratum(
        "changelog:a/1:2.0", Fix("a", "1:2.0"), issued=datetime(2024, 5, 1, tzinfo=UTC), cves=("CVE-2024-1000",)
    )
    other = erratum("changelog:a/1.9", Fix("a", "1.9"))
    assert compare("1:2.0-0", "1:2.0") == 0  # written differently, the same to dpkg

    first, second = merged([notice], [same, other])

    assert (first.id, first.issued, first.cves) == ("DSA-1", noticed, ("CVE-2024-1000",))
    assert second == other


def test_a_notice_with_cves_keeps_them_and_a_paid_one_explains_nothing() -> None:
    notice = erratum("DSA-1", Fix("a", "2"), cves=("CVE-2024-1",))
    changelog = erratum("changelog:a/2", Fix("a", "2"), cves=("CVE-2024-2",))
    assert merged([notice], [changelog]) == [notice]
    paid = erratum("USN-1", Fix("a", "2"), cves=("CVE-2024-1",), paid_only=True)
    assert merged([paid], [changelog]) == [paid, changelog]


def test_each_cve_has_a_row_with_its_own_severity() -> None:
    rated = erratum(
        "DSA-1",
        Fix("a", "2"),
        severity=Severity.CRITICAL,
        cves=("CVE-2024-1", "CVE-2024-2"),
        cve_severities=(None, Severity.CRITICAL),
    )
    rows = cves(match([package("liba", "a", "1")], [rated, erratum("DSA-2", Fix("a", "3"), cves=("CVE-2024-3",))]))
    assert [(row.id, row.package, row.installed, row.fixed, row.erratum, row.severity) for row in rows] == [
        ("CVE-2024-1", "a", "1", "2", "DSA-1", None),
        ("CVE-2024-2", "a", "1", "2", "DSA-1", "critical"),
        ("CVE-2024-3", "a", "1", "3", "DSA-2", None),
    ]


def test_the_summary_counts_each_id_once() -> None:
    errata = [
        erratum("1", severity=Severity.CRITICAL),
        erratum("1", severity=Severity.CRITICAL),
        erratum("2", severity=Severity.IMPORTANT),
        erratum("3"),
        erratum("4", kind="bugfix"),
        erratum("5", kind="enhancement"),
        erratum("6", kind="other"),
        erratum("7", severity=Severity.LOW),
        erratum("8", severity=Severity.MODERATE),
    ]
    found = summary(errata)
    assert (found.security, found.critical, found.important, found.moderate, found.low, found.unrated) == (
        5,
        1,
        1,
        1,
        1,
        1,
    )
    assert (found.bugfix, found.enhancement, found.other) == (1, 1, 1)


@pytest.mark.system
@pytest.mark.parametrize(
    ("installed", "fixed"),
    [
        ("3.0.11-1~deb12u1", "3.0.11-1~deb12u2"),
        ("3.0.11-1", "3.0.11-1~deb12u2"),
        ("1:1.21.0-1ubuntu1", "1:1.21.0-1ubuntu1.4"),
        ("2.36-9+deb12u9", "2.36-9+deb12u10"),
        ("4.8.4-2ubuntu1~14.04.3", "4.8.4-2ubuntu1~14.04.4"),
    ],
)
def test_dpkg_agrees_on_what_is_earlier(installed: str, fixed: str) -> None:
    if shutil.which("dpkg") is None:
        leave_out("needs dpkg")
    earlier = subprocess.run(["dpkg", "--compare-versions", installed, "lt", fixed], check=False).returncode == 0
    assert bool(match([package("a", "a", installed)], [erratum("DSA-1", Fix("a", fixed))])) == earlier
