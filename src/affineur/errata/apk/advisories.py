"""What OSV's records of apk's distributions say of flaws: how severe, and since when they are known.

`ALPINE-CVE-…` records are made from Alpine's security database and the CVE's own record; `CGA-…` records are Wolfi's
and Chainguard's. Which versions fix what is read from the databases themselves (secdb.py), of which these are copies;
and their `published` is the flaw's date, not the fix's: ALPINE-CVE-2026-57452 is of 2026-06-25, when vim had a fix in
9.2.0671; Alpine 3.23 has it since 9.2.0854-r0, which that date says nothing about.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from affineur.errata.archive import Record
from affineur.errata.archives import Archives, Reading
from affineur.errata.cvss import base_score
from affineur.errata.erratum import Severity
from affineur.errata.index import Passed
from affineur.errata.noticed import Noticed
from affineur.errata.osv import modified_of
from affineur.errata.severity import of_score, rank
from affineur.errors import ContentError, MalformedDocument

__all__ = ["Advisories", "Flaw"]

READER = "apk-2"
"""Raised whenever what is indexed changes."""
MAX_NAMES = 100  # ids of one record
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Flaw(msgspec.Struct, frozen=True, array_like=True):
    """What one record says.

    Attributes:
        id: of the record.
        severity: by its highest CVSS base score; None where it has none.
        rated_by: `CVSS 9.8`.
        score: that base score; None where it has none.
        published: UTC; when the flaw was made known.
    """

    id: str
    severity: Severity | None
    rated_by: str
    published: datetime | None
    score: float | None = None


class _Score(msgspec.Struct):
    type: str
    score: str


class _Advisory(msgspec.Struct):
    id: str
    published: _Moment | None = None
    withdrawn: str | None = None
    aliases: list[str] | None = None
    upstream: list[str] | None = None
    related: list[str] | None = None
    severity: list[_Score] | None = None


_DECODER = msgspec.json.Decoder(_Advisory)


class Advisories:
    """Those of one feed, from OSV's archives. Not for several threads at once."""

    def __init__(self, archives: Archives) -> None:
        self._archives = archives

    def about(self, feed: str, ids: Collection[str]) -> tuple[dict[str, Flaw], Noticed]:
        """(what is known of flaws, by any of their ids; what could not be told, and where it comes from).

        Args:
            feed: folder of the archive, such as `Alpine`.
        """
        held = self._archives.hold(Reading(feed, "apk-osv", READER, _entries))
        told = Noticed((), tuple(held.problems), tuple(held.evidence), tuple(held.gaps))
        if held.facts is None:
            return {}, told
        found: dict[str, Flaw] = {}
        decode = msgspec.msgpack.Decoder(Flaw).decode
        try:
            for key, body in held.facts.entries(list(ids)):
                flaw = decode(body)
                known = found.get(key)
                found[key] = flaw if known is None else _joined(known, flaw)
        except (ContentError, msgspec.DecodeError) as error:
            return {}, Noticed.nothing(f"advisories of {feed}", f"the index is damaged: {error}")
        return found, told


def _entries(records: Iterable[Record], passed: Passed) -> Iterator[tuple[str, bytes]]:
    """Each record under its own id, and under those of the flaw that it is about."""
    encode = msgspec.msgpack.encode
    for name, content in records:
        passed.counts["records"] += 1
        try:
            if isinstance(content, str):
                raise MalformedDocument(content)
            names, flaw = _read(content)
        except MalformedDocument as error:
            passed.note_broken(name, str(error))
            continue
        passed.note_date(modified_of(content))
        passed.counts["CVEs"] += bool(flaw and flaw.severity)
        if flaw is not None:
            passed.counts["notices"] += 1
            body = encode(flaw)
            yield from ((each, body) for each in names)


def _read(content: bytes) -> tuple[tuple[str, ...], Flaw | None]:
    try:
        record = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocument(f"not an OSV record: {error}") from error
    if record.withdrawn is not None:
        return (), None
    names = dict.fromkeys((record.id, *(record.aliases or ()), *(record.upstream or ()), *(record.related or ())))
    if len(names) > MAX_NAMES:
        raise MalformedDocument(f"{record.id}: more than {MAX_NAMES} ids")
    best = max((score for each in record.severity or () if (score := _score(each, record.id))), default=None)
    published = record.published.astimezone(UTC) if record.published else None
    severity = of_score(best) if best else None
    rated_by = f"CVSS {best:.1f}" if severity else ""
    also = [each.removeprefix("ALPINE-") for each in names]
    return tuple(dict.fromkeys((*names, *also))), Flaw(record.id, severity, rated_by, published, best)


def _score(given: _Score, record_id: str) -> float | None:
    if given.type not in ("CVSS_V3", "CVSS_V4"):
        return None
    try:
        return base_score(given.score)
    except ValueError as error:
        raise MalformedDocument(f"{record_id}: {error}") from error


def _joined(one: Flaw, other: Flaw) -> Flaw:
    """The worse rating, and the earlier date."""
    worse = max((one, other), key=lambda flaw: rank(flaw.severity))
    dates = [flaw.published for flaw in (one, other) if flaw.published]
    return msgspec.structs.replace(worse, published=min(dates, default=None))
