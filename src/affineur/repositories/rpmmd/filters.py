"""What of the repositories' packages a manager looks at: the right architectures, less excludes and modules.

Sources: dnf.conf(5) § excludepkgs, includepkgs, module_hotfixes; dnf's documentation, "Modularity".
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import msgspec

from affineur.packages.inventory import Package
from affineur.repositories.rpmmd.activation import Activation, activated
from affineur.repositories.rpmmd.architectures import compatible
from affineur.repositories.rpmmd.globs import Nevra, forms, matches, matching
from affineur.repositories.rpmmd.model import Offer, Repository, RpmConfiguration
from affineur.repositories.rpmmd.modules import Modules
from affineur.repositories.rpmmd.obsoletes import obsoleted

__all__ = ["Candidate", "Filtered", "Offered", "filtered"]


SOURCES = ("src", "nosrc")
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
    """Apply architectures, excludes and modules. dnf lists updates of any architecture that is installed."""
    usable = compatible(configuration.basearch)
    any_architecture = configuration.manager == "dnf"
    candidates = [
        Candidate(each.repository, offer)
        for each in offered
        for offer in each.offers
        if offer.architecture not in SOURCES and (any_architecture or offer.architecture in usable)
    ]
    hidden: dict[int, str] = {}
    active = Activation((), ())
    problems: list[str] = []
    if configuration.manager == "dnf":
        modules = [each.modules for each in offered if each.modules]
        active = activated(modules, configuration.modules, configuration.platform)
        problems += [*map(_modules_unread, (each for each in offered if each.modules_unread)), *active.problems]
        _behind_modules(candidates, modules, active, usable, hidden)
        unread = {each.repository.id for each in offered if each.modules_unread}
        _of_other_kind([each for each in candidates if each.repository.id in unread], installed, hidden)
    everything: list[Candidate | Package] = [*candidates, *installed]
    for each in offered:
        _not_included(each.repository, everything, hidden)
    gone = _excluded([each.repository for each in offered], everything, configuration, hidden)
    if configuration.manager != "zypper":
        _locked(configuration.locks, everything, hidden)
    kept = [package for package in installed if id(package) not in gone]
    return Filtered(
        kept,
        [each for each in candidates if id(each) not in hidden],
        [(each, hidden[id(each)]) for each in candidates if id(each) in hidden],
        frozenset(f"{stream.name}:{stream.stream}:{stream.context}" for stream in active.streams),
        tuple(dict.fromkeys(problems)),
    )


def _identity(package: Candidate | Package) -> Nevra:
    if isinstance(package, Package):
        return Nevra.of(package.name, package.version, package.architecture)
    return Nevra.of(package.offer.name, package.offer.version, package.offer.architecture)


def _meant(pattern: str, everything: Sequence[Candidate | Package]) -> list[Candidate | Package]:
    """Which form a pattern has is told by all packages, whosever the pattern is."""
    return matching(pattern, everything, _identity)


def _excluded(
    repositories: Iterable[Repository],
    everything: Sequence[Candidate | Package],
    configuration: RpmConfiguration,
    hidden: dict[int, str],
) -> set[int]:
    """Hide what is excluded, and give the ids of all that [main] excludes, installed packages among them."""
    gone: set[int] = set()
    for pattern in configuration.exclude:
        for each in _meant(pattern, everything):
            gone.add(id(each))
            hidden.setdefault(id(each), f"[main] excludes {pattern}")
    for repository in repositories:
        for pattern in repository.exclude:
            for each in _meant(pattern, everything):
                if isinstance(each, Candidate) and each.repository is repository:
                    hidden.setdefault(id(each), f"{_place(repository)} excludes {pattern}")
    return gone


def _locked(locks: Iterable[str], everything: Sequence[Candidate | Package], hidden: dict[int, str]) -> None:
    """dnf's and yum's versionlock: of a locked name only locked versions count, and nothing that replaces them."""
    kept: dict[int, Candidate | Package] = {}
    names: dict[str, str] = {}
    for lock in locks:
        if lock.startswith("!"):
            for each in _meant(lock[1:], everything):
                hidden.setdefault(id(each), f"versionlock leaves out {lock[1:]}")
            continue
        kept |= {id(each): each for each in _meant(lock, everything)}
        names |= {form.name: lock for form in forms(lock)}
    versions: dict[str, set[str]] = defaultdict(set)
    for each in kept.values():
        versions[_identity(each).name].add(each.version if isinstance(each, Package) else each.offer.version)
    for each in everything:
        if id(each) in kept or isinstance(each, Package):
            continue
        lock = next((lock for name, lock in names.items() if matches(name, each.offer.name)), "")
        if lock:
            hidden.setdefault(id(each), f"versionlock holds {lock}")
        elif any(
            obsoleted(obsolete, version)
            for obsolete in each.offer.obsoletes
            for version in versions.get(obsolete.name, ())
        ):
            hidden.setdefault(id(each), "it would replace what versionlock holds")


def _not_included(repository: Repository, everything: Sequence[Candidate | Package], hidden: dict[int, str]) -> None:
    if not repository.includepkgs:
        return
    meant = {id(each) for pattern in repository.includepkgs for each in _meant(pattern, everything)}
    for each in everything:
        if isinstance(each, Candidate) and each.repository is repository and id(each) not in meant:
            hidden.setdefault(id(each), f"{_place(repository)} includes other packages only")


def _place(repository: Repository) -> str:
    return f"{repository.path}:{repository.line}" if repository.path else f"[{repository.id}]"


def _modules_unread(each: Offered) -> str:
    why = f"its modules.yaml could not be read ({each.modules_unread})"
    return f"{each.repository.id}: {why}: its module streams are told by the labels of what is installed alone"


def _behind_modules(
    candidates: Sequence[Candidate],
    modules: Sequence[Modules],
    active: Activation,
    usable: Collection[str],
    hidden: dict[int, str],
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
        elif offer.name in names or (offer.architecture in usable and any(name in names for name in offer.provides)):
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
