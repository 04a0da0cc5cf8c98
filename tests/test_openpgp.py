"""Signed bytes in, verified bytes out; keys and second opinions by GnuPG, real files by Debian."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysequoia.packet import PacketPile

from affineur.errors import BadSignature, ContentError, LimitExceeded, MalformedDocument, UnsupportedContent
from affineur.openpgp import (
    Verified,
    fingerprints,
    merged,
    signed_text,
    split_certificates,
    verify_cleartext,
    verify_detached,
)
from support.archive import GnupgKey, Key, cleartext, detached
from support.leaving_out import leave_out

TEXT = b"Origin: Test\n- a line that begins with a dash\nSuite: stable\n"
GOOD, OTHER = Key("Good <good@archive.example>"), Key("Other <other@archive.example>")
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BEGIN, SIGNATURE = b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----BEGIN PGP SIGNATURE-----"


@pytest.fixture(autouse=True)
def _gnupg(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("system") and not (shutil.which("gpg") and shutil.which("gpgv")):
        leave_out("needs gpg and gpgv")


def gpgv_accepts(folder: Path, signed: bytes, keyring: bytes) -> bool:
    """What apt's own verifier says of a cleartext-signed file."""
    (folder / "signed").write_bytes(signed)
    (folder / "keyring.gpg").write_bytes(keyring)
    command = ["gpgv", "--homedir", str(folder), "--keyring", str(folder / "keyring.gpg"), "--status-fd", "1"]
    said = subprocess.run([*command, str(folder / "signed")], capture_output=True, text=True, check=False)
    return "[GNUPG:] GOODSIG " in said.stdout  # it exits with 0 for expired and revoked keys, too


def test_a_good_signature_gives_the_text_and_the_primary_key() -> None:
    verified = verify_cleartext(GOOD.clear(TEXT), [GOOD.certificate, OTHER.certificate])
    assert verified == Verified(TEXT, (GOOD.fingerprint,), keys=verified.keys)
    ((primary, key),) = verified.keys
    assert (primary, key) == fingerprints(GOOD.certificate)[:2]  # Sequoia signs with a subkey
    assert signed_text(GOOD.clear(TEXT)).rstrip(b"\n") == TEXT.rstrip(b"\n")


def test_a_good_detached_signature_gives_the_same() -> None:
    verified = verify_detached(TEXT, GOOD.detach(TEXT), [GOOD.certificate])
    assert (verified.content, verified.good) == (TEXT, (GOOD.fingerprint,))
    raw = b"".join(bytes(packet) for packet in PacketPile.from_bytes(GOOD.detach(TEXT)))
    assert verify_detached(TEXT, raw, [GOOD.certificate]).good == (GOOD.fingerprint,)


@pytest.mark.parametrize("order", [(GOOD, OTHER), (OTHER, GOOD)], ids=["good first", "unknown first"])
def test_an_unknown_key_beside_a_good_one_does_no_harm(order: tuple[Key, Key]) -> None:
    for verified in (
        verify_cleartext(cleartext(TEXT, order), [GOOD.certificate]),
        verify_detached(TEXT, detached(TEXT, order), [GOOD.certificate]),
    ):
        assert verified.good == (GOOD.fingerprint,)
        assert verified.unknown == (fingerprints(OTHER.certificate)[1],)
        assert verified.problems == ()


def test_two_good_signatures_are_both_named() -> None:
    verified = verify_cleartext(cleartext(TEXT, [GOOD, OTHER]), [GOOD.certificate, OTHER.certificate])
    assert set(verified.good) == {GOOD.fingerprint, OTHER.fingerprint}


def test_a_bad_signature_beside_a_good_one_is_named() -> None:
    wrong = OTHER.clear(b"Origin: another text\n")
    mixed = GOOD.clear(TEXT)
    packets = [*PacketPile.from_bytes(wrong[wrong.index(SIGNATURE) :])]
    both = b"".join(bytes(p) for p in [*PacketPile.from_bytes(mixed[mixed.index(SIGNATURE) :]), *packets])
    import pysequoia

    signed = mixed[: mixed.index(SIGNATURE)] + pysequoia.armor(both, pysequoia.ArmorKind.Signature).encode()
    verified = verify_cleartext(signed, [GOOD.certificate, OTHER.certificate])
    assert verified.good == (GOOD.fingerprint,)
    assert len(verified.problems) == 1
    assert fingerprints(OTHER.certificate)[1] in verified.problems[0]


