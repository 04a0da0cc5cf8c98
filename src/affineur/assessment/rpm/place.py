"""One rpm-md repository, read: what it offers, its modules, and its notices."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from affineur.errata.erratum import Erratum
from affineur.errata.rpm.updateinfo import read_updateinfo
from affineur.errors import ContentError, SourceError
from affineur.repositories.rpmmd.fetch import Fetcher
from affineur.repositories.rpmmd.filters import Offered
from affineur.repositories.rpmmd.model import DataFile, Fetched, Offer
from affineur.repositories.rpmmd.modules import MAX_BYTES, Modules, read_modules
from affineur.repositories.rpmmd.offers import Offers, OffersKept
from affineur.repositories.rpmmd.primary import read_primary

if TYPE_CHECKING:
    from affineur.store.offers import OfferStore

__all__ = ["Place", "read_place"]


class Place(msgspec.Struct, frozen=True):
    """A repository and what was read of it.

    Attributes:
        offers: about the names asked for, in the repository's order.
        count, newest: of all its packages: how many, and when the newest was built.
        read: whether `offers` is all that there is; where not, `problems` says why.
        notices: of updateinfo.xml, about the names asked for; those about others come without builds.
        has_notices: False: it has no updateinfo.xml; None: it has one that could not be read.
        modules_unread: why modules.yaml could not be read.
        problems: of the repository itself, and of what could not be read here.
    """

    fetched: Fetched
    offers: tuple[Offer, ...] = ()
    count: int = 0
    newest: datetime | None = None
    read: bool = False
    modules: Modules | None = None
    modules_unread: str = ""
    notices: tuple[Erratum, ...] = ()
    has_notices: bool | None = False
    problems: tuple[str, ...] = ()

    @property
    def notice_count(self) -> int | None:
        """How many final notices it has; None where it has no updateinfo.xml."""
        if not self.has_notices:
            return None
        return sum(not notice.status for notice in self.notices)

    @property
    def offered(self) -> Offered:
        """As the choice wants it."""
        return Offered(self.fetched.repository, self.offers, self.modules, self.modules_unread)


def read_place(
    fetcher: Fetcher, fetched: Fetched, names: Collection[str], publisher: str, memory: "OfferStore | None"
) -> Place:
    """Read a repository's metadata. Never raises for what the repository holds.

    Args:
        names: of the packages that matter.
        publisher: os-release's ID of the distribution whose severities the notices' words are.
        memory: offers of primary.xml files read before.
    """
    if fetched.repomd is None:
        return Place(fetched, problems=fetched.problems)
    data, problems = fetched.repomd.data, list(fetched.problems)
    offers: tuple[Offer, ...] = ()
    count, newest, read = 0, None, False
    try:
        found = _offers(fetcher, fetched, names, memory)
        offers, count, newest, read = tuple(found.lookup(names)), found.count, found.newest, True
    except (SourceError, ContentError) as error:
        problems.append(str(error))
    modules, modules_unread = None, ""
    if "modules" in data:
        try:
            modules = read_modules(fetcher.whole(fetched, "modules", MAX_BYTES), f"{fetched.url}modules.yaml")
        except (SourceError, ContentError) as error:
            modules_unread = str(error)
    notices: tuple[Erratum, ...] = ()
    has_notices: bool | None = "updateinfo" in data
    if has_notices:
        try:
            where = f"{fetched.url}{data['updateinfo'].href}"
            notices = tuple(read_updateinfo(fetcher.data(fetched, "updateinfo"), publisher, where, names))
        except (SourceError, ContentError) as error:
            has_notices = None
            problems.append(f"its notices could not be read: {error}")
    return Place(fetched, offers, count, newest, read, modules, modules_unread, notices, has_notices, tuple(problems))


def _offers(fetcher: Fetcher, fetched: Fetched, names: Collection[str], memory: "OfferStore | None") -> Offers:
    file: DataFile | None = fetched.repomd.data.get("primary") if fetched.repomd else None
    where = f"{fetched.url}{file.href if file else 'repodata/primary.xml'}"
    checksum = "" if file is None else file.open_checksum or file.checksum
    if memory is not None and checksum:
        known = memory.open(checksum)
        if known is not None:
            return known
    offers = read_primary(fetcher.data(fetched, "primary"), where)
    if memory is not None and checksum:
        try:
            return memory.build(checksum, offers)
        except OSError:  # nothing can be remembered: read once more, for these names
            offers = read_primary(fetcher.data(fetched, "primary"), where)
    return OffersKept(offers, names)
