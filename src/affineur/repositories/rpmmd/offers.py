"""What one repository offers, looked up by the names that matter."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Protocol

from affineur.repositories.rpmmd.model import Offer

__all__ = ["Offers", "OffersKept"]


class Offers(Protocol):
    """One repository's packages; `count` and `newest` are about all of them.

    Attributes:
        count: how many packages the repository has.
        newest: when the newest of them was built, UTC; None where none says.
    """

    count: int
    newest: datetime | None

    def lookup(self, names: Collection[str]) -> list[Offer]:
        """Find the packages of these names and those that obsolete one of them, in the repository's order.

        Raises:
            MalformedDatabase: what was remembered is damaged.
        """
        ...


class OffersKept:
    """Offers read in passing: all are counted, and only those about some names are kept.

    Args:
        offers: as read_primary yields them; its errors are raised here.
        names: all that will be looked up.
    """

    def __init__(self, offers: Iterable[Offer], names: Collection[str]) -> None:
        wanted = frozenset(names)
        self.count = 0
        self.newest: datetime | None = None
        self._kept: list[Offer] = []
        for offer in offers:
            self.count += 1
            if offer.built is not None and (self.newest is None or offer.built > self.newest):
                self.newest = offer.built
            if _about(offer, wanted):
                self._kept.append(offer)

    def lookup(self, names: Collection[str]) -> list[Offer]:
        """As Offers.lookup, among the names that were given at first."""
        wanted = frozenset(names)
        return [offer for offer in self._kept if _about(offer, wanted)]


def _about(offer: Offer, names: frozenset[str]) -> bool:
    return offer.name in names or any(obsolete.name in names for obsolete in offer.obsoletes)
