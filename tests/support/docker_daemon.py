"""A stand-in for docker's daemon, on a Unix socket: just enough of its API for the real client to pull, look and tag.

Docker Engine API v1.50: /info, /images/create, /images/json, /images/{name}/json, /images/{name}/tag.
"""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from support.engines import docker_info

__all__ = ["DockerDaemon"]


class DockerDaemon:
    """Serves until the block ends.

    Attributes:
        requests: (method, path without its version, query) of each request, the pings left out.
        images: what it has, by every name that it answers to, as `docker image inspect` describes it.
        brings: what comes into `images` with a pull, under the name that was asked for.
    """

    def __init__(self, root: Path) -> None:
        """Args: root: where it says that it keeps its content."""
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.images: dict[str, dict[str, Any]] = {}
        self.brings: dict[str, Any] = {}
        self._root = root
        self._folder = TemporaryDirectory()  # a socket's path is short: unix(7)
        path = f"{self._folder.name}/docker.sock"
        self._server = _Server(path, type("_Bound", (_Handler,), {"daemon": self}))
        self.environment = {"DOCKER_HOST": f"unix://{path}"}

    def answer(self, method: str, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """Status, and what is said as JSON."""
        self.requests.append((method, path, query))
        parts = path.strip("/").split("/")
        name, what = "/".join(parts[1:-1]), parts[-1]
        if path == "/info":
            return 200, docker_info(str(self._root))
        if (method, path) == ("POST", "/images/create"):
            self.images[f"{query['fromImage']}@{query['tag']}"] = self.brings
            return 200, {"status": f"Pulling from {query['fromImage']}", "id": query["tag"]}
        if path == "/images/json":
            return 200, []
        if what == "json" and name in self.images:
            return 200, self.images[name]
        if (method, what) == ("POST", "tag"):
            found = next((image for image in self.images.values() if image["Id"] == name), None)
            if found is not None:
                self.images[f"{query['repo']}:{query['tag']}"] = found
                return 201, ""
        return 404, {"message": f"No such image: {name}"}

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:
        """The handler wants an address to show."""
        request, _ = super().get_request()
        return request, ("client", 0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    daemon: DockerDaemon

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        if path.startswith("/v1."):
            path = path[path.index("/", 1) :]
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        status, said = (200, "OK") if path == "/_ping" else self.daemon.answer(self.command, path, query)
        body = (said if isinstance(said, str) else json.dumps(said)).encode()
        self.send_response(status)
        for name, value in (("Api-Version", "1.50"), ("Ostype", "linux"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""
