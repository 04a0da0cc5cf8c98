"""First part of the way: from a reference to what is installed, and to the configuration that decides about updates."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from affineur.evidence import Evidence, Unassessed
from affineur.image.image import Image, open_image
from affineur.image.reader import Verbatim
from affineur.image.walk import LayerMemory, Tree, walk
from affineur.oci.platform import Platform
from affineur.packages.databases import PACKAGES, recorded
from affineur.packages.installed import OTHERS, unread_databases
from affineur.packages.inventory import Package
from affineur.packages.osrelease import OS_RELEASE, OSRelease, claimed
from affineur.repositories.apt.configuration import PATHS as APT_PATHS
from affineur.repositories.apt.verify import ImageKeys
from affineur.source.source import Source

__all__ = ["APT", "KEYRINGS", "Contents", "read_contents"]

APT = Verbatim("apt", 1, APT_PATHS)
KEYRINGS = Verbatim("keyrings", 1, ("usr/share/keyrings/*",))
NATIVE = {"386": "i386", "arm": "armhf", "ppc64le": "ppc64el", "mips64le": "mips64el", "loong64": "loong64"}
"""GOARCH to Debian's name where they differ; armel is told apart by what is installed."""

_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")  # deb-control(5) § Architecture


class Contents(msgspec.Struct, frozen=True):
    """What the layers say.

    Attributes:
        packages: in the database's order; `layer_of` says for each which layer's database names it.
        apt: path below the root → bytes, of everything in /etc/apt and dpkg's list of foreign architectures.
        native: Debian's name of the image's own architecture.
        tree: for files that content names.
        unread: layers, links and databases because of which there may be more packages, or others, than these.
        warnings: what the registry said for people to read.
    """

    image: Image
    os_release: OSRelease
    packages: tuple[Package, ...]
    apt: dict[str, bytes]
    native: str
    tree: Tree
    unread: tuple[Unassessed, ...]
    warnings: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    unassessed: tuple[Unassessed, ...]

    @property
    def keys(self) -> ImageKeys:
        """The keyrings of the image, and which of them are apt's own."""
        trusted = [path for path in self.apt if path == "etc/apt/trusted.gpg" or _in_trusted_parts(path)]
        return ImageKeys(self.tree.read, tuple(f"/{path}" for path in sorted(trusted)))


def read_contents(
    source: Source,
    platform: Platform | None,
    memory: LayerMemory | None,
    received: Callable[[int], None] | None = None,
) -> Contents:
    """Open an image and read its layers once for everything that an assessment needs.

    Raises:
        SourceError, ContentError: the image could not be read, or is not what was promised.
        MalformedDatabase: its package database breaks its own format; nothing can be told then.
    """
    image = open_image(source, platform)
    tree = walk(source, image.layers, (PACKAGES, OS_RELEASE, APT, KEYRINGS, OTHERS), memory, received=received)
    unread = (*tree.unassessed, *unread_databases(tree))
    unassessed = [*unread, *_broken(tree)]
    packages = [each.package for each in recorded(tree)]
    os_release = claimed({path: located.facts for path, located in tree.facts(OS_RELEASE).items()})
    if not packages:
        unassessed.append(
            Unassessed("packages", "no package was found: no known package database, or an empty one")
        )
    if os_release is None:
        unassessed.append(Unassessed("distribution", "the image has no os-release"))
        os_release = OSRelease({}, "")
    return Contents(
        image=image,
        os_release=os_release,
        packages=tuple(packages),
        apt={path: located.facts for path, located in tree.facts(APT).items()},
        native=_native(image, packages),
        tree=tree,
        unread=unread,
        warnings=source.warnings,
        evidence=tuple(_evidence(image, tree, len(packages))),
        unassessed=tuple(unassessed),
    )


def _broken(tree: Tree) -> Iterator[Unassessed]:
    for reader in (OS_RELEASE, APT, KEYRINGS):
        for path, error in tree.broken(reader).items():
            yield Unassessed(f"/{path}", str(error))


def _native(image: Image, packages: Sequence[Package]) -> str:
    """Debian's name: dpkg's own package is of the native architecture; without it, as the config says."""
    named = ("dpkg", "base-files", "libc6")
    own = next((p.architecture for p in packages if p.name in named and _ARCHITECTURE.fullmatch(p.architecture)), "all")
    if own != "all":
        return own
    architecture = image.platform.architecture
    return NATIVE.get(architecture, architecture) or "unknown"


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
    found = {}
    for reader in (PACKAGES, OS_RELEASE):
        for path, located in tree.facts(reader).items():
            if not path.startswith("var/lib/dpkg/status.d/"):
                found[path] = located.layer
                if reader is OS_RELEASE:
                    break
    return found


def _in_trusted_parts(path: str) -> bool:
    return path.startswith("etc/apt/trusted.gpg.d/") and path.endswith((".gpg", ".asc")) and path.count("/") == 3
