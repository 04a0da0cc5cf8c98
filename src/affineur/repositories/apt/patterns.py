"""Shell globs and POSIX extended regular expressions, matched in time linear in the text.

An image's preferences may hold any expression, so none is handed to a backtracking engine: both kinds become one small
automaton, stepped character by character (Thompson's construction). Letter case never matters, as in apt's pins.

Sources: fnmatch(3) without flags but case folding; regex(7), extended, case-insensitive, unanchored.
"""

from collections.abc import Callable

import msgspec

__all__ = ["Pattern", "UnsupportedPattern", "expression", "glob", "regular"]

MAX_STATES = 5_000  # of one automaton: `{n,m}` multiplies
GLOB_NEGATIONS, EXPRESSION_NEGATIONS = "!^", "^"
MAX_TEXT = 1_000  # longer names and versions are not matched at all

_Test = Callable[[str], bool]
_CLASSES: dict[str, _Test] = {
    "alpha": str.isalpha,
    "digit": str.isdigit,
    "alnum": str.isalnum,
    "upper": str.isalpha,  # case is folded
    "lower": str.isalpha,
    "space": str.isspace,
    "blank": lambda character: character in " \t",
    "punct": lambda character: character.isprintable() and not character.isalnum() and not character.isspace(),
    "xdigit": lambda character: character in "0123456789abcdefABCDEF",
    "print": str.isprintable,
    "graph": lambda character: character.isprintable() and not character.isspace(),
    "cntrl": lambda character: ord(character) < 32 or ord(character) == 127,
}


class UnsupportedPattern(ValueError):
    """Not a valid expression, or one with GNU extensions (back-references, `\\w`) that are not read here."""


class _Node(msgspec.Struct, eq=False):
    """A state: it consumes a character that passes `test`, or stands at an anchor, or only leads on."""

    test: _Test | None = None
    anchor: str = ""
    after: "list[_Node]" = msgspec.field(default_factory=list)


class Pattern:
    """A compiled expression.

    Attributes:
        states: the automaton's size; a match takes at most that many steps per character.
    """

    def __init__(self, start: _Node, end: _Node, states: int, *, whole: bool) -> None:
        self._start, self._end, self._whole = start, end, whole
        self.states = states

    def matches(self, text: str) -> bool:
        """Whether the whole text (a glob) or any part of it (a regular expression) matches."""
        if len(text) > MAX_TEXT:
            return False
        states = self._close([self._start], 0, text)
        for at, character in enumerate(text):
            if not self._whole and self._end in states:
                return True
            folded = character.lower()
            onward = [
                following
                for state in states
                if state.test is not None and state.test(folded)
                for following in state.after
            ]
            if not self._whole:
                onward.append(self._start)
            states = self._close(onward, at + 1, text)
        return self._end in states

    def _close(self, states: list[_Node], at: int, text: str) -> set[_Node]:
        reached: set[_Node] = set()
        while states:
            state = states.pop()
            if state in reached or (state.anchor == "^" and at != 0) or (state.anchor == "$" and at != len(text)):
                continue
            reached.add(state)
            if state.test is None:
                states.extend(state.after)
        return reached


def expression(text: str) -> Pattern:
    """What apt's pins take anywhere: `/regex/`, otherwise a glob.

    Raises:
        UnsupportedPattern: it cannot be told what this would match.
    """
    if len(text) >= 2 and text.startswith("/") and text.endswith("/"):
        return regular(text[1:-1])
    return glob(text)


def glob(text: str) -> Pattern:
    """A shell glob: `*`, `?`, `[a-z]`, `[!a-z]`, `\\` before a character that stands for itself.

    Raises:
        UnsupportedPattern: an unknown character class or too long.
    """
    build = _Builder(text)
    start = end = build.node()
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        step = build.node()
        if character == "*":
            loop = build.node(_anything)
            loop.after.append(end)
            end.after.append(loop)
            end.after.append(step)
            end = step
            continue
        test: _Test = _anything if character == "?" else _same(character)
        if character == "[":
            inside = build.bracket(at, negations=GLOB_NEGATIONS)
            if inside is not None:
                test, at = inside
        elif character == "\\" and at < len(text):
            test = _same(text[at])
            at += 1
        eater = build.node(test)
        eater.after.append(step)
        end.after.append(eater)
        end = step
    return Pattern(start, end, build.states, whole=True)


def regular(text: str) -> Pattern:
    """A POSIX extended regular expression.

    Raises:
        UnsupportedPattern: invalid, an extension, or too long.
    """
    build = _Builder(text)
    start, end = build.alternatives(depth=0)
    if build.at < len(text):
        raise UnsupportedPattern("unbalanced )")
    return Pattern(start, end, build.states, whole=False)


def _anything(_character: str) -> bool:
    return True


def _same(wanted: str) -> _Test:
    folded = wanted.lower()
    return lambda character: character == folded


MAX_GROUPS = 50  # nested parentheses


