"""Which updates dnf would list for what is installed: `dnf check-update`, without running it.

dnf takes what the enabled repositories offer, less what excludes and modules hide; of each name only the repositories
of the best priority; of that what is newer than all installed packages that it would replace; and of each name and
architecture the newest. Nothing is resolved: whether an update could be installed is not asked.

Sources: dnf.conf(5) § excludepkgs, includepkgs, priority, obsoletes; dnf(8) § check-update; where they are silent, what
dnf prints (tests/system/test_dnf_choice.py).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from affineur.packages.inventory import Package
from affineur.packages.versions.rpm import compare
from affineur.repositories.rpmmd.filters import Candidate, Filtered, Offered, filtered
from affineur.repositories.rpmmd.model import Repository, RpmConfiguration
from affineur.repositories.rpmmd.obsoletes import obsoleted
from affineur.repositories.rpmmd.zypper import judged
from affineur.repositories.update import Obsoleting, Update

__all__ = ["Choice", "Hidden", "Offered", "choose"]

NOARCH = "noarch"


class Hidden(msgspec.Struct, frozen=True):
    """A package of which a repository offers a higher version than the manager would take.

    Attributes:
        candidate: what it would take, often the installed version.
        available, suites: the highest version on offer, and the ids of the repositories that offer it.
        because: one sentence: which exclude, module stream or priority.
    """

    name: str
    architecture: str
    installed: str
    candidate: str
    available: str
    suites: tuple[str, ...]
    because: str


class Choice(msgspec.Struct, frozen=True):
    """What the manager would say.

    Attributes:
        updates: by name and architecture; `architecture` is what is installed, `available_architecture` what is offered
            where it is another.
        hidden: higher versions that it would not take, in the same order.
        obsoleting: not part of the updates, as dnf prints them apart.
        active: the builds of module streams that are in use, `name:stream:context`.
        unanswerable: why nothing could be told; all else is then empty, which is not a "none".
        problems: what could not be taken into account, so that the answer stands for the rest only.
    """

    updates: tuple[Update, ...]
    hidden: tuple[Hidden, ...] = ()
    obsoleting: tuple[Obsoleting, ...] = ()
    active: frozenset[str] = frozenset()
    unanswerable: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def choose(installed: Sequence[Package], offered: Sequence[Offered], configuration: RpmConfiguration) -> Choice:
    """Foretell `dnf check-update`, `yum check-update` or `zypper list-updates` in the image's file system.

    Args:
        installed: all packages of the rpm database.
        offered: the enabled repositories, in the order of `configuration.repositories`, each with the offers about
            installed names at least (offers.Offers.lookup). Only with those about the names of what obsoletes them do
            priorities hold among packages that are not installed.
        configuration: of the same image.
    """
    if configuration.unanswerable:
        return Choice((), unanswerable=configuration.unanswerable)
    present = [package for package in installed if package.manager == "rpm"]
    found = filtered(present, offered, configuration)
    if configuration.manager == "zypper":
        return _of_zypper(found, configuration)
    by_name: dict[str, list[Package]] = defaultdict(list)
    for package in found.installed:
        by_name[package.name].append(package)
    if configuration.manager == "yum":
        found = msgspec.structs.replace(found, candidates=_of_yum(found.candidates, present))
    taken = _newest(_upgrades(_of_best_priority(found.candidates), by_name))
    updates = [_update(place, by_name) for place in taken.values()]
    hidden = _hidden(present, found, taken)
    obsoleting = _obsoleting(found) if configuration.obsoletes else []
    return Choice(
        tuple(sorted(updates, key=lambda each: (each.name, each.available_architecture or each.architecture))),
        tuple(hidden),
        tuple(obsoleting),
        found.active,
        problems=found.problems,
    )


def _of_yum(candidates: Sequence[Candidate], installed: Iterable[Package]) -> list[Candidate]:
    """yum 3 takes a package from the cheapest repository (yum.conf(5) § cost), and has priorities by a plugin.

    Without yum-plugin-priorities all repositories are alike.
    """
    plugin = any(package.name == "yum-plugin-priorities" for package in installed)
    cheapest: dict[tuple[str, str, str], Candidate] = {}
    for each in candidates:
        repository = each.repository if plugin else msgspec.structs.replace(each.repository, priority=99)
        key = each.offer.name, each.offer.version, each.offer.architecture
        held = cheapest.get(key)
        if held is None or _worth(repository) < _worth(held.repository):
            cheapest[key] = Candidate(repository, each.offer)
    return list(cheapest.values())


def _worth(repository: Repository) -> tuple[int, int, str]:
    return repository.priority, repository.cost, repository.id


def _of_zypper(found: Filtered, configuration: RpmConfiguration) -> Choice:
    updates, hidden = [], []
    for each in judged(found.installed, found.candidates, configuration):
        if each.taken is not None:
            updates.append(_update([each.taken], {each.package.name: [each.package]}))
        if each.hidden is not None:
            reached = each.taken.offer.version if each.taken is not None else each.package.version
            hidden.append(_hiding(each.package, each.package.architecture, reached, [each.hidden], each.because))
    return Choice(tuple(updates), tuple(hidden), problems=found.problems)


def _of_best_priority(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Of each name, what the repositories of the lowest priority number offer."""
    best: dict[str, int] = {}
    candidates = list(candidates)
    for candidate in candidates:
        priority = candidate.repository.priority
        best[candidate.offer.name] = min(best.get(candidate.offer.name, priority), priority)
    return [each for each in candidates if each.repository.priority == best[each.offer.name]]


