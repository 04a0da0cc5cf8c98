"""Challenges: how a server says who may read, and where it may send us for a token.

RFC 9110 § 11.6.1 (challenges), RFC 6750 § 3 (Bearer). The realm is a URL that the registry chose, so it is held to
rules before anything, credentials above all, is sent to it.
"""

import re
from urllib.parse import urlsplit

import msgspec

from affineur.errors import ForbiddenAddress
from affineur.http.addresses import Reach, literal, reach_of

__all__ = ["Challenge", "challenges", "check_realm"]

MAX_HEADER = 16 * 1024
_SCHEME = re.compile(r"\s*+,?\s*+([A-Za-z][A-Za-z0-9._~+-]*+)(?:\s++|$|(?=,))")
_PARAMETER = re.compile(r"\s*+,?\s*+([A-Za-z0-9._~+-]++)\s*+=\s*+(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s,\"]+))")


class Challenge(msgspec.Struct, frozen=True):
    """One way to log in that a server offers; scheme and parameter names in lower case."""

    scheme: str
    parameters: dict[str, str]


def challenges(lines: list[str]) -> list[Challenge]:
    """Every challenge of the WWW-Authenticate lines, in order. What cannot be read ends its line."""
    found: list[Challenge] = []
    for line in lines:
        position = 0
        line = line[:MAX_HEADER]
        while scheme := _SCHEME.match(line, position):
            position = scheme.end()
            parameters: dict[str, str] = {}
            while parameter := _PARAMETER.match(line, position):
                name, quoted, bare = parameter.groups()
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
                parameters.setdefault(name.lower(), value)
                position = parameter.end()
            found.append(Challenge(scheme[1].lower(), parameters))
    return found


def check_realm(realm: str, registry_url: str) -> None:
    """Whether a registry may send us to this token service. Raises ForbiddenAddress.

    A registry over TLS may name any https service, except IP literals that are loopback, private or link-local and not
    itself; a registry over plain HTTP only its own host, or loopback to loopback.
    """
    try:
        there, here = urlsplit(realm), urlsplit(registry_url)
        same = (there.hostname, there.port) == (here.hostname, here.port)
    except ValueError as problem:
        raise ForbiddenAddress(f"{registry_url} names a token service that is no URL: {realm[:200]!r}") from problem
    plain = all(32 < ord(character) < 127 for character in realm)
    if not plain or there.scheme not in ("http", "https") or not there.hostname or there.username is not None:
        raise ForbiddenAddress(f"{registry_url} names a token service that is no plain URL: {realm[:200]!r}")
    if here.scheme == "https":
        if there.scheme != "https":
            raise ForbiddenAddress(f"{registry_url} names a token service without TLS, {realm[:200]}: not asked")
        address = literal(there.hostname)
        if address is not None and not same and reach_of(address) is not Reach.PUBLIC:
            raise ForbiddenAddress(f"{registry_url} names a token service at {there.hostname}: not asked")
        return
    both_loopback = _is_loopback(there.hostname) and _is_loopback(here.hostname or "")
    if there.hostname != here.hostname and not both_loopback:
        raise ForbiddenAddress(
            f"{registry_url} has no TLS and names a token service on another host, {there.hostname}: not asked"
        )


def _is_loopback(host: str) -> bool:
    address = literal(host)
    return host == "localhost" if address is None else reach_of(address) is Reach.LOOPBACK
