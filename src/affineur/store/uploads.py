"""Upload sessions of registries that a call may have left open: `target.sessions.Sessions`.

The place of a session may hold a secret of its registry: the folder is readable by its owner alone.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from affineur.store.database import open_database, transaction

__all__ = ["UploadMemory"]

KEPT_S = 6 * 24 * 3600
"""Registries end sessions that nobody goes on with, after a week at the latest (distribution, `uploadpurging`)."""
MAX_KEPT = 10_000
_STEPS = (
    "CREATE TABLE session (place TEXT PRIMARY KEY, location TEXT NOT NULL, process INTEGER NOT NULL,"
    " at REAL NOT NULL) STRICT;",
)


class UploadMemory:
    """See `Sessions` for the contract."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        """Nothing is opened yet. Args: now: Unix time."""
        self._folder, self._now = folder, now
        self._opened: sqlite3.Connection | None = None
        self._lock = Lock()

    def recall(self, place: str) -> str | None:
        """See `Sessions`: one whose process has ended."""
        with self._lock, suppress(sqlite3.Error), transaction(self._database()) as database:
            found = database.execute("SELECT location, process, at FROM session WHERE place = ?", (place,)).fetchone()
            if found is None or found[2] < self._now() - KEPT_S or _runs(found[1]):
                return None
            database.execute("UPDATE session SET process = ? WHERE place = ?", (os.getpid(), place))
            return str(found[0])
        return None

    def keep(self, place: str, location: str) -> None:
        """See `Sessions`."""
        with self._lock, suppress(sqlite3.Error), transaction(self._database()) as database:
            row = (place, location, os.getpid(), self._now())
            database.execute("INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?)", row)
            database.execute("DELETE FROM session WHERE at < ?", (self._now() - KEPT_S,))
            surplus = "SELECT place FROM session ORDER BY at DESC LIMIT -1 OFFSET ?"
            database.execute(f"DELETE FROM session WHERE place IN ({surplus})", (MAX_KEPT,))  # noqa: S608 - no text of others

    def forget(self, place: str) -> None:
        """See `Sessions`."""
        with self._lock, suppress(sqlite3.Error):
            self._database().execute("DELETE FROM session WHERE place = ?", (place,))

    def close(self) -> None:
        """Close the file; it may be used again."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = open_database(self._folder, "uploads", _STEPS)
        return self._opened


def _runs(process: int) -> bool:
    """Whether a process still runs; our own does, and another's may be one that has got its number since."""
    if process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
