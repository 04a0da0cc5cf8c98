"""What a vendor says of flaws that it has not fixed: statements, gathered by release and package, kept in an index.

A feed has up to a million statements, many of them with the same few sentences as reasons; so those about one package
of one release are kept together, compressed, and are looked up together.
"""

import enum
import zlib
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from affineur.errors import LimitExceeded, MalformedDatabase

if TYPE_CHECKING:
    from affineur.store.feeds import FeedIndex

__all__ = ["Statement", "Statements", "Status", "covered", "said"]

MAX_GATHERED_BYTES = 1024 * 1024 * 1024
"""Bytes of statements of one feed, before they are compressed; Ubuntu's have some 200 MB with their reasons."""
MAX_REASON_CHARACTERS = 600
MAX_TOLD_BYTES = 256 * 1024 * 1024
"""Bytes of statements about one package, unpacked; a kernel has some thousand of them."""
_OPEN, _RELEASE = "open", "open-release"


class Status(enum.StrEnum):
    """What the vendor means to do about a flaw; each vendor's own words are its reason."""

    AFFECTED = "affected"
    CUSTOMERS_ONLY = "fixed for customers only"
    UNDER_INVESTIGATION = "under investigation"
    DEFERRED = "fix deferred"
    NO_ADVISORY = "no advisory planned"
    WILL_NOT_FIX = "will not fix"
    OUT_OF_SUPPORT = "out of support scope"


class Statement(msgspec.Struct, frozen=True, array_like=True):
    """That a package has a flaw for which there is no fix.

    Attributes:
        reason: the vendor's own words, verbatim but for white space and length; empty where it gives none.
        word: the vendor's own word for the severity; empty where it gives none.
        since: the first version that has the flaw; empty: every version has it.
        until: the newest version that the vendor speaks of; empty: there is no such bound.
        fixed: the first version that has the fix that only paying customers get; empty: there is none.
        module: `name:stream` of the module whose package is meant; empty: the one that is in no module.
    """

    cve: str
    status: Status
    reason: str = ""
    word: str = ""
    since: str = ""
    until: str = ""
    module: str = ""
    fixed: str = ""


class Statements:
    """Gathers the statements of a feed as they pass, and gives index entries at the end.

    Attributes:
        count: how many there were.
    """

    def __init__(self) -> None:
        self.count = 0
        self._bytes = 0
        self._gathered: dict[tuple[str, str], bytearray] = {}
        self._encode = msgspec.json.Encoder().encode

    def add(self, release: str, package: str, statement: Statement) -> None:
        """One more. Raises LimitExceeded where there are more than any vendor has."""
        reason = " ".join(statement.reason.split())
        if reason != statement.reason or len(reason) > MAX_REASON_CHARACTERS:
            statement = msgspec.structs.replace(statement, reason=reason[:MAX_REASON_CHARACTERS])
        line = self._encode(statement)
        self.count += 1
        self._bytes += len(line) + 1
        if self._bytes > MAX_GATHERED_BYTES:
            raise LimitExceeded(f"more than {MAX_GATHERED_BYTES} bytes of statements about flaws without a fix")
        lines = self._gathered.setdefault((release, package), bytearray())
        lines += line
        lines += b"\n"

    def entries(self) -> Iterator[tuple[str, bytes]]:
        """Give the index entries: one for each package of a release, and one for each release."""
        for release in {release for release, _ in self._gathered}:
            yield f"{_RELEASE}\0{release}", b""
        for (release, package), lines in self._gathered.items():
            yield f"{_OPEN}\0{release}\0{package}", zlib.compress(lines, 3)


def covered(index: "FeedIndex", releases: Iterable[str]) -> bool:
    """Whether anything is said of one of these releases: a feed without a word on it cannot be the right one, or whole.

    Raises:
        MalformedDatabase: the index is damaged.
    """
    return any(index.entries([f"{_RELEASE}\0{release}" for release in releases]))


def said(
    index: "FeedIndex", releases: Iterable[str], packages: Collection[str]
) -> Iterator[tuple[str, str, list[Statement]]]:
    """Yield (release, package, statements) for each of these packages that anything is said of.

    Raises:
        MalformedDatabase: the index is damaged.
    """
    decoder = msgspec.json.Decoder(Statement)
    keys = {f"{_OPEN}\0{release}\0{package}": (release, package) for release in releases for package in packages}
    for key, body in index.entries(keys):
        release, package = keys[key]
        try:
            unpacking = zlib.decompressobj()
            lines = unpacking.decompress(body, MAX_TOLD_BYTES)
            yield release, package, decoder.decode_lines(lines)
        except (zlib.error, msgspec.DecodeError) as error:
            raise MalformedDatabase("the index of flaws without a fix", 0, str(error)) from error
