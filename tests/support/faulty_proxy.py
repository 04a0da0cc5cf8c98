"""A proxy on loopback in front of one plain HTTP server, that breaks what passes through it, by a plan.

with FaultyProxy(registry.host, [Fault("cut", "PATCH", "/uploads/", side="request", share=0.4)]) as proxy:
    parse_reference(f"{proxy.host}/team/app:1")
print(proxy.account())

`Host` is passed on as it is, so a server's absolute Locations lead through the proxy again. A plan says what to do at
which request of a kind (the third PATCH of an upload), so it does the same each time, as far as its client does.
"""

import contextlib
import re
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from types import TracebackType
from typing import Literal, TypeAlias

from support.listener import Listener

__all__ = ["Fault", "FaultyProxy", "Kind"]

Kind: TypeAlias = Literal[
    "cut",  # both connections are closed at a byte
    "reset",  # the same, by RST
    "stall",  # nothing passes for `seconds` from a byte on; then it goes on, or with `closes` it is cut
    "answer",  # `status` in place of the server; with `early` before the request's body was read, and it is closed
    "change",  # one bit of the body is another
    "truncate",  # the answer's body ends early, and its Content-Length says so
    "forget",  # an upload's session is gone: 404 for it from now on
    "whole",  # Range is taken out of the request: all is sent
    "refuse",  # connections are reset before a byte is read; counts connections, not requests
    "tell",  # whoever made the proxy is told at a byte (and kills the client, say); with `closes` it is cut then, too
]
_IN_PLACE = ("answer", "forget")
_OF_BYTES = ("cut", "reset", "stall", "change", "tell")
_SHORTENED = re.compile(r"([0-9a-f]{8})[0-9a-f]{56}|(?<=_state=)[^&]+")
_PIECE = 32 * 1024
_HEAD = 64 * 1024
_CONNECT_S = 10.0


@dataclass(frozen=True, repr=False)
class Fault:
    """One thing that goes wrong.

    Attributes:
        method, path: of the requests it is for: the method, "" for any; a part of path and query.
        skip: how many of those pass unharmed first.
        times: how many after them are hit, -1: all.
        side: whether the byte is one of the request or of the answer.
        share: which byte: of the head (`in_head`) or the body, 0 its first, 0.5 its middle, 1 after its last.
    """

    kind: Kind
    method: str = ""
    path: str = ""
    skip: int = 0
    times: int = 1
    side: Literal["request", "answer"] = "answer"
    in_head: bool = False
    share: float = 0.5
    status: int = 0
    retry_after: str = ""
    seconds: float = 0.0
    closes: bool = False
    early: bool = False

    def __repr__(self) -> str:
        """As it may be written in a test: what is not as it is by default."""
        given = [(each.name, getattr(self, each.name)) for each in fields(self) if each.name != "kind"]
        told = [f"{name}={value!r}" for name, value in given if value != getattr(type(self), name)]
        return f"Fault({', '.join([repr(self.kind), *told])})"

    def is_for(self, method: str, path: str) -> bool:
        """Whether it may hit such a request; "forget" only what names a session."""
        fits = self.method in ("", method) and self.path in path and self.kind != "refuse"
        return fits and (self.kind != "forget" or bool(_session(path)))


class _Broken(Exception):
    """This connection ends here."""


