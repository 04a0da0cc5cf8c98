"""The grade's time line as inline SVG: a band for each letter, today marked, each drop with its day and errata."""

from collections.abc import Callable
from datetime import date

import msgspec

from affineur.report import reading
from affineur.report.escape import html, shortened
from affineur.report.stylesheet import LETTER_COLOURS
from affineur.trust.grade import is_bound, letter_on
from affineur.trust.model import Drop, Grade
from affineur.trust.thresholds import BEST

__all__ = ["timeline"]

BAND_TOP, BAND_HEIGHT = 34, 40
LINE = 17  # between rows of labels
CHARACTER = 7.3  # width of one at 12 px in a wide face
LONGEST_LABEL = 64  # characters
LONGEST_SCHEDULE = 12  # a schedule that the thresholds give has five entries; a page is not drawn for a forged one
YEAR_TICKS = 12  # at most
APART = 22  # between the middle of a letter and the line of today

_Scale = Callable[[date], float]


class _Band(msgspec.Struct, frozen=True):
    letter: str
    bound: bool
    start: date
    end: date


def timeline(grade: Grade, width: int, name: str) -> str:
    """Return one `<svg>`; empty where there is nothing to draw.

    Args:
        width: of the drawing, in the pixels that its text is sized for; it scales to its container.
        name: class of the element, and the beginning of its ids: unique in the page.
    """
    if grade.letter is None and not grade.schedule:
        return ""
    today = reading.day_of(grade.as_of)
    schedule = grade.schedule[:LONGEST_SCHEDULE]
    first, last = reading.window(grade)
    scale = (width - 2) / max((last - first).days, 1)

    def x(day: date) -> float:
        return round(1 + (day - first).days * scale, 1)

    bands = _bands(grade, schedule, first, last)
    parts = [_band(band, x(band.start), x(band.end), x(today)) for band in bands]
    labels, rows = _labels(schedule, grade, x, width)
    bottom = BAND_TOP + BAND_HEIGHT + 10 + rows * LINE
    parts += labels + _years(first, last, x, bottom + 6)
    at = x(today)
    anchor = "start" if at < 60 else "end" if at > width - 60 else "middle"
    parts.append(
        f'<line class="today" x1="{at}" y1="20" x2="{at}" y2="{BAND_TOP + BAND_HEIGHT + 4}" stroke-width="2"/>'
    )
    parts.append(f'<text x="{at}" y="14" font-size="12" font-weight="700" text-anchor="{anchor}">{today}</text>')
    told = "; ".join(f"from {drop.day}: {reading.letter_of(grade, drop)}" for drop in schedule)
    return (
        f'<svg class="{name}" viewBox="0 0 {width} {bottom + 24}" role="img" aria-labelledby="{name}-title {name}-desc"'
        f' xmlns="http://www.w3.org/2000/svg"><title id="{name}-title">The grade over time</title>'
        f'<desc id="{name}-desc">{html(f"On {today}: {reading.letter_words(grade)}. {told}")}</desc>'
        f"{''.join(parts)}</svg>"
    )


def _bands(grade: Grade, schedule: tuple[Drop, ...], first: date, last: date) -> list[_Band]:
    starts = [(first, letter_on(grade, first)), *((drop.day, drop.letter) for drop in schedule)]
    ends = [day for day, _ in starts[1:]] + [last]
    return [_Band(letter, is_bound(grade, day), day, end) for (day, letter), end in zip(starts, ends, strict=True)]


def _band(band: _Band, left: float, right: float, today: float) -> str:
    across = max(round(right - left, 1), 1.0)
    told = not (band.bound and band.letter == BEST)  # an A that may be anything tells nothing
    colour = LETTER_COLOURS.get(band.letter if told else "", LETTER_COLOURS[""])
    dashes = ' stroke="#fff" stroke-width="2" stroke-dasharray="5 4"' if band.bound else ""
    drawn = f'<rect x="{left}" y="{BAND_TOP}" width="{across}" height="{BAND_HEIGHT}" fill="{colour}"{dashes}/>'
    text = html((f"≤ {band.letter}" if band.bound else band.letter) if told else "?")
    if across >= (32 if band.bound else 14):
        middle = round(left + across / 2, 1)
        if abs(middle - today) < APART:  # the line of today would strike the letter out
            middle = round((left + today) / 2 if today - left >= right - today else (today + right) / 2, 1)
        drawn += (
            f'<text class="inside" x="{middle}" y="{BAND_TOP + BAND_HEIGHT // 2 + 7}" font-size="20"'
            f' text-anchor="middle">{text}</text>'
        )
    return drawn


def _labels(schedule: tuple[Drop, ...], grade: Grade, x: _Scale, width: int) -> tuple[list[str], int]:
    """Place labels from the last drop to the first, each in the first row where it touches none of the later ones.

    So the line from the band down to a label crosses no other label.
    """
    longest = min(LONGEST_LABEL, int(width * 0.6 / CHARACTER))
    starts: list[float] = []
    parts = []
    for drop in reversed(schedule):
        errata = ", ".join(drop.because[:1]) + (f" +{len(drop.because) - 1}" if len(drop.because) > 1 else "")
        letter = f"≤ {drop.letter}" if is_bound(grade, drop.day) else drop.letter
        text = shortened(f"{drop.day} {letter} {errata}".rstrip(), longest)
        at, across = x(drop.day), len(text) * CHARACTER
        left = at if at + across <= width else max(width - across, 0)
        row = next((row for row, start in enumerate(starts) if left + across + 10 <= start), len(starts))
        starts[: row + 1] = [min(left, at)] * (row + 1)  # its line passes through the rows above it
        y = BAND_TOP + BAND_HEIGHT + 10 + (row + 1) * LINE
        parts.append(f'<line x1="{at}" y1="{BAND_TOP}" x2="{at}" y2="{y - 12}" stroke-width="1"/>')
        parts.append(f'<text x="{round(left, 1)}" y="{y}" font-size="12">{html(text)}</text>')
    return parts, len(starts)


def _years(first: date, last: date, x: _Scale, top: float) -> list[str]:
    years = range(first.year + 1, last.year + 1)
    step = max(1, -(-len(years) // YEAR_TICKS))
    return [
        f'<line x1="{x(date(year, 1, 1))}" y1="{top}" x2="{x(date(year, 1, 1))}" y2="{top + 4}"/>'
        f'<text class="fine" x="{x(date(year, 1, 1))}" y="{top + 16}" font-size="11" text-anchor="middle">{year}</text>'
        for year in years[::step]
    ]
