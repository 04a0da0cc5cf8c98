"""An OCI image layout in a folder, made or added to. OCI image-spec 1.1, image-layout.md."""

import msgspec

from affineur.errors import InvalidReference, SourceError, UnsupportedContent
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document, decoded
from affineur.oci.place import AnyReference, Place, parse_place
from affineur.source.files import Missing, content
from affineur.source.layout import MAX_MARKER_BYTES, VERSION
from affineur.target.blobs import Blobs
from affineur.target.files import STAGING, WritableFolder
from affineur.target.listing import Listing, described
from affineur.target.target import Content, Holds, Moved

__all__ = ["MARKER", "LayoutTarget", "blob_path", "checked_name", "refuse_other_bytes"]

MARKER = b'{"imageLayoutVersion": "1.0.0"}'
"""The file `oci-layout`."""


class _Marker(msgspec.Struct, rename="camel"):
    image_layout_version: str


class LayoutTarget:
    """The images of one layout, which may have others and other writers. See `Target` for the contract.

    Blobs of an image that was replaced stay: others may need them. A folder that is not empty and no layout is refused.
    """

    holds = Holds()

    def __init__(self, reference: Place, folder: WritableFolder) -> None:
        """Nothing is opened or made yet."""
        self.reference = reference
        self._folder = folder
        self._blobs = Blobs(folder, blob_path)
        self._types: dict[Digest, str] = {}
        self._ready = False

    def digest(self, which: str | None = None) -> Digest | None:
        """See `Target`. No name: the image that has none. Raises InvalidReference: no image could have that name."""
        wanted = self.reference.which if which is None else which
        if wanted.startswith(("sha256:", "sha512:")):
            found = self.manifest(Digest(wanted))
        else:
            checked_name(wanted, self.reference)
            entry = self._listing().named(wanted) if self._there() else None
            found = self.manifest(entry.digest) if entry is not None else None
        return found.digest if found is not None else None

    def manifest(self, digest: Digest) -> Document | None:
        """See `Target`. Other bytes than the digest's are none: `put_manifest` replaces them."""
        what = f"{self.reference.name}: manifest {digest}"
        digest.hasher()  # what cannot be verified is not looked for
        if not self._there():
            return None
        try:
            found = content(self._folder, blob_path(digest), MAX_DOCUMENT_BYTES)
        except Missing:
            return None
        if not digest.matches(found):
            return None
        if digest not in self._types:
            entry = self._listing().listed(digest)
            return Document(found, entry.media_type if entry is not None else "", digest, what)
        return Document(found, self._types[digest], digest, what)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """See `Target`. A file of other bytes is not there: `put_blob` replaces it."""
        return self._there() and self._blobs.has(descriptor)

    def mount(self, descriptor: Descriptor, origin: AnyReference) -> bool:
        """See `Target`: a layout shares nothing with others."""
        return False

    def put_blob(self, descriptor: Descriptor, content: Content, moved: Moved) -> int:
        """See `Target`. What was begun stays in the layout until it is gone on with, also after the program's end."""
        self._prepare()
        return self._blobs.put(descriptor, content, moved)

    def put_manifest(self, document: Document) -> None:
        """See `Target`."""
        refuse_other_bytes(document, self.reference)
        self._prepare()
        about = described(document)
        if self.manifest(document.digest) is None:
            self._folder.keep(blob_path(document.digest), document.content)
        self._types[document.digest] = about.plain.media_type
        if about.subject is not None:
            self._list(about.full, None)

    def put_tag(self, document: Document, tag: str | None = None) -> None:
        """See `Target`. Without any name the image takes the place of the one that has none."""
        name = checked_name(tag, self.reference)
        self._prepare()
        self._list(described(document).plain, name)

    def finish(self) -> None:
        """See `Target`."""
        self._folder.settle()
        self._folder.tidy()

    def abandon(self) -> None:
        """See `Target`. Blobs that are whole stay, and what was begun: the next call goes on from there."""
        self._folder.tidy()

    def _list(self, entry: Descriptor, name: str | None) -> None:
        """Args: name: None for a referrer."""
        self._folder.settle()  # what is listed is there, also after a crash

        def change() -> bytes | None:
            listing = self._listing()
            if name is None:
                listing.refer(entry)
            else:
                listing.name(entry, name)
            return listing.content if listing.changed else None

        self._folder.change("index.json", change)
        self._folder.settle()

    def _listing(self) -> Listing:
        return Listing(self._part("index.json", MAX_DOCUMENT_BYTES), f"{self.reference.name}: index.json")

    def _part(self, name: str, limit: int) -> bytes | None:
        try:
            return content(self._folder, name, limit)
        except Missing:
            return None

    def _there(self) -> bool:
        """Whether there is a layout. Raises SourceError, UnsupportedContent: there is something else."""
        if self._ready:
            return True
        names = self._folder.names()
        if names is None or not set(names) - {STAGING}:
            return False
        place = self.reference.name
        found = self._part("oci-layout", MAX_MARKER_BYTES)
        if found is None:
            other = f"; write dir:{self.reference.path} to replace the image in it" if "manifest.json" in names else ""
            raise SourceError(
                f"{place}: the folder is not empty, and no OCI layout (it has no oci-layout); name another, or empty it"
                f"{other}"
            )
        version = decoded(found, _Marker, f"{place}: oci-layout").image_layout_version
        if version != VERSION:
            raise UnsupportedContent(f"{place} is a layout of version {version[:40]!r}; only {VERSION} is written")
        return True

    def _prepare(self) -> None:
        """Make the layout, where there is none: valid at every moment, once it has its marker."""
        if self._ready:
            return
        if not self._there():
            self._folder.create()
            # Another writer may be quicker, with either.
            self._folder.change("oci-layout", lambda: None if self._there() else MARKER)
        empty = Listing(None, "").content
        self._folder.change(
            "index.json", lambda: empty if self._part("index.json", MAX_DOCUMENT_BYTES) is None else None
        )
        self._ready = True


def blob_path(digest: Digest) -> str:
    """Where a blob lies (image-layout.md § Blobs); neither part of a digest can hold a slash or be `..`."""
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def checked_name(tag: str | None, reference: Place) -> str:
    """The name that an image gets in a layout; "" for none. Raises InvalidReference: it could not be named by it."""
    name = (reference.tag or "") if tag is None else tag
    if name:
        named = parse_place(f"{reference.transport}:x:{name}")
        if named is None or named.tag != name:
            raise InvalidReference(f"{reference.name}: {name!r} is no name of an image in a layout")
    return name


def refuse_other_bytes(document: Document, reference: Place) -> None:
    """Raises UnsupportedContent: a manifest whose digest is not that of its bytes, which all in a layout are."""
    if not document.digest.matches(document.content):
        raise UnsupportedContent(
            f"{document.source}: a signed manifest of schema 1, whose digest is not of all its bytes, cannot lie in a"
            f" layout ({reference.name}); dir:FOLDER and a registry can hold it"
        )
