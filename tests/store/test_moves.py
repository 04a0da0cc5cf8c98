"""What sync remembers; and that forgetting is never an error."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from affineur.store import moves
from affineur.store.moves import Brought, Kept, MoveMemory

DAY_S = 24 * 3600


class Times:
    """A clock that the test sets."""

    now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Times:
    return Times()


@pytest.fixture
def memory(tmp_path: Path, time: Times) -> Iterator[MoveMemory]:
    made = MoveMemory(tmp_path, time)
    yield made
    made.close()


def test_what_was_moved_is_known_by_source_target_and_manner(memory: MoveMemory, time: Times) -> None:
    memory.keep("f", "a/b:1", "c/d:1", "all", "sha256:1", "sha256:2")
    assert memory.known("a/b:1", "c/d:1", "all") == Kept("sha256:1", "sha256:2", time.now)
    assert memory.known("a/b:1", "c/d:1", "amd64") is None
    assert memory.known("a/b:1", "c/e:1", "all") is None
    memory.keep("f", "a/b:1", "c/d:1", "all", "sha256:3", "sha256:4")
    assert memory.known("a/b:1", "c/d:1", "all") == Kept("sha256:3", "sha256:4", time.now)


def test_a_file_knows_what_it_brought_and_no_other(memory: MoveMemory) -> None:
    memory.keep("f", "a/b:2", "c/d:2", "all", "sha256:1", "sha256:2")
    memory.keep("f", "a/b:1", "c/d:1", "all", "sha256:1", "sha256:2")
    memory.keep("g", "a/b:3", "c/d:3", "all", "sha256:1", "sha256:2")
    assert memory.brought("f") == [Brought("c/d:1", "a/b:1", "sha256:2"), Brought("c/d:2", "a/b:2", "sha256:2")]
    memory.forget("f", "c/d:1")
    assert [each.target for each in memory.brought("f")] == ["c/d:2"]
    assert memory.known("a/b:1", "c/d:1", "all") is None
    assert [each.target for each in memory.brought("g")] == ["c/d:3"]


def test_moves_are_forgotten_in_the_end_and_what_was_brought_is_not(
    memory: MoveMemory, time: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.keep("f", "a/b:1", "c/d:1", "all", "sha256:1", "sha256:2")
    time.now += 300 * DAY_S
    memory.keep("f", "a/b:2", "c/d:2", "all", "sha256:1", "sha256:2")
    memory.keep("f", "a/b:3", "c/d:3", "all", "sha256:1", "sha256:2")
    time.now += 200 * DAY_S
    memory.keep("f", "a/b:3", "c/d:3", "all", "sha256:1", "sha256:2")
    memory.tidy()
    assert [bool(memory.known(f"a/b:{tag}", f"c/d:{tag}", "all")) for tag in "123"] == [False, True, True]
    monkeypatch.setattr(moves, "MAX_KEPT", 1)
    memory.tidy()
    assert [bool(memory.known(f"a/b:{tag}", f"c/d:{tag}", "all")) for tag in "123"] == [False, False, True]
    assert len(memory.brought("f")) == 3


def test_dates_are_kept_by_digest_and_none_is_another_thing_than_not_known(memory: MoveMemory) -> None:
    assert memory.created("sha256:1") is None
    memory.keep_created("sha256:1", "")
    memory.keep_created("sha256:2", "2026-01-01T00:00:00Z")
    assert (memory.created("sha256:1"), memory.created("sha256:2")) == ("", "2026-01-01T00:00:00Z")


def test_it_is_there_for_the_next_process(tmp_path: Path) -> None:
    for expected in (None, "x"):
        memory = MoveMemory(tmp_path)
        assert memory.created("d") == expected
        memory.keep_created("d", "x")
        memory.close()


def test_a_file_that_is_no_database_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "moves.sqlite").write_bytes(b"nonsense" * 1000)
    memory = MoveMemory(tmp_path)
    memory.keep("f", "a", "b", "c", "d", "e")
    assert memory.known("a", "b", "c") is not None
    memory.close()


def test_a_table_that_is_gone_is_no_error(tmp_path: Path, memory: MoveMemory) -> None:
    with sqlite3.connect(tmp_path / "moves.sqlite") as other:
        for table in ("moved", "brought", "created"):
            other.execute(f"DROP TABLE {table}")
    memory.keep("f", "a", "b", "c", "d", "e")
    memory.keep_created("d", "x")
    memory.forget("f", "b")
    memory.tidy()
    assert (memory.known("a", "b", "c"), memory.brought("f"), memory.created("d")) == (None, [], None)
