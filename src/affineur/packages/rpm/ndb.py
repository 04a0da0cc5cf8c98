"""Values of rpm's own "new" database, `Packages.db`, as SUSE has it: one header a blob.

By what rpm 4.16 writes: all numbers little-endian; 32 bytes of header, then slots of 16 bytes that fill the first
pages, then blobs in blocks of 16 bytes, each with a head, padding to its last block, and a tail with the Adler-32 of
what comes before it.
"""

import struct
import zlib
from collections.abc import Iterator

from affineur.errors import LimitExceeded, MalformedDatabase, UnsupportedContent

__all__ = ["is_ndb", "values"]

SLOT_PAGES_MAX = 4_096
"""Pages of slots, 256 on each."""

_MAGIC = b"RpmP"
_PAGE, _BLOCK, _HEAD, _TAIL = 4096, 16, 16, 12
_HEADER = struct.Struct("<4sIIII")
_SLOT = struct.Struct("<4sIII")
_BLOB_TAIL = struct.Struct("<II4s")
_FIRST_SLOT = 32


def is_ndb(content: bytes) -> bool:
    """Whether it is such a file."""
    return content.startswith(_MAGIC)


def values(path: str, content: bytes) -> Iterator[tuple[int, bytes]]:
    """The blob of each used slot, and its package's number, in the order of the slots.

    Raises:
        MalformedDatabase: it breaks its format; the line is a slot's number.
        LimitExceeded: more than SLOT_PAGES_MAX.
        UnsupportedContent: another version of the format.
    """
    if len(content) < _FIRST_SLOT:
        raise MalformedDatabase(path, 0, "no whole header")
    magic, version, _, pages, _ = _HEADER.unpack_from(content)
    if magic != _MAGIC or version != 0:
        raise UnsupportedContent(f"/{path} is no NDB of version 0")
    end = pages * _PAGE
    if not 0 < end <= len(content):
        raise MalformedDatabase(path, 0, f"{pages} pages of slots in {len(content)} bytes")
    if pages > SLOT_PAGES_MAX:
        raise LimitExceeded(f"/{path}: more than {SLOT_PAGES_MAX} pages of slots")
    taken, seen = 0, set[int]()
    for number, (mark, package, block, count) in enumerate(_SLOT.iter_unpack(content[_FIRST_SLOT:end]), 2):
        if mark != b"Slot":
            raise MalformedDatabase(path, number, "a slot without its mark")
        if not package or not block:
            continue
        taken += count * _BLOCK
        if taken > len(content):  # blobs do not share blocks
            raise MalformedDatabase(path, number, "blobs that lie over each other")
        if package in seen:
            raise MalformedDatabase(path, number, f"package number {package} twice")
        seen.add(package)
        yield package, _blob(path, number, content, package, block * _BLOCK, count * _BLOCK, end)


def _blob(path: str, number: int, content: bytes, package: int, start: int, size: int, lowest: int) -> bytes:
    tail = start + size - _TAIL
    if start < lowest or size < _HEAD + _TAIL or start + size > len(content):
        raise MalformedDatabase(path, number, "a blob outside the file")
    mark, owner, _, length = _SLOT.unpack_from(content, start)
    checksum, again, closing = _BLOB_TAIL.unpack_from(content, tail)
    if (mark, owner, closing) != (b"BlbS", package, b"BlbE") or again != length:
        raise MalformedDatabase(path, number, "a blob whose head and tail are not those of its slot")
    if not 0 <= size - _HEAD - _TAIL - length < _BLOCK:
        raise MalformedDatabase(path, number, f"a blob of {length} bytes in {size}")
    if zlib.adler32(memoryview(content)[start:tail]) != checksum:
        raise MalformedDatabase(path, number, "a blob that its checksum does not fit")
    return content[start + _HEAD : start + _HEAD + length]
