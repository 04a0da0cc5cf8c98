"""Upload sessions that a call has left open: whose they are, and for how long."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from affineur.store import uploads as module
from affineur.store.uploads import KEPT_S, UploadMemory

PLACE = "https://registry.example/v2/team/app sha256:" + "0" * 64
SESSION = "https://registry.example/v2/team/app/blobs/uploads/1?_state=secret"
SCRIPT = """\
import sys
from pathlib import Path
from affineur.store.uploads import UploadMemory
memory = UploadMemory(Path(sys.argv[1]))
memory.keep(sys.argv[2], sys.argv[3])
print("kept", flush=True)
sys.stdin.read()
"""


class Other:
    """Another process that keeps a session, and runs until it is ended."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder), PLACE, SESSION],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "kept\n"

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    made = Other(tmp_path)
    yield made
    made.end()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[UploadMemory]:
    made = UploadMemory(tmp_path)
    yield made
    made.close()


def owned_by(folder: Path, process: int) -> None:
    with sqlite3.connect(folder / "uploads.sqlite") as database:
        database.execute("UPDATE session SET process = ?", (process,))
    database.close()


def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_nothing_is_known(memory: UploadMemory) -> None:
    assert memory.recall(PLACE) is None
    memory.forget(PLACE)


def test_nothing_is_opened_before_it_is_asked(tmp_path: Path) -> None:
    UploadMemory(tmp_path / "cache").close()
    assert list(tmp_path.iterdir()) == []


def test_ones_own_is_in_use(memory: UploadMemory) -> None:
    """Two copies of one program at once: threads of this process must not meet in one session."""
    memory.keep(PLACE, SESSION)
    assert memory.recall(PLACE) is None


def test_that_of_a_running_process_is_in_use(memory: UploadMemory, other: Other) -> None:
    assert memory.recall(PLACE) is None


def test_that_of_an_ended_process_is_handed_out_once(memory: UploadMemory, other: Other) -> None:
    """However it ended: by SIGKILL here."""
    other.end()
    assert memory.recall(PLACE) == SESSION
    assert memory.recall(PLACE) is None
    memory.forget(PLACE)
    assert memory.recall(PLACE) is None


def test_it_is_handed_to_one_of_many(tmp_path: Path, other: Other) -> None:
    other.end()
    memories = [UploadMemory(tmp_path) for _ in range(6)]
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda each=each: found.append(each.recall(PLACE))) for each in memories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=str) == [*[None] * 5, SESSION]
    for each in memories:
        each.close()


def test_what_is_forgotten_is_gone(memory: UploadMemory, tmp_path: Path) -> None:
    memory.keep(PLACE, SESSION)
    memory.keep("another", "one")
    memory.forget(PLACE)
    owned_by(tmp_path, ended())
    assert memory.recall(PLACE) is None
    assert memory.recall("another") == "one"


def test_the_last_one_kept_counts(memory: UploadMemory, tmp_path: Path) -> None:
    memory.keep(PLACE, "the first")
    memory.keep(PLACE, SESSION)
    owned_by(tmp_path, ended())
    assert memory.recall(PLACE) == SESSION


@pytest.mark.parametrize(("age", "found"), [(0, True), (KEPT_S - 1, True), (KEPT_S + 1, False)])
def test_age(tmp_path: Path, age: float, found: bool) -> None:
    now = 1_800_000_000.0
    memory = UploadMemory(tmp_path, lambda: now)
    memory.keep(PLACE, SESSION)
    owned_by(tmp_path, ended())
    now += age
    assert (memory.recall(PLACE) is not None) is found
    memory.close()


def test_old_ones_and_surplus_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 3)
    now = 1_800_000_000.0
    memory = UploadMemory(tmp_path, lambda: now)
    for number in range(5):
        memory.keep(str(number), SESSION)
        now += 1
    owned_by(tmp_path, ended())
    assert [memory.recall(str(number)) is not None for number in range(5)] == [False, False, True, True, True]
    now += KEPT_S + 10
    memory.keep("new", SESSION)
    with sqlite3.connect(tmp_path / "uploads.sqlite") as database:
        assert database.execute("SELECT place FROM session").fetchall() == [("new",)]
    database.close()
    memory.close()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    memory = UploadMemory(tmp_path / "cache")
    memory.keep(PLACE, SESSION)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    memory.close()


def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "uploads.sqlite").write_bytes(b"\x00garbage" * 1_000)
    memory = UploadMemory(tmp_path)
    assert memory.recall(PLACE) is None
    memory.keep(PLACE, SESSION)
    owned_by(tmp_path, ended())
    assert memory.recall(PLACE) == SESSION
    memory.close()


def test_damage_further_in_is_no_error(tmp_path: Path) -> None:
    memory = UploadMemory(tmp_path)
    for number in range(200):
        memory.keep(f"{number}", SESSION * 10)
    memory.close()
    path = tmp_path / "uploads.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    memory = UploadMemory(tmp_path)
    assert memory.recall("7") is None
    memory.keep("7", SESSION)
    memory.forget("7")
    memory.close()


@pytest.mark.parametrize("process", [2**31, 2**62, 0, -1, -(2**62)])
def test_a_number_that_is_no_process(memory: UploadMemory, tmp_path: Path, process: int) -> None:
    memory.keep(PLACE, SESSION)
    owned_by(tmp_path, process)
    assert memory.recall(PLACE) in (None, SESSION)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o500)
    _remembers_nothing(folder)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    _remembers_nothing(tmp_path / "cache")
    _remembers_nothing(tmp_path / "cache" / "below")


def _remembers_nothing(folder: Path) -> None:
    memory = UploadMemory(folder)
    assert memory.recall(PLACE) is None
    memory.keep(PLACE, SESSION)
    memory.forget(PLACE)
    memory.close()


def test_it_may_be_closed_and_used_again(memory: UploadMemory, tmp_path: Path) -> None:
    memory.keep(PLACE, SESSION)
    memory.close()
    memory.close()
    owned_by(tmp_path, ended())
    assert memory.recall(PLACE) == SESSION
