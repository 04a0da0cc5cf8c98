"""Keys that OpenSSL made, in every form that it writes; and what it says of signatures that we made."""

import shutil
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import NoReturn

import pytest

from affineur.errors import InvalidSettings
from affineur.signatures.signing import MAX_KEY_BYTES, SigningKey, read_key
from support.leaving_out import leave_out

KINDS = {
    "ECDSA P-256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ECDSA P-384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "Ed25519": ["-algorithm", "Ed25519"],
    "RSA 2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
}
DIGESTS = {"ECDSA P-256": "-sha256", "ECDSA P-384": "-sha384", "RSA 2048": "-sha256"}


@pytest.fixture(autouse=True)
def _openssl() -> None:
    if shutil.which("openssl") is None:
        leave_out("openssl is not installed")


def openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True, timeout=60).stdout


def never() -> NoReturn:
    raise AssertionError("this key has no passphrase")


def verified(folder: Path, key: SigningKey, message: bytes, signature: bytes) -> str:
    for name, content in (("public", key.public_pem), ("message", message), ("signature", signature)):
        (folder / name).write_bytes(content)
    if key.kind == "Ed25519":
        words = [
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            "public",
            "-rawin",
            "-in",
            "message",
            "-sigfile",
            "signature",
        ]
    else:
        words = ["dgst", DIGESTS[key.kind], "-verify", "public", "-signature", "signature", "message"]
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_signed_openssl_verifies(tmp_path: Path, kind: str) -> None:
    pem = openssl("genpkey", *KINDS[kind])
    key = read_key(pem, "key.pem", never)
    assert key.kind == kind
    assert key.public_pem == openssl("pkey", "-pubout", given=pem)
    signature = key.sign(b"a message")
    assert verified(tmp_path, key, b"a message", signature) in ("Verified OK", "Signature Verified Successfully")
    assert verified(tmp_path, key, b"another", signature) in ("Verification failure", "Signature Verification Failure")


@pytest.mark.parametrize("kind", KINDS)
def test_the_hint_is_the_public_keys_digest(kind: str) -> None:
    pem = openssl("genpkey", *KINDS[kind])
    der = openssl("pkey", "-pubout", "-outform", "DER", given=pem)
    assert b64decode(read_key(pem, "k", never).hint) == openssl("dgst", "-sha256", "-binary", given=der)


OLDER = {
    "ECDSA P-256": ["ec", "-aes-256-cbc"],
    "ECDSA P-384": ["ec", "-aes-256-cbc"],
    "RSA 2048": ["rsa", "-aes-256-cbc", "-traditional"],
}
FORMS = [(kind, ["pkcs8", "-topk8", "-v2", "aes-256-cbc"]) for kind in KINDS] + list(OLDER.items())


@pytest.mark.parametrize(("kind", "words"), FORMS, ids=[f"{kind}, {words[0]}" for kind, words in FORMS])
def test_encrypted_keys(tmp_path: Path, kind: str, words: list[str]) -> None:
    pem = openssl(*words, "-passout", "pass:s3cret", given=openssl("genpkey", *KINDS[kind]))
    assert b"ENCRYPTED" in pem
    key = read_key(pem, "k", lambda: "s3cret")
    assert verified(tmp_path, key, b"m", key.sign(b"m")).endswith(("OK", "Successfully"))
    for wrong in ("other", "", "ü"):
        with pytest.raises(InvalidSettings, match=r"^k: the passphrase is wrong") as caught:
            read_key(pem, "k", lambda wrong=wrong: wrong)  # type: ignore[misc]
        assert not wrong or wrong not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "1024 bits is too weak"),
        (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "neither ECDSA P-256"),
        (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"], "neither ECDSA P-256"),
        (["-algorithm", "Ed448"], "neither ECDSA P-256"),
        (["-algorithm", "X25519"], "neither ECDSA P-256"),
    ],
)
def test_other_keys_are_refused_with_what_to_do(words: list[str], said: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_key(openssl("genpkey", *words), "k.pem", never)
    assert str(caught.value).startswith("k.pem: ")
    assert said in str(caught.value)
    assert "openssl genpkey" in str(caught.value)


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (b"", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\n\xff\n-----END PRIVATE KEY-----\n", "no private key in PEM"),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", ""),
        (b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n", "in cosign's own format"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "in OpenSSH's own format"),
        (b"-----BEGIN PUBLIC KEY-----\n", "the public key"),
        (b"-----BEGIN CERTIFICATE-----\n", "a certificate"),
        (b"x" * (MAX_KEY_BYTES + 1), "which is no key"),
    ],
)
def test_what_is_no_key(pem: bytes, said: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_key(pem, "k.pem", lambda: "x")
    assert said in str(caught.value)


def test_a_key_shows_nothing_of_itself() -> None:
    key = read_key(openssl("genpkey", *KINDS["Ed25519"]), "k", never)
    assert "PRIVATE" not in f"{key!r} {vars(key)}"
