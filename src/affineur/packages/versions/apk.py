"""The order of apk's versions, by keys computed once.

Sources: apk-package(5) § Version; the vectors of apk-tools (test/unit/version.data), which are this module's tests. A
version is `digits{.digits}…[letter]{_suffix[digits]}…[~hash][-rdigits]`. A text that breaks this form has its place all
the same: by what of it is well formed, and just below all that goes on well formed from there.
"""

import re
from functools import lru_cache

__all__ = ["compare", "key", "matches", "valid"]

_FORM = re.compile(
    r"(?P<first>[0-9]+)"
    r"(?P<numbers>(?:\.[0-9]+)*)"
    r"(?P<letter>[a-z]?)"
    r"(?P<suffixes>(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)(?![a-z])[0-9]*)*)"
    r"(?:~(?P<hash>[0-9a-f]+))?"
    r"(?:-r(?P<revision>[0-9]+))?"
)
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")

# What may stand at one place of two versions that agree up to there, lowest first. Where a version ends it is above
# all that announces it (`_rc`), and below all that comes after it.
_BEFORE = {"alpha": "\x01", "beta": "\x02", "pre": "\x03", "rc": "\x04"}
_BROKEN, _END, _REVISION, _HASH, _SUFFIX_NUMBER = "\x05", "\x06", "\x07", "\x08", "\x09"
_AFTER = {"cvs": "\x0a", "svn": "\x0b", "git": "\x0c", "hg": "\x0d", "p": "\x0e"}
_LETTER, _NUMBER = "\x0f", "\x10"
_LONGEST = 0x10FFFF  # no number has so many digits; the limit of chr()


@lru_cache(maxsize=1 << 16)
def key(version: str) -> str:
    """A text that sorts, by code points, where apk sorts the version; equal for versions that apk holds equal.

    Never raises. Numbers are compared whole, where apk counts modulo 2^64.
    """
    found = _FORM.match(version)
    if not found:
        return _BROKEN
    parts = [_number(found["first"]), *map(_further, found["numbers"].split(".")[1:])]
    if letter := found["letter"]:
        parts.append(_LETTER + letter)
    for suffix, digits in _SUFFIX.findall(found["suffixes"]):
        parts.append(_BEFORE.get(suffix) or _AFTER[suffix])
        if digits:
            parts.append(_SUFFIX_NUMBER + _number(digits))
    if commit := found["hash"]:
        parts.append(f"{_HASH}{commit}\x00")
    if revision := found["revision"]:
        parts.append(_REVISION + _number(revision))
    parts.append(_END if found.end() == len(version) else _BROKEN)
    return "".join(parts)


def compare(first: str, second: str) -> int:
    """-1, 0 or 1 as the first version is earlier than, equal to or later than the second."""
    left, right = key(first), key(second)
    return (left > right) - (left < right)


def valid(version: str) -> bool:
    """Whether it has the form of a version."""
    return _FORM.fullmatch(version) is not None


def matches(version: str, operator: str, wanted: str) -> bool:
    """Whether a version satisfies a constraint (apk-world(5)).

    Args:
        operator: any of `<`, `>`, `=`, `~` together (`>=`, `<~` …); `~` means that the version begins with `wanted`,
            part by part: 1.6.9_p1 with 1.6. An empty one is satisfied by every version.
    """
    if not operator:
        return True
    left, right = key(version), key(wanted)
    if left == right or ("~" in operator and right.endswith(_END) and left.startswith(right[:-1])):
        return "=" in operator or "~" in operator
    return ("<" if left < right else ">") in operator


def _further(digits: str) -> str:
    """A leading zero makes it a fraction: such are compared as texts, and come before all others."""
    return f"{_NUMBER}\x01{digits}\x00" if digits[0] == "0" else f"{_NUMBER}\x02{_number(digits)}"


def _number(digits: str) -> str:
    """Its length first, so that longer is larger."""
    short = digits.lstrip("0")
    return chr(min(len(short), _LONGEST)) + short
