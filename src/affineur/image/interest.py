"""Which paths of an image a reader wants, and which others decide what is found there."""

import re
from collections.abc import Callable, Iterable

from affineur.errors import MalformedArchive

__all__ = ["WHITEOUT", "Interest", "normal", "prefilter"]

WHITEOUT = ".wh."
"""OCI image-spec 1.1, layer.md § Whiteouts."""

_WILD = re.compile(r"[*?]")
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Directories that are links into /usr since the usr merge; a layer may use either name for the same file."""


class Interest:
    """A set of globs, `*` and `?` within a component, `**` across them, relative to the image root.

    Attributes:
        globs: as given, and the other names that the usr merge gives them.
    """

    def __init__(self, globs: Iterable[str]) -> None:
        self.globs = frozenset(form for glob in globs for form in _forms(glob))
        self._literals = {glob for glob in self.globs if not _WILD.search(glob)}
        wild = sorted(self.globs - self._literals)
        self._wanted = re.compile("|".join(map(_pattern, wild)) or r"(?!)", re.DOTALL)
        self._above: set[str] = set()
        above = []
        for glob in self.globs:
            parts = glob.split("/")
            for count in range(1, len(parts)):
                parent = "/".join(parts[:count])
                if _WILD.search(parent):
                    above.append(_pattern(parent))
                else:
                    self._above.add(parent)
        self._above_wild = re.compile("|".join(sorted(above)) or r"(?!)", re.DOTALL)

    def wants(self, path: str) -> bool:
        """Whether the content of this path is wanted."""
        return path in self._literals or self._wanted.fullmatch(path) is not None

    def touches(self, path: str) -> bool:
        """Whether what this path is (a link, a directory, nothing) bears on what is found at a wanted path."""
        return path in self._above or self.wants(path) or self._above_wild.fullmatch(path) is not None

    def starts(self) -> tuple[set[str], set[str]]:
        """Prefixes of all wanted paths, and the directories above them; for `prefilter`."""
        prefixes = {_WILD.split(glob, maxsplit=1)[0] for glob in self.globs}
        return prefixes, {parent for parent in self._above if not _WILD.search(parent)}


def normal(name: bytes, source: str) -> str:
    """A path as it stands in an archive, relative to the root, without `.`, `..`, `//` or a slash at either end.

    Bytes that are no UTF-8 come as surrogates (PEP 383). The root itself is the empty string.

    Raises:
        MalformedArchive: the path climbs above the root. Engines refuse such a layer too.
    """
    parts: list[str] = []
    for part in name.decode("utf-8", "surrogateescape").split("/"):
        if part == "..":
            if not parts:
                raise MalformedArchive(f"{source}: the path {name[:200].decode('latin-1')!a} leads out of the image")
            parts.pop()
        elif part and part != ".":
            parts.append(part)
    return "/".join(parts)


def prefilter(interests: Iterable[Interest]) -> Callable[[bytes], bool]:
    """A quick test of raw names that passes all that may matter: few of a layer's thousands of entries do."""
    prefixes: set[bytes] = set()
    above: set[bytes] = set()
    for interest in interests:
        starts, parents = interest.starts()
        prefixes.update(start.encode("utf-8", "surrogateescape") for start in starts)
        for parent in parents:
            name = parent.encode("utf-8", "surrogateescape")
            above.update((name, name + b"/"))
    starting = tuple(sorted(prefixes))

    def passes(name: bytes) -> bool:
        if name.startswith(b"./"):
            name = name[2:]
        return (
            name.startswith(starting)
            or name in above
            or b".wh." in name
            or b".." in name
            or b"//" in name
            or b"/./" in name
            or name.startswith((b"/", b"./"))
        )

    return passes


def _forms(glob: str) -> tuple[str, ...]:
    first, slash, rest = glob.partition("/")
    if first in _MERGED and slash:
        return glob, f"usr/{glob}"
    second = rest.partition("/")[0]
    if first == "usr" and second in _MERGED and second != rest:
        return glob, rest
    return (glob,)


def _pattern(glob: str) -> str:
    out = []
    position = 0
    for match in re.finditer(r"\*\*|\*|\?", glob):
        out.append(re.escape(glob[position : match.start()]))
        out.append({"**": ".+", "*": "[^/]*", "?": "[^/]"}[match.group()])
        position = match.end()
    return "".join(out) + re.escape(glob[position:])
