"""Fetching indexes, and finding the distribution's own: on loopback, signed by keys made here."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from affineur.http.addresses import AddressPolicy, Reach
from affineur.http.client import Client
from affineur.http.mirrors import MirrorMap
from affineur.packages.osrelease import OSRelease
from affineur.repositories.apk.configuration import read_configuration
from affineur.repositories.apk.fetch import Fetcher
from affineur.repositories.apk.model import ApkIndex, ApkRepository
from affineur.repositories.apk.published import PublishedIndex, read_references
from affineur.repositories.apk.reference import (
    ApkReference,
    NoReference,
    freshness,
    pinned,
    references_for,
    release_of,
)
from affineur.repositories.apk.rsa import read_key
from support.apk import Key, Repositories, record

NOW = datetime.now(UTC)
TODAY = int(NOW.timestamp()) - 3600
LONG_AGO = int((NOW - timedelta(100)).timestamp())
MAIN = [record("alpine-base", "3.16.3-r0", LONG_AGO), record("apk-tools", "2.12.9-r3"), record("musl", "1.2.3-r4")]
DESCRIPTION = "v3.16.3-13-g4d933a1fa3"
HOST = "https://dl-cdn.alpinelinux.org/alpine"


CLIENTS: list[Client] = []


@pytest.fixture
def served() -> Iterator[Repositories]:
    with Repositories() as repositories:
        yield repositories
        while CLIENTS:
            CLIENTS.pop().close()


def fetcher(served: Repositories) -> Fetcher:
    client = Client(mirrors=MirrorMap([f"{HOST}={served.url}/alpine"]), addresses=AddressPolicy(), attempts=1)
    CLIENTS.append(client)
    return Fetcher(client, "x86_64", Reach.LOOPBACK)


def references(served: Repositories, release: str = "3.16.3") -> tuple[ApkReference, ...]:
    """Alpine's, with the key of the test in the place of its own."""
    known = references_for(OSRelease({"ID": "alpine", "VERSION_ID": release}), "x86_64")
    assert isinstance(known, tuple)
    keys = {served.key.name: read_key(served.key.pem, served.key.name)}
    return tuple(msgspec.structs.replace(each, keys=keys) for each in known)


def main_of(
    served: Repositories, *repositories: str, mirrored: bool = True, mirrors: tuple[str, ...] = ()
) -> PublishedIndex:
    own = [ApkRepository(url) for url in repositories]
    return read_references(references(served)[:1], fetcher(served), own, {}, {"musl"}, NOW, mirrors=mirrors)[0]


class TestFetching:
    def configuration(self, served: Repositories, *keys: Key, path: str = "alpine/v3.16/main") -> object:
        files = {"etc/apk/repositories": f"{served.url}/{path}\n".encode(), "etc/apk/arch": b"x86_64\n"}
        files |= {f"etc/apk/keys/{key.name}": key.pem for key in keys}
        return read_configuration(files, "")

    def test_by_the_images_own_key(self, served: Repositories) -> None:
        served.publish("alpine/v3.16/main", MAIN, description=DESCRIPTION)
        found = fetcher(served).fetch(self.configuration(served, served.key), {"musl"})  # type: ignore[arg-type]
        (only,) = found
        assert only.index.verified
        assert only.index.signers == (served.key.fingerprint,)
        assert (only.index.description, only.index.count, only.index.problems) == (DESCRIPTION, 3, ())
        assert [(offer.name, offer.version) for offer in only.offers] == [("musl", "1.2.3-r4")]
        body = served.files["alpine/v3.16/main/x86_64/APKINDEX.tar.gz"]
        assert only.index.digest == f"sha256:{hashlib.sha256(body).hexdigest()}"

    def test_an_index_that_no_key_of_the_image_signed_offers_nothing(self, served: Repositories) -> None:
        served.publish("alpine/v3.16/main", MAIN, signers=[Key(2)])
        (only,) = fetcher(served).fetch(self.configuration(served, served.key), None)  # type: ignore[arg-type]
        assert not only.index.verified
        assert only.offers == ()
        assert "none of the keys that count" in only.index.problems[0]

    def test_what_is_not_there_is_a_problem(self, served: Repositories) -> None:
        (only,) = fetcher(served).fetch(self.configuration(served, served.key), None)  # type: ignore[arg-type]
        assert "not there" in only.index.problems[0]

    def test_a_broken_record_is_a_problem_and_none_is_offered(self, served: Repositories) -> None:
        served.publish("alpine/v3.16/main", [*MAIN, "P:musl\nV:1\nV:2\n"])
        (only,) = fetcher(served).fetch(self.configuration(served, served.key), {"musl"})  # type: ignore[arg-type]
        assert only.offers == ()
        assert "twice" in only.index.problems[0]


