"""Vectors of distribution/reference (normalize_test.go and reference_test.go), which docker and podman use."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import InvalidReference
from affineur.oci.reference import Reference, parse_reference

HEX = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a"
SHA256 = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("debian", "docker.io/library/debian:latest"),
        ("debian:12", "docker.io/library/debian:12"),
        ("fooo/bar", "docker.io/fooo/bar:latest"),
        ("library/redis", "docker.io/library/redis:latest"),
        ("docker.io/library/redis", "docker.io/library/redis:latest"),
        ("docker.io/redis", "docker.io/library/redis:latest"),
        ("index.docker.io/redis", "docker.io/library/redis:latest"),
        ("index.docker.io/library/redis", "docker.io/library/redis:latest"),
        ("localhost/foo/bar", "localhost/foo/bar:latest"),
        ("localhost", "docker.io/library/localhost:latest"),
        ("127.0.0.1:8000/fooo/bar", "127.0.0.1:8000/fooo/bar:latest"),
        ("test.com:8000/repo:tag", "test.com:8000/repo:tag"),
        ("test:5000/repo", "test:5000/repo:latest"),
        ("test:5000", "docker.io/library/test:5000"),
        ("[2001:db8::1]:5000/repo", "[2001:db8::1]:5000/repo:latest"),
        ("[2001:db8::1]/repo:v1", "[2001:db8::1]/repo:v1"),
        ("docker://registry.example/team/app", "registry.example/team/app:latest"),
        (f"test.com/repo@{SHA256}", f"test.com/repo@{SHA256}"),
        (f"test:5000/repo:tag@{SHA256}", f"test:5000/repo:tag@{SHA256}"),
        (f"foo@{SHA256}", f"docker.io/library/foo@{SHA256}"),
        ("foo_bar.com/x", "foo_bar.com/x:latest"),
        ("foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080"),
        ("foo_bar/x", "docker.io/foo_bar/x:latest"),
        ("a/a--b/c__d:V1.0_x-y", "docker.io/a/a--b/c__d:V1.0_x-y"),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"),
    ],
)
def test_reads_names_as_docker_and_podman_do(text: str, full: str) -> None:
    assert str(parse_reference(text)) == full


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":justtag",
        f"@{SHA256}",
        "repo@sha256:ffffffffffffffffffffffffffffffffff",
        f"validname@invaliddigest:{'f' * 128}@x",
        "Uppercase:tag",
        "test:5000/Uppercase/lowercase:tag",
        "a//b",
        "docker///docker",
        "-docker/docker",
        "-foo/bar",
        "foo/-bar",
        "a/b/",
        "registry.example/",
        "aa/asdf$$^/aa",
        "foo.com/a..b",
        "foo.com/a___b",
        "repo:-tag",
        "repo:.tag",
        "repo:",
        f"repo:{'a' * 129}",
        HEX,
        "https://registry.example/team/app",
        "registry.example:0/app",
        "registry.example:65536/app",
        "registry.example:x/app",
        "[::1/app",
        "[fe80::1%eth0]:5000/app",
        "user@registry.example/app",
        "registry.example/app ",
        "registry.example/app\n",
        "registry.example/app:1\n",
        "registry.example/../app",
        "a" * 129 + "/" + "b" * 129,
    ],
)
def test_refuses_what_is_no_name(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse_reference(text)


@pytest.mark.parametrize("text", ["oci:/srv/layout:1", "dir:x", "containers-storage:debian", "docker-archive:a.tar"])
def test_another_transport_is_named_and_the_way_out_told(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"transport .* names no image in a registry.*docker://"):
        parse_reference(text)


def test_the_tag_is_only_a_remark_beside_a_digest() -> None:
    assert parse_reference(f"debian:12@{SHA256}").which == SHA256


def test_a_digest_alone_has_no_tag() -> None:
    assert parse_reference(f"debian@{SHA256}").tag is None


@given(st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,9})?", fullmatch=True))
def test_the_full_form_reads_as_itself(text: str) -> None:
    """distribution/reference: "familiar" and fully qualified names are two spellings of one value."""
    once = parse_reference(text)
    assert parse_reference(str(once)) == once


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_is_refused(text: str) -> None:
    with contextlib.suppress(InvalidReference):
        assert isinstance(parse_reference(text), Reference)
