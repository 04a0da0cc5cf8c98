"""OSV's archives: one for each of its ecosystems' families, fetched once, asked for by ETag, kept as an index.

Source: https://google.github.io/osv.dev/data/ § Data dumps. One archive holds all records of a distribution's releases;
it is some 100 MB, so it is kept as an index of the facts that are needed (store/feeds.py). One that does not answer in
time is replaced by the copy of last time, whose date is said; without one, the errata could not be told. OSV does not
sign its archives: they are as authentic as the server that TLS names.

A letter needs the records as they are today: a copy that its server has not confirmed for `GOOD_FOR`, or a folder whose
newest record is older than that, may lack what was published since (docs/decisions/0009-unread-notices.md).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from affineur.errata.archive import MAX_LIST_BYTES, Record, listed_records, zipped_records
from affineur.errata.fetching import Fetching, Web
from affineur.errata.index import Passed
from affineur.errata.noticed import Noticed
from affineur.errors import ContentError, SourceError
from affineur.evidence import Evidence, Unassessed
from affineur.http.addresses import Reach
from affineur.progress import Progress
from affineur.store.feeds import FeedIndex, FeedMeta, FeedStore, local_files, reading, state_of

__all__ = ["DEFAULT_BASE", "FEED_BUDGET_S", "GOOD_FOR", "OLD_AFTER", "RECHECK_AFTER_S", "Archives", "Held", "Reading"]

DEFAULT_BASE = "https://osv-vulnerabilities.storage.googleapis.com"
FEED_BUDGET_S = 120.0
"""How long one archive may take to arrive."""
RECHECK_AFTER_S = 900.0
"""A copy that was confirmed less than this ago is used without asking again."""
OLD_AFTER = timedelta(days=1)
"""A copy not confirmed for longer than this may lack notices, and the report says from which date on."""
GOOD_FOR = timedelta(days=7)
"""A copy older than this is no base for a letter. As long as Debian lets its security suite's Release be valid."""


class Reading(NamedTuple):
    """A feed, and what is made of its records.

    Attributes:
        feed: folder of the archive, such as `Debian`.
        name: of the kind of index, part of its file's name.
        version: raised whenever the same records would give other entries.
        entries: turns records into index entries, noting what passes.
    """

    feed: str
    name: str
    version: str
    entries: Callable[[Iterable[Record], Passed], Iterable[tuple[str, bytes]]]


class Held(NamedTuple):
    """An index, and what is to be said about it.

    Attributes:
        facts: None where there is none.
        gaps: why a record that is out may not be in it.
    """

    facts: FeedIndex | None
    problems: list[Unassessed]
    evidence: list[Evidence]
    gaps: list[str]


