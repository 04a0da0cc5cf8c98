"""Envelopes: bytes, their type, and signatures over both. DSSE v1: secure-systems-lab/dsse, envelope.md, protocol.md.

No I/O.
"""

import base64

import msgspec

from affineur.signatures.signing import SigningKey

__all__ = ["Envelope", "Signature", "enveloped", "pae"]


class Signature(msgspec.Struct, frozen=True):
    """Attributes: sig: base64."""

    sig: str


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """As it is in JSON.

    Attributes:
        payload: base64.
        signatures: over `pae` of payload type and payload; in a Sigstore bundle exactly one.
    """

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]


def enveloped(payload_type: str, payload: bytes, key: SigningKey) -> Envelope:
    """Sign some bytes, and wrap them with their signature."""
    signature = key.sign(pae(payload_type, payload))
    return Envelope(_base64(payload), payload_type, (Signature(_base64(signature)),))


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: protocol.md § Signature Definition, the pre-authentication encoding. Lengths are in bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
