"""rpm's record of what is installed, whichever of its formats it is in.

Three formats since rpm 4.0: Berkeley DB hash (`Packages`), NDB (`Packages.db`) and SQLite (`rpmdb.sqlite`); at
`var/lib/rpm`, in newer distributions at `usr/lib/sysimage/rpm`, of rpm-ostree at `usr/share/rpm`.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from affineur.errors import LimitExceeded, UnsupportedContent
from affineur.packages.inventory import Package
from affineur.packages.rpm import bdb, ndb, sqlite
from affineur.packages.rpm.header import Header
from affineur.packages.rpm.signature import signer
from affineur.packages.rpm.wal import JOURNAL_MAX

__all__ = ["DATABASE_MAX", "JOURNAL", "RPM", "Rpm", "headers", "is_key"]

DATABASE_MAX = 256 * 1024 * 1024
"""Bytes of one file. A server of 2,000 packages has 120 MiB."""
PACKAGES_MAX = 100_000
"""Headers of one database; all of Fedora has 70,000 packages."""

_FOLDERS = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
JOURNAL = "-wal"
"""What a SQLite database's name is followed by in its write-ahead log's."""

_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_INSTALLED, _SIZE, _VENDOR, _LICENCE, _ARCHITECTURE, _SOURCE = 1008, 1009, 1011, 1014, 1022, 1044
_LONG_SIZE, _MODULE = 5009, 5096
_SOURCE_FILE = re.compile(r"(?P<name>.+)-(?P<version>[^-]+-[^-]+)\.(?:no)?src\.rpm")
_WORD = re.compile(r"[^\s/]+")


class Rpm:
    """Reads every package; the keys that rpm keeps among them (`gpg-pubkey`) are no packages: see keys.py."""

    name: ClassVar[str] = "rpm"
    version: ClassVar[int] = 1
    paths: ClassVar[tuple[str, ...]] = tuple(
        f"{folder}/{file}"
        for folder in _FOLDERS
        for file in ("Packages", "Packages.db", "rpmdb.sqlite", "rpmdb.sqlite" + JOURNAL)
    )
    limit: ClassVar[int] = DATABASE_MAX
    facts_type: ClassVar[Any] = list[Package]
    settled_by: ClassVar[tuple[str, ...]] = tuple(path for path in paths if not path.endswith(JOURNAL))

    def claims(self, content: bytes) -> bool:
        """Whether it is in one of the formats, whatever its name."""
        return sqlite.is_sqlite(content) or ndb.is_ndb(content) or bdb.is_bdb(content)

    def extract(self, path: str, content: bytes) -> list[Package]:
        """The packages of one file, in its order.

        Raises:
            MalformedDatabase: with the path; the line is the number of a page or of a package.
            LimitExceeded: more than PACKAGES_MAX packages.
            UnsupportedContent: a format that is not read, by name; or the log of a SQLite database, which says nothing
                without it (see `read`).
        """
        if path.endswith(JOURNAL):
            if content:
                raise UnsupportedContent(f"/{path} is a log whose database must be read with it")
            return []
        return list(self._packages(path, content))

    def read(self, files: Mapping[str, bytes]) -> Iterator[Package]:
        """The packages of all files (see PackageDB), a SQLite database with its log."""
        for path in sorted(files):
            if not path.endswith(JOURNAL):
                yield from self._packages(path, files[path], files.get(path + JOURNAL, b""))

    def _packages(self, path: str, content: bytes, journal: bytes = b"") -> Iterator[Package]:
        for header in headers(path, content, journal):
            if not is_key(header):
                yield _package(header)


RPM = Rpm()


def headers(path: str, content: bytes, journal: bytes = b"") -> Iterator[Header]:
    """All headers of a database, those of keys among them.

    Args:
        path: for errors only; the format is told by the content.
        journal: the write-ahead log of a SQLite database; empty where there is none.

    Raises:
        MalformedDatabase, LimitExceeded, UnsupportedContent: as `Rpm.extract`.
    """
    if len(journal) > JOURNAL_MAX:
        raise LimitExceeded(f"/{path}{JOURNAL} has {len(journal)} bytes, more than {JOURNAL_MAX}")
    if sqlite.is_sqlite(content):
        values = sqlite.values(path, content, journal)
    elif ndb.is_ndb(content):
        values = ndb.values(path, content)
    elif bdb.is_bdb(content):
        values = bdb.values(path, content)
    else:
        raise UnsupportedContent(f"/{path} is no rpm database of a known kind (SQLite, NDB, Berkeley DB hash)")
    for count, (number, value) in enumerate(values, 1):
        if count > PACKAGES_MAX:
            raise LimitExceeded(f"/{path}: more than {PACKAGES_MAX} packages")
        yield Header(path, number, value)


def is_key(header: Header) -> bool:
    """Whether it is no package, but a key that rpm was given: it has no architecture, which every package has."""
    return header.text(_NAME) == "gpg-pubkey" and not header.text(_ARCHITECTURE)


def _package(header: Header) -> Package:
    name, version, release = header.text(_NAME), header.text(_VERSION), header.text(_RELEASE)
    for value, what in ((name, "name"), (version, "version"), (release, "release")):
        if not _WORD.fullmatch(value) or not value.isprintable():
            raise header.broken(f"{name or 'a package'}: no valid {what}")
    epoch = header.number(_EPOCH)
    prefix = f"{epoch}:" if epoch else ""
    full = f"{prefix}{version}-{release}"
    source, source_version = name, full
    if found := _SOURCE_FILE.fullmatch(header.text(_SOURCE)):
        source, source_version = found["name"], found["version"]
        # The file's name leaves the epoch out. Built from one version, a package has its source's epoch; where the
        # versions differ, as with subpackages of their own version, that cannot be told.
        if source_version == f"{version}-{release}":
            source_version = full
    size = header.number(_LONG_SIZE)
    installed = header.number(_INSTALLED)
    return Package(
        name=name,
        version=full,
        architecture=header.text(_ARCHITECTURE),
        source=source,
        source_version=source_version,
        manager="rpm",
        vendor=header.text(_VENDOR),
        module=header.text(_MODULE),
        licence=header.text(_LICENCE),
        size=header.number(_SIZE) if size is None else size,
        installed_at=datetime.fromtimestamp(installed, UTC) if installed and installed < 1 << 34 else None,
        key_id=signer(header),
    )
