"""Strings from outside, made safe to show to people: on a terminal, in Markdown, in HTML, in JSON on a screen.

An image chooses its names, a registry its answers, a feed its titles. A terminal acts on ESC and the C1 controls, a
reader is misled by bidirectional overrides and by characters without a shape (Unicode TR 36 § 3), and a line feed
forges a line. All that is not printable is written as what it is: `\\x1b`, `\\u202e`. Printable is Python's own notion:
none of the Unicode categories Other (Cc, Cf, Cs, Co, Cn) and Separator, the plain space excepted.
"""

import re

__all__ = ["html", "json_text", "markdown", "markdown_code", "shortened", "visible"]

SHAPELESS = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5")  # letters and marks that show nothing
MARKS_IN_A_ROW = 4  # more combining marks than any language stacks spill over neighbouring lines
MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
MARKDOWN_START = re.compile(r"^(\d{0,9})([-+=.)])(?=[\s=-]|$)")  # list items, rules, underlines of headings
# What hosts turn into links, mentions and emoji after Markdown is parsed, where a backslash is gone; a comment is not.
MENTION = re.compile(r"(\\?[@#:])(?=[\w/+-])|(?<=www)(?=\.)", re.IGNORECASE)
OTHERS = re.compile(r"[^\n -~]+")  # than ASCII's printable ones, which most of a document is
BACKTICKS = re.compile(r"`+")
HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "`": "&#96;"})


def visible(text: str) -> str:
    """Return `text` with every character that a terminal would act on, or a reader not see, spelled out."""
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if not character.isascii() and _is_mark(character) else 0
        if not character.isprintable() or character in SHAPELESS or marks > MARKS_IN_A_ROW:
            out.append(_spelled(character))
        else:
            out.append(character)
    return "".join(out)


def shortened(text: str, limit: int) -> str:
    """Return `visible(text)` in at most `limit` characters, ending in an ellipsis where something was cut off."""
    shown = visible(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def markdown(text: str) -> str:
    """Return `text` as literal text of GitHub-flavoured Markdown: in a paragraph, a list item or a table's cell.

    Punctuation that could start markup is backslash-escaped (CommonMark § 2.4). Hosts look for mentions, references to
    issues, emoji and bare URLs afterwards, in the text that results: an empty HTML comment keeps them apart. Spaces in
    front mean nothing in a paragraph, and could make a list or code of what follows: they are left out.
    """
    escaped = MARKDOWN_START.sub(r"\1\\\2", MARKDOWN_SPECIAL.sub(r"\\\1", visible(text).lstrip()))
    return MENTION.sub(lambda found: f"{found[1] or ''}<!-- -->", escaped)


def markdown_code(text: str) -> str:
    """Return `text` as a code span that also stands in a table's cell, which a pipe would end (GFM § 4.10)."""
    shown = visible(text).replace("|", "\\x7c")
    if not shown.strip():
        return ""
    fence = "`" * (max((len(run) for run in BACKTICKS.findall(shown)), default=0) + 1)
    return f"{fence} {shown} {fence}" if "`" in shown else f"`{shown}`"


def html(text: str) -> str:
    """Return `text` for an HTML or SVG text node or a quoted attribute."""
    return visible(text).translate(HTML)


def json_text(document: str) -> str:
    r"""Return the JSON text `document` with unprintable characters of its strings as \u escapes: the same value.

    JSON escapes the C0 controls by itself, but lets DEL, C1 and bidirectional controls through (RFC 8259 § 7).
    """
    if document.isascii() and "\x7f" not in document:
        return document
    return OTHERS.sub(lambda found: "".join(c if c.isprintable() else _json_escape(c) for c in found[0]), document)


def _is_mark(character: str) -> bool:
    import unicodedata  # only where something is not ASCII

    return unicodedata.category(character).startswith("M")


def _spelled(character: str) -> str:
    code = ord(character)
    if character in "\t\n\r":
        return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
