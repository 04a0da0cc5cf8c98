"""An OCI image layout, in a folder or in a tar archive. OCI image-spec 1.1, image-layout.md."""

import re
from collections.abc import Iterator
from functools import cached_property
from threading import Lock

import msgspec

from affineur.errors import DigestMismatch, Error, NotFound, SizeMismatch, UnsupportedContent
from affineur.evidence import Unassessed
from affineur.oci.blob import Verification, rest, verified
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document, decoded, spellings
from affineur.oci.manifest import MAX_CHILDREN
from affineur.oci.place import Place
from affineur.source.files import Files, Missing, content
from affineur.source.listing import listed
from affineur.source.referrers import MAX_OPENED_HERE, Referrers, by_tag, fallback_tag, of_subject

__all__ = ["LayoutSource"]

REF_NAME = "org.opencontainers.image.ref.name"
VERSION = "1.0.0"
MAX_MARKER_BYTES = 4096
"""The file `oci-layout`; 30 bytes are usual."""

_KEYS = spellings("imageLayoutVersion", "manifests", "mediaType", "digest", "size", "annotations", "data", "platform")

# The referrers tag (distribution-spec 1.1 § Referrers Tag Schema), and cosign's with .sig, .att or .sbom behind it.
_OF_A_DIGEST = re.compile(r"sha(?:256|512)-[0-9a-f]{64}(?:\.[a-z]+)?$")


class _Marker(msgspec.Struct, rename="camel"):
    image_layout_version: str


class _Index(msgspec.Struct):
    manifests: tuple[Descriptor, ...] = ()


