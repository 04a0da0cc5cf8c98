"""From the text that a user wrote to the place that it names, whatever the transport."""

from collections.abc import Callable

from affineur.oci.place import Place, parse_place
from affineur.source.source import Source

__all__ = ["open_source"]


def open_source(text: str, registry: Callable[[str], Source]) -> Source:
    """The source of an image. Nothing of a local place is opened yet.

    Args:
        text: a reference with a transport or without; without one it is a registry's.
        registry: opens what is in a registry. It gets the text, since what a short name means is configured.

    Raises:
        InvalidReference: as `parse_place`, and what `registry` raises.
    """
    place = parse_place(text)
    return registry(text) if place is None else _local(place)


def _local(place: Place) -> Source:
    # not for an image in a registry: 10 ms of each start
    from affineur.source.directory import DirectorySource
    from affineur.source.docker_archive import DockerArchiveSource
    from affineur.source.files import Folder
    from affineur.source.layout import LayoutSource
    from affineur.source.members import Members

    if place.transport == "docker-archive":
        return DockerArchiveSource(place, Members(place.path))
    if place.transport == "oci-archive":
        return LayoutSource(place, Members(place.path))
    folder = Folder(place.path)
    return LayoutSource(place, folder) if place.transport == "oci" else DirectorySource(place, folder)
