"""The report for a terminal: `affineur assess` and `affineur age`, in 80 columns, readable without colour."""

from datetime import UTC

from affineur.assessment.model import Assessment, SuiteFacts
from affineur.report import reading
from affineur.report.layout import Page
from affineur.trust.model import Decision, Drop, Grade, Outcome, Support
from affineur.trust.timeline import strip

__all__ = ["render", "render_age", "render_verdict"]

ERRATA_SHOWN = 12
PACKAGES_SHOWN = 4  # of one erratum
EVIDENCE_SHOWN = 2  # of one rule
DECISION_STYLE = {Decision.ACCEPT: "good", Decision.REJECT: "bad", Decision.UNDETERMINED: "warn"}
OUTCOME_STYLE = {Outcome.PASS: "good", Outcome.FAIL: "bad", Outcome.COULD_NOT_TELL: "warn"}
SUPPORT_STYLE = {Support.SUPPORTED: "good", Support.ENDED: "bad", Support.PAID_ONLY: "bad"}
BLOCKS = {"A": "█", "B": "▇", "C": "▅", "D": "▄", "E": "▂", "F": "▁"}
LETTER_STYLE = {"A": "good", "B": "good", "C": "warn", "D": "warn", "E": "bad", "F": "bad"}


def render(assessment: Assessment, width: int = 80, colour: bool = False) -> str:
    """Return the report of one assessment: verdict first, then why, then everything that it rests on."""
    page = Page(width, colour)
    _verdict(page, assessment)
    _rules(page, assessment)
    _image(page, assessment)
    _health(page, assessment)
    _updates(page, assessment)
    _errata(page, assessment)
    if assessment.deviations:
        page.title("Where the image departs from its distribution")
        page.table([(d.kind, f"{d.what} ({d.where})" if d.where else d.what) for d in assessment.deviations], ("warn",))
    _unassessed(page, assessment)
    _evidence(page, assessment)
    return page.text()


def render_verdict(assessment: Assessment, width: int = 80, colour: bool = False) -> str:
    """Return the beginning of the report alone: letter, verdict, which image, and why."""
    page = Page(width, colour)
    _verdict(page, assessment)
    _rules(page, assessment)
    return page.text()


def render_age(assessment: Assessment, width: int = 80, colour: bool = False) -> str:
    """Return the health of one image over time: since when, each drop with its reason, what a rebuild would get."""
    page = Page(width, colour)
    grade = assessment.grade
    page.paragraph(f"{assessment.image.reference} ({assessment.image.platform})", 0, "strong")
    page.paragraph(reading.headline(grade)[:1].upper() + reading.headline(grade)[1:], 0, _letter_style(grade.letter))
    if grade.since is not None:
        page.paragraph(f"It has been so since {grade.since}.", 0)
    for reason in grade.reasons:
        page.paragraph(f"Why: {reason}.", 0)
    _strip(page, grade)
    past, future = reading.past_and_future(grade)
    for title, drops in ((f"Until {reading.day_of(grade.as_of)}", past), ("To come", future)):
        if drops:
            page.title(title)
            _drops(page, assessment, drops)
    if not grade.schedule and grade.letter:
        page.title("No drop is known")
        page.paragraph("Every erratum published so far is applied; the next that is not starts the clock.")
    page.blank()
    _rebuild(page, assessment)
    _lifecycle(page, assessment)
    _unassessed(page, assessment)
    return page.text()


def _strip(page: Page, grade: Grade) -> None:
    """Add a line of time: each letter where it begins, then blocks that are the lower the worse it is."""
    if grade.letter is None and not grade.schedule:
        return
    first, last = reading.window(grade)
    columns = page.width - 4
    letters = strip(grade, first, last, columns)
    today = (reading.day_of(grade.as_of) - first).days * columns // ((last - first).days + 1)
    drawn = []
    for index, letter in enumerate(letters):
        begins = index == 0 or letters[index - 1] != letter
        shown = letter or "?"
        drawn.append(page.paint(shown if begins else BLOCKS.get(shown, "·"), _letter_style(letter)))
    page.blank()
    mark = f"▼ {reading.day_of(grade.as_of)}"
    if today + len(mark) > columns:
        mark = mark[2:] + " ▼"
        today -= len(mark) - 1
    page.raw("  " + " " * today + mark)
    page.raw("  " + "".join(drawn))
    page.raw(f"  {first}{last!s:>{columns - 10}}")
    if any((span.first or first) <= last and (span.last or last) >= first for span in grade.bounds):
        page.paragraph("A letter in this line may be only a bound, see below; ? is not even that.")
    page.blank()


