"""A SQLite write-ahead log: pages that were committed and not yet written into the database.

https://www.sqlite.org/fileformat2.html § 4. Frames count up to the last one that ends a transaction; the first whose
salt or checksum does not fit is the end of the log, as it is to SQLite: what an earlier use of the file left lies
behind it.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["JOURNAL_MAX", "Committed", "committed"]

JOURNAL_MAX = 64 * 1024 * 1024
"""Bytes; SQLite writes a log back at some 4 MiB."""

_LITTLE, _BIG = 0x377F0682, 0x377F0683
_VERSION = 3007000
_HEADER, _FRAME = struct.Struct(">8I"), struct.Struct(">6I")


class Committed(NamedTuple):
    """What counts of a log.

    Attributes:
        pages: number, 1 = first, to content.
        page_count: of the database after the last transaction.
    """

    page_size: int
    page_count: int
    pages: Mapping[int, memoryview]


def committed(journal: bytes) -> Committed | None:
    """The committed pages; None where there are none, as in an empty log or one whose header does not hold."""
    if len(journal) < _HEADER.size:
        return None
    magic, version, size, _, salt, pepper, *sums = _HEADER.unpack_from(journal)
    if magic not in (_LITTLE, _BIG) or version != _VERSION or size & (size - 1) or not 512 <= size <= 65536:
        return None
    order = "<" if magic == _LITTLE else ">"
    whole = memoryview(journal)
    checksum = _summed((0, 0), whole[:24], order)
    if checksum != tuple(sums):
        return None
    pages: dict[int, memoryview] = {}
    pending: dict[int, memoryview] = {}
    count = 0
    for at in range(_HEADER.size, len(journal) - _FRAME.size - size + 1, _FRAME.size + size):
        number, after, own_salt, own_pepper, *sums = _FRAME.unpack_from(journal, at)
        page = whole[at + _FRAME.size : at + _FRAME.size + size]
        checksum = _summed(_summed(checksum, whole[at : at + 8], order), page, order)
        if (own_salt, own_pepper) != (salt, pepper) or checksum != tuple(sums) or not number:
            break
        pending[number] = page
        if after:
            pages |= pending
            pending, count = {}, after
    return Committed(size, count, pages) if count else None


def _summed(start: tuple[int, int], data: memoryview, order: str) -> tuple[int, int]:
    """§ 4.2: over pairs of 32-bit numbers."""
    first, second = start
    for one, other in struct.iter_unpack(f"{order}II", data):
        first = first + one + second & 0xFFFFFFFF
        second = second + other + first & 0xFFFFFFFF
    return first, second
