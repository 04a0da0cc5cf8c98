"""Fetching suites, from an archive on loopback that misbehaves in every way that the format allows."""

import hashlib
import lzma
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, NoReturn

import pytest

from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.connector import Connector
from affineur.repositories.apt.fetch import Fetcher
from affineur.repositories.apt.model import AptConfiguration, OfferedSuite, SourceEntry
from affineur.repositories.apt.verify import ImageKeys
from support.archive import Archive, GnupgKey, Key, stanza
from support.leaving_out import leave_out

NOW = datetime.now(UTC)
KEYRING = "/usr/share/keyrings/test.gpg"
PACKAGES = [stanza("hello", "1.0-1", source="greetings (1.0)"), stanza("other", "2")]
INDEX = "dists/stable/main/binary-amd64/Packages"
IN_RELEASE = "dists/stable/InRelease"


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(attempts=1) as client:
        yield client


def fetch(
    archive: Archive,
    client: Client,
    *,
    architectures: tuple[str, ...] = ("amd64",),
    only: tuple[str, ...] | None = None,
    **of: Any,
) -> OfferedSuite:
    """Fetch one entry, `deb [signed-by=…] <archive> stable main` unless `of` says otherwise; `only` is its `arch=`."""
    fields: dict[str, Any] = {"uri": archive.url, "suite": "stable", "components": ("main",), "signed_by": (KEYRING,)}
    entry = SourceEntry(**(fields | {"architectures": only} | of))
    configuration = AptConfiguration((entry,), (), architectures)
    keys = ImageKeys({KEYRING: archive.key.certificate}.get)
    (found,) = Fetcher(client, configuration, keys, NOW, Reach.OWN).fetch({"hello"})
    return found


def versions(found: OfferedSuite) -> list[tuple[str, str]]:
    return [(offer.name, offer.version) for offer in found.offers]


def refused(found: OfferedSuite) -> str:
    """The one problem of a suite of which nothing may be used."""
    assert not found.suite.verified
    assert found.suite.release is None
    assert found.suite.signers == ()
    assert found.offers == ()
    (problem,) = found.suite.problems
    return problem


def test_a_signed_suite_is_read(archive: Archive, client: Client) -> None:
    text = archive.suite("stable", {"main": PACKAGES})
    found = fetch(archive, client)
    assert versions(found) == [("hello", "1.0-1")]
    assert found.offers[0].source_version == "1.0"
    suite = found.suite
    assert (suite.verified, suite.signers, suite.problems) == (True, (archive.key.fingerprint,), ())
    assert suite.url == f"{archive.url}{IN_RELEASE}"
    assert suite.digest == f"sha256:{hashlib.sha256(text).hexdigest()}"
    assert not suite.expired
    assert [path.rpartition("/")[2][:9] for path in archive.requests] == [
        "InRelease",
        hashlib.sha256(archive.files[f"{INDEX}.xz"]).hexdigest()[:9],
    ]


def test_release_and_release_gpg(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, inline=False)
    found = fetch(archive, client)
    assert versions(found) == [("hello", "1.0-1")]
    assert found.suite.signers == (archive.key.fingerprint,)
    assert archive.requests[:3] == [IN_RELEASE, "dists/stable/Release", "dists/stable/Release.gpg"]


def test_an_object_store_that_says_403_for_what_it_lacks(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, inline=False)
    archive.statuses[IN_RELEASE] = 403
    for path in [path for path in archive.files if "by-hash" in path]:
        archive.statuses[path] = 403
    assert versions(fetch(archive, client)) == [("hello", "1.0-1")]


def test_an_unknown_key_beside_a_good_one(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, signers=[Key(), archive.key])
    found = fetch(archive, client)
    assert found.suite.verified
    assert found.suite.problems == ()
    assert versions(found) == [("hello", "1.0-1")]


# InRelease with a bad, missing, expired or weak signature, and text outside the signed part


