"""APKINDEX: what a repository offers of the names that matter, read from verified bytes.

Source: https://wiki.alpinelinux.org/wiki/Apk_spec § APKINDEX Format; a tar archive with `DESCRIPTION` and `APKINDEX`.
"""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime

import msgspec

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.repositories.apk.model import Offer
from affineur.streams.decompress import decompressed
from affineur.streams.tar import Archive

__all__ = ["Contents", "parse_index", "unpacked"]

INDEX_BYTES_MAX = 256 * 1024 * 1024
"""Of an APKINDEX, unpacked; the largest known have 50 MiB."""
DESCRIPTION_MAX = 64 * 1024
MEMBERS_MAX = 16  # entries of the archive; there are two
RECORDS_MAX = 1_000_000
RECORD_MAX = 1 << 20  # bytes; real ones stay below 30 kB
_PIECE = 64 * 1024

_FIELD = re.compile(rb"^([A-Za-z]):(.*)$", re.MULTILINE)
_BUILT = re.compile(rb"^t:([0-9]{1,12})$", re.MULTILINE)
_NAME = re.compile(rb"^P:(.*)$", re.MULTILINE)


class Contents(msgspec.Struct, frozen=True):
    """What an index holds.

    Attributes:
        description: the repository's own; empty where there is none.
        newest: the latest build time of all packages, UTC.
        count: of all packages.
        text: the APKINDEX itself.
    """

    description: str
    newest: datetime | None
    count: int
    text: bytes

    def names(self, name: str) -> bool:
        """Whether it has a package of that name."""
        return re.search(rb"^P:" + re.escape(name.encode()) + rb"$", self.text, re.MULTILINE) is not None


def unpacked(content: bytes, source: str) -> Contents:
    """Unpack what was signed.

    Raises:
        MalformedDocument, MalformedArchive: it holds no index.
        LimitExceeded: more than the limits above.
    """
    chunks = (content[start : start + _PIECE] for start in range(0, len(content), _PIECE))
    archive = Archive(_bounded(decompressed(chunks, source)[1], source), source)
    description, text = b"", None
    for entry in archive.entries():
        if archive.seen > MEMBERS_MAX:
            raise LimitExceeded(f"{source}: more than {MEMBERS_MAX} files in an index")
        if entry.name == b"DESCRIPTION" and entry.kind == "file":
            description = archive.read(entry, DESCRIPTION_MAX)
        elif entry.name == b"APKINDEX" and entry.kind == "file":
            if text is not None:
                raise MalformedDocument(f"{source}: two indexes in one")
            text = archive.read(entry, INDEX_BYTES_MAX)
    if text is None:
        raise MalformedDocument(f"{source}: no APKINDEX in it")
    newest = max((int(found) for found in _BUILT.findall(text)), default=None)
    return Contents(
        description=" ".join(description.decode("utf-8", "replace").split())[:200],
        newest=_moment(newest),
        count=len(_NAME.findall(text)),
        text=text,
    )


def parse_index(text: bytes, names: Collection[str] | None, source: str) -> Iterator[Offer]:
    """Yield the records of wanted packages, in the index's order; the others are passed over.

    Args:
        names: None for all.

    Raises:
        MalformedDocument: a wanted record lacks its name or version, or breaks the format.
        LimitExceeded: a record above RECORD_MAX, or more than RECORDS_MAX.
    """
    wanted = None if names is None else {name.encode() for name in names}
    for count, record in enumerate(_records(text, source), 1):
        if count > RECORDS_MAX:
            raise LimitExceeded(f"{source}: more than {RECORDS_MAX} packages")
        name = _NAME.search(record)
        if not name:
            raise MalformedDocument(f"{source}: record {count} has no name (P:)")
        if wanted is None or name[1] in wanted:
            yield _offer(record, f"{source}: record {count}")


def _records(text: bytes, source: str) -> Iterator[bytes]:
    start, end = 0, len(text)
    while start < end:
        stop = text.find(b"\n\n", start)
        stop = end if stop < 0 else stop
        if stop - start > RECORD_MAX:
            raise LimitExceeded(f"{source}: a record of {stop - start} bytes")
        if record := text[start:stop].strip(b"\n"):
            yield record
        start = stop + 2


def _offer(record: bytes, place: str) -> Offer:
    fields: dict[str, str] = {}
    found = _FIELD.findall(record)
    if len(found) != record.count(b"\n") + 1:
        raise MalformedDocument(f"{place}: a line that is not a letter, a colon and a value")
    for letter, value in found:
        if fields.setdefault(letter.decode(), text := value.decode("utf-8", "replace").strip()) is not text:
            raise MalformedDocument(f"{place}: the field {letter.decode()}: twice")
    name, version = fields.get("P", ""), fields.get("V", "")
    if not name or not version or not (name + version).isprintable() or " " in name + version:
        raise MalformedDocument(f"{place}: no valid name (P:) and version (V:)")
    return Offer(
        name=name,
        version=version,
        architecture=fields.get("A", ""),
        source=fields.get("o") or name,
        checksum=fields.get("C", ""),
        size=_number(fields.get("S", "0"), place),
        built=_moment(_number(fields["t"], place)) if "t" in fields else None,
    )


def _number(text: str, place: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise MalformedDocument(f"{place}: {text[:40]!r} is no number")
    return int(text)


def _moment(seconds: int | None) -> datetime | None:
    """None also for what no clock shows (before 1970, after 9999), and for 0: not said."""
    if not seconds or seconds > 253_402_300_799:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _bounded(pieces: Iterator[bytes], source: str) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > INDEX_BYTES_MAX + DESCRIPTION_MAX + MEMBERS_MAX * 1024:
            raise LimitExceeded(f"{source}: an index of more than {INDEX_BYTES_MAX} bytes")
        yield piece
