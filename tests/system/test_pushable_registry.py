"""The tests' own registry, open for writing: by hand as distribution-spec 1.1 has it, and with skopeo and podman."""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import pytest

from support.leaving_out import leave_out
from support.pushing import CLOSED, PushableRegistry
from support.registry import OCI_MANIFEST, Answer, digest_of, problem

pytestmark = pytest.mark.system
CONTENT = bytes(range(256)) * 400
DIGEST = digest_of(CONTENT)


class Said(NamedTuple):
    """An answer."""

    status: int
    headers: Message
    body: bytes


class Asked:
    """One client's requests, by hand."""

    def __init__(self, registry: PushableRegistry) -> None:
        self._host = registry.host

    def __call__(self, method: str, path: str, body: bytes = b"", /, **headers: str) -> Said:
        connection = http.client.HTTPConnection(self._host, timeout=10)
        path = path.removeprefix(f"http://{self._host}")
        connection.request(method, path, body or None, {name.replace("_", "-"): text for name, text in headers.items()})
        with contextlib.closing(connection), connection.getresponse() as answer:
            return Said(answer.status, answer.headers, answer.read())

    def begun(self) -> str:
        """Where an upload goes on."""
        answer = self("POST", "/v2/team/app/blobs/uploads/")
        assert answer.status == 202
        return answer.headers["Location"]

    def cut(self, location: str, sent: bytes, announced: int) -> None:
        """A PATCH whose body ends too early."""
        path = location.removeprefix(f"http://{self._host}")
        with socket.create_connection(tuple(self._host.split(":"))) as connection:  # type: ignore[arg-type]
            head = f"PATCH {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {announced}\r\n\r\n"
            connection.sendall(head.encode() + sent)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""  # the registry has seen it


@pytest.fixture(name="registry", params=[False, True], ids=["relative", "absolute"])
def _registry(request: pytest.FixtureRequest) -> Iterator[PushableRegistry]:
    with PushableRegistry() as registry:
        registry.absolute = request.param
        yield registry


def test_in_one_piece_by_post_and_put(registry: PushableRegistry) -> None:
    asked = Asked(registry)
    done = asked("PUT", f"{asked.begun()}&digest={DIGEST}", CONTENT)
    assert (done.status, done.headers["Docker-Content-Digest"]) == (201, DIGEST)
    assert registry.blob("team/app", DIGEST) == CONTENT
    assert asked("HEAD", done.headers["Location"]).headers["Content-Length"] == str(len(CONTENT))
    assert registry.sessions == {}


def test_in_chunks(registry: PushableRegistry) -> None:
    asked = Asked(registry)
    first = asked("PATCH", asked.begun(), CONTENT[:1000], Content_Range="0-999")
    assert (first.status, first.headers["Range"]) == (202, "0-999")
    second = asked("PATCH", first.headers["Location"], CONTENT[1000:])  # a stream: no Content-Range
    state = asked("GET", second.headers["Location"])
    assert (state.status, state.headers["Range"]) == (204, f"0-{len(CONTENT) - 1}")
    assert "Content-Length" not in state.headers
    (session,) = registry.sessions.values()
    assert session.chunks == [1000, len(CONTENT) - 1000]
    assert asked("PUT", f"{state.headers['Location']}&digest={DIGEST}").status == 201
    assert registry.blob("team/app", DIGEST) == CONTENT


def test_a_chunk_out_of_order_is_told_where_to_go_on(registry: PushableRegistry) -> None:
    asked = Asked(registry)
    location = asked("PATCH", asked.begun(), CONTENT[:1000]).headers["Location"]
    refused = asked("PATCH", location, CONTENT[2000:3000], Content_Range="2000-2999")
    assert (refused.status, refused.headers["Range"]) == (416, "0-999")
    assert asked("PATCH", location, CONTENT[1000:2000], Content_Range="1000-1998").status == 400
    last = asked("PUT", f"{location}&digest={DIGEST}", CONTENT[1000:], Content_Range=f"1000-{len(CONTENT) - 1}")
    assert last.status == 201


def test_other_content_than_the_digest_ends_the_session(registry: PushableRegistry) -> None:
    asked = Asked(registry)
    location = asked.begun()
    assert asked("PUT", f"{location}&digest={DIGEST}", CONTENT[:-1]).status == 400
    assert asked("GET", location).status == 404
    assert registry.blobs("team/app") == []


def test_a_location_must_be_used_as_it_is(registry: PushableRegistry) -> None:
    asked = Asked(registry)
    location = asked.begun()
    assert asked("GET", location.partition("?")[0]).status == 404
    assert asked("GET", location.replace("team/app", "team/other")).status == 404
    assert asked("DELETE", location).status == 204
    assert asked("GET", location).status == 404


