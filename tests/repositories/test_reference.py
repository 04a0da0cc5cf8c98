"""Reference suites: the data, and what counts as one of them."""

import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from affineur.openpgp import fingerprints, signed_text
from affineur.packages.osrelease import OSRelease, parsed
from affineur.repositories.apt.model import Release
from affineur.repositories.apt.release import parse_release
from affineur.repositories.reference import (
    NoReference,
    ReferenceSuite,
    differs,
    pinned,
    pinned_certificates,
    references_for,
    stale,
)
from support.leaving_out import leave_out

NOW = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)


def claims(**fields: str) -> OSRelease:
    return OSRelease(fields)


def names(os_release: OSRelease, **more: object) -> list[str]:
    found = references_for(os_release, **more)  # type: ignore[arg-type]
    assert not isinstance(found, NoReference)
    return [suite.name for suite in found]


def release(**fields: object) -> Release:
    given: dict[str, object] = {"origin": "Debian", "label": "Debian-Security", "codename": "bookworm-security"}
    given |= {"suite": "oldstable-security", "version": "12", "date": NOW, "valid_until": None, "components": ()}
    given |= {"architectures": (), "not_automatic": False, "but_automatic_upgrades": False, "acquire_by_hash": False}
    return Release(**(given | {"hashes": {}} | fields))  # type: ignore[arg-type]


def reference(name: str) -> ReferenceSuite:
    found = references_for(claims(ID="debian", VERSION_CODENAME="bookworm"))
    assert not isinstance(found, NoReference)
    return next(suite for suite in found if suite.name == name)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, ["bookworm", "bookworm-updates", "bookworm-security"]),
        ({"ID": "debian", "VERSION_ID": "10"}, ["buster", "buster-updates", "buster/updates"]),
        ({"ID": "ubuntu", "VERSION_ID": "14.04"}, ["trusty", "trusty-updates", "trusty-security"]),
        ({"ID": "ubuntu", "VERSION_CODENAME": "noble"}, ["noble", "noble-updates", "noble-security"]),
        ({"ID": "debian", "VERSION_CODENAME": "forky"}, ["forky", "forky-updates", "forky-security"]),
    ],
)
def test_the_suites_of_a_release(fields: dict[str, str], expected: list[str]) -> None:
    found = references_for(claims(**fields))
    assert not isinstance(found, NoReference)
    assert [suite.name for suite in found] == expected
    assert [suite.security for suite in found] == [False, False, True]
    assert all(suite.keys and suite.certificates and suite.components for suite in found)


def test_sid_says_that_it_is_the_next_release_and_only_its_sources_tell() -> None:
    os_release = claims(ID="debian", VERSION_CODENAME="forky")
    assert names(os_release, seen={"sid"}) == names(os_release, seen=["unstable"]) == ["sid"]
    assert names(os_release, seen={"forky"}) == names(os_release)


@pytest.mark.parametrize("fields", [{"ID": "kali"}, {}, {"ID": "debian", "VERSION_ID": "7"}, {"ID": "debian"}])
def test_an_unknown_distribution_or_release_has_none_and_says_so(fields: dict[str, str]) -> None:
    found = references_for(claims(**fields))
    assert isinstance(found, NoReference)
    assert (fields.get("ID") or "linux") in found.why


@pytest.mark.corpus
def test_every_real_os_release_has_an_answer(corpus: Path) -> None:
    known = set()
    for path in sorted((corpus / "os-release").rglob("*.txt")):
        os_release = OSRelease(parsed(path.read_bytes()))
        found = references_for(os_release)
        if isinstance(found, NoReference):
            assert found.why
        else:
            known.add(found[0].release)
            assert {suite.distribution for suite in found} == {os_release.id}
    assert known >= {"buster", "bullseye", "focal", "zesty"}


def test_ones_own_suites_replace_and_add() -> None:
    os_release = claims(ID="ubuntu", VERSION_CODENAME="noble", VERSION_ID="24.04")
    own = [
        ReferenceSuite(distribution="ubuntu", release="noble", name="noble-security", keys=frozenset({"A" * 40})),
        ReferenceSuite(distribution="ubuntu", release="24.04", name="noble-own", keys=frozenset({"B" * 40})),
        ReferenceSuite(distribution="ubuntu", release="jammy", name="jammy-own", keys=frozenset({"B" * 40})),
        ReferenceSuite(distribution="debian", name="any", keys=frozenset({"B" * 40})),
    ]
    assert names(os_release, own=own) == ["noble", "noble-updates", "noble-security", "noble-own"]
    found = references_for(os_release, own)
    assert not isinstance(found, NoReference)
    assert found[2].keys == {"A" * 40}
    mine = ReferenceSuite(distribution="mine", name="stable", keys=frozenset({"B" * 40}))
    assert names(claims(ID="mine"), own=[mine]) == ["stable"]


