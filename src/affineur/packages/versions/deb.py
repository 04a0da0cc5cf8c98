"""The order of dpkg's versions, by keys computed once.

Source: deb-version(7) § Sorting algorithm. Total: a text that dpkg would refuse as a version still has its place by the
same rules, because an index may carry one and apt sorts it all the same.
"""

from functools import lru_cache

__all__ = ["compare", "key"]

# Ranks within a non-digit part: "~" sorts before its end, its end before letters, letters before all else.
_TILDE, _END, _NUMBER = "\x01", "\x02", 3
_ABOVE_LETTERS = 0x100
_LONGEST = 0x10FFFF - _NUMBER  # no version is that long; the limit of chr()


@lru_cache(maxsize=1 << 16)
def key(version: str) -> str:
    """A text that sorts, by code points, where dpkg sorts the version; equal for versions that dpkg holds equal.

    `[epoch:]upstream[-revision]`: an absent epoch or revision counts as 0, and so does an absent number. Never raises.
    """
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return _fragment(epoch) + _fragment(upstream) + _fragment(revision)


def compare(first: str, second: str) -> int:
    """-1, 0 or 1 as the first version is earlier than, equal to or later than the second."""
    left, right = key(first), key(second)
    return (left > right) - (left < right)


def _fragment(text: str) -> str:
    """Alternating parts: non-digits, ended by a mark; then a number, its length first so that longer is larger."""
    parts, at, length = [], 0, len(text)
    while at < length:
        while at < length and not "0" <= text[at] <= "9":
            parts.append(_rank(text[at]))
            at += 1
        start = at
        while at < length and "0" <= text[at] <= "9":
            at += 1
        digits = text[start:at].lstrip("0")
        parts.append(_END + chr(_NUMBER + min(len(digits), _LONGEST)) + digits)
    parts.append(_END if parts else _END + chr(_NUMBER) + _END)
    return "".join(parts)


def _rank(character: str) -> str:
    if character == "~":
        return _TILDE
    if "A" <= character <= "Z" or "a" <= character <= "z":
        return character
    return chr(min(_ABOVE_LETTERS + ord(character), 0x10FFFF))
