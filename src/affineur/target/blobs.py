"""Blobs of a folder on this machine: there only if their bytes are, and begun ones are gone on with."""

from collections.abc import Callable, Generator, Iterator

from affineur.errors import ContentError, DigestMismatch, LimitExceeded, SizeMismatch
from affineur.oci.blob import Verification
from affineur.oci.descriptor import UNKNOWN_SIZE, Descriptor
from affineur.oci.digest import Digest
from affineur.source.files import Missing
from affineur.target.files import Staged, WritableFolder
from affineur.target.target import Content, Moved

__all__ = ["Blobs", "counted"]


class Blobs:
    """The blobs of one folder, during one copy. See `Target.has_blob` and `Target.put_blob` for the contract."""

    def __init__(self, folder: WritableFolder, name: Callable[[Digest], str]) -> None:
        """Args: name: of a blob's file, below the folder."""
        self._folder, self._name = folder, name
        self._checked: set[Digest] = set()

    def has(self, descriptor: Descriptor) -> bool:
        """Whether these bytes are there: read and hashed once; after that their size is looked at."""
        check = Verification(descriptor)
        digest, name = descriptor.digest, self._name(descriptor.digest)
        try:
            if descriptor.size not in (UNKNOWN_SIZE, self._folder.size(name)):
                return False
            if digest not in self._checked:
                for chunk in self._folder.chunks(name):
                    check.take(chunk, name)
                check.finish(name)
        except (Missing, SizeMismatch, DigestMismatch, LimitExceeded):  # other bytes: a crash, or another program
            return False
        self._checked.add(digest)
        return True

    def put(self, descriptor: Descriptor, content: Content, moved: Moved) -> int:
        """Bring the bytes there, by way of the staging folder; those that lie in it already are not asked for."""
        digest, start = descriptor.digest, Verification(descriptor)
        with self._folder.begin(f"{digest.algorithm}-{digest.encoded}") as staged:
            if staged.waited and self.has(descriptor):
                staged.discard()
                return 0
            check = _begun(staged, start)
            while True:
                had = check.received
                try:
                    _fill(staged, check, content, moved)
                    break
                except ContentError:
                    staged.truncate()
                    if not had:
                        staged.discard()
                        raise
                    # What had been begun may have been the fault: after a crash, for one, a disk gives zeros.
                    check = start.copy()
            staged.publish(self._name(digest))
        self._checked.add(digest)
        return had


def _begun(staged: Staged, start: Verification) -> Verification:
    """How far an earlier call came, hashed; its bytes are dropped where they are more than there can be."""
    check = start.copy()
    if UNKNOWN_SIZE != start.promise.size < staged.size:
        staged.truncate()
    for chunk in staged.chunks(0, staged.size):
        check.take(chunk, "what had been begun")
    return check


def _fill(staged: Staged, check: Verification, content: Content, moved: Moved) -> None:
    promise = check.promise
    if check.received == promise.size:  # all but the name was done
        check.finish("what had been begun")
        return
    for chunk in counted(content, check, moved):
        staged.append(chunk)


def counted(content: Content, check: Verification, moved: Moved) -> Iterator[bytes]:
    """What follows a verification's state, told of as it is taken. Raises as `content`, and SizeMismatch."""
    promise, received = check.promise, check.received
    chunks = content(check)
    try:
        for chunk in chunks:
            received += len(chunk)
            yield chunk
            moved(len(chunk))
    finally:
        if isinstance(chunks, Generator):
            chunks.close()  # at once: a connection hangs on it
    if promise.size not in (UNKNOWN_SIZE, received):
        raise SizeMismatch(str(promise.digest), promise.size, received)
