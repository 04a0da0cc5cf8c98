"""A folder that the user named: only regular files below it are opened, nothing is waited for, no link is followed."""

import os
import socket
import tracemalloc
from pathlib import Path

import pytest

from affineur.errors import LimitExceeded, NotFound, UnsupportedContent
from affineur.source.files import Folder, Missing, content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "layout"
    (made / "blobs" / "sha256").mkdir(parents=True)
    (made / "blobs" / "sha256" / "aa").write_bytes(b"content")
    return made


def test_a_file_below_is_read(folder: Path) -> None:
    assert content(Folder(str(folder)), "blobs/sha256/aa", 99) == b"content"
    assert Folder(str(folder)).size("blobs/sha256/aa") == 7


def test_the_folder_itself_may_be_a_link_since_the_user_named_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert content(Folder(str(tmp_path / "link")), "blobs/sha256/aa", 99) == b"content"


def test_a_relative_path_is_from_where_the_program_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert content(Folder("layout"), "blobs/sha256/aa", 99) == b"content"


@pytest.mark.parametrize("target", ["/etc/passwd", "aa", "../../../secret", "nowhere"])
def test_a_link_is_not_followed_wherever_it_leads(folder: Path, target: str) -> None:
    (folder.parent / "secret").write_bytes(b"secret")
    (folder / "blobs/sha256/bb").symlink_to(target)
    with pytest.raises(UnsupportedContent, match=r"symbolic link.*cp -RL"):
        content(Folder(str(folder)), "blobs/sha256/bb", 99)


@pytest.mark.parametrize("part", ["blobs", "blobs/sha256"])
def test_a_folder_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path, part: str) -> None:
    (folder / part).rename(tmp_path / "elsewhere")
    (folder / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsupportedContent, match="symbolic link"):
        content(Folder(str(folder)), "blobs/sha256/aa", 99)


def test_a_fifo_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "index.json")
    with pytest.raises(UnsupportedContent, match="is a fifo"):
        content(Folder(str(folder)), "index.json", 99)


def test_a_socket_is_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("index.json")
        with pytest.raises(UnsupportedContent, match="is a socket"):
            content(Folder(str(folder)), "index.json", 99)


def test_a_device_is_no_file() -> None:
    with pytest.raises(UnsupportedContent, match="zero is a device"):
        content(Folder("/dev"), "zero", 99)


def test_a_folder_is_no_file(folder: Path) -> None:
    with pytest.raises(UnsupportedContent, match="is a folder"):
        content(Folder(str(folder)), "blobs", 99)


def test_a_file_is_no_folder(folder: Path) -> None:
    with pytest.raises(NotFound, match="is a file, not a folder"):
        content(Folder(str(folder / "blobs/sha256/aa")), "index.json", 99)
    (folder / "file").write_bytes(b"")
    with pytest.raises((Missing, UnsupportedContent)):
        content(Folder(str(folder)), "file/index.json", 99)


def test_what_is_missing_is_told_apart_from_where(folder: Path) -> None:
    with pytest.raises(Missing):
        Folder(str(folder)).size("blobs/sha512/aa")
    with pytest.raises(NotFound, match="no such folder") as caught:
        Folder(str(folder / "none")).size("index.json")
    assert not isinstance(caught.value, Missing)


def test_a_document_of_a_gigabyte_is_not_read(folder: Path) -> None:
    with (folder / "index.json").open("wb") as out:
        out.truncate(1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded, match="1073741824"):
            content(Folder(str(folder)), "index.json", 1 << 23)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_grows_while_it_is_read_is_bounded() -> None:
    """/proc says 0 bytes of all its files, and gives more."""
    with pytest.raises(LimitExceeded, match="more than 3"):
        content(Folder("/proc/self"), "status", 3)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_open_files_are_closed(folder: Path) -> None:
    before = open_files()
    (folder / "link").symlink_to("x")
    for name in ("blobs/sha256/aa", "blobs/none", "link", "blobs"):
        for _ in range(3):
            try:
                content(Folder(str(folder)), name, 99)
            except (NotFound, UnsupportedContent):
                continue
    next(Folder(str(folder)).chunks("blobs/sha256/aa"))
    assert open_files() == before
