"""Globs and regular expressions, against the C library's own, which apt uses."""

import ctypes
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affineur.repositories.apt.patterns import MAX_TEXT, UnsupportedPattern, expression, glob, regular
from support.leaving_out import leave_out

FNM_CASEFOLD, REG_EXTENDED, REG_ICASE = 16, 1, 2
_PIECES = ("a", "B", "c", "1", "-", ".", "+", "*", "?", "|", "(", ")", "[ab]", "[^a]", "[!a]", "[a-c]", "[[:digit:]]",
           "^", "$", "\\.", "\\*", "{2}", "{1,2}", "{0,}", "[]a]", "[", "]")  # fmt: skip
_TEXTS = st.text(alphabet="aAbBc1-.+*]", max_size=6)


def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        leave_out("needs the GNU C library")
    return library


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=6).map("".join), st.lists(_TEXTS, min_size=4, max_size=4))
def test_globs_match_what_fnmatch_matches(pattern: str, texts: list[str]) -> None:
    fnmatch = _libc().fnmatch
    try:
        compiled = glob(pattern)
    except UnsupportedPattern:
        assert "[." in pattern  # collating elements: said so, which is an answer
        return
    for text in texts:
        assert compiled.matches(text) is (fnmatch(pattern.encode(), text.encode(), FNM_CASEFOLD) == 0), text


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=6).map("".join), st.lists(_TEXTS, min_size=4, max_size=4))
def test_regular_expressions_match_what_regexec_matches(pattern: str, texts: list[str]) -> None:
    library = _libc()
    compiled_there = ctypes.create_string_buffer(256)  # regex_t has 64 bytes
    refused = library.regcomp(compiled_there, pattern.encode(), REG_EXTENDED | REG_ICASE) != 0
    try:
        compiled = regular(pattern)
    except UnsupportedPattern:
        return  # said so, which is an answer; test_what_preferences_hold_is_read watches that it stays rare
    assert not refused
    for text in texts:
        assert compiled.matches(text) is (library.regexec(compiled_there, text.encode(), 0, None, 0) == 0), text
    library.regfree(compiled_there)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("/^linux-(image|headers)-[0-9.]+-/", "linux-image-6.1.0-9-amd64", True),
        ("/^linux-(image|headers)-[0-9.]+-/", "linux-base", False),
        ("/^lib(ssl|crypto)[0-9.]*(-dev)?$/", "libssl-dev", True),
        ("/PYTHON3\\.[0-9]{1,2}/", "libpython3.11", True),
        ("php*", "php8.2-cli", True),
        ("*-dbgsym", "a-dbgsym", True),
        ("g++-[0-9]*", "g++-12", True),
        ("LIBC?", "libc6", True),
        ("/", "/", True),
    ],
)
def test_what_preferences_hold_is_read(pattern: str, text: str, matches: bool) -> None:
    assert expression(pattern).matches(text) is matches


@pytest.mark.parametrize(
    "pattern", ["(a", "a)", "[a", "a\\1", "\\w", "*a", "a{2", "a{3,2}", "[[:nope:]]", "a{999}{999}", "(" * 99]
)
def test_what_is_not_understood_is_said(pattern: str) -> None:
    with pytest.raises(UnsupportedPattern):
        regular(pattern)


@pytest.mark.parametrize("pattern", ["/^(a+)+$/", "/(a|aa)+$/", "/(.*a){12}b/", "*a*a*a*a*a*a*a*a*b"])
def test_no_expression_takes_long(pattern: str) -> None:
    """A backtracking engine needs exponential time for these."""
    start = time.process_time()
    assert not expression(pattern).matches("a" * (MAX_TEXT - 1) + "!")
    assert time.process_time() - start < 5
