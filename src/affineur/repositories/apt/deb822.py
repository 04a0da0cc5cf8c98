"""Stanzas of `Field: value` lines, as apt reads them from its own configuration (deb822(5)).

Unlike a Packages index these files may carry comments: lines whose first character is `#`, also within a value.
"""

from collections.abc import Iterator

import msgspec

__all__ = ["MalformedStanza", "Stanza", "stanzas"]


class MalformedStanza(ValueError):
    """A line that is neither a field, nor its continuation, nor a comment; carries the line's number."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


class Stanza(msgspec.Struct, frozen=True):
    """One stanza.

    Attributes:
        line: of its first field, from 1.
        fields: lower-case name → value; the lines of a longer value are joined by newlines and keep their indentation.
            Of a field that stands twice the last one counts.
        lines: lower-case name → the field's own line.
    """

    line: int
    fields: dict[str, str]
    lines: dict[str, int]

    def words(self, name: str) -> list[str]:
        """The value's words, separated by blanks or line ends."""
        return self.fields.get(name, "").split()


def stanzas(text: str) -> Iterator[Stanza]:
    """Yield the stanzas that hold at least one field.

    Raises:
        MalformedStanza: at the first line that breaks the format; the stanzas before it have been yielded.
    """
    fields: dict[str, str] = {}
    lines: dict[str, int] = {}
    name = ""
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.rstrip("\r")
        if line.startswith("#"):
            continue
        if not line:
            if fields:
                yield Stanza(min(lines.values()), fields, lines)
                fields, lines = {}, {}
            name = ""
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line.rstrip()
            elif line.strip():
                raise MalformedStanza(number, "a continuation line without a field")
        else:
            label, colon, value = line.partition(":")
            if not colon or not label.strip():
                raise MalformedStanza(number, "no field name")
            name = label.strip().lower()
            fields[name] = value.strip()
            lines[name] = number
    if fields:
        yield Stanza(min(lines.values()), fields, lines)
