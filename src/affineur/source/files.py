"""Files of a folder that the user named: its content is not trusted, nor what its names lead to.

Only regular files below the folder are opened, component by component, and no symbolic link below it is followed, not
even one that stays inside: where it leads can change between looking and opening, and `manifest.json` may be a link to
a secret that would be printed. (The folder itself may be a link: the user named it.) A fifo or device is never waited
for or read.
"""

import os
import stat
from collections.abc import Iterator
from typing import Protocol

from affineur.errors import Denied, LimitExceeded, NotFound, SourceError, UnsupportedContent

__all__ = ["CHUNK_BYTES", "Files", "Folder", "Missing", "content", "kind_of", "opened", "raise_for"]

CHUNK_BYTES = 256 * 1024


class Missing(NotFound):
    """The place is there, and holds no file of this name."""


class Files(Protocol):
    """Named files in one place, read as often as wanted, from any thread.

    Attributes:
        path: of the place, for messages.
    """

    path: str

    def size(self, name: str) -> int:
        """The size of a file, in bytes.

        Raises:
            Missing: there is no such file.
            NotFound, Denied, SourceError: there is no such place, or it cannot be read.
            ContentError: it is no regular file; or the place (an archive) breaks its format or passes a limit.
        """
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """Its content, in chunks of at most 1 MiB; opened when the first is asked for. Raises as `size`."""
        ...


def content(files: Files, name: str, limit: int) -> bytes:
    """A whole file. Raises as `Files.size`, and LimitExceeded, before reading, if it has more than `limit` bytes."""
    size = files.size(name)
    if size > limit:
        raise LimitExceeded(f"{files.path}: {name} has {size} bytes, more than {limit}")
    parts = []
    received = 0
    for chunk in files.chunks(name):
        received += len(chunk)
        if received > limit:  # it grows while it is read
            raise LimitExceeded(f"{files.path}: {name} has more than {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)


class Folder:
    """The regular files below a folder. See `Files` for the contract."""

    def __init__(self, path: str) -> None:
        """Nothing is opened yet."""
        self.path = path

    def size(self, name: str) -> int:
        """See `Files`."""
        file = self._open(name)
        try:
            return os.fstat(file).st_size
        finally:
            os.close(file)

    def chunks(self, name: str) -> Iterator[bytes]:
        """See `Files`."""
        file = self._open(name)
        try:
            while chunk := os.read(file, CHUNK_BYTES):
                yield chunk
        except OSError as problem:
            raise SourceError(f"{self.path}: {name}: {problem.strerror or problem}") from problem
        finally:
            os.close(file)

    def _open(self, name: str) -> int:
        *folders, last = name.split("/")
        here = opened(self.path, folder=True)
        try:
            for folder in folders:
                below = self._step(here, folder, name, os.O_DIRECTORY)
                os.close(here)
                here = below
            file = self._step(here, last, name, 0)
        finally:
            os.close(here)
        kind = kind_of(os.fstat(file).st_mode)
        if kind != "file":
            os.close(file)
            raise UnsupportedContent(f"{self.path}: {name} is a {kind}, not a file")
        return file

    def _step(self, here: int, part: str, name: str, flags: int) -> int:
        try:
            return os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | flags, dir_fd=here)
        except (FileNotFoundError, NotADirectoryError) as problem:
            if self._kind(here, part) == "symbolic link":  # open(2): ENOTDIR, where a folder was wanted
                raise self._behind_link(part, name) from problem
            raise Missing(f"{self.path}: there is no file {name}") from problem
        except OSError as problem:
            kind = self._kind(here, part)
            if kind == "symbolic link":
                raise self._behind_link(part, name) from problem
            if kind not in ("file", "folder"):
                raise UnsupportedContent(f"{self.path}: {name}: {part} is a {kind}, not a file") from problem
            raise_for(problem, f"{self.path}: {name}")
            raise  # unreachable: for the type checker

    def _behind_link(self, part: str, name: str) -> UnsupportedContent:
        return UnsupportedContent(
            f"{self.path}: {name} is behind a symbolic link, {part}, and links are not followed;"
            " copy the folder with its content: cp -RL"
        )

    @staticmethod
    def _kind(here: int, part: str) -> str:
        try:
            return kind_of(os.stat(part, dir_fd=here, follow_symlinks=False).st_mode)
        except OSError:
            return "file"


def opened(path: str, *, folder: bool) -> int:
    """The place that the user named, as a file descriptor; links in its path are followed.

    Raises:
        NotFound: there is none, or it is a folder where a file was named, or the reverse.
        Denied, SourceError: it cannot be opened.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as problem:
        kind = "folder" if folder else "file"
        raise NotFound(f"{path}: no such {kind} (an image in a registry is named by docker://)") from problem
    except OSError as problem:
        raise_for(problem, path)
        raise  # unreachable: for the type checker
    kind = kind_of(os.fstat(file).st_mode)
    if kind == ("folder" if folder else "file"):
        return file
    os.close(file)
    if folder:
        raise NotFound(f"{path} is a {kind}, not a folder; an archive is named by oci-archive: or docker-archive:")
    if kind == "folder":
        raise NotFound(f"{path} is a folder, not an archive; a layout is named by oci:, a folder of skopeo by dir:")
    raise NotFound(f"{path} is a {kind}: an archive is read from several places at once; save it to a file first")


def kind_of(mode: int) -> str:
    """What a file is, from its st_mode, in a word or two."""
    for test, kind in _KINDS:
        if test(mode):
            return kind
    return "special file"


_KINDS = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISLNK, "symbolic link"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


def raise_for(problem: OSError, what: str) -> None:
    """Translate what the system says. Raises Denied or SourceError, always."""
    if isinstance(problem, PermissionError):
        raise Denied(f"{what}: this user may not read it ({problem.strerror})") from problem
    raise SourceError(f"{what}: {problem.strerror or problem}") from problem
