"""Errata from OSV's archives, looked up by source package: notices, and what CVE records say of severity."""

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from affineur.errata.archive import Record
from affineur.errata.archives import DEFAULT_BASE, FEED_BUDGET_S, RECHECK_AFTER_S, Archives, Held, Reading
from affineur.errata.erratum import Erratum
from affineur.errata.fetching import Web
from affineur.errata.index import READER, Passed, covers, cve_ratings, entries, looked_up
from affineur.errata.noticed import Noticed
from affineur.errata.publishers import Ecosystems, ecosystems
from affineur.errata.rating import rating_here, rerated
from affineur.errata.severity import Rating, table_digest
from affineur.errata.unfixed.statements import Statement, covered, said
from affineur.errors import ContentError
from affineur.evidence import Evidence, Unassessed
from affineur.packages.osrelease import Release
from affineur.progress import Progress
from affineur.store.feeds import FeedStore

__all__ = ["Feeds", "LeftOpen"]


class LeftOpen(NamedTuple):
    """What CVE records say of flaws without a fix: (ecosystem, source package, statements), and where they are from."""

    said: list[tuple[str, str, list[Statement]]]
    source: str
    evidence: list[Evidence]


class Feeds:
    """The errata of distributions. Each archive is asked for at most once. Not for several threads at once.

    Args: as for `Archives`, which is kept as the attribute `archives`.
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
        self.archives = Archives(
            store,
            web,
            base=base,
            offline=offline,
            budget_s=budget_s,
            recheck_after_s=recheck_after_s,
            now=now,
            progress=progress,
        )

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
        self.archives.close()

    def _hold(self, wanted: Ecosystems) -> Held:
        def made(records: Iterable[Record], passed: Passed) -> Iterable[tuple[str, bytes]]:
            return entries(records, wanted.notices, passed)

        version = f"{READER}-{table_digest()}-{','.join(wanted.notices)}"
        return self.archives.hold(Reading(wanted.feed, "osv", version, made))
