"""Disks that are full, programs that are killed: nothing broken has a name, and the next call goes on."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from affineur.errors import Denied, NotFound, SourceError
from affineur.oci.descriptor import Descriptor
from affineur.oci.document import Document
from affineur.source.memory import MemorySource
from affineur.source.opening import open_source
from affineur.target.files import WritableFolder
from affineur.target.opening import open_target
from affineur.target.target import Content, Moved, Target
from support.carrying import blobs_of, carry, content_of, memory, nothing, push
from support.leaving_out import leave_out
from support.registry import tar_of

TEXTS = {
    "oci": "oci:{}/layout:1",
    "oci-archive": "oci-archive:{}/layout.tar:1",
    "docker-archive": "docker-archive:{}/save.tar:team/app:1",
    "dir": "dir:{}/dir",
}
KEEPS = ("oci", "dir")
LARGE = tar_of({"a": bytes(range(256)) * 16_000})  # 4 MB


@pytest.fixture
def source() -> MemorySource:
    return memory()


def to(text: str) -> Target:
    return open_target(text, lambda text: pytest.fail(text))


def again(source: MemorySource, target: Target, document: Document) -> list[int]:
    """The same copy once more; how many bytes of each blob were there already."""
    had = []

    def put(blob: Descriptor, content: Content, moved: Moved) -> int:
        had.append(target.put_blob(blob, content, moved))
        return had[-1]

    carry(source, target, document, put=put)
    target.finish()
    return had


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """What a full disk is, for this process alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("limit", [0, 600, 1_000_000])
def test_there_is_no_room(tmp_path: Path, source: MemorySource, kind: str, limit: int) -> None:
    """A clear error, and when there is room, the same again."""
    text = TEXTS[kind].format(tmp_path)
    document = push(source, "1", LARGE, compression="none")
    target = to(text)
    with no_file_larger_than(limit), pytest.raises(SourceError, match=r"it is larger than a file may be there"):
        carry(source, target, document)
    target.abandon()
    with pytest.raises(NotFound):
        open_source(text, lambda text: pytest.fail(text)).manifest()
    assert max(again(source, to(text), document)) == (limit if kind in KEEPS else 0)
    read = open_source(text, lambda text: pytest.fail(text))
    assert all(b"".join(read.blob(each)) for each in blobs_of(read.manifest()))


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes. Only root may mount one, and not everywhere."""
    folder = tmp_path / "full"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        leave_out("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.system
@pytest.mark.parametrize("kind", TEXTS)
def test_a_disk_that_is_full(full: Path, source: MemorySource, kind: str) -> None:
    text = TEXTS[kind].format(full)
    target = to(text)
    with pytest.raises(SourceError, match=r"there is no room for it \(No space left on device\)"):
        carry(source, target, push(source, "1", LARGE, compression="none"))
    target.abandon()
    assert kind in KEEPS or list(full.iterdir()) == []
    with pytest.raises(NotFound):
        open_source(text, lambda text: pytest.fail(text)).manifest()


@pytest.mark.parametrize("kind", TEXTS)
def test_a_folder_that_may_not_be_written(
    tmp_path: Path, source: MemorySource, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so the system's answer is made up."""
    make = os.mkdir

    def refused(path: object, *args: object, **named: object) -> None:
        if path == ".affineur":
            raise PermissionError(13, "Permission denied")
        make(path, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("os.mkdir", refused)
    with pytest.raises(Denied, match=r"this user may not write it \(Permission denied\)"):
        carry(source, to(TEXTS[kind].format(tmp_path)), push(source))


def test_what_the_kernel_could_not_write_is_dropped(
    tmp_path: Path, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsync(2): after EIO, what was in memory may be lost, and a second call says nothing of it."""
    layer = blobs_of(push(source))[1]
    sync = os.fdatasync

    def broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fdatasync", broken)
    with pytest.raises(SourceError, match=r"cannot be written \(Input/output error\)"):
        to(f"oci:{tmp_path}").put_blob(layer, content_of(source, layer), nothing)
    monkeypatch.setattr("os.fdatasync", sync)
    assert to(f"oci:{tmp_path}").put_blob(layer, content_of(source, layer), nothing) == 0


def test_all_is_on_the_disk_before_it_is_named(
    tmp_path: Path, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content before its name, folders before index.json, index.json's own folder after it."""
    steps: list[str] = []
    sync, data_sync, rename = os.fsync, os.fdatasync, os.rename

    def shown(file: int) -> str:
        return str(Path(f"/proc/self/fd/{file}").readlink()).removeprefix(f"{tmp_path}/l").lstrip("/")

    def synced(file: int) -> None:
        steps.append(f"sync {shown(file) or '.'}")
        sync(file)

    def data_synced(file: int) -> None:
        steps.append(f"sync {shown(file)}")
        data_sync(file)

    def renamed(old: str, new: str, **folders: int) -> None:
        steps.append(f"name {new}")
        rename(old, new, **folders)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr("os.fdatasync", data_synced)
    monkeypatch.setattr("os.rename", renamed)
    document, target = push(source), to(f"oci:{tmp_path}/l:1")
    carry(source, target, document)
    target.finish()
    names = [*(each.digest for each in blobs_of(document)), document.digest]
    expected: list[str] = []
    for name in ("oci-layout", "index.json"):
        expected += [f"sync .affineur/{name}", f"name {name}"]
    for digest in names:
        begun = digest.replace(":", "-") if digest != document.digest else f"blobs-sha256-{digest.encoded}"
        expected += [f"sync .affineur/{begun}", f"name {digest.encoded}"]
    expected += ["sync .", "sync blobs/sha256", "sync .affineur/index.json", "name index.json", "sync ."]
    assert steps == expected


@pytest.mark.parametrize("kind", TEXTS)
def test_a_program_that_is_killed(tmp_path: Path, kind: str) -> None:
    """In the middle of a layer, by SIGKILL: no image, no lock, and the same again goes on where that can be."""
    text = TEXTS[kind].format(tmp_path)
    source = memory()
    document = push(source, "1", LARGE, compression="none")
    layer = blobs_of(document)[1]
    script = (
        "import sys, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from affineur.target.opening import open_target\n"
        "from support.carrying import carry, memory, push\n"
        "from support.registry import tar_of\n"
        "source = memory()\n"
        "document = push(source, '1', tar_of({'a': bytes(range(256)) * 16_000}), compression='none')\n"
        f"target = open_target({text!r}, sys.exit)\n"
        "def slow(blob, content, moved):\n"
        "    return target.put_blob(blob, content, lambda count: time.sleep(0.02))\n"
        "print('begun', flush=True)\n"
        "carry(source, target, document, put=slow)\n"
        "target.finish()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"begun\n"
        give_up = time.monotonic() + 20
        while not any(each.stat().st_size > 1_000_000 for each in tmp_path.rglob("*") if each.is_file()):
            assert time.monotonic() < give_up
            time.sleep(0.01)
        program.send_signal(signal.SIGKILL)
    assert program.returncode == -signal.SIGKILL
    with pytest.raises(NotFound):
        open_source(text, lambda text: pytest.fail(text)).manifest()
    assert not to(text).has_blob(layer)
    assert (max(again(source, to(text), document)) > 500_000) is (kind in KEEPS)
    read = open_source(text, lambda text: pytest.fail(text))
    assert all(b"".join(read.blob(each)) for each in blobs_of(read.manifest()))
    assert not list(tmp_path.rglob(".affineur"))


def test_a_staging_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    """Another writer removes it when it has ended, at any moment."""
    folder = WritableFolder(str(tmp_path))
    for number in range(3):
        with folder.begin("a") as staged:
            assert staged.size == 0
            staged.append(b"x")
            staged.publish(f"a{number}")
        folder.tidy()
        assert not (tmp_path / ".affineur").exists()
    (tmp_path / "b").mkdir()
    with pytest.raises(SourceError, match=r"b: cannot be written \(Is a directory\)"):
        folder.keep("b", b"x")
    assert not list((tmp_path / ".affineur").iterdir())
