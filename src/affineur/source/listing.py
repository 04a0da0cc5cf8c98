"""Names there are, for a message that says that the one asked for is not among them."""

from collections.abc import Iterable

__all__ = ["listed"]

SHOWN = 20
SHOWN_LENGTH = 100


def listed(names: Iterable[str]) -> str:
    """The first names, shortened where somebody made them long."""
    there = list(names)
    shown = ", ".join("".join(c if c.isprintable() else " " for c in name[:SHOWN_LENGTH]) for name in there[:SHOWN])
    if len(there) > SHOWN:
        shown += f", and {len(there) - SHOWN} more"
    return shown or "none with a name"
