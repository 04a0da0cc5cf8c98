"""Both forms of the file, and every mistake with its line."""

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affineur.errors import InputError, InvalidSettings
from affineur.move.sync.file import Entry, SyncFile, parse_sync_file
from affineur.move.sync.selection import Selection

OWN = b"""\
# what we run
sync:
  - from: docker.io/library/debian
    to: registry.example/mirror/debian
    include: [bookworm-*, "regex:^1[0-9]$", "semver:>=1.2 <3"]
    exclude: '*-backports'
    newest: 3
    one-per-minor: true
    prereleases: true
    newer-than: 90d
    platforms: [linux/amd64, arm64]
    policy: strict.yaml
    referrers: false
  - {from: redis, to: oci:layouts/redis, tags: [1.10, latest], newer-than: 2026-01-31}
  - {from: oci:layouts/redis, to: registry.example:5000/redis, variant: alpine}
registries:
  registry.example: {requests-per-minute: 100, requests: 5000, at-once: 4}
  registry.example:5000: {tls-verify: false, cert-dir: certs}
"""
SKOPEO = b"""\
registry.example.com:
    images:
        busybox: []
        redis:
            - "1.0"
            - 2.10
            - "sha256:0000000000000000000000000000000011111111111111111111111111111111"
    images-by-tag-regex:
        nginx: ^1\\.13\\.[12]-alpine-perl$
    images-by-semver:
        alpine: ">= 3.12.0"
    credentials:
        username: john
        password: this is a secret
    tls-verify: true
    cert-dir: /home/john/certs
quay.io:
    tls-verify: false
    images:
        coreos/etcd:
            - latest
"""  # skopeo-sync(1)'s example, with one tag unquoted


def read(text: str, to: str = "", *, scoped: bool = False) -> SyncFile:
    return parse_sync_file(text.encode(), "sync.yaml", to=to, scoped=scoped)


def test_our_own_form() -> None:
    file = parse_sync_file(OWN, "sync.yaml")
    debian, redis, local = file.entries
    assert (str(debian.source.name), debian.target.name) == (
        "docker.io/library/debian",
        "registry.example/mirror/debian",
    )
    assert debian.selection == Selection(
        include=("bookworm-*", "regex:^1[0-9]$", "semver:>=1.2 <3"),
        exclude=("*-backports",),
        newest=3,
        one_per_minor=True,
        prereleases=True,
    )
    assert debian.newer_than == timedelta(days=90)
    assert [str(each) for each in debian.platforms] == ["linux/amd64", "linux/arm64"]
    assert (debian.policy, debian.referrers, debian.line) == ("strict.yaml", False, 3)
    assert (redis.source.name, redis.target.name) == ("docker.io/library/redis", "oci:layouts/redis")
    assert (redis.tags, redis.newer_than, redis.line) == (("1.10", "latest"), datetime(2026, 1, 31, tzinfo=UTC), 14)
    assert (local.source.name, local.selection.variant, local.referrers) == ("oci:layouts/redis", "alpine", True)
    limits = file.registries["registry.example"]
    assert (limits.requests_per_minute, limits.requests, limits.at_once) == (100, 5000, 4)
    other = file.registries["registry.example:5000"]
    assert (other.tls_verify, other.cert_dir, other.login) == (False, "certs", None)


def test_skopeos_form() -> None:
    file = parse_sync_file(SKOPEO, "sync.yml", to="my-registry.local.lan/repo/")
    found = [(each.source.name, each.target.name, each.tags, each.selection.include) for each in file.entries]
    digest = "sha256:0000000000000000000000000000000011111111111111111111111111111111"
    assert found == [
        ("registry.example.com/busybox", "my-registry.local.lan/repo/busybox", (), ()),
        ("registry.example.com/redis", "my-registry.local.lan/repo/redis", ("1.0", "2.10", digest), ()),
        ("registry.example.com/nginx", "my-registry.local.lan/repo/nginx", (), (r"regex:^1\.13\.[12]-alpine-perl$",)),
        ("registry.example.com/alpine", "my-registry.local.lan/repo/alpine", (), ("semver:>= 3.12.0",)),
        ("quay.io/coreos/etcd", "my-registry.local.lan/repo/etcd", ("latest",), ()),
    ]
    assert [each.line for each in file.entries] == [3, 4, 9, 11, 20]
    first, second = file.registries["registry.example.com"], file.registries["quay.io"]
    assert (first.tls_verify, first.cert_dir, second.tls_verify) == (True, "/home/john/certs", False)
    assert first.login is not None
    assert (first.login.username, first.login.password) == ("john", "this is a secret")
    assert "secret" not in repr(file)


