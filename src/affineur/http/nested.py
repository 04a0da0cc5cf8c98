"""TLS inside of TLS, for what goes through the tunnel of an https:// proxy: the ssl module's sockets do not nest."""

import io
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["NestedTls"]

_RECORD = 16 * 1024 + 2048  # RFC 8446 § 5.2, rounded up

_Result = TypeVar("_Result")


class NestedTls:
    """As much of a socket as http.client needs, over another TLS connection. Raises OSError (ssl.SSLError), as one."""

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, host: str) -> None:
        """Shakes hands within the outer socket's timeout for each read. The outer socket belongs to us from now on."""
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._readers = 0
        self._closed = False
        self._done(self._tls.do_handshake)

    def sendall(self, data: Any) -> None:
        """Send all bytes."""
        left = memoryview(data)
        while left:
            left = left[self._done(self._tls.write, left) :]

    def read_into(self, buffer: Any) -> int:
        """At least a byte, 0 at the end."""
        try:
            return int(self._done(self._tls.read, len(buffer), buffer))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return 0

    def makefile(self, mode: str) -> io.BufferedReader:
        """For reading; the connection stays open until what was made is closed, as a socket's does."""
        self._readers += 1
        return io.BufferedReader(_Bytes(self))

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The inner server's certificate."""
        return self._tls.getpeercert(binary_form)

    def pending(self) -> int:
        """Bytes that have arrived and were not read."""
        return self._tls.pending() + self._incoming.pending + self._outer.pending()

    def fileno(self) -> int:
        """Of the socket below."""
        return self._outer.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """Of the socket below."""
        self._outer.settimeout(seconds)

    def close(self) -> None:
        """Close, once nobody reads any more."""
        self._closed = True
        if not self._readers:
            self._outer.close()

    def release(self) -> None:
        """One reader less."""
        self._readers -= 1
        if self._closed:
            self.close()

    def _done(self, operation: Callable[..., _Result], *arguments: Any) -> _Result:
        while True:
            try:
                result = operation(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                if received := self._outer.recv(_RECORD):
                    self._incoming.write(received)
                else:
                    self._incoming.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if sent := self._outgoing.read():
            self._outer.sendall(sent)


class _Bytes(io.RawIOBase):
    """What is read from it."""

    def __init__(self, connection: NestedTls) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.read_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._connection.release()
