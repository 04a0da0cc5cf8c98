"""rpm's version order, by rpm's own vectors and by rpm itself.

rpm-versions.tsv: every pair of tests/rpmvercmp.at of rpm, the two directions of a pair as one line; the
oddities at its end, which are kept there as comments, included.
"""

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.packages.versions.order import order_of
from affineur.packages.versions.rpm import compare, key, split
from support.rpms import needed

LINES = [line.split("\t") for line in (Path(__file__).parent / "rpm-versions.tsv").read_text().splitlines()]
SIGNS = {"<": -1, "=": 0}
# The forms of a version, and what nearly is one.
VERSIONS = st.from_regex(r"\A([0-9]{0,2}:)?[0a1zZ.~^_+]{1,6}(-[0a1Z.~^]{0,4}){0,2}\Z")
PAIRS = 1500


@pytest.mark.parametrize(("one", "sign", "other"), LINES)
def test_what_rpm_compares(one: str, sign: str, other: str) -> None:
    assert compare(one, other) == SIGNS[sign]
    assert compare(other, one) == -SIGNS[sign]


@pytest.mark.parametrize(
    ("version", "parts"),
    [
        ("1.0", ("", "1.0", "")),
        ("1.0-2.el7", ("", "1.0", "2.el7")),
        ("1:1.0-2", ("1", "1.0", "2")),
        (":1.0-2", ("", "1.0", "2")),
        ("x:1.0-2", ("", "x:1.0", "2")),
        ("1.0-beta-2", ("", "1.0-beta", "2")),
    ],
)
def test_parts_of_a_version(version: str, parts: tuple[str, str, str]) -> None:
    assert split(version) == parts


def test_epochs_come_first_and_none_is_zero() -> None:
    assert compare("1:1.0-1", "2.0-1") == 1
    assert compare("0:1.0-1", "1.0-1") == compare("00:1.0-1", "0:1.0-1") == compare(":1-1", "1-1") == 0
    assert compare("10:1-1", "9:1-1") == 1


def test_a_version_without_a_release_has_a_place() -> None:
    assert compare("1.0", "1.0-1") == -1
    assert compare("1.0", "1.0-~1") == 1
    assert compare("1.0", "1.0-") == 0


@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total(one: str, two: str, three: str) -> None:
    low, middle, high = sorted((one, two, three), key=key)
    assert compare(low, middle) <= 0
    assert compare(middle, high) <= 0
    assert compare(low, high) <= 0


@given(st.text(), st.text())
def test_any_text_has_its_place(one: str, other: str) -> None:
    assert compare(one, other) == -compare(other, one)


def _version(chance: random.Random) -> str:
    """Something near a version; of a few letters and marks, so that many pairs agree up to some place."""
    text = "".join(chance.choices("0123ab.~^_+", k=chance.randrange(1, 6)))
    epoch = chance.choice(("", "", "0:", "1:", "02:"))
    release = chance.choice(("", "-1", "-2~a", "-01", "-^", "-1.el7"))
    return f"{epoch}{text}{release}"


@pytest.mark.system
def test_rpm_itself_agrees() -> None:
    """Thousands of pairs in one process; the few that rpm refuses to parse are left out."""
    needed("rpm")
    chance = random.Random(1)
    pairs = [(_version(chance), _version(chance)) for _ in range(PAIRS)]
    pairs += [(one, one + mark) for one, _ in pairs for mark in chance.choice("0a.~^")]
    listed = ",".join(f'{{"{one}","{other}"}}' for one, other in pairs)
    each = "local ok,n=pcall(rpm.vercmp,p[1],p[2]) print((ok and n or 'refused')..' ')"
    script = f"%{{lua: for _,p in ipairs({{{listed}}}) do {each} end}}"
    done = subprocess.run(["rpm", "--eval", script], capture_output=True, text=True, check=True, timeout=60)
    said = done.stdout.split()
    answers = [(*pair, int(answer)) for pair, answer in zip(pairs, said, strict=True) if answer != "refused"]
    assert len(answers) > PAIRS
    assert [each for each in answers if compare(each[0], each[1]) != each[2]] == []


def test_packages_of_rpm_are_ordered_by_it() -> None:
    assert order_of("rpm") is key