@pytest.mark.parametrize("inline", [True, False], ids=["InRelease", "Release.gpg"])
def test_a_bad_signature(archive: Archive, client: Client, inline: bool) -> None:
    archive.suite("stable", {"main": PACKAGES}, inline=inline)
    path = IN_RELEASE if inline else "dists/stable/Release"
    archive.files[path] = archive.files[path].replace(b"Suite: stable", b"Suite: secret")
    assert "no signature holds" in refused(fetch(archive, client))
    assert archive.count("Packages.xz") == 0


def test_a_missing_signature(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, signers=[])
    assert "not signed" in refused(fetch(archive, client))
    archive.files[IN_RELEASE] = archive.files["dists/stable/Release"]
    assert "not a cleartext-signed document" in refused(fetch(archive, client))


def test_a_signature_by_an_unknown_key(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, signers=[Key()])
    assert "keys that are not trusted here" in refused(fetch(archive, client))


@pytest.mark.system
@pytest.mark.parametrize("kind", ["weak", "expired"])
def test_a_weak_or_expired_key(archive: Archive, client: Client, kind: str) -> None:
    if not (shutil.which("gpg") and shutil.which("gpgv")):
        leave_out("needs gpg and gpgv")
    odd = {"weak": ("dsa1024", None, None, "never"), "expired": ("ed25519", None, "20200101T000000", "seconds=86400")}
    with GnupgKey(*odd[kind]) as key:
        archive.suite("stable", {"main": PACKAGES}, signers=[key])
        archive.key.certificate = key.certificate
    suite = fetch(archive, client).suite
    assert not suite.verified
    assert suite.signers == ()
    assert (suite.weak_signers, suite.expired_signers) == (
        ((key.fingerprint,), ()) if kind == "weak" else ((), (key.fingerprint,))
    )
    assert key.fingerprint in suite.problems[0]


def test_an_expired_valid_until(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, date=NOW - timedelta(days=9), valid_until=NOW - timedelta(days=2))
    found = fetch(archive, client, check_valid_until=False)  # the image's say does not make it fresh
    assert found.suite.expired
    assert "expired" in found.suite.problems[0]
    assert versions(found) == [("hello", "1.0-1")]  # computed, and marked


def test_a_date_in_the_future(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, date=NOW + timedelta(days=1))
    suite = fetch(archive, client).suite
    assert suite.expired
    assert "future" in suite.problems[0]


@pytest.mark.parametrize("where", ["before", "after"])
def test_text_outside_the_signed_part(archive: Archive, client: Client, where: str) -> None:
    archive.suite("stable", {"main": PACKAGES})
    evil, signed = b"Suite: evil\n", archive.files[IN_RELEASE]
    archive.files[IN_RELEASE] = evil + signed if where == "before" else signed + evil
    assert "outside the signed part" in refused(fetch(archive, client))


def test_weak_digests_alone(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, digests=("MD5Sum", "SHA1"))
    assert "too weak" in refused(fetch(archive, client))


# indexes


@pytest.mark.parametrize("by_hash", [True, False])
def test_an_index_whose_hash_differs(archive: Archive, client: Client, by_hash: bool) -> None:
    archive.suite("stable", {"main": PACKAGES}, by_hash=by_hash)
    old = archive.files[f"{INDEX}.xz"]
    evil = lzma.compress(stanza("hello", "6.6.6").encode())
    evil = evil.ljust(len(old), b"\0")[: len(old)]
    for path, body in archive.files.items():
        if body == old:
            archive.files[path] = evil
    found = fetch(archive, client)
    assert found.suite.verified
    assert (found.offers, found.indexes) == ((), ())
    (problem,) = found.suite.problems
    assert "not the promised" in problem


@pytest.mark.parametrize("change", [lambda body: body[:-1], lambda body: body + b"\n", lambda body: b""])
def test_an_index_of_another_size(archive: Archive, client: Client, change: Any) -> None:
    archive.suite("stable", {"main": PACKAGES}, by_hash=False, compressions=("",))
    archive.files[INDEX] = change(archive.files[INDEX])
    found = fetch(archive, client)
    assert found.offers == ()
    (problem,) = found.suite.problems
    assert "bytes were promised" in problem