class Archives:
    """Fetches and keeps. Each archive is asked for at most once in the life of this object. Not for several threads.

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
        self.store, self.offline, self.now = store, offline or web is None, now
        self._web, self._base = web, base.rstrip("/")
        self._budget_s, self._recheck_after = budget_s, timedelta(seconds=recheck_after_s)
        self._progress = progress or Progress()
        self._held: dict[tuple[str, str], Held] = {}

    def close(self) -> None:
        """Close the indexes that were looked into."""
        for held in self._held.values():
            if held.facts is not None:
                held.facts.close()
        self._held.clear()

    def hold(self, wanted: Reading) -> Held:
        """The index of a feed: asked for, made, or remembered. Raises nothing: what could not be had is said."""
        key = wanted.name, wanted.feed
        if key not in self._held:
            local = _local_base(self._base)
            self._held[key] = self._from_files(wanted, local) if local else self._from_web(wanted)
        return self._held[key]

    def _from_files(self, wanted: Reading, base: Path) -> Held:
        what, name, version = f"notices of {wanted.feed}", self._name(wanted), wanted.version
        try:
            files = local_files(base, wanted.feed)
            if not files:
                return _nothing(what, f"there is no {wanted.feed}/all.zip, nor {wanted.feed}/*.json, in {base}")
            state = state_of(files)
            index = self.store.open(name, version)
            if index is None or index.meta.etag != state:
                index = self._built(name, wanted, _records_of(files), lambda: (str(base), state, "", self.now()))
        except (OSError, ContentError) as error:
            return _nothing(what, str(error))
        gaps = [*_unread(index.meta, wanted), *_too_old(what, index.meta.newest, self.now(), "newest record")]
        return Held(index, _broken(index.meta, wanted), [_evidence(index, wanted)], gaps)

    def _from_web(self, wanted: Reading) -> Held:
        what, url = f"notices of {wanted.feed}", f"{self._base}/{wanted.feed}/all.zip"
        try:
            index = self.store.open(self._name(wanted), wanted.version)
        except OSError as error:
            return _nothing(what, str(error))
        problem = ""
        if self.offline or self._web is None:
            if index is None:
                return _nothing(what, "there is no copy of them, and nothing may be asked (--offline)")
        elif index is None or abs(self.now() - index.checked) >= self._recheck_after:  # also after a clock set back
            try:
                index = self._asked(self._web, url, index, wanted)
            except (SourceError, ContentError, OSError) as error:
                problem = str(error)
                if index is None:
                    return _nothing(what, problem)
        problems = _broken(index.meta, wanted)
        if problem or self.now() - index.checked > OLD_AFTER:
            since = f"{index.checked:%Y-%m-%d %H:%M} UTC"
            problems.append(Unassessed(f"{what} after {since}", problem or "the copy of that time is used (--offline)"))
        gaps = [*_unread(index.meta, wanted), *_too_old(what, index.checked, self.now(), "copy at hand")]
        return Held(index, problems, [_evidence(index, wanted)], gaps)

    def _asked(self, web: Web, url: str, index: FeedIndex | None, wanted: Reading) -> FeedIndex:
        """Ask whether there is a newer archive, and index it."""
        etag = index.meta.etag if index else ""
        reach = Reach.PUBLIC if self._base == DEFAULT_BASE else Reach.OWN  # the user named it
        with self.store.scratch() as file:
            with self._progress.stage(f"notices of {wanted.feed}") as stage:
                fetch = Fetching(web, url, {"If-None-Match": etag} if etag else {}, reach, file, stage)
                fetch.within(self._budget_s)
            if fetch.unchanged and index:
                self.store.still_true(self._name(wanted))
                index.checked = self.now()
                return index
            retrieved = self.now()
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
        wanted: Reading,
        records: Iterable[Record],
        origin: Callable[[], tuple[str, str, str, datetime]],
    ) -> FeedIndex:
        passed = Passed()

        def about() -> FeedMeta:
            source, etag, digest, retrieved = origin()
            broken, unread = tuple(passed.broken), tuple(passed.unread)
            return FeedMeta(
                source, etag, retrieved, digest, wanted.version, passed.counts, broken, unread, passed.newest
            )

        with self._progress.stage(f"index of {wanted.feed}"):
            return self.store.build(name, wanted.entries(records, passed), about)

    def _name(self, wanted: Reading) -> str:
        return f"{wanted.name}-{wanted.feed}-{hashlib.sha256(self._base.encode()).hexdigest()[:12]}"


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


def _nothing(what: str, why: str) -> Held:
    nothing = Noticed.nothing(what, why)
    return Held(None, list(nothing.unassessed), [], list(nothing.gaps))


def _unread(meta: FeedMeta, wanted: Reading) -> Iterator[str]:
    if meta.unread:
        yield f"a record of the {wanted.feed} feed that may be a notice could not be read: {meta.unread[0]}"


def _too_old(what: str, dated: datetime | None, now: datetime, which: str) -> Iterator[str]:
    if dated is None:
        yield f"{what}: no record says when it was changed, so how old they are could not be told"
    elif now - dated > GOOD_FOR:
        yield f"{what}: the {which} is of {dated:%Y-%m-%d}, and there may be newer ones ({(now - dated).days} days)"


def _broken(meta: FeedMeta, wanted: Reading) -> list[Unassessed]:
    problems = [Unassessed(f"a record of the {wanted.feed} feed", text) for text in meta.broken]
    if (more := meta.counts.get("broken", 0) - len(meta.broken)) > 0:
        problems.append(Unassessed(f"{more} more records of the {wanted.feed} feed", "they could not be read either"))
    return problems


def _evidence(index: FeedIndex, wanted: Reading) -> Evidence:
    meta = index.meta
    statement = (
        f"{meta.counts.get('notices', 0)} notices and {meta.counts.get('CVEs', 0)} rated CVEs of {wanted.feed}"
        f" in OSV's format, as of {meta.retrieved:%Y-%m-%d %H:%M} UTC"
    )
    return Evidence(statement, meta.source, meta.digest or None, index.checked)
