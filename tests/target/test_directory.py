"""Folders of skopeo's dir:, written. What skopeo itself makes of them is in tests/system/test_local_targets.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from affineur.errors import InvalidReference, SourceError, UnsupportedContent
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.source.memory import MemorySource
from affineur.source.opening import open_source
from affineur.target.opening import open_target
from affineur.target.target import Target
from support.carrying import TAR, blobs_of, carry, content_of, memory, nothing, push, push_index
from support.registry import tar_of

VERSION = "Directory Transport Version: 1.1\n"  # containers/image, directory/directory_dest.go


@pytest.fixture
def source() -> MemorySource:
    return memory()


def to(folder: Path) -> Target:
    return open_target(f"dir:{folder}", lambda text: pytest.fail(text))


def put(source: MemorySource, folder: Path, document: Document) -> None:
    target = to(folder)
    carry(source, target, document)
    target.finish()


def names_of(*documents: Document) -> set[str]:
    return {each.digest.encoded for document in documents for each in blobs_of(document)}


def files(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_what_a_folder_consists_of(tmp_path: Path, source: MemorySource) -> None:
    document = push(source)
    put(source, tmp_path / "new" / "dir", document)
    folder = tmp_path / "new" / "dir"
    assert files(folder) == {"version", "manifest.json", *names_of(document)}
    assert (folder / "version").read_text() == VERSION
    assert (folder / "manifest.json").read_bytes() == document.content


def test_children_of_an_index_lie_beside_it(tmp_path: Path, source: MemorySource) -> None:
    children = [push(source, None, architecture=each) for each in ("amd64", "s390x")]
    nested = push_index(source, None, children[1])
    index = push_index(source, "1", children[0], nested)
    put(source, tmp_path, index)
    below = {f"{each.digest.encoded}.manifest.json" for each in (*children, nested)}
    assert files(tmp_path) == {"version", "manifest.json", *below, *names_of(*children)}


def test_another_image_takes_the_place_of_the_first(tmp_path: Path, source: MemorySource) -> None:
    """Only what was the first's goes, its signatures too; what nobody of us wrote stays."""
    first, second = push(source, None, TAR, tar_of({"a": b"b"})), push(source, None, TAR, author="a")
    put(source, tmp_path, first)
    (tmp_path / "signature-1").write_bytes(b"of the first")
    (tmp_path / "README").write_text("theirs")
    put(source, tmp_path, first)
    assert (tmp_path / "signature-1").exists()
    put(source, tmp_path, second)
    assert files(tmp_path) == {"version", "manifest.json", "README", *names_of(second)}


@pytest.mark.parametrize("order", ["index, then its child", "child, then its index"])
def test_an_image_and_the_index_that_it_belongs_to(tmp_path: Path, source: MemorySource, order: str) -> None:
    """What is there already is not written again, and is still found under the new one."""
    child = push(source, None)
    index = push_index(source, None, child)
    first, second = (index, child) if order.startswith("index") else (child, index)
    put(source, tmp_path, first)
    put(source, tmp_path, second)
    read = open_source(f"dir:{tmp_path}", lambda text: pytest.fail(text))
    assert read.manifest().digest == second.digest
    assert read.manifest(child.digest).content == child.content
    assert all(b"".join(read.blob(each)) for each in blobs_of(child))
    assert len(files(tmp_path)) == 4 + (second is index)


def test_a_child_that_only_lies_in_manifest_json_is_not_lost(tmp_path: Path, source: MemorySource) -> None:
    """A copy asks first what is there, and does not put it."""
    child = push(source, None)
    index = push_index(source, None, child)
    put(source, tmp_path, child)
    target = to(tmp_path)
    assert target.manifest(child.digest) is not None
    target.put_manifest(index)
    target.put_tag(index)
    target.finish()
    assert to(tmp_path).manifest(child.digest) is not None


def test_the_old_image_is_whole_until_the_new_one_is(tmp_path: Path, source: MemorySource) -> None:
    first, second = push(source), push(source, None, tar_of({"b": b"c"}))
    put(source, tmp_path, first)
    target = to(tmp_path)
    for blob in blobs_of(second):
        target.put_blob(blob, content_of(source, blob), nothing)
    target.put_manifest(second)
    target.abandon()
    read = open_source(f"dir:{tmp_path}", lambda text: pytest.fail(text))
    assert read.manifest().digest == first.digest
    assert all(b"".join(read.blob(each)) for each in blobs_of(first))


