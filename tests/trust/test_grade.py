"""The grade: the published table at its edges, the laws it must keep, and what unknown dates and severities do."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.erratum import Severity
from affineur.trust.grade import grade, is_bound, letter_on, next_drop, until
from affineur.trust.model import Grade, Span, Unapplied
from affineur.trust.thresholds import rank

ISSUED = datetime(2026, 3, 1, 17, 45, tzinfo=UTC)
CRITICAL, IMPORTANT, MODERATE, LOW = Severity


def known(severity: Severity | None, issued: datetime | None = ISSUED, name: str = "DSA-1") -> Unapplied:
    return Unapplied(id=name, severity=severity, issued=issued)


def on(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


# The table of access.redhat.com/articles/2803031, read as "the last day on which a letter still holds".
LAST_DAYS = [
    (CRITICAL, 0, "B", "B"),
    (CRITICAL, 7, "B", "C"),
    (CRITICAL, 30, "C", "D"),
    (CRITICAL, 90, "D", "E"),
    (CRITICAL, 365, "E", "F"),
    (IMPORTANT, 30, "B", "C"),
    (IMPORTANT, 90, "C", "D"),
    (IMPORTANT, 365, "D", "F"),
]


@pytest.mark.parametrize(("severity", "age", "letter", "following"), LAST_DAYS)
def test_the_published_table_at_its_edges(severity: Severity, age: int, letter: str, following: str) -> None:
    last_moment = on(ISSUED.date() + timedelta(days=age + 1)) - timedelta(microseconds=1)
    assert grade([known(severity)], last_moment).letter == letter
    if age:
        assert grade([known(severity)], last_moment + timedelta(microseconds=1)).letter == following


@pytest.mark.parametrize("severity", [MODERATE, LOW])
def test_moderate_and_low_never_count_at_any_age(severity: Severity) -> None:
    graded = grade([known(severity)], ISSUED + timedelta(days=4000))
    assert (graded.letter, graded.counted, graded.schedule) == ("A", (), ())


def test_the_whole_schedule_and_what_moves_it() -> None:
    errata = [known(IMPORTANT, name="USN-2"), known(CRITICAL, ISSUED + timedelta(days=20), name="USN-3")]
    graded = grade(errata, ISSUED + timedelta(days=21))
    assert [(drop.day.isoformat(), drop.letter, drop.because) for drop in graded.schedule] == [
        ("2026-03-01", "B", ("USN-2",)),
        ("2026-03-29", "C", ("USN-3",)),  # 8 days after the Critical; the Important alone would hold B until 31 March
        ("2026-04-21", "D", ("USN-3",)),
        ("2026-06-20", "E", ("USN-3",)),
        ("2027-03-02", "F", ("USN-2",)),
    ]
    assert graded.letter == "B"
    assert graded.since == date(2026, 3, 1)
    assert until(graded) == date(2026, 3, 28)
    drop = next_drop(graded)
    assert drop is not None
    assert drop.letter == "C"
    assert grade(errata, ISSUED + timedelta(days=60)).since == date(2026, 4, 21)


def test_days_are_counted_in_utc_whatever_the_zone_of_the_question() -> None:
    from zoneinfo import ZoneInfo

    in_auckland = datetime(2026, 3, 9, 12, 59, tzinfo=ZoneInfo("Pacific/Auckland"))  # 23:59 UTC of the 8th
    assert grade([known(CRITICAL)], in_auckland).letter == "B"
    assert grade([known(CRITICAL)], in_auckland + timedelta(minutes=1)).letter == "C"


def test_before_its_issue_an_erratum_is_only_in_the_schedule() -> None:
    graded = grade([known(CRITICAL)], ISSUED - timedelta(days=1))
    assert (graded.letter, graded.counted, graded.since) == ("A", (), None)
    drop = next_drop(graded)
    assert drop is not None
    assert drop.day == ISSUED.date()


def test_out_by_some_day_is_a_bound_and_not_a_date() -> None:
    by = Unapplied("offer-1", IMPORTANT, None, issued_at_latest=ISSUED)
    graded = grade([by], ISSUED + timedelta(days=40))
    assert (graded.letter, graded.at_best, graded.proven, graded.at_worst) == (None, "C", "C", None)
    assert graded.reasons == ("without an issue date, but out by 2026-03-01, so perhaps older: offer-1",)
    assert graded.bounds == (Span(None, date(2027, 3, 1)),)  # after a year it is an F, whenever it was issued
    assert grade([by], ISSUED + timedelta(days=366)).letter == "F"
    assert grade([by], ISSUED - timedelta(days=1)).letter is None  # it may have been out before


def test_no_date_at_all_is_at_best_b() -> None:
    graded = grade([Unapplied("offer-1", CRITICAL, None)], ISSUED)
    assert (graded.letter, graded.at_best, graded.proven, graded.since) == (None, "B", "B", None)
    assert letter_on(graded, date(1999, 1, 1)) == "B"


def test_unrated_counts_as_important_and_may_be_better_or_worse() -> None:
    graded = grade([known(None)], ISSUED + timedelta(days=40))
    assert graded.letter is None
    assert graded.at_best == "C"  # as Important
    assert graded.proven is None  # it may be Moderate, and count for nothing
    assert graded.at_worst == "D"  # or be Critical
    assert graded.unrated == ("DSA-1",)
    assert graded.reasons == ("rated by nobody, so counted as Important: DSA-1",)


def test_unrated_does_not_blur_a_letter_that_it_cannot_change() -> None:
    graded = grade([known(None), known(CRITICAL, name="DSA-2")], ISSUED + timedelta(days=40))
    assert (graded.letter, graded.at_best, graded.reasons) == ("D", None, ())


def test_what_was_not_read_makes_every_letter_unknown_and_keeps_the_bound() -> None:
    graded = grade([known(IMPORTANT)], ISSUED, unknown=["bookworm-security was not read"])
    assert (graded.letter, graded.at_best, graded.proven) == (None, "B", "B")
    assert graded.reasons == ("bookworm-security was not read",)
    assert grade([known(CRITICAL, ISSUED - timedelta(days=999))], ISSUED, unknown=["stale"]).letter is None
    nothing = grade([], ISSUED, unknown=["stale"])
    assert (nothing.letter, nothing.at_best) == (None, None)


def test_dates_at_the_end_of_the_calendar_do_no_harm() -> None:
    far = known(CRITICAL, datetime(9999, 12, 20, tzinfo=UTC))
    assert [drop.letter for drop in grade([far], ISSUED).schedule] == ["B", "C"]


def test_many_reasons_of_one_kind_are_counted_and_not_listed() -> None:
    offers = [Unapplied(f"offer-{index}", IMPORTANT, None, ISSUED) for index in range(8)]
    unrated = [known(None, name=f"DSA-{index}") for index in range(8)]
    reasons = grade([*offers, *unrated], ISSUED + timedelta(days=10)).reasons
    assert reasons[0].endswith("DSA-0, DSA-1, DSA-2, DSA-3, DSA-4 and 3 more")
    assert reasons[1].endswith("offer-0, offer-1, offer-2, offer-3, offer-4 and 3 more")
    assert len(reasons) == 2


# The laws. Days are few and near the thresholds' distances, so that errata collide and edges are met.
days = st.integers(0, 900).map(lambda offset: datetime(2024, 1, 1, 12, tzinfo=UTC) + timedelta(days=offset))
severities = st.sampled_from([*Severity, None])
errata_lists = st.lists(
    st.builds(
        Unapplied,
        id=st.sampled_from(["a", "b", "c", "d", "e"]),
        severity=severities,
        issued=st.none() | days,
        issued_at_latest=st.none() | days,
    ),
    max_size=6,
)
unknowns = st.sampled_from([(), ("a suite was not read",)])


def counted_rank(graded: Grade) -> int:
    return rank(graded.letter or graded.at_best or "A")


@given(errata_lists, days, days, unknowns)
def test_law_with_time_alone_no_grade_rises(
    errata: list[Unapplied], one: datetime, other: datetime, unknown: tuple[str, ...]
) -> None:
    earlier, later = (grade(errata, moment, unknown=unknown) for moment in sorted([one, other]))
    assert counted_rank(later) >= counted_rank(earlier)
    assert rank(later.letter or later.proven or "A") >= rank(earlier.letter or earlier.proven or "A")


@given(errata_lists, errata_lists, days, unknowns)
def test_law_no_erratum_raises_a_grade(
    errata: list[Unapplied], more: list[Unapplied], day: datetime, unknown: tuple[str, ...]
) -> None:
    before, after = grade(errata, day, unknown=unknown), grade([*errata, *more], day, unknown=unknown)
    assert counted_rank(after) >= counted_rank(before)
    if before.letter is None and after.letter is not None:  # only by what is as bad as can be
        assert after.letter == "F" or before.at_worst is not None


@given(errata_lists.filter(bool), days, st.data())
def test_law_losing_a_date_or_a_severity_never_improves_or_creates_a_letter(
    errata: list[Unapplied], day: datetime, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(errata) - 1))
    whole = errata[index]
    less = data.draw(
        st.sampled_from(
            [
                Unapplied(whole.id, None, whole.issued, whole.issued_at_latest),
                Unapplied(whole.id, whole.severity, None, whole.issued or whole.issued_at_latest),
                Unapplied(whole.id, whole.severity, None, None),
                Unapplied(whole.id, None, None, None),
            ]
        )
    )
    with_it, without = grade(errata, day), grade([*errata[:index], less, *errata[index + 1 :]], day)
    if without.letter is not None:
        assert with_it.letter == without.letter


@given(errata_lists, days, st.sampled_from([*Severity]), days)
def test_law_a_bound_is_true_whatever_the_unknown_turns_out_to_be(
    errata: list[Unapplied], day: datetime, severity: Severity, issued: datetime
) -> None:
    """Fill in each gap with something it allows: the letter that results lies within what was said."""
    said = grade(errata, day)
    filled = [
        Unapplied(
            erratum.id,
            erratum.severity or severity,
            erratum.issued or min(issued, erratum.issued_at_latest or min(issued, day)),
        )
        for erratum in errata
    ]
    truth = grade(filled, day).letter
    assert truth is not None
    if said.letter is not None:
        assert truth == said.letter
    assert rank(truth) >= rank(said.proven or said.letter or "A")
    assert rank(truth) <= rank(said.letter or said.at_worst or "F")


@given(errata_lists, days, days, unknowns)
def test_law_the_schedule_on_a_day_is_the_grade_of_that_day(
    errata: list[Unapplied], asked: datetime, day: datetime, unknown: tuple[str, ...]
) -> None:
    schedule, there = grade(errata, asked, unknown=unknown), grade(errata, day, unknown=unknown)
    assert letter_on(schedule, day.date()) == (there.letter or there.at_best or "A")
    assert is_bound(schedule, day.date()) == (there.letter is None)
    assert there.schedule == schedule.schedule
    assert bool(there.reasons) == (there.letter is None)
