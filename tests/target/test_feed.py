"""A blob's bytes on their way: from any offset, as often as it takes, and never the last ones of bad content."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from affineur.errors import DigestMismatch, SizeMismatch
from affineur.oci.blob import Verification, rest, verified
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.target import feed as module
from affineur.target.feed import Feed
from affineur.target.target import Content

CONTENT = bytes(range(256)) * 8


def source(content: bytes, chunk: int, begun_at: list[int] | None = None) -> Content:
    def opened(begun: Verification) -> Iterator[bytes]:
        if begun_at is not None:
            begun_at.append(begun.received)
        chunks = (content[start : start + chunk] for start in range(0, len(content), chunk))
        yield from verified(rest(chunks, begun), begun, "the source")

    return opened


def promise(content: bytes = CONTENT) -> Descriptor:
    return Descriptor("a/b", Digest.of(content), len(content))


@example(1, [(0, 0), (len(CONTENT), 0)])  # all was on the way when it broke, and had arrived
@given(
    st.integers(1, 700),
    st.lists(st.tuples(st.integers(0, len(CONTENT)), st.integers(0, len(CONTENT))), max_size=6),
)
def test_from_any_offset_what_follows_it(chunk: int, attempts: list[tuple[int, int]]) -> None:
    """Whatever the target has lost or kept: each time exactly the bytes from there on, and progress counted once."""
    moved: list[int] = []
    feed = Feed(promise(), source(CONTENT, chunk), moved.append)
    first: int | None = None
    for offset, taken in attempts:
        first = offset if first is None else first
        given_away = b""
        for part in (stream := feed.after(offset)):
            given_away += part
            if len(given_away) >= taken:
                break
        stream.close()
        assert given_away == CONTENT[offset : offset + len(given_away)]
    start = attempts[-1][0] if attempts else 0
    assert b"".join(feed.after(start)) == CONTENT[start:]
    assert feed.failure is None
    assert sum(moved) == len(CONTENT) - (start if first is None else first)


@given(st.integers(1, 3_000), st.integers(0, len(CONTENT) - 1))
def test_the_end_of_bad_content_is_withheld(chunk: int, position: int) -> None:
    wrong = bytearray(CONTENT)
    wrong[position] ^= 1
    moved: list[int] = []
    feed, given_away = Feed(promise(), source(bytes(wrong), chunk), moved.append), list[bytes]()
    with pytest.raises(DigestMismatch):
        given_away.extend(feed.after(0))
    assert sum(moved) <= sum(map(len, given_away)) < len(CONTENT)
    assert isinstance(feed.failure, DigestMismatch)


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"!", b""])
def test_too_few_and_too_many(content: bytes) -> None:
    def unchecked(begun: Verification) -> Iterator[bytes]:
        yield from rest((content,), begun)

    for opened in (unchecked, source(content, 100)):
        feed, given_away = Feed(promise(), opened, lambda _: None), list[bytes]()
        with pytest.raises(SizeMismatch):
            given_away.extend(feed.after(0))
        assert sum(map(len, given_away)) < len(CONTENT)


def test_it_goes_on_near_where_it_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source is opened at the nearest known state; of those a bounded number is kept."""
    monkeypatch.setattr(module, "MARKS", 4)
    begun_at: list[int] = []
    feed = Feed(promise(), source(CONTENT, 100, begun_at), lambda _: None)
    assert b"".join(feed.after(0)) == CONTENT
    for offset, expected in ((2_048, 2_048), (1_999, 1_900), (1_950, 1_900), (500, 0)):
        assert b"".join(feed.after(offset)) == CONTENT[offset:]
        assert begun_at[-1] == expected


def test_the_source_is_closed_at_once() -> None:
    """A connection hangs on it."""
    closed: list[bool] = []

    def opened(begun: Verification) -> Iterator[bytes]:
        try:
            yield CONTENT[:100]
            yield CONTENT[100:200]
            yield CONTENT[200:]
        finally:
            closed.append(True)

    stream = Feed(promise(), opened, lambda _: None).after(0)
    assert next(stream) == CONTENT[:100]
    stream.close()
    assert closed == [True]
