"""What the first half of the way found, handed to the second, which judges it."""

import msgspec

from affineur.assessment.contents import Contents
from affineur.assessment.errata import Errata
from affineur.assessment.model import Deviation, ForeignPackage, Notice, SuiteFacts
from affineur.errata.erratum import Erratum
from affineur.evidence import Evidence, Unassessed
from affineur.packages.inventory import Package
from affineur.repositories.update import Obsoleting, Update
from affineur.trust.verdict import SuiteState

__all__ = ["Found"]


class Found(msgspec.Struct, frozen=True):
    """Everything that was read, in the same shape for every package manager.

    Attributes:
        suites: the repositories that the answer rests on: the image's own, then its distribution's.
        states: of its distribution's, for the policy; one that should have been read and was not is among them.
        updates: what the image's own manager would offer inside, with the errata that each brings.
        obsoleting: packages on offer that would replace installed ones of other names.
        notices: each notice that an update on offer brings, and for which package.
        errata: what the distribution has published that the image lacks.
        foreign: installed packages that the distribution has not published.
        foreign_untold: why there may be others; empty where it was told of all.
        unknown: why a letter must not be given: whatever could hide an unapplied erratum.
        rebuilt: what would be installed were every package the newest that the distribution offers.
        left: the errata that would be lacking even then.
    """

    contents: Contents
    suites: tuple[SuiteFacts, ...]
    states: tuple[SuiteState, ...]
    updates: tuple[Update, ...]
    notices: tuple[Notice, ...]
    errata: Errata
    foreign: tuple[ForeignPackage, ...]
    foreign_untold: str
    unknown: tuple[str, ...]
    deviations: tuple[Deviation, ...]
    unassessed: tuple[Unassessed, ...]
    evidence: tuple[Evidence, ...]
    rebuilt: tuple[Package, ...]
    left: tuple[Erratum, ...]
    obsoleting: tuple[Obsoleting, ...] = ()
