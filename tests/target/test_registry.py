"""Uploads to a registry: what they cost, and what becomes of them when it errs, lies, or is cut off.

The contract of targets is held in test_target.py; the fallback tag in test_fallback.py.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from affineur.errors import (
    ContentError,
    Denied,
    DigestMismatch,
    Error,
    ForbiddenAddress,
    InvalidReference,
    LimitExceeded,
    RateLimited,
    SourceError,
    Unreachable,
)
from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.oci.blob import Verification, rest, verified
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import OCI_MANIFEST
from affineur.oci.reference import Reference, parse_reference
from affineur.source.access import Access
from affineur.source.credentials import Found, KnownLogins, Login
from affineur.target import upload as module
from affineur.target.registry import RegistryTarget
from affineur.target.target import Content
from affineur.target.upload import MAX_CHANGED, MAX_IN_VAIN, WORTH_KEEPING, Upload
from support.pushing import CLOSED, PushableRegistry, Session, _Cut
from support.registry import Answer, problem

BLOB = bytes(range(256)) * 16_000  # four megabytes: more than lies in the buffers between two sockets
SMALL = b"a small one"
UPLOADS = "/v2/team/app/blobs/uploads/"
SECRET = "a-secret-of-the-session"


def described(content: bytes) -> Descriptor:
    return Descriptor("application/octet-stream", Digest.of(content), len(content))


def opened(content: bytes, chunk: int = 100_000) -> Content:
    """A blob from a source, checked on its way."""
    descriptor = described(content)

    def open_at(begun: Verification) -> Iterator[bytes]:
        chunks = (content[start : start + chunk] for start in range(0, len(content), chunk))
        yield from verified(rest(chunks, begun), begun, str(descriptor.digest))

    return open_at


class Stage:
    """A registry, a target in it, and what the target has slept and sent."""

    def __init__(self, registry: PushableRegistry, client: Client) -> None:
        self.registry, self.client = registry, client
        self.slept: list[float] = []
        self.moved: list[int] = []
        self.kept: dict[str, str] = {}

    # Sessions
    def recall(self, place: str) -> str | None:
        return self.kept.get(place)

    def keep(self, place: str, location: str) -> None:
        self.kept[place] = location

    def forget(self, place: str) -> None:
        self.kept.pop(place, None)

    def target(self, name: str = "team/app:1", login: tuple[str, str] | None = None) -> RegistryTarget:
        reference = parse_reference(f"{self.registry.host}/{name}")
        logins = KnownLogins({self.registry.host: Found(Login(*login), "a test")} if login else {})
        return RegistryTarget(reference, self.client, logins, sessions=self, sleep=self.slept.append)

    def put(self, content: bytes = SMALL, *, source: Content | None = None, **more: Any) -> int:
        return self.target(**more).put_blob(described(content), source or opened(content), self.moved.append)

    def has(self, content: bytes = SMALL) -> bool:
        return self.registry.blob("team/app", Digest.of(content)) == content

    @property
    def asked(self) -> list[str]:
        """Methods, with what is behind the repository's name."""
        return [f"{method} {path.partition('?')[0].split('/')[5]}" for method, path in self.registry.requests]

    def left_open(self) -> Session:
        """The only session, once all has arrived that was sent before the client broke off."""
        (session,) = self.registry.sessions.values()
        for _ in range(500):
            if session.chunks:
                break
            time.sleep(0.01)
        return session

    def puts(self) -> list[Mapping[str, str]]:
        """Headers of the closing requests."""
        pairs = zip(self.registry.requests, self.registry.seen_headers, strict=True)
        return [headers for (method, path), headers in pairs if method == "PUT" and "/uploads/" in path]

    def once(self, answer: Answer, method: str = "PUT", part: str = "/uploads/", times: int = 1) -> None:
        """Have the next such request answered so."""
        left = [answer] * times

        def meddle(asked: str, path: str, headers: Mapping[str, str]) -> Answer | None:
            return left.pop() if asked == method and part in path and left else None

        self.registry.meddle = meddle


