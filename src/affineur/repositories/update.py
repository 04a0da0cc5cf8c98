"""An update: an installed package and a newer version on offer, whatever the package manager."""

import msgspec

__all__ = ["Obsoleting", "Update"]


class Update(msgspec.Struct, frozen=True):
    """One line of `apt list --upgradable`, or of `dnf check-update`.

    Attributes:
        architecture: the installed package's.
        suites: the Release's Suite of each place that offers `available`, in sources order, as apt prints them; of rpm
            the repository's id; of apk its URL.
        security: True, False, or None where it could not be told.
        source, source_version: of the available version; errata are matched on source versions.
        installed_source_version: of the installed one.
        filename, size, sha256: where the available package lies below its repository's URI, and what it must be.
        base_uri: the repository's URI as the image names it (before any mirror map, and without a login), with which
            `filename` makes a URL.
        held: dpkg's hold; listed all the same, as apt does.
        phased: the Phased-Update-Percentage of the offer where it has one below 100.
        available_architecture: of rpm, where what is offered has another (noarch, or no longer noarch).
        errata: ids of the errata that lie in (installed, available]; filled in by matching.
        manager: whose update it is: `dpkg`, `rpm` or `apk`.
    """

    name: str
    architecture: str
    installed: str
    available: str
    suites: tuple[str, ...]
    security: bool | None
    source: str
    source_version: str
    installed_source_version: str
    filename: str = ""
    size: int = 0
    sha256: str = ""
    base_uri: str = ""
    held: bool = False
    phased: int | None = None
    errata: tuple[str, ...] = ()
    available_architecture: str = ""
    manager: str = "dpkg"


class Obsoleting(msgspec.Struct, frozen=True):
    """A line of "Obsoleting Packages": a package on offer, and an installed one that it would replace.

    By name alone; dnf also prints, beside such a pair, installed packages that merely provide the name.
    """

    name: str
    architecture: str
    version: str
    repository: str
    old_name: str
    old_architecture: str
    old_version: str
