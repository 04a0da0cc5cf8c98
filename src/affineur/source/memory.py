"""Images held in memory: for tests, and as the second implementation that keeps `Source` honest."""

from collections.abc import Iterator

from affineur.errors import NotFound
from affineur.oci.blob import Verification, rest, verified
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.place import AnyReference
from affineur.oci.schema1 import content_digest
from affineur.source.referrers import Referrers, of_subject

__all__ = ["MemorySource"]

CHUNK_BYTES = 64 * 1024


class MemorySource:
    """A repository made of dictionaries."""

    warnings: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    rate_limit: str | None = None

    def __init__(self, reference: AnyReference) -> None:
        self.reference = reference
        self._manifests: dict[str, Document] = {}
        self._tags: dict[str, Digest] = {}
        self._blobs: dict[str, bytes] = {}

    def add_blob(self, content: bytes, known_as: Digest | None = None) -> Digest:
        """Keep a blob. Args: known_as: a digest that is not its own, as in a place that is not to be trusted."""
        digest = known_as or Digest.of(content)
        self._blobs[digest] = content
        return digest

    def add_manifest(self, content: bytes, media_type: str, tag: str | None = None) -> Digest:
        """Keep a manifest or index, under a tag as well if there is one."""
        digest = content_digest(content, "memory")
        self._manifests[digest] = Document(content, media_type, digest, f"memory:{digest}")
        if tag is not None:
            self._tags[tag] = digest
        return digest

    def manifest(self, which: str | None = None) -> Document:
        """See `Source`."""
        name = which or self.reference.which
        found = self._manifests.get(self._tags.get(name, name))
        if found is None:
            raise NotFound(f"{self.reference.name}: no manifest {name}")
        return found

    def blob(self, descriptor: Descriptor, begun: Verification | None = None) -> Iterator[bytes]:
        """See `Source`."""
        content = descriptor.embedded()
        if content is None:
            descriptor.digest.hasher()  # what cannot be verified is not looked for
            content = self._blobs.get(descriptor.digest)
        if content is None:
            raise NotFound(f"{self.reference.name}: no blob {descriptor.digest}")
        parts = (content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES))
        verification = begun or Verification(descriptor)
        yield from verified(rest(parts, verification), verification, f"memory:{descriptor.digest}")

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> Referrers:
        """See `Source`."""
        every = [Descriptor(each.media_type, each.digest, len(each.content)) for each in self._manifests.values()]
        return of_subject(self, digest, every, artifact_type, "memory", open_all=True, most=len(every))

    def tags(self) -> Iterator[str]:
        """See `Source`."""
        if not self._tags:
            raise NotFound(f"{self.reference.name}: no such repository")
        yield from sorted(self._tags)