def test_scoped_names_keep_the_whole_source() -> None:
    file = parse_sync_file(SKOPEO, "sync.yml", to="lan.example", scoped=True)
    assert file.entries[0].target.name == "lan.example/registry.example.com/busybox"
    assert file.entries[-1].target.name == "lan.example/quay.io/coreos/etcd"


def test_an_image_without_anything_behind_it_means_all_tags() -> None:
    (entry,) = read("docker.io:\n  images:\n    busybox:\n", "lan.example").entries
    assert (entry.source.name, entry.tags, entry.selection) == ("docker.io/library/busybox", (), Selection())


MISTAKES = [
    ("", 1, "says nothing"),
    ("- a\n", 1, "says nothing"),
    ("sync: []\n", 1, "length >= 1"),
    ("sync:\n  - {from: a/b}\n", 2, "missing key to"),
    ("sync:\n  - from: a/b\n    to: c/d\n    newst: 3\n", 4, "unknown key newst"),
    ("sync:\n  - from: a/b\n    to: c/d\n    to: c/e\n", 4, "to is there twice (first in line 3)"),
    ("sync:\n  - from: a/b\n    to: c/d\n    newest: 0\n", 4, "newest: Expected int >= 1"),
    ("sync:\n  - from: a/b\n    to: c/d\n    newest: many\n", 4, "newest: Expected"),
    ("sync:\n  - from: a/b\n    to:\n", 3, "to has no value"),
    (
        "sync:\n  - from: a/b\n    to: c/d\n    include:\n      - a\n      - '~'\n      -\n",
        7,
        "an item of the list has no value",
    ),
    ("sync:\n  - from: a/b:1\n    to: c/d\n", 2, "from: 'a/b:1': names one image"),
    ("sync:\n  - from: a/b@sha256:12\n    to: c/d\n", 2, "from: "),
    ("sync:\n  - from: a/b\n    to: oci:c:d\n", 3, "to: 'oci:c:d': names one image"),
    ("sync:\n  - from: a/b\n    to: dir:c\n", 3, "only oci:FOLDER"),
    ("sync:\n  - from: a/b\n    to: docker-daemon:c\n", 3, "to: "),
    ("sync:\n  - from: A/B\n    to: c/d\n", 2, "from: "),
    ("sync:\n  - from: a/b\n    to: c/d\n    include: ['regex:(']\n", 4, "include: '(' is no pattern"),
    ("sync:\n  - from: a/b\n    to: c/d\n    exclude: ['semver:>=x.y.z.1']\n", 4, "exclude: "),
    ("sync:\n  - from: a/b\n    to: c/d\n    newer-than: 3 moons\n", 4, "neither an age"),
    ("sync:\n  - from: a/b\n    to: c/d\n    newer-than: 999999w\n", 4, "more than 36500 days"),
    ("sync:\n  - from: a/b\n    to: c/d\n    newer-than: 2026-13-01\n", 4, "neither an age"),
    ("sync:\n  - from: a/b\n    to: c/d\n    platforms: [a/b/c/d]\n", 4, "not a platform"),
    ("sync:\n  - from: a/b\n    to: c/d\n    tags: [.x]\n", 4, "neither a tag nor a digest"),
    ("sync:\n  - from: a/b\n    to: c/d\n    tags: [x]\n    newest: 2\n", 5, "newest beside tags"),
    ("sync:\n  - from: a/b\n    to: oci:x\n    tags: ['sha256:" + "0" * 64 + "']\n", 4, "in a layout"),
    ("sync:\n  - from: a/b\n    to: c/d\n    variant: 'a b'\n", 4, "variant: "),
    ("sync:\n  - from: a/b\n    to: c/d\n    referrers: maybe\n", 4, "referrers: Expected bool"),
    ("sync:\n  - {from: a/b, to: c/d}\nregistries:\n  a.b: {at-once: 65}\n", 4, "at-once: "),
    ("sync:\n  - {from: a/b, to: c/d}\nregistries:\n  a.b: {rate: 1}\n", 4, "unknown key rate"),
    ("sync:\n  - {from: a/b, to: c/d}\nregistries:\n  frobnicate: {at-once: 1}\n", 4, "is no registry"),
    ("sync:\n  - {from: a/b, to: c/d}\nregistry: {}\n", 3, "unknown key registry"),
    ("sync: &x\n  - {from: a/b, to: c/d}\n", 1, "anchors"),
    ("registries:\n  a.b: {at-once: 1}\n", 1, "the key sync"),
]
SKOPEO_MISTAKES = [
    ("a.b:\n  image:\n    x: []\n", 2, "unknown key image"),
    ("a.b:\n  images:\n    x: 1.0\n", 3, "Expected"),
    ("a.b:\n  images:\n    x: ['1', ' ']\n", 3, "neither a tag nor a digest"),
    ("a.b:\n  images:\n    x:\n      - ok\n      - 'sha256:1'\n", 5, "not a sha256 digest"),
    ("a.b:\n  images:\n    x:1: []\n", 3, "names one image"),
    ("a.b:\n  images:\n    X: []\n", 3, "upper-case"),
    ("a.b:\n  images-by-tag-regex:\n    x: '('\n", 3, "is no pattern"),
    ("a.b:\n  images-by-semver:\n    x: '>= one'\n", 3, "is no range"),
    ("a.b:\n  images: {x: []}\n  credentials: {user: me}\n", 3, "unknown key user"),
    ("a.b:\n  images: {x: []}\n  tls-verify: perhaps\n", 3, "tls-verify: Expected"),
    ("a.b:\n", 1, "names no image"),
    ("a.b: {images: {}}\n", 1, "names no image"),
    ("library:\n  images: {x: []}\n", 1, "is no registry"),
]