class LayoutSource:
    """The images of one layout. See `Source` for the contract."""

    hosts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rate_limit: str | None = None

    def __init__(self, reference: Place, files: Files) -> None:
        """Nothing is opened yet."""
        self.reference = reference
        self._files = files
        self._lock = Lock()

    def manifest(self, which: str | None = None) -> Document:
        """See `Source`. Any manifest in `blobs` is found by its digest, listed in index.json or not."""
        wanted = self.reference.which if which is None else which
        if wanted[:1].isalnum() and ":" in wanted and (found := _digest(wanted)) is not None:
            listed_as = next((each for each in self._listed() if each.digest == found), None)
            return self._document(found, listed_as)
        chosen = self._chosen(wanted)
        return self._document(chosen.digest, chosen)

    def blob(self, descriptor: Descriptor, begun: Verification | None = None) -> Iterator[bytes]:
        """See `Source`."""
        embedded = descriptor.embedded()
        if embedded is not None:
            yield from rest((embedded,), begun)
            return
        verification = begun or Verification(descriptor)  # what cannot be verified is not looked for
        name = _path(descriptor.digest)
        what = f"{self.reference.name}: blob {descriptor.digest}"
        try:
            size = self._files.size(name)
        except Missing as problem:
            raise NotFound(f"{what} is not in the layout") from problem
        if size != descriptor.size:
            raise SizeMismatch(what, descriptor.size, size)
        yield from verified(rest(self._files.chunks(name), verification), verification, what)

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> Referrers:
        """See `Source`: entries of index.json that name the subject, and those of the index at its referrers tag."""
        try:
            listed, tag = self._listed(), fallback_tag(digest)
        except Error as problem:
            return Referrers(by="layout", problems=(Unassessed(f"what refers to {digest}", str(problem)),))
        named = by_tag(self, digest, artifact_type) if any(_name(each) == tag for each in listed) else Referrers()
        told = of_subject(self, digest, listed, artifact_type, "layout", open_all=True, most=MAX_OPENED_HERE)
        every = {each.digest: each for each in (*named.found, *told.found)}
        return Referrers(tuple(every.values()), "layout", named.others, (*named.problems, *told.problems))

    def tags(self) -> Iterator[str]:
        """See `Source`: the names in index.json, each once."""
        yield from dict.fromkeys(name for each in self._listed() if (name := _name(each)))

    def _listed(self) -> tuple[Descriptor, ...]:
        with self._lock:
            return self._manifests

    @cached_property
    def _manifests(self) -> tuple[Descriptor, ...]:
        place = self.reference.name
        marker = decoded(self._part("oci-layout", MAX_MARKER_BYTES), _Marker, f"{place}: oci-layout", _KEYS)
        if marker.image_layout_version != VERSION:
            raise UnsupportedContent(
                f"{place} is a layout of version {marker.image_layout_version[:40]!r}; only {VERSION} is read"
            )
        found = decoded(self._part("index.json", MAX_DOCUMENT_BYTES), _Index, f"{place}: index.json", _KEYS)
        if len(found.manifests) > MAX_CHILDREN:
            raise UnsupportedContent(f"{place}: index.json lists more than {MAX_CHILDREN} images")
        return found.manifests

    def _part(self, name: str, limit: int) -> bytes:
        try:
            return content(self._files, name, limit)
        except Missing as problem:
            raise NotFound(f"{self.reference.name} is no OCI layout: it has no {name}{self._instead()}") from problem

    def _instead(self) -> str:
        """What the place may be instead, as the end of a sentence."""
        try:
            self._files.size("manifest.json")
        except NotFound:
            return ""
        other = "docker-archive" if self.reference.transport == "oci-archive" else "dir"
        return f", but a manifest.json; write {other}:{self.reference.path}"

    def _chosen(self, wanted: str) -> Descriptor:
        place, there = self.reference.name, self._listed()
        if wanted.startswith("@"):
            position = int(wanted[1:])
            if position >= len(there):
                raise NotFound(f"{place}: no image {wanted}; index.json lists {len(there)}, from @0")
            return there[position]
        if wanted:
            found = [each for each in there if _name(each) == wanted]
            if not found:
                raise NotFound(f"{place}: no image is named {wanted}; there is: {listed(self.tags())}")
            return found[0]
        if not there:
            raise NotFound(f"{place}: its index.json lists no image")
        images = [each for each in there if not _beside(each)] or there
        if len({each.digest for each in images}) == 1:
            return images[0]
        raise NotFound(
            f"{place} holds {len(images)} images: name one, as {place}:NAME, or {place}:@0 for the first;"
            f" there is: {listed(self.tags())}"
        )

    def _document(self, digest: Digest, promise: Descriptor | None) -> Document:
        digest.hasher()  # what cannot be verified is not looked for
        name = _path(digest)
        what = f"{self.reference.name}: {name}"
        found = promise.embedded() if promise is not None else None
        if found is None:
            try:
                found = content(self._files, name, MAX_DOCUMENT_BYTES)
            except Missing as problem:
                raise NotFound(f"{self.reference.name}: no manifest {digest}") from problem
        if promise is not None and len(found) != promise.size:
            raise SizeMismatch(what, promise.size, len(found))
        if not digest.matches(found):
            raise DigestMismatch(what, digest, Digest.of(found, digest.algorithm))
        return Document(found, promise.media_type if promise is not None else "", digest, what)


def _digest(text: str) -> Digest | None:
    """A digest by an algorithm that can be verified; names in a layout may look like others."""
    return Digest(text) if text.startswith(("sha256:", "sha512:")) else None


def _name(descriptor: Descriptor) -> str:
    return (descriptor.annotations or {}).get(REF_NAME, "")


def _beside(descriptor: Descriptor) -> bool:
    """Whether an entry is what belongs to an image: a referrer, or what has a name made of the image's digest."""
    return bool(descriptor.artifact_type) or _OF_A_DIGEST.match(_name(descriptor)) is not None


def _path(digest: Digest) -> str:
    """Where a blob lies (image-layout.md § Blobs); neither part of a digest can hold a slash or be `..`."""
    return f"blobs/{digest.algorithm}/{digest.encoded}"
