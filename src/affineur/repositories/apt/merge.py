"""One list of versions per package, from all indexes and dpkg's status, merged as apt merges them.

Source: what `apt list` prints (tests/system/test_apt_choice.py); no page describes it.
"""

from collections.abc import Iterable, Sequence

import msgspec

from affineur.packages.inventory import Package
from affineur.packages.versions.deb import key
from affineur.repositories.apt.model import Offer, OfferedSuite, PinRule, Release, SourceEntry, Suite
from affineur.repositories.apt.policy import Index, Policy, site

__all__ = ["File", "Offers", "Version", "merged", "offers_by_package", "release_of", "slot"]

UNNAMED_SUITE = "unknown"  # apt's word for a Release without a Suite


def slot(architecture: str, native: str) -> str:
    """apt files packages of architecture `all` under the native one."""
    return native if architecture == "all" else architecture


def release_of(suite: Suite) -> Release:
    """The Release of a suite that is usable."""
    if suite.release is None:
        raise ValueError("a suite without a Release is not usable")
    return suite.release


class File(msgspec.Struct, frozen=True, eq=False):
    """One Packages file, or dpkg's status: entry is None."""

    index: Index
    suite: str
    entry: SourceEntry | None
    priority: int
    pin: PinRule | None


class Version(msgspec.Struct, eq=False):
    """One version of a package, with all files that offer it, in order.

    Attributes:
        offer: the first stanza that offers it; None for one that is only installed.
    """

    version: str
    architecture: str
    multi_arch: str
    relations: int | None
    source: str
    source_version: str
    phased: int | None
    size: int
    files: list[File]
    offer: Offer | None


Offers = Sequence[tuple[Offer, File]]


def offers_by_package(
    suites: Iterable[OfferedSuite], names: set[tuple[str, str]], native: str, policy: Policy
) -> dict[tuple[str, str], list[tuple[Offer, File]]]:
    """All offers for the installed packages, in the order in which apt reads its files.

    Entries of one URI and suite are one source to apt, at the place of the first of them; within a source the order is
    that of the entries' components, then of the architectures. A file that two entries name is read once.
    """
    sources: dict[tuple[str, str], dict[tuple[str, str], tuple[File, Sequence[Offer]]]] = {}
    for offered in suites:
        entry = offered.suite.entry
        files = sources.setdefault((entry.uri, entry.suite), {})
        split: dict[tuple[str, str], list[Offer]] = {}
        for offer in offered.offers:
            split.setdefault((offer.component, offer.index_architecture), []).append(offer)
        for place in sorted(split, key=lambda place: _rank(place, entry)):
            if place not in files:
                files[place] = (_file(offered.suite, place, policy), split[place])
    found: dict[tuple[str, str], list[tuple[Offer, File]]] = {}
    for files in sources.values():
        for file, offers in files.values():
            for offer in offers:
                package = (offer.name, slot(offer.architecture, native))
                if package in names:
                    found.setdefault(package, []).append((offer, file))
    return found


def _rank(place: tuple[str, str], entry: SourceEntry) -> int:
    return entry.components.index(place[0]) if place[0] in entry.components else len(entry.components)


def _file(suite: Suite, place: tuple[str, str], policy: Policy) -> File:
    release = release_of(suite)
    index = Index(release, site(suite.entry.uri), *place)
    priority, pin = policy.index_priority(index)
    return File(index, release.suite or UNNAMED_SUITE, suite.entry, priority, pin)


def merged(package: Package, offers: Offers, status: File) -> tuple[list[Version], Version]:
    """All versions of a package, highest first, and the installed one among them.

    A version of the same build on offer and installed is one; of those equal in version only, the installed comes last.

    Args:
        status: dpkg's, which is read after all indexes.
    """
    versions: list[Version] = []
    for offer, file in offers:
        _insert(versions, _offered(offer, file))
    own = Version(
        version=package.version,
        architecture=package.architecture,
        multi_arch=package.multi_arch,
        relations=package.relations,
        source=package.source,
        source_version=package.source_version,
        phased=None,
        size=0,
        files=[status],
        offer=None,
    )
    return versions, _insert(versions, own)


def _offered(offer: Offer, file: File) -> Version:
    return Version(
        version=offer.version,
        architecture=offer.architecture,
        multi_arch=offer.multi_arch,
        relations=offer.relations,
        source=offer.source,
        source_version=offer.source_version,
        phased=offer.phased,
        size=offer.size,
        files=[file],
        offer=offer,
    )


def _insert(versions: list[Version], new: Version) -> Version:
    """Merge with an equal version of the same build, or stand behind those that are not lower."""
    rank = key(new.version)
    place = len(versions)
    for at, other in enumerate(versions):
        own = key(other.version)
        if rank > own:
            place = at
            break
        if rank == own and _same_build(other, new):
            other.files.extend(new.files)
            if new.phased not in (None, 100):
                other.phased = new.phased
            return other
    versions.insert(place, new)
    return new


def _same_build(first: Version, second: Version) -> bool:
    if first.relations is None or second.relations is None:
        return True
    if first.relations != second.relations or (first.size and second.size and first.size != second.size):
        return False
    return _multi_arch(first) == _multi_arch(second)


def _multi_arch(version: Version) -> tuple[str, bool]:
    """What apt keeps of the field: nothing of unknown words, nor of `same` where the package fits all anyway."""
    of_all = version.architecture == "all"
    known = ("foreign", "allowed") if of_all else ("same", "foreign", "allowed")
    return version.multi_arch if version.multi_arch in known else "", of_all
