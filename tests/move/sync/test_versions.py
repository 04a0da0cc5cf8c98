"""Versions and ranges beside github.com/Masterminds/semver 3.2.0, by which skopeo reads them, and semver.org's own.

versions.tsv is that library's output: `none TAG` (no version), `error RANGE` (no range), `range RANGE TAGS…` (those of
all the tags that are in it) and `order TAGS…` (by precedence; equal ones in the order of the question).
"""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affineur.move.sync.versions import MAX_RANGE, InvalidRange, Version, parse_range, read_version

ROWS = [line.split("\t") for line in (Path(__file__).parent / "versions.tsv").read_text("utf-8").splitlines()]
ORDER = next(row[1].split() for row in ROWS if row[0] == "order")


def version(tag: str) -> Version:
    found = read_version(tag)
    assert found is not None
    return found


def test_tags_that_are_versions_and_tags_that_are_none() -> None:
    assert [row[1] for row in ROWS if row[0] == "none" and read_version(row[1]) is not None] == []
    assert [tag for tag in ORDER if read_version(tag) is None] == []


@pytest.mark.parametrize(("text", "tags"), [pytest.param(*row[1:], id=row[1]) for row in ROWS if row[0] == "range"])
def test_a_range_holds_what_skopeos_library_says(text: str, tags: str) -> None:
    found = parse_range(text)
    assert [tag for tag in sorted(ORDER) if found.holds(version(tag))] == sorted(tags.split())


@pytest.mark.parametrize("text", [row[1] for row in ROWS if row[0] == "error"] + ["", " ", "1" * MAX_RANGE + "1", "1²"])
def test_what_is_no_range_is_told(text: str) -> None:
    with pytest.raises(InvalidRange):
        parse_range(text)


def test_too_many_comparisons_are_told() -> None:
    with pytest.raises(InvalidRange, match="more than 64 comparisons"):
        parse_range(" || ".join(["1"] * 65))


def test_precedence_is_that_of_the_library() -> None:
    assert [version(tag) for tag in sorted(ORDER, key=version)] == [version(tag) for tag in ORDER]


@pytest.mark.parametrize(
    "rising",  # semver.org § 11, its own examples
    [
        "1.0.0 2.0.0 2.1.0 2.1.1",
        "1.0.0-alpha 1.0.0",
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0",
    ],
)
def test_precedence_is_that_of_the_specification(rising: str) -> None:
    for before, after in pairwise(version(tag) for tag in rising.split()):
        assert before < after
        assert not after < before
        assert before != after


def test_equal_versions_may_be_written_differently() -> None:
    assert version("1.2") == version("v1.2.0") == version("01.2.0")
    assert len({version("1.2"), version("v1.2.0")}) == 1
    assert [version(tag).parts for tag in ("1", "1.2", "1.2.0")] == [1, 2, 3]


@settings(deadline=None)
@given(st.text("0123456789.-vxX*<>=!~^|, abc²", max_size=40))
def test_any_text_is_a_range_or_told_not_to_be(text: str) -> None:
    try:
        found = parse_range(text)
    except InvalidRange:
        return
    assert found.holds(version("1.2.3")) in (True, False)


@settings(deadline=None)
@given(st.text("0123456789.-vabcz", max_size=30), st.text("0123456789.-vabcz", max_size=30))
def test_versions_are_in_a_total_order(one: str, other: str) -> None:
    first, second = read_version(one), read_version(other)
    if first is not None and second is not None:
        assert (first < second) + (second < first) + (first == second) == 1
