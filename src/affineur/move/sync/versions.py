"""Tags read as semantic versions, and ranges of them. Precedence: semver.org 2.0.0 § 11; ranges: as skopeo reads them.

A tag is a version if it is `[v]MAJOR[.MINOR[.PATCH]][-SUFFIX]`; what is left out counts as 0. `1.27.3-alpine`, `v1.2`
and `20260101` are versions, `latest` and `1.2.3.4` are none. The suffix is what semver.org calls a prerelease, and
sorts before the version without it, whatever its writer meant; for variants such as `-alpine` see `file`.

A range is what `images-by-semver` of skopeo-sync(1) takes, the grammar of github.com/Masterminds/semver 3.2:

    range      = all, { "||", all }                     one of them holds
    all        = comparison, { [","], comparison }      each of them holds
    comparison = [ operator ], version | version, " - ", version
    operator   = "=" | "!=" | ">" | "<" | ">=" | "<=" | "~" | "^"

Parts of a version may be left out, or be `x`, `X` or `*`: `1.2` is all of 1.2, `>1.2` is from 1.3 on. A tag with a
suffix is in a range only if every comparison of that `all` names one, too: `>=1.2-0` takes what `>=1.2` leaves out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import total_ordering
from typing import Final

import msgspec

__all__ = ["InvalidRange", "Range", "Version", "parse_range", "read_version"]

MAX_RANGE: Final = 1024
"""Characters."""
MAX_COMPARISONS: Final = 64

_NUMBER = r"\d{1,18}"
_SUFFIX = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(rf"v?({_NUMBER})(?:\.({_NUMBER}))?(?:\.({_NUMBER}))?(?:-({_SUFFIX}))?", re.ASCII)
_PART = rf"(?:{_NUMBER}|[xX*])"
_COMPARISON = re.compile(
    rf"\s*(=>|>=|=<|<=|!=|~>|[=<>~^]?)\s*v?({_PART})(?:\.({_PART}))?(?:\.({_PART}))?(?:-({_SUFFIX}))?(?:\+{_SUFFIX})?"
    r"(?=\s|$)",
    re.ASCII,
)
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)")
_SAME: Final = {"=>": ">=", "=<": "<=", "~>": "~", "=": ""}


class InvalidRange(ValueError):
    """A text that is no range, and why."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A tag's meaning as a version; compared by precedence.

    Attributes:
        parts: how many numbers were written, 1 to 3.
        suffix: without its hyphen; "" for none.
    """

    major: int
    minor: int = 0
    patch: int = 0
    suffix: str = ""
    parts: int = 3

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Major, minor, patch."""
        return self.major, self.minor, self.patch

    @property
    def key(self) -> tuple[tuple[int, int, int], bool, list[tuple[bool, int, str]]]:
        """Sorts as § 11 asks: a suffix before none; numbers by value, and before words; the shorter first."""
        identifiers = self.suffix.split(".") if self.suffix else []
        ranked = [(False, int(each), "") if _is_number(each) else (True, 0, each) for each in identifiers]
        return self.numbers, not self.suffix, ranked

    def __lt__(self, other: "Version") -> bool:
        return self.key < other.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.key == other.key

    def __hash__(self) -> int:
        return hash((self.numbers, self.suffix))


def _is_number(identifier: str) -> bool:
    return identifier.isascii() and identifier.isdigit()


def read_version(tag: str) -> Version | None:
    """A tag as a version, None where it is none."""
    found = _VERSION.fullmatch(tag)
    if found is None:
        return None
    suffix = found[4]
    if suffix and any(_is_number(each) and each[0] == "0" and each != "0" for each in suffix.split(".")):
        return None  # § 9
    return _version([int(each) for each in found.groups()[:3] if each is not None], suffix)


def _version(numbers: list[int], suffix: str | None) -> Version:
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return Version(major, minor, patch, suffix or "", len(numbers))


