"""One walk over an image's layers serves all readers; nothing of the image is written to disk, nothing opened on it.

Layers are read as streams, each to its end, so that its digest holds. What a layer says to a reader is remembered by
the layer's digest, the reader and its version. A layer is read again only for paths that its own content named.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from affineur.errors import ContentError
from affineur.evidence import Unassessed
from affineur.image.interest import Interest
from affineur.image.merge import Found, Merged
from affineur.image.reader import Entry, LayerFacts, Reader, Verbatim, encoded
from affineur.image.scan import scanned
from affineur.oci.descriptor import Descriptor
from affineur.streams.ahead import ahead
from affineur.streams.decompress import decompressed

__all__ = ["BlobSource", "LayerMemory", "Located", "Tree", "readable", "walk"]

ROUNDS_MAX = 8
"""Times that layers are searched again because links lead further."""
ASKED_MAX = 10_000
"""Paths that content may name for one image."""

_READABLE = re.compile(
    r"application/vnd\.oci\.image\.layer\.v1\.tar(\+(gzip|zstd|xz|bzip2))?"
    r"|application/vnd\.docker\.image\.rootfs\.diff\.tar(\.(gzip|zstd|xz|bzip2))?"
    r"|application/vnd\.docker\.container\.image\.rootfs\.diff\+x-gtar"
)
_DECODE = msgspec.msgpack.Decoder(LayerFacts)


class BlobSource(Protocol):
    """Where layers come from; any method may be called from several threads."""

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Bytes as transferred, in chunks of at most 1 MiB, that raise at the end unless they are what was promised."""
        ...


class LayerMemory(Protocol):
    """What layers said, remembered between runs; forgetting is allowed at any time."""

    def get(self, layer: str, reader: str, version: int, globs: str) -> bytes | None:
        """What was put under the same key."""
        ...

    def put(self, layer: str, reader: str, version: int, globs: str, facts: bytes) -> None:
        """Remember; nothing happens if that is not possible."""
        ...


class Located(NamedTuple):
    """Facts, and where they come from.

    Attributes:
        facts: of the reader's `facts_type`.
        layer: index of the layer that holds the file, 0 = base.
        real: the file's path after all links.
    """

    facts: Any
    layer: int
    real: str


def readable(media_type: str) -> bool:
    """Whether layers of this type are read here: tar, compressed in any known way, neither foreign nor encrypted."""
    return _READABLE.fullmatch(media_type) is not None


def walk(
    source: BlobSource,
    layers: Sequence[Descriptor],
    readers: Sequence[Reader],
    memory: LayerMemory | None = None,
    *,
    stop_early: bool = False,
    received: Callable[[int], None] | None = None,
) -> "Tree":
    """Read an image's layers for some readers.

    Args:
        layers: base first.
        readers: the first one decides when a walk that may stop early has seen enough.
        memory: facts of layers read before; None to read all anew.
        stop_early: read from the top down, and leave out layers that cannot matter to `settled_by` of the readers; what
            was not looked for then is named in the tree's `unassessed`.
        received: told the size of each chunk, from any thread.

    Raises:
        SourceError: a layer could not be fetched.
        ContentError: a layer is not what its digest promised, or no proper archive, or beyond a limit.
    """
    tree = Tree(source, layers, readers, memory, received)
    tree.read_layers(stop_early)
    return tree