def _upgrades(candidates: Iterable[Candidate], installed: dict[str, list[Package]]) -> list[Candidate]:
    return [each for each in candidates if _replaced(each, installed.get(each.offer.name, ())) is not None]


def _replaced(candidate: Candidate, installed: Iterable[Package]) -> Package | None:
    """The newest installed package that a candidate is an update of; None if it is newer than not all of them."""
    newest: Package | None = None
    for package in installed:
        if not _may_replace(package.architecture, candidate.offer.architecture):
            continue
        if compare(candidate.offer.version, package.version) <= 0:
            return None
        if newest is None or compare(package.version, newest.version) > 0:
            newest = package
    return newest


def _may_replace(old: str, new: str) -> bool:
    return old == new or NOARCH in (old, new)


def _newest(candidates: Iterable[Candidate]) -> dict[tuple[str, str], list[Candidate]]:
    """Of each name and architecture the highest version, from all repositories that offer it."""
    newest: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        key = candidate.offer.name, candidate.offer.architecture
        held = newest.get(key)
        order = 1 if held is None else compare(candidate.offer.version, held[0].offer.version)
        if held is None or order > 0:
            newest[key] = [candidate]
        elif order == 0:
            held.append(candidate)
    return newest


def _update(offers: Sequence[Candidate], installed: dict[str, list[Package]]) -> Update:
    first = offers[0].offer
    package = _replaced(offers[0], installed[first.name]) or installed[first.name][0]
    changed = first.architecture if first.architecture != package.architecture else ""
    return Update(
        name=first.name,
        architecture=package.architecture,
        installed=package.version,
        available=first.version,
        suites=tuple(dict.fromkeys(each.repository.id for each in offers)),
        security=None,
        source=first.source,
        source_version=first.source_version,
        installed_source_version=package.source_version,
        filename=first.href,
        size=first.size,
        sha256=first.checksum.removeprefix("sha256:") if first.checksum.startswith("sha256:") else "",
        available_architecture=changed,
        manager="rpm",
    )


def _hidden(
    installed: Sequence[Package],
    found: Filtered,
    taken: dict[tuple[str, str], list[Candidate]],
) -> list[Hidden]:
    """The highest version of each name and architecture that would be an update but for excludes, modules, priority."""
    by_name: dict[str, list[Package]] = defaultdict(list)
    for package in installed:
        by_name[package.name].append(package)
    reasons = {id(candidate): because for candidate, because in found.hidden}
    everything = [*found.candidates, *(candidate for candidate, _ in found.hidden)]
    hidden = []
    for key, offers in sorted(_newest(_upgrades(everything, by_name)).items()):
        reached = taken.get(key)
        if reached and compare(offers[0].offer.version, reached[0].offer.version) <= 0:
            continue
        package = _replaced(offers[0], by_name[key[0]]) or by_name[key[0]][0]
        because = reasons.get(id(offers[0])) or "repositories of a better priority have the package, too"
        hidden.append(
            _hiding(package, key[1], reached[0].offer.version if reached else package.version, offers, because)
        )
    return hidden


def _hiding(package: Package, architecture: str, reached: str, offers: Sequence[Candidate], because: str) -> Hidden:
    return Hidden(
        name=package.name,
        architecture=architecture,
        installed=package.version,
        candidate=reached,
        available=offers[0].offer.version,
        suites=tuple(dict.fromkeys(each.repository.id for each in offers)),
        because=because,
    )


def _obsoleting(found: Filtered) -> list[Obsoleting]:
    by_name: dict[str, list[Package]] = defaultdict(list)
    for package in found.installed:
        by_name[package.name].append(package)
    lines = [
        Obsoleting(
            candidate.offer.name,
            candidate.offer.architecture,
            candidate.offer.version,
            candidate.repository.id,
            package.name,
            package.architecture,
            package.version,
        )
        for candidate in _of_best_priority(found.candidates)
        for obsolete in candidate.offer.obsoletes
        for package in by_name.get(obsolete.name, ())
        if obsolete.name != candidate.offer.name and obsoleted(obsolete, package.version)
    ]
    return list(dict.fromkeys(lines))