class _Comparison(msgspec.Struct, frozen=True):
    """Attributes: parts: how many numbers are fixed, from the left; 0 for `*`."""

    operator: str
    version: Version
    parts: int

    def holds(self, version: Version) -> bool:
        if version.suffix and not self.version.suffix and not (self.operator == "!=" and self.parts == 3):
            return False
        return _OPERATORS[self.operator](version, self.version, self.parts)


class Range(msgspec.Struct, frozen=True):
    """Attributes: text: as written; any_of: of which one must hold, and of each of those all comparisons."""

    text: str
    any_of: tuple[tuple[_Comparison, ...], ...]

    def holds(self, version: Version) -> bool:
        """Whether a version is in it."""
        return any(all(each.holds(version) for each in together) for together in self.any_of)


def parse_range(text: str) -> Range:
    """A range as a value. Raises InvalidRange."""
    if len(text) > MAX_RANGE:
        raise InvalidRange(f"a range of more than {MAX_RANGE} characters")
    any_of = tuple(tuple(_comparisons(part, text)) for part in text.split("||"))
    if sum(map(len, any_of)) > MAX_COMPARISONS:
        raise InvalidRange(f"a range of more than {MAX_COMPARISONS} comparisons")
    return Range(text, any_of)


def _comparisons(part: str, text: str) -> list[_Comparison]:
    part = _HYPHEN.sub(r">=\1 <=\2", part)
    found = []
    for piece in part.split(","):
        at = 0
        while at < len(piece.rstrip()) or at == 0:
            match = _COMPARISON.match(piece, at)
            if match is None:
                raise InvalidRange(f"{text!r} is no range of versions: not understood from {piece[at:].strip()!r} on")
            found.append(_comparison(match))
            at = match.end()
    return found


def _comparison(match: re.Match[str]) -> _Comparison:
    operator, *written, suffix = match.groups()
    numbers: list[int] = []
    for each in written:
        if each is None or not each.isdigit():
            break
        numbers.append(int(each))
    version = _version(numbers, suffix)
    return _Comparison(_SAME.get(operator, operator), version, len(numbers))


def _equal(version: Version, wanted: Version, parts: int) -> bool:
    return version == wanted if parts == 3 else _tilde(version, wanted, parts)


def _unequal(version: Version, wanted: Version, parts: int) -> bool:
    if parts == 3:
        return version != wanted
    if parts == 2 and wanted.suffix and version.numbers[:2] == wanted.numbers[:2]:
        return version.suffix != wanted.suffix
    return version.numbers[:parts] != wanted.numbers[:parts]


def _greater(version: Version, wanted: Version, parts: int) -> bool:
    if parts == 3:
        return version > wanted
    return version.numbers[:parts] > wanted.numbers[:parts]


def _at_most(version: Version, wanted: Version, parts: int) -> bool:
    if parts == 3:
        return version <= wanted
    return version.numbers[:parts] <= wanted.numbers[:parts]


def _tilde(version: Version, wanted: Version, parts: int) -> bool:
    fixed = min(parts, 2)
    if parts == 3 and wanted.numbers == (0, 0, 0) and not wanted.suffix:
        return True  # as there: `~0.0.0` is `~*`
    return version >= wanted and version.numbers[:fixed] == wanted.numbers[:fixed]


def _caret(version: Version, wanted: Version, parts: int) -> bool:
    if version < wanted:
        return False
    numbers = wanted.numbers[:parts]
    first = next((at for at, number in enumerate(numbers) if number), parts - 1)
    fixed = max(0, first) + 1 if parts else 0
    return version.numbers[:fixed] == wanted.numbers[:fixed]


_OPERATORS: Final[dict[str, Callable[[Version, Version, int], bool]]] = {
    "": _equal,
    "!=": _unequal,
    ">": _greater,
    "<": lambda version, wanted, _: version < wanted,
    ">=": lambda version, wanted, _: version >= wanted,
    "<=": _at_most,
    "~": _tilde,
    "^": _caret,
}