class FaultyProxy(Listener):
    """Serves for as long as the context lasts.

    Attributes:
        host: `127.0.0.1:PORT`.
        faults: what is still to come; heal() ends it.
        requests: method and path of each request, in order.
        struck: each fault that hit something: what, at which request, after which byte.
        lost: ids of the sessions that were forgotten.
        carried: bytes of bodies that were passed on, to the server and from it.
    """

    def __init__(self, to: str, faults: Sequence[Fault] = (), told: Callable[[], object] = lambda: None) -> None:
        """Args: to: `host:port` of the server; told: called by the fault "tell", in the connection's thread."""
        super().__init__()
        host, _, port = to.rpartition(":")
        self._to, self._told = (host, int(port)), told
        self.faults: list[Fault] = list(faults)
        self._plan = tuple(faults)
        self.requests: list[str] = []
        self.struck: list[str] = []
        self.lost: set[str] = set()
        self.carried = {"request": 0, "answer": 0}
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._ends = threading.Event()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        super().__exit__(kind, error, at)
        self.heal()
        for each in self._serving:
            each.join(5)

    def plan(self, faults: Sequence[Fault]) -> None:
        """What is to go wrong from now on, instead of what was planned before."""
        with self._lock:
            self.faults, self._plan = list(faults), tuple(faults)

    def heal(self) -> None:
        """Nothing goes wrong any more; what is open or stalled is closed. Forgotten sessions stay so."""
        with self._lock:
            self.faults = []
            waiting, self._ends = self._ends, threading.Event()
            left = list(self._open)
        waiting.set()
        for each in left:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def account(self) -> str:
        """The plan, and what came of it: for the message of a test that fails."""
        plan = "".join(f"\n    {each!r}," for each in self._plan)
        lines = [f"plan of {self.host}: [{plan}\n]", "struck:", *self.struck, "requests:", *self.requests]
        return _SHORTENED.sub(r"\1…", "\n  ".join(lines))

    def drawn(self, method: str, path: str) -> Fault | None:
        """The fault for this request, if there is one: the first that fits and whose turn it is. Counts the request."""
        with self._lock:
            self.requests.append(f"{method} {path}")
            return self._next(lambda fault: fault.is_for(method, path))

    def _next(self, fits: Callable[[Fault], bool]) -> Fault | None:
        found = None
        for at, fault in enumerate(self.faults):
            if not fits(fault) or fault.times == 0:
                continue
            if fault.skip:
                self.faults[at] = replace(fault, skip=fault.skip - 1)
            elif found is None:
                self.faults[at] = replace(fault, times=fault.times - 1 if fault.times > 0 else -1)
                found = fault
        return found

    def strike(self, fault: Fault, request: str, byte: int) -> None:
        """Note that a fault hits; stall, or tell. Raises _Broken where the connection ends."""
        self.struck.append(f"{fault.kind} {fault.side} at byte {byte} of {request}")
        if fault.kind == "tell":
            self._told()
        if fault.kind == "stall":
            self._ends.wait(fault.seconds)
        if fault.kind in ("cut", "reset") or fault.closes:
            raise _Broken

    def serving(self, connection: socket.socket) -> Callable[[], object]:
        """See `Listener`."""
        return partial(self._connected, connection)

    def _connected(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError, _Broken):
            with self._lock:
                self._open.add(near)
                refused = self._next(lambda fault: fault.kind == "refuse")
            try:
                if refused is not None:
                    self.struck.append("refuse a connection")
                    _resets(near)
                elif near.recv(1, socket.MSG_PEEK) == b"\x16":  # a ClientHello: the server speaks no TLS
                    near.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                else:
                    with socket.create_connection(self._to, _CONNECT_S) as far:
                        far.settimeout(None)
                        _Connection(self, near, far).carry()
            finally:
                with self._lock:
                    self._open.discard(near)


