"""Errata from OSV's per-ecosystem archives: fetched, indexed, kept with their date, looked up by source package.

Source: https://google.github.io/osv.dev/data/ § Data dumps. One archive holds a distribution's notices and CVE records
of all its releases; it is some 100 MB, so it is fetched once, asked for by its ETag afterwards, and kept as an index of
the facts that are needed (store/feeds.py). A feed that does not answer in time is replaced by the copy of last time,
whose date is said; without one, the errata could not be told. OSV does not sign its archives: they are as authentic as
the server that TLS names.

A letter needs the notices as they are today: a copy that its server has not confirmed for `GOOD_FOR`, or a folder whose
newest record is older than that, may lack what was published since (docs/decisions/0009-unread-notices.md).
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from affineur.errata.archive import MAX_LIST_BYTES, Record, listed_records, zipped_records
from affineur.errata.erratum import Erratum
from affineur.errata.fetching import Fetching, Web
from affineur.errata.index import READER, Passed, covers, cve_ratings, entries, looked_up
from affineur.errata.noticed import Noticed
from affineur.errata.publishers import Ecosystems, ecosystems
from affineur.errata.rating import rating_here, rerated
from affineur.errata.severity import Rating, table_digest
from affineur.errata.statements import Statement, covered, said
from affineur.errors import ContentError, SourceError
from affineur.evidence import Evidence, Unassessed
from affineur.http.addresses import Reach
from affineur.packages.osrelease import Release
from affineur.progress import Progress
from affineur.store.feeds import FeedIndex, FeedMeta, FeedStore, local_files, reading, state_of

__all__ = ["DEFAULT_BASE", "FEED_BUDGET_S", "RECHECK_AFTER_S", "Feeds", "LeftOpen"]

DEFAULT_BASE = "https://osv-vulnerabilities.storage.googleapis.com"
FEED_BUDGET_S = 120.0
"""How long one archive may take to arrive."""
RECHECK_AFTER_S = 900.0
"""A copy that was confirmed less than this ago is used without asking again."""
OLD_AFTER = timedelta(days=1)
"""A copy not confirmed for longer than this may lack notices, and the report says from which date on."""
GOOD_FOR = timedelta(days=7)
"""A copy older than this is no base for a letter. As long as Debian lets its security suite's Release be valid."""


class _Held(NamedTuple):
    """An index, and what is to be said about it."""

    facts: FeedIndex | None
    problems: list[Unassessed]
    evidence: list[Evidence]
    gaps: list[str]


class LeftOpen(NamedTuple):
    """What CVE records say of flaws without a fix: (ecosystem, source package, statements), and where they are from."""

    said: list[tuple[str, str, list[Statement]]]
    source: str
    evidence: list[Evidence]


