"""The memory of newest Dates."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from affineur.repositories.apt.model import Release
from affineur.store.releases import ReleaseMemory

DAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY, OTHER = "A" * 40, "B" * 40
RELEASE = Release(
    origin="Debian",
    label="Debian",
    suite="stable",
    codename="trixie",
    version="13",
    date=DAY,
    valid_until=None,
    components=(),
    architectures=(),
    not_automatic=False,
    but_automatic_upgrades=False,
    acquire_by_hash=False,
    hashes={},
)


def dated(days: int, **fields: str) -> Release:
    return msgspec.structs.replace(RELEASE, date=DAY + timedelta(days=days), **fields)


def test_an_older_one_is_a_rollback_and_the_newest_stays_remembered(tmp_path: Path) -> None:
    with ReleaseMemory(tmp_path) as memory:
        assert memory.rollback([KEY], dated(0)) is None
        assert memory.rollback([KEY], dated(0)) is None
        assert memory.rollback([KEY], dated(2)) is None
        assert "2026-11-22" in (memory.rollback([KEY], dated(1)) or "")
    with ReleaseMemory(tmp_path) as later:
        assert "2026-11-22" in (later.rollback([KEY], dated(0)) or "")
        assert later.rollback([KEY], dated(2)) is None


@pytest.mark.parametrize("field", ["origin", "label", "suite", "codename"])
def test_other_suites_are_other_memories(tmp_path: Path, field: str) -> None:
    with ReleaseMemory(tmp_path) as memory:
        assert memory.rollback([KEY], dated(5)) is None
        assert memory.rollback([KEY], dated(0, **{field: "another"})) is None
        assert memory.rollback([OTHER], dated(0)) is None


def test_one_of_several_signers_is_enough(tmp_path: Path) -> None:
    with ReleaseMemory(tmp_path) as memory:
        assert memory.rollback([KEY], dated(5)) is None
        assert memory.rollback([OTHER, KEY], dated(0)) is not None
        assert memory.rollback([OTHER], dated(0)) is None  # what was refused was not remembered


def test_nothing_is_remembered_without_a_signer_or_a_date(tmp_path: Path) -> None:
    with ReleaseMemory(tmp_path) as memory:
        assert memory.rollback([], dated(5)) is None
        assert memory.rollback([KEY], msgspec.structs.replace(RELEASE, date=None)) is None
        assert memory.rollback([KEY], dated(0)) is None


def test_a_damaged_or_unwritable_memory_fails_no_answer(tmp_path: Path) -> None:
    (tmp_path / "releases.sqlite").write_bytes(b"rubbish" * 1000)
    with ReleaseMemory(tmp_path) as memory:
        assert memory.rollback([KEY], dated(5)) is None
        assert memory.rollback([KEY], dated(0)) is not None
    with ReleaseMemory(tmp_path / "releases.sqlite" / "no folder") as memory:
        assert memory.rollback([KEY], dated(5)) is None


PROCESS = """
import sys, msgspec
from datetime import UTC, datetime, timedelta
from pathlib import Path
from affineur.repositories.apt.model import Release
from affineur.store.releases import ReleaseMemory
release = msgspec.json.decode(sys.stdin.buffer.read(), type=Release)
with ReleaseMemory(Path(sys.argv[1])) as memory:
    for day in range(int(sys.argv[2]), 40, 2):
        memory.rollback([sys.argv[3]], msgspec.structs.replace(release, date=release.date + timedelta(days=day)))
"""


def test_several_processes_at_once_keep_the_newest(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    running = [subprocess.Popen([*command, str(start), KEY], stdin=subprocess.PIPE) for start in (0, 1)]
    for process in running:
        process.communicate(msgspec.json.encode(RELEASE), timeout=60)
        assert process.returncode == 0
    with ReleaseMemory(tmp_path) as memory:
        assert memory.rollback([KEY], dated(39)) is None
        assert memory.rollback([KEY], dated(38)) is not None
