"""apt's own configuration language, apt.conf(5): nested scopes, lists and comments into one tree of options.

Options are named case-insensitively by their path (`apt::get::phase-policy`). Nothing is included from elsewhere.
"""

import re

__all__ = ["MalformedConfiguration", "Options", "boolean"]

MAX_DEPTH = 100  # nested scopes; apt's own files use four
MAX_OPTIONS = 100_000  # over all files

_DIRECTIVES = ("clear", "include", "x-apt-configure-index")
_FALSE = {"no", "false", "without", "off", "disable", "0"}
_TRUE = {"yes", "true", "with", "on", "enable", "1"}


class MalformedConfiguration(ValueError):
    """apt would refuse this file; carries the line's number."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


def boolean(text: str | None) -> bool | None:
    """apt's words for yes and no; None for any other."""
    word = (text or "").lower()
    return True if word in _TRUE else False if word in _FALSE else None


class Options:
    """The tree that all files together give; a later value replaces an earlier one, list entries add up."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._lists: dict[str, dict[str, str]] = {}  # path → its children: a name, or a number for a nameless entry
        self.included: list[str] = []

    def text(self, name: str) -> str | None:
        """An option's value; None where it is absent or empty."""
        return self._values.get(name.lower()) or None

    def truth(self, name: str) -> bool | None:
        """A yes-or-no option; None where it is absent, empty or neither."""
        return boolean(self.text(name))

    def entries(self, name: str) -> list[str] | None:
        """A list: its entries in order, or a plain value split at commas; None where there is nothing."""
        plain = self.text(name)
        if plain is not None:
            return plain.split(",")
        return list(self._lists.get(name.lower(), {}).values()) or None

    def read(self, text: str) -> None:
        """Apply one file.

        Raises:
            MalformedConfiguration: the file breaks the syntax; what stood before that place has been applied, as apt
                does before it gives up.
        """
        scopes: list[str] = []
        parent = ""
        pending = ""
        for number, line in _lines(text):
            start = 0
            for mark in _marks(line):
                piece = line[start:mark].strip()
                start = mark + 1
                statement = f"{pending} {piece}".strip() if pending and piece else pending or piece
                pending = ""
                closing = line[mark]
                if not statement:
                    if closing == "{":
                        raise MalformedConfiguration(number, "a block without a name")
                    if closing == "}":
                        parent = scopes.pop() if scopes else ""
                    continue
                tag, word = _tag_and_word(statement, number, opens=closing == "{")
                if closing == "{":
                    scopes.append(parent)
                    if len(scopes) > MAX_DEPTH:
                        raise MalformedConfiguration(number, f"more than {MAX_DEPTH} nested blocks")
                    parent = f"{parent}::{tag}" if parent else tag
                    if word is not None:
                        self._set(parent, word, number)
                elif not tag and word == "#clear":
                    raise MalformedConfiguration(number, "#clear needs to be told what")
                elif tag.startswith("#"):
                    self._direct(tag[1:], word or "", number, nested=bool(parent))
                else:
                    self._set(f"{parent}::{tag}" if parent else tag, word or "", number)
                if closing == "}":
                    parent = scopes.pop() if scopes else ""
            rest = line[start:].strip()
            pending = f"{pending} {rest}" if pending and rest else pending or rest
        if pending:
            raise MalformedConfiguration(text.count("\n") + 1, "extra junk at the end of the file")

    def _set(self, name: str, value: str, line: int) -> None:
        if len(self._values) + sum(map(len, self._lists.values())) >= MAX_OPTIONS:
            raise MalformedConfiguration(line, f"more than {MAX_OPTIONS} options")
        path = name.lower()
        if path.endswith("::"):
            entries = self._lists.setdefault(path[:-2], {})
            entries[str(len(entries))] = value
        else:
            self._values[path] = value
            above, _, _ = path.rpartition("::")
            if above:
                self._lists.setdefault(above, {})[path] = value

    def _direct(self, directive: str, argument: str, line: int, *, nested: bool) -> None:
        if nested:
            raise MalformedConfiguration(line, "a directive within a block")
        if directive == "clear":
            path = argument.lower()
            for table in (self._values, self._lists):
                for name in [name for name in table if name == path or name.startswith(path + "::")]:
                    del table[name]
        elif directive == "include":
            self.included.append(argument)
        elif directive != "x-apt-configure-index":
            raise MalformedConfiguration(line, f"unsupported directive {directive!r}")


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines that hold more than comments, with those cut out; a `"` before a comment's mark may protect it."""
    kept: list[tuple[int, str]] = []
    commented = False
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.replace("\t", " " * 8).strip()  # as apt does, within quotes too
        if commented:
            _, end, line = line.partition("*/")
            if not end:
                continue
            commented = False
        line = _cut(line, "//")
        line = _cut(line, "#")
        parts: list[str] = []
        at = line.find("/*")
        while at >= 0:
            if line.count('"', 0, at) % 2:
                at = line.find("/*", at + 2)
                continue
            parts.append(line[:at])
            _, end, line = line[at + 2 :].partition("*/")
            if not end:
                commented, line = True, ""
                break
            at = line.find("/*")
        line = "".join(parts) + line
        if line:
            kept.append((number, line))
    return kept


def _cut(line: str, mark: str) -> str:
    at = line.find(mark)
    while at >= 0:
        directive = mark == "#" and line.startswith(_DIRECTIVES, at + 1)
        if not directive and line.count('"', 0, at) % 2 == 0:
            return line[:at]
        at = line.find(mark, at + 1)
    return line


def _marks(line: str) -> list[int]:
    """Where `{`, `}` and `;` stand outside of quotes."""
    quoted = False
    found: list[int] = []
    for at, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "{};":
            found.append(at)
    return found


_QUOTED_WORDS = re.compile(r'\s*(?:"[^"]*"\s*)+$')


def _tag_and_word(statement: str, line: int, *, opens: bool) -> tuple[str, str | None]:
    """A statement is `tag value`, or a lone value (an entry of a list: its tag is then empty)."""
    match = re.match(r'(?:"[^"]*"|\[[^\]]*\]|[^\s"\[])+', statement)
    if match is None:
        raise MalformedConfiguration(line, "malformed tag")
    tag, rest = _unquoted(match[0]), statement[match.end() :]
    if not rest.strip():
        return (tag, None) if opens else ("", tag)
    if _QUOTED_WORDS.match(rest):
        pieces = re.findall(r'"([^"]*)"|(\s+)', rest.strip())
        return tag, "".join(" " if blank else text for text, blank in pieces)
    word = re.fullmatch(r'\s*((?:"[^"]*"|\[[^\]]*\]|[^\s"\[])+)\s*', rest)
    if word is None:
        raise MalformedConfiguration(line, "extra junk after the value")
    return tag, _unquoted(word[1])


def _unquoted(text: str) -> str:
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text).replace('"', "")
