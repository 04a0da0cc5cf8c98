"""A registry in this process, on loopback: serves images that tests make, and misbehaves on request.

with Registry() as registry:
    digest = registry.push("team/app", "1", layers=[tar_of({"etc/os-release": b"ID=debian\n"})])
    parse_reference(f"{registry.host}/team/app:1")
"""

import base64
import gzip
import hashlib
import io
import json
import ssl
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import SplitResult, parse_qs, urlsplit

__all__ = ["Answer", "Handler", "Layer", "Registry", "basic", "digest_of", "layer", "problem", "tar_of"]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_TOKEN = "token-of-the-tests"
Compression = Literal["gzip", "zstd", "none"]


def digest_of(content: bytes) -> str:
    """`sha256:hex`."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def tar_of(files: Mapping[str, bytes | tarfile.TarInfo], *, format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of regular files (path → content), or of ready-made members without content (path → TarInfo)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for path, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@dataclass(frozen=True)
class Layer:
    """A layer as it is served, and the digest of what it unpacks to."""

    content: bytes
    diff_id: str
    compression: Compression = "gzip"

    def media_type(self, docker: bool) -> str:
        """In OCI's words or Docker's."""
        if docker:
            return "application/vnd.docker.image.rootfs.diff.tar" + ("" if self.compression == "none" else ".gzip")
        suffix = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}[self.compression]
        return f"application/vnd.oci.image.layer.v1.tar{suffix}"


def layer(tar: bytes, compression: Compression = "gzip") -> Layer:
    """A tar as a layer."""
    if compression == "gzip":
        content = gzip.compress(tar, 6, mtime=0)
    elif compression == "zstd":
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        content = zstd.compress(tar)
    else:
        content = tar
    return Layer(content, digest_of(tar), compression)


@dataclass
class Answer:
    """A response made up by a test. `body` may be an endless iterator of chunks (then without a length)."""

    status: int = 200
    headers: Iterable[tuple[str, str]] = ()
    body: bytes | Iterator[bytes] = b""
    length: int | None = None  # another Content-Length than the true one


@dataclass
class Repository:
    """What a repository holds."""

    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)  # digest → bytes, media type
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)


class Registry:
    """A registry on 127.0.0.1 and a free port, for as long as the context lasts.

    Attributes set by tests:
        page_size: tags per page; 0 = all at once.
        warnings: texts of `Warning: 299` headers, sent with every manifest.
        login: (name, password) that Basic, or the token service, demands; None = everybody may read.
        bearer: True = a token from `/token` is demanded (given to anybody if `login` is None).
        realm: what the challenge says the token service is; None = our own.
        misbehave: path → Answer, or a function of the request's headers that returns one (None = behave).
        headers: sent with every answer.
        latency_s: before every answer.
        referrers_api: whether there is one; then `OCI-Filters-Applied` is sent where it filters.
        requests: (method, path with query) of every request, in order; `seen_headers` those requests' headers.
    """

    def __init__(self, *, tls: tuple[str, str] | None = None) -> None:
        """Args: tls: paths of certificate and key (PEM); None serves plain HTTP."""
        self.page_size = 0
        self.warnings: list[str] = []
        self.login: tuple[str, str] | None = None
        self.bearer = False
        self.realm: str | None = None
        self.misbehave: dict[str, Answer | Callable[[Mapping[str, str]], Answer | None]] = {}
        self.headers: list[tuple[str, str]] = []
        self.latency_s = 0.0
        self.referrers_api = False
        self.requests: list[tuple[str, str]] = []
        self.seen_headers: list[Mapping[str, str]] = []
        self._repositories: dict[str, Repository] = {}
        self._server = _Server(("127.0.0.1", 0), type("_Bound", (self.handler(),), {"registry": self}))
        self.scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.context = context
            self.scheme = "https"
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def handler(self) -> type["Handler"]:
        """Who answers: `pushing` has one that can also be written to."""
        return Handler

    def use(self, context: ssl.SSLContext) -> None:
        """Serve TLS by these settings from the next connection on."""
        self._server.context = context

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"{self.scheme}://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def push(
        self,
        repository: str,
        tag: str | None,
        layers: Iterable[bytes | Layer],
        *,
        compression: Compression = "gzip",
        config: Mapping[str, Any] | None = None,
        annotations: Mapping[str, str] | None = None,
        docker: bool = False,
        architecture: str = "amd64",
    ) -> str:
        """Keep an image; returns its manifest's digest.

        Args:
            layers: base first: tar bytes, or `layer(…)`.
            config: members that go over the defaults (created, architecture, os, config, rootfs, history).
            docker: Docker schema 2 media types instead of OCI's.
        """
        ready = [each if isinstance(each, Layer) else layer(each, compression) for each in layers]
        document = {
            "created": "2026-01-02T03:04:05.678Z",
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": ["PATH=/usr/bin"], "Labels": {"maker": "tests"}},
            "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in ready]},
            **(config or {}),
        }
        content = json.dumps(document).encode()
        media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": DOCKER_CONFIG if docker else OCI_CONFIG,
                "digest": self.add_blob(repository, content),
                "size": len(content),
            },
            "layers": [
                {
                    "mediaType": each.media_type(docker),
                    "digest": self.add_blob(repository, each.content),
                    "size": len(each.content),
                }
                for each in ready
            ],
        }
        if annotations:
            manifest["annotations"] = dict(annotations)
        return self.add_manifest(repository, tag, manifest, media_type)

    def push_index(
        self,
        repository: str,
        tag: str | None,
        children: Iterable[Mapping[str, Any]],
        *,
        docker: bool = False,
        annotations: Mapping[str, str] | None = None,
    ) -> str:
        """Keep an index of manifests pushed before; returns its digest.

        Args:
            children: each with `digest`, and whatever else of a descriptor (`platform`, `annotations`); size and media
                type are filled in.
        """
        manifests = []
        for child in children:
            content, media_type = self.held(repository).manifests[child["digest"]]
            manifests.append({"mediaType": media_type, "size": len(content), **child})
        media_type = DOCKER_LIST if docker else OCI_INDEX
        index: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}
        if annotations:
            index["annotations"] = dict(annotations)
        return self.add_manifest(repository, tag, index, media_type)

    def add_blob(self, repository: str, content: bytes) -> str:
        """Keep a blob; returns its digest."""
        digest = digest_of(content)
        self.held(repository).blobs[digest] = content
        return digest

    def add_manifest(
        self, repository: str, tag: str | None, manifest: Mapping[str, Any] | bytes, media_type: str
    ) -> str:
        """Keep any document as a manifest, well made or not; returns its digest."""
        content = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        digest = digest_of(content)
        held = self.held(repository)
        held.manifests[digest] = (content, media_type)
        if tag is not None:
            held.tags[tag] = digest
        return digest

    def manifest(self, repository: str, which: str) -> tuple[bytes, str] | None:
        """Bytes and media type of a tag or digest."""
        held = self._repositories.get(repository)
        return held.manifests.get(held.tags.get(which, which)) if held else None

    def blob(self, repository: str, digest: str) -> bytes | None:
        """A blob's bytes."""
        held = self._repositories.get(repository)
        return held.blobs.get(digest) if held else None

    def blobs(self, repository: str) -> list[bytes]:
        """Every blob of a repository."""
        return list(self.held(repository).blobs.values())

    def referrers(self, repository: str, subject: str) -> list[dict[str, Any]]:
        """Descriptors of the manifests that name a subject: distribution-spec 1.1 § Listing Referrers."""
        found = []
        for digest, (content, media_type) in self.held(repository).manifests.items():
            manifest = json.loads(content)
            if manifest.get("subject", {}).get("digest") == subject:
                kind = manifest.get("artifactType") or manifest["config"]["mediaType"]
                described = {"mediaType": media_type, "digest": digest, "size": len(content), "artifactType": kind}
                found.append(described | {k: v for k, v in manifest.items() if k == "annotations"})
        return found

    def tags(self, repository: str) -> list[str] | None:
        """Sorted; None for an unknown repository."""
        held = self._repositories.get(repository)
        return sorted(held.tags) if held else None

    def held(self, name: str) -> Repository:
        return self._repositories.setdefault(name, Repository())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """TLS in the connection's own thread; a ClientHello sent to a plain server is turned away at once."""
        if self.context is not None:
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
            return
        if request.recv(1, 2) == b"\x16":  # MSG_PEEK
            request.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            return
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients break connections in these tests all the time; a fault of the handler itself must still be seen."""
        problem = sys.exc_info()[1]
        if not isinstance(problem, OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection to a registry, for reading."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    registry: Registry

    def do_GET(self) -> None:
        self.registry.requests.append((self.command, self.path))
        self.registry.seen_headers.append(dict(self.headers.items()))
        if self.registry.latency_s:
            time.sleep(self.registry.latency_s)
        self.send(self.answer())

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def answer(self) -> Answer:
        """What a request is answered with."""
        parts = urlsplit(self.path)
        trick = self.registry.misbehave.get(self.path) or self.registry.misbehave.get(parts.path)
        made = trick(dict(self.headers.items())) if callable(trick) else trick
        if made is not None:
            return made
        if parts.path == "/token":
            return self.token(parse_qs(parts.query))
        if refused := self.refused():
            return refused
        return self.routed(parts)

    def routed(self, parts: SplitResult) -> Answer:
        """The answer to a request that is let in."""
        if parts.path in ("/v2", "/v2/"):
            return Answer(headers=[("Content-Type", "application/json")], body=b"{}")
        path = parts.path.removeprefix("/v2/")
        for kind, found in (("/manifests/", self._manifest), ("/blobs/", self._blob)):
            repository, separator, which = path.rpartition(kind)
            if separator:
                return found(repository, which)
        repository, separator, subject = path.rpartition("/referrers/")
        if separator and self.registry.referrers_api:
            return self._referrers(repository, subject, parse_qs(parts.query))
        if path.endswith("/tags/list"):
            return self._tags(path.removesuffix("/tags/list"), parse_qs(parts.query))
        return problem(404, "UNSUPPORTED", "no such endpoint")

    def refused(self) -> Answer | None:
        """The challenge to a request without the login or token that is demanded."""
        given = self.headers.get("Authorization", "")
        if self.registry.bearer:
            if given == f"Bearer {_TOKEN}":
                return None
            realm = self.registry.realm or f"{self.registry.url}/token"
            challenge = f'Bearer realm="{realm}",service="tests",scope="repository:team/app:pull"'
        elif self.registry.login is not None:
            if given == basic(self.registry.login):
                return None
            challenge = 'Basic realm="tests"'
        else:
            return None
        refusal = problem(401, "UNAUTHORIZED", "authentication required")
        return Answer(401, [*refusal.headers, ("WWW-Authenticate", challenge)], refusal.body)

    def token(self, query: Mapping[str, list[str]]) -> Answer:
        """What the token service answers."""
        if self.registry.login is not None and self.headers.get("Authorization", "") != basic(self.registry.login):
            return problem(401, "UNAUTHORIZED", "wrong name or password")
        body = json.dumps({"token": _TOKEN, "expires_in": 300}).encode()
        return Answer(headers=[("Content-Type", "application/json")], body=body)

    def _referrers(self, repository: str, subject: str, query: Mapping[str, list[str]]) -> Answer:
        found = self.registry.referrers(repository, subject)
        headers = [("Content-Type", OCI_INDEX)]
        if kinds := query.get("artifactType"):
            headers.append(("OCI-Filters-Applied", "artifactType"))
            found = [each for each in found if each["artifactType"] in kinds]
        if size := self.registry.page_size:
            start = int(query.get("from", ["0"])[0])
            if start + size < len(found):
                headers.append(("Link", f'<{urlsplit(self.path).path}?from={start + size}>; rel="next"'))
            found = found[start : start + size]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
        return Answer(headers=headers, body=json.dumps(index).encode())

    def _manifest(self, repository: str, which: str) -> Answer:
        found = self.registry.manifest(repository, which)
        if found is None:
            return problem(404, "MANIFEST_UNKNOWN", "manifest unknown")
        content, media_type = found
        headers = [("Content-Type", media_type), ("Docker-Content-Digest", digest_of(content))]
        headers += [("Warning", f'299 - "{text}"') for text in self.registry.warnings]
        return Answer(headers=headers, body=content)

    def _blob(self, repository: str, digest: str) -> Answer:
        content = self.registry.blob(repository, digest)
        if content is None:
            return problem(404, "BLOB_UNKNOWN", "blob unknown to registry")
        headers = [("Content-Type", "application/octet-stream")]
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes="):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start = int(first) if first else len(content) - int(last)
            stop = min(int(last) + 1 if first and last else len(content), len(content))
            if start >= len(content):
                return Answer(416, [("Content-Range", f"bytes */{len(content)}")])
            headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}"))
            return Answer(206, headers, content[start:stop])
        return Answer(headers=headers, body=content)

    def _tags(self, repository: str, query: dict[str, list[str]]) -> Answer:
        tags = self.registry.tags(repository)
        if tags is None:
            return problem(404, "NAME_UNKNOWN", "repository name not known to registry")
        after = query.get("last", [""])[0]
        size = int(query.get("n", ["0"])[0]) or self.registry.page_size or len(tags)
        rest = [tag for tag in tags if tag > after]
        page = rest[:size]
        headers = [("Content-Type", "application/json")]
        if len(rest) > size:
            headers.append(("Link", f'</v2/{repository}/tags/list?n={size}&last={page[-1]}>; rel="next"'))
        return Answer(headers=headers, body=json.dumps({"name": repository, "tags": page}).encode())

    def send(self, answer: Answer) -> None:
        """An answer, whole; the connection is closed where its length is not the true one."""
        self.send_response(answer.status)
        for name, value in [*self.registry.headers, *answer.headers]:
            self.send_header(name, value)
        body = answer.body
        length = len(body) if answer.length is None and isinstance(body, bytes) else answer.length
        if answer.status == 204:  # RFC 9110 § 8.6: no length, nor a body
            body = b""
        elif length is not None:
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(body, bytes):
            self.wfile.write(body)
            self.close_connection = self.close_connection or length not in (len(body), None)
            return
        for chunk in body:
            self.wfile.write(chunk)


def basic(login: tuple[str, str]) -> str:
    """The Authorization of a login."""
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()


def problem(status: int, code: str, message: str) -> Answer:
    """distribution-spec 1.1 § Error Codes."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Answer(status, [("Content-Type", "application/json")], body)
