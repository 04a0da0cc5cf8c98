"""What of the repositories' packages a manager looks at: the right architectures, less excludes and modules.

Sources: dnf.conf(5) § excludepkgs, includepkgs, module_hotfixes; dnf's documentation, "Modularity".
"""

from collections.abc import Iterable, Sequence

import msgspec

from affineur.packages.inventory import Package
from affineur.repositories.rpmmd.architectures import compatible
from affineur.repositories.rpmmd.globs import Nevra, matching
from affineur.repositories.rpmmd.model import ModuleState, Offer, Repository, RpmConfiguration
from affineur.repositories.rpmmd.modules import Modules, ModuleStream

__all__ = ["Candidate", "Filtered", "Offered", "filtered"]


class Offered(msgspec.Struct, frozen=True):
    """One enabled repository.

    Attributes:
        modules: of its modules.yaml; None where it has none.
        modules_unread: why its modules.yaml could not be read; empty otherwise.
    """

    repository: Repository
    offers: Sequence[Offer]
    modules: Modules | None = None
    modules_unread: str = ""


class Candidate(msgspec.Struct, frozen=True, eq=False):
    """A package on offer, and who offers it."""

    repository: Repository
    offer: Offer

    @property
    def nevra(self) -> Nevra:
        return Nevra.of(self.offer.name, self.offer.version, self.offer.architecture)


class Filtered(msgspec.Struct, frozen=True):
    """What is left.

    Attributes:
        installed: less those that an exclude of [main] means, which dnf forgets.
        hidden: what is not looked at, and why.
    """

    installed: list[Package]
    candidates: list[Candidate]
    hidden: list[tuple[Candidate, str]]
    problems: tuple[str, ...]


def filtered(installed: Sequence[Package], offered: Sequence[Offered], configuration: RpmConfiguration) -> Filtered:
    """Apply architectures, excludes and modules."""
    usable = compatible(configuration.basearch)
    candidates = [
        Candidate(each.repository, offer) for each in offered for offer in each.offers if offer.architecture in usable
    ]
    hidden: dict[int, str] = {}
    problems: list[str] = []
    if configuration.manager == "dnf":
        problems += _behind_modules(candidates, offered, configuration, hidden)
    _not_included(candidates, hidden)
    _excluded(candidates, configuration, hidden)
    kept = list(installed)
    for pattern in configuration.exclude:
        gone = {id(package) for package in matching(pattern, installed, _identity)}
        kept = [package for package in kept if id(package) not in gone]
    return Filtered(
        kept,
        [each for each in candidates if id(each) not in hidden],
        [(each, hidden[id(each)]) for each in candidates if id(each) in hidden],
        tuple(dict.fromkeys(problems)),
    )


def _identity(package: Package) -> Nevra:
    return Nevra.of(package.name, package.version, package.architecture)


def _nevra(candidate: Candidate) -> Nevra:
    return candidate.nevra


def _excluded(candidates: Sequence[Candidate], configuration: RpmConfiguration, hidden: dict[int, str]) -> None:
    for pattern in configuration.exclude:
        for candidate in matching(pattern, candidates, _nevra):
            hidden.setdefault(id(candidate), f"[main] excludes {pattern}")
    for repository, own in _by_repository(candidates):
        for pattern in repository.exclude:
            for candidate in matching(pattern, own, _nevra):
                hidden.setdefault(id(candidate), f"{_place(repository)} excludes {pattern}")


def _not_included(candidates: Sequence[Candidate], hidden: dict[int, str]) -> None:
    for repository, own in _by_repository(candidates):
        if repository.includepkgs:
            meant = {id(each) for pattern in repository.includepkgs for each in matching(pattern, own, _nevra)}
            for candidate in own:
                if id(candidate) not in meant:
                    hidden.setdefault(id(candidate), f"{_place(repository)} includes other packages only")


def _by_repository(candidates: Iterable[Candidate]) -> list[tuple[Repository, list[Candidate]]]:
    found: dict[str, tuple[Repository, list[Candidate]]] = {}
    for candidate in candidates:
        found.setdefault(candidate.repository.id, (candidate.repository, []))[1].append(candidate)
    return list(found.values())


def _place(repository: Repository) -> str:
    return f"{repository.path}:{repository.line}" if repository.path else f"[{repository.id}]"


def _behind_modules(
    candidates: Sequence[Candidate],
    offered: Sequence[Offered],
    configuration: RpmConfiguration,
    hidden: dict[int, str],
) -> list[str]:
    """Hide what belongs to module streams that are not active, and what active ones stand before."""
    problems = [
        f"{each.repository.id}: its modules.yaml could not be read ({each.modules_unread}): modules are told by what "
        "is installed alone"
        for each in offered
        if each.modules_unread
    ]
    streams = [stream for each in offered if each.modules for stream in each.modules.streams]
    defaults = {name: stream for each in offered if each.modules for name, stream in each.modules.defaults.items()}
    active = active_streams(configuration.modules, defaults)
    inside: dict[str, ModuleStream] = {}
    outside: dict[str, ModuleStream] = {}
    for stream in streams:
        place = inside if active.get(stream.name) == stream.stream else outside
        for artifact in stream.artifacts:
            place[artifact] = stream
    names = {artifact.rsplit("-", 2)[0] for artifact in inside}
    for candidate in candidates:
        offer = candidate.offer
        if candidate.repository.module_hotfixes:
            continue
        epoch, colon, rest = offer.version.rpartition(":")
        artifact = f"{offer.name}-{epoch if colon else '0'}:{rest}.{offer.architecture}"
        if artifact in inside:
            continue
        if artifact in outside:
            stream = outside[artifact]
            hidden[id(candidate)] = (
                f"it belongs to the module stream {stream.name}:{stream.stream}, which is not active"
            )
        elif offer.name in names or any(name in names for name in offer.provides):
            hidden[id(candidate)] = "packages of this name come from an active module stream"
    return problems


def active_streams(states: Sequence[ModuleState], defaults: dict[str, str]) -> dict[str, str]:
    """Module → the stream whose packages count: enabled, or the default one of a module that is not disabled."""
    active = dict(defaults)
    for state in states:
        if state.state == "enabled":
            active[state.name] = state.stream
        elif state.state == "disabled":
            active.pop(state.name, None)
    return active
