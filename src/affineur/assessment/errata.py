"""Which errata an image lacks, whatever its distribution: what the grade counts, and what a rebuild would leave."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from affineur.errata.erratum import Erratum, Finding
from affineur.evidence import Evidence, Unassessed
from affineur.packages.inventory import Package
from affineur.packages.versions.order import order_of
from affineur.repositories.update import Update
from affineur.trust.model import Unapplied

__all__ = ["Errata", "out_by_now", "unapplied", "upgraded"]


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
        key = order_of(package.manager)
        if found is not None and key(found.available) > key(package.version):
            package = msgspec.structs.replace(
                package, version=found.available, source=found.source, source_version=found.source_version
            )
        after.append(package)
    return after


def out_by_now(finding: Finding, now: datetime) -> Finding:
    """Take a date in the future for no date at all: what is known today was out by now, and must not wait to count."""
    erratum = finding.erratum
    if erratum.issued is None or erratum.issued <= now:
        return finding
    return msgspec.structs.replace(finding, erratum=msgspec.structs.replace(erratum, issued=None, issued_at_latest=now))


def _age(erratum: Erratum) -> tuple[bool, datetime | None, str]:
    moment = erratum.issued or erratum.issued_at_latest
    return (moment is None, moment, erratum.id)
