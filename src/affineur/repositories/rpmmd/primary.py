"""primary.xml: the packages that a repository offers, read as a stream.

Source: createrepo_c's documents (there is no other specification), namespaces included. What a package needs is not
read, nor are its files and texts: a document is mostly that, so those sections are cut out before expat sees them.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.repositories.rpmmd.elements import edited, parsed
from affineur.repositories.rpmmd.model import Obsolete, Offer

__all__ = ["MAX_PACKAGES", "MAX_RELATIONS", "MAX_TEXT", "READER", "read_primary", "source_of", "version_text"]

READER = 1
"""Raised whenever the answers change: remembered offers carry it."""
MAX_PACKAGES = 500_000  # of one repository; Fedora's has 75,000
MAX_RELATIONS = 20_000  # of one package and kind; the most known is some 2,000
MAX_TEXT = 4_096  # characters of a name, version, path or checksum

_COMMON, _RPM = "http://linux.duke.edu/metadata/common ", "http://linux.duke.edu/metadata/rpm "
_BASE = "http://www.w3.org/XML/1998/namespace base"
_PACKAGE_DEPTH, _FIELD_DEPTH, _FORMAT_DEPTH, _ENTRY_DEPTH = 2, 3, 4, 5
_TEXTS = {_COMMON + "name", _COMMON + "arch", _COMMON + "checksum"}
_FORMAT_TEXTS = {_RPM + "sourcerpm", _RPM + "vendor"}
_SECTIONS = {_RPM + "provides", _RPM + "obsoletes"}
_UNREAD = (b"requires", b"conflicts", b"suggests", b"recommends", b"enhances", b"supplements")
_END = b"</package>"
_SOURCE = re.compile(r"(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm")


def read_primary(chunks: Iterable[bytes], where: str) -> Iterator[Offer]:
    """Yield every package, in the document's order; the bytes are read as they are needed.

    Args:
        chunks: primary.xml, unpacked, in pieces of any size.
        where: what it is, for messages only.

    Raises:
        MalformedDocument: not well-formed, of another kind, or a package without name, version or architecture.
        LimitExceeded: more of something than the limits above.
    """
    reader = _Reader(where)
    for _ in parsed(edited(chunks, _END, _without_unread), reader, where):
        if reader.ready:
            yield from reader.ready
            reader.ready.clear()


def version_text(epoch: str, version: str, release: str) -> str:
    """`[epoch:]version-release`, an epoch of 0 left out."""
    text = f"{version}-{release}" if release else version
    return text if epoch in ("", "0") else f"{epoch}:{text}"


def source_of(source_rpm: str, epoch: str) -> tuple[str, str] | None:
    """Name and version of a source package from its file's name, which has no epoch: the binary's is taken.

    Returns:
        None where the name is not that of a source package (also where there is none).
    """
    found = _SOURCE.fullmatch(source_rpm)
    return (found[1], version_text(epoch, found[2], "")) if found else None


class _Reader:
    """Gathers offers in `ready`."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.ready: list[Offer] = []
        self.depth = 0
        self._count = 0
        self._package = False
        self._format = False
        self._section = ""
        self._reading = ""
        self._length = 0
        self._pieces: list[str] = []
        self._texts: dict[str, str] = {}
        self._attributes: dict[str, dict[str, str]] = {}
        self._obsoletes: list[Obsolete] = []
        self._provides: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth = depth = self.depth + 1
        if depth == _ENTRY_DEPTH:
            if self._section and name == _RPM + "entry":
                self._entry(attributes)
        elif depth == _FORMAT_DEPTH:
            if self._format:
                self._section = name if name in _SECTIONS else ""
                if name in _FORMAT_TEXTS:
                    self._reading = name
        elif depth == _FIELD_DEPTH:
            if self._package:
                self._field(name, attributes)
        elif depth == _PACKAGE_DEPTH:
            self._package = name == _COMMON + "package" and attributes.get("type", "rpm") == "rpm"
        elif depth == 1 and name != _COMMON + "metadata":
            raise MalformedDocument(f"{self.where}: the document is {name[-80:]!r}, not rpm-md's primary")

    def end(self, name: str) -> None:
        if self._reading == name:
            self._texts[name] = "".join(self._pieces)
            self._pieces.clear()
            self._reading, self._length = "", 0
        self.depth = depth = self.depth - 1
        if depth == 1 and self._package:
            self._finish()
        elif depth == _FORMAT_DEPTH - 1:
            self._section = ""
        elif depth == _FIELD_DEPTH - 1:
            self._format = False

    def text(self, data: str) -> None:
        if self._reading:
            self._length += len(data)
            if self._length > MAX_TEXT:
                raise LimitExceeded(f"{self.where}: {self._reading} of more than {MAX_TEXT} characters")
            self._pieces.append(data)

    def _field(self, name: str, attributes: dict[str, str]) -> None:
        if name in _TEXTS:
            self._reading = name
        self._format = name == _COMMON + "format"
        if attributes:
            if sum(map(len, attributes.values())) > MAX_TEXT:
                raise LimitExceeded(f"{self.where}: attributes of more than {MAX_TEXT} characters")
            self._attributes[name] = attributes
            if len(self._attributes) > MAX_RELATIONS:
                raise LimitExceeded(f"{self.where}: a package of more than {MAX_RELATIONS} fields")

    def _entry(self, attributes: dict[str, str]) -> None:
        name = attributes.get("name", "")
        if self._section == _RPM + "provides":
            if "(" in name or "/" in name:
                return
            kept: list[str] | list[Obsolete] = self._provides
            self._provides.append(name)
        else:
            kept = self._obsoletes
            version = ""
            if flags := attributes.get("flags", ""):
                epoch, release = attributes.get("epoch", ""), attributes.get("rel", "")
                version = version_text(epoch, attributes.get("ver", ""), release)
            self._obsoletes.append(Obsolete(name, flags, version))
        if len(kept) > MAX_RELATIONS or sum(map(len, attributes.values())) > MAX_TEXT:
            raise LimitExceeded(f"{self.where}: more or longer relations of a package than {MAX_RELATIONS}")

    def _finish(self) -> None:
        self._count += 1
        if self._count > MAX_PACKAGES:
            raise LimitExceeded(f"{self.where}: more than {MAX_PACKAGES} packages")
        texts, attributes = self._texts, self._attributes
        name, architecture = texts.get(_COMMON + "name", ""), texts.get(_COMMON + "arch", "")
        numbers = attributes.get(_COMMON + "version", {})
        epoch = numbers.get("epoch", "")
        version = numbers.get("ver", "")
        if not (name and architecture and version) or (epoch and not _is_number(epoch)):
            raise MalformedDocument(
                f"{self.where}: package {self._count} ({name!r}) lacks a name, version or architecture"
            )
        version = version_text(epoch, version, numbers.get("rel", ""))
        source, source_version = source_of(texts.get(_RPM + "sourcerpm", ""), epoch) or (name, version)
        self.ready.append(
            Offer(
                name=name,
                version=version,
                architecture=architecture,
                source=source,
                source_version=source_version,
                href=_href(attributes.get(_COMMON + "location", {})),
                size=self._number("size", "package") or 0,
                checksum=_checksum(attributes.get(_COMMON + "checksum", {}), texts.get(_COMMON + "checksum", "")),
                built=self._built(),
                obsoletes=tuple(self._obsoletes),
                vendor=texts.get(_RPM + "vendor", ""),
                provides=tuple(dict.fromkeys(each for each in self._provides if each != name)),
            )
        )
        self._package = False
        texts.clear()
        attributes.clear()
        self._obsoletes.clear()
        self._provides.clear()

    def _number(self, element: str, attribute: str) -> int | None:
        text = self._attributes.get(_COMMON + element, {}).get(attribute, "")
        if not text:
            return None
        if not _is_number(text):
            raise MalformedDocument(f"{self.where}: {element} {attribute} is {text[:40]!r}")
        return int(text)

    def _built(self) -> datetime | None:
        seconds = self._number("time", "build")
        if not seconds:
            return None
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _checksum(attributes: dict[str, str], text: str) -> str:
    """`sha` is what createrepo 0.4 called SHA-1."""
    kind = attributes.get("type", "").lower()
    return f"{'sha1' if kind == 'sha' else kind}:{text.strip().lower()}" if kind and text else ""


def _href(location: dict[str, str]) -> str:
    href, base = location.get("href", ""), location.get(_BASE, "")
    return f"{base.rstrip('/')}/{href}" if base else href


def _without_unread(packages: bytes) -> bytes:
    for section in _UNREAD:
        packages = _cut(packages, b"<rpm:%s>" % section, b"</rpm:%s>" % section)
    return packages


def _cut(data: bytes, opening: bytes, closing: bytes) -> bytes:
    first, *others = data.split(opening)
    kept = [first]
    for other in others:
        _, closed, after = other.partition(closing)
        kept.append(after if closed else opening + other)
    return b"".join(kept)