class _Connection:
    """One client's, and the one to the server that belongs to it; one request after the other."""

    def __init__(self, proxy: FaultyProxy, near: socket.socket, far: socket.socket) -> None:
        self._proxy, self._near, self._far = proxy, near, far
        for each in (near, far):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client, self._server = _Reader(near), _Reader(far)

    def carry(self) -> None:
        """Until either side ends it."""
        while self._client.kept or self._far not in select.select([self._near, self._far], [], [])[0]:
            head = self._client.head()
            method, path, _ = (head.split(b"\r\n", 1)[0].decode("latin-1") + "  ").split(" ", 2)
            fault = self._proxy.drawn(method, path)
            lost = _session(path) in self._proxy.lost
            if lost or (fault is not None and fault.kind in _IN_PLACE):
                self._in_place(head, path, f"{method} {path}", fault)
                continue
            if fault is not None and fault.kind == "whole":
                head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"range:"))
                self._proxy.struck.append(f"whole: {method} {path}")
            answering = threading.Thread(target=self._answer, args=(method, f"{method} {path}", fault), daemon=True)
            answering.start()
            try:
                passage = _Passage(self._proxy, self._far, "request", f"{method} {path}", fault)
                passage.carry(head, self._client.body(head), _length(head))
            except (OSError, _Broken):
                self._end(fault)
                raise
            finally:
                answering.join()

    def _answer(self, method: str, request: str, fault: Fault | None) -> None:
        try:
            head = self._server.head()
            while head.split(b" ", 2)[1].startswith(b"1"):
                self._near.sendall(head)
                head = self._server.head()
            body = method != "HEAD" and head.split(b" ", 2)[1] not in (b"204", b"304")
            length = _length(head, 0 if not body else None)
            if fault is not None and fault.kind == "truncate" and body and length:
                keep = min(int(length * fault.share), length - 1)
                self._proxy.strike(fault, request, keep)
                self._near.sendall(_with_length(head, keep))
                for piece, _ in self._server.body(head):
                    self._near.sendall(piece[:keep])
                    keep -= len(piece[:keep])
                return
            passage = _Passage(self._proxy, self._near, "answer", request, fault)
            passage.carry(head, self._server.body(head, until_end=True) if body else iter(()), length)
            if body and length is None and not _is_chunked(head):
                self._end(None)
        except (OSError, _Broken):
            self._end(fault)

    def _in_place(self, head: bytes, path: str, request: str, fault: Fault | None) -> None:
        if fault is None or fault.kind == "forget":
            status, more, body = 404, "", b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"unknown"}]}'
            self._proxy.lost.add(_session(path))
        else:
            status, body = fault.status, b'{"errors":[{"code":"UNKNOWN","message":"made by the tests"}]}'
            more = f"Retry-After: {fault.retry_after}\r\n" if fault.retry_after else ""
        early = fault is not None and fault.early
        self._proxy.struck.append(f"{status}{' early' if early else ''} for {request}")
        if not early:
            for _ in self._client.body(head):
                pass
        if request.startswith("HEAD "):
            length, body = len(body), b""
        else:
            length = len(body)
        closing = "Connection: close\r\n" if early else ""
        fields = f"Content-Type: application/json\r\nContent-Length: {length}\r\n{more}{closing}"
        self._near.sendall(f"HTTP/1.1 {status} By Plan\r\n{fields}\r\n".encode() + body)
        if early:
            raise _Broken

    def _end(self, fault: Fault | None) -> None:
        """Wake whoever waits for either side; the sockets are closed once nobody uses them."""
        how = socket.SHUT_RDWR
        if fault is not None and fault.kind == "reset":
            how = socket.SHUT_RD  # no FIN: the RST comes with the close
            for each in (self._near, self._far):
                _resets(each)
        for each in (self._near, self._far):
            with contextlib.suppress(OSError):
                each.shutdown(how)


class _Passage:
    """One message on its way, with what befalls it."""

    def __init__(self, proxy: FaultyProxy, to: socket.socket, side: str, request: str, fault: Fault | None) -> None:
        self._proxy, self._to, self._side, self._request = proxy, to, side, request
        self._fault = fault if fault is not None and fault.kind in _OF_BYTES and fault.side == side else None

    def carry(self, head: bytes, body: Iterator[tuple[bytes, bool]], length: int | None) -> None:
        """Pass a message on. Raises _Broken, OSError.

        Args:
            body: pieces, and whether each is content (and not the frame of chunks).
            length: of the content; None where it is not told: then it is taken for 64 KiB.
        """
        fault = self._fault
        at = None
        if fault is not None and fault.kind == "change":
            at = None if length == 0 else len(head) + min(int(_of(length) * fault.share), _of(length) - 1)
        elif fault is not None:
            at = int(len(head) * fault.share) if fault.in_head else len(head) + int(_of(length) * fault.share)
        sent = 0
        for piece, content in _after(head, body):
            if at is not None and fault is not None and sent <= at < sent + len(piece):
                piece = self._hit(fault, piece, at - sent, at, content)
                at = None
            self._to.sendall(piece)
            sent += len(piece)
            self._proxy.carried[self._side] += len(piece)
        if at is not None and fault is not None and fault.kind != "change":
            self._proxy.strike(fault, self._request, sent)

    def _hit(self, fault: Fault, piece: bytes, cut: int, byte: int, content: bool) -> bytes:
        """What is still to be sent of the piece."""
        if fault.kind != "change":
            self._to.sendall(piece[:cut])
            self._proxy.strike(fault, self._request, byte)
            return piece[cut:]
        if not content:
            return piece
        self._proxy.strike(fault, self._request, byte)
        return piece[:cut] + bytes([piece[cut] ^ 1]) + piece[cut + 1 :]


