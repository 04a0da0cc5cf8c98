"""What somebody who watches a move is told, from any thread."""

from typing import Protocol

from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest

__all__ = ["Silent", "Watcher"]


class Watcher(Protocol):
    """Told of everything as it happens; must return at once, and raise nothing."""

    def planned(self, blob: Descriptor) -> None:
        """A blob belongs to what is moved; whether it has to be sent is not known yet."""
        ...

    def moved(self, blob: Descriptor, count: int) -> None:
        """So many bytes of it have gone to the target."""
        ...

    def settled(self, blob: Descriptor, how: str) -> None:
        """It is at the target: `how` as in `MovedBlob`."""
        ...

    def stored(self, digest: Digest, name: str, how: str) -> None:
        """A manifest is at the target; `name` is what it is for people, `how` as in `MovedManifest`."""
        ...

    def tagged(self, tag: str, digest: Digest) -> None:
        """A tag names it."""
        ...


class Silent:
    """Does nothing. See `Watcher`."""

    def planned(self, blob: Descriptor) -> None:
        """See `Watcher`."""

    def moved(self, blob: Descriptor, count: int) -> None:
        """See `Watcher`."""

    def settled(self, blob: Descriptor, how: str) -> None:
        """See `Watcher`."""

    def stored(self, digest: Digest, name: str, how: str) -> None:
        """See `Watcher`."""

    def tagged(self, tag: str, digest: Digest) -> None:
        """See `Watcher`."""
