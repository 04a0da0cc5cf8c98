"""A strict reading of one YAML document: no duplicate keys, no aliases, no tags, and every value knows its line."""

from typing import Any, Final

import yaml

__all__ = ["Document", "NotStrict", "Path", "read"]

Path = tuple[str, ...]  # keys from the top; the items of a sequence are counted from "0"

# What nobody writes by hand; such a file may come from anywhere.
BYTES_MAX: Final = 256 * 1024
DEPTH_MAX: Final = 16


class NotStrict(Exception):
    """The document breaks a rule of YAML or one of ours, at a line counted from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


class Document:
    """Plain values (dict, list, str, int, float, bool, date; None for an empty document), and the line of each."""

    def __init__(self, values: Any, lines: dict[Path, int]) -> None:
        self.values = values
        self._lines = lines

    def line(self, path: Path) -> int:
        """The line of a key or an item; of the nearest thing around it where there is no such one."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


class _Loader(yaml.SafeLoader):
    depth = 0
    texts = False

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise NotStrict(line, "anchors and aliases are not allowed")
        if getattr(event, "tag", None) is not None:
            raise NotStrict(line, f"the tag {event.tag} is not allowed")
        if self.depth == DEPTH_MAX:
            raise NotStrict(line, f"more than {DEPTH_MAX} levels")
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read(content: bytes, *, empty: bool = False, texts: bool = False) -> Document:
    """Read one document. An empty one has the value None.

    Args:
        empty: a key may be without a value (None), as in the engines' files, where what follows it is a comment.
        texts: every scalar that is there is the text as it was written: a tag 1.10 is not the number 1.1.

    Raises:
        NotStrict: not UTF-8, no YAML, a key that is twice in a mapping, has no value or is no text, an alias, a tag,
            a second document, too long, too deep.
    """
    if len(content) > BYTES_MAX:
        raise NotStrict(1, f"longer than {BYTES_MAX} bytes")
    try:
        loader = _Loader(content.decode())
        loader.texts = texts
        node = loader.get_single_node()
        lines: dict[Path, int] = {}
        return Document(None if node is None else _values(loader, node, (), lines, empty), lines)
    except UnicodeDecodeError as problem:
        raise NotStrict(content.count(b"\n", 0, problem.start) + 1, "not UTF-8") from problem
    except yaml.reader.ReaderError as problem:
        raise NotStrict(content.decode().count("\n", 0, problem.position) + 1, problem.reason) from problem
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise NotStrict(mark.line + 1 if mark else 1, problem.problem or "no YAML") from problem
    except ValueError as problem:  # a scalar that looks like a number or a date, and is none
        raise NotStrict(1, str(problem)) from problem


def _values(loader: _Loader, node: yaml.Node, path: Path, lines: dict[Path, int], empty: bool) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_values(loader, item, (*path, str(index)), lines, empty) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        is_text = loader.texts and node.tag != "tag:yaml.org,2002:null"
        value = node.value if is_text else loader.construct_object(node)
        if value is None and path and not empty:
            raise NotStrict(lines[path], f"{path[-1]} has no value")  # it would read as "not asked for"
        return value
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
            raise NotStrict(line, "a key that is no text")
        key = key_node.value
        if key in found:
            raise NotStrict(line, f"{key} is there twice (first in line {lines[(*path, key)]})")
        lines[(*path, key)] = line
        found[key] = _values(loader, value_node, (*path, key), lines, empty)
    return found
