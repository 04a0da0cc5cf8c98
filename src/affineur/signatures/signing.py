"""Private keys, and signing with them: what a Sigstore bundle can hold of a key of one's own.

RFC 7468 (PEM), RFC 5958 (PKCS #8, encrypted or not) and the older forms that OpenSSL writes. Which digest goes with
which key is Sigstore's (protobuf-specs, PublicKeyDetails): P-256 with SHA-256, P-384 with SHA-384, RSA with PKCS #1
v1.5 and SHA-256, Ed25519 over the message itself. No I/O: a caller reads the file, and asks for a passphrase.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from affineur.errors import InvalidSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

__all__ = ["MAX_KEY_BYTES", "MIN_RSA_BITS", "SigningKey", "read_key"]

MAX_KEY_BYTES = 64 * 1024
MIN_RSA_BITS = 2048
"""NIST SP 800-131A: fewer are not strong enough to sign with."""

_MAKE = "make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out KEY"
_OTHERS = (
    (b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY", "is in cosign's own format, which is not read"),
    (b"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY", "is in cosign's own format, which is not read"),
    (b"-----BEGIN OPENSSH PRIVATE KEY", "is in OpenSSH's own format, which is not read"),
    (b"-----BEGIN PGP PRIVATE KEY", "is a key of OpenPGP, which no Sigstore bundle can hold"),
    (b"-----BEGIN PUBLIC KEY", "is the public key; the private one signs"),
    (b"-----BEGIN CERTIFICATE", "is a certificate; its private key signs"),
)


class SigningKey:
    """A private key, ready to sign. It shows nothing of itself.

    Attributes:
        kind: "ECDSA P-256", "ECDSA P-384", "Ed25519" or "RSA 3072", for people.
        public_pem: the public key, by which others verify.
        hint: SHA-256 of the public key (SubjectPublicKeyInfo, DER) in base64: how a Sigstore bundle names it.
    """

    def __init__(self, kind: str, public_pem: bytes, public_der: bytes, sign: Callable[[bytes], bytes]) -> None:
        """See `read_key`."""
        self.kind, self.public_pem, self._sign = kind, public_pem, sign
        self.hint = base64.b64encode(hashlib.sha256(public_der).digest()).decode()

    def sign(self, message: bytes) -> bytes:
        """A signature: of ECDSA in DER, of the others plain."""
        return self._sign(message)


def read_key(pem: bytes, source: str, passphrase: Callable[[], str]) -> SigningKey:
    """A private key from PEM.

    Args:
        source: the file's name, for messages.
        passphrase: asked only if the key is encrypted; may raise what it likes.

    Raises InvalidSettings: no private key, a wrong passphrase, a kind of key that is not supported, a weak one.
    """
    if len(pem) > MAX_KEY_BYTES:
        raise InvalidSettings(f"{source}: more than {MAX_KEY_BYTES} bytes, which is no key")
    for beginning, what in _OTHERS:
        if beginning in pem:
            raise InvalidSettings(f"{source} {what}; name a private key in PEM, or {_MAKE}")
    return _ready(_loaded(pem, source, passphrase), source)


def _loaded(pem: bytes, source: str, passphrase: Callable[[], str]) -> "PrivateKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(pem, None)
    except TypeError:  # its way to say that it is encrypted
        pass
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise InvalidSettings(f"{source} is no private key in PEM that can be read; {_MAKE}") from problem
    opening = passphrase().encode(errors="surrogateescape")  # bytes of the environment stay what they are
    try:
        return load_pem_private_key(pem, opening)
    except UnsupportedAlgorithm as problem:
        raise InvalidSettings(
            f"{source}: encrypted in a way that is not supported; write it anew: openssl pkcs8 -topk8 -v2 aes-256-cbc"
        ) from problem
    except (ValueError, TypeError) as problem:  # TypeError: an empty one
        raise InvalidSettings(f"{source}: the passphrase is wrong, or the key is damaged") from problem


def _ready(key: "PrivateKeyTypes", source: str) -> SigningKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    kind, sign = _signer(key, source)
    public = key.public_key()
    pem, der = (public.public_bytes(form, PublicFormat.SubjectPublicKeyInfo) for form in (Encoding.PEM, Encoding.DER))
    return SigningKey(kind, pem, der, sign)


def _signer(key: "PrivateKeyTypes", source: str) -> tuple[str, Callable[[bytes], bytes]]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384

    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        algorithm = ec.ECDSA(SHA256() if isinstance(key.curve, ec.SECP256R1) else SHA384())
        return f"ECDSA P-{key.key_size}", lambda message: key.sign(message, algorithm)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "Ed25519", lambda message: key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise InvalidSettings(f"{source}: an RSA key of {key.key_size} bits is too weak to sign with; {_MAKE}")
        return f"RSA {key.key_size}", lambda message: key.sign(message, padding.PKCS1v15(), SHA256())
    raise InvalidSettings(f"{source}: neither ECDSA P-256 or P-384, nor Ed25519, nor RSA; {_MAKE}")
