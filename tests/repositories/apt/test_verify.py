"""Which keys count for an entry: sources.list(5) § Signed-By."""

from datetime import UTC, datetime

import pytest

from affineur.errors import BadSignature
from affineur.openpgp import fingerprints
from affineur.repositories.apt.model import SourceEntry
from affineur.repositories.apt.verify import ImageKeys, keyring_of, verify_release
from support.archive import Key, cleartext

NOW = datetime.now(UTC)
FIRST, SECOND, THIRD = (Key(f"{name} <{name}@archive.example>") for name in ("first", "second", "third"))
FILES = {
    "/etc/apt/trusted.gpg.d/first.gpg": FIRST.certificate,
    "/usr/share/keyrings/both.asc": FIRST.armored.encode() + SECOND.armored.encode(),
    "/usr/share/keyrings/third.gpg": THIRD.certificate,
    "/etc/apt/keyrings/broken.gpg": b"rubbish",
    "/etc/apt/keyrings/box.gpg": bytes.fromhex("000000200101000a4b42586600000000"),
}
KEYS = ImageKeys(FILES.get, ("/etc/apt/trusted.gpg.d/first.gpg",))


def entry(*signed_by: str, inline: str | None = None) -> SourceEntry:
    return SourceEntry("http://archive.example/", "stable", ("main",), signed_by=signed_by, signed_by_inline=inline)


def names(found: SourceEntry) -> set[str]:
    return {fingerprints(each)[0] for each in keyring_of(found, KEYS).certificates}


def test_without_signed_by_apts_own_keyrings_count() -> None:
    assert names(entry()) == {FIRST.fingerprint}


def test_signed_by_a_path_counts_alone() -> None:
    assert names(entry("/usr/share/keyrings/third.gpg")) == {THIRD.fingerprint}
    two = entry("/usr/share/keyrings/third.gpg", "/usr/share/keyrings/both.asc")
    assert names(two) == {FIRST.fingerprint, SECOND.fingerprint, THIRD.fingerprint}


def test_an_inline_key_counts_alone() -> None:
    assert names(entry(inline=SECOND.armored)) == {SECOND.fingerprint}


def test_a_fingerprint_narrows_down() -> None:
    assert names(entry(FIRST.fingerprint)) == {FIRST.fingerprint}
    subkey = fingerprints(SECOND.certificate)[1]
    assert names(entry("/usr/share/keyrings/both.asc", subkey)) == {SECOND.fingerprint}
    absent = keyring_of(entry(THIRD.fingerprint), KEYS)
    assert absent.certificates == ()
    assert THIRD.fingerprint in absent.problems[0]


def test_what_is_missing_or_unreadable_is_said() -> None:
    for path, why in (
        ("/usr/share/keyrings/absent.gpg", "not in the image"),
        ("/etc/apt/keyrings/broken.gpg", "no OpenPGP keyring"),
        ("/etc/apt/keyrings/box.gpg", "keybox"),
    ):
        found = keyring_of(entry(path, "/usr/share/keyrings/third.gpg"), KEYS)
        assert len(found.certificates) == 1
        (problem,) = found.problems
        assert path in problem
        assert why in problem


def test_an_exclamation_mark_means_exactly_that_key() -> None:
    primary, subkey = fingerprints(FIRST.certificate)[:2]
    signed = cleartext(b"Suite: stable\n", [FIRST])  # by its subkey
    exact = keyring_of(entry(f"{subkey}!"), KEYS)
    assert verify_release(signed, None, exact, NOW).good == (primary,)
    for other in (f"{primary}!",):
        with pytest.raises(BadSignature, match="exactly"):
            verify_release(signed, None, keyring_of(entry(other), KEYS), NOW)
    assert verify_release(signed, None, keyring_of(entry(primary), KEYS), NOW).good == (primary,)


def test_a_key_that_does_not_count_does_not_verify() -> None:
    with pytest.raises(BadSignature):
        verify_release(cleartext(b"Suite: stable\n", [SECOND]), None, keyring_of(entry(), KEYS), NOW)
