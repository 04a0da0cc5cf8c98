"""Which manifests a policy has to accept before anything is moved: every image that would arrive."""

from affineur.errors import UnsupportedContent
from affineur.image.image import choose, read_children
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
    else:
        chosen = [child for child in children if child.is_image]
    if not chosen or len(chosen) > MAX_JUDGED:
        raise UnsupportedContent(f"{source.reference}: an index of {len(chosen)} images, of 1 to {MAX_JUDGED} judged")
    if any(child.descriptor.media_type in (OCI_INDEX, DOCKER_LIST) for child in chosen):
        raise UnsupportedContent(f"{source.reference}: an index within an index is not judged; copy its images alone")
    return tuple(dict.fromkeys(child.descriptor.digest for child in chosen))


def combined(decisions: list[Decision]) -> Decision:
    """Of all images together: the worst of them. None at all is no yes."""
    if Decision.REJECT in decisions:
        return Decision.REJECT
    if not decisions or any(each is not Decision.ACCEPT for each in decisions):
        return Decision.UNDETERMINED
    return Decision.ACCEPT
