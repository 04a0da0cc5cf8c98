"""Which errata an image lacks: notices where they are published, changelogs where not, and bounds where neither is."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from affineur.assessment.means import Means
from affineur.errata.erratum import Erratum, Finding
from affineur.errata.gather import gather
from affineur.errata.noticed import Noticed
from affineur.evidence import Evidence, Unassessed
from affineur.http.addresses import Reach
from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease, Release
from affineur.packages.versions.deb import key
from affineur.repositories.apt.model import Suite
from affineur.repositories.update import Update
from affineur.trust.model import Unapplied

__all__ = ["Errata", "find_errata", "unapplied", "upgraded"]


class Errata(msgspec.Struct, frozen=True):
    """What is known of the fixes that an image lacks.

    Attributes:
        findings: the errata that are lacking, one finding per source package.
        published: what the distribution offers, with the errata of each update.
        gaps: why a published notice that the image lacks may not be known.
        unexplained: updates of which nothing says what they fix: notices could not be read, nor their changelogs. Where
            all notices were read, an update that none speaks of is no security update but by its suite.
    """

    findings: tuple[Finding, ...]
    published: tuple[Update, ...]
    gaps: tuple[str, ...]
    unexplained: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    unassessed: tuple[Unassessed, ...]

    @property
    def errata(self) -> tuple[Erratum, ...]:
        """Those lacking, each once, oldest first, unknown dates last."""
        distinct = {finding.erratum.id: finding.erratum for finding in self.findings}
        return tuple(sorted(distinct.values(), key=_age))

    @property
    def packages_of(self) -> dict[str, tuple[str, ...]]:
        """Erratum id → the installed packages that lack it."""
        names: dict[str, set[str]] = {}
        for finding in self.findings:
            names.setdefault(finding.erratum.id, set()).update(finding.packages)
        return {identifier: tuple(sorted(found)) for identifier, found in names.items()}


def find_errata(
    means: Means,
    os_release: OSRelease,
    installed: Sequence[Package],
    offered: Sequence[Update],
    suites: Sequence[Suite],
    reach: Reach,
) -> Errata:
    """Ask the notices, then the changelogs of what no notice explains, and match both on source versions.

    Args:
        offered: what the distribution publishes for the installed packages (not only what the image would take).
        suites: all that were read.
        reach: how local the image's URLs may lead.
    """
    with means.progress.stage("notices and changelogs") as stage:

        def fetch(url: str, limit: int) -> bytes:
            body = means.client.get(url, limit=limit, reach=reach).body
            stage.advance(len(body))
            return body

        gathered = gather(
            os_release,
            installed,
            offered,
            suites,
            means.feeds or _NoNotices(),
            None if means.offline else fetch,
            remembered=means.changelogs,
            byte_budget=means.settings.feeds.changelog_bytes,
        )
    untold = {problem.what for problem in gathered.unassessed}
    return Errata(
        findings=tuple(_out_by_now(finding, means.now) for finding in gathered.findings),
        published=gathered.updates,
        gaps=gathered.gaps,
        unexplained=tuple(_unexplained(gathered.updates, untold)) if gathered.gaps else (),
        evidence=gathered.evidence,
        unassessed=gathered.unassessed,
    )


class _NoNotices:
    """Stands for the feed where the settings name none."""

    def errata_for(self, distribution: Release, sources: Mapping[str, str]) -> Noticed:
        return Noticed.nothing(f"notices of {distribution.id}", "no feed of notices is configured (feeds.osv)")

    def rated(self, distribution: Release, errata: Sequence[Erratum]) -> list[Erratum]:
        return list(errata)


def _unexplained(updates: Iterable[Update], untold: Collection[str]) -> Iterator[str]:
    for name in dict.fromkeys(f"{u.source} {u.source_version}" for u in updates if not u.errata):
        if f"changelog of {name}" in untold:
            yield name


def unapplied(errata: Iterable[Erratum]) -> list[Unapplied]:
    """What the grade counts: security errata that everyone can have."""
    return [
        Unapplied(erratum.id, erratum.severity, erratum.issued, erratum.issued_at_latest)
        for erratum in errata
        if erratum.kind == "security" and not erratum.paid_only
    ]


def upgraded(installed: Iterable[Package], published: Iterable[Update]) -> list[Package]:
    """What would be installed after a rebuild that takes everything the distribution offers."""
    newest: dict[tuple[str, str], Update] = {}
    for update in published:
        newest[update.name, update.architecture] = update
    after = []
    for package in installed:
        found = newest.get((package.name, package.architecture))
        if found is not None and key(found.available) > key(package.version):
            package = msgspec.structs.replace(
                package, version=found.available, source=found.source, source_version=found.source_version
            )
        after.append(package)
    return after


def _out_by_now(finding: Finding, now: datetime) -> Finding:
    """Take a date in the future for no date at all: what is known today was out by now, and must not wait to count."""
    erratum = finding.erratum
    if erratum.issued is None or erratum.issued <= now:
        return finding
    return msgspec.structs.replace(finding, erratum=msgspec.structs.replace(erratum, issued=None, issued_at_latest=now))


def _age(erratum: Erratum) -> tuple[bool, datetime | None, str]:
    moment = erratum.issued or erratum.issued_at_latest
    return (moment is None, moment, erratum.id)
