"""One image of any source: what the name points at, the manifest of the platform asked for, and its configuration."""

import msgspec

from affineur.errors import MalformedDocument, NotFound, SizeMismatch, UnsupportedContent
from affineur.oci.config import Config, read_config
from affineur.oci.descriptor import UNKNOWN_SIZE, Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document
from affineur.oci.manifest import Index, Manifest, Schema1, artifact, artifact_name, read_manifest
from affineur.oci.place import AnyReference
from affineur.oci.platform import Platform, default_platform, preference
from affineur.source.source import Source

__all__ = ["Child", "Image", "choose", "open_image", "read_child", "read_children"]

BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
MAX_NESTED_INDEXES = 4
_LAYERS = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.docker.container.image.rootfs.",
)
"""Types of layers begin so; what begins otherwise may be a layer of days to come, or an artifact made before 1.1."""


class Child(msgspec.Struct, frozen=True):
    """One manifest of an index.

    Attributes:
        attests: for an attestation: the digest of the child that it speaks of (BuildKit's annotation).
    """

    descriptor: Descriptor
    platform: Platform | None
    attests: str | None = None

    @property
    def is_image(self) -> bool:
        """Whether this may be an image at all: not an attestation, nor of an unknown platform."""
        return self.attests is None and not (self.platform is not None and self.platform.is_unknown)


class Image(msgspec.Struct, frozen=True):
    """An image, opened: everything but its layers' content.

    Attributes:
        document: what the reference names: the index, or the manifest itself. Its digest is the tag's.
        children: of the index; empty for a plain manifest.
        manifest_document: the chosen platform's manifest; the same as `document` without an index.
        manifest: a schema 1 where the image is still described by one: then there are no `config_bytes`, no `diff_ids`,
            and no sizes.
        config_bytes: verified against the manifest; `config` is their meaning.
        platform: what the config says, not what the index claims.
        layers: base first, compressed; `diff_ids` are their uncompressed digests, as many.
    """

    reference: AnyReference
    document: Document
    children: tuple[Child, ...]
    manifest_document: Document
    manifest: Manifest | Schema1
    config: Config
    config_bytes: bytes
    index: Index | None = None

    @property
    def digest(self) -> Digest:
        """What the name points at."""
        return self.document.digest

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Base first."""
        return self.manifest.layers

    @property
    def diff_ids(self) -> tuple[Digest, ...]:
        """Base first; of uncompressed content."""
        return self.config.diff_ids

    @property
    def size(self) -> int | None:
        """Compressed bytes of all layers, as promised by the manifest; None where it promises none."""
        sizes = [layer.size for layer in self.layers]
        return None if UNKNOWN_SIZE in sizes else sum(sizes)

    @property
    def created(self) -> str | None:
        """Verbatim from the config."""
        return self.config.created

    @property
    def platform(self) -> Platform:
        """As the config says."""
        old = self.manifest if isinstance(self.manifest, Schema1) else None
        return Platform(
            os=self.config.os or ("linux" if old else "unknown"),  # as docker took it, before there was another
            architecture=self.config.architecture or (old.architecture if old else "") or "unknown",
            variant=self.config.variant or None,
            os_version=self.config.os_version or None,
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the way in which the image is described says of it, for people."""
        if not isinstance(self.manifest, Schema1):
            return ()
        age = (
            "it is described by Docker's schema 1, which docker has not written by default since 2016: expect content"
            " as old, and push it again with a current tool"
        )
        signed = "the signatures in its manifest are not verified: nobody vouches for the keys of schema 1"
        return (age, signed) if self.manifest.signed else (age,)

    @property
    def base_name(self) -> str | None:
        """The base image's name, only claimed: from manifest, descriptor in the index, index or labels."""
        return self._claimed(BASE_NAME)

    @property
    def base_digest(self) -> str | None:
        """The base image's digest, only claimed."""
        return self._claimed(BASE_DIGEST)

    def _claimed(self, key: str) -> str | None:
        chosen = (
            c.descriptor.annotations for c in self.children if c.descriptor.digest == self.manifest_document.digest
        )
        index = self.index.annotations if self.index is not None else None
        places = [self.manifest.annotations, *chosen, index, self.config.labels]
        return next((place[key] for place in places if place and place.get(key)), None)


