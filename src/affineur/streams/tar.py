"""Tar, read as it streams by: headers only, and the content of those entries that are asked for.

Reads what Go's archive/tar reads, as Go does, since engines unpack layers with it: ustar (POSIX.1-1988), pax
(POSIX.1-2001 § pax Interchange Format), GNU (info tar, § Basic Tar Format), star and v7. One deviation of theirs is
kept on purpose: a pax *global* header is checked but changes no entry.
"""

from collections.abc import Callable, Iterator
from zlib import adler32

from affineur.errors import LimitExceeded, MalformedArchive
from affineur.streams import sparse
from affineur.streams.pax import Records, merge, records

__all__ = ["ENTRIES_MAX", "Archive", "Entry"]

BLOCK = 512
ENTRIES_MAX = 10_000_000
"""Headers in one archive, special ones included."""
SPECIAL_MAX = 1024 * 1024
"""Bytes of one pax header, long name or long link (Go: maxSpecialFileSize)."""

_ZERO = bytes(BLOCK)
_ADLER = 65521
_KINDS = {
    **dict.fromkeys(b"\x007S", "file"),
    ord("0"): "file",
    ord("1"): "hardlink",
    ord("2"): "symlink",
    ord("3"): "other",
    ord("4"): "other",
    ord("5"): "directory",
    ord("6"): "other",
    ord("D"): "directory",
}
_WITHOUT_CONTENT = frozenset(b"123456")
_SPECIAL = frozenset(b"xgLK")


class Entry:
    """One entry, while the archive stands at it.

    Attributes:
        name: as in the archive, bytes, unchecked: it may start with `/` or hold `..`.
        kind: file, directory, symlink, hardlink or other (devices, fifos, unknown types).
        size: bytes of content when read, holes included.
        link: where a link points, as in the archive.
    """

    __slots__ = ("kind", "link", "name", "pax", "size", "sparse")

    def __init__(self, name: bytes, kind: str, size: int, link: bytes) -> None:
        self.name = name
        self.kind = kind
        self.size = size
        self.link = link
        self.pax: Records | None = None
        self.sparse: sparse.Map | None = None

    def __repr__(self) -> str:
        return f"Entry({self.name!r}, {self.kind}, {self.size}, {self.link!r})"


