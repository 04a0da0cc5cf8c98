"""TOML with lines: what a document says and at which line, which tomllib alone does not tell. No I/O."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn, TypeAlias

import msgspec

from affineur.errors import InvalidSettings

__all__ = ["KeyPath", "Said", "Table", "lines_of", "nearest", "read_toml"]

KeyPath: TypeAlias = tuple[str | int, ...]
"""`("registry", 0, "mirror", 1, "location")`: names of keys, and positions in arrays of tables."""

# TOML 1.0 § String, § Comment; a multi-line string may end in up to five quotes
_PIECE = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[^\"'\#\n\[\]{}=]+"
    r"|.",
    re.DOTALL,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+(?:[ \t]*\.[ \t]*[A-Za-z0-9_-]+)*")


class Said(msgspec.Struct, frozen=True):
    """Where something is said: file and line, from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Table:
    """A table that knows its place. What it is asked for is known, the rest is ignored.

    Keys are asked for in lower case and found in any, as by the engines' reader (BurntSushi/toml). What is of another
    kind than asked for raises InvalidSettings.
    """

    def __init__(self, values: Mapping[str, object], at: KeyPath, path: Path, lines: Mapping[KeyPath, int]) -> None:
        self._values, self._at, self._path, self._lines = values, at, path, lines
        self._known: set[str] = set()
        self._within: list[Table] = []

    def said(self, key: str = "") -> Said:
        """Where a key stands, or the table itself."""
        at = (*self._at, self._name(key)) if key else self._at
        return Said(self._path, nearest(self._lines, at))

    def refuse(self, key: str, problem: str) -> NoReturn:
        """Raise InvalidSettings for a key."""
        raise InvalidSettings(f"{self.said(key)}: {problem}")

    def text(self, key: str) -> str:
        """ "" where there is none."""
        value = self._take(key)
        if not isinstance(value, str | None):
            self.refuse(key, f"{key} must be text in quotes")
        return value or ""

    def flag(self, key: str) -> bool:
        """False where there is none."""
        value = self._take(key)
        if not isinstance(value, bool | None):
            self.refuse(key, f"{key} must be true or false")
        return value or False

    def flag_said(self, key: str) -> Said | None:
        """Where a flag is set, if it is."""
        return self.said(key) if self.flag(key) else None

    def texts(self, key: str) -> tuple[str, ...] | None:
        """None where there is none, which is not an empty list."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.refuse(key, f"{key} must be a list of texts in quotes")
        return tuple(value)

    def table(self, key: str) -> "Table":
        """An empty one where there is none."""
        value = self._take(key)
        if not isinstance(value, dict | None):
            self.refuse(key, f"{key} must be a table")
        return self._inner(value or {}, (self._name(key),))

    def tables(self, key: str) -> list["Table"]:
        """Of an array of tables."""
        value = self._take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.refuse(key, f"{key} must be written [[{key}]]")
        return [self._inner(each, (self._name(key), number)) for number, each in enumerate(value)]

    def items(self) -> Iterator[tuple[str, str]]:
        """All keys, with their texts."""
        for key in self._values:
            yield key, self.text(key)

    def ignored(self) -> Iterator[tuple[Said, str]]:
        """Keys that were not asked for, here and in the tables within, as dotted names."""
        for key in self._values:
            if key not in self._known:
                yield self.said(key), ".".join(str(part) for part in (*self._at, key) if isinstance(part, str))
        for table in self._within:
            yield from table.ignored()

    def _inner(self, values: Mapping[str, object], below: KeyPath) -> "Table":
        table = Table(values, (*self._at, *below), self._path, self._lines)
        self._within.append(table)
        return table

    def _name(self, key: str) -> str:
        """The key as it is spelt here."""
        return key if key in self._values else next((name for name in self._values if name.lower() == key), key)

    def _take(self, key: str) -> object:
        self._known.add(self._name(key))
        return self._values.get(self._name(key))


def read_toml(content: bytes, path: Path) -> Table:
    """The whole document. Raises InvalidSettings: no TOML. Args: path: for messages and `Said`."""
    try:
        text = content.decode()
        return Table(tomllib.loads(text), (), path, lines_of(text))
    except (ValueError, RecursionError) as problem:
        raise InvalidSettings(f"{path}: no TOML: {problem}") from problem


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of each table header and each key outside of inline values.

    Args:
        text: a document that tomllib has read without complaint.
    """
    found = _Found()
    head, in_head, depth, line = "", True, 0, 1
    for match in _PIECE.finditer(text.replace("\r\n", "\n") + "\n"):
        piece = match[0]
        if piece == "\n" and depth == 0:
            if in_head and head.strip():
                found.table(head.strip(), line)
            head, in_head = "", True
        elif in_head and piece == "=":
            found.key(head.strip(), line)
            in_head = False
        elif in_head and not piece.startswith("#"):
            head += piece
        elif piece in ("[", "{"):
            depth += 1
        elif piece in ("]", "}"):
            depth -= 1
        line += piece.count("\n")
    return found.lines


def nearest(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """The line of a key, else of what encloses it: an inline table has only the line of the key that it belongs to."""
    return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 1)


class _Found:
    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._last: dict[KeyPath, int] = {}
        self._table: KeyPath = ()

    def table(self, head: str, line: int) -> None:
        is_array = head.startswith("[[")
        *parents, own = _parts(head[2:-2] if is_array else head[1:-1])
        path: KeyPath = ()
        for parent in parents:
            path = (*path, parent)
            if path in self._last:  # [[registry.mirror]] belongs to the [[registry]] before it
                path = (*path, self._last[path])
        path = (*path, own)
        if is_array:
            self._last[path] = self._last.get(path, -1) + 1
            path = (*path, self._last[path])
        self._table = path
        self.lines.setdefault(path, line)

    def key(self, head: str, line: int) -> None:
        self.lines.setdefault((*self._table, *_parts(head)), line)


def _parts(text: str) -> list[str]:
    text = text.strip()
    if _BARE.fullmatch(text):
        return [part.strip() for part in text.split(".")]
    parts: list[str] = []
    value: object = tomllib.loads(f"{text} = 0")  # quoted: with TOML's own escapes
    while isinstance(value, dict):
        (part,) = value
        parts.append(part)
        value = value[part]
    return parts
