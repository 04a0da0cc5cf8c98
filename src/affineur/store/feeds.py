"""What is remembered of feeds: for each an index (SQLite), dated, made anew when the feed changes.

An index is a multimap from text to bytes; what they mean is the business of those who read feeds. It is built in a file
of its own and then put in place in one step, so that several processes may build and read at once. A damaged index, or
one that an older version of its readers made, counts as absent: everything in it can be had again.

The archive that an index is built from is kept in an unnamed temporary file meanwhile, and not afterwards.
"""

import atexit
import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from affineur.errors import MalformedDatabase
from affineur.store.database import open_database, transaction

__all__ = ["FeedIndex", "FeedMeta", "FeedStore", "Texts", "local_documents", "local_files", "reading", "state_of"]

KEYS_AT_ONCE = 500  # below SQLite's smallest limit on variables, 999
LEFT_BEHIND_S = 86_400.0  # no build takes that long
MAX_TEXTS = 5_000
MAX_LOCAL_DOCUMENTS = 1_000_000
_TEXTS = "CREATE TABLE text (digest TEXT NOT NULL UNIQUE, body BLOB NOT NULL);"
_APPLICATION_ID = 0x41464649  # "AFFI"
_SCHEMA = """
CREATE TABLE entry (key TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE about (body BLOB NOT NULL);
"""


class FeedMeta(msgspec.Struct, frozen=True):
    """Where an index comes from.

    Attributes:
        source: URL or path of the archive.
        etag: the server's own name for this state of it (or, for files, their sizes and times); empty: none was given.
        retrieved: when it was fetched, UTC.
        digest: `sha256:…` of the archive; empty where it was many files.
        version: of the readers that made the entries; another version's index is not used.
        counts: how many records of which kind it was made from.
        broken: "name: reason" of records that could not be read, at most a hundred; `counts` has their number.
        unread: as `broken`, of those only that may be notices (a CVE's record is none, and only rates).
        newest: when the record that changed last was changed, UTC; None where none says.
    """

    source: str
    etag: str
    retrieved: datetime
    digest: str
    version: str
    counts: dict[str, int]
    broken: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    newest: datetime | None = None


_META = msgspec.msgpack.Decoder(FeedMeta)  # made once, before there are threads: oci.document says why