def test_a_body_that_was_cut(registry: PushableRegistry) -> None:
    asked = Asked(registry)
    location = asked.begun()
    asked.cut(location, CONTENT[:777], len(CONTENT))
    state = asked("GET", location)
    assert (state.status, state.headers["Range"]) == (204, "0-776")
    assert asked("PUT", f"{state.headers['Location']}&digest={DIGEST}", CONTENT[777:]).status == 201


def test_a_body_that_was_cut_is_lost_as_with_docker_registry(registry: PushableRegistry) -> None:
    registry.keeps_cut = False
    asked = Asked(registry)
    location = asked("PATCH", asked.begun(), CONTENT[:100]).headers["Location"]
    asked.cut(location, CONTENT[100:777], len(CONTENT))
    for _ in range(2):
        state = asked("GET", location)
        assert state.status == 404
    assert registry.sessions == {}


def test_a_body_that_was_cut_within_its_chunks(registry: PushableRegistry) -> None:
    asked = Asked(registry)
    location = asked.begun()
    path = location.removeprefix(registry.url)
    with socket.create_connection(("127.0.0.1", registry.port)) as connection:
        head = f"PATCH {path} HTTP/1.1\r\nHost: {registry.host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"5\r\nabcde\r\n5\r\nab")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert asked("GET", location).headers["Range"] == "0-6"


def test_mounts() -> None:
    with PushableRegistry() as registry:
        registry.add_blob("other", CONTENT)
        asked = Asked(registry)
        assert asked("POST", f"/v2/team/app/blobs/uploads/?mount={DIGEST}&from=other").status == 201
        assert registry.blob("team/app", DIGEST) == CONTENT
        assert asked("POST", f"/v2/team/b/blobs/uploads/?mount={DIGEST}&from=none").status == 202
        registry.mounts = False
        assert asked("POST", f"/v2/team/b/blobs/uploads/?mount={DIGEST}&from=other").status == 202
        assert len(registry.sessions) == 2


def test_a_single_post() -> None:
    with PushableRegistry() as registry:
        asked = Asked(registry)
        assert asked("POST", f"/v2/team/app/blobs/uploads/?digest={DIGEST}", CONTENT).status == 202
        registry.single_post = True
        assert asked("POST", f"/v2/team/app/blobs/uploads/?digest={DIGEST}", CONTENT).status == 201
        assert registry.blob("team/app", DIGEST) == CONTENT


def test_the_least_and_the_most_that_a_chunk_may_have() -> None:
    with PushableRegistry() as registry:
        registry.chunk_min, registry.largest = 1000, 50_000
        asked = Asked(registry)
        begun = asked("POST", "/v2/team/app/blobs/uploads/")
        assert begun.headers["OCI-Chunk-Min-Length"] == "1000"
        location = begun.headers["Location"]
        assert asked("PATCH", location, CONTENT).status == 413
        location = asked("PATCH", location, CONTENT[:999], Content_Range="0-998").headers["Location"]
        assert asked("PATCH", location, CONTENT[999:2999], Content_Range="999-2998").status == 416


