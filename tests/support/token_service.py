"""A token service on a loopback port of its own, and a registry that believes it."""

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from support.registry import Answer, Registry

__all__ = ["Asked", "TokenService"]


@dataclass(frozen=True)
class Asked:
    """One request: its method, its fields (of the query or the form), and who it says is asking."""

    method: str
    fields: Mapping[str, list[str]]
    authorization: str


@dataclass
class TokenService:
    """distribution, docs/spec/auth/token.md and oauth.md.

    Attributes:
        logins: names and passwords; None: everybody gets a token.
        identity_tokens: what is taken for a refresh token.
        expires_in: of the tokens, in seconds; they are refused afterwards.
        methods: others are answered with 405.
        extra: members that go over those of each answer.
        refuse: an answer instead of a token.
        mint: makes the token for a request; None: a word that `guard` knows.
        asked: every request, in order.
    """

    logins: dict[str, str] | None = None
    identity_tokens: set[str] = field(default_factory=set)
    expires_in: float = 300
    methods: tuple[str, ...] = ("GET", "POST")
    extra: dict[str, Any] = field(default_factory=dict)
    refuse: Answer | None = None
    mint: Callable[[Asked], str] | None = None
    asked: list[Asked] = field(default_factory=list)
    _given: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Bound", (_Handler,), {"service": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def guard(self, registry: Registry, *paths: str, scope: str | None = "repository:team/app:pull") -> None:
        """Make the registry refuse these paths to all who bring no token of ours that is still good."""
        challenge = f'Bearer realm="{self.url}",service="tests"' + (f',scope="{scope}"' if scope else "")

        def door(headers: Mapping[str, str]) -> Answer | None:
            given = headers.get("Authorization", "").removeprefix("Bearer ")
            if self._given.get(given, 0) > time.monotonic():
                return None
            body = b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
            return Answer(401, [("WWW-Authenticate", challenge)], body)

        registry.misbehave.update(dict.fromkeys(paths, door))

    def revoke(self) -> None:
        """No token given so far is good any longer."""
        self._given.clear()

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        """Status and body."""
        self.asked.append(asked)
        if self.refuse is not None:
            assert isinstance(self.refuse.body, bytes)
            return self.refuse.status, self.refuse.body
        if asked.method not in self.methods:
            return 405, b""
        if not self._known(asked):
            return 401, b'{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}'
        token = self.mint(asked) if self.mint is not None else f"token-{len(self.asked)}"
        self._given[token] = time.monotonic() + self.expires_in
        name = "token" if asked.method == "GET" else "access_token"
        return 200, json.dumps({name: token, "expires_in": self.expires_in, **self.extra}).encode()

    def _known(self, asked: Asked) -> bool:
        if asked.fields.get("grant_type") == ["refresh_token"]:
            return asked.fields["refresh_token"][0] in self.identity_tokens
        if self.logins is None:
            return True
        if asked.fields.get("grant_type") == ["password"]:
            return self.logins.get(asked.fields["username"][0]) == asked.fields["password"][0]
        name, _, password = base64.b64decode(asked.authorization.removeprefix("Basic ")).decode().partition(":")
        return name in self.logins and self.logins[name] == password


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: TokenService

    def do_GET(self) -> None:
        self._send(parse_qs(urlsplit(self.path).query))

    def do_POST(self) -> None:
        self._send(parse_qs(self._body().decode()))

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        content = b""  # in chunks, as Go sends what it does not measure
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def _send(self, fields: Mapping[str, list[str]]) -> None:
        asked = Asked(self.command, fields, self.headers.get("Authorization", ""))
        status, body = self.service.answer(asked)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in self.service.refuse.headers if self.service.refuse is not None else ():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
