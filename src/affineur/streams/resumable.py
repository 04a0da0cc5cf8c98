"""gzip that can be unpacked again from points on its way, without what lies before them.

For archives in a file, of which single members are wanted: zlib lets the state of its decompressor be copied (some 40
KB, its window), which the faster libraries do not. RFC 1952; many members of gzip are one stream, as gzip(1) has it.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from affineur.errors import LimitExceeded, MalformedArchive
from affineur.streams.decompress import MEMBERS_MAX, RATIO_FREE, RATIO_MAX, UNPACKED_MAX

__all__ = ["Point", "Unpacking"]

PIECE = 32 * 1024
"""Bytes given out at once; a point holds no more than one such piece of input."""
_GZIP = 31  # zlib's manual, inflateInit2: windowBits of 15, and 16 for a gzip header


class Point(NamedTuple):
    """Where unpacking can go on: the state of everything that counts."""

    inflating: Any
    pending: bytes
    at: int
    given: int
    members: int


class Unpacking:
    """One pass over a gzip stream, from its start or from a point of an earlier pass.

    Attributes:
        given: bytes unpacked so far, those before the point included.
    """

    def __init__(self, read: Callable[[int, int], bytes], source: str, point: Point | None = None) -> None:
        """Args: read: given a size and an offset, returns so many bytes of the file, fewer at its end."""
        self._read, self._source = read, source
        self._inflating: Any = None
        self._pending = b""
        self._at = self._members = self.given = 0
        if point is not None:
            self._inflating = point.inflating.copy() if point.inflating is not None else None
            self._pending, self._at, self.given, self._members = point[1:]

    def point(self) -> Point:
        """Where the next piece will begin."""
        copied = self._inflating.copy() if self._inflating is not None else None
        return Point(copied, self._pending, self._at, self.given, self._members)

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of at most PIECE bytes.

        Raises:
            MalformedArchive: the stream breaks its format, or ends too early.
            LimitExceeded: as for layers (`streams.decompress`).
        """
        while self._pending or self._filled():
            if self._inflating is None:
                self._pending = self._pending.lstrip(b"\0")  # padding between or after members: gzip(1)
                if not self._pending:
                    continue
                self._members += 1
                self._inflating = zlib.decompressobj(_GZIP)
            try:
                piece = self._inflating.decompress(self._pending, PIECE)
            except zlib.error as error:
                raise MalformedArchive(f"{self._source}: gzip: {error}") from error
            if self._inflating.eof:
                self._pending, self._inflating = self._inflating.unused_data, None
            else:
                self._pending = self._inflating.unconsumed_tail
            self.given += len(piece)
            self._bound()
            if piece:
                yield piece
        if self._inflating is not None:
            raise MalformedArchive(f"{self._source}: gzip: the stream ends too early, after {self._at} bytes")

    def _filled(self) -> bool:
        self._pending = self._read(PIECE, self._at)
        self._at += len(self._pending)
        return bool(self._pending)

    def _bound(self) -> None:
        taken = self._at - len(self._pending)
        if self.given > UNPACKED_MAX or (self.given > RATIO_FREE and self.given > RATIO_MAX * taken):
            raise LimitExceeded(f"{self._source}: {taken} bytes become more than {self.given}; not unpacked further")
        if self._members > MEMBERS_MAX:
            raise LimitExceeded(f"{self._source}: more than {MEMBERS_MAX} members of gzip")
