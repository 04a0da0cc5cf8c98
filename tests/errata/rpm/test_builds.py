"""Which notices an image lacks, by binary packages. That dnf says the same is tests/system/test_dnf_updateinfo.py."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
import pytest

from affineur.errata.erratum import Build, Erratum, Severity
from affineur.errata.notices import list_lines, summary_lines
from affineur.errata.rpm.builds import (
    active_contexts,
    errata_of_updates,
    joined,
    listed,
    match_builds,
)
from affineur.packages.inventory import Package
from affineur.repositories.rpmmd.modules import ModuleStream
from affineur.repositories.update import Update

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def package(name: str, version: str, architecture: str = "x86_64", source: str = "", module: str = "") -> Package:
    return Package(name, version, architecture, source or name, version, manager="rpm", module=module)


def erratum(
    identifier: str,
    builds: Iterable[tuple[str, str] | tuple[str, str, str] | tuple[str, str, str, str]],
    *,
    kind: str = "security",
    severity: Severity | None = Severity.IMPORTANT,
    issued: datetime | None = EARLY,
    cves: tuple[str, ...] = (),
    status: str = "",
) -> Erratum:
    return Erratum(
        id=identifier,
        kind=kind,
        severity=severity,
        issued=issued,
        cves=cves,
        title=identifier,
        source="https://repo.example/updateinfo.xml",
        fixes=(),
        builds=tuple(
            Build(name, rest[0] if rest else "x86_64", version, rest[1] if len(rest) > 1 else "")
            for name, version, *rest in builds
        ),
        severity_word=severity.capitalize() if severity else None,
        status=status,
    )


def ids(installed: Iterable[Package], errata: Iterable[Erratum], active: Iterable[str] = ()) -> list[str]:
    return [finding.erratum.id for finding in match_builds(installed, errata, frozenset(active))]


def test_a_notice_with_a_higher_version_is_lacking_and_one_that_is_reached_is_not() -> None:
    errata = [erratum("A", [("hello", "1.1-1")]), erratum("B", [("hello", "1.0-1")]), erratum("C", [("bye", "9-1")])]
    (finding,) = match_builds([package("hello", "1.0-1")], errata)
    assert (finding.erratum.id, finding.packages, finding.source) == ("A", ("hello",), "hello")
    assert (finding.installed, finding.fixed) == ("1.0-1", "1.1-1")


def test_packages_of_one_source_are_one_finding() -> None:
    installed = [package("python-libs", "2.7-1", source="python"), package("python", "2.7-1"), package("x", "1-1")]
    (finding,) = match_builds(installed, [erratum("A", [("python", "2.7-2"), ("python-libs", "2.7-2")])])
    assert (finding.packages, finding.source) == (("python", "python-libs"), "python")


def test_an_epoch_decides() -> None:
    assert ids([package("a", "1:1-1")], [erratum("A", [("a", "2-1")])]) == []
    assert ids([package("a", "2-1")], [erratum("A", [("a", "1:1-1")])]) == ["A"]


def test_another_architecture_is_another_package_but_for_noarch() -> None:
    assert ids([package("a", "1-1", "i686")], [erratum("A", [("a", "2-1", "x86_64")])]) == []
    assert ids([package("a", "1-1", "noarch")], [erratum("A", [("a", "2-1", "x86_64")])]) == ["A"]
    assert ids([package("a", "1-1", "x86_64")], [erratum("A", [("a", "2-1", "noarch")])]) == ["A"]
    both = [erratum("A", [("a", "2-1", "noarch"), ("a", "1-1", "x86_64")])]
    assert ids([package("a", "1-1", "x86_64")], both) == ["A"]  # zypper, too


def test_of_several_installed_versions_the_newest_counts() -> None:
    installed = [package("kernel", "5-1"), package("kernel", "6-1")]
    assert ids(installed, [erratum("A", [("kernel", "5-2")]), erratum("B", [("kernel", "6-2")])]) == ["B"]


MODULAR = [("perl", "5.30-2", "x86_64", "perl:5.30:8030:c0")]


@pytest.mark.parametrize(
    ("label", "active", "lacking"),
    [
        ("", (), []),
        ("", ("perl:5.30",), ["A"]),
        ("", ("perl:5.30:c0",), ["A"]),
        ("", ("perl:5.30:other", "perl:5.32:c0"), []),
        ("perl:5.30:8010:other", (), ["A"]),  # the package says so itself
        ("perl:5.26:8010:c0", (), []),
    ],
)
def test_a_modules_notice_is_for_its_stream_alone(label: str, active: tuple[str, ...], lacking: list[str]) -> None:
    assert ids([package("perl", "5.30-1", module=label)], [erratum("A", MODULAR)], active) == lacking


def test_what_is_not_final_is_listed_and_never_counted() -> None:
    errata = [erratum("A", [("a", "2-1")], status="testing"), erratum("B", [("a", "2-1")], status="retracted")]
    assert ids([package("a", "1-1")], errata) == []
    assert [line.erratum for line in listed([package("a", "1-1")], errata)] == ["A", "B"]


def test_a_notice_of_several_repositories_is_one_the_worst_and_the_first() -> None:
    first = erratum("A", [("a", "2-1")], severity=Severity.LOW, issued=LATE, cves=("CVE-2026-1111",))
    second = erratum("A", [("a", "2-1"), ("b", "2-1")], severity=Severity.CRITICAL, issued=EARLY, status="testing")
    (both,) = joined([first, second])
    assert (both.severity, both.issued, both.status, both.cves) == (Severity.CRITICAL, EARLY, "", ("CVE-2026-1111",))
    assert [build.name for build in both.builds] == ["a", "b"]


def test_copies_of_a_notice_keep_what_they_say_of_its_cve() -> None:
    notice = erratum("A", [("a", "2-1")], cves=("CVE-2026-1111",))
    rated = msgspec.structs.replace(notice, cve_severities=(Severity.IMPORTANT,))
    assert joined([rated, rated])[0].cve_severities == (Severity.IMPORTANT,)
    other = msgspec.structs.replace(rated, cves=("CVE-2026-2222",))
    assert joined([rated, other])[0].cve_severities == ()


def test_a_bound_stays_one_where_no_copy_has_a_date() -> None:
    notice = erratum("A", [("a", "2-1")], issued=None)
    bounded = [msgspec.structs.replace(notice, issued_at_latest=when) for when in (LATE, EARLY)]
    (both,) = joined(bounded)
    assert (both.issued, both.issued_at_latest) == (None, EARLY)


def test_active_streams_count_with_their_contexts() -> None:
    streams = [
        ModuleStream("perl", "5.30", 1, "c0", "x86_64", frozenset()),
        ModuleStream("perl", "5.30", 2, "c1", "x86_64", frozenset()),
        ModuleStream("perl", "5.32", 1, "c0", "x86_64", frozenset()),
    ]
    assert active_contexts(streams, {"perl": "5.30", "php": "8"}) == {"perl:5.30:c0", "perl:5.30:c1"}


def update(name: str, installed: str, available: str, **more: object) -> Update:
    plain = {"architecture": "x86_64", "suites": ("updates",), "security": None, "source": name, "manager": "rpm"}
    plain |= {"source_version": available, "installed_source_version": installed}
    return Update(name=name, installed=installed, available=available, **(plain | more))  # type: ignore[arg-type]


def test_an_update_brings_the_notices_between_its_versions() -> None:
    errata = [
        erratum("OLD", [("a", "1-1")]),
        erratum("IN", [("a", "2-1")], kind="bugfix"),
        erratum("AT", [("a", "3-1")]),
        erratum("LATER", [("a", "4-1")]),
        erratum("OTHER", [("a", "2-1", "aarch64")]),
        erratum("DRAFT", [("a", "2-1")], status="testing"),
    ]
    (found,) = errata_of_updates([update("a", "1-1", "3-1")], errata)
    assert (found.errata, found.security) == (("IN", "AT"), True)


def test_an_update_without_a_security_notice_is_not_called_one_nor_none() -> None:
    errata = [erratum("IN", [("a", "2-1")], kind="bugfix")]
    first, second = errata_of_updates([update("a", "1-1", "2-1"), update("b", "1-1", "2-1")], errata)
    assert (first.errata, first.security) == (("IN",), None)
    assert (second.errata, second.security) == ((), None)


def test_where_all_notices_are_there_an_update_without_a_security_notice_is_none() -> None:
    errata = [erratum("IN", [("a", "2-1")], kind="bugfix"), erratum("S", [("c", "2-1")])]
    updates = [update(name, "1-1", "2-1") for name in "abc"]
    assert [each.security for each in errata_of_updates(updates, errata, complete=True)] == [False, False, True]


def test_an_update_to_noarch_has_its_notices() -> None:
    errata = [erratum("A", [("a", "2-1", "noarch")])]
    (found,) = errata_of_updates([update("a", "1-1", "2-1", available_architecture="noarch")], errata)
    assert found.errata == ("A",)


def test_an_update_within_a_module_has_its_notices() -> None:
    errata = [erratum("A", MODULAR), erratum("B", [("perl", "5.30-1.5", "x86_64", "perl:5.26:1:c0")])]
    (found,) = errata_of_updates([update("perl", "5.30-1", "5.30-2")], errata)
    assert found.errata == ("A",)


def test_nothing_listed_prints_nothing() -> None:
    assert list_lines([]) == []
    assert summary_lines([]) == []
