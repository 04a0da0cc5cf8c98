"""Where an image is put, whatever the place."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

import msgspec

from affineur.oci.blob import Verification
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.place import AnyReference

__all__ = ["Content", "Holds", "Moved", "Target"]

Content: TypeAlias = Callable[[Verification], Iterator[bytes]]
"""Opens a blob from where a verification stands; the iterator raises what `verified` does, at its end at the latest."""
Moved: TypeAlias = Callable[[int], object]
"""Told of bytes that have gone to the target, as they go; from any thread."""


class Holds(msgspec.Struct, frozen=True):
    """What a place can hold: "" for yes, else the reason why not, as a sentence for people.

    Attributes:
        indexes: images of several platforms.
        referrers: what names another manifest as its subject; tags beside the image's own, cosign's among them.
        manifests: manifests byte for byte, so that digests are kept.
    """

    indexes: str = ""
    referrers: str = ""
    manifests: str = ""


class Target(Protocol):
    """One repository of one place, opened for writing one image.

    All methods but `finish` and `abandon` may be called from several threads. What is at the place already is believed
    only as far as it was looked at.
    """

    @property
    def reference(self) -> AnyReference:
        """What was named."""
        ...

    @property
    def holds(self) -> Holds:
        """What the place can hold."""
        ...

    def digest(self, which: str | None = None) -> Digest | None:
        """What a tag (or digest) names there now; None where there is no such thing.

        Args:
            which: a tag or digest; None for what the reference names.

        Raises: Denied, Unreachable, SourceError; ContentError where a local place is broken.
        """
        ...

    def manifest(self, digest: Digest) -> Document | None:
        """A manifest read back, its bytes checked against the digest; None where there is none. Raises as `digest`."""
        ...

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether a blob is there, of the size that is promised. Raises as `digest`."""
        ...

    def mount(self, descriptor: Descriptor, origin: AnyReference) -> bool:
        """Take a blob over from another repository of the same place, without sending it; False: send it.

        Raises as `digest`.
        """
        ...

    def put_blob(self, descriptor: Descriptor, content: Content, moved: Moved) -> int:
        """Store a blob. It is there, whole, when this returns; and if this raises, nothing is there under its digest.

        Args:
            content: may be opened more than once: transfers are taken up again where they stopped.

        Returns:
            Bytes that had been there from an earlier, interrupted call, and were not sent again.

        Raises: what `content` raises, and as `digest`.
        """
        ...

    def put_manifest(self, document: Document) -> None:
        """Store a manifest or index under its digest, byte for byte; all that it names (but its subject) is there.

        Where it has a subject, it is listed among that one's referrers from then on. Raises as `digest`.
        """
        ...

    def put_tag(self, document: Document, tag: str | None = None) -> None:
        """Let a tag name a manifest that `put_manifest` has stored; None: the reference's own name.

        Raises as `digest`.
        """
        ...

    def finish(self) -> None:
        """All is there: an archive gets its name now. Raises as `digest`."""
        ...

    def abandon(self) -> None:
        """The image is not complete: leave nothing behind that looks like one. Raises nothing."""
        ...
