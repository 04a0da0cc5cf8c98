"""Values of a BerkeleyDB hash database, as rpm wrote them until 4.16: one header a value, keyed by its number.

The format is that of Berkeley DB's dbinc/db_page.h: pages of one size, a metadata page first. Pages are gone through in
the order of the file, so no chain of buckets is followed; the chains that are (overflow, duplicates) may take each page
once.
"""

import struct
from collections.abc import Iterator

from affineur.errors import LimitExceeded, MalformedDatabase, UnsupportedContent

__all__ = ["is_bdb", "values"]

ENTRIES_MAX = 250_000
"""Of all pages: entries may lie over each other or be deleted, so that the file's size is no bound."""

_HASH_MAGIC = 0x061561
_OTHERS = {0x053162: "btree (of rpm 5, say)", 0x042253: "queue", 0x074582: "heap"}
_META_BYTES = 72
_HEADER_BYTES = 26
_PAGE_MIN, _PAGE_MAX = 512, 65536

_INVALID, _HASH_UNSORTED, _IBTREE, _IRECNO, _LRECNO, _OVERFLOW, _LDUP, _HASH = 0, 2, 3, 4, 6, 7, 12, 13
_KEYDATA, _DUPLICATE, _OFFPAGE, _OFFDUP = 1, 2, 3, 4
_DELETED = 0x80
_DEPTH_MAX = 16
"""Levels of a tree of duplicates; each has at least two children."""
_NEXT_INSTANCE = b"\0\0\0\0"
"""The key under which rpm keeps the next number."""


def is_bdb(content: bytes) -> bool:
    """Whether it is a Berkeley DB of any kind."""
    return len(content) >= 16 and not {
        *struct.unpack_from("<I", content, 12),
        *struct.unpack_from(">I", content, 12),
    }.isdisjoint({_HASH_MAGIC, *_OTHERS})


def values(path: str, content: bytes) -> Iterator[tuple[int, bytes]]:
    """The value of each key but rpm's counter, and the number of the page that names it.

    Raises:
        MalformedDatabase: it breaks its format; the line is a page's number.
        LimitExceeded: more than ENTRIES_MAX.
        UnsupportedContent: another access method, or a database with checksums, encryption or partitions.
    """
    yield from _Hash(path, content).values()