@pytest.mark.corpus
def test_debians_signed_release_is_the_reference_and_no_other(corpus: Path) -> None:
    signed = parse_release(signed_text((corpus / "apt" / "bookworm-security_InRelease").read_bytes()))
    assert differs(reference("bookworm-security"), signed) is None
    assert "Label" in (differs(reference("bookworm"), signed) or "")
    assert stale(reference("bookworm-security"), signed, NOW) is None


@pytest.mark.parametrize(
    "fields", [{"origin": "Raspbian"}, {"label": "Debian"}, {"codename": "bookworm"}, {"codename": ""}]
)
def test_other_signed_fields_are_another_suite(fields: dict[str, str]) -> None:
    assert differs(reference("bookworm-security"), release()) is None
    assert differs(reference("bookworm-security"), release(**fields)) is not None


def test_ubuntu_tells_its_pockets_by_the_suite() -> None:
    found = references_for(claims(ID="ubuntu", VERSION_CODENAME="noble"))
    assert not isinstance(found, NoReference)
    security = release(origin="Ubuntu", label="Ubuntu", codename="noble", suite="noble-security")
    assert [differs(suite, security) is None for suite in found] == [False, False, True]


def test_age_counts_where_there_is_no_valid_until() -> None:
    updates = reference("bookworm-updates")
    assert stale(updates, release(date=NOW - timedelta(days=30)), NOW) is None
    assert "stale" in (stale(updates, release(date=NOW - timedelta(days=31)), NOW) or "")
    assert stale(updates, release(date=NOW - timedelta(days=31), valid_until=NOW + timedelta(days=1)), NOW) is None
    assert "unknown" in (stale(updates, release(date=None), NOW) or "")


def test_a_date_before_one_that_is_known_is_a_rollback() -> None:
    main = reference("bookworm")  # 12.15 was published on 2026-07-11 (its Release, and Debian's announcement)
    assert stale(main, release(date=datetime(2026, 7, 11, 10, 16, 37, tzinfo=UTC)), NOW) is None
    assert "rollback" in (stale(main, release(date=datetime(2026, 5, 16, 9, 0, tzinfo=UTC)), NOW) or "")


def test_what_is_no_longer_published_ages_up_to_its_last_day() -> None:
    trusty = references_for(claims(ID="ubuntu", VERSION_ID="14.04"))
    assert not isinstance(trusty, NoReference)
    assert trusty[2].published_until == date(2019, 4, 25)
    assert stale(trusty[2], release(date=datetime(2019, 4, 20, tzinfo=UTC)), NOW) is None
    assert "stale" in (stale(trusty[2], release(date=datetime(2019, 3, 1, tzinfo=UTC)), NOW) or "")


@pytest.mark.parametrize("distribution", ["debian", "ubuntu"])
def test_each_key_that_is_shipped_is_pinned_and_each_pinned_one_shipped(distribution: str) -> None:
    shipped = {fingerprints(each)[0] for each in pinned_certificates(distribution)}
    wanted = {
        key
        for codename in ("bookworm", "noble")
        for found in [references_for(claims(ID=distribution, VERSION_CODENAME=codename))]
        if not isinstance(found, NoReference)
        for suite in found
        for key in suite.keys
    }
    assert shipped == wanted
    assert shipped <= pinned()


@pytest.mark.system
def test_debians_keys_are_those_of_its_keyring_package() -> None:
    keyrings = [Path(f"/usr/share/keyrings/debian-archive-{name}.gpg") for name in ("keyring", "removed-keys")]
    if not shutil.which("gpg") or not all(path.exists() for path in keyrings):
        leave_out("needs gpg and the package debian-archive-keyring")
    listed: dict[str, str] = {}
    for path in keyrings:
        command = ["gpg", "--show-keys", "--with-colons", str(path)]
        last = ""
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
            words = line.split(":")
            if words[0] == "fpr" and not last:
                last = words[9]
            if words[0] == "uid":
                listed[last] = words[9]
            if words[0] == "pub":
                last = ""
    for key in {fingerprints(each)[0] for each in pinned_certificates("debian")}:
        assert listed[key].startswith(("Debian Archive Automatic", "Debian Security Archive", "Debian Stable Release"))
    security = reference("bookworm-security").keys
    assert {key for key, uid in listed.items() if uid.startswith("Debian Security Archive")} & pinned() == security