@pytest.fixture
def stage() -> Iterator[Stage]:
    addresses = AddressPolicy(["127.0.0.0/8"])
    with (
        PushableRegistry() as registry,
        Client(addresses=addresses, environment={}, read_s=2.0, sleep=lambda _: None) as client,
    ):
        yield Stage(registry, client)


def cut_after(bytes_taken: int, times: int = 1) -> Callable[[Stage], None]:
    """Have the registry break connections so far into a body."""

    def prepare(stage: Stage) -> None:
        handler: Any = stage.registry._server.RequestHandlerClass
        original = handler._measured
        left = [times]

        def measured(self: Any) -> Iterator[bytes]:
            taken = 0
            for piece in original(self):
                yield piece
                taken += len(piece)
                if self.command == "PUT" and "/uploads/" in self.path and left[0] and taken >= bytes_taken:
                    left[0] -= 1
                    raise _Cut

        handler._measured = measured

    return prepare


# What it costs


def test_an_upload_is_two_requests(stage: Stage) -> None:
    assert stage.put() == 0
    assert stage.asked == ["POST uploads", "PUT uploads"]
    assert stage.has()
    (headers,) = stage.puts()
    assert headers["Content-Length"] == str(len(SMALL))
    assert headers["Content-Type"] == "application/octet-stream"
    assert "Content-Range" not in headers
    assert "Transfer-Encoding" not in headers
    assert stage.slept == []


def test_a_mount_is_one(stage: Stage) -> None:
    stage.registry.add_blob("other/app", SMALL)
    assert stage.target().mount(described(SMALL), parse_reference(f"{stage.registry.host}/other/app:1"))
    assert stage.asked == ["POST uploads"]
    assert stage.registry.requests[0][1] == f"{UPLOADS}?mount=sha256%3A{Digest.of(SMALL).encoded}&from=other%2Fapp"
    assert stage.has()


@pytest.mark.parametrize("origin", ["HOST/team/app:2", "registry.example/other/app:1"])
def test_nothing_is_mounted_from_itself_or_another_registry(stage: Stage, origin: str) -> None:
    reference = parse_reference(origin.replace("HOST", stage.registry.host))
    assert not stage.target().mount(described(SMALL), reference)
    assert stage.registry.requests == []


def test_the_session_of_a_refused_mount_is_used(stage: Stage) -> None:
    target, origin = stage.target(), parse_reference(f"{stage.registry.host}/other/app:1")
    assert not target.mount(described(SMALL), origin)
    assert target.put_blob(described(SMALL), opened(SMALL), stage.moved.append) == 0
    assert stage.asked == ["POST uploads", "PUT uploads"]
    assert stage.has()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_a_mount_that_is_refused_otherwise_is_an_upload(stage: Stage, status: int) -> None:
    """401 and 403: to mount is to read the other repository, which this login may not."""
    stage.registry.meddle = lambda method, path, _: problem(status, "DENIED", "") if "mount=" in path else None
    target = stage.target()
    if status == 401:  # without a challenge
        with pytest.raises(Denied):
            target.mount(described(SMALL), parse_reference(f"{stage.registry.host}/other/app:1"))
        return
    assert not target.mount(described(SMALL), parse_reference(f"{stage.registry.host}/other/app:1"))
    target.put_blob(described(SMALL), opened(SMALL), stage.moved.append)
    assert stage.asked == ["POST uploads", "POST uploads", "PUT uploads"]