class TestReferences:
    def test_found_at_the_distributions_own_host(self, served: Repositories) -> None:
        served.publish("alpine/v3.16/main", [*MAIN, record("new", "1-r0", TODAY)], description=DESCRIPTION)
        found = main_of(served)
        assert found.complete
        assert (found.name, found.verified, found.fresh, found.from_image) == ("v3.16/main", True, True, False)
        assert [offer.version for offer in found.offers] == ["1.2.3-r4"]

    def test_found_where_the_image_has_it_and_beside(self, served: Repositories) -> None:
        served.publish("mirror/v3.16/main", [*MAIN, record("new", "1-r0", TODAY)], description=DESCRIPTION)
        assert main_of(served, f"{served.url}/mirror/v3.16/main").from_image
        beside = main_of(served, f"{served.url}/mirror/v3.16/community")
        assert (beside.complete, beside.from_image) == (True, False)

    def test_found_at_a_mirror_of_the_user(self, served: Repositories) -> None:
        served.publish("mirror/v3.16/main", [*MAIN, record("new", "1-r0", TODAY)], description=DESCRIPTION)
        assert main_of(served, mirrors=(f"{served.url}/mirror",)).complete

    def test_signed_by_another_key_it_is_not_found(self, served: Repositories) -> None:
        served.publish("alpine/v3.16/main", MAIN, description=DESCRIPTION, signers=[Key(2, served.key.name)])
        found = main_of(served)
        assert (found.index, found.verified, found.complete) == (None, False, False)
        assert "none of the keys that count" in found.problems[0]

    @pytest.mark.parametrize(
        ("records", "description", "why"),
        [
            (MAIN, "v3.15.6-1-gabc", "its description is v3.15.6-1-gabc"),
            (MAIN, "v3.160.1-1-gabc", "its description is"),
            (MAIN[1:], DESCRIPTION, "it has no alpine-base"),
        ],
    )
    def test_what_the_same_key_signed_but_is_another(
        self, served: Repositories, records: list[str], description: str, why: str
    ) -> None:
        served.publish("alpine/v3.16/main", records, description=description)
        found = main_of(served)
        assert found.index is None
        assert why in found.problems[0]

    def test_main_in_the_place_of_community(self, served: Repositories) -> None:
        for name in ("main", "community"):
            served.publish(f"alpine/v3.16/{name}", [*MAIN, record("new", "1-r0", TODAY)], description=DESCRIPTION)
        main, community = read_references(references(served), fetcher(served), (), {}, None, NOW)
        assert main.complete
        assert "it has alpine-base, so it is not v3.16/community" in community.problems[0]

    def test_an_old_index_may_be_frozen(self, served: Repositories) -> None:
        served.publish("alpine/v3.16/main", MAIN, description=DESCRIPTION)
        found = main_of(served)
        assert (found.verified, found.fresh, found.complete) == (True, None, False)
        assert "100 days ago" in found.problems[0]

    def test_of_two_places_the_newer_counts(self, served: Repositories) -> None:
        served.publish("alpine/v3.16/main", MAIN, description=DESCRIPTION)
        served.publish("mirror/v3.16/main", [*MAIN, record("new", "1-r0", LONG_AGO + 9)], description=DESCRIPTION)
        found = main_of(served, f"{served.url}/mirror/v3.16/main")
        assert found.index is not None
        assert "/mirror/" in found.index.url

    def test_without_a_key_nothing_is_asked(self, served: Repositories) -> None:
        (reference,) = (msgspec.structs.replace(each, keys={}) for each in references(served)[:1])
        (found,) = read_references((reference,), fetcher(served), (), {}, None, NOW)
        assert "none of the keys" in found.problems[0]
        assert served.requests == []


INDEX = ApkIndex(ApkRepository(HOST), f"{HOST}/v3.16/main/x86_64/APKINDEX.tar.gz", newest=NOW - timedelta(100))


