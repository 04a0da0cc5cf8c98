"""dpkg's record of what is installed: `status`, its journal, and the `status.d` of distroless images.

dpkg(1) § Package states; deb-control(5) for the fields; lib/dpkg/parse.c for what is accepted.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from affineur.errors import MalformedDatabase
from affineur.packages.inventory import Package
from affineur.packages.relations import FIELDS, relations

__all__ = ["DPKG", "Dpkg"]

STATUS_MAX = 64 * 1024 * 1024
"""Bytes of one file. A full desktop has 5 MiB."""

_NOTHING_ON_DISK = frozenset((b"not-installed", b"config-files"))
_STATES = _NOTHING_ON_DISK | frozenset(
    b"half-installed unpacked half-configured triggers-awaited triggers-pending installed".split()
)
_NAME = re.compile(rb"[a-zA-Z0-9][a-zA-Z0-9+._-]*\Z")
_VERSION = re.compile(rb"[!-~]+\Z")
_FIELD = re.compile(
    rb"^(Package|Status|Version|Architecture|Source|Multi-Arch|"
    + b"|".join(map(str.encode, FIELDS))
    + rb")[ \t]*:[ \t]*"
    rb"(.*(?:\n[ \t].*)*)",
    re.MULTILINE | re.IGNORECASE,
)
_NO_FIELD = re.compile(rb"^(?![ \t]*[^\s:]+[ \t]*:|[ \t]+\S)", re.MULTILINE)
"""A line that neither begins a field nor goes on with one; dpkg refuses both garbage and a blank within a value."""
_SOURCE = re.compile(rb"([^\s()]+)(?:\s*\(\s*([^\s()]+)\s*\))?\s*\Z")


class Dpkg:
    """Reads every package whose state leaves files on disk."""

    name: ClassVar[str] = "dpkg"
    version: ClassVar[int] = 2
    paths: ClassVar[tuple[str, ...]] = ("var/lib/dpkg/status", "var/lib/dpkg/status.d/*")
    limit: ClassVar[int] = STATUS_MAX
    facts_type: ClassVar[Any] = list[Package]
    settled_by: ClassVar[tuple[str, ...]] = ("var/lib/dpkg/status",)

    def claims(self, content: bytes) -> bool:
        """Whether it is a status file, whatever its name."""
        return content[:4096].lstrip().startswith(b"Package:")

    def extract(self, path: str, content: bytes) -> list[Package]:
        """The packages of one file, in its order.

        Raises:
            MalformedDatabase: with path and line.
        """
        if path.endswith(".md5sums"):  # distroless puts the lists of files beside the records
            return []
        return list(_packages(path, content))

    def read(self, files: Mapping[str, bytes]) -> Iterator[Package]:
        """The packages of all files (see PackageDB)."""
        for path in sorted(files):
            yield from self.extract(path, files[path])


DPKG = Dpkg()


def _packages(path: str, content: bytes) -> Iterator[Package]:
    if b"\r\n" in content:
        content = content.replace(b"\r\n", b"\n")
    line = 1
    # `status` has a Status in each record that counts; what distroless puts into `status.d` has none and is installed
    stated = not path.startswith("var/lib/dpkg/status.d/")
    for stanza in content.split(b"\n\n"):
        record = stanza.lstrip(b"\n")
        if record and not record.isspace():
            package = _package(path, line + len(stanza) - len(record), record.rstrip(), stated)
            if package is not None:
                yield package
        line += stanza.count(b"\n") + 2


def _package(path: str, line: int, record: bytes, stated: bool) -> Package | None:
    if broken := _NO_FIELD.search(record):
        raise MalformedDatabase(path, line + record.count(b"\n", 0, broken.start()), "a line without a field name")
    found = _FIELD.findall(record)
    fields = {name.lower(): value.strip() for name, value in found}
    if len(fields) != len(found):
        raise MalformedDatabase(path, line, "a record with the same field twice")
    name = fields.get(b"package", b"").lower()
    if not _NAME.match(name):
        raise MalformedDatabase(path, line, "a record without a valid Package field")
    status = fields.get(b"status", b"").lower()
    words = status.split()
    if words and (len(words) != 3 or words[2] not in _STATES):
        raise MalformedDatabase(path, line, f"{name.decode()}: no valid Status field")
    if words[2] in _NOTHING_ON_DISK if words else stated:
        return None
    version = fields.get(b"version", b"")
    if not _VERSION.match(version) and (version or words[2:] != [b"half-installed"]):
        raise MalformedDatabase(path, line, f"{name.decode()}: no valid Version field")
    source, source_version = name, version
    if text := fields.get(b"source"):
        match = _SOURCE.match(text)
        if not match or not _NAME.match(match[1]) or not _VERSION.match(match[2] or b"0"):
            raise MalformedDatabase(path, line, f"{name.decode()}: no valid Source field")
        source, source_version = match[1], match[2] or version
    return Package(
        name=name.decode(),
        version=version.decode(),
        architecture=fields.get(b"architecture", b"").decode("utf-8", "replace"),
        source=source.decode(),
        source_version=source_version.decode(),
        status=status.decode("utf-8", "replace"),
        multi_arch=fields.get(b"multi-arch", b"").decode("utf-8", "replace"),
        relations=relations(lambda field: _text(fields, field)),
    )


def _text(fields: Mapping[bytes, bytes], name: str) -> str | None:
    value = fields.get(name.encode())
    return None if value is None else value.decode("utf-8", "surrogateescape")
