"""Pooled HTTP/1.1 connections over the standard library's http.client, opened through our own address check.

Nothing else in the project knows http.client; why it and not a larger library is in docs/decisions/0007-http-client.md.

A pool belongs to a scheme, host, port *and reach*: a connection that was opened to a private address for a URL of the
user's is never reused for one that an image chose.
"""

import http.client
import io
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from affineur.errors import InvalidSettings, SourceError, Unreachable
from affineur.http.addresses import Reach
from affineur.http.certificate import described

__all__ = ["Connections", "Exchange", "Origin"]

MAX_IDLE_PER_ORIGIN = 8
GRACE_S = 60.0
"""From the request to the last byte, plus the body's length at SLOWEST: what drips longer is given up."""
SLOWEST = 4096
"""Bytes per second."""
BUFFER_BYTES = 64 * 1024

Opener: TypeAlias = Callable[[str, int, Reach], socket.socket]


class Origin(msgspec.Struct, frozen=True):
    """Where a request goes; `proxy` is the URL of the proxy on the way, or None."""

    scheme: str
    host: str
    port: int
    reach: Reach
    proxy: str | None = None


class Exchange:
    """An answer whose headers have been read and whose body has not. Close it, always."""

    def __init__(self, response: http.client.HTTPResponse, finished: Callable[[bool], None]) -> None:
        self._response, self._finished = response, finished
        self._open = True
        self.status = response.status
        self.headers = response.getheaders()

    @property
    def remaining(self) -> int | None:
        """Bytes of the body that have not been read; None where the server did not say."""
        return 0 if self._response.isclosed() else self._response.length

    def read1(self, limit: int) -> bytes:
        """What is there, at most `limit` bytes; b"" at the end. Raises OSError, http.client.HTTPException."""
        return self._checked(self._response.read1(limit))

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end. Raises OSError, http.client.HTTPException."""
        return self._checked(self._response.read(size))

    def close(self) -> None:
        """Give the connection back if the body was read to its end, close it otherwise."""
        if self._open:
            self._open = False
            reusable = self.remaining == 0 and not self._response.will_close
            self._response.close()
            self._finished(reusable)

    def _checked(self, part: bytes) -> bytes:
        if not part and self._response.length:  # http.client ends a cut body like a whole one when read in parts
            raise http.client.IncompleteRead(b"", self._response.length)
        return part


class Connections:
    """Idle connections by origin, and new ones when there are none. Safe for several threads."""

    def __init__(self, opener: Opener, tls: Callable[[], ssl.SSLContext], read_s: float) -> None:
        """Args: opener: host, port, reach → a connected socket to a checked address; read_s: between two reads."""
        self._opener, self._tls, self._read_s = opener, tls, read_s
        self._idle: dict[Origin, list[_Connection]] = {}
        self._prepared: dict[tuple[str, int, Reach], list[socket.socket]] = {}
        self._lock = threading.Lock()

    def request(
        self, origin: Origin, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Exchange:
        """Send a request, and read the answer's headers. With a body it is sent once, on a connection of its own.

        Raises: OSError, http.client.HTTPException, and what `opener` raises.
        """
        if origin.proxy is not None and origin.scheme == "http":
            headers = {**headers, **_proxy(origin.proxy)[2]}
        connection = self._idle_one(origin) if body is None else None
        if connection is not None:
            try:
                return self._asked(connection, origin, method, target, headers, None)
            except (ConnectionError, http.client.BadStatusLine):
                pass  # the server closed it while we wrote (RFC 9112 § 9.3.1): ask again on a new one
        return self._asked(self._made(origin), origin, method, target, headers, body)

    def prepare(self, host: str, port: int, reach: Reach) -> None:
        """Connect ahead of a request that will come; whether it will speak TLS is still open. Failing is no error."""
        try:
            ready = self._opener(host, port, reach)
        except (OSError, SourceError):
            return
        with self._lock:
            self._prepared.setdefault((host, port, reach), []).append(ready)

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
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
        connection: "_Connection",
        origin: Origin,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Exchange:
        try:
            connection.request(method, target, body, dict(headers))
            response = connection.getresponse()
        except BaseException:
            connection.close()
            raise

        def finished(reusable: bool) -> None:
            with self._lock:
                idle = self._idle.setdefault(origin, [])
                if reusable and len(idle) < MAX_IDLE_PER_ORIGIN:
                    idle.append(connection)
                    return
            connection.close()

        return Exchange(response, finished)

    def _idle_one(self, origin: Origin) -> "_Connection | None":
        while True:
            with self._lock:
                connections = self._idle.get(origin)
                connection = connections.pop() if connections else None
            if connection is None or connection.is_usable():
                return connection
            connection.close()

    def _made(self, origin: Origin) -> "_Connection":
        context = self._tls() if origin.scheme == "https" else None
        if origin.proxy is None:
            return _Connection(origin.host, origin.port, self._opened, origin.reach, context, self._read_s)
        host, port, login = _proxy(origin.proxy)
        # What the proxy's own address may be is the user's affair: the environment named it.
        made = _Connection(host, port, self._opener, Reach.OWN, context, self._read_s)
        if context is not None:
            made.set_tunnel(origin.host, origin.port, login)
        return made

    def _opened(self, host: str, port: int, reach: Reach) -> socket.socket:
        with self._lock:
            ready = self._prepared.get((host, port, reach))
            if ready:
                return ready.pop()
        return self._opener(host, port, reach)


class _Connection(http.client.HTTPConnection):
    """One connection, opened by our opener; TLS on top where there is a context, inside the tunnel if there is one."""

    def __init__(
        self, host: str, port: int, opener: Opener, reach: Reach, context: ssl.SSLContext | None, read_s: float
    ) -> None:
        super().__init__(host, port)
        self.response_class = _Response
        self.default_port = 443 if context is not None else 80  # decides whether Host names the port
        self._opener, self._reach, self._tls, self._read_s = opener, reach, context, read_s
        self._target = host

    def set_tunnel(self, host: str, port: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        self._target = host
        super().set_tunnel(host, port, headers)

    def connect(self) -> None:
        self.sock = self._opener(self.host, self.port, self._reach)
        self.sock.settimeout(self._read_s)
        if self._target != self.host:
            self._tunnel()  # type: ignore[attr-defined]
        if self._tls is not None:
            # A trailing dot is part of the name's DNS form, not of the certificate's.
            name = self._target.rstrip(".")
            try:
                self.sock = self._tls.wrap_socket(self.sock, server_hostname=name)
            except ssl.SSLCertVerificationError as problem:
                raise Unreachable(self._refused(problem, name)) from problem

    def _refused(self, problem: ssl.SSLCertVerificationError, name: str) -> str:
        """Why, and whose certificate it is: for which a second handshake is made, that nothing is sent over."""
        shown = ""
        if self._target == self.host:
            unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            unverified.check_hostname = False
            unverified.verify_mode = ssl.CERT_NONE
            try:
                with self._opener(self.host, self.port, self._reach) as plain:
                    plain.settimeout(self._read_s)
                    with unverified.wrap_socket(plain, server_hostname=name) as wrapped:
                        shown = described(wrapped.getpeercert(binary_form=True) or b"")
            except (OSError, SourceError):
                shown = ""
        return (
            f"{name}: its certificate{' ' if shown else ''}{shown} is not acceptable: {problem.verify_message}"
            " (--cert-dir names further authorities; --tls-verify=false asks anyway)"
        )

    def is_usable(self) -> bool:
        """Whether nothing has come since the last answer: neither an end nor bytes that nobody asked for."""
        if self.sock is None:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


class _Response(http.client.HTTPResponse):
    """http.client's, read through a buffer of ours with a limit on time."""

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_Patient(self.fp.detach()), BUFFER_BYTES)


class _Patient(io.RawIOBase):
    """A socket's bytes, for as long as they come at a reasonable speed."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._until = time.monotonic() + GRACE_S

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count: int | None = self._raw.readinto(buffer)
        self._until += (count or 0) / SLOWEST
        if time.monotonic() > self._until:
            raise TimeoutError(f"slower than {SLOWEST} bytes a second")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _proxy(url: str) -> tuple[str, int, dict[str, str]]:
    """Host, port and the header that logs in. Raises InvalidSettings."""
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as problem:
        raise InvalidSettings(f"the environment's proxy is no usable URL: {problem}") from problem
    if parts.scheme != "http" or not host:
        raise InvalidSettings(f"the environment's proxy is of a kind that is not supported: {parts.scheme}://{host}")
    login = {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode()}
    return host, port or 80, login
