"""Words and scores, mapped by data."""

import pytest

from affineur.errata.erratum import Severity
from affineur.errata.severity import Rating, highest, may_be_worse, of_score, of_word, rank


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        # FIRST, CVSS v3.1 § 5, Table 14: None 0.0, Low 0.1-3.9, Medium 4.0-6.9, High 7.0-8.9, Critical 9.0-10.0
        (0.0, None), (0.1, "low"), (3.9, "low"), (4.0, "moderate"), (6.9, "moderate"), (7.0, "important"),
        (8.9, "important"), (9.0, "critical"), (10.0, "critical"),
    ],
)  # fmt: skip
def test_scores_fall_into_firsts_bands(score: float, severity: str | None) -> None:
    assert of_score(score) == severity


@pytest.mark.parametrize(
    ("vendor", "word", "severity"),
    [
        ("ubuntu", "critical", "critical"),
        ("ubuntu", "High", "important"),
        ("ubuntu", "negligible", "low"),
        ("ubuntu", "untriaged", None),
        ("debian", "unimportant", "low"),
        ("debian", "not yet assigned", None),
        ("changelog", "high", None),
        ("changelog", "medium", None),
        ("changelog", "emergency", "critical"),
        ("nobody", "high", None),
    ],
)
def test_words_are_mapped_or_rate_nothing(vendor: str, word: str, severity: str | None) -> None:
    assert of_word(vendor, word) == severity


def test_only_the_top_word_of_a_scale_without_critical_may_stand_for_worse() -> None:
    assert may_be_worse("debian", "high")
    assert not may_be_worse("debian", "medium")
    assert not may_be_worse("ubuntu", "high")


def test_the_highest_wins_and_unrated_is_below_all() -> None:
    ratings = [Rating(Severity.LOW, "a"), Rating(Severity.CRITICAL, "b"), Rating(Severity.IMPORTANT, "c")]
    assert highest(ratings) == ratings[1]
    assert highest([]) is None
    assert sorted([*Severity], key=rank) == [Severity.LOW, Severity.MODERATE, Severity.IMPORTANT, Severity.CRITICAL]
    assert rank(None) < rank(Severity.LOW)
