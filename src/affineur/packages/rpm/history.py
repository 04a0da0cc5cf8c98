"""Which repository a package came from, as far as the managers' own records say.

dnf: `var/lib/dnf/history.sqlite`, in libdnf's tables `trans_item`, `rpm` and `repo`; dnf 5: `nevras.toml` of its system
state; yum: a file `from_repo` for each package below `var/lib/yum/yumdb`; zypper: the lines of `var/log/zypp/history`.
An image may say there what it likes: it is a claim, as everything in it is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from affineur.errors import ContentError
from affineur.image.reader import Verbatim
from affineur.packages.inventory import Package
from affineur.packages.rpm.sqlite import Value, tables

__all__ = ["HISTORY", "attributed"]

HISTORY_MAX = 16 * 1024 * 1024
"""Bytes of one file; of a larger one nothing is told."""
TOML_MAX = 2 * 1024 * 1024
"""Bytes of dnf 5's file; 500 packages have 30 KiB."""

_DNF = "var/lib/dnf/history.sqlite"
_DNF5 = ("usr/lib/sysimage/libdnf5/nevras.toml", "usr/lib/sysimage/dnf/nevras.toml")
_ZYPPER = "var/log/zypp/history"
_YUM = "var/lib/yum/yumdb/*/*/from_repo"

HISTORY = Verbatim("rpm history", 1, (_DNF, f"{_DNF}-wal", *_DNF5, _ZYPPER, _YUM), HISTORY_MAX)
"""Reads all of these."""

_INBOUND = frozenset((1, 2, 4, 6, 9))
"""libdnf's TransactionItemAction: install, downgrade, obsolete, upgrade, reinstall: what put the package there."""
_DONE = 1
_SYSTEM = "@System"
_YUM_FOLDER = re.compile(r"var/lib/yum/yumdb/[^/]+/[0-9a-f]+-(?P<nevra>[^/]+)/from_repo")

Where = tuple[str, str, str]
"""Name, `[epoch:]version-release` and architecture; of yum's records without the epoch."""


def attributed(packages: Iterable[Package], files: Mapping[str, bytes]) -> Iterator[Package]:
    """The packages, each of rpm's with its repository where the records name one.

    A record that cannot be read tells nothing; where there are several managers' records, dnf 5's count before dnf's,
    then zypper's, then yum's.

    Args:
        files: what HISTORY found, path below the root → bytes.
    """
    known = _known(files)
    short = _yum(files)
    for package in packages:
        where = (package.name, package.version, package.architecture)
        found = ""
        if package.manager == "rpm":
            version = package.version.rpartition(":")[2]
            found = known.get(where) or short.get(f"{package.name}-{version}-{package.architecture}", "")
        yield msgspec.structs.replace(package, repository=found) if found else package


def _known(files: Mapping[str, bytes]) -> dict[Where, str]:
    known: dict[Where, str] = {}
    if _ZYPPER in files:
        known |= _zypper(files[_ZYPPER])
    if _DNF in files:
        known |= _dnf(files[_DNF], files.get(f"{_DNF}-wal", b""))
    for path in _DNF5[::-1]:
        if path in files:
            known |= _dnf5(files[path])
    return known


def _dnf(content: bytes, journal: bytes) -> dict[Where, str]:
    """What the last transaction item that put a package there says."""
    try:
        items, packages, repositories = tables(_DNF, content, journal, "trans_item", "rpm", "repo")
    except ContentError:
        return {}
    named = {row[0]: _text(row[1]) for row in repositories if len(row) >= 2}
    of_item: dict[Value, str] = {}
    for row in items:
        if len(row) >= 7 and row[4] in _INBOUND and row[6] == _DONE:
            of_item[row[2]] = named.get(row[3], "")
    known = {}
    for row in packages:
        repository = of_item.get(row[0], "")
        if len(row) >= 6 and repository and repository != _SYSTEM:
            name, epoch, version, release, architecture = map(_text, row[1:6])
            prefix = f"{epoch}:" if epoch != "0" else ""
            known[name, f"{prefix}{version}-{release}", architecture] = repository
    return known


def _dnf5(content: bytes) -> dict[Where, str]:
    import tomllib

    if len(content) > TOML_MAX:
        return {}
    try:
        nevras = tomllib.loads(content.decode()).get("nevras")
    except (ValueError, RecursionError):
        return {}
    known = {}
    for nevra, state in nevras.items() if isinstance(nevras, dict) else ():
        repository = state.get("from_repo") if isinstance(state, dict) else None
        rest, _, architecture = nevra.rpartition(".")
        parts = rest.rsplit("-", 2)
        if isinstance(repository, str) and repository and repository != _SYSTEM and len(parts) == 3:
            name, version, release = parts
            known[name, f"{version.removeprefix('0:')}-{release}", architecture] = repository
    return known


def _zypper(content: bytes) -> dict[Where, str]:
    """`date|install|name|version-release|architecture|by|repository's alias|…`, with `\\|` for a bar within."""
    known = {}
    for line in content.decode("utf-8", "replace").split("\n"):
        fields = re.split(r"(?<!\\)\|", line)
        if len(fields) >= 7 and fields[1].strip() == "install" and not line.startswith("#"):
            name, version, architecture = (field.strip() for field in fields[2:5])
            known[name, version.removeprefix("0:"), architecture] = re.sub(r"\\(.)", r"\1", fields[6].strip())
    return known


def _yum(files: Mapping[str, bytes]) -> dict[str, str]:
    found = {}
    for path, content in files.items():
        if match := _YUM_FOLDER.fullmatch(path):
            repository = content.decode("utf-8", "replace").strip()
            if repository != "installed":  # what yum says of packages that it has no record of
                found[match["nevra"]] = repository
    return found


def _text(value: Value) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
