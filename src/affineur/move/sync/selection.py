"""Which of a repository's tags are wanted. Pure: no request, no clock. What each key means: `file`."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from affineur.move.sync.patterns import InvalidPattern, glob, regular
from affineur.move.sync.versions import InvalidRange, Version, parse_range, read_version

__all__ = ["Selection", "check_pattern"]

REGULAR, RANGE = "regex:", "semver:"

_Test: TypeAlias = Callable[[str, Version | None], bool]


class Selection(msgspec.Struct, frozen=True):
    """Rules for tags; the keys of an entry of the same names.

    Attributes:
        include: patterns of which one must fit; none: every tag.
        variant: tags must end in a hyphen and this; then versions are read without it.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    variant: str = ""
    prereleases: bool = False
    one_per_minor: bool = False
    newest: int | None = None

    def of(self, tags: Iterable[str]) -> tuple[str, ...]:
        """Those that are wanted, each once, in the order given; of the newest, the newest first."""
        included, excluded = [_test(each) for each in self.include], [_test(each) for each in self.exclude]
        found = []
        for tag in dict.fromkeys(tags):
            if self.variant and not tag.endswith(f"-{self.variant}"):
                continue
            version = read_version(tag[: -len(self.variant) - 1] if self.variant else tag)
            if included and not any(fits(tag, version) for fits in included):
                continue
            if not any(fits(tag, version) for fits in excluded):
                found.append((tag, version))
        if not self.one_per_minor and self.newest is None:
            return tuple(tag for tag, _ in found)
        return self._newest([(version, tag) for tag, version in found if version is not None])

    def _newest(self, versions: list[tuple[Version, str]]) -> tuple[str, ...]:
        ranked = [each for each in versions if self.prereleases or not each[0].suffix]
        # of 1.2 and 1.2.0, which are the same version, the one that says more; then by name, so that it stays the same
        ranked.sort(key=lambda each: (each[0].key, each[0].parts, each[1]), reverse=True)
        if self.one_per_minor:
            ranked = list({version.numbers[:2]: (version, tag) for version, tag in reversed(ranked)}.values())[::-1]
        return tuple(tag for _, tag in ranked[: self.newest])


def check_pattern(text: str) -> None:
    """Raises ValueError: a pattern that is none, and why."""
    _test(text)


def _test(pattern: str) -> _Test:
    if pattern.startswith(RANGE):
        return _in_range(pattern.removeprefix(RANGE))
    matches = regular(pattern.removeprefix(REGULAR)) if pattern.startswith(REGULAR) else glob(pattern)
    return lambda tag, _: matches(tag)


def _in_range(text: str) -> _Test:
    try:
        wanted = parse_range(text)
    except InvalidRange as problem:
        raise InvalidPattern(str(problem)) from problem
    return lambda _, version: version is not None and wanted.holds(version)