def test_by_hash_falls_back_to_the_path(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, by_hash=False, acquire_by_hash="yes")
    assert versions(fetch(archive, client)) == [("hello", "1.0-1")]
    assert "by-hash/SHA256/" in archive.requests[-2]
    assert archive.requests[-1] == f"{INDEX}.xz"


def test_by_hash_no_in_the_sources(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES})
    assert versions(fetch(archive, client, by_hash="no")) == [("hello", "1.0-1")]
    assert archive.requests[-1] == f"{INDEX}.xz"


@pytest.mark.parametrize("there", [(".xz", ".gz", ""), (".gz", ""), ("",)], ids=["xz", "gz", "plain"])
def test_the_best_compression_that_is_there(archive: Archive, client: Client, there: tuple[str, ...]) -> None:
    archive.suite("stable", {"main": PACKAGES}, by_hash=False)
    for ending in {".xz", ".gz", ""} - set(there):
        del archive.files[INDEX + ending]
    assert versions(fetch(archive, client)) == [("hello", "1.0-1")]
    assert archive.requests[-1] == INDEX + there[0]


def test_an_index_that_is_nowhere(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, compressions=("xz",))
    for path in [path for path in archive.files if path.startswith(INDEX.rpartition("/")[0])]:
        del archive.files[path]
    (problem,) = fetch(archive, client).suite.problems
    assert "the server does not have it" in problem


def test_what_the_release_does_not_list_is_not_read(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, components="main contrib")
    archive.files["dists/stable/contrib/binary-amd64/Packages"] = stanza("hello", "6.6.6").encode()
    found = fetch(archive, client, components=("main", "contrib", "absent"))
    assert versions(found) == [("hello", "1.0-1")]
    assert set(found.suite.problems) == {
        "stable has no component absent, which the sources ask for",
        f"{archive.url}dists/stable/contrib/binary-amd64/Packages: not listed in the Release",
    }
    assert archive.count("contrib/binary-amd64/Packages") == 0


def test_an_empty_index_is_not_asked_for(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": []})
    found = fetch(archive, client)
    assert (found.offers, found.suite.problems, found.indexes) == ((), (), (("main", "amd64"),))
    assert archive.requests == [IN_RELEASE]


def test_components_and_architectures(archive: Archive, client: Client) -> None:
    archive.suite(
        "stable",
        {"main": PACKAGES, "contrib": [stanza("hello", "2")], "updates/main": []},
        architectures=("amd64", "i386"),
        components="main updates/contrib",
    )
    found = fetch(archive, client, components=("main", "contrib"), architectures=("amd64", "i386", "armhf"))
    assert [(offer.component, offer.index_architecture) for offer in found.offers] == [
        ("main", "amd64"),
        ("main", "i386"),
        ("contrib", "amd64"),
        ("contrib", "i386"),
    ]
    assert found.suite.problems == ()
    found = fetch(archive, client, architectures=("amd64", "i386"), only=("i386",))
    assert [offer.index_architecture for offer in found.offers] == ["i386"]
    (problem,) = fetch(archive, client, architectures=("armhf",)).suite.problems
    assert "does not support armhf" in problem


@pytest.mark.parametrize("holds_all", [True, False])
def test_the_index_of_all(archive: Archive, client: Client, holds_all: bool) -> None:
    """Debian wiki, DebianRepository/Format § No-Support-for-Architecture-all."""
    archive.suite(
        "stable",
        {"main/amd64": PACKAGES, "main/all": [stanza("hello", "3", "all")]},
        architectures=("all", "amd64"),
        no_support_for_architecture_all="Packages" if holds_all else None,
    )
    found = fetch(archive, client)
    assert [offer.index_architecture for offer in found.offers] == (["amd64"] if holds_all else ["amd64", "all"])
    assert found.suite.problems == ()


@pytest.mark.parametrize("suite", ["./", "/", "flat/folder/"])
def test_flat_repositories(archive: Archive, client: Client, suite: str) -> None:
    archive.suite(suite, {"": PACKAGES})
    found = fetch(archive, client, suite=suite, components=())
    assert versions(found) == [("hello", "1.0-1")]
    assert found.suite.problems == ()


# what the image says of its sources


def test_trusted_yes_has_apt_use_it_and_says_so(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, signers=[Key()])
    found = fetch(archive, client, trusted=True)
    assert not found.suite.verified
    assert versions(found) == [("hello", "1.0-1")]
    assert "trusted=yes" in found.suite.problems[-1]
    archive.suite("stable", {"main": PACKAGES}, signers=[])
    assert versions(fetch(archive, client, allow_insecure=True)) == [("hello", "1.0-1")]
    assert fetch(archive, client, allow_insecure=False).offers == ()


def test_trusted_no_is_not_verified(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES})
    found = fetch(archive, client, trusted=False)
    assert not found.suite.verified
    assert "trusted=no" in found.suite.problems[0]


