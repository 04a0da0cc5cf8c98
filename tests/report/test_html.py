"""The page stands alone, holds what others wrote as text only, and draws the grade's time line."""

import base64
import hashlib
import html as standard
import re
import shutil
import subprocess
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from affineur.report import html, stylesheet
from affineur.report.escape import visible
from affineur.trust.model import Drop, Grade, Span
from support import assessments
from support.leaving_out import leave_out

# Elements of HTML that end by themselves (HTML standard § 13.1.2, void elements), as far as the page has them
VOID = {"meta", "br"}
# Whatever can make a browser ask for something (HTML standard: attributes of type URL), or run something
ASKING = {"src", "srcset", "action", "formaction", "data", "poster", "background", "ping", "xlink:href", "style"}
NEVER = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "audio", "video", "use", "image"}
PAGES = ("https://security-tracker.debian.org/tracker/", "https://ubuntu.com/security/notices/", "https://www.cve.org/")


class Read(HTMLParser):
    """What a parser that is not ours makes of a page: its elements in order, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.comments = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))  # as foreign elements of SVG end

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments += 1


@pytest.mark.parametrize("name", assessments.ALL)
def test_the_page_asks_for_nothing_and_runs_nothing(name: str) -> None:
    page = html.render(assessments.ALL[name]())
    read = Read(page)
    assert not read.open
    assert not read.comments
    for tag, attributes in read.elements:
        assert tag not in {
            "script",
            "link",
            "img",
            "iframe",
            "object",
            "embed",
            "base",
            "form",
            "audio",
            "video",
            "use",
            "image",
        }
        assert not {name for name in attributes if name in ASKING or name.startswith("on")}
        assert "href" not in attributes or (tag == "a" and str(attributes["href"]).startswith(PAGES))
    assert not re.search(r"url\(|@import|@font-face|expression\(", stylesheet.STYLES)


def test_the_policy_of_the_page_allows_its_own_style_sheet_only() -> None:
    page = html.render(assessments.accepted())
    policy = next(a["content"] for tag, a in Read(page).elements if a.get("http-equiv") == "Content-Security-Policy")
    sheet = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_hostile_strings_are_text_and_change_no_element() -> None:
    def elements(page: Read) -> list[tuple[str, frozenset[str]]]:
        return [(tag, frozenset(attributes)) for tag, attributes in page.elements if tag != "a"]

    hostile, plain = (Read(html.render(make())) for make in (assessments.hostile, assessments.rejected))
    assert elements(hostile) == elements(plain)
    assert visible(assessments.HOSTILE) in hostile.text
    assert hostile.text.replace("\n", "").isprintable()


def strings(value: object) -> list[str]:
    """Every string in a value, its words from our own lists left out."""
    if type(value) is str:
        return [value]
    if isinstance(value, tuple):
        return [found for item in value for found in strings(item)]
    if isinstance(value, msgspec.Struct):
        return [found for field in value.__struct_fields__ for found in strings(getattr(value, field))]
    return []


def test_what_matters_is_all_there() -> None:
    assessment = assessments.rejected()
    text = " ".join(Read(html.render(assessment)).text.split())
    for part in (
        assessment.image.reference,
        *strings(assessment.verdict.rules),
        *strings(assessment.unassessed),
        *strings(assessment.evidence),
        *strings(assessment.deviations),
        *strings(assessment.not_counted),
        *(erratum.id for erratum in assessment.errata),
        *(cve for erratum in assessment.errata for cve in erratum.cves),
        *(suite.url for suite in assessment.suites),
        *assessment.suites[0].signers,
        *(update.available for update in assessment.updates),
    ):
        assert " ".join(part.split()) in text


def test_the_time_line_marks_today_and_labels_each_drop() -> None:
    page = html.render(assessments.rejected())
    drawing = page.partition('<svg class="wide"')[2].partition("</svg>")[0]
    assert '<title id="wide-title">The grade over time</title>' in drawing
    assert "On 2024-02-20: C. from 2023-12-23: B; from 2024-01-23: C; from 2024-03-01: D" in drawing
    for label in ("2023-12-23 B DSA-5587-1", "2024-03-01 D DSA-5611-1", "2024-12-23 F DSA-5587-1"):
        assert f">{label}</text>" in drawing
    assert re.findall(r'class="inside"[^>]*>(.)<', drawing) == ["A", "B", "C", "D", "E", "F"]
    # days are drawn to scale: D to E are 60 days, E to F 237
    ticks = [float(x) for x in re.findall(r'<line x1="([\d.]+)" y1="34"', drawing)]
    f, e, d = ticks[:3]
    assert (f - e) / (e - d) == pytest.approx(237 / 60, rel=0.01)


def test_a_bound_is_drawn_as_one() -> None:
    drawing = html.render(assessments.undetermined()).partition("<svg")[2].partition("</svg>")[0]
    assert re.findall(r'class="inside"[^>]*>([^<]*)<', drawing) == ["?", "≤ B", "≤ C", "≤ D"]
    assert drawing.count("stroke-dasharray") == 4


def test_nothing_known_is_not_drawn_and_not_none() -> None:
    page = html.render(assessments.ended())
    assert "<svg" not in page
    assert ">?<" in page
    assert "Could not be told." in page


@pytest.mark.parametrize("width", [400, 960])
@pytest.mark.parametrize("days", [1, 30, 4000, 700_000])
def test_labels_stay_in_the_drawing_and_touch_no_other(width: int, days: int) -> None:
    base = assessments.rejected()
    start = date(2, 1, 1)
    schedule = tuple(
        Drop(start + timedelta(days=n * days), letter, ("DSA-5587-1",))
        for n, letter in enumerate("BCDEF")
        if n * days < 3_000_000
    )
    grade = Grade(as_of=base.as_of, letter="C", schedule=schedule, bounds=(Span(None, start),))
    page = html.render(msgspec.structs.replace(base, grade=grade))
    name = "wide" if width == 960 else "narrow"
    drawing = page.partition(f'<svg class="{name}"')[2].partition("</svg>")[0]
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" font-size="12">([^<]*)<', drawing)
    assert len(found) == len(schedule)
    rows: dict[str, list[tuple[float, float]]] = {}
    for x, y, label in found:
        left, right = float(x), float(x) + len(standard.unescape(label)) * 7
        assert left >= 0
        assert right <= width
        assert all(right < other_left or other_right < left for other_left, other_right in rows.get(y, []))
        rows.setdefault(y, []).append((left, right))


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag_aa() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)  # WCAG's own example
    for colour in stylesheet.LETTER_COLOURS.values():
        assert contrast(colour, "#ffffff") >= 4.5
    schemes = re.findall(r":root \{([^}]*)\}", stylesheet.STYLES)
    assert len(schemes) == 3
    for scheme in schemes:
        named = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{3,6})", scheme))
        full = {k: v if len(v) == 7 else "#" + "".join(c * 2 for c in v[1:]) for k, v in named.items()}
        for ink in ("ink", "quiet", "good", "warn", "bad", "link"):
            for ground in ("ground", "card"):
                assert contrast(full[ink], full[ground]) >= 4.5, (ink, ground)


@pytest.mark.system
@pytest.mark.parametrize("name", ["rejected", "hostile"])
def test_a_browser_reads_the_same_elements(name: str, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        leave_out("needs chromium")
    page = tmp_path / "page.html"
    page.write_text(html.render(assessments.ALL[name]()), "utf-8")
    flags = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    flags += f" disable-component-update disable-sync user-data-dir={tmp_path / 'profile'} dump-dom"
    arguments = [browser, *(f"--{flag}" for flag in flags.split()), page.as_uri()]
    seen = subprocess.run(arguments, capture_output=True, check=True, timeout=120, text=True, encoding="utf-8").stdout
    ours, theirs = Read(page.read_text("utf-8")), Read(seen)
    assert [tag for tag, _ in theirs.elements] == [tag for tag, _ in ours.elements]
    assert " ".join(theirs.text.split()) == " ".join(ours.text.split())