class _Builder:
    """Recursive descent over one text; every method returns the first and the last state of what it has read."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.states = text, 0, 0

    def node(self, test: _Test | None = None, anchor: str = "") -> _Node:
        self.states += 1
        if self.states > MAX_STATES:
            raise UnsupportedPattern("too long")
        return _Node(test, anchor)

    def alternatives(self, depth: int) -> tuple[_Node, _Node]:
        if depth > MAX_GROUPS:
            raise UnsupportedPattern("too deeply nested")
        start, end = self.node(), self.node()
        while True:
            first, last = self.sequence(depth)
            start.after.append(first)
            last.after.append(end)
            if self.text[self.at : self.at + 1] != "|":
                return start, end
            self.at += 1

    def sequence(self, depth: int) -> tuple[_Node, _Node]:
        start = end = self.node()
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            first, last = self.repeated(depth)
            end.after.append(first)
            end = last
        return start, end

    def repeated(self, depth: int) -> tuple[_Node, _Node]:
        begin = self.at
        first, last = self.atom(depth)
        stop = self.at
        while self.at < len(self.text) and self.text[self.at] in "*+?{":
            if self.text[begin] in "^$":
                raise UnsupportedPattern("a repeated anchor")
            low, high = self.bounds()
            resume = self.at
            start = end = self.node()
            for _ in range(low):
                end = self.again(end, begin, stop, depth)
            if high is None:
                loop = self.node()
                end.after.append(loop)
                tail = self.again(loop, begin, stop, depth)
                tail.after.append(loop)
                end = loop
            else:
                leave = self.node()
                for _ in range(high - low):
                    end.after.append(leave)
                    end = self.again(end, begin, stop, depth)
                end.after.append(leave)
                end = leave
            first, last, stop, self.at = start, end, resume, resume
        return first, last

    def again(self, end: _Node, begin: int, stop: int, depth: int) -> _Node:
        """One more copy of what stands in [begin, stop), read afresh."""
        whole, self.text, self.at = self.text, self.text[:stop], begin
        first, last = self.repeated(depth)
        self.text = whole
        end.after.append(first)
        return last

    def bounds(self) -> tuple[int, int | None]:
        mark = self.text[self.at]
        self.at += 1
        if mark != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[mark]
        inside, brace, _ = self.text[self.at :].partition("}")
        low, comma, high = inside.partition(",")
        if (
            not brace
            or not all(part.isdecimal() and len(part) < 4 for part in (low, high) if part)
            or not (low or comma)
        ):
            raise UnsupportedPattern("malformed {}")
        self.at += len(inside) + 1
        least = int(low or 0)
        most = least if not comma else int(high) if high else None
        if most is not None and most < least:
            raise UnsupportedPattern("malformed {}")
        return least, most

    def atom(self, depth: int) -> tuple[_Node, _Node]:
        character = self.text[self.at]
        self.at += 1
        if character == "(":
            first, last = self.alternatives(depth + 1)
            if self.text[self.at : self.at + 1] != ")":
                raise UnsupportedPattern("unbalanced (")
            self.at += 1
            return first, last
        if character in "^$":
            anchor = self.node(anchor=character)
            return anchor, anchor
        if character in "*+?{":
            raise UnsupportedPattern(f"nothing to repeat before {character}")
        test = _anything if character == "." else _same(character)
        if character == "[":
            inside = self.bracket(self.at, negations=EXPRESSION_NEGATIONS)
            if inside is None:
                raise UnsupportedPattern("unbalanced [")
            test, self.at = inside
        elif character == "\\":
            escaped = self.text[self.at : self.at + 1]
            if not escaped or escaped.isalnum() or escaped in "<>`'":
                raise UnsupportedPattern(f"\\{escaped}")
            test = _same(escaped)
            self.at += 1
        eater, last = self.node(test), self.node()
        eater.after.append(last)
        return eater, last

    def bracket(self, at: int, negations: str) -> tuple[_Test, int] | None:
        """A bracket expression whose `[` stands just before `at`; None where it is not closed."""
        text = self.text
        negated = text[at : at + 1] != "" and text[at] in negations
        at += negated
        tests: list[_Test] = []
        first = True
        while at < len(text) and (first or text[at] != "]"):
            first = False
            if text.startswith("[:", at):
                name, closed, _ = text[at + 2 :].partition(":]")
                if not closed or name not in _CLASSES:
                    raise UnsupportedPattern(f"unknown class [:{name}")
                tests.append(_CLASSES[name])
                at += len(name) + 4
            elif text.startswith(("[.", "[="), at):
                raise UnsupportedPattern("collating elements")
            elif text[at + 1 : at + 2] == "-" and text[at + 2 : at + 3] not in ("", "]"):
                low, high = text[at].lower(), text[at + 2].lower()
                plain = low <= high and (low + high).isascii() and (low.isalpha() + high.isalpha()) != 1
                if negations == EXPRESSION_NEGATIONS and not (plain and (low + high).isalnum()):
                    raise UnsupportedPattern(f"the range {low}-{high}")
                tests.append(_between(low, high))
                at += 3
            else:
                tests.append(_same(text[at]))
                at += 1
        if at >= len(text):
            return None
        found = tuple(tests)

        def test(character: str) -> bool:
            return any(one(character) for one in found)

        def reverse(character: str) -> bool:
            return not any(one(character) for one in found)

        return (reverse if negated else test), at + 1


def _between(low: str, high: str) -> _Test:
    return lambda character: low <= character <= high
