"""apk's version order, by the vectors of apk-tools itself.

apk-versions.tsv: what `apk version -t`, `apk version -c` and constraints must say, from test/unit/version.data of
apk-tools 90b974f (the same file is asserted there on each of its builds); repeated lines left out. `!` is a text that
is no version; `A ~ B`, `A <~ B`, `A >~ B` are constraints, `!~` one that is not satisfied.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.packages.versions.apk import compare, key, matches, valid
from affineur.packages.versions.order import order_of

LINES = [line.split("\t") for line in (Path(__file__).parent / "apk-versions.tsv").read_text().splitlines()]
SIGNS = {"<": -1, "=": 0, ">": 1}
# The forms of a version, and what nearly is one.
VERSIONS = st.from_regex(
    r"\A[0-9]{1,3}(\.[0-9]{1,3}){0,2}[a-c]?(_(alpha|beta|pre|rc|cvs|p|x)[0-9]?){0,2}(~[0-9a-f]{1,2})?(-r[0-9]?)?\Z"
)


@pytest.mark.parametrize(("one", "sign", "other"), [line for line in LINES if len(line) == 3 and line[1] in SIGNS])
def test_what_apk_compares(one: str, sign: str, other: str) -> None:
    assert compare(one, other) == SIGNS[sign]
    assert compare(other, one) == -SIGNS[sign]
    assert matches(one, sign, other)


@pytest.mark.parametrize(
    ("version", "operator", "wanted"),
    [line for line in LINES if len(line) == 3 and "~" in line[1] and not line[1].startswith("!")],
)
def test_constraints(version: str, operator: str, wanted: str) -> None:
    assert matches(version, operator, wanted)


@pytest.mark.parametrize(("version", "operator", "wanted"), [line for line in LINES if line[1:2] == ["!~"]])
def test_constraints_that_do_not_hold(version: str, operator: str, wanted: str) -> None:
    assert not matches(version, operator.removeprefix("!"), wanted)


@pytest.mark.parametrize("text", [line[0] for line in LINES if len(line) == 1])
def test_what_is_a_version(text: str) -> None:
    assert valid(text.removeprefix("!")) is not text.startswith("!")


def test_every_vector_is_used() -> None:
    used = [line for line in LINES if len(line) == 1 or line[1] in SIGNS or "~" in line[1]]
    assert used == LINES
    assert len(LINES) > 500


def test_no_operator_takes_every_version() -> None:
    assert matches("1", "", "")


@given(st.text(), st.text())
def test_any_text_has_its_place(one: str, other: str) -> None:
    assert compare(one, other) == -compare(other, one)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total(one: str, two: str, three: str) -> None:
    low, middle, high = sorted((one, two, three), key=key)
    assert compare(low, middle) <= 0
    assert compare(middle, high) <= 0
    assert compare(low, high) <= 0


@given(VERSIONS, VERSIONS)
def test_what_begins_with_a_version_is_no_lower(version: str, wanted: str) -> None:
    """`~` is satisfied by the version itself, and only by what agrees with it part by part."""
    assert matches(wanted, "~", wanted)
    if matches(version, "~", wanted) and valid(version):
        assert version.startswith(wanted) or key(version).startswith(key(wanted)[:-1])


def test_packages_of_apk_are_ordered_by_it() -> None:
    assert order_of("apk") is key
