"""What `sync` has moved and verified, so that an unchanged tag costs one HEAD; and which file brought which tag.

What is forgotten costs requests, and leaves a tag undeleted that might be deleted: never more than that.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

import msgspec

from affineur.store.database import open_database, transaction

__all__ = ["Brought", "Kept", "MoveMemory"]

KEPT_S = 400 * 24 * 3600
"""A move that has not been looked at for so long is forgotten; what a file brought is not."""
MAX_KEPT = 1_000_000
_STEPS = (
    """
    CREATE TABLE moved (
        source TEXT NOT NULL, target TEXT NOT NULL, how TEXT NOT NULL,
        source_digest TEXT NOT NULL, target_digest TEXT NOT NULL, looked REAL NOT NULL,
        PRIMARY KEY (source, target, how)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX moved_by_looked ON moved (looked);
    CREATE TABLE brought (
        file TEXT NOT NULL, target TEXT NOT NULL, source TEXT NOT NULL, digest TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (file, target)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE created (digest TEXT PRIMARY KEY, created TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """,
)


class Kept(msgspec.Struct, frozen=True):
    """A move that was verified. Attributes: looked: when its source was last asked, Unix time."""

    source_digest: str
    target_digest: str
    looked: float


class Brought(msgspec.Struct, frozen=True, order=True):
    """A tag that a file brought. Attributes: target: with its tag; digest: of what was put there."""

    target: str
    source: str
    digest: str


class MoveMemory:
    """`moves.sqlite` below a folder; for several threads and processes. Never raises: forgetting is always right."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        """Args: now: Unix time."""
        self._now = now
        self._connection = open_database(folder, "moves", _STEPS)
        self._lock = Lock()

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def known(self, source: str, target: str, how: str) -> Kept | None:
        """What was last moved from one tag to another.

        Args:
            how: what else the result depends on: platforms, whether referrers come along …
        """
        with self._lock, suppress(sqlite3.Error):
            row = self._connection.execute(
                "SELECT source_digest, target_digest, looked FROM moved WHERE source=? AND target=? AND how=?",
                (source, target, how),
            ).fetchone()
            return Kept(*row) if row is not None else None
        return None

    def keep(self, file: str, source: str, target: str, how: str, source_digest: str, target_digest: str) -> None:
        """Remember a move that was verified, or that it is still so; and that this file wants it there."""
        now = self._now()
        with self._lock, suppress(sqlite3.Error), transaction(self._connection) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO moved VALUES (?,?,?,?,?,?)",
                (source, target, how, source_digest, target_digest, now),
            )
            connection.execute(
                "INSERT OR REPLACE INTO brought VALUES (?,?,?,?,?)", (file, target, source, target_digest, now)
            )

    def tidy(self) -> None:
        """Forget what nobody has looked at for long."""
        with self._lock, suppress(sqlite3.Error), transaction(self._connection) as connection:
            connection.execute("DELETE FROM moved WHERE looked < ?", (self._now() - KEPT_S,))
            surplus = "SELECT source, target, how FROM moved ORDER BY looked DESC LIMIT -1 OFFSET ?"
            connection.execute(f"DELETE FROM moved WHERE (source, target, how) IN ({surplus})", (MAX_KEPT,))  # noqa: S608 - no text of others

    def brought(self, file: str) -> list[Brought]:
        """Every tag that a file brought and that was not forgotten since, by target."""
        with self._lock, suppress(sqlite3.Error):
            rows = self._connection.execute(
                "SELECT target, source, digest FROM brought WHERE file=? ORDER BY target", (file,)
            ).fetchall()
            return [Brought(*row) for row in rows]
        return []

    def forget(self, file: str, target: str) -> None:
        """A tag is gone from its target: nobody has moved anything there."""
        with self._lock, suppress(sqlite3.Error), transaction(self._connection) as connection:
            connection.execute("DELETE FROM brought WHERE file=? AND target=?", (file, target))
            connection.execute("DELETE FROM moved WHERE target=?", (target,))

    def created(self, digest: str) -> str | None:
        """When an image says that it was built, verbatim; "" for one that does not say; None where not remembered."""
        with self._lock, suppress(sqlite3.Error):
            row = self._connection.execute("SELECT created FROM created WHERE digest=?", (digest,)).fetchone()
            return None if row is None else str(row[0])
        return None

    def keep_created(self, digest: str, created: str) -> None:
        """Remember it: what is under a digest does not change."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.execute("INSERT OR REPLACE INTO created VALUES (?,?)", (digest, created))
