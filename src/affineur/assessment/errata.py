"""Which errata an image lacks: notices where they are published, changelogs where not, and bounds where neither is."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from affineur.assessment.means import Means
from affineur.errata.erratum import Erratum, Finding
from affineur.errata.match import errata_of_updates, match, merged
from affineur.errata.plan import described, plan
from affineur.errata.unrated import unrated
from affineur.evidence import Evidence, Unassessed
from affineur.http.addresses import Reach
from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease
from affineur.packages.versions import key
from affineur.repositories.apt.model import Suite
from affineur.repositories.update import Update
from affineur.trust.model import Unapplied

__all__ = ["Errata", "find_errata", "unapplied", "upgraded"]


class Errata(msgspec.Struct, frozen=True):
    """What is known of the fixes that an image lacks.

    Attributes:
        findings: the errata that are lacking, one finding per source package.
        published: what the distribution offers, with the errata of each update.
        unexplained: updates of which nothing says what they fix: notices could not be read, nor their changelogs. Where
            all notices were read, an update that none speaks of is no security update but by its suite.
    """

    findings: tuple[Finding, ...]
    published: tuple[Update, ...]
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
    sources = {package.source for package in installed}
    problems: list[Unassessed] = []
    evidence: list[Evidence] = []
    notices: list[Erratum] = []
    complete = False
    with means.progress.stage("notices"):
        if means.feeds is None:
            problems.append(Unassessed("notices", "no feed of notices is configured (feeds.osv)"))
        else:
            notices, said, seen = means.feeds.errata_for(os_release, sources)
            complete = not said
            problems += said
            evidence += seen
    wanted, unplanned = plan(offered, notices, byte_budget=means.settings.feeds.changelog_bytes)
    problems += unplanned
    changelogs: Sequence[Erratum] = ()
    with means.progress.stage("changelogs", sum(one.candidates[0].size for one in wanted)) as stage:
        if means.offline:
            problems += [Unassessed(f"changelog of {one.source} {one.available}", "not read offline") for one in wanted]
        else:

            def fetch(url: str, limit: int) -> bytes:
                body = means.client.get(url, limit=limit, reach=reach).body
                stage.advance(len(body))
                return body

            found = described(wanted, fetch, byte_budget=means.settings.feeds.changelog_bytes)
            problems += found.unassessed
            evidence += found.evidence
            changelogs = found.errata
    known = merged(notices, changelogs)
    if means.feeds is not None:
        known = means.feeds.rated(os_release, known)
    known = [_out_by_now(erratum, means.now) for erratum in known]
    published = errata_of_updates(offered, known)
    known += unrated(published, suites, known)
    published = errata_of_updates(offered, known)
    unread = set() if complete else {problem.what for problem in problems}
    return Errata(
        findings=tuple(match(installed, known)),
        published=tuple(published),
        unexplained=tuple(
            dict.fromkeys(
                f"{update.source} {update.source_version}"
                for update in published
                if not update.errata and f"changelog of {update.source} {update.source_version}" in unread
            )
        ),
        evidence=tuple(evidence),
        unassessed=tuple(problems),
    )


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


def _out_by_now(erratum: Erratum, now: datetime) -> Erratum:
    """Take a date in the future for no date at all: what is known today was out by now, and must not wait to count."""
    if erratum.issued is None or erratum.issued <= now:
        return erratum
    return msgspec.structs.replace(erratum, issued=None, issued_at_latest=now)


def _age(erratum: Erratum) -> tuple[bool, datetime | None, str]:
    moment = erratum.issued or erratum.issued_at_latest
    return (moment is None, moment, erratum.id)
