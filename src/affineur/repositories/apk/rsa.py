"""RSA public keys as apk keeps them, and their signatures: RFC 8017 § 8.2 (RSASSA-PKCS1-v1_5), RFC 5280 § 4.1.2.7.

Verification alone, on public values, so nothing here need be constant in time. What a signature stands for is compared
as a whole with the one encoding that is right: nothing is parsed out of it, and so nothing can hide in it (RFC 8017
§ 8.2.2 step 4; the forgeries of CVE-2006-4339 and its kin live on parsers).
"""

import binascii
import hashlib
import re

import msgspec

from affineur.errors import MalformedDocument

__all__ = ["PublicKey", "read_key", "verifies"]

KEY_BYTES_MAX = 16 * 1024
"""Of a PEM file; 8192 bits have 1,500."""
BITS_MIN, BITS_MAX = 2048, 16_384
"""Alpine's oldest keys have 2048. More than the largest costs time for nothing."""
EXPONENT_BITS_MAX = 32

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----")
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")  # AlgorithmIdentifier: rsaEncryption, NULL
_PREFIX = {  # RFC 8017 § 9.2 note 1: DigestInfo up to the digest
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


class PublicKey(msgspec.Struct, frozen=True):
    """One RSA key.

    Attributes:
        fingerprint: SHA-256 of its DER (SubjectPublicKeyInfo), hex: `openssl pkey -pubin -outform der | sha256sum`.
    """

    modulus: int
    exponent: int
    fingerprint: str


def read_key(content: bytes, source: str) -> PublicKey:
    """Read a PEM file (`BEGIN PUBLIC KEY`).

    Raises:
        MalformedDocument: it is none, or no RSA key of a sensible size.
    """
    found = _PEM.search(content) if len(content) <= KEY_BYTES_MAX else None
    if not found:
        raise MalformedDocument(f"{source}: no public key in PEM form")
    try:
        der = binascii.a2b_base64(b"".join(found[1].split()), strict_mode=True)
        outer, rest = _element(der, 0x30)
        if rest or not outer.startswith(_RSA):
            raise ValueError("not an RSA key")
        bits, rest = _element(outer[len(_RSA) :], 0x03)
        if rest or bits[:1] != b"\0":
            raise ValueError("bits are left over")
        numbers, rest = _element(bits[1:], 0x30)
        modulus, more = _element(numbers, 0x02)
        exponent, end = _element(more, 0x02)
        if rest or end:
            raise ValueError("bytes are left over")
    except (ValueError, IndexError) as error:
        raise MalformedDocument(f"{source}: no RSA public key: {error}") from error
    n, e = int.from_bytes(modulus, "big", signed=True), int.from_bytes(exponent, "big", signed=True)
    if not BITS_MIN <= n.bit_length() <= BITS_MAX or n < 0 or not n & 1:
        raise MalformedDocument(f"{source}: an RSA key of {n.bit_length()} bits")
    if e < 3 or not e & 1 or e.bit_length() > EXPONENT_BITS_MAX:
        raise MalformedDocument(f"{source}: an RSA key with an exponent that none should have")
    return PublicKey(n, e, hashlib.sha256(der).hexdigest())


def verifies(key: PublicKey, signature: bytes, algorithm: str, digest: bytes) -> bool:
    """Whether a signature of a digest was made with the private key to this one.

    Args:
        algorithm: `sha1`, `sha256` or `sha512`.
    """
    size = (key.modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature, "big")
    if len(signature) != size or number >= key.modulus:
        return False
    told = _PREFIX[algorithm] + digest
    right = b"\0\1" + b"\xff" * (size - len(told) - 3) + b"\0" + told
    return pow(number, key.exponent, key.modulus).to_bytes(size, "big") == right


def _element(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of a DER element (X.690 § 8.1, § 10.1), and what follows it."""
    if data[0] != tag:
        raise ValueError(f"tag {data[0]:#x} instead of {tag:#x}")
    length, start = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        start = 2 + count
        length = int.from_bytes(data[2:start], "big")
        if not 1 <= count <= 2 or length < 0x80:
            raise ValueError("a length that is not as short as can be")
    if len(data) < start + length:
        raise ValueError("cut short")
    return data[start : start + length], data[start + length :]
