"""CVE records in OSV's format as statements: a range that begins and does not end is a flaw without a fix.

Source: OSV schema § affected[].ranges[].events and § affected[].versions; DEBIAN-CVE and UBUNTU-CVE records have, for a
release without a fix, `introduced` alone. They give no reason. Read beside osv.py, from the same archives.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from affineur.errata.osv import cve_of
from affineur.errata.unfixed.statements import Statement, Status
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
_PAID = "Ubuntu:Pro:"
_End = tuple[str, str]
"""(begin, fix) of a range."""


def left_open(content: bytes) -> Iterator[tuple[str, str, Statement]]:
    """Yield (ecosystem, source package, statement) for each package of a CVE record with a range that does not end.

    Or that ends for customers of Ubuntu Pro only: a flaw without a fix for everyone else. Nothing for records that are
    withdrawn, or no CVE's.

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
    ends: dict[tuple[str, str], list[_End]] = {}
    words: dict[tuple[str, str], str] = {}
    for affected in record.affected or ():
        if affected.package is None:
            continue
        place = affected.package.ecosystem, affected.package.name
        ends.setdefault(place, []).extend(end for reach in affected.ranges or () for end in _ends(reach))
        word = affected.ecosystem_specific.urgency if affected.ecosystem_specific else None
        words[place] = word if isinstance(word, str) else ""
    for (ecosystem, name), found in ends.items():
        since = [begin for begin, fixed in found if not fixed]
        customers = ends.get((_PAID + ecosystem.removeprefix("Ubuntu:"), name), ()) if not _paid(ecosystem) else ()
        if any(fixed for _, fixed in customers):
            continue  # told with their fix
        if since:
            first = min(since, key=lambda version: "" if not version else key(version))
            yield ecosystem, name, _open_statement(cve, words[ecosystem, name], first)
        elif _paid(ecosystem) and found:
            free = ends.get(("Ubuntu:" + ecosystem.removeprefix(_PAID), name), ())
            if not any(fixed for _, fixed in free):
                begin, fixed = max(found, key=lambda end: key(end[1]))
                yield ecosystem, name, Statement(cve, Status.CUSTOMERS_ONLY, since=begin, fixed=fixed)


def _open_statement(cve: str, word: str, since: str) -> Statement:
    status = Status.OUT_OF_SUPPORT if word == "end-of-life" else Status.AFFECTED
    return Statement(cve, status, word if word in ("end-of-life", "unimportant") else "", word, since)


def _paid(ecosystem: str) -> bool:
    return ecosystem.startswith(_PAID)


def _ends(reach: _Range) -> Iterator[_End]:
    """Where each part of a range begins and ends, in order; what has no end has an empty one, `last_affected` none.

    Both are versions; the first of all is empty.
    """
    if reach.type != "ECOSYSTEM":
        return
    begun: str | None = None
    for event in sorted(reach.events, key=_place) if len(reach.events) > 2 else reach.events:
        if event.introduced is not None:
            begun = "" if event.introduced == "0" else event.introduced
        elif event.fixed is not None or event.last_affected is not None:
            if event.fixed:
                yield begun or "", event.fixed
            begun = None
    if begun is not None:
        yield begun, ""


def _place(event: _Event) -> tuple[Any, bool]:
    version = event.introduced or event.fixed or event.last_affected
    return ("" if version in (None, "0") else key(version)), event.introduced is None
