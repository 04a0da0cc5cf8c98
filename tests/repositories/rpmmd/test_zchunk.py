"""zchunk files as the zck program writes them, and damaged in every way."""

import contextlib
import random
import subprocess
import time
from pathlib import Path

import pytest

from affineur.errors import ContentError, LimitExceeded, MalformedArchive, UnsupportedContent
from affineur.repositories.rpmmd.zchunk import CHUNKS_MAX, unchunked
from support.leaving_out import leave_out
from support.rpms import needed

LEAD = b"\0ZCK1" + b"\x81"  # SHA-256


def number(value: int) -> bytes:
    """A compressed integer (zchunk_format.txt)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F)
        value >>= 7
    return bytes([*out, value | 0x80])


def file(
    chunks: list[tuple[int, int]], body: bytes, *, compression: int = 0, flags: int = 0, count: int | None = None
) -> bytes:
    """A zchunk file whose header says what it is told to."""
    index = b"".join(bytes(32) + number(packed) + number(plain) for packed, plain in chunks)
    header = bytes(32) + number(flags) + number(compression)
    header += number(len(index) + 2) + b"\x81" + number(len(chunks) if count is None else count) + index + b"\x80"
    return LEAD + number(len(header)) + bytes(32) + header + body


def plain(content: bytes, piece: int = 1000) -> bytes:
    rest = (content[start : start + piece] for start in range(piece, len(content), piece))
    return b"".join(unchunked(content[:piece], rest, "here"))


@pytest.fixture(scope="module")
def document() -> bytes:
    chance = random.Random(1)
    packages = (f'<package type="rpm"><name>p{n}</name>{chance.random()}</package>\n' for n in range(3000))
    return b"<metadata>" + "".join(packages).encode() + b"</metadata>"


@pytest.fixture(scope="module")
def packed(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return zck(document, tmp_path_factory.mktemp("zck"))


def zck(document: bytes, folder: Path, *options: str) -> bytes:
    needed("zck")
    (folder / "d.xml").write_bytes(document)
    subprocess.run(["zck", *options, "-o", "d.zck", "d.xml"], cwd=folder, check=True, capture_output=True)
    return (folder / "d.zck").read_bytes()


@pytest.mark.system
def test_what_zck_writes(document: bytes, packed: bytes) -> None:
    for piece in (1, 7, 1000, 1 << 20):
        assert plain(packed, piece) == document


@pytest.mark.system
@pytest.mark.parametrize(
    "options", [("-s", "<package "), ("-u",), ("-D", "dictionary"), ("--compression-format", "none")]
)
def test_its_options(document: bytes, tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "dictionary").write_bytes(document[:5000])
    try:
        written = zck(document, tmp_path, *options)
    except subprocess.CalledProcessError:
        leave_out(f"needs a zck with {options[0]}")
    assert plain(written) == document


@pytest.mark.system
def test_damage_ends_in_our_errors_and_soon(document: bytes, packed: bytes) -> None:
    chance = random.Random(2)
    started = time.monotonic()
    for _ in range(150):
        damaged = bytearray(packed)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(min(len(damaged), chance.choice((100, len(damaged)))))] = chance.randrange(256)
        with contextlib.suppress(ContentError):
            assert len(plain(bytes(damaged), 1 << 20)) <= len(document) * 200
    for end in range(0, len(packed), 1777):
        with pytest.raises(MalformedArchive):
            plain(packed[:end] or b"\0", 1 << 20)
    assert time.monotonic() - started < 20


def test_without_compression() -> None:
    assert plain(file([(0, 0), (3, 3), (2, 2)], b"abcde")) == b"abcde"
    assert plain(file([(0, 0), (3, 3)], b"abc", flags=0)) == b"abc"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\0ZHR1" + bytes(100), UnsupportedContent),
        (b"\0ZCK1\x84" + bytes(100), UnsupportedContent),
        (LEAD + number(1 << 40), LimitExceeded),
        (LEAD + b"\0" * 20, MalformedArchive),
        (file([(0, 0), (3, 4)], b"abc"), MalformedArchive),
        (file([(0, 0), (3, 3)], b"ab"), MalformedArchive),
        (file([(0, 0)], b"", count=CHUNKS_MAX + 1), LimitExceeded),
        (file([(0, 0)], b"", count=0), LimitExceeded),
        (file([(0, 0)], b"", count=5), MalformedArchive),
        (file([(0, 0), (1 << 40, 1)], b""), LimitExceeded),
        (file([(0, 1 << 40)], b""), LimitExceeded),
        (file([(0, 0), (3, 3)], b"abc", compression=1), UnsupportedContent),
        (file([(0, 0), (3, 3)], b"abc", compression=2), MalformedArchive),
        (file([(3, 3), (3, 3)], b"abcabc", flags=8), UnsupportedContent),
    ],
)
def test_what_is_refused(content: bytes, error: type[ContentError]) -> None:
    with pytest.raises(error):
        plain(content)
