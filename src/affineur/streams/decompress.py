"""Layers as they are transferred, in; their tar, out: piece by piece, and never more of it than the limits below.

gzip may have many members (eStargz has one a file) and zstd many frames, skippable ones among them (zstd:chunked), so
each is a loop. What a stream is follows from its first bytes, whatever its media type says: so does containers/image
(pkg/compression, DetectCompression), and so engines read it.
"""

import bz2
import importlib
import lzma
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Protocol

from affineur.errors import LimitExceeded, MalformedArchive

__all__ = ["PIECE", "compression_of", "decompressed"]

PIECE = 512 * 1024
"""Bytes of the largest piece that is ever given out, and so held."""
FEED = 64 * 1024
"""Bytes fed at a time: what follows a member's end is copied, which many small members would make quadratic."""
UNPACKED_MAX = 256 * 1024**3
"""Bytes that one stream may become."""
RATIO_MAX = 200
"""How many times its own size a stream may become, once it is past RATIO_FREE; text reaches 10, zeros 1000."""
RATIO_FREE = 512 * 1024**2
MEMBERS_MAX = 2_000_000
"""gzip members, zstd or xz frames of one stream; the smallest has some 20 bytes and unpacks to nothing."""
XZ_MEMORY_MAX = 128 * 1024**2
"""Bytes a decoder may ask for; `xz -9` needs 65 MiB."""
ZSTD_WINDOW_LOG_MAX = 27
"""Window of 128 MiB: zstd's own default limit (RFC 8878 § 3.1.1.1.2 leaves the limit to the decoder)."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: Any, max_length: int, /) -> bytes: ...


def compression_of(start: bytes) -> str:
    """Name what a stream is from its first 6 bytes: gzip, zstd, xz, bzip2, or plain for all else."""
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    # RFC 8878 § 3.1.1: frames; § 3.1.2: skippable frames, 0x184D2A50 to 0x184D2A5F
    if start.startswith(b"\x28\xb5\x2f\xfd") or (start[1:4] == b"\x2a\x4d\x18" and start[0] & 0xF0 == 0x50):
        return "zstd"
    if start.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if start.startswith(b"BZh"):
        return "bzip2"
    return "plain"


def decompressed(chunks: Iterable[bytes], source: str, ratio_max: int = RATIO_MAX) -> tuple[str, Iterator[bytes]]:
    """Find out how a stream is compressed and unpack it as it comes.

    Args:
        chunks: bytes as transferred, in order, of any size.
        source: where they came from, for messages only.
        ratio_max: how many times its own size it may become, where a stream of its kind may pass RATIO_MAX.

    Returns:
        The compression's name, and pieces of at most PIECE bytes (plain streams: the chunks themselves). They raise
        MalformedArchive where the stream breaks its own format or ends too early, and LimitExceeded.
    """
    incoming = iter(chunks)
    start = b""
    for chunk in incoming:
        start += chunk
        if len(start) >= 6:
            break
    name = compression_of(start)
    whole = chain((start,), incoming) if start else incoming
    if name == "plain":
        return name, whole
    make, fault = _FORMATS[name]()
    return name, _unpacked(whole, make, fault, f"{source}: {name}", ratio_max)


def _unpacked(
    chunks: Iterator[bytes], make: Callable[[], _Decompressor], fault: type[Exception], source: str, ratio_max: int
) -> Iterator[bytes]:
    decompressor: _Decompressor | None = None
    members = taken = given = 0
    data: Any
    for chunk in chunks:
        view = memoryview(chunk)
        for offset in range(0, len(chunk), FEED):
            data = view[offset : offset + FEED]
            taken += len(data)
            while True:
                if decompressor is None:
                    data = bytes(data).lstrip(b"\0")  # padding between or after members: gzip(1), xz(1)
                    if not data:
                        break
                    members += 1
                    if members > MEMBERS_MAX:
                        raise LimitExceeded(f"{source}: more than {MEMBERS_MAX} members")
                    decompressor = make()
                try:
                    piece = decompressor.decompress(data, PIECE)
                except (fault, EOFError) as error:
                    raise _broken(source, error) from error
                if piece:
                    given += len(piece)
                    if given > UNPACKED_MAX or (given > RATIO_FREE and given > ratio_max * taken):
                        raise LimitExceeded(f"{source}: {taken} bytes become more than {given}; not unpacked further")
                    yield piece
                if decompressor.eof:
                    data = decompressor.unused_data
                    decompressor = None
                elif decompressor.needs_input:
                    break
                else:
                    data = b""
    if decompressor is not None:
        raise MalformedArchive(f"{source}: the stream ends too early, after {taken} bytes")


def _broken(source: str, error: Exception) -> LimitExceeded | MalformedArchive:
    # Both libraries have one error class for everything; the limits set below are told by their text only.
    if "too much memory" in str(error) or "emory usage limit" in str(error):
        return LimitExceeded(f"{source}: its decoder would need too much memory ({error})")
    return MalformedArchive(f"{source}: {error}")


def _gzip() -> tuple[Callable[[], _Decompressor], type[Exception]]:
    igzip_lib = importlib.import_module("isal.igzip_lib")
    return lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), igzip_lib.error


def _zstd() -> tuple[Callable[[], _Decompressor], type[Exception]]:
    try:
        zstd = importlib.import_module("compression.zstd")
    except ModuleNotFoundError:  # until Python 3.14
        zstd = importlib.import_module("backports.zstd")
    options = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX}
    return lambda: zstd.ZstdDecompressor(options=options), zstd.ZstdError


def _xz() -> tuple[Callable[[], _Decompressor], type[Exception]]:
    return lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY_MAX), lzma.LZMAError


def _bzip2() -> tuple[Callable[[], _Decompressor], type[Exception]]:
    return bz2.BZ2Decompressor, OSError


_FORMATS = {"gzip": _gzip, "zstd": _zstd, "xz": _xz, "bzip2": _bzip2}