class _Reader:
    """Heads and bodies from a socket: RFC 9112 § 2, § 6, § 7. `kept` is what was read and not handed out."""

    def __init__(self, of: socket.socket) -> None:
        self._of, self.kept = of, b""

    def head(self) -> bytes:
        """With the empty line at its end. Raises _Broken."""
        while (end := self.kept.find(b"\r\n\r\n")) < 0:
            part = self._of.recv(_PIECE)
            if not part or len(self.kept) > _HEAD:
                raise _Broken
            self.kept += part
        found, self.kept = self.kept[: end + 4], self.kept[end + 4 :]
        return found

    def body(self, head: bytes, *, until_end: bool = False) -> Iterator[tuple[bytes, bool]]:
        """Pieces, and whether each is content. Raises _Broken where it is cut; until_end: an answer may end so."""
        if _is_chunked(head):
            while True:
                line = self._line()
                yield line, False
                size = int(line.split(b";")[0], 16)
                if not size:
                    break
                yield from ((piece, True) for piece in self._exactly(size))
                yield self._line(), False
            yield self._line(), False
            return
        length = _length(head, None if until_end else 0)
        if length is not None:
            yield from ((piece, True) for piece in self._exactly(length))
            return
        while piece := self._some(_PIECE):
            yield piece, True

    def _some(self, most: int) -> bytes:
        if self.kept:
            piece, self.kept = self.kept[:most], self.kept[most:]
            return piece
        return self._of.recv(min(most, _PIECE))

    def _exactly(self, length: int) -> Iterator[bytes]:
        while length:
            piece = self._some(length)
            if not piece:
                raise _Broken
            length -= len(piece)
            yield piece

    def _line(self) -> bytes:
        while (end := self.kept.find(b"\r\n")) < 0:
            part = self._of.recv(_PIECE)
            if not part or len(self.kept) > _HEAD:
                raise _Broken
            self.kept += part
        found, self.kept = self.kept[: end + 2], self.kept[end + 2 :]
        return found


def _after(head: bytes, body: Iterator[tuple[bytes, bool]]) -> Iterator[tuple[bytes, bool]]:
    yield head, False
    yield from body


def _of(length: int | None) -> int:
    return 64 * 1024 if length is None else length


def _session(path: str) -> str:
    """The id of the upload that a path names; "" where it names none."""
    return path.partition("?")[0].rpartition("/blobs/uploads/")[2] if "/blobs/uploads/" in path else ""


def _field(head: bytes, name: bytes) -> bytes:
    lines = head.split(b"\r\n")[1:]
    return next((line.partition(b":")[2].strip() for line in lines if line.lower().startswith(name + b":")), b"")


def _is_chunked(head: bytes) -> bool:
    return b"chunked" in _field(head, b"transfer-encoding").lower()


def _length(head: bytes, otherwise: int | None = 0) -> int | None:
    if _is_chunked(head):
        return None
    given = _field(head, b"content-length")
    return int(given) if given else otherwise


def _with_length(head: bytes, length: int) -> bytes:
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"content-length:")]
    return b"\r\n".join([*kept, b"Content-Length: %d" % length]) + b"\r\n\r\n"


def _resets(connection: socket.socket) -> None:
    """Its close will be an RST: SO_LINGER of no seconds."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
