"""updateinfo.xml: the notices of an rpm-md repository, read as a stream.

There is no specification but what the tools write and read: createrepo_c's updateinfo documents, and each vendor's own.
Types are `security`, `bugfix`, `enhancement` and `newpackage`; SUSE's are `security`, `recommended`, `optional`,
`feature` … A notice's own severity is a word of its vendor, mapped by severities.toml. Its age counts from `issued`;
where only `updated` is there, that is a bound. CVEs are those of references of type `cve`; a security notice without
such (Fedora's) may name them in the titles of bugs. A notice is as severe as the worst flaw that it fixes: where it
names one CVE, that is the CVE's severity; of several it says nothing for each.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from affineur.errata.erratum import Build, Erratum
from affineur.errata.severity import of_word
from affineur.errors import LimitExceeded, MalformedDocument
from affineur.repositories.rpmmd.elements import edited, parsed
from affineur.repositories.rpmmd.primary import version_text

__all__ = ["MAX_BUILDS", "MAX_NOTICES", "moment_of", "read_updateinfo"]

MAX_NOTICES = 100_000  # of one document; those of RHEL 7 are some 6,000
MAX_BUILDS = 100_000  # of one notice, in all its collections; a notice about kernels has some hundreds
MAX_BUILDS_KEPT = 1_000_000  # of one document; RHEL 7's has some 200,000
MAX_REFERENCES = 10_000  # of one notice; the most known is some 2,000 (kernels of SUSE)
MAX_TEXT = 4_096  # characters of one text or of one element's attributes; descriptions are not read
MAX_TITLE_CHARACTERS = 300
_UPDATE_DEPTH, _FIELD_DEPTH, _LIST_DEPTH, _ITEM_DEPTH = 2, 3, 4, 5
_TEXTS = {"id", "title", "severity"}
_KINDS = {"security": "security", "bugfix": "bugfix", "enhancement": "enhancement", "newpackage": "newpackage"}
_KINDS |= {"recommended": "bugfix", "optional": "other", "feature": "enhancement"}
_NOT_FINAL = {"testing", "pending", "retracted", "obsolete", "unpushed"}  # Bodhi's and SUSE's; any other word counts
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,19}\b", re.ASCII | re.IGNORECASE)
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?)? ?(?:Z|UTC|GMT|([-+])(\d\d):?(\d\d))?",
    re.ASCII,
)


def read_updateinfo(
    chunks: Iterable[bytes], publisher: str, where: str, names: Collection[str] | None = None
) -> Iterator[Erratum]:
    """Yield every notice, in the document's order, those that are not final too (`Erratum.status`).

    Args:
        chunks: updateinfo.xml, unpacked, in pieces of any size.
        publisher: the os-release ID of the distribution whose words the severities are.
        where: its URL; the errata's `source`.
        names: of packages; builds of others are left out, and notices about others only come without any.

    Raises:
        MalformedDocument: not well-formed, of another kind, or a notice without an id, a package without name, version
            or architecture.
        LimitExceeded: more of something than the limits above.
    """
    reader = _Reader(publisher, where, None if names is None else frozenset(names))
    for _ in parsed(edited(chunks, b"</update>", _without_texts), reader, where):
        if reader.ready:
            yield from reader.ready
            reader.ready.clear()


@lru_cache(4096)
def moment_of(text: str) -> datetime | None:
    """Read a date as the vendors write it, UTC where it does not say; None for anything else.

    Forms: `2019-04-02 08:12:00`, `2019-04-02 08:12`, `2019-04-02`, `2019-04-02T08:12:00Z`, each with ` UTC` or an
    offset, and seconds since 1970.
    """
    text = text.strip()
    try:
        if text.isascii() and text.isdigit() and len(text) <= 12:
            return datetime.fromtimestamp(int(text), UTC) if int(text) else None
        found = _DATE.fullmatch(text)
        if found is None:
            return None
        numbers = [int(part or 0) for part in found.groups()[:6]]
        east = timedelta(hours=int(found[8] or 0), minutes=int(found[9] or 0))
        zone = timezone(-east if found[7] == "-" else east)
        return datetime(*numbers, tzinfo=zone).astimezone(UTC)  # type: ignore[misc,arg-type]
    except (ValueError, OverflowError, OSError):
        return None


def _without_texts(notices: bytes) -> bytes:
    """Cut out descriptions, which are not read, and are a third of a document."""
    first, *others = notices.split(b"<description>")
    kept = [first]
    for other in others:
        _, closed, after = other.partition(b"</description>")
        kept.append(after if closed else b"<description>" + other)
    return b"".join(kept)


class _Reader:
    """Gathers errata in `ready`."""

    def __init__(self, publisher: str, where: str, names: frozenset[str] | None) -> None:
        self.publisher, self.where, self.names = publisher, where, names
        self.ready: list[Erratum] = []
        self.depth = 0
        self._notices = self._kept = 0
        self._update: dict[str, str] | None = None
        self._section = self._reading = ""
        self._length = 0
        self._pieces: list[str] = []
        self._clear()

    def _clear(self) -> None:
        self._texts: dict[str, str] = {}
        self._dates: dict[str, str] = {}
        self._cves: dict[str, None] = {}
        self._elsewhere: dict[str, None] = {}
        self._references = self._builds_seen = 0
        self._module = ""
        self._builds: dict[Build, None] = {}
        self._collection: list[tuple[str, str, str]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth = depth = self.depth + 1
        if depth == _ITEM_DEPTH:
            if self._section == "pkglist":
                if name == "package":
                    self._package(attributes)
                elif name == "module":
                    self._module = self._label(attributes)
        elif depth == _LIST_DEPTH:
            if self._section == "references" and name == "reference":
                self._reference(attributes)
        elif depth == _FIELD_DEPTH:
            if self._update is not None:
                self._section = name
                if name in _TEXTS:
                    self._reading = name
                elif name in ("issued", "updated"):
                    self._dates[name] = self._limited(attributes).get("date", "")
        elif depth == _UPDATE_DEPTH:
            if name == "update":
                self._update = self._limited(attributes)
        elif depth == 1 and name != "updates":
            raise MalformedDocument(f"{self.where}: the document is {name[-80:]!r}, not rpm-md's updateinfo")

    def end(self, name: str) -> None:
        self.depth = depth = self.depth - 1
        if depth == _LIST_DEPTH - 1:
            if self._section == "pkglist":
                self._finish_collection()
        elif depth == _FIELD_DEPTH - 1:
            if self._reading:
                self._texts[self._reading] = " ".join("".join(self._pieces).split())
                self._reading, self._length = "", 0
                self._pieces.clear()
            self._section = ""
        elif depth == _UPDATE_DEPTH - 1 and self._update is not None:
            self._finish(self._update)
            self._update = None

    def text(self, data: str) -> None:
        if self._reading:
            self._length += len(data)
            if self._length > MAX_TEXT:
                raise LimitExceeded(f"{self.where}: {self._reading} of more than {MAX_TEXT} characters")
            self._pieces.append(data)

    def _limited(self, attributes: dict[str, str]) -> dict[str, str]:
        if sum(map(len, attributes.values())) > MAX_TEXT:
            raise LimitExceeded(f"{self.where}: attributes of more than {MAX_TEXT} characters")
        return attributes

    def _label(self, attributes: dict[str, str]) -> str:
        found = self._limited(attributes)
        return ":".join(found.get(part, "") for part in ("name", "stream", "version", "context"))

    def _reference(self, attributes: dict[str, str]) -> None:
        self._references += 1
        if self._references > MAX_REFERENCES:
            raise LimitExceeded(f"{self.where}: a notice with more than {MAX_REFERENCES} references")
        found = self._limited(attributes)
        texts = f"{found.get('id', '')} {found.get('title', '')}"
        into = self._cves if found.get("type", "").lower() == "cve" else self._elsewhere
        into.update((cve.upper(), None) for cve in _CVE.findall(texts))

    def _package(self, attributes: dict[str, str]) -> None:
        self._builds_seen += 1
        if self._builds_seen > MAX_BUILDS:
            raise LimitExceeded(f"{self.where}: a notice with more than {MAX_BUILDS} packages")
        name = attributes.get("name", "")
        if self.names is not None and name not in self.names:
            return
        found = self._limited(attributes)
        epoch, version, architecture = found.get("epoch", ""), found.get("version", ""), found.get("arch", "")
        epoch = "" if epoch == "None" else epoch  # some tools write Python's
        number = epoch.isascii() and epoch.isdigit() and len(epoch) <= 10
        if not (name and version and architecture) or (epoch and not number):
            said = self._texts.get("id", "")[:80]
            raise MalformedDocument(
                f"{self.where}: a package ({name[:80]!r}) of {said!r} lacks a name, version or architecture"
            )
        text = version_text(str(int(epoch or 0)), version, found.get("release", ""))
        self._collection.append((name, architecture, text))

    def _finish_collection(self) -> None:
        """A collection's module holds for all its packages, also where it stands after them."""
        self._builds.update((Build(*package, self._module), None) for package in self._collection)
        self._collection.clear()
        self._module = ""

    def _finish(self, update: dict[str, str]) -> None:
        self._notices += 1
        self._kept += len(self._builds)
        if self._notices > MAX_NOTICES or self._kept > MAX_BUILDS_KEPT:
            raise LimitExceeded(f"{self.where}: more than {MAX_NOTICES} notices, or {MAX_BUILDS_KEPT} packages in them")
        identifier = self._texts.get("id", "")
        if not identifier:
            raise MalformedDocument(f"{self.where}: notice {self._notices} has no id")
        kind = _KINDS.get(update.get("type", "").lower(), "other")
        word = self._texts.get("severity")
        severity = of_word(self.publisher, word or "") or of_word("updateinfo", word or "")
        issued, updated = (moment_of(self._dates.get(name, "")) for name in ("issued", "updated"))
        status = update.get("status", "").lower()
        named = self._cves or (self._elsewhere if kind == "security" else {})
        self.ready.append(
            Erratum(
                id=identifier,
                kind=kind,
                severity=severity,
                issued=issued,
                cves=tuple(named),
                title=(self._texts.get("title") or identifier)[:MAX_TITLE_CHARACTERS],
                source=self.where,
                fixes=(),
                issued_at_latest=None if issued else updated,
                rated_by=f"severity={word}" if severity else "",
                cve_severities=(severity,) if severity and len(named) == 1 else (),
                builds=tuple(self._builds),
                updated=updated,
                severity_word=word,
                status=status if status in _NOT_FINAL else "",
            )
        )
        self._clear()