class Archive:
    """A tar stream, read once from start to end.

    Args:
        pieces: the uncompressed archive in pieces of any size.
        source: where it came from, for messages only.
        skip: for an archive in a file: goes past so many bytes of it that `pieces` continues behind them, and returns
            how many of them the file lacks. Without it, pieces are taken and dropped.
    """

    def __init__(self, pieces: Iterator[bytes], source: str, skip: Callable[[int], int] | None = None) -> None:
        self.source = source
        self.seen = 0  # headers read so far
        self._pieces = pieces
        self._skip = skip
        self._buffer = b""
        self._position = 0
        self._left = 0  # bytes of content not yet passed, without padding
        self._padding = 0

    def entries(self, wanted: Callable[[bytes], bool] | None = None) -> Iterator[Entry]:
        """Yield entries in order; content that was not read is passed over without being copied.

        Args:
            wanted: told each name, says whether the entry is to be yielded; all are, if None.

        Raises:
            MalformedArchive: where the archive breaks its format, or ends within an entry. The end mark may be missing.
            LimitExceeded: more than ENTRIES_MAX headers, or a special header of more than SPECIAL_MAX bytes.
        """
        pax: Records | None = None
        long_name: bytes | None = None
        long_link: bytes | None = None
        while (header := self._header()) is not None:
            flag = header[156]
            size = self._size(header)
            if flag in _SPECIAL:
                self._left, self._padding = size, -size % BLOCK
                if size > SPECIAL_MAX:
                    raise LimitExceeded(f"{self.source}: a special header of {size} bytes")
                content = self._take(size)
                if flag == 0x78:  # x
                    pax = self._records(content)
                elif flag == 0x67:  # g: see above
                    self._records(content)
                    pax = long_name = long_link = None
                elif flag == 0x4C:  # L
                    long_name = content.partition(b"\0")[0]
                else:
                    long_link = content.partition(b"\0")[0]
                continue
            name = header[:100].partition(b"\0")[0]
            if header[257:262] == b"ustar" and header[345]:
                name = _prefixed(header, name)
            if pax is None and long_name is None and long_link is None and flag != 0x53:
                if flag in _WITHOUT_CONTENT:
                    size = 0
                self._left, self._padding = size, -size % BLOCK
                if wanted is not None and not wanted(name):
                    continue
                kind = _KINDS.get(flag, "other")
                if flag == 0 and name.endswith(b"/"):
                    kind = "directory"
                yield Entry(name, kind, size, header[157:257].partition(b"\0")[0])
                continue
            entry = self._extended(header, name, size, pax, long_name, long_link)
            pax = long_name = long_link = None
            if wanted is None or wanted(entry.name):
                yield entry

    @property
    def unread(self) -> int:
        """Bytes of the last piece that lie ahead; the content of the entry last yielded starts so far before its end"""
        return len(self._buffer) - self._position

    def start(self, size: int) -> bytes:
        """The first bytes of the entry last yielded, as stored, or all if it has fewer. Called instead of `read`."""
        return self._take(min(size, self._left))

    def read(self, entry: Entry, limit: int) -> bytes:
        """The content of the entry last yielded, holes filled with zeros. To be called once, before going on.

        Raises:
            LimitExceeded: the entry has more than `limit` bytes (they are not read).
            MalformedArchive: the archive ends within them.
        """
        if entry.size > limit or self._left > limit + sparse.MAP_MAX:
            raise LimitExceeded(f"{self.source}: {_shown(entry.name)} has {entry.size} bytes, more than {limit}")
        stored = self._take(self._left)
        if entry.sparse is None and entry.pax is None:
            return stored
        try:
            return sparse.expanded(stored, entry.size, entry.sparse, entry.pax)
        except ValueError as error:
            raise MalformedArchive(f"{self.source}: {_shown(entry.name)}: {error}") from error

    def _extended(
        self,
        header: bytes,
        name: bytes,
        size: int,
        pax: Records | None,
        long_name: bytes | None,
        long_link: bytes | None,
    ) -> Entry:
        """An entry that special headers came before, or an old GNU sparse file."""
        flag = header[156]
        entry = Entry(name, _KINDS.get(flag, "other"), size, header[157:257].partition(b"\0")[0])
        try:
            if pax is not None:
                entry.name, entry.link, entry.size = merge(pax, entry.name, entry.link, entry.size)
            if long_name:
                entry.name = long_name
            if long_link:
                entry.link = long_link
            if flag == 0 and entry.name.endswith(b"/"):
                entry.kind = "directory"
            if flag in _WITHOUT_CONTENT:
                entry.size = 0
            stored = entry.size
            if flag == 0x53:
                entry.sparse, entry.size = sparse.old_gnu(header, self._block)
            elif pax is not None and entry.kind == "file" and sparse.is_sparse(pax):
                entry.pax = pax
                entry.name, entry.size = sparse.pax_name_and_size(pax, entry.name, entry.size)
        except ValueError as error:
            raise MalformedArchive(f"{self.source}: {_shown(entry.name)}: {error}") from error
        self._left, self._padding = stored, -stored % BLOCK
        return entry

    def _header(self) -> bytes | None:
        """The next header, with its checksum checked; None at the archive's end."""
        start = self._position + self._left + self._padding
        end = start + BLOCK
        if end <= len(self._buffer):
            header = self._buffer[start:end]
            self._position = end
        else:
            self._pass()
            header = self._up_to(BLOCK)
        self._left = self._padding = 0
        self.seen += 1
        if self.seen > ENTRIES_MAX:
            raise LimitExceeded(f"{self.source}: more than {ENTRIES_MAX} entries")
        # The low half of Adler-32 is 1 + the sum of all bytes, modulo 65521: a checksum at the speed of C.
        field = header[148:156]
        text = field.strip(b" \0")
        if text.isdigit() and len(header) == BLOCK:
            try:
                promised = int(text, 8)
            except ValueError:
                promised = -1
            if ((adler32(header) & 0xFFFF) - 1 - sum(field) + 256 - promised) % _ADLER == 0:
                return header
        return self._unusual(header)

    def _unusual(self, header: bytes) -> bytes | None:
        if not header:
            return None
        if len(header) == BLOCK:
            if header == _ZERO:
                following = self._up_to(BLOCK)
                if following in (b"", _ZERO):
                    return None
                raise self._fault("a block of zeros, and no end of the archive after it")
            signed = sum(byte - 256 if byte > 127 else byte for byte in header[:148] + b" " * 8 + header[156:])
            if signed == _number(header[148:156]):  # Sun's and other old writers summed signed bytes
                return header
            raise self._fault("a header whose checksum is wrong")
        raise self._fault(f"ends within a header, after {len(header)} bytes of it")

    def _size(self, header: bytes) -> int:
        text = header[124:136].strip(b" \0")
        if text.isdigit():
            try:
                return int(text, 8)
            except ValueError as error:
                raise self._fault(f"{_shown(header[:100].partition(bytes(1))[0])}: no size") from error
        size = _number(header[124:136])
        if size is None or size < 0:
            raise self._fault(f"{_shown(header[:100].partition(bytes(1))[0])}: no size")
        return size

    def _records(self, content: bytes) -> Records:
        try:
            return records(content)
        except ValueError as error:
            raise self._fault(f"a pax header: {error}") from error

    def _block(self) -> bytes:
        block = self._up_to(BLOCK)
        if len(block) != BLOCK:
            raise self._fault("ends within a sparse map")
        return block

    def _take(self, size: int) -> bytes:
        content = self._up_to(size)
        if len(content) != size:
            raise self._fault(f"ends within an entry, {size - len(content)} bytes too early")
        self._left -= size
        return content

    def _up_to(self, size: int) -> bytes:
        """The next `size` bytes, or as many as there are."""
        start, end = self._position, self._position + size
        if end <= len(self._buffer):
            self._position = end
            return self._buffer[start:end]
        parts = [self._buffer[start:]]
        missing = size - len(parts[0])
        self._buffer, self._position = b"", 0
        for piece in self._pieces:
            if missing <= len(piece):
                parts.append(piece[:missing])
                self._buffer, self._position = piece, missing
                break
            parts.append(piece)
            missing -= len(piece)
        return b"".join(parts)

    def _pass(self) -> None:
        """Go past the rest of the content and its padding, of which the archive's last may be missing."""
        beyond = self._left + self._padding - (len(self._buffer) - self._position)
        if beyond <= 0:
            self._position += self._left + self._padding
            return
        self._buffer, self._position = b"", 0
        if self._skip is not None:
            beyond = self._skip(beyond)
        else:
            for piece in self._pieces:
                if beyond <= len(piece):
                    self._buffer, self._position = piece, beyond
                    return
                beyond -= len(piece)
        if beyond > self._padding:
            raise self._fault(f"ends within an entry, {beyond - self._padding} bytes too early")

    def _fault(self, problem: str) -> MalformedArchive:
        return MalformedArchive(f"{self.source}: tar entry {self.seen}: {problem}")


