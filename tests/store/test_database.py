"""The store must never be the reason for a wrong answer or a failure."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from affineur.store.database import open_database, transaction

STEPS = ("CREATE TABLE fact (k TEXT PRIMARY KEY, v BLOB); -- one; two\nCREATE INDEX fact_v ON fact (v);",)


def put(connection: sqlite3.Connection, key: str) -> None:
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (key, b"x"))


def keys(connection: sqlite3.Connection) -> list[str]:
    return [key for (key,) in connection.execute("SELECT k FROM fact ORDER BY k")]


def test_remembers_across_connections(tmp_path: Path) -> None:
    with open_database(tmp_path / "new" / "folder", "facts", STEPS) as connection:
        put(connection, "a")
    connection.close()
    again = open_database(tmp_path / "new" / "folder", "facts", STEPS)
    assert keys(again) == ["a"]
    assert again.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (tmp_path / "new" / "folder").stat().st_mode & 0o777 == 0o700
    again.close()


def test_new_steps_are_applied_and_old_content_stays(tmp_path: Path) -> None:
    connection = open_database(tmp_path, "facts", STEPS)
    put(connection, "a")
    connection.close()
    wider = open_database(tmp_path, "facts", (*STEPS, "ALTER TABLE fact ADD COLUMN seen INTEGER DEFAULT 7"))
    assert wider.execute("SELECT k, seen FROM fact").fetchall() == [("a", 7)]
    wider.close()
    older = open_database(tmp_path, "facts", STEPS)  # a program that knows one step only
    assert keys(older) == []
    put(older, "b")
    older.close()
    wider = open_database(tmp_path, "facts", (*STEPS, "ALTER TABLE fact ADD COLUMN seen INTEGER DEFAULT 7"))
    assert keys(wider) == ["a"]
    wider.close()


@pytest.mark.parametrize("damage", ["garbage", "truncated", "foreign", "page"])
def test_unusable_file_is_set_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "facts.sqlite"
    if damage == "garbage":
        path.write_bytes(b"\0garbage" * 1000)
    elif damage == "foreign":
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
        other.close()
    else:
        connection = open_database(tmp_path, "facts", STEPS)
        put(connection, "a")
        connection.close()
        content = path.read_bytes()
        path.write_bytes(content[:70] if damage == "truncated" else b"\xff" * 4096 + content[4096:])
    connection = open_database(tmp_path, "facts", STEPS)
    put(connection, "b")
    assert keys(connection) == ["b"]
    connection.close()
    assert path.with_name("facts.sqlite.unusable").exists()


def test_a_folder_that_cannot_be_made_costs_only_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    connection = open_database(tmp_path / "file" / "below", "facts", STEPS)
    put(connection, "a")
    assert keys(connection) == ["a"]
    connection.close()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    connection = open_database(tmp_path, "facts", STEPS)

    def fail_halfway() -> None:
        with transaction(connection):
            connection.execute("INSERT INTO fact VALUES ('a', x'00')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert keys(connection) == []
    connection.close()


def test_many_processes_make_and_fill_one_file(tmp_path: Path) -> None:
    program = """
import sys
import time
from pathlib import Path
from affineur.store.database import open_database, transaction
connection = open_database(Path(sys.argv[1]), "facts", (sys.argv[2],))
for number in range(20):
    with transaction(connection):
        connection.execute("INSERT INTO fact VALUES (?, x'00')", (f"{sys.argv[3]}-{number}",))
"""
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), STEPS[0], str(number)]) for number in range(6)
    ]
    assert [process.wait(60) for process in running] == [0] * 6
    connection = open_database(tmp_path, "facts", STEPS)
    assert len(keys(connection)) == 120
    connection.close()


def test_many_that_come_first_at_once_all_remember(tmp_path: Path) -> None:
    # SQLite refuses to change the journal's mode while another does, without waiting
    program = """
import sys, time
from pathlib import Path
from affineur.store.database import open_database
time.sleep(max(0, float(sys.argv[3]) - time.time()))
connection = open_database(Path(sys.argv[1]), "facts", (sys.argv[2],))
print(connection.execute("PRAGMA database_list").fetchone()[2])
"""
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        command = [sys.executable, "-c", program, str(folder), STEPS[0], str(time.time() + 0.5)]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
        assert {process.communicate(timeout=60)[0].strip() for process in running} == {str(folder / "facts.sqlite")}
