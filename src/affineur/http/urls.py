"""URLs that may be asked, and what a redirect makes of one.

Stricter than RFC 3986, because the URL may be read again by others (a proxy, a resolver), who must not find another
host in it than the one whose address was checked: no login, no blanks, no percent signs or backslashes in the host, no
number that a resolver takes for an address.
"""

from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from affineur.errors import ForbiddenAddress
from affineur.http.addresses import literal

__all__ = ["MAX_URL", "joined", "origin_of", "shown", "without_secrets"]

MAX_URL = 16 * 1024
"""Characters: signed URLs of storage have some thousands."""
MAX_HOST = 254
"""RFC 1035 § 2.3.4, with a dot at the end."""

MAX_SHOWN = 200

_PORTS = {"http": 80, "https": 443}
_STAYS_WITH_ITS_HOST = ("authorization", "cookie", "proxy-authorization")
_OF_NAMES = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def origin_of(url: str, referrer: str = "") -> tuple[str, str, int]:
    """Scheme, host (lower case, IPv6 without brackets) and port of a URL that may be asked.

    Raises ForbiddenAddress. Args: referrer: which URL led there, for the message.
    """
    whence = f" ({shown(referrer)} leads there)" if referrer else ""
    named = repr(shown(url))
    if len(url) > MAX_URL:
        raise ForbiddenAddress(f"{named} has more than {MAX_URL} characters{whence}: not asked")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as problem:
        raise ForbiddenAddress(f"{named} is no usable URL{whence}: not asked") from problem
    if parts.scheme not in _PORTS or not host:
        raise ForbiddenAddress(f"{named} is no http or https URL{whence}: not asked")
    if parts.username is not None or parts.password is not None:
        raise ForbiddenAddress(f"a URL of {host} carries a login{whence}: not asked")
    if not all(32 < ord(character) < 127 for character in url):
        raise ForbiddenAddress(f"{named} holds spaces or characters beyond ASCII{whence}: not asked")
    if port == 0:
        raise ForbiddenAddress(f"{named} names port 0, which is none{whence}: not asked")
    host = host.lower()
    rest = parts.netloc.lower().removeprefix(f"[{host}]" if ":" in host else host)
    if "%" in host or (rest and rest[0] != ":") or (literal(host) is None and not _is_name(host)):
        raise ForbiddenAddress(f"{named} names no host that could be looked up{whence}: not asked")
    if literal(host) is None and _is_number(host):
        raise ForbiddenAddress(f"{named} hides an address in a number{whence}: not asked (write it as 192.0.2.1)")
    return parts.scheme, host, port or _PORTS[parts.scheme]


def _is_name(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    return len(host) <= MAX_HOST and all(label and _OF_NAMES.issuperset(label) for label in labels)


def _is_number(host: str) -> bool:
    """Whether inet_aton takes it for an address (2130706433, 0177.1, 0x7f.1): WHATWG URL § 3.5, "ends in a number"."""
    last = host.removesuffix(".").rpartition(".")[2]
    return last.isdigit() or last.startswith("0x")


def joined(url: str, location: str) -> str:
    """Where a redirect leads: RFC 3986 § 5. Raises ForbiddenAddress for a target that is no URL."""
    try:
        target: str = urljoin(url, location)
    except ValueError as problem:
        raise ForbiddenAddress(
            f"{shown(url)} redirects to {shown(location)!r}, which is no URL: not asked"
        ) from problem
    return target


def shown(url: str) -> str:
    """A URL for people, of MAX_SHOWN characters at most, without login and query: in them are signatures and tokens."""
    scheme, slashes, rest = url.partition("//")
    cut = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    login, at, host = authority.rpartition("@")
    text = f"{scheme}{slashes}{'…@' if login or at else ''}{host}{path}"
    before, asks, _ = text.partition("?")
    text = f"{before}?…" if asks else before
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that may go along to another host."""
    return {name: value for name, value in headers.items() if name.lower() not in _STAYS_WITH_ITS_HOST}
