"""zchunk: a header that lists chunks, each one zstd frame, all by one dictionary.

Format: https://github.com/zchunk/zchunk, zchunk_format.txt, version 1. Its own checksums are not looked at: repomd.xml
has those of the whole file, packed and unpacked, and they are checked.
"""

import importlib
from collections.abc import Iterator
from typing import Any

from affineur.errors import LimitExceeded, MalformedArchive, UnsupportedContent

__all__ = ["unchunked"]

HEADER_MAX = 32 << 20  # bytes; Fedora's primary has some 20,000 chunks of 40 bytes each
CHUNKS_MAX = 500_000
CHUNK_MAX = 64 << 20  # bytes of one chunk, packed; createrepo_c makes one for each source package
DICTIONARY_MAX = 8 << 20  # bytes, unpacked; Fedora's have 100 kB
PIECE = 512 * 1024

_MAGIC, _DETACHED = b"\0ZCK1", b"\0ZHR1"
_DIGEST_BYTES = {0: 20, 1: 32, 2: 64, 3: 16}  # § Checksum types
_NONE, _ZSTD = 0, 2
_STREAMS, _ELEMENTS, _UNPACKED_DIGESTS = 1, 2, 4  # § Flags
_INTEGER_MAX = 10  # bytes: 63 bits
_TRAINED = b"\x37\xa4\x30\xec"  # RFC 8878 § 5


def unchunked(first: bytes, rest: Iterator[bytes], source: str) -> Iterator[bytes]:
    """Unpack, piece by piece; memory is that of the largest chunk.

    Args:
        first: the file's first bytes; `rest` brings the others.
        source: what it is, for messages only.

    Raises:
        MalformedArchive: it breaks its own format, or ends too early.
        UnsupportedContent: a detached header, or a kind of compression that is not zstd.
        LimitExceeded: larger or more than the limits above.
    """
    incoming = _Bytes(first, rest, source)
    if incoming.take(5) != _MAGIC:
        raise UnsupportedContent(f"{source}: a zchunk header without its data")
    digest = _digest_bytes(incoming.integer(), source)
    size = incoming.integer()
    if size > HEADER_MAX:
        raise LimitExceeded(f"{source}: a zchunk header of {size} bytes")
    incoming.take(digest)
    header = _Bytes(incoming.take(size), iter(()), source)
    compression, chunks = _header(header, digest, source)
    dictionary = b""
    for number, (packed, length) in enumerate(chunks):
        if packed > CHUNK_MAX or (number == 0 and length > DICTIONARY_MAX):
            raise LimitExceeded(f"{source}: a zchunk chunk of {packed} bytes")
        data = incoming.take(packed)
        if number == 0:
            dictionary = b"".join(_chunk(data, length, compression, None, source)) if packed else b""
            known = _dictionary(dictionary, source) if dictionary else None
            continue
        yield from _chunk(data, length, compression, known, source)


def _digest_bytes(kind: int, source: str) -> int:
    if kind not in _DIGEST_BYTES:
        raise UnsupportedContent(f"{source}: zchunk with a checksum of kind {kind}")
    return _DIGEST_BYTES[kind]


def _header(header: "_Bytes", digest: int, source: str) -> tuple[int, list[tuple[int, int]]]:
    """(kind of compression, (bytes packed, bytes unpacked) of the dictionary and each chunk)."""
    header.take(digest)  # of all data
    flags, compression = header.integer(), header.integer()
    if flags & ~(_STREAMS | _ELEMENTS | _UNPACKED_DIGESTS):
        raise UnsupportedContent(f"{source}: zchunk with unknown flags ({flags})")
    if compression not in (_NONE, _ZSTD):
        raise UnsupportedContent(f"{source}: zchunk with a compression of kind {compression}")
    if flags & _ELEMENTS:
        for _ in range(header.integer()):
            header.integer()
            header.take(header.integer())
    header.integer()  # the index's size
    each = _digest_bytes(header.integer(), source) * (2 if flags & _UNPACKED_DIGESTS else 1)
    count = header.integer()
    if not 0 < count <= CHUNKS_MAX:
        raise LimitExceeded(f"{source}: {count} zchunk chunks")
    chunks = []
    for _ in range(count):
        if flags & _STREAMS:
            header.integer()
        header.take(each)
        chunks.append((header.integer(), header.integer()))
    return compression, chunks


def _zstd() -> Any:
    try:
        return importlib.import_module("compression.zstd")
    except ModuleNotFoundError:  # until Python 3.14
        return importlib.import_module("backports.zstd")


def _dictionary(content: bytes, source: str) -> Any:
    zstd = _zstd()
    try:
        return zstd.ZstdDict(content, is_raw=not content.startswith(_TRAINED))
    except (ValueError, zstd.ZstdError) as error:
        raise MalformedArchive(f"{source}: no zstd dictionary: {error}") from error


def _chunk(data: bytes, length: int, compression: int, dictionary: Any, source: str) -> Iterator[bytes]:
    if compression == _NONE:
        if len(data) != length:
            raise MalformedArchive(f"{source}: a zchunk chunk of {len(data)} bytes becomes {length} by no compression")
        yield data
        return
    zstd = _zstd()
    decompressor = zstd.ZstdDecompressor(zstd_dict=dictionary)
    given = 0
    while not decompressor.eof:
        try:
            piece = decompressor.decompress(data, PIECE)
        except zstd.ZstdError as error:
            raise MalformedArchive(f"{source}: a zchunk chunk: {error}") from error
        given += len(piece)
        if given > length or (not piece and decompressor.needs_input):
            break
        data = b""
        yield piece
    if given != length:
        raise MalformedArchive(f"{source}: a zchunk chunk is not of the {length} bytes that it ought to be")


class _Bytes:
    """Takes a number of bytes at a time from chunks of any size."""

    def __init__(self, first: bytes, rest: Iterator[bytes], source: str) -> None:
        self._held, self._at, self._rest, self._source = first, 0, rest, source

    def take(self, count: int) -> bytes:
        if len(self._held) - self._at < count:
            parts = [self._held[self._at :]]
            missing = count - len(parts[0])
            while missing > 0:
                part = next(self._rest, None)
                if part is None:
                    raise MalformedArchive(f"{self._source}: a zchunk file that ends too early")
                parts.append(part)
                missing -= len(part)
            self._held, self._at = b"".join(parts), 0
        found = self._held[self._at : self._at + count]
        self._at += count
        return found

    def integer(self) -> int:
        """§ Compressed integers: seven bits a byte, the lowest first; the last byte has its highest bit set."""
        value = shift = 0
        for _ in range(_INTEGER_MAX):
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            if byte & 0x80:
                return value
            shift += 7
        raise MalformedArchive(f"{self._source}: a number of more than {_INTEGER_MAX} bytes")
