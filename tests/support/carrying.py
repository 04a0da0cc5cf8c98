"""An image in memory, and its way into a target: what `move/copy` does, without all that makes it quick and careful."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from affineur.oci.blob import Verification
from affineur.oci.descriptor import Descriptor
from affineur.oci.document import Document
from affineur.oci.manifest import OCI_INDEX, OCI_MANIFEST, Index, Manifest, read_manifest
from affineur.oci.reference import parse_reference
from affineur.source.memory import MemorySource
from affineur.source.source import Source
from affineur.target.target import Content, Target
from support.registry import DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, Compression, layer, tar_of

__all__ = [
    "TAR",
    "blobs_of",
    "broken",
    "carry",
    "content_of",
    "memory",
    "nothing",
    "push",
    "push_index",
    "push_referrer",
]

TAR = tar_of({"etc/os-release": b"ID=debian\n", "big": bytes(range(256)) * 4_000})


def nothing(_: int) -> None:
    """Is told of progress."""


def memory() -> MemorySource:
    """An empty repository; `push` fills it."""
    return MemorySource(parse_reference("registry.example/team/app:1"))


def push(
    source: MemorySource,
    tag: str | None = "1",
    *tars: bytes,
    docker: bool = False,
    compression: Compression = "gzip",
    annotations: Mapping[str, str] | None = None,
    **config: Any,
) -> Document:
    """Keep an image of these layers, base first, or of one. Args: config: members that go over the defaults."""
    layers = [layer(tar, compression) for tar in tars or (TAR,)]
    rootfs = {"type": "layers", "diff_ids": [each.diff_id for each in layers]}
    settings = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs, **config}
    written = json.dumps(settings).encode()
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": described(source, written, DOCKER_CONFIG if docker else OCI_CONFIG),
        "layers": [described(source, each.content, each.media_type(docker)) for each in layers],
        **({"annotations": dict(annotations)} if annotations else {}),
    }
    return source.manifest(source.add_manifest(json.dumps(manifest).encode(), media_type, tag))


def push_index(source: MemorySource, tag: str | None, *children: Document, **members: Any) -> Document:
    """Keep an index of manifests that are kept already. Args: members: further ones of the index."""
    listed = [
        {"mediaType": each.media_type, "digest": str(each.digest), "size": len(each.content)} for each in children
    ]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed, **members}
    return source.manifest(source.add_manifest(json.dumps(index).encode(), OCI_INDEX, tag))


def push_referrer(source: MemorySource, subject: Document, content: bytes = b"an SBOM", **members: Any) -> Document:
    """Keep an artifact that refers to a manifest. Args: members: further ones of its manifest."""
    referred = {"mediaType": subject.media_type, "digest": str(subject.digest), "size": len(subject.content)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.sbom",
        "config": described(source, b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [described(source, content, "text/plain")],
        "subject": referred,
        **members,
    }
    return source.manifest(source.add_manifest(json.dumps(manifest).encode(), OCI_MANIFEST))


def described(source: MemorySource, content: bytes, media_type: str) -> dict[str, Any]:
    """Keep a blob, and describe it."""
    return {"mediaType": media_type, "digest": str(source.add_blob(content)), "size": len(content)}


def blobs_of(document: Document) -> list[Descriptor]:
    """Config and layers of a manifest."""
    manifest = read_manifest(document)
    return [manifest.config, *manifest.layers] if isinstance(manifest, Manifest) else []


def content_of(source: Source, descriptor: Descriptor) -> Content:
    """What `Target.put_blob` wants."""
    return lambda begun: source.blob(descriptor, begun)


def carry(
    source: Source, target: Target, document: Document, tag: str | None = None, put: Callable[..., int] | None = None
) -> None:
    """Blobs, children, the manifest, and its tag last; `finish` is left to the caller.

    Args:
        put: is called in place of `target.put_blob`.
    """
    for manifest in _below(source, document):
        for blob in blobs_of(manifest):
            if not target.has_blob(blob):
                (put or target.put_blob)(blob, content_of(source, blob), nothing)
        target.put_manifest(manifest)
    target.put_tag(document, tag)


def _below(source: Source, document: Document) -> Iterator[Document]:
    """Children before their parents."""
    read = read_manifest(document)
    for child in read.manifests if isinstance(read, Index) else ():
        yield from _below(source, source.manifest(child.digest))
    yield document


def broken(source: Source, descriptor: Descriptor, after: int, problem: Exception) -> Content:
    """A transfer that ends so many bytes after its start, wherever that was."""

    def content(begun: Verification) -> Iterator[bytes]:
        left = after
        for chunk in source.blob(descriptor, begun):
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                raise problem

    return content
