"""The thresholds: data, read strictly."""

import tomllib

import pytest

from affineur.errata.erratum import Severity
from affineur.errors import InvalidSettings
from affineur.trust.thresholds import DEFAULT, Limits, Thresholds, convert, rank

GOOD = """
unrated = "critical"
[letters]
B = { critical = 1, important = 2 }
C = { critical = 2, important = 3 }
D = { critical = 3, important = 4 }
E = { critical = 3, important = 4 }
"""


def test_what_ships_is_what_was_published() -> None:
    published = Thresholds(
        unrated=Severity.IMPORTANT,
        letters={"B": Limits(7, 30), "C": Limits(30, 90), "D": Limits(90, 365), "E": Limits(365, 365)},
    )
    assert published == DEFAULT


def test_one_s_own_replace_them() -> None:
    found = convert(tomllib.loads(GOOD), "my.toml [grade]")
    assert found.unrated is Severity.CRITICAL
    assert found.letters["C"].of(Severity.IMPORTANT) == 3


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('unrated = "critical"', "", "missing required field `unrated`"),
        ('unrated = "critical"', 'unrated = "moderate"', "unrated must be critical or important"),
        ("[letters]", "extra = 1\n[letters]", "unknown field `extra`"),
        ("C = { critical = 2", "C = { critical = 0", "C must not allow fewer days"),
        ("B = { critical = 1", "B = { critical = -1", "B must not allow fewer days"),
        ("E = {", "F = {", "letters must be B, C, D, E"),
        ("important = 2 }", 'important = "2" }', "Expected `int`, got `str`"),
    ],
)
def test_mistakes_are_told(old: str, new: str, complaint: str) -> None:
    with pytest.raises(InvalidSettings) as told:
        convert(tomllib.loads(GOOD.replace(old, new)), "my.toml [grade]")
    assert str(told.value).startswith("my.toml [grade]: ")
    assert complaint in str(told.value)


def test_a_letter_is_a_letter() -> None:
    assert [rank(letter) for letter in "ABCDEF"] == [0, 1, 2, 3, 4, 5]
    for other in ("G", "", "AB", "b"):
        with pytest.raises(ValueError):
            rank(other)
