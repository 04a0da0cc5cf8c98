"""What `affineur pull` decided and did: for people in a few lines, for programs and archives as one document."""

import shlex
from collections.abc import Iterator

import msgspec

from affineur import __version__
from affineur.assessment.model import Assessment
from affineur.move.pull import Pulled
from affineur.move.receipt import Receipt
from affineur.report.documents import Assessed, assessed
from affineur.report.json import encoded
from affineur.report.layout import Page
from affineur.report.receipt import render_receipt
from affineur.trust.model import Decision, Outcome, Verdict

__all__ = ["SCHEMA", "PullDocument", "document", "render"]

SCHEMA = "affineur.pull/1"
WITH_UNKNOWN = ("health", "lifecycle", "foreign-packages")
"""Rules that can accept what could not be told: their key `unknown`, trust/policy.py."""


class PullDocument(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """`affineur pull --json`, and `--receipt`.

    Attributes:
        decision: the verdict's: only "accept" leads to a pull.
        pulled: what an engine has now; null where none was asked.
        copied: what was put where, with `--engine none`; likewise.
        command: with "undetermined": what would fetch exactly this image without a verdict.
        remarks: what was passed over, could not be handed on, or could not be told.
    """

    schema_: str
    affineur: str
    decision: Decision
    pulled: Pulled | None
    copied: Receipt | None
    command: tuple[str, ...]
    remarks: tuple[str, ...]
    assessment: Assessed


def document(
    assessment: Assessment,
    pulled: Pulled | None,
    copied: Receipt | None,
    command: tuple[str, ...] = (),
    remarks: tuple[str, ...] = (),
) -> str:
    """Return all of it as JSON text."""
    return encoded(
        PullDocument(
            schema_=SCHEMA,
            affineur=__version__,
            decision=assessment.verdict.decision,
            pulled=pulled,
            copied=copied,
            command=command,
            remarks=remarks,
            assessment=assessed(assessment),
        )
    )


def render(
    assessment: Assessment,
    pulled: Pulled | None,
    copied: Receipt | None,
    command: tuple[str, ...] = (),
    width: int = 80,
    colour: bool = False,
) -> str:
    """Return what was done, or what a user can do; to be shown below the verdict, which is there already."""
    page = Page(width, colour)
    if pulled is not None:
        page.title("Pulled", f"by {pulled.engine} {pulled.version}".rstrip())
        page.fact("digest", pulled.digest, 8)
        if pulled.digest != assessment.image.digest:
            page.fact("", f"for {pulled.platform}, of the index {assessment.image.digest}", 8)
        page.fact("checked", f"{_listed(pulled.checked)} of what {pulled.engine} has now: as assessed", 8)
        page.fact("name", pulled.tag or pulled.reference, 8)
    elif copied is None:
        page.title("Nothing was pulled")
        if assessment.verdict.decision is Decision.UNDETERMINED:
            for line in _ways_on(assessment.verdict):
                page.paragraph(line)
            if command:
                page.paragraph("To have exactly this image all the same, judged by nobody:")
                page.paragraph(shlex.join(command), 4)
    return page.text() if copied is None else render_receipt(copied, width, colour)


def _ways_on(verdict: Verdict) -> Iterator[str]:
    untold = [rule.rule for rule in verdict.rules if rule.outcome is Outcome.COULD_NOT_TELL]
    accepting = [rule for rule in untold if rule in WITH_UNKNOWN]
    if accepting and len(accepting) == len(untold):
        yield f"A policy of your own accepts what could not be told with `unknown: accept` below {_listed(accepting)}."


def _listed(words: "tuple[str, ...] | list[str]") -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