def open_image(source: Source, platform: Platform | None = None, document: Document | None = None) -> Image:
    """Read index, manifest and config: one request each.

    Args:
        platform: which child of an index; None for Linux on this machine's architecture. An image without an index is
            opened whatever its platform, as skopeo and podman do.
        document: what `source.manifest()` gave, where it has been asked already.

    Raises:
        NotFound: no such thing, or no such platform; names the platforms there are.
        UnsupportedContent: an artifact, or no manifest at all; names what it is.
        MalformedDocument, DigestMismatch, SizeMismatch: not what was promised.
    """
    document = document or source.manifest()
    parsed = read_manifest(document)
    index: Index | None = None
    children: tuple[Child, ...] = ()
    manifest_document = document
    if isinstance(parsed, Index):
        index, children = parsed, read_children(parsed)
        manifest_document, parsed = _descend(source, parsed, platform or default_platform())
    manifest, config, content = _opened(source, parsed, str(source.reference))
    return Image(source.reference, document, children, manifest_document, manifest, config, content, index)


def read_child(source: Source, promise: Descriptor) -> tuple[Manifest | Schema1, Config]:
    """Manifest and config of one image of an index. Raises as `open_image`, also for an index within the index."""
    parsed = read_manifest(_promised(source, promise))
    if isinstance(parsed, Index):
        raise UnsupportedContent("it is an index within an index")
    manifest, config, _ = _opened(source, parsed, f"{source.reference.name}@{promise.digest}")
    return manifest, config


def read_children(index: Index) -> tuple[Child, ...]:
    """The index's manifests in its own order, attestations told apart from images."""
    return tuple(
        Child(
            descriptor,
            descriptor.platform,
            (descriptor.annotations or {}).get("vnd.docker.reference.digest"),
        )
        for descriptor in index.manifests
    )


def choose(children: tuple[Child, ...], wanted: Platform, name: str) -> Child:
    """The child that serves a platform best; the first of equals. Raises NotFound, naming the platforms there are."""
    ranked = [
        (rank, position)
        for position, child in enumerate(children)
        if child.is_image and child.platform and (rank := preference(wanted, child.platform)) is not None
    ]
    if ranked:
        return children[min(ranked)[1]]
    images = [child for child in children if child.is_image]
    if len(images) == 1 and images[0].platform is None:
        return images[0]
    there = ", ".join(sorted({str(child.platform) for child in images if child.platform})) or "none that is named"
    raise NotFound(f"{name}: no image for {wanted}; there is: {there}")


def _opened(source: Source, parsed: Manifest | Schema1, name: str) -> tuple[Manifest | Schema1, Config, bytes]:
    """The manifest if it is one of an image, its config and that config's bytes."""
    if isinstance(parsed, Schema1):
        return parsed, parsed.configuration, b""
    if named := artifact(parsed):
        raise UnsupportedContent(f"{name} is no container image but {named}")
    content = _config(source, parsed.config)
    config = read_config(content, f"{source.reference.name}@{parsed.config.digest}")
    other = [layer.media_type for layer in parsed.layers if not layer.media_type.startswith(_LAYERS)]
    if other and not config.diff_ids:
        raise UnsupportedContent(f"{name} is no container image but an artifact ({other[0][:200]})")
    if len(config.diff_ids) != len(parsed.layers):
        raise MalformedDocument(
            f"{name}: the manifest has {len(parsed.layers)} layers, its config {len(config.diff_ids)}"
        )
    return parsed, config, content


def _descend(source: Source, index: Index, wanted: Platform) -> tuple[Document, Manifest | Schema1]:
    for _ in range(MAX_NESTED_INDEXES):
        children = read_children(index)
        if index.artifact_type and not any(child.is_image and child.platform for child in children):
            kind = f"{artifact_name(index.artifact_type) or 'an artifact'} ({index.artifact_type[:200]})"
            raise UnsupportedContent(f"{source.reference} is no container image but an index of {kind}")
        child = choose(children, wanted, str(source.reference)).descriptor
        document = _promised(source, child)
        parsed = read_manifest(document)
        if not isinstance(parsed, Index):
            return document, parsed
        index = parsed
    raise MalformedDocument(f"{source.reference}: indexes nested deeper than {MAX_NESTED_INDEXES}")


def _promised(source: Source, promise: Descriptor) -> Document:
    """A child of an index: asked for, unless the index carries it (image-spec 1.1, descriptor.md § Properties)."""
    embedded = promise.embedded()
    if embedded is not None:
        return Document(embedded, promise.media_type, promise.digest, f"{source.reference.name}@{promise.digest}")
    document = source.manifest(promise.digest)
    if len(document.content) != promise.size:
        raise SizeMismatch(document.source, promise.size, len(document.content))
    return document


def _config(source: Source, promise: Descriptor) -> bytes:
    if promise.size > MAX_DOCUMENT_BYTES:
        raise MalformedDocument(f"{source.reference}: a config of {promise.size} bytes is said to exist")
    return b"".join(source.blob(promise))