def test_a_missing_keyring_is_said(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES})
    suite = fetch(archive, client, signed_by=("/usr/share/keyrings/absent.gpg",)).suite
    assert not suite.verified
    assert "/usr/share/keyrings/absent.gpg: not in the image" in suite.problems[0]


@pytest.mark.parametrize(
    "uri",
    ["file:/srv/archive/", "copy:/srv/", "cdrom:[Debian]/", "ftp://archive.example/", "mirror://archive.example/list/"],
)
def test_other_schemes_are_named_and_not_fetched(archive: Archive, client: Client, uri: str) -> None:
    problem = refused(fetch(archive, client, uri=uri))
    assert uri.partition(":")[0] in problem
    assert "not fetched" in problem


def test_credentials_in_the_sources_are_not_sent(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES})
    found = fetch(archive, client, uri=archive.url.replace("://", "://user:secret@"))
    assert versions(found) == [("hello", "1.0-1")]
    assert "credentials" in found.suite.problems[0]
    assert "secret" not in repr(found.suite.problems) + found.suite.url


class NoConnector(Connector):
    """Fails on any attempt to reach anything; every name leads to a private address."""

    def resolve(self, host: str, port: int) -> list[IPv4Address | IPv6Address]:
        return [IPv4Address("10.1.2.3")]

    def connect(self, address: object, port: int, timeout_s: float) -> NoReturn:
        pytest.fail(f"a connection to {address} was tried")


@pytest.mark.parametrize(
    "uri",
    ["http://169.254.169.254/", "http://10.1.2.3/", "http://127.0.0.1:80/", "http://[::1]/", "http://archive.example/"],
)
def test_forbidden_addresses_are_refused_before_any_connection(uri: str) -> None:
    entry = SourceEntry(uri, "stable", ("main",), trusted=True)
    with Client(attempts=1, connector=NoConnector(), environment={}) as client:
        fetcher = Fetcher(client, AptConfiguration((entry,), (), ("amd64",)), ImageKeys(lambda _: None), NOW)
        (found,) = fetcher.fetch({"hello"})
    assert uri.split("/")[2].partition(":80")[0].strip("[]") in refused(found)


def test_another_suite_at_the_place_is_named(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES}, suite="oldstable", codename="bookworm")
    (problem,) = fetch(archive, client).suite.problems
    assert "stable was asked for, and this is oldstable (bookworm)" in problem


def test_unreachable(archive: Archive, client: Client) -> None:
    archive.statuses[IN_RELEASE] = 503
    assert "503" in refused(fetch(archive, client))


def test_a_suite_named_twice_is_fetched_once_and_stays_in_order(archive: Archive, client: Client) -> None:
    archive.suite("stable", {"main": PACKAGES})
    archive.suite("updates", {"main": [stanza("hello", "1.1")]})
    entries = [SourceEntry(archive.url, suite, ("main",), signed_by=(KEYRING,)) for suite in ("stable", "updates") * 2]
    keys = ImageKeys({KEYRING: archive.key.certificate}.get)
    found = Fetcher(client, AptConfiguration(tuple(entries), (), ("amd64",)), keys, NOW, Reach.OWN).fetch({"hello"})
    assert [versions(each) for each in found] == [[("hello", "1.0-1")], [("hello", "1.1")]] * 2
    assert len(archive.requests) == 4


