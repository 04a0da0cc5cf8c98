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
_FIELD = re.compile(
    rb"^(Package|Status|Version|Architecture|Source|Multi-Arch|"
    + b"|".join(map(str.encode, FIELDS))
    + rb")[ \t]*:[ \t]*"
    rb"(.*(?:\n[ \t].*)*)",
    re.MULTILINE | re.IGNORECASE,
)
_SOURCE = re.compile(rb"([^\s()]+)(?:\s*\(\s*([^\s()]+)\s*\))?\s*\Z")
_VERSION = re.compile(rb"[0-9A-Za-z.+~:-]+\Z")


class Dpkg:
    """Reads every package whose state leaves files on disk."""

    name: ClassVar[str] = "dpkg"
    version: ClassVar[int] = 1
    paths: ClassVar[tuple[str, ...]] = ("var/lib/dpkg/status", "var/lib/dpkg/status.d/*")
    limit: ClassVar[int] = STATUS_MAX
    facts_type: ClassVar[Any] = list[Package]
    settled_by: ClassVar[tuple[str, ...]] = ("var/lib/dpkg/status",)

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
    for stanza in re.split(rb"\n(?:[ \t]*\n)+", content):
        if stanza.strip():
            package = _package(path, line, stanza)
            if package is not None:
                yield package
        line += stanza.count(b"\n") + 2


def _package(path: str, line: int, stanza: bytes) -> Package | None:
    fields = {name.lower(): value for name, value in _FIELD.findall(stanza)}
    name = fields.get(b"package", b"").strip()
    if not _NAME.match(name):
        raise MalformedDatabase(path, line, "a record without a valid Package field")
    status = fields.get(b"status", b"").strip()
    if status:
        words = status.split()
        if len(words) != 3 or words[2] not in _STATES:
            raise MalformedDatabase(path, line, f"{name.decode()}: no valid Status field")
        if words[2] in _NOTHING_ON_DISK:
            return None
    version = fields.get(b"version", b"").strip()
    if not _VERSION.match(version):
        raise MalformedDatabase(path, line, f"{name.decode()}: no valid Version field")
    source, source_version = name, version
    if text := fields.get(b"source", b"").strip():
        match = _SOURCE.match(text)
        if not match or not _NAME.match(match[1]):
            raise MalformedDatabase(path, line, f"{name.decode()}: no valid Source field")
        source, source_version = match[1], match[2] or version
    return Package(
        name=name.decode(),
        version=version.decode(),
        architecture=fields.get(b"architecture", b"").strip().decode("utf-8", "replace"),
        source=source.decode(),
        source_version=source_version.decode("utf-8", "replace"),
        status=status.decode("utf-8", "replace"),
        multi_arch=fields.get(b"multi-arch", b"").strip().decode("utf-8", "replace"),
        relations=relations(lambda field: _text(fields, field)),
    )


def _text(fields: Mapping[bytes, bytes], name: str) -> str | None:
    value = fields.get(name.encode())
    return None if value is None else value.decode("utf-8", "surrogateescape")
