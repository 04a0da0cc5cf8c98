"""A port on loopback, each of whose connections gets a thread of its own."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Listener"]


class Listener:
    """For as long as the context lasts. Attributes: port; host: `127.0.0.1:PORT`."""

    def __init__(self) -> None:
        """Nobody is served yet, but the port is taken."""
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listening.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._serving: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join(5)

    def serving(self, connection: socket.socket) -> Callable[[], object]:
        """What the connection's thread is to do, and last to close it; asked in the order of connections."""
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._serving = [each for each in self._serving if each.is_alive()]
            self._serving.append(threading.Thread(target=self.serving(connection), daemon=True))
            self._serving[-1].start()
