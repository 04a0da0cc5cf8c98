"""One HTTP/1.1 connection over the standard library's http.client: opened by our opener, through a proxy or not, with
TLS or not; and its answers, read under limits on time and size.

Why http.client and not a larger library is in docs/decisions/0007-http-client.md.
"""

import http.client
import io
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from affineur.errors import Denied, SourceError, Unreachable
from affineur.http.addresses import Reach
from affineur.http.failures import Broken, translated
from affineur.http.framing import is_chunked
from affineur.http.proxies import Proxy
from affineur.http.tls import HostTls

if TYPE_CHECKING:
    from affineur.http.nested import NestedTls

__all__ = ["Answer", "Connection", "Opener", "Origin"]

GRACE_S = 60.0
"""Waiting, all together, in which nothing comes but less than SLOWEST; what comes faster earns it back."""
SLOWEST = 4096
"""Bytes per second."""
MAX_HEAD_BYTES = 256 * 1024
"""Status line and headers; http.client also bounds their number (100) and a line (64 KiB)."""
MAX_INTERIM = 16
"""Answers of 1xx before the real one: RFC 9110 § 15.2."""
BUFFER_BYTES = 64 * 1024

Opener: TypeAlias = Callable[[str, int, Reach], socket.socket]
Contexts: TypeAlias = Callable[[HostTls], ssl.SSLContext]


class Origin(msgspec.Struct, frozen=True):
    """Where a request goes, and how; only requests that agree in all of it share a connection.

    Attributes:
        tls: what holds for the host; None for plain HTTP.
        proxy: the one on the way; `proxy_tls` what holds for it, where it speaks TLS itself.
    """

    scheme: str
    host: str
    port: int
    reach: Reach
    tls: HostTls | None = None
    proxy: Proxy | None = None
    proxy_tls: HostTls | None = None


