"""Layers put on one another as engines do: what each path is in the end, and where links lead inside the image."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from affineur.image.interest import Interest, is_wild, literal, pattern, plain
from affineur.image.reader import Entry

__all__ = ["LINKS_MAX", "Found", "Merged", "Node"]

LINKS_MAX = 40
"""Symlinks followed on the way to one path; Linux: MAXSYMLINKS, path_resolution(7)."""


class Node(NamedTuple):
    """What a path is, and which layer (0 = base) made it so."""

    entry: Entry
    layer: int


class Found(NamedTuple):
    """A wanted path that is there.

    Attributes:
        path: under which it was wanted, relative to the root.
        real: where the file is, after all links.
    """

    path: str
    real: str
    node: Node


class Merged:
    """The merged image, as far as one reader's interest goes."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def apply(self, entries: Iterable[Entry], layer: int) -> None:
        """Put the next layer on top."""
        entries = tuple(entries)
        # "Whiteout files MUST only apply to resources in lower/parent layers" (image-spec, layer.md § Whiteouts)
        for entry in entries:
            if entry.kind == "o":
                self._remove_below(self._whole(entry.path))
            elif entry.kind == "w":
                place = self._place(entry.path)
                self._remove_below(place)
                self._nodes.pop(place, None)
        for entry in entries:
            if entry.kind not in "ow":
                self._put(entry, layer)

    def _put(self, entry: Entry, layer: int) -> None:
        path = self._place(entry.path)
        if not path:
            return
        before = self._nodes.get(path)
        if entry.kind == "d":
            if before is not None and before.entry.kind == "d":
                return
        else:
            self._remove_below(path)
        node = Node(entry, layer)
        if entry.kind == "h":
            # a second name for what is there now, whatever becomes of the first one
            target = self._nodes.get(self._place(entry.link))
            if target is not None and target.entry.kind != "d":
                node = target
        for parent in _parents(path):
            above = self._nodes.get(parent)
            if above is not None and above.entry.kind not in "dl":
                del self._nodes[parent]
        self._nodes[path] = node

    def _remove_below(self, path: str) -> None:
        prefix = f"{path}/" if path else ""
        for other in [other for other in self._nodes if other.startswith(prefix)]:
            del self._nodes[other]

    def _place(self, path: str) -> str:
        """Where an entry of this name lands: links among its directories are followed, the last part is not."""
        folder, slash, base = path.rpartition("/")
        if not slash:
            return base
        whole = self._whole(folder)
        return f"{whole}/{base}" if whole else base

    def _whole(self, path: str) -> str:
        return self.resolved(path) or path

    def resolved(self, path: str) -> str | None:
        """Follow all links in a path, as chroot(2) would have it: `..` at the root is the root. None in a loop."""
        todo = path.split("/")[::-1]
        done: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                if done:
                    done.pop()
                continue
            if not part or part == ".":
                continue
            done.append(part)
            node = self._nodes.get("/".join(done))
            if node is not None and node.entry.kind == "l":
                links += 1
                if links > LINKS_MAX:
                    return None
                link = node.entry.link
                done = [] if link.startswith("/") else done[:-1]
                todo.extend(link.split("/")[::-1])
        return "/".join(done)

    def find(self, globs: Iterable[str], known: Iterable[Interest]) -> tuple[dict[str, Found], set[str], set[str]]:
        """What is at the wanted paths.

        Args:
            globs: what is wanted.
            known: everything that the layers were searched for.

        Returns:
            The files found by the path under which they were wanted; the globs that the layers have to be searched for,
            since links lead there; and the paths whose links go round in a loop.
        """
        search = _Search(self, self._nodes, tuple(known))
        for glob in sorted(globs):
            search.glob(glob)
        return search.found, search.missing, search.loops


class _Search:
    def __init__(self, merged: Merged, nodes: Mapping[str, Node], known: tuple[Interest, ...]) -> None:
        self._merged, self._nodes, self._known = merged, nodes, known
        self._children: dict[str, list[str]] = {}
        for path in nodes:
            folder, _, base = path.rpartition("/")
            self._children.setdefault(folder, []).append(base)
            for parent in _parents(path):  # directories need no entry of their own
                above, _, name = parent.rpartition("/")
                self._children.setdefault(above, []).append(name)
        self.found: dict[str, Found] = {}
        self.missing: set[str] = set()
        self.loops: set[str] = set()

    def glob(self, glob: str) -> None:
        self._descend("", "", glob.split("/"))

    def _descend(self, shown: str, real: str, rest: list[str]) -> None:
        """Go on from the directory `real`, which was reached as `shown`, to `rest`."""
        for count, part in enumerate(rest):
            if is_wild(part):
                self._spread(shown, real, part, rest[count + 1 :])
                return
            shown, real = _join(shown, plain(part)), _join(real, plain(part))
            followed = self._follow(shown, real)
            if followed is None:
                return
            if followed != real and not self._searched(followed, rest[count + 1 :]):
                return
            real = followed
        self._take(shown, real)

    def _spread(self, shown: str, real: str, part: str, rest: list[str]) -> None:
        deep = part == "**"
        fits = re.compile(pattern(part), re.DOTALL)
        for base in sorted(set(self._children.get(real, ()))):
            if not deep and not fits.fullmatch(base):
                continue
            name, place = _join(shown, base), _join(real, base)
            node = self._nodes.get(place)
            if node is None or node.entry.kind == "d":
                if deep:
                    self._spread(name, place, part, rest)
                if rest:
                    self._descend(name, place, rest)
                continue
            if node.entry.kind == "l":
                followed = self._follow(name, place)
                # A link to a directory is followed once: `**` through many could go round for ever.
                tail = rest or (["*"] if deep and self._children.get(followed or "") else [])
                if followed is None or not self._searched(followed, tail):
                    continue
                if tail:
                    self._descend(name, followed, tail)
                    continue
                place = followed
            if not rest:
                self._take(name, place)

    def _follow(self, shown: str, real: str) -> str | None:
        followed = self._merged.resolved(real)
        if followed is None:
            self.loops.add(shown)
        return followed

    def _searched(self, path: str, rest: Sequence[str] = ()) -> bool:
        """Whether the layers were searched for this path, and globs below it, so that absence means something."""
        glob = "/".join([literal(path), *rest])
        wild = any(map(is_wild, rest))
        whole = plain(glob)
        if any(glob in interest.globs or (not wild and interest.wants(whole)) for interest in self._known):
            return True
        self.missing.add(glob)
        return False

    def _take(self, shown: str, real: str) -> None:
        node = self._nodes.get(real)
        if node is None:
            return
        entry = node.entry
        if entry.kind == "h":  # its target is nowhere in what was searched
            if self._searched(entry.link):
                return
        elif entry.kind == "f":
            if entry.facts is None and entry.broken is None:
                self._searched(real)
            else:
                self.found[shown] = Found(shown, real, node)


def _parents(path: str) -> Iterator[str]:
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def _join(folder: str, base: str) -> str:
    return f"{folder}/{base}" if folder else base
