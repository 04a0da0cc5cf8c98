"""Compressed streams: every format and its odd forms, and bombs that end soon."""

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import tarfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from affineur.errors import LimitExceeded, MalformedArchive
from affineur.streams import decompress
from affineur.streams.ahead import AHEAD_MAX, ahead
from affineur.streams.decompress import PIECE, compression_of, decompressed
from support.leaving_out import leave_out

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"".join(b"line %d of some text\n" % number for number in range(60_000))
SKIPPABLE = b"\x50\x2a\x4d\x18\x05\x00\x00\x00abcde"  # RFC 8878 § 3.1.2
COMPRESS: dict[str, Any] = {
    "gzip": gzip.compress,
    "zstd": lambda content: zstd.compress(content, options={int(zstd.CompressionParameter.checksum_flag): 1}),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "plain": bytes,
}


def chunks(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def unpacked(content: bytes, size: int = 1 << 20) -> bytes:
    _, pieces = decompressed(chunks(content, size), "test")
    return b"".join(pieces)


@pytest.mark.parametrize("size", [1, 5, 4096, 1 << 20])
@pytest.mark.parametrize("name", COMPRESS)
def test_every_format_in_chunks_of_every_size(name: str, size: int) -> None:
    text = TEXT[: 20_000 if size < 100 else None]
    found, pieces = decompressed(chunks(COMPRESS[name](text), size), "test")
    assert found == name
    assert b"".join(pieces) == text


@pytest.mark.parametrize("name", [name for name in COMPRESS if name != "plain"])
def test_members_follow_one_another(name: str) -> None:
    make = COMPRESS[name]
    content = make(TEXT) + make(b"") + make(b"end")
    assert unpacked(content) == TEXT + b"end"
    assert unpacked(content, 7) == TEXT + b"end"
    assert unpacked(content + bytes(100)) == TEXT + b"end"


def test_skippable_frames_anywhere() -> None:
    content = SKIPPABLE + zstd.compress(TEXT) + SKIPPABLE + zstd.compress(b"end") + SKIPPABLE
    assert compression_of(content) == "zstd"
    assert unpacked(content) == TEXT + b"end"
    assert unpacked(content, 3) == TEXT + b"end"


@pytest.mark.parametrize("name", [name for name in COMPRESS if name != "plain"])
def test_a_stream_that_ends_early_or_is_damaged_is_malformed(name: str) -> None:
    content = COMPRESS[name](TEXT)
    for broken in (content[:-1], content[: len(content) // 2], content[:7], content + b"garbage"):
        with pytest.raises(MalformedArchive, match=f"test: {name}"):
            unpacked(broken)
    for position in (len(content) // 3, len(content) // 2):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        with pytest.raises(MalformedArchive):
            unpacked(bytes(damaged))


@pytest.mark.parametrize("name", [name for name in COMPRESS if name != "plain"])
def test_a_bomb_ends_in_pieces_and_at_the_limit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "RATIO_FREE", 8 << 20)
    bomb = COMPRESS[name](bytes(64 << 20))
    _, pieces = decompressed(iter([bomb]), "test")
    sizes: list[int] = []
    with pytest.raises(LimitExceeded, match="not unpacked further"):
        sizes.extend(len(piece) for piece in pieces)
    assert max(sizes) <= PIECE
    assert sum(sizes) <= max(8 << 20, 200 * len(bomb)) + PIECE


def test_many_empty_members_are_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "MEMBERS_MAX", 10_000)
    with pytest.raises(LimitExceeded, match="more than 10000 members"):
        unpacked(gzip.compress(b"") * 10_001)


def test_a_window_larger_than_any_layer_needs_is_a_limit() -> None:
    options = {int(zstd.CompressionParameter.window_log): 28, int(zstd.CompressionParameter.compression_level): 1}
    compressor = zstd.ZstdCompressor(options=options)
    content = compressor.compress(b"content") + compressor.flush()
    with pytest.raises(LimitExceeded, match="memory"):
        unpacked(content)


def test_nothing_is_an_empty_plain_stream() -> None:
    assert decompressed(iter([]), "test")[0] == "plain"
    assert unpacked(b"") == b""


@pytest.mark.system
@pytest.mark.parametrize("program", ["gzip", "zstd", "xz", "bzip2"])
def test_reads_what_the_programs_write(program: str, tmp_path: Path) -> None:
    try:
        content = subprocess.run([program, "-c"], input=TEXT, capture_output=True, check=True).stdout
    except FileNotFoundError:
        leave_out(f"needs {program}")
    assert unpacked(content) == TEXT


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["gzip", "zstd", "estargz", "uncompressed"])
def test_one_image_in_four_compressions_is_one_image(corpus: Path, name: str) -> None:
    with tarfile.open(corpus / f"images/oci-archive-{name}.tar") as archive:

        def blob(digest: str) -> bytes:
            file = archive.extractfile("blobs/" + digest.replace(":", "/"))
            assert file is not None
            return file.read()

        index = archive.extractfile("index.json")
        assert index is not None
        manifest = json.loads(blob(json.load(index)["manifests"][0]["digest"]))
        config = json.loads(blob(manifest["config"]["digest"]))
        import hashlib

        diff_ids = [
            "sha256:" + hashlib.sha256(unpacked(blob(layer["digest"]))).hexdigest() for layer in manifest["layers"]
        ]
    assert diff_ids == config["rootfs"]["diff_ids"]


def test_ahead_keeps_order_errors_and_its_bound() -> None:
    given: list[int] = []

    def receive() -> Iterator[bytes]:
        for number in range(100):
            given.append(number)
            yield b"%d" % number
        raise MalformedArchive("in the end")

    stream = ahead(receive())
    assert next(stream) == b"0"
    time.sleep(0.1)
    assert len(given) <= AHEAD_MAX + 3
    with pytest.raises(MalformedArchive, match="in the end"):
        list(stream)
    assert given == list(range(100))


def test_ahead_stops_receiving_when_nobody_reads_on() -> None:
    closed = threading.Event()

    def receive() -> Iterator[bytes]:
        try:
            while True:
                yield b"chunk"
        finally:
            closed.set()

    stream = ahead(receive())
    next(stream)
    stream.close()
    assert closed.wait(5)


def test_deflate_with_a_wrong_checksum_is_not_accepted() -> None:
    content = bytearray(gzip.compress(TEXT))
    assert zlib.crc32(TEXT) == int.from_bytes(content[-8:-4], "little")
    content[-8] ^= 1
    with pytest.raises(MalformedArchive):
        unpacked(bytes(content))
