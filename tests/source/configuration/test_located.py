"""Lines of TOML: strings, comments and brackets that look like structure are none."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import InvalidSettings
from affineur.source.configuration.located import KeyPath, lines_of, nearest, read_toml

TEXT = '''\
# a = 1
search = [ # [[registry]]
  "x", # "]"
  ["y"],
]
"quoted = [[key]]" = """
[[registry]]
location = "no" ""\\""""
'single # "' = \'\'\'
[registry]
\'\'\'

[[registry]]
location = "a#b" # location = "c"
  [[ registry . "mirror" ]]
  location = { x = 1, y = [2,
    3] }
  [[registry.mirror]]

  insecure = true
[[registry]]
inner.key = 1
[aliases]
"a/b" = "c"
d = "e"'''


def test_every_key_and_table() -> None:
    assert lines_of(TEXT) == {
        ("search",): 2,
        ("quoted = [[key]]",): 6,
        ('single # "',): 9,
        ("registry", 0): 13,
        ("registry", 0, "location"): 14,
        ("registry", 0, "mirror", 0): 15,
        ("registry", 0, "mirror", 0, "location"): 16,
        ("registry", 0, "mirror", 1): 18,
        ("registry", 0, "mirror", 1, "insecure"): 20,
        ("registry", 1): 21,
        ("registry", 1, "inner", "key"): 22,
        ("aliases",): 23,
        ("aliases", "a/b"): 24,
        ("aliases", "d"): 25,
    }
    assert lines_of(TEXT.replace("\n", "\r\n")) == lines_of(TEXT)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("registry", 0, "mirror", 0, "location", "y"), 16),
        (("registry", 0, "blocked"), 13),
        (("aliases", "none"), 23),
        (("nothing",), 1),
    ],
)
def test_what_has_no_line_of_its_own_has_that_of_what_encloses_it(path: KeyPath, line: int) -> None:
    assert nearest(lines_of(TEXT), path) == line


KEYS = st.text(st.sampled_from("ab.[]{}='\"#\n \\"), min_size=1, max_size=6)
SCALARS = st.one_of(st.integers(0, 9).map(str), st.sampled_from(['"[["', "'#'", '"""\n[x]\n"""', "[[1],\n2]", "{a=1}"]))


def quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@given(st.lists(st.tuples(st.booleans(), KEYS, SCALARS, st.sampled_from(["", "# [[t]]\n", "\n", "  "])), max_size=8))
def test_each_line_is_where_tomllib_begins_to_see_the_key(parts: list[tuple[bool, str, str, str]]) -> None:
    """Up to the line before it the document does not have the key; with what follows, it has."""
    text, written = "", list[tuple[KeyPath, int]]()
    count = -1
    for number, (is_table, key, value, between) in enumerate(parts):
        text += between
        line = text.count("\n") + 1
        if is_table:
            count += 1
            text += "[[t]] # x\n"
            written.append((("t", count), line))
        else:
            name = f"{key}{number}"
            text += f"{quoted(name)} = {value}\n"
            written.append(((*(("t", count) if count >= 0 else ()), name), line))
    tomllib.loads(text)
    assert lines_of(text) == dict(written)


@given(st.one_of(st.binary(max_size=60), st.text(st.sampled_from("[]{}='\"#\n\\ax.1t"), max_size=60).map(str.encode)))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        read_toml(content, Path("any"))
    except InvalidSettings as problem:
        refused = str(problem)
    else:
        return
    assert refused.startswith("any: no TOML: ")


@pytest.mark.parametrize("content", [b"a = " + b"[" * 5000, b"a = " + b"9" * 5000, b"\xff = 1", b"a = '\xed\xa0\x80'"])
def test_absurd_ones_are_refused(content: bytes) -> None:
    with pytest.raises(InvalidSettings):
        read_toml(content, Path("any"))
