"""An OCI image layout in one tar archive, written once. OCI image-spec 1.1, image-layout.md."""

from threading import Lock

from affineur.errors import ContentError, NotFound
from affineur.oci.blob import Verification
from affineur.oci.descriptor import UNKNOWN_SIZE, Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.place import AnyReference, Place
from affineur.source.layout import LayoutSource
from affineur.source.members import Members
from affineur.target.blobs import counted
from affineur.target.layout import MARKER, blob_path, checked_name, refuse_other_bytes
from affineur.target.listing import Listing, described
from affineur.target.tar import NewArchive
from affineur.target.target import Content, Holds, Moved

__all__ = ["LayoutArchiveTarget"]


class LayoutArchiveTarget:
    """The images of one archive. See `Target` for the contract.

    It has its name after `finish` only. An archive that is there already is read, and never written over or added to:
    the same image again is no error, another one is refused (unlike skopeo, which replaces it without a word). An
    interrupted archive is begun anew: in a tar, blobs cannot be gone on with.
    """

    holds = Holds()

    def __init__(self, reference: Place, archive: NewArchive) -> None:
        """Nothing is opened or made yet."""
        self.reference = reference
        self._archive = archive
        self._lock = Lock()
        self._listing = Listing(None, reference.name)
        self._types: dict[Digest, str] = {}  # of the manifests that were put
        self._checked: set[Digest] = set()
        self._written: LayoutSource | None = None

    def digest(self, which: str | None = None) -> Digest | None:
        """See `Target`. No name: of an archive that is there its only image, else the image that has none.

        Raises InvalidReference: no image could have that name.
        """
        wanted = self.reference.which if which is None else which
        if not wanted.startswith(("sha256:", "sha512:")):
            checked_name(wanted, self.reference)
        if (written := self._existing()) is not None:
            try:
                return written.manifest(wanted).digest
            except NotFound:
                return None
        if wanted.startswith(("sha256:", "sha512:")):
            return Digest(wanted) if wanted in self._types else None
        with self._lock:
            entry = self._listing.named(wanted)
        return entry.digest if entry is not None else None

    def manifest(self, digest: Digest) -> Document | None:
        """See `Target`."""
        digest.hasher()  # what cannot be verified is not looked for
        if (written := self._existing()) is not None:
            try:
                return written.manifest(digest)
            except NotFound:
                return None
        if digest not in self._types:
            return None
        found = b"".join(self._archive.chunks(blob_path(digest)))
        return Document(found, self._types[digest], digest, f"{self.reference.name}: manifest {digest}")

    def has_blob(self, descriptor: Descriptor) -> bool:
        """See `Target`."""
        digest, _ = descriptor.digest, Verification(descriptor)
        if (written := self._existing()) is None:
            size = self._archive.size(blob_path(digest))
            return size is not None and descriptor.size in (UNKNOWN_SIZE, size)
        if digest not in self._checked:
            try:
                for _chunk in written.blob(descriptor):
                    pass
            except (NotFound, ContentError):
                return False
            self._checked.add(digest)
        return True

    def mount(self, descriptor: Descriptor, origin: AnyReference) -> bool:
        """See `Target`: an archive shares nothing with others."""
        return False

    def put_blob(self, descriptor: Descriptor, content: Content, moved: Moved) -> int:
        """See `Target`. One is written after another: a further thread waits until the archive is free."""
        if self._existing() is not None:
            if not self.has_blob(descriptor):
                raise self._archive.refusal()
            return 0
        self._begin()
        self._archive.add(blob_path(descriptor.digest), counted(content, Verification(descriptor), moved))
        return 0

    def put_manifest(self, document: Document) -> None:
        """See `Target`."""
        refuse_other_bytes(document, self.reference)
        if self._existing() is not None:
            if self.manifest(document.digest) is None:
                raise self._archive.refusal()
            return
        about = described(document)
        self._begin()
        self._archive.add(blob_path(document.digest), [document.content])
        with self._lock:
            self._types[document.digest] = about.plain.media_type
            if about.subject is not None:
                self._listing.refer(about.full)

    def put_tag(self, document: Document, tag: str | None = None) -> None:
        """See `Target`."""
        name = checked_name(tag, self.reference)
        if self._existing() is not None:
            if self.digest(name) != document.digest:
                raise self._archive.refusal()
            return
        self._begin()
        with self._lock:
            self._listing.name(described(document).plain, name)

    def finish(self) -> None:
        """See `Target`."""
        if self._types:
            self._archive.add("index.json", [self._listing.content])
            self._archive.finish()
        else:
            self._archive.abandon()

    def abandon(self) -> None:
        """See `Target`: nothing is left of it."""
        self._archive.abandon()

    def _begin(self) -> None:
        self._archive.add("oci-layout", [MARKER])

    def _existing(self) -> LayoutSource | None:
        """The archive that has the name, this one included once it is finished."""
        if self._written is None and not self._archive.begun and self._archive.exists():
            self._written = LayoutSource(self.reference, Members(self.reference.path))
        return self._written
