"""Offers that are remembered by checksum, beside those kept in passing."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from affineur.errors import DigestMismatch, MalformedDatabase
from affineur.repositories.rpmmd.model import Obsolete, Offer
from affineur.repositories.rpmmd.offers import Offers, OffersKept
from affineur.repositories.rpmmd.primary import READER
from affineur.store import offers as module
from affineur.store.offers import OfferStore

CHECKSUM = "sha256:" + "ab" * 32
OFFERS = [
    Offer("b", "2-1", "x86_64", "b", "2-1", built=datetime(2024, 1, 2, tzinfo=UTC)),
    Offer(
        "a", "1:1-1", "noarch", "s", "1:0-1", "a.rpm", 7, "sha256:1", None, (Obsolete("c", "LT", "2-1"),), "V", ("x",)
    ),
    Offer("b", "1-1", "x86_64", "b", "1-1", built=datetime(2024, 1, 1, tzinfo=UTC)),
    Offer("c", "1-1", "i686", "c", "1-1", obsoletes=(Obsolete("b"), Obsolete("b", "EQ", "1-1"))),
]


def remembered(folder: Path) -> Offers:
    store = OfferStore(folder)
    store.build(CHECKSUM, iter(OFFERS)).close()
    index = store.open(CHECKSUM)
    assert index is not None
    return index


def kept(folder: Path) -> Offers:
    return OffersKept(iter(OFFERS), ["a", "b", "c", "other"])


@pytest.mark.parametrize("make", [remembered, kept])
def test_offers_are_found_by_name_and_by_what_they_obsolete(make: object, tmp_path: Path) -> None:
    offers: Offers = make(tmp_path)  # type: ignore[operator]
    assert (offers.count, offers.newest) == (4, datetime(2024, 1, 2, tzinfo=UTC))
    assert offers.lookup(["b"]) == [OFFERS[0], OFFERS[2], OFFERS[3]]
    assert offers.lookup(["c", "a"]) == [OFFERS[1], OFFERS[3]]
    assert offers.lookup([]) == offers.lookup(["other"]) == []


def test_another_checksum_or_reader_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = OfferStore(tmp_path)
    assert store.open(CHECKSUM) is None
    store.build(CHECKSUM, OFFERS).close()
    assert store.open("sha256:" + "cd" * 32) is None
    monkeypatch.setattr(module, "READER", READER + 1)
    assert store.open(CHECKSUM) is None


def test_nothing_is_remembered_of_content_that_is_not_what_was_promised(tmp_path: Path) -> None:
    def broken() -> Iterator[Offer]:
        yield OFFERS[0]
        raise DigestMismatch("primary.xml", "a", "b")

    store = OfferStore(tmp_path)
    with pytest.raises(DigestMismatch):
        store.build(CHECKSUM, broken())
    assert store.open(CHECKSUM) is None
    assert list(tmp_path.iterdir()) == []


def test_the_checksums_text_is_no_path(tmp_path: Path) -> None:
    OfferStore(tmp_path / "in").build("sha256:../../out", OFFERS).close()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_those_not_used_for_longest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = OfferStore(tmp_path)
    for number in range(3):
        store.build(f"sha256:{number}", OFFERS).close()
    (size,) = {path.stat().st_size for path in tmp_path.iterdir()}
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    used = store.open("sha256:1")
    assert used is not None
    used.close()
    monkeypatch.setattr(module, "BYTES_MAX", 2 * size)
    store.build("sha256:3", OFFERS).close()
    known = [store.open(f"sha256:{number}") is not None for number in range(4)]
    assert known == [False, True, False, True]


def test_a_damaged_index_is_said_to_be(tmp_path: Path) -> None:
    store = OfferStore(tmp_path)
    many = [Offer(f"name-{number}", "1-1", "noarch", "a", "1-1") for number in range(2000)]
    store.build(CHECKSUM, many).close()
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    for at in range(4096, len(content), 4096):
        content[at : at + 64] = b"\xff" * 64
    path.write_bytes(content)
    index = store.open(CHECKSUM)
    if index is not None:
        with pytest.raises(MalformedDatabase):
            index.lookup([offer.name for offer in many])
