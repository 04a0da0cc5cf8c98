import hashlib

import pytest

from affineur.errors import MalformedDocument, UnsupportedContent
from affineur.oci.digest import Digest

EMPTY_SHA256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # FIPS 180-4's test vector


def test_the_digest_of_nothing_is_known() -> None:
    assert Digest.of(b"") == EMPTY_SHA256


def test_parts() -> None:
    digest = Digest(EMPTY_SHA256)
    assert (digest.algorithm, digest.encoded) == ("sha256", EMPTY_SHA256[7:])


def test_sha512_is_verified_too() -> None:
    digest = Digest("sha512:" + hashlib.sha512(b"abc").hexdigest())
    assert digest.matches(b"abc")
    assert not digest.matches(b"abd")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        ":e3b0",
        EMPTY_SHA256.upper(),
        EMPTY_SHA256[:-1],
        EMPTY_SHA256 + "0",
        EMPTY_SHA256 + "\n",
        "sha256:" + EMPTY_SHA256[7:].upper(),
        "sha512:" + EMPTY_SHA256[7:],
        "sha256:../../etc/passwd",
        "SHA256:" + EMPTY_SHA256[7:],
        "sha256::" + EMPTY_SHA256[7:],
        "x:" + "a" * 600,
    ],
)
def test_refuses_what_is_no_digest(text: str) -> None:
    with pytest.raises(MalformedDocument):
        Digest(text)


@pytest.mark.parametrize(
    "text", ["multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8", "blake3:" + "0" * 64, "md5:" + "0" * 32]
)
def test_an_unregistered_algorithm_passes_the_grammar_and_is_never_verified(text: str) -> None:
    """image-spec 1.1, descriptor.md § Registered algorithms; the first is the specification's own example."""
    with pytest.raises(UnsupportedContent):
        Digest(text).matches(b"")
