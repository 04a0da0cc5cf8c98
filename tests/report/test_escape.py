"""Nothing that an image, a registry or a feed says can act on a terminal, forge a line, or become markup."""

import html
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

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
    text = "<b a=\"1\" c='2'>&amp;`\x1b"
    assert html.unescape(escape.html(text)) == escape.visible(text)


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])  # a parser that is not ours
COMMENT = re.compile("<!-- -->")


def cells(source: str) -> list[str]:
    """Render a one-row table and return what its cells show."""
    rendered = MARKDOWN.render(f"| a | b |\n| - | - |\n| {source} | end |\n")
    return [
        html.unescape(re.sub("</?code>", "", COMMENT.sub("", cell))) for cell in re.findall("<td>(.*)</td>", rendered)
    ]


@given(st.text(alphabet=st.sampled_from("a1 `|\\*_[]()<>!&#@:~$-+.=/w\n\x1b\u202e")))
@example(" -")
@example("    a")
def test_a_parser_of_markdown_reads_literal_text(text: str) -> None:
    shown = " ".join(escape.visible(text).split())
    assert [" ".join(cell.split()) for cell in cells(escape.markdown(text))] == [shown, "end"]
    inline = MARKDOWN.render("x" + escape.markdown(text))
    assert not re.search("<(?!!-- -->|/?p>)", inline)
    alone = MARKDOWN.render(escape.markdown(text))
    assert " ".join(html.unescape(re.sub("</?p>", "", COMMENT.sub("", alone))).split()) == shown


@given(st.text(alphabet=st.sampled_from("a `|\\*[<&\n\x1b")))
def test_a_parser_of_markdown_reads_one_code_span(text: str) -> None:
    shown = " ".join(escape.visible(text).replace("|", "\\x7c").split())
    assert [" ".join(cell.split()) for cell in cells(escape.markdown_code(text))] == [shown, "end"]


@pytest.mark.parametrize(
    "text", ["@octocat", "#12", "owner/repository#12", ":tada:", "https://evil.example", "www.evil.example"]
)
def test_hosts_find_no_mention_link_or_emoji(text: str) -> None:
    shown = MARKDOWN.render(escape.markdown(text))
    assert not re.search(r"[@#:][\w/]|www\.", COMMENT.sub("\0", shown.replace("<p>", "").replace("</p>", "")))


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_json_with_escapes_is_the_same_value(text: str) -> None:
    made = escape.json_text(json.dumps({"text": text}, ensure_ascii=False, indent=2))
    assert json.loads(made) == {"text": text}
    assert made.replace("\n", "").isprintable()
