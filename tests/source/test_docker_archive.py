"""What docker save writes. The manifest made for it is held against skopeo's in tests/system/test_transports.py."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from affineur.errors import (
    ContentError,
    DigestMismatch,
    LimitExceeded,
    MalformedDocument,
    NotFound,
    UnsupportedContent,
)
from affineur.image.image import open_image
from affineur.oci.digest import Digest
from affineur.oci.manifest import Manifest, read_manifest
from affineur.oci.place import parse_place
from affineur.source.docker_archive import DockerArchiveSource
from affineur.source.members import Members
from support.layers import link
from support.places import write_docker_archive, write_tar
from support.registry import tar_of

BASE, TOP = tar_of({"base": b"1" * 5000}), tar_of({"top": b"2" * 700})
CONFIG = {"architecture": "amd64", "os": "linux"}


def opened(file: Path, which: str = "") -> DockerArchiveSource:
    place = parse_place(f"docker-archive:{file}{which}")
    assert place is not None
    return DockerArchiveSource(place, Members(place.path))


def written(
    file: Path,
    layers: Sequence[tuple[str, Any]],
    diff_ids: Sequence[str],
    *,
    tags: Sequence[str] = ("app:1",),
    **more: Any,
) -> DockerArchiveSource:
    """An archive of one image, each part as given: layers as (member, content), contents that are None not written."""
    config = json.dumps({**CONFIG, "rootfs": {"type": "layers", "diff_ids": list(diff_ids)}}).encode()
    item = {"Config": "config.json", "RepoTags": list(tags), "Layers": [name for name, _ in layers], **more}
    members = [(name, content) for name, content in layers if content is not None]
    parts = [*members, ("config.json", config), ("manifest.json", json.dumps([item]).encode())]
    return opened(write_tar(file, parts))


def test_the_manifest_names_layers_by_what_they_unpack_to(tmp_path: Path) -> None:
    source = opened(write_docker_archive(tmp_path / "a.tar", {"app:1": [BASE, TOP]}, CONFIG))
    manifest = read_manifest(source.manifest())
    assert isinstance(manifest, Manifest)
    assert [(layer.digest, layer.size) for layer in manifest.layers] == [
        (Digest.of(BASE), len(BASE)),
        (Digest.of(TOP), len(TOP)),
    ]
    assert [b"".join(source.blob(layer)) for layer in manifest.layers] == [BASE, TOP]
    assert open_image(source).diff_ids == (Digest.of(BASE), Digest.of(TOP))


def test_layers_that_are_compressed_are_what_they_unpack_to(tmp_path: Path) -> None:
    """containers/image, docker/internal/tarfile/src.go: umoci and others compress the layers of such archives."""
    layers = [("1.tar", gzip.compress(BASE)), ("2.tar", TOP)]
    source = written(tmp_path / "a.tar", layers, [Digest.of(BASE), Digest.of(TOP)])
    image = open_image(source)
    assert [layer.size for layer in image.layers] == [len(BASE), len(TOP)]
    assert [b"".join(source.blob(layer)) for layer in image.layers] == [BASE, TOP]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_layer_that_occurs_twice_is_a_link(tmp_path: Path, suffix: str) -> None:
    """docker save wrote the second as a symbolic link to the first."""
    info, _ = link("2/layer.tar", "../1/layer.tar")
    layers = [("1/layer.tar", BASE), ("2/layer.tar", info), ("3/layer.tar", TOP)]
    source = written(tmp_path / f"a{suffix}", layers, [Digest.of(BASE), Digest.of(BASE), Digest.of(TOP)])
    image = open_image(source)
    assert [b"".join(source.blob(layer)) for layer in image.layers] == [BASE, BASE, TOP]


def test_a_layer_that_is_no_other_one_is_noticed(tmp_path: Path) -> None:
    source = written(tmp_path / "a.tar", [("1", BASE), ("1", None)], [Digest.of(BASE), Digest.of(TOP)])
    with pytest.raises(ContentError):
        [b"".join(source.blob(layer)) for layer in open_image(source).layers]


def test_a_bent_layer_is_noticed(tmp_path: Path) -> None:
    source = opened(write_docker_archive(tmp_path / "a.tar", {"app:1": [BASE]}, CONFIG, bent=3))
    with pytest.raises(DigestMismatch):
        list(source.blob(open_image(source).layers[0]))


@pytest.fixture
def several(tmp_path: Path) -> Path:
    images = {"app:1": [BASE], "registry.example/team/app:2": [BASE, TOP], "app": [TOP]}
    return write_docker_archive(tmp_path / "several.tar", images, CONFIG)


@pytest.mark.parametrize(
    ("which", "layers"),
    [
        (":app:1", [BASE]),
        (":docker.io/library/app:1", [BASE]),
        (":registry.example/team/app:2", [BASE, TOP]),
        (":app", [TOP]),
        (":app:latest", [TOP]),
        (":@0", [BASE]),
        (":@2", [TOP]),
    ],
)
def test_one_of_several_images_is_chosen_by_tag_or_place(several: Path, which: str, layers: list[bytes]) -> None:
    """Tags are compared in full, as containers/image does (reader.go, ChooseManifestItem)."""
    assert [each.digest for each in open_image(opened(several, which)).layers] == [Digest.of(each) for each in layers]


def test_of_several_images_one_has_to_be_named(several: Path) -> None:
    with pytest.raises(NotFound, match=r"holds 3 images: name one.*there is: app:1, registry.example/team/app:2, app$"):
        opened(several).manifest()
    with pytest.raises(NotFound, match=r"no image is tagged docker.io/library/app:9; there is: app:1"):
        opened(several, ":app:9").manifest()
    with pytest.raises(NotFound, match=r"no image @3; manifest.json lists 3, from @0"):
        opened(several, ":@3").manifest()
    assert list(opened(several).tags()) == ["app:1", "registry.example/team/app:2", "app"]


def test_an_image_without_a_tag_opens(tmp_path: Path) -> None:
    source = written(tmp_path / "a.tar", [("1", BASE)], [Digest.of(BASE)], RepoTags=None)
    assert len(open_image(source).layers) == 1
    assert list(source.tags()) == []


@pytest.mark.parametrize("tag", ["UPPER:x", "a b", "", "@0"])
def test_a_tag_that_is_none_hides_no_other_image(tmp_path: Path, tag: str) -> None:
    file = tmp_path / "a.tar"
    written(file, [("1", BASE)], [Digest.of(BASE)], tags=[tag, "app:1"])
    assert opened(file, ":app:1").manifest().content == opened(file, ":@0").manifest().content


def test_by_digest_only_the_image_that_was_named_is_found(several: Path) -> None:
    one, other = opened(several, ":@0").manifest().digest, opened(several, ":@1").manifest().digest
    assert opened(several, ":@0").manifest(one).digest == one
    with pytest.raises(NotFound, match=f"the one made for this image is {one}"):
        opened(several, ":@0").manifest(other)


def test_what_manifest_json_names_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(MalformedDocument, match="names '1'"):
        written(tmp_path / "a.tar", [("1", None)], [Digest.of(BASE)]).manifest()
    with pytest.raises(MalformedDocument, match=r"names 'none.json'"):
        written(tmp_path / "b.tar", [("1", BASE)], [Digest.of(BASE)], Config="none.json").manifest()


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "/dev/zero"])
def test_nothing_outside_the_archive_is_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(MalformedDocument, match="there is no member"):
        written(tmp_path / "a.tar", [(name, None)], [Digest.of(BASE)]).manifest()
    with pytest.raises(MalformedDocument, match="there is no member"):
        written(tmp_path / "b.tar", [("1", BASE)], [Digest.of(BASE)], Config=name).manifest()


def test_layers_are_as_many_as_diff_ids(tmp_path: Path) -> None:
    with pytest.raises(MalformedDocument, match=r"has 1 layers, its config 2"):
        written(tmp_path / "a.tar", [("1", BASE)], [Digest.of(BASE), Digest.of(TOP)]).manifest()


def test_a_diff_id_that_cannot_be_verified_is_refused(tmp_path: Path) -> None:
    source = written(tmp_path / "a.tar", [("1", BASE)], ["blake3:" + "a" * 64])
    with pytest.raises(UnsupportedContent):
        list(source.blob(open_image(source).layers[0]))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[", b'[{"Config": 1}]', b'[{"config": "a"}]', b'[{"Config": "a", "Config": "b"}]', b"\xff"],
)
def test_what_is_no_manifest_json_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        opened(write_tar(tmp_path / "a.tar", [("manifest.json", content)])).manifest()


def test_a_manifest_json_without_end_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded):
        opened(write_tar(tmp_path / "a.tar", [("manifest.json", b" " * (9 << 20))])).manifest()


def test_what_it_is_instead_is_told(tmp_path: Path) -> None:
    for name, said in (("index.json", r"write oci-archive:"), ("repositories", r"docker before 1.10"), ("x", r"json$")):
        with pytest.raises(NotFound, match=f"it has no manifest.json.*{said}|{said}"):
            opened(write_tar(tmp_path / "a.tar", [(name, b"{}")])).manifest()


def test_an_empty_list_of_images_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="holds 0 images"):
        opened(write_tar(tmp_path / "a.tar", [("manifest.json", b"[]")])).manifest()
