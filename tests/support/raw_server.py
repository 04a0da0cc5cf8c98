"""A server that sends exactly these bytes, whatever it is asked."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterable, Sequence
from typing import Self, TypeAlias

__all__ = ["Bytes", "RawServer"]

Bytes: TypeAlias = bytes | Iterable[bytes]
"""One answer: its bytes, or parts of it, in any number, sent one after the other."""


class RawServer:
    """On loopback, for as long as the context lasts.

    Attributes:
        port, host (`127.0.0.1:PORT`), url.
        requests: the head of each request, in order; connections: how many were made.
        sent: bytes that the other side took.
    """

    def __init__(self, *connections: Sequence[Bytes]) -> None:
        """Args: connections: for each in turn, the answers to its requests; then it is closed. The last one repeats."""
        self._script = itertools.chain(connections[:-1], itertools.repeat(connections[-1]))
        self.requests: list[str] = []
        self.connections = 0
        self.sent = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            answers = next(self._script)
            threading.Thread(target=self._speak, args=(connection, answers), daemon=True).start()

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
