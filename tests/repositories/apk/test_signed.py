"""Signed indexes: real ones, by the real keys, and every way in which one may not be what it should."""

import gzip
from pathlib import Path

import pytest

from affineur.errors import BadSignature, ContentError, LimitExceeded
from affineur.packages.osrelease import OSRelease
from affineur.repositories.apk.index import parse_index, unpacked
from affineur.repositories.apk.reference import references_for
from affineur.repositories.apk.rsa import read_key
from affineur.repositories.apk.signed import named_keys, opened, verified_by
from support.apk import Key, _tar, packed_index, record, signed_index

ONE, OTHER = Key(1), Key(2)
KEYS = {ONE.name: read_key(ONE.pem, ONE.name)}
CONTENT = packed_index([record("tool", "1-r0")])


@pytest.mark.corpus
def test_the_real_index_of_alpine(corpus: Path) -> None:
    """4,929 packages, as `zgrep -c ^P:` counts them; what `openssl dgst -sha1 -verify` says, too."""
    body = (corpus / "apk" / "alpine-3.16-main-x86_64-APKINDEX.tar.gz").read_bytes()
    references = references_for(OSRelease({"ID": "alpine", "VERSION_ID": "3.16.3"}), "x86_64")
    assert isinstance(references, tuple)
    signed = opened(body, "index")
    assert [each.key_name for each in signed.signatures] == ["alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub"]
    for by_name in (True, False):
        assert len(verified_by(signed, references[0].keys, "index", by_name=by_name)) == 1
    contents = unpacked(signed.content, "index")
    offers = list(parse_index(contents.text, None, "index"))
    assert (contents.description, contents.count, len(offers)) == ("v3.16.3-13-g4d933a1fa3", 4929, 4929)
    assert contents.newest is not None
    assert f"{contents.newest:%Y-%m-%d}" == "2022-11-21"
    assert {offer.architecture for offer in offers} <= {"x86_64", "noarch"}
    bent = body[:-100] + bytes([body[-100] ^ 1]) + body[-99:]
    with pytest.raises(BadSignature):
        verified_by(opened(bent, "index"), references[0].keys, "index")


@pytest.mark.parametrize("algorithm", ["RSA", "RSA256", "RSA512"])
def test_every_algorithm(algorithm: str) -> None:
    signed = opened(signed_index(CONTENT, ONE, algorithm=algorithm), "index")
    assert signed.content == CONTENT
    assert verified_by(signed, KEYS, "index") == (ONE.fingerprint,)


def test_one_signature_that_counts_is_enough() -> None:
    signed = opened(signed_index(CONTENT, OTHER, ONE), "index")
    assert verified_by(signed, KEYS, "index") == (ONE.fingerprint,)


def test_the_name_of_the_key_decides_unless_all_are_tried() -> None:
    signed = opened(signed_index(CONTENT, Key(1, "renamed.rsa.pub")), "index")
    with pytest.raises(BadSignature, match="none of the keys that count"):
        verified_by(signed, KEYS, "index")
    assert verified_by(signed, KEYS, "index", by_name=False) == (ONE.fingerprint,)


def test_a_key_that_only_has_the_name() -> None:
    signed = opened(signed_index(CONTENT, Key(2, ONE.name)), "index")
    for by_name in (True, False):
        with pytest.raises(BadSignature):
            verified_by(signed, KEYS, "index", by_name=by_name)


def test_bytes_behind_what_was_signed_are_part_of_it() -> None:
    """Another member appended would be unpacked, and have the last word."""
    body = signed_index(CONTENT, ONE) + packed_index([record("evil", "9-r0")])
    with pytest.raises(BadSignature):
        verified_by(opened(body, "index"), KEYS, "index")


def test_an_index_beside_the_signatures_is_not_believed() -> None:
    first = gzip.compress(_tar({".SIGN.RSA.x": ONE.sign(CONTENT), "APKINDEX": b"P:evil\nV:9\n"}, end=False))
    with pytest.raises(BadSignature):
        opened(first + CONTENT, "index")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        CONTENT,
        gzip.compress(b"")[:10],
        gzip.compress(b"\0" * 1024) + CONTENT,
        gzip.compress(b"\0" * (1 << 20)) + CONTENT,
        gzip.compress(_tar({".SIGN.DSA.key": b"x"}, end=False)) + CONTENT,
        gzip.compress(_tar({f".SIGN.RSA.{n}": b"x" for n in range(20)}, end=False)) + CONTENT,
        gzip.compress(_tar({".SIGN.RSA.key": b"x" * 5000}, end=False)) + CONTENT,
        signed_index(CONTENT, ONE)[:300],
    ],
)
def test_what_is_not_signed(body: bytes) -> None:
    with pytest.raises(ContentError):
        verified_by(opened(body, "index"), KEYS, "index")


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(_tar({"DESCRIPTION": b"x"}, end=True)),
        gzip.compress(b"no archive"),
        b"",
        gzip.compress(_tar({f"file-{n}": b"" for n in range(40)} | {"APKINDEX": b""}, end=True)),
        CONTENT[:40],
    ],
)
def test_what_is_signed_but_no_index(content: bytes) -> None:
    with pytest.raises(ContentError):
        unpacked(content, "index")


def test_more_than_an_index_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affineur.repositories.apk.index.INDEX_BYTES_MAX", 1000)
    with pytest.raises(LimitExceeded):
        unpacked(gzip.compress(_tar({"APKINDEX": b"x" * 2000}, end=True)), "index")


def test_keys_that_are_none_are_said() -> None:
    keys, problems = named_keys([("good", ONE.pem), ("bad", b"x")])
    assert list(keys) == ["good"]
    assert len(problems) == 1
