"""What a walk reads for, and what it finds in one layer: facts, which may be kept, not content, which is not."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Protocol

import msgspec

from affineur.errors import (
    ContentError,
    LimitExceeded,
    MalformedArchive,
    MalformedDatabase,
    MalformedDocument,
    UnsupportedContent,
)

__all__ = ["VERBATIM_MAX", "Broken", "Entry", "LayerFacts", "Reader", "Verbatim", "encoded"]

VERBATIM_MAX = 4 * 1024 * 1024
"""Bytes of a file that is kept as it is, where no other limit is given."""


class Reader(Protocol):
    """Wants some files of an image and turns each into facts. Handed bytes, so that it cannot open or follow anything.

    Attributes:
        name: unique among readers; part of the key under which facts are remembered.
        version: raised whenever the same content would give other facts.
        paths: globs relative to the image root (`*`, `?` within a component; `**` across them).
        limit: bytes of the largest file that is read; a larger one is LimitExceeded, if it is still there at the end.
        facts_type: what `extract` returns, as msgspec is to decode it again.
        settled_by: paths of which one, found in a layer, makes the layers below it irrelevant to this reader's answer
            (for walks that may stop early).
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def paths(self) -> tuple[str, ...]: ...
    @property
    def limit(self) -> int: ...
    @property
    def facts_type(self) -> Any: ...
    @property
    def settled_by(self) -> tuple[str, ...]: ...

    def extract(self, path: str, content: bytes) -> Any:
        """Facts of one file of one layer; called for layers in any order, and from more than one thread.

        Raises:
            ContentError: it breaks its own format; raised to the caller only if the merged image still has the file.
        """
        ...


class Verbatim(msgspec.Struct, frozen=True):
    """Keeps small files, such as configuration and keyrings, as they are: their facts are their bytes."""

    name: str
    version: int
    paths: tuple[str, ...]
    limit: int = VERBATIM_MAX
    settled_by: tuple[str, ...] = ()
    facts_type: ClassVar[Any] = bytes

    def extract(self, path: str, content: bytes) -> bytes:
        """The content itself."""
        return content


class Broken(msgspec.Struct, frozen=True, array_like=True):
    """An error found while reading a file that a higher layer may yet replace."""

    kind: str
    arguments: tuple[str | int, ...]

    def error(self) -> ContentError:
        """The error as it was."""
        make: Callable[..., ContentError] = _ERRORS[self.kind]
        return make(*self.arguments)

    @classmethod
    def of(cls, error: ContentError) -> "Broken":
        """Keep an error."""
        if isinstance(error, MalformedDatabase):
            return cls("MalformedDatabase", (error.path, error.line, error.problem))
        kind = type(error).__name__
        return cls(kind if kind in _ERRORS else "ContentError", (str(error),))


_ERRORS: dict[str, type[ContentError]] = {
    kind.__name__: kind
    for kind in (
        *(ContentError, LimitExceeded, MalformedArchive, MalformedDatabase, MalformedDocument, UnsupportedContent),
    )
}


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One thing that a layer says about a path.

    Attributes:
        index: its place in the archive: later entries win.
        kind: `f`ile, `d`irectory, `l` symlink, `h`ard link, `x` other, `w`hiteout, `o`paque directory.
        path: normal; for whiteouts, of what is removed.
        link: of a symlink as it stands; of a hard link, normal.
        facts: msgpack; None where the content was not wanted.
    """

    index: int
    kind: str
    path: str
    link: str = ""
    facts: bytes | None = None
    broken: Broken | None = None


class LayerFacts(msgspec.Struct, frozen=True, array_like=True):
    """All that one layer says to one reader, in the archive's order."""

    entries: tuple[Entry, ...]


def encoded(entries: Iterable[Entry]) -> bytes:
    """Facts as they are remembered."""
    return _ENCODER.encode(LayerFacts(tuple(entries)))


_ENCODER = msgspec.msgpack.Encoder()
