"""One reader's part of all layers, and what comes out when they are merged."""

from collections.abc import Sequence, Set
from itertools import takewhile
from typing import Any, NamedTuple

import msgspec

from affineur.errors import ContentError
from affineur.image.interest import Interest
from affineur.image.merge import Found, Merged
from affineur.image.reader import Entry, Reader

__all__ = ["Located", "View"]


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


class View:
    """What a reader wants, what each layer said to it, and what that means.

    Attributes:
        known: everything that layers were searched for; the reader's own paths first.
        facts, broken: by the path under which they were wanted.
        loops: wanted paths whose links go round.
        firm: whether the layers from the top down, none left out, settle the reader's answer.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.interest = Interest(reader.paths)
        self.known = [self.interest]
        self.facts: dict[str, Located] = {}
        self.broken: dict[str, ContentError] = {}
        self.loops: set[str] = set()
        self.firm = False
        self._layers: dict[int, dict[int, Entry]] = {}

    @property
    def layers(self) -> Set[int]:
        """Those that were searched for this reader."""
        return self._layers.keys()

    @property
    def found(self) -> bool:
        """Whether a path that settles it is there; a layer that was left out may say otherwise, unless `firm`."""
        return any(path in self.facts or path in self.broken for path in self.reader.settled_by)

    def add(self, layer: int, entries: Sequence[Entry]) -> None:
        """Take what one search of a layer found; of two finds of one entry, the one with facts counts."""
        kept = self._layers.setdefault(layer, {})
        for entry in entries:
            if entry.index not in kept or entry.facts is not None or entry.broken is not None:
                kept[entry.index] = entry

    def narrow(self, count: int) -> None:
        """Merge; if the unbroken run of layers from the top settles it, nothing below that run is in the answer."""
        known = self._layers
        run = takewhile(known.__contains__, range(count - 1, -1, -1))
        self._layers = {layer: known[layer] for layer in run}
        self.merge()
        self.firm = self.found
        if not self.firm:
            self._layers = known
            self.merge()

    def merge(self) -> set[str]:
        """Work out `facts`, `broken` and `loops` from the layers searched; give globs still to search for."""
        merged = Merged()
        for layer in sorted(self._layers):
            kept = self._layers[layer]
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
