import json
from pathlib import Path
from typing import Any

import pytest

from affineur.errors import Error, LimitExceeded, MalformedDocument, UnsupportedContent
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MAX_LAYERS,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA_1,
    Index,
    Manifest,
    Schema1,
    artifact,
    read_manifest,
)

CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "0" * 64, "size": 7}
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + "1" * 64, "size": 9}
MANIFEST: dict[str, Any] = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [{**LAYER, "mediaType": OCI_MANIFEST}]}


def document(value: object, served: str = "") -> Document:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Document(content, served, Digest.of(content), "registry.example/team/app")


def type_of(value: object, served: str = "") -> str:
    return read_manifest(document(value, served)).media_type


@pytest.mark.parametrize("served", ["", "application/json", "text/plain; charset=utf-8", "application/octet-stream"])
def test_without_a_useful_content_type_the_body_decides(served: str) -> None:
    assert type_of(MANIFEST, served) == OCI_MANIFEST
    assert type_of(INDEX, served) == OCI_INDEX
    assert type_of({**MANIFEST, "mediaType": DOCKER_MANIFEST}, served) == DOCKER_MANIFEST
    assert type_of({**INDEX, "mediaType": DOCKER_LIST}, served) == DOCKER_LIST


def test_content_type_decides_where_the_body_is_silent() -> None:
    assert type_of(MANIFEST, f"{DOCKER_MANIFEST}; charset=utf-8") == DOCKER_MANIFEST


def test_content_type_and_body_must_agree() -> None:
    with pytest.raises(MalformedDocument, match="served as"):
        read_manifest(document({**MANIFEST, "mediaType": OCI_MANIFEST}, DOCKER_MANIFEST))


@pytest.mark.parametrize(
    "value",
    [
        {**MANIFEST, **INDEX},
        {**MANIFEST, **INDEX, "mediaType": OCI_MANIFEST},
        {**MANIFEST, **INDEX, "mediaType": OCI_INDEX},
        {**MANIFEST, "fsLayers": []},
        {**INDEX, "fsLayers": []},
    ],
)
def test_cve_2021_41190_a_document_with_two_readings_is_refused(value: object) -> None:
    with pytest.raises(MalformedDocument):
        read_manifest(document(value))


@pytest.mark.parametrize(
    "value",
    [
        {**MANIFEST, "schemaVersion": 3},
        {**MANIFEST, "schemaVersion": "2"},
        {"mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]},
        {**MANIFEST, "layers": [{**LAYER, "size": -1}]},
        {**MANIFEST, "layers": [{**LAYER, "size": 1.5}]},
        {**MANIFEST, "layers": [{**LAYER, "size": 2**70}]},
        {**MANIFEST, "layers": [{**LAYER, "digest": "sha256:x"}]},
        {**MANIFEST, "layers": [{**LAYER, "digest": "sha256:" + "A" * 64}]},
        {**MANIFEST, "config": {**CONFIG, "digest": "../../x"}},
        {**MANIFEST, "annotations": {"a": 1}},
        {**MANIFEST, "layers": [LAYER] * (MAX_LAYERS + 1)},
        [],
        "x",
    ],
)
def test_what_breaks_the_format_is_refused(value: object) -> None:
    with pytest.raises(MalformedDocument):
        read_manifest(document(value))


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ({**MANIFEST, "Layers": []}, "Layers"),
        ({**MANIFEST, "layer\u017f": []}, "layer\u017f"),
        ({**MANIFEST, "LAYERS": []}, "LAYERS"),
        ({**MANIFEST, "layers": [{**LAYER, "Digest": LAYER["digest"]}]}, "Digest"),
        ({**INDEX, "manifests": [{**LAYER, "Platform": {"os": "linux", "architecture": "amd64"}}]}, "Platform"),
    ],
)
def test_a_key_that_the_engines_would_read_and_we_would_not_is_refused(value: object, key: str) -> None:
    """Go's encoding/json: "preferring exact matches but accepting case-insensitive matches", by Unicode folding."""
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        with pytest.raises(MalformedDocument, match=f"{key}.* would be read as"):
            read_manifest(document(text.encode()))


def test_annotations_may_have_any_names() -> None:
    free = {"Layers": "1", "layers": "2", "DIGEST": "3"}
    read = read_manifest(document({**MANIFEST, "annotations": free, "layers": [{**LAYER, "annotations": free}]}))
    assert isinstance(read, Manifest)
    assert read.annotations == free


