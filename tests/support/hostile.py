"""A registry that misbehaves on command: raw sockets, so that any bytes can be sent, and each one is counted.

Whatever no trick is played on is served as an honest registry would, `team/app:1` among it. With `demands`, everything
is served only to the login (or the token got by it), so that a secret is really at stake in every exchange.
"""

import base64
import contextlib
import json
import secrets
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from support.registry import Layer, digest_of, layer

__all__ = ["BLOBS", "CONFIG", "INDEX", "MANIFEST", "OCI", "TAGS", "TOKEN", "Asked", "HostileRegistry", "Line", "reply"]

OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "/v2/team/app/manifests/1"
MANIFESTS = "/v2/team/app/manifests/"
BLOBS = "/v2/team/app/blobs/"
TAGS = "/v2/team/app/tags/list"
TOKEN = "/token"
FLOOD = 1 << 30
"""Bytes after which an endless answer ends all the same: whoever took them all has no limit."""
MOST_HEAD = 256 * 1024
Demand = Literal["nothing", "basic", "bearer"]


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: str
    raw: bytes

    @property
    def path(self) -> str:
        """Without the query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str:
        """The first header of that name, or nothing."""
        for line in self.raw.decode("latin-1").split("\r\n")[1:]:
            known, _, value = line.partition(":")
            if known.lower() == name.lower():
                return value.strip()
        return ""


class Line:
    """A connection in the hands of a trick, that closes it by returning."""

    def __init__(self, connection: socket.socket, registry: "HostileRegistry") -> None:
        self._connection, self._registry = connection, registry

    def send(self, content: bytes) -> bool:
        """Whether it was taken: False once nobody reads any more."""
        try:
            self._connection.sendall(content)
        except OSError:
            return False
        self._registry.count(len(content))
        return True

    def flood(self, chunk: bytes, at_most: int = FLOOD) -> None:
        """The same chunk again and again, until nobody reads any more; the registry notes it if all was taken."""
        for _ in range(max(1, at_most // len(chunk))):
            if not self.send(chunk):
                return
        self._registry.overrun = True

    def drip(self, content: bytes, pause_s: float, at_most: int) -> None:
        """A byte at a time."""
        for number in range(at_most):
            if self._registry.closed.wait(pause_s) or not self.send(content[number % len(content) :][:1]):
                return
        self._registry.overrun = True

    def reset(self) -> None:
        """End it with a RST, not a FIN."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def hold(self, seconds: float) -> None:
        """Say nothing for a while."""
        self._registry.closed.wait(seconds)


Trick: TypeAlias = bytes | Callable[[Asked, Line], bytes | None]
"""Bytes to send, or a function that sends something itself, or returns the bytes (then the connection stays open)."""


def reply(
    body: bytes = b"",
    status: int = 200,
    *headers: tuple[str, str],
    media_type: str = "application/json",
    length: int | None = None,
) -> bytes:
    """An answer. Args: length: the Content-Length, where it is not the body's."""
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {media_type}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers)
    head += f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode("utf-8", "surrogateescape") + body