class Feeds:
    """The errata of distributions, from OSV's archives.

    Each archive is asked for at most once in the life of this object. Not for several threads at once.

    Args:
        store: where indexes are kept.
        web: None where nothing may be asked (`--offline`).
        base: the URL that the archives lie below, or a folder or file of the user's own, as a path or a file: URL.
        offline: use the copies that there are; the user's own files are read all the same.
        budget_s: how long one archive may take to arrive.
        now: the clock, for tests.
        progress: told what takes its time: fetching an archive, and indexing it.
    """

    def __init__(
        self,
        store: FeedStore,
        web: Web | None,
        *,
        base: str = DEFAULT_BASE,
        offline: bool = False,
        budget_s: float = FEED_BUDGET_S,
        recheck_after_s: float = RECHECK_AFTER_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        progress: Progress | None = None,
    ) -> None:
        self._store, self._web, self._base = store, web, base.rstrip("/")
        self._offline = offline or web is None
        self._budget_s, self._recheck_after, self._now = budget_s, timedelta(seconds=recheck_after_s), now
        self._progress = progress or Progress()
        self._held: dict[str, _Held] = {}

    def errata_for(self, distribution: Release, sources: Collection[str]) -> Noticed:
        """Find every notice about one of the source packages.

        Args:
            sources: names of source packages; a mapping from name to installed version (the lowest, where binaries
                differ) leaves out, and so need not rate, the notices that this version does not lack.

        Returns:
            the errata, oldest first: fixes for paying customers marked `paid_only`; where one notice has both kinds,
            those have `+pro` after the id.
        """
        found = ecosystems(distribution)
        if isinstance(found, str):
            return Noticed.nothing("errata", found)
        held = self._hold(found)
        known = Noticed((), tuple(held.problems), tuple(held.evidence), tuple(held.gaps))
        if held.facts is None:
            return known
        try:
            if not covers(held.facts, found):
                why = f"the {found.feed} feed has no notice about {found.free[0]}"
                return known.but(unassessed=[Unassessed("errata", why)], gaps=[why])
            errata, problems = looked_up(held.facts, found, sources)
        except (ContentError, msgspec.DecodeError) as error:
            return Noticed.nothing(f"errata of {distribution.id}", f"the index is damaged: {error}")
        return known.but(errata=errata, unassessed=problems)

    def rated(self, distribution: Release, errata: Iterable[Erratum]) -> list[Erratum]:
        """Rate unrated errata (a changelog's) by the CVEs that they name, as far as the feed knows them."""
        errata = list(errata)
        found = ecosystems(distribution)
        held = None if isinstance(found, str) else self._hold(found)
        if isinstance(found, str) or held is None or held.facts is None:
            return errata
        unrated = [erratum for erratum in errata if erratum.severity is None]
        ratings = cve_ratings(held.facts, {cve for erratum in unrated for cve in erratum.cves})
        return [rerated(e, ratings, found.free) if e.severity is None else e for e in errata]

    def left_open(self, distribution: Release, sources: Collection[str]) -> LeftOpen | str:
        """Find what the CVE records of the feed say of flaws without a fix; or say why nothing can be told."""
        found = ecosystems(distribution)
        if isinstance(found, str):
            return found
        held = self._hold(found)
        if held.facts is None:
            return held.problems[0].why
        releases = (*found.free, *found.paid)
        try:
            if not covered(held.facts, releases):
                return f"no CVE record of the {found.feed} feed is about a flaw of {found.free[0]} without a fix"
            return LeftOpen(list(said(held.facts, releases, sources)), held.facts.meta.source, held.evidence)
        except ContentError as error:
            return f"the index is damaged: {error}"

    def ratings(self, distribution: Release, flaws: Collection[tuple[str, str]]) -> dict[tuple[str, str], Rating]:
        """Rate (CVE, source package) as far as the feed knows them."""
        found = ecosystems(distribution)
        held = None if isinstance(found, str) else self._hold(found)
        if isinstance(found, str) or held is None or held.facts is None:
            return {}
        try:
            known = cve_ratings(held.facts, {cve for cve, _ in flaws})
        except (ContentError, msgspec.DecodeError):
            return {}
        rated = {}
        for cve, source in flaws:
            ratings = (rating_here(known.get(cve, ()), place, (source,)) for place in (*found.free, *found.paid))
            if rating := next(filter(None, ratings), None):
                rated[cve, source] = rating
        return rated

    def close(self) -> None:
        """Close the indexes that were looked into."""
        for held in self._held.values():
            if held.facts is not None:
                held.facts.close()
        self._held.clear()

    def _hold(self, wanted: Ecosystems) -> _Held:
        if wanted.feed not in self._held:
            local = _local_base(self._base)
            self._held[wanted.feed] = self._from_files(wanted, local) if local else self._from_web(wanted)
        return self._held[wanted.feed]

    def _from_files(self, wanted: Ecosystems, base: Path) -> _Held:
        what, name, version = f"notices of {wanted.feed}", self._name(wanted), _version(wanted)
        try:
            files = local_files(base, wanted.feed)
            if not files:
                return _nothing(what, f"there is no {wanted.feed}/all.zip, nor {wanted.feed}/*.json, in {base}")
            state = state_of(files)
            index = self._store.open(name, version)
            if index is None or index.meta.etag != state:
                index = self._built(name, wanted, _records_of(files), lambda: (str(base), state, "", self._now()))
        except (OSError, ContentError) as error:
            return _nothing(what, str(error))
        gaps = [*_unread(index.meta, wanted), *_too_old(what, index.meta.newest, self._now(), "newest record")]
        return _Held(index, _broken(index.meta, wanted), [_evidence(index, wanted)], gaps)

    def _from_web(self, wanted: Ecosystems) -> _Held:
        what, url = f"notices of {wanted.feed}", f"{self._base}/{wanted.feed}/all.zip"
        try:
            index = self._store.open(self._name(wanted), _version(wanted))
        except OSError as error:
            return _nothing(what, str(error))
        problem = ""
        if self._offline or self._web is None:
            if index is None:
                return _nothing(what, "there is no copy of them, and nothing may be asked (--offline)")
        elif index is None or abs(self._now() - index.checked) >= self._recheck_after:  # also after a clock set back
            try:
                index = self._asked(self._web, url, index, wanted)
            except (SourceError, ContentError, OSError) as error:
                problem = str(error)
                if index is None:
                    return _nothing(what, problem)
        problems = _broken(index.meta, wanted)
        if problem or self._now() - index.checked > OLD_AFTER:
            since = f"{index.checked:%Y-%m-%d %H:%M} UTC"
            problems.append(Unassessed(f"{what} after {since}", problem or "the copy of that time is used (--offline)"))
        gaps = [*_unread(index.meta, wanted), *_too_old(what, index.checked, self._now(), "copy at hand")]
        return _Held(index, problems, [_evidence(index, wanted)], gaps)

    def _asked(self, web: Web, url: str, index: FeedIndex | None, wanted: Ecosystems) -> FeedIndex:
        """Ask whether there is a newer archive, and index it."""
        etag = index.meta.etag if index else ""
        reach = Reach.PUBLIC if self._base == DEFAULT_BASE else Reach.OWN  # the user named it
        with self._store.scratch() as file:
            with self._progress.stage(f"notices of {wanted.feed}") as stage:
                fetch = Fetching(web, url, {"If-None-Match": etag} if etag else {}, reach, file, stage)
                fetch.within(self._budget_s)
            if fetch.unchanged and index:
                self._store.still_true(self._name(wanted))
                index.checked = self._now()
                return index
            retrieved = self._now()
            file.seek(0)
            return self._built(
                self._name(wanted),
                wanted,
                zipped_records(file, url),
                lambda: (url, fetch.etag, fetch.digest, retrieved),
            )

    def _built(
        self,
        name: str,
        wanted: Ecosystems,
        records: Iterable[Record],
        origin: Callable[[], tuple[str, str, str, datetime]],
    ) -> FeedIndex:
        passed = Passed()

        def about() -> FeedMeta:
            source, etag, digest, retrieved = origin()
            broken, unread = tuple(passed.broken), tuple(passed.unread)
            return FeedMeta(
                source, etag, retrieved, digest, _version(wanted), passed.counts, broken, unread, passed.newest
            )

        with self._progress.stage(f"index of {wanted.feed}"):
            return self._store.build(name, entries(records, wanted.notices, passed), about)

    def _name(self, wanted: Ecosystems) -> str:
        return f"osv-{wanted.feed}-{hashlib.sha256(self._base.encode()).hexdigest()[:12]}"


