"""Layouts that are written: image-spec 1.1, image-layout.md; and what others have written there."""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from affineur.errors import DigestMismatch, InvalidReference, MalformedDocument, SourceError, UnsupportedContent
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.place import Place
from affineur.source.memory import MemorySource
from affineur.source.opening import open_source
from affineur.target.files import WritableFolder
from affineur.target.layout import LayoutTarget
from affineur.target.opening import open_target
from affineur.target.target import Target
from support.carrying import blobs_of, broken, carry, content_of, memory, nothing, push, push_index, push_referrer

REF_NAME = "org.opencontainers.image.ref.name"


@pytest.fixture
def source() -> MemorySource:
    return memory()


def to(folder: Path, name: str = "") -> Target:
    return open_target(f"oci:{folder}{name}", lambda text: pytest.fail(text))


def put(source: MemorySource, folder: Path, document: Document, name: str = "") -> None:
    target = to(folder, name)
    carry(source, target, document)
    target.finish()


def listed(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "index.json").read_bytes())["manifests"]
    return found


def files(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if not each.is_dir()}


def blob(folder: Path, digest: str) -> Path:
    return folder / "blobs" / "sha256" / digest.partition(":")[2]


def test_what_a_layout_consists_of(tmp_path: Path, source: MemorySource) -> None:
    """Nothing else is left in it; every blob is what its name says."""
    document = push(source)
    put(source, tmp_path / "new" / "layout", document, ":1")
    folder = tmp_path / "new" / "layout"
    digests = [document.digest, *(each.digest for each in blobs_of(document))]
    assert files(folder) == {"oci-layout", "index.json", *(f"blobs/sha256/{each.encoded}" for each in digests)}
    assert sorted(each.name for each in folder.iterdir()) == ["blobs", "index.json", "oci-layout"]
    assert json.loads((folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((folder / "index.json").read_bytes())
    named = {"annotations": {REF_NAME: "1"}}
    entry = {"mediaType": document.media_type, "digest": str(document.digest), "size": len(document.content), **named}
    assert index == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    }
    for digest in digests:
        assert hashlib.sha256(blob(folder, digest).read_bytes()).hexdigest() == digest.encoded


def test_children_of_an_index_are_not_listed(tmp_path: Path, source: MemorySource) -> None:
    index = push_index(source, "1", push(source, None), push(source, None, architecture="s390x"))
    put(source, tmp_path, index, ":1")
    assert [each["digest"] for each in listed(tmp_path)] == [index.digest]


def test_a_name_is_put_on_another_image(tmp_path: Path, source: MemorySource) -> None:
    first, second, third = push(source), push(source, None, architecture="s390x"), push(source, None, author="a")
    put(source, tmp_path, first, ":1")
    put(source, tmp_path, second, ":2")
    put(source, tmp_path, third, ":1")
    assert [(each["annotations"][REF_NAME], each["digest"]) for each in listed(tmp_path)] == [
        ("1", third.digest),
        ("2", second.digest),
    ]
    assert blob(tmp_path, first.digest).exists()  # others may need it
    assert to(tmp_path, ":3").digest() is None
    assert to(tmp_path, ":2").digest() == second.digest


def test_without_a_name_the_nameless_image_is_replaced(tmp_path: Path, source: MemorySource) -> None:
    """What refers to something has no name either, and stays."""
    first, second = push(source), push(source, None, architecture="s390x")
    referrers = [push_referrer(source, first), push_index(source, None, first, subject=json.loads(as_entry(first)))]
    named = push(source, None, author="a")
    put(source, tmp_path, named, ":1")
    for document in (first, second):
        target = to(tmp_path)
        carry(source, target, document)
        for referrer in referrers:
            for each in blobs_of(referrer):
                target.put_blob(each, content_of(source, each), nothing)
            target.put_manifest(referrer)
        target.finish()
        assert to(tmp_path).digest() == document.digest
    assert [each["digest"] for each in listed(tmp_path)] == [
        named.digest,
        second.digest,
        *(each.digest for each in referrers),
    ]
    read = open_source(f"oci:{tmp_path}", lambda text: pytest.fail(text))
    assert {each.digest for each in read.referrers(first.digest).found} == {each.digest for each in referrers}


def as_entry(document: Document) -> str:
    return json.dumps({"mediaType": document.media_type, "digest": document.digest, "size": len(document.content)})


def test_a_nameless_image_is_read_beside_its_referrers(tmp_path: Path, source: MemorySource) -> None:
    image = push(source)
    target = to(tmp_path)
    carry(source, target, image)
    carry(source, target, push_referrer(source, image), f"{image.digest.replace(':', '-')}.sbom")
    target.finish()
    assert len(listed(tmp_path)) == 3
    assert open_source(f"oci:{tmp_path}", lambda text: pytest.fail(text)).manifest().digest == image.digest


def test_a_referrer_is_listed_as_its_manifest_says(tmp_path: Path, source: MemorySource) -> None:
    """distribution-spec 1.1 § Listing Referrers: artifactType, else the config's type; and the annotations."""
    image = push(source)
    names = {REF_NAME: "1", "io.containerd.image.name": "docker.io/library/debian:latest", "kind": "x"}
    referrer = push_referrer(source, image, annotations=names)
    old = push_referrer(source, image, artifactType=None, config=json.loads(as_entry(image)) | {"mediaType": "a/b"})
    target = to(tmp_path, ":1")
    carry(source, target, image)
    target.put_manifest(referrer)
    target.put_manifest(old)
    assert [(each.get("artifactType"), each.get("annotations")) for each in listed(tmp_path)] == [
        (None, {REF_NAME: "1"}),
        ("application/vnd.example.sbom", {"kind": "x"}),  # and not what would give it another image's name
        ("a/b", None),
    ]


def test_what_others_wrote_is_kept(tmp_path: Path, source: MemorySource) -> None:
    """Byte for byte: their marker, their members of index.json, their annotations, files."""
    entry = (
        '{ "mediaType":"a/b", "size":  10, "digest": "sha256:' + "0" * 64 + '", "x-of-theirs": {"\\u0061": [1, 2]},'
        ' "annotations": {"org.opencontainers.image.ref.name": "theirs", "z": "é"}}'
    )
    marker = '{"imageLayoutVersion":   "1.0.0", "x": 1}'
    (tmp_path / "oci-layout").write_text(marker)
    (tmp_path / "index.json").write_text(
        f'{{"schemaVersion": 2, "annotations": {{ "a":  "b" }}, "manifests": [{entry}, {entry}]}}'
    )
    (tmp_path / "README").write_text("theirs")
    put(source, tmp_path, push(source), ":1")
    assert (tmp_path / "oci-layout").read_text() == marker
    assert (tmp_path / "README").read_text() == "theirs"
    written = (tmp_path / "index.json").read_text()
    assert f"[{entry},{entry},{{" in written
    assert '"annotations":{ "a":  "b" }' in written
    target = to(tmp_path, ":theirs")
    carry(source, target, push(source))
    assert [each["annotations"] for each in listed(tmp_path)] == [{REF_NAME: "theirs"}, {REF_NAME: "1"}]


def test_an_entry_that_says_it_already_stays_as_it_is(tmp_path: Path, source: MemorySource) -> None:
    document = push(source)
    put(source, tmp_path, document, ":1")
    index = json.loads((tmp_path / "index.json").read_bytes())
    index["manifests"][0]["platform"] = {"os": "linux", "architecture": "amd64"}
    (tmp_path / "index.json").write_text(json.dumps(index, indent=4))
    before = (tmp_path / "index.json").stat()
    put(source, tmp_path, document, ":1")
    after = (tmp_path / "index.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_several_nameless_images_of_others_are_not_replaced(tmp_path: Path, source: MemorySource) -> None:
    first, second, third = (push(source, None, author=each) for each in "abc")
    put(source, tmp_path, first)
    index = json.loads((tmp_path / "index.json").read_bytes())
    index["manifests"].append(json.loads(as_entry(second)))
    (tmp_path / "index.json").write_text(json.dumps(index))
    put(source, tmp_path, third)
    assert [each["digest"] for each in listed(tmp_path)] == [first.digest, second.digest, third.digest]


def test_bytes_on_the_disk_are_hashed_before_they_count(tmp_path: Path, source: MemorySource) -> None:
    """A blob of the right size and other bytes, and a manifest likewise: not there, and replaced."""
    document = push(source)
    put(source, tmp_path, document, ":1")
    layer = blobs_of(document)[1]
    for broken_one in (layer.digest, document.digest):
        path = blob(tmp_path, broken_one)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    target = to(tmp_path, ":1")
    assert target.digest() is None
    assert target.manifest(document.digest) is None
    assert not target.has_blob(layer)
    assert target.has_blob(blobs_of(document)[0])
    carry(source, target, document)
    assert target.digest() == document.digest
    assert blob(tmp_path, layer.digest).read_bytes() == b"".join(source.blob(layer))


def test_a_blob_is_hashed_once(tmp_path: Path, source: MemorySource) -> None:
    """During one copy; its size is looked at each time."""
    layer = blobs_of(push(source))[1]
    target = to(tmp_path)
    target.put_blob(layer, content_of(source, layer), nothing)
    path = blob(tmp_path, layer.digest)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert target.has_blob(layer)
    assert not to(tmp_path).has_blob(layer)
    path.write_bytes(b"")
    assert not target.has_blob(layer)
    path.unlink()
    assert not target.has_blob(layer)


def test_what_was_begun_is_hashed_before_it_is_gone_on_with(tmp_path: Path, source: MemorySource) -> None:
    """As after a crash of the machine, which leaves zeros; or more bytes than there can be; or all of them."""
    layer = blobs_of(push(source))[1]
    whole = b"".join(source.blob(layer))
    partial = tmp_path / ".affineur" / layer.digest.replace(":", "-")
    partial.parent.mkdir()
    asked: list[int] = []

    def content(begun: Any) -> Any:
        asked.append(begun.received)
        return source.blob(layer, begun)

    for begun, had, asks in (
        (whole[:2_000], 2_000, [2_000]),
        (bytes(2_000), 0, [2_000, 0]),
        (bytes(len(whole)), 0, [0]),
        (whole + b"?", 0, [0]),
        (whole, len(whole), []),
    ):
        asked.clear()
        partial.write_bytes(begun)
        assert to(tmp_path).put_blob(layer, content, nothing) == had
        assert asked == asks
        assert blob(tmp_path, layer.digest).read_bytes() == whole
        assert not partial.exists()
        blob(tmp_path, layer.digest).unlink()


def test_bad_content_behind_a_good_beginning_is_not_gone_on_with(tmp_path: Path, source: MemorySource) -> None:
    layer = blobs_of(push(source))[1]
    whole = b"".join(source.blob(layer))
    lying = memory()
    lying.add_blob(whole[:-1] + b"?", layer.digest)
    partial = tmp_path / ".affineur" / layer.digest.replace(":", "-")
    partial.parent.mkdir()
    partial.write_bytes(whole[:2_000])
    with pytest.raises(DigestMismatch):
        to(tmp_path).put_blob(layer, content_of(lying, layer), nothing)
    assert not partial.exists()
    assert not blob(tmp_path, layer.digest).exists()


@pytest.mark.parametrize("there", ["a file", "a layout of another version", "a folder of dir:", "a broken index.json"])
def test_what_is_no_layout_is_not_touched(tmp_path: Path, source: MemorySource, there: str) -> None:
    expected: dict[str, tuple[dict[str, str], type[Exception], str]] = {
        "a file": ({"precious": "x"}, SourceError, r"not empty, and no OCI layout .*; name another, or empty it"),
        "a layout of another version": (
            {"oci-layout": '{"imageLayoutVersion": "2"}'},
            UnsupportedContent,
            "version '2'",
        ),
        "a folder of dir:": ({"manifest.json": "{}"}, SourceError, "; write dir:"),
        "a broken index.json": (
            {"oci-layout": '{"imageLayoutVersion": "1.0.0"}', "index.json": "{"},
            MalformedDocument,
            "index.json",
        ),
    }
    content, error, says = expected[there]
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    document = push(source)
    layer = blobs_of(document)[1]
    acts: list[Callable[[], object]] = [
        lambda: to(tmp_path, ":1").digest(),
        lambda: carry(source, to(tmp_path, ":1"), document),
    ]
    if there != "a broken index.json":
        acts += [lambda: to(tmp_path).has_blob(layer), lambda: to(tmp_path).put_manifest(document)]
        acts += [lambda: to(tmp_path).put_blob(layer, content_of(source, layer), nothing)]
    for act in acts:
        with pytest.raises(error, match=says):
            act()
    assert {name: (tmp_path / name).read_text() for name in content} == content
    assert there == "a broken index.json" or files(tmp_path) == set(content)


def test_a_file_where_a_folder_is_named(tmp_path: Path, source: MemorySource) -> None:
    (tmp_path / "file").write_text("precious")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SourceError, match="is no folder"):
            carry(source, to(path, ":1"), push(source))


def test_links_below_the_folder_are_not_followed(tmp_path: Path, source: MemorySource) -> None:
    """The folder itself may be one: its user named it."""
    document = push(source)
    layer = blobs_of(document)[1]
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    folder, precious = tmp_path / "link", tmp_path / "precious"
    put(source, folder, document, ":1")
    precious.write_text("x")
    outside = tmp_path / "outside"
    outside.mkdir()
    path = blob(folder, layer.digest)
    path.unlink()
    path.symlink_to(precious)
    with pytest.raises(UnsupportedContent, match="links are not followed"):
        to(folder).has_blob(layer)
    path.unlink()
    staged = folder / ".affineur"
    staged.symlink_to(outside)
    with pytest.raises(UnsupportedContent, match="links are not followed"):
        to(folder).put_blob(layer, content_of(source, layer), nothing)
    staged.unlink()
    staged.mkdir()
    partial = staged / layer.digest.replace(":", "-")
    partial.symlink_to(precious)
    with pytest.raises(UnsupportedContent, match="is a symbolic link, and links are not followed; remove it"):
        to(folder).put_blob(layer, content_of(source, layer), nothing)
    partial.unlink()
    os.link(precious, partial)  # the same by another way: a second name of somebody's file
    to(folder).put_blob(layer, content_of(source, layer), nothing)
    assert precious.read_text() == "x"
    assert list(outside.iterdir()) == []
    path.unlink()
    (folder / "blobs" / "sha256").rename(outside / "sha256")
    (folder / "blobs" / "sha256").symlink_to(outside / "sha256")
    with pytest.raises(UnsupportedContent, match="links are not followed"):
        to(folder).put_blob(layer, content_of(source, layer), nothing)
    assert not (outside / "sha256" / layer.digest.encoded).exists()


def test_what_stands_in_the_way_of_a_begun_file(tmp_path: Path, source: MemorySource) -> None:
    """A fifo is not waited for, and a file where the folder should be is said."""
    layer = blobs_of(push(source))[1]
    (tmp_path / ".affineur").mkdir()
    os.mkfifo(tmp_path / ".affineur" / layer.digest.replace(":", "-"))
    to(tmp_path).put_blob(layer, content_of(source, layer), nothing)
    blob(tmp_path, layer.digest).unlink()
    (tmp_path / ".affineur").rmdir()
    (tmp_path / ".affineur").write_text("x")
    with pytest.raises(SourceError, match=r"\.affineur is no folder; remove it"):
        to(tmp_path).put_blob(layer, content_of(source, layer), nothing)


def test_a_signed_schema_1_does_not_fit(tmp_path: Path, source: MemorySource) -> None:
    signed = Document(b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", Digest.of(b"payload"), "x")
    with pytest.raises(UnsupportedContent, match=r"signed manifest of schema 1.*dir:FOLDER and a registry"):
        to(tmp_path).put_manifest(signed)


@pytest.mark.parametrize("name", ["a b", "@0", "../x", "a@sha256:" + "0" * 64, "a:", "\0"])
def test_a_name_that_could_not_be_read_is_not_given(tmp_path: Path, source: MemorySource, name: str) -> None:
    document = push(source)
    for place in (f"oci:{tmp_path}/a:1", f"oci-archive:{tmp_path}/a:1"):
        target = open_target(place, lambda text: pytest.fail(text))
        with pytest.raises(InvalidReference):
            target.digest(name)
        with pytest.raises(InvalidReference):
            target.put_tag(document, name)
    assert list(tmp_path.iterdir()) == []


def test_no_more_is_listed_than_is_read(tmp_path: Path, source: MemorySource, monkeypatch: pytest.MonkeyPatch) -> None:
    document = push(source)
    monkeypatch.setattr("affineur.target.listing.MAX_CHILDREN", 2)
    target = to(tmp_path, ":1")
    carry(source, target, document)
    target.put_tag(document, "2")
    with pytest.raises(SourceError, match="lists 2 images, and no more are read"):
        target.put_tag(document, "3")
    target.put_tag(push(source, None, author="a"), "2")  # takes the place of one
    monkeypatch.setattr("affineur.target.listing.MAX_DOCUMENT_BYTES", 100)
    with pytest.raises(SourceError, match="would have more than 100 bytes"):
        target.put_tag(document, "2")
    assert len(listed(tmp_path)) == 2
    target.finish()
    assert not (tmp_path / ".affineur").exists()


def test_many_writers_of_one_layout_lose_nothing(tmp_path: Path, source: MemorySource) -> None:
    """Threads with a target each; what they write is in index.json at the end, each once."""
    documents = [push(source, None, author=str(number)) for number in range(24)]

    def write(number: int) -> None:
        put(source, tmp_path, documents[number], f":{number}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(24)))
    assert {each["annotations"][REF_NAME]: each["digest"] for each in listed(tmp_path)} == {
        str(number): document.digest for number, document in enumerate(documents)
    }
    assert not (tmp_path / ".affineur").exists()


def _names(folder: Path, first: int) -> None:
    source = memory()
    for number in range(first, first + 8):
        put(source, folder, push(source, None, author=str(number)), f":{number}")


def test_many_processes_too(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_names, args=(tmp_path, 8 * number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert {each["annotations"][REF_NAME] for each in listed(tmp_path)} == {str(number) for number in range(32)}


def test_another_writer_of_the_same_blob_is_waited_for(tmp_path: Path, source: MemorySource) -> None:
    """What it has brought is not asked for again; and where it does not go on, that is said."""
    layer = blobs_of(push(source))[1]
    to(tmp_path).put_tag(push(source))
    slept: list[float] = []

    def meanwhile(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            holding.publish(f"blobs/sha256/{layer.digest.encoded}")
            holding.close()

    name = layer.digest.replace(":", "-")
    folder = WritableFolder(str(tmp_path), sleep=meanwhile)
    holding = folder.begin(name)
    holding.append(b"".join(source.blob(layer)))
    target = LayoutTarget(Place("oci", str(tmp_path)), folder)
    assert target.put_blob(layer, lambda begun: pytest.fail("asked"), nothing) == 0
    assert len(slept) == 3
    holding = folder.begin(name)
    slept.extend([0.0] * 10)
    with pytest.raises(SourceError, match=r"another program is writing sha256-.*, and does not go on"):
        target.put_blob(layer, lambda begun: pytest.fail("asked"), nothing)
    assert 59 < sum(slept) < 62
    holding.close()


def test_an_unknown_size_is_taken_as_it_comes(tmp_path: Path, source: MemorySource) -> None:
    """As of a schema 1's layers, of which nobody promises one."""
    layer = msgspec.structs.replace(blobs_of(push(source))[1], size=-1)
    target = to(tmp_path)
    with pytest.raises(ConnectionError):
        target.put_blob(layer, broken(source, layer, 1_000, ConnectionError()), nothing)
    assert target.put_blob(layer, content_of(source, layer), nothing) == 1_000
    assert target.has_blob(layer)
    assert to(tmp_path).has_blob(layer)
