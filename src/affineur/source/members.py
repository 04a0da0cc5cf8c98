"""The members of a tar archive that the user named, read where they are: nothing is unpacked to disk.

One pass over the headers finds every member and where it begins; in a plain archive content is passed over by seeking.
An archive compressed with gzip is unpacked for that, and points are noted from which each member can be unpacked again.
Other compressions know no such points, and are refused: every member would mean unpacking all before it anew.
Links are followed inside the archive only, by name.
"""

import os
import posixpath
from collections.abc import Callable, Iterator
from threading import Lock

from affineur.errors import LimitExceeded, MalformedArchive, SourceError, UnsupportedContent
from affineur.source.files import CHUNK_BYTES, Missing, opened
from affineur.streams.decompress import compression_of
from affineur.streams.resumable import Point, Unpacking
from affineur.streams.tar import Archive, Entry

__all__ = ["Members"]

MEMBERS_MAX = 100_000
"""Members of one archive; an image has some dozens, and each is held in memory."""
NAME_MAX = 256
"""Bytes of a name; members with longer ones are passed over, since nothing asks for them."""
LINKS_MAX = 8
"""Links followed for one member."""
KEPT_MAX = 1024 * 1024
"""Bytes of a member of a compressed archive that is kept from the first pass."""
KEPT_TOGETHER_MAX = 16 * 1024 * 1024
POINTS_MAX = 512
"""Further members of a compressed archive that can be reached; each takes some 100 KB of memory."""
START_BYTES = 6
"""Enough to tell how a member is compressed."""
HEADER_BYTES = 4096
"""Read at once while looking for headers: a header, and often the next."""


class _Member:
    __slots__ = ("content", "kind", "link", "offset", "point", "size", "start", "twice")

    def __init__(self, kind: str, size: int, link: str, offset: int) -> None:
        self.kind = kind
        self.size = size
        self.link = link
        self.offset = offset  # of its content, in the uncompressed archive
        self.content: bytes | None = None  # of a small member of a compressed archive
        self.start = b""  # of a larger one: what comes before its point
        self.point: Point | None = None
        self.twice = False


class Members:
    """See `Files` for the contract. The archive is opened anew for each member, so threads do not meet."""

    def __init__(self, path: str) -> None:
        """Nothing is opened yet."""
        self.path = path
        self._lock = Lock()
        self._found: dict[str, _Member] | None = None
        self._compressed = False

    def size(self, name: str) -> int:
        """See `Files`."""
        return self._member(name).size

    def start(self, name: str) -> bytes:
        """A member's first bytes, START_BYTES of them where it has so many. Raises as `size`."""
        member = self._member(name)
        if member.content is not None:
            return member.content[:START_BYTES]
        return (member.start or next(self.chunks(name), b""))[:START_BYTES]

    def chunks(self, name: str) -> Iterator[bytes]:
        """See `Files`."""
        member = self._member(name)
        if member.content is not None:
            yield member.content
            return
        file = opened(self.path, folder=False)
        try:
            if not self._compressed:
                yield from self._exactly(_read_from(file, member.offset, self.path), member.size, name)
            elif member.point is None:
                raise UnsupportedContent(
                    f"{self.path}: it has more than {POINTS_MAX} members of more than {KEPT_MAX} bytes, too many to"
                    " read it compressed; unpack it first: gunzip -k"
                )
            else:
                yield member.start
                unpacked = iter(Unpacking(_reading(file, self.path), self.path, member.point))
                yield from self._exactly(unpacked, member.size - len(member.start), name)
        finally:
            os.close(file)

    def _exactly(self, chunks: Iterator[bytes], size: int, name: str) -> Iterator[bytes]:
        left = size
        if not left:
            return
        for chunk in chunks:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return
        raise MalformedArchive(f"{self.path}: ends within {name}, {left} bytes too early")

    def _member(self, name: str) -> _Member:
        """The regular file of that name, behind any links."""
        found = self._members()
        at = name
        for _ in range(LINKS_MAX):
            member = found.get(at)
            if member is None:
                via = f" ({name} is a link to it)" if at != name else ""
                raise Missing(f"{self.path}: there is no member {at[:200]}{via}")
            if member.twice:
                raise MalformedArchive(f"{self.path}: {at} is in the archive twice; programs differ in which they read")
            if member.kind == "file":
                return member
            if member.kind == "hardlink":
                at = _normal(member.link)
            elif member.kind == "symlink":
                at = _normal(posixpath.join(posixpath.dirname(at), member.link))
            else:
                raise UnsupportedContent(f"{self.path}: {at} is a {member.kind}, not a file")
        raise UnsupportedContent(f"{self.path}: {name} is behind more than {LINKS_MAX} links")

    def _members(self) -> dict[str, _Member]:
        with self._lock:
            if self._found is None:
                self._found = self._listed()
            return self._found

    def _listed(self) -> dict[str, _Member]:
        file = opened(self.path, folder=False)
        try:
            read = _reading(file, self.path)
            compression = compression_of(read(6, 0))
            if compression not in ("plain", "gzip"):
                raise UnsupportedContent(
                    f"{self.path} is compressed with {compression}, in which no member can be reached without unpacking"
                    f" all before it; unpack it first: {_UNPACK[compression]} {self.path}"
                )
            self._compressed = compression == "gzip"
            if self._compressed:
                unpacking = Unpacking(read, self.path)
                return _found_in(Archive(iter(unpacking), self.path), unpacking, _Keeping(unpacking).keep)
            size = os.fstat(file).st_size
            seeking = _Seeking(read, size)

            def complete(member: _Member, entry: Entry, _: Archive) -> None:
                if missing := max(0, member.offset + entry.size - size):
                    raise MalformedArchive(f"{self.path}: ends within {_shown(entry)}, {missing} bytes too early")

            return _found_in(Archive(iter(seeking), self.path, seeking.skip), seeking, complete)
        finally:
            os.close(file)


