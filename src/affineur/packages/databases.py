"""The package databases of an image, whatever the manager: wanted together, so that one walk settles them all."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import msgspec

from affineur.errors import LimitExceeded, UnsupportedContent
from affineur.image.interest import Interest
from affineur.image.walk import Located, Tree
from affineur.packages.apk import APK
from affineur.packages.dpkg import DPKG
from affineur.packages.inventory import Package
from affineur.packages.rpm.database import JOURNAL, RPM
from affineur.packages.rpm.history import HISTORY, attributed

__all__ = ["DATABASES", "PACKAGES", "Recorded", "found_databases", "recorded"]


class Database(Protocol):
    """One manager's database: a PackageDB that is read file by file (see image.reader.Reader)."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def paths(self) -> tuple[str, ...]: ...
    @property
    def limit(self) -> int: ...
    @property
    def settled_by(self) -> tuple[str, ...]: ...

    def claims(self, content: bytes) -> bool:
        """Whether a file that a link led to, whatever its name, is this manager's."""
        ...

    def extract(self, path: str, content: bytes) -> list[Package]: ...


DATABASES: tuple[Database, ...] = (DPKG, APK, RPM)


class PackageDatabases:
    """Reads every database that is known here, each by its own reader.

    Whichever is found first, from the top, settles the walk: images have one package manager.
    """

    name: ClassVar[str] = "packages"
    facts_type: ClassVar[Any] = list[Package]

    def __init__(self, databases: Sequence[Database]) -> None:
        self._databases = [(database, Interest(database.paths)) for database in databases]
        self.version = 0
        for database in databases:
            self.version = self.version * 100 + database.version
        self.paths = tuple(path for database in databases for path in database.paths)
        self.settled_by = tuple(path for database in databases for path in database.settled_by)
        self.limit = max(database.limit for database in databases)

    def extract(self, path: str, content: bytes) -> list[Package]:
        """The packages of one file. Raises MalformedDatabase, LimitExceeded, UnsupportedContent."""
        database = next((each for each, interest in self._databases if interest.wants(path)), None)
        if database is None:  # a link led there, under any name
            database = next((each for each, _ in self._databases if each.claims(content)), None)
        if database is None:
            raise UnsupportedContent(f"/{path}, which a link leads to, is no package database that is known here")
        if len(content) > database.limit:
            raise LimitExceeded(f"/{path} has {len(content)} bytes, more than {database.limit}")
        return database.extract(path, content)


PACKAGES = PackageDatabases(DATABASES)


class Recorded(msgspec.Struct, frozen=True):
    """An installed package, and where its record was found.

    Attributes:
        layer: index, 0 = base, of the layer whose database names it. (A lower layer may have named it first.)
        path: of that database, relative to the image root.
    """

    package: Package
    layer: int
    path: str


def found_databases(tree: Tree) -> Mapping[str, Located]:
    """The databases that were read, by the path under which they were wanted; the logs beside them are none."""
    return {path: located for path, located in tree.facts(PACKAGES).items() if not path.endswith(JOURNAL)}


def recorded(tree: Tree) -> tuple[Recorded, ...]:
    """Every installed package of an image walked with PACKAGES and HISTORY, in the order of the databases.

    Raises:
        MalformedDatabase, LimitExceeded, UnsupportedContent: a database cannot be read; nothing can be told then.
    """
    broken = tree.broken(PACKAGES)
    logs = {path for path in broken if path.endswith(JOURNAL)}
    logged = {path.removesuffix(JOURNAL) for path in logs}
    for path, error in broken.items():
        if path not in logs | logged:
            raise error
    found = {  # two names may lead to one file
        located.real: located for path, located in tree.facts(PACKAGES).items() if path not in logged
    }
    whole = [Recorded(package, each.layer, each.real) for each in found.values() for package in each.facts]
    whole += _with_logs(tree, sorted(logged))
    history = {path: located.facts for path, located in tree.facts(HISTORY).items()}
    packages = attributed((each.package for each in whole), history) if history else (each.package for each in whole)
    return tuple(Recorded(package, each.layer, each.path) for package, each in zip(packages, whole, strict=True))


def _with_logs(tree: Tree, paths: Sequence[str]) -> Iterator[Recorded]:
    """The packages of SQLite databases beside which lies a log: read again, whole, together with it."""
    if not paths:
        return
    tree.also([name for path in paths for name in (path, path + JOURNAL)], RPM.limit)
    seen: list[tuple[bytes, bytes]] = []
    for path in paths:
        content, journal = tree.read(path), tree.read(path + JOURNAL) or b""
        if content is None or (content, journal) in seen:  # a log that was left behind; or a second name of the same
            continue
        seen.append((content, journal))
        layer = max(tree.layer_of(path) or 0, tree.layer_of(path + JOURNAL) or 0)
        for package in RPM.read({path: content, path + JOURNAL: journal}):
            yield Recorded(package, layer, path)