def test_a_layer_of_unknown_type_is_no_error() -> None:
    """image-spec 1.1, manifest.md: implementations MUST NOT error on encountering an unknown mediaType."""
    read = read_manifest(document({**MANIFEST, "layers": [{**LAYER, "mediaType": "application/x-new"}]}))
    assert isinstance(read, Manifest)
    assert read.layers[0].media_type == "application/x-new"


def test_json_that_is_no_manifest_is_named() -> None:
    with pytest.raises(UnsupportedContent, match=r"application/vnd\.example\.thing"):
        read_manifest(document({"schemaVersion": 2, "mediaType": "application/vnd.example.thing"}))


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"config": {**CONFIG, "mediaType": "application/vnd.cncf.helm.config.v1+json"}}, "a Helm chart"),
        ({"artifactType": "application/vnd.cncf.notary.signature"}, "a Notation signature"),
        ({"artifactType": "application/vnd.example+x"}, "an artifact (application/vnd.example+x)"),
        (
            {"layers": [{**LAYER, "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json"}]},
            "a cosign signature",
        ),
        ({"artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"}, "a Sigstore bundle"),
        (
            {
                "config": {**CONFIG, "mediaType": "application/vnd.oci.empty.v1+json"},
                "layers": [{**LAYER, "mediaType": "text/spdx"}],
            },
            "an SPDX document",
        ),
    ],
)
def test_artifacts_are_named(changed: dict[str, Any], name: str) -> None:
    read = read_manifest(document({**MANIFEST, **changed}))
    assert isinstance(read, Manifest)
    assert (artifact(read) or "").startswith(name)


def test_an_image_is_no_artifact() -> None:
    read = read_manifest(document(MANIFEST))
    assert isinstance(read, Manifest)
    assert artifact(read) is None


def test_a_bomb_of_brackets_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        read_manifest(document(b'{"schemaVersion": 2, "config": ' + b'{"a":' * 100_000))


FIXTURES = "manifests/containers-image/manifest-fixtures"


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "kind"),
    [  # what containers/image's own tests expect of these files
        ("ociv1.everything.json", Manifest),
        ("ociv1.encrypted.manifest.json", Manifest),
        ("ociv1.nondistributable.zstd.manifest.json", Manifest),
        ("v2s2.everything.json", Manifest),
        ("v2s2.nondistributable.manifest.json", Manifest),
        ("v2s1.everything.json", Schema1),
    ],
)
def test_reads_the_manifests_of_containers_image(corpus: Path, name: str, kind: type) -> None:
    content = (corpus / FIXTURES / name).read_bytes()
    assert type(read_manifest(document(content))) is kind


@pytest.mark.corpus
def test_nothing_in_the_corpus_of_manifests_raises_anything_else(corpus: Path) -> None:
    files = [path for path in sorted((corpus / "manifests").rglob("*")) if path.is_file()]
    assert len(files) > 20
    for path in files:
        try:
            read_manifest(document(path.read_bytes()))
        except Error:
            continue


OLD = {
    "schemaVersion": 1,
    "fsLayers": [{"blobSum": LAYER["digest"]}],
    "history": [{"v1Compatibility": json.dumps({"id": "1" * 64})}],
}


@pytest.mark.parametrize("served", ["", *SCHEMA_1, "application/json", f"{SCHEMA_1[0]}; charset=utf-8"])
def test_schema_1_is_recognised(served: str) -> None:
    read = read_manifest(document(OLD, served))
    assert isinstance(read, Schema1)
    assert read.media_type == (SCHEMA_1[0] if SCHEMA_1[0] in served else SCHEMA_1[1])


@pytest.mark.parametrize(
    ("value", "served"),
    [
        (OLD, OCI_MANIFEST),
        (OLD, DOCKER_LIST),
        ({**OLD, "mediaType": DOCKER_MANIFEST}, ""),
        (MANIFEST, SCHEMA_1[0]),
        (INDEX, SCHEMA_1[1]),
        ({**OLD, "layers": [LAYER]}, ""),
        ({**OLD, "manifests": []}, SCHEMA_1[0]),
    ],
)
def test_a_schema_1_that_something_else_could_be_read_from_is_refused(value: object, served: str) -> None:
    """distribution-spec 1.1 § Pulling manifests; CVE-2021-41190."""
    with pytest.raises(MalformedDocument):
        read_manifest(document(value, served))


def test_an_index_keeps_its_children_in_order() -> None:
    read = read_manifest(document(INDEX))
    assert isinstance(read, Index)
    assert [child.digest for child in read.manifests] == ["sha256:" + "1" * 64]
