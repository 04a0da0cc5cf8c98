"""Patterns of tags: globs and regular expressions, matched in time linear in the tag.

Tags are chosen by strangers, and a backtracking engine may take for ever over one of them; so an expression becomes an
automaton that is stepped character by character (Thompson's construction). What is understood is what Go's regexp takes
(github.com/google/re2/wiki/Syntax), as skopeo does, as far as it can mean anything in a tag: literals, `.`, `[…]`,
`\\d \\w \\s` and their opposites, `(…)`, `(?:…)`, `|`, `* + ? {n,m}` (lazy ones alike), `^ $ \\A \\z \\b \\B`, and
`(?i)` at the start. Letter case counts. Globs: glob(7).
"""

import string
from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["InvalidPattern", "Matches", "glob", "regular"]

MAX_EXPRESSION: Final = 1024
"""Characters of an expression or a glob."""
MAX_STATES: Final = 4000
"""Of one automaton: `{n,m}` multiplies."""
MAX_DEPTH: Final = 50
"""Groups in groups."""
MAX_REPEAT: Final = 1000
"""As in Go's regexp."""
MAX_TAG: Final = 128
"""distribution-spec 1.1 § Pulling manifests; longer texts are no tags, and match nothing."""

Matches: TypeAlias = Callable[[str], bool]
_Chars: TypeAlias = frozenset[str]

