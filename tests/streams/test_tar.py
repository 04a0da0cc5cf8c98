"""Tar archives of every dialect: what is read equals what Go's archive/tar reads, with which engines unpack layers."""

import contextlib
import hashlib
import io
import subprocess
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affineur.errors import ContentError, LimitExceeded, MalformedArchive
from affineur.streams import tar
from affineur.streams.tar import Archive
from support.leaving_out import leave_out

# What archive/tar of Go 1.19 says of the corpus: file, type flag, name, size, link (percent-encoded), first 8 bytes of
# the content's SHA-256; then `end` or `error`.
GO = [line.split("\t") for line in Path(__file__).with_name("go-archive-tar.tsv").read_text().splitlines()]
GO_FILES = {name: [row[1:] for row in rows] for name, rows in groupby(GO, lambda row: row[0])}
KINDS = {"1": "hardlink", "2": "symlink", "3": "other", "4": "other", "5": "directory", "6": "other", "D": "directory"}
FILES = {"0", "\0", "7", "S"}
READ_MAX = 1 << 24


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def listed(content: bytes, piece: int = 1 << 20) -> list[tuple[bytes, str, int, bytes, str]]:
    archive = Archive(pieces(content, piece), "test")
    return [
        (
            entry.name,
            entry.kind,
            entry.size,
            entry.link,
            digest(archive.read(entry, READ_MAX)) if entry.size < READ_MAX else "-",
        )
        for entry in archive.entries()
    ]


@pytest.mark.corpus
@pytest.mark.parametrize("piece", [1 << 20, 777])
@pytest.mark.parametrize("name", GO_FILES)
def test_reads_what_go_reads(corpus: Path, name: str, piece: int) -> None:
    (path,) = corpus.glob(f"malformed/*/{name}")
    archive = Archive(pieces(path.read_bytes(), piece), name)
    rows = [row for row in GO_FILES[name] if row[0] != "g"]  # of a global header Go makes an entry, we none
    entries = archive.entries()
    for flag, shown, size, link, content in rows[:-1]:
        entry = next(entries)
        assert (entry.name, entry.link) == (unquote_to_bytes(shown), unquote_to_bytes(link))
        assert entry.kind == ("file" if flag in FILES else KINDS.get(flag, "other"))
        if entry.kind == "file":  # Go shows, and does not use, the size that a link's or directory's header claims
            assert entry.size == int(size)
        if content != "-":
            assert digest(archive.read(entry, READ_MAX)) == content
    if rows[-1] == ["end"]:
        assert next(entries, None) is None
    else:
        with pytest.raises(MalformedArchive):
            next(entries)


@pytest.mark.corpus
def test_a_pax_header_without_end_is_a_limit(corpus: Path) -> None:
    import bz2

    content = bz2.decompress((corpus / "malformed/tar-corpus/pax-bad-hdr-large.tar.bz2").read_bytes())
    with pytest.raises(LimitExceeded):
        listed(content)


