"""A blob's bytes on their way to a target, from wherever the target wants to go on."""

from collections import deque
from collections.abc import Generator

from affineur.errors import SizeMismatch
from affineur.oci.blob import Verification, after
from affineur.oci.descriptor import UNKNOWN_SIZE, Descriptor
from affineur.target.target import Content, Moved

__all__ = ["Feed"]

MARKS = 64
"""States of the check that are kept: at 512 KiB each, more than lies in the buffers between two machines."""


class Feed:
    """Opens a blob's content from an offset on, and never gives its last bytes away before all have been checked.

    So a target that counts or hashes cannot take bad content for a whole blob: the end is withheld from it.

    Attributes:
        failure: what reading the source raised, so that it can be told from what the target did.
    """

    def __init__(self, descriptor: Descriptor, content: Content, moved: Moved) -> None:
        """Raises UnsupportedContent: by a digest that cannot be verified."""
        self.failure: Exception | None = None
        self._start = Verification(descriptor)
        self._marks: deque[Verification] = deque(maxlen=MARKS)
        self._content, self._moved = content, moved
        self._furthest: int | None = None

    def after(self, offset: int) -> Generator[bytes, None, None]:
        """The bytes from `offset` on. What lies between it and the nearest known state before is read once more.

        Raises: what the content raises; it is in `failure` then.
        """
        while self._marks and self._marks[-1].received > offset:
            self._marks.pop()
        begun = (self._marks[-1] if self._marks else self._start).copy()
        content = self._content(begun)
        self._furthest = offset if self._furthest is None else self._furthest
        self._reached(offset)  # what was on the way when it broke has arrived
        held, at, given, size = b"", offset, offset, self._start.promise.size
        try:
            for chunk in after(content, offset - begun.received):
                self._marks.append(begun.copy())
                if held:
                    yield held
                    at = self._reached(at + len(held))
                held = chunk
                given += len(chunk)
            if size not in (UNKNOWN_SIZE, given):  # its length was announced to the target
                raise SizeMismatch(f"blob {self._start.promise.digest}", size, given)
            if held:
                yield held
                self._reached(at + len(held))
        except Exception as problem:
            self.failure = problem
            raise
        finally:
            if isinstance(content, Generator):
                content.close()  # at once: a connection hangs on it

    def _reached(self, at: int) -> int:
        """Tell of bytes that have gone for the first time: what was lost and is sent anew is no progress."""
        assert self._furthest is not None  # noqa: S101 - for the type checker: set before anything goes
        if at > self._furthest:
            self._moved(at - self._furthest)
            self._furthest = at
        return at
