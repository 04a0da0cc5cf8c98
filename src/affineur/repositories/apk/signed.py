"""A signed index: in a gzip member of its own the signatures, then the bytes that they are of.

Source: apk-v2(5): files named `.SIGN.<algorithm>.<keyid>` come before all else; one from a trusted key is enough; an
index has no data hash, so they are over all that follows, as compressed. Nothing that is not signed is unpacked, but
for the signatures themselves.
"""

import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from affineur.errors import BadSignature, ContentError, LimitExceeded, MalformedArchive
from affineur.repositories.apk.rsa import PublicKey, read_key, verifies
from affineur.streams.tar import Archive

__all__ = ["Signature", "SignedIndex", "named_keys", "opened", "verified_by"]

SIGNATURES_BYTES_MAX = 256 * 1024
"""Of the first member, unpacked; one signature has 1,024."""
SIGNATURES_MAX = 16
SIGNATURE_MAX = 4096  # bytes; 16,384 bits have 2,048
KEYS_MAX = 64
"""Keys that are tried; Alpine has 18."""

_NAME = re.compile(r"\.SIGN\.(RSA|RSA256|RSA512)\.([^/\0]{1,200})")
_DIGEST = {"RSA": "sha1", "RSA256": "sha256", "RSA512": "sha512"}


class Signature(NamedTuple):
    """One `.SIGN.` file."""

    algorithm: str
    key_name: str
    value: bytes


class SignedIndex(msgspec.Struct, frozen=True):
    """A file taken apart.

    Attributes:
        signatures: in their order; those of unknown algorithms are left out.
        content: the bytes that they are of, still compressed.
    """

    signatures: tuple[Signature, ...]
    content: bytes


def opened(body: bytes, source: str) -> SignedIndex:
    """Take the signatures off an index.

    Raises:
        BadSignature: it is not signed.
        MalformedArchive, LimitExceeded: it is no such file.
    """
    first, taken = _first_member(body, source)
    found: list[Signature] = []
    archive = Archive(iter([first]), source)
    for entry in archive.entries():
        name = entry.name.decode("utf-8", "replace")
        if not name.startswith(".SIGN.") or entry.kind != "file":
            raise BadSignature(f"{source}: not signed")
        if archive.seen > SIGNATURES_MAX:
            raise LimitExceeded(f"{source}: more than {SIGNATURES_MAX} signatures")
        if match := _NAME.fullmatch(name):
            found.append(Signature(_DIGEST[match[1]], match[2], archive.read(entry, SIGNATURE_MAX)))
    if not found:
        raise BadSignature(f"{source}: not signed")
    return SignedIndex(tuple(found), body[taken:])


def verified_by(
    index: SignedIndex, keys: Mapping[str, PublicKey], source: str, *, by_name: bool = True
) -> tuple[str, ...]:
    """Fingerprints of the keys whose signatures hold.

    Args:
        keys: by file name, as in etc/apk/keys.
        by_name: only the key that a signature names is tried, which is apk's way (apk-keys(5)); else all of them.

    Raises:
        BadSignature: none of them vouches for it.
    """
    good: list[str] = []
    digests: dict[str, bytes] = {}
    tried = False
    for signature in index.signatures:
        named = keys.get(signature.key_name)
        for key in ([named] if named else []) if by_name else list(keys.values())[:KEYS_MAX]:
            tried = True
            if signature.algorithm not in digests:
                # SHA-1 is all that abuild signs with: there, a second preimage would be needed, which nobody can make
                digests[signature.algorithm] = hashlib.new(signature.algorithm, index.content).digest()
            if verifies(key, signature.value, signature.algorithm, digests[signature.algorithm]):
                good.append(key.fingerprint)
    if not good:
        names = ", ".join(signature.key_name for signature in index.signatures)
        why = "which does not hold" if tried and by_name else "none of the keys that count"
        raise BadSignature(f"{source}: signed by {names}, {why}")
    return tuple(dict.fromkeys(good))


def named_keys(files: Iterable[tuple[str, bytes]]) -> tuple[dict[str, PublicKey], tuple[str, ...]]:
    """(the keys by file name, what is wrong with the others)."""
    keys: dict[str, PublicKey] = {}
    problems: list[str] = []
    for name, content in files:
        if len(keys) >= KEYS_MAX:
            problems.append(f"only the first {KEYS_MAX} keys count")
            break
        try:
            keys[name] = read_key(content, name)
        except ContentError as error:
            problems.append(str(error))
    return keys, tuple(problems)


def _first_member(body: bytes, source: str) -> tuple[bytes, int]:
    """(the first gzip member unpacked, how many bytes it takes)."""
    decoder = zlib.decompressobj(wbits=31)
    start = body[: 2 * SIGNATURES_BYTES_MAX]
    try:
        plain = decoder.decompress(start, SIGNATURES_BYTES_MAX)
    except zlib.error as error:
        raise MalformedArchive(f"{source}: gzip: {error}") from error
    if not decoder.eof:
        if decoder.unconsumed_tail or len(start) < len(body):
            raise BadSignature(f"{source}: not signed: its first part is no list of signatures")
        raise MalformedArchive(f"{source}: gzip: it ends too early")
    return plain, len(start) - len(decoder.unused_data)
