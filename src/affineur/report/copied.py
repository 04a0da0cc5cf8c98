"""What was copied, for programs and archives: one document; apart from the text, since it loads a whole assessment."""

import msgspec

from affineur import __version__
from affineur.move.receipt import Copied, Receipt
from affineur.report.documents import Assessed, assessed
from affineur.report.json import encoded
from affineur.trust.model import Decision

__all__ = ["SCHEMA", "CopiedImage", "CopyDocument", "document"]

SCHEMA = "affineur.copy/1"


class CopiedImage(msgspec.Struct, frozen=True):
    """The same, as the document has it."""

    source: str
    target: str
    exit_code: int
    decision: Decision | None
    receipt: Receipt | None
    assessments: tuple[Assessed, ...]
    problem: str


class CopyDocument(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """`affineur copy --receipt FILE`, and the last event of `--json`."""

    schema_: str
    affineur: str
    images: tuple[CopiedImage, ...]


def document(outcomes: tuple[Copied, ...]) -> str:
    """Return all of it as JSON text."""
    images = tuple(
        CopiedImage(
            each.source,
            each.target,
            each.exit_code,
            each.decision,
            each.receipt,
            tuple(assessed(assessment) for assessment in each.assessments),
            each.problem,
        )
        for each in outcomes
    )
    return encoded(CopyDocument(SCHEMA, __version__, images))
