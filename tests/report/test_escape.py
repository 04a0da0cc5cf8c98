"""Nothing that an image, a registry or a feed says can act on a terminal, forge a line, or become markup."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.report import escape


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("plain text, with: punctuation!", "plain text, with: punctuation!"),
        ("Größe 大小", "Größe 大小"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),  # sets a window's title (xterm control sequences, OSC)
        ("\x9b31m", "\\x9b31m"),  # the one-character CSI of ECMA-48 § 8.3.16
        ("ok\rREJECT", "ok\\rREJECT"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202egnp.exe", "\\u202egnp.exe"),  # right-to-left override
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("bad\udc80byte", "bad\\udc80byte"),  # what surrogateescape leaves of a byte that is no UTF-8
        ("filler\u3164\u2800", "filler\\u3164\\u2800"),
        ("no-break\xa0space", "no-break\\xa0space"),
    ],
)
def test_shows_what_would_act_or_hide(given_text: str, shown: str) -> None:
    assert escape.visible(given_text) == shown


def test_ordinary_accents_stay_and_piled_up_ones_do_not_spill() -> None:
    assert escape.visible("e\u0301") == "e\u0301"
    assert escape.visible("e" + "\u0301" * 6) == "e" + "\u0301" * 4 + "\\u0301" * 2


@given(st.text())
def test_what_is_shown_is_printable_and_stays_when_shown_again(text: str) -> None:
    shown = escape.visible(text)
    assert shown.isprintable()
    assert escape.visible(shown) == shown


@given(st.text(), st.integers(1, 40))
def test_shortened_fits(text: str, limit: int) -> None:
    shown = escape.shortened(text, limit)
    assert len(shown) <= limit
    assert shown == escape.visible(text) or shown.endswith("…")


@given(st.text())
def test_html_has_no_character_that_ends_text_or_attribute(text: str) -> None:
    assert not set(escape.html(text)) & set("<>\"'`")


def test_html_is_read_back_as_what_is_visible() -> None:
    import html

    text = "<b a=\"1\" c='2'>&amp;`\x1b"
    assert html.unescape(escape.html(text)) == escape.visible(text)


@pytest.mark.parametrize("text", ["a|b", "`", "``a`", " ", "a\nb", "` `` ```|", "\\|"])
def test_a_code_span_neither_ends_early_nor_splits_a_cell(text: str) -> None:
    span = escape.markdown_code(text)
    assert "\n" not in span
    assert all(span[at - 1] == "\\" for at, character in enumerate(span) if character == "|")
    inner = span.strip("`")
    fence = span[: len(span) - len(span.lstrip("`"))]
    assert not fence or fence not in inner.replace(fence + "`", "")


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_json_with_escapes_is_the_same_value(text: str) -> None:
    made = escape.json_text(json.dumps({"text": text}, ensure_ascii=False, indent=2))
    assert json.loads(made) == {"text": text}
    assert made.replace("\n", "").isprintable()
