"""The grade: a letter as a function of time, from the severities and dates of the errata that an image lacks.

The rules of the Container Health Index (access.redhat.com/articles/2803031), for any distribution; what is ours is
how unknown dates and severities are treated: docs/explanation/grade.md. Days are whole UTC days, from the day of the
first issue to the day asked about.

Three step functions of the day are kept: the letter *as counted* (an unknown date as late as it can be, an unrated
erratum as the thresholds say), the best that is possible (unrated errata left out), and the worst (unrated ones as
Critical, unknown dates as old as can be). Where the last two agree there is a letter; elsewhere only bounds.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from affineur.errata.erratum import Severity
from affineur.trust.model import Drop, Grade, Span, Unapplied
from affineur.trust.thresholds import BEST, DEFAULT, LETTERS, WORST, Thresholds, rank

__all__ = ["grade", "is_bound", "letter_on", "next_drop", "until", "worse"]

_COUNTS: Final = (Severity.CRITICAL, Severity.IMPORTANT)
_NAMED: Final = 5  # ids named in a reason; the rest are counted


class _Change(msgspec.Struct, frozen=True):
    """From `day` on (None: always) the erratum alone gives a letter of this rank."""

    day: date | None
    rank: int
    id: str


class _Steps:
    """A letter that only ever gets worse, day by day."""

    def __init__(self, changes: Iterable[_Change]) -> None:
        self.before = 0
        self.drops: list[Drop] = []
        dated: dict[date, list[_Change]] = {}
        for change in changes:
            if change.day is None:
                self.before = max(self.before, change.rank)
            else:
                dated.setdefault(change.day, []).append(change)
        reached = self.before
        for day in sorted(dated):
            worst = max(change.rank for change in dated[day])
            if worst > reached:
                because = sorted({change.id for change in dated[day] if change.rank == worst})
                self.drops.append(Drop(day=day, letter=LETTERS[worst], because=tuple(because)))
                reached = worst

    def at(self, day: date) -> int:
        passed = bisect_right(self.drops, day, key=lambda drop: drop.day)
        return rank(self.drops[passed - 1].letter) if passed else self.before


def grade(
    unapplied: Iterable[Unapplied],
    as_of: datetime,
    *,
    thresholds: Thresholds = DEFAULT,
    unknown: Sequence[str] = (),
) -> Grade:
    """Grade an image by the errata that it lacks, on the day (UTC) of `as_of`.

    An erratum issued after that day does not count yet, but is in the schedule. One with neither a date nor a bound is
    taken to be out on every day asked about. A datetime without a zone is UTC.

    Args:
        unapplied: every security erratum that the image lacks; Moderate and Low ones are allowed, and never count.
        unknown: why the list may be incomplete (a reference suite missing, stale, not verified …): one sentence each.
            Any makes the letter unknown on every day; what is known still bounds it.
    """
    today = _day(as_of)
    errata = tuple(erratum for erratum in unapplied if erratum.severity is None or erratum.severity in _COUNTS)
    counted = _Steps(_all(errata, thresholds, _as_counted))
    best = _Steps(_all((e for e in errata if e.severity is not None), thresholds, _as_counted))
    worst = _Steps(_all(errata, thresholds, _at_worst))
    bounds = (Span(None, None),) if unknown else _differing(best, worst)
    known = not any(today in span for span in bounds)
    passed = [drop for drop in counted.drops if drop.day <= today]
    present = [erratum for erratum in errata if _may_count(erratum, today)]
    return Grade(
        as_of=as_of,
        letter=LETTERS[counted.at(today)] if known else None,
        at_best=None if known else _bound(counted.at(today)),
        reasons=() if known else (*unknown, *_reasons(errata, today, thresholds, best.at(today))),
        since=passed[-1].day if passed else None,
        schedule=tuple(counted.drops),
        counted=_ids(present),
        unrated=_ids(erratum for erratum in present if erratum.severity is None),
        before=LETTERS[counted.before],
        proven=None if known else _bound(best.at(today)),
        at_worst=None if known or unknown or worst.at(today) == rank(WORST) else LETTERS[worst.at(today)],
        bounds=bounds,
    )


def letter_on(graded: Grade, day: date) -> str:
    """The letter of the schedule on a day; `is_bound` tells whether it is a plain letter or only "at best"."""
    passed = bisect_right(graded.schedule, day, key=lambda drop: drop.day)
    return graded.schedule[passed - 1].letter if passed else graded.before


def is_bound(graded: Grade, day: date) -> bool:
    """Whether the letter of the schedule on a day is only a bound: no better, perhaps worse."""
    return any(day in span for span in graded.bounds)


def next_drop(graded: Grade) -> Drop | None:
    """The first change after the day asked about; None where nothing that is known so far will change the letter."""
    today = _day(graded.as_of)
    return next((drop for drop in graded.schedule if drop.day > today), None)


def until(graded: Grade) -> date | None:
    """The last day of the present letter (or bound); None for "for ever, as far as is known"."""
    following = next_drop(graded)
    return following.day - timedelta(days=1) if following else None


def worse(letter: str, than: str) -> bool:
    """Whether one letter is worse than the other."""
    return rank(letter) > rank(than)


def _day(moment: datetime) -> date:
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()


def _known_by(erratum: Unapplied) -> date | None:
    """The day by which it was certainly out."""
    moment = erratum.issued or erratum.issued_at_latest
    return None if moment is None else _day(moment)


def _may_count(erratum: Unapplied, today: date) -> bool:
    known_by = _known_by(erratum)
    return known_by is None or known_by <= today


def _all(
    errata: Iterable[Unapplied], thresholds: Thresholds, view: Callable[[Unapplied, Thresholds], Iterator[_Change]]
) -> Iterator[_Change]:
    for erratum in errata:
        yield from view(erratum, thresholds)


def _as_counted(erratum: Unapplied, thresholds: Thresholds) -> Iterator[_Change]:
    known_by = _known_by(erratum)
    if known_by is None:
        yield _Change(None, rank(BEST) + 1, erratum.id)  # it is out, however recently
    else:
        yield from _ageing(erratum.id, erratum.severity or thresholds.unrated, known_by, thresholds)


def _at_worst(erratum: Unapplied, thresholds: Thresholds) -> Iterator[_Change]:
    if erratum.issued is None:
        yield _Change(None, rank(WORST), erratum.id)  # it may have been out for ever
    else:
        for severity in _COUNTS if erratum.severity is None else (erratum.severity,):
            yield from _ageing(erratum.id, severity, _day(erratum.issued), thresholds)


def _ageing(identifier: str, severity: Severity, issued: date, thresholds: Thresholds) -> Iterator[_Change]:
    """The letters that one erratum runs through; one that has no days of its own begins with its successor."""
    begins = [0, *(limits.of(severity) + 1 for limits in thresholds.letters.values())]
    for letter, days in zip(LETTERS[1:], begins, strict=True):
        ordinal = issued.toordinal() + days
        if ordinal > date.max.toordinal():  # a date may come from anywhere
            return
        yield _Change(date.fromordinal(ordinal), rank(letter), identifier)


def _differing(best: _Steps, worst: _Steps) -> tuple[Span, ...]:
    """The days on which the two do not agree, as few spans as possible, oldest first."""
    days = sorted({drop.day for steps in (best, worst) for drop in steps.drops})
    pieces: list[tuple[date | None, bool]] = [(None, best.before != worst.before)]
    pieces += [(day, best.at(day) != worst.at(day)) for day in days]
    spans: list[Span] = []
    first: date | None = None
    inside = False
    for day, differ in pieces:
        if differ and not inside:
            first = day
        elif inside and not differ and day is not None:
            spans.append(Span(first, day - timedelta(days=1)))
        inside = differ
    return (*spans, Span(first, None)) if inside else tuple(spans)


def _reasons(errata: Sequence[Unapplied], today: date, thresholds: Thresholds, best: int) -> Iterator[str]:
    """Why the letter is a bound today: only errata that could make it worse than what is proven."""
    matters = [e for e in errata if _Steps(_at_worst(e, thresholds)).at(today) > best]
    unrated = [e for e in matters if e.severity is None and _may_count(e, today)]
    if unrated:
        yield f"rated by nobody, so counted as {thresholds.unrated.capitalize()}: {_named(unrated)}"
    undated = [e for e in matters if e.issued is None and e.issued_at_latest is None]
    if undated:
        yield f"without any date, so at least as bad as {LETTERS[1]}: {_named(undated)}"
    bounded = [e for e in matters if e.issued is None and e.issued_at_latest is not None]
    if bounded:
        days = sorted({str(_known_by(erratum)) for erratum in bounded})
        by = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        yield f"without an issue date, but out by {by}, so perhaps older: {_named(bounded)}"


def _named(errata: Sequence[Unapplied]) -> str:
    ids = _ids(errata)
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more


def _ids(errata: Iterable[Unapplied]) -> tuple[str, ...]:
    return tuple(sorted({erratum.id for erratum in errata}))


def _bound(letter_rank: int) -> str | None:
    return LETTERS[letter_rank] if letter_rank > rank(BEST) else None
