"""What was judged, signed, and left at the target: a referrer of each image that a policy has accepted.

    attestation = Attestation(signing_key(path), {digest: assessment_json, …}, datetime.now(UTC))
    copy(source, target, wish, watcher, lookasides, attestation)

One assessment a manifest, as `gate.to_judge` lists them.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial

from affineur.errors import SourceError
from affineur.move.receipt import Carried, NotCarried
from affineur.move.survey import Piece
from affineur.oci.blob import Verification, rest, verified
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.signatures.referrer import attested
from affineur.signatures.signing import SigningKey
from affineur.target.target import Target

__all__ = ["Attestation"]

CHUNK_BYTES = 256 * 1024
KIND = "a signed assessment"


class Attestation:
    """Assessments, and the key that signs them."""

    def __init__(self, key: SigningKey, assessments: Mapping[Digest, bytes], made: datetime) -> None:
        """Nothing is signed yet.

        Args:
            assessments: digest of a manifest or index → JSON as `assess --json` prints it.
            made: now, with a zone.
        """
        self._key, self._assessments, self._made = key, assessments, made

    def put(self, target: Target, pieces: Mapping[Digest, Piece]) -> Iterator[Carried | NotCarried]:
        """Sign, and store each referrer beside what it speaks of.

        Args:
            pieces: what was moved, and is at the target already.

        Raises: as `Target` does; MalformedDocument, LimitExceeded: an assessment is no JSON object, or too large.
        """
        for digest, assessment in self._assessments.items():
            why = target.holds.referrers or ("" if digest in pieces else "what it is about was not moved")
            if why:
                yield NotCarried(f"{KIND} of {digest}", why)
            else:
                yield self._put(target, pieces[digest], assessment)

    def _put(self, target: Target, piece: Piece, assessment: bytes) -> Carried:
        judged = piece.document
        subject = Descriptor(piece.parsed.media_type, judged.digest, len(judged.content))
        name = target.reference.name if target.reference.registry else "image"  # a path of this machine is nobody's
        made = attested(subject, name, assessment, self._key, self._made)
        for descriptor, content in made.blobs:
            if not target.has_blob(descriptor):
                target.put_blob(descriptor, partial(_checked, content), _unheard)
        target.put_manifest(made.document)
        digest = made.document.digest
        if target.manifest(digest) is None:
            raise SourceError(f"{target.reference.name}: took the manifest {digest}, and has it not")
        return Carried(str(digest), KIND, str(judged.digest), "made here")


def _checked(content: bytes, begun: Verification) -> Iterator[bytes]:
    chunks = (content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES))
    return verified(rest(chunks, begun), begun, "the attestation")


def _unheard(count: int) -> None:
    """Progress is of what was asked to be moved."""
