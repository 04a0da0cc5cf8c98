"""Indexes of feeds: built apart, put in place in one step, absent rather than wrong."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from affineur.errors import MalformedDatabase
from affineur.store import feeds as module
from affineur.store.feeds import FeedMeta, FeedStore, Texts, local_files, state_of

META = FeedMeta(
    "http://feeds.example/a.zip", '"1"', datetime(2026, 1, 1, tzinfo=UTC), "sha256:00", "v1", {"notices": 2}
)


def build(store: FeedStore, entries: list[tuple[str, bytes]]) -> None:
    store.build("a", entries, lambda: META).close()


@pytest.fixture
def store(tmp_path: Path) -> FeedStore:
    return FeedStore(tmp_path / "new" / "folder")


def test_what_was_built_is_found_under_its_keys(store: FeedStore) -> None:
    build(store, [("x", b"1"), ("y", b"2"), ("x", b"3"), ("x\0y", b"4")])
    index = store.open("a", "v1")
    assert index is not None
    assert sorted(index.entries(["x", "z", "x"])) == [("x", b"1"), ("x", b"3")]
    assert index.meta == META
    assert datetime.now(UTC) - index.checked < timedelta(minutes=1)
    index.close()


def test_thousands_of_keys_are_looked_up(store: FeedStore) -> None:
    build(store, [(f"key {number}", b"%d" % number) for number in range(5000)])
    index = store.open("a", "v1")
    assert index is not None
    found = dict(index.entries([f"key {number}" for number in range(0, 10_000, 2)]))
    assert len(found) == 2500
    assert found["key 4998"] == b"4998"


def test_another_version_of_the_readers_makes_it_absent(store: FeedStore) -> None:
    assert store.open("a", "v1") is None
    build(store, [])
    assert store.open("a", "v2") is None
    assert store.open("a", "v1") is not None


def test_a_failed_build_leaves_the_old_index_and_nothing_else(store: FeedStore) -> None:
    build(store, [("x", b"1")])

    def failing() -> Iterator[tuple[str, bytes]]:
        yield "x", b"2"
        raise MalformedDatabase("a", 1, "broken half-way")

    with pytest.raises(MalformedDatabase):
        store.build("a", failing(), lambda: META)
    index = store.open("a", "v1")
    assert index is not None
    assert list(index.entries(["x"])) == [("x", b"1")]
    assert [path.name for path in store.folder.iterdir()] == ["a.sqlite"]


def test_what_a_killed_build_left_is_removed_in_time(store: FeedStore) -> None:
    store.folder.mkdir(parents=True)
    old, young = store.folder / ".a-1.new", store.folder / ".a-2.new"
    old.write_text("")
    young.write_text("")
    os.utime(old, (0, 0))
    build(store, [])
    assert sorted(path.name for path in store.folder.iterdir()) == [".a-2.new", "a.sqlite"]


def test_a_reader_keeps_what_it_opened_while_another_process_rebuilds(store: FeedStore) -> None:
    build(store, [("x", b"1")])
    index = store.open("a", "v1")
    assert index is not None
    build(store, [("x", b"2")])
    assert list(index.entries(["x"])) == [("x", b"1")]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(4080)])
def test_a_damaged_index_counts_as_absent_and_is_built_over(store: FeedStore, content: bytes) -> None:
    store.folder.mkdir(parents=True)
    (store.folder / "a.sqlite").write_bytes(content)
    assert store.open("a", "v1") is None
    build(store, [("x", b"1")])
    assert store.open("a", "v1") is not None


def test_another_programs_database_counts_as_absent(store: FeedStore) -> None:
    store.folder.mkdir(parents=True)
    database = sqlite3.connect(store.folder / "a.sqlite")
    database.execute("CREATE TABLE about (body BLOB)")
    database.execute("INSERT INTO about VALUES (x'00')")
    database.commit()
    database.close()
    assert store.open("a", "v1") is None


def test_damage_further_in_is_an_error_of_ours(store: FeedStore) -> None:
    build(store, [(f"key {number}", b"x" * 100) for number in range(2000)])
    path = store.folder / "a.sqlite"
    content = bytearray(path.read_bytes())
    content[16384:] = b"\xff" * (len(content) - 16384)
    path.write_bytes(content)
    index = store.open("a", "v1")
    assert index is not None  # its first pages are whole
    with pytest.raises(MalformedDatabase):
        list(index.entries([f"key {number}" for number in range(2000)]))


def test_a_confirmed_index_is_as_fresh_as_a_new_one(store: FeedStore) -> None:
    build(store, [])
    os.utime(store.folder / "a.sqlite", (0, 0))
    index = store.open("a", "v1")
    assert index is not None
    assert index.checked.year == 1970
    store.still_true("a")
    index = store.open("a", "v1")
    assert index is not None
    assert datetime.now(UTC) - index.checked < timedelta(minutes=1)


def test_where_a_folder_cannot_be_written_a_temporary_one_serves(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FeedStore(tmp_path / "file" / "store")
    index = store.build("a", [("key", b"body")], lambda: META)
    assert list(index.entries(["key"])) == [("key", b"body")]
    assert store.open("a", META.version) is None
    index.close()


def test_an_unwritable_machine_is_an_os_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file" / "tmp"))
    with pytest.raises(OSError, match="file"):
        FeedStore(tmp_path / "file" / "store").build("a", [], lambda: META)


def test_a_scratch_file_has_no_name_and_is_gone_afterwards(store: FeedStore) -> None:
    with store.scratch() as file:
        file.write(b"archive")
        file.seek(0)
        assert file.read() == b"archive"
        assert list(store.folder.iterdir()) == []
    assert file.closed


def test_local_feeds_are_an_archive_a_folder_of_records_or_a_list(tmp_path: Path) -> None:
    folder = tmp_path / "Debian"
    folder.mkdir()
    assert local_files(tmp_path, "Debian") == []
    for name in ("b.json", "a.json", "README"):
        (folder / name).write_text("{}")
    assert [path.name for path in local_files(tmp_path, "Debian")] == ["a.json", "b.json"]
    (folder / "all.zip").write_bytes(b"")
    assert [path.name for path in local_files(tmp_path, "Debian")] == ["all.zip"]
    assert local_files(folder / "a.json", "Debian") == [folder / "a.json"]


def test_the_state_of_files_changes_with_their_content(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    before = state_of([path])
    assert state_of([path]) == before
    path.write_text("{} ")
    assert state_of([path]) != before


def test_texts_are_kept_by_digest(tmp_path: Path) -> None:
    texts = Texts(tmp_path)
    assert texts.get("sha256:1") is None
    texts.put("sha256:1", "é" * 1000)
    texts.put("sha256:1", "new")
    texts.put("sha256:2", "other")
    texts.close()
    again = Texts(tmp_path)
    assert (again.get("sha256:1"), again.get("sha256:2")) == ("new", "other")
    again.close()


def test_the_oldest_texts_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXTS", 2)
    texts = Texts(tmp_path)
    for number in range(4):
        texts.put(f"sha256:{number}", "text")
    assert [texts.get(f"sha256:{number}") for number in range(4)] == [None, None, "text", "text"]
    texts.close()


def test_texts_that_cannot_be_kept_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    texts = Texts(tmp_path / "file" / "store")
    texts.put("sha256:1", "text")
    assert texts.get("sha256:1") in (None, "text")
    texts.close()
