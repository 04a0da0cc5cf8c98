"""What refers to an image, for people and programs: by its subject, and by the tags of cosign's older ways."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from affineur.evidence import Unassessed
from affineur.image.image import Image
from affineur.oci.digest import Digest
from affineur.oci.manifest import artifact_name
from affineur.source.referrers import Referrers

__all__ = ["ReferrerFacts", "Referring", "referring"]

_COSIGN_TAG = re.compile(r"sha256-([0-9a-f]{64})\.(sig|att|sbom)")
_COSIGN_KINDS = {"sig": "cosign signatures", "att": "cosign attestations", "sbom": "a cosign SBOM"}
"""cosign, specs/SIGNATURE_SPEC.md, ATTESTATION_SPEC.md and SBOM_SPEC.md: no referrers, whatever they look like."""


class ReferrerFacts(msgspec.Struct, frozen=True):
    """One thing that refers to the image.

    Attributes:
        subject: the digest that it is about: what the name points at, or the platform's manifest.
        kind: what such things are called; None where that is not known.
        artifact_type, media_type, digest, size, annotations: of its manifest; None for a tag, which is not opened.
        tag: of those that are found by their name.
        found_by: "referrers API", "referrers tag", "layout", or "tag of cosign".
    """

    subject: str
    kind: str | None
    found_by: str
    artifact_type: str | None = None
    media_type: str | None = None
    digest: str | None = None
    size: int | None = None
    annotations: dict[str, str] | None = None
    tag: str | None = None


class Referring(msgspec.Struct, frozen=True):
    """The list, and what could not be told; `looked` is False where nobody wanted to know."""

    facts: tuple[ReferrerFacts, ...] = ()
    looked: bool = False
    unassessed: tuple[Unassessed, ...] = ()


def referring(image: Image, told: Iterable[tuple[Digest, Referrers]], tags: Iterable[str]) -> Referring:
    """Put it together; asks nothing. Args: told: what was found for the image's digests; tags: of its repository."""
    answers = list(told)
    found = [
        ReferrerFacts(
            subject=str(subject),
            kind=artifact_name(each.artifact_type or ""),
            found_by=answer.by,
            artifact_type=each.artifact_type,
            media_type=each.media_type,
            digest=str(each.digest),
            size=each.size,
            annotations=each.annotations,
        )
        for subject, answer in answers
        for each in answer.found
    ]
    gaps = tuple(gap for _, answer in answers for gap in answer.problems)
    return Referring((*found, *_by_cosigns_tags(image, tags)), bool(answers), gaps)


def _by_cosigns_tags(image: Image, tags: Iterable[str]) -> Iterator[ReferrerFacts]:
    ours = {str(image.digest), str(image.manifest_document.digest)}
    for tag in tags:
        named = _COSIGN_TAG.fullmatch(tag)
        if named and (subject := f"sha256:{named[1]}") in ours:
            yield ReferrerFacts(subject, _COSIGN_KINDS[named[2]], "tag of cosign", tag=tag)
