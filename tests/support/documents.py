"""The project's documents, cut into what can be checked: console sessions, named files, headings, links."""

import re
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["DOCUMENTS", "PROJECT", "Block", "Command", "anchors", "blocks", "commands", "links", "named_files", "prose"]

PROJECT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")], key=lambda path: path.relative_to(PROJECT).as_posix()
)
_FENCE = re.compile(r"^(?P<mark>```+)(?P<language>[\w-]*)\s*\n(?P<body>.*?)^(?P=mark)\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass
class Block:
    """A fenced block: its language, its text, and the line on which it begins."""

    language: str
    body: str
    line: int


@dataclass
class Command:
    """What a reader types, and what the document shows of its answer."""

    text: str
    line: int
    shown: list[str] = field(default_factory=list)


def blocks(document: Path) -> list[Block]:
    """Every fenced block, in order."""
    text = document.read_text("utf-8")
    return [
        Block(found["language"], found["body"], text.count("\n", 0, found.start()) + 2)
        for found in _FENCE.finditer(text)
    ]


def commands(block: Block) -> list[Command]:
    """The `$ …` lines of a console block (a backslash continues one), each with the lines shown below it."""
    found: list[Command] = []
    for number, line in enumerate(block.body.splitlines(), block.line):
        if line.startswith("$ "):
            found.append(Command(line[2:], number))
        elif found and found[-1].text.endswith("\\") and not found[-1].shown:
            found[-1].text = found[-1].text[:-1].rstrip() + " " + line.strip().removeprefix("> ")
        elif found:
            found[-1].shown.append(line)
    return found


def named_files(document: Path) -> dict[str, str]:
    """Blocks that say in their first line, a comment, which file they are."""
    files = {}
    for block in blocks(document):
        first = block.body.partition("\n")[0]
        if named := re.fullmatch(r"# ([\w.-]+\.(?:yaml|toml|json))", first):
            files[named[1]] = block.body
    return files


def prose(document: Path) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", document.read_text("utf-8"))


def links(document: Path) -> list[str]:
    """Targets of all links and pictures of the prose."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(document)))


def anchors(document: Path) -> set[str]:
    """What a link can name in a document: its headings, in lower case, without punctuation."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