class _Hash:
    def __init__(self, path: str, content: bytes) -> None:
        self._path, self._content = path, content
        self._used: set[int] = set()
        self._entries = self._taken = 0
        if len(content) < _META_BYTES:
            raise MalformedDatabase(path, 0, "no whole metadata page")
        self._order = next(
            (o for o in "<>" if struct.unpack_from(f"{o}I", content, 12)[0] in {_HASH_MAGIC, *_OTHERS}), ""
        )
        if not self._order:
            raise UnsupportedContent(f"/{path} is no Berkeley DB")
        magic, _, self._size = struct.unpack_from(f"{self._order}3I", content, 12)
        if magic != _HASH_MAGIC:
            raise UnsupportedContent(f"/{path} is a Berkeley DB {_OTHERS[magic]}, of which only hash is read")
        encryption, flags = content[24], content[26]
        (last,) = struct.unpack_from(f"{self._order}I", content, 32)
        (parts,) = struct.unpack_from(f"{self._order}I", content, 36)
        for present, what in (
            (encryption, "encryption"),
            (flags & 1, "page checksums"),
            (flags & 2 or parts, "partitions"),
        ):
            if present:
                raise UnsupportedContent(f"/{path} is a Berkeley DB with {what}, which is not read")
        if not _PAGE_MIN <= self._size <= _PAGE_MAX or self._size & (self._size - 1):
            raise MalformedDatabase(path, 0, f"a page size of {self._size}")
        self._count = last + 1
        if self._count * self._size > len(content):
            raise MalformedDatabase(
                path, 0, f"{self._count} pages are promised, {len(content) // self._size} are there"
            )
        self._page_header = struct.Struct(f"{self._order}3IHHBB")
        self._offpage = struct.Struct(f"{self._order}4xII")
        self._short = struct.Struct(f"{self._order}H")

    def values(self) -> Iterator[tuple[int, bytes]]:
        content, size = self._content, self._size
        for number in range(1, self._count):
            if content[number * size + 25] in (_HASH, _HASH_UNSORTED):
                for key, value in self._pairs(number):
                    if key != _NEXT_INSTANCE:
                        yield number, value

    def _pairs(self, number: int) -> Iterator[tuple[bytes, bytes]]:
        items = self._items(number)
        if len(items) % 2:
            raise MalformedDatabase(self._path, number, "a key without a value")
        for key, item in zip(items[::2], items[1::2], strict=True):
            keys = list(self._data(number, key))
            if len(keys) != 1:
                raise MalformedDatabase(self._path, number, "a key that is no one text")
            for value in self._data(number, item):
                yield keys[0], value

    def _header(self, number: int, *kinds: int) -> tuple[int, int, int]:
        """Next page, entries and hf_offset of a page of one of these types."""
        if not 0 < number < self._count:
            raise MalformedDatabase(self._path, number, "a page outside the file")
        found: tuple[int, ...] = self._page_header.unpack_from(self._content, number * self._size + 8)
        own, _, following, entries, offset, _, kind = found
        if own != number or kind not in kinds:
            raise MalformedDatabase(self._path, number, f"a page that says it is number {own}, type {kind}")
        return following, entries, offset

    def _offsets(self, number: int, *kinds: int) -> tuple[int, ...]:
        _, entries, _ = self._header(number, *kinds)
        if _HEADER_BYTES + 2 * entries > self._size:
            raise MalformedDatabase(self._path, number, f"{entries} entries on one page")
        self._entries += entries
        if self._entries > ENTRIES_MAX:
            raise LimitExceeded(f"/{self._path}: more than {ENTRIES_MAX} entries")
        return struct.unpack_from(f"{self._order}{entries}H", self._content, number * self._size + _HEADER_BYTES)

    def _items(self, number: int) -> list[bytes]:
        """Items lie from the page's end down, so each ends where the one before begins."""
        offsets = self._offsets(number, _HASH, _HASH_UNSORTED)
        end, start, items = self._size, number * self._size, []
        lowest = _HEADER_BYTES + 2 * len(offsets)
        for offset in offsets:
            if not lowest <= offset < end:
                raise MalformedDatabase(self._path, number, "an item outside its page, or over another")
            items.append(self._content[start + offset : start + end])
            end = offset
        return items

    def _data(self, number: int, item: bytes) -> Iterator[bytes]:
        kind = item[0]
        if kind == _KEYDATA:
            yield item[1:]
        elif kind == _OFFPAGE and len(item) == 12:
            yield self._overflow(*self._offpage.unpack(item))
        elif kind == _DUPLICATE:
            yield from self._duplicates(number, item)
        elif kind == _OFFDUP and len(item) >= 8:
            yield from self._tree(struct.unpack_from(f"{self._order}I", item, 4)[0], _DEPTH_MAX)
        else:
            raise MalformedDatabase(self._path, number, f"an item of type {kind} and {len(item)} bytes")

    def _duplicates(self, number: int, item: bytes) -> Iterator[bytes]:
        """Several values on the page: length, value, length again."""
        at = 1
        while at < len(item):
            end = at + 2 + (self._short.unpack_from(item, at)[0] if at + 2 <= len(item) else len(item))
            if end + 2 > len(item) or item[at : at + 2] != item[end : end + 2]:
                raise MalformedDatabase(self._path, number, "duplicates that end too early")
            yield item[at + 2 : end]
            at = end + 2

    def _overflow(self, number: int, length: int) -> bytes:
        """Nearly all pages of a database pass here, so they are looked at without a call for each."""
        content, page, unpack, used = self._content, self._size, self._page_header.unpack_from, self._used
        room = page - _HEADER_BYTES
        pieces, missing = [], length
        while missing:
            if number in used or not 0 < number < self._count:
                self._use(number)
                self._header(number, _OVERFLOW)
            used.add(number)
            start = number * page
            own, _, following, _, size, _, kind = unpack(content, start + 8)
            if own != number or kind != _OVERFLOW or not 0 < size <= room or size > missing:
                self._header(number, _OVERFLOW)
                raise MalformedDatabase(
                    self._path, number, f"an overflow page of {size} bytes, where {missing} are missing"
                )
            start += _HEADER_BYTES
            pieces.append(content[start : start + size])
            missing -= size
            number = following
        return b"".join(pieces)

    def _tree(self, number: int, depth: int) -> Iterator[bytes]:
        """Values of one key that fill pages of their own: leaves below as many levels as it takes."""
        self._use(number)
        offsets = self._offsets(number, _LDUP, _LRECNO, _IBTREE, _IRECNO)
        start = number * self._size
        kind = self._content[start + 25]
        if kind in (_LDUP, _LRECNO):
            for offset in offsets:
                yield from self._leaf_item(number, start, offset)
            return
        if not depth:
            raise MalformedDatabase(self._path, number, f"a tree of more than {_DEPTH_MAX} levels")
        where = 0 if kind == _IRECNO else 4
        for offset in offsets:
            if offset + where + 4 > self._size:
                raise MalformedDatabase(self._path, number, "an item outside its page")
            (child,) = struct.unpack_from(f"{self._order}I", self._content, start + offset + where)
            yield from self._tree(child, depth - 1)

    def _leaf_item(self, number: int, start: int, offset: int) -> Iterator[bytes]:
        if offset + 3 > self._size:
            raise MalformedDatabase(self._path, number, "an item outside its page")
        (length,) = self._short.unpack_from(self._content, start + offset)
        kind = self._content[start + offset + 2]
        if kind & _DELETED:
            return
        if kind == _KEYDATA and offset + 3 + length <= self._size:
            self._taken += length
            if self._taken > len(self._content):
                raise MalformedDatabase(self._path, number, "duplicates that lie over each other")
            yield self._content[start + offset + 3 : start + offset + 3 + length]
        elif kind == _OFFPAGE and offset + 12 <= self._size:
            yield self._overflow(*self._offpage.unpack_from(self._content, start + offset))
        else:
            raise MalformedDatabase(self._path, number, f"a duplicate of type {kind} and {length} bytes")

    def _use(self, number: int) -> None:
        if number in self._used:
            raise MalformedDatabase(self._path, number, "a page that is used twice")
        self._used.add(number)
