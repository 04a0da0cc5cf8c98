"""Tables of a SQLite database, read page by page from bytes: rpm's headers in `rpmdb.sqlite`, dnf's history.

Implements https://www.sqlite.org/fileformat2.html § 1.3, 1.5, 1.6, 2.1, 2.6 and 4 as far as the rows of tables need it.
No SQL of the image's is run, so its views, triggers and functions are nothing; each page may be used once, so nothing
loops.
"""

import struct
from collections.abc import Iterator, Mapping

from affineur.errors import LimitExceeded, MalformedDatabase, UnsupportedContent
from affineur.packages.rpm.wal import Committed, committed

__all__ = ["Value", "is_sqlite", "tables", "values"]

Value = int | float | bytes | None
"""Of a column; texts as they are encoded, in UTF-8."""

CELLS_MAX = 250_000
"""Of all pages that are read: cells may be empty, so that the file's size is no bound."""

_MAGIC = b"SQLite format 3\0"
_TABLE = b"packages"
_INTERIOR, _LEAF = 5, 13
_HEADER_BYTES = 100
_LENGTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)
"""Bytes of a column by its serial type (§ 2.1); 10 and 11 are reserved."""


def is_sqlite(content: bytes) -> bool:
    """Whether it is a SQLite database."""
    return content.startswith(_MAGIC)


def values(path: str, content: bytes, journal: bytes = b"") -> Iterator[tuple[int, bytes]]:
    """The blob and the number (hnum) of each row, in the order of the numbers.

    Args:
        journal: what lies beside it as `…-wal`: what was committed there counts (§ 4).

    Raises:
        MalformedDatabase: it breaks its format; the line is a page's number.
        LimitExceeded: more than CELLS_MAX.
        UnsupportedContent: a database in UTF-16.
    """
    pages = _Pages(path, content, committed(journal))
    (root,) = pages.roots(_TABLE)
    for number, row in pages.rows(root):
        yield number, pages.column(row, 1)


def tables(path: str, content: bytes, journal: bytes, *names: str) -> tuple[list[tuple[Value, ...]], ...]:
    """All rows of some tables, in the order of their row numbers; a column that is the row number comes as it.

    Args:
        names: of tables with a row number that are there.

    Raises:
        MalformedDatabase, UnsupportedContent: as `values`; a table that is not there is the first.
    """
    pages = _Pages(path, content, committed(journal))
    roots = pages.roots(*(name.lower().encode() for name in names))
    return tuple([pages.columns(number, row) for number, row in pages.rows(root)] for root in roots)


