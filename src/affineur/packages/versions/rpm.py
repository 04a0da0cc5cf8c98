"""The order of rpm's versions, by keys computed once.

Sources: rpm-version(7); rpm's own vectors of rpmvercmp, which are this module's tests. Total: every text has a place.
"""

import re
from functools import lru_cache

__all__ = ["compare", "key", "split"]

_EPOCH = re.compile(r"([0-9]*):")
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
"""All else only separates."""

# What may stand at one place of two versions that agree up to there, lowest first.
_TILDE, _END, _CARET, _LETTERS, _NUMBER = "\x01", "\x02", "\x03", "\x04", "\x05"
_LONGEST = 0x10FFFF  # no number has so many digits; the limit of chr()


@lru_cache(maxsize=1 << 16)
def key(version: str) -> str:
    """A text that sorts, by code points, where rpm sorts the version; equal for versions that rpm holds equal.

    Args:
        version: `[epoch:]version[-release]`. An absent epoch counts as 0. An absent release counts as an empty one, so
            that the order is total: below all releases but those that begin with a tilde. (Of a dependency rpm
            compares no release that one side lacks; `compare(split(…)[1], …)` does that.)
    """
    epoch, upstream, release = split(version)
    return f"{_segments(epoch.lstrip('0') or '0')}{_segments(upstream)}{_segments(release)}"


def compare(first: str, second: str) -> int:
    """-1, 0 or 1 as the first version is earlier than, equal to or later than the second."""
    left, right = key(first), key(second)
    return (left > right) - (left < right)


def split(version: str) -> tuple[str, str, str]:
    """Epoch, version and release; empty where there is none. What stands before a colon is an epoch if it is digits."""
    epoch, rest = "", version
    if found := _EPOCH.match(version):
        epoch, rest = found[1], version[found.end() :]
    upstream, dash, release = rest.rpartition("-")
    return (epoch, upstream, release) if dash else (epoch, rest, "")


def _segments(text: str) -> str:
    return "".join(map(_ranked, _SEGMENT.findall(text))) + _END


def _ranked(segment: str) -> str:
    if segment == "~":
        return _TILDE
    if segment == "^":
        return _CARET
    if segment[0] > "9":
        return f"{_LETTERS}{segment}\x00"  # ended, so that what goes on is above
    digits = segment.lstrip("0")
    return _NUMBER + chr(min(len(digits), _LONGEST)) + digits  # its length first, so that longer is larger
