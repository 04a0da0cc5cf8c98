"""rpm's header: what a database keeps of one package, as tags and their values.

Format: docs/manual/format_header.md and format_v4.md of rpm. Two big-endian counts, an index of 16 bytes an entry, then
the data that it points into. In a database no magic stands before it. Of a tag that stands there twice the last counts:
what rpm adds at installation (time, signatures) comes after the header as it was signed.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from affineur.errors import LimitExceeded, MalformedDatabase

__all__ = ["File", "Header", "files"]

ENTRIES_MAX = 65_535
"""As rpm has it (HEADER_TAGS_MAX)."""
FILES_MAX = 500_000
"""Of one package; the kernel's sources have 60,000."""

_COUNTS = struct.Struct(">II")
_ENTRY = struct.Struct(">IIII")

_INT16, _INT32, _INT64, _STRING, _BINARY, _STRINGS, _TRANSLATED = 3, 4, 5, 6, 7, 8, 9
_NUMBERS = {_INT16: ("H", 2), _INT32: ("I", 4), _INT64: ("Q", 8)}

_FILE_SIZES, _FILE_MODES, _FILE_DIGESTS, _FILE_LINKS, _FILE_FLAGS = 1028, 1030, 1035, 1036, 1037
_OLD_NAMES, _FOLDER_OF, _BASE_NAMES, _FOLDERS = 1027, 1116, 1117, 1118
_LONG_FILE_SIZES, _DIGEST_ALGORITHM = 5008, 5011
_ALGORITHMS = {
    1: "md5",
    2: "sha1",
    8: "sha256",
    9: "sha384",
    10: "sha512",
    11: "sha224",
    12: "sha3-256",
    14: "sha3-512",
}
"""RFC 4880 § 9.4 and RFC 9580 § 9.5, as FILEDIGESTALGO has them; MD5 where it is absent."""


class Header:
    """One header, its values looked up when they are asked for."""

    __slots__ = ("_data", "_entries", "_number", "_path", "_start")

    def __init__(self, path: str, number: int, data: bytes) -> None:
        """Read the index.

        Args:
            path, number: where it stands, for errors: the line is the number.

        Raises:
            MalformedDatabase: counts that are not those of the data, or an entry that points out of it.
        """
        if len(data) < _COUNTS.size:
            raise MalformedDatabase(path, number, "a header without its counts")
        entries, length = _COUNTS.unpack_from(data)
        start = _COUNTS.size + entries * _ENTRY.size
        if not 0 < entries <= ENTRIES_MAX or start + length != len(data):
            raise MalformedDatabase(
                path, number, f"a header of {entries} entries, {length} and in all {len(data)} bytes"
            )
        self._path, self._number, self._data, self._start = path, number, data, start
        self._entries = {
            tag: (kind, offset, count)
            for tag, kind, offset, count in _ENTRY.iter_unpack(memoryview(data)[_COUNTS.size : start])
        }

    def text(self, tag: int) -> str:
        """A text, or the first of several; empty where the tag is absent. What is no UTF-8 comes as U+FFFD."""
        entry = self._entries.get(tag)
        if entry is None:
            return ""
        kind, offset, count = entry
        if kind not in (_STRING, _STRINGS, _TRANSLATED) or not count:
            raise self._broken(tag)
        return self._texts(tag, offset, 1)[0].decode("utf-8", "replace")

    def texts(self, tag: int) -> list[bytes]:
        """All texts of an array; none where the tag is absent."""
        entry = self._entries.get(tag)
        if entry is None:
            return []
        kind, offset, count = entry
        if kind not in (_STRING, _STRINGS, _TRANSLATED):
            raise self._broken(tag)
        return self._texts(tag, offset, count)

    def number(self, tag: int) -> int | None:
        """The first number; None where the tag is absent."""
        numbers = self.numbers(tag, 1)
        return numbers[0] if numbers else None

    def numbers(self, tag: int, at_most: int | None = None) -> tuple[int, ...]:
        """Numbers without a sign, of 16, 32 or 64 bits; none where the tag is absent."""
        entry = self._entries.get(tag)
        if entry is None:
            return ()
        kind, offset, count = entry
        if kind not in _NUMBERS or not count:
            raise self._broken(tag)
        letter, size = _NUMBERS[kind]
        start = self._start + offset
        if start + count * size > len(self._data):
            raise self._broken(tag)
        count = count if at_most is None else min(count, at_most)
        return struct.unpack_from(f">{count}{letter}", self._data, start)

    def binary(self, tag: int) -> bytes:
        """Bytes; none where the tag is absent."""
        entry = self._entries.get(tag)
        if entry is None:
            return b""
        kind, offset, count = entry
        start = self._start + offset
        if kind != _BINARY or start + count > len(self._data):
            raise self._broken(tag)
        return self._data[start : start + count]

    def _texts(self, tag: int, offset: int, count: int) -> list[bytes]:
        start = self._start + offset
        if offset >= len(self._data) or count > len(self._data):
            raise self._broken(tag)
        if count == 1:
            end = self._data.find(b"\0", start)
            if end < 0:
                raise self._broken(tag)
            return [self._data[start:end]]
        found = self._data[start:].split(b"\0", count)
        if len(found) <= count:
            raise self._broken(tag)
        return found[:count]

    def _broken(self, tag: int) -> MalformedDatabase:
        return MalformedDatabase(
            self._path, self._number, f"a header whose tag {tag} is of another type, or runs out of it"
        )

    def broken(self, problem: str) -> MalformedDatabase:
        """An error that names the header."""
        return MalformedDatabase(self._path, self._number, problem)


