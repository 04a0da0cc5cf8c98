"""Where an image lives, whatever the place."""

from collections.abc import Iterator
from typing import Protocol

from affineur.oci.blob import Verification
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.place import AnyReference
from affineur.source.referrers import Referrers

__all__ = ["Source"]


class Source(Protocol):
    """One repository of one place, opened for one reference.

    All methods may be called from several threads. Every byte handed out has been checked against the digest that
    it was asked for by; a tag's digest is the hash of what came.
    """

    @property
    def reference(self) -> AnyReference:
        """What was asked for."""
        ...

    @property
    def hosts(self) -> tuple[str, ...]:
        """`host:port` of everything asked so far, redirects and token services included; empty for a local place."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the place said for people to read (`Warning: 299`), each once, in order."""
        ...

    @property
    def rate_limit(self) -> str | None:
        """The budget that is left, in the place's own words; None where it says nothing."""
        ...

    def manifest(self, which: str | None = None) -> Document:
        """The bytes of a manifest or index.

        Args:
            which: a tag or digest; None for what the reference names.

        Raises:
            NotFound, Denied, Unreachable: as the place answered.
            DigestMismatch: other bytes than the digest asked for.
        """
        ...

    def blob(self, descriptor: Descriptor, begun: Verification | None = None) -> Iterator[bytes]:
        """A blob's bytes as transferred, in chunks; complete and as promised only once the iterator is exhausted.

        Args:
            begun: how far an earlier transfer of it was checked: only what follows is handed out, and checked by it.

        Raises: as `manifest`, and SizeMismatch; nothing is asked before the first chunk is.
        """
        ...

    def tags(self) -> Iterator[str]:
        """Every tag of the repository, page by page, in the place's own order; a folder may have images without one."""
        ...

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> Referrers:
        """What names a manifest as its subject; what could not be told is in the answer, and never raised.

        Args:
            digest: of the manifest or index; it need not be there.
            artifact_type: of this type only.
        """
        ...
