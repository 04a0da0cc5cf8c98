"""What layers said to readers, by the layer's digest: content never changes under a digest, so this is never stale."""

import contextlib
import sqlite3
import time
import zlib
from pathlib import Path

from affineur.store.database import open_database, transaction

__all__ = ["BYTES_MAX", "LayerStore"]

BYTES_MAX = 256 * 1024 * 1024
"""Bytes of all facts together; when there are more, those not used for longest go until it is three quarters."""
FACTS_MAX = 64 * 1024 * 1024
"""Bytes of facts of one layer for one reader, packed and unpacked; more is not remembered."""

_STEPS = (
    """
    CREATE TABLE facts (
        layer TEXT NOT NULL, reader TEXT NOT NULL, version INTEGER NOT NULL, globs TEXT NOT NULL,
        content BLOB NOT NULL, check_sum INTEGER NOT NULL, used INTEGER NOT NULL,
        PRIMARY KEY (layer, reader, version, globs)
    ) WITHOUT ROWID;
    CREATE INDEX facts_by_use ON facts (used);
    """,
)
_DAY_S = 86_400


class LayerStore:
    """Facts in `layers.sqlite` below a folder, for several processes at once. Never raises: forgetting is always right.

    Implements `affineur.image.walk.LayerMemory`.
    """

    def __init__(self, folder: Path) -> None:
        self._connection = open_database(folder, "layers", _STEPS)

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def get(self, layer: str, reader: str, version: int, globs: str) -> bytes | None:
        """What was remembered under this key, if it is still what it was."""
        key = layer, reader, version, globs
        now = int(time.time())
        try:
            row = self._connection.execute(
                "SELECT content, check_sum, used < ? FROM facts WHERE layer=? AND reader=? AND version=? AND globs=?",
                (now - _DAY_S, *key),
            ).fetchone()
            if row is None:
                return None
            content, check_sum, long_ago = row
            if zlib.crc32(content) != check_sum:
                return None
            unpacked = zlib.decompressobj()
            facts = unpacked.decompress(content, FACTS_MAX)
            if not unpacked.eof:
                return None
        except (sqlite3.Error, zlib.error, TypeError):  # TypeError: another type than the one that was stored
            return None
        if long_ago:  # seldom, so that reading does not become writing
            with contextlib.suppress(sqlite3.Error), transaction(self._connection) as connection:
                connection.execute(
                    "UPDATE facts SET used=? WHERE layer=? AND reader=? AND version=? AND globs=?", (now, *key)
                )
        return facts

    def put(self, layer: str, reader: str, version: int, globs: str, facts: bytes) -> None:
        """Remember, and make room."""
        if len(facts) > FACTS_MAX:
            return
        content = zlib.compress(facts, 1)
        with contextlib.suppress(sqlite3.Error), transaction(self._connection) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO facts (layer, reader, version, globs, content, check_sum, used)"
                " VALUES (?,?,?,?,?,?,?)",
                (layer, reader, version, globs, content, zlib.crc32(content), int(time.time())),
            )
            self._make_room(connection)

    @staticmethod
    def _make_room(connection: sqlite3.Connection) -> None:
        def pragma(name: str) -> int:
            value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
            return value

        size = (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")
        if size <= BYTES_MAX:
            return
        excess = size - BYTES_MAX * 3 // 4
        oldest = connection.execute("SELECT layer, reader, version, globs, length(content) FROM facts ORDER BY used")
        gone = []
        for *key, length in oldest:
            gone.append(key)
            excess -= length
            if excess <= 0:
                break
        connection.executemany("DELETE FROM facts WHERE layer=? AND reader=? AND version=? AND globs=?", gone)
