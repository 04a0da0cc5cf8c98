"""From the text that a user wrote to the place that is to be written, whatever the transport."""

from collections.abc import Callable

from affineur.errors import InvalidReference
from affineur.oci.place import parse_place
from affineur.target.target import Target

__all__ = ["open_target"]


def open_target(text: str, registry: Callable[[str], Target]) -> Target:
    """The target of an image. Nothing of a local place is opened or made yet.

    Args:
        text, registry: as for `source.opening.open_source`.

    Raises:
        InvalidReference: as `parse_place`, and what `registry` raises.
    """
    place = parse_place(text)
    if place is None:
        return registry(text)
    raise InvalidReference(f"{text!r}: {place.transport}: is not written yet")
