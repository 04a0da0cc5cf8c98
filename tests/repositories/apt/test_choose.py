"""What apt would list, and why not; tests/system/test_apt_choice.py puts the same cases to the real apt."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from affineur.repositories.apt.choose import choose, is_security_suite, upgradable, usable
from affineur.repositories.apt.configuration import read_configuration
from affineur.repositories.apt.index import parse_packages
from affineur.repositories.apt.model import OfferedSuite, Release, SourceEntry, Suite
from support import trusty
from support.apt_cases import A1, A2, A3, BACKPORTS, CASES, MAIN, SECURITY, Case, image, offering
from support.apt_scenarios import Archive, Binary, apt_line, ask_us, dpkg_packages


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_rule(case: Case) -> None:
    answer = ask_us(case.scenario)
    assert bool(answer.unanswerable) is case.refused
    found = [apt_line(update) for update in answer.updates]
    assert [f"{line.name}/{line.suites} {line.available} {line.architecture}" for line in found] == case.lines


def test_a_held_package_is_marked() -> None:
    held = dataclasses.replace(A1, status="hold ok installed")
    (update,) = ask_us(image([held], offering(MAIN, A2))).updates
    assert update.held


def test_what_not_automatic_hides_is_named() -> None:
    (hidden,) = ask_us(image([A1], offering(MAIN, A2), offering(BACKPORTS, A3))).hidden
    assert (hidden.available, hidden.candidate, hidden.suites) == ("3", "2", ("stable-backports",))
    assert "NotAutomatic" in hidden.because


def test_a_negative_pin_hides_a_security_update_and_is_named() -> None:
    pins = "Package: a\nPin: release l=Debian-Security\nPin-Priority: -1\n"
    answer = ask_us(image([A1], offering(MAIN, A1), offering(SECURITY, A2), pins=pins))
    assert answer.updates == ()
    (hidden,) = answer.hidden
    assert hidden.security is True
    assert hidden.because == "etc/apt/preferences:1 pins it to -1"


def test_a_pin_of_all_packages_to_the_installed_versions_hides_everything() -> None:
    pins = "Package: *\nPin: release a=now\nPin-Priority: 1000\n"
    answer = ask_us(image([A1], offering(MAIN, A2), pins=pins))
    assert answer.updates == ()
    assert [hidden.available for hidden in answer.hidden] == ["2"]


def test_what_a_default_release_hides_is_named() -> None:
    scenario = image([A1], offering(MAIN, A2), offering(SECURITY, A3), options='APT::Default-Release "stable";')
    (hidden,) = ask_us(scenario).hidden
    assert hidden.because == "APT::Default-Release prefers 2"


def test_a_default_release_that_nobody_offers_makes_apt_refuse() -> None:
    answer = ask_us(image([A1], offering(MAIN, A2), options='APT::Default-Release "sid";'))
    assert answer.updates == ()
    assert answer.unanswerable == ("APT::Default-Release is 'sid', which no source offers",)


def test_a_phased_update_is_marked_and_what_phasing_hides_is_named() -> None:
    phased = dataclasses.replace(A2, phased=10)
    never = "APT::Get::Never-Include-Phased-Updates true;"
    (update,) = ask_us(image([A1], offering(MAIN, phased), options=never)).updates
    assert update.phased == 10
    answer = ask_us(image([A1], offering(MAIN, phased), options=never + "\nAPT::Get::Phase-Policy true;"))
    assert answer.updates == ()
    assert "phased to 10 %" in answer.hidden[0].because


def test_a_suite_that_nothing_vouches_for_offers_nothing() -> None:
    release = MAIN.release()
    entry = SourceEntry(MAIN.uri, "bookworm", ("main",))
    offers = tuple(parse_packages([A2.offered().encode()], None, "main", "amd64"))
    configuration = read_configuration({}, "amd64")
    for verified, trusted, count in ((False, None, 0), (False, False, 0), (False, True, 1), (True, None, 1)):
        suite = Suite(_trusting(entry, trusted), release, (), verified, MAIN.uri)
        assert usable(suite) is bool(count)
        assert len(upgradable([A1.package()], [OfferedSuite(suite, offers)], configuration)) == count


def _trusting(entry: SourceEntry, trusted: bool | None) -> SourceEntry:
    return SourceEntry(entry.uri, entry.suite, entry.components, trusted=trusted)


def test_security_is_told_by_release_fields_and_by_any_version_above_the_installed_one() -> None:
    (update,) = ask_us(image([A1], offering(MAIN, A3), offering(SECURITY, A2))).updates
    assert (update.suites, update.security) == (("stable",), True)  # after a point release
    (update,) = ask_us(image([A2], offering(MAIN, A3), offering(SECURITY, A2))).updates
    assert update.security is False
    other = dataclasses.replace(MAIN, origin="Acme", label="Acme", suite="prod")
    (update,) = ask_us(image([A1], offering(other, A2))).updates
    assert update.security is None


@pytest.mark.parametrize(
    ("origin", "label", "suite", "expected"),
    [
        ("Debian", "Debian-Security", "oldstable-security", True),
        ("Debian", "Debian", "oldstable-updates", False),
        ("Ubuntu", "Ubuntu", "trusty-security", True),
        ("Ubuntu", "Ubuntu", "trusty-updates", False),
        ("UbuntuESM", "UbuntuESM", "trusty-infra-security", True),
        ("UbuntuESMApps", "UbuntuESMApps", "jammy-apps-updates", True),
        ("Debian Backports", "Debian Backports", "stable-backports", False),
        ("Acme", "Acme", "prod", None),
    ],
)
def test_security_suites(origin: str, label: str, suite: str, expected: bool | None) -> None:
    release = dataclasses.replace(MAIN, origin=origin, label=label, suite=suite, codename="x").release()
    assert isinstance(release, Release)
    assert is_security_suite(release) is expected


def test_expressions_that_would_take_for_ever_make_the_answer_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affineur.repositories.apt.policy.MAX_STEPS", 1_000_000)
    costly = " ".join(f"/(a?){{{count}}}x/" for count in range(400, 500))
    installed = [Binary("a" * length, "1") for length in range(200, 300)]
    pins = f"Package: {costly}\nPin: version 1\nPin-Priority: 1\n"
    answer = ask_us(image(installed, offering(MAIN, A2), pins=pins))
    assert answer.updates == ()
    assert "steps" in answer.unanswerable[0]


def test_a_pin_that_cannot_be_evaluated_is_named() -> None:
    answer = ask_us(image([A1], offering(MAIN, A2), pins="Package: /\\bx/\nPin: version 2\nPin-Priority: -1\n"))
    assert [update.available for update in answer.updates] == ["2"]
    assert answer.problems == ("etc/apt/preferences:1: '/\\\\bx/': \\b",)


def test_an_old_apts_pins_are_foretold_with_a_warning() -> None:
    old = Binary("apt", "1.0.9.8")
    pins = "Package: a\nPin: version 2\nPin-Priority: 900\n"
    answer = ask_us(image([A1, old], offering(MAIN, A2), pins=pins))
    assert [update.name for update in answer.updates] == ["a"]
    assert "the image has 1.0.9.8" in answer.problems[0]


def test_the_update_tells_where_its_deb_lies() -> None:
    (update,) = ask_us(image([Binary("a", "1", source="s")], offering(MAIN, Binary("a", "2", source="s (5)")))).updates
    assert (update.source, update.source_version, update.installed_source_version) == ("s", "5", "1")
    assert update.base_uri + update.filename == "http://archive.example/debian/pool/a_2_amd64.deb"
    assert (update.size, update.sha256) == (1000, "0" * 64)


@pytest.mark.corpus
def test_the_articles_transcript_line_for_line(corpus: Path) -> None:
    uri = "http://archive.example/ubuntu/"
    files = trusty.image_files(corpus, uri)
    configuration = read_configuration(files, "amd64")
    archive = trusty.repository(corpus, datetime(2019, 4, 30, tzinfo=UTC))
    suites = []
    for entry in configuration.sources:
        release = Archive(
            entry.uri, entry.suite, {}, origin="Ubuntu", label="Ubuntu", suite=entry.suite, codename="trusty"
        ).release()
        index = archive[f"dists/{entry.suite}/main/binary-amd64/Packages"]
        offers = tuple(parse_packages([index], None, "main", "amd64"))
        suites.append(OfferedSuite(Suite(entry, release, (), True, uri), offers))
    answer = choose(dpkg_packages(files["var/lib/dpkg/status"]), suites, configuration)
    assert [apt_line(update) for update in answer.updates] == trusty.lines(corpus)
    assert len(answer.updates) == 55
    by_suite = {update.security for update in answer.updates if "trusty-security" in update.suites}
    assert by_suite == {True}
    assert {update.security for update in answer.updates if "trusty-security" not in update.suites} == {False}
