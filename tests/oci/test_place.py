"""Names of images on this machine: the grammar of containers-transports(5), as containers/image reads it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import InvalidReference
from affineur.oci.digest import Digest
from affineur.oci.place import Place, parse_place

SHA256 = Digest("sha256:" + "a1" * 32)
SHA512 = Digest("sha512:" + "a1" * 64)

# Most are cases of containers/image: oci/layout/oci_transport_test.go and docker/archive/transport_test.go.
READ = {
    "oci:/dir": Place("oci", "/dir"),
    "oci:/dir:": Place("oci", "/dir"),
    "oci:/dir:notlatest:image": Place("oci", "/dir", "notlatest:image"),
    "oci:/dir:some-alphanumeric/name.v1_2": Place("oci", "/dir", "some-alphanumeric/name.v1_2"),
    "oci:/dir:@0": Place("oci", "/dir", position=0),
    "oci:/dir:@12": Place("oci", "/dir", position=12),
    "oci-archive:relative/a.tar:3.10": Place("oci-archive", "relative/a.tar", "3.10"),
    "docker-archive:/path": Place("docker-archive", "/path"),
    "docker-archive:/path:busybox": Place("docker-archive", "/path", "docker.io/library/busybox:latest"),
    "docker-archive:/path:busybox:1": Place("docker-archive", "/path", "docker.io/library/busybox:1"),
    "docker-archive:/path:@0": Place("docker-archive", "/path", position=0),
    "dir:/a:b@c": Place("dir", "/a:b@c"),
    f"oci:dir@{SHA256}": Place("oci", "dir", None, SHA256),
    f"oci:dir:1@{SHA512}": Place("oci", "dir", "1", SHA512),
    f"oci-archive:a.tar@{SHA256}": Place("oci-archive", "a.tar", None, SHA256),
    "docker-archive:a:r.example:5000/b:2": Place("docker-archive", "a", "r.example:5000/b:2"),
    "oci:~/dir": Place("oci", "~/dir"),
}


@pytest.mark.parametrize("text", READ)
def test_reads_what_containers_image_reads(text: str) -> None:
    assert parse_place(text) == READ[text]


@pytest.mark.parametrize("place", READ.values(), ids=str)
def test_the_full_form_reads_as_itself(place: Place) -> None:
    assert parse_place(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        "oci:",
        "oci::1",
        "oci:/dir:@-1",
        "oci:/dir:@x",
        "oci:/dir:@",
        "oci:/dir:inv alid",
        "oci:/dir:-x",
        f"oci:/dir:@1@{SHA256}",
        "oci:dir@sha256:abc",
        "oci:/dir\0/x",
        "oci:" + "a" * 9000,
        "oci-archive:",
        "docker-archive:",
        "docker-archive::x",
        f"docker-archive:/path:busybox@{SHA256}",
        "docker-archive:/path:UPPER",
        "docker-archive:/path:@-1",
        "dir:",
    ],
)
def test_refuses_what_is_written_wrongly(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse_place(text)


@pytest.mark.parametrize("text", ["containers-storage:debian", "docker-daemon:debian:12", "ostree:a@/b", "sif:a.sif"])
def test_what_is_not_read_is_named_with_the_way_out(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"not read yet; copy the image with `skopeo copy .* oci:"):
        parse_place(text)


@pytest.mark.parametrize("text", ["debian", "debian:12", "docker://oci:5000/a", "registry.example:5000/oci", "ocix:a"])
def test_all_else_is_in_a_registry(text: str) -> None:
    assert parse_place(text) is None


def test_only_a_docker_archive_has_a_name_in_dockers_terms() -> None:
    named = [each.docker_name for each in READ.values() if each.docker_name]
    assert named == ["docker.io/library/busybox", "docker.io/library/busybox", "r.example:5000/b"]


def test_another_image_of_the_same_place() -> None:
    place = Place("oci", "dir", "1")
    assert (str(place.at("2")), str(place.at(SHA256))) == ("oci:dir:2", f"oci:dir@{SHA256}")
    assert (place.which, place.at(SHA256).which, Place("oci", "dir").which) == ("1", SHA256, "")


@given(st.sampled_from(["oci", "oci-archive", "docker-archive", "dir", "sif"]), st.text(max_size=60))
def test_any_text_is_a_place_or_is_refused(transport: str, text: str) -> None:
    with contextlib.suppress(InvalidReference):
        assert isinstance(parse_place(f"{transport}:{text}"), Place)


@pytest.mark.parametrize("text", ["./out", "../out:1", "/srv/images/app.tar", "~/app", "/"])
def test_a_bare_path_is_told_how_to_be_named(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"is a path: say of what kind, as oci:FOLDER"):
        parse_place(text)
