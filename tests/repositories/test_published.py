"""Finding and reading what a distribution has published, from archives on loopback that tell the truth or do not."""

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.repositories.apt.fetch import Fetcher
from affineur.repositories.apt.model import AptConfiguration, SourceEntry
from affineur.repositories.apt.verify import ImageKeys
from affineur.repositories.published import Published, read_references
from affineur.repositories.reference import ReferenceSuite
from affineur.store.releases import ReleaseMemory
from support.archive import Archive, GnupgKey, Key, stanza
from support.leaving_out import leave_out

NOW = datetime.now(UTC)
KEYRING = "/etc/apt/trusted.gpg.d/own.gpg"
MAIN, SECURITY = [stanza("hello", "1.0-1")], [stanza("hello", "1.0-1+deb1")]
FIELDS: dict[str, dict[str, Any]] = {
    "main": {"label": "Own", "codename": "stable", "suite": "stable"},
    "security": {"label": "Own-Security", "codename": "stable-security", "suite": "stable-security"},
}


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(attempts=1) as client:
        yield client


def references(archive: Archive, **changes: Any) -> list[ReferenceSuite]:
    common: dict[str, Any] = {"distribution": "own", "origin": "Own", "components": ("main",)}
    common |= {"keys": frozenset({archive.key.fingerprint}), "certificates": (archive.key.certificate,)}
    common |= {"max_age": timedelta(days=30), "siblings": ("../own/", "../own-security/")} | changes
    return [
        ReferenceSuite(name="stable", role="main", label="Own", codename="stable", **common),
        ReferenceSuite(
            name="stable-security", role="security", label="Own-Security", codename="stable-security", **common
        ),
    ]


def publish(archive: Archive, **changes: Any) -> None:
    archive.suite("stable", {"main": MAIN}, below="own/", origin="Own", **FIELDS["main"], **changes)
    archive.suite(
        "stable-security", {"main": SECURITY}, below="own-security/", origin="Own", **FIELDS["security"], **changes
    )


def read(
    archive: Archive,
    client: Client,
    entries: Sequence[tuple[str, str]] = (("own/", "stable"), ("own-security/", "stable-security")),
    wanted: Sequence[ReferenceSuite] | None = None,
    *,
    keyring: bytes | None = None,
    architectures: tuple[str, ...] = ("amd64",),
    reach: Reach = Reach.OWN,
    **more: Any,
) -> list[Published]:
    sources = tuple(SourceEntry(archive.url + below, suite, ("main",)) for below, suite in entries)
    keys = ImageKeys({KEYRING: archive.key.certificate if keyring is None else keyring}.get, (KEYRING,))
    fetcher = Fetcher(client, AptConfiguration(sources, (), architectures), keys, NOW, reach)
    fetcher.fetch({"hello"})
    wanted = references(archive) if wanted is None else wanted
    return list(read_references(wanted, fetcher, sources, keys, {"hello"}, NOW, **more))


def test_found_where_the_image_points_and_fetched_once(archive: Archive, client: Client) -> None:
    publish(archive)
    found = read(archive, client)
    assert [each.complete for each in found] == [True, True]
    assert [each.from_image for each in found] == [True, True]
    assert [offer.version for each in found for offer in each.offers] == ["1.0-1", "1.0-1+deb1"]
    assert len(archive.requests) == 4  # two of InRelease, two of Packages


def test_the_images_own_key_does_not_make_a_reference(archive: Archive, client: Client) -> None:
    forger = Key()
    publish(archive, signers=[forger])
    found = read(archive, client, keyring=forger.certificate)
    assert [each.suite for each in found] == [None, None]
    assert all("not trusted here" in each.problems[0] for each in found)


def test_the_key_may_come_from_the_image_if_its_fingerprint_is_pinned(archive: Archive, client: Client) -> None:
    publish(archive)
    pinned_only = references(archive, certificates=())
    assert [each.complete for each in read(archive, client, wanted=pinned_only)] == [True, True]
    (problem,) = read(archive, client, wanted=pinned_only[:1], keyring=Key().certificate)[0].problems
    assert "none of the keys" in problem


@pytest.mark.system
def test_a_pinned_key_with_a_weak_certificate_counts_and_an_unpinned_one_could_not_be_told(
    archive: Archive, client: Client
) -> None:
    """Ubuntu 18.04 is signed by the archive key of 2012: RSA 4096 and SHA-512, but its own self-signature is SHA-1."""
    if not (shutil.which("gpg") and shutil.which("gpgv")):
        leave_out("needs gpg and gpgv")
    with GnupgKey("rsa3072", made="20120511T000000", certified="SHA1") as key:
        publish(archive, signers=[key])
    pinned = references(archive, keys=frozenset({key.fingerprint}), certificates=(key.certificate,))
    assert [each.complete for each in read(archive, client, wanted=pinned)] == [True, True]
    entry = SourceEntry(f"{archive.url}own/", "stable", ("main",))
    keys = ImageKeys({KEYRING: key.certificate}.get, (KEYRING,))
    suite = Fetcher(client, AptConfiguration((entry,), (), ("amd64",)), keys, NOW, Reach.OWN).suite(entry)
    assert (suite.verified, suite.signers, suite.weak_signers) == (False, (), (key.fingerprint,))


@pytest.mark.system
def test_a_pinned_key_that_is_weak_itself_does_not_count(archive: Archive, client: Client) -> None:
    if not (shutil.which("gpg") and shutil.which("gpgv")):
        leave_out("needs gpg and gpgv")
    with GnupgKey("rsa1024") as key:
        publish(archive, signers=[key])
    pinned = references(archive, keys=frozenset({key.fingerprint}), certificates=(key.certificate,))
    for each in read(archive, client, wanted=pinned):
        assert (each.suite, each.complete) == (None, False)
        assert "weak" in each.problems[0]


