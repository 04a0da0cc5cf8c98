"""One SQLite file per purpose, below one folder; safe for several processes, and never a reason to fail.

What is remembered only saves work: a file that is corrupt, that another program made, or that a newer version of this
program wrote is not worth an error. It is set aside (or left alone), and the answer stays right without it.
"""

import contextlib
import fcntl
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["BUSY_TIMEOUT_S", "open_database", "transaction"]

BUSY_TIMEOUT_S = 10.0
"""How long a process waits for another one's write; writes are single short transactions."""
_PAUSE_S = 0.01
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def open_database(folder: Path, name: str, steps: Sequence[str]) -> sqlite3.Connection:
    """Open `folder/name.sqlite`, making it where there is none.

    Args:
        folder: made (mode 0700) if it does not exist.
        name: the purpose; it is part of the file's identity, so a file under another's name is not taken for ours.
        steps: SQL scripts, oldest first; the file remembers how many it has had, and gets those that are new. To change
            a schema, append a step (for a cache it may simply drop and create).

    Returns:
        A connection in autocommit mode (see `transaction`), in WAL mode where the file system has it, usable from any
        thread by one at a time. An empty one in memory if the folder cannot be written, or if the file has had more
        steps than are known here: everything works, nothing is remembered. A file that is not a database, is corrupt
        or is somebody else's is renamed to `name.sqlite.unusable` first. Damage further in still shows later, as
        sqlite3.DatabaseError: callers take that for "not remembered".
    """
    path = folder / f"{name}.sqlite"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _opened(path, name, steps)
        except _Newer:
            return _prepared(_connected(":memory:"), name, steps)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            _set_aside(path, name, steps)
            return _opened(path, name, steps)
    except (OSError, sqlite3.Error):
        return _prepared(_connected(":memory:"), name, steps)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Hold the write lock from the start, so that what is read in it is still true when it is written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class _Newer(Exception):
    """The file was written by a version of this program that knows more steps."""


def _connected(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    # The content may be anything: no SQL in its schema is to be trusted (sqlite.org/security.html).
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def _opened(path: Path, name: str, steps: Sequence[str]) -> sqlite3.Connection:
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        connection = _connected(str(path))
        try:
            return _prepared(connection, name, steps)
        except BaseException as error:
            connection.close()
            # Changing to WAL does not wait for others as all else does (sqlite.org/wal.html § busy).
            busy = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF in _BUSY
            if not busy or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_S)


def _prepared(connection: sqlite3.Connection, name: str, steps: Sequence[str]) -> sqlite3.Connection:
    identity = zlib.crc32(f"affineur {name}".encode()) & 0x7FFF_FFFF
    if (state := _state(connection)) != (identity, len(steps)):
        if state[0] not in (0, identity):
            raise sqlite3.DatabaseError("another program's database")
        connection.execute("PRAGMA journal_mode=WAL")
        with transaction(connection):  # two processes may be here at once: what was read above may have changed
            owner, done = _state(connection)
            if (owner, done) == (0, 0) and _is_empty(connection):
                connection.execute(f"PRAGMA application_id={identity}")
            elif owner != identity:
                raise sqlite3.DatabaseError("another program's database")
            elif done > len(steps):
                raise _Newer
            for step in steps[done:]:
                _run(connection, step)
            connection.execute(f"PRAGMA user_version={len(steps)}")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _state(connection: sqlite3.Connection) -> tuple[int, int]:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    return owner, done


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None


def _run(connection: sqlite3.Connection, script: str) -> None:
    # executescript() would commit the transaction that protects us, so statements are cut here.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
    if statement.strip():
        connection.execute(statement)


def _set_aside(path: Path, name: str, steps: Sequence[str]) -> None:
    """Rename an unusable file, unless another process has mended it meanwhile."""
    with path.with_name(f"{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            _opened(path, name, steps).close()
        except _Newer:
            return
        except sqlite3.DatabaseError:
            path.replace(path.with_name(f"{path.name}.unusable"))
            for suffix in ("-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
