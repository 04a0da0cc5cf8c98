"""Manifests and indexes, OCI's and Docker's, and what is neither.

OCI image-spec 1.1, manifest.md and image-index.md; Docker image manifest version 2, schemas 1 and 2. No I/O.
"""

from typing import TypeAlias

import msgspec

from affineur.errors import MalformedDocument, UnsupportedContent
from affineur.oci.descriptor import Descriptor
from affineur.oci.document import Document, decoded, spellings
from affineur.oci.schema1 import SCHEMA_1, Schema1, read_schema1

__all__ = [
    "ACCEPT",
    "DOCKER_LIST",
    "DOCKER_MANIFEST",
    "KEYS",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "SCHEMA_1",
    "Index",
    "Manifest",
    "Schema1",
    "artifact",
    "artifact_name",
    "read_manifest",
]

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPT = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, *SCHEMA_1)
"""Every type a registry may answer with."""

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
MAX_CHILDREN = 10_000
"""Manifests of an index."""
MAX_LAYERS = 1_000
"""Of a manifest. Engines unpack 127 (docker) to 500 (containers/storage); merging takes the square of their number."""

KEYS = spellings(
    *("schemaVersion", "mediaType", "config", "layers", "manifests", "fsLayers", "subject", "artifactType"),
    *("annotations", "digest", "size", "urls", "data", "platform", "architecture", "os", "variant", "os.version"),
    "os.features",
)
"""Those of manifests, indexes and descriptors that decide something, for `decoded`."""
_INDEX_TYPES = (OCI_INDEX, DOCKER_LIST)
_MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
_IMAGE_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_KNOWN_ARTIFACTS = {
    "application/vnd.cncf.helm.config.v1+json": "a Helm chart",
    "application/vnd.cncf.helm.chart.provenance.v1.prov": "a Helm chart's provenance",
    "application/vnd.cncf.notary.signature": "a Notation signature",
    "application/vnd.dev.cosign.artifact.sig.v1+json": "a cosign signature",
    "application/vnd.dev.cosign.simplesigning.v1+json": "a cosign signature",
    "application/vnd.dev.cosign.artifact.sbom.v1+json": "a cosign SBOM",
    "application/vnd.docker.attestation.manifest.v1+json": "a BuildKit attestation",
    "application/vnd.in-toto+json": "an in-toto attestation",
    "application/vnd.dsse.envelope.v1+json": "an in-toto attestation",
    "application/spdx+json": "an SPDX document",
    "text/spdx": "an SPDX document",
    "text/spdx+json": "an SPDX document",
    "application/vnd.cyclonedx": "a CycloneDX document",
    "application/vnd.cyclonedx+json": "a CycloneDX document",
    "application/vnd.cyclonedx+xml": "a CycloneDX document",
    "application/vnd.wasm.config.v0+json": "a WebAssembly component",
    "application/vnd.wasm.config.v1+json": "a WebAssembly component",
    "application/vnd.docker.plugin.v1+json": "a Docker plugin",
    "application/vnd.buildkit.cacheconfig.v0": "a BuildKit cache",
    "application/vnd.docker.ai.model.config.v0.1+json": "an AI model",
    "application/vnd.cncf.model.config.v1+json": "an AI model",
    "application/vnd.cncf.flux.config.v1+json": "a Flux bundle",
    "application/vnd.ollama.image.model": "an AI model",
}


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """One image for one platform, or an artifact in the same clothes.

    Attributes:
        media_type: as it was decided from Content-Type and body together; never empty.
    """

    config: Descriptor
    layers: tuple[Descriptor, ...]
    schema_version: int = 2
    media_type: str = ""
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class Index(msgspec.Struct, frozen=True, rename="camel"):
    """Several manifests, commonly one per platform. Children may be artifacts, indexes, or absent from the registry."""

    manifests: tuple[Descriptor, ...]
    schema_version: int = 2
    media_type: str = ""
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


AnyManifest: TypeAlias = Manifest | Index | Schema1


class _Shape(msgspec.Struct, rename="camel"):
    """Just enough of a document to tell what it is."""

    schema_version: int | None = None
    media_type: str | None = None
    manifests: msgspec.Raw = msgspec.Raw()
    layers: msgspec.Raw = msgspec.Raw()
    config: msgspec.Raw = msgspec.Raw()
    fs_layers: msgspec.Raw = msgspec.Raw()


