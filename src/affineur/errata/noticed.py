"""What a source of notices answers."""

from collections.abc import Iterable

import msgspec

from affineur.errata.erratum import Erratum
from affineur.evidence import Evidence, Unassessed

__all__ = ["Noticed"]


class Noticed(msgspec.Struct, frozen=True):
    """The notices about an image's packages.

    Attributes:
        errata: what was found.
        unassessed: what could not be told.
        evidence: where it comes from.
        gaps: why a notice that is out may not be among them; empty where all were read, as of today. With a gap, that
            nothing was found says nothing.
    """

    errata: tuple[Erratum, ...]
    unassessed: tuple[Unassessed, ...]
    evidence: tuple[Evidence, ...]
    gaps: tuple[str, ...] = ()

    def but(
        self, *, errata: Iterable[Erratum] = (), unassessed: Iterable[Unassessed] = (), gaps: Iterable[str] = ()
    ) -> "Noticed":
        """The same and more."""
        return Noticed((*self.errata, *errata), (*self.unassessed, *unassessed), self.evidence, (*self.gaps, *gaps))

    @classmethod
    def nothing(cls, what: str, why: str) -> "Noticed":
        """None could be read."""
        return cls((), (Unassessed(what, why),), (), (f"{what} could not be read: {why}",))
