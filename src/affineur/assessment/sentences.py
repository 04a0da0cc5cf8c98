"""Words that several sentences share."""

from collections.abc import Sequence

__all__ = ["listed"]

NAMED = 5  # packages named in a sentence; the rest are counted


def listed(names: Sequence[str]) -> str:
    """Name a few in a sentence, and count the rest."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
