"""dpkg's version order: deb-version(7)'s own examples, and others that `dpkg --compare-versions` judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.packages.versions.deb import compare, key

# lower, higher: each judged by `dpkg --compare-versions LOWER lt HIGHER`
ORDERED = [
    ("~~", "~~a"),
    ("~~a", "~"),
    ("~", ""),
    ("", "a"),
    ("1.0~beta1~svn1245", "1.0~beta1"),
    ("1.0~beta1", "1.0"),
    ("9", "10"),
    ("1.0-9", "1.0-10"),
    ("1.2.3", "1.2.3-1"),
    ("1.0-1", "1.0-1+b1"),
    ("1.0-1", "1.0-1.1"),
    ("1.0a", "1.0+"),
    ("1.0a", "1.0.1"),
    ("1.0Z", "1.0a"),
    ("2", "1:1"),
    ("9:9", "10:1"),
    ("4.8.4-2ubuntu1~14.04.3", "4.8.4-2ubuntu1~14.04.4"),
    ("2.4.67-1ubuntu0.14.04.1", "2.4.67-1ubuntu0.14.04.2"),
    ("1.0-1-1", "1.0-1-2"),
    ("1.0-1-1", "1.0-2-1"),
    ("3.1~rc1+r3.0.13-12ubuntu0.1", "3.1~rc1+r3.0.13-12ubuntu0.2"),
]
# judged by `dpkg --compare-versions ONE eq OTHER`
EQUAL = [
    ("1.0", "0:1.0"),
    ("1.0", "1.0-0"),
    ("1.0", "1.00"),
    ("1.", "1.0"),
    ("1a", "1a0"),
    ("0", "00"),
    ("1:2", "01:2"),
]


@pytest.mark.parametrize(("lower", "higher"), ORDERED)
def test_lower_and_higher(lower: str, higher: str) -> None:
    assert compare(lower, higher) == -1
    assert compare(higher, lower) == 1


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal(one: str, other: str) -> None:
    assert compare(one, other) == 0
    assert key(one) == key(other)


def test_the_manuals_sorted_example() -> None:
    """deb-version(7): `~~`, `~~a`, `~`, the empty part, `a`."""
    assert sorted(["a", "", "~", "~~a", "~~"], key=key) == ["~~", "~~a", "~", "", "a"]


@given(st.text(), st.text(), st.text())
def test_any_text_has_its_place(a: str, b: str, c: str) -> None:
    assert compare(a, a) == 0
    assert compare(a, b) == -compare(b, a)
    if compare(a, b) <= 0 and compare(b, c) <= 0:
        assert compare(a, c) <= 0


def test_a_very_long_number_is_ordered_too() -> None:
    assert compare("9" * 5000, "1" + "0" * 5000) == -1