def test_over_tls_from_its_own_host_an_index_is_as_of_today(served: Repositories) -> None:
    reference = references(served)[0]
    assert freshness(reference, INDEX, NOW, checked=True)[0] is True
    assert freshness(reference, INDEX, NOW, checked=False)[0] is None
    elsewhere = msgspec.structs.replace(INDEX, url="https://mirror.example/v3.16/main/x86_64/APKINDEX.tar.gz")
    assert freshness(reference, elsewhere, NOW, checked=True)[0] is None
    near = msgspec.structs.replace(INDEX, url="https://dl-cdn.alpinelinux.org.evil.example/alpine/x")
    assert freshness(reference, near, NOW, checked=True)[0] is None


@pytest.mark.parametrize(("days", "fresh"), [(0, True), (6, True), (8, None), (-2, None)])
def test_by_the_newest_build_wherever_it_came_from(served: Repositories, days: int, fresh: bool | None) -> None:
    index = msgspec.structs.replace(INDEX, newest=NOW - timedelta(days), url="http://mirror.example/x")
    assert freshness(references(served)[0], index, NOW, checked=False)[0] is fresh


def test_releases() -> None:
    def named(**fields: str) -> OSRelease:
        return OSRelease(fields)

    assert release_of(named(ID="alpine", VERSION_ID="3.16.3")) == "3.16"
    assert release_of(named(ID="alpine", VERSION_ID="3.20.0_rc1")) == "3.20"
    assert release_of(named(ID="alpine", VERSION_ID="3.22_alpha20250108")) == "edge"
    assert release_of(named(ID="wolfi", VERSION_ID="20230201")) == ""
    paths = {
        release: [each.path for each in found]
        for release in ("3.16.3", "3.22_alpha20250108")
        if isinstance(found := references_for(named(ID="alpine", VERSION_ID=release), "x86_64"), tuple)
    }
    assert paths == {
        "3.16.3": ["v3.16/main", "v3.16/community"],
        "3.22_alpha20250108": ["edge/main", "edge/community"],
    }
    assert isinstance(references_for(named(ID="alpine", VERSION_ID="../.."), "x86_64"), NoReference)
    assert isinstance(references_for(named(ID="alpine"), "x86_64"), NoReference)
    assert isinstance(references_for(named(ID="postmarketos", VERSION_ID="3.16"), "x86_64"), NoReference)
    (wolfi,) = references_for(named(ID="wolfi", VERSION_ID="20230201"), "x86_64")  # type: ignore[misc]
    assert (wolfi.path, list(wolfi.keys)) == ("os", ["wolfi-signing.rsa.pub"])
    (chainguard,) = references_for(named(ID="chainguard", VERSION_ID="20230214"), "x86_64")  # type: ignore[misc]
    ((name, key),) = chainguard.keys.items()
    assert (chainguard.path, name[:20]) == ("chainguard", "chainguard-7fb528a64")
    # by `openssl pkey -pubin -outform DER | sha256sum` of both public copies
    assert key.fingerprint == "109fb7a781be7b605c67ca933b59b14454a8eb34c147ed44da595a0b7ad31375"


def test_keys_that_the_image_brings_count_by_their_sum_alone(served: Repositories) -> None:
    known = references_for(OSRelease({"ID": "alpine", "VERSION_ID": "3.16"}), "armv7")
    assert isinstance(known, tuple)
    (reference, _) = known
    assert list(pinned(reference, {"usr/share/apk/keys/x.rsa.pub": served.key.pem})) == [
        "alpine-devel@lists.alpinelinux.org-524d27bb.rsa.pub"
    ]
    brought = msgspec.structs.replace(reference, sums=frozenset({hashlib.sha512(served.key.pem).hexdigest()}))
    assert "x.rsa.pub" in pinned(brought, {"usr/share/apk/keys/x.rsa.pub": served.key.pem})


def test_a_reference_of_the_user_takes_the_place_of_one_that_is_known(served: Repositories) -> None:
    own = ApkReference(distribution="alpine", name="main", keys={}, url="https://own.example/main")
    known = references_for(OSRelease({"ID": "alpine", "VERSION_ID": "3.16.3"}), "x86_64", [own])
    assert isinstance(known, tuple)
    assert [each.url for each in known] == ["https://own.example/main", ""]
