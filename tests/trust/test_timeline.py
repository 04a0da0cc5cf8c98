"""The strip of letters: one column a day shows the grade of that day, fewer show the worst of each part."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.erratum import Severity
from affineur.trust.grade import grade
from affineur.trust.model import Unapplied
from affineur.trust.timeline import strip

ISSUED = datetime(2026, 3, 1, tzinfo=UTC)
CRITICAL = Unapplied("DSA-1", Severity.CRITICAL, ISSUED)
BY_THEN = Unapplied("offer-1", Severity.IMPORTANT, None, issued_at_latest=ISSUED)


def test_one_column_a_day() -> None:
    letters = strip(grade([CRITICAL], ISSUED), date(2026, 2, 27), date(2026, 3, 10), 12)
    assert letters == ["A", "A", "B", "B", "B", "B", "B", "B", "B", "B", "C", "C"]


def test_a_column_shows_the_worst_of_its_days() -> None:
    assert strip(grade([CRITICAL], ISSUED), date(2026, 2, 27), date(2026, 3, 10), 3) == ["B", "B", "C"]


def test_more_columns_than_days_repeat_days() -> None:
    assert strip(grade([CRITICAL], ISSUED), date(2026, 2, 28), date(2026, 3, 1), 5) == ["A", "A", "A", "A", "B"]


def test_an_a_that_could_be_anything_is_not_shown() -> None:
    assert strip(grade([BY_THEN], ISSUED), date(2026, 2, 27), date(2026, 3, 2), 4) == [None, None, "B", "B"]
    assert strip(grade([], ISSUED, unknown=["not read"]), date(2026, 3, 1), date(2026, 3, 2), 2) == [None, None]


@pytest.mark.parametrize(("end", "columns"), [(date(2026, 2, 28), 3), (date(2026, 3, 1), 0)])
def test_there_is_no_strip_of_nothing(end: date, columns: int) -> None:
    with pytest.raises(ValueError, match="no time line"):
        strip(grade([], ISSUED), date(2026, 3, 1), end, columns)


@given(st.integers(1, 400), st.integers(1, 100))
def test_law_the_last_column_is_the_grade_of_the_last_day(days: int, columns: int) -> None:
    end = ISSUED.date() + timedelta(days=days - 1)
    letters = strip(grade([CRITICAL], ISSUED), ISSUED.date(), end, columns)
    at_end = grade([CRITICAL], datetime(end.year, end.month, end.day, tzinfo=UTC))
    assert len(letters) == columns
    assert letters[-1] == at_end.letter
    assert letters == sorted(letters, key=str)
