"""The patterns of excludes and includepkgs: which packages of a name, version and architecture they mean.

Sources: dnf.conf(5) § excludepkgs and dnf(8) § Specifying Packages: a pattern is tried as
name-[epoch:]version-release.arch, name.arch, name, name-[epoch:]version-release and name-[epoch:]version, in this
order, and the first form of which there is any package holds; glob(7) for `*`, `?` and `[…]`. A match takes time by the
product of both lengths at most.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

__all__ = ["MAX_PATTERN", "Nevra", "forms", "matches", "matching"]

MAX_PATTERN = 512  # characters; longer ones mean nothing

T = TypeVar("T")


class Nevra(NamedTuple):
    """A package's identity, or a pattern for each part of it; None: any."""

    name: str
    epoch: str | None
    version: str | None
    release: str | None
    architecture: str | None

    @classmethod
    def of(cls, name: str, version: str, architecture: str) -> "Nevra":
        """From `[epoch:]version-release`."""
        epoch, colon, rest = version.rpartition(":")
        number, _, release = rest.partition("-")
        return cls(name, epoch if colon else "0", number, release, architecture)


def matching(pattern: str, packages: Iterable[T], identity: Callable[[T], Nevra]) -> list[T]:
    """Which of the packages a pattern means."""
    if not pattern or len(pattern) > MAX_PATTERN:
        return []
    known = [(identity(package), package) for package in packages]
    for form in forms(pattern):
        found = [package for nevra, package in known if _fits(form, nevra)]
        if found:
            return found
    return []


def forms(pattern: str) -> Iterable[Nevra]:
    """What a pattern may mean, in the order in which that is tried."""
    head, dot, architecture = pattern.rpartition(".")
    if dot and head and architecture and "-" not in architecture and ":" not in architecture:
        if parts := _cut(head, 2):
            yield Nevra(*parts, architecture)
        yield Nevra(head, None, None, None, architecture)
    yield Nevra(pattern, None, None, None, None)
    if parts := _cut(pattern, 2):
        yield Nevra(*parts, None)
    if parts := _cut(pattern, 1):
        yield Nevra(*parts, None)


def _cut(text: str, dashes: int) -> tuple[str, str | None, str, str | None] | None:
    """Name, epoch, version and (with two dashes) release."""
    parts = text.rsplit("-", dashes)
    if len(parts) != dashes + 1 or not all(parts):
        return None
    epoch, colon, version = parts[1].rpartition(":")
    if not version or (colon and not epoch.isdecimal()):
        return None
    return parts[0], epoch if colon else None, version, parts[2] if dashes == 2 else None


def _fits(form: Nevra, package: Nevra) -> bool:
    return all(
        wanted is None or (part is not None and matches(wanted, part))
        for wanted, part in zip(form, package, strict=True)
    )


def matches(pattern: str, text: str) -> bool:
    """Whether a whole text matches a glob, letter case included."""
    at = place = 0
    star, resume = -1, 0
    while place < len(text):
        step = _one(pattern, at, text[place]) if at < len(pattern) and pattern[at] != "*" else 0
        if step:
            at += step
            place += 1
        elif at < len(pattern) and pattern[at] == "*":
            star, resume = at, place
            at += 1
        elif star >= 0:  # the last star takes one more; earlier ones need never be asked again
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("*")


def _one(pattern: str, at: int, character: str) -> int:
    """How many characters of the pattern match this one of the text; 0 if they do not."""
    mark = pattern[at]
    if mark == "?":
        return 1
    if mark == "\\" and at + 1 < len(pattern):
        return 2 if pattern[at + 1] == character else 0
    if mark == "[" and (end := pattern.find("]", at + (3 if pattern[at + 1 : at + 2] in ("!", "^") else 2))) > 0:
        inside = pattern[at + 1 : end]
        negated = inside[0] in "!^"
        found = _within(inside[negated:], character)
        return end + 1 - at if found != negated else 0
    return 1 if mark == character else 0


def _within(text: str, character: str) -> bool:
    at = 0
    while at < len(text):
        if text[at + 1 : at + 2] == "-" and at + 2 < len(text):
            if text[at] <= character <= text[at + 2]:
                return True
            at += 3
        else:
            if text[at] == character:
                return True
            at += 1
    return False
