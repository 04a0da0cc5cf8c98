"""What of the repositories' packages a manager looks at: the right architectures, less excludes and modules.

Sources: dnf.conf(5) § excludepkgs, includepkgs, module_hotfixes; dnf's documentation, "Modularity".
"""

from collections.abc import Iterable, Sequence

import msgspec

from affineur.packages.inventory import Package
from affineur.repositories.rpmmd.activation import Activation, activated
from affineur.repositories.rpmmd.architectures import compatible
from affineur.repositories.rpmmd.globs import Nevra, matching
from affineur.repositories.rpmmd.model import Offer, Repository, RpmConfiguration
from affineur.repositories.rpmmd.modules import Modules

__all__ = ["Candidate", "Filtered", "Offered", "filtered"]


_MODULAR = ".module"  # in the release of packages that are built in modules: `1.module+el8.0.0+…`, `1.module_el8…`


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
        active: the builds of module streams that are in use, `name:stream:context`.
    """

    installed: list[Package]
    candidates: list[Candidate]
    hidden: list[tuple[Candidate, str]]
    active: frozenset[str]
    problems: tuple[str, ...]


def filtered(installed: Sequence[Package], offered: Sequence[Offered], configuration: RpmConfiguration) -> Filtered:
    """Apply architectures, excludes and modules."""
    usable = compatible(configuration.basearch)
    candidates = [
        Candidate(each.repository, offer) for each in offered for offer in each.offers if offer.architecture in usable
    ]
    hidden: dict[int, str] = {}
    active = Activation((), ())
    problems: list[str] = []
    if configuration.manager == "dnf":
        modules = [each.modules for each in offered if each.modules]
        active = activated(modules, configuration.modules, configuration.platform)
        problems += [*map(_modules_unread, (each for each in offered if each.modules_unread)), *active.problems]
        _behind_modules(candidates, modules, active, hidden)
        unread = {each.repository.id for each in offered if each.modules_unread}
        _of_other_kind([each for each in candidates if each.repository.id in unread], installed, hidden)
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
        frozenset(f"{stream.name}:{stream.stream}:{stream.context}" for stream in active.streams),
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


def _modules_unread(each: Offered) -> str:
    why = f"its modules.yaml could not be read ({each.modules_unread})"
    return f"{each.repository.id}: {why}: its module streams are told by the labels of what is installed alone"


def _behind_modules(
    candidates: Sequence[Candidate], modules: Sequence[Modules], active: Activation, hidden: dict[int, str]
) -> None:
    """Hide what belongs to module streams that are not active, and what active ones stand before."""
    inside = {artifact for stream in active.streams for artifact in stream.artifacts}
    outside = {artifact: stream for each in modules for stream in each.streams for artifact in stream.artifacts}
    names = {artifact.rsplit("-", 2)[0] for artifact in inside if not artifact.endswith((".src", ".nosrc"))}
    for candidate in candidates:
        offer = candidate.offer
        artifact = _artifact(offer)
        if candidate.repository.module_hotfixes or artifact in inside:
            continue
        if artifact in outside:
            stream = outside[artifact]
            hidden[id(candidate)] = f"its module stream {stream.name}:{stream.stream} is not active"
        elif offer.name in names or any(name in names for name in offer.provides):
            hidden[id(candidate)] = "an active module stream has packages of this name"


def _of_other_kind(candidates: Iterable[Candidate], installed: Iterable[Package], hidden: dict[int, str]) -> None:
    """Without modules.yaml: a modular package (by its release) replaces a modular one (by its label), and no other."""
    modular = {package.name for package in installed if package.module}
    for candidate in candidates:
        _, _, release = candidate.offer.version.rpartition("-")
        if (_MODULAR in release) != (candidate.offer.name in modular):
            hidden[id(candidate)] = "modules.yaml could not be read, and what is installed is not of its kind"


def _artifact(offer: Offer) -> str:
    epoch, colon, rest = offer.version.rpartition(":")
    return f"{offer.name}-{epoch if colon else '0'}:{rest}.{offer.architecture}"
