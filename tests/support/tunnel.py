"""An HTTP proxy on loopback that tunnels every CONNECT to one port, wherever it was meant to go."""

import contextlib
import select
import socket
import ssl
from collections.abc import Callable
from functools import partial

from support.listener import Listener

__all__ = ["Tunnel"]

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Tunnel(Listener):
    """Attributes: port; asked: the head of each request."""

    def __init__(self, to: int, *, answer: bytes = ESTABLISHED, tls: tuple[str, str] | None = None) -> None:
        """Nobody is served yet.

        Args:
            answer: to every request; one that is no 2xx ends the connection.
            tls: paths of certificate and key, where TLS is spoken to the proxy itself.
        """
        super().__init__()
        self._to, self._answer = to, answer
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*tls)
        self.asked: list[str] = []

    def serving(self, connection: socket.socket) -> Callable[[], object]:
        """See `Listener`."""
        return partial(self._carry, connection)

    def _carry(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as open_ones:
            open_ones.enter_context(near)
            if self._context is not None:
                near = open_ones.enter_context(self._context.wrap_socket(near, server_side=True))
            head = b""
            while b"\r\n\r\n" not in head:
                received = near.recv(4096)
                if not received:
                    return
                head += received
            self.asked.append(head.decode())
            near.sendall(self._answer)
            if self._answer.split(b" ")[1].startswith(b"2"):
                with socket.create_connection(("127.0.0.1", self._to)) as far:
                    _relay(near, far)


def _relay(near: socket.socket, far: socket.socket) -> None:
    """Both ways in one thread: a TLS socket is not for two."""
    while True:
        waiting = isinstance(near, ssl.SSLSocket) and near.pending() > 0
        for source in [near] if waiting else select.select([near, far], [], [], 30)[0]:
            part = source.recv(65536)
            if not part:
                return
            (far if source is near else near).sendall(part)
