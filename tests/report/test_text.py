"""The page for a terminal: verdict first, unknown things always there, 80 columns, nothing that acts."""

import re
from collections.abc import Callable
from datetime import date

import msgspec
import pytest

from affineur.assessment.model import Assessment
from affineur.errata.erratum import Severity
from affineur.report import text
from support import assessments

SEQUENCE = re.compile("\x1b\\[[0-9;]*m")


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("accepted", "ACCEPT  grade A until an erratum is published that it lacks"),
        ("rejected", "REJECT  grade C until 2024-02-29, then D"),
        ("undetermined", "UNDETERMINED  grade unknown, at best C until 2024-03-22, then at best D"),
        ("ended", "REJECT  grade unknown"),
    ],
)
def test_the_verdict_comes_first(name: str, first: str) -> None:
    assert text.render(assessments.ALL[name]()).splitlines()[0] == first


REAL = sorted(set(assessments.ALL) - {"hostile"})


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit_unless_one_word_does_not(name: str, width: int) -> None:
    for page in (text.render, text.render_age):
        for line in page(assessments.ALL[name](), width).splitlines():
            assert len(line) <= width or len(line.split()) == 1, line


@pytest.mark.parametrize("name", assessments.ALL)
@pytest.mark.parametrize("page", [text.render, text.render_age], ids=["assess", "age"])
def test_nothing_acts_on_the_terminal_but_our_own_colours(name: str, page: Callable[..., str]) -> None:
    plain, coloured = page(assessments.ALL[name]()), page(assessments.ALL[name](), colour=True)
    assert plain.replace("\n", "").isprintable()
    assert SEQUENCE.search(coloured)
    assert SEQUENCE.sub("", coloured) == plain


@pytest.mark.parametrize("name", REAL)
def test_what_could_not_be_told_is_always_said(name: str) -> None:
    assessment = assessments.ALL[name]()
    assert assessment.unassessed
    for page in (text.render(assessment, 500), text.render_age(assessment, 500)):
        for item in assessment.unassessed:
            assert f"{item.what}: {item.why}" in page


def test_the_schedule_names_day_letter_and_erratum() -> None:
    page = text.render(assessments.rejected())
    assert "2024-01-23  C  DSA-5587-1 (important) is 31 days old" in page
    assert "2024-03-01  D  DSA-5611-1 (critical) is 31 days old" in page
    assert "2023-12-23" not in page.partition("Health")[2]  # the past is for `age`
    assert "2023-12-23  B  DSA-5587-1 (important) is published" in text.render_age(assessments.rejected())


def test_a_bound_is_never_shown_as_a_letter() -> None:
    page = text.render_age(assessments.undetermined())
    assert "2024-01-23  at best C  DSA-5587-1" in page
    assert not re.search(r"^  \d{4}-\d\d-\d\d  [A-F] ", page, re.MULTILINE)


def test_nothing_known_is_not_none() -> None:
    page = text.render(assessments.ended())
    assert "Errata that it lacks  could not be told" in page
    assert "could not be told: none of its sources was read" in page
    assert "Errata that it lacks  none" in text.render(assessments.accepted())


def test_errata_are_worst_first_and_the_rest_is_counted() -> None:
    few = assessments.rejected()
    page = text.render(few)
    order = [
        page.index(f"\n  {name}") for name in ("DSA-5611-1  ", "DSA-5587-1  ", "stable-security: perl", "DSA-5586-1  ")
    ]
    assert order == sorted(order)
    many = msgspec.structs.replace(
        few,
        errata=tuple(assessments.erratum(f"DSA-{n}-1", Severity.LOW, few.made, "bash", "5") for n in range(1000, 1100)),
    )
    assert "… and 88 more (--json has all)" in text.render(many)


def test_updates_are_counted_by_kind() -> None:
    assert "5 for security, 1 other, 1 could not be told, 1 held, 1 phased" in text.render(assessments.rejected())


def test_a_suite_that_is_not_verified_or_stale_stands_out() -> None:
    base: Assessment = assessments.accepted()
    suites = (
        msgspec.structs.replace(base.suites[0], verified=False, signers=()),
        msgspec.structs.replace(base.suites[1], fresh=False),
    )
    page = text.render(msgspec.structs.replace(base, suites=suites), 200)
    assert "bookworm (stable), the image's and the reference: NOT VERIFIED, fresh" in page
    assert "bookworm-updates (stable-updates), the image's and the reference: verified, STALE" in page


@pytest.mark.parametrize(("name", "line"), [("rejected", "A+B+C+D+E+F+"), ("undetermined", r"\?+B+C+D+")])
@pytest.mark.parametrize("width", [60, 80, 132])
def test_the_strip_can_be_read_without_colour(name: str, line: str, width: int) -> None:
    page = text.render_age(assessments.ALL[name](), width).splitlines()
    mark = next(index for index, shown in enumerate(page) if "▼" in shown)
    strip, dates = page[mark + 1], page[mark + 2].split()
    letters, filled = [], ""
    for character in strip.strip():
        filled = character if character in "ABCDEF?" else filled
        letters.append(filled)
    assert re.fullmatch(line, "".join(letters))
    assert len(strip) == len(page[mark + 2]) == width - 2
    # the letter under the mark is the one of the day asked about, where days are counted on a calendar
    first, last = (date.fromisoformat(day) for day in dates)
    column = page[mark].index("▼") - 2
    days = (last - first).days + 1
    assert abs(column * days / len(letters) - (date(2024, 2, 20) - first).days) <= days / len(letters)
    assert letters[column] == "C"


def test_without_letter_and_schedule_there_is_no_strip() -> None:
    assert "▼" not in text.render_age(assessments.ended())
