"""Which fixes an image of apk lacks, from the security databases of its distribution.

A database says which version of which source fixes which flaws, and nothing else: there is no notice, no date, no
severity. So each version that fixes something stands for an erratum. How bad the flaws are, and since when they are
known, OSV's records say (advisories.py). When the fix came out nobody says; but a package that has it was built by the
build time that its repository's signed index states. So:

* flaws that became known after that: the erratum is as old as they are, since until then nobody knew what it fixes;
* else it came out somewhen between; by when at the latest is known, and its age is at least that: a bound.
"""

import functools
import hashlib
import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from affineur.errata.apk.advisories import Advisories, Flaw
from affineur.errata.apk.secfixes import MAX_BYTES, SecFix, read_secdb
from affineur.errata.archives import GOOD_FOR
from affineur.errata.data import data
from affineur.errata.erratum import Erratum
from affineur.errata.feeds import Feeds
from affineur.errata.match import affects
from affineur.errata.noticed import Noticed
from affineur.errata.severity import rank
from affineur.errors import ContentError, SourceError
from affineur.evidence import Evidence, Unassessed
from affineur.packages.osrelease import Release
from affineur.packages.versions.apk import key
from affineur.repositories.apk.model import Offer
from affineur.repositories.apk.reference import release_of
from affineur.store.feeds import FeedIndex, FeedMeta

if TYPE_CHECKING:
    from affineur.http.client import Client

__all__ = ["Built", "SecDB", "databases"]

PUBLISHED_WITHIN = timedelta(days=1)
"""A package is published when its repository is next uploaded: hours after it was built, and surely within this."""
RECHECK_AFTER = timedelta(minutes=15)
VERSION = "secdb-1"
"""Raised whenever what is kept of a database changes."""


class _Publisher(msgspec.Struct, forbid_unknown_fields=True):
    databases: tuple[str, ...]
    feed: str


def databases(release: Release) -> tuple[str, ...] | str:
    """URLs of the security databases of a release; or why there are none, in a sentence."""
    found = _publishers().get(release.id)
    if found is None:
        return f"This program knows no security database of {release.id or 'a distribution without a name'}."
    named = release_of(release)
    branch = named if named == "edge" else f"v{named}"
    if any("{}" in url for url in found.databases) and not named:
        return f"os-release does not say which release of {release.id} it is."
    return tuple(url.replace("{}", branch) for url in found.databases)


class Built:
    """By when a version of a source was out, as the build times of signed indexes tell."""

    def __init__(self, offers: Iterable[Offer] = ()) -> None:
        """Args: offers: of verified indexes only."""
        built: dict[str, list[tuple[str, datetime]]] = {}
        for offer in offers:
            if offer.built is not None:
                built.setdefault(offer.source, []).append((key(offer.version), offer.built))
        self._built = {source: _earliest(pairs) for source, pairs in built.items()}

    def at_latest(self, source: str, version: str) -> datetime | None:
        """When the first of all offered builds was made that is this version or a later one; None if there is none."""
        orders, times = self._built.get(source, ((), ()))
        place = bisect_left(orders, key(version))
        return times[place] if place < len(times) else None


def _earliest(pairs: list[tuple[str, datetime]]) -> tuple[tuple[str, ...], tuple[datetime, ...]]:
    """Versions in order, and for each the earliest time of it and all later ones."""
    pairs.sort()
    times: list[datetime] = []
    for _, time in reversed(pairs):
        times.append(min(time, times[-1]) if times else time)
    return tuple(order for order, _ in pairs), tuple(reversed(times))


