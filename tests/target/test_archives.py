"""Archives that are written once: an OCI layout in a tar, and what docker load reads."""

import gzip
import hashlib
import json
import lzma
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from affineur.errors import (
    ContentError,
    DigestMismatch,
    InvalidReference,
    LimitExceeded,
    MalformedArchive,
    SourceError,
    Unreachable,
    UnsupportedContent,
)
from affineur.oci.blob import Verification
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.source.memory import MemorySource
from affineur.source.opening import open_source
from affineur.target.opening import open_target
from affineur.target.tar import NewArchive
from affineur.target.target import Target
from support.carrying import (
    TAR,
    blobs_of,
    broken,
    carry,
    content_of,
    described,
    memory,
    nothing,
    push,
    push_index,
    push_referrer,
)
from support.registry import Compression, tar_of


@pytest.fixture
def source() -> MemorySource:
    return memory()


@pytest.fixture(params=["oci-archive", "docker-archive"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def to(text: str) -> Target:
    return open_target(text, lambda text: pytest.fail(text))


def members(file: Path) -> dict[str, tarfile.TarInfo]:
    """As Python's tarfile has them: a reader that is not ours."""
    with tarfile.open(file) as archive:
        return {each.name: each for each in archive.getmembers()}


def content(file: Path, name: str) -> bytes:
    with tarfile.open(file) as archive:
        found = archive.extractfile(name)
        assert found is not None
        return found.read()


def test_the_same_image_gives_the_same_bytes(tmp_path: Path, source: MemorySource, transport: str) -> None:
    document = push(source)
    for name in ("a", "b"):
        target = to(f"{transport}:{tmp_path}/{name}")
        carry(source, target, document)
        target.finish()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    for member in members(tmp_path / "a").values():
        assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o644)
        assert member.isfile()
    assert (tmp_path / "a").stat().st_size % 512 == 0


def test_it_has_its_name_when_it_is_whole(tmp_path: Path, source: MemorySource, transport: str) -> None:
    document, target = push(source), to(f"{transport}:{tmp_path}/a")
    carry(source, target, document)
    assert [each.name for each in tmp_path.iterdir()] == [".affineur"]
    target.finish()
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    target.finish()
    target.abandon()
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("there", ["file", "folder", "broken link", "link"])
def test_what_is_there_is_not_written_over(tmp_path: Path, source: MemorySource, transport: str, there: str) -> None:
    path = tmp_path / "a"
    if there == "file":
        path.write_text("precious")
    elif there == "folder":
        path.mkdir()
    else:
        path.symlink_to("b")
        if there == "link":
            (tmp_path / "b").write_text("precious")
    document, target = push(source), to(f"{transport}:{path}")
    before = {each.name: each.lstat().st_mtime_ns for each in tmp_path.iterdir()}
    with pytest.raises((SourceError, ContentError)):
        carry(source, target, document)
    with pytest.raises(SourceError, match=r"a exists, and an archive is not written over or added to: remove it, or"):
        target.put_blob(blobs_of(document)[1], content_of(source, blobs_of(document)[1]), nothing)
    target.abandon()
    assert {each.name: each.lstat().st_mtime_ns for each in tmp_path.iterdir()} == before


def test_what_appeared_meanwhile_is_not_written_over(tmp_path: Path, source: MemorySource, transport: str) -> None:
    target = to(f"{transport}:{tmp_path}/a")
    carry(source, target, push(source))
    (tmp_path / "a").write_text("precious")
    with pytest.raises(SourceError, match="exists"):
        target.finish()
    target.abandon()
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "precious"


def test_a_folder_that_is_not_there(tmp_path: Path, source: MemorySource, transport: str) -> None:
    with pytest.raises(SourceError, match=r"there is no folder .*/none; make it first"):
        carry(source, to(f"{transport}:{tmp_path}/none/a"), push(source))


def test_a_path_without_a_folder(
    tmp_path: Path, source: MemorySource, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = to(f"{transport}:a")
    carry(source, target, push(source))
    target.finish()
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_what_a_killed_writer_left_is_begun_anew(tmp_path: Path, source: MemorySource, transport: str) -> None:
    (tmp_path / ".affineur").mkdir()
    (tmp_path / ".affineur" / "a").write_bytes(b"half an archive" * 1_000)
    target = to(f"{transport}:{tmp_path}/a")
    carry(source, target, push(source))
    target.finish()
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert members(tmp_path / "a")


def test_a_broken_transfer_leaves_no_trace(tmp_path: Path, source: MemorySource, transport: str) -> None:
    """The archive is the same as if it had never been tried."""
    document = push(source, "1", TAR, tar_of({"a": b"b" * 100_000}))
    for name in ("a", "b"):
        target = to(f"{transport}:{tmp_path}/{name}")
        for blob in blobs_of(document):
            for _ in range(2 if name == "a" else 0):
                with pytest.raises(Unreachable):
                    target.put_blob(blob, broken(source, blob, blob.size - 9, Unreachable("cut")), nothing)
            target.put_blob(blob, content_of(source, blob), nothing)
        target.put_manifest(document)
        target.put_tag(document)
        target.finish()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_giving_up_waits_for_nobody(tmp_path: Path, source: MemorySource, transport: str) -> None:
    """A thread that still waits for a registry ends at its next chunk, and does not make the archive again."""
    document, target = push(source), to(f"{transport}:{tmp_path}/a")
    blob = blobs_of(document)[1]
    waiting, go_on = threading.Event(), threading.Event()

    def slow(begun: Verification) -> Iterator[bytes]:
        for chunk in source.blob(blob, begun):
            yield chunk
            waiting.set()
            assert go_on.wait(10)

    with ThreadPoolExecutor(1) as threads:
        put = threads.submit(target.put_blob, blob, slow, nothing)
        assert waiting.wait(10)
        target.abandon()
        assert list(tmp_path.iterdir()) == [] or not list((tmp_path / ".affineur").iterdir())
        go_on.set()
        with pytest.raises(SourceError):
            put.result(10)
    with pytest.raises(SourceError, match="given up"):
        target.put_blob(blob, content_of(source, blob), nothing)
    target.finish()
    assert not (tmp_path / "a").exists()


def test_names_of_members_are_as_long_as_they_need(tmp_path: Path, source: MemorySource) -> None:
    """sha512: more than the 100 characters of a ustar header."""
    text = b"text"
    blob = Descriptor("a/b", Digest.of(text, "sha512"), len(text))
    source.add_blob(text, blob.digest)
    target = to(f"oci-archive:{tmp_path}/a")
    target.put_blob(blob, content_of(source, blob), nothing)
    carry(source, target, push(source))
    target.finish()
    assert content(tmp_path / "a", f"blobs/sha512/{blob.digest.encoded}") == text
    read = open_source(f"oci-archive:{tmp_path}/a", lambda text: pytest.fail(text))
    assert b"".join(read.blob(blob)) == text


def test_members_of_more_than_8_gib_have_a_header() -> None:
    """POSIX's octal field ends there; GNU's goes on in base 256 (info tar, § Basic Tar Format)."""
    from affineur.target.tar import _header

    for size in (0, 8**11 - 1, 8**11, 2**40):
        header = _header("a" * 100, size)
        assert len(header) == 512
        assert tarfile.TarInfo.frombuf(header, "utf-8", "strict").size == size


def test_a_member_is_written_once(tmp_path: Path) -> None:
    archive = NewArchive(f"{tmp_path}/a")

    def never() -> Iterator[bytes]:
        pytest.fail("asked")
        yield b""

    archive.add("x", [b"a", b"b"])
    archive.add("x", never())
    archive.add_unnamed([b"c"], lambda: "x")
    archive.add("y", [])
    assert (archive.size("x"), archive.size("y"), archive.size("z")) == (2, 0, None)
    assert b"".join(archive.chunks("x")) == b"ab"
    archive.finish()
    assert {name: each.size for name, each in members(tmp_path / "a").items()} == {"x": 2, "y": 0}


class TestLayout:
    """oci-archive:"""

    def test_what_it_consists_of(self, tmp_path: Path, source: MemorySource) -> None:
        document, target = push(source), to(f"oci-archive:{tmp_path}/a:1")
        carry(source, target, document)
        target.finish()
        digests = [document.digest, *(each.digest for each in blobs_of(document))]
        expected = {"oci-layout", "index.json", *(f"blobs/sha256/{each.encoded}" for each in digests)}
        assert set(members(tmp_path / "a")) == expected
        for digest in digests:
            found = content(tmp_path / "a", f"blobs/sha256/{digest.encoded}")
            assert hashlib.sha256(found).hexdigest() == digest.encoded
        (entry,) = json.loads(content(tmp_path / "a", "index.json"))["manifests"]
        assert entry["annotations"] == {"org.opencontainers.image.ref.name": "1"}

    def test_another_image_or_name_is_refused(self, tmp_path: Path, source: MemorySource) -> None:
        """The same image again is there already; a name of it that is not is as much a change as another image."""
        first, second = push(source, "1"), push(source, "2", author="a")
        target = to(f"oci-archive:{tmp_path}/a:1")
        carry(source, target, first)
        target.finish()
        target = to(f"oci-archive:{tmp_path}/a:1")
        assert target.digest() == first.digest
        assert target.digest("2") is None
        target.put_tag(first)
        with pytest.raises(SourceError, match="exists"):
            target.put_tag(first, "2")
        with pytest.raises(SourceError, match="exists"):
            target.put_manifest(second)
        with pytest.raises(SourceError, match="exists"):
            carry(source, target, second)

    def test_a_broken_archive_is_refused_too(self, tmp_path: Path, source: MemorySource) -> None:
        document, target = push(source), to(f"oci-archive:{tmp_path}/a:1")
        carry(source, target, document)
        target.finish()
        layer = blobs_of(document)[1]
        written = (tmp_path / "a").read_bytes()
        at = written.index(b"".join(source.blob(layer)))
        (tmp_path / "a").write_bytes(written[: at + 100] + b"????" + written[at + 104 :])
        target = to(f"oci-archive:{tmp_path}/a:1")
        assert not target.has_blob(layer)
        with pytest.raises(SourceError, match="exists"):
            target.put_blob(layer, content_of(source, layer), nothing)

    def test_a_signed_schema_1_does_not_fit(self, tmp_path: Path) -> None:
        signed = Document(b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", Digest.of(b"x"), "x")
        with pytest.raises(UnsupportedContent, match="signed manifest of schema 1"):
            to(f"oci-archive:{tmp_path}/a").put_manifest(signed)


def test_an_archive_that_another_program_writes_is_refused_at_once(
    tmp_path: Path, source: MemorySource, transport: str
) -> None:
    document, target = push(source), to(f"{transport}:{tmp_path}/a")
    carry(source, target, document)
    with pytest.raises(SourceError, match="another program is writing a; try again when it has ended"):
        carry(source, to(f"{transport}:{tmp_path}/a"), document)
    target.finish()
    assert members(tmp_path / "a")


class TestDocker:
    """docker-archive:"""

    @pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
    def test_what_it_consists_of(self, tmp_path: Path, source: MemorySource, compression: Compression) -> None:
        other = tar_of({"b": b"c"})
        document = push(source, "1", TAR, other, TAR, compression=compression)
        target = to(f"docker-archive:{tmp_path}/a:team/app:1")
        carry(source, target, document)
        target.finish()
        config = b"".join(source.blob(blobs_of(document)[0]))
        names = [f"{hashlib.sha256(tar).hexdigest()}.tar" for tar in (TAR, other)]
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        assert set(members(tmp_path / "a")) == {"manifest.json", config_name, *names}
        assert content(tmp_path / "a", config_name) == config
        assert [content(tmp_path / "a", name) for name in names] == [TAR, other]
        assert json.loads(content(tmp_path / "a", "manifest.json")) == [
            {"Config": config_name, "RepoTags": ["docker.io/team/app:1"], "Layers": [*names, names[0]]}
        ]

    @pytest.mark.parametrize(
        ("name", "further", "tags"),
        [
            ("", (), []),
            (":debian", (), ["docker.io/library/debian:latest"]),
            (":debian", ("12", "registry.example/a:b"), [":latest", ":12", "registry.example/a:b"]),
            ("", ("registry.example/a:b",), ["registry.example/a:b"]),
        ],
    )
    def test_names(
        self, tmp_path: Path, source: MemorySource, name: str, further: tuple[str, ...], tags: list[str]
    ) -> None:
        document, target = push(source), to(f"docker-archive:{tmp_path}/a{name}")
        carry(source, target, document)
        assert target.digest() == document.digest
        for tag in further:
            assert target.digest(tag) is None
            target.put_tag(document, tag)
            assert target.digest(tag) == document.digest
        target.finish()
        (image,) = json.loads(content(tmp_path / "a", "manifest.json"))
        assert [tag.removeprefix("docker.io/library/debian") for tag in image["RepoTags"]] == [
            tag.removeprefix("docker.io/library/debian") for tag in tags
        ]

    def test_a_tag_without_a_name(self, tmp_path: Path, source: MemorySource) -> None:
        target = to(f"docker-archive:{tmp_path}/a")
        with pytest.raises(InvalidReference, match=r"'1' is a tag of what\? write docker-archive:.*:NAME:1"):
            target.digest("1")
        with pytest.raises(InvalidReference, match="is a tag of what"):
            target.put_tag(push(source), "1")

    def test_several_images(self, tmp_path: Path, source: MemorySource) -> None:
        """A name belongs to the last that it was given."""
        first, second = push(source, "1"), push(source, "2", author="a")
        target = to(f"docker-archive:{tmp_path}/a:app:1")
        carry(source, target, first)
        carry(source, target, second)
        carry(source, target, first, "2")
        target.finish()
        tags = [each["RepoTags"] for each in json.loads(content(tmp_path / "a", "manifest.json"))]
        assert tags == [["docker.io/library/app:2"], ["docker.io/library/app:1"]]

    def test_a_layer_that_is_not_what_the_configuration_says(self, tmp_path: Path, source: MemorySource) -> None:
        rootfs = {"type": "layers", "diff_ids": [str(Digest.of(b"something else"))]}
        target = to(f"docker-archive:{tmp_path}/a")
        with pytest.raises(DigestMismatch, match="unpacked: content is sha256:"):
            carry(source, target, push(source, rootfs=rootfs))
        target.abandon()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("rootfs", "says"),
        [
            ({"type": "layers", "diff_ids": []}, "has 1 layers, and its configuration names 0"),
            ({"type": "layers", "diff_ids": [str(Digest.of(TAR, "sha512"))]}, "docker knows sha256"),
        ],
    )
    def test_a_configuration_that_does_not_fit(
        self, tmp_path: Path, source: MemorySource, rootfs: dict[str, Any], says: str
    ) -> None:
        with pytest.raises(UnsupportedContent, match=says):
            carry(source, to(f"docker-archive:{tmp_path}/a"), push(source, rootfs=rootfs))

    def test_what_is_no_image(self, tmp_path: Path, source: MemorySource) -> None:
        image = push(source)
        target = to(f"docker-archive:{tmp_path}/a")
        with pytest.raises(UnsupportedContent, match=r"one platform each: choose one \(--platform\)"):
            target.put_manifest(push_index(source, None, image))
        with pytest.raises(UnsupportedContent, match="a docker archive holds images"):
            carry(source, target, push_referrer(source, image))
        with pytest.raises(UnsupportedContent, match="its configuration is no"):
            target.put_manifest(push(source, author="nobody put this one's configuration"))
        lacking = json.loads(image.content)
        lacking["layers"].append(described(source, b"", "application/vnd.oci.image.layer.nondistributable.v1.tar"))
        rootfs = {"type": "layers", "diff_ids": [str(Digest.of(TAR)), str(Digest.of(b""))]}
        config = json.dumps({"rootfs": rootfs}).encode()
        lacking["config"] = described(source, config, lacking["config"]["mediaType"])
        written = json.dumps(lacking).encode()
        lacking_document = source.manifest(source.add_manifest(written, image.media_type))
        for blob in blobs_of(lacking_document)[:2]:
            target.put_blob(blob, content_of(source, blob), nothing)
        with pytest.raises(UnsupportedContent, match="is elsewhere"):
            target.put_manifest(lacking_document)
        encrypted = msgspec.structs.replace(blobs_of(image)[1], media_type="a/b+encrypted")
        with pytest.raises(UnsupportedContent, match="is encrypted"):
            to(f"docker-archive:{tmp_path}/b").put_blob(encrypted, content_of(source, encrypted), nothing)

    @pytest.mark.corpus
    def test_schema_1(self, tmp_path: Path, corpus: Path) -> None:
        fixtures = corpus / "manifests/containers-image/manifest-fixtures"
        written = (fixtures / "v2s1.everything.json").read_bytes()
        document = Document(written, "", Digest.of(written), "x")
        with pytest.raises(UnsupportedContent, match="has no configuration"):
            to(f"docker-archive:{tmp_path}/a").put_manifest(document)

    def test_a_layer_that_becomes_too_much(
        self, tmp_path: Path, source: MemorySource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("affineur.streams.decompress.RATIO_FREE", 2_000_000)
        packed = gzip.compress(bytes(10_000_000))
        bomb = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", Digest.of(packed), len(packed))
        source.add_blob(packed)
        target = to(f"docker-archive:{tmp_path}/a")
        with pytest.raises(LimitExceeded):
            target.put_blob(bomb, content_of(source, bomb), nothing)
        assert not target.has_blob(bomb)
        carry(source, target, push(source))
        target.finish()
        assert (tmp_path / "a").stat().st_size < 3_000_000

    def test_a_layer_that_ends_too_early(self, tmp_path: Path, source: MemorySource) -> None:
        for packed in (gzip.compress(TAR)[:-9], lzma.compress(TAR)[:-9]):
            cut = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", source.add_blob(packed), len(packed))
            target = to(f"docker-archive:{tmp_path}/a")
            with pytest.raises(MalformedArchive):
                target.put_blob(cut, content_of(source, cut), nothing)
            target.abandon()

    def test_a_configuration_without_end(self, tmp_path: Path) -> None:
        endless = Descriptor("application/vnd.oci.image.config.v1+json", Digest.of(b"x"), 2**40)
        target = to(f"docker-archive:{tmp_path}/a")
        with pytest.raises(LimitExceeded, match=r"configuration .* has more than"):
            target.put_blob(endless, lambda begun: iter([bytes(2**20)] * 100), nothing)

    def test_what_it_cannot_hold_is_said(self, tmp_path: Path) -> None:
        holds = to(f"docker-archive:{tmp_path}/a").holds
        assert "--platform" in holds.indexes
        assert "nothing that belongs to them" in holds.referrers
        assert "the image ID stays the same, the digest does not" in holds.manifests
