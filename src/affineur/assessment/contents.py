"""First part of the way: from a reference to what is installed, and to the configuration that decides about updates."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from affineur.evidence import Evidence, Unassessed
from affineur.image.image import Image, open_image
from affineur.image.reader import Reader, Verbatim
from affineur.image.walk import LayerMemory, Tree, walk
from affineur.oci.platform import Platform
from affineur.packages.databases import PACKAGES, found_databases, recorded
from affineur.packages.installed import OTHERS, unread_databases
from affineur.packages.inventory import Package
from affineur.packages.osrelease import OS_RELEASE, OSRelease, claimed
from affineur.packages.rpm.history import HISTORY
from affineur.source.source import Source

__all__ = ["Contents", "read_contents"]


class Contents(msgspec.Struct, frozen=True):
    """What the layers say.

    Attributes:
        packages: in the database's order.
        tree: for files that content names.
        unread: layers, links and databases because of which there may be more packages, or others, than these.
        warnings: what the registry said for people to read.
    """

    image: Image
    os_release: OSRelease
    packages: tuple[Package, ...]
    tree: Tree
    unread: tuple[Unassessed, ...]
    warnings: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    unassessed: tuple[Unassessed, ...]

    @property
    def manager(self) -> str:
        """Whose packages most of them are: `dpkg`, `rpm` or `apk`; empty where there are none."""
        counted = Counter(package.manager for package in self.packages)
        return counted.most_common(1)[0][0] if counted else ""

    def files(self, reader: Verbatim) -> dict[str, bytes]:
        """What a reader that was handed to `read_contents` found: path below the root → bytes."""
        return {path: located.facts for path, located in self.tree.facts(reader).items()}


def read_contents(
    source: Source,
    platform: Platform | None,
    memory: LayerMemory | None,
    readers: Sequence[Reader],
    received: Callable[[int], None] | None = None,
) -> Contents:
    """Open an image and read its layers once for everything that an assessment needs.

    Args:
        readers: of the files that the package managers go by.

    Raises:
        SourceError, ContentError: the image could not be read, or is not what was promised.
        MalformedDatabase: its package database breaks its own format; nothing can be told then.
    """
    image = open_image(source, platform)
    tree = walk(source, image.layers, (PACKAGES, OS_RELEASE, HISTORY, *readers, OTHERS), memory, received=received)
    unread = (*tree.unassessed, *unread_databases(tree))
    unassessed = [*unread, *_broken(tree, readers)]
    packages = [each.package for each in recorded(tree)]
    os_release = claimed({path: located.facts for path, located in tree.facts(OS_RELEASE).items()})
    if not packages:
        unassessed.append(Unassessed("packages", "no package was found: no known package database, or an empty one"))
    if os_release is None:
        unassessed.append(Unassessed("distribution", "the image has no os-release"))
        os_release = OSRelease({}, "")
    return Contents(
        image=image,
        os_release=os_release,
        packages=tuple(packages),
        tree=tree,
        unread=unread,
        warnings=source.warnings,
        evidence=tuple(_evidence(image, tree, len(packages))),
        unassessed=tuple(unassessed),
    )


def _broken(tree: Tree, readers: Sequence[Reader]) -> Iterator[Unassessed]:
    every: tuple[Reader, ...] = (OS_RELEASE, HISTORY, *readers)
    for reader in every:
        for path, error in tree.broken(reader).items():
            yield Unassessed(f"/{path}", str(error))


def _evidence(image: Image, tree: Tree, count: int) -> Iterator[Evidence]:
    name = image.reference.name
    yield Evidence(f"{image.reference} is {image.document.media_type}", image.document.source, str(image.digest))
    for remark in image.remarks:
        yield Evidence(remark, image.manifest_document.source, str(image.manifest_document.digest))
    if image.manifest_document.digest != image.digest:
        yield Evidence(
            f"its manifest for {image.platform}", image.manifest_document.source, str(image.manifest_document.digest)
        )
    for path, located in _located(tree).items():
        layer = image.layers[located]
        what = f"/{path} was read" if path in tree.facts(OS_RELEASE) else f"{count} packages are installed"
        yield Evidence(what, f"{name}, layer {located + 1} of {len(image.layers)}: /{path}", str(layer.digest))


def _located(tree: Tree) -> Mapping[str, int]:
    databases = found_databases(tree).items()
    found = {path: located.layer for path, located in databases if not path.startswith("var/lib/dpkg/status.d/")}
    for path, located in [*tree.facts(OS_RELEASE).items()][:1]:
        found[path] = located.layer
    return found