class SecDB:
    """The security databases, fetched and kept as other feeds are. Not for several threads at once.

    Args:
        feeds: of OSV, for severities and dates; where it keeps its indexes, these are kept, too.
        client: None where nothing may be asked (`--offline`).
    """

    def __init__(self, feeds: Feeds, client: "Client | None") -> None:
        self._advisories = Advisories(feeds.archives)
        self._store, self._now = feeds.archives.store, feeds.archives.now
        self._client = client

    def errata_for(self, distribution: Release, sources: Mapping[str, str], built: Built | None = None) -> Noticed:
        """Find every fix that these versions lack.

        Args:
            sources: name of a source → its installed version.
            built: by when versions were out; without it every date is the time at which the database was read.

        Returns:
            the errata, oldest first, and what could not be told.
        """
        urls = databases(distribution)
        if isinstance(urls, str):
            return Noticed.nothing("errata", urls)
        told = Noticed((), (), ())
        fixes: list[tuple[SecFix, FeedIndex]] = []
        for url in urls:
            index, here = self._hold(url)
            told = _and(told, here)
            if index is None:
                continue
            try:
                found = list(_lacking(index, sources))
            except (ContentError, msgspec.DecodeError) as error:
                told = _and(told, Noticed.nothing(url, f"the index is damaged: {error}"))
                continue
            finally:
                index.close()
            fixes += [(fix, index) for fix in found]
            for fix in found:
                if not fix.readable:
                    why = f"{url} has a fix of {fix.source} in {fix.version[:40]!r}, which is no version"
                    told = told.but(unassessed=[Unassessed(f"fix of {fix.source}", why)], gaps=[why])
        readable = [(fix, index) for fix, index in fixes if fix.readable]
        if not readable:
            return told
        feed = _publishers()[distribution.id].feed
        flaws, more = self._advisories.about(feed, {each for fix, _ in readable for each in fix.ids})
        errata = [_erratum(fix, index, flaws, built or Built(), self._now()) for fix, index in readable]
        return _and(told, more).but(errata=sorted(errata, key=_age))

    def rated(self, distribution: Release, errata: Sequence[Erratum]) -> list[Erratum]:
        """As they are: what rates them has been asked."""
        return list(errata)

    def _hold(self, url: str) -> tuple[FeedIndex | None, Noticed]:
        name = f"secdb-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        try:
            index = self._store.open(name, VERSION)
        except OSError as error:
            return None, Noticed.nothing(url, str(error))
        problem = ""
        if self._client is None:
            if index is None:
                return None, Noticed.nothing(url, "there is no copy of it, and nothing may be asked (--offline)")
            problem = "the copy of that time is used (--offline)"
        elif index is None or abs(self._now() - index.checked) >= RECHECK_AFTER:  # also after a clock set back
            try:
                index = self._asked(self._client, url, name, index)
            except (SourceError, ContentError, OSError) as error:
                if index is None:
                    return None, Noticed.nothing(url, str(error))
                problem = str(error)
        old = self._now() - index.checked
        told = Noticed((), (), (_evidence(index),))
        if problem and old > RECHECK_AFTER:
            told = told.but(unassessed=[Unassessed(f"{url} after {index.checked:%Y-%m-%d %H:%M} UTC", problem)])
        if old > GOOD_FOR:
            why = f"{url}: the copy at hand is of {index.checked:%Y-%m-%d}, and there may be a newer one"
            told = told.but(gaps=[f"{why} ({old.days} days)"])
        return index, told

    def _asked(self, client: "Client", url: str, name: str, index: FeedIndex | None) -> FeedIndex:
        etag = index.meta.etag if index else ""
        answer = client.get(url, limit=MAX_BYTES, headers={"If-None-Match": etag} if etag else {}, also=(304,))
        if answer.status == 304 and index is not None:
            self._store.still_true(name)
            index.checked = self._now()
            return index
        retrieved = self._now()
        counts = {"fixes": 0, "sources": 0}
        meta = FeedMeta(
            source=answer.url,
            etag=answer.headers.get("ETag"),
            retrieved=retrieved,
            digest=f"sha256:{hashlib.sha256(answer.body).hexdigest()}",
            version=VERSION,
            counts=counts,
        )
        return self._store.build(name, _entries(answer.body, answer.url, counts), lambda: meta)


def _entries(content: bytes, source: str, counts: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    encode = msgspec.msgpack.encode
    for fix in read_secdb(content, source):
        counts["fixes"] += 1
        yield fix.source, encode(fix)


def _lacking(index: FeedIndex, sources: Mapping[str, str]) -> Iterator[SecFix]:
    decode = msgspec.msgpack.Decoder(SecFix).decode
    for source, body in index.entries(list(sources)):
        fix = decode(body)
        if not fix.readable or affects(fix.fix, sources[source], key):
            yield fix


def _erratum(fix: SecFix, index: FeedIndex, flaws: Mapping[str, Flaw], built: Built, now: datetime) -> Erratum:
    known = [flaws[each] for each in fix.ids if each in flaws]
    worst = max(known, key=lambda flaw: rank(flaw.severity), default=None)
    named = fix.cves or fix.ids
    dates = [flaw.published for each in named if (flaw := flaws.get(each)) and flaw.published]
    made = built.at_latest(fix.source, fix.version)
    by = now if made is None else min(now, made + PUBLISHED_WITHIN)
    first = min(dates, default=None)
    # all its flaws have to be dated: one that is not may have been known before
    exact = first if first and made and len(dates) == len(named) and first >= made else None
    scores = tuple(flaws[cve].score if cve in flaws else None for cve in fix.cves)
    severities = tuple(flaws[cve].severity if cve in flaws else None for cve in fix.cves)
    return Erratum(
        id=f"secdb:{fix.source}/{fix.version}",
        kind="security",
        severity=worst.severity if worst else None,
        issued=exact,
        cves=fix.cves,
        title=f"{fix.source} {fix.version} fixes {_listed(fix.ids)}",
        source=index.meta.source,
        fixes=(fix.fix,),
        issued_at_latest=None if exact else by,
        rated_by=f"{worst.rated_by} of {worst.id}" if worst and worst.severity else "",
        cve_severities=severities if any(severities) else (),
        cve_scores=scores if any(score is not None for score in scores) else (),
    )


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return ", ".join(ids[:3]) + more


def _age(erratum: Erratum) -> tuple[datetime, str]:
    return erratum.issued or erratum.issued_at_latest or datetime.max.replace(tzinfo=UTC), erratum.id


def _evidence(index: FeedIndex) -> Evidence:
    meta = index.meta
    statement = f"{meta.counts.get('fixes', 0)} fixed versions, as of {meta.retrieved:%Y-%m-%d %H:%M} UTC"
    return Evidence(statement, meta.source, meta.digest or None, index.checked)


def _and(one: Noticed, other: Noticed) -> Noticed:
    return Noticed(
        (*one.errata, *other.errata),
        (*one.unassessed, *other.unassessed),
        (*one.evidence, *other.evidence),
        (*one.gaps, *other.gaps),
    )


@functools.cache
def _publishers() -> dict[str, _Publisher]:
    return msgspec.convert(tomllib.loads(data("secdb.toml").decode()), dict[str, _Publisher])
