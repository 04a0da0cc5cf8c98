"""Trying again, politely and not for ever."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from affineur.errors import Error, NotFound, RateLimited, Unreachable
from affineur.http import retries
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.retries import MAX_ATTEMPTS
from support.raw_server import RawServer
from support.registry import Answer, Registry

MakeClient = Callable[..., Client]
OWN = Reach.OWN
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Clock:
    """A time that passes only in pauses. Attributes: slept: every pause, in seconds; told: what was said before it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.told: list[tuple[str, float, str]] = []
        monkeypatch.setattr(retries, "_now", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def tell(self, host: str, seconds: float, why: str) -> None:
        self.told.append((host, seconds, why))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def patient(make_client: MakeClient, clock: Clock) -> Client:
    """A client whose pauses are written down."""
    return make_client(sleep=clock.sleep, waiting=clock.tell)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_fault_is_tried_again(server: Registry, patient: Client, clock: Clock, status: int) -> None:
    answers = iter([Answer(status, [("Retry-After", "7")]), Answer(status), Answer(body=b"x")])
    server.misbehave["/x"] = lambda headers: next(answers)
    assert patient.get(f"{server.url}/x", limit=10, reach=OWN).body == b"x"
    assert clock.slept[0] == 7
    assert 0.5 <= clock.slept[1] <= 1.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 501, 505])
def test_what_does_not_pass_is_not(server: Registry, patient: Client, clock: Clock, status: int) -> None:
    server.misbehave["/x"] = Answer(status, [("Retry-After", "1")])
    with pytest.raises(Error):
        patient.get(f"{server.url}/x", limit=10, reach=OWN)
    assert (len(server.requests), clock.slept) == (1, [])


def test_tries_come_to_an_end(server: Registry, patient: Client, clock: Clock) -> None:
    server.misbehave["/x"] = Answer(503, body=b"down for repair")
    with pytest.raises(Unreachable, match=r"503.*down for repair"):
        patient.get(f"{server.url}/x", limit=100, reach=OWN)
    assert len(server.requests) == MAX_ATTEMPTS
    assert len(clock.slept) == MAX_ATTEMPTS - 1


def test_pauses_grow_and_are_not_all_the_same(server: Registry, make_client: MakeClient, clock: Clock) -> None:
    server.misbehave["/x"] = Answer(503)
    client = make_client(sleep=clock.sleep, attempts=8)
    firsts = set()
    for _ in range(5):
        clock.slept.clear()
        with pytest.raises(Unreachable):
            client.get(f"{server.url}/x", limit=100, reach=OWN)
        for count, pause in enumerate(clock.slept):
            longest = min(retries.MAX_BACKOFF_S, retries.BACKOFF_S * 2**count)
            assert longest / 2 <= pause <= longest
        firsts.add(clock.slept[0])
    assert len(firsts) > 1


@pytest.mark.parametrize("seconds", [0, 1, 29])
def test_a_date_is_waited_for(server: Registry, patient: Client, clock: Clock, seconds: int) -> None:
    """RFC 9110 § 10.2.3: an HTTP-date instead of seconds."""
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    answers = iter([Answer(429, [("Retry-After", when)]), Answer(body=b"x")])
    server.misbehave["/x"] = lambda headers: next(answers)
    assert patient.get(f"{server.url}/x", limit=10, reach=OWN).body == b"x"
    assert max(0, seconds - 2) <= clock.slept[0] <= seconds


@pytest.mark.parametrize(
    ("patience", "words"),
    [
        ("31", "wait 31 s"),
        ("21600", r"wait 21600 s \(6\.0 hours\)"),
        ("Fri, 31 Dec 2100 23:59:59 GMT", r"wait \d+ s \("),
    ],
)
@pytest.mark.parametrize(("status", "error"), [(429, RateLimited), (503, Unreachable)])
def test_too_long_a_wait_is_reported_and_not_waited_for(
    server: Registry, patient: Client, clock: Clock, patience: str, words: str, status: int, error: type[Error]
) -> None:
    server.misbehave["/x"] = Answer(status, [("Retry-After", patience)])
    with pytest.raises(error, match=f"it asks to {words}") as caught:
        patient.get(f"{server.url}/x", limit=10, reach=OWN)
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after_s is not None
        assert caught.value.retry_after_s > 30
    assert (len(server.requests), clock.slept) == (1, [])