def test_other_bytes_are_replaced(tmp_path: Path, source: MemorySource) -> None:
    child = push(source, None)
    index = push_index(source, None, child)
    put(source, tmp_path, index)
    for name in (f"{child.digest.encoded}.manifest.json", "manifest.json", blobs_of(child)[1].digest.encoded):
        (tmp_path / name).write_bytes(b"other bytes")
    assert to(tmp_path).manifest(child.digest) is None
    assert to(tmp_path).digest() != index.digest
    assert not to(tmp_path).has_blob(blobs_of(child)[1])
    put(source, tmp_path, index)
    read = open_source(f"dir:{tmp_path}", lambda text: pytest.fail(text))
    assert read.manifest().digest == index.digest
    assert read.manifest(child.digest).content == child.content
    assert all(b"".join(read.blob(each)) for each in blobs_of(child))


def test_what_is_not_understood_is_not_cleared_away(tmp_path: Path, source: MemorySource) -> None:
    first = push(source)
    put(source, tmp_path, first)
    strange = b'{"schemaVersion": 2, "mediaType": "application/vnd.example.thing+json"}'
    put_as_it_is = Document(strange, "", Digest.of(strange), "x")
    target = to(tmp_path)
    target.put_manifest(put_as_it_is)
    target.put_tag(put_as_it_is)
    target.finish()
    assert files(tmp_path) >= names_of(first)


def test_indexes_without_end_are_not_followed(tmp_path: Path, source: MemorySource) -> None:
    document = push(source)
    for _ in range(12):
        document = push_index(source, None, document)
    put(source, tmp_path, document)
    assert to(tmp_path).digest() == document.digest


def test_there_are_no_tags(tmp_path: Path, source: MemorySource) -> None:
    document = push(source)
    put(source, tmp_path, document)
    with pytest.raises(InvalidReference, match="holds one image, without a tag"):
        to(tmp_path).digest("1")  # asked before anything is moved
    with pytest.raises(InvalidReference, match="holds one image, without a tag"):
        to(tmp_path).put_tag(document, "1")
    assert "oci:FOLDER:NAME can hold both" in to(tmp_path).holds.referrers


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"precious": "x"}, r"not written as a dir: .*; name another, or empty it$"),
        ({"version": "Directory Transport Version: 2.0\n"}, "not written as a dir:"),
        ({"version": VERSION + "x"}, "not written as a dir:"),
        ({"oci-layout": "{}"}, "; write oci:.*:NAME to add to the layout in it"),
    ],
)
def test_what_is_no_such_folder_is_not_touched(
    tmp_path: Path, source: MemorySource, content: dict[str, str], says: str
) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    for act in (put, lambda *_: to(tmp_path).digest(), lambda *_: to(tmp_path).has_blob(blobs_of(push(source))[0])):
        with pytest.raises(SourceError, match=says):
            act(source, tmp_path, push(source))
    assert files(tmp_path) == set(content)


def test_links_are_not_followed(tmp_path: Path, source: MemorySource) -> None:
    document = push(source)
    folder, precious = tmp_path / "dir", tmp_path / "precious"
    put(source, folder, document)
    precious.write_text("x")
    layer: Descriptor = blobs_of(document)[1]
    for name in (layer.digest.encoded, "manifest.json"):
        (folder / name).unlink()
        (folder / name).symlink_to(precious)
    target: Any = to(folder)
    with pytest.raises(UnsupportedContent, match="links are not followed"):
        target.has_blob(layer)
    with pytest.raises(UnsupportedContent, match="links are not followed"):
        target.digest()
    assert precious.read_text() == "x"


def test_sha512_is_named_by_its_digits(tmp_path: Path, source: MemorySource) -> None:
    content = json.dumps({"a": 1}).encode()
    blob = Descriptor("a/b", Digest.of(content, "sha512"), len(content))
    source.add_blob(content, blob.digest)
    to(tmp_path).put_blob(blob, content_of(source, blob), nothing)
    assert (tmp_path / blob.digest.encoded).read_bytes() == content


def test_one_program_writes_at_a_time(tmp_path: Path, source: MemorySource) -> None:
    """The one that ends removes what is not its own: it must not be another's, which is not whole yet."""
    first, second = push(source), push(source, None, tar_of({"b": b"c"}))
    one, other = to(tmp_path), to(tmp_path)
    blob = blobs_of(second)[1]
    one.put_blob(blob, content_of(source, blob), nothing)
    with pytest.raises(SourceError, match="another program is writing"):
        carry(source, other, first)
    with pytest.raises(SourceError, match="another program is writing"):
        other.finish()
    other.abandon()
    carry(source, one, second)
    one.finish()
    put(source, tmp_path, first)
    assert files(tmp_path) == {"version", "manifest.json", *names_of(first)}
