"""From a name to a connected socket: resolve, check, connect to exactly what was checked.

`Connector` is what tests replace: `resolve` and `connect` are the only two places where the network is touched.
"""

import socket
import time

from affineur.errors import ForbiddenAddress, Unreachable
from affineur.http.addresses import AddressPolicy, IPAddress, Reach, literal

__all__ = ["Connector", "connected"]

MAX_ADDRESSES = 16
"""Addresses of one name that are tried."""
ALL_ADDRESSES = 3
"""All of them together have so many times as long as one."""
SHOWN_FAILURES = 3


class Connector:
    """The network, as far as a client needs it. Replaceable; safe for several threads."""

    def resolve(self, host: str, port: int) -> list[IPAddress]:
        """The addresses of a name, in the order to try. Raises OSError."""
        found: list[IPAddress] = []
        for *_, endpoint in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            address = literal(str(endpoint[0]))
            if address is not None and address not in found:
                found.append(address)
        return found

    def connect(self, address: IPAddress, port: int, timeout_s: float) -> socket.socket:
        """A connected TCP socket. Raises OSError."""
        connection = socket.create_connection((str(address), port), timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def connected(
    connector: Connector, policy: AddressPolicy, host: str, port: int, reach: Reach, timeout_s: float
) -> tuple[socket.socket, Reach]:
    """A socket to the first address of `host` that may be asked and answers, and how local that address is.

    Raises:
        ForbiddenAddress: no address of it may be asked; nothing was sent.
        Unreachable: the name does not resolve, or no allowed address answers; names each.
    """
    policy.check_name(host, reach)
    spelled = literal(host)
    try:
        addresses = [spelled] if spelled is not None else connector.resolve(host, port)
    except (OSError, UnicodeError) as problem:
        raise Unreachable(
            f"{host}: the name could not be resolved: {_reason(problem)}"
            " (check its spelling and this machine's DNS; where a proxy is needed, HTTPS_PROXY names it)"
        ) from problem
    until = time.monotonic() + ALL_ADDRESSES * timeout_s
    failures: list[str] = []
    refusal: ForbiddenAddress | None = None
    for address in addresses[:MAX_ADDRESSES]:
        try:
            found = policy.check_address(host, address, reach)
        except ForbiddenAddress as problem:
            refusal = refusal or problem
            continue
        try:
            left = max(0.1, min(timeout_s, until - time.monotonic()))
            return connector.connect(address, port, left), found
        except OSError as problem:
            failures.append(f"{address}: {_reason(problem)}")
        if time.monotonic() > until:
            break
    if refusal is not None and not failures:
        raise refusal
    said = "; ".join(failures[:SHOWN_FAILURES]) or "the name has no address"
    raise Unreachable(
        f"{host} port {port}: no connection: {said}"
        " (check the port, and whether a firewall is in between, or a proxy: HTTPS_PROXY)"
    )


def _reason(problem: Exception) -> str:
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    return getattr(problem, "strerror", None) or str(problem)
