"""A tar archive that is being written: it has its name only when it is whole, and no broken member is ever in it."""

import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from threading import Lock

from affineur.errors import NotFound, SourceError
from affineur.target.files import Staged, WritableFolder

__all__ = ["NewArchive"]

BLOCK = 512


class NewArchive:
    """One archive, from its first member to its name. Any thread may add: one member is written after another.

    All that is in a header but name and size is fixed, so the same members in the same order give the same bytes. The
    format is GNU's (info tar, § Basic Tar Format), since there the length of a header depends on the name alone: so a
    member whose size is known only at its end gets its header then. Nothing is ever added to an archive that has its
    name, and nothing of one that was interrupted is gone on with.
    """

    def __init__(self, path: str) -> None:
        """Nothing is opened or made yet."""
        self.path = path
        folder, self._name = os.path.split(path)
        self._folder = WritableFolder(folder or ".")
        self._lock = Lock()
        self._staged: Staged | None = None
        self._members: dict[str, tuple[int, int]] = {}  # where the content begins, and its size
        self._end = 0  # of the last whole member
        self._ended = False

    @property
    def begun(self) -> bool:
        """Whether it is being written, and has no name yet."""
        return self._staged is not None

    @property
    def finished(self) -> bool:
        """Whether it has been given its name, or been given up."""
        return self._ended

    def exists(self) -> bool:
        """Whether something has the archive's name, whatever it is."""
        return os.path.lexists(self.path)

    def refusal(self) -> SourceError:
        """What to raise where it exists."""
        return SourceError(
            f"{self.path} exists, and an archive is not written over or added to: remove it, or name another file"
        )

    def size(self, name: str) -> int | None:
        """The size of a member that is whole; None where there is none."""
        found = self._members.get(name)
        return found[1] if found is not None else None

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member that is whole, while the archive is not. Raises NotFound, SourceError."""
        found, staged = self._members.get(name), self._staged
        if found is None or staged is None:
            raise NotFound(f"{self.path}: there is no member {name}")
        yield from staged.chunks(*found)

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a member; where one of that name is whole, nothing is asked for.

        Raises: SourceError, Denied; and what `chunks` raises: then there is no such member.
        """
        with self._lock:
            if name not in self._members:
                self._write(lambda: name, len(_header(name, 0)), chunks)

    def add_unnamed(self, chunks: Iterable[bytes], name: Callable[[], str]) -> None:
        """Write a member whose name is known at its end; where there is one of that name already, this one is dropped.

        Args:
            name: called at the end; short enough for a header of one block. What it raises drops the member as well.
        """
        with self._lock:
            self._write(name, BLOCK, chunks)

    def finish(self) -> None:
        """Give it its name. Raises SourceError, Denied."""
        with self._lock:
            if self._staged is None:
                return
            staged = self._begun()
            staged.append(bytes(2 * BLOCK))
            if self.exists():
                raise self.refusal()
            staged.publish(self._name)
            self._close()
            self._folder.settle()

    def abandon(self) -> None:
        """Remove what was written. Waits for nobody who still writes: they get an error. Raises nothing."""
        self._ended = True
        if self._staged is not None:
            self._staged.discard()
            if self._lock.acquire(blocking=False):  # else somebody writes into it, though it has no name any more
                self._close()
                self._lock.release()
        self._folder.tidy()

    def _close(self) -> None:
        if self._staged is not None:
            self._staged.close()
        self._staged = None
        self._ended = True
        self._folder.tidy()

    def _write(self, name: Callable[[], str], room: int, chunks: Iterable[bytes]) -> None:
        staged = self._begun()
        start = staged.size + room
        staged.append(bytes(room))
        for chunk in chunks:
            self._refuse_ended()
            staged.append(chunk)
        self._refuse_ended()
        size, called = staged.size - start, name()
        if called in self._members:
            return
        header = _header(called, size)
        if len(header) != room:
            raise SourceError(f"{self.path}: {called[:200]!r} is too long a name for a member")
        staged.append(bytes(-size % BLOCK))
        staged.patch(start - room, header)
        self._members[called] = (start, size)
        self._end = staged.size

    def _refuse_ended(self) -> None:
        if self._ended:
            raise SourceError(f"{self.path}: was finished, or given up")

    def _begun(self) -> Staged:
        """The archive, at the end of its last whole member. Raises SourceError, Denied."""
        if self._staged is None:
            if self._folder.names() is None:
                raise SourceError(f"{self.path}: there is no folder {self._folder.path}; make it first")
            self._refuse_ended()
            if self.exists():
                raise self.refusal()
            staged = self._folder.begin(self._name, wait=False)
            if self.exists():  # another program has just written it
                staged.discard()
                staged.close()
                raise self.refusal()
            self._staged = staged
        if self._staged.size != self._end:
            self._staged.truncate(self._end)
        return self._staged


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")
