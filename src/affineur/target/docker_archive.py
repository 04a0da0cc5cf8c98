"""What `docker load` and `podman load` read: a tar archive with manifest.json, configurations, and unpacked layers.

As docker's image specification v1.2 has it (moby, image/spec/v1.2.md § Combined Image JSON + Filesystem Changeset
Format), named as skopeo names them: `HEX.json`, and `HEX.tar` by diff ID. There are no manifests of a registry in it:
what is kept is the image ID, which is the digest of the configuration.
"""

import hashlib
import json
from collections.abc import Iterator
from threading import Lock

import msgspec

from affineur.errors import DigestMismatch, InvalidReference, LimitExceeded, UnsupportedContent
from affineur.oci.blob import Verification
from affineur.oci.config import read_config
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document
from affineur.oci.manifest import Index, Manifest, artifact, read_manifest
from affineur.oci.place import AnyReference, Place
from affineur.oci.reference import parse_reference
from affineur.streams.decompress import decompressed
from affineur.target.blobs import counted
from affineur.target.tar import NewArchive
from affineur.target.target import Content, Holds, Moved

__all__ = ["DockerArchiveTarget"]

CONFIG_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
"""Of what is kept as it is; all else is a layer."""


class _Image(msgspec.Struct):
    """One image of manifest.json: the members that it consists of, and the names that it is to have."""

    document: Document
    config: str
    layers: tuple[str, ...]
    tags: list[str] = []


