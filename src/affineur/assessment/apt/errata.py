"""Which errata an image of apt lacks: notices where they are published, changelogs where not, else bounds."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from affineur.assessment.errata import Errata, out_by_now
from affineur.assessment.means import Means
from affineur.errata.erratum import Erratum
from affineur.errata.gather import gather
from affineur.errata.noticed import Noticed
from affineur.http.addresses import Reach
from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease, Release
from affineur.repositories.apt.model import Suite
from affineur.repositories.update import Update

__all__ = ["find_errata"]


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
        findings=tuple(out_by_now(finding, means.now) for finding in gathered.findings),
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
