"""One image that several places may serve: the mirrors of registries.conf in their order, then the registry itself.

containers-registries.conf(5) § Remapping and mirroring registries. The first place that has the image serves all of it.
A place that does not answer, refuses or lacks it is passed over, and that is said; one that serves other bytes than
were asked for is not: that ends the matter, instead of being hidden by the next place.
"""

import threading
from collections.abc import Iterator, Sequence
from itertools import chain

from affineur.errors import SourceError
from affineur.oci.blob import Verification
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.reference import Reference
from affineur.source.referrers import Referrers
from affineur.source.registry import RegistrySource

__all__ = ["MirroredSource"]


class MirroredSource:
    """See `Source` for the contract."""

    def __init__(self, reference: Reference, places: Sequence[RegistrySource], warnings: Sequence[str] = ()) -> None:
        """Nothing is asked yet.

        Args:
            reference: what was asked for, as the user means it.
            places: the image as each place names it, the registry itself last.
            warnings: what is known of the name already.
        """
        self.reference = reference
        self._places = tuple(places)
        self._warnings = list(warnings)
        self._serving: RegistrySource | None = None
        self._lock = threading.Lock()

    @property
    def hosts(self) -> tuple[str, ...]:
        """See `Source`."""
        return self._places[-1].hosts  # one client asks them all

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `Source`; first what was passed over, and why."""
        return tuple(dict.fromkeys(chain(self._warnings, *(place.warnings for place in self._places))))

    @property
    def rate_limit(self) -> str | None:
        """See `Source`: of the place that serves the image."""
        return (self._serving or self._places[-1]).rate_limit

    def manifest(self, which: str | None = None) -> Document:
        """See `Source`. What the reference names is looked for in every place; all else where that was found."""
        if self._serving is not None:
            return self._serving.manifest(which)
        with self._lock:
            if self._serving is None:
                return self._found(which)
        return self._serving.manifest(which)

    def digest(self, which: str) -> Digest | None:
        """What a tag names, as the registry itself says; see `RegistrySource.digest`."""
        return self._places[-1].digest(which)

    def _found(self, which: str | None) -> Document:
        *mirrors, own = self._places
        for place in mirrors:
            try:
                document = place.manifest(which)
            except SourceError as problem:
                self._warnings.append(f"not from the mirror {place.reference.name}: {problem}")
                continue
            self._serving = place
            self._warnings.append(f"served by the mirror {place.reference.name}")
            return document
        try:
            document = own.manifest(which)
        except SourceError as problem:
            problem.args = ("; ".join([str(problem), *self._warnings]),)
            raise
        self._serving = own
        return document

    def blob(self, descriptor: Descriptor, begun: Verification | None = None) -> Iterator[bytes]:
        """See `Source`."""
        return (self._serving or self._places[-1]).blob(descriptor, begun)

    def tags(self) -> Iterator[str]:
        """See `Source`. Those of the registry itself, as a mirror may have few; a mirror's if it cannot be asked."""
        *mirrors, own = self._places
        problem: SourceError | None = None
        for place in (own, *mirrors):
            found = place.tags()
            try:
                first = next(found, None)
            except SourceError as failed:
                problem = problem or failed
                continue
            if place is not own:
                self._warnings.append(f"tags as the mirror {place.reference.name} lists them: {problem}")
            yield from chain([] if first is None else [first], found)
            return
        if problem is not None:
            raise problem

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> Referrers:
        """See `Source`. Of the place that serves the image."""
        return (self._serving or self._places[-1]).referrers(digest, artifact_type)
