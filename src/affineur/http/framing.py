"""Where an answer's body ends: RFC 9112 § 6 and § 7.1, to the letter.

http.client reads the number of a chunk as Python's `int` does (`-1`, `+5`, `1_0`), the first of two lengths, and
trailers without end. Two readers that disagree about the end of an answer are how one answer becomes two.
"""

from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from http.client import HTTPException, HTTPMessage, IncompleteRead
from io import BufferedReader

__all__ = ["BadFraming", "Chunked", "is_chunked"]

MAX_CHUNK_LINE = 1024
"""Bytes, extensions included."""
MAX_ASIDE = 64 * 1024
"""Bytes of extensions and trailers of one body: nobody needs them."""

MAX_DIGITS = 15
"""Of a length: nothing is that long."""

_HEXADECIMAL = frozenset(b"0123456789ABCDEFabcdef")
_BROKEN = (MissingHeaderBodySeparatorDefect, FirstHeaderLineIsContinuationDefect)


class BadFraming(HTTPException):
    """The answer's end cannot be told, or not without guessing."""


def is_chunked(headers: HTTPMessage) -> bool:
    """Whether a body comes in chunks; without them its length, if any, can be relied on.

    Raises BadFraming for headers that are read differently by different readers: two lengths, a length that is no
    number, an encoding other than chunked, a line that is no header.
    """
    if any(isinstance(defect, _BROKEN) for defect in headers.defects):
        raise BadFraming("a line among its headers is none")
    lengths = {value.strip() for value in headers.get_all("Content-Length", [])}
    if len(lengths) > 1:
        raise BadFraming("it states two lengths")
    if any(not (length.isascii() and length.isdigit() and len(length) <= MAX_DIGITS) for length in lengths):
        raise BadFraming(f"its Content-Length is no number: {min(lengths)[:40]!r}")
    codings = headers.get_all("Transfer-Encoding", [])
    if codings and [value.strip().lower() for value in codings] != ["chunked"]:
        raise BadFraming(f"its Transfer-Encoding is not just chunked: {', '.join(codings)[:80]!r}")
    return bool(codings)


class Chunked:
    """A body in chunks (RFC 9112 § 7.1). Attributes: finished: whether its last byte has been read."""

    def __init__(self, lines: BufferedReader) -> None:
        self._lines = lines
        self._left = 0  # of the chunk at hand
        self._began = False
        self._aside = 0
        self.finished = False

    def read1(self, limit: int) -> bytes:
        """What is there of the chunk at hand, at most `limit` bytes; b"" at the body's end.

        Raises BadFraming, IncompleteRead, OSError.
        """
        if not self._left and not self._next():
            return b""
        part = self._lines.read1(min(limit, self._left))
        if not part:
            raise IncompleteRead(b"", self._left)
        self._left -= len(part)
        return part

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the body's end. Raises as `read1`."""
        parts = []
        while size:
            part = self.read1(size)
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _next(self) -> bool:
        """Begin the next chunk; False where there is none."""
        if self.finished:
            return False
        if self._began and self._lines.readline(3) not in (b"\r\n", b"\n"):
            raise BadFraming("a chunk is longer than it said")
        self._began = True
        line = self._line()
        number = line.partition(b";")[0].rstrip(b" \t\r\n")
        if not 0 < len(number) <= MAX_DIGITS or not _HEXADECIMAL.issuperset(number):
            raise BadFraming(f"a chunk's length is no number: {line[:40]!r}")
        self._left = int(number, 16)
        self._set_aside(len(line) - len(number) - 2)
        if self._left:
            return True
        while (trailer := self._line()) not in (b"\r\n", b"\n"):
            self._set_aside(len(trailer))
        self.finished = True
        return False

    def _line(self) -> bytes:
        line = self._lines.readline(MAX_CHUNK_LINE + 1)
        if not line:
            raise IncompleteRead(b"")
        if not line.endswith(b"\n"):
            raise BadFraming("a chunk's first line has no end")
        return line

    def _set_aside(self, count: int) -> None:
        self._aside += count
        if self._aside > MAX_ASIDE:
            raise BadFraming(f"more than {MAX_ASIDE} bytes of extensions and trailers")
