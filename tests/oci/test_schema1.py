"""Schema 1, signed and not. Signatures are made here as manifest-v2-1.md § Signed Manifests describes them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from affineur.errors import ContentError, LimitExceeded, MalformedDocument
from affineur.oci.descriptor import UNKNOWN_SIZE
from affineur.oci.digest import Digest
from affineur.oci.schema1 import MAX_SIGNATURES, content_digest, payload, read_schema1

EMPTY = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"  # a gzipped empty tar, as docker's
FIRST, SECOND, THIRD = ("sha256:" + digit * 64 for digit in "123")


def step(own: str, below: str = "", **members: Any) -> dict[str, str]:
    parent = {"parent": below * 64} if below else {}
    return {"v1Compatibility": json.dumps({"id": own * 64, **parent, **members})}


def manifest(blobs: list[str], steps: list[dict[str, str]], **members: Any) -> dict[str, Any]:
    layers = [{"blobSum": blob} for blob in blobs]
    return {"schemaVersion": 1, "name": "team/app", "tag": "1", "fsLayers": layers, "history": steps, **members}


THREE = manifest(
    [EMPTY, SECOND, FIRST],
    [
        step("c", "b", throwaway=True, created="2016-01-03T00:00:00Z", os="linux", config={"Labels": {"a": "b"}}),
        step("b", "a", created="2016-01-02T00:00:00Z", container_config={"Cmd": ["/bin/sh", "-c", "make"]}),
        step("a", created="2016-01-01T00:00:00Z", author="somebody"),
    ],
)


def encoded(value: object, indent: int | None = 3) -> bytes:
    return json.dumps(value, indent=indent).encode()


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def signed(signed_bytes: bytes, count: int = 1, **protected: Any) -> bytes:
    """What a daemon pushed: the signatures stand before the last brace."""
    length = signed_bytes.rstrip(b"}").rstrip().__len__()
    said = {"formatLength": length, "formatTail": base64url(signed_bytes[length:]), "time": "2016-01-01T00:00:00Z"}
    block = {"header": {"alg": "ES256"}, "signature": "x", "protected": base64url(encoded({**said, **protected}))}
    return signed_bytes[:length] + b',\n   "signatures": ' + encoded([block] * count) + b"\n}"


def test_layers_are_the_steps_that_changed_files_base_first() -> None:
    read = read_schema1(encoded(THREE), "", "x")
    assert read.blobs == (FIRST, SECOND, EMPTY)
    assert [(layer.digest, layer.size) for layer in read.layers] == [(FIRST, UNKNOWN_SIZE), (SECOND, UNKNOWN_SIZE)]


def test_the_newest_step_is_the_configuration_and_all_are_its_history() -> None:
    configuration = read_schema1(encoded(THREE), "", "x").configuration
    assert (configuration.created, configuration.os, configuration.labels) == (
        "2016-01-03T00:00:00Z",
        "linux",
        {"a": "b"},
    )
    assert [(each.author, each.created_by, each.empty_layer) for each in configuration.history or ()] == [
        ("somebody", None, None),
        (None, "/bin/sh -c make", None),
        (None, None, True),
    ]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("indent", [None, 3])
def test_the_digest_is_over_what_is_signed(count: int, indent: int | None) -> None:
    plain = encoded(THREE, indent)
    content = signed(plain, count)
    assert json.loads(content)["signatures"]
    assert content_digest(content, "x") == Digest.of(plain) != Digest.of(content)
    assert content_digest(plain, "x", "sha512") == Digest.of(plain, "sha512")
    assert read_schema1(content, "", "x").signed
    assert not read_schema1(plain, "", "x").signed


def test_what_is_read_is_what_the_digest_is_over() -> None:
    """A registry that serves the promised manifest as the tail, and another before it, convinces nobody."""
    promised = encoded(THREE)
    other = manifest([THIRD], [step("e")])
    protected = base64url(encoded({"formatLength": 0, "formatTail": base64url(promised)}))
    content = encoded({**other, "signatures": [{"protected": protected}]})
    assert content_digest(content, "x") == Digest.of(promised)
    assert read_schema1(content, "", "x").blobs == (FIRST, SECOND, EMPTY)


@pytest.mark.parametrize(
    "protected",
    [
        {"formatLength": -1},
        {"formatLength": 10**6},
        {"formatLength": 2**70},
        {"formatLength": "1"},
        {"formatTail": "!"},
        {"formatTail": 1},
        {"formatTail": base64url(b"]")},
    ],
)
def test_signatures_that_do_not_say_what_they_sign(protected: dict[str, Any]) -> None:
    with pytest.raises(MalformedDocument):
        read_schema1(signed(encoded(THREE), **protected), "", "x")


def test_signatures_that_disagree() -> None:
    plain = encoded(THREE)
    one, other = (json.loads(signed(plain, formatLength=length))["signatures"][0] for length in (5, 6))
    with pytest.raises(MalformedDocument, match="different contents"):
        payload(encoded({**THREE, "signatures": [one, other]}), "x")


def test_too_many_signatures() -> None:
    with pytest.raises(LimitExceeded):
        payload(signed(encoded(THREE), MAX_SIGNATURES + 1), "x")


@pytest.mark.parametrize("content", [b'{"signatures"', b'{"signatures": 1}', encoded({**THREE, "signatures": []})])
def test_without_signatures_the_digest_is_over_the_bytes(content: bytes) -> None:
    assert payload(content, "x") is content


def test_a_later_manifest_is_what_it_is_whatever_else_it_holds() -> None:
    content = signed(encoded({"schemaVersion": 2, "config": {}, "layers": []}))
    assert payload(content, "x") is content


def test_a_step_that_repeats_the_one_below_it_is_left_out() -> None:
    """As docker did, of images in which a push had doubled a step: distribution/pull_v2.go, fixManifestLayers."""
    twice = manifest([SECOND, SECOND, FIRST], [step("b", "a"), step("b", "a"), step("a")])
    assert read_schema1(encoded(twice), "", "x").blobs == (FIRST, SECOND)


@pytest.mark.parametrize(
    "value",
    [
        manifest([], []),
        manifest([FIRST], []),
        manifest([FIRST, SECOND], [step("a")]),
        manifest([FIRST], [{"v1Compatibility": "{}"}]),
        manifest([FIRST], [{"v1Compatibility": "["}]),
        manifest([FIRST], [{"v1Compatibility": json.dumps({"id": "A" * 64})}]),
        manifest([FIRST], [step("a", "b")]),
        manifest([SECOND, FIRST], [step("b", "c"), step("a")]),
        manifest([SECOND, FIRST], [step("b"), step("a")]),
        manifest([THIRD, SECOND, FIRST], [step("a", "b"), step("b", "a"), step("a")]),
        manifest(["sha256:x"], [step("a")]),
        manifest([FIRST], [step("a", ID="b" * 64)]),
        manifest([FIRST], [step("a")], FsLayers=[]),
        {**THREE, "schemaVersion": 2},
        {**THREE, "fsLayers": {}},
        [],
    ],
)
def test_what_docker_refuses_is_refused(value: object) -> None:
    with pytest.raises(ContentError):
        read_schema1(encoded(value), "", "x")


@pytest.mark.corpus
def test_reads_the_schema_1_of_containers_image(corpus: Path) -> None:
    """containers/image, manifest/docker_schema1_test.go, expects these values of it."""
    read = read_schema1(
        (corpus / "manifests/containers-image/manifest-fixtures/v2s1.everything.json").read_bytes(), "", "x"
    )
    assert (read.name, read.tag, read.architecture) == ("registry.example/foo", "notlatest", "a")
    assert (read.configuration.created, read.configuration.author) == ("1970-01-01T01:00:01+01:00", "author")
    (history,) = read.configuration.history or ()
    assert (history.created_by, history.comment, history.empty_layer) == ("cmd", "comment", True)
    assert (read.blobs, read.layers) == (("sha256:" + "a" * 64,), ())
