"""Which place a text names, where it is to be written."""

import pytest

from affineur.errors import InvalidReference
from affineur.oci.place import Place
from affineur.target.directory import DirectoryTarget
from affineur.target.docker_archive import DockerArchiveTarget
from affineur.target.layout import LayoutTarget
from affineur.target.layout_archive import LayoutArchiveTarget
from affineur.target.opening import open_target
from affineur.target.target import Target


def to(text: str) -> Target:
    return open_target(text, lambda text: pytest.fail(f"{text} was looked for in a registry"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("oci:/none/a:1", LayoutTarget),
        ("oci-archive:/none/a:1", LayoutArchiveTarget),
        ("docker-archive:/none/a:b:1", DockerArchiveTarget),
        ("dir:/none/a", DirectoryTarget),
    ],
)
def test_local_places(text: str, kind: type) -> None:
    target = to(text)
    assert isinstance(target, kind)
    assert isinstance(target.reference, Place)
    assert target.digest() is None


def test_what_has_no_transport_is_a_registrys() -> None:
    asked: list[str] = []

    def registry(text: str) -> Target:
        asked.append(text)
        return to("dir:x")

    for text in ("debian", "docker://registry.example/a:1", "registry.example:5000/a@sha256:" + "0" * 64):
        open_target(text, registry)
        assert asked.pop() == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("oci:a:@0", "write oci:a or oci:a:NAME"),
        ("oci:a:b@sha256:" + "0" * 64, "digest and p"),
        ("docker-archive:a:@1", "digest and p"),
        ("oci-archive:a/", "an archive is a file, and a/ a folder"),
        ("docker-archive:a/:b:1", "an archive is a file"),
        (
            "containers-storage:a",
            "containers-storage: is not written; copy to oci:FOLDER:NAME, and let the engine pull",
        ),
        ("docker-daemon:a:1", "docker-daemon: is not written"),
        ("oci:", "names no path"),
        ("oci:a:b c", "no name of an image"),
    ],
)
def test_what_names_no_place_to_write(text: str, says: str) -> None:
    with pytest.raises(InvalidReference, match=says):
        to(text)
