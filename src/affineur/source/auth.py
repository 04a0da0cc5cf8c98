"""Who may read: challenges, and the token that answers one.

RFC 9110 § 11.6.1 (challenges), RFC 6750 § 3 (Bearer), distribution's token specification. The realm is a URL that the
registry chose, so it is held to rules before anything, credentials above all, is sent to it.
"""

import re
import time
from urllib.parse import urlencode, urlsplit

import msgspec

from affineur.errors import Denied, ForbiddenAddress
from affineur.http.addresses import Reach, literal, reach_of
from affineur.http.client import Client
from affineur.oci.document import decoded
from affineur.source.credentials import Login

__all__ = ["Challenge", "Token", "challenges", "check_realm", "fetch_token"]

MAX_TOKEN_BYTES = 256 * 1024
MAX_HEADER = 16 * 1024
DEFAULT_LIFETIME_S = 60
"""Where `expires_in` is missing: distribution, docs/spec/auth/token.md."""
EARLY_S = 10
"""A token is not used in its last seconds."""

_SCHEME = re.compile(r"\s*+,?\s*+([A-Za-z][A-Za-z0-9._~+-]*)(?:\s+|$)")
_PARAMETER = re.compile(r"\s*+,?\s*+([A-Za-z0-9._~+-]++)\s*+=\s*+(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s,\"]+))")
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Challenge(msgspec.Struct, frozen=True):
    """One way to log in that a server offers; scheme and parameter names in lower case."""

    scheme: str
    parameters: dict[str, str]


class Token(msgspec.Struct, frozen=True):
    """A Bearer token and the moment (monotonic seconds) after which it is not used."""

    value: str
    until: float

    def __repr__(self) -> str:
        return "Token(…)"


class _Answer(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float | None = None


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
    if there.scheme not in ("http", "https") or not there.hostname or there.username is not None:
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


def fetch_token(client: Client, bearer: Challenge, registry_url: str, scope: str, login: Login | None) -> Token:
    """A token from the challenge's realm: anonymous without a login, by Basic with one.

    Raises:
        ForbiddenAddress: a realm that breaks the rules of `check_realm`.
        Denied: the token service refuses.
        MalformedDocument: its answer is no token.
    """
    realm = bearer.parameters.get("realm", "")
    check_realm(realm, registry_url)
    query = {"service": bearer.parameters["service"]} if "service" in bearer.parameters else {}
    query["scope"] = bearer.parameters.get("scope") or scope
    url = realm + ("&" if urlsplit(realm).query else "?") + urlencode(query)
    here, there = urlsplit(registry_url), urlsplit(realm)
    own = here.netloc == there.netloc
    reach = (
        Reach.OWN if own else client.reach(here.hostname or "", here.port or (443 if here.scheme == "https" else 80))
    )
    headers = {"Authorization": login.basic()} if login and not login.identity_token else {}
    response = client.get(url, limit=MAX_TOKEN_BYTES, headers=headers, reach=reach)
    answer = decoded(response.body, _Answer, there.netloc)
    token = answer.token or answer.access_token
    if not _TOKEN.fullmatch(token):
        raise Denied(f"{there.netloc}: the token service gave no usable token")
    lifetime = max(answer.expires_in or DEFAULT_LIFETIME_S, DEFAULT_LIFETIME_S)
    return Token(token, time.monotonic() + lifetime - EARLY_S)
