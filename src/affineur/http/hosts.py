"""What is known of each host: which registries the user named, which TLS settings hold, how local it was."""

import ssl
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from affineur.http.addresses import AddressPolicy, Reach
from affineur.http.connection import Origin
from affineur.http.connector import Connector, connected
from affineur.http.proxies import proxy_for
from affineur.http.tls import HostTls, TlsRule, context
from affineur.http.urls import origin_of

if TYPE_CHECKING:
    import socket

__all__ = ["Hosts"]


class Hosts:
    """Decides how a host is reached, and reaches it. Safe for several threads."""

    def __init__(
        self,
        addresses: AddressPolicy,
        connector: Connector,
        rule: TlsRule,
        environment: Mapping[str, str],
        connect_s: float,
    ) -> None:
        """Nothing is read or asked yet. Args: environment: where proxies are named; connect_s: for one address."""
        self.addresses, self.connector = addresses, connector
        self._rule, self._environment, self._connect_s = rule, environment, connect_s
        self._reached: dict[tuple[str, int], Reach] = {}
        self._registries: dict[tuple[str, int], bool] = {}  # named by the user → insecure
        self._contexts: dict[HostTls, ssl.SSLContext] = {}
        self._lock = Lock()

    def know(self, url: str, insecure: bool) -> tuple[HostTls, str, int]:
        """Remember a registry that the user named; what holds for it, its host and port.

        Once insecure, it is so for the whole run.
        """
        _, host, port = origin_of(url)
        with self._lock:
            self._registries[host, port] = self._registries.get((host, port), False) or insecure
        return self.tls(host, port), host, port

    def tls(self, host: str, port: int, leader: HostTls | None = None) -> HostTls:
        """What holds for a host. Args: leader: what holds for the one that led there. Raises InvalidSettings."""
        insecure = self._registries.get((host, port))
        found = self._rule(host, port, insecure is not None)
        if insecure and found.verify:
            found = msgspec.structs.replace(found, verify=False)
        return found if leader is None else found.led_to_by(leader)

    def leader(self, url: str) -> HostTls | None:
        """What holds for the host of a URL that names another; None for no URL."""
        if not url:
            return None
        _, host, port = origin_of(url)
        return self.tls(host, port)

    def origin(self, scheme: str, host: str, port: int, reach: Reach, leader: HostTls | None) -> Origin:
        """Where to connect, and how. Raises ForbiddenAddress, InvalidSettings."""
        tls = self.tls(host, port, leader) if scheme == "https" else None
        proxy = proxy_for(scheme, host, port, self._environment)
        if proxy is None:
            return Origin(scheme, host, port, reach, tls)
        self.addresses.check_name(host, reach)  # the proxy resolves it, so its address is not ours to check
        proxy_tls = self.tls(proxy.host, proxy.port) if proxy.scheme == "https" else None
        return Origin(scheme, host, port, reach, tls, proxy, proxy_tls)

    def opened(self, host: str, port: int, reach: Reach) -> "socket.socket":
        """A socket to a checked address. Raises ForbiddenAddress, Unreachable."""
        connection, found = connected(self.connector, self.addresses, host, port, reach, self._connect_s)
        self._reached[host.lower(), port] = found
        return connection

    def reach(self, host: str, port: int) -> Reach:
        """How local the address was that was reached; PUBLIC if it was not asked or is proxied."""
        return self._reached.get((host.lower(), port), Reach.PUBLIC)

    def context(self, tls: HostTls) -> ssl.SSLContext:
        """The one context of these settings. Raises InvalidSettings."""
        with self._lock:
            if tls not in self._contexts:
                self._contexts[tls] = context(tls)
            return self._contexts[tls]
