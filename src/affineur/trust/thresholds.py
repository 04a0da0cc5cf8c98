"""The thresholds of the grade: data (grade.toml) with a strict reader, so that one's own settings can replace them."""

import tomllib
from typing import Any, Final

import msgspec

from affineur.errata.erratum import Severity
from affineur.errors import InvalidSettings
from affineur.trust.data import shipped

__all__ = ["BEST", "DEFAULT", "LETTERS", "WORST", "Limits", "Thresholds", "convert", "rank"]

LETTERS: Final = "ABCDEF"
_FILE: Final = "grade.toml"
BEST: Final = LETTERS[0]
WORST: Final = LETTERS[-1]


def rank(letter: str) -> int:
    """0 for A to 5 for F: larger is worse. Raises ValueError for anything else."""
    if len(letter) != 1:
        raise ValueError(f"{letter!r} is no letter of a grade")
    return LETTERS.index(letter)


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whole UTC days that the oldest unapplied erratum of each severity may have been out."""

    critical: int
    important: int

    def of(self, severity: Severity) -> int:
        """The limit for a severity that counts. Raises ValueError for Moderate and Low, which never do."""
        if severity is Severity.CRITICAL:
            return self.critical
        if severity is Severity.IMPORTANT:
            return self.important
        raise ValueError(f"{severity} never counts")


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits for B, C, D and E, in this order; A needs none, and F is what is left.

    Attributes:
        unrated: how an erratum without a severity counts: Important or Critical.
    """

    unrated: Severity
    letters: dict[str, Limits]

    def __post_init__(self) -> None:
        if self.unrated not in (Severity.CRITICAL, Severity.IMPORTANT):
            raise ValueError(f"unrated must be critical or important, not {self.unrated}")
        if list(self.letters) != list(LETTERS[1:-1]):
            raise ValueError(f"letters must be {', '.join(LETTERS[1:-1])}, in this order")
        previous = Limits(critical=0, important=0)
        for letter, limits in self.letters.items():
            if limits.critical < previous.critical or limits.important < previous.important:
                raise ValueError(f"{letter} must not allow fewer days than the letter before it (nor fewer than 0)")
            previous = limits


def convert(values: Any, where: str) -> Thresholds:
    """Check what a TOML reader returned for a table of thresholds.

    Args:
        where: file, or file and table, for messages.

    Raises:
        InvalidSettings: unknown or missing keys, wrong types, limits out of order.
    """
    try:
        return msgspec.convert(values, Thresholds)
    except msgspec.ValidationError as problem:
        raise InvalidSettings(f"{where}: {problem}") from problem


def _shipped() -> Thresholds:
    return convert(tomllib.loads(shipped(_FILE)), _FILE)


DEFAULT: Final = _shipped()
