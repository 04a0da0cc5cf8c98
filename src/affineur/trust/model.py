"""The values of judgement. Pure; dates are arguments, never the clock's."""

import enum
from datetime import date, datetime

import msgspec

from affineur.errata.erratum import Severity

__all__ = ["Decision", "Drop", "Grade", "Lifecycle", "Outcome", "Rule", "Span", "Support", "Unapplied", "Verdict"]


class Unapplied(msgspec.Struct, frozen=True):
    """What the grade needs of an erratum that an image lacks.

    Attributes:
        severity: None = unrated; counts as the thresholds' data says (Important by default).
        issued: first publication, UTC; None where only `issued_at_latest` (it was out by then) is known, or nothing.
    """

    id: str
    severity: Severity | None
    issued: datetime | None
    issued_at_latest: datetime | None = None


class Drop(msgspec.Struct, frozen=True):
    """From 00:00 UTC of `day` on the letter is `letter`, because of these errata, until the next Drop."""

    day: date
    letter: str
    because: tuple[str, ...]


class Span(msgspec.Struct, frozen=True):
    """Days from `first` to `last`, both included; None leaves that side open."""

    first: date | None
    last: date | None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


class Grade(msgspec.Struct, frozen=True):
    """A letter at a date, and the whole schedule it is part of. docs/explanation/grade.md explains each word.

    Attributes:
        letter: A to F, or None: it could not be told which (`reasons` says why, the bounds say how far it is known).
        at_best: where `letter` is None: no better than this, counting unrated errata as the thresholds say; None where
            nothing is known. Never "A": that bounds nothing.
        reasons: why it is unknown or a bound; empty for a plain letter.
        since: the day from which `letter` (or `at_best`) has held; None for "as long as there is anything to tell".
        schedule: every change of the letter as counted, past and to come, oldest first.
        counted: ids of the errata that counted (Critical or Important, or unrated counted as such).
        unrated: ids of those that count only because nobody rated them.
        before: the letter before the first entry of `schedule`, which has no day of its own.
        proven: where `letter` is None: no better than this even if every unrated erratum turns out not to count.
        at_worst: where `letter` is None: no worse than this; None where it can be anything.
        bounds: the days on which the letter of `schedule` is a bound ("at best"), not a plain letter.
    """

    as_of: datetime
    letter: str | None
    at_best: str | None = None
    reasons: tuple[str, ...] = ()
    since: date | None = None
    schedule: tuple[Drop, ...] = ()
    counted: tuple[str, ...] = ()
    unrated: tuple[str, ...] = ()
    before: str = "A"
    proven: str | None = None
    at_worst: str | None = None
    bounds: tuple[Span, ...] = ()


class Support(enum.StrEnum):
    """Whether the distribution's release still gets fixes."""

    SUPPORTED = "supported"
    LONG_TERM = "long-term"
    PAID_ONLY = "paid-only"
    ENDED = "ended"
    UNKNOWN = "unknown"


class Lifecycle(msgspec.Struct, frozen=True):
    """Support of the distribution's release at a date; a line of its own beside the letter.

    Attributes:
        until: the last day of the present status; None where unknown.
        then: the status that follows.
        source: where the dates come from (os-release SUPPORT_END, a dated table).
    """

    support: Support
    until: date | None = None
    then: Support | None = None
    source: str = ""
    note: str = ""


class Outcome(enum.StrEnum):
    """The three answers."""

    PASS = "pass"  # noqa: S105 - an answer, no password
    FAIL = "fail"
    COULD_NOT_TELL = "could not tell"


class Rule(msgspec.Struct, frozen=True):
    """One rule of a policy, applied.

    Attributes:
        rule: its key in the policy file.
        because: one sentence.
        evidence: what it rests on: errata ids, suites, dates.
        warning: it passed, and is worth a look all the same (long-term support).
    """

    rule: str
    outcome: Outcome
    because: str
    evidence: tuple[str, ...] = ()
    warning: bool = False


class Decision(enum.StrEnum):
    """What a policy says in the end: exit codes 0, 1 and 3."""

    ACCEPT = "accept"
    REJECT = "reject"
    UNDETERMINED = "undetermined"


class Verdict(msgspec.Struct, frozen=True):
    """Reject if any rule fails; else undetermined if any could not be told; else accept."""

    decision: Decision
    policy: str
    rules: tuple[Rule, ...]
