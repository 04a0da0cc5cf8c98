"""Which manifests a policy has to accept before anything is moved: every image that would arrive."""

from affineur.errors import UnsupportedContent
from affineur.image.image import Child, choose, read_children
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import DOCKER_LIST, OCI_INDEX, Index, Manifest, artifact, read_manifest
from affineur.oci.platform import Platform
from affineur.source.source import Source
from affineur.trust.model import Decision

__all__ = ["MAX_JUDGED", "combined", "to_judge"]

MAX_JUDGED = 64
"""Platforms of one index: official images have a dozen."""


def to_judge(source: Source, document: Document, platforms: tuple[Platform, ...]) -> tuple[Digest, ...]:
    """The manifests of all images among what `copy` moves, each to be judged by itself.

    What an index calls an attestation is one only under the platform `unknown/unknown`: engines choose by the platform
    and look at no annotation, so under any other it could be run.

    Args:
        document: what the source's reference names.
        platforms: as for `Wish`: none are all.

    Raises:
        UnsupportedContent: there is something that cannot be judged; it is no image, or nested.
        NotFound: no such platform.
    """
    parsed = read_manifest(document)
    if not isinstance(parsed, Index):
        if isinstance(parsed, Manifest) and (kind := artifact(parsed)):
            raise UnsupportedContent(f"{source.reference} is no container image but {kind}: a policy judges images")
        return (document.digest,)
    children = read_children(parsed)
    if platforms:
        chosen = [choose(children, each, str(source.reference)) for each in platforms]
        if len(platforms) > 1:  # the attestations of these are moved with the index
            digests = {child.descriptor.digest for child in chosen}
            chosen += [child for child in children if child.attests in digests and _may_be_run(child)]
    else:
        chosen = [child for child in children if _may_be_run(child)]
    if not chosen or len(chosen) > MAX_JUDGED:
        raise UnsupportedContent(f"{source.reference}: an index of {len(chosen)} images, of 1 to {MAX_JUDGED} judged")
    if any(child.descriptor.media_type in (OCI_INDEX, DOCKER_LIST) for child in chosen):
        raise UnsupportedContent(f"{source.reference}: an index within an index is not judged; copy its images alone")
    return tuple(dict.fromkeys(child.descriptor.digest for child in chosen))


def _may_be_run(child: Child) -> bool:
    return child.platform is None or not child.platform.is_unknown


def combined(decisions: list[Decision]) -> Decision:
    """Of all images together: the worst of them. None at all is no yes."""
    if Decision.REJECT in decisions:
        return Decision.REJECT
    if not decisions or any(each is not Decision.ACCEPT for each in decisions):
        return Decision.UNDETERMINED
    return Decision.ACCEPT
