"""What the index of a feed holds, and how it is looked up: notices by ecosystem and source package, ratings by CVE."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from affineur.errata.archive import Record
from affineur.errata.erratum import Erratum
from affineur.errata.match import affects
from affineur.errata.osv import CVERating, Notice, cve_of, modified_of, read_record
from affineur.errata.publishers import Ecosystems
from affineur.errata.rating import as_erratum
from affineur.errata.unfixed.osvopen import left_open
from affineur.errata.unfixed.statements import Statements
from affineur.errors import MalformedDocument
from affineur.evidence import Unassessed
from affineur.store.feeds import FeedIndex

__all__ = ["READER", "Passed", "covers", "cve_ratings", "entries", "looked_up"]

READER = "5"
"""Raised whenever what is indexed changes."""
MAX_BROKEN_NAMED = 100
_NOTICE, _RATING, _ECOSYSTEM = "notice", "rating", "ecosystem"


class Passed:
    """What is noted of the records of a feed as they pass; see FeedMeta."""

    def __init__(self) -> None:
        self.counts = {"records": 0, "notices": 0, "CVEs": 0, "broken": 0}
        self.broken: list[str] = []
        self.unread: list[str] = []
        self.newest: datetime | None = None

    def note_broken(self, name: str, why: str) -> None:
        """One more that could not be read; only its name says what it may have been."""
        self.counts["broken"] += 1
        if len(self.broken) < MAX_BROKEN_NAMED:
            self.broken.append(f"{name}: {why}")
        if cve_of(name.removesuffix(".json")) is None and len(self.unread) < MAX_BROKEN_NAMED:
            self.unread.append(f"{name}: {why}")

    def note_date(self, modified: datetime | None) -> None:
        """When one was changed."""
        if modified is not None and (self.newest is None or modified > self.newest):
            self.newest = modified


def entries(records: Iterable[Record], notices: tuple[str, ...], passed: Passed) -> Iterator[tuple[str, bytes]]:
    """Turn records into index entries, noting what passes."""
    encode = msgspec.msgpack.encode
    counts = passed.counts
    seen: set[str] = set()
    unfixed = Statements()
    for name, content in records:
        counts["records"] += 1
        try:
            if isinstance(content, str):
                raise MalformedDocument(content)
            found = read_record(content, notices)
            opened = list(left_open(content)) if isinstance(found, list) else ()
        except MalformedDocument as error:
            passed.note_broken(name, str(error))
            continue
        passed.note_date(modified_of(content))
        if isinstance(found, list):
            counts["CVEs"] += bool(found)
            yield from ((f"{_RATING}\0{rating.cve}", encode(rating)) for rating in found)
            for ecosystem, source, statement in opened:
                unfixed.add(ecosystem, source, statement)
            continue
        counts["notices"] += 1
        for ecosystem, notice in found.items():
            seen.add(ecosystem)
            body = encode(notice)
            for source in {*(fix.source for fix in notice.fixes), *notice.unfixed}:
                yield f"{_NOTICE}\0{ecosystem}\0{source}", body
    yield from ((f"{_ECOSYSTEM}\0{ecosystem}", b"") for ecosystem in seen)
    yield from unfixed.entries()


def covers(index: FeedIndex, wanted: Ecosystems) -> bool:
    """Whether any notice is about this release: a feed without one cannot be the right one, or whole.

    Raises:
        MalformedDatabase: the index is damaged.
    """
    return any(index.entries([f"{_ECOSYSTEM}\0{name}" for name in (*wanted.free, *wanted.paid)]))


def looked_up(index: FeedIndex, wanted: Ecosystems, sources: Collection[str]) -> tuple[list[Erratum], list[Unassessed]]:
    """The notices of an index about some source packages, and which of them name no fix.

    Args:
        sources: names; where they map to versions, notices that concern none of these versions are left out.

    Raises:
        MalformedDatabase: the index is damaged.
    """
    decode = msgspec.msgpack.Decoder(Notice).decode
    installed = sources if isinstance(sources, Mapping) else None
    names = {f"{_NOTICE}\0{place}\0{source}": place for place in (*wanted.free, *wanted.paid) for source in sources}
    found: dict[tuple[str, str], Notice] = {}
    for key, body in index.entries(names):
        notice = decode(body)
        if installed is None or _concerns(notice, installed):
            found[names[key], notice.id] = notice
    rated = cve_ratings(index, {cve for notice in found.values() for cve in notice.cves})
    free = {notice_id for place, notice_id in found if place in wanted.free}
    errata: list[Erratum] = []
    problems: list[Unassessed] = []
    asked = set(sources)
    for (place, _), notice in found.items():
        paid = place in wanted.paid
        unfixed = sorted(asked.intersection(notice.unfixed) - {fix.source for fix in notice.fixes})
        if unfixed and not paid:
            problems.append(Unassessed(f"{notice.id} for {', '.join(unfixed)}", "it names no version that fixes it"))
        if notice.fixes:
            erratum = as_erratum(notice, rated, place, index.meta.source, paid_only=paid)
            both = paid and notice.id in free
            errata.append(msgspec.structs.replace(erratum, id=f"{erratum.id}+pro") if both else erratum)
    return sorted(errata, key=_age), sorted(problems)


def _concerns(notice: Notice, installed: Mapping[str, str]) -> bool:
    fixes = (fix for fix in notice.fixes if fix.source in installed)
    return any(affects(fix, installed[fix.source]) for fix in fixes) or any(s in installed for s in notice.unfixed)


def _age(erratum: Erratum) -> tuple[datetime, str]:
    return erratum.issued or erratum.issued_at_latest or datetime.max.replace(tzinfo=UTC), erratum.id


def cve_ratings(index: FeedIndex, cves: Collection[str]) -> dict[str, list[CVERating]]:
    """What the index's records say of the severity of each CVE; a CVE that none rates is left out.

    Raises:
        MalformedDatabase: the index is damaged.
    """
    decode = msgspec.msgpack.Decoder(CVERating).decode
    ratings: dict[str, list[CVERating]] = {}
    for _, body in index.entries([f"{_RATING}\0{cve}" for cve in cves]):
        rating = decode(body)
        ratings.setdefault(rating.cve, []).append(rating)
    return ratings
