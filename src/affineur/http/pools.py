"""urllib3's pools, connected through our own address check. Nothing else in the project knows urllib3.

A pool belongs to a scheme, host, port *and reach*: a connection that was opened to a private address for a URL of the
user's is never reused for one that an image chose.
"""

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from affineur.http.addresses import Reach

if TYPE_CHECKING:
    import ssl

    from urllib3.connectionpool import HTTPConnectionPool

__all__ = ["Pools"]

MAX_CONNECTIONS_PER_HOST = 8

Opener: TypeAlias = Callable[[str, int, Reach, float], socket.socket]


class Pools:
    """One pool per (scheme, host, port, reach, proxy). Safe for several threads."""

    def __init__(self, opener: Opener, tls: "Callable[[], ssl.SSLContext]", connect_s: float, read_s: float) -> None:
        """Args: opener: host, port, reach, timeout in seconds → a connected socket to a checked address."""
        self._opener, self._tls = opener, tls
        self._connect_s, self._read_s = connect_s, read_s
        self._pools: dict[tuple[str, str, int, Reach, str | None], HTTPConnectionPool] = {}
        self._lock = threading.Lock()

    def pool(self, scheme: str, host: str, port: int, reach: Reach, proxy: str | None) -> "HTTPConnectionPool":
        """The pool for an origin, made when first asked for."""
        key = (scheme, host, port, reach, proxy)
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._made(*key)
            return self._pools[key]

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _made(self, scheme: str, host: str, port: int, reach: Reach, proxy: str | None) -> "HTTPConnectionPool":
        from urllib3.connection import HTTPConnection, HTTPSConnection
        from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
        from urllib3.util import Timeout

        opener, connect_s = self._opener, self._connect_s
        # What the proxy's own address may be is the user's affair: the environment named it.
        allowed = Reach.OWN if proxy else reach

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return opener(self.host, self.port or 80, allowed, connect_s)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return opener(self.host, self.port or 443, allowed, connect_s)

        class SecurePool(HTTPSConnectionPool):
            def _validate_conn(self, conn: Any) -> None:
                """Connect early, as the original does; without its warning: to verify or not was the user's choice."""
                if conn.is_closed:
                    conn.connect()

        settings: dict[str, Any] = {
            "timeout": Timeout(connect=connect_s, read=self._read_s),
            "maxsize": MAX_CONNECTIONS_PER_HOST,
            "retries": False,
        }
        if scheme == "https" or (proxy or "").startswith("https:"):
            settings["ssl_context"] = self._tls()
        if proxy:
            return self._proxied(proxy, host, port, scheme, settings, Plain, Secure)
        if scheme == "https":
            pool: HTTPConnectionPool = SecurePool(host, port, **settings)
            pool.ConnectionCls = Secure
        else:
            pool = HTTPConnectionPool(host, port, **settings)
            pool.ConnectionCls = Plain
        return pool

    @staticmethod
    def _proxied(
        proxy: str, host: str, port: int, scheme: str, settings: dict[str, Any], plain: Any, secure: Any
    ) -> "HTTPConnectionPool":
        from urllib3 import ProxyManager, make_headers
        from urllib3.util import parse_url

        login = parse_url(proxy).auth
        headers = make_headers(proxy_basic_auth=login) if login else None
        pool = ProxyManager(proxy, proxy_headers=headers, **settings).connection_from_host(host, port, scheme)
        pool.ConnectionCls = secure if pool.scheme == "https" else plain
        return pool
