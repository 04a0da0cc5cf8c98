"""What is installed, whatever the package manager."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import ClassVar, Protocol

import msgspec

__all__ = ["Package", "PackageDB"]


class Package(msgspec.Struct, frozen=True, omit_defaults=True):
    """One installed package, as its own manager records it.

    Attributes:
        version: with its epoch where there is one (`1:2.3-4`); of rpm `[epoch:]version-release` without an epoch of 0.
        source: the source package's name (apk: its origin); the binary's own name where the record does not say.
        source_version: likewise.
        status: the manager's own word for its state; for dpkg the Status line (`install ok installed`,
            `hold ok installed` …), for distroless `status.d` files without one the empty string; apk's letters for what
            went wrong, mostly none.
        multi_arch: dpkg's Multi-Arch field (`same`, `foreign`, `allowed`, `no` or empty).
        relations: relations.py's number, by which apt tells a rebuild from the same version; None where not computed.
        manager: whose record it is: `dpkg`, `rpm` or `apk`; decides the order of its versions.
        vendor: rpm's Vendor; apk's maintainer is none.
        module: rpm's Modularitylabel, `name:stream:version:context`.
        licence: as the record has it.
        size: bytes on disk.
        installed_at: when it was installed, UTC.
        key_id: the last 16 hex digits, lower case, of the key that signed the package; empty where it is not signed.
        repository: the repository that it came from, where the manager's history says so; of apk its tag (`@edge`).
    """

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    status: str = ""
    multi_arch: str = ""
    relations: int | None = None
    manager: str = "dpkg"
    vendor: str = ""
    module: str = ""
    licence: str = ""
    size: int | None = None
    installed_at: datetime | None = None
    key_id: str = ""
    repository: str = ""


class PackageDB(Protocol):
    """One package manager's record of what it installed.

    States the paths it wants, so layers are walked once for all; is handed bytes, so it cannot open or follow anything.
    """

    name: ClassVar[str]
    version: ClassVar[int]  # of this reader: raised whenever its answers change, since cached facts carry it
    paths: ClassVar[tuple[str, ...]]  # globs relative to the image root

    def read(self, files: Mapping[str, bytes]) -> Iterator[Package]:
        """Yield what is on disk, in the database's order; nothing for an empty database.

        Args:
            files: path to content for every wanted path that the merged image holds.

        Raises:
            MalformedDatabase: the database breaks its own format.
        """
        ...
