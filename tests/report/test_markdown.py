"""The comment for a pull request, read back by a parser of Markdown that is not ours."""

import re

import msgspec
import pytest
from markdown_it import MarkdownIt

from affineur.errata.erratum import Severity
from affineur.report import markdown
from support import assessments

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OURS = "h3|p|ul|li|table|thead|tbody|tr|th|td|strong|code|a|em|details|summary|sub"


@pytest.mark.parametrize("name", assessments.ALL)
def test_it_is_made_of_our_own_elements_only(name: str) -> None:
    page = PARSER.render(markdown.render(assessments.ALL[name]()))
    tags = re.findall(r"<(?!!-- -->)/?([^ >]*)", page)
    assert set(tags) <= set(OURS.split("|"))
    for address in re.findall(r'href="([^"]*)"', page):
        assert address.startswith(("https://security-tracker.debian.org/", "https://ubuntu.com/security/notices/"))


def test_hostile_strings_change_nothing_about_the_structure() -> None:
    def structure(page: str) -> list[str]:
        return [
            token
            for token in re.findall(r"</?[a-z0-9]+", PARSER.render(page))
            if token not in ("<a", "</a", "<code", "</code")
        ]

    assert structure(markdown.render(assessments.hostile())) == structure(markdown.render(assessments.rejected()))


def test_the_first_lines_are_the_verdict_and_the_reasons() -> None:
    page = markdown.render(assessments.rejected())
    assert page.startswith("### ❌ reject: grade C until 2024-02-29, then D\n\n`registry.example/team/app:1.4`")
    assert page.index("**fail**") < page.index("| pass |")
    assert page.index("What could not be told") < page.index("<details>")  # never folded


def test_it_is_short_enough_for_a_comment() -> None:
    few = assessments.rejected()
    many = msgspec.structs.replace(
        few,
        errata=tuple(assessments.erratum(f"DSA-{n}-1", Severity.LOW, few.made, "bash", "5") for n in range(1000, 3000)),
        updates=few.updates * 300,
    )
    page = markdown.render(many)
    assert len(page) < 65_536
    assert "… and 1990 more" in page
    assert "… and 2050 more" in page


def test_nothing_known_is_not_none() -> None:
    assert "Errata that it lacks: could not be told." in markdown.render(assessments.ended())
    assert "Errata that it lacks: none." in markdown.render(assessments.accepted())