def test_no_sources_at_all(client: Client) -> None:
    assert Fetcher(client, AptConfiguration((), (), ("amd64",)), ImageKeys(lambda _: None), NOW).fetch(None) == ()


# second witnesses


@pytest.mark.corpus
def test_debians_own_security_suite(corpus: Path, archive: Archive, client: Client) -> None:
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    if not keyring.exists():
        leave_out("needs the package debian-archive-keyring")
    index = lzma.decompress((corpus / "apt" / "bookworm-security_main_binary-amd64_Packages.xz").read_bytes())
    archive.key.certificate = keyring.read_bytes()
    archive.files["dists/bookworm-security/InRelease"] = (corpus / "apt" / "bookworm-security_InRelease").read_bytes()
    archive.files["dists/bookworm-security/main/binary-amd64/Packages"] = index
    entry = SourceEntry(archive.url, "bookworm-security", ("main",), signed_by=(KEYRING,))
    keys = ImageKeys({KEYRING: archive.key.certificate}.get)
    now = datetime(2026, 11, 24, 4, tzinfo=UTC)
    (found,) = Fetcher(client, AptConfiguration((entry,), (), ("amd64",)), keys, now, Reach.OWN).fetch(None)
    assert found.suite.verified
    assert found.suite.problems == ()
    assert len(found.offers) == index.count(b"\nPackage: ") + 1
    assert set(found.suite.signers) == {  # `gpgv --status-fd 1`, the last word of VALIDSIG
        "AC530D520F2F3269F5E98313A48449044AAD5C5D",
        "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0",
    }


@pytest.mark.system
@pytest.mark.parametrize(
    "case", ["good", "unknown key", "tampered", "outside", "weak digests", "expired", "hash differs"]
)
def test_apt_itself_says_the_same(archive: Archive, client: Client, case: str, tmp_path: Path) -> None:
    if not shutil.which("apt-get"):
        leave_out("needs apt")
    date, end = (NOW - timedelta(days=9), NOW - timedelta(days=1)) if case == "expired" else (None, None)
    digests = ("MD5Sum",) if case == "weak digests" else ("SHA256",)
    signers = [Key()] if case == "unknown key" else None
    archive.suite("stable", {"main": PACKAGES}, digests=digests, signers=signers, date=date, valid_until=end)
    if case == "tampered":
        archive.files[IN_RELEASE] = archive.files[IN_RELEASE].replace(b"Label: Test", b"Label: Best")
    if case == "outside":
        archive.files[IN_RELEASE] += b"Suite: evil\n"
    if case == "hash differs":
        for path, body in archive.files.items():
            archive.files[path] = body if path == IN_RELEASE else bytes(len(body))
    ours = fetch(archive, client)
    ours_good = bool(ours.offers) and ours.suite.verified and not ours.suite.expired
    assert ours_good == apt_reads(archive, tmp_path) == (case == "good")


def apt_reads(archive: Archive, folder: Path) -> bool:
    """Whether apt updates from the archive without complaint and then knows the package."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "key.gpg").write_bytes(archive.key.certificate)
    (folder / "sources.list").write_text(f"deb [signed-by={folder}/key.gpg arch=amd64] {archive.url} stable main\n")
    options = {"Dir::State": folder / "state", "Dir::Cache": folder / "cache", "Dir::State::status": "/dev/null"}
    options |= {"Dir::Etc::SourceList": folder / "sources.list", "Dir::Etc::SourceParts": "/dev/null"}
    options |= {"APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::http::Proxy": "DIRECT"}
    options |= {"APT::Update::Error-Mode": "any", "APT::Architecture": "amd64", "Acquire::Check-Valid-Until": "true"}
    options |= {"Acquire::Check-Date": "true"}
    settings = [f"-o{name}={value}" for name, value in options.items()]
    done = subprocess.run(["apt-get", *settings, "-qq", "update"], capture_output=True, text=True, check=False)
    known = subprocess.run(["apt-cache", *settings, "show", "hello"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and not done.stderr and "Version: 1.0-1" in known.stdout
