"""gzip taken up again on its way: gzip's own module is the witness of what comes."""

import gzip
import io
import os
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affineur.errors import LimitExceeded, MalformedArchive
from affineur.streams import resumable
from affineur.streams.resumable import PIECE, Unpacking


def unpacking(content: bytes, point: resumable.Point | None = None) -> Unpacking:
    return Unpacking(lambda size, at: content[at : at + size], "test", point)


def named(content: bytes) -> bytes:
    """As gzip(1) writes it, with the file's name and time."""
    out = io.BytesIO()
    with gzip.GzipFile("name.tar", "wb", fileobj=out, mtime=1_700_000_000) as packed:
        packed.write(content)
    return out.getvalue()


WORDS = b" ".join(random.Random(1).choices([b"layer", b"digest", b"manifest", os.urandom(9)], k=90_000))
SAMPLES = {
    "text": gzip.compress(WORDS, 6),
    "members": b"".join(gzip.compress(WORDS[n : n + 7777]) for n in range(0, 300_000, 7777)),
    "padded": gzip.compress(WORDS) + bytes(1000) + gzip.compress(b"end") + bytes(9),
    "stored": gzip.compress(os.urandom(200_000), 0),
    "named": named(b"x" * 100_000),
    "empty": gzip.compress(b""),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_point_goes_on_as_the_whole_did(name: str) -> None:
    packed = SAMPLES[name]
    expected = WORDS + b"end" if name == "padded" else gzip.decompress(packed)
    first = unpacking(packed)
    received, points = b"", []
    for piece in first:
        assert 0 < len(piece) <= PIECE
        received += piece
        assert first.given == len(received)
        points.append(first.point())
    assert received == expected
    for point in [*points[:3], *points[-3:]]:
        for _ in range(2):  # a point is not used up
            assert b"".join(unpacking(packed, point)) == expected[point.given :]


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1, max_size=5000), st.integers(1, 60), st.integers(0, 9))
def test_any_content_from_any_point(content: bytes, times: int, level: int) -> None:
    packed = gzip.compress(content * times, level)
    first = unpacking(packed)
    points = [first.point() for _ in first]
    for point in points[:: max(1, len(points) // 4)]:
        assert b"".join(unpacking(packed, point)) == (content * times)[point.given :]


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.999])
def test_a_stream_that_ends_too_early_is_refused(cut: float) -> None:
    packed = SAMPLES["text"]
    with pytest.raises(MalformedArchive, match="too early"):
        list(unpacking(packed[: int(len(packed) * cut)]))


def test_a_wrong_checksum_is_refused() -> None:
    packed = bytearray(SAMPLES["text"])
    packed[-6] ^= 1
    with pytest.raises(MalformedArchive, match="gzip"):
        list(unpacking(bytes(packed)))


def test_what_follows_the_last_member_is_refused() -> None:
    with pytest.raises(MalformedArchive, match="gzip"):
        list(unpacking(SAMPLES["text"] + b"rubbish"))


def test_a_bomb_stops_at_the_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "RATIO_FREE", 1 << 20)
    bomb = gzip.compress(bytes(64 << 20), 9)
    whole = unpacking(bomb)
    with pytest.raises(LimitExceeded, match="become more than"):
        list(whole)
    assert whole.given < 2 << 20


def test_members_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "MEMBERS_MAX", 100)
    assert list(unpacking(gzip.compress(b"") * 100)) == []
    with pytest.raises(LimitExceeded, match="more than 100 members"):
        list(unpacking(gzip.compress(b"") * 101))


def test_raw_deflate_is_no_gzip() -> None:
    with pytest.raises(MalformedArchive):
        list(unpacking(zlib.compress(WORDS)))
