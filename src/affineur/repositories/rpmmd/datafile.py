"""One data file on its way: exactly the promised bytes, unpacked, and those again exactly what was promised.

The answer is known only at the end: nothing may be concluded from a file that was not read to its end.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator

from affineur.errors import ContentError, DigestMismatch, LimitExceeded, SizeMismatch
from affineur.repositories.rpmmd.model import DataFile
from affineur.streams.decompress import decompressed

__all__ = ["PACKED_MAX", "UNPACKED_MAX", "checked", "unpacked"]

PACKED_MAX = 512 << 20
"""Bytes of one file as transferred; Fedora's primary has 25 MB, its filelists 60."""
UNPACKED_MAX = 4 << 30
"""Bytes that one file may become."""
RATIO_MAX = 100
"""How many times its own size a file may become, once it is past RATIO_FREE; primary.xml reaches 12."""
RATIO_FREE = 64 << 20
DATA_S = 900.0  # seconds for one file, however slowly it drips

ZCHUNK = (b"\0ZCK1", b"\0ZHR1")


def checked(chunks: Iterable[bytes], file: DataFile, source: str) -> Iterator[bytes]:
    """Pass a file through as it lies there, raising unless it is exactly what repomd.xml lists.

    Raises:
        SizeMismatch, DigestMismatch: at the end.
        LimitExceeded: larger than PACKED_MAX, or slower than DATA_S.
    """
    if file.size is not None and file.size > PACKED_MAX:
        raise LimitExceeded(f"{source}: {file.size} bytes are listed, at most {PACKED_MAX} are read")
    algorithm, _, digest = file.checksum.partition(":")
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    received, most = 0, PACKED_MAX if file.size is None else file.size
    deadline = time.monotonic() + DATA_S
    for chunk in chunks:
        received += len(chunk)
        if received > most:
            break
        if time.monotonic() > deadline:
            raise LimitExceeded(f"{source}: not finished after {DATA_S:.0f} s")
        hasher.update(chunk)
        yield chunk
    if file.size is not None and received != file.size:
        raise SizeMismatch(source, file.size, received)
    if received > most:
        raise LimitExceeded(f"{source}: more than {PACKED_MAX} bytes")
    if hasher.hexdigest() != digest:
        raise DigestMismatch(source, file.checksum, f"{algorithm}:{hasher.hexdigest()}")


def unpacked(packed: Iterator[bytes], file: DataFile, source: str) -> Iterator[bytes]:
    """Unpack a checked file and hold the result to what repomd.xml lists, too.

    Args:
        packed: as `checked` gives it; where that finds other bytes than were listed, this is what is said.

    Raises:
        MalformedArchive, UnsupportedContent, LimitExceeded: it cannot be unpacked.
        SizeMismatch, DigestMismatch: at the end.
    """
    try:
        yield from _unpacked(packed, file, source)
    except ContentError:
        for _ in packed:
            pass
        raise


def _unpacked(packed: Iterator[bytes], file: DataFile, source: str) -> Iterator[bytes]:
    algorithm, _, digest = file.open_checksum.partition(":")
    hasher = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
    counted = _Counted(packed)
    given, most = 0, UNPACKED_MAX if file.open_size is None else min(UNPACKED_MAX, file.open_size)
    for piece in _plain(counted, source):
        given += len(piece)
        if given > most or (given > RATIO_FREE and given > RATIO_MAX * counted.taken):
            break
        if hasher is not None:
            hasher.update(piece)
        yield piece
    else:
        for _ in packed:  # what follows the end of a compressed stream counts for the checksum, too
            pass
        if file.open_size is not None and given != file.open_size:
            raise SizeMismatch(f"{source}, unpacked", file.open_size, given)
        if hasher is not None and hasher.hexdigest() != digest:
            raise DigestMismatch(f"{source}, unpacked", file.open_checksum, f"{algorithm}:{hasher.hexdigest()}")
        return
    if file.open_size is not None and given > file.open_size:
        raise SizeMismatch(f"{source}, unpacked", file.open_size, given)
    raise LimitExceeded(f"{source}: {counted.taken} bytes become more than {given}; not unpacked further")


def _plain(packed: "_Counted", source: str) -> Iterator[bytes]:
    first = next(packed, b"")
    if first.startswith(ZCHUNK):
        from affineur.repositories.rpmmd.zchunk import unchunked

        return unchunked(first, packed, source)
    return decompressed(_again(first, packed), source)[1]


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


class _Counted:
    """Passes chunks on, counting their bytes."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.taken = 0

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self.taken += len(chunk)
        return chunk
