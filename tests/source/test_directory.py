"""Folders of skopeo's dir:. containers/image, directory/directory_transport.go; skopeo's own: tests/system."""

import json
from pathlib import Path

import pytest

from affineur.errors import DigestMismatch, LimitExceeded, NotFound, UnsupportedContent
from affineur.image.image import open_image
from affineur.oci.digest import Digest
from affineur.oci.place import parse_place
from affineur.source.directory import DirectorySource
from affineur.source.files import Folder
from support.places import hex_of, write_dir
from support.registry import Registry, tar_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Registry() as registry:
        registry.push("team/app", "1", [tar_of({"a": b"b"})])
        return write_dir(tmp_path / "a:b@c", registry, "team/app", "1")


def opened(folder: Path) -> DirectorySource:
    place = parse_place(f"dir:{folder}")
    assert place is not None
    return DirectorySource(place, Folder(place.path))


def test_a_path_is_taken_whole(folder: Path) -> None:
    """There is no name after a colon: a folder holds one image."""
    assert len(open_image(opened(folder)).layers) == 1


def test_there_are_no_tags(folder: Path) -> None:
    assert list(opened(folder).tags()) == []
    with pytest.raises(NotFound, match="holds one image, without a tag"):
        opened(folder).manifest("1")


def test_a_bent_config_is_noticed(folder: Path) -> None:
    config = json.loads((folder / "manifest.json").read_bytes())["config"]["digest"]
    path = folder / hex_of(config)
    path.write_bytes(path.read_bytes().replace(b"amd64", b"arm64"))
    with pytest.raises(DigestMismatch):
        open_image(opened(folder))


def test_a_bent_child_is_noticed(folder: Path) -> None:
    wanted = Digest.of(b"{}")
    (folder / f"{wanted.encoded}.manifest.json").write_bytes(b"[]")
    with pytest.raises(DigestMismatch):
        opened(folder).manifest(wanted)


def test_a_manifest_behind_a_link_is_not_shown(folder: Path) -> None:
    """`inspect --raw` prints manifest.json as it is: a link to a secret would be printed."""
    (folder.parent / "secret").write_text("secret")
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").symlink_to(folder.parent / "secret")
    with pytest.raises(UnsupportedContent, match="symbolic link"):
        opened(folder).manifest()


def test_a_manifest_without_end_is_not_read(folder: Path) -> None:
    with (folder / "manifest.json").open("ab") as out:
        out.truncate(1 << 30)
    with pytest.raises(LimitExceeded):
        opened(folder).manifest()


def test_what_it_is_instead_is_told(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(NotFound, match=r"holds no image of skopeo: it has no manifest.json$"):
        opened(folder).manifest()
    (folder / "index.json").write_text("{}")
    with pytest.raises(NotFound, match=r"but an index.json; write oci:"):
        opened(folder).manifest()
