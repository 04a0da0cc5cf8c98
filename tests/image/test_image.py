import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from affineur.errors import MalformedDocument, NotFound, SizeMismatch, UnsupportedContent
from affineur.image.image import open_image, read_child
from affineur.oci.digest import Digest
from affineur.oci.manifest import OCI_INDEX, OCI_MANIFEST, SCHEMA_1, Manifest
from affineur.oci.platform import parse_platform
from affineur.oci.reference import parse_reference
from affineur.source.memory import MemorySource

LAYER = b"a layer's bytes"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"


class Repository:
    """An in-memory repository with a few verbs to fill it."""

    def __init__(self) -> None:
        self.source = MemorySource(parse_reference("registry.example/team/app:1"))

    def blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": self.source.add_blob(content), "size": len(content)}

    def image(self, tag: str | None = None, config: Mapping[str, Any] | None = None, **members: Any) -> dict[str, Any]:
        document = {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [Digest.of(LAYER)]},
            **(config or {}),
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(json.dumps(document).encode(), IMAGE_CONFIG),
            "layers": [self.blob(LAYER, "application/vnd.oci.image.layer.v1.tar")],
            **members,
        }
        return self.manifest(manifest, OCI_MANIFEST, tag)

    def index(self, children: list[dict[str, Any]], tag: str | None = "1", **members: Any) -> dict[str, Any]:
        return self.manifest(
            {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children, **members}, OCI_INDEX, tag
        )

    def manifest(self, value: Mapping[str, Any], media_type: str, tag: str | None) -> dict[str, Any]:
        content = json.dumps(value).encode()
        return {
            "mediaType": media_type,
            "digest": self.source.add_manifest(content, media_type, tag),
            "size": len(content),
        }

    def platform(self, name: str) -> dict[str, Any]:
        system, architecture, *variant = name.split("/")
        claimed = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        return {**self.image(config=claimed), "platform": claimed}


@pytest.fixture
def repository() -> Repository:
    return Repository()


def test_an_image_without_an_index(repository: Repository) -> None:
    pushed = repository.image("1", config={"created": "2026-01-01T00:00:00.50000Z"})
    image = open_image(repository.source)
    assert image.document is image.manifest_document
    assert (image.digest, image.created, image.children) == (pushed["digest"], "2026-01-01T00:00:00.50000Z", ())
    assert (image.size, image.diff_ids) == (len(LAYER), (Digest.of(LAYER),))
    assert isinstance(image.manifest, Manifest)
    assert Digest.of(image.config_bytes) == image.manifest.config.digest


def test_the_exact_bytes_are_kept(repository: Repository) -> None:
    pushed = repository.index([repository.platform("linux/amd64")])
    image = open_image(repository.source, parse_platform("linux/amd64"))
    assert Digest.of(image.document.content) == pushed["digest"]
    assert Digest.of(image.manifest_document.content) == image.manifest_document.digest


def test_the_platform_asked_for_is_chosen(repository: Repository) -> None:
    repository.index([repository.platform(name) for name in ("linux/amd64", "linux/arm64/v8", "windows/amd64")])
    for name in ("linux/amd64", "linux/arm64/v8", "windows/amd64"):
        assert str(open_image(repository.source, parse_platform(name)).platform) == name


def test_a_platform_that_is_not_there_lists_those_that_are(repository: Repository) -> None:
    repository.index([repository.platform("linux/amd64"), repository.platform("linux/arm64/v8")])
    with pytest.raises(NotFound, match=r"no image for linux/s390x; there is: linux/amd64, linux/arm64/v8$"):
        open_image(repository.source, parse_platform("linux/s390x"))


def test_without_an_index_the_platform_is_what_it_is(repository: Repository) -> None:
    repository.image("1", config={"architecture": "arm64"})
    assert str(open_image(repository.source, parse_platform("linux/amd64")).platform) == "linux/arm64"


