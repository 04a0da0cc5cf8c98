"""Which paths of an image a reader wants, and which others decide what is found there."""

import re
from collections.abc import Callable, Iterable
from itertools import takewhile

from affineur.errors import MalformedArchive

__all__ = ["WHITEOUT", "Interest", "is_wild", "literal", "normal", "pattern", "plain", "prefilter"]

WHITEOUT = ".wh."
"""OCI image-spec 1.1, layer.md § Whiteouts."""

_TOKEN = re.compile(r"\\.|\*\*|[*?\\]|[^\\*?]+", re.DOTALL)
_WILD = {"**": ".+", "*": "[^/]*", "?": "[^/]"}
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Directories that are links into /usr since the usr merge; a layer may use either name for the same file."""


def literal(path: str) -> str:
    """A glob that matches this path only. Paths and link targets come from the image: they may hold `*`."""
    return re.sub(r"([*?\\])", r"\\\1", path)


def plain(glob: str) -> str:
    """The path that a glob without wildcards stands for."""
    return re.sub(r"\\(.)", r"\1", glob, flags=re.DOTALL)


def is_wild(glob: str) -> bool:
    """Whether it holds a wildcard."""
    return not _WILD.keys().isdisjoint(_TOKEN.findall(glob))


def pattern(glob: str) -> str:
    """The regular expression for all of a path."""
    return "".join(_WILD.get(token) or re.escape(plain(token)) for token in _TOKEN.findall(glob))


class Interest:
    """A set of globs, `*` and `?` within a component, `**` across them, relative to the image root.

    A backslash takes a wildcard's meaning away (see `literal`).

    Attributes:
        globs: as given, and the other names that the usr merge gives them.
    """

    def __init__(self, globs: Iterable[str]) -> None:
        self.globs = frozenset(form for glob in globs for form in _forms(glob))
        wild = sorted(filter(is_wild, self.globs))
        self._literals = {plain(glob) for glob in self.globs if not is_wild(glob)}
        self._wanted = re.compile("|".join(map(pattern, wild)) or r"(?!)", re.DOTALL)
        self._above: set[str] = set()
        above = set()
        for glob in self.globs:
            parts = glob.split("/")
            for count in range(1, len(parts)):
                parent = "/".join(parts[:count])
                if is_wild(parent):
                    above.add(pattern(parent))
                else:
                    self._above.add(plain(parent))
        self._above_wild = re.compile("|".join(sorted(above)) or r"(?!)", re.DOTALL)
        self._starts = {
            plain("".join(takewhile(lambda token: token not in _WILD, _TOKEN.findall(glob)))) for glob in wild
        }

    def wants(self, path: str) -> bool:
        """Whether the content of this path is wanted."""
        return path in self._literals or self._wanted.fullmatch(path) is not None

    def touches(self, path: str) -> bool:
        """Whether what this path is (a link, a directory, nothing) bears on what is found at a wanted path."""
        return path in self._above or self.wants(path) or self._above_wild.fullmatch(path) is not None

    def starts(self) -> tuple[set[str], set[str]]:
        """What paths wanted by wildcards begin with, and all other paths that matter; for `prefilter`."""
        return self._starts, self._literals | self._above


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
    starts: set[bytes] = set()
    exact: set[bytes] = set()
    for interest in interests:
        prefixes, paths = interest.starts()
        starts.update(start.encode("utf-8", "surrogateescape") for start in prefixes)
        for path in paths:
            name = path.encode("utf-8", "surrogateescape")
            exact.update((name, name + b"/"))
    starting = tuple(sorted(starts))

    def passes(name: bytes) -> bool:
        if name.startswith(b"./"):
            name = name[2:]
        return (
            name in exact
            or name.startswith(starting)
            or b".wh." in name
            or b".." in name
            or b"//" in name
            or b"/./" in name
            or name.startswith((b"/", b"./"))
            or name.endswith(b"/.")
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
