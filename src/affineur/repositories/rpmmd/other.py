"""other.xml: the changelogs of a repository's packages, read as a stream; only of those that are asked for.

Source: createrepo_c's documents. It keeps the last ten entries of each package, where not told otherwise.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.repositories.rpmmd.elements import edited, parsed

__all__ = ["MAX_CHANGELOG", "MAX_ENTRIES", "MAX_PACKAGES", "Entry", "read_changelogs"]

MAX_PACKAGES = 500_000  # of one repository
MAX_ENTRIES = 20_000  # of one package; the kernel's whole history has 15,000
MAX_CHANGELOG = 8 << 20  # characters of all entries of one package

_OTHER = "http://linux.duke.edu/metadata/other "
_ROOT, _PACKAGE, _ENTRY = _OTHER + "otherdata", _OTHER + "package", _OTHER + "changelog"
_END = b"</package>"
_ID = re.compile(rb"<package\s[^>]*?\bpkgid=\"([0-9A-Fa-f]+)\"")


class Entry(NamedTuple):
    """One change.

    Attributes:
        when: its day, UTC: rpm puts noon there.
        author: as written; often with the package's version at the end, `Name <mail> - 1.2-3`.
    """

    when: datetime
    author: str
    text: str


def read_changelogs(
    chunks: Iterable[bytes], wanted: Collection[str], where: str = "other.xml"
) -> Iterator[tuple[str, list[Entry]]]:
    """Yield the changelogs of wanted packages, in the document's order.

    Args:
        chunks: other.xml, unpacked, in pieces of any size.
        wanted: packages' checksums (Offer.checksum, with or without the algorithm in front).
        where: what it is, for messages only.

    Returns:
        pairs of the checksum, as it stands in `wanted`, and the entries in the document's order (newest last, of
        createrepo_c).

    Raises:
        MalformedDocument: not well-formed, of another kind, or an entry without a date.
        LimitExceeded: more of something than the limits above.
    """
    names = {checksum.rpartition(":")[2].lower(): checksum for checksum in wanted}
    reader = _Reader(names, where)

    def only_wanted(packages: bytes) -> bytes:
        return _END.join(map(kept, packages.split(_END)))

    def kept(package: bytes) -> bytes:
        found = _ID.search(package)
        if found is None or found[1].decode().lower() in names:
            return package
        return package[: found.start()] + b"<package>"

    for _ in parsed(edited(chunks, _END, only_wanted), reader, where):
        if reader.ready:
            yield from reader.ready
            reader.ready.clear()


class _Reader:
    """Gathers changelogs in `ready`."""

    def __init__(self, names: dict[str, str], where: str) -> None:
        self.where = where
        self.ready: list[tuple[str, list[Entry]]] = []
        self.depth = 0
        self._names = names
        self._count = 0
        self._entries: list[Entry] | None = None
        self._checksum = ""
        self._head: tuple[datetime, str] | None = None
        self._pieces: list[str] = []
        self._length = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 3 and self._entries is not None and name == _ENTRY:
            self._head = self._when(attributes.get("date", "")), attributes.get("author", "")
            self._length += len(self._head[1])
        elif self.depth == 2 and name == _PACKAGE:
            self._count += 1
            if self._count > MAX_PACKAGES:
                raise LimitExceeded(f"{self.where}: more than {MAX_PACKAGES} packages")
            self._checksum = self._names.get(attributes.get("pkgid", "").lower(), "")
            self._entries = [] if self._checksum else None
            self._length = 0
        elif self.depth == 1 and name != _ROOT:
            raise MalformedDocument(f"{self.where}: the document is {name[-80:]!r}, not rpm-md's other")

    def end(self, _name: str) -> None:
        self.depth -= 1
        if self._entries is None:
            return
        if self.depth == 2 and self._head is not None:
            self._entries.append(Entry(*self._head, "".join(self._pieces)))
            self._pieces.clear()
            self._head = None
            if len(self._entries) > MAX_ENTRIES:
                raise LimitExceeded(f"{self.where}: a changelog of more than {MAX_ENTRIES} entries")
        elif self.depth == 1:
            self.ready.append((self._checksum, self._entries))
            self._entries = None

    def text(self, data: str) -> None:
        if self._head is not None:
            self._length += len(data)
            if self._length > MAX_CHANGELOG:
                raise LimitExceeded(f"{self.where}: a changelog of more than {MAX_CHANGELOG} characters")
            self._pieces.append(data)

    def _when(self, text: str) -> datetime:
        try:
            if not (text.isascii() and text.isdigit() and len(text) <= 12):
                raise ValueError
            return datetime.fromtimestamp(int(text), UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise MalformedDocument(f"{self.where}: a changelog of the date {text[:40]!r}") from error
