"""What `docker save` writes: a tar archive with manifest.json, configurations, and layers as they are unpacked.

Such an archive has no manifest of a registry, so one of schema 2 is made, byte for byte as containers/image makes it
(docker/internal/tarfile): layers are named by their diff IDs and have their unpacked sizes, which makes the digest the
same as skopeo's. An archive of docker 25 or later holds an OCI layout besides, which `oci-archive:` reads.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from threading import Lock

import msgspec

from affineur.errors import InvalidReference, MalformedDocument, NotFound
from affineur.oci.blob import Verification, rest, verified
from affineur.oci.config import read_config
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document, decoded, spellings
from affineur.oci.manifest import DOCKER_MANIFEST, MAX_CHILDREN
from affineur.oci.place import Place
from affineur.oci.reference import parse_reference
from affineur.source.files import Missing, content
from affineur.source.listing import listed
from affineur.source.members import Members
from affineur.source.referrers import NO_REFERRERS, Referrers
from affineur.streams.decompress import compression_of, decompressed

__all__ = ["DockerArchiveSource"]

IMAGES_MAX = 10_000
"""Images of one archive."""
TAGS_MAX = 100_000
"""Their tags together."""
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
"""What containers/image writes for every layer, though they are not compressed; content decides (`streams`)."""

_KEYS = spellings("Config", "RepoTags", "Layers")


class _Item(msgspec.Struct, rename="pascal"):
    """One image of manifest.json: names of members, and tags."""

    config: str
    repo_tags: tuple[str, ...] | None = None
    layers: tuple[str, ...] | None = None


class _Opened(msgspec.Struct, frozen=True):
    """One image: the manifest made for it, its config, and the member of each layer by diff ID."""

    document: Document
    config: bytes
    members: dict[Digest, str]


class DockerArchiveSource:
    """The images of one archive. See `Source` for the contract."""

    hosts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rate_limit: str | None = None

    def __init__(self, reference: Place, files: Members) -> None:
        """Nothing is opened yet."""
        self.reference = reference
        self._files = files
        self._lock = Lock()
        self._opened: dict[int, _Opened] = {}

    def manifest(self, which: str | None = None) -> Document:
        """See `Source`. By digest only the image that the reference names is found: other manifests are not made."""
        wanted = self.reference.which if which is None else which
        if not wanted.startswith(("sha256:", "sha512:")):
            return self._image(self._chosen(wanted)).document
        document = self._image(self._chosen(self.reference.which)).document
        if not Digest(wanted).matches(document.content):
            raise NotFound(f"{self.reference}: no manifest {wanted}; the one made for this image is {document.digest}")
        return msgspec.structs.replace(document, digest=Digest(wanted))

    def blob(self, descriptor: Descriptor, begun: Verification | None = None) -> Iterator[bytes]:
        """See `Source`."""
        embedded = descriptor.embedded()
        if embedded is not None:
            yield from rest((embedded,), begun)
            return
        digest = descriptor.digest
        verification = begun or Verification(descriptor)  # what cannot be verified is not looked for
        image = self._image(self._chosen(self.reference.which))
        what = f"{self.reference.name}: blob {digest}"
        member = image.members.get(digest)
        if member is not None:
            yield from verified(rest(self._unpacked(member), verification), verification, what)
        elif digest.matches(image.config):
            yield from verified(rest((image.config,), verification), verification, what)
        else:
            raise NotFound(f"{what} belongs to no layer of {self.reference}")

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> Referrers:
        """See `Source`: such a place has one image, or several, and nothing that speaks of them."""
        return NO_REFERRERS

    def tags(self) -> Iterator[str]:
        """See `Source`: RepoTags as they are written, of all images in the archive's order."""
        yield from dict.fromkeys(tag for item in self._listed() for tag in item.repo_tags or ())

    def _listed(self) -> tuple[_Item, ...]:
        with self._lock:
            return self._items

    @cached_property
    def _items(self) -> tuple[_Item, ...]:
        try:
            found = content(self._files, "manifest.json", MAX_DOCUMENT_BYTES)
        except Missing as problem:
            raise NotFound(
                f"{self.reference.name} was not written by docker save: it has no manifest.json{self._instead()}"
            ) from problem
        items = decoded(found, tuple[_Item, ...], f"{self.reference.name}: manifest.json", _KEYS)
        tags = sum(len(item.repo_tags or ()) for item in items)
        if len(items) > IMAGES_MAX or tags > TAGS_MAX:
            raise MalformedDocument(f"{self.reference.name}: more than {IMAGES_MAX} images, or {TAGS_MAX} tags")
        return items

    def _instead(self) -> str:
        """What the archive may be instead, as the end of a sentence."""
        for name, said in (
            ("index.json", f", but an index.json; write oci-archive:{self.reference.path}"),
            ("repositories", ", but `repositories`: docker before 1.10 wrote it; load and save it with a newer one"),
        ):
            try:
                self._files.size(name)
            except NotFound:
                continue
            return said
        return ""

    def _chosen(self, wanted: str) -> int:
        """The position of an image in manifest.json."""
        place, there = self.reference.name, self._listed()
        if wanted.startswith("@"):
            position = int(wanted[1:])
            if position >= len(there):
                raise NotFound(f"{place}: no image {wanted}; manifest.json lists {len(there)}, from @0")
            return position
        if wanted:
            name = _expanded(wanted)
            for position, item in enumerate(there):
                if any(_expanded(tag) == name for tag in item.repo_tags or ()):
                    return position
            raise NotFound(f"{place}: no image is tagged {wanted}; there is: {listed(self.tags())}")
        if len(there) != 1:
            raise NotFound(
                f"{place} holds {len(there)} images: name one, as {place}:TAG, or {place}:@0 for the first;"
                f" there is: {listed(self.tags())}"
            )
        return 0

    def _image(self, position: int) -> _Opened:
        item = self._listed()[position]
        with self._lock:
            if position not in self._opened:
                self._opened[position] = self._made(item)
            return self._opened[position]

    def _made(self, item: _Item) -> _Opened:
        place = self.reference.name
        config = self._member(item.config)
        diff_ids = read_config(config, f"{place}: {item.config[:200]}").diff_ids
        layers = item.layers or ()
        if len(layers) > MAX_CHILDREN:
            raise MalformedDocument(f"{place}: an image of more than {MAX_CHILDREN} layers")
        if len(layers) != len(diff_ids):
            raise MalformedDocument(f"{place}: manifest.json has {len(layers)} layers, its config {len(diff_ids)}")
        members: dict[Digest, str] = {}
        for diff_id, layer in zip(diff_ids, layers, strict=True):
            members.setdefault(diff_id, layer)  # docker may write one layer twice: the second is a link to the first
        sizes = {diff_id: self._size(layer) for diff_id, layer in members.items()}
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {"mediaType": CONFIG_TYPE, "size": len(config), "digest": Digest.of(config)},
            "layers": [{"mediaType": LAYER_TYPE, "size": sizes[each], "digest": each} for each in diff_ids],
        }
        written = json.dumps(manifest, separators=(",", ":")).encode()
        source = f"{place}: manifest made of manifest.json and {item.config[:200]}"
        return _Opened(Document(written, DOCKER_MANIFEST, Digest.of(written), source), config, members)

    def _member(self, name: str) -> bytes:
        try:
            return content(self._files, name, MAX_DOCUMENT_BYTES)
        except Missing as problem:
            raise MalformedDocument(
                f"{self.reference.name}: manifest.json names {name[:200]!r}: {problem}"
            ) from problem

    def _size(self, name: str) -> int:
        """Bytes of a layer when unpacked; where it is compressed, as some tools do, it has to be read for that."""
        try:
            size = self._files.size(name)
            start = self._files.start(name)
        except Missing as problem:
            raise MalformedDocument(
                f"{self.reference.name}: manifest.json names {name[:200]!r}: {problem}"
            ) from problem
        if compression_of(start) == "plain":
            return size
        return sum(len(chunk) for chunk in self._unpacked(name))

    def _unpacked(self, name: str) -> Iterator[bytes]:
        return decompressed(self._files.chunks(name), f"{self.reference.name}: {name[:200]}")[1]


def _expanded(tag: str) -> str:
    """A tag in full, as docker reads it; one that is none stands for itself, and is found by nobody else's name."""
    try:
        return str(parse_reference(tag))
    except InvalidReference:
        return tag
