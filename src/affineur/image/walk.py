"""One walk over an image's layers serves all readers; nothing of the image is written to disk, nothing opened on it.

Layers are read as streams, each to its end, so that its digest holds. What a layer says to a reader is remembered by
the layer's digest, the reader and its version. A layer is read again only for paths that its own content named.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

import msgspec

from affineur.errors import ContentError
from affineur.evidence import Unassessed
from affineur.image.interest import Interest, literal
from affineur.image.reader import VERBATIM_MAX, Entry, LayerFacts, Reader, Verbatim, encoded
from affineur.image.scan import scanned
from affineur.image.view import Located, View
from affineur.oci.descriptor import Descriptor
from affineur.streams.ahead import ahead
from affineur.streams.decompress import decompressed

__all__ = ["BlobSource", "LayerMemory", "Located", "Tree", "readable", "walk"]

ROUNDS_MAX = 6
"""Times that layers are searched again because links lead further."""
FURTHER_MAX = 1000
"""Paths outside all that was wanted, to which links of one reader's files may lead."""
AT_ONCE = 2
"""Layers read at the same time; each has a thread that receives and one that unpacks."""
SMALL = 8 * 1024 * 1024
"""Bytes of a layer that is fetched beside the one above it, although that one may turn out to settle everything."""
NAMED_MAX = 20
"""Paths named one by one for the same reason."""
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
        unread: layers of types that are not read: whatever they hold or hide is not in the answer.
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
        self._fetched: set[int] = set()
        self._usable: tuple[int, ...] = ()
        self._abandoned = False
        self._views = {reader.name: View(reader) for reader in readers}
        self._skipped: list[Unassessed] = []
        self._notes: dict[int, str] = {}
        self._asked: set[str] = set()
        self._asked_rounds = 0
        self.unread = 0
        self.fetched = 0
        self.fetched_again = 0

    @property
    def unassessed(self) -> tuple[Unassessed, ...]:
        """Layers that were not read, links that lead nowhere, and what was not looked for."""
        loops = {path for view in self._views.values() for path in view.loops}
        return (*self._skipped, *_told(loops, "its symbolic links go round in a loop"))

    def facts(self, reader: Reader) -> Mapping[str, Located]:
        """Path to facts, in path order, for each wanted file that the merged image holds and that could be read.

        The paths are those that were wanted: a file reached through links has the link's path.
        """
        return self._views[reader.name].facts

    def broken(self, reader: Reader) -> Mapping[str, ContentError]:
        """Path to error for each wanted file that breaks its own format or a limit."""
        return self._views[reader.name].broken

    def also(self, paths: Sequence[str], limit: int = VERBATIM_MAX) -> None:
        """Fetch further files that content named, all at once; `read` then has them.

        Args:
            paths: absolute inside the image; where one climbs above its root, the root is meant, as in a chroot.
            limit: bytes of the largest of them that is read.
        """
        new = {path for path in (_inside(path) for path in paths) if path and not self._at_hand(path)}
        if not new:
            return
        if len(self._asked | new) > ASKED_MAX:
            raise ContentError(f"the image's content names more than {ASKED_MAX} further files")
        self._asked |= new
        self._asked_rounds += 1
        view = View(Verbatim(f"also {self._asked_rounds}", 1, tuple(map(literal, sorted(new))), limit))
        self._views[view.reader.name] = view
        self._pass([(view, view.interest)], self._usable)
        self._search(view)

    def _at_hand(self, path: str) -> bool:
        return any(isinstance(v.reader, Verbatim) and v.interest.wants(path) for v in self._views.values())

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
                self.unread += 1
                self._skipped.append(Unassessed(what, _unread(layer)))
        self._usable = tuple(usable)
        views = list(self._views.values())
        if stop_early and not self.unread:
            self._from_the_top(views)
        else:
            self._pass([(view, view.interest) for view in views], usable)
        for view in views:
            self._search(view)

    def _from_the_top(self, views: list["View"]) -> None:
        """The top and the base, which nearly always has os-release; then down from the top until all is settled."""
        pending = [*self._usable]
        open_views = views
        while pending and open_views:
            batch = [pending.pop()]
            if pending and not open_views[0].layers:
                batch.append(pending.pop(0))
            elif pending and self._layers[pending[-1]].size <= SMALL:
                batch.append(pending.pop())
            self._pass([(view, view.interest) for view in open_views], batch)
            for view in open_views:
                view.narrow(len(self._layers))
            open_views = self._unsettled(views)
        if not pending:
            return
        # What lies between may still matter to a path, unless a layer above it has it.
        others = [
            f"/{path}"
            for view in views
            for path in view.reader.paths
            if path not in view.broken and (path not in view.facts or view.facts[path].layer < pending[0])
        ]
        first, last = pending[0] + 1, pending[-1] + 1
        layers = f"layer {first}" if first == last else f"layers {first} to {last}"
        why = f"not read, since others settle {views[0].reader.name}; not looked for there: {', '.join(others)}"
        self._skipped.append(Unassessed(f"{layers} of {len(self._layers)}", why))

    @staticmethod
    def _unsettled(views: list["View"]) -> list["View"]:
        """Those that need more layers.

        The first needs all down to what settles it. The others then need the base, and no more if that has what they
        look for: what is between is named. A reader that nothing settles ends with the first one.
        """
        first, *others = views
        if not first.firm:
            return [first, *(view for view in others if not view.firm)]
        return [view for view in others if view.reader.settled_by and not view.found]

    def _search(self, view: "View") -> None:
        """Merge, and go on to where links lead until they lead nowhere new."""
        for _ in range(ROUNDS_MAX):
            missing = view.merge()
            if not missing:
                return
            if len(missing) > FURTHER_MAX:
                break
            further = Interest(missing)
            view.known.append(further)
            self._pass([(view, further)], sorted(view.layers))
        self._skipped += _told(view.merge(), "links lead there, too far or too many to follow")

    def _pass(self, wanted: list[tuple["View", Interest]], indices: Sequence[int]) -> None:
        """Search some layers; those that are not remembered are fetched, two at a time."""
        to_fetch: list[tuple[int, list[tuple[View, Interest]]]] = []
        for index in indices:
            to_read = []
            for view, interest in wanted:
                entries = self._remembered(self._layers[index], view.reader, interest)
                if entries is None:
                    to_read.append((view, interest))
                else:
                    view.add(index, entries)
            if to_read:
                to_fetch.append((index, to_read))
        if not to_fetch:
            return
        if len(to_fetch) == 1:
            self._take(*to_fetch[0], self._scan(*to_fetch[0]))
            return
        # The threads spend their time in decompression and hashing, which release the interpreter.
        pool = ThreadPoolExecutor(AT_ONCE, "layer")
        try:
            scans = [(job, pool.submit(self._scan, *job)) for job in to_fetch]
            for job, scan in scans:
                self._take(*job, scan.result())
        except BaseException:
            self._abandoned = True  # the other layer ends at its next chunk
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _take(self, index: int, wanted: list[tuple["View", Interest]], results: tuple[tuple[Entry, ...], ...]) -> None:
        self.fetched += 1
        self.fetched_again += index in self._fetched
        self._fetched.add(index)
        for (view, interest), entries in zip(wanted, results, strict=True):
            view.add(index, entries)
            if self._memory is not None:
                key = str(self._layers[index].digest), view.reader.name, view.reader.version, _key(interest)
                with suppress(UnicodeEncodeError):  # a name that is no UTF-8 (PEP 383): such a layer is read again
                    self._memory.put(*key, encoded(entries))

    def _remembered(self, layer: Descriptor, reader: Reader, interest: Interest) -> tuple[Entry, ...] | None:
        if self._memory is None:
            return None
        try:
            kept = self._memory.get(str(layer.digest), reader.name, reader.version, _key(interest))
        except UnicodeEncodeError:  # it looks for a name that is no UTF-8
            return None
        if kept is None:
            return None
        try:
            return _DECODE.decode(kept).entries
        except msgspec.MsgspecError:  # written by something else
            return None

    def _scan(self, index: int, wanted: list[tuple["View", Interest]]) -> tuple[tuple[Entry, ...], ...]:
        layer = self._layers[index]
        source = f"layer {layer.digest}"
        chunks = ahead(self._counted(self._source.blob(layer)))
        try:
            _, pieces = decompressed(chunks, source)
            found = scanned(pieces, [(view.reader, interest) for view, interest in wanted], source)
            for _ in pieces:  # the archive has ended; the stream and the promise hold only at the blob's end
                pass
        finally:
            chunks.close()
        return found

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._abandoned:
                return
            if self._received is not None:
                self._received(len(chunk))
            yield chunk


def _unread(layer: Descriptor) -> str:
    """Why. Foreign layers: image-spec 1.1, layer.md § Non-Distributable Layers; their URLs are anybody's: not asked."""
    kind = layer.media_type[:200]
    if "nondistributable" in kind or ".foreign." in kind:
        return f"a foreign layer ({kind}) is not fetched" + (f" from {layer.urls[0][:200]}" if layer.urls else "")
    if kind.endswith("+encrypted"):
        return f"an encrypted layer ({kind}) cannot be read"
    return f"layers of type {kind} are not read"


def _told(paths: Set[str], why: str) -> list[Unassessed]:
    """Each path, if they are not endless."""
    told = [Unassessed(f"/{path}", why) for path in sorted(paths)[:NAMED_MAX]]
    if len(paths) > NAMED_MAX:
        told.append(Unassessed(f"{len(paths) - NAMED_MAX} paths more", why))
    return told


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
