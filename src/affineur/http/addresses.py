"""Which addresses may be asked, decided before any connection.

An image and a registry choose URLs (sources.list, token realms, redirects, Link). Whoever follows them blindly can be
sent to the machine's own services or to a cloud's metadata. So every request says how local it may get, every name is
resolved and its addresses checked, and the connection goes to exactly a checked address; again at every redirect.
"""

import enum
import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

from affineur.errors import ForbiddenAddress, InvalidSettings

__all__ = ["AddressPolicy", "IPAddress", "Reach", "literal", "reach_of"]

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_METADATA = tuple(
    ipaddress.ip_address(text)
    for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
"""Clouds' metadata services outside the link-local range: never asked, like those inside it."""
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598: carrier-grade NAT, used as a private network
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052 § 2.1
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215: IPv4 inside, wherever the network's operator has it
_NEVER_V4 = (ipaddress.ip_network("0.0.0.0/8"), ipaddress.ip_network("240.0.0.0/4"))


class Reach(enum.IntEnum):
    """How local an address a request may reach, or did reach.

    PUBLIC for a URL that an image or a registry on the internet chose. LOOPBACK (also named OWN) for a URL that the
    user named or mapped. For a URL chosen by an image of a registry that is itself private or on this machine, the
    reach of that registry: `Client.reach(host)`.
    """

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    OWN = 2


def literal(host: str) -> IPAddress | None:
    """The address that a URL's host spells out; None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def reach_of(address: IPAddress) -> Reach | None:
    """How local an address is; None for one that nobody may ask.

    Never: link-local (with the clouds' metadata services), unspecified, multicast, broadcast, reserved, and NAT64 of
    a local prefix, in which the place of the IPv4 address is not known. An IPv6 address that carries an IPv4 one
    (mapped, translated, compatible, 6to4, NAT64) is judged as that one; Teredo is private.
    """
    if address in _LOCAL_NAT64:
        return None
    address = _embedded(address)
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return None
    if address.is_loopback:
        return Reach.LOOPBACK
    if address.version == 4 and (address in _SHARED or address.is_private):
        return None if any(address in network for network in _NEVER_V4) else Reach.PRIVATE
    if address.is_private or (address.version == 6 and address.is_site_local):
        return Reach.PRIVATE
    return None if address.is_reserved else Reach.PUBLIC


def _embedded(address: IPAddress) -> IPAddress:
    if address.version == 4:
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    high, low = int(address) >> 32, int(address) & 0xFFFFFFFF
    if (
        address in _NAT64
        or (high == 0 and low > 1)  # ::a.b.c.d, RFC 4291 § 2.5.5.1
        or high == 0xFFFF_0000  # ::ffff:0:a.b.c.d, RFC 2765 § 2.1
    ):
        return ipaddress.IPv4Address(low)
    return address


class AddressPolicy:
    """What the user's settings allow at all, on top of the rule of `Reach`."""

    def __init__(self, allow: Iterable[str] | None = None) -> None:
        """Args: allow: networks (`127.0.0.0/8`) and host names; None restricts nothing. Raises InvalidSettings."""
        self._restricted = allow is not None
        self._names: set[str] = set()
        self._networks: list[_Network] = []
        for entry in allow or ():
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError as problem:
                if "/" in entry or not entry:
                    raise InvalidSettings(f"allow: {entry!r} is no network and no name: {problem}") from problem
                self._names.add(entry.lower().rstrip("."))

    def check_name(self, host: str, reach: Reach) -> None:
        """Refuse what can be refused without looking a name up. Raises ForbiddenAddress."""
        address, name = literal(host), host.lower().rstrip(".")
        if address is not None:
            self.check_address(host, address, reach)
        elif self._restricted and name not in self._names and name != "localhost":
            raise ForbiddenAddress(f"{host} is not among the allowed hosts, so its name was not looked up")

    def check_address(self, host: str, address: IPAddress, reach: Reach) -> Reach:
        """Refuse an address, or say how local it is. Raises ForbiddenAddress."""
        found = reach_of(address)
        if found is None:
            raise ForbiddenAddress(f"{_at(host, address)} is link-local, reserved or a metadata service: never asked")
        if found > reach:
            kind = "this machine" if found is Reach.LOOPBACK else "a private network"
            raise ForbiddenAddress(
                f"{_at(host, address)} is on {kind}, and was not named by you: not asked"
                " (map its URL with --mirror if it is meant)"
            )
        if self._restricted and host.lower().rstrip(".") not in self._names:
            inner = _embedded(address)
            if not any(inner.version == network.version and inner in network for network in self._networks):
                raise ForbiddenAddress(f"{_at(host, address)} is not among the allowed networks: not asked")
        return found


def _at(host: str, address: IPAddress) -> str:
    return host if literal(host) is not None else f"{host} ({address})"
