"""What every format reads out of an assessment in the same way: which drop is next, what is worst, how to say a date.

Sentences come back as they are, with strings from outside in them: each format escapes what it prints.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

from affineur.assessment.model import Assessment, SuiteFacts
from affineur.errata.erratum import Erratum, Severity
from affineur.evidence import Unassessed
from affineur.trust.grade import is_bound
from affineur.trust.model import Drop, Grade, Lifecycle, Outcome, Rule
from affineur.trust.thresholds import DEFAULT

__all__ = [
    "address",
    "age_of",
    "base_words",
    "by_outcome",
    "content_words",
    "day_of",
    "further_reasons",
    "grounds",
    "headline",
    "letter_of",
    "letter_words",
    "no_updates_words",
    "out_for",
    "past_and_future",
    "rating_of",
    "size_words",
    "support_words",
    "unrated_words",
    "until_words",
    "untold",
    "why_dropped",
    "window",
    "worst_first",
]

RANK = {Severity.CRITICAL: 0, Severity.IMPORTANT: 1, None: 2, Severity.MODERATE: 3, Severity.LOW: 4}
ORDER = {Outcome.FAIL: 0, Outcome.COULD_NOT_TELL: 1, Outcome.PASS: 2}
NAMED_AT_MOST = 3  # errata of one drop, by name
CHANGELOG_OF = "changelog of "  # how errata/plan.py names what it could not read
# Who publishes a page for each of its own ids, at an address that follows from the id alone.
PAGES = (
    (re.compile(r"D[SL]A-\d{1,6}(-\d{1,3})?", re.ASCII), "https://security-tracker.debian.org/tracker/"),
    (re.compile(r"USN-\d{1,6}-\d{1,3}", re.ASCII), "https://ubuntu.com/security/notices/"),
    (re.compile(r"CVE-\d{4}-\d{4,19}", re.ASCII), "https://www.cve.org/CVERecord?id="),
)


def day_of(moment: datetime) -> date:
    """Return the UTC day of a moment."""
    return moment.astimezone(UTC).date()


def worst_first(errata: Iterable[Erratum]) -> list[Erratum]:
    """Sort by severity (unrated after Important), then security before other kinds, then oldest first."""

    def key(erratum: Erratum) -> tuple[int, bool, date, str]:
        known = erratum.issued or erratum.issued_at_latest
        return RANK[erratum.severity], erratum.kind != "security", day_of(known) if known else date.max, erratum.id

    return sorted(errata, key=key)


def by_outcome(rules: Iterable[Rule]) -> list[Rule]:
    """Sort rules: failed, could not be told, passed; else in the policy's order."""
    return sorted(rules, key=lambda rule: ORDER[rule.outcome])


def past_and_future(grade: Grade) -> tuple[list[Drop], list[Drop]]:
    """Split the schedule at the day asked about; the last of the past is the drop that made the letter what it is."""
    today = day_of(grade.as_of)
    return [d for d in grade.schedule if d.day <= today], [d for d in grade.schedule if d.day > today]


def letter_of(grade: Grade, drop: Drop) -> str:
    """Return the letter of one entry of the schedule: `D`, or `at best D` on days where it is only a bound."""
    return f"at best {drop.letter}" if is_bound(grade, drop.day) else drop.letter