def test_attestations_are_told_apart(repository: Repository) -> None:
    child = repository.platform("linux/amd64")
    attestation = {
        **repository.image(),
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": child["digest"],
        },
    }
    repository.index([attestation, child])
    image = open_image(repository.source, parse_platform("linux/amd64"))
    assert [each.attests for each in image.children] == [child["digest"], None]
    assert image.manifest_document.digest == child["digest"]


def test_a_single_child_without_a_platform_is_meant(repository: Repository) -> None:
    child = repository.image()
    repository.index([child])
    assert open_image(repository.source).manifest_document.digest == child["digest"]


def test_an_index_within_an_index_is_followed(repository: Repository) -> None:
    inner = repository.index([repository.platform("linux/amd64")], tag=None)
    repository.index([{**inner, "platform": {"os": "linux", "architecture": "amd64"}}])
    assert open_image(repository.source, parse_platform("linux/amd64")).platform.architecture == "amd64"


def test_indexes_within_indexes_come_to_an_end(repository: Repository) -> None:
    claimed = {"os": "linux", "architecture": "amd64"}
    nested = repository.platform("linux/amd64")
    for _ in range(10):
        nested = {**repository.index([nested]), "platform": claimed}
    with pytest.raises(MalformedDocument, match="deeper"):
        open_image(repository.source, parse_platform("linux/amd64"))


def test_a_child_of_another_size_than_promised(repository: Repository) -> None:
    child = repository.platform("linux/amd64")
    repository.index([{**child, "size": child["size"] + 1}])
    with pytest.raises(SizeMismatch):
        open_image(repository.source, parse_platform("linux/amd64"))


def test_a_child_that_the_registry_lacks(repository: Repository) -> None:
    child = repository.platform("linux/amd64")
    repository.index([{**child, "digest": "sha256:" + "0" * 64}])
    with pytest.raises(NotFound):
        open_image(repository.source, parse_platform("linux/amd64"))


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"artifactType": "application/vnd.cncf.helm.config.v1+json"}, r"a Helm chart \(application"),
        ({"artifactType": "application/vnd.example"}, r"an artifact \(application/vnd\.example\)"),
    ],
)
def test_what_is_no_image_is_named(repository: Repository, members: dict[str, str], name: str) -> None:
    repository.image("1", None, **members)
    with pytest.raises(UnsupportedContent, match=f"no container image but {name}"):
        open_image(repository.source)


def test_an_index_of_artifacts_is_named(repository: Repository) -> None:
    repository.index([repository.image()], artifactType="application/spdx+json")
    with pytest.raises(UnsupportedContent, match=r"but an index of an SPDX document \(application/spdx\+json\)"):
        open_image(repository.source)


def test_an_artifact_with_an_images_config_is_named(repository: Repository) -> None:
    """How artifacts were pushed before image-spec 1.1, where a registry took no other config."""
    thing = repository.blob(b"{}", "application/vnd.example.build-type+json")
    repository.image("1", layers=[thing, thing])
    with pytest.raises(MalformedDocument):  # this config promises one layer
        open_image(repository.source)
    members = {"config": repository.blob(b"{}", IMAGE_CONFIG), "layers": [thing]}
    repository.manifest({"schemaVersion": 2, "mediaType": OCI_MANIFEST, **members}, OCI_MANIFEST, "1")
    with pytest.raises(UnsupportedContent, match=r"an artifact \(application/vnd\.example\.build-type\+json\)"):
        open_image(repository.source)


def test_a_schema_1_is_opened_as_far_as_it_says(repository: Repository) -> None:
    step = {"id": "1" * 64, "created": "2015-01-02T03:04:05Z", "config": {"User": "nobody"}}
    document = {
        "schemaVersion": 1,
        "name": "team/app",
        "architecture": "arm64",
        "fsLayers": [{"blobSum": repository.source.add_blob(LAYER)}],
        "history": [{"v1Compatibility": json.dumps(step)}],
    }
    repository.manifest(document, SCHEMA_1[1], "1")
    image = open_image(repository.source)
    assert (str(image.platform), image.created, image.config.run.user) == ("linux/arm64", step["created"], "nobody")
    assert (image.size, image.diff_ids, image.config_bytes) == (None, (), b"")
    assert b"".join(repository.source.blob(image.layers[0])) == LAYER
    assert "schema 1" in image.remarks[0]