class Tree:
    """The merged image, as far as readers and later questions go.

    Attributes:
        fetched: layers that were transferred, those transferred again included.
        fetched_again: layers that were transferred again, for paths that content had named.
    """

    def __init__(
        self,
        source: BlobSource,
        layers: Sequence[Descriptor],
        readers: Sequence[Reader],
        memory: LayerMemory | None,
        received: Callable[[int], None] | None,
    ) -> None:
        self._source = source
        self._layers = tuple(layers)
        self._memory = memory
        self._received = received
        self._seen: set[int] = set()
        self._views = {reader.name: _View(reader) for reader in readers}
        self._skipped: list[Unassessed] = []
        self._notes: dict[int, str] = {}
        self._asked: set[str] = set()
        self._asked_rounds = 0
        self.fetched = 0
        self.fetched_again = 0

    @property
    def unassessed(self) -> tuple[Unassessed, ...]:
        """Layers that were not read, links that lead nowhere, and what was not looked for."""
        loops = [
            Unassessed(f"/{path}", "its symbolic links go round in a loop")
            for view in self._views.values()
            for path in sorted(view.loops)
        ]
        return (*self._skipped, *dict.fromkeys(loops))

    def facts(self, reader: Reader) -> Mapping[str, Located]:
        """Path to facts, in path order, for each wanted file that the merged image holds and that could be read.

        The paths are those that were wanted: a file reached through links has the link's path.
        """
        return self._views[reader.name].facts

    def broken(self, reader: Reader) -> Mapping[str, ContentError]:
        """Path to error for each wanted file that breaks its own format or a limit."""
        return self._views[reader.name].broken

    def also(self, paths: Sequence[str]) -> None:
        """Fetch further files that content named, all at once; `read` then has them.

        Args:
            paths: absolute inside the image; where one climbs above its root, the root is meant, as in a chroot.
        """
        new = {path for path in (_inside(path) for path in paths) if path} - self._asked
        if not new:
            return
        if len(self._asked | new) > ASKED_MAX:
            raise ContentError(f"the image's content names more than {ASKED_MAX} further files")
        self._asked |= new
        self._asked_rounds += 1
        view = _View(Verbatim(f"also {self._asked_rounds}", 1, tuple(sorted(new))))
        self._views[view.reader.name] = view
        self._search(view, again=True)

    def read(self, path: str) -> bytes | None:
        """Content of one file, through links; None if the merged image has no such file.

        Files that a `Verbatim` reader wanted, or that `also` named, are at hand; others are fetched now.

        Raises:
            ContentError: the file is beyond a limit.
        """
        wanted = _inside(path)
        for view in self._views.values():
            if isinstance(view.reader, Verbatim):
                if wanted in view.broken:
                    raise view.broken[wanted]
                if wanted in view.facts:
                    content: bytes = view.facts[wanted].facts
                    return content
                if view.interest.wants(wanted):
                    return None
        self.also([path])
        return self.read(path) if wanted else None

    def layer_of(self, path: str) -> int | None:
        """Index of the layer that holds a file some reader wanted, 0 = base; None if there is none."""
        wanted = _inside(path)
        for view in self._views.values():
            if wanted in view.facts:
                return view.facts[wanted].layer
        return None

    def read_layers(self, stop_early: bool) -> None:
        """The first pass, and what links need after it."""
        usable = []
        for index, layer in enumerate(self._layers):
            if readable(layer.media_type):
                usable.append(index)
            else:
                what = f"layer {index + 1} of {len(self._layers)} ({layer.digest})"
                self._skipped.append(Unassessed(what, f"layers of type {layer.media_type} are not read"))
        views = list(self._views.values())
        if stop_early and len(usable) == len(self._layers):
            self._from_the_top(usable, views)
        else:
            self._pass([(view, view.interest) for view in views], usable)
        for view in views:
            self._search(view)

    def _from_the_top(self, usable: list[int], views: list["_View"]) -> None:
        """Top layers until the first reader is settled, then the base for the others, then whatever is between."""
        pending = [*usable]
        while pending:
            deciding = [view for view in views if not self._settled(view)]
            if not deciding:
                break
            index = pending.pop(0 if deciding[0] is not views[0] and pending[0] == 0 else -1)
            self._pass([(view, view.interest) for view in views], [index])
            for view in views:
                view.merge(sorted(self._seen))
        if pending:
            numbers = (
                f"layer {pending[0] + 1}" if len(pending) == 1 else f"layers {pending[0] + 1} to {pending[-1] + 1}"
            )
            for view in views:
                others = ", ".join(f"/{path}" for path in view.reader.paths if path not in view.facts)
                self._skipped.append(
                    Unassessed(
                        f"{numbers} of {len(self._layers)}",
                        f"not read, since higher layers settle {view.reader.name}; not looked for there: {others}",
                    )
                )

    @staticmethod
    def _settled(view: "_View") -> bool:
        return any(path in view.facts or path in view.broken for path in view.reader.settled_by)

    def _search(self, view: "_View", again: bool = False) -> None:
        """Merge, and go on to where links lead until they lead nowhere new."""
        if again:
            self._pass([(view, view.interest)], sorted(self._seen))
        for _ in range(ROUNDS_MAX):
            missing = view.merge(sorted(self._seen))
            if not missing:
                return
            further = Interest(missing)
            view.known.append(further)
            self._pass([(view, further)], sorted(self._seen))
        for path in sorted(view.merge(sorted(self._seen))):
            self._skipped.append(Unassessed(f"/{path}", f"links lead there after {ROUNDS_MAX} searches of all layers"))

    def _pass(self, wanted: list[tuple["_View", Interest]], indices: Sequence[int]) -> None:
        for index in indices:
            layer = self._layers[index]
            to_read = []
            for view, interest in wanted:
                entries = self._remembered(layer, view.reader, interest)
                if entries is None:
                    to_read.append((view, interest))
                else:
                    view.add(index, entries)
            if to_read:
                self.fetched += 1
                self.fetched_again += index in self._seen
                results = self._scan(layer, [(view.reader, interest) for view, interest in to_read])
                for (view, interest), entries in zip(to_read, results, strict=True):
                    view.add(index, entries)
                    if self._memory is not None:
                        key = str(layer.digest), view.reader.name, view.reader.version, _key(interest)
                        self._memory.put(*key, encoded(entries))
            self._seen.add(index)

    def _remembered(self, layer: Descriptor, reader: Reader, interest: Interest) -> tuple[Entry, ...] | None:
        if self._memory is None:
            return None
        kept = self._memory.get(str(layer.digest), reader.name, reader.version, _key(interest))
        if kept is None:
            return None
        try:
            return _DECODE.decode(kept).entries
        except msgspec.MsgspecError:  # written by something else
            return None

    def _scan(self, layer: Descriptor, wanted: list[tuple[Reader, Interest]]) -> tuple[tuple[Entry, ...], ...]:
        source = f"layer {layer.digest}"
        chunks = ahead(self._counted(self._source.blob(layer)))
        try:
            _, pieces = decompressed(chunks, source)
            found = scanned(pieces, wanted, source)
            for _ in chunks:  # the archive has ended, the promise holds only at the blob's end
                pass
        finally:
            chunks.close()
        return found

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._received is not None:
                self._received(len(chunk))
            yield chunk


