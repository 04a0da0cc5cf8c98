"""Severities: each publisher's words and scores, mapped to the four of the grade by data (severities.toml).

One CVE is rated by its distribution's own word where there is one, else by its highest CVSS base score; an erratum by
the highest of its CVEs. What nothing rates stays None: it is never guessed from a text.
"""

import functools
import hashlib
import tomllib
from collections.abc import Iterable

import msgspec

from affineur.errata.data import data
from affineur.errata.erratum import Severity

__all__ = ["Rating", "highest", "may_be_worse", "of_score", "of_word", "rank", "table_digest"]


class Rating(msgspec.Struct, frozen=True):
    """A severity and where it comes from, e.g. "CVSS 9.8" or "Ubuntu priority high".

    Attributes:
        score: the CVSS base score, also where the severity is by a vendor's word; None where there is none.
    """

    severity: Severity
    by: str
    score: float | None = None


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    cvss: dict[Severity, float]
    words: dict[str, dict[str, Severity]]
    open_ended: dict[str, list[str]]


_ORDER = (Severity.LOW, Severity.MODERATE, Severity.IMPORTANT, Severity.CRITICAL)


def rank(severity: Severity | None) -> int:
    """Give the place in the order low, moderate, important, critical: 1 to 4; 0 for unrated."""
    return 0 if severity is None else _ORDER.index(severity) + 1


def of_word(vendor: str, word: str) -> Severity | None:
    """Map a publisher's word (any case); None where the data says that it rates nothing, or does not know it."""
    return _table().words.get(vendor, {}).get(word.strip().lower())


def may_be_worse(vendor: str, word: str) -> bool:
    """Tell whether the word is the top of a scale that has none for "critical", so that a score may raise it."""
    return word.strip().lower() in _table().open_ended.get(vendor, ())


def of_score(score: float) -> Severity | None:
    """Map a CVSS base score to its band; None for 0.0."""
    reached = [severity for severity, lowest in _table().cvss.items() if score >= lowest]
    return max(reached, key=rank, default=None)


def highest(ratings: Iterable[Rating]) -> Rating | None:
    """Give the worst of the ratings, the first of them where several are as bad; None where there are none."""
    return max(ratings, key=lambda rating: rank(rating.severity), default=None)


def table_digest() -> str:
    """Identify the data in use: what was derived from another table must be derived again."""
    return hashlib.sha256(data("severities.toml")).hexdigest()[:16]


@functools.cache
def _table() -> _Table:
    return msgspec.convert(tomllib.loads(data("severities.toml").decode()), _Table)