def _version(wanted: Ecosystems) -> str:
    return f"{READER}-{table_digest()}-{','.join(wanted.notices)}"


def _local_base(base: str) -> Path | None:
    if base.startswith(("http://", "https://")):
        return None
    return Path(unquote(urlsplit(base).path)) if base.startswith("file:") else Path(base)


def _records_of(files: list[Path]) -> Iterator[Record]:
    for path in files:
        with reading(path) as file:
            if path.suffix == ".zip":
                yield from zipped_records(file, str(path))
                continue
            content = file.read(MAX_LIST_BYTES + 1)
        if content.lstrip()[:1] == b"[":
            yield from listed_records(content, path.name)
        else:
            yield path.name, content


def _nothing(what: str, why: str) -> _Held:
    nothing = Noticed.nothing(what, why)
    return _Held(None, list(nothing.unassessed), [], list(nothing.gaps))


def _unread(meta: FeedMeta, wanted: Ecosystems) -> Iterator[str]:
    if meta.unread:
        yield f"a record of the {wanted.feed} feed that may be a notice could not be read: {meta.unread[0]}"


def _too_old(what: str, dated: datetime | None, now: datetime, which: str) -> Iterator[str]:
    if dated is None:
        yield f"{what}: no record says when it was changed, so how old they are could not be told"
    elif now - dated > GOOD_FOR:
        yield f"{what}: the {which} is of {dated:%Y-%m-%d}, and there may be newer ones ({(now - dated).days} days)"


def _broken(meta: FeedMeta, wanted: Ecosystems) -> list[Unassessed]:
    problems = [Unassessed(f"a record of the {wanted.feed} feed", text) for text in meta.broken]
    if (more := meta.counts.get("broken", 0) - len(meta.broken)) > 0:
        problems.append(Unassessed(f"{more} more records of the {wanted.feed} feed", "they could not be read either"))
    return problems


def _evidence(index: FeedIndex, wanted: Ecosystems) -> Evidence:
    meta = index.meta
    statement = (
        f"{meta.counts.get('notices', 0)} notices and {meta.counts.get('CVEs', 0)} rated CVEs of {wanted.feed}"
        f" in OSV's format, as of {meta.retrieved:%Y-%m-%d %H:%M} UTC"
    )
    return Evidence(statement, meta.source, meta.digest or None, index.checked)
