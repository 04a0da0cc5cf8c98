"""The report as a comment on a pull request: GitHub-flavoured Markdown, short, with the details folded.

Names, versions and addresses stand in code spans, where no host looks for mentions or links.
"""

from collections.abc import Iterable, Sequence

from affineur.assessment.model import Assessment, SuiteFacts
from affineur.report import reading
from affineur.report.escape import markdown as said
from affineur.report.escape import markdown_code as code
from affineur.report.escape import shortened
from affineur.trust.model import Decision, Outcome, Rule

__all__ = ["render"]

ERRATA_SHOWN = 10
UPDATES_SHOWN = 50
PACKAGES_SHOWN = 4  # of one erratum
LONGEST_TEXT = 500  # characters of one string; a comment has a limit of 65,536 on the best-known host
SIGNS = {Decision.ACCEPT: "✅", Decision.REJECT: "❌", Decision.UNDETERMINED: "❔"}
OUTCOMES = {Outcome.PASS: "pass", Outcome.FAIL: "**fail**", Outcome.COULD_NOT_TELL: "**could not tell**"}


def render(assessment: Assessment) -> str:
    """Return the report, ended by a line feed."""
    return "\n".join(
        [
            *_verdict(assessment),
            *_rules(assessment.verdict.rules),
            *_schedule(assessment),
            *_errata(assessment),
            *_unassessed(assessment),
            *_folded("Image and support", _image(assessment)),
            *_folded(f"Updates that its own sources offer: {len(assessment.updates)}", _updates(assessment)),
            *_deviations(assessment),
            *_folded(f"Suites read: {len(assessment.suites)}", _suites(assessment.suites)),
            f"<sub>affineur {said(assessment.affineur)}, {assessment.made:%Y-%m-%d}; all of it: `--json`</sub>",
            "",
        ]
    )


def _verdict(assessment: Assessment) -> list[str]:
    decision = assessment.verdict.decision
    headline = said(reading.headline(assessment.grade))
    return [
        f"### {SIGNS[decision]} {decision.value}: {headline}",
        "",
        f"{_code(assessment.image.reference)} ({_code(assessment.image.platform)})",
        "",
    ]


def _rules(rules: Iterable[Rule]) -> list[str]:
    def outcome(rule: Rule) -> str:
        return "pass, with care" if rule.warning else OUTCOMES[rule.outcome]

    rows = [(outcome(rule), _code(rule.rule), _said(rule.because)) for rule in reading.by_outcome(rules)]
    return _table(("", "rule", "because"), rows)


def _schedule(assessment: Assessment) -> list[str]:
    grade = assessment.grade
    errata = {erratum.id: erratum for erratum in assessment.errata}
    past, future = reading.past_and_future(grade)
    lines = [f"- {_said(reason)}" for reason in reading.further_reasons(assessment)]
    rows = [
        (str(drop.day), reading.letter_of(grade, drop), _said(reading.why_dropped(drop, errata)))
        for drop in past[-1:] + future
    ]
    if assessment.rebuild_grade:
        note = f": {_said(assessment.rebuild_note)}" if assessment.rebuild_note else ""
        lines.append(f"- a rebuild today would get **{said(assessment.rebuild_grade)}**{note}")
    return [*_table(("from", "grade", "because"), rows), *lines, *([""] if lines else [])]


def _errata(assessment: Assessment) -> list[str]:
    errata = reading.worst_first(assessment.errata)
    day = reading.day_of(assessment.as_of)
    rows = []
    for erratum in errata[:ERRATA_SHOWN]:
        names = assessment.packages_of.get(erratum.id, ())
        more = f" and {len(names) - PACKAGES_SHOWN} more" if len(names) > PACKAGES_SHOWN else ""
        packages = ", ".join(_code(name) for name in names[:PACKAGES_SHOWN]) + more
        page = reading.address(erratum.id)
        name = f"[{said(erratum.id)}]({page})" if page else _code(erratum.id)
        rating = said(reading.rating_of(erratum))
        rows.append((name, rating, reading.age_of(erratum, day), packages))
    if not rows:
        return ["Errata that it lacks: " + ("none." if assessment.grade.letter else "could not be told."), ""]
    lines = _table(("erratum it lacks", "severity", "out for", "packages"), rows)
    if len(errata) > ERRATA_SHOWN:
        lines += [f"… and {len(errata) - ERRATA_SHOWN} more", ""]
    return lines


def _unassessed(assessment: Assessment) -> list[str]:
    if not assessment.unassessed:
        return []
    items = [f"- {_said(item.what)}: {_said(item.why)}" for item in reading.untold(assessment.unassessed)]
    return ["**What could not be told**", "", *items, ""]


def _image(assessment: Assessment) -> list[str]:
    image, life = assessment.image, assessment.lifecycle
    age = "" if assessment.build_age_days is None else f", {assessment.build_age_days} days old"
    rows = [
        ("digest", _code(image.digest)),
        ("built", (_code(image.created) if image.created else "it does not say when") + age),
        ("size", f"{reading.size_words(image.size)} compressed, {reading.content_words(assessment)}"),
        ("system", _said(assessment.distribution.pretty_name or "unknown")),
        ("support", _said("; ".join(filter(None, (reading.support_words(life), life.note))))),
        ("published", _said(assessment.distribution.statement)),
    ]
    if base := reading.base_words(assessment):
        rows.append(("base", _said(base)))
    rows += [("warned", _said(warning)) for warning in image.warnings]
    rows += [("not counted", f"{_code(item.erratum)}: {_said(item.why)}") for item in assessment.not_counted]
    return _table(("image", ""), rows)


def _updates(assessment: Assessment) -> list[str]:
    words = {True: "security", False: "", None: "could not be told"}
    rows = [
        (_code(update.name), _code(update.installed), _code(update.available), words[update.security])
        for update in assessment.updates[:UPDATES_SHOWN]
    ]
    more = len(assessment.updates) - UPDATES_SHOWN
    return [*_table(("package", "installed", "available", ""), rows), *([f"… and {more} more", ""] if more > 0 else [])]


def _deviations(assessment: Assessment) -> list[str]:
    rows = [(_code(item.kind), _said(item.what), _code(item.where)) for item in assessment.deviations]
    title = f"Where the image departs from its distribution: {len(rows)}"
    return _folded(title, _table(("", "what", "where"), rows))


def _suites(suites: Iterable[SuiteFacts]) -> list[str]:
    words = {True: "yes", False: "**no**", None: "could not tell"}
    rows = [
        (
            _code(suite.codename or suite.suite),
            suite.role,
            words[suite.verified],
            words[suite.fresh],
            str(reading.day_of(suite.date)) if suite.date else "",
            _code(suite.url),
        )
        for suite in suites
    ]
    return _table(("suite", "role", "verified", "fresh", "date", "read at"), rows)


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    return ["<details>", f"<summary>{title}</summary>", "", *lines, "</details>", ""] if lines else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def _said(text: str) -> str:
    return said(shortened(text, LONGEST_TEXT))


def _code(text: str) -> str:
    return code(shortened(text, LONGEST_TEXT))
