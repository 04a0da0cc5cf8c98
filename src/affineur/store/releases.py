"""The newest Release seen of each suite, so that a mirror which goes back in time is noticed.

What a key once signed stays signed: an old Release verifies like a new one. Only memory (and, for suites that name a
Valid-Until or have a limit of age, the clock) tells that somebody serves yesterday's state.
"""

import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from affineur.repositories.apt.model import Release
from affineur.store.database import open_database, transaction

__all__ = ["ReleaseMemory"]

_STEPS = (
    """
    CREATE TABLE newest (
        signer TEXT NOT NULL, origin TEXT NOT NULL, label TEXT NOT NULL, suite TEXT NOT NULL, codename TEXT NOT NULL,
        date INTEGER NOT NULL,
        PRIMARY KEY (signer, origin, label, suite, codename)
    ) WITHOUT ROWID;
    """,
)
_WHERE = "signer = ? AND origin = ? AND label = ? AND suite = ? AND codename = ?"
_FIELD_LIMIT = 200  # characters of a field that are remembered; real ones have 20


class ReleaseMemory:
    """Remembers newest Dates by signing key, origin, label, suite and codename. Safe for several processes.

    A context manager; usable from any thread, by one at a time.
    """

    def __init__(self, folder: Path) -> None:
        """Args: folder: of the program's databases (store.database.default_folder, or the user's `cache`)."""
        self._connection = open_database(folder, "releases", _STEPS)

    def rollback(self, signers: Collection[str], release: Release) -> str | None:
        """Why a Release is older than one already seen; None if it is not, and then it is remembered.

        Args:
            signers: fingerprints of the primary keys whose signatures on it are good; nothing is remembered of others.
            release: verified, and valid by the real clock: one dated in the future would make all later ones rollbacks.
        """
        if release.date is None or not signers:
            return None
        date = int(release.date.timestamp())
        fields = tuple(text[:_FIELD_LIMIT] for text in (release.origin, release.label, release.suite, release.codename))
        try:
            with transaction(self._connection) as connection:
                newest = date
                for signer in signers:
                    row = connection.execute(f"SELECT date FROM newest WHERE {_WHERE}", (signer, *fields)).fetchone()  # noqa: S608
                    newest = max(newest, row[0] if row else date)
                if newest == date:
                    connection.executemany(
                        "INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?, ?, ?)",
                        [(signer, *fields, date) for signer in signers],
                    )
        except sqlite3.DatabaseError:  # damaged or locked for long: nothing is remembered, and no answer fails
            return None
        if newest == date:
            return None
        seen = datetime.fromtimestamp(newest, UTC)
        return f"a rollback: dated {release.date:%Y-%m-%d %H:%M}, and one of {seen:%Y-%m-%d %H:%M} has been seen"

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def __enter__(self) -> "ReleaseMemory":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
