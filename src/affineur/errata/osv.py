"""OSV records (schema 1.x, https://ossf.github.io/osv-schema/): notices become errata, CVE records become ratings.

Parsing only; where the records come from is the business of feeds.py. A record is read once, when its archive is
indexed, and gives:

* `Notice`, for ids that are their distribution's notices (DSA-, DLA-, USN-): per ecosystem the fixed source versions.
  Its date is `published`, the first publication, never `modified`. Where `published` is missing, `modified` is a bound:
  it was out by then.
* `CVERating`s, for `UBUNTU-CVE-…`, `DEBIAN-CVE-…` and `CVE-…`: by the distribution's own word where its data maps it,
  else by the highest CVSS base score.
* nothing, for withdrawn records and for kinds that are neither (livepatch notices, for instance).

A notice that repairs an earlier one and names no CVE ("… regression") is a bug fix, not one more security notice.

AlmaLinux's records name binary packages (without architectures), their ids tell the kind (ALSA, ALBA, ALEA), and their
summaries begin with a severity of their own and name the module, if any ("Important: nodejs:16 security update"). A
summary about modular builds that names no stream leaves them without one: they then count whatever stream is used.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from affineur.errata.cvss import base_score
from affineur.errata.erratum import Build, Fix, Severity
from affineur.errata.severity import Rating, highest, may_be_worse, of_score, of_word, rank
from affineur.errors import MalformedDocument
from affineur.packages.versions.deb import key

__all__ = ["CVERating", "Notice", "cve_of", "modified_of", "read_record"]

MAX_TITLE_CHARACTERS = 300  # OSV asks for about 120
MAX_FIXES = 20_000  # of one notice in all its ecosystems; kernel notices have some hundreds
_CVE = re.compile(r"(?:UBUNTU-|DEBIAN-)?(CVE-\d{4}-\d{4,19})\Z")
_BINARY_ECOSYSTEMS = ("AlmaLinux",)
_KINDS = {"ALSA-": "security", "ALBA-": "bugfix", "ALEA-": "enhancement"}
_STREAM = re.compile(r"(?<!\S)([A-Za-z0-9][\w.+-]*):([\w.+-]+)(?!\S)", re.ASCII)
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """A notice as one ecosystem sees it: the compact form that the index keeps.

    Attributes:
        issued: first publication, UTC; None where the record has none.
        at_latest: it was out by then.
        sources: every source package that it fixes in this ecosystem.
        unfixed: source packages that it names for this ecosystem without a fixed version.
        builds: where this ecosystem's notices name binary packages, those, of any architecture; `fixes` names them too.
        severity, severity_word: the notice's own, where it has one.
    """

    id: str
    kind: str
    issued: datetime | None
    at_latest: datetime | None
    cves: tuple[str, ...]
    title: str
    fixes: tuple[Fix, ...]
    unfixed: tuple[str, ...] = ()
    builds: tuple[Build, ...] = ()
    severity: Severity | None = None
    severity_word: str | None = None


class CVERating(msgspec.Struct, frozen=True, array_like=True):
    """What one CVE record says of its severity.

    Attributes:
        ecosystem, source: the rating holds for this source package of this ecosystem only; empty: everywhere.
    """

    cve: str
    rating: Rating
    ecosystem: str = ""
    source: str = ""


class _Severity(msgspec.Struct):
    type: str
    score: str


class _Package(msgspec.Struct):
    ecosystem: str
    name: str


class _Event(msgspec.Struct):
    introduced: str | None = None
    fixed: str | None = None


class _Range(msgspec.Struct):
    type: str
    events: list[_Event] = []


class _Specific(msgspec.Struct):
    urgency: Any = None  # any database may put anything here: a word is used, all else is no word


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None
    severity: list[_Severity] | None = None
    ecosystem_specific: _Specific | None = None


class _Record(msgspec.Struct):
    id: str
    published: _Moment | None = None
    modified: _Moment | None = None
    withdrawn: Any = None
    summary: str | None = None
    aliases: list[str] | None = None
    upstream: list[str] | None = None
    related: list[str] | None = None
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None


class _Dated(msgspec.Struct):
    modified: _Moment | None = None


_DECODER = msgspec.json.Decoder(_Record)
_DATED = msgspec.json.Decoder(_Dated)


def cve_of(identifier: str) -> str | None:
    """Give the plain CVE id of `CVE-…`, `UBUNTU-CVE-…` and `DEBIAN-CVE-…`; None for any other id."""
    found = _CVE.match(identifier)
    return found.group(1) if found else None


def modified_of(content: bytes) -> datetime | None:
    """When the record was last changed (OSV schema § modified), UTC; None where it does not say."""
    try:
        return _utc(_DATED.decode(content).modified)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_record(content: bytes, notices: tuple[str, ...]) -> dict[str, Notice] | list[CVERating]:
    """Read one record.

    Args:
        content: JSON, already limited in size by the caller.
        notices: beginnings of the ids that are notices (publishers.toml).

    Returns:
        for a notice, what each ecosystem sees of it; for a CVE record its ratings; an empty list for anything else.

    Raises:
        MalformedDocument: it is not JSON, breaks the schema in a field that matters here, or passes a limit.
    """
    try:
        record = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocument(f"not an OSV record: {error}") from error
    if record.withdrawn is not None:
        return []
    if record.id.startswith(notices):
        return _notice(record)
    cve = cve_of(record.id)
    return list(_ratings(record, cve)) if cve else []


def _notice(record: _Record) -> dict[str, Notice]:
    cves = _cves_named(record)
    title = " ".join((record.summary or "").split())[:MAX_TITLE_CHARACTERS]
    kind = "bugfix" if not cves and "regression" in title.lower() else "security"
    kind = _KINDS.get(record.id[:5], kind)
    word = title.partition(": ")[0] if record.id[:5] in _KINDS else ""
    severity = of_word("updateinfo", word) if kind == "security" else None
    fixes: dict[str, list[Fix]] = {}
    unfixed: dict[str, list[str]] = {}
    count = 0
    for affected in record.affected or ():
        if affected.package is None:
            continue
        ecosystem, source = affected.package.ecosystem, affected.package.name
        found = list(_fixes(affected, source))
        count += len(found) + 1
        if count > MAX_FIXES:
            raise MalformedDocument(f"{record.id}: more than {MAX_FIXES} fixes")
        fixes.setdefault(ecosystem, []).extend(found)
        if not found:
            unfixed.setdefault(ecosystem, []).append(source)
    return {
        ecosystem: Notice(
            id=record.id,
            kind=kind,
            issued=_utc(record.published),
            at_latest=None if record.published else _utc(record.modified),
            cves=cves,
            title=title or record.id,
            fixes=tuple(dict.fromkeys(here)),
            unfixed=tuple(unfixed.get(ecosystem, ())),
            builds=tuple(dict.fromkeys(_builds(here, title))) if _is_binary(ecosystem) else (),
            severity=severity,
            severity_word=word if severity else None,
        )
        for ecosystem, here in fixes.items()
    }


def _fixes(affected: _Affected, source: str) -> Iterator[Fix]:
    """Pair each `fixed` event with the `introduced` before it (OSV schema § affected[].ranges[].events)."""
    for reach in affected.ranges or ():
        if reach.type != "ECOSYSTEM":
            continue
        introduced = ""
        for event in sorted(reach.events, key=_place) if len(reach.events) > 2 else reach.events:
            if event.introduced is not None:
                introduced = "" if event.introduced == "0" else event.introduced
            elif event.fixed:
                # `versions` adds single versions to the ranges; below a fix without a beginning they add nothing
                listed = tuple(affected.versions or ()) if introduced else ()
                yield Fix(source, event.fixed, introduced, listed)


def _is_binary(ecosystem: str) -> bool:
    return ecosystem.partition(":")[0] in _BINARY_ECOSYSTEMS


def _builds(fixes: Iterable[Fix], title: str) -> Iterator[Build]:
    streams = [f"{name}:{stream}::" for name, stream in _STREAM.findall(title)] or [""]
    for fix in fixes:
        for module in streams if ".module" in fix.version else [""]:
            yield Build(fix.source, "", fix.version, module)


def _place(event: _Event) -> str:
    """Sort events by version; the schema does not promise that they are (§ Evaluation), and "0" is below all."""
    version = event.introduced if event.introduced is not None else event.fixed
    return "" if version in (None, "0") else key(version)


def _cves_named(record: _Record) -> tuple[str, ...]:
    named = (*(record.aliases or ()), *(record.upstream or ()), *(record.related or ()))
    return tuple(dict.fromkeys(cve for cve in map(cve_of, named) if cve))


def _ratings(record: _Record, cve: str) -> Iterator[CVERating]:
    by_score = _by_score(record.severity or (), record.id)
    general = _by_word("ubuntu", "Ubuntu priority", (s.score for s in record.severity or () if s.type == "Ubuntu"))
    general = _scored(general, by_score) or by_score
    if general:
        yield CVERating(cve, general)
    seen: set[tuple[str, str]] = set()
    for affected in record.affected or ():
        if affected.package is None or (affected.package.ecosystem, affected.package.name) in seen:
            continue
        special = _scored(_special(affected, record.id, by_score), by_score)
        if special and special != general:
            seen.add((affected.package.ecosystem, affected.package.name))
            yield CVERating(cve, special, affected.package.ecosystem, affected.package.name)


def _special(affected: _Affected, record_id: str, by_score: Rating | None) -> Rating | None:
    """What a CVE record says of one source package in one ecosystem."""
    own = affected.severity or ()
    rating = _by_word("ubuntu", "Ubuntu priority", (s.score for s in own if s.type == "Ubuntu"))
    word = affected.ecosystem_specific.urgency if affected.ecosystem_specific else None
    debian = affected.package is not None and affected.package.ecosystem.startswith("Debian")
    if rating is None and debian and isinstance(word, str):
        rating = _by_word("debian", "Debian urgency", (word,))
        if rating and by_score and may_be_worse("debian", word) and rank(by_score.severity) > rank(rating.severity):
            rating = by_score
    return rating or _by_score(own, record_id)


def _scored(rating: Rating | None, by_score: Rating | None) -> Rating | None:
    """A vendor's rating, with the score beside it."""
    if rating is None or rating.score is not None or by_score is None:
        return rating
    return msgspec.structs.replace(rating, score=by_score.score)


def _by_word(vendor: str, name: str, words: Iterable[str]) -> Rating | None:
    found = ((word, of_word(vendor, word)) for word in words)
    return highest(Rating(severity, f"{name} {word.lower()}") for word, severity in found if severity)


def _by_score(severities: Iterable[_Severity], record_id: str) -> Rating | None:
    ratings: list[tuple[float, Rating]] = []
    for given in severities:
        if given.type not in ("CVSS_V3", "CVSS_V4"):
            continue
        try:
            score = base_score(given.score)
        except ValueError as error:
            raise MalformedDocument(f"{record_id}: {error}") from error
        severity = of_score(score) if score is not None else None
        if score is not None and severity:
            ratings.append((score, Rating(severity, f"CVSS {score:.1f}", score)))
    return max(ratings, key=lambda pair: pair[0])[1] if ratings else None


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