_ANY: Final[_Chars] = frozenset(map(chr, range(32, 127)))
_DIGIT: Final[_Chars] = frozenset(string.digits)
_WORD: Final[_Chars] = frozenset(string.ascii_letters + string.digits + "_")
_SPACE: Final[_Chars] = frozenset(" ")
_ESCAPED: Final[dict[str, _Chars]] = {
    "d": _DIGIT,
    "w": _WORD,
    "s": _SPACE,
    "D": _ANY - _DIGIT,
    "W": _ANY - _WORD,
    "S": _ANY - _SPACE,
}
_NAMED: Final[dict[str, _Chars]] = {
    "alnum": frozenset(string.ascii_letters + string.digits),
    "alpha": frozenset(string.ascii_letters),
    "digit": _DIGIT,
    "lower": frozenset(string.ascii_lowercase),
    "punct": frozenset(string.punctuation),
    "upper": frozenset(string.ascii_uppercase),
    "word": _WORD,
    "xdigit": frozenset(string.hexdigits),
}
_OFTEN: Final[dict[str, tuple[int, int | None]]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class InvalidPattern(ValueError):
    """A text that is no pattern, or one of a kind that is not understood; and why."""


def glob(text: str) -> Matches:
    """A shell glob over the whole tag: `*`, `?`, `[a-z]`, `[!a-z]`. Raises InvalidPattern."""
    if len(text) > MAX_EXPRESSION:
        raise InvalidPattern(f"longer than {MAX_EXPRESSION} characters")
    parser = _Parser(text)
    parts: list[_Node] = [_Anchor("^")]
    while not parser.done:
        character = parser.take()
        if character == "*":
            parts.append(_Repeat(_Set(_ANY), 0, None))
        elif character == "[" and "]" in text[parser.at + 1 :]:
            parts.append(_Set(parser.characters("!^")))
        else:
            parts.append(_Set(_ANY if character == "?" else frozenset(character)))
    return _Automaton(_Sequence([*parts, _Anchor("$")])).matches


def regular(text: str) -> Matches:
    """A regular expression, found anywhere in the tag. Raises InvalidPattern."""
    if len(text) > MAX_EXPRESSION:
        raise InvalidPattern(f"longer than {MAX_EXPRESSION} characters")
    folded = text.startswith("(?i)")
    parser = _Parser(text.removeprefix("(?i)"), folded=folded)
    node = parser.alternatives(0)
    if not parser.done:
        raise parser.wrong("a ) too many")
    return _Automaton(node).matches


class _Node:
    """A part of an expression."""

    __slots__ = ()


class _Set(_Node):
    __slots__ = ("characters",)

    def __init__(self, characters: _Chars) -> None:
        self.characters = characters


class _Anchor(_Node):
    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


class _Sequence(_Node):
    __slots__ = ("parts",)

    def __init__(self, parts: list[_Node]) -> None:
        self.parts = parts


class _Choice(_Node):
    __slots__ = ("parts",)

    def __init__(self, parts: list[_Node]) -> None:
        self.parts = parts


class _Repeat(_Node):
    __slots__ = ("least", "most", "part")

    def __init__(self, part: _Node, least: int, most: int | None) -> None:
        self.part, self.least, self.most = part, least, most


class _Parser:
    def __init__(self, text: str, *, folded: bool = False) -> None:
        self.text, self.at, self._folded = text, 0, folded

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    @property
    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        if self.done:
            raise self.wrong("it ends too early")
        self.at += 1
        return self.text[self.at - 1]

    def wrong(self, problem: str) -> InvalidPattern:
        return InvalidPattern(f"{self.text!r} is no pattern that is understood here: {problem}")

    def alternatives(self, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise self.wrong(f"more than {MAX_DEPTH} groups in groups")
        parts: list[_Node] = [self._sequence(depth)]
        while self._next == "|":
            self.at += 1
            parts.append(self._sequence(depth))
        return _Choice(parts)

    def _sequence(self, depth: int) -> _Node:
        parts: list[_Node] = []
        while self._next not in ("", "|", ")"):
            parts.append(self._repeated(self._atom(depth)))
        return _Sequence(parts)

    def _repeated(self, part: _Node) -> _Node:
        if (counted := self._counted()) is None:
            return part
        if self._next == "?":  # lazy: it finds the same tags
            self.at += 1
        if self._counted() is not None:
            raise self.wrong("a repetition of a repetition")
        return _Repeat(part, *counted)

    def _counted(self) -> tuple[int, int | None] | None:
        """How often, for `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`; None, and nothing taken, for anything else."""
        if self._next in _OFTEN:
            return _OFTEN[self.take()]
        end = self.text.find("}", self.at)
        if self._next != "{" or end < 0:
            return None
        first, comma, last = self.text[self.at + 1 : end].partition(",")
        if not _is_count(first) or not (_is_count(last) or last == ""):
            return None
        least = int(first)
        most = least if not comma else int(last) if last else None
        if max(least, most or 0) > MAX_REPEAT or (most is not None and most < least):
            raise self.wrong("a count that is too large, or the larger one first")
        self.at = end + 1
        return least, most

    def _atom(self, depth: int) -> _Node:
        character = self.take()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return _Set(self._cased(self.characters("^")))
        if character == ".":
            return _Set(_ANY)
        if character in "^$":
            return _Anchor(character)
        if character in "*+?":
            raise self.wrong(f"nothing before {character}")
        if character == "\\":
            return self._escape()
        return _Set(self._cased(frozenset(character)))

    def _group(self, depth: int) -> _Node:
        if self.text.startswith("?", self.at):
            named = self.text.find(">", self.at)
            if self.text.startswith("?:", self.at):
                self.at += 2
            elif self.text.startswith(("?P<", "?<"), self.at) and self.text[self.at + 2] not in "=!" and named > 0:
                self.at = named + 1
            else:
                raise self.wrong(f"a group of the kind ({self.text[self.at : self.at + 3]}")
        inner = self.alternatives(depth + 1)
        if self.done:
            raise self.wrong("a ) is missing")
        self.at += 1
        return inner

    def _escape(self) -> _Node:
        character = self.take()
        if character in _ESCAPED:
            return _Set(_ESCAPED[character])
        if character in "AzbB":
            return _Anchor({"A": "^", "z": "$"}.get(character, character))
        if character.isalnum():
            raise self.wrong(f"\\{character}")
        return _Set(frozenset(character))

    def characters(self, negations: str) -> _Chars:
        """What stands between `[` and `]`."""
        found: set[str] = set()
        opposite = self._next != "" and self._next in negations
        if opposite:
            self.at += 1
        first = True
        while True:
            character = self.take()
            if character == "]" and not first:
                return _ANY - found if opposite else frozenset(found)
            first = False
            if character == "[" and self.text.startswith(":", self.at):
                name, _, _ = self.text[self.at + 1 :].partition(":]")
                if name not in _NAMED:
                    raise self.wrong(f"the class [:{name[:20]}:]")
                self.at += len(name) + 3
                found |= _NAMED[name]
                continue
            if character == "\\":
                character = self.take()
                if character in _ESCAPED:
                    found |= _ESCAPED[character]
                    continue
                if character.isalnum():
                    raise self.wrong(f"\\{character}")
            found |= self._span(character)

    def _span(self, first: str) -> _Chars:
        if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
            self.at += 1
            last = self.take()
            if last == "\\":
                last = self.take()
            if last < first:
                raise self.wrong(f"the range {first}-{last}")
            return frozenset(character for character in _ANY if first <= character <= last)
        return frozenset(first)

    def _cased(self, characters: _Chars) -> _Chars:
        return frozenset(f(c) for c in characters for f in (str.lower, str.upper)) if self._folded else characters


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


class _Automaton:
    """States by number; each consumes a character of a set, stands at an anchor, or only leads on."""

    def __init__(self, node: _Node) -> None:
        self._sets: list[_Chars | None] = [None]
        self._anchors: list[str] = [""]
        self._after: list[tuple[int, ...]] = [()]
        self._end = 0
        self._start = self._made(node, self._end)

    def matches(self, tag: str) -> bool:
        """Whether any part of it matches."""
        if len(tag) > MAX_TAG:
            return False
        states = self._reached([self._start], tag, 0)
        for at, character in enumerate(tag):
            if self._end in states:
                return True
            onward = [self._start]
            for state in states:
                characters = self._sets[state]
                if characters is not None and character in characters:
                    onward.extend(self._after[state])
            states = self._reached(onward, tag, at + 1)
        return self._end in states

    def _reached(self, waiting: list[int], tag: str, at: int) -> set[int]:
        reached: set[int] = set()
        while waiting:
            state = waiting.pop()
            anchor = self._anchors[state]
            if state in reached or (anchor and not _stands(anchor, tag, at)):
                continue
            reached.add(state)
            if self._sets[state] is None:
                waiting.extend(self._after[state])
        return reached

    def _made(self, node: _Node, onward: int) -> int:
        """The states of a part that leads on to `onward`; returns where it begins."""
        if isinstance(node, _Set):
            return self._state(node.characters, "", (onward,))
        if isinstance(node, _Anchor):
            return self._state(None, node.kind, (onward,))
        if isinstance(node, _Sequence):
            for part in reversed(node.parts):
                onward = self._made(part, onward)
            return onward
        if isinstance(node, _Choice):
            return self._state(None, "", tuple(self._made(part, onward) for part in node.parts))
        assert isinstance(node, _Repeat)  # noqa: S101 - for the type checker
        begin = onward
        if node.most is None:
            begin = self._state(None, "", ())
            self._after[begin] = (self._made(node.part, begin), onward)
        else:
            for _ in range(node.most - node.least):
                begin = self._state(None, "", (self._made(node.part, begin), onward))
        for _ in range(node.least):
            begin = self._made(node.part, begin)
        return begin

    def _state(self, characters: _Chars | None, anchor: str, after: tuple[int, ...]) -> int:
        if len(self._sets) == MAX_STATES:
            raise InvalidPattern(f"a pattern of more than {MAX_STATES} states: repeat less")
        self._sets.append(characters)
        self._anchors.append(anchor)
        self._after.append(after)
        return len(self._sets) - 1


def _stands(anchor: str, tag: str, at: int) -> bool:
    if anchor == "^":
        return at == 0
    if anchor == "$":
        return at == len(tag)
    before, behind = at > 0 and tag[at - 1] in _WORD, at < len(tag) and tag[at] in _WORD
    return (before != behind) == (anchor == "b")
