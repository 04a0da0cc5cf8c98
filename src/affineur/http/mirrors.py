"""The user's own map of URLs: "what is said to be there, fetch here"."""

import re
from collections.abc import Iterable

from affineur.errors import InvalidSettings

__all__ = ["MirrorMap"]

_CLIMBS = re.compile(r"(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\?#]|%2f|%5c|\Z)", re.IGNORECASE)
"""A dot segment (RFC 3986 § 5.2.4), as any server might read it."""


class MirrorMap:
    """URL prefixes and what to ask instead. The longest prefix wins; applied before anything is resolved.

    A prefix ends at a path boundary: `http://archive.example/debian` does not match `…/debian-security`. A mapped URL
    is the user's own, so it may lead to this machine or a private network.
    """

    def __init__(self, pairs: Iterable[str] = ()) -> None:
        """Args: pairs: `FROM=TO`, both with http:// or https://. Raises InvalidSettings."""
        self._pairs: list[tuple[str, str]] = []
        for pair in pairs:
            before, after = _split(pair)
            self._pairs.append((before.rstrip("/"), after.rstrip("/")))
        self._pairs.sort(key=lambda pair: -len(pair[0]))

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def apply(self, url: str) -> str | None:
        """The URL to ask instead; None where nothing maps this one, or where it lies at a mirror already.

        A path that climbs (`..`) is never mapped: an image chose it, to leave what the user mapped.
        """
        if _CLIMBS.search(url):
            return None
        if any(_below(url, after) for _, after in self._pairs):
            return None
        for before, after in self._pairs:
            if _below(url, before):
                return after + url[len(before) :]
        return None

    def targets(self, url: str) -> tuple[str, ...]:
        """Where the user mapped what lies below a URL, or that itself, in whole or in part."""
        return tuple(after for before, after in self._pairs if _below(before, url) or _below(url, before))


def _below(url: str, prefix: str) -> bool:
    return url[: len(prefix)].lower() == prefix.lower() and url[len(prefix) : len(prefix) + 1] in ("", "/", "?")


def _split(pair: str) -> tuple[str, str]:
    for scheme in ("=http://", "=https://"):
        before, found, after = pair.partition(scheme)
        if found and before.lower().startswith(("http://", "https://")) and after:
            return before, scheme[1:] + after
    raise InvalidSettings(f"mirror: {pair!r} is not FROM=TO with two http:// or https:// URLs")