def test_an_earlier_calls_session_goes_before_that_of_a_refused_mount(stage: Stage) -> None:
    """And the latter is remembered: a copy within one registry that mounts nothing can be gone on with, too."""
    origin, blob = parse_reference(f"{stage.registry.host}/other/app:1"), described(BLOB)
    target = stage.target()
    assert not target.mount(blob, origin)
    with pytest.raises(SourceError, match="the end"):
        target.put_blob(blob, _failing(SourceError("the end"), len(BLOB) // 2), stage.moved.append)
    assert len(stage.kept) == 1
    had = len(stage.left_open().content)
    target = stage.target()
    assert not target.mount(blob, origin)
    assert target.put_blob(blob, opened(BLOB), stage.moved.append) == had > 0
    assert stage.has(BLOB)
    assert stage.kept == {}


# What is broken off


def test_a_cut_body_goes_on_where_the_session_says(stage: Stage) -> None:
    cut_after(1_000_000)(stage)
    assert stage.put(BLOB) == 0  # nothing of it was there from an earlier call
    assert stage.asked == ["POST uploads", "PUT uploads", "HEAD " + Digest.of(BLOB), "GET uploads", "PUT uploads"]
    first, second = stage.puts()
    start, _, end = second["Content-Range"].partition("-")
    assert (int(start) >= 1_000_000, end) == (True, str(len(BLOB) - 1))
    assert second["Content-Length"] == str(len(BLOB) - int(start))
    assert "Content-Range" not in first
    assert stage.has(BLOB)
    assert len(stage.slept) == 1
    assert 0 < stage.slept[0] <= 0.5
    assert sum(stage.moved) == len(BLOB)  # what was lost on the way and sent anew is no progress


def test_a_session_that_comes_further_each_time_is_never_given_up(stage: Stage) -> None:
    cut_after(200_000, times=MAX_IN_VAIN * 2)(stage)
    stage.put(BLOB)
    assert stage.has(BLOB)
    assert len(stage.puts()) == MAX_IN_VAIN * 2 + 1
    assert max(stage.slept) <= 0.5  # each had come further, so none waits longer than the first


def test_a_lost_session_begins_anew(stage: Stage) -> None:
    stage.registry.keeps_cut = False
    cut_after(1_000_000, times=2)(stage)
    assert stage.put(BLOB) == 0
    assert stage.asked.count("POST uploads") == 3
    assert all("Content-Range" not in headers for headers in stage.puts())
    assert stage.has(BLOB)


def test_a_session_that_never_comes_further_is_given_up(stage: Stage) -> None:
    stage.registry.keeps_cut = False
    cut_after(1_000_000, times=1_000)(stage)
    with pytest.raises(Unreachable) as raised:
        stage.put(BLOB)
    assert len(stage.puts()) == MAX_IN_VAIN + 1
    assert "127.0.0.1" in str(raised.value)
    assert not stage.has(BLOB)


def test_pieces_have_an_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TAKEN_UP", 3)
    cut_after(100_000, times=1_000)(stage)
    with pytest.raises(Unreachable, match="given up after 3 pieces"):
        stage.put(BLOB)


@pytest.mark.parametrize("status", [404, 405, 410, 416, 429, 500, 501, 200])
def test_a_registry_that_does_not_say_where_a_session_stands(stage: Stage, status: int) -> None:
    cut_after(1_000_000)(stage)
    stage.registry.meddle = lambda method, path, _: (
        problem(status, "UNSUPPORTED", "") if method == "GET" and "/uploads/" in path else None
    )
    stage.put(BLOB)
    assert stage.asked.count("POST uploads") == 2
    assert stage.has(BLOB)


@pytest.mark.parametrize(
    "text", ["", "0", "-", "0-", "5-9", "0-x", "0--1", "0-99999999", "0-" + "9" * 40, "bytes=1-2", "0-١"]
)
def test_a_range_that_is_nonsense_is_a_lost_session(stage: Stage, text: str) -> None:
    cut_after(1_000_000)(stage)

    def amend(method: str, path: str, answer: Answer) -> Answer:
        if method != "GET" or "/uploads/" not in path:
            return answer
        kept = [(name, value) for name, value in answer.headers if name != "Range"]
        # http.server writes headers as Latin-1
        return Answer(answer.status, [*kept, ("Range", text.encode().decode("latin-1"))])

    stage.registry.amend = amend
    stage.put(BLOB)
    assert stage.asked.count("POST uploads") == 2
    assert stage.has(BLOB)


def test_one_byte_and_none_are_told_alike(stage: Stage) -> None:
    """`0-0`: distribution says so of an empty session, too. All is sent from the start."""
    stage.once(Answer(CLOSED))
    stage.put(BLOB)
    assert [headers.get("Content-Range") for headers in stage.puts()] == [None, None]
    assert stage.has(BLOB)


def test_416_asks_where_it_stands(stage: Stage) -> None:
    stage.once(problem(416, "RANGE_INVALID", "out of order"))
    stage.put(BLOB)
    assert "GET uploads" in stage.asked
    assert stage.has(BLOB)


# Statuses


@pytest.mark.parametrize(("wait", "slept"), [("7", 7.0), ("30", 30.0), ("0", 0.0), ("soon", 0.0)])
def test_retry_after_is_obeyed(stage: Stage, wait: str, slept: float) -> None:
    answer = problem(429, "TOOMANYREQUESTS", "slow down")
    stage.once(Answer(429, [*answer.headers, ("Retry-After", wait)], answer.body))
    stage.put()
    assert stage.has()
    assert len(stage.slept) == 1
    assert slept <= stage.slept[0] <= max(slept, 0.5)


def test_who_asks_for_more_patience_is_told_of(stage: Stage) -> None:
    stage.once(Answer(429, [("Retry-After", "31")]), times=100)
    with pytest.raises(RateLimited, match="wait 31 s"):
        stage.put()
    assert stage.slept == []
    assert len(stage.puts()) == 1


def test_patience_has_an_end(stage: Stage) -> None:
    stage.once(Answer(429), times=1_000)
    with pytest.raises(RateLimited):
        stage.put()
    assert len(stage.puts()) == MAX_IN_VAIN + 1
    assert sum(stage.slept) < 30


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_what_was_taken_in_fact_is_done(stage: Stage, status: int) -> None:
    def amend(method: str, path: str, answer: Answer) -> Answer:
        return Answer(status) if method == "PUT" and "/uploads/" in path and answer.status == 201 else answer

    stage.registry.amend = amend
    stage.put()
    assert stage.asked == ["POST uploads", "PUT uploads", f"HEAD {Digest.of(SMALL)}"]


def test_a_fault_that_passes(stage: Stage) -> None:
    stage.once(Answer(503), times=2)
    stage.put()
    assert stage.has()


@pytest.mark.parametrize(("status", "raises"), [(403, Denied), (413, SourceError), (405, SourceError)])
def test_what_is_refused_for_good_is_not_tried_again(stage: Stage, status: int, raises: type[Error]) -> None:
    stage.once(problem(status, "SIZE_INVALID", "more than we take"), times=100)
    with pytest.raises(raises, match="more than we take") as raised:
        stage.put()
    assert not isinstance(raised.value, Unreachable)
    assert Digest.of(SMALL) in str(raised.value)
    assert len(stage.puts()) == 1


def test_a_body_too_large_that_is_refused_before_it_was_read(stage: Stage) -> None:
    """413 while we write: the answer counts, and not that the connection was closed."""
    stage.registry.largest, stage.registry.hasty = 1_000_000, True
    with pytest.raises(SourceError, match=r"413|too large"):
        stage.put(BLOB)


def test_other_bytes_arrive_once(stage: Stage) -> None:
    stage.once(problem(400, "DIGEST_INVALID", "not those"))
    stage.put()
    assert stage.has()
    assert stage.asked.count("POST uploads") == 2  # not in the session that holds them


def test_other_bytes_arrive_each_time(stage: Stage) -> None:
    stage.once(problem(400, "DIGEST_INVALID", "not those"), times=100)
    with pytest.raises(DigestMismatch, match="other bytes reached it than were sent"):
        stage.put()
    assert not stage.has()
    assert len(stage.puts()) == MAX_CHANGED + 1


def test_what_an_earlier_call_has_left_may_be_wrong(stage: Stage) -> None:
    """A session of somebody else's bytes: all is sent anew, and none counted as resumed."""
    target = stage.target()
    with pytest.raises(SourceError):
        target.put_blob(described(BLOB), _failing(SourceError("the end"), 2_000_000), stage.moved.append)
    session = stage.left_open()
    assert len(session.content) > 0
    session.content[0] ^= 1
    assert stage.put(BLOB) == 0
    assert stage.has(BLOB)


def test_a_session_of_an_earlier_call(stage: Stage) -> None:
    with pytest.raises(SourceError):
        stage.put(BLOB, source=_failing(SourceError("the end"), 2_000_000))
    had = len(stage.left_open().content)
    stage.registry.requests.clear()
    stage.registry.seen_headers.clear()
    stage.moved.clear()
    assert stage.put(BLOB) == had
    assert stage.asked == ["GET uploads", "PUT uploads"]
    assert sum(stage.moved) == len(BLOB) - had
    assert stage.has(BLOB)
    assert stage.kept == {}


def test_a_session_of_an_earlier_call_that_is_gone(stage: Stage) -> None:
    with pytest.raises(SourceError):
        stage.put(BLOB, source=_failing(SourceError("the end"), 2_000_000))
    stage.registry.sessions.clear()
    assert stage.put(BLOB) == 0
    assert stage.has(BLOB)


def test_a_session_elsewhere_is_not_gone_on_with(stage: Stage) -> None:
    """A file of this program's that somebody has written into: nothing is asked there."""
    stage.kept[f"http://{stage.registry.host}/v2/team/app {Digest.of(BLOB)}"] = "http://127.0.0.1:1/v2/x"
    assert stage.put(BLOB) == 0
    assert stage.has(BLOB)


def test_small_blobs_leave_no_session_behind(stage: Stage) -> None:
    stage.once(Answer(403))
    with pytest.raises(Denied):
        stage.put()
    assert stage.kept == {}
    assert len(SMALL) < WORTH_KEEPING <= len(BLOB)


def test_a_token_that_runs_out_on_the_way(stage: Stage) -> None:
    stage.registry.bearer, stage.registry.login = True, ("john", "secret-word")
    target = stage.target(login=("john", "secret-word"))
    target.put_blob(described(SMALL), opened(SMALL), stage.moved.append)

    def meddle(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        if method == "PUT":  # from here on the token is worth nothing
            stage.registry.meddle = None
            stage.registry.scopes.update({each: set() for each in stage.registry.scopes})
        return None

    stage.registry.meddle = meddle
    target.put_blob(described(BLOB), opened(BLOB), stage.moved.append)
    assert stage.has(BLOB)
    tokens = [headers["Authorization"] for headers in stage.puts()]
    assert len(tokens) == 3
    assert tokens[0] == tokens[1] != tokens[2]


def test_a_login_that_is_not_good_for_writing(stage: Stage) -> None:
    stage.registry.bearer, stage.registry.login = True, ("john", "secret-word")
    with pytest.raises(Denied) as raised:
        stage.put()
    assert "no access" in str(raised.value) or "login" in str(raised.value)
    assert not stage.has()


# Where the session is


@pytest.mark.parametrize("absolute", [True, False])
def test_a_location_relative_and_absolute(stage: Stage, absolute: bool) -> None:
    stage.registry.absolute = absolute
    stage.put()
    assert stage.has()
    assert "?_state=" in stage.registry.requests[1][1]  # distribution-spec: what it says, and nothing made anew
    assert stage.registry.requests[1][1].endswith(f"&digest=sha256%3A{Digest.of(SMALL).encoded}")


@pytest.mark.parametrize("location", ["/v2/x/y#part", "/v2/x/y?", "/v2/x/y", "y", "?a=b"])
def test_the_digest_is_asked_for_whatever_the_location(stage: Stage, location: str) -> None:
    stage.once(Answer(202, [("Location", location)]), "POST")
    seen = []

    def amend(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT":
            seen.append(path)
            return Answer(201)
        return answer

    stage.registry.amend = amend
    stage.put()
    (path,) = seen
    assert path.count("?") == 1
    assert path[path.index("?") + 1 :].split("&")[-1] == f"digest=sha256%3A{Digest.of(SMALL).encoded}"
    assert "#" not in path


def test_at_another_host_the_login_stays_behind(stage: Stage) -> None:
    stage.registry.login = ("john", "secret-word")
    with PushableRegistry() as other:
        other.login = None
        held = other.held("team/app")
        stage.registry.meddle = lambda method, path, headers: (
            Answer(202, [("Location", f"{other.url}/storage/1?signature={SECRET}")])
            if method == "POST" and "Authorization" in headers
            else None
        )

        def stored(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
            stage.registry.add_blob("team/app", SMALL)
            return Answer(201)

        other.meddle = stored
        stage.put(login=("john", "secret-word"))
        assert [method for method, _ in other.requests] == ["PUT"]
        assert not any("Authorization" in headers for headers in other.seen_headers)
        assert f"signature={SECRET}&digest=" in other.requests[0][1]
        assert held.blobs == {}
        other.meddle = lambda *_: Answer(401, [("WWW-Authenticate", 'Basic realm="x"')])
        with pytest.raises(SourceError) as raised:
            stage.put(b"another one", login=("john", "secret-word"))
        assert not any("Authorization" in headers for headers in other.seen_headers)
        assert SECRET not in str(raised.value)
        assert "secret-word" not in str(raised.value)


@pytest.mark.parametrize(
    "location",
    [
        *("ftp://registry.example/x", "http://", "http://[", "//", "http://a b/", "http://user:pw@127.0.0.1/x"),
        *("http://169.254.169.254/latest/", "http://2130706433/", "http://127.0.0.1:0/", "file:///etc/passwd"),
        *("x" * 20_000, "\x7f"),
    ],
)
def test_a_location_that_is_nonsense(stage: Stage, location: str) -> None:
    stage.once(Answer(202, [("Location", location + ("" if "?" in location else f"?t={SECRET}"))]), "POST", times=100)
    with pytest.raises((SourceError, ContentError)) as raised:
        stage.put()
    assert SECRET not in str(raised.value)
    assert "pw@" not in str(raised.value)
    assert not stage.has()


def test_a_location_elsewhere_with_our_login_in_it(stage: Stage) -> None:
    """As with redirects: what a registry was told in confidence is not handed on to another host by us."""
    stage.registry.login = ("john", "secret-word")
    with PushableRegistry() as other:
        stage.registry.meddle = lambda method, path, headers: (
            Answer(202, [("Location", f"{other.url}/v2/x?t={headers['Authorization'].partition(' ')[2]}")])
            if method == "POST" and "Authorization" in headers
            else None
        )
        with pytest.raises(ForbiddenAddress, match="with the login in it") as raised:
            stage.put(login=("john", "secret-word"))
        assert other.requests == []
        assert "secret-word" not in str(raised.value)


def test_no_location(stage: Stage) -> None:
    stage.once(Answer(202), "POST", times=100)
    with pytest.raises(SourceError, match="names no place for it"):
        stage.put()


def test_from_https_to_http_nothing_is_sent(stage: Stage) -> None:
    """A registry behind a proxy that ends TLS, and that was not told so."""
    access = _Https(parse_reference(f"{stage.registry.host}/team/app:1"), stage.client)
    upload = Upload(described(SMALL), access, stage, lambda _: False, stage.slept.append)
    with pytest.raises(ForbiddenAddress, match="X-Forwarded-Proto") as raised:
        upload.send(opened(SMALL), stage.moved.append)
    assert SECRET not in str(raised.value)
    assert stage.registry.requests == []


class _Https(Access):
    """A registry that says it wants the blob by plain http."""

    base = "https://registry.example"

    def ask(self, *_: Any, **__: Any) -> Any:
        from affineur.http.response import Headers, Response

        return Response(202, Headers([("Location", f"http://registry.example/v2/x?{SECRET}")]), b"", self.base)


def test_a_redirect_of_what_is_sent_is_not_followed(stage: Stage) -> None:
    stage.once(Answer(307, [("Location", "http://127.0.0.1:1/")]), times=100)
    with pytest.raises(SourceError, match="not followed"):
        stage.put()


# Content


def _failing(why: Exception, after: int) -> Content:
    def content(begun: Verification) -> Iterator[bytes]:
        left = after - begun.received
        for chunk in opened(BLOB)(begun):
            yield chunk
            left -= len(chunk)
            if left <= 0:
                raise why

    return content


@pytest.mark.parametrize("why", [Unreachable("the source"), Denied("the source"), LimitExceeded("the source")])
def test_a_source_that_fails_is_told_of_and_not_the_target(stage: Stage, why: Error) -> None:
    with pytest.raises(type(why), match="the source"):
        stage.put(BLOB, source=_failing(why, 1_000_000))
    assert not stage.has(BLOB)
    assert len(stage.puts()) == 1


@pytest.mark.parametrize("size", [len(SMALL), 700_000])
def test_the_last_bytes_are_held_back_until_all_were_checked(stage: Stage, size: int) -> None:
    """A registry that would take anything never gets a whole body of what is not as promised."""
    content = BLOB[:size]
    wrong = content[:-1] + bytes([content[-1] ^ 1])
    promise = described(content)

    def lying(begun: Verification) -> Iterator[bytes]:
        chunks = (wrong[start : start + 50_000] for start in range(0, len(wrong), 50_000))
        yield from verified(rest(chunks, begun), begun, "the source")

    received: list[int] = []
    handler: Any = stage.registry._server.RequestHandlerClass
    original = handler._measured

    def measured(self: Any) -> Iterator[bytes]:
        for piece in original(self):
            received.append(len(piece))
            yield piece

    handler._measured = measured
    with pytest.raises(DigestMismatch, match="the source"):
        stage.target().put_blob(promise, lying, stage.moved.append)
    time.sleep(0.05)
    assert sum(received) < size
    assert sum(stage.moved) < size
    assert not stage.has(content)


def test_what_is_cut_is_read_from_the_source_from_there_on(stage: Stage) -> None:
    """The source is opened again near where the session stands, not at its beginning."""
    cut_after(3_000_000)(stage)
    begun_at: list[int] = []

    def content(begun: Verification) -> Iterator[bytes]:
        begun_at.append(begun.received)
        yield from opened(BLOB)(begun)

    stage.put(BLOB, source=content)
    assert begun_at[0] == 0
    start = int(stage.puts()[1]["Content-Range"].partition("-")[0])
    assert start - 100_000 < begun_at[1] <= start


def test_nothing_at_all(stage: Stage) -> None:
    assert stage.put(b"") == 0
    assert stage.has(b"")


# Manifests


def _manifest(text: bytes = b"{}") -> Document:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": str(Digest.of(text)), "size": 2}
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}).encode()
    return Document(content, OCI_MANIFEST, Digest.of(content), "a test")


def test_a_registry_that_has_another_digest_than_ours(stage: Stage) -> None:
    stage.put(b"{}")
    document = _manifest()
    stage.registry.amend = lambda method, path, answer: (
        Answer(201, [("Docker-Content-Digest", str(Digest.of(b"other")))]) if "/manifests/" in path else answer
    )
    for put in (stage.target().put_manifest, stage.target().put_tag):
        with pytest.raises(DigestMismatch, match="as the registry has it"):
            put(document)
    stage.registry.amend = lambda method, path, answer: (
        Answer(201, [("Docker-Content-Digest", "sha512:" + "0" * 128)]) if "/manifests/" in path else answer
    )
    stage.target().put_manifest(document)  # its own hash of the same, by another algorithm


def test_other_bytes_than_were_put_are_noticed(stage: Stage) -> None:
    stage.put(b"{}")
    document = _manifest()
    target = stage.target()
    target.put_manifest(document)
    stage.registry.held("team/app").manifests[document.digest] = (document.content + b" ", OCI_MANIFEST)
    with pytest.raises(DigestMismatch):
        target.manifest(document.digest)


@pytest.mark.parametrize("said", [[], [("Docker-Content-Digest", "nonsense")]])
def test_a_registry_that_says_no_digest_of_a_tag(stage: Stage, said: list[tuple[str, str]]) -> None:
    stage.put(b"{}")
    document, target = _manifest(), stage.target()
    target.put_manifest(document)
    target.put_tag(document)

    def amend(method: str, path: str, answer: Answer) -> Answer:
        kept = [(name, value) for name, value in answer.headers if name != "Docker-Content-Digest"]
        return Answer(answer.status, [*kept, *said], answer.body)

    stage.registry.amend = amend
    assert target.digest() == document.digest
    assert target.digest("2") is None


@pytest.mark.parametrize("tag", ["a b", "../../x/manifests/1", "x?y=z", "x#y", "-x", "1@sha256:" + "0" * 64, "é", "@0"])
def test_a_tag_that_is_none_is_no_address(stage: Stage, tag: str) -> None:
    """`..` would be put into another repository, `?` would be cut off: nothing is asked."""
    target = stage.target()
    with pytest.raises(InvalidReference):
        target.digest(tag)
    with pytest.raises(InvalidReference):
        target.put_tag(_manifest(), tag)
    assert stage.registry.requests == []


def test_a_blob_of_another_size_is_not_there(stage: Stage) -> None:
    stage.registry.held("team/app").blobs[Digest.of(SMALL)] = SMALL + b"!"
    assert not stage.target().has_blob(described(SMALL))


def test_a_target_that_is_mapped_elsewhere_is_refused(stage: Stage) -> None:
    from affineur.http.mirrors import MirrorMap

    host = stage.registry.host
    with Client(environment={}, mirrors=MirrorMap([f"https://registry.example=http://{host}"])) as client:
        with pytest.raises(ForbiddenAddress, match="is mapped to"):
            RegistryTarget(Reference("registry.example", "team/app", "1"), client).check()
        RegistryTarget(parse_reference(f"{host}/team/app:1"), client).check()


# A registry that is hostile, or dead


def test_one_that_stops_answering(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the body and says nothing: after the client's time between two reads, again and again, it is told."""
    monkeypatch.setattr(module, "MAX_IN_VAIN", 1)
    ended = threading.Event()

    def meddle(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        if method == "PUT":
            ended.wait(10)
        return None

    stage.registry.meddle = meddle
    with Client(environment={}, read_s=0.5, attempts=1, sleep=lambda _: None) as client:
        target = RegistryTarget(parse_reference(f"{stage.registry.host}/team/app:1"), client, sleep=stage.slept.append)
        with pytest.raises(Unreachable):
            target.put_blob(described(SMALL), opened(SMALL), stage.moved.append)
    assert len(stage.puts()) == 2
    ended.set()


def _endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 65_536


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "GET"])
def test_endless_bodies(stage: Stage, method: str) -> None:
    cut_after(1_000_000)(stage)
    stage.registry.meddle = lambda asked, path, _: (
        Answer(202, [("Location", "/v2/x/y")], _endless()) if asked == method else None
    )
    start = time.monotonic()
    try:
        stage.put(BLOB)
    except (SourceError, ContentError):
        assert method in ("POST", "PUT", "GET")
    assert time.monotonic() - start < 5


def test_huge_headers(stage: Stage) -> None:
    stage.once(Answer(202, [("Location", "/v2/x"), *((f"X-{n}", "y" * 60_000) for n in range(90))]), "POST", times=100)
    with pytest.raises(SourceError):
        stage.put()


@pytest.mark.parametrize("body", [b"\x1b[2J", b"[" * 100_000, b'{"errors": [{"message": "a secret-word"}]}', b"\xff"])
def test_its_words_are_shown_with_care(stage: Stage, body: bytes) -> None:
    stage.registry.login = ("john", "secret-word")
    stage.registry.meddle = lambda method, path, headers: (
        Answer(413, [("Content-Type", "application/json")], body) if method == "PUT" else None
    )
    with pytest.raises(SourceError) as raised:
        stage.put(login=("john", "secret-word"))
    assert "\x1b" not in str(raised.value)
    assert "secret-word" not in str(raised.value)
    assert len(str(raised.value)) < 1_000
