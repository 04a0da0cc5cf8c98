"""What every stage leaves behind beside its answer: where a statement comes from, and what could not be told.

Values only; every room may use them. JSON shapes: docs/reference/json.md.
"""

from datetime import datetime

import msgspec

__all__ = ["Evidence", "Unassessed"]


class Evidence(msgspec.Struct, frozen=True):
    """A statement and what supports it.

    Attributes:
        statement: one sentence, e.g. "the Release of bookworm-security is signed by ED541312A33F…".
        source: URL or path inside the image (`image:/etc/apt/…`).
        digest: `algorithm:hex` of the bytes that were read; None where there are none.
        checked: when it was read, UTC.
    """

    statement: str
    source: str
    digest: str | None = None
    checked: datetime | None = None


class Unassessed(msgspec.Struct, frozen=True, order=True):
    """Something that was asked for and could not be told. Never dropped, never counted as good."""

    what: str
    why: str
