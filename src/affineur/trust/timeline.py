"""The grade as a strip of letters along a time line: data only; reports draw it."""

from datetime import date, timedelta

from affineur.trust.grade import is_bound, letter_on
from affineur.trust.model import Grade
from affineur.trust.thresholds import BEST

__all__ = ["strip"]


def strip(grade: Grade, start: date, end: date, columns: int) -> list[str | None]:
    """The letter of each of `columns` equal parts of the days from `start` to `end`, both included.

    A part has the letter of its last day: the worst of the part, as a letter never gets better. Where that is only a
    bound it is the bound, and None where the bound says nothing (an A that could be anything).

    Raises:
        ValueError: no columns, or an end before the start.
    """
    if columns < 1 or end < start:
        raise ValueError(f"no time line of {columns} columns from {start} to {end}")
    days = (end - start).days + 1
    letters: list[str | None] = []
    for column in range(columns):
        after = max(days * (column + 1) // columns, 1)  # with more columns than days, days are repeated
        day = start + timedelta(days=after - 1)
        letter = letter_on(grade, day)
        letters.append(None if letter == BEST and is_bound(grade, day) else letter)
    return letters
