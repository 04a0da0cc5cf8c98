"""One layer, read once for several readers."""

from collections.abc import Iterator, Sequence

import msgspec

from affineur.errors import ContentError, LimitExceeded
from affineur.image.interest import WHITEOUT, Interest, normal, prefilter
from affineur.image.reader import Broken, Entry, Reader
from affineur.streams import tar

__all__ = ["PATHS_MAX", "PATH_MAX", "WANTED_BYTES_MAX", "WANTED_FILES_MAX", "scanned"]

WANTED_FILES_MAX = 200_000
"""Entries that one layer may hold at wanted paths, for each reader."""
WANTED_BYTES_MAX = 512 * 1024 * 1024
"""Bytes of all wanted files of one layer together."""
PATH_MAX = 4096
"""Bytes of a wanted path or of a link's target: no Linux makes a longer one (PATH_MAX, path_resolution(7))."""
PATHS_MAX = 64 * 1024 * 1024
"""Bytes of one layer's wanted paths and of where its links lead, each counted once for every folder on its way: so
much is held when layers are merged."""
ABSURD = 1024 * 1024 * 1024
"""A wanted file that claims more bytes is not even passed over."""

_KIND = {"file": "f", "directory": "d", "symlink": "l", "hardlink": "h", "other": "x"}
_ENCODE = msgspec.msgpack.Encoder().encode


def scanned(
    pieces: Iterator[bytes], wanted: Sequence[tuple[Reader, Interest]], source: str
) -> tuple[tuple[Entry, ...], ...]:
    """What an uncompressed layer says to each reader, in the order of `wanted`.

    Raises:
        MalformedArchive: a broken archive, or a path that leads out of the image.
        LimitExceeded: more of something than the limits above.
    """
    archive = tar.Archive(pieces, source)
    found: list[list[Entry]] = [[] for _ in wanted]
    budget = _Budget(archive, source)
    paths = 0
    for raw in archive.entries(prefilter(interest for _, interest in wanted)):
        kind, path, link = _said(raw, source)
        cost = _cost(path, source) + _cost(link, source)
        for (reader, interest), entries in zip(wanted, found, strict=True):
            # an opaque root hides all that is below
            if not kind or not (interest.touches(path) or (kind == "o" and not path)):
                continue
            paths += cost
            if paths > PATHS_MAX:
                raise LimitExceeded(f"{source}: paths as long and as deep as no image has them")
            if len(entries) >= WANTED_FILES_MAX:
                raise LimitExceeded(f"{source}: more than {WANTED_FILES_MAX} entries at paths wanted for {reader.name}")
            facts, broken = None, None
            if kind == "f" and interest.wants(path):
                facts, broken = budget.extracted(reader, raw, path)
            entries.append(Entry(archive.seen, kind, path, link, facts, broken))
    return tuple(map(tuple, found))


def _cost(path: str, source: str) -> int:
    if len(path) > PATH_MAX:
        raise LimitExceeded(f"{source}: a path of {len(path)} bytes, more than {PATH_MAX}: {path[:80]!a}…")
    return len(path) * (path.count("/") + 1)


def _said(raw: tar.Entry, source: str) -> tuple[str, str, str]:
    """Kind (empty: nothing at all), path and link of an entry, as `Entry` has them."""
    path = normal(raw.name, source)
    folder, _, base = path.rpartition("/")
    if base.startswith(WHITEOUT):
        if base == ".wh..wh..opq":
            return "o", folder, ""
        if base.startswith(".wh..wh."):  # AUFS's own files: engines leave them out
            return "", path, ""
        hidden = base[len(WHITEOUT) :]
        return "w", f"{folder}/{hidden}" if folder else hidden, ""
    kind = _KIND[raw.kind]
    if kind == "l":
        return kind, path, raw.link.decode("utf-8", "surrogateescape")
    return kind, path, normal(raw.link, source) if kind == "h" else ""


class _Budget:
    """Reads the wanted content of one layer, each file once for all readers, up to the limits."""

    def __init__(self, archive: tar.Archive, source: str) -> None:
        self._archive, self._source = archive, source
        self._total = 0
        self._at = -1
        self._content = b""

    def extracted(self, reader: Reader, raw: tar.Entry, path: str) -> tuple[bytes | None, Broken | None]:
        if raw.size > reader.limit:
            problem = LimitExceeded(f"{self._source}: {path} has {raw.size} bytes, more than {reader.limit}")
            if raw.size > ABSURD and reader.limit:  # a reader without one wants to know that there is something
                raise problem
            return None, Broken.of(problem)
        if self._at != self._archive.seen:
            self._at = self._archive.seen
            self._content = self._archive.read(raw, reader.limit)
            self._total += len(self._content)
            if self._total > WANTED_BYTES_MAX:
                raise LimitExceeded(f"{self._source}: its wanted files have more than {WANTED_BYTES_MAX} bytes")
        try:
            return _ENCODE(reader.extract(path, self._content)), None
        except ContentError as error:
            return None, Broken.of(error)
