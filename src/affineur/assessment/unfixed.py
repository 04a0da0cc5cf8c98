"""Known flaws without a fix, put beside an assessment that is made: they bear on no letter and on no verdict.

The vendor's documents that name them also rate the flaws that are fixed, each by itself; a notice of updateinfo.xml
rates only itself.
"""

import msgspec

from affineur.assessment.contents import Contents
from affineur.assessment.model import Assessment
from affineur.errata.erratum import CVE
from affineur.errata.unfixed.feeds import Rated, UnfixedFeeds
from affineur.errata.unfixed.model import apart

__all__ = ["with_unfixed"]


def with_unfixed(assessment: Assessment, contents: Contents, feeds: UnfixedFeeds) -> Assessment:
    """Fill in `unfixed`: what the vendor names without a fix, and no erratum fixes; None where it is not told.

    The CVEs that are fixed get the vendor's own word and score where they have none.
    """
    found = feeds.unfixed_for(contents.os_release, contents.packages)
    fixed = {(cve.id, cve.package) for cve in assessment.cves}
    rated, evidence = feeds.rated_for(contents.os_release, {cve.id for cve in assessment.cves})
    return msgspec.structs.replace(
        assessment,
        cves=tuple(_with_rating(cve, rated[cve.id]) if cve.id in rated else cve for cve in assessment.cves),
        unfixed=apart(found.cves, fixed, contents.packages) if found.told else None,
        evidence=tuple(dict.fromkeys((*assessment.evidence, *evidence, *found.evidence))),
        unassessed=tuple(dict.fromkeys((*assessment.unassessed, *found.unassessed))),
    )


def _with_rating(cve: CVE, rated: Rated) -> CVE:
    return msgspec.structs.replace(
        cve,
        severity=cve.severity or rated.severity,
        score=rated.score if cve.score is None else cve.score,
    )
