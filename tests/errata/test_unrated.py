"""Security updates that nobody explains: unrated, and dated by a bound only."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from affineur.errata.erratum import Erratum, Fix
from affineur.errata.unrated import rebuilds, unrated
from affineur.repositories.apt.model import Release, SourceEntry, Suite
from affineur.repositories.update import Update

MONDAY, TUESDAY = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)


def suite(name: str, label: str = "Ubuntu", date: datetime | None = MONDAY, *, verified: bool = True) -> Suite:
    url = f"http://archive.example/{name}"
    release = Release("Ubuntu", label, name, "trusty", "", date, None, (), (), False, False, False, {})
    return Suite(SourceEntry(f"{url}/", name, ("main",)), release, (), verified, url)


def update(
    available: str = "2", suites: tuple[str, ...] = ("trusty-updates", "trusty-security"), **more: Any
) -> Update:
    given: dict[str, Any] = {"security": True, **more}
    return Update("a", "amd64", "1", available, suites, source="a", source_version=available,
                  installed_source_version="1", **given)  # fmt: skip


SUITES = [suite("trusty-security", date=TUESDAY), suite("trusty-updates", date=MONDAY), suite("trusty")]


def notice(version: str, **more: Any) -> Erratum:
    return Erratum("USN-1", "security", None, MONDAY, (), "", "feed", (Fix("a", version),), **more)


def test_an_unexplained_security_update_has_a_bound_and_no_date() -> None:
    (found,) = unrated([update()], SUITES)
    assert (found.id, found.kind, found.severity, found.issued) == ("unrated:a/2", "security", None, None)
    assert found.issued_at_latest == MONDAY  # the earlier of the two Releases that offer it
    assert found.fixes == (Fix("a", "2"),)


def test_several_binaries_of_a_source_are_one_erratum() -> None:
    assert len(unrated([update(), update()], SUITES)) == 1


def test_a_notice_about_exactly_that_version_explains_it() -> None:
    assert unrated([update(errata=("USN-1",))], SUITES, [notice("2")]) == []


def test_a_notice_about_an_earlier_version_does_not_explain_the_newest_upload() -> None:
    assert [found.id for found in unrated([update(errata=("USN-1",))], SUITES, [notice("1.5")])] == ["unrated:a/2"]


def test_a_paid_fix_explains_nothing() -> None:
    assert len(unrated([update()], SUITES, [notice("2", paid_only=True)])) == 1


def test_after_a_point_release_any_erratum_in_the_update_explains_it() -> None:
    assert unrated([update(suites=("trusty",), errata=("USN-1",))], SUITES, [notice("1.5")]) == []
    assert len(unrated([update(suites=("trusty",))], SUITES)) == 1


def test_other_updates_are_none_of_its_business() -> None:
    assert unrated([update(suites=("trusty-updates",), security=False)], SUITES) == []
    assert unrated([update(suites=("trusty-updates",), security=None)], SUITES) == []


def test_debians_security_suites_are_known_by_their_label() -> None:
    debian = suite("oldstable-security", "Debian-Security")
    old = suite("oldoldstable/updates", "Debian-Security")
    assert len(unrated([update(suites=("oldstable-security",))], [debian])) == 1
    assert len(unrated([update(suites=("oldoldstable/updates",), security=False)], [old])) == 1


def test_a_release_that_nobody_vouches_for_gives_no_bound() -> None:
    (found,) = unrated([update()], [suite("trusty-security", verified=False)])
    assert found.issued_at_latest is None
    (found,) = unrated([update()], [suite("trusty-security", date=None)])
    assert found.issued_at_latest is None


def test_a_rebuild_of_the_installed_source_is_said_and_is_no_erratum() -> None:
    rebuilt = msgspec.structs.replace(update("1+b2"), source_version="1")
    assert unrated([rebuilt], SUITES) == []
    assert [one.what for one in rebuilds([rebuilt, rebuilt], SUITES)] == ["rebuild of a 1+b2"]
    assert rebuilds([update()], SUITES) == []
    plain = msgspec.structs.replace(rebuilt, suites=("trusty",), security=False)
    assert rebuilds([plain], SUITES) == []
