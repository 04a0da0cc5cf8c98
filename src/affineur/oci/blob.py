"""Blobs: content fetched by digest from places that are not trusted.

Implements OCI image-spec 1.1, descriptor.md § Verification. Does no I/O: callers bring the bytes.
"""

from collections.abc import Iterable, Iterator

from affineur.errors import DigestMismatch, LimitExceeded, SizeMismatch
from affineur.oci.descriptor import UNKNOWN_SIZE, Descriptor

__all__ = ["Verification", "after", "rest", "verified"]

MAX_UNPROMISED_BYTES = 32 * 1024**3
"""A blob of which no parent says the size: a layer of a schema 1."""


class Verification:
    """How far the check of one blob has come: may be copied, so that a transfer can be taken up again at that point.

    Attributes:
        promise: the parent's descriptor, never one sent along with the blob; size in bytes.
        received: bytes that have been checked so far.
    """

    def __init__(self, promise: Descriptor) -> None:
        """Raises UnsupportedContent: the promise is by an algorithm that cannot be verified here."""
        self.promise = promise
        self.received = 0
        self._hasher = promise.digest.hasher()

    def copy(self) -> "Verification":
        """The same state, which goes its own way from here."""
        copied = object.__new__(Verification)
        copied.promise, copied.received, copied._hasher = self.promise, self.received, self._hasher.copy()
        return copied

    def take(self, chunk: bytes, source: str) -> None:
        """Count and hash what comes next. Raises SizeMismatch, LimitExceeded: as `verified`."""
        received = self.received + len(chunk)
        if self.promise.size != UNKNOWN_SIZE:
            if received > self.promise.size:  # a hostile registry may never stop sending
                raise SizeMismatch(source, self.promise.size, received)
        elif received > MAX_UNPROMISED_BYTES:
            raise LimitExceeded(f"{source}: more than {MAX_UNPROMISED_BYTES} bytes")
        self.received = received
        self._hasher.update(chunk)

    def finish(self, source: str) -> None:
        """Nothing more comes. Raises SizeMismatch, DigestMismatch."""
        promise = self.promise
        if promise.size not in (UNKNOWN_SIZE, self.received):
            raise SizeMismatch(source, promise.size, self.received)
        if self._hasher.hexdigest() != promise.digest.encoded:
            found = f"{promise.digest.algorithm}:{self._hasher.hexdigest()}"
            raise DigestMismatch(source, promise.digest, found)


def verified(chunks: Iterable[bytes], verification: Descriptor | Verification, source: str) -> Iterator[bytes]:
    """Pass a blob through unchanged, raising unless it is exactly what was promised.

    The answer is known only when the iterator is exhausted: act on nothing before that.

    Args:
        chunks: bytes as transferred (compressed, if the media type says so), in order.
        verification: the parent's descriptor; or, for chunks that do not begin at the blob's start, the state of the
            check at that point, which goes on as they are taken.
        source: where the bytes came from, for messages only.

    Raises:
        SizeMismatch: at the first byte too many, or at the end if some are missing.
        LimitExceeded: likewise, where the promise is of no size, at MAX_UNPROMISED_BYTES.
        DigestMismatch: at the end; the spec asks for size first, then digest.
        UnsupportedContent: the promise is by an algorithm that cannot be verified here; before any byte is asked for.
    """
    if isinstance(verification, Descriptor):
        verification = Verification(verification)
    for chunk in chunks:
        verification.take(chunk, source)
        yield chunk
    verification.finish(source)


def rest(chunks: Iterable[bytes], begun: Verification | None) -> Iterator[bytes]:
    """What follows the bytes that a verification has seen already, of the whole blob's chunks; all of them for None."""
    return after(chunks, begun.received if begun is not None else 0)


def after(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """What follows the first `count` bytes."""
    for chunk in chunks:
        if count < len(chunk):
            yield chunk[count:]
        count = max(0, count - len(chunk))
