"""The registry of `support.registry`, open for writing: distribution-spec 1.1 § Push, and how real ones stray from it.

with PushableRegistry() as registry:
    subprocess.run(["skopeo", "copy", "--dest-tls-verify=false", "oci:…", f"docker://{registry.host}/team/app:1"])
    assert registry.tags("team/app") == ["1"]
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from support.registry import Answer, Handler, Registry, basic, digest_of, problem

__all__ = ["CLOSED", "PushableRegistry", "Session"]

CLOSED = 0
"""An Answer's status: the connection is closed, and nothing is answered."""
MANIFEST_BYTES = 4 * 1024 * 1024
"""distribution-spec § Pushing Manifests: what a registry should take at least; ours takes no more."""
_PIECE = 16 * 1024


@dataclass
class Session:
    """An upload that is under way.

    Attributes:
        content: what has arrived.
        chunks: the sizes of the bodies that brought it, those that were cut among them.
        short: whether a chunk was smaller than the least that the registry asks for: only the last may be.
    """

    repository: str
    content: bytearray = field(default_factory=bytearray)
    chunks: list[int] = field(default_factory=list)
    short: bool = False

    @property
    def range(self) -> str:
        """`0-N`, N being the last byte that is there; `0-0` for nothing, too, as docker-registry has it."""
        return f"0-{max(0, len(self.content) - 1)}"


Meddler = Callable[[str, str, Mapping[str, str]], Answer | None]


class PushableRegistry(Registry):
    """A registry that can be written to.

    Attributes set by tests, beside those of Registry:
        absolute: Locations with scheme and host (by the request's Host); False: a path. Both carry a query, without
            which the session is not found.
        keeps_cut: a session goes on with what arrived of a body that was cut. False: it answers 404
            BLOB_UPLOAD_INVALID from then on, as docker-registry 2.8 does, whose Locations carry the offset.
        mounts: blobs of other repositories are mounted; False: an upload begins instead (202).
        single_post: a POST with `?digest=` and the blob is taken; False: an upload begins instead (202).
        chunk_min: `OCI-Chunk-Min-Length`; 0: none is named. A chunk after a smaller one is refused (416).
        largest: bytes that one body may have; more are refused (413).
        deletes: whether manifests, tags and blobs may be deleted (405 otherwise).
        lenient: manifests are taken though what they name is missing.
        hasty: requests that are refused are answered before their body is read, and the connection is closed.
        meddle: asked before anything else with method, path (and query) and headers; what it returns is the answer.
        amend: given method, path and the answer, after the work is done; returns the one that is sent.
        sessions: id → Session, as long as they are open.
        pushed: manifests that were put: repository, tag or digest, in order.
        scopes: token → what it is good for, with `bearer`; each challenge names the scope that is missing.

    `referrers_api` also answers a manifest that has a subject with `OCI-Subject`.
    """

    def __init__(self, *, tls: tuple[str, str] | None = None) -> None:
        super().__init__(tls=tls)
        self.absolute = False
        self.keeps_cut = True
        self.mounts = True
        self.single_post = False
        self.chunk_min = 0
        self.largest = 0
        self.deletes = True
        self.lenient = False
        self.hasty = False
        self.meddle: Meddler | None = None
        self.amend: Callable[[str, str, Answer], Answer] | None = None
        self.sessions: dict[str, Session] = {}
        self.pushed: list[tuple[str, str]] = []
        self.scopes: dict[str, set[str]] = {}

    def handler(self) -> type[Handler]:
        return _Pushing

    def count(self, method: str, part: str = "") -> int:
        """How many requests of a method had `part` in their path or query."""
        return sum(done == method and part in path for done, path in self.requests)


class _Cut(Exception):
    """The connection ended within a body."""


