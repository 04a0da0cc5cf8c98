"""GPG signatures, carried along with what is moved: from beside the source to beside the target.

Those of the image itself, of its index and of each manifest in it; as they are, without a judgement.
"""

from threading import Lock

from affineur.evidence import Unassessed
from affineur.move.receipt import Carried, NotCarried
from affineur.oci.digest import Digest
from affineur.oci.place import AnyReference
from affineur.source.lookaside import LookasideSource
from affineur.target.lookaside import LookasideTarget

__all__ = ["Lookasides"]

KIND = "a GPG signature"


class Lookasides:
    """Of one move. Safe for several threads.

    Attributes:
        carried, not_carried, unassessed: as in a receipt.
    """

    def __init__(self, reading: LookasideSource, writing: LookasideTarget) -> None:
        """Nothing is asked yet."""
        self.carried: list[Carried] = []
        self.not_carried: list[NotCarried] = []
        self.unassessed: list[Unassessed] = []
        self._reading, self._writing = reading, writing
        self._found: dict[Digest, tuple[bytes, ...]] = {}
        self._lock = Lock()

    def read(self, origin: AnyReference, digest: Digest) -> None:
        """Look for the signatures of one manifest; what could not be told is noted."""
        found = self._reading.signatures(origin, digest)
        with self._lock:
            self.unassessed += found.problems
            if found.found:
                self._found[digest] = found.found

    def write(self, target: AnyReference, root: Digest) -> None:
        """Put all that was found where those who pull look for it; what cannot be carried is noted.

        Args:
            root: the manifest or index that the target's name means.
        """
        for digest, signatures in sorted(self._found.items()):
            stored = self._writing.store(target, digest, signatures, child=digest != root)
            if stored.why:
                what = KIND if len(signatures) == 1 else f"{len(signatures)} GPG signatures"
                self.not_carried.append(NotCarried(f"{what} of {digest}", stored.why))
                continue
            for signature in dict.fromkeys(signatures):
                self.carried.append(Carried(str(Digest.of(signature)), KIND, str(digest), "lookaside"))
