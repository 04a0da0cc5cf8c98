"""A folder of `skopeo copy … dir:`, written as skopeo writes it: one image, its manifest and blobs side by side.

The format is containers/image's own; see `source/directory`. Where such a folder holds an image already, blobs that the
new one shares are not asked for again; the old one is there until the new one is whole, and is removed after that.
"""

import re
from threading import Lock

from affineur.errors import ContentError, DigestMismatch, InvalidReference, MalformedDocument, NotFound, SourceError
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import Index, Manifest, read_manifest
from affineur.oci.place import AnyReference, Place
from affineur.source.directory import DirectorySource
from affineur.source.files import Missing, content
from affineur.target.blobs import Blobs
from affineur.target.files import STAGING, Staged, WritableFolder
from affineur.target.target import Content, Holds, Moved

__all__ = ["DirectoryTarget"]

VERSION = b"Directory Transport Version: 1.1\n"
"""The file `version`; skopeo takes no folder with another one."""
NESTED_MAX = 8
"""Indexes in indexes that are looked into before a folder is cleared."""

_OURS = re.compile(r"[0-9a-f]{64}(?:[0-9a-f]{64})?(?:\.manifest\.json)?")
_SIGNATURE = re.compile(r"signature-[0-9]+")


class DirectoryTarget:
    """The only image of one folder. See `Target` for the contract.

    A folder that is not empty and was not written as a `dir:` is refused; one that was is written over, by one program
    at a time: each removes what does not belong to its own image.
    """

    def __init__(self, reference: Place, folder: WritableFolder) -> None:
        """Nothing is opened or made yet."""
        self.reference = reference
        self.holds = Holds(
            referrers=f"{reference.name} is a folder of dir:, which holds one image and nothing that belongs to it;"
            f" oci:FOLDER:NAME can hold both"
        )
        self._folder = folder
        self._source = DirectorySource(reference, folder)
        self._blobs = Blobs(folder, lambda digest: digest.encoded)
        self._lock = Lock()
        self._writing: Staged | None = None  # held from the first change on, so that others stay out

    def digest(self, which: str | None = None) -> Digest | None:
        """See `Target`. Raises InvalidReference: there are no tags."""
        if which and not which.startswith(("sha256:", "sha512:")):
            raise self._no_tags(which)
        found = self._read(which or "") if self._there() else None
        return found.digest if found is not None else None

    def manifest(self, digest: Digest) -> Document | None:
        """See `Target`. Other bytes than the digest's are none: `put_manifest` replaces them."""
        digest.hasher()  # what cannot be verified is not looked for
        return self._read(digest) if self._there() else None

    def has_blob(self, descriptor: Descriptor) -> bool:
        """See `Target`. A file of other bytes is not there: `put_blob` replaces it."""
        return self._there() and self._blobs.has(descriptor)

    def mount(self, descriptor: Descriptor, origin: AnyReference) -> bool:
        """See `Target`: a folder shares nothing with others."""
        return False

    def put_blob(self, descriptor: Descriptor, content: Content, moved: Moved) -> int:
        """See `Target`. What was begun stays in the folder until it is gone on with, also after the program's end."""
        self._prepare()
        return self._blobs.put(descriptor, content, moved)

    def put_manifest(self, document: Document) -> None:
        """See `Target`. As skopeo keeps a child of an index; the one that is named in the end is kept otherwise."""
        self._prepare()
        if self.manifest(document.digest) is None:
            self._folder.keep(_manifest_name(document.digest), document.content)

    def put_tag(self, document: Document, tag: str | None = None) -> None:
        """See `Target`: lets the folder be this image. There are no tags."""
        if tag is not None:
            raise self._no_tags(tag)
        self._prepare()
        self._folder.settle()  # what is named is there, also after a crash
        before = self._read("")
        if before is None or before.digest != document.digest:
            if before is not None:  # it may be a child of the new one
                self._folder.keep(_manifest_name(before.digest), before.content)
            for name in self._folder.names() or ():
                if _SIGNATURE.fullmatch(name):  # of the image that was here
                    self._folder.remove(name)
            self._folder.keep("manifest.json", document.content)
            self._folder.settle()

    def finish(self) -> None:
        """See `Target`: what belonged to an earlier image is removed."""
        if not self._there():
            return
        self._prepare()
        whole = self._read("")
        wanted = self._belonging(whole) if whole is not None else None
        if wanted is not None:
            for name in self._folder.names() or ():
                if _OURS.fullmatch(name) and name not in wanted:
                    self._folder.remove(name)
        self._folder.settle()
        self._end()

    def abandon(self) -> None:
        """See `Target`. Without manifest.json it is no image; the next call goes on with the blobs that there are."""
        self._end()

    def _no_tags(self, tag: str) -> InvalidReference:
        return InvalidReference(f"{self.reference.name}: {tag!r}: a folder of dir: holds one image, without a tag")

    def _read(self, which: str) -> Document | None:
        try:
            return self._source.manifest(which)
        except (NotFound, DigestMismatch, MalformedDocument):
            return None

    def _belonging(self, top: Document) -> set[str] | None:
        """The names of an image's files; None where something in it is not understood, and so nothing is removed."""
        names: set[str] = set()
        pending = [(top, 0)]
        while pending:
            document, depth = pending.pop()
            try:
                read = read_manifest(document)
            except ContentError:
                return None
            if isinstance(read, Index):
                for child in read.manifests:
                    name = _manifest_name(child.digest)
                    if name in names:
                        continue
                    names.add(name)
                    found = self.manifest(child.digest)
                    if found is not None and depth == NESTED_MAX:
                        return None
                    pending += [(found, depth + 1)] if found is not None else []
            elif isinstance(read, Manifest):
                names |= {each.digest.encoded for each in (read.config, *read.layers)}
            else:
                names |= {each.encoded for each in read.blobs}
        return names

    def _there(self) -> bool:
        """Whether there is such a folder. Raises SourceError: there is something else."""
        if self._writing is not None:
            return True
        names = self._folder.names()
        if names is None or not set(names) - {STAGING}:
            return False
        try:
            version = content(self._folder, "version", len(VERSION))
        except (Missing, ContentError):
            version = b""
        if version != VERSION:
            layout = (
                f"; write oci:{self.reference.path}:NAME to add to the layout in it" if "oci-layout" in names else ""
            )
            raise SourceError(
                f"{self.reference.name}: the folder is not empty, and was not written as a dir: (by its file"
                f" `version`); name another, or empty it{layout}"
            )
        return True

    def _prepare(self) -> None:
        """Make the folder, where there is none, and keep others from writing to it. Raises SourceError: they do now."""
        with self._lock:
            if self._writing is not None:
                return
            if not self._there():
                self._folder.create()
            writing = self._folder.begin("image", wait=False)
            try:
                self._folder.change("version", lambda: None if self._there() else VERSION)
            except BaseException:
                writing.discard()
                writing.close()
                raise
            self._writing = writing

    def _end(self) -> None:
        with self._lock:
            if self._writing is not None:
                self._writing.discard()
                self._writing.close()
            self._writing = None
        self._folder.tidy()


def _manifest_name(digest: Digest) -> str:
    return f"{digest.encoded}.manifest.json"