def test_a_security_suite_that_the_image_leaves_out_is_found_beside(archive: Archive, client: Client) -> None:
    publish(archive)
    found = read(archive, client, entries=[("own/", "stable")])
    assert [each.complete for each in found] == [True, True]
    assert [each.from_image for each in found] == [True, False]
    assert found[1].suite is not None
    assert found[1].suite.entry.uri == f"{archive.url}own-security/"


def test_a_suite_under_its_other_name(archive: Archive, client: Client) -> None:
    archive.suite("latest", {"main": MAIN}, below="own/", origin="Own", **FIELDS["main"])
    (found, _) = read(archive, client, entries=[("own/", "latest")])
    assert found.complete
    assert found.from_image


def test_an_image_without_sources_and_a_mirror_of_the_users(archive: Archive, client: Client) -> None:
    publish(archive)
    assert [each.suite for each in read(archive, client, entries=[])] == [None, None]
    found = read(archive, client, entries=[], mirrors=[f"{archive.url}own", f"{archive.url}own-security/"])
    assert [each.complete for each in found] == [True, True]


def test_ones_own_place_is_the_only_one(archive: Archive, client: Client) -> None:
    publish(archive)
    there = references(archive, uri=f"{archive.url}own-security")
    assert [each.suite is None for each in read(archive, client, wanted=there)] == [True, False]


def test_the_users_own_place_may_be_on_this_machine_and_the_images_may_not(archive: Archive, client: Client) -> None:
    publish(archive)
    assert [each.suite for each in read(archive, client, reach=Reach.PUBLIC)] == [None, None]
    assert archive.requests == []
    there = references(archive, uri=f"{archive.url}own")
    assert read(archive, client, wanted=there, reach=Reach.PUBLIC)[0].complete
    assert all(path.startswith("own/") for path in archive.requests)
    assert read(archive, client, entries=[], mirrors=[f"{archive.url}own"], reach=Reach.PUBLIC)[0].complete


def test_another_suite_served_in_its_place_is_not_it(archive: Archive, client: Client) -> None:
    """The attack on a security suite: serve the main suite's Release, signed by the same key, at its address."""
    publish(archive)
    archive.files["own-security/dists/stable-security/InRelease"] = archive.files["own/dists/stable/InRelease"]
    (_, security) = read(archive, client)
    assert security.suite is None
    assert not security.complete
    assert "Label is Own, not Own-Security" in security.problems[0]


def test_an_expired_one_is_not_fresh(archive: Archive, client: Client) -> None:
    publish(archive, date=NOW - timedelta(days=8), valid_until=NOW - timedelta(days=1))
    for each in read(archive, client):
        assert (each.verified, each.fresh, each.complete) == (True, False, False)
        assert len(each.offers) == 1


def test_a_frozen_mirror_is_not_fresh(archive: Archive, client: Client) -> None:
    publish(archive, date=NOW - timedelta(days=31))
    for each in read(archive, client):
        assert (each.verified, each.fresh, each.complete) == (True, False, False)
        assert "stale" in each.problems[0]


def test_without_a_date_freshness_could_not_be_told(archive: Archive, client: Client) -> None:
    publish(archive, Date=None)
    assert [(each.fresh, each.complete) for each in read(archive, client)] == [(None, False)] * 2


def test_a_rollback(archive: Archive, client: Client, tmp_path: Path) -> None:
    with ReleaseMemory(tmp_path) as memory:
        publish(archive, date=NOW - timedelta(days=2))
        assert all(each.complete for each in read(archive, client, remembered=memory))
        publish(archive, date=NOW - timedelta(days=1))
        assert all(each.complete for each in read(archive, client, remembered=memory))
        publish(archive, date=NOW - timedelta(days=2))
        for each in read(archive, client, remembered=memory):
            assert (each.verified, each.fresh, each.complete) == (True, False, False)
            assert "rollback" in each.problems[-1]


def test_an_index_that_differs_makes_it_incomplete(archive: Archive, client: Client) -> None:
    publish(archive)
    for path, body in archive.files.items():
        if path.startswith("own-security/") and not path.endswith("InRelease"):
            archive.files[path] = bytes(len(body))
    (main, security) = read(archive, client)
    assert main.complete
    assert (security.verified, security.fresh, security.complete, security.offers) == (True, True, False, ())


def test_an_architecture_that_is_not_served_makes_it_incomplete(archive: Archive, client: Client) -> None:
    publish(archive)
    for each in read(archive, client, architectures=("riscv64",)):
        assert not each.complete
        assert "riscv64" in each.problems[0]


def test_a_component_that_must_be_read_and_is_not_there(archive: Archive, client: Client) -> None:
    publish(archive)
    found = read(archive, client, wanted=references(archive, components=("main", "universe")))
    assert [each.complete for each in found] == [False, False]
    assert all("universe" in each.problems[0] for each in found)


def test_a_missing_suite_is_named_with_where_it_was_looked_for(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": MAIN}, below="own/", origin="Own", **FIELDS["main"])
    (_, security) = read(archive, client, entries=[("own/", "stable")])
    assert security.suite is None
    assert "stable-security of own was not found" in security.problems[0]
    assert f"{archive.url}own-security/dists/stable-security/" in security.problems[0]


def test_no_references(archive: Archive, client: Client) -> None:
    assert read(archive, client, wanted=[]) == []
