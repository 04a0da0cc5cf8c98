"""Metalinks and mirror lists: where a repository's mirrors are, and what their repomd.xml must be.

Formats: Metalink 3.0 with MirrorManager's extensions (https://docs.fedoraproject.org, MirrorManager), as librepo reads
it; a mirror list is a URL a line.
"""

from urllib.parse import urlsplit

import msgspec

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.repositories.rpmmd.elements import parsed

__all__ = ["Metalink", "Wanted", "is_metalink", "read_metalink", "read_mirrorlist"]

MAX_MIRRORS = 5_000  # of one list; Fedora's has some 200
MAX_ALTERNATES = 1_000  # older states of a repository that mirrors may still have; Fedora's has some 10
MAX_TEXT = 16_384  # characters of one element

_NAME = "http://www.metalinker.org/ "
_MANAGER = "http://fedorahosted.org/mirrormanager "
_STRONG = {"sha256": 64, "sha512": 128}  # digits


class Wanted(msgspec.Struct, frozen=True):
    """One state of repomd.xml.

    Attributes:
        digests: `sha256:…` and `sha512:…`; what is weaker does not count.
        timestamp: Unix seconds; 0 where not said.
    """

    digests: frozenset[str]
    size: int | None = None
    timestamp: int = 0


class Metalink(msgspec.Struct, frozen=True):
    """What a metalink says of repomd.xml.

    Attributes:
        states: the newest one first, then the older ones that mirrors may still have.
        mirrors: base URLs, with a trailing slash, the preferred one first.
    """

    states: tuple[Wanted, ...]
    mirrors: tuple[str, ...]


def is_metalink(content: bytes) -> bool:
    """Whether a list of mirrors is a metalink: what yum and zypper call mirrorlist may be one."""
    return content.lstrip()[:1] == b"<"


def read_metalink(content: bytes, where: str) -> Metalink:
    """Read a metalink of repomd.xml.

    Raises:
        MalformedDocument: not well-formed, or not about repomd.xml.
        LimitExceeded: more mirrors or states than above.
    """
    reader = _Reader(where)
    for _ in parsed([content], reader, where):
        pass
    if not reader.found:
        raise MalformedDocument(f"{where}: it says nothing of repomd.xml")
    ordered = sorted(reader.mirrors, key=lambda mirror: -mirror[0])
    return Metalink(
        tuple(state for state in reader.states if state.digests), tuple(dict.fromkeys(url for _, url in ordered))
    )


def read_mirrorlist(content: bytes, where: str) -> tuple[str, ...]:
    """The base URLs of a mirror list, with a trailing slash, in its order.

    Raises:
        MalformedDocument: it has lines that are no URLs, and none that are (a page that says "not found", say).
        LimitExceeded: more than MAX_MIRRORS.
    """
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    found = [line for line in lines if line.lower().startswith(("http://", "https://"))]
    if len(found) > MAX_MIRRORS:
        raise LimitExceeded(f"{where}: more than {MAX_MIRRORS} mirrors")
    if lines and not found:
        raise MalformedDocument(f"{where}: no list of mirrors: {lines[0][:100]!r}")
    return tuple(dict.fromkeys(url if url.endswith("/") else f"{url}/" for url in map(_bare, found)))


class _Reader:
    def __init__(self, where: str) -> None:
        self.where = where
        self.depth = 0
        self.found = False
        self.mirrors: list[tuple[int, str]] = []
        self.states: list[Wanted] = []
        self._file = False
        self._attributes: dict[str, str] = {}
        self._text = ""
        self._digests: set[str] = set()
        self._size: int | None = None
        self._timestamp = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self._attributes, self._text = attributes, ""
        if name == _NAME + "file":
            self._file = attributes.get("name") == "repomd.xml"
            self.found = self.found or self._file
            self._begin()
        elif name == _MANAGER + "alternate":
            self._state()

    def end(self, name: str) -> None:
        self.depth -= 1
        if not self._file:
            return
        text = self._text.strip()
        if name == _NAME + "url":
            self._url(text)
        elif name == _NAME + "hash":
            kind = self._attributes.get("type", "").lower()
            if len(text) == _STRONG.get(kind):
                self._digests.add(f"{kind}:{text.lower()}")
        elif name == _NAME + "size" and text.isascii() and text.isdigit() and len(text) < 16:
            self._size = int(text)
        elif name == _MANAGER + "timestamp" and text.isascii() and text.isdigit() and len(text) < 16:
            self._timestamp = int(text)
        elif name in (_MANAGER + "alternate", _MANAGER + "alternates"):
            self._state()
        elif name == _NAME + "file":
            self._state()
            self._file = False
        self._text = ""

    def text(self, data: str) -> None:
        self._text += data
        if len(self._text) > MAX_TEXT:
            raise LimitExceeded(f"{self.where}: more than {MAX_TEXT} characters in an element")

    def _begin(self) -> None:
        self._digests, self._size, self._timestamp = set(), None, 0

    def _state(self) -> None:
        """What was gathered since the last one: the file's own state comes before its alternates."""
        if self._digests:
            self.states.append(Wanted(frozenset(self._digests), self._size, self._timestamp))
            if len(self.states) > MAX_ALTERNATES:
                raise LimitExceeded(f"{self.where}: more than {MAX_ALTERNATES} states of repomd.xml")
        self._begin()

    def _url(self, text: str) -> None:
        base = text.removesuffix("repodata/repomd.xml")
        if base == text or not base.lower().startswith(("http://", "https://")):
            return  # rsync and ftp are not asked
        preference = self._attributes.get("preference", "")
        number = int(preference) if preference.isascii() and preference.isdigit() and len(preference) < 6 else 0
        self.mirrors.append((number, _bare(base)))
        if len(self.mirrors) > MAX_MIRRORS:
            raise LimitExceeded(f"{self.where}: more than {MAX_MIRRORS} mirrors")


def _bare(url: str) -> str:
    """Without a login: a list of mirrors has none to give."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, fragment="").geturl()