@pytest.mark.parametrize(("text", "line", "problem"), MISTAKES)
def test_a_mistake_is_told_with_file_and_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        read(text)
    assert str(raised.value).startswith(f"sync.yaml:{line}: ")
    assert problem in str(raised.value)


@pytest.mark.parametrize(("text", "line", "problem"), SKOPEO_MISTAKES)
def test_so_is_one_in_skopeos_form(text: str, line: int, problem: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        read(text, "lan.example/x")
    assert str(raised.value).startswith(f"sync.yaml:{line}: ")
    assert problem in str(raised.value)


def test_what_belongs_to_the_other_form_is_told() -> None:
    with pytest.raises(InvalidSettings, match="use --to"):
        read("a.b: {images: {x: []}}")
    with pytest.raises(InvalidSettings, match="leave --to and --scoped out"):
        read("sync: [{from: a/b, to: c/d}]", "lan.example")
    with pytest.raises(InvalidSettings, match="because of its port"):
        read("a.b:5000: {images: {x: []}}", "lan.example", scoped=True)


@pytest.mark.parametrize(
    "to", ["mirror", "mirror/x", "", " ", "lan.example/X", "oci:x", "lan.example/x:1", "http://x.y"]
)
def test_a_target_that_is_none_is_told(to: str) -> None:
    with pytest.raises(InputError):
        read("a.b: {images: {x: []}}", to)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_end_otherwise_than_in_our_error(content: bytes) -> None:
    with pytest.raises(InvalidSettings, match=r"^sync\.yaml:[1-9]"):
        parse_sync_file(content, "sync.yaml", to="lan.example")


YAML = st.recursive(
    st.sampled_from(["", "a/b", "1", "true", "-1", "semver:>1", "sync", "oci:x", "90d"]) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["from", "to", "tags", "include", "newest", "a.b", "images", "registries", "credentials"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(YAML, st.sampled_from(["sync", "a.b", "registries"]))
def test_any_structure_is_a_file_or_told_not_to_be(values: object, top: str) -> None:
    with contextlib.suppress(InvalidSettings):
        content = json.dumps({top: values}).encode()
        file = parse_sync_file(content, "sync.yaml", to="" if top == "sync" else "lan.example")
        assert all(isinstance(entry, Entry) for entry in file.entries)
