"""HTTPS or HTTP, for a registry named without a scheme.

A literal 127.0.0.0/8, [::1] or `localhost` (never by what a name resolves to) is asked whether it speaks TLS; HTTP
only if it does not, so never after a certificate error. Others are HTTPS, unless the user said that TLS need not be
verified.
"""

import ssl

from affineur.errors import Unreachable
from affineur.http.addresses import AddressPolicy, Reach, literal, reach_of
from affineur.http.connector import Connector, connected

__all__ = ["may_be_plain", "speaks_tls"]

PROBE_S = 5.0
_TLS_RECORDS = (0x15, 0x16)  # alert, handshake: RFC 8446 § 5.1


def may_be_plain(host: str) -> bool:
    """Whether this host, as spelled, is this machine."""
    address = literal(host)
    if address is None:
        return host.lower() == "localhost"
    return reach_of(address) is Reach.LOOPBACK


def speaks_tls(connector: Connector, policy: AddressPolicy, host: str, port: int) -> bool:
    """Send a ClientHello and look at the kind of the first record that comes back: one round trip after the connection.

    Raises:
        Unreachable: no connection, or no answer in time (which is not a no).
    """
    connection, _ = connected(connector, policy, host, port, Reach.OWN, PROBE_S)
    with connection:
        try:
            connection.settimeout(PROBE_S)
            connection.sendall(_client_hello(host))
            first = connection.recv(1)
        except TimeoutError as problem:
            raise Unreachable(
                f"{host} port {port}: accepts connections, but answers neither TLS nor plain HTTP"
                " (--tls-verify=false tries plain HTTP)"
            ) from problem
        except OSError:
            return False  # reset at the sight of a ClientHello
    return bool(first) and first[0] in _TLS_RECORDS


def _client_hello(host: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname=host).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without an answer")
