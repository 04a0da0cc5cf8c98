"""Pooled connections.

A pool belongs to an `Origin`, of which the reach and the TLS settings are part: a connection that was opened to a
private address, or without verification, for a URL of the user's is never reused for one that an image chose.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from affineur.errors import SourceError
from affineur.http.addresses import Reach
from affineur.http.connection import Answer, Connection, Opener, Origin
from affineur.http.framing import Chunked
from affineur.http.tls import HostTls

__all__ = ["Body", "Connections", "Exchange"]

MAX_IDLE_PER_ORIGIN = 16
"""More than are used at once by any command."""

Body: TypeAlias = bytes | Iterable[bytes]
"""What is sent: as a whole, or as it comes; then with a Content-Length among the headers."""


class Exchange:
    """An answer whose headers have been read and whose body has not. Close it, always."""

    def __init__(self, answer: Answer, finished: Callable[[bool], None]) -> None:
        self._answer, self._finished = answer, finished
        self._chunked = Chunked(answer.lines) if answer.in_chunks else None
        self._open = True
        self.status = answer.status
        # RFC 9112 § 5.2: a value folded over lines is one line
        self.headers = [(name, " ".join(value.splitlines())) for name, value in answer.getheaders()]

    @property
    def remaining(self) -> int | None:
        """Bytes of the body that have not been read; None where the server did not say."""
        if self._chunked is not None:
            return 0 if self._chunked.finished else None
        return 0 if self._answer.isclosed() else self._answer.length

    def read1(self, limit: int) -> bytes:
        """What is there, at most `limit` bytes; b"" at the end. Raises OSError, http.client.HTTPException."""
        if self._chunked is not None:
            return self._chunked.read1(limit)
        return self._checked(self._answer.read1(limit))

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end. Raises OSError, http.client.HTTPException."""
        if self._chunked is not None:
            return self._chunked.read(size)
        return self._checked(self._answer.read(size))

    def close(self) -> None:
        """Give the connection back if the body was read to its end and nothing follows it, close it otherwise."""
        if self._open:
            self._open = False
            whole = self.remaining == 0 and not self._answer.will_close
            self._answer.close()
            self._finished(whole and not self._answer.has_more)

    def _checked(self, part: bytes) -> bytes:
        if not part and self._answer.length:  # http.client ends a cut body like a whole one when read in parts
            raise http.client.IncompleteRead(b"", self._answer.length)
        return part


class Connections:
    """Idle connections by origin, and new ones when there are none. Safe for several threads."""

    def __init__(self, opener: Opener, contexts: Callable[[HostTls], ssl.SSLContext], read_s: float) -> None:
        """Args: opener: host, port, reach → a connected socket to a checked address; read_s: between two reads."""
        self._opener, self._contexts, self._read_s = opener, contexts, read_s
        self._idle: dict[Origin, list[Connection]] = {}
        self._prepared: dict[tuple[str, int, Reach], list[socket.socket]] = {}
        self._closed = 0  # times
        self._lock = threading.Lock()

    def request(
        self,
        origin: Origin,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | None = None,
        *,
        once: bool = False,
    ) -> Exchange:
        """Send a request, and read the answer's headers.

        Args:
            once: on no account send it a second time, so not on a connection that the server may have given up.

        Raises: OSError, http.client.HTTPException, and what `Connection.connect` and an iterable body raise.
        """
        if origin.proxy is not None and origin.scheme == "http":
            headers = {**headers, **origin.proxy.headers}
        connection = None if once else self._idle_one(origin)
        if connection is not None:
            try:
                return self._asked(connection, origin, method, target, headers, body)
            except (ConnectionError, ssl.SSLEOFError, http.client.BadStatusLine):
                if body is not None and not isinstance(body, bytes):
                    raise  # what has been taken from it is gone
                # the server closed it while we wrote (RFC 9112 § 9.3.1): ask again on a new one
        made = Connection(origin, self._opened, self._contexts, self._read_s)
        return self._asked(made, origin, method, target, headers, body)

    def prepare(self, host: str, port: int, reach: Reach) -> None:
        """Connect ahead of a request that will come; whether it will speak TLS is still open. Failing is no error."""
        closed_before = self._closed
        try:
            ready = self._opener(host, port, reach)
        except (OSError, SourceError):
            return
        with self._lock:
            if self._closed == closed_before:
                self._prepared.setdefault((host, port, reach), []).append(ready)
                return
        ready.close()

    @property
    def times_closed(self) -> int:
        """How often `close` was called."""
        return self._closed

    def open(self, origin: Origin, closed_before: int) -> None:
        """Connect ahead of a request to an origin that will come. Failing is no error: the request will say so.

        Args:
            closed_before: `times_closed` when this was asked for: what was closed since is not to be opened again.
        """
        connection = Connection(origin, self._opened, self._contexts, self._read_s)
        try:
            connection.connect()
        except (OSError, SourceError):
            return
        self._keep(origin, connection, closed_before)

    def close(self) -> None:
        """Close every idle connection; those in use are closed, not kept, when they are done with."""
        with self._lock:
            self._closed += 1
            for sockets in self._prepared.values():
                for ready in sockets:
                    ready.close()
            self._prepared.clear()
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()

    def _asked(
        self,
        connection: Connection,
        origin: Origin,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | None,
    ) -> Exchange:
        closed_before = self._closed
        refused: OSError | None = None
        try:
            try:
                connection.request(method, target, body, dict(headers))
            except (BrokenPipeError, ConnectionResetError) as problem:
                if not body:
                    raise
                refused = problem  # RFC 9112 § 9.5: the server may have answered before it had all, and closed
            try:
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException):
                if refused is not None:
                    raise refused from None
                raise
            assert isinstance(answer, Answer)  # noqa: S101 - for the type checker
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            connection.close()
            raise
        except ssl.SSLError as problem:  # with TLS 1.3 what a server thinks of our certificate comes this late
            connection.close()
            from affineur.http.tls_failures import place, tls_failed

            ours = origin.tls is not None and bool(origin.tls.pairs)
            raise tls_failed(problem, place(origin.host, origin.port), ours) from problem
        except BaseException:
            connection.close()
            raise

        def finished(reusable: bool) -> None:
            if reusable and refused is None:
                self._keep(origin, connection, closed_before)
            else:
                connection.close()

        return Exchange(answer, finished)

    def _keep(self, origin: Origin, connection: Connection, closed_before: int) -> None:
        """Let the next request have it, unless there are enough, or all were closed meanwhile."""
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            if len(idle) < MAX_IDLE_PER_ORIGIN and self._closed == closed_before:
                idle.append(connection)
                return
        connection.close()

    def _idle_one(self, origin: Origin) -> Connection | None:
        while True:
            with self._lock:
                connections = self._idle.get(origin)
                connection = connections.pop() if connections else None
            if connection is None or connection.is_usable():
                return connection
            connection.close()

    def _opened(self, host: str, port: int, reach: Reach) -> socket.socket:
        with self._lock:
            ready = self._prepared.get((host, port, reach))
            if ready:
                return ready.pop()
        return self._opener(host, port, reach)
