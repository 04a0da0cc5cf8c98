"""Indexes that are not what was signed, or signed and hostile, through the command line: no letter rests on them."""

import gzip
import hashlib
import lzma
from datetime import UTC, datetime

import pytest

from support.archive import stanza
from support.bending import (
    INDEX,
    SECURITY,
    judge_unknown,
)
from support.world import World


def replace_index(world: World, body: bytes) -> None:
    """Serve other bytes than the Release lists, by whatever name the index is asked for."""
    for path in world.archive.files:
        if path.startswith(INDEX):
            world.archive.files[path] = body


def test_an_index_that_is_other_bytes_than_listed(either: World) -> None:
    replace_index(either, lzma.compress(b"\n".join(stanza("openssl", "3.0.11-1~deb12u1").encode() for _ in range(2))))
    judge_unknown(either, "bookworm-security.*bytes were promised|content is sha256")


def test_an_index_of_the_right_size_but_other_content(either: World) -> None:
    files = either.archive.files
    for path in [path for path in files if path.startswith(INDEX)]:
        files[path] = bytes([files[path][0] ^ 1]) + files[path][1:]
    judge_unknown(either, "content is sha256:.*not the promised")


def test_an_index_that_is_cut_short(either: World) -> None:
    files = either.archive.files
    for path in [path for path in files if path.startswith(INDEX)]:
        files[path] = files[path][:-20]
    judge_unknown(either, "bytes were promised")


def test_an_index_that_is_missing(either: World) -> None:
    for path in [path for path in either.archive.files if path.startswith(INDEX)]:
        del either.archive.files[path]
    judge_unknown(either, "main/binary-amd64/Packages: the Release lists it, and the server does not have it")


def signed_index(world: World, body: bytes, ending: str = ".gz") -> None:
    """Sign a Release that lists this very file as the security suite's only index."""
    text = (
        "Origin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\nCodename: bookworm-security\n"
        f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S} UTC\nArchitectures: amd64\nComponents: main\n"
        f"SHA256:\n {hashlib.sha256(body).hexdigest()} {len(body)} main/binary-amd64/Packages{ending}\n"
    )
    world.archive.sign(SECURITY, text.encode(), (world.archive.key,))
    world.archive.files[f"{INDEX}Packages{ending}"] = body


@pytest.mark.parametrize(
    ("body", "because"),
    [
        (b"no gzip at all, but listed as one", "field|no "),
        (gzip.compress(b"Package: openssl\nVersion: 3.0.15-1~deb12u1\nArchitecture: amd64\n")[:-12], "ends too early"),
        (gzip.compress(b"Package: openssl\nArchitecture: amd64\n"), "openssl has no Version"),
        (gzip.compress(b"Package: openssl\nVersion: 1\nSize: many\n"), "openssl has the size 'many'"),
        (gzip.compress(b"Package: openssl\nVersion 1\n"), "is no field"),
        (gzip.compress(b"Package: x\nDescription: " + b"x" * (3 << 20)), "a stanza of more than 2097152 bytes"),
        (gzip.compress(b"\n" * (1 << 20)) * 800, "become more than"),
        (gzip.compress(b"Package: openssl\n\n" * 2_000_000), "no Version|more than 1000000 stanzas"),
        (gzip.compress(b"Package: x\n\n" * 2_000_000), "more than 1000000 stanzas"),
    ],
    ids=[
        "not gzip",
        "cut short",
        "no version",
        "no number",
        "no field",
        "one long line",
        "bomb",
        "many",
        "many others",
    ],
)
def test_an_index_that_is_signed_and_broken(either: World, body: bytes, because: str) -> None:
    signed_index(either, body)
    judge_unknown(either, because)


def test_an_index_that_only_an_unknown_compression_holds(either: World) -> None:
    signed_index(either, b"\x28\xb5\x2f\xfd", ".zst")
    judge_unknown(either, "only as .zst, which are not read here")
