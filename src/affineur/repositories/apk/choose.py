"""What apk would offer for what is installed.

Sources: apk-version(8): of each installed package the newest version of the same name, in the repositories without a
tag and in those of the tag that it was installed from (`s:` of its record); apk-upgrade(8), apk-world(5): `world` says
which versions are acceptable, and which names may come from which tag. The dependencies of other packages, which apk's
solver weighs before it changes anything, are not: what this lists is what `apk version -l '<'` prints.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from affineur.packages.inventory import Package
from affineur.packages.versions.apk import key, matches
from affineur.repositories.apk.model import ApkConfiguration, ApkRepository, Constraint, Offer, OfferedIndex
from affineur.repositories.update import Update

__all__ = ["Choice", "Held", "choose"]


class Held(msgspec.Struct, frozen=True):
    """A newer version that `apk upgrade` would not take.

    Attributes:
        because: the constraint of `world`, as it is written there.
    """

    name: str
    available: str
    because: str


class Choice(msgspec.Struct, frozen=True):
    """Updates in the order of the database, and what stands in the way of others.

    Attributes:
        updates: held ones too, marked so.
        held: what `world` keeps out, whether or not something older is acceptable.
        unanswerable: why nothing can be told; what could not be read of a repository is said with its index.
    """

    updates: tuple[Update, ...]
    held: tuple[Held, ...]
    unanswerable: tuple[str, ...]


def choose(packages: Iterable[Package], configuration: ApkConfiguration, offered: Sequence[OfferedIndex]) -> Choice:
    """The updates of an image.

    Args:
        packages: installed; those of other managers are left out.
        offered: the indexes of the configuration's repositories, in their order; those that were not verified offer
            nothing, as apk would have it.
    """
    by_name: dict[str, list[tuple[Offer, ApkRepository]]] = {}
    for each in offered:
        for offer in each.offers:
            by_name.setdefault(offer.name, []).append((offer, each.index.repository))
    world: dict[str, list[Constraint]] = {}
    for constraint in configuration.world:
        world.setdefault(constraint.name, []).append(constraint)
    updates: list[Update] = []
    held: list[Held] = []
    for package in packages:
        if package.manager != "apk":
            continue
        constraints = world.get(package.name, [])
        tags = {"", package.repository, *(constraint.tag for constraint in constraints)}
        newer = [
            (offer, repository)
            for offer, repository in by_name.get(package.name, ())
            if repository.tag in tags
            and offer.architecture in (*configuration.architectures, "noarch", "")
            and key(offer.version) > key(package.version)
        ]
        if not newer:
            continue
        acceptable = [(o, r) for o, r in newer if all(_accepts(each, o) for each in constraints)]
        newest = max(newer, key=lambda pair: key(pair[0].version))[0]
        if newest not in (offer for offer, _ in acceptable):
            because = next(_written(each) for each in constraints if not _accepts(each, newest))
            held.append(Held(package.name, newest.version, because))
        updates.append(_update(package, acceptable or newer, configuration.architectures[0], held=not acceptable))
    return Choice(tuple(updates), tuple(held), tuple(_unanswerable(configuration)))


def _update(package: Package, newer: Sequence[tuple[Offer, ApkRepository]], architecture: str, *, held: bool) -> Update:
    best = max((offer for offer, _ in newer), key=lambda offer: key(offer.version))
    places = [repository for offer, repository in newer if key(offer.version) == key(best.version)]
    return Update(
        name=package.name,
        architecture=package.architecture,
        installed=package.version,
        available=best.version,
        suites=tuple(dict.fromkeys(_shown(place) for place in places)),
        security=None,
        source=best.source,
        source_version=best.version,
        installed_source_version=package.source_version,
        filename=f"{architecture}/{best.filename}",
        size=best.size,
        base_uri=f"{places[0].public_url}/",
        held=held,
        manager="apk",
    )


def _accepts(constraint: Constraint, offer: Offer) -> bool:
    if constraint.operator == "><":
        satisfied = offer.checksum == constraint.version
    else:
        satisfied = matches(offer.version, constraint.operator, constraint.version)
    return satisfied is not constraint.conflict


def _written(constraint: Constraint) -> str:
    return "".join(
        ("!" if constraint.conflict else "", constraint.name, constraint.tag, constraint.operator, constraint.version)
    )


def _shown(repository: ApkRepository) -> str:
    return f"{repository.tag} {repository.public_url}".strip()


def _unanswerable(configuration: ApkConfiguration) -> Iterator[str]:
    yield from configuration.unanswerable
    if not configuration.repositories:
        yield "the image names no repository that can be asked"
