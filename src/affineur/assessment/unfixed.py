"""Known flaws without a fix, put beside an assessment that is made: they bear on no letter and on no verdict."""

import msgspec

from affineur.assessment.contents import Contents
from affineur.assessment.model import Assessment
from affineur.errata.unfixed.feeds import UnfixedFeeds
from affineur.errata.unfixed.model import apart

__all__ = ["with_unfixed"]


def with_unfixed(assessment: Assessment, contents: Contents, feeds: UnfixedFeeds) -> Assessment:
    """Fill in `unfixed`: what the vendor names without a fix, and no erratum fixes; None where it is not told."""
    found = feeds.unfixed_for(contents.os_release, contents.packages)
    fixed = {(cve.id, cve.package) for cve in assessment.cves}
    return msgspec.structs.replace(
        assessment,
        unfixed=apart(found.cves, fixed, contents.packages) if found.told else None,
        evidence=tuple(dict.fromkeys((*assessment.evidence, *found.evidence))),
        unassessed=tuple(dict.fromkeys((*assessment.unassessed, *found.unassessed))),
    )
