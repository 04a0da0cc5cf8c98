"""CVE records in OSV's format as statements: a range that begins and does not end is a flaw without a fix.

Source: OSV schema § affected[].ranges[].events and § affected[].versions; DEBIAN-CVE and UBUNTU-CVE records have, for a
release without a fix, `introduced` alone. They give no reason. Read beside osv.py, from the same archives.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from affineur.errata.osv import cve_of
from affineur.errata.statements import Statement, Status
from affineur.errors import MalformedDocument
from affineur.packages.versions.deb import key

__all__ = ["left_open"]


class _Package(msgspec.Struct):
    ecosystem: str
    name: str


class _Event(msgspec.Struct):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


class _Range(msgspec.Struct):
    type: str
    events: list[_Event] = []


class _Specific(msgspec.Struct):
    urgency: Any = None


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    ecosystem_specific: _Specific | None = None


class _Record(msgspec.Struct):
    id: str
    withdrawn: Any = None
    affected: list[_Affected] | None = None


_DECODER = msgspec.json.Decoder(_Record)


def left_open(content: bytes) -> Iterator[tuple[str, str, Statement]]:
    """Yield (ecosystem, source package, statement) for each package of a CVE record with a range that does not end.

    Nothing for records that are withdrawn, or no CVE's.

    Raises:
        MalformedDocument: it is no OSV record.
    """
    try:
        record = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocument(f"not an OSV record: {error}") from error
    cve = cve_of(record.id)
    if cve is None or record.withdrawn is not None:
        return
    for affected in record.affected or ():
        if affected.package is None:
            continue
        since = [begin for reach in affected.ranges or () if (begin := _open_since(reach)) is not None]
        if since:
            word = affected.ecosystem_specific.urgency if affected.ecosystem_specific else None
            word = word if isinstance(word, str) else ""
            ended = word == "end-of-life"
            status = Status.OUT_OF_SUPPORT if ended else Status.AFFECTED
            first = min(since, key=lambda version: "" if not version else key(version))
            reason = word if ended or word == "unimportant" else ""
            yield affected.package.ecosystem, affected.package.name, Statement(cve, status, reason, word, first)


def _open_since(reach: _Range) -> str | None:
    """The version at which a range begins that has no end; empty for the first of all, None where every one ends."""
    if reach.type != "ECOSYSTEM":
        return None
    begun: str | None = None
    for event in sorted(reach.events, key=_place) if len(reach.events) > 2 else reach.events:
        if event.introduced is not None:
            begun = "" if event.introduced == "0" else event.introduced
        elif event.fixed is not None or event.last_affected is not None:
            begun = None
    return begun


def _place(event: _Event) -> tuple[Any, bool]:
    version = event.introduced or event.fixed or event.last_affected
    return ("" if version in (None, "0") else key(version)), event.introduced is None