def read_manifest(document: Document) -> AnyManifest:
    """What a registry's manifest endpoint answered, as a value.

    The type is the body's `mediaType`; else Content-Type, if that is a known type; else what the members say.

    Raises:
        MalformedDocument: not such a document; or Content-Type and body disagree (distribution-spec 1.1 § Pulling
            manifests); or it could be read both as an index and as a manifest (CVE-2021-41190).
        UnsupportedContent: JSON of a type that is no manifest at all; the message names it.
    """
    source = document.source
    shape = decoded(document.content, _Shape, source, KEYS)
    media_type = _media_type(document, shape)
    if media_type in SCHEMA_1:
        if shape.manifests or shape.layers or shape.config:
            raise MalformedDocument(f"{source}: claims to be a schema 1, and has later members too")
        return read_schema1(document.content, _served(document), source)
    if shape.schema_version != 2:
        raise MalformedDocument(f"{source}: schemaVersion is {shape.schema_version}, not 2")
    if media_type in _INDEX_TYPES:
        if shape.layers or shape.config or shape.fs_layers:
            raise MalformedDocument(f"{source}: claims to be an index, and has a manifest's members too")
        index = decoded(document.content, Index, source, KEYS)
        _bound(index.manifests, MAX_CHILDREN, "manifests", source)
        return msgspec.structs.replace(index, media_type=media_type)
    if shape.manifests or shape.fs_layers:
        raise MalformedDocument(f"{source}: claims to be a manifest, and has an index's or a schema 1's members too")
    manifest = decoded(document.content, Manifest, source, KEYS)
    _bound(manifest.layers, MAX_LAYERS, "layers", source)
    return msgspec.structs.replace(manifest, media_type=media_type)


def _served(document: Document) -> str:
    """Content-Type without its parameters, which distribution-spec 1.1 § Pulling manifests leaves without a meaning."""
    return document.media_type.partition(";")[0].strip().lower()


def _media_type(document: Document, shape: _Shape) -> str:
    served, stated = _served(document), shape.media_type or ""
    if stated and served in ACCEPT and stated != served:
        raise MalformedDocument(f"{document.source}: served as {served}, but says that it is {stated}")
    if shape.schema_version == 1 and not stated and served not in ACCEPT:
        return SCHEMA_1[0]
    for media_type in (stated, served):
        if media_type in ACCEPT:
            if (media_type in SCHEMA_1) != (shape.schema_version == 1):
                raise MalformedDocument(f"{document.source}: {media_type} of schemaVersion {shape.schema_version}")
            return media_type
    if stated:
        raise UnsupportedContent(f"{document.source} is no image: its media type is {stated[:200]}")
    if shape.manifests:
        return OCI_INDEX
    if shape.config and shape.layers:
        return OCI_MANIFEST
    raise UnsupportedContent(f"{document.source} is no image manifest or index (served as {served or 'no type'})")


def _bound(children: tuple[Descriptor, ...], most: int, kind: str, source: str) -> None:
    if len(children) > most:
        raise MalformedDocument(f"{source}: more than {most} {kind}")


def artifact(manifest: Manifest) -> str | None:
    """What this is if it is no container image, as a phrase: "a Helm chart (application/…)"; None for an image.

    Image-spec 1.1, manifest.md § Guidelines for Artifact Usage: artifactType, else the config's media type. Signatures
    and SBOMs made before 1.1 wear an image's config type and are known by their layers.
    """
    kind = manifest.artifact_type or manifest.config.media_type
    if manifest.artifact_type is None and manifest.config.media_type in _IMAGE_CONFIGS:
        disguised = {layer.media_type for layer in manifest.layers} & _KNOWN_ARTIFACTS.keys()
        if not disguised:
            return None
        kind = min(disguised)
    if kind == EMPTY_TYPE and manifest.layers:
        kind = manifest.layers[0].media_type
    return f"{artifact_name(kind) or 'an artifact'} ({kind[:200]})"


def artifact_name(kind: str) -> str | None:
    """What things of this artifact type or media type are called, "a Helm chart"; None where that is not known."""
    if kind.startswith("application/vnd.dev.sigstore.bundle"):  # of every version, in two notations
        return "a Sigstore bundle"
    return _KNOWN_ARTIFACTS.get(kind)
