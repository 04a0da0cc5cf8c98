"""A folder of `skopeo copy … dir:`: one image, its manifest and blobs side by side, named by their digests' hex digits.

The format is containers/image's own and stands nowhere else: `manifest.json` is what was copied, `HEX.manifest.json`
are the children of an index, `HEX` are configs and layers; `version` and `signature-N` are not read.
"""

from collections.abc import Iterator

from affineur.errors import DigestMismatch, NotFound, SizeMismatch
from affineur.oci.blob import Verification, rest, verified
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document
from affineur.oci.place import Place
from affineur.oci.schema1 import content_digest
from affineur.source.files import Files, Missing, content
from affineur.source.referrers import NO_REFERRERS, Referrers

__all__ = ["DirectorySource"]


class DirectorySource:
    """The only image of one folder. See `Source` for the contract."""

    hosts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rate_limit: str | None = None

    def __init__(self, reference: Place, files: Files) -> None:
        """Nothing is opened yet."""
        self.reference = reference
        self._files = files

    def manifest(self, which: str | None = None) -> Document:
        """See `Source`."""
        wanted = self.reference.which if which is None else which
        if not wanted:
            return self._only()
        if not wanted.startswith(("sha256:", "sha512:")):
            raise NotFound(f"{self.reference.name}: no image {wanted}; a folder of dir: holds one image, without a tag")
        digest = Digest(wanted)
        digest.hasher()  # what cannot be verified is not looked for
        name = f"{digest.encoded}.manifest.json"
        what = f"{self.reference.name}: {name}"
        try:
            found = content(self._files, name, MAX_DOCUMENT_BYTES)
        except Missing as problem:
            only = self._only()
            if content_digest(only.content, only.source, digest.algorithm) == digest:
                return Document(only.content, "", digest, only.source)
            raise NotFound(f"{self.reference.name}: no manifest {digest}") from problem
        known_as = content_digest(found, what, digest.algorithm)
        if known_as != digest:
            raise DigestMismatch(what, digest, known_as)
        return Document(found, "", digest, what)

    def blob(self, descriptor: Descriptor, begun: Verification | None = None) -> Iterator[bytes]:
        """See `Source`."""
        embedded = descriptor.embedded()
        if embedded is not None:
            yield from rest((embedded,), begun)
            return
        verification = begun or Verification(descriptor)  # what cannot be verified is not looked for
        name = descriptor.digest.encoded
        what = f"{self.reference.name}: blob {descriptor.digest}"
        try:
            size = self._files.size(name)
        except Missing as problem:
            raise NotFound(f"{what} is not in the folder") from problem
        if size != descriptor.size:
            raise SizeMismatch(what, descriptor.size, size)
        yield from verified(rest(self._files.chunks(name), verification), verification, what)

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> Referrers:
        """See `Source`: such a place has one image, or several, and nothing that speaks of them."""
        return NO_REFERRERS

    def tags(self) -> Iterator[str]:
        """See `Source`: there are none."""
        self._only()  # raises where there is no image
        yield from ()

    def _only(self) -> Document:
        try:
            found = content(self._files, "manifest.json", MAX_DOCUMENT_BYTES)
        except Missing as problem:
            raise NotFound(
                f"{self.reference.name} holds no image of skopeo: it has no manifest.json{self._instead()}"
            ) from problem
        what = f"{self.reference.name}: manifest.json"
        return Document(found, "", content_digest(found, what), what)

    def _instead(self) -> str:
        try:
            self._files.size("index.json")
        except NotFound:
            return ""
        return f", but an index.json; write oci:{self.reference.path}"