@dataclass
class HostileRegistry:
    """Use it as a context manager; it listens on 127.0.0.1 and a free port.

    Attributes:
        demands: what it wants before it serves anything: nothing, the login by Basic, or a token got with the login.
        public: paths for which nothing is demanded.
        realm: what its challenge names as token service; None = its own.
        tricks: path, with or without query → what is sent instead of an honest answer.
        asked: every request, in order.
        sent: bytes that the other end's kernel took.
        overrun: an endless answer was taken to its end.
        issued: the token has been given.
        name, password, token: of its login, made of random words.
    """

    tls: tuple[str, str] | None = None
    demands: Demand = "nothing"
    realm: str | None = None
    public: set[str] = field(default_factory=set)
    tricks: dict[str, Trick] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0
    overrun: bool = False
    issued: bool = False
    faults: list[BaseException] = field(default_factory=list)
    name: str = field(default_factory=lambda: f"name{secrets.token_hex(8)}")
    password: str = field(default_factory=lambda: f"pass{secrets.token_hex(16)}")
    token: str = field(default_factory=lambda: f"token{secrets.token_hex(16)}")

    def __post_init__(self) -> None:
        self.closed = threading.Event()
        self._honest: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._context: ssl.SSLContext | None = None
        if self.tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*self.tls)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http{'s' if self.tls else ''}://{self.host}"

    @property
    def basic(self) -> str:
        """The login as Basic has it."""
        return base64.b64encode(f"{self.name}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must come to light nowhere: the login, and the token once it has been given."""
        return (self.password, self.basic, self.token) if self.issued else (self.password, self.basic)

    def forget(self) -> None:
        """Count from here."""
        self.asked.clear()
        self.sent, self.overrun, self.issued = 0, False, False

    def hang_up(self) -> None:
        """End every connection."""
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the other end may be faster
                    connection.shutdown(socket.SHUT_RDWR)

    def count(self, sent: int) -> None:
        """Note bytes that were taken."""
        with self._lock:
            self.sent += sent

    def times(self, path: str) -> int:
        """How often a path has been asked for."""
        return sum(asked.path == path for asked in self.asked)

    def serve(self, path: str, answer: bytes) -> None:
        """An honest answer."""
        self._honest[path] = answer

    def honest(self, path: str) -> bytes:
        """What is served where no trick is played."""
        return self._honest[path]

    def blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        """Serve a blob; returns its descriptor."""
        digest = digest_of(content)
        self._honest[f"{BLOBS}{digest}"] = reply(content, media_type="application/octet-stream")
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def document(self, content: bytes | dict[str, Any], tag: str | None = "1", media_type: str = OCI) -> dict[str, Any]:
        """Serve a manifest or index, well made or not; returns its descriptor."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = digest_of(body)
        answer = reply(body, 200, ("Docker-Content-Digest", digest), media_type=media_type)
        for which in (digest, *((tag,) if tag else ())):
            self._honest[f"{MANIFESTS}{which}"] = answer
        return {"mediaType": media_type, "digest": digest, "size": len(body)}

    def image(
        self,
        layers: Sequence[bytes | Layer],
        tag: str | None = "1",
        change: Callable[[dict[str, Any]], object] | None = None,
        **config: Any,
    ) -> dict[str, Any]:
        """Serve an image; returns its manifest.

        Args:
            layers: tar bytes or made layers, base first.
            change: what is done to the manifest before it is served.
            config: members that go over the default ones.
        """
        made = [each if isinstance(each, Layer) else layer(each) for each in layers]
        said = {
            "created": "2026-01-02T03:04:05Z",
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in made]},
            **config,
        }
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI,
            "config": self.blob(json.dumps(said).encode(), CONFIG),
            "layers": [self.blob(each.content, each.media_type(docker=False)) for each in made],
        }
        if change is not None:
            change(manifest)
        self.document(manifest, tag)
        self.serve(TAGS, reply(b'{"name": "team/app", "tags": ["1"]}'))
        return manifest

    def _accept(self) -> None:
        while not self.closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._connections.add(connection)
        try:
            if self._context is not None:
                with self._lock:
                    self._connections.discard(connection)
                connection = self._context.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._connections.add(connection)
            elif connection.recv(1, socket.MSG_PEEK) == b"\x16":
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                return
            while self._exchange(connection):
                pass
        except OSError:
            pass  # the other end hung up, as it may
        except BaseException as fault:  # of a trick: the test must hear of it
            self.faults.append(fault)
        finally:
            with self._lock:
                self._connections.discard(connection)
                connection.close()

    def _exchange(self, connection: socket.socket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(65536)
            if not part or len(head) > MOST_HEAD:
                return False
            head += part
        method, target, _ = head.decode("latin-1").split(" ", 2)
        asked = Asked(method, target, head)
        with self._lock:
            self.asked.append(asked)
        answer = self._answer(asked)
        line = Line(connection, self)
        if callable(answer):
            made = answer(asked, line)
            return made is not None and line.send(made)
        return line.send(answer)

    def _answer(self, asked: Asked) -> Trick:
        if asked.path not in self.public and asked.path != TOKEN and (refused := self._refused(asked)):
            return refused
        for known in (asked.target, asked.path):
            if known in self.tricks:
                return self.tricks[known]
        if asked.path == TOKEN:
            return self._token_for(asked)
        return self._honest.get(asked.target) or self._honest.get(asked.path) or reply(b'{"errors": []}', 404)

    def _refused(self, asked: Asked) -> bytes | None:
        given = asked.header("Authorization")
        if self.demands == "basic" and given != f"Basic {self.basic}":
            return reply(b"", 401, ("WWW-Authenticate", 'Basic realm="tests"'))
        if self.demands == "bearer" and given != f"Bearer {self.token}":
            realm = self.realm or f"{self.url}{TOKEN}"
            return reply(b"", 401, ("WWW-Authenticate", f'Bearer realm="{realm}",service="tests"'))
        return None

    def _token_for(self, asked: Asked) -> bytes:
        if self.demands == "bearer" and asked.header("Authorization") != f"Basic {self.basic}":
            return reply(b"", 401, ("WWW-Authenticate", 'Basic realm="tests"'))
        self.issued = True
        return reply(json.dumps({"token": self.token, "expires_in": 300}).encode())
