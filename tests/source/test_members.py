"""Members of archives, read in place: what Go's archive/tar reads of the corpus, and what archives do to be trusted."""

import contextlib
import gzip
import io
import os
import tarfile
import tracemalloc
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from affineur.errors import ContentError, LimitExceeded, MalformedArchive, NotFound, UnsupportedContent
from affineur.source import members
from affineur.source.files import Missing, content
from affineur.source.members import Members
from affineur.streams import resumable
from support.layers import directory, file, hard, link
from support.places import write_tar

GO = [line.split("\t") for line in (Path(__file__).parents[1] / "streams/go-archive-tar.tsv").read_text().splitlines()]
GO_FILES = {name: [row[1:] for row in rows] for name, rows in groupby(GO, lambda row: row[0])}
PLAIN = [name for name in GO_FILES if name.endswith(".tar")]
BIG = os.urandom(3_000_000)  # does not shrink, and is more than what is kept
Write = Callable[..., Members]


@pytest.fixture(params=["plain", "gzip"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Writes an archive of items of support.layers."""

    def write(*items: tuple[tarfile.TarInfo, bytes], cut: int | None = None) -> Members:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for info, body in items:
                archive.addfile(info, io.BytesIO(body))
        made = buffer.getvalue()[:cut]
        path = tmp_path / "a.tar"
        path.write_bytes(gzip.compress(made, 1) if request.param == "gzip" else made)
        return Members(str(path))

    return write


@pytest.mark.corpus
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", PLAIN)
def test_reads_what_go_reads(corpus: Path, tmp_path: Path, name: str, compressed: bool) -> None:
    """Go's archive/tar 1.19 is the witness (tests/streams/test_tar.py); names that occur twice are refused here."""
    (path,) = corpus.glob(f"malformed/*/{name}")
    if compressed:
        path = Path(tmp_path / name)
        path.write_bytes(gzip.compress(next(corpus.glob(f"malformed/*/{name}")).read_bytes(), 1))
    archive = Members(str(path))
    rows = GO_FILES[name]
    if rows[-1][0] == "error":
        with pytest.raises(ContentError):
            archive.size("any")
        return
    names = Counter(row[1] for row in rows[:-1])
    sparse = set()
    if "sparse" in name or name == "testtar.tar":
        with tarfile.open(path) as archive_of_python:
            sparse = {each.name for each in archive_of_python if each.issparse()}
    for kind, shown, size, _, digest in rows[:-1]:
        wanted = unquote_to_bytes(shown)
        if kind not in "07\0" or names[shown] > 1 or digest == "-" or len(wanted) > members.NAME_MAX:
            continue
        found = unquote_to_bytes(shown).decode("utf-8", "replace")
        if found in sparse:
            with pytest.raises(UnsupportedContent, match="sparse"):
                archive.size(found)
            continue
        read = content(archive, found.rstrip("/"), 1 << 24)
        assert (len(read), sha256(read).hexdigest()[:16]) == (int(size), digest)


def test_small_and_large_members_are_read_in_any_order(written: Write) -> None:
    items = {"a": b"small", "big/1": BIG, "b": b"", "big/2": BIG[::-1], "c": b"end"}
    archive = written(*(file(name, body) for name, body in items.items()))
    for name in ("big/2", "c", "big/1", "a", "b", "big/2"):
        assert content(archive, name, 1 << 24) == items[name]
        assert archive.start(name) == items[name][: members.START_BYTES]
        assert archive.size(name) == len(items[name])


def test_names_have_one_spelling(written: Write) -> None:
    archive = written(file("./index.json", b"1"), file("a//b/../c", b"2"), file("/root", b"3"))
    assert [content(archive, name, 9) for name in ("index.json", "a/c", "root")] == [b"1", b"2", b"3"]


def test_what_climbs_out_is_not_there(written: Write) -> None:
    archive = written(file("../etc/passwd", b"x"), link("up", "../../etc/passwd"), link("abs", "/etc/passwd"))
    for name in ("etc/passwd", "up", "abs"):
        with pytest.raises(Missing):
            archive.size(name)


def test_links_stay_inside_the_archive(written: Write) -> None:
    """docker save, until 25, wrote a layer that occurs twice as a link: `../ID/layer.tar`."""
    archive = written(
        file("1/layer.tar", BIG),
        link("2/layer.tar", "../1/layer.tar"),
        hard("3", "1/layer.tar"),
        link("4", "2/layer.tar"),
    )
    for name in ("2/layer.tar", "3", "4"):
        assert content(archive, name, 1 << 24) == BIG


def test_links_that_loop_end(written: Write) -> None:
    archive = written(link("a", "b"), hard("b", "a"), link("self", "self"))
    for name in ("a", "b", "self"):
        with pytest.raises(UnsupportedContent, match="more than 8 links"):
            archive.size(name)


def test_a_name_that_occurs_twice_is_not_chosen_between(written: Write) -> None:
    """skopeo takes the first of a docker archive, and of an OCI archive the last, as every program that unpacks it."""
    archive = written(file("index.json", b"1"), file("./index.json", b"2"), file("other", b"3"))
    with pytest.raises(MalformedArchive, match="twice"):
        archive.size("index.json")
    assert content(archive, "other", 9) == b"3"


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_devices_and_fifos_are_no_files(written: Write, kind: bytes) -> None:
    special = tarfile.TarInfo("index.json")
    special.type = kind
    with pytest.raises(UnsupportedContent, match="special file"):
        written((special, b"")).size("index.json")


def test_a_folder_is_no_file(written: Write) -> None:
    with pytest.raises(Missing):
        written(directory("index.json")).size("index.json")


def test_an_archive_that_ends_within_a_member_says_which(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "whole.tar", [("first", b"1" * 5000), ("second", b"2" * 5000)]).read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole[: 512 + 5120 + 512 + 100])
    with pytest.raises(MalformedArchive, match=r"ends within 'second', 4900 bytes too early"):
        Members(str(cut)).size("first")


def test_cut_anywhere_it_is_what_it_was_or_refused(written: Write) -> None:
    items = [file("a", b"1" * 700), file("b", b"2" * 1500), file("c", b"3")]
    for cut in range(0, 5120, 61):
        archive = written(*items, cut=cut)
        for name, body in (("a", b"1" * 700), ("b", b"2" * 1500), ("c", b"3")):
            with contextlib.suppress(MalformedArchive, Missing):
                assert content(archive, name, 9999) == body


@pytest.mark.parametrize("body", [b"", b"{}", b"not an archive" * 100, bytes(10240)])
def test_what_is_no_archive_has_no_members(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(body)
    with pytest.raises((MalformedArchive, Missing)):
        Members(str(path)).size("index.json")


def test_an_archive_that_cannot_be_entered_in_the_middle_is_refused_with_the_command(corpus: Path) -> None:
    for path, command in (("testtar/testtar.tar.xz", "xz -dk"), ("tar-corpus/pax-bad-hdr-large.tar.bz2", "bzip2 -dk")):
        with pytest.raises(UnsupportedContent, match=f"unpack it first: {command}"):
            Members(str(corpus / "malformed" / path)).size("any")


def test_a_member_of_a_gigabyte_is_passed_over_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    huge = tarfile.TarInfo("index.json")
    huge.size = 1 << 30
    with path.open("wb") as out:
        out.write(huge.tobuf())
        out.seek(huge.size, os.SEEK_CUR)
        out.write(write_tar(tmp_path / "rest.tar", [("last", b"x")]).read_bytes())
    archive = Members(str(path))
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded, match="1073741824"):
            content(archive, "index.json", 1 << 23)
        assert content(archive, "last", 9) == b"x"
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_members_are_counted(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MEMBERS_MAX", 10)
    assert content(written(*(file(str(n)) for n in range(10))), "3", 9) == b""
    with pytest.raises(LimitExceeded, match="more than 10 members"):
        written(*(file(str(n)) for n in range(11))).size("3")


def test_names_beyond_the_limit_are_passed_over(written: Write) -> None:
    archive = written(file("n" * (members.NAME_MAX + 1), b"1"), file("n" * members.NAME_MAX, b"2"))
    assert content(archive, "n" * members.NAME_MAX, 9) == b"2"
    with pytest.raises(Missing):
        archive.size("n" * (members.NAME_MAX + 1))


def test_points_of_a_compressed_archive_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "POINTS_MAX", 1)
    archive = Members(str(write_tar(tmp_path / "a.tar.gz", [("1", BIG), ("2", BIG), ("small", b"x")])))
    assert content(archive, "1", 1 << 24) == BIG
    assert content(archive, "small", 9) == b"x"
    with pytest.raises(UnsupportedContent, match="gunzip"):
        content(archive, "2", 1 << 24)


def test_many_small_members_of_a_compressed_archive_are_kept_within_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "KEPT_TOGETHER_MAX", 1000)
    items = {str(n): bytes([n]) * 300 for n in range(20)}
    archive = Members(str(write_tar(tmp_path / "a.tar.gz", list(items.items()))))
    assert {name: content(archive, name, 999) for name in items} == items


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "RATIO_FREE", 1 << 20)
    path = write_tar(tmp_path / "a.tar.gz", [("bomb", bytes(8 << 20))])
    with pytest.raises(LimitExceeded, match="become more than"):
        Members(str(path)).size("bomb")


def test_a_file_that_cannot_be_sought_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NotFound, match=r"is a fifo.*save it to a file"):
        Members(str(tmp_path / "fifo")).size("index.json")
    with pytest.raises(NotFound, match="is a device"):
        Members("/dev/zero").size("index.json")
    with pytest.raises(NotFound, match="is a folder"):
        Members(str(tmp_path)).size("index.json")
    with pytest.raises(NotFound, match="no such file"):
        Members(str(tmp_path / "none")).size("index.json")
