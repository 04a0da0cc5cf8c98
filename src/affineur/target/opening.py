"""From the text that a user wrote to the place that is to be written, whatever the transport."""

from collections.abc import Callable

from affineur.errors import InvalidReference
from affineur.oci.place import UNREAD_TRANSPORTS, Place, parse_place
from affineur.target.target import Target

__all__ = ["open_target"]


def open_target(text: str, registry: Callable[[str], Target]) -> Target:
    """The target of an image. Nothing of a local place is opened or made yet.

    Args:
        text, registry: as for `source.opening.open_source`.

    Raises:
        InvalidReference: as `parse_place`; a local place that names its image by a digest or position; and what
            `registry` raises.
    """
    transport, colon, _ = text.partition(":")
    if colon and transport in UNREAD_TRANSPORTS:
        raise InvalidReference(
            f"{text!r}: {transport}: is not written; copy to oci:FOLDER:NAME, and let the engine pull that"
            f" (for a registry or image of the name {transport}, write docker://{text})"
        )
    place = parse_place(text)
    if place is None:
        return registry(text)
    if place.digest is not None or place.position is not None:
        raise InvalidReference(
            f"{text!r}: an image's digest and position follow from what it is: write {place.name} or {place.name}:NAME"
        )
    if place.path.endswith("/") and place.transport.endswith("-archive"):
        raise InvalidReference(f"{text!r}: an archive is a file, and {place.path} a folder")
    return _local(place)


def _local(place: Place) -> Target:
    # not for an image in a registry: 10 ms of each start
    from affineur.target.directory import DirectoryTarget
    from affineur.target.docker_archive import DockerArchiveTarget
    from affineur.target.files import WritableFolder
    from affineur.target.layout import LayoutTarget
    from affineur.target.layout_archive import LayoutArchiveTarget
    from affineur.target.tar import NewArchive

    if place.transport == "docker-archive":
        return DockerArchiveTarget(place, NewArchive(place.path))
    if place.transport == "oci-archive":
        return LayoutArchiveTarget(place, NewArchive(place.path))
    folder = WritableFolder(place.path)
    return LayoutTarget(place, folder) if place.transport == "oci" else DirectoryTarget(place, folder)
