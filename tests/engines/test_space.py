"""Room for an image: what will be written, against what statvfs(3), and df(1) beside it, say is free."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from affineur.engines.engine import Storage
from affineur.engines.space import FACTOR, needed, room
from affineur.oci.descriptor import UNKNOWN_SIZE, Descriptor
from affineur.oci.digest import Digest

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN = "application/vnd.oci.image.layer.v1.tar"
DOCKER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
NONE: frozenset[int] = frozenset()


def layer(size: int, media_type: str = GZIP) -> Descriptor:
    return Descriptor(media_type=media_type, digest=Digest.of(str(size).encode()), size=size)


LAYERS = (layer(10), layer(20, DOCKER), layer(40, PLAIN))


@pytest.mark.parametrize(
    ("there", "copies", "fetched", "unpacked", "estimated"),
    [
        (NONE, False, 70, 10 * FACTOR + 20 * FACTOR + 40, True),
        (frozenset({0, 1}), False, 40, 40, False),  # what is not compressed is as large as it is
        (frozenset({0, 1, 2}), False, 0, 0, False),
        (NONE, True, 70, 10 * FACTOR + (10 + 20) * FACTOR + (10 + 20) * FACTOR + 40, True),
        (frozenset({0, 1}), True, 40, (10 + 20) * FACTOR + 40, False),
    ],
)
def test_what_is_needed(
    tmp_path: Path, there: frozenset[int], copies: bool, fetched: int, unpacked: int, estimated: bool
) -> None:
    need = needed(LAYERS, there, Storage(tmp_path, copies=copies))
    assert (need.fetched, need.unpacked, need.estimated) == (fetched, unpacked, estimated)
    assert need.layers == 3 - len(there)


def free(folder: Path) -> int:
    """As df says it, in bytes."""
    done = subprocess.run(["df", "-B1", "--output=avail", folder], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[1])


def test_beside_df(tmp_path: Path) -> None:
    """A quarter more than there is does not fit, a quarter less does; other writers may be at work meanwhile."""
    available = free(tmp_path)
    storage = Storage(tmp_path)
    for share, enough in ((0.75, True), (1.25, False)):
        size = int(available * share) // (FACTOR + 1)  # unpacked and, until then, fetched
        found = room(storage, needed([layer(size)], NONE, storage))
        assert found.enough is enough
        assert str(tmp_path) in found.because
        assert ("reckoned" in found.because) is not enough


def test_two_file_systems(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system")
    size = free(memory) + 1_000_000_000
    storage = Storage(tmp_path, memory)
    plenty = room(storage, needed([layer(1000)], NONE, storage))
    assert plenty.enough
    assert str(tmp_path) in plenty.because
    assert str(memory) in plenty.because
    if free(tmp_path) > size * FACTOR:
        lacking = room(storage, needed([layer(size)], NONE, storage))
        assert lacking.enough is False
        assert lacking.because.startswith(str(memory))


@pytest.mark.parametrize(
    ("storage", "why"),
    [
        (Storage(None, why="it is elsewhere"), "it is elsewhere"),
        (Storage(Path("/no/such/folder")), "/no/such/folder: cannot be looked at: No such file or directory"),
    ],
)
def test_it_cannot_be_told(storage: Storage, why: str) -> None:
    found = room(storage, needed(LAYERS, NONE, storage))
    assert (found.enough, found.because) == (None, why)


def test_sizes_that_nobody_promises(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    found = room(storage, needed([layer(UNKNOWN_SIZE)], NONE, storage))
    assert found.enough is None
    assert "how large" in found.because
    assert room(storage, needed([layer(UNKNOWN_SIZE)], frozenset({0}), storage)).enough


def test_nothing_is_needed_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 100, 0, 0, 10, 5, 5, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    assert shutil.disk_usage(tmp_path).free == 0  # the same call
    storage = Storage(tmp_path)
    assert room(storage, needed(LAYERS, frozenset({0, 1, 2}), storage)).enough
    assert room(storage, needed(LAYERS, frozenset({0, 1}), storage)).enough is False
