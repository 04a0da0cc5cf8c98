from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import DigestMismatch, MalformedDocument, SizeMismatch, UnsupportedContent
from affineur.oci.blob import Verification, rest, verified
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest


def promise(content: bytes, size: int | None = None) -> Descriptor:
    return Descriptor("application/octet-stream", Digest.of(content), len(content) if size is None else size)


@given(st.lists(st.binary(max_size=20)))
def test_passes_through_what_was_promised(chunks: list[bytes]) -> None:
    assert list(verified(chunks, promise(b"".join(chunks)), "x")) == chunks


def test_one_byte_missing() -> None:
    with pytest.raises(SizeMismatch):
        list(verified([b"ab"], promise(b"abc"), "x"))


def test_other_bytes() -> None:
    with pytest.raises(DigestMismatch):
        list(verified([b"abd"], promise(b"abc"), "x"))


def test_an_endless_blob_is_left_at_the_first_byte_too_many() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 10

    with pytest.raises(SizeMismatch):
        list(verified(endless(), promise(b"x" * 25), "x"))
    assert taken == 3


def test_what_cannot_be_verified_is_not_asked_for() -> None:
    unknown = Descriptor("a/b", Digest("blake3:" + "0" * 64), 3)
    with pytest.raises(UnsupportedContent):
        next(verified(iter(()), unknown, "x"))


def test_embedded_data_is_held_to_its_own_descriptor() -> None:
    assert Descriptor("a/b", Digest.of(b"{}"), 2, data="e30=").embedded() == b"{}"
    for data in ("e30", "W10=", "e30=e30=", "!!!!"):
        with pytest.raises(MalformedDocument):
            Descriptor("a/b", Digest.of(b"{}"), 2, data=data).embedded()


@given(st.lists(st.binary(max_size=20), min_size=1), st.data())
def test_a_check_goes_on_from_any_copy_of_it(chunks: list[bytes], data: st.DataObject) -> None:
    content = b"".join(chunks)
    verification = Verification(promise(content))
    states = [verification.copy()]
    states.extend(verification.copy() for _ in verified(chunks, verification, "x"))
    begun = data.draw(st.sampled_from(states)).copy()
    start = begun.received
    assert b"".join(verified(rest(chunks, begun), begun, "x")) == content[start:]


def test_a_check_that_goes_on_minds_other_bytes() -> None:
    begun = Verification(promise(b"abcdef"))
    begun.take(b"abc", "x")
    with pytest.raises(DigestMismatch):
        list(verified([b"deg"], begun.copy(), "x"))
    with pytest.raises(SizeMismatch):
        list(verified([b"defg"], begun.copy(), "x"))
    with pytest.raises(SizeMismatch):
        list(verified([b"de"], begun.copy(), "x"))
    assert list(verified([b"def"], begun, "x")) == [b"def"]
