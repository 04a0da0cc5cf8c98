"""Lines of text for people: wrapped, aligned, and coloured where asked. No more than that; no terminal is looked at."""

import textwrap
from collections.abc import Iterable, Sequence

from affineur.report.escape import shortened, visible

__all__ = ["Page"]

STYLES = {"good": "32", "warn": "33", "bad": "31", "strong": "1", "quiet": "2"}  # SGR codes, ECMA-48 § 8.3.117
LONGEST_TEXT = 2000  # characters of one string from outside that a page for people shows
LAST_COLUMN = 14  # columns that a table leaves for its last cell, where the others can be cut off
FIRST_COLUMNS = 8  # but no column is cut below this


class Page:
    """A page of `width` columns that grows line by line. Every text given is escaped here, once.

    Words longer than the width (URLs, digests) stay whole, so that they can be copied.
    """

    def __init__(self, width: int = 80, colour: bool = False) -> None:
        self.width, self.colour = max(width, 20), colour
        self._lines: list[str] = []

    def text(self) -> str:
        """Return the page, each line ended by a line feed."""
        return "".join(f"{line.rstrip()}\n" for line in self._lines)

    def paint(self, text: str, style: str) -> str:
        """Return text (already escaped) in one of STYLES; unchanged where no colour was asked for, or no style."""
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colour and style and text else text

    def raw(self, line: str) -> None:
        """Add a line that is escaped and painted already."""
        self._lines.append(line)

    def blank(self) -> None:
        """Add an empty line, unless there is one or nothing is there yet."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def title(self, text: str, aside: str = "") -> None:
        """Start a section."""
        self.blank()
        aside = f"  {visible(aside)}" if aside else ""
        self._lines.append(self.paint(visible(text), "strong") + aside)

    def paragraph(self, text: str, indent: int = 2, style: str = "") -> None:
        """Add text, wrapped."""
        for line in self._wrap(text, self.width - indent):
            self._lines.append(" " * indent + self.paint(line, style))

    def fact(self, label: str, text: str, column: int = 8, style: str = "", label_style: str = "") -> None:
        """Add `label` and beside it, wrapped in its own column, the text."""
        shown = visible(label)
        lines = self._wrap(text, self.width - 2 - column) or [""]
        if len(shown) >= column:
            self._lines.append("  " + self.paint(shown, label_style))
        else:
            first = self.paint(shown, label_style) + " " * (column - len(shown))
            self._lines.append("  " + first + self.paint(lines.pop(0), style))
        self._lines.extend(" " * (2 + column) + self.paint(line, style) for line in lines)

    def table(self, rows: Iterable[Sequence[str]], styles: Sequence[str] = (), last_wraps: bool = True) -> None:
        """Add rows in columns as wide as their widest cell; the last column wraps in what is left.

        Args:
            rows: all of the same length.
            styles: of each column; missing ones are plain.
            last_wraps: False keeps every row in one line, cut off with an ellipsis.
        """
        cells = [[shortened(cell, LONGEST_TEXT) for cell in row] for row in rows]
        if not cells:
            return
        count = len(cells[0])
        widths = [max(len(row[i]) for row in cells) for i in range(count - 1)]
        while sum(width + 2 for width in widths) > self.width - 2 - LAST_COLUMN and max(widths) > FIRST_COLUMNS:
            widths[widths.index(max(widths))] -= 1  # no column may push the last one off the page
        start = 2 + sum(width + 2 for width in widths)
        left = max(self.width - start, 16)
        painted = [*styles, *[""] * (count - len(styles))]
        for row in cells:
            parts = [
                self.paint(shortened(cell, width), painted[i]) + " " * max(width - len(cell), 0)
                for i, (cell, width) in enumerate(zip(row[:-1], widths, strict=True))
            ]
            last = self._wrap(row[-1], left) or [""] if last_wraps else [shortened(row[-1], left)]
            self._lines.append("  " + "".join(part + "  " for part in parts) + self.paint(last[0], painted[-1]))
            self._lines.extend(" " * start + self.paint(line, painted[-1]) for line in last[1:])

    def wrapped(self, text: str, indent: int) -> list[str]:
        """Return text as the lines that fit beside `indent` columns, escaped; at least one, maybe empty."""
        return self._wrap(text, self.width - indent) or [""]

    def _wrap(self, text: str, width: int) -> list[str]:
        shown = shortened(text, LONGEST_TEXT)
        return textwrap.wrap(shown, max(width, 16), break_long_words=False, break_on_hyphens=False)