_UNPACK = {"xz": "xz -dk", "zstd": "zstd -dk", "bzip2": "bzip2 -dk"}


def _found_in(
    archive: Archive, reading: "_Seeking | Unpacking", look: Callable[[_Member, Entry, Archive], None]
) -> dict[str, _Member]:
    """Every member by its name. Args: look: is shown each regular file while the archive stands at it."""
    found: dict[str, _Member] = {}
    for count, entry in enumerate(_entries(archive), 1):
        if count > MEMBERS_MAX:
            raise LimitExceeded(f"{archive.source}: more than {MEMBERS_MAX} members")
        if len(entry.name) > NAME_MAX or len(entry.link) > NAME_MAX or entry.kind == "directory":
            continue
        name, link = (text.decode("utf-8", "replace") for text in (entry.name, entry.link))
        member = _Member(_kind(entry), entry.size, link, reading.given - archive.unread)
        known = found.setdefault(_normal(name), member)
        if known is not member:
            known.twice = True
        elif member.kind == "file":
            look(member, entry, archive)
    return found


class _Keeping:
    """What is kept of the files of a compressed archive while it is unpacked for the first time."""

    def __init__(self, unpacking: Unpacking) -> None:
        self._unpacking = unpacking
        self._bytes = self._points = 0

    def keep(self, member: _Member, entry: Entry, archive: Archive) -> None:
        """The content of a small one, of another its first bytes and where those that follow are unpacked."""
        if entry.size <= min(KEPT_MAX, KEPT_TOGETHER_MAX - self._bytes):
            member.content = archive.read(entry, KEPT_MAX)
            self._bytes += len(member.content)
        elif self._points < POINTS_MAX:
            self._points += 1
            member.start = archive.start(START_BYTES)
            member.start += archive.start(archive.unread)  # to the end of the piece, where the point is
            member.point = self._unpacking.point()


def _entries(archive: Archive) -> Iterator[Entry]:
    try:
        yield from archive.entries()
    except MalformedArchive as problem:
        if archive.seen > 1:
            raise
        raise MalformedArchive(f"{archive.source} is no tar archive: its first header is none") from problem


class _Seeking:
    """A plain archive: pieces for headers, and seeking in between."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self.given = 0  # where in the file the next piece begins
        self._read, self._size = read, size

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._read(HEADER_BYTES, self.given):
            self.given += len(piece)
            yield piece

    def skip(self, count: int) -> int:
        """See `Archive`."""
        missing = max(0, self.given + count - self._size)
        self.given = min(self.given + count, self._size)
        return missing


def _reading(file: int, path: str) -> Callable[[int, int], bytes]:
    """A function that reads so many bytes from a place in the file. It raises SourceError."""

    def read(size: int, offset: int) -> bytes:
        try:
            return os.pread(file, size, offset)
        except OSError as problem:
            raise SourceError(f"{path}: {problem.strerror or problem}") from problem

    return read


def _read_from(file: int, offset: int, path: str) -> Iterator[bytes]:
    read = _reading(file, path)
    while chunk := read(CHUNK_BYTES, offset):
        offset += len(chunk)
        yield chunk


def _shown(entry: Entry) -> str:
    return ascii(entry.name[:NAME_MAX].decode("utf-8", "replace"))


def _kind(entry: Entry) -> str:
    if entry.kind == "file" and (entry.sparse is not None or entry.pax is not None):
        return "sparse file"
    return entry.kind if entry.kind in ("file", "hardlink", "symlink") else "special file"


def _normal(name: str) -> str:
    """One spelling of a path; what climbs out of the archive keeps its `..`, and so is never found."""
    return posixpath.normpath(name.removeprefix("/"))