def _prefixed(header: bytes, name: bytes) -> bytes:
    """The name with ustar's prefix field (155 bytes; star: 131) before it. GNU has times in that place."""
    if header[257:265] == b"ustar  \0":
        # Old Go wrote a prefix in GNU headers too (golang.org/issue/12594); its reader knows it by times that are none.
        times = header[345:357], header[357:369]
        if all(not field[0] or _number(field) is not None for field in times):
            return name
        prefix = header[345:500].partition(b"\0")[0]
        return prefix + b"/" + name if prefix.isascii() and prefix else name
    if header[257:263] != b"ustar\0":
        return name
    end = 476 if header[508:512] == b"tar\0" else 500
    return header[345:end].partition(b"\0")[0] + b"/" + name


def _number(field: bytes) -> int | None:
    """A number, octal or (GNU, star) base 256 with the first bit set; None if it is neither. Blank is 0."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False)
        bits = len(field) * 8
        value &= (1 << (bits - 1)) - 1
        if field[0] & 0x40:
            value -= 1 << (bits - 1)
        return value if -(1 << 63) <= value < 1 << 63 else None
    text = field.strip(b" \0").partition(b"\0")[0]
    if not text:
        return 0
    if not text.isdigit():
        return None
    try:
        return int(text, 8)
    except ValueError:
        return None


def _shown(name: bytes) -> str:
    """A name that is fit for a message: printable, one line, not endless."""
    return ascii(name[:200].decode("utf-8", "replace"))
