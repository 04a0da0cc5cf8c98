"""Patterns of excludes: their forms, and globs beside fnmatch."""

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.repositories.rpmmd.globs import MAX_PATTERN, Nevra, matches, matching

PACKAGES = [
    ("httpd", "0:2.4-1", "x86_64"),
    ("httpd", "1:2.4-1", "i686"),
    ("httpd-tools", "2.4-1", "noarch"),
    ("perl-a.b", "1-1", "x86_64"),
]


def meant(pattern: str) -> list[tuple[str, str, str]]:
    return matching(pattern, PACKAGES, lambda package: Nevra.of(*package))


@pytest.mark.parametrize(
    ("pattern", "places"),
    [
        ("httpd", [0, 1]),
        ("httpd*", [0, 1, 2]),
        ("*", [0, 1, 2, 3]),
        ("HTTPD", []),
        ("httpd.i686", [1]),
        ("*.noarch", [2]),
        ("httpd-2.4-1.x86_64", [0]),
        ("httpd-1:2.4-1.*", [1]),
        ("httpd-0:2.4-1", [0]),
        ("httpd-2.4-1", [0, 1]),
        ("httpd-2*", [0, 1]),
        ("httpd-t*", [2]),
        ("perl-a.b", [3]),
        ("perl-?.?", [3]),
        ("[hp]*[ls]", [2]),
        ("[!h]*", [3]),
        ("", []),
        ("-", []),
        ("--.", []),
        ("httpd-a:2.4-1", []),
        ("*" * (MAX_PATTERN + 1), []),
    ],
)
def test_the_first_form_that_means_anything_holds(pattern: str, places: list[int]) -> None:
    assert meant(pattern) == [PACKAGES[place] for place in places]


@given(st.text(alphabet="ab*?[]!-", max_size=8), st.text(alphabet="ab-]!", max_size=8))
def test_globs_are_those_of_fnmatch(pattern: str, text: str) -> None:
    """glob(7); Python's fnmatch is the witness."""
    assert matches(pattern, text) == fnmatch.fnmatchcase(text, pattern)


def test_a_hostile_pattern_takes_no_time() -> None:
    began = time.perf_counter()
    assert not matches("*a" * 250 + "b", "a" * 4_000)
    assert time.perf_counter() - began < 2
