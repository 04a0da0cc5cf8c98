"""apk's record of what is installed: `installed`, in `lib/apk/db` or, on a merged /usr, in `usr/lib/apk/db`.

A record is lines of a letter, a colon and a value, ended by an empty line: first the fields of the index (APKINDEX:
https://wiki.alpinelinux.org/wiki/Apk_spec § APKINDEX Format), then apk's own, then from the first `F:` the files.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from affineur.errors import LimitExceeded, MalformedDatabase
from affineur.packages.inventory import Package

__all__ = ["APK", "Apk"]

INSTALLED_MAX = 64 * 1024 * 1024
"""Bytes of one file, lists of files included. A full desktop has 20 MiB."""
PACKAGES_MAX = 100_000
"""Records of one file; all of Alpine has 30,000."""

_ONCE = "PVALoIs"
"""Fields of which a second one in a record would leave open which is meant."""


class Apk:
    """Reads every package; files and scripts are passed over."""

    name: ClassVar[str] = "apk"
    version: ClassVar[int] = 1
    paths: ClassVar[tuple[str, ...]] = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
    limit: ClassVar[int] = INSTALLED_MAX
    facts_type: ClassVar[Any] = list[Package]
    settled_by: ClassVar[tuple[str, ...]] = paths

    def claims(self, content: bytes) -> bool:
        """Whether it is such a file, whatever its name."""
        return content.lstrip(b"\n")[:3] == b"C:Q" or content.lstrip(b"\n")[:2] == b"P:"

    def extract(self, path: str, content: bytes) -> list[Package]:
        """The packages of one file, in its order.

        Raises:
            MalformedDatabase: with path and line.
            LimitExceeded: more than PACKAGES_MAX records.
        """
        return list(_packages(path, content))

    def read(self, files: Mapping[str, bytes]) -> Iterator[Package]:
        """The packages of all files (see PackageDB)."""
        for path in sorted(files):
            yield from self.extract(path, files[path])


APK = Apk()


def _packages(path: str, content: bytes) -> Iterator[Package]:
    line, count = 1, 0
    for stanza in content.split(b"\n\n"):
        record = stanza.lstrip(b"\n")
        if record:
            count += 1
            if count > PACKAGES_MAX:
                raise LimitExceeded(f"/{path}: more than {PACKAGES_MAX} packages")
            yield _package(path, line + len(stanza) - len(record), record)
        line += stanza.count(b"\n") + 2


def _package(path: str, line: int, record: bytes) -> Package:
    fields = _fields(path, line, record)
    name, version = fields.get("P", ""), fields.get("V", "")
    if not name or not name.isprintable() or " " in name:
        raise MalformedDatabase(path, line, "a record without a valid name (P:)")
    if not version or not version.isprintable() or " " in version:
        raise MalformedDatabase(path, line, f"{name}: no valid version (V:)")
    size = fields.get("I", "")
    if size and not (size.isascii() and size.isdigit() and len(size) < 19):
        raise MalformedDatabase(path, line, f"{name}: no valid size (I:)")
    return Package(
        name=name,
        version=version,
        architecture=fields.get("A", ""),
        source=fields.get("o") or name,
        source_version=version,  # all packages of one origin are built at once, and share its version
        status=fields.get("f", ""),
        manager="apk",
        licence=fields.get("L", ""),
        size=int(size) if size else None,
        repository=f"@{fields['s']}" if fields.get("s") else "",
    )


def _fields(path: str, line: int, record: bytes) -> dict[str, str]:
    """What stands before the files; the first of those begins with a folder."""
    fields: dict[str, str] = {}
    for number, text in enumerate(record.split(b"\n"), line):
        if text.startswith(b"F:"):
            break
        if text[1:2] != b":" or not text[:1].isalpha():
            if not text and number > line:  # the end of the file
                continue
            raise MalformedDatabase(path, number, "a line that is neither a letter and a colon nor empty")
        letter = text[:1].decode()
        if letter in fields and letter in _ONCE:
            raise MalformedDatabase(path, number, f"a record with the field {letter}: twice")
        fields[letter] = text[2:].decode("utf-8", "replace").strip()
    return fields
