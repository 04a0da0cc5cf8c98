"""What rpm-md repositories offer, by the checksum of their primary.xml: parsed once, and looked up by name ever after.

One index (store/feeds.py) for each checksum. Content never changes under a checksum, so no index is stale; but most are
not asked again after some weeks, and those not used for longest go when all together pass BYTES_MAX.
"""

import contextlib
import hashlib
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from affineur.errors import MalformedDatabase
from affineur.repositories.rpmmd.model import Offer
from affineur.repositories.rpmmd.primary import READER
from affineur.store.feeds import FeedIndex, FeedMeta, FeedStore

__all__ = ["BYTES_MAX", "OfferIndex", "OfferStore"]

BYTES_MAX = 512 * 1024 * 1024
"""Bytes of all indexes together; one of a repository of 20,000 packages has 13 MB."""


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """An offer, and its place in the repository; below a name that it obsoletes only its own name stands.

    A package may obsolete thousands: with the whole offer below each of them, an index would be as large as their
    number squared.
    """

    place: int
    offer: Offer | None
    name: str = ""


class OfferIndex:
    """One repository's packages, as remembered. Implements repositories.rpmmd.offers.Offers."""

    def __init__(self, index: FeedIndex) -> None:
        self._index = index
        self._decoder = msgspec.msgpack.Decoder(_Entry)
        self.count = index.meta.counts["packages"]
        self.newest = index.meta.newest

    def lookup(self, names: Collection[str]) -> list[Offer]:
        """Find the packages of these names and those that obsolete one of them, in the repository's order.

        Raises:
            MalformedDatabase: the file is damaged.
        """
        found: dict[int, Offer] = {}
        replacing: dict[int, str] = {}
        for entry in self._entries(names):
            if entry.offer is None:
                replacing[entry.place] = entry.name
            else:
                found[entry.place] = entry.offer
        more = {name for place, name in replacing.items() if place not in found}
        for entry in self._entries(more):
            if entry.offer is not None and entry.place in replacing:
                found[entry.place] = entry.offer
        return [found[place] for place in sorted(found)]

    def _entries(self, names: Collection[str]) -> Iterator[_Entry]:
        try:
            for _, body in self._index.entries(names):
                yield self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise MalformedDatabase(self._index.meta.source, 0, str(error)) from error

    def close(self) -> None:
        """Close the file; the index is of no use afterwards."""
        self._index.close()


class OfferStore:
    """All repositories' packages, below one folder of the program's own, made when first needed."""

    def __init__(self, folder: Path) -> None:
        self._store = FeedStore(folder)

    def open(self, checksum: str) -> OfferIndex | None:
        """What is remembered of the primary.xml with this checksum (`sha256:hex`); None if nothing, or unreadable."""
        name = _name(checksum)
        index = self._store.open(name, str(READER))
        if index is None:
            return None
        if index.meta.source != checksum or "packages" not in index.meta.counts:
            index.close()
            return None
        self._store.still_true(name)  # here: it was used just now
        return OfferIndex(index)

    def build(self, checksum: str, offers: Iterable[Offer]) -> OfferIndex:
        """Remember all offers of a primary.xml; other indexes may go to make room.

        Args:
            checksum: of the unpacked document, where repomd.xml says it; otherwise of the file as it lies there.
            offers: read to the end before anything is remembered; what they are read from must raise at the latest
                there if it is not what the checksum says.

        Raises:
            OSError: nothing can be written.
        """
        count = 0
        newest: datetime | None = None

        def entries() -> Iterator[tuple[str, bytes]]:
            nonlocal count, newest
            encode = msgspec.msgpack.Encoder().encode
            for place, offer in enumerate(offers):
                count += 1
                if offer.built is not None and (newest is None or offer.built > newest):
                    newest = offer.built
                yield offer.name, encode(_Entry(place, offer))
                body = encode(_Entry(place, None, offer.name))
                for name in {obsolete.name for obsolete in offer.obsoletes} - {offer.name}:
                    yield name, body

        def about() -> FeedMeta:
            return FeedMeta(
                source=checksum,
                etag="",
                retrieved=datetime.now(UTC),
                digest=checksum,
                version=str(READER),
                counts={"packages": count},
                newest=newest,
            )

        index = self._store.build(_name(checksum), entries(), about)
        self._make_room(keep=_name(checksum))
        return OfferIndex(index)

    def _make_room(self, keep: str) -> None:
        seen = []
        for path in self._store.folder.glob("*.sqlite"):
            with contextlib.suppress(OSError):
                state = path.stat()
                seen.append((state.st_mtime, state.st_size, path))
        total = sum(size for _, size, _ in seen)
        for _, size, path in sorted(seen, key=lambda each: each[0]):
            if total <= BYTES_MAX:
                return
            if path.stem != keep:
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size


def _name(checksum: str) -> str:
    """A file's name: a repository chooses the checksum's text, so that is not one."""
    return hashlib.sha256(checksum.encode(errors="surrogatepass")).hexdigest()[:40]
