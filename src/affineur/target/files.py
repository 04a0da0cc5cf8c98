"""A folder that is written: what has a name in it is whole, also after a crash, and links below it are never followed.

Files are begun in a folder of their own inside it (so that a rename is all that is left to do), by one writer at a
time: a lock on the file itself keeps others out, in this process and in others, until it has its name or is given up.
What an interrupted writer left there is found again by the next.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from types import TracebackType
from typing import NoReturn, Self

from affineur.errors import Denied, NotFound, SourceError, UnsupportedContent
from affineur.source.files import CHUNK_BYTES, Folder, Missing, kind_of, opened

__all__ = ["STAGING", "Staged", "WritableFolder", "raise_for_writing"]

STAGING = ".affineur"
"""Where files are begun; gone when nothing is left in it."""
STALLED_S = 60.0
"""How long another writer of the same file is waited for that does not go on."""
POLL_S = 0.02
TRIES_MAX = 1_000
"""Times that a file is opened anew because another writer has just renamed or removed it."""


class WritableFolder(Folder):
    """The regular files below a folder, for reading (see `Files`) and for writing. Any thread may call anything.

    Every method raises Denied or SourceError for what the system refuses, and UnsupportedContent for links.
    """

    def __init__(self, path: str, sleep: Callable[[float], object] = time.sleep) -> None:
        """Nothing is opened or made yet."""
        super().__init__(path)
        self._sleep = sleep
        self._lock = Lock()
        self._unsettled: set[str] = set()  # folders in which something was named since they were last synced

    def names(self) -> list[str] | None:
        """What is in the folder itself; None where there is no such folder."""
        try:
            here = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except NotADirectoryError as problem:
            raise SourceError(f"{self.path} is no folder: name another, or remove it") from problem
        except OSError as problem:
            raise_for_writing(problem, self.path)
        try:
            return os.listdir(here)  # noqa: PTH208 - of what was opened, and of nothing that took its name since
        except OSError as problem:
            raise_for_writing(problem, self.path)
        finally:
            os.close(here)

    def create(self) -> None:
        """Make the folder, and those above it, where there is none."""
        try:
            os.makedirs(self.path, exist_ok=True)  # noqa: PTH103 - a path stays as its user wrote it
        except (FileExistsError, NotADirectoryError) as problem:
            raise SourceError(f"{self.path} is no folder: name another, or remove it") from problem
        except OSError as problem:
            raise_for_writing(problem, self.path)

    def begin(self, name: str, *, wait: bool = True) -> "Staged":
        """A file in the staging folder, which must be closed: new, or what an interrupted writer left of it.

        Raises SourceError: another writer has it, and (with `wait`) has not gone on for STALLED_S.
        """
        waited_s, size = 0.0, -1
        waited = False
        for _ in range(TRIES_MAX):
            file = self._staged(name)
            if file is None:
                continue
            while not self._locked(file, name):
                waited = True
                grown = os.fstat(file).st_size
                waited_s, size = (0.0, grown) if grown != size else (waited_s + POLL_S, size)
                if not wait or waited_s > STALLED_S or not self._named(file, name):
                    break
                self._sleep(POLL_S)
            else:
                if self._named(file, name):
                    return Staged(self, name, file, waited)
            os.close(file)
            if waited_s > STALLED_S or (waited and not wait):
                break
        still = ", and does not go on" if wait else ""
        raise SourceError(f"{self.path}: another program is writing {name}{still}; try again when it has ended")

    def keep(self, name: str, content: bytes) -> None:
        """Write a whole file, in place of the one of that name if there is any."""
        self.change(name, lambda: content)

    def change(self, name: str, change: Callable[[], bytes | None]) -> None:
        """Write a whole file by what is there already.

        Args:
            change: called while no other writer changes the same file; its new content, or None to leave it as it is.
        """
        with self.begin(name.replace("/", "-")) as staged:
            try:
                content = change()
                if content is None:
                    staged.discard()
                    return
                staged.truncate()
                staged.append(content)
                staged.publish(name)
            except BaseException:
                staged.discard()
                raise

    def remove(self, name: str) -> None:
        """Remove a file; none of that name is no error."""
        folder, _, last = name.rpartition("/")
        try:
            with self.below(folder) as here:
                os.unlink(last, dir_fd=here)
        except (FileNotFoundError, Missing):
            return
        except OSError as problem:
            raise_for_writing(problem, f"{self.path}: {name}")

    def settle(self) -> None:
        """What has been named so far keeps its name, whatever happens to the machine."""
        with self._lock:
            folders, self._unsettled = self._unsettled, set()
        for folder in sorted(folders):
            try:
                with self.below(folder) as here:
                    os.fsync(here)
            except OSError as problem:
                if problem.errno != errno.EINVAL:  # fsync(2): of a file system that does this for files only
                    raise_for_writing(problem, f"{self.path}: {folder or '.'}")

    def tidy(self) -> None:
        """Remove the staging folder, unless something is in it. Raises nothing."""
        with suppress(OSError, NotFound, SourceError, UnsupportedContent), self.below("") as here:
            os.rmdir(STAGING, dir_fd=here)

    @contextmanager
    def below(self, folder: str, *, create: bool = False) -> Iterator[int]:
        """The file descriptor of a folder below this one; "" for this one. Raises Missing as well, without `create`."""
        here = opened(self.path, folder=True)
        try:
            for part in folder.split("/") if folder else ():
                if create:
                    try:
                        with suppress(FileExistsError):
                            os.mkdir(part, dir_fd=here)
                    except OSError as problem:
                        raise_for_writing(problem, f"{self.path}: {folder}")
                step = self._step_down(here, part, folder)
                os.close(here)
                here = step
            yield here
        finally:
            os.close(here)

    def _step_down(self, here: int, part: str, folder: str) -> int:
        try:
            return self._step(here, part, folder, os.O_DIRECTORY)
        except Missing as problem:
            with suppress(FileNotFoundError):
                if not stat.S_ISDIR(os.stat(part, dir_fd=here, follow_symlinks=False).st_mode):
                    raise SourceError(f"{self.path}: {folder}: {part} is no folder; remove it") from problem
            raise

    def publish(self, staged: str, name: str) -> None:
        """Rename what was begun; for `Staged`."""
        folder, _, last = name.rpartition("/")
        try:
            with self.below(STAGING) as source, self.below(folder, create=True) as target:
                os.rename(staged, last, src_dir_fd=source, dst_dir_fd=target)
        except OSError as problem:
            raise_for_writing(problem, f"{self.path}: {name}")
        with self._lock:
            self._unsettled.add(folder)

    def _staged(self, name: str) -> int | None:
        """Open a staging file; None where another writer has just removed the folder, or the file is not ours alone."""
        what = f"{self.path}: {STAGING}/{name}"
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with self.below(STAGING, create=True) as folder:
                file = os.open(name, flags, 0o666, dir_fd=folder)
                status = os.fstat(file)
                if kind_of(status.st_mode) == "file" and status.st_nlink <= 1:
                    return file
                os.close(file)
                os.unlink(name, dir_fd=folder)  # a link to somebody's file, or a fifo: nothing that was begun here
        except (FileNotFoundError, Missing):
            return None
        except OSError as problem:
            if problem.errno == errno.ELOOP:
                raise UnsupportedContent(
                    f"{what} is a symbolic link, and links are not followed; remove it"
                ) from problem
            raise_for_writing(problem, what)
        return None

    def _locked(self, file: int, name: str) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as problem:
            os.close(file)
            raise_for_writing(problem, f"{self.path}: {name}: its file system knows no locks")
        return True

    def _named(self, file: int, name: str) -> bool:
        """Whether an open staging file still has its name: its last writer may have renamed it."""
        try:
            with self.below(STAGING) as folder:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (OSError, NotFound):
            return False
        return os.path.samestat(found, os.fstat(file))


class Staged:
    """A file that has no name yet outside of the staging folder, and one writer: this one, until it is closed.

    Attributes:
        size: bytes in it.
        waited: whether another writer had it before, and may have brought the thing to its end.
    """

    def __init__(self, folder: WritableFolder, name: str, file: int, waited: bool) -> None:
        self._folder, self._name, self._file = folder, name, file
        self._what = f"{folder.path}: {name}"
        self.waited = waited
        self.size = os.fstat(file).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let others have it; what is in it stays."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def chunks(self, offset: int, size: int) -> Iterator[bytes]:
        """So many bytes of it, or fewer where it ends. Raises SourceError."""
        end = offset + size
        while offset < end:
            try:
                chunk = os.pread(self._file, min(CHUNK_BYTES, end - offset), offset)
            except OSError as problem:
                raise_for_writing(problem, self._what)
            if not chunk:
                return
            offset += len(chunk)
            yield chunk

    def append(self, chunk: bytes) -> None:
        """Write behind what is there. Raises Denied, SourceError."""
        self.patch(self.size, chunk)
        self.size += len(chunk)

    def patch(self, offset: int, chunk: bytes) -> None:
        """Write over what is there. Raises Denied, SourceError."""
        view = memoryview(chunk)
        while view:
            try:
                written = os.pwrite(self._file, view, offset)
            except OSError as problem:
                raise_for_writing(problem, self._what)
            view, offset = view[written:], offset + written

    def truncate(self, size: int = 0) -> None:
        """Drop what is behind so many bytes. Raises SourceError."""
        try:
            os.ftruncate(self._file, size)
        except OSError as problem:
            raise_for_writing(problem, self._what)
        self.size = size

    def publish(self, name: str) -> None:
        """Give it its name, in place of what has it now; on the disk before. Raises Denied, SourceError."""
        try:
            os.fdatasync(self._file)
        except OSError as problem:
            self.discard()  # what the kernel could not write it has dropped: there is nothing to go on from
            raise_for_writing(problem, self._what)
        self._folder.publish(self._name, name)

    def discard(self) -> None:
        """Remove it; others may begin it anew. Raises nothing."""
        with suppress(OSError, NotFound, SourceError, UnsupportedContent):
            self._folder.remove(f"{STAGING}/{self._name}")


def raise_for_writing(problem: OSError, what: str) -> NoReturn:
    """Translate what the system says. Raises Denied or SourceError, always."""
    said = problem.strerror or str(problem)
    if isinstance(problem, PermissionError) or problem.errno == errno.EROFS:
        raise Denied(f"{what}: this user may not write it ({said})") from problem
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        raise SourceError(f"{what}: there is no room for it ({said}); make some, or name another place") from problem
    if problem.errno == errno.EFBIG:
        raise SourceError(f"{what}: it is larger than a file may be there ({said})") from problem
    raise SourceError(f"{what}: cannot be written ({said})") from problem
