"""repomd.xml: what a repository's metadata files are, and what they must be.

Source: createrepo_c's documents, and librepo for which of them clients take.
"""

import re
from datetime import UTC, datetime

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.repositories.rpmmd.elements import parsed
from affineur.repositories.rpmmd.model import DataFile, Repomd

__all__ = ["REPOMD_LIMIT", "read_repomd"]

REPOMD_LIMIT = 4 << 20
"""Bytes of a repomd.xml; real ones have 5 kB."""
MAX_DATA = 200  # entries; real ones have up to 20
MAX_TEXT = 4_096  # characters of one value

_REPO = "http://linux.duke.edu/metadata/repo "
_BASE = "http://www.w3.org/XML/1998/namespace base"
_TEXTS = {_REPO + name for name in ("revision", "checksum", "open-checksum", "timestamp", "size", "open-size")}
_DIGITS = {"sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")


def read_repomd(content: bytes, where: str) -> Repomd:
    """Parse repomd.xml. Whether its bytes are to be believed is the caller's question.

    An entry without a location, or with a checksum of a kind that is not known here (MD5, say), is left out: nothing
    could be checked.

    Raises:
        MalformedDocument: not well-formed, of another kind, or with a number that is none.
        LimitExceeded: larger or more than the limits above.
    """
    if len(content) > REPOMD_LIMIT:
        raise LimitExceeded(f"{where}: more than {REPOMD_LIMIT} bytes")
    reader = _Reader(where)
    for _ in parsed([content], reader, where):
        pass
    for kind, file in list(reader.data.items()):
        if kind.endswith("_zck"):
            reader.data.setdefault(kind.removesuffix("_zck"), file)
    times = [file.timestamp for file in reader.data.values() if file.timestamp is not None]
    revision = reader.revision
    made = max(times, default=None) or _moment(revision)
    return Repomd(revision, made, reader.data)


class _Reader:
    def __init__(self, where: str) -> None:
        self.where = where
        self.depth = 0
        self.revision = ""
        self.data: dict[str, DataFile] = {}
        self._type = ""
        self._href = ""
        self._texts: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._reading = ""
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1 and name != _REPO + "repomd":
            raise MalformedDocument(f"{self.where}: the document is {name[-80:]!r}, not rpm-md's repomd")
        if sum(map(len, attributes.values())) > MAX_TEXT:
            raise LimitExceeded(f"{self.where}: attributes of more than {MAX_TEXT} characters")
        if self.depth == 2 and name == _REPO + "data":
            self._count += 1
            if self._count > MAX_DATA:
                raise LimitExceeded(f"{self.where}: more than {MAX_DATA} files")
            self._type, self._href, self._texts, self._kinds = attributes.get("type", ""), "", {}, {}
        elif self.depth == 3 and self._type and name == _REPO + "location":
            href, base = attributes.get("href", ""), attributes.get(_BASE, "")
            self._href = f"{base.rstrip('/')}/{href}" if base else href
        elif name in _TEXTS and (self.depth == 2 or (self.depth == 3 and self._type)):
            self._reading = name.removeprefix(_REPO)
            self._texts[self._reading] = ""
            self._kinds[self._reading] = attributes.get("type", "").lower()

    def end(self, name: str) -> None:
        self.depth -= 1
        if self._reading and name == _REPO + self._reading:
            if self.depth == 1 and self._reading == "revision":
                self.revision = self._texts.pop("revision").strip()
            self._reading = ""
        elif self.depth == 1 and self._type and name == _REPO + "data":
            self._finish()
            self._type = ""

    def text(self, data: str) -> None:
        if self._reading:
            self._texts[self._reading] += data
            if len(self._texts[self._reading]) > MAX_TEXT:
                raise LimitExceeded(f"{self.where}: {self._reading} of more than {MAX_TEXT} characters")

    def _finish(self) -> None:
        checksum = self._checksum("checksum")
        if not self._href or not checksum or self._type in self.data:
            return  # of two entries of a type librepo takes the first
        self.data[self._type] = DataFile(
            type=self._type,
            href=self._href,
            checksum=checksum,
            size=self._number("size"),
            open_checksum=self._checksum("open-checksum"),
            open_size=self._number("open-size"),
            timestamp=_moment(self._texts.get("timestamp", "")),
        )

    def _checksum(self, name: str) -> str:
        """`sha` is what createrepo 0.4 called SHA-1. Empty where there is none, or one that is not checked here."""
        text, kind = self._texts.get(name, "").strip().lower(), self._kinds.get(name, "")
        kind = "sha1" if kind == "sha" else kind
        if not text or kind not in _DIGITS:
            return ""
        if len(text) != _DIGITS[kind] or not _HEX.fullmatch(text):
            raise MalformedDocument(f"{self.where}: {name} of {self._type} is no {kind}: {text[:140]!r}")
        return f"{kind}:{text}"

    def _number(self, name: str) -> int | None:
        text = self._texts.get(name, "").strip()
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise MalformedDocument(f"{self.where}: {name} of {self._type} is {text[:40]!r}")
        return int(text)


def _moment(text: str) -> datetime | None:
    """Unix seconds, with a fraction as createrepo 0.4 wrote them; None where it is no time, but a word."""
    seconds = text.strip().partition(".")[0]
    if not (seconds.isascii() and seconds.isdigit() and 9 <= len(seconds) <= 10):
        return None
    return datetime.fromtimestamp(int(seconds), UTC)