class FeedIndex:
    """One feed's index, open for reading.

    Attributes:
        checked: when its server was last asked whether there is a newer one, UTC.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`, which must exist. Raises sqlite3.DatabaseError or ValueError if it is not what was built."""
        # never written to after it is in place, so no locks are needed
        self._database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        try:
            self._database.execute("PRAGMA trusted_schema=OFF")
            (owner,) = self._database.execute("PRAGMA application_id").fetchone()
            row = self._database.execute("SELECT body FROM about").fetchone()
            if owner != _APPLICATION_ID or row is None:
                raise sqlite3.DatabaseError("not an index of a feed")
            self.meta = _META.decode(row[0])
        except BaseException:
            self._database.close()
            raise
        self._path = path
        self.checked = datetime.fromtimestamp(path.stat().st_mtime, UTC)

    def entries(self, keys: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (key, body) for every entry under one of the keys, in no particular order.

        Raises:
            MalformedDatabase: the file is damaged further in.
        """
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), KEYS_AT_ONCE):
            some = wanted[start : start + KEYS_AT_ONCE]
            marks = ",".join("?" * len(some))
            try:
                yield from self._database.execute(f"SELECT key, body FROM entry WHERE key IN ({marks})", some)  # noqa: S608
            except sqlite3.Error as error:
                raise MalformedDatabase(self._path.name, 0, str(error)) from error

    def close(self) -> None:
        """Close the file; the index is of no use afterwards."""
        self._database.close()


class FeedStore:
    """All indexes, below one folder, which is made when first needed.

    Where that folder cannot be written, what is fetched is kept in a temporary one until the program ends.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writable: Path | None = None

    def open(self, name: str, version: str) -> FeedIndex | None:
        """Open the index of this name; None if there is none that this version made and that can be read."""
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            index = FeedIndex(path)
        except (sqlite3.Error, OSError, ValueError):  # msgspec's errors are ValueErrors
            return None
        if index.meta.version != version:
            index.close()
            return None
        return index

    def still_true(self, name: str) -> None:
        """Remember that the feed was asked just now, and has nothing newer."""
        with contextlib.suppress(OSError):
            os.utime(self._path(name))

    @contextlib.contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        """Give an unnamed file for an archive; it is gone afterwards, also after a crash."""
        with tempfile.TemporaryFile(dir=self._folder_to_write()) as file:
            yield cast("BinaryIO", file)

    def build(self, name: str, entries: Iterable[tuple[str, bytes]], about: Callable[[], FeedMeta]) -> FeedIndex:
        """Build an index and put it in place of the old one.

        Args:
            entries: (key, body) pairs, read once.
            about: called when `entries` is exhausted.

        Raises:
            OSError: no folder can be written, or not enough.
        """
        folder = self._folder_to_write()
        self._clean_up()
        handle, temporary = tempfile.mkstemp(prefix=f".{name}-", suffix=".new", dir=folder)
        os.close(handle)
        try:
            _write(temporary, entries, about)
            path = folder / self._path(name).name
            Path(temporary).replace(path)
            return FeedIndex(path)
        except sqlite3.Error as error:
            Path(temporary).unlink(missing_ok=True)
            raise OSError(f"{folder}: the index of {name} could not be written: {error}") from error
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise

    def _clean_up(self) -> None:
        """Remove what a build that was killed has left."""
        for path in self.folder.glob(".*.new"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFT_BEHIND_S:
                    path.unlink()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.sqlite"

    def _folder_to_write(self) -> Path:
        if self._writable is None:
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self.folder):
                    self._writable = self.folder
            except OSError:
                self._writable = Path(tempfile.mkdtemp(prefix="affineur-"))
                atexit.register(shutil.rmtree, self._writable, ignore_errors=True)
        return self._writable


class Texts:
    """Texts by the digest of what they were read from, so that it need not be fetched again; a changelog of a .deb.

    Nothing here ever fails: what cannot be read is not remembered, what cannot be written is not kept.
    """

    def __init__(self, folder: Path) -> None:
        self._database = open_database(folder, "changelogs", [_TEXTS])

    def get(self, digest: str) -> str | None:
        """Give the text that belongs to a digest; None if there is none."""
        try:
            row = self._database.execute("SELECT body FROM text WHERE digest = ?", (digest,)).fetchone()
            return None if row is None else zlib.decompress(row[0], bufsize=1 << 16).decode()
        except (sqlite3.Error, zlib.error, UnicodeDecodeError):
            return None

    def put(self, digest: str, text: str) -> None:
        """Keep a text; the oldest go when there are more than `MAX_TEXTS`."""
        body = zlib.compress(text.encode(errors="replace"))
        with contextlib.suppress(sqlite3.Error), transaction(self._database):
            self._database.execute("INSERT OR REPLACE INTO text (digest, body) VALUES (?, ?)", (digest, body))
            self._database.execute("DELETE FROM text WHERE rowid <= (SELECT max(rowid) FROM text) - ?", (MAX_TEXTS,))

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _write(path: str, entries: Iterable[tuple[str, bytes]], about: Callable[[], FeedMeta]) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        # until it is in place nobody reads it, and an unfinished one is thrown away: no journal is needed
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("PRAGMA synchronous=OFF")
        database.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        database.executescript(_SCHEMA)
        database.execute("BEGIN")
        database.executemany("INSERT INTO entry VALUES (?, ?)", entries)
        database.execute("CREATE INDEX entry_key ON entry (key)")
        database.execute("INSERT INTO about VALUES (?)", (msgspec.msgpack.encode(about()),))
        database.execute("COMMIT")
    finally:
        database.close()


def local_files(base: Path, feed: str) -> list[Path]:
    """Find a feed in the user's own files.

    Args:
        base: a folder that holds `<feed>/all.zip` or `<feed>/*.json`; such a `<feed>` folder's own zip file; or a file
            with one JSON list of records.

    Returns:
        the zip file, or the list, or the records, sorted; empty if there is nothing of the kind.
    """
    if base.is_file():
        return [base]
    archive = base / feed / "all.zip"
    if archive.is_file():
        return [archive]
    return sorted(path for path in (base / feed).glob("*.json") if path.is_file())


def local_documents(place: Path) -> list[Path]:
    """Find the user's own documents: a file itself, or every `*.json` in a folder and those below it, sorted.

    Raises:
        OSError: there is no such file or folder, or there are too many files in it.
    """
    if not place.is_dir():
        place.stat()
        return [place]
    found = []
    for path in place.rglob("*.json"):
        found.append(path)
        if len(found) > MAX_LOCAL_DOCUMENTS:
            raise OSError(f"{place}: more than {MAX_LOCAL_DOCUMENTS} documents")
    return sorted(found)


def state_of(files: Collection[Path]) -> str:
    """Name the state of local files by their names, sizes and times: a change shows without reading them."""
    hasher = hashlib.sha256()
    for path in files:
        seen = path.stat()
        hasher.update(f"{path.name}\0{seen.st_size}\0{seen.st_mtime_ns}\0".encode())
    return f"files-{hasher.hexdigest()[:32]}"


def reading(path: Path) -> BinaryIO:
    """Open one of the user's own files for reading."""
    return path.open("rb")