def _verdict(page: Page, assessment: Assessment) -> None:
    decision = assessment.verdict.decision
    word = decision.value.upper()
    style = _letter_style(assessment.grade.letter)
    first, *rest = page.wrapped(reading.headline(assessment.grade), len(word) + 2)
    page.raw(f"{page.paint(word, DECISION_STYLE[decision])}  {page.paint(first, style)}")
    for line in rest:
        page.raw(" " * (len(word) + 2) + page.paint(line, style))
    page.paragraph(f"{assessment.image.reference} ({assessment.image.platform})", 0, "strong")


def _rules(page: Page, assessment: Assessment) -> None:
    page.title("Why", f"by the policy {assessment.verdict.policy}")
    for rule in reading.by_outcome(assessment.verdict.rules):
        outcome = rule.outcome
        word = "pass, with care" if rule.warning else outcome.value
        page.fact(
            word, f"{rule.rule}: {rule.because}", 17, label_style="warn" if rule.warning else OUTCOME_STYLE[outcome]
        )
        grounds = reading.grounds(rule)
        for evidence in grounds[:EVIDENCE_SHOWN]:
            page.fact("", f"- {evidence}", 17, "quiet")
        if len(grounds) > EVIDENCE_SHOWN:
            page.fact("", f"- and {len(grounds) - EVIDENCE_SHOWN} more", 17, "quiet")


def _image(page: Page, assessment: Assessment) -> None:
    image, distribution = assessment.image, assessment.distribution
    page.title("Image")
    page.fact("digest", image.digest, 7)
    if image.manifest_digest != image.digest:
        page.fact("", f"an index; for {image.platform}: {image.manifest_digest}", 7)
    age = f", {_days(assessment.build_age_days)} old" if assessment.build_age_days is not None else ""
    page.fact("built", f"{image.created or 'it does not say when'}{age}", 7)
    page.fact("size", f"{reading.size_words(image.size)} compressed, {reading.content_words(assessment)}", 7)
    if base := reading.base_words(assessment):
        page.fact("base", base, 7)
    page.fact("system", distribution.pretty_name or distribution.id or "unknown", 7)
    page.fact("", distribution.statement, 7)
    for warning in image.warnings:
        page.fact("warned", warning, 7, "warn")


def _health(page: Page, assessment: Assessment) -> None:
    grade = assessment.grade
    since = f", since {grade.since}" if grade.since else ""
    page.title("Health", f"on {reading.day_of(grade.as_of)}: {reading.letter_words(grade)}{since}")
    for reason in reading.further_reasons(assessment):
        page.paragraph(reason, style="warn")
    past, future = reading.past_and_future(grade)
    _drops(page, assessment, past[-1:] + future)
    page.paragraph(reading.unrated_words(grade))
    _rebuild(page, assessment)
    _lifecycle(page, assessment)


def _rebuild(page: Page, assessment: Assessment) -> None:
    if assessment.rebuild_grade or assessment.rebuild_note:
        note = f": {assessment.rebuild_note}" if assessment.rebuild_note else ""
        page.paragraph(f"A rebuild today would get {assessment.rebuild_grade or 'an unknown grade'}{note}.")


def _lifecycle(page: Page, assessment: Assessment) -> None:
    life = assessment.lifecycle
    source = f" ({life.source})" if life.source else ""
    name = assessment.distribution.pretty_name or "the distribution"
    page.paragraph(f"{name}: {reading.support_words(life)}{source}", style=SUPPORT_STYLE.get(life.support, "warn"))
    if life.note:
        page.paragraph(life.note)