class _Pages:
    def __init__(self, path: str, content: bytes, journal: Committed | None) -> None:
        self._path = path
        self._content = memoryview(content)
        self._later: Mapping[int, memoryview] = journal.pages if journal else {}
        self._used: set[int] = set()
        self._cells = self._taken = 0
        first = self._later.get(1, self._content)
        if len(first) < _HEADER_BYTES or bytes(first[:16]) != _MAGIC:
            raise MalformedDatabase(path, 1, "no header of a SQLite database")
        (size,) = struct.unpack_from(">H", first, 16)
        self._size = 65536 if size == 1 else size
        self._usable = self._size - first[20]
        if self._size < 512 or self._size & (self._size - 1) or self._usable < 480:
            raise MalformedDatabase(path, 1, f"a page size of {size}, {first[20]} of them reserved")
        changes, promised = struct.unpack_from(">II", first, 24)
        (encoding,) = struct.unpack_from(">I", first, 56)
        (valid_for,) = struct.unpack_from(">I", first, 92)
        if encoding not in (0, 1):
            raise UnsupportedContent(f"/{path} is a SQLite database in UTF-16, which is not read")
        self._count = len(content) // self._size
        if journal:
            if journal.page_size != self._size:
                raise MalformedDatabase(path, 1, "a journal with another page size")
            self._count = journal.page_count
        elif changes == valid_for and promised > self._count:
            raise MalformedDatabase(path, 1, f"{promised} pages are promised, {self._count} are there")

    def roots(self, *names: bytes) -> list[int]:
        """First pages of tables, by the schema table, whose root is page 1 (§ 2.6)."""
        found: dict[bytes, int] = {}
        for _, row in self.rows(1):
            if self.column(row, 0) == b"table":
                found[self.column(row, 1).lower()] = int.from_bytes(self.column(row, 3), "big")
        for name in names:
            if name not in found:
                raise MalformedDatabase(self._path, 1, f"no table {name.decode('utf-8', 'replace').capitalize()}")
        return [found[name] for name in names]

    def rows(self, root: int) -> Iterator[tuple[int, bytes]]:
        """Row numbers and records of a table's tree (§ 1.5), from left to right."""
        pending = [root]
        while pending:
            number = pending.pop()
            page = self._page(number)
            start = _HEADER_BYTES if number == 1 else 0
            kind, cells = page[start], self._u16(page, start + 3)
            pointers = start + (12 if kind == _INTERIOR else 8)
            if kind not in (_INTERIOR, _LEAF) or pointers + 2 * cells > self._usable:
                raise MalformedDatabase(self._path, number, f"no page of a table's tree: type {kind}, {cells} cells")
            self._cells += cells
            if self._cells > CELLS_MAX:
                raise LimitExceeded(f"/{self._path}: more than {CELLS_MAX} cells")
            offsets = struct.unpack_from(f">{cells}H", page, pointers)
            if max(offsets, default=0) + 4 > self._usable:
                raise MalformedDatabase(self._path, number, "a cell outside its page")
            if kind == _INTERIOR:
                children = [*(self._u32(page, offset) for offset in offsets), self._u32(page, start + 8)]
                pending += reversed(children)
                if len(pending) > self._count:
                    raise MalformedDatabase(self._path, number, "more pages than there are")
            else:
                for offset in offsets:
                    yield self._row(number, page, offset)

    def column(self, record: bytes, wanted: int) -> bytes:
        """A column of a record (§ 2.1): texts and blobs as they are, numbers as big-endian bytes, NULL as none."""
        header, at = self._varint(record, 0)
        start, index = header, 0
        while at < header:
            serial, at = self._varint(record, at)
            length = (serial - 12) // 2 if serial >= 12 else _LENGTHS[serial]
            if index == wanted:
                if at > header or start + length > len(record):
                    break
                return b"\1" if serial == 9 else record[start : start + length]
            start, index = start + length, index + 1
        raise MalformedDatabase(self._path, 0, f"a row without column {wanted + 1}")

    def columns(self, number: int, record: bytes) -> tuple[Value, ...]:
        """All columns of a record; an INTEGER PRIMARY KEY stands there as NULL, first, and is the row's number."""
        header, at = self._varint(record, 0)
        start, values = header, list[Value]()
        while at < header:
            serial, at = self._varint(record, at)
            length = (serial - 12) // 2 if serial >= 12 else _LENGTHS[serial]
            part = record[start : start + length]
            if len(part) != length or at > header:
                raise MalformedDatabase(self._path, 0, "a row that ends too early")
            start += length
            if serial >= 12:
                values.append(part)
            elif serial == 7:
                values.append(struct.unpack(">d", part)[0])
            else:
                values.append(
                    None if serial == 0 else int(serial == 9) if not part else int.from_bytes(part, "big", signed=True)
                )
        if values and values[0] is None:
            values[0] = number
        return tuple(values)

    def _row(self, number: int, page: memoryview, offset: int) -> tuple[int, bytes]:
        length, at = self._varint(page, offset)
        row, at = self._varint(page, at)
        usable = self._usable
        local = length
        if length > usable - 35:
            least = (usable - 12) * 32 // 255 - 23
            local = least + (length - least) % (usable - 4)
            if local > usable - 35:
                local = least
        if at + local + (0 if local == length else 4) > usable:
            raise MalformedDatabase(self._path, number, "a cell outside its page")
        self._taken += local
        if self._taken > self._count * self._size:
            raise MalformedDatabase(self._path, number, "cells that lie over each other")
        pieces, missing = [page[at : at + local]], length - local
        if missing > self._count * self._size:
            raise MalformedDatabase(self._path, number, f"a row of {length} bytes")
        following = self._u32(page, at + local) if missing else 0
        while missing:
            page = self._page(following)
            pieces.append(page[4 : min(usable, 4 + missing)])
            missing -= len(pieces[-1])
            following = self._u32(page, 0)
        return row, b"".join(pieces)

    def _page(self, number: int) -> memoryview:
        if not 0 < number <= self._count:
            raise MalformedDatabase(self._path, number, "a page outside the file")
        if number in self._used:
            raise MalformedDatabase(self._path, number, "a page that is used twice")
        if number != 1:
            self._used.add(number)
        later = self._later.get(number)
        if later is not None:
            return later
        page = self._content[(number - 1) * self._size : number * self._size]
        if len(page) != self._size:
            raise MalformedDatabase(self._path, number, "a page that is not all there")
        return page

    def _varint(self, data: bytes | memoryview, at: int) -> tuple[int, int]:
        """A number of at most nine bytes (§ 1.6), and where the next begins."""
        number = 0
        for count in range(9):
            if at >= len(data):
                raise MalformedDatabase(self._path, 0, "a number that does not end")
            byte = data[at]
            at += 1
            if count == 8:
                return number << 8 | byte, at
            number = number << 7 | byte & 0x7F
            if byte < 0x80:
                break
        return number, at

    @staticmethod
    def _u16(page: memoryview, at: int) -> int:
        return page[at] << 8 | page[at + 1]

    @staticmethod
    def _u32(page: memoryview, at: int) -> int:
        return int.from_bytes(page[at : at + 4], "big")
