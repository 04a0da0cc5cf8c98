"""Archives of records: OSV's zip files and JSON lists, and tar files of VEX documents; read one at a time under limits.

Source: https://google.github.io/osv.dev/data/ § Data dumps: `<ecosystem>/all.zip` holds one `<id>.json` per record. A
zip file's directory is at its end, so the file must be seekable; it is feed data, no image content.
"""

import zlib
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from affineur.errors import LimitExceeded, MalformedArchive, MalformedDocument
from affineur.streams.decompress import decompressed
from affineur.streams.tar import Archive

__all__ = ["listed_records", "tarred_records", "zipped_records"]

MAX_RECORDS = 400_000  # Ubuntu's archive has some 60,000
MAX_DIRECTORY_BYTES = 48 * 1024 * 1024  # a record needs some 80; the directory is read into memory as a whole
MAX_RECORD_BYTES = 32 * 1024 * 1024  # a kernel CVE record with all its binaries has some 2 MB
MAX_UNPACKED_BYTES = 16 * 1024**3
MAX_LIST_BYTES = 256 * 1024 * 1024
MAX_DOCUMENTS = 1_000_000  # VEX documents: one for each CVE
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024  # Ubuntu's of a kernel CVE has some 10 MB, most of it names of packages
MAX_DOCUMENTS_RATIO = 2_000  # one document is much like the next; the archive is of a place that the user names
_CHUNK = 256 * 1024

Record = tuple[str, bytes | str]
"""A record's name and its JSON; or, as text, why it could not be read."""


def zipped_records(file: BinaryIO, name: str) -> Iterator[Record]:
    """Yield every record of an archive, in its directory's order, holding one in memory at a time.

    A record that cannot be unpacked is yielded with the reason in place of its content.

    Raises:
        MalformedArchive: it is no zip file, or its directory is broken.
        LimitExceeded: more records, or more bytes in all, than any archive of its kind has.
    """
    import zipfile

    if (size := _directory_bytes(file)) > MAX_DIRECTORY_BYTES:
        raise LimitExceeded(f"{name}: a directory of {size} bytes; at most {MAX_DIRECTORY_BYTES} are read")
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise MalformedArchive(f"{name}: no readable zip file: {error}") from error
    unpacked = 0
    with archive:
        entries = archive.infolist()
        if len(entries) > MAX_RECORDS:
            raise LimitExceeded(f"{name}: {len(entries)} records; at most {MAX_RECORDS} are read")
        for entry in entries:
            if not entry.filename.endswith(".json"):
                continue
            try:
                with archive.open(entry) as packed:
                    content = packed.read(MAX_RECORD_BYTES + 1)
            except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
                # RuntimeError: encrypted; NotImplementedError, a RuntimeError: an unknown compression
                yield entry.filename, f"cannot be unpacked: {error}"
                continue
            unpacked += len(content)
            if unpacked > MAX_UNPACKED_BYTES:
                raise LimitExceeded(f"{name}: more than {MAX_UNPACKED_BYTES} bytes unpacked")
            if len(content) > MAX_RECORD_BYTES:
                yield entry.filename, f"larger than {MAX_RECORD_BYTES} bytes"
                continue
            yield entry.filename, content


def tarred_records(file: BinaryIO, name: str) -> Iterator[Record]:
    """Yield every `.json` file of a tar archive, compressed in any way, holding one in memory at a time.

    One that is too large is yielded with the reason in place of its content.

    Raises:
        MalformedArchive: it is no tar archive, or ends too early.
        LimitExceeded: more documents, or more bytes, than any archive of its kind has.
    """
    _, pieces = decompressed(iter(lambda: file.read(_CHUNK), b""), name, MAX_DOCUMENTS_RATIO)
    archive = Archive(iter(pieces), name)
    count = 0
    for entry in archive.entries(lambda path: path.endswith(b".json")):
        if entry.kind != "file":
            continue
        count += 1
        if count > MAX_DOCUMENTS:
            raise LimitExceeded(f"{name}: more than {MAX_DOCUMENTS} documents")
        called = entry.name.decode(errors="replace")
        if entry.size > MAX_DOCUMENT_BYTES:
            yield called, f"larger than {MAX_DOCUMENT_BYTES} bytes"
            continue
        yield called, archive.read(entry, MAX_DOCUMENT_BYTES)


def listed_records(content: bytes, name: str) -> Iterator[Record]:
    """Yield every record of a JSON list, named by its place in it.

    Raises:
        MalformedDocument: it is no JSON list of at most `MAX_RECORDS`.
        LimitExceeded: it is larger than `MAX_LIST_BYTES`.
    """
    if len(content) > MAX_LIST_BYTES:
        raise LimitExceeded(f"{name}: {len(content)} bytes; a list of at most {MAX_LIST_BYTES} is read")
    try:
        records = msgspec.json.decode(content, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocument(f"{name}: no JSON list of records: {error}") from error
    for number, record in enumerate(records, 1):
        yield f"{name} record {number}", bytes(record)


def _directory_bytes(file: BinaryIO) -> int:
    """Find the size of a zip file's directory; 0 where there is no end record (and so no zip file).

    Source: APPNOTE.TXT § 4.3.14-4.3.16, the end records; they are searched for where zipfile searches.
    """
    end = file.seek(0, 2)
    start = max(0, end - 65_557)  # the end record, and the longest comment
    file.seek(start)
    tail = file.read()
    at = len(tail) - 22 if tail[-22:-18] == b"PK\5\6" and tail[-2:] == b"\0\0" else tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        return 0
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    file.seek(max(0, start + at - 20))
    locator = file.read(20)
    if locator[:4] == b"PK\6\7":  # zip64
        file.seek(min(int.from_bytes(locator[8:16], "little"), end))
        record = file.read(56)
        size = max(size if size != 0xFFFFFFFF else 0, int.from_bytes(record[40:48], "little"))
    return size