def _drops(page: Page, assessment: Assessment, drops: list[Drop]) -> None:
    errata = {erratum.id: erratum for erratum in assessment.errata}
    for drop in drops:
        shown = reading.letter_of(assessment.grade, drop)
        letter = page.paint(shown, _letter_style(drop.letter))
        start = f"{drop.day}  {shown}  "
        reason = page.wrapped(reading.why_dropped(drop, errata), len(start) + 2)
        page.raw(f"  {drop.day}  {letter}  {reason[0]}")
        for line in reason[1:]:
            page.raw(" " * (len(start) + 2) + line)


def _updates(page: Page, assessment: Assessment) -> None:
    updates = assessment.updates
    security = sum(1 for update in updates if update.security)
    untold = sum(1 for update in updates if update.security is None)
    held = sum(1 for update in updates if update.held)
    phased = sum(1 for update in updates if update.phased is not None)
    page.title("Updates that its own sources offer", str(len(updates)) if updates else "")
    counts = (
        (security, "for security"),
        (len(updates) - security - untold, "other"),
        (untold, "could not be told"),
        (held, "held"),
        (phased, "phased"),
    )
    parts = [f"{count} {word}" for count, word in counts if count]
    page.paragraph(", ".join(parts) or reading.no_updates_words(assessment.suites, assessment.unassessed))


def _errata(page: Page, assessment: Assessment) -> None:
    errata = reading.worst_first(assessment.errata)
    none = "none" if assessment.grade.letter else "could not be told"  # none known is none only where all was read
    page.title("Errata that it lacks", str(len(errata)) if errata else none)
    day = reading.day_of(assessment.as_of)
    rows = []
    for erratum in errata[:ERRATA_SHOWN]:
        names = assessment.packages_of.get(erratum.id, ())
        shown = ", ".join(names[:PACKAGES_SHOWN]) + (
            f" and {len(names) - PACKAGES_SHOWN} more" if names[PACKAGES_SHOWN:] else ""
        )
        rows.append((erratum.id, reading.rating_of(erratum), reading.out_for(erratum, day), shown))
    page.table(rows, ("strong",))
    if len(errata) > ERRATA_SHOWN:
        page.paragraph(f"… and {len(errata) - ERRATA_SHOWN} more (--json has all)")
    if assessment.not_counted:
        page.paragraph("Not counted:")
        page.table([(item.erratum, item.why) for item in assessment.not_counted[:ERRATA_SHOWN]])
        if len(assessment.not_counted) > ERRATA_SHOWN:
            page.paragraph(f"… and {len(assessment.not_counted) - ERRATA_SHOWN} more (--json has all)")


def _unassessed(page: Page, assessment: Assessment) -> None:
    page.title("What could not be told", "" if assessment.unassessed else "nothing that was asked for")
    for item in reading.untold(assessment.unassessed):
        page.paragraph(f"{item.what}: {item.why}", style="warn")


def _evidence(page: Page, assessment: Assessment) -> None:
    page.title("Evidence")
    for suite in assessment.suites:
        page.paragraph(_suite(suite))
        page.paragraph(suite.url, 4, "quiet")
        for problem in suite.problems:
            page.paragraph(problem, 4, "warn")
    if assessment.evidence:
        page.paragraph(f"Statements with source, digest and date: {len(assessment.evidence)} (--json has all).")
    made = assessment.made.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    page.paragraph(f"Made by affineur {assessment.affineur} on {made}.")


def _suite(suite: SuiteFacts) -> str:
    verified = {True: "verified", False: "NOT VERIFIED", None: "could not be verified"}[suite.verified]
    fresh = {True: "fresh", False: "STALE", None: "freshness unknown"}[suite.fresh]
    roles = {"both": "the image's and the reference", "image": "the image's", "reference": "reference"}
    name = suite.codename or suite.suite
    name += f" ({suite.suite})" if suite.suite and suite.suite != name else ""
    said = [f"{name}, {roles.get(suite.role, suite.role)}: {verified}, {fresh}"]
    said += [f"dated {reading.day_of(suite.date)}"] if suite.date else []
    said += [f"valid until {reading.day_of(suite.valid_until)}"] if suite.valid_until else []
    said += [f"signed by {', '.join(suite.signers)}"] if suite.signers else []
    return ", ".join(said)


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def _letter_style(letter: str | None) -> str:
    return LETTER_STYLE.get(letter or "", "warn")