def window(grade: Grade) -> tuple[date, date]:
    """Return the days that a drawing of the whole schedule shows: a twelfth more on each side, at least 20 days."""
    days = [day_of(grade.as_of), *(drop.day for drop in grade.schedule)]
    first, last = min(days), max(days)
    margin = max((last - first).days // 12, 20)
    return (
        date.fromordinal(max(first.toordinal() - margin, date.min.toordinal())),
        date.fromordinal(min(last.toordinal() + margin, date.max.toordinal())),
    )


def letter_words(grade: Grade) -> str:
    """Return the letter, or "unknown" with what bounds it: `C`, `unknown`, `unknown, at best B, at worst D`."""
    if grade.letter is not None:
        return grade.letter
    said = ["unknown"]
    said += [f"at best {grade.at_best}"] if grade.at_best else []
    said += [f"at worst {grade.at_worst}"] if grade.at_worst else []
    return ", ".join(said)


def until_words(grade: Grade) -> str:
    """Say the last day of it: `until 2026-12-01, then D`; where time alone changes nothing, what would."""
    _, future = past_and_future(grade)
    if future:
        return f"until {future[0].day - timedelta(days=1)}, then {letter_of(grade, future[0])}"
    if grade.letter is None:
        return ""
    return "for good" if grade.letter == "F" else "until an erratum is published that it lacks"


def headline(grade: Grade) -> str:
    """Return letter (or the better bound) and until when, in one line."""
    bound = f", at best {grade.at_best}" if grade.letter is None and grade.at_best else ""
    return f"grade {grade.letter or 'unknown'}{bound} {until_words(grade)}".rstrip()


def age_of(erratum: Erratum, day: date) -> str:
    """Say how long an erratum has been out on `day`: "8 days", "at least 8 days", "an unknown time", "not yet"."""
    known = erratum.issued or erratum.issued_at_latest
    if known is None:
        return "an unknown time"
    days = (day - day_of(known)).days
    if days < 0:
        return "not yet" if erratum.issued else "an unknown time"
    words = "1 day" if days == 1 else f"{days} days"
    return words if erratum.issued else f"at least {words}"


def rating_of(erratum: Erratum) -> str:
    """Say how bad it is: `important`, `unrated`; what is not about security is named by its kind."""
    if erratum.severity is not None:
        return erratum.severity.value
    return "unrated" if erratum.kind == "security" else erratum.kind


def out_for(erratum: Erratum, day: date) -> str:
    """Return the same as a phrase: "out for 8 days", "not out yet"."""
    age = age_of(erratum, day)
    return "not out yet" if age == "not yet" else f"out for {age}"


def grounds(rule: Rule) -> list[str]:
    """Return the evidence of a rule that its sentence does not name already."""
    return [evidence for evidence in rule.evidence if evidence not in rule.because]


def further_reasons(assessment: Assessment) -> list[str]:
    """Return why the letter is unknown, as far as no rule of the verdict has said it already."""
    said = [rule.because for rule in assessment.verdict.rules]
    return [reason for reason in assessment.grade.reasons if not any(reason in because for because in said)]


def content_words(assessment: Assessment) -> str:
    """Say how much is in the image: "5 layers, 142 packages"."""
    layers, packages = assessment.image.layers, assessment.packages
    return f"{layers} layer{'s' * (layers != 1)}, {packages} package{'s' * (packages != 1)}"


def unrated_words(grade: Grade) -> str:
    """Say how many errata count although nobody rated them; empty where there are none."""
    if not grade.unrated:
        return ""
    return f"Rated by nobody, and counted as {DEFAULT.unrated.value.capitalize()}: {len(grade.unrated)}."


def why_dropped(drop: Drop, errata: Mapping[str, Erratum]) -> str:
    """Say what made the letter fall: "DSA-5889-1 (important) is 31 days old", at most three by name."""
    said = []
    for name in drop.because[:NAMED_AT_MOST]:
        erratum = errata.get(name)
        if erratum is None:
            said.append(name)
            continue
        rating = erratum.severity.value if erratum.severity else "unrated"
        known = erratum.issued or erratum.issued_at_latest
        if known is not None and day_of(known) == drop.day:
            event = "is published" if erratum.issued else "is out"
        else:
            event = f"is {age_of(erratum, drop.day)} old"
        said.append(f"{name} ({rating}) {event}")
    more = len(drop.because) - NAMED_AT_MOST
    if more > 0:
        said.append(f"and {more} more")
    return "; ".join(said)


def support_words(lifecycle: Lifecycle) -> str:
    """Return the support status as a phrase: `supported until 2026-06-10, then long-term`."""
    words = {"paid-only": "supported for paying customers only", "unknown": "support unknown", "ended": "support ended"}
    said = words.get(
        lifecycle.support.value, lifecycle.support.value + (" support" if "-" in lifecycle.support else "")
    )
    if lifecycle.until is not None:
        said += f" until {lifecycle.until}"
    if lifecycle.then is not None:
        said += f", then {lifecycle.then.value}"
    return said


def size_words(size: int | None) -> str:
    """Return bytes as people read them, in powers of 1000: `47.3 MB`; None is an unknown size."""
    if size is None:
        return "unknown size"
    amount, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 999.95 or unit == "TB":
            break
        amount /= 1000
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


def address(identifier: str) -> str | None:
    """Return the publisher's own page about an erratum or a CVE, or None: never guessed for an unknown kind of id."""
    for pattern, page in PAGES:
        if pattern.fullmatch(identifier):
            return page + identifier
    return None


def base_words(assessment: Assessment) -> str:
    """Say what the image claims to be built on, and how old that is; empty where it claims nothing."""
    image, days = assessment.image, assessment.base_age_days
    said = [image.base_name] if image.base_name else []
    if days is not None:
        said.append(f"lowest layer {days} {'day' if days == 1 else 'days'} old")
    return f"{', '.join(said)} (only claimed)" if said else ""


def no_updates_words(suites: Iterable[SuiteFacts], unassessed: Iterable[Unassessed]) -> str:
    """Say what an empty list of updates means: none, or that (some of) the image's own sources could not be read."""
    own = [suite for suite in suites if suite.role != "reference"]
    if not any(suite.read for suite in own):
        return "could not be told: none of its sources was read"
    if any(suite.problems for suite in own) or any(item.what == "updates" for item in unassessed):
        return "none in what could be read"
    return "none"


def untold(unassessed: Iterable[Unassessed]) -> list[Unassessed]:
    """Gather what could not be told of many changelogs into one item, since each says the same; the rest as it is."""
    items = list(unassessed)
    changelogs = [item for item in items if item.what.startswith(CHANGELOG_OF)]
    if len(changelogs) <= NAMED_AT_MOST:
        return items
    names = ", ".join(item.what.removeprefix(CHANGELOG_OF) for item in changelogs)
    gathered = Unassessed(f"{len(changelogs)} changelogs", f"{names}; the first: {changelogs[0].why}")
    first = items.index(changelogs[0])
    kept = [item for item in items if item not in changelogs]
    return [*kept[:first], gathered, *kept[first:]]