class DockerArchiveTarget:
    """The images of one archive. See `Target` for the contract.

    It has its name after `finish` only. An archive that is there already is refused, as by skopeo. What `digest` and
    `manifest` tell is what was put by this one: the archive itself keeps no manifest, so nothing can be read back.
    """

    def __init__(self, reference: Place, archive: NewArchive) -> None:
        """Nothing is opened or made yet."""
        place = reference.name
        self.reference = reference
        self.holds = Holds(
            indexes=f"{place}: a docker archive holds images of one platform each: choose one (--platform)",
            referrers=f"{place}: a docker archive holds images, and nothing that belongs to them",
            manifests=f"{place}: a docker archive holds no manifests: the image ID stays the same, the digest does not",
        )
        self._archive = archive
        self._lock = Lock()
        self._configs: dict[Digest, bytes] = {}
        self._diff_ids: dict[Digest, Digest] = {}  # of layers, by their digests
        self._images: dict[Digest, _Image] = {}

    def digest(self, which: str | None = None) -> Digest | None:
        """See `Target`. Raises SourceError: the archive is there already."""
        self._refuse_existing()
        with self._lock:
            if which and which.startswith(("sha256:", "sha512:")):
                return Digest(which) if which in self._images else None
            if not which and self.reference.tag is None:
                return next((digest for digest, image in self._images.items() if not image.tags), None)
            name = self._full_name(which or None)
            return next((digest for digest, image in self._images.items() if name in image.tags), None)

    def manifest(self, digest: Digest) -> Document | None:
        """See `Target`."""
        self._refuse_existing()
        digest.hasher()  # what cannot be verified is not looked for
        image = self._images.get(digest)
        return image.document if image is not None else None

    def has_blob(self, descriptor: Descriptor) -> bool:
        """See `Target`. A layer is there when what it unpacks to is."""
        self._refuse_existing()
        Verification(descriptor)
        return descriptor.digest in self._diff_ids or descriptor.digest in self._configs

    def mount(self, descriptor: Descriptor, origin: AnyReference) -> bool:
        """See `Target`: an archive shares nothing with others."""
        return False

    def put_blob(self, descriptor: Descriptor, content: Content, moved: Moved) -> int:
        """See `Target`. A layer is unpacked on its way, under the limits of `streams.decompress`.

        One is written after another: a further thread waits until the archive is free. Nothing is gone on with.
        """
        self._refuse_existing()
        chunks = counted(content, Verification(descriptor), moved)
        if self.has_blob(descriptor):
            return 0
        if descriptor.media_type in CONFIG_TYPES:
            self._configs[descriptor.digest] = _whole(chunks, descriptor)
            return 0
        if descriptor.media_type.endswith("+encrypted"):
            raise UnsupportedContent(
                f"layer {descriptor.digest} is encrypted, and a docker archive holds unpacked ones"
            )
        hasher = hashlib.sha256()

        def unpacked() -> Iterator[bytes]:
            for piece in decompressed(chunks, f"layer {descriptor.digest}")[1]:
                hasher.update(piece)
                yield piece

        self._archive.add_unnamed(unpacked(), lambda: f"{hasher.hexdigest()}.tar")
        self._diff_ids[descriptor.digest] = Digest(f"sha256:{hasher.hexdigest()}")
        return 0

    def put_manifest(self, document: Document) -> None:
        """See `Target`.

        Raises:
            UnsupportedContent: it is no image for one platform.
            DigestMismatch: a layer does not unpack to what the configuration says.
        """
        self._refuse_existing()
        read = read_manifest(document)
        if isinstance(read, Index):
            raise UnsupportedContent(self.holds.indexes)
        if not isinstance(read, Manifest):
            raise UnsupportedContent(
                f"{document.source}: has no configuration, which an image in a docker archive needs"
            )
        if what := artifact(read):
            raise UnsupportedContent(f"{document.source}: is {what}, and a docker archive holds images")
        config = self._configs.get(read.config.digest)
        if config is None:
            raise UnsupportedContent(
                f"{document.source}: its configuration is not of an image ({read.config.media_type})"
            )
        diff_ids = read_config(config, f"{document.source}: configuration").diff_ids
        if len(diff_ids) != len(read.layers):
            raise UnsupportedContent(
                f"{document.source}: has {len(read.layers)} layers, and its configuration names {len(diff_ids)}"
            )
        for layer, diff_id in zip(read.layers, diff_ids, strict=True):
            self._check(layer.digest, diff_id, document.source)
        name = f"{Digest.of(config).encoded}.json"
        self._archive.add(name, [config])
        with self._lock:
            layers = tuple(f"{diff_id.encoded}.tar" for diff_id in diff_ids)
            self._images.setdefault(document.digest, _Image(document, name, layers))

    def put_tag(self, document: Document, tag: str | None = None) -> None:
        """See `Target`.

        Args:
            tag: a tag, or a whole reference of docker's kind.
        """
        self._refuse_existing()
        if tag is None and self.reference.tag is None:
            return
        name = self._full_name(tag)
        with self._lock:
            for image in self._images.values():
                if name in image.tags:
                    image.tags.remove(name)
            self._images[document.digest].tags.append(name)

    def finish(self) -> None:
        """See `Target`."""
        if not self._images:
            self._archive.abandon()
        elif self._archive.begun:
            items = [
                {"Config": image.config, "RepoTags": image.tags, "Layers": image.layers}
                for image in self._images.values()
            ]
            self._archive.add("manifest.json", [json.dumps(items, separators=(",", ":")).encode()])
            self._archive.finish()

    def abandon(self) -> None:
        """See `Target`: nothing is left of it."""
        self._archive.abandon()

    def _check(self, layer: Digest, diff_id: Digest, source: str) -> None:
        if diff_id.algorithm != "sha256":
            raise UnsupportedContent(
                f"{source}: a layer's diff ID is by {diff_id.algorithm}; docker knows sha256 alone"
            )
        found = self._diff_ids.get(layer)
        if found is None:
            raise UnsupportedContent(
                f"{source}: its layer {layer} is elsewhere, and a docker archive needs all of them"
            )
        if found != diff_id:
            raise DigestMismatch(f"{source}: layer {layer}, unpacked", diff_id, found)

    def _full_name(self, tag: str | None) -> str:
        """The name that an image is to have, in full, as skopeo and podman write it. Raises InvalidReference."""
        own = self.reference.tag
        if tag is None:
            return own or ""
        if "/" in tag or ":" in tag:
            return str(parse_reference(tag))
        if own is None:
            raise InvalidReference(
                f"{self.reference}: {tag!r} is a tag of what? write {self.reference.name}:NAME:{tag}"
            )
        return str(parse_reference(f"{parse_reference(own).name}:{tag}"))

    def _refuse_existing(self) -> None:
        if not self._archive.begun and not self._archive.finished and self._archive.exists():
            raise self._archive.refusal()


def _whole(chunks: Iterator[bytes], descriptor: Descriptor) -> bytes:
    parts, received = [], 0
    for chunk in chunks:
        received += len(chunk)
        if received > MAX_DOCUMENT_BYTES:
            raise LimitExceeded(f"configuration {descriptor.digest} has more than {MAX_DOCUMENT_BYTES} bytes")
        parts.append(chunk)
    return b"".join(parts)