class _Pushing(Handler):
    registry: PushableRegistry
    _left = 0  # bytes of the body that are not read yet; -1: a chunked one, not read to its end

    def do_GET(self) -> None:  # noqa: N802
        self._left = -1 if "chunked" in self.headers.get("Transfer-Encoding", "") else self._announced()
        super().do_GET()

    do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815

    def answer(self) -> Answer:
        made = self.registry.meddle and self.registry.meddle(self.command, self.path, dict(self.headers.items()))
        try:
            found = made or super().answer()
            refused = found.status >= 400
            if self._left and not (refused and self.registry.hasty):
                for _ in self._body():
                    pass
        except _Cut:
            return Answer(CLOSED)
        return self.registry.amend(self.command, self.path, found) if self.registry.amend else found

    def send(self, answer: Answer) -> None:
        if self._left:
            self.close_connection = True
            answer = Answer(answer.status, [*answer.headers, ("Connection", "close")], answer.body, answer.length)
        if answer.status == CLOSED:
            self.close_connection = True
            return
        super().send(answer)

    def routed(self, parts: SplitResult) -> Answer:
        query = parse_qs(parts.query, keep_blank_values=True)
        path = parts.path.removeprefix("/v2/")
        if self.registry.largest and max(self._left, 0) > self.registry.largest:
            return problem(413, "SIZE_INVALID", "the body is too large")
        repository, uploads, upload = path.rpartition("/blobs/uploads/")
        if uploads and not upload:
            return self._begun(repository, query) if self.command == "POST" else _not_allowed()
        if uploads:
            return self._continued(repository, upload, query)
        repository, manifests, which = path.rpartition("/manifests/")
        if manifests and self.command == "PUT":
            return self._put_manifest(repository, which)
        if self.command == "DELETE":
            return self._deleted(path)
        return super().routed(parts) if self.command in ("GET", "HEAD") else _not_allowed()

    # Uploads

    def _begun(self, repository: str, query: Mapping[str, list[str]]) -> Answer:
        """distribution-spec § Pushing a blob in chunks (1), § Single POST, § Mounting a blob."""
        wanted, origin = query.get("mount", [""])[0], query.get("from", [""])[0]
        content = self.registry.blob(origin, wanted) if wanted and origin and self.registry.mounts else None
        if content is not None:
            self.registry.add_blob(repository, content)
            return self._stored(repository, wanted)
        session = Session(repository)
        if (digest := query.get("digest", [""])[0]) and self.registry.single_post:
            self._receive(session)
            return self._closed(session, digest)
        name = str(uuid.uuid4())
        self.registry.sessions[name] = session
        least = [("OCI-Chunk-Min-Length", str(self.registry.chunk_min))] if self.registry.chunk_min else []
        return Answer(202, [*self._state(name, session), *least])

    def _continued(self, repository: str, name: str, query: Mapping[str, list[str]]) -> Answer:
        session = self.registry.sessions.get(name)
        state = query.get("_state", [""])[0]
        if session is None or session.repository != repository or not state.startswith(name):
            return problem(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if not self.registry.keeps_cut and state != f"{name}.{len(session.content)}":
            del self.registry.sessions[name]
            return problem(404, "BLOB_UPLOAD_INVALID", "blob upload invalid")
        if self.command == "GET":
            return Answer(204, self._state(name, session))
        if self.command == "DELETE":
            del self.registry.sessions[name]
            return Answer(204)
        if self.command not in ("PATCH", "PUT"):
            return _not_allowed()
        if refused := self._out_of_order(name, session):
            return refused
        self._receive(session)
        if self.command == "PATCH":
            return Answer(202, self._state(name, session))
        if self.registry.sessions.pop(name, None) is None:  # the test, or somebody else, was quicker
            return problem(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return self._closed(session, query.get("digest", [""])[0])

    def _out_of_order(self, name: str, session: Session) -> Answer | None:
        """distribution-spec § Pushing a blob in chunks: a chunk that is not the next one is answered with 416."""
        given = self.headers.get("Content-Range")
        if given is None:
            return None
        first, _, last = given.partition("-")
        if not (first.isdigit() and last.isdigit()):
            return problem(400, "BLOB_UPLOAD_INVALID", f"Content-Range: {given}")
        if int(first) != len(session.content) or (session.short and self._left):
            return Answer(416, self._state(name, session))
        if self._left >= 0 and int(last) - int(first) + 1 != self._left:
            return problem(400, "SIZE_INVALID", f"Content-Range: {given} and {self._left} bytes")
        session.short = int(last) - int(first) + 1 < self.registry.chunk_min
        return None

    def _receive(self, session: Session) -> None:
        before = len(session.content)
        try:
            for piece in self._body():
                session.content += piece
        finally:
            session.chunks.append(len(session.content) - before)

    def _closed(self, session: Session, digest: str) -> Answer:
        if digest_of(bytes(session.content)) != digest:
            return problem(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.registry.add_blob(session.repository, bytes(session.content))
        return self._stored(session.repository, digest)

    def _stored(self, repository: str, digest: str) -> Answer:
        return Answer(201, [self._location(f"/v2/{repository}/blobs/{digest}"), ("Docker-Content-Digest", digest)])

    def _state(self, name: str, session: Session) -> list[tuple[str, str]]:
        where = f"/v2/{session.repository}/blobs/uploads/{name}?_state={name}.{len(session.content)}"
        return [self._location(where), ("Range", session.range), ("Docker-Upload-UUID", name)]

    def _location(self, path: str) -> tuple[str, str]:
        host = self.headers.get("Host", self.registry.host)
        return "Location", f"{self.registry.scheme}://{host}{path}" if self.registry.absolute else path

    # Manifests

    def _put_manifest(self, repository: str, which: str) -> Answer:
        """distribution-spec § Pushing Manifests, § Pushing Manifests with Subject."""
        content = b"".join(self._body(MANIFEST_BYTES + 1))
        media_type = self.headers.get("Content-Type", "")
        if len(content) > MANIFEST_BYTES:
            return problem(413, "SIZE_INVALID", "the manifest is too large")
        digest = digest_of(content)
        if ":" in which and which != digest:
            return problem(400, "DIGEST_INVALID", f"it is {digest}")
        try:
            manifest = json.loads(content)
            named = list(_named(manifest))
            subject = manifest["subject"]["digest"] if manifest.get("subject") else ""
        except (ValueError, KeyError, TypeError, AttributeError) as why:
            return problem(400, "MANIFEST_INVALID", f"no manifest: {why!r}")
        if manifest.get("mediaType", media_type) != media_type:
            return problem(400, "MANIFEST_INVALID", f"{manifest['mediaType']} was sent as {media_type}")
        held = self.registry.held(repository)
        missing = [each for each in named if each not in held.blobs and each not in held.manifests]
        if missing and not self.registry.lenient:
            return problem(400, "MANIFEST_BLOB_UNKNOWN", f"not here: {', '.join(missing)}")
        self.registry.add_manifest(repository, None if ":" in which else which, content, media_type)
        self.registry.pushed.append((repository, which))
        processed = [("OCI-Subject", subject)] if subject and self.registry.referrers_api else []
        where = self._location(f"/v2/{repository}/manifests/{digest}")
        return Answer(201, [where, ("Docker-Content-Digest", digest), *processed])

    def _deleted(self, path: str) -> Answer:
        """distribution-spec § Content Management."""
        for kind in ("manifests", "blobs"):
            repository, separator, which = path.rpartition(f"/{kind}/")
            if not separator:
                continue
            if not self.registry.deletes:
                return problem(405, "UNSUPPORTED", "nothing can be deleted here")
            held = self.registry.held(repository)
            if kind == "blobs":
                gone = held.blobs.pop(which, None) is not None
            elif ":" in which:
                gone = held.manifests.pop(which, None) is not None
                for tag in [tag for tag, digest in held.tags.items() if digest == which]:
                    del held.tags[tag]
            else:
                gone = held.tags.pop(which, None) is not None
            return (
                Answer(202) if gone else problem(404, "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN", "")
            )
        return _not_allowed()

    # Who may do what: distribution's docs/spec/auth/scope.md

    def refused(self) -> Answer | None:
        if not self.registry.bearer:
            return super().refused()
        wanted = self._scopes_wanted()
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given in self.registry.scopes and wanted <= self.registry.scopes[given]:
            return None
        scope = " ".join(sorted(wanted))
        realm = self.registry.realm or f"{self.registry.url}/token"
        challenge = f'Bearer realm="{realm}",service="tests"' + (f',scope="{_joined(scope)}"' if scope else "")
        answer = problem(401, "UNAUTHORIZED", "authentication required")
        return Answer(401, [*answer.headers, ("WWW-Authenticate", challenge)], answer.body)

    def _scopes_wanted(self) -> set[str]:
        """`repository:NAME:ACTION` for each action; to mount is to read the other repository, too."""
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/v2/")
        separators = ("/manifests/", "/blobs/", "/referrers/", "/tags/list")
        repository = next((path.partition(each)[0] for each in separators if each in path), "")
        if not repository:
            return set()
        actions = {"GET": ["pull"], "HEAD": ["pull"], "DELETE": ["delete"]}.get(self.command, ["pull", "push"])
        if "/blobs/uploads/" in path:
            actions = ["pull", "push"]
        wanted = {f"repository:{repository}:{action}" for action in actions}
        if origin := parse_qs(parts.query).get("from", [""])[0]:
            wanted.add(f"repository:{origin}:pull")
        return wanted

    def token(self, query: Mapping[str, list[str]]) -> Answer:
        """Good for what is asked; for reading alone where the registry has a login and none is given."""
        given = self.headers.get("Authorization", "")
        known = self.registry.login is not None and given == basic(self.registry.login)
        if given and not known:
            return problem(401, "UNAUTHORIZED", "wrong name or password")
        granted: set[str] = set()
        for scope in " ".join(query.get("scope", [])).split():
            kind, name, actions = scope.split(":", 1)[0], *scope.split(":", 1)[1].rsplit(":", 1)
            may = [each for each in actions.split(",") if known or self.registry.login is None or each == "pull"]
            granted |= {f"{kind}:{name}:{action}" for action in may}
        token = f"token-{len(self.registry.scopes)}"
        self.registry.scopes[token] = granted
        body = json.dumps({"token": token, "expires_in": 300}).encode()
        return Answer(headers=[("Content-Type", "application/json")], body=body)

    # The body

    def _announced(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def _body(self, limit: int | None = None) -> Iterator[bytes]:
        """As it arrives, up to `limit` bytes. Raises _Cut where the connection ends before it does."""
        taken = 0
        for piece in self._chunks() if self._left < 0 else self._measured():
            taken += len(piece)
            yield piece
            if limit is not None and taken >= limit:
                return

    def _measured(self) -> Iterator[bytes]:
        while self._left:
            try:
                piece = self.rfile.read1(min(self._left, _PIECE))
            except OSError as why:
                raise _Cut from why
            if not piece:
                raise _Cut
            self._left -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        """RFC 9112 § 7.1, without trailers."""
        try:
            while size := int(self.rfile.readline().split(b";")[0], 16):
                piece = self.rfile.read(size)
                yield piece
                if len(piece) < size or self.rfile.readline() != b"\r\n":
                    raise _Cut
            self.rfile.readline()
        except (OSError, ValueError) as why:
            raise _Cut from why
        self._left = 0


def _named(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Digests of what must be there; a subject need not, nor a layer that is elsewhere (`urls`)."""
    yield from (each["digest"] for each in manifest.get("manifests", []))
    if "config" in manifest:
        yield manifest["config"]["digest"]
    yield from (each["digest"] for each in manifest.get("layers", []) if not each.get("urls"))


def _joined(scopes: str) -> str:
    """`repository:a:pull repository:a:push` as `repository:a:pull,push`."""
    actions: dict[str, list[str]] = {}
    for scope in scopes.split():
        name, _, action = scope.rpartition(":")
        actions.setdefault(name, []).append(action)
    return " ".join(f"{name}:{','.join(each)}" for name, each in actions.items())


def _not_allowed() -> Answer:
    return problem(405, "UNSUPPORTED", "no such method here")