class _View:
    """One reader's part of all layers, and what comes out when they are merged."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.interest = Interest(reader.paths)
        self.known = [self.interest]
        self.facts: dict[str, Located] = {}
        self.broken: dict[str, ContentError] = {}
        self.loops: set[str] = set()
        self._layers: dict[int, dict[int, Entry]] = {}

    def add(self, layer: int, entries: Sequence[Entry]) -> None:
        """Take what one search of a layer found; of two finds of one entry, the one with facts counts."""
        kept = self._layers.setdefault(layer, {})
        for entry in entries:
            if entry.index not in kept or entry.facts is not None or entry.broken is not None:
                kept[entry.index] = entry

    def merge(self, layers: Sequence[int]) -> set[str]:
        """Work out `facts`, `broken` and `loops` from these layers, lowest first; give globs still to search for."""
        merged = Merged()
        for layer in layers:
            kept = self._layers.get(layer, {})
            merged.apply((kept[index] for index in sorted(kept)), layer)
        found, missing, self.loops = merged.find(self.reader.paths, self.known)
        self.facts, self.broken = {}, {}
        for path in sorted(found):
            self._decode(path, found[path])
        return missing

    def _decode(self, path: str, found: Found) -> None:
        entry = found.node.entry
        if entry.broken is not None:
            self.broken[path] = entry.broken.error()
        elif entry.facts is not None:
            facts = msgspec.msgpack.decode(entry.facts, type=self.reader.facts_type)
            self.facts[path] = Located(facts, found.node.layer, found.real)


def _key(interest: Interest) -> str:
    return "\n".join(sorted(interest.globs))


def _inside(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part and part != ".":
            parts.append(part)
    return "/".join(parts)
