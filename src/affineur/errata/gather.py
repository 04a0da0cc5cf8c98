"""Everything that is known of what an image lacks, from all sources of errata, put together once.

Notices first; for updates that no notice explains, changelogs; for security updates that neither explains, unrated
errata. CVEs rate what nobody rated. Nothing is counted twice, and what could not be told is listed.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from affineur.errata.erratum import Erratum, Finding
from affineur.errata.match import errata_of_updates, match, merged
from affineur.errata.noticed import Noticed
from affineur.errata.plan import BYTE_BUDGET, TIME_BUDGET_S, Fetch, Remembered, described, plan
from affineur.errata.unrated import rebuilds, unrated
from affineur.errors import Unreachable
from affineur.evidence import Evidence, Unassessed
from affineur.packages.inventory import Package
from affineur.packages.osrelease import Release
from affineur.packages.versions.order import order_of
from affineur.repositories.apt.model import Suite
from affineur.repositories.update import Update

__all__ = ["Gathered", "Notices", "gather", "lowest_versions"]


class Notices(Protocol):
    """Where notices come from; affineur.errata.feeds.Feeds is one."""

    def errata_for(self, distribution: Release, sources: Mapping[str, str]) -> Noticed:
        """Find the notices that these versions of source packages lack."""
        ...

    def rated(self, distribution: Release, errata: Sequence[Erratum]) -> list[Erratum]:
        """Rate unrated errata by the CVEs that they name."""
        ...


class Gathered(msgspec.Struct, frozen=True):
    """What is known.

    Attributes:
        findings: the errata that the image lacks, oldest first; those `paid_only` are not to be counted.
        updates: as given, with their errata filled in.
        errata: all that were found, lacking or brought by an update.
        gaps: why a notice that is out may be among none of these; see Noticed.
    """

    findings: tuple[Finding, ...]
    updates: tuple[Update, ...]
    errata: tuple[Erratum, ...]
    unassessed: tuple[Unassessed, ...]
    evidence: tuple[Evidence, ...]
    gaps: tuple[str, ...]


def lowest_versions(packages: Sequence[Package]) -> dict[str, str]:
    """Give each source package's installed version, the lowest where its binaries differ."""
    lowest: dict[str, str] = {}
    for package in packages:
        known = lowest.get(package.source)
        key = order_of(package.manager)
        if known is None or key(package.source_version) < key(known):
            lowest[package.source] = package.source_version
    return lowest


def gather(
    distribution: Release,
    packages: Sequence[Package],
    updates: Sequence[Update],
    suites: Sequence[Suite],
    notices: Notices,
    fetch: Fetch | None,
    *,
    remembered: Remembered | None = None,
    byte_budget: int = BYTE_BUDGET,
    time_budget_s: float = TIME_BUDGET_S,
) -> Gathered:
    """Collect the errata about an image's packages and updates.

    Args:
        updates: what its suites offer; `suites`: those that were read.
        fetch: fetches a .deb for its changelog; None where nothing may be asked (`--offline`).
        remembered: changelogs read earlier.
    """
    published = notices.errata_for(distribution, lowest_versions(packages))
    wanted, unplanned = plan(updates, published.errata, byte_budget=byte_budget, remembered=remembered)
    changelogs = described(
        wanted,
        fetch or _refused,
        byte_budget=byte_budget,
        time_budget_s=time_budget_s,
        remembered=remembered,
        codename=distribution.codename,
    )
    known = notices.rated(distribution, merged(published.errata, changelogs.errata))
    known += unrated(errata_of_updates(updates, known), suites, known)
    return Gathered(
        findings=tuple(sorted(match(packages, known), key=_age)),
        updates=tuple(errata_of_updates(updates, known)),
        errata=tuple(known),
        unassessed=(*published.unassessed, *unplanned, *changelogs.unassessed, *rebuilds(updates, suites)),
        evidence=(*published.evidence, *changelogs.evidence),
        gaps=published.gaps,
    )


def _age(finding: Finding) -> tuple[datetime, str]:
    erratum = finding.erratum
    return erratum.issued or erratum.issued_at_latest or datetime.max.replace(tzinfo=UTC), erratum.id


def _refused(url: str, limit: int) -> bytes:
    raise Unreachable(f"{url}: nothing may be asked (--offline), and its at most {limit} bytes are not remembered")
