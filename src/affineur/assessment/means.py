"""What an assessment works with: handed in by the front end, so that nothing here opens a file or a socket."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from affineur.image.walk import LayerMemory
from affineur.oci.platform import Platform
from affineur.progress import Progress
from affineur.repositories.published import Remembered
from affineur.repositories.reference import ReferenceSuite
from affineur.settings import Settings

if TYPE_CHECKING:
    from affineur.errata.feeds import Feeds
    from affineur.errata.unfixed.feeds import UnfixedFeeds
    from affineur.http.client import Client
    from affineur.store.feeds import Texts
    from affineur.store.offers import OfferStore

__all__ = ["Means"]


class Means(msgspec.Struct, frozen=True):
    """Clients, memories and dates.

    Attributes:
        layers: facts of layers read before; None to read all anew.
        releases: the newest dates of suites seen before, against rollback.
        feeds: published notices; None for none.
        changelogs: those read before.
        offers: of rpm-md repositories read before.
        entitled: whether the user has an entitlement that is shown to a host.
        now: the real clock; metadata is judged by it.
        as_of: the day that the grade is asked for.
        references: the user's own reference suites.
        offline: read no .deb for its changelog.
        unfixed: vendors' word on flaws without a fix; None where it is not asked for.
    """

    client: "Client"
    progress: Progress
    settings: Settings
    now: datetime
    as_of: datetime
    layers: LayerMemory | None
    releases: Remembered | None
    feeds: "Feeds | None"
    changelogs: "Texts | None" = None
    references: tuple[ReferenceSuite, ...] = ()
    platform: Platform | None = None
    offline: bool = False
    unfixed: "UnfixedFeeds | None" = None
    offers: "OfferStore | None" = None
    entitled: Callable[[str], bool] | None = None
