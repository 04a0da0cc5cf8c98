"""Which updates zypper would list: `zypper list-updates`, as far as that can be told without resolving dependencies.

For each installed package zypper looks at packages of its name that are no older, of its vendor, and of its
architecture or noarch; of those at the repositories of the best priority; and takes the newest. Locked packages are
left out. Where another package replaces it (obsoletes), the solver takes that instead, and nothing is listed. zypper
leaves out what cannot be installed, too: that would need all packages' dependencies, and is not foretold.

Sources: zypper(8) § list-updates, § Package Lock Management; libzypp's zypp.conf (solver.allowVendorChange) and
vendors.d; where they are silent, what zypper prints (tests/system/test_zypper_choice.py).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from affineur.packages.inventory import Package
from affineur.packages.versions.rpm import compare, key
from affineur.repositories.rpmmd.architectures import compatible
from affineur.repositories.rpmmd.filters import Candidate
from affineur.repositories.rpmmd.globs import matches
from affineur.repositories.rpmmd.model import RpmConfiguration
from affineur.repositories.rpmmd.obsoletes import obsoleted

__all__ = ["Judged", "judged"]

NOARCH = "noarch"
SAME_VENDORS = ("suse",)  # beginnings, in lower case: libzypp takes all of SUSE's names for one


class Judged(NamedTuple):
    """One installed package, what zypper would take (None: nothing), and the highest that is hidden, and why."""

    package: Package
    taken: Candidate | None
    hidden: Candidate | None = None
    because: str = ""


def judged(
    installed: Sequence[Package], candidates: Iterable[Candidate], configuration: RpmConfiguration
) -> Iterator[Judged]:
    """Judge every installed name of which something newer is on offer, by name."""
    usable = compatible(configuration.basearch)
    by_name: dict[str, list[Package]] = defaultdict(list)
    for package in installed:
        by_name[package.name].append(package)
    offers: dict[str, list[Candidate]] = defaultdict(list)
    replacing: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.offer.architecture in usable:
            offers[candidate.offer.name].append(candidate)
            for obsolete in candidate.offer.obsoletes:
                replacing[obsolete.name].append(candidate)
    for name, present in sorted(by_name.items()):
        package = max(present, key=lambda each: key(each.version))
        if package.architecture not in usable:
            continue
        own = (
            _of_best_architecture(offers[name], configuration.basearch)
            if package.architecture == NOARCH
            else offers[name]
        )
        newer = [
            each
            for each in own
            if _same_architecture(each, package) and compare(each.offer.version, package.version) > 0
        ]
        if newer:
            yield _judge(package, by_name, own, newer, replacing[name], configuration)


def _judge(
    package: Package,
    by_name: Mapping[str, Sequence[Package]],
    offers: Sequence[Candidate],
    newer: Sequence[Candidate],
    replacing: Sequence[Candidate],
    configuration: RpmConfiguration,
) -> Judged:
    top = _newest(newer)
    present = by_name[package.name]
    if len({each.architecture for each in present}) > 1:
        return Judged(package, None, top, "it is installed for several architectures, which exclude each other")
    if lock := next((lock for lock in configuration.locks if matches(lock, package.name)), None):
        return Judged(package, None, top, f"the lock {lock} holds it")
    allowed = [
        each
        for each in offers
        if _same_architecture(each, package)
        and _same_vendor(each, package, configuration)
        and compare(each.offer.version, package.version) >= 0
    ]
    if not allowed:
        return Judged(package, None, top, f"it is of another vendor: {top.offer.vendor or '(none)'}")
    best = min(each.repository.priority for each in allowed)
    taken = _newest([each for each in allowed if each.repository.priority == best])
    if compare(taken.offer.version, package.version) <= 0:
        return Judged(package, None, top, "a repository of a better priority has what is installed")
    for other in replacing:
        if (
            other.offer.name != package.name
            and other.repository.priority <= best
            and _same_architecture(other, package)
            and _same_vendor(other, package, configuration)
            and _takes_its_place(other, package, taken, by_name, configuration)
        ):
            return Judged(package, None, taken, f"{other.offer.name} replaces it")
    if compare(top.offer.version, taken.offer.version) <= 0:
        return Judged(package, taken)
    same = _same_vendor(top, package, configuration)
    why = "a repository of a better priority has it, too" if same else f"it is of another vendor: {top.offer.vendor}"
    return Judged(package, taken, top, why)


def _replaces(other: Candidate, name: str, version: str) -> bool:
    return any(each.name == name and obsoleted(each, version) for each in other.offer.obsoletes)


def _of_best_architecture(candidates: Sequence[Candidate], basearch: str) -> list[Candidate]:
    """What may take the place of a noarch package: of several architectures only the best that there is."""
    order = compatible(basearch)
    best = min((order.index(each.offer.architecture) for each in candidates), default=0)
    return [each for each in candidates if each.offer.architecture in (order[best], NOARCH)]


def _takes_its_place(
    other: Candidate,
    package: Package,
    taken: Candidate,
    by_name: Mapping[str, Sequence[Package]],
    configuration: RpmConfiguration,
) -> bool:
    """An update of an installed package takes away what it obsoletes; others must obsolete what is on offer, too."""
    if not _replaces(other, package.name, package.version):
        return False
    if other.offer.name not in by_name:
        return _replaces(other, package.name, taken.offer.version)
    return all(
        compare(other.offer.version, each.version) > 0
        and _same_architecture(other, each)
        and _same_vendor(other, each, configuration)
        for each in by_name[other.offer.name]
    )


def _newest(candidates: Sequence[Candidate]) -> Candidate:
    """The highest version; of several places the first repository by its alias."""
    top = max(candidates, key=lambda each: key(each.offer.version)).offer.version
    same = [each for each in candidates if compare(each.offer.version, top) == 0]
    return min(same, key=lambda each: each.repository.id)


def _same_architecture(candidate: Candidate, package: Package) -> bool:
    return candidate.offer.architecture == package.architecture or NOARCH in (
        candidate.offer.architecture,
        package.architecture,
    )


def _same_vendor(candidate: Candidate, package: Package, configuration: RpmConfiguration) -> bool:
    """Letter case does not count; packages without a vendor are of one vendor."""
    new, old = candidate.offer.vendor.lower(), package.vendor.lower()
    return configuration.vendor_change or new == old or (new.startswith(SAME_VENDORS) and old.startswith(SAME_VENDORS))