def test_only_unknown_keys_are_refused_by_name() -> None:
    with pytest.raises(BadSignature, match=fingerprints(OTHER.certificate)[1]):
        verify_cleartext(OTHER.clear(TEXT), [GOOD.certificate])
    with pytest.raises(BadSignature, match="not trusted here"):
        verify_detached(TEXT, OTHER.detach(TEXT), [])


TAMPERED = {
    "a changed byte": lambda signed: signed.replace(b"Suite: stable", b"Suite: secret"),
    "text before": lambda signed: b"Suite: evil\n" + signed,
    "text after": lambda signed: signed + b"Suite: evil\n",
    "text in the header": lambda signed: signed.replace(b"\n\nOrigin", b"\nSuite: evil\n\nOrigin", 1),
    "a header that ends in blanks": lambda signed: signed.replace(b"\n\nOrigin", b"\n  \nSuite: evil\n\nOrigin", 1),
    "text between the text and its signature": lambda signed: signed.replace(SIGNATURE, b"Suite: evil\n" + SIGNATURE),
    "a second message before": lambda signed: OTHER.clear(b"Suite: evil\n") + signed,
    "a second message after": lambda signed: signed + OTHER.clear(b"Suite: evil\n"),
    "a signature cut off": lambda signed: signed[: signed.index(SIGNATURE) + 80],
    "no signature": lambda signed: signed[: signed.index(SIGNATURE)],
    "a signature that is no OpenPGP": lambda signed: (
        signed[: signed.index(SIGNATURE)] + SIGNATURE + b"\n\nAAAA\n-----END PGP SIGNATURE-----\n"
    ),
    "a line that is not dash-escaped": lambda signed: signed.replace(b"\n- - a line", b"\n- a line\n-evil", 1),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_refuses(how: str) -> None:
    signed = GOOD.clear(TEXT)
    changed = TAMPERED[how](signed)
    assert changed != signed
    with pytest.raises(BadSignature):
        verify_cleartext(changed, [GOOD.certificate])


@pytest.mark.parametrize("content", [b"", b"Origin: Test\n", b"<html>please log in</html>"])
def test_what_is_not_signed_at_all_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        verify_cleartext(content, [GOOD.certificate])


def test_a_detached_signature_of_another_text_is_refused() -> None:
    for signature in (GOOD.detach(b"another"), b"", b"rubbish"):
        with pytest.raises(BadSignature):
            verify_detached(TEXT, signature, [GOOD.certificate])


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affineur.openpgp.SIGNATURE_LIMIT", 1)
    with pytest.raises(LimitExceeded):
        verify_cleartext(cleartext(TEXT, [GOOD, OTHER]), [GOOD.certificate])
    monkeypatch.setattr("affineur.openpgp.SIGNED_LIMIT", 10)
    with pytest.raises(LimitExceeded):
        verify_cleartext(GOOD.clear(TEXT), [GOOD.certificate])
    monkeypatch.setattr("affineur.openpgp.KEYRING_LIMIT", 10)
    with pytest.raises(LimitExceeded):
        split_certificates(GOOD.certificate, "a keyring")


@contextlib.contextmanager
def without_gpgv() -> Iterator[None]:
    """To be quick: Sequoia is what these are about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")
        yield


def lines(text: bytes) -> list[bytes]:
    """What a cleartext signature covers: neither the kind of line break nor blanks before it (RFC 9580 § 7.2)."""
    return [line.rstrip() for line in text.rstrip(b"\n").split(b"\n")]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 700), st.integers(0, 30), st.binary(max_size=20))
def test_no_change_of_a_signed_file_changes_the_verified_text(at: int, removed: int, added: bytes) -> None:
    signed = GOOD.clear(TEXT)
    changed = signed[:at] + added + signed[at + removed :]
    with contextlib.suppress(ContentError), without_gpgv():
        assert lines(verify_cleartext(changed, [GOOD.certificate]).content) == lines(TEXT)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 700), st.integers(0, 30), st.binary(max_size=20))
def test_a_broken_keyring_or_signature_is_a_content_error_at_worst(at: int, removed: int, added: bytes) -> None:
    keyring = GOOD.certificate + OTHER.certificate
    with contextlib.suppress(ContentError), without_gpgv():
        found = split_certificates(keyring[:at] + added + keyring[at + removed :], "a keyring")
        assert verify_detached(TEXT, GOOD.detach(TEXT), merged(found)).content == TEXT
    signature = b"".join(bytes(packet) for packet in PacketPile.from_bytes(GOOD.detach(TEXT)))
    with contextlib.suppress(ContentError), without_gpgv():
        assert verify_detached(TEXT, signature[:at] + added + signature[at + removed :], [GOOD.certificate]).good


ODD = {
    "DSA 1024": ("dsa1024", None, None),
    "RSA 1024": ("rsa1024", None, None),
    "SHA-1": ("rsa2048", "SHA1", None),
}


@pytest.mark.system
@pytest.mark.parametrize("odd", ODD)
def test_a_weak_signature_is_neither_good_nor_refused(odd: str, tmp_path: Path) -> None:
    algorithm, digest, made = ODD[odd]
    with GnupgKey(algorithm, digest, made) as key:
        signed, apart = key.clear(TEXT), key.detach(TEXT)
        assert gpgv_accepts(tmp_path, signed, key.certificate)
        for verified in (
            verify_cleartext(signed, [key.certificate]),
            verify_detached(TEXT, apart, [key.certificate]),
        ):
            assert (verified.good, verified.weak, verified.if_pinned) == ((), (key.fingerprint,), ())
            assert verified.content.rstrip(b"\n") == TEXT.rstrip(b"\n")
        beside = verify_cleartext(cleartext(TEXT, [key, GOOD]), [key.certificate, GOOD.certificate])
        assert beside.good == (GOOD.fingerprint,)


@pytest.mark.system
def test_a_weak_signature_without_gpgv_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with GnupgKey("dsa1024") as key:
        signed = key.clear(TEXT)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadSignature, match="gpgv is not installed"):
        verify_cleartext(signed, [key.certificate])


@pytest.mark.system
def test_a_strong_signature_by_a_key_with_a_weak_certificate_is_good_for_who_pins_it(tmp_path: Path) -> None:
    """Ubuntu's archive key of 2012: RSA 4096, signs with SHA-512, but bound to its name by SHA-1."""
    with GnupgKey("rsa3072", made="20120511T000000", certified="SHA1") as key:
        signed = key.clear_now(TEXT, "SHA512")
        assert gpgv_accepts(tmp_path, signed, key.certificate)
        verified = verify_cleartext(signed, [key.certificate])
    assert (verified.good, verified.weak, verified.if_pinned) == ((), (key.fingerprint,), (key.fingerprint,))


@pytest.mark.system
def test_a_key_that_has_expired_since_is_told_apart(tmp_path: Path) -> None:
    with GnupgKey(made="20200101T000000", life="seconds=86400") as key:
        signed = key.clear(TEXT)
    assert not gpgv_accepts(tmp_path, signed, key.certificate)
    verified = verify_cleartext(signed, [key.certificate])
    assert (verified.good, verified.weak, verified.expired) == ((), (), (key.fingerprint,))
    then = verify_cleartext(signed, [key.certificate], datetime(2020, 1, 1, 12, tzinfo=UTC))
    assert then.good == (key.fingerprint,)


@pytest.mark.system
def test_a_subkey_that_has_expired_since_is_told_apart(tmp_path: Path) -> None:
    with GnupgKey(made="20200101T000000", subkey_life="seconds=86400") as key:
        signed = key.clear(TEXT)
    assert not gpgv_accepts(tmp_path, signed, key.certificate)
    assert verify_cleartext(signed, [key.certificate]).expired == (key.fingerprint,)


@pytest.mark.system
def test_a_revoked_key_is_refused(tmp_path: Path) -> None:
    with GnupgKey() as key:
        signed = key.clear(TEXT)
        before, after = key.certificate, key.revoked()
    assert verify_cleartext(signed, [before]).good == (key.fingerprint,)
    assert not gpgv_accepts(tmp_path, signed, after)
    with pytest.raises(BadSignature):
        verify_cleartext(signed, [after])
    for both in ([before, after], [after, before]):
        with pytest.raises(BadSignature):
            verify_cleartext(signed, merged(both))


def armored(key: Key) -> bytes:
    return key.armored.encode()


KEYRINGS = {
    "binary": GOOD.certificate + OTHER.certificate,
    "armored": armored(GOOD) + armored(OTHER),
    "armored, with remarks": b"# ours\n" + armored(GOOD) + b"\nand theirs:\n" + armored(OTHER) + b"\nend\n",
    "armored, CRLF": (armored(GOOD) + armored(OTHER)).replace(b"\n", b"\r\n"),
    "with the trust packets that apt-key left": b"".join(
        bytes(packet) + b"\xb0\x02\x00\x00"
        for certificate in (GOOD.certificate, OTHER.certificate)
        for packet in PacketPile.from_bytes(certificate)
    ),
    "with a key that nobody reads between": GOOD.certificate + b"\x99\x00\x05\x03\x00\x00\x00\x00" + OTHER.certificate,
}


@pytest.mark.parametrize("form", KEYRINGS)
def test_reads_keyrings(form: str) -> None:
    found = split_certificates(KEYRINGS[form], "a keyring")
    assert [fingerprints(each)[0] for each in found] == [GOOD.fingerprint, OTHER.fingerprint]


def test_tells_an_empty_keyring_from_a_broken_one() -> None:
    assert split_certificates(b"", "a keyring") == ()
    for broken in (b"rubbish", GOOD.certificate[:50], GOOD.detach(TEXT)):
        with pytest.raises(MalformedDocument):
            split_certificates(broken, "a keyring")
    with pytest.raises(UnsupportedContent, match="keybox"):
        split_certificates(bytes.fromhex("000000200101000a4b42586600000000") + bytes(16), "a keyring")
    with pytest.raises(MalformedDocument):
        fingerprints(b"rubbish")
    with pytest.raises(MalformedDocument):
        merged([b"rubbish"])


@pytest.fixture
def debian() -> tuple[bytes, ...]:
    if not DEBIAN_KEYRING.exists():
        leave_out("needs the package debian-archive-keyring")
    return split_certificates(DEBIAN_KEYRING.read_bytes(), str(DEBIAN_KEYRING))


@pytest.mark.corpus
@pytest.mark.system
def test_debians_own_release_verifies_as_gpgv_says(corpus: Path, debian: tuple[bytes, ...], tmp_path: Path) -> None:
    signed = (corpus / "apt" / "bookworm-security_InRelease").read_bytes()
    verified = verify_cleartext(signed, debian, datetime(2026, 11, 24, tzinfo=UTC))
    (tmp_path / "signed").write_bytes(signed)
    said = subprocess.run(
        f"gpgv --homedir . --keyring {DEBIAN_KEYRING} --status-fd 1 --output content signed".split(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    primaries = [line.split()[-1] for line in said.splitlines() if line.startswith("[GNUPG:] VALIDSIG")]
    assert set(verified.good) == set(primaries)
    assert len(primaries) == 2
    assert verified.content.rstrip(b"\n") == (tmp_path / "content").read_bytes().rstrip(b"\n")
    expiry = datetime(2031, 1, 20, tzinfo=UTC) + timedelta(days=3)  # `gpg --show-keys`: 12/bookworm ends 2031-01-19
    assert set(verify_cleartext(signed, debian, expiry).expired) == set(primaries)