def made(format_: int, **pax: str) -> bytes:
    """An archive by Python's tarfile, with names that need each dialect's extensions."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_, pax_headers=pax) as archive:
        for name, content in (
            ("short", b"1"),
            ("d/" * 60 + "deep", b"22"),
            ("é" * 40 + "utf8", b""),
            ("x" * 300, b"4" * 513),
        ):
            if format_ == tarfile.USTAR_FORMAT and len(name.encode()) > 200:
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
            link = tarfile.TarInfo(f"link to {len(name)}")
            link.type, link.linkname = tarfile.SYMTYPE, name[:100]
            archive.addfile(link)
        huge = tarfile.TarInfo("uid")
        huge.uid = 0o7777777 if format_ == tarfile.USTAR_FORMAT else 1 << 40
        archive.addfile(huge)
    return buffer.getvalue()


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("piece", [1, 511, 512, 513, 10240])
def test_reads_what_pythons_tarfile_wrote(format_: int, piece: int) -> None:
    content = made(format_)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        expected = [(m.name.encode(), m.size, m.linkname.encode()) for m in archive]
    assert [(name, size, link) for name, _, size, link, _ in listed(content, piece)] == expected
    assert len(expected) >= 5


def test_a_global_header_changes_no_entry() -> None:
    # Engines ignore it (moby: "PAX Global Extended Headers found and ignored"), so what counts is the entry's own name.
    content = made(tarfile.PAX_FORMAT, path="etc/other", comment="made by git archive")
    assert listed(content)[0][0] == b"short"


def test_content_is_passed_over_without_being_kept() -> None:
    info = tarfile.TarInfo("large")
    info.size = 1 << 40
    header = info.tobuf(tarfile.GNU_FORMAT)
    zeros = bytes(1 << 20)

    def stream() -> Iterator[bytes]:
        yield header
        for _ in range(1 << 20):
            yield zeros
        yield tarfile.TarInfo("after").tobuf()

    assert [entry.name for entry in Archive(stream(), "test").entries(lambda name: name == b"after")] == [b"after"]


def test_a_file_beyond_the_readers_limit_is_not_read() -> None:
    info = tarfile.TarInfo("status")
    info.size = 10 * 1024**3
    archive = Archive(iter([info.tobuf(tarfile.GNU_FORMAT)]), "test")
    (entry,) = iter([next(archive.entries())])
    with pytest.raises(LimitExceeded, match="10737418240 bytes, more than 1024"):
        archive.read(entry, 1024)


def test_too_many_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "ENTRIES_MAX", 100)
    content = b"".join(tarfile.TarInfo(str(number)).tobuf() for number in range(101))
    with pytest.raises(LimitExceeded, match="more than 100 entries"):
        listed(content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (tarfile.TarInfo("a").tobuf()[:300], "ends within a header"),
        (bytes(512) + tarfile.TarInfo("a").tobuf(), "no end of the archive"),
        (b"no tar at all, but long enough to be a block" * 20, "checksum"),
    ],
)
def test_broken_archives_say_what_is_broken(content: bytes, problem: str) -> None:
    with pytest.raises(MalformedArchive, match=problem):
        listed(content)


@pytest.mark.parametrize("end", [b"", bytes(512), bytes(1024), bytes(10240), bytes(1024) + b"anything"])
def test_the_end_may_be_marked_or_not(end: bytes) -> None:
    assert len(listed(tarfile.TarInfo("a").tobuf() + end)) == 1


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_whatever_happens_to_an_archive_ends_in_entries_or_a_content_error(data: st.DataObject) -> None:
    content = bytearray(made(data.draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))
    with contextlib.suppress(ContentError):
        listed(bytes(content[:end]), 700)


@pytest.mark.system
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_reads_what_gnu_tar_wrote(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"content")
    (folder / "hard").hardlink_to(folder / "sub" / "file")
    (folder / "link").symlink_to("sub/file")
    with (folder / "sparse").open("wb") as sparse:
        for position in range(1, 40):
            sparse.seek(position * 65536)
            sparse.write(b"%d" % position)
        sparse.truncate(5_000_000)
    kinds = ["-S"] if form in ("oldgnu", "gnu", "posix") else []
    command = ["tar", "--sort=name", f"--format={form}", *kinds, "-C", str(folder), "-cf", "-", "."]
    try:
        content = subprocess.run(command, capture_output=True, check=True).stdout
    except FileNotFoundError:
        leave_out("needs GNU tar")
    found = {name.rstrip(b"/"): (kind, link, check) for name, kind, _, link, check in listed(content)}
    assert found[b"./sparse"] == ("file", b"", digest((folder / "sparse").read_bytes()))
    assert found[b"./sub/file"][:2] == ("hardlink", b"./hard")
    assert found[b"./link"][:2] == ("symlink", b"sub/file")
    assert found[b"./sub"][0] == "directory"
    if kinds:
        assert len(content) < 1_000_000