def test_a_manifest_needs_what_it_names(registry: PushableRegistry) -> None:
    asked = Asked(registry)
    named = {"mediaType": "application/octet-stream", "digest": DIGEST, "size": len(CONTENT)}
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": named, "layers": []}).encode()

    def put(which: str, media_type: str = OCI_MANIFEST) -> Said:
        return asked("PUT", f"/v2/team/app/manifests/{which}", body, Content_Type=media_type)

    refused = put("1")
    assert refused.status == 400
    assert json.loads(refused.body)["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"
    registry.lenient = True
    assert put("1").status == 201
    registry.lenient = False
    registry.add_blob("team/app", CONTENT)
    assert put(digest_of(body)).status == 201
    assert put(DIGEST).status == 400
    assert put("1", "application/json").status == 400
    assert registry.pushed == [("team/app", "1"), ("team/app", digest_of(body))]
    assert registry.manifest("team/app", "1") == (body, OCI_MANIFEST)
    assert asked("DELETE", "/v2/team/app/manifests/1").status == 202
    assert registry.manifest("team/app", "1") is None
    assert asked("DELETE", f"/v2/team/app/manifests/{digest_of(body)}").status == 202
    assert asked("DELETE", f"/v2/team/app/blobs/{DIGEST}").status == 202
    assert asked("DELETE", f"/v2/team/app/blobs/{DIGEST}").status == 404
    registry.deletes = False
    assert asked("DELETE", "/v2/team/app/manifests/1").status == 405


@pytest.mark.parametrize("api", [True, False])
def test_a_subject(api: bool) -> None:
    with PushableRegistry() as registry:
        registry.referrers_api = api
        image = registry.push("team/app", "1", [])
        named = {"mediaType": "application/octet-stream", "digest": registry.add_blob("team/app", b""), "size": 0}
        subject = {"mediaType": OCI_MANIFEST, "digest": image, "size": 7}
        manifest = {"schemaVersion": 2, "config": named, "layers": [], "subject": subject, "artifactType": "a/b"}
        body = json.dumps(manifest).encode()
        asked = Asked(registry)
        done = asked("PUT", f"/v2/team/app/manifests/{digest_of(body)}", body, Content_Type=OCI_MANIFEST)
        assert (done.status, done.headers.get("OCI-Subject")) == (201, image if api else None)
        assert asked("GET", f"/v2/team/app/referrers/{image}").status == (200 if api else 404)
        assert [each["digest"] for each in registry.referrers("team/app", image)] == [digest_of(body)]


def test_what_tests_may_put_in_between() -> None:
    with PushableRegistry() as registry:
        asked = Asked(registry)
        location = asked.begun()
        registry.meddle = lambda method, path, headers: problem(500, "UNKNOWN", "") if method == "PATCH" else None
        assert asked("PATCH", location, CONTENT).status == 500
        registry.meddle = None
        registry.amend = lambda method, path, answer: Answer(502) if method == "PUT" else answer
        assert asked("PUT", f"{location}&digest={DIGEST}", CONTENT).status == 502
        assert registry.blob("team/app", DIGEST) == CONTENT  # done, and the answer lost
        registry.amend = lambda method, path, answer: Answer(CLOSED)
        with pytest.raises(http.client.RemoteDisconnected):
            asked("GET", "/v2/")
        assert registry.count("PATCH", "/uploads/") == 1


def test_a_hasty_answer_leaves_the_body_unread() -> None:
    with PushableRegistry() as registry:
        registry.hasty = True
        with socket.create_connection(("127.0.0.1", registry.port)) as connection:
            connection.sendall(b"PATCH /v2/a/blobs/uploads/none HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
            answer = b""
            while part := connection.recv(1000):
                answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"Connection: close" in head
    assert b"BLOB_UPLOAD_UNKNOWN" in body


def test_a_token_must_be_for_pushing() -> None:
    with PushableRegistry() as registry:
        registry.bearer, registry.login = True, ("me", "secret")
        asked = Asked(registry)

        def token(scope: str, **login: str) -> str:
            answer = asked("GET", f"/token?scope={scope}", b"", **login)
            got: str = json.loads(answer.body)["token"]
            return f"Bearer {got}"

        uploads = "/v2/team/app/blobs/uploads/"
        challenge = asked("POST", uploads).headers["WWW-Authenticate"]
        assert challenge.endswith(',scope="repository:team/app:pull,push"')
        both = "repository:team/app:pull,push"
        login = "Basic bWU6c2VjcmV0"  # printf me:secret | base64
        assert asked("POST", uploads, Authorization=token(both)).status == 401
        assert (
            asked("POST", uploads, Authorization=token("repository:team/app:pull", Authorization=login)).status == 401
        )
        full = token(both, Authorization=login)
        assert asked("POST", uploads, Authorization=full).status == 202
        mount = f"{uploads}?mount={DIGEST}&from=other"
        refused = asked("POST", mount, Authorization=full)
        assert refused.status == 401
        assert 'scope="repository:other:pull repository:team/app:pull,push"' in refused.headers["WWW-Authenticate"]
        assert asked("GET", "/token", Authorization="Basic bWU6d3Jvbmc=").status == 401
        assert asked("GET", "/v2/team/app/tags/list", Authorization=full).status == 404


def _run(*command: str | Path) -> bytes:
    if shutil.which(str(command[0])) is None:
        leave_out(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("login", [False, True], ids=["open", "token"])
@pytest.mark.corpus
def test_skopeo_copies_in_and_out(registry: PushableRegistry, corpus: Path, tmp_path: Path, login: bool) -> None:
    layout = f"oci:{corpus}/images/oci-layout-testrepo:v1"
    words = ["skopeo", "copy", "--all"]
    credentials = []
    if login:
        registry.bearer, registry.login = True, ("me", "secret")
        credentials = ["me:secret"]
    first, second = f"docker://{registry.host}/team/app:1", f"docker://{registry.host}/team/second:1"
    to = ["--dest-tls-verify=false", *(f"--dest-creds={each}" for each in credentials)]
    of = ["--src-tls-verify=false", *(f"--src-creds={each}" for each in credentials)]
    _run(*words, *to, layout, first)
    _run(*words, *of, *to, first, second)
    assert registry.count("POST", "mount=") > 0
    assert registry.sessions == {}
    _run(*words, *of, second, f"oci:{tmp_path}/out:v1")
    inspected = [_run("skopeo", "inspect", "--raw", where) for where in (layout, f"oci:{tmp_path}/out:v1")]
    assert inspected[0] == inspected[1] == (registry.manifest("team/second", "1") or (b"",))[0]
    assert {digest_of(blob) for blob in registry.blobs("team/app")} == {
        digest_of(blob) for blob in registry.blobs("team/second")
    }
