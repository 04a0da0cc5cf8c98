"""What each distribution publishes, as data (publishers.toml), and which of OSV's ecosystems is a release's own.

Debian publishes security notices (DSA; DLA for releases in long-term support) for its stable releases, Ubuntu publishes
USN for every supported release; both name source packages, fixed versions and CVEs. Neither rates the notice itself:
the severity comes from the CVEs. Testing and unstable get no notices.
"""

import functools
import tomllib

import msgspec

from affineur.errata.data import data
from affineur.packages.osrelease import Release

__all__ = ["Ecosystems", "ecosystems", "errata_from", "publishes"]


class Ecosystems(msgspec.Struct, frozen=True):
    """Where a release's notices are found in OSV's archives.

    Attributes:
        feed: folder of the archive, e.g. `Debian`.
        free: the ecosystem strings of everyone's fixes, e.g. `Ubuntu:14.04:LTS`.
        paid: those of fixes for paying customers only, e.g. `Ubuntu:Pro:14.04:LTS`.
        notices: beginnings of the ids of notices.
    """

    feed: str
    free: tuple[str, ...]
    paid: tuple[str, ...]
    notices: tuple[str, ...]


class _Publisher(msgspec.Struct, forbid_unknown_fields=True):
    publishes: str
    statement: str
    errata: str = ""
    feed: str = ""
    notices: tuple[str, ...] = ()


def publishes(distribution_id: str) -> tuple[str, str]:
    """Say what the distribution with this os-release ID publishes.

    Returns:
        one of "nothing", "updates", "notices", "notices with CVEs" or "unknown"; and a sentence for people.
    """
    found = _publishers().get(distribution_id)
    if found is None:
        named = f"'{distribution_id}'" if distribution_id else "this image's distribution"
        return "unknown", f"It is not known what {named} publishes about the flaws that its updates fix."
    return found.publishes, found.statement


def errata_from(distribution_id: str) -> str:
    """Say where this program reads a distribution's errata.

    Returns:
        "osv" (see `ecosystems`), "updateinfo" (of its repositories) or "none".
    """
    found = _publishers().get(distribution_id)
    if found is None:
        return "none"
    return found.errata or ("osv" if found.feed else "none")


def ecosystems(release: Release) -> Ecosystems | str:
    """Name the OSV ecosystems of a release; or say in a sentence why there are none.

    Source: OSV schema § affected[].package.ecosystem: `Debian:<major>`, `Ubuntu:<version>[:LTS]`, `Ubuntu:Pro:…`.
    Ubuntu's records say `:LTS` for those releases only, so both forms are looked for. The Pro ecosystems of FIPS and
    real-time builds are other builds, in other archives, and are not about an image without them.
    """
    found = _publishers().get(release.id)
    if found is None or not found.feed:
        return publishes(release.id)[1] if found is None else f"This program reads no errata of {release.id} yet."
    version = release.version_id
    if not version:
        named = release.codename or "(no VERSION_ID in os-release)"
        return f"No notices are published for {release.id} {named}, which is no numbered release."
    free: tuple[str, ...] = (f"{found.feed}:{version.partition('.')[0]}",)
    paid: tuple[str, ...] = ()
    if found.feed == "Ubuntu":
        free = (f"Ubuntu:{version}:LTS", f"Ubuntu:{version}")
        paid = (f"Ubuntu:Pro:{version}:LTS", f"Ubuntu:Pro:{version}")
    return Ecosystems(found.feed, free, paid, found.notices)


@functools.cache
def _publishers() -> dict[str, _Publisher]:
    return msgspec.convert(tomllib.loads(data("publishers.toml").decode()), dict[str, _Publisher])
