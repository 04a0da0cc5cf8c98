"""RSA: keys that others made, signatures by openssl, and whatever is no key."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import MalformedDocument
from affineur.repositories.apk.rsa import PublicKey, read_key, verifies
from support.apk import Key
from support.leaving_out import leave_out

# of the files, as alpinelinux/aports main/alpine-keys 2.4-r1 states them
SUMS = [line.split() for line in (Path(__file__).parent / "alpine-keys.sha512").read_text().splitlines()]
WOLFI_SHA1 = "0e2cafb191b4519f2fdc069a46e3e9738587c3c0"  # Z: of the file in apk's database of a real Wolfi image
KEYS = Path(__file__).parents[3] / "src/affineur/repositories/apk/keys"


def read(key: Key) -> PublicKey:
    return read_key(key.pem, key.name)


@pytest.mark.parametrize(("checksum", "name"), SUMS)
def test_the_keys_that_come_with_us_are_alpines(checksum: str, name: str) -> None:
    content = (KEYS / name).read_bytes()
    assert hashlib.sha512(content).hexdigest() == checksum
    assert read_key(content, name).modulus.bit_length() in (2048, 4096)


def test_the_key_of_wolfi_is_wolfis() -> None:
    content = (KEYS / "wolfi-signing.rsa.pub").read_bytes()
    assert hashlib.sha1(content).hexdigest() == WOLFI_SHA1


def openssl(*words: str, content: bytes = b"") -> bytes:
    try:
        return subprocess.run(["openssl", *words], input=content, capture_output=True, check=True).stdout
    except FileNotFoundError:
        leave_out("needs openssl")


@pytest.mark.system
@pytest.mark.parametrize("bits", [2048, 3072, 4096])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_what_openssl_signs(tmp_path: Path, bits: int, algorithm: str) -> None:
    private = tmp_path / "key"
    openssl("genrsa", "-out", str(private), str(bits))
    pem = openssl("pkey", "-in", str(private), "-pubout")
    der = openssl("pkey", "-in", str(private), "-pubout", "-outform", "der")
    key = read_key(pem, "key")
    assert key.fingerprint == hashlib.sha256(der).hexdigest()
    signature = openssl("dgst", f"-{algorithm}", "-sign", str(private), content=b"text")
    digest = hashlib.new(algorithm, b"text").digest()
    assert verifies(key, signature, algorithm, digest)
    assert not verifies(key, signature, algorithm, hashlib.new(algorithm, b"other").digest())
    assert not verifies(read(Key()), signature, algorithm, digest)


def test_a_signature_of_another_kind_does_not_hold() -> None:
    key, digest = Key(), hashlib.sha1(b"text").digest()
    signature = key.sign(b"text", "RSA")
    assert verifies(read(key), signature, "sha1", digest)
    assert not verifies(read(key), signature, "sha256", hashlib.sha256(b"text").digest())
    assert not verifies(read(key), b"\0" + signature, "sha1", digest)
    assert not verifies(read(key), signature[1:], "sha1", digest)
    assert not verifies(read(key), b"", "sha1", digest)
    assert not verifies(read(key), b"\xff" * 256, "sha1", digest)


def test_padding_that_hides_something_does_not_hold() -> None:
    """CVE-2006-4339: less padding, and anything behind the digest."""
    key, digest = Key(), hashlib.sha1(b"text").digest()
    told = bytes.fromhex("3021300906052b0e03021a05000414") + digest
    for encoded in (
        (b"\0\1" + b"\xff" * 8 + b"\0" + told).ljust(256, b"\0"),
        b"\0\1" + b"\xff" * (252 - len(told)) + b"\0" + told + b"\0",
        b"\0\2" + b"\xff" * (253 - len(told)) + b"\0" + told,
        b"\0\1" + b"\xff" * (252 - len(told)) + b"\xfe\0" + told,
    ):
        forged = pow(int.from_bytes(encoded, "big"), key.d, key.n).to_bytes(256, "big")
        assert not verifies(read(key), forged, "sha1", digest)


class Odd(Key):
    """A key with other numbers."""

    def __init__(self, n: int, e: int = 65537) -> None:
        self.n, self.e, self.name = n, e, "odd"

    @property
    def der(self) -> bytes:
        from support.apk import _der, _integer

        numbers = _der(0x30, _integer(self.n) + _integer(self.e))
        return _der(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + _der(0x03, b"\0" + numbers))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----\n",
        Odd(1 << 1023 | 1).pem,
        Odd(1 << 2047).pem,
        Odd(Key().n, 1).pem,
        Odd(Key().n, 65536).pem,
        Odd(Key().n, 1 << 40 | 1).pem,
        Key().pem.replace(b"\n", b"\n" + b" " * 20_000),
    ],
)
def test_what_is_no_key(content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        read_key(content, "key")


@given(st.integers(0, 293), st.binary(max_size=4))
def test_a_bent_key_is_none_or_another(at: int, noise: bytes) -> None:
    import base64

    der = Key().der
    bent = der[:at] + noise + der[at + len(noise) :]
    pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(bent) + b"\n-----END PUBLIC KEY-----\n"
    try:
        key = read_key(pem, "key")
    except MalformedDocument:
        return
    assert (key == read(Key())) is (bent == der)
