"""What is installed in an image, read from as few of its layers as will do."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import msgspec

from affineur.evidence import Unassessed
from affineur.image.walk import BlobSource, LayerMemory, Tree, walk
from affineur.oci.descriptor import Descriptor
from affineur.packages.databases import PACKAGES, Recorded, found_databases, recorded
from affineur.packages.osrelease import OS_RELEASE, OSRelease, claimed
from affineur.packages.rpm.history import HISTORY

__all__ = ["OTHERS", "Installed", "installed", "unread_databases"]


class OtherDatabases:
    """Tells that package databases are there that are not read yet; their content is not looked at."""

    name: ClassVar[str] = "other databases"
    version: ClassVar[int] = 4
    paths: ClassVar[tuple[str, ...]] = (
        "var/lib/pacman/local/ALPM_DB_VERSION",
        "var/db/pkg/*/*/PF",
        "usr/lib/opkg/status",
        "var/lib/dpkg/updates/????",  # what dpkg has not yet merged into status, as after a crash
    )
    limit: ClassVar[int] = 0
    facts_type: ClassVar[Any] = type(None)
    settled_by: ClassVar[tuple[str, ...]] = ()

    def extract(self, path: str, content: bytes) -> None:
        """Nothing."""


OTHERS = OtherDatabases()
_KIND = {
    "pacman": "pacman",
    "pkg": "portage",
    "opkg": "opkg",
    "dpkg": "dpkg's journal",
}


class Installed(msgspec.Struct, frozen=True):
    """What is installed, and what could not be told.

    Attributes:
        packages: in the order of their databases.
        complete: False where a database is there that is not read, or a layer that could hold one: then the list may
            lack packages of the distribution.
        fetched: layers that were transferred.
    """

    packages: tuple[Recorded, ...]
    release: OSRelease | None
    unassessed: tuple[Unassessed, ...]
    complete: bool
    fetched: int


def installed(
    source: BlobSource,
    layers: Sequence[Descriptor],
    memory: LayerMemory | None,
    received: Callable[[int], None] | None = None,
) -> Installed:
    """Read layers from the top down until it is known what is installed, and which distribution it is.

    Args:
        layers: base first.

    Raises:
        SourceError, ContentError: as `walk` does.
        MalformedDatabase: a package database breaks its own format.
    """
    tree = walk(source, layers, (PACKAGES, OS_RELEASE, HISTORY, OTHERS), memory, stop_early=True, received=received)
    packages = recorded(tree)
    release = claimed({path: located.facts for path, located in tree.facts(OS_RELEASE).items()})
    known = bool(packages or found_databases(tree))
    gaps = [*tree.unassessed, *_gaps(tree, known, release)]
    others = tuple(unread_databases(tree))
    return Installed(
        packages=packages,
        release=release,
        unassessed=tuple(gaps),
        complete=known and not others and not tree.unread,
        fetched=tree.fetched,
    )


def unread_databases(tree: Tree) -> Iterator[Unassessed]:
    """The package databases of an image, walked with PACKAGES and OTHERS, that are there and not read: one item a kind.

    Likewise several of rpm, of which rpm reads one.
    """
    kinds: dict[str, str] = {}
    for path in [*tree.broken(OTHERS), *tree.facts(OTHERS)]:
        kind = next(kind for part, kind in _KIND.items() if f"/{part}/" in f"/{path}")
        kinds.setdefault(kind, path)
    for kind, path in kinds.items():
        yield Unassessed(f"packages of {kind} (/{path})", f"databases of {kind} are not read yet")
    several = sorted(
        {each.real for each in tree.facts(PACKAGES).values() if each.facts and each.facts[0].manager == "rpm"}
    )
    if len(several) > 1:
        why = "rpm reads one of these databases, and which cannot be told; the packages of all are listed"
        yield Unassessed(f"packages of rpm ({', '.join(f'/{path}' for path in several)})", why)


def _gaps(tree: Tree, known: bool, release: OSRelease | None) -> Iterator[Unassessed]:
    others = tuple(unread_databases(tree))
    yield from others
    if not known and not others:
        yield Unassessed("packages", "the image holds no package database that is known here")
    if release is None:
        yield Unassessed("distribution", "the image has no os-release")
    for path, error in [*tree.broken(OS_RELEASE).items(), *tree.broken(HISTORY).items()]:
        yield Unassessed(f"/{path}", str(error))
    yield Unassessed("packages of languages (pip, npm, gem, Maven, Go …)", "these are not looked for yet")
