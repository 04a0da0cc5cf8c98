"""Where the word of vendors on flaws without a fix is had from: fetched, indexed, kept with its date.

Debian's security tracker is one file, and is asked for by its ETag; of Ubuntu's and Red Hat's documents, one for each
CVE, the user names a folder or an archive. Where none is read, the CVE records of the feed of notices tell which flaws
are open, without a reason; where there are no such records either, it is not told. One source tells of an image, never
several at once: a vendor's own word, where it was read, goes before what others derived from it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote, urlsplit

from affineur.errata.archive import MAX_DOCUMENT_BYTES, Record, tarred_records, zipped_records
from affineur.errata.archives import FEED_BUDGET_S, OLD_AFTER, RECHECK_AFTER_S
from affineur.errata.erratum import Severity
from affineur.errata.feeds import Feeds
from affineur.errata.fetching import Fetching, Web
from affineur.errata.severity import Rating, of_word
from affineur.errata.unfixed.debiantracker import MAX_TRACKER_BYTES
from affineur.errata.unfixed.flaws import rated
from affineur.errata.unfixed.model import WHAT, Unfixed, UnfixedCVE, named, present, vendor_rating
from affineur.errata.unfixed.statements import Statement, covered, said
from affineur.errata.unfixed.vendors import VENDORS, Read, Vendor, index_name, read, version_of
from affineur.errors import ContentError, LimitExceeded, SourceError
from affineur.evidence import Evidence, Unassessed
from affineur.http.addresses import Reach
from affineur.packages.inventory import Package
from affineur.packages.osrelease import Release
from affineur.progress import Progress
from affineur.settings import DEBIAN_TRACKER
from affineur.store.feeds import FeedIndex, FeedMeta, FeedStore, local_documents, reading, state_of
from affineur.streams.decompress import decompressed

__all__ = ["Rated", "UnfixedFeeds"]

_ORDER = {"critical": 0, "important": 1, "moderate": 2, "low": 3}
_CHUNK = 256 * 1024
Told = list[tuple[str, list[Statement]]]
"""(package as the vendor names it, statements)"""


class Rated(NamedTuple):
    """How bad a flaw is by its vendor: by its own word, and its CVSS base score; None where it gives none."""

    severity: Severity | None
    score: float | None


class _Held(NamedTuple):
    facts: FeedIndex | None
    why: str


class UnfixedFeeds:
    """The known flaws without a fix of images. Each place is asked at most once. Not for several threads at once.

    Args:
        store: where indexes are kept.
        web: None where nothing may be asked (`--offline`).
        places: vendor ("debian", "ubuntu", "redhat") → URL, file or folder; empty for none.
        notices: the feed of notices, whose CVE records stand in and rate; None for none.
    """

    def __init__(
        self,
        store: FeedStore,
        web: Web | None,
        places: Mapping[str, str],
        notices: Feeds | None,
        *,
        offline: bool = False,
        budget_s: float = FEED_BUDGET_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        progress: Progress | None = None,
    ) -> None:
        self._store, self._web, self._places, self._notices = store, web, places, notices
        self._offline, self._budget_s, self._now = offline or web is None, budget_s, now
        self._progress = progress or Progress()
        self._held: dict[str, _Held] = {}

    def unfixed_for(self, distribution: Release, packages: Sequence[Package]) -> Unfixed:
        """Find the flaws without a fix of these packages. Raises nothing: what cannot be read is not told."""
        vendor = VENDORS.get(distribution.id)
        if vendor is None:
            return Unfixed.nothing(f"no vendor's word on flaws without a fix is read for {distribution.id} here")
        why = vendor.missing
        place = self._places.get(vendor.name, "")
        if place:
            release = vendor.release(distribution)
            held = self._hold(vendor, place)
            why = held.why
            if held.facts is not None:
                try:
                    if release and covered(held.facts, [release]):
                        return self._from_vendor(vendor, held.facts, why, distribution, packages)
                    asked = f"{distribution.id} {release or '(a release without a name)'}"
                    why = f"{vendor.called} ({held.facts.meta.source}) says nothing of {asked}"
                except ContentError as error:
                    why = f"the index is damaged: {error}"
        return self._from_records(vendor, why, bool(place), distribution, packages)

    def rated_for(self, distribution: Release, cves: Collection[str]) -> tuple[dict[str, Rated], tuple[Evidence, ...]]:
        """What the vendor of a distribution says of these CVEs themselves, and where it says so.

        Empty where its documents say nothing, or were not read: `unfixed_for` tells why. Raises nothing.
        """
        vendor = VENDORS.get(distribution.id)
        place = self._places.get(vendor.name, "") if vendor else ""
        if vendor is None or vendor.rated is None or not place or not cves:
            return {}, ()
        facts = self._hold(vendor, place).facts
        try:
            found = rated(facts, cves) if facts is not None else {}
        except ContentError:
            return {}, ()  # the index is damaged, which unfixed_for says
        if facts is None or not found:
            return {}, ()
        words, called = vendor.words
        ratings = {cve: Rated(of_word(words, flaw.word), flaw.score) for cve, flaw in found.items()}
        said = f"{vendor.called} rates {len(found)} of {len(set(cves))} CVEs that are fixed: {called}, CVSS base score"
        return ratings, (Evidence(said, facts.meta.source, facts.meta.digest or None, facts.checked),)

    def close(self) -> None:
        """Close the indexes that were looked into."""
        for held in self._held.values():
            if held.facts is not None:
                held.facts.close()
        self._held.clear()

    def _from_vendor(
        self, vendor: Vendor, facts: FeedIndex, old: str, distribution: Release, packages: Sequence[Package]
    ) -> Unfixed:
        meta = facts.meta
        told = [(name, found) for _, name, found in said(facts, [vendor.release(distribution)], named(packages))]
        evidence = Evidence(
            f"{meta.counts.get('statements', 0)} statements of {vendor.called} about flaws without a fix,"
            f" as of {meta.retrieved:%Y-%m-%d %H:%M} UTC",
            meta.source,
            meta.digest or None,
            facts.checked,
        )
        problems = [Unassessed(f"{WHAT} after {facts.checked:%Y-%m-%d %H:%M} UTC", old)] if old else []
        if unread := meta.counts.get("unread", 0):
            first = meta.broken[0] if meta.broken else "its documents are broken"
            problems.append(Unassessed(f"{WHAT}: {unread} documents of {vendor.called}", first))
        return self._put_together(vendor, told, meta.source, distribution, packages, problems, [evidence])

    def _from_records(
        self, vendor: Vendor, why: str, wanted: bool, distribution: Release, packages: Sequence[Package]
    ) -> Unfixed:
        found = self._notices.left_open(distribution, named(packages)) if self._notices else None
        if found is None or isinstance(found, str):
            return Unfixed.nothing(f"{why}; {found}" if found else why)
        problems = [Unassessed(f"reasons for {WHAT}", why)] if wanted else []
        told = [(package, statements) for _, package, statements in found.said]
        return self._put_together(vendor, told, found.source, distribution, packages, problems, found.evidence)

    def _put_together(
        self,
        vendor: Vendor,
        told: Told,
        source: str,
        distribution: Release,
        packages: Sequence[Package],
        problems: list[Unassessed],
        evidence: Sequence[Evidence],
    ) -> Unfixed:
        holding: dict[tuple[str, str], tuple[Statement, Package]] = {}
        meant = named(packages)
        order = {name: place for place, name in enumerate(meant)}
        for name, statements in sorted(told, key=lambda pair: order[pair[0]]):  # source packages before binary ones
            found, untold = present(statements, meant[name])
            for statement, package in found:
                if (statement.cve, package.source) not in holding:
                    holding.setdefault((statement.cve, name), (statement, package))
            if untold:
                what = f"{WHAT} of {name}: {len(set(untold))} CVEs"
                problems.append(Unassessed(what, "the installed version is newer than those that the vendor speaks of"))
        rated = self._notices.ratings(distribution, holding) if self._notices and holding else {}
        cves = [
            _named(cve, name, package, statement, vendor, rated.get((cve, name)), source)
            for (cve, name), (statement, package) in holding.items()
        ]
        return Unfixed(tuple(sorted(cves, key=_worst)), tuple(problems), tuple(evidence))

    def _hold(self, vendor: Vendor, place: str) -> _Held:
        if vendor.name not in self._held:
            local = None if place.startswith(("http://", "https://")) else _path(place)
            try:
                self._held[vendor.name] = self._from_files(vendor, local) if local else self._from_web(vendor, place)
            except (SourceError, ContentError, OSError) as error:
                self._held[vendor.name] = _Held(None, str(error))
        return self._held[vendor.name]

    def _from_files(self, vendor: Vendor, place: Path) -> _Held:
        files = local_documents(place)
        if not files:
            return _Held(None, f"there is no document in {place}")
        state = state_of(files)
        index = self._store.open(index_name(vendor, str(place)), version_of(vendor))
        if index is not None and index.meta.etag == state:
            return _Held(index, "")
        if index is not None:
            index.close()
        records = _records_of(vendor, files, archive=not place.is_dir())
        return _Held(self._built(vendor, str(place), records, lambda: (state, "")), "")

    def _from_web(self, vendor: Vendor, url: str) -> _Held:
        index = self._store.open(index_name(vendor, url), version_of(vendor))
        if self._offline or self._web is None:
            if index is None:
                return _Held(None, f"there is no copy of {vendor.called}, and nothing may be asked (--offline)")
            old = self._now() - index.checked > OLD_AFTER
            return _Held(index, "the copy of that time is used (--offline)" if old else "")
        if index is not None and abs(self._now() - index.checked) < timedelta(seconds=RECHECK_AFTER_S):
            return _Held(index, "")
        try:
            return _Held(self._asked(self._web, vendor, url, index), "")
        except (SourceError, ContentError, OSError) as error:
            return _Held(index, str(error))

    def _asked(self, web: Web, vendor: Vendor, url: str, index: FeedIndex | None) -> FeedIndex:
        etag = index.meta.etag if index else ""
        reach = Reach.PUBLIC if url == DEBIAN_TRACKER else Reach.OWN  # the user named it
        with self._store.scratch() as file:
            with self._progress.stage(vendor.called) as stage:
                fetch = Fetching(web, url, {"If-None-Match": etag} if etag else {}, reach, file, stage)
                fetch.within(self._budget_s)
            if fetch.unchanged and index:
                self._store.still_true(index_name(vendor, url))
                index.checked = self._now()
                return index
            file.seek(0)
            records = _records_in(vendor, file, url)
            return self._built(vendor, url, records, lambda: (fetch.etag, fetch.digest))

    def _built(
        self, vendor: Vendor, place: str, records: Iterator[Record], origin: Callable[[], tuple[str, str]]
    ) -> FeedIndex:
        passed = Read()
        retrieved = self._now()

        def about() -> FeedMeta:
            etag, digest = origin()
            counts = {
                "documents": passed.documents,
                "statements": passed.statements.count,
                "unread": passed.unread,
            }
            return FeedMeta(place, etag, retrieved, digest, version_of(vendor), counts, tuple(passed.broken))

        with self._progress.stage(f"index of {vendor.called}"):
            return self._store.build(index_name(vendor, place), read(vendor, records, passed), about)


def _path(place: str) -> Path:
    return Path(unquote(urlsplit(place).path)) if place.startswith("file:") else Path(place).expanduser()


def _records_of(vendor: Vendor, files: Sequence[Path], *, archive: bool) -> Iterator[Record]:
    for path in files:
        with reading(path) as file:
            if archive:
                yield from _records_in(vendor, file, str(path))
                continue
            limit = MAX_TRACKER_BYTES if vendor.documents is None else MAX_DOCUMENT_BYTES
            content = file.read(limit + 1)
        yield path.name, content if len(content) <= limit else f"larger than {limit} bytes"


def _records_in(vendor: Vendor, file: BinaryIO, name: str) -> Iterator[Record]:
    """The documents of one file: of Debian's tracker itself, else of an archive, or the only one."""
    start = file.read(4)
    file.seek(0)
    if vendor.documents is None:
        yield name, _whole(file, name, MAX_TRACKER_BYTES)
    elif start.lstrip()[:1] == b"{":
        yield name, _whole(file, name, MAX_DOCUMENT_BYTES)
    elif start == b"PK\x03\x04":
        yield from zipped_records(file, name)
    else:
        yield from tarred_records(file, name)


def _whole(file: BinaryIO, name: str, limit: int) -> bytes:
    content = bytearray()
    for piece in decompressed(iter(lambda: file.read(_CHUNK), b""), name)[1]:
        content += piece
        if len(content) > limit:
            raise LimitExceeded(f"{name}: more than {limit} bytes")
    return bytes(content)


def _named(
    cve: str, name: str, package: Package, statement: Statement, vendor: Vendor, rated: Rating | None, source: str
) -> UnfixedCVE:
    rating = vendor_rating(*vendor.words, statement, {cve: rated} if rated else {})
    return UnfixedCVE(
        id=cve,
        package=name,
        installed=(package.source_version if name == package.source else "") or package.version,
        status=statement.status,
        reason=statement.reason,
        severity=rating.severity if rating else None,
        rated_by=rating.by if rating else "",
        source=source,
    )


def _worst(each: UnfixedCVE) -> tuple[int, str, str]:
    return _ORDER.get(each.severity or "", 4), each.id, each.package