class File(NamedTuple):
    """A file that a package owns.

    Attributes:
        path: absolute, as rpm has it; bytes that are no UTF-8 come as surrogates (PEP 383).
        digest: `sha256:…`; empty for what has none: folders, links, ghosts.
        mode: st_mode; the type of the file is in it.
        flags: rpm's, such as 1 for configuration, 2 for documentation, 64 for a ghost, which rpm does not install.
        link: target of a symbolic link, as it stands.
    """

    path: str
    digest: str
    mode: int
    size: int
    flags: int
    link: str


def files(header: Header) -> Iterator[File]:
    """The files of a package, in the header's order.

    Raises:
        MalformedDatabase: lists of different lengths.
        LimitExceeded: more than FILES_MAX.
    """
    names = header.texts(_BASE_NAMES)
    folders, folder_of = header.texts(_FOLDERS), header.numbers(_FOLDER_OF)
    if names:
        if len(folder_of) != len(names) or max(folder_of) >= len(folders):
            raise header.broken("files that are in no folder")
        paths = [folders[folder] + name for folder, name in zip(folder_of, names, strict=True)]
    else:
        paths = header.texts(_OLD_NAMES)
    if len(paths) > FILES_MAX:
        raise LimitExceeded(f"a package of more than {FILES_MAX} files")
    algorithm = header.number(_DIGEST_ALGORITHM)
    prefix = _ALGORITHMS.get(1 if algorithm is None else algorithm, f"algorithm-{algorithm}")
    nothing = [b""] * len(paths)
    columns = (
        header.texts(_FILE_DIGESTS) or nothing,
        header.numbers(_FILE_MODES) or (0,) * len(paths),
        header.numbers(_FILE_SIZES) or header.numbers(_LONG_FILE_SIZES) or (0,) * len(paths),
        header.numbers(_FILE_FLAGS) or (0,) * len(paths),
        header.texts(_FILE_LINKS) or nothing,
    )
    if any(len(column) != len(paths) for column in columns):
        raise header.broken("lists of files of different lengths")
    for path, digest, mode, size, flags, link in zip(paths, *columns, strict=True):
        yield File(
            _path(path),
            f"{prefix}:{digest.decode('ascii', 'replace')}" if digest else "",
            mode,
            size,
            flags,
            _path(link),
        )


def _path(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
