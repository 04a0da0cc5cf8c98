"""Blobs: content fetched by digest from places that are not trusted.

Implements OCI image-spec 1.1, descriptor.md § Verification. Does no I/O: callers bring the bytes.
"""

from collections.abc import Iterable, Iterator

from affineur.errors import DigestMismatch, LimitExceeded, SizeMismatch
from affineur.oci.descriptor import UNKNOWN_SIZE, Descriptor

__all__ = ["verified"]

MAX_UNPROMISED_BYTES = 32 * 1024**3
"""A blob of which no parent says the size: a layer of a schema 1."""


def verified(chunks: Iterable[bytes], promise: Descriptor, source: str) -> Iterator[bytes]:
    """Pass a blob through unchanged, raising unless it is exactly what was promised.

    The answer is known only when the iterator is exhausted: act on nothing before that.

    Args:
        chunks: bytes as transferred (compressed, if the media type says so), in order.
        promise: the parent's descriptor, never one sent along with the blob; size in bytes.
        source: where the bytes came from, for messages only.

    Raises:
        SizeMismatch: at the first byte too many, or at the end if some are missing.
        LimitExceeded: likewise, where the promise is of no size, at MAX_UNPROMISED_BYTES.
        DigestMismatch: at the end; the spec asks for size first, then digest.
        UnsupportedContent: the promise is by an algorithm that cannot be verified here; before any byte is asked for.
    """
    hasher = promise.digest.hasher()
    known = promise.size != UNKNOWN_SIZE
    most = promise.size if known else MAX_UNPROMISED_BYTES
    received = 0
    for chunk in chunks:
        received += len(chunk)
        if received > most:  # a hostile registry may never stop sending
            break
        hasher.update(chunk)
        yield chunk
    if not known and received > most:
        raise LimitExceeded(f"{source}: more than {most} bytes")
    if known and received != promise.size:
        raise SizeMismatch(source, promise.size, received)
    if hasher.hexdigest() != promise.digest.encoded:
        raise DigestMismatch(source, promise.digest, f"{promise.digest.algorithm}:{hasher.hexdigest()}")
