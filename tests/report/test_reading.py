"""What every format says in the same words."""

from datetime import UTC, date, datetime

import msgspec
import pytest

from affineur.errata.erratum import Erratum, Severity
from affineur.report import reading
from affineur.trust.model import Drop, Grade, Lifecycle, Outcome, Rule, Span, Support
from support import assessments

MAY = date(2026, 5, 31)
NOON = datetime(2024, 2, 20, 12, tzinfo=UTC)


def issued(at: datetime | None, at_latest: datetime | None = None) -> Erratum:
    return assessments.erratum("DSA-1-1", Severity.CRITICAL, at, "bash", "5", issued_at_latest=at_latest)


@pytest.mark.parametrize(
    ("erratum", "said"),
    [
        (issued(datetime(2024, 2, 20, 23, 59, tzinfo=UTC)), "out for 0 days"),
        (issued(datetime(2024, 2, 19, 23, 59, tzinfo=UTC)), "out for 1 day"),
        (issued(datetime(2024, 2, 12, tzinfo=UTC)), "out for 8 days"),
        (issued(datetime(2024, 2, 21, tzinfo=UTC)), "not out yet"),
        (issued(None, datetime(2024, 2, 12, tzinfo=UTC)), "out for at least 8 days"),
        (issued(None, datetime(2024, 2, 21, tzinfo=UTC)), "out for an unknown time"),  # it may have been out by then
        (issued(None), "out for an unknown time"),
    ],
)
def test_ages_are_whole_days_and_bounds_are_said_to_be_bounds(erratum: Erratum, said: str) -> None:
    assert reading.out_for(erratum, date(2024, 2, 20)) == said


def test_an_erratum_issued_in_another_zone_counts_by_its_utc_day() -> None:
    late = datetime.fromisoformat("2024-02-13T01:00:00+02:00")  # still the 12th in UTC
    assert reading.age_of(issued(late), date(2024, 2, 20)) == "8 days"


@pytest.mark.parametrize(
    ("grade", "said"),
    [
        (Grade(NOON, "A"), "grade A until an erratum is published that it lacks"),
        (Grade(NOON, "F"), "grade F for good"),
        (Grade(NOON, None), "grade unknown"),
        (Grade(NOON, None, at_best="B", at_worst="D"), "grade unknown, at best B"),
        (
            Grade(NOON, "B", schedule=(Drop(date(2024, 2, 20), "B", ()), Drop(date(2024, 2, 28), "C", ()))),
            "grade B until 2024-02-27, then C",
        ),
        (
            Grade(
                NOON,
                "B",
                schedule=(Drop(date(2024, 2, 28), "C", ()),),
                bounds=(Span(date(2024, 2, 25), None),),
            ),
            "grade B until 2024-02-27, then at best C",
        ),
    ],
)
def test_the_headline(grade: Grade, said: str) -> None:
    assert reading.headline(grade) == said


def test_both_bounds_of_an_unknown_letter_are_said() -> None:
    assert reading.letter_words(Grade(NOON, None, at_best="B", at_worst="D")) == "unknown, at best B, at worst D"
    assert reading.letter_words(Grade(NOON, None)) == "unknown"


def test_many_errata_of_one_drop_are_counted() -> None:
    drop = Drop(date(2024, 2, 20), "C", tuple(f"X-{n}" for n in range(7)))
    assert reading.why_dropped(drop, {}) == "X-0; X-1; X-2; and 4 more"


@pytest.mark.parametrize(
    ("identifier", "page"),
    [
        ("DSA-5611-1", "https://security-tracker.debian.org/tracker/DSA-5611-1"),
        ("DLA-3999-1", "https://security-tracker.debian.org/tracker/DLA-3999-1"),
        ("USN-3276-2", "https://ubuntu.com/security/notices/USN-3276-2"),
        ("CVE-2023-6246", "https://www.cve.org/CVERecord?id=CVE-2023-6246"),
        ("CVE-2023-6246\n", None),
        ("CVE-2023-６２４６", None),  # digits, but not those of an id
        ("DSA-5611-1/../../x", None),
        ("xDSA-5611-1", None),
        ("stable-security: perl", None),
    ],
)
def test_a_page_is_never_guessed(identifier: str, page: str | None) -> None:
    assert reading.address(identifier) == page


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (62_914_560, "62.9 MB")],
)
def test_sizes(size: int, said: str) -> None:
    assert reading.size_words(size) == said


@pytest.mark.parametrize(
    ("lifecycle", "said"),
    [
        (
            Lifecycle(Support.SUPPORTED, date(2026, 6, 10), Support.LONG_TERM),
            "supported until 2026-06-10, then long-term",
        ),
        (
            Lifecycle(Support.LONG_TERM, date(2028, 6, 30), Support.ENDED),
            "long-term support until 2028-06-30, then ended",
        ),
        (Lifecycle(Support.PAID_ONLY), "supported for paying customers only"),
        (Lifecycle(Support.ENDED), "support ended"),
        (Lifecycle(Support.UNKNOWN), "support unknown"),
    ],
)
def test_support(lifecycle: Lifecycle, said: str) -> None:
    assert reading.support_words(lifecycle) == said


def test_evidence_is_not_said_twice() -> None:
    rule = Rule("metadata.fresh", Outcome.PASS, "fresh: bookworm-security", ("bookworm-security", "2024-02-19"))
    assert reading.grounds(rule) == ["2024-02-19"]


def test_reasons_that_a_rule_gives_are_not_said_twice() -> None:
    base = assessments.undetermined()
    assert reading.further_reasons(base) == ["the reference suite bookworm-security could not be read"]
    rule = Rule("health", Outcome.COULD_NOT_TELL, f"the grade is at best C: {base.grade.reasons[0]}")
    again = msgspec.structs.replace(base, verdict=msgspec.structs.replace(base.verdict, rules=(rule,)))
    assert reading.further_reasons(again) == []


def test_one_layer_is_no_layers() -> None:
    base = assessments.accepted()
    one = msgspec.structs.replace(base, packages=1, image=msgspec.structs.replace(base.image, layers=1))
    assert reading.content_words(base) == "5 layers, 88 packages"
    assert reading.content_words(one) == "1 layer, 1 package"


def test_the_drawing_s_window_holds_the_whole_schedule_even_at_the_ends_of_time() -> None:
    ends = (Drop(date.min, "B", ()), Drop(date.max, "F", ()))
    assert reading.window(Grade(NOON, "B", schedule=ends)) == (date.min, date.max)
    first, last = reading.window(msgspec.structs.replace(assessments.rejected()).grade)
    assert first < date(2023, 12, 23)
    assert last > date(2024, 12, 23)
