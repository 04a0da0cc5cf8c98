"""The report as one page of HTML that needs nothing else: no script, no request, not even a font.

Everything from outside is escaped where it enters a template; the policy in the page's head forbids what could still be
forged: no script at all, no image, no request, and of styles only the page's own, by its hash.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC

from affineur.assessment.model import Assessment, SuiteFacts
from affineur.errata.erratum import Severity
from affineur.report import reading
from affineur.report.drawing import timeline
from affineur.report.escape import html as said
from affineur.report.stylesheet import LETTER_COLOURS, STYLES
from affineur.trust.model import Decision, Outcome

__all__ = ["render"]

ROWS_SHOWN = 1000  # of one table; a browser has to lay them out
DECISIONS = {Decision.ACCEPT: "good", Decision.REJECT: "bad", Decision.UNDETERMINED: "warn"}
OUTCOMES = {Outcome.PASS: "good", Outcome.FAIL: "bad", Outcome.COULD_NOT_TELL: "warn"}
SEVERITIES = {Severity.CRITICAL: "bad", Severity.IMPORTANT: "bad", Severity.MODERATE: "warn", Severity.LOW: "quiet"}
ANSWERS = {True: ("yes", "good"), False: ("no", "bad"), None: ("could not tell", "warn")}


def render(assessment: Assessment) -> str:
    """Return the page."""
    digest = base64.b64encode(hashlib.sha256(STYLES.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"{assessment.verdict.decision.value}: {assessment.image.reference}"
    sections = (
        _rules(assessment),
        _health(assessment),
        _errata(assessment),
        _unassessed(assessment),
        _image(assessment),
        _updates(assessment),
        _deviations(assessment),
        _suites(assessment.suites),
        _evidence(assessment),
    )
    made = assessment.made.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{said(title)}</title>\n<style>{STYLES}</style>\n</head>\n<body>\n"
        f"{_header(assessment)}<main>\n{''.join(sections)}</main>\n"
        f"<footer><p>Made by affineur {said(assessment.affineur)} on {made}.</p></footer>\n</body>\n</html>\n"
    )


def _header(assessment: Assessment) -> str:
    grade, decision = assessment.grade, assessment.verdict.decision
    letter = grade.letter or grade.at_best
    shown = letter if letter in LETTER_COLOURS else None
    bound = "<small>at best</small>" if grade.letter is None and shown else ""
    return (
        f'<header><div class="verdict"><div class="letter {said(shown or "")}" aria-hidden="true">'
        f"<div>{bound}{said(shown or '?')}</div></div><div>"
        f"<h1>{said(assessment.image.reference)}</h1>"
        f'<p><span class="decision {DECISIONS[decision]}">{said(decision.value)}</span>'
        f" by the policy {said(assessment.verdict.policy)}</p>"
        f"<p>{_capital(reading.headline(grade))}</p></div></div></header>\n"
    )


def _rules(assessment: Assessment) -> str:
    rows = []
    for rule in reading.by_outcome(assessment.verdict.rules):
        style = "warn" if rule.warning else OUTCOMES[rule.outcome]
        word = "pass, with care" if rule.warning else rule.outcome.value
        evidence = "".join(f"<li>{said(line)}</li>" for line in reading.grounds(rule))
        because = said(rule.because) + (f'<ul class="quiet">{evidence}</ul>' if evidence else "")
        rows.append((_styled(word, style), f"<code>{said(rule.rule)}</code>", because))
    return _section("Why", _table(("outcome", "rule", "because"), rows, keep=2))


def _health(assessment: Assessment) -> str:
    grade, life = assessment.grade, assessment.lifecycle
    errata = {erratum.id: erratum for erratum in assessment.errata}
    today = reading.day_of(grade.as_of)
    since = f" since {grade.since}" if grade.since else ""
    body = [f"<p>On {today}: <strong>{said(reading.letter_words(grade))}</strong>{since}.</p>"]
    body += [f'<p class="warn">{said(reason)}</p>' for reason in reading.further_reasons(assessment)]
    body += [timeline(grade, 960, "wide"), timeline(grade, 400, "narrow")]
    rows = [
        (
            str(drop.day),
            _styled(reading.letter_of(grade, drop), "" if drop.day <= today else "quiet"),
            said(reading.why_dropped(drop, errata)),
        )
        for drop in grade.schedule
    ]
    body.append(_table(("from", "grade", "because"), rows, keep=2, stacked=False))
    if grade.letter or grade.schedule:
        body.append(
            '<p class="quiet">Right of the line: what time alone does, if nothing new is published. ≤: at best.</p>'
        )
    body.append(f"<p>{said(reading.unrated_words(grade))}</p>")
    if assessment.rebuild_grade or assessment.rebuild_note:
        note = f": {said(assessment.rebuild_note)}" if assessment.rebuild_note else ""
        rebuilt = said(assessment.rebuild_grade or "an unknown grade")
        body.append(f"<p>A rebuild today would get <strong>{rebuilt}</strong>{note}.</p>")
    source = f" ({said(life.source)})" if life.source else ""
    system = said(assessment.distribution.pretty_name or "The distribution")
    body.append(f"<p>{system}: {said(reading.support_words(life))}{source}. {said(life.note)}</p>")
    return _section("Health over time", "".join(body))


def _errata(assessment: Assessment) -> str:
    day = reading.day_of(assessment.as_of)
    rows = []
    for erratum in reading.worst_first(assessment.errata)[:ROWS_SHOWN]:
        rating = reading.rating_of(erratum)
        style = SEVERITIES[erratum.severity] if erratum.severity else "warn"
        rated_by = f'<br><span class="quiet">{said(erratum.rated_by)}</span>' if erratum.rated_by else ""
        rows.append(
            (
                f"{_linked(erratum.id)}<br>{said(erratum.title)}",
                _styled(rating, style) + rated_by,
                f'<span class="id">{said(reading.age_of(erratum, day))}</span>',
                ", ".join(map(said, assessment.packages_of.get(erratum.id, ()))),
                ", ".join(map(_linked, erratum.cves)),
            )
        )
    none = "None." if assessment.grade.letter else "Could not be told."
    head = ("erratum", "severity", "out for", "packages", "CVEs")
    body = _table(head, rows, len(assessment.errata)) or f"<p>{none}</p>"
    if assessment.not_counted:
        apart = [(_linked(item.erratum), said(item.why)) for item in assessment.not_counted[:ROWS_SHOWN]]
        body += "<p>Not counted:</p>" + _table(("erratum", "why"), apart, len(assessment.not_counted))
    return _section("Errata that it lacks", body)


def _unassessed(assessment: Assessment) -> str:
    items = [
        f"<li><strong>{said(item.what)}</strong>: {said(item.why)}</li>"
        for item in reading.untold(assessment.unassessed)
    ]
    body = f"<ul>{''.join(items)}</ul>" if items else "<p>Nothing that was asked for.</p>"
    return _section("What could not be told", body)


def _image(assessment: Assessment) -> str:
    image, system = assessment.image, assessment.distribution
    age = "" if assessment.build_age_days is None else f", {assessment.build_age_days} days old"
    facts = [
        ("digest", f"<code>{said(image.digest)}</code>"),
        ("platform", said(image.platform)),
        ("its manifest", f"<code>{said(image.manifest_digest)}</code>"),
        ("built", said(image.created or "it does not say when") + age),
        ("size", f"{reading.size_words(image.size)} compressed, {reading.content_words(assessment)}"),
        ("system", said(system.pretty_name or system.id or "unknown")),
        ("published", said(system.statement)),
    ]
    if base := reading.base_words(assessment):
        digest = f" <code>{said(image.base_digest)}</code>" if image.base_digest else ""
        facts.append(("base", said(base) + digest))
    facts += [("warned", _styled(warning, "warn")) for warning in image.warnings]
    listed = "".join(f"<dt>{label}</dt><dd>{value}</dd>" for label, value in facts)
    return _section("Image", f"<dl>{listed}</dl>")


def _updates(assessment: Assessment) -> str:
    words = {True: _styled("security", "bad"), False: "other", None: _styled("could not be told", "warn")}
    rows = []
    for update in assessment.updates[:ROWS_SHOWN]:
        kept = ["held"] if update.held else []
        kept += [f"phased: {update.phased} %"] if update.phased is not None else []
        rows.append(
            (
                said(update.name),
                f"<code>{said(update.installed)}</code>",
                f"<code>{said(update.available)}</code>",
                words[update.security] + "".join(f", {word}" for word in kept),
                said(", ".join(update.suites)),
            )
        )
    head = ("package", "installed", "available", "kind", "offered by")
    none = reading.no_updates_words(assessment.suites, assessment.unassessed)
    body = _table(head, rows, len(assessment.updates)) or f"<p>{none[:1].upper()}{none[1:]}.</p>"
    return _section(f"Updates that its own sources offer: {len(rows)}" if rows else "Updates", body)


def _deviations(assessment: Assessment) -> str:
    rows = [
        (_styled(item.kind, "warn"), said(item.what), f"<code>{said(item.where)}</code>")
        for item in assessment.deviations[:ROWS_SHOWN]
    ]
    table = _table(("", "what", "where"), rows, len(assessment.deviations))
    return _section("Where the image departs from its distribution", table) if rows else ""


def _suites(suites: Sequence[SuiteFacts]) -> str:
    rows = []
    for suite in suites[:ROWS_SHOWN]:
        name = suite.codename + (f" ({suite.suite})" if suite.suite not in ("", suite.codename) else "")
        dated = str(reading.day_of(suite.date)) if suite.date else "no date"
        valid = f", valid until {reading.day_of(suite.valid_until)}" if suite.valid_until else ""
        signers = "".join(f"<br><code>{said(signer)}</code>" for signer in suite.signers)
        problems = "".join(f"<br>{_styled(problem, 'warn')}" for problem in suite.problems)
        rows.append(
            (
                f"{said(name)}<br><code>{said(suite.url)}</code>{problems}",
                said(suite.role),
                _styled(*ANSWERS[suite.verified]) + signers,
                _styled(*ANSWERS[suite.fresh]),
                dated + valid,
            )
        )
    table = _table(("suite", "role", "verified", "fresh", "dated"), rows, len(suites))
    return _section("Suites", table or "<p>None was read.</p>")


def _evidence(assessment: Assessment) -> str:
    rows = [
        (
            said(item.statement),
            f"<code>{said(item.source)}</code>" + (f"<br><code>{said(item.digest)}</code>" if item.digest else ""),
            item.checked.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if item.checked else "",
        )
        for item in assessment.evidence[:ROWS_SHOWN]
    ]
    table = _table(("statement", "source and digest", "read (UTC)"), rows, len(assessment.evidence))
    return _section("Evidence", table or "<p>None.</p>")


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>\n{body}</section>\n"


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], total: int | None = None, keep: int = 0, stacked: bool = True
) -> str:
    """Return a table of escaped cells, or nothing without rows.

    Args:
        total: how many rows there would be, where some were left out.
        keep: how many columns never break where there is room.
        stacked: on a telephone each cell becomes a line; else the table stays one.
    """
    if not rows:
        return ""
    columns = "".join(f'<th scope="col">{name}</th>' for name in head)
    opened = [
        "<td" + (' class="keep"' if index < keep else "") + (f' data-label="{name}"' if name and index else "") + ">"
        for index, name in enumerate(head)
    ]
    lines = "".join(
        f"<tr>{''.join(f'{start}{cell}</td>' for start, cell in zip(opened, row, strict=True))}</tr>\n" for row in rows
    )
    more = f"<p>… and {total - len(rows)} more.</p>" if total is not None and total > len(rows) else ""
    style = ' class="stack"' if stacked else ""
    table = f"<table{style}><thead><tr>{columns}</tr></thead>\n<tbody>{lines}</tbody></table>"
    return f'<div class="scroll">{table}</div>{more}'


def _styled(text: str, style: str) -> str:
    return f'<span class="{style}">{said(text)}</span>' if style else said(text)


def _linked(identifier: str) -> str:
    page = reading.address(identifier)
    return f'<a class="id" href="{said(page)}" rel="noreferrer">{said(identifier)}</a>' if page else said(identifier)


def _capital(text: str) -> str:
    return said(text[:1].upper() + text[1:])