class Connection(http.client.HTTPConnection):
    """A connection to an origin, made when first asked."""

    sock: "socket.socket | NestedTls | None"

    def __init__(self, origin: Origin, opener: Opener, contexts: Contexts, read_s: float) -> None:
        """Args: opener: host, port, reach → a connected socket to a checked address; read_s: between two reads."""
        super().__init__(origin.host, origin.port)
        self.response_class = Answer
        self.default_port = 443 if origin.tls is not None else 80  # decides whether Host names the port
        self._origin, self._opener, self._contexts, self._read_s = origin, opener, contexts, read_s

    def connect(self) -> None:
        """Raises ForbiddenAddress, Unreachable, Broken, Denied: each says which step failed."""
        context = None if self._origin.tls is None else self._contexts(self._origin.tls)
        try:
            self.sock = self._reached()
            if context is not None:
                self.sock = self._secured(context)
        except BaseException:
            self.close()
            raise

    def is_usable(self) -> bool:
        """Whether nothing has come since the last answer: neither an end nor bytes that nobody asked for."""
        if self.sock is None:
            return False
        if (not isinstance(self.sock, socket.socket) or isinstance(self.sock, ssl.SSLSocket)) and self.sock.pending():
            return False
        poll = select.poll()
        poll.register(self.sock.fileno(), select.POLLIN)
        return not poll.poll(0)

    def _reached(self) -> socket.socket:
        """A socket to the origin, in a tunnel if it is to be one."""
        origin = self._origin
        if origin.proxy is None:
            opened = self._opener(origin.host, origin.port, origin.reach)
            opened.settimeout(self._read_s)
            return opened
        try:
            # What the proxy's own address may be is the user's affair: the environment named it.
            opened = self._opener(origin.proxy.host, origin.proxy.port, Reach.OWN)
        except SourceError as problem:
            raise Unreachable(
                f"{origin.host}: its proxy, {_named(origin.proxy)}, is not reached: {problem}"
            ) from problem
        opened.settimeout(self._read_s)
        try:
            if origin.proxy_tls is not None:
                wrapped = Origin("https", origin.proxy.host, origin.proxy.port, Reach.OWN, origin.proxy_tls)
                around = Connection(wrapped, self._opener, self._contexts, self._read_s)
                around.sock = opened
                opened = around._secured(self._contexts(origin.proxy_tls))  # type: ignore[assignment]
            if origin.tls is not None:
                self._tunnelled(opened, origin.proxy)
        except BaseException:
            opened.close()
            raise
        return opened

    def _tunnelled(self, opened: socket.socket, proxy: Proxy) -> None:
        """Ask for a tunnel: RFC 9110 § 9.3.6."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        where = f"{host}:{self.port}"
        lines = [
            f"CONNECT {where} HTTP/1.1",
            f"Host: {where}",
            *(f"{name}: {value}" for name, value in proxy.headers.items()),
        ]
        with translated(str(proxy), f"asking the proxy of {proxy.variable} for a tunnel to {where}"):
            opened.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
            answer = Answer(opened, method="CONNECT")
            try:
                answer.begin_tunnel()
            finally:
                answer.close()
        if 200 <= answer.status < 300:
            return
        said = f"HTTP {answer.status}"
        if answer.status == 407:
            refused = (
                "does not accept the login in" if proxy.login else "wants a login, http://NAME:PASSWORD@HOST:PORT, in"
            )
            raise Denied(f"{self.host}: the proxy {proxy} {refused} {proxy.variable} ({said})")
        kind = Broken if answer.status in (502, 503, 504) else Unreachable
        raise kind(
            f"{self.host}: the proxy {_named(proxy)} makes no connection to {where} ({said});"
            f" hosts in NO_PROXY are asked without it"
        )

    def _secured(self, context: ssl.SSLContext) -> "socket.socket | NestedTls":
        """TLS over what is connected. Raises Unreachable, Denied, Broken."""
        from affineur.http.tls_failures import certificate_refused, place, tls_failed

        where = place(self.host, self.port)
        assert self._origin.tls is not None  # noqa: S101 - for the type checker
        try:
            return self._wrapped(context)
        except ssl.SSLCertVerificationError as problem:
            raise certificate_refused(problem, where, self._certificate()) from problem
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) as problem:
            raise Broken(
                f"{where}: the connection was closed in the middle of the TLS handshake: does TLS end at that port?"
            ) from problem
        except ssl.SSLError as problem:
            raise tls_failed(problem, where, bool(self._origin.tls.pairs)) from problem
        except TimeoutError as problem:
            raise Unreachable(
                f"{where}: no answer in time in the TLS handshake: does TLS end at that port?"
            ) from problem

    def _wrapped(self, context: ssl.SSLContext) -> "socket.socket | NestedTls":
        # A trailing dot is part of the name's DNS form, not of the certificate's.
        name = self.host.rstrip(".")
        if isinstance(self.sock, ssl.SSLSocket):
            from affineur.http.nested import NestedTls

            return NestedTls(self.sock, context, name)
        assert isinstance(self.sock, socket.socket)  # noqa: S101 - for the type checker
        return context.wrap_socket(self.sock, server_hostname=name)

    def _certificate(self) -> str:
        """Whose certificate it is that was refused: for which a second handshake is made, that nothing is sent over."""
        from affineur.http.certificate import described
        from affineur.http.tls import unverified

        again = Connection(self._origin, self._opener, self._contexts, self._read_s)
        try:
            again.sock = again._reached()
            again.sock = wrapped = again._wrapped(unverified())
            assert not isinstance(wrapped, socket.socket) or isinstance(wrapped, ssl.SSLSocket)  # noqa: S101
            return described(wrapped.getpeercert(binary_form=True) or b"")
        except (OSError, SourceError):
            return ""
        finally:
            again.close()


class Answer(http.client.HTTPResponse):
    """http.client's, read through a buffer of ours.

    Attributes:
        in_chunks: whether the body is to be read by `framing.Chunked`; then http.client has not begun to.
        lines: what the body is read from.
    """

    def __init__(self, sock: Any, debuglevel: int = 0, method: str | None = None, url: str | None = None) -> None:
        super().__init__(sock, debuglevel, method, url)
        self._patient = _Patient(self.fp.detach())
        self.lines = self.fp = _Buffer(self._patient)
        self.in_chunks = False
        self._bodiless = method == "HEAD"

    def begin(self) -> None:
        """Raises http.client.HTTPException for a head that is none, or is read differently by different readers."""
        self._head()
        self._patient.head_left = None
        in_chunks = is_chunked(self.headers)
        if in_chunks and (self.version < 11 or "Content-Length" in self.headers):
            self.will_close = True  # RFC 9112 § 6.1: perhaps a smuggled one
        self.in_chunks = in_chunks and not self._bodiless and self.status not in (204, 304)
        if self.in_chunks:
            self.length = None
        # http.client does not know of a transfer encoding with blanks around it; then it would not be kept
        self.chunked = False

    def begin_tunnel(self) -> None:
        """Read a proxy's answer to CONNECT: after its head comes the tunnel, not a body (RFC 9112 § 6.3)."""
        self._head()

    def _head(self) -> None:
        """http.client takes a connection that ends within the head for the head's end."""
        try:
            super().begin()
        except http.client.BadStatusLine as problem:
            if self.lines.last and not self.lines.last.endswith(b"\n"):
                raise http.client.IncompleteRead(b"") from problem
            raise
        if self.lines.last not in (b"\r\n", b"\n"):
            raise http.client.IncompleteRead(b"")

    @property
    def has_more(self) -> bool:
        """Whether bytes came that do not belong to this answer; known once it is closed."""
        return self.lines.left

    def _read_status(self) -> tuple[str, int, str]:
        """http.client's, without the answers before the answer, of which it knows 100 only, in any number."""
        for _ in range(MAX_INTERIM + 1):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200:
                return version, status, reason
            if status == 101:
                raise http.client.HTTPException("it changes to another protocol, unasked")
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"more than {MAX_INTERIM} interim answers")


class _Buffer(io.BufferedReader):
    """Attributes: last: the last line that was read; left: once closed, whether it held more than was read."""

    def __init__(self, raw: "_Patient") -> None:
        super().__init__(raw, BUFFER_BYTES)
        self._source = raw
        self.last = b""
        self.left = False

    def readline(self, size: int | None = -1, /) -> bytes:
        self.last = super().readline(size)
        return self.last

    def close(self) -> None:
        if not self.closed:
            self._source.at_end = True
            self.left = bool(self.peek(1))
        super().close()


class _Patient(io.RawIOBase):
    """A socket's bytes, for as long as they come at a reasonable speed.

    Attributes:
        head_left: bytes that the head may still take; None once it is over.
        at_end: nothing more is read from the socket.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._patience_s = GRACE_S
        self.head_left: int | None = MAX_HEAD_BYTES
        self.at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.at_end:
            return None
        if self.head_left is not None and self.head_left <= 0:
            raise http.client.HTTPException(f"more than {MAX_HEAD_BYTES} bytes of headers")
        began = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        waited = time.monotonic() - began
        self._patience_s = min(GRACE_S, self._patience_s - waited + (count or 0) / SLOWEST)
        if self._patience_s < 0:
            raise TimeoutError(f"slower than {SLOWEST} bytes a second")
        if self.head_left is not None:
            self.head_left -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _named(proxy: Proxy) -> str:
    return f"{proxy} ({proxy.variable})"
