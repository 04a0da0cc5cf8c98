"""A server that sends exactly these bytes, whatever it is asked."""

import contextlib
import itertools
import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias

from support.listener import Listener

__all__ = ["Bytes", "RawServer"]

Bytes: TypeAlias = bytes | Iterable[bytes]
"""One answer: its bytes, or parts of it, in any number, sent one after the other."""


class RawServer(Listener):
    """On loopback, for as long as the context lasts.

    Attributes:
        port, host (`127.0.0.1:PORT`), url.
        requests: the head of each request, in order; connections: how many were made.
        sent: bytes that the other side took.
    """

    def __init__(self, *connections: Sequence[Bytes]) -> None:
        """Args: connections: for each in turn, the answers to its requests; then it is closed. The last one repeats."""
        super().__init__()
        self._script = itertools.chain(connections[:-1], itertools.repeat(connections[-1]))
        self.requests: list[str] = []
        self.connections = 0
        self.sent = 0
        self.url = f"http://{self.host}"

    def serving(self, connection: socket.socket) -> Callable[[], object]:
        """See `Listener`."""
        self.connections += 1
        return partial(self._speak, connection, next(self._script))

    def _speak(self, connection: socket.socket, answers: Sequence[Bytes]) -> None:
        with connection, contextlib.suppress(OSError):
            for answer in answers:
                head = b""
                while b"\r\n\r\n" not in head:
                    received = connection.recv(65536)
                    if not received:
                        return
                    head += received
                self.requests.append(head.decode("latin-1"))
                for part in (answer,) if isinstance(answer, bytes) else answer:
                    connection.sendall(part)
                    self.sent += len(part)