def test_a_child_that_the_index_carries_is_not_asked_for(repository: Repository) -> None:
    """image-spec 1.1, descriptor.md § Properties, data."""
    elsewhere = Repository()
    child = elsewhere.platform("linux/amd64")
    document = elsewhere.source.manifest(child["digest"])
    repository.source.add_blob(open_image(elsewhere.source, document=document).config_bytes)
    repository.index([{**child, "data": base64.b64encode(document.content).decode()}])
    assert open_image(repository.source, parse_platform("linux/amd64")).manifest_document.content == document.content
    repository.index([{**child, "data": "e30="}])
    with pytest.raises(MalformedDocument, match="other content"):
        open_image(repository.source, parse_platform("linux/amd64"))


def test_fewer_diff_ids_than_layers(repository: Repository) -> None:
    repository.image("1", config={"rootfs": {"type": "layers", "diff_ids": []}})
    with pytest.raises(MalformedDocument, match="1 layers, its config 0"):
        open_image(repository.source)


@pytest.mark.parametrize(
    "config",
    [
        {"rootfs": {"type": "layers", "diff_ids": ["sha256:x"]}},
        {"config": {"Labels": {"a": 1}}},
        {"config": {"Env": "A=b"}},
        {"architecture": 1},
        {"created": 5},
    ],
)
def test_a_config_that_breaks_the_format(repository: Repository, config: dict[str, Any]) -> None:
    repository.image("1", config=config)
    with pytest.raises(MalformedDocument):
        open_image(repository.source)


@pytest.mark.parametrize(
    "config",
    [{"config": None}, {"config": {}}, {"config": {"Labels": None, "Env": None}}, {"history": None, "created": None}],
)
def test_what_is_null_or_absent_is_empty(repository: Repository, config: dict[str, Any]) -> None:
    repository.image("1", config=config)
    image = open_image(repository.source)
    assert (image.config.labels, image.created) == ({}, None)


def labels(name: str) -> dict[str, Any]:
    return {"config": {"Labels": {"org.opencontainers.image.base.name": name}}}


@pytest.mark.parametrize("places", [("manifest", "index", "label"), ("index", "label"), ("label",), ()])
def test_the_base_is_claimed_in_three_places(repository: Repository, places: tuple[str, ...]) -> None:
    """image-spec 1.1, annotations.md: base.name; the most specific place counts."""

    def annotations(place: str) -> dict[str, Any]:
        return {"annotations": {"org.opencontainers.image.base.name": place}} if place in places else {}

    child = repository.image(config=labels("label") if "label" in places else {}, **annotations("manifest"))
    repository.index([child], **annotations("index"))
    assert open_image(repository.source).base_name == (places[0] if places else None)


def test_a_child_can_be_read_by_itself(repository: Repository) -> None:
    repository.index([repository.platform("linux/amd64"), repository.platform("linux/arm64")])
    image = open_image(repository.source, parse_platform("linux/amd64"))
    manifest, config = read_child(repository.source, image.children[1].descriptor)
    assert (len(manifest.layers), config.architecture) == (1, "arm64")


def test_a_config_embedded_in_the_manifest_is_held_to_its_digest(repository: Repository) -> None:
    content = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'

    def descriptor(data: bytes) -> dict[str, Any]:
        return {
            "mediaType": IMAGE_CONFIG,
            "digest": Digest.of(content),
            "size": len(content),
            "data": base64.b64encode(data).decode(),
        }

    members = {"config": descriptor(content), "layers": []}
    repository.manifest({"schemaVersion": 2, "mediaType": OCI_MANIFEST, **members}, OCI_MANIFEST, "1")
    assert open_image(repository.source).config_bytes == content
    members = {"config": descriptor(content.replace(b"amd64", b"arm64")), "layers": []}
    repository.manifest({"schemaVersion": 2, "mediaType": OCI_MANIFEST, **members}, OCI_MANIFEST, "1")
    with pytest.raises(MalformedDocument, match="other content"):
        open_image(repository.source)
