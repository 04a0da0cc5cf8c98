"""The proxy that breaks what passes through it: by hand with the standard library's client, and with skopeo."""

import http.client
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from support.docker_registry import docker_registry
from support.faulty_proxy import Fault, FaultyProxy
from support.leaving_out import leave_out
from support.pushing import PushableRegistry
from support.registry import digest_of, tar_of

pytestmark = pytest.mark.system
CONTENT = bytes(range(256)) * 4000
DIGEST = digest_of(CONTENT)
BLOB = f"/v2/team/app/blobs/{DIGEST}"
UPLOADS = "/v2/team/app/blobs/uploads/"


@contextmanager
def behind(*faults: Fault) -> Iterator[tuple[PushableRegistry, FaultyProxy]]:
    """A registry with one blob, and the proxy before it."""
    with PushableRegistry() as registry, FaultyProxy(registry.host, faults) as proxy:
        registry.absolute = True
        registry.add_blob("team/app", CONTENT)
        yield registry, proxy


def asked(
    proxy: FaultyProxy, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(proxy.host, timeout=10)
    try:
        connection.request(method, path.removeprefix(f"http://{proxy.host}"), body, headers)
        with connection.getresponse() as answer:
            return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def begun(proxy: FaultyProxy) -> str:
    """Where an upload goes on."""
    return asked(proxy, "POST", UPLOADS)[1]["Location"]


def test_passes_all_on_where_nothing_is_planned() -> None:
    with behind() as (registry, proxy):
        assert asked(proxy, "GET", BLOB)[2] == CONTENT
        location = begun(proxy)
        assert location.startswith(f"http://{proxy.host}/")  # by the Host that is passed on
        other = b"x" + CONTENT
        assert asked(proxy, "PUT", f"{location}&digest={digest_of(other)}", other)[0] == 201
        assert registry.blob("team/app", digest_of(other)) == other
        assert asked(proxy, "HEAD", BLOB)[1]["Content-Length"] == str(len(CONTENT))
        connection = http.client.HTTPConnection(proxy.host, timeout=10)
        for _ in range(3):  # on one connection
            connection.request("GET", BLOB)
            assert connection.getresponse().read() == CONTENT
        connection.request("PATCH", begun(proxy).removeprefix(f"http://{proxy.host}"), iter([b"ab", b"cde"]))
        answer = connection.getresponse()  # sent in chunks
        assert (answer.status, answer.headers["Range"], answer.read()) == (202, "0-4", b"")
        connection.close()
        assert [each.split(" ")[0] for each in proxy.requests[:3]] == ["GET", "POST", "PUT"]
        assert proxy.struck == []
        assert proxy.carried["answer"] > 4 * len(CONTENT)


@pytest.mark.parametrize(("kind", "share"), [("cut", 0.0), ("cut", 0.3), ("cut", 1.0), ("reset", 0.0), ("reset", 0.3)])
def test_cuts_an_answer(kind: Literal["cut", "reset"], share: float) -> None:
    with behind(Fault(kind, "GET", "/blobs/", share=share)) as (_, proxy):
        if share == 1.0:
            assert asked(proxy, "GET", BLOB)[2] == CONTENT
        elif kind == "cut":
            with pytest.raises(http.client.IncompleteRead) as caught:
                asked(proxy, "GET", BLOB)
            assert caught.value.partial == CONTENT[: int(len(CONTENT) * share)]
        else:  # an RST may take the head along, too
            with pytest.raises(ConnectionResetError):
                asked(proxy, "GET", BLOB)
        assert asked(proxy, "GET", BLOB)[2] == CONTENT  # once only
        assert len(proxy.struck) == 1


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_cuts_in_the_head_of_an_answer(share: float) -> None:
    with behind(Fault("cut", in_head=True, share=share)) as (registry, proxy):
        first, second = (_head(proxy) for _ in range(2))
        assert len(first) == pytest.approx(len(second) * share, abs=1)
        assert second.startswith(first)
        assert len(registry.requests) == 2


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_cuts_in_the_head_of_a_request(share: float) -> None:
    with behind(Fault("cut", side="request", in_head=True, share=share)) as (_, proxy):
        assert _head(proxy) == b""
        assert proxy.carried["request"] < len(BLOB)
        assert _head(proxy).startswith(b"HTTP/1.1 200 OK")


def _head(proxy: FaultyProxy) -> bytes:
    """All that comes for a HEAD."""
    host, _, port = proxy.host.partition(":")
    answer = b""
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(f"HEAD {BLOB} HTTP/1.1\r\nHost: {proxy.host}\r\nConnection: close\r\n\r\n".encode())
        while part := connection.recv(1000):
            answer += part
    return answer


def test_cuts_a_request() -> None:
    with behind(Fault("cut", "PATCH", side="request", share=0.25)) as (registry, proxy):
        location = begun(proxy)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            asked(proxy, "PATCH", location, CONTENT)
        _wait_for(lambda: bool(next(iter(registry.sessions.values())).chunks))
        state = asked(proxy, "GET", location)
        assert (state[0], state[1]["Range"]) == (204, f"0-{len(CONTENT) // 4 - 1}")


@pytest.mark.parametrize("closes", [False, True])
def test_stalls(closes: bool) -> None:
    with behind(Fault("stall", "GET", seconds=0.4, closes=closes, share=0.5)) as (_, proxy):
        started = time.monotonic()
        if closes:
            with pytest.raises(http.client.IncompleteRead):
                asked(proxy, "GET", BLOB)
        else:
            assert asked(proxy, "GET", BLOB)[2] == CONTENT
        assert 0.4 <= time.monotonic() - started < 5


def test_healing_ends_a_stall() -> None:
    with behind(Fault("stall", "GET", seconds=60)) as (_, proxy):
        threading.Timer(0.2, proxy.heal).start()
        started = time.monotonic()
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            asked(proxy, "GET", BLOB)
        assert time.monotonic() - started < 5
        assert asked(proxy, "GET", BLOB)[2] == CONTENT


def test_answers_in_place_of_the_server() -> None:
    faults = [
        Fault("answer", "GET", skip=1, times=2, status=429, retry_after="1"),
        Fault("answer", "HEAD", status=502),
        Fault("answer", "PATCH", status=500, times=-1),
    ]
    with behind(*faults) as (registry, proxy):
        statuses = [asked(proxy, "GET", BLOB) for _ in range(4)]
        assert [each[0] for each in statuses] == [200, 429, 429, 200]
        assert statuses[1][1]["Retry-After"] == "1"
        assert [asked(proxy, "HEAD", BLOB)[0] for _ in range(2)] == [502, 200]
        location = begun(proxy)
        assert [asked(proxy, "PATCH", location, CONTENT)[0] for _ in range(3)] == [500] * 3
        assert registry.count("PATCH") == 0
        proxy.heal()
        assert asked(proxy, "PATCH", location, CONTENT)[0] == 202


def test_answers_before_the_body_was_read() -> None:
    with behind(Fault("answer", "PATCH", status=500, early=True)) as (_, proxy):
        address = proxy.host.split(":")
        with socket.create_connection((address[0], int(address[1]))) as connection:
            connection.sendall(b"PATCH /v2/a/blobs/uploads/b HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
            answer = connection.recv(10_000)
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert b"Connection: close" in answer


def test_changes_one_bit_of_a_body() -> None:
    faults = [Fault("change", "GET", share=1.0), Fault("change", "PUT", side="request", share=0.0)]
    with behind(*faults) as (_, proxy):
        changed = asked(proxy, "GET", BLOB)[2]
        assert changed == CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
        other = b"x" + CONTENT
        status, _, said = asked(proxy, "PUT", f"{begun(proxy)}&digest={digest_of(other)}", other)
        assert status == 400
        assert b"DIGEST_INVALID" in said


def test_truncates_so_that_it_looks_whole() -> None:
    with behind(Fault("truncate", "GET", share=0.75)) as (_, proxy):
        status, headers, body = asked(proxy, "GET", BLOB)
        assert (status, headers["Content-Length"], body) == (200, "768000", CONTENT[:768000])


def test_forgets_an_upload() -> None:
    with behind(Fault("forget", "GET", UPLOADS)) as (registry, proxy):
        first, second = begun(proxy), begun(proxy)
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            status, _, said = asked(proxy, method, first, CONTENT if method.startswith("P") else None)
            assert status == 404
            assert b"BLOB_UPLOAD_UNKNOWN" in said
        assert asked(proxy, "GET", second)[0] == 204
        proxy.heal()
        assert asked(proxy, "GET", first)[0] == 404
        assert len(registry.sessions) == 2


def test_takes_a_range_away() -> None:
    with behind(Fault("whole", "GET")) as (_, proxy):
        assert asked(proxy, "GET", BLOB, Range="bytes=5-9")[0] == 200
        status, _, body = asked(proxy, "GET", BLOB, Range="bytes=5-9")
        assert (status, body) == (206, CONTENT[5:10])


def test_refuses_connections() -> None:
    with behind(Fault("refuse", skip=1, times=2)) as (_, proxy):
        assert asked(proxy, "GET", "/v2/")[0] == 200
        for _ in range(2):
            with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
                asked(proxy, "GET", "/v2/")
        assert asked(proxy, "GET", "/v2/")[0] == 200


def test_tells_when_a_byte_passes() -> None:
    told: list[str] = []
    with PushableRegistry() as registry:
        registry.add_blob("team/app", CONTENT)
        with FaultyProxy(registry.host, [Fault("tell", "GET")], lambda: told.append("now")) as proxy:
            assert asked(proxy, "GET", BLOB)[2] == CONTENT
    assert told == ["now"]
    assert proxy.struck[0].startswith("tell answer at byte ")


def test_its_account_can_be_taken_up_again() -> None:
    plan = [Fault("cut", "GET", skip=1), Fault("change", times=-1)]
    with FaultyProxy("127.0.0.1:1", plan) as proxy:
        shown = proxy.account()
    again = eval(shown.partition(": ")[2].partition("\n  struck")[0])  # our own text
    assert again == plan


def _wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_skopeo_copies_through_it(tmp_path: Path) -> None:
    for program in ("skopeo", "docker-registry"):
        if shutil.which(program) is None:
            leave_out(f"{program} is not installed")
    with docker_registry(tmp_path / "registry") as real, PushableRegistry() as made:
        made.push("team/app", "1", [tar_of({"a": CONTENT}), tar_of({"b": CONTENT})])
        with FaultyProxy(made.host) as source, FaultyProxy(real) as target:
            words = ["skopeo", "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"]
            done = subprocess.run(
                [*words, f"docker://{source.host}/team/app:1", f"docker://{target.host}/team/app:1"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr + source.account() + target.account()
            assert any(each.startswith("PATCH ") for each in target.requests)
        raw = subprocess.run(
            ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{real}/team/app:1"],
            capture_output=True,
            check=True,
        ).stdout
        assert raw == (made.manifest("team/app", "1") or (b"",))[0]
