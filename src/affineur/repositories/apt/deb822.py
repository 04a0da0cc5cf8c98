"""Stanzas of `Field: value` lines, as apt reads them from its own configuration (deb822(5)).

Unlike a Packages index these files may carry comments: lines whose first character is `#`, also within a value. apt is
lenient here, and what it makes of a broken file decides what an image is offered: a line without a colon becomes part
of the next field's name, so that this field is lost; with no colon behind it at all, its whole stanza is.
"""

from collections.abc import Iterator

import msgspec

__all__ = ["Stanza", "stanzas"]


class Stanza(msgspec.Struct, frozen=True):
    """One stanza.

    Attributes:
        line: of its first field, from 1.
        fields: lower-case name → value; the lines of a longer value are joined by newlines and keep their indentation.
            Of a field that stands twice the last one counts. Empty where apt refuses the file.
        unread: numbers of lines without a colon, each of which costs the field behind it.
    """

    line: int
    fields: dict[str, str]
    unread: tuple[int, ...] = ()

    def words(self, name: str) -> list[str]:
        """The value's words, separated by blanks or line ends."""
        return self.fields.get(name, "").split()


def stanzas(text: str) -> Iterator[Stanza]:
    """Yield the stanzas, in order. Never raises; look at `unread`."""
    lines = [
        (number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), start=1) if not line.startswith("#")
    ]
    fields: dict[str, str] = {}
    unread: list[int] = []
    first, name = 0, ""
    label = ""  # of lines without a colon, waiting for one
    for number, line in [*lines, (len(lines) + 1, "")]:
        if not line and not label:
            if fields:
                yield Stanza(first, fields, tuple(unread))
            fields, unread, first, name = {}, [], 0, ""
        elif line[:1].isspace() and not label:
            if name:
                fields[name] = f"{fields[name]}\n{line.rstrip()}" if fields[name] else line.strip()
        else:
            before, colon, value = line.partition(":")
            if not colon:
                label += f"{line}\n"
                unread.append(number)
                continue
            name = (label + before).rstrip().lower()
            first, label = first or number, ""
            fields[name] = value.strip()
    if label:
        yield Stanza(first or unread[0], {}, tuple(unread))
