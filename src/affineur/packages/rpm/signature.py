"""Who signed a package, as its header claims: the issuer that an OpenPGP signature names. Nothing is verified here.

RFC 4880 and RFC 9580 § 4.2 (packets), 5.2 (signatures), 5.5.4 (key ids and fingerprints). An rpm keeps signatures of
its header (RSAHEADER, DSAHEADER, OPENPGP), older ones of header and payload together (SIGPGP, SIGGPG).
"""

import binascii
import hashlib
from collections.abc import Iterator
from contextlib import suppress

from affineur.packages.rpm.header import Header

__all__ = ["issuer", "key_fingerprint", "signer"]

_BINARY_TAGS = (268, 267, 259, 262)
"""RSAHEADER, DSAHEADER, SIGPGP, SIGGPG, in the order in which they are asked."""
_OPENPGP = 278
"""Base64 each; in its place from rpm 6 on."""
SIGNATURES_MAX = 16
"""Of one package that are looked at."""
PACKETS_MAX = 64

_SIGNATURE, _PUBLIC_KEY = 2, 6
_ISSUER, _ISSUER_FINGERPRINT = 16, 33


def signer(header: Header) -> str:
    """The last 16 hex digits of the key; empty where there is no signature, or none that names its key."""
    for tag in _BINARY_TAGS:
        if found := issuer(header.binary(tag)):
            return found
    for text in header.texts(_OPENPGP)[:SIGNATURES_MAX]:
        with suppress(binascii.Error, ValueError):
            if found := issuer(binascii.a2b_base64(text)):
                return found
    return ""


def issuer(signature: bytes) -> str:
    """The key id, 16 hex digits in lower case, that a signature packet names; empty where it names none.

    Of a fingerprint of version 4 the key id is the end, of version 6 the beginning.
    """
    for tag, body in _packets(signature):
        if tag == _SIGNATURE and body:
            with suppress(IndexError):
                return _issuer(body).hex()
    return ""


def key_fingerprint(key: bytes) -> str:
    """Fingerprint of the first public key (version 4 or 6) among packets, in lower case; empty if there is none."""
    for tag, body in _packets(key):
        if tag == _PUBLIC_KEY and body[:1] == b"\4":
            return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False).hexdigest()
        if tag == _PUBLIC_KEY and body[:1] == b"\6":
            return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest()
    return ""


def _issuer(body: bytes) -> bytes:
    version = body[0]
    if version == 3:
        return body[7:15] if len(body) >= 15 and body[1] == 5 else b""
    if version not in (4, 6):
        return b""
    width = 2 if version == 4 else 4
    named: dict[tuple[bool, int], bytes] = {}
    at = 4
    for hashed in (True, False):
        end = at + width + int.from_bytes(body[at : at + width], "big")
        for kind, content in _subpackets(body[at + width : end]):
            named.setdefault((hashed, kind), content)
        at = end
    # what the signature covers comes first; of an issuer that is only said beside it, too, nothing is proven
    for hashed in (True, False):
        fingerprint = named.get((hashed, _ISSUER_FINGERPRINT), b"")
        if fingerprint[:1] == b"\4" and len(fingerprint) == 21:
            return fingerprint[-8:]
        if fingerprint[:1] == b"\6" and len(fingerprint) == 33:
            return fingerprint[1:9]
        key_id = named.get((hashed, _ISSUER), b"")
        if len(key_id) == 8:
            return key_id
    return b""


def _subpackets(area: bytes) -> Iterator[tuple[int, bytes]]:
    """Type without its critical bit, and content (RFC 9580 § 5.2.3.7)."""
    at = 0
    while at < len(area):
        length, at = _length(area, at)
        if not length or at + length > len(area):
            return
        yield area[at] & 0x7F, area[at + 1 : at + length]
        at += length


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Of one, two or five octets, and where it ends; IndexError where the data ends before."""
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 255:
        return (first - 192 << 8) + data[at + 1] + 192, at + 2
    data[at + 4]
    return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of whole packets; ends in silence at what is none (§ 4.2), or of unknown length."""
    at = 0
    with suppress(IndexError):
        for _ in range(PACKETS_MAX):
            if at >= len(data) or not data[at] & 0x80:
                return
            first = data[at]
            if first & 0x40:
                tag = first & 0x3F
                if 224 <= data[at + 1] < 255:  # a part of a body; signatures and keys do not come in parts
                    return
                length, start = _length(data, at + 1)
            else:
                tag, width = first >> 2 & 0xF, first & 3
                if width == 3:
                    return
                start = at + 1 + (1, 2, 4)[width]
                length = int.from_bytes(data[at + 1 : start], "big")
            if start + length > len(data):
                return
            yield tag, data[start : start + length]
            at = start + length
