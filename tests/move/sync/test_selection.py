"""Which tags are wanted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affineur.move.sync.selection import Selection

TAGS = (
    *("latest", "1", "1.26", "1.26.0", "1.26.9", "1.26.10", "1.27", "1.27.0", "1.27.1-rc.1", "1.27.1", "2.0.0-beta.1"),
    *("1.26.10-alpine", "1.27.1-alpine", "1.27.0-alpine", "mainline-alpine", "1.27.2-rc.1-alpine", "bookworm-slim"),
)


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(include=("*-slim", "latest")), "latest bookworm-slim"),
        (Selection(include=("*",), exclude=("1*", "2*")), "latest mainline-alpine bookworm-slim"),
        (Selection(include=("semver:>=1.27",)), "1.27 1.27.0 1.27.1"),
        (Selection(include=("semver:>=1.27.1-0",), exclude=("*-alpine",)), "1.27.1-rc.1 1.27.1 2.0.0-beta.1"),
        (Selection(include=("regex:rc",)), "1.27.1-rc.1 1.27.2-rc.1-alpine"),
        (Selection(newest=3), "1.27.1 1.27.0 1.27"),
        (Selection(newest=2, prereleases=True, exclude=("*alpine",)), "2.0.0-beta.1 1.27.1"),
        (Selection(one_per_minor=True), "1.27.1 1.26.10 1"),
        (Selection(one_per_minor=True, newest=1), "1.27.1"),
        (Selection(one_per_minor=True, include=("semver:>=1.26",), exclude=("?.??",)), "1.27.1 1.26.10"),
        (Selection(variant="alpine"), "1.26.10-alpine 1.27.1-alpine 1.27.0-alpine mainline-alpine 1.27.2-rc.1-alpine"),
        (Selection(variant="alpine", newest=2), "1.27.1-alpine 1.27.0-alpine"),
        (Selection(variant="alpine", include=("semver:~1.27",)), "1.27.1-alpine 1.27.0-alpine"),
        (Selection(variant="alpine", newest=1, prereleases=True), "1.27.2-rc.1-alpine"),
        (Selection(variant="alpine", one_per_minor=True), "1.27.1-alpine 1.26.10-alpine"),
        (Selection(include=("nothing",)), ""),
        (Selection(include=("nothing",), newest=3), ""),
    ],
)
def test_tags_that_are_wanted(selection: Selection, wanted: str) -> None:
    assert " ".join(selection.of(TAGS)) == wanted


def test_without_rules_every_tag_is_wanted_once() -> None:
    assert Selection().of([*TAGS, *TAGS]) == TAGS


@settings(deadline=None)
@given(
    st.lists(st.from_regex(r"\A[0-9]{1,2}(\.[0-9]){0,2}(-[ab])?\Z"), max_size=12),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_the_newest_are_the_same_whatever_the_order_of_the_list(
    tags: list[str],
    newest: int,
    one_per_minor: bool,
    prereleases: bool,
    random: "object",
) -> None:
    selection = Selection(newest=newest, one_per_minor=one_per_minor, prereleases=prereleases)
    found = selection.of(tags)
    random.shuffle(tags)  # type: ignore[attr-defined]
    assert selection.of(tags) == found
    assert len(found) <= newest