@pytest.mark.parametrize("value", ["-1", "soon", "1e9", "9" * 50, "Fri, 99 Foo", "1.5", "\u00b2"])
def test_a_wait_that_makes_no_sense_is_ignored(server: Registry, patient: Client, clock: Clock, value: str) -> None:
    answers = iter([Answer(503, [("Retry-After", value)]), Answer(body=b"x")])
    server.misbehave["/x"] = lambda headers: next(answers)
    assert patient.get(f"{server.url}/x", limit=10, reach=OWN).body == b"x"
    assert clock.slept[0] <= 0.5


def test_all_of_it_has_an_end(server: Registry, make_client: MakeClient, clock: Clock) -> None:
    """A server that asks for 30 s each time is asked for two minutes, not for as long as there are attempts."""
    server.misbehave["/x"] = Answer(503, [("Retry-After", "30")])
    client = make_client(sleep=clock.sleep, attempts=100)
    with pytest.raises(Unreachable, match="it asks to wait 30 s"):
        client.get(f"{server.url}/x", limit=10, reach=OWN)
    assert sum(clock.slept) <= retries.MAX_TRYING_S
    assert len(server.requests) == 5


def test_slow_attempts_count(server: Registry, make_client: MakeClient, clock: Clock) -> None:
    def slow(headers: object) -> Answer:
        clock.now += 50
        return Answer(503)

    server.misbehave["/x"] = slow
    with pytest.raises(Unreachable):
        make_client(sleep=clock.sleep, attempts=100).get(f"{server.url}/x", limit=10, reach=OWN)
    assert len(server.requests) == 3


def test_long_pauses_are_told_and_short_ones_are_not(server: Registry, patient: Client, clock: Clock) -> None:
    answers = iter([Answer(429, [("Retry-After", "5")]), Answer(503, [("Retry-After", "1")]), Answer(body=b"x")])
    server.misbehave["/x"] = lambda headers: next(answers)
    patient.get(f"{server.url}/x", limit=10, reach=OWN)
    assert clock.told == [(server.host, 5.0, "HTTP 429")]
    assert clock.slept == [5.0, 1.0]


class TestABrokenConnection:
    def test_is_made_again(self, patient: Client, clock: Clock) -> None:
        with RawServer([b""], [b"HTTP/1.1 20"], [OK]) as server:
            # the second breaks in the middle of its first line
            assert patient.get(f"{server.url}/x", limit=10, reach=OWN).body == b"ok"
            assert server.connections == 3
        assert len(clock.slept) == 2

    def test_that_never_was_is_not(self, patient: Client, clock: Clock) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(Unreachable, match="refused"):
            patient.get(f"http://127.0.0.1:{port}/", limit=10, reach=OWN)
        assert clock.slept == []

    def test_in_the_body_is_for_the_caller(self, patient: Client, clock: Clock) -> None:
        """A blob goes on with Range; a document is asked for by whoever wants it."""
        with RawServer([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"]) as server:
            with pytest.raises(Unreachable, match="broke while reading the answer"):
                patient.get(f"{server.url}/x", limit=10, reach=OWN)
            assert server.connections == 1


def test_the_answer_after_a_pause_is_judged_as_any_other(server: Registry, patient: Client) -> None:
    answers = iter([Answer(503), Answer(404)])
    server.misbehave["/x"] = lambda headers: next(answers)
    with pytest.raises(NotFound):
        patient.get(f"{server.url}/x", limit=10, reach=OWN)
