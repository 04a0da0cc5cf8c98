"""No host is asked faster than the user or the host itself allows, by any thread; on a clock of the tests' own."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import formatdate
from time import time
from typing import cast

import pytest

from affineur.errors import RateLimited
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.connections import Exchange
from affineur.http.pacing import MAX_REFUSALS, BudgetSpent, Limit, Pacing
from support.clock import Clock
from support.registry import Answer, Registry

RATE = 100
MINUTE = 60.0


class Host:
    """A registry that answers with what a test says, and the pacing and client that ask it on the test's clock."""

    def __init__(self, registry: Registry, limit: Limit | None = None) -> None:
        self.clock = Clock()
        self.registry = registry
        limits = {registry.host: limit} if limit else {}
        self.told: list[tuple[str, float, str]] = []
        self.pacing = Pacing(
            limits,
            clock=self.clock.now,
            sleep=self.clock.sleep,
            waiting=lambda host, seconds, why: self.told.append((host, seconds, why)),
        )
        self.client = Client(pacing=self.pacing, sleep=self.clock.sleep, environment={})
        self.times: list[float] = []

    def answers(self, answer: Callable[[int], Answer | None] | Sequence[Answer]) -> None:
        """Answer the n-th request (from 0) so; after the end of a list, well."""

        def made(headers: Mapping[str, str]) -> Answer:
            number = len(self.times)
            self.times.append(self.clock.now())
            if callable(answer):
                return answer(number) or Answer(body=b"{}")
            return answer[number] if number < len(answer) else Answer(body=b"{}")

        self.registry.misbehave["/v2/"] = made

    def ask(self) -> int:
        return self.client.get(f"{self.registry.url}/v2/", limit=1000, reach=Reach.OWN, also=(429,)).status


@pytest.fixture
def made() -> Iterator[Callable[..., Host]]:
    """Hosts of one registry, whose clients are closed at the end."""
    with Registry() as registry:
        hosts: list[Host] = []

        def make(limit: Limit | None = None) -> Host:
            hosts.append(Host(registry, limit))
            return hosts[-1]

        yield make
        for host in hosts:
            host.client.close()


def most_in_a_minute(times: Sequence[float]) -> int:
    return max(sum(1 for each in times if start <= each < start + MINUTE) for start in times)


@pytest.mark.parametrize("rate", [1, 2, 7, 100, 333])
def test_no_minute_has_more_requests_than_are_allowed_and_hardly_fewer(made: Callable[..., Host], rate: int) -> None:
    host = made(Limit(per_minute=rate))
    host.answers([])
    asked = min(3 * rate + 3, 350)
    assert {host.ask() for _ in range(asked)} == {200}
    assert most_in_a_minute(host.times) <= rate
    assert asked / rate <= host.clock.now() / MINUTE * 1.06 + 1 / rate + 0.06


def test_several_threads_share_one_limit(made: Callable[..., Host]) -> None:
    host = made(Limit(per_minute=RATE))
    host.answers([])
    threads = [threading.Thread(target=lambda: [host.ask() for _ in range(60)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(host.times) == 240
    assert most_in_a_minute(host.times) <= RATE
    assert host.clock.now() >= (240 - RATE) / RATE * MINUTE


def test_a_budget_is_kept_and_said(made: Callable[..., Host]) -> None:
    host = made(Limit(requests=3))
    host.answers([])
    assert [host.ask() for _ in range(3)] == [200] * 3
    with pytest.raises(BudgetSpent, match="the 3 requests that the file allows"):
        host.ask()
    assert len(host.times) == host.pacing.requests(host.registry.host) == 3


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ([("Retry-After", "20")], 20),
        ([("Retry-After", "400")], 400),
        ([("RateLimit-Reset", "33")], 33),
        ([], 60),
        ([("Retry-After", "soon")], 60),
    ],
)
def test_after_a_429_nobody_asks_until_the_time_is_over(
    made: Callable[..., Host], headers: list[tuple[str, str]], pause: float
) -> None:
    host = made()
    host.answers([Answer(429, headers)])
    assert host.ask() == 200
    assert host.times == [0, pause]
    assert host.told == [(host.registry.host, pause, "HTTP 429")]


def test_a_date_serves_as_well(made: Callable[..., Host]) -> None:
    host = made()
    host.answers([Answer(429, [("Retry-After", formatdate(time() + 120, usegmt=True))])])
    assert host.ask() == 200
    assert host.times[1] == pytest.approx(120, abs=3)


def test_a_host_that_refuses_again_is_given_longer_each_time(made: Callable[..., Host]) -> None:
    host = made()
    host.answers([Answer(429, [("Retry-After", "0")])] * 4)
    assert host.ask() == 200
    pauses = [after - before for before, after in zip(host.times, host.times[1:], strict=False)]
    assert pauses == pytest.approx([0.05, 4, 8, 16])


def test_a_host_that_always_refuses_or_wants_to_be_left_alone_for_long_is_reported(made: Callable[..., Host]) -> None:
    host = made()
    host.answers([Answer(429, [("Retry-After", "21600")])])
    assert host.ask() == 429
    assert host.clock.now() == 0
    host = made()
    host.answers(lambda _: Answer(429))
    assert host.ask() == 429
    assert len(host.times) % MAX_REFUSALS == 0


def test_what_is_left_is_used_up_and_then_awaited(made: Callable[..., Host]) -> None:
    host = made()

    def of_ten_in_thirty_seconds(number: int) -> Answer:
        left, reset = 9 - number % 10, 30 - host.clock.now() % 30
        return Answer(
            headers=[
                ("RateLimit-Limit", "10"),
                ("RateLimit-Remaining", str(left)),
                ("RateLimit-Reset", str(int(reset))),
            ],
            body=b"{}",
        )

    host.answers(of_ten_in_thirty_seconds)
    assert {host.ask() for _ in range(25)} == {200}
    assert host.times == [0] * 10 + [30] * 10 + [60] * 5


@pytest.mark.parametrize("value", ["-1", "99999999999", "many", "1e3", "", "²", "9" * 5000])
def test_headers_that_say_nothing_usable_hold_nobody_back(made: Callable[..., Host], value: str) -> None:
    host = made()
    header = [(f"RateLimit-{name}", value.encode().decode("latin-1")) for name in ("Limit", "Remaining", "Reset")]
    host.answers(lambda _: Answer(headers=header, body=b"{}"))
    assert {host.ask() for _ in range(5)} == {200}
    assert host.clock.now() == 0


def test_none_is_left_for_hours_and_the_next_request_is_tried_all_the_same(made: Callable[..., Host]) -> None:
    # Docker Hub counts manifests that are read, not those that are looked for: HEAD goes on being answered
    host = made()
    spent = [("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "0;w=21600")]
    host.answers(lambda _: Answer(headers=spent, body=b"{}"))
    assert {host.ask() for _ in range(3)} == {200}
    assert host.clock.now() == 0
    assert host.pacing.pace(host.registry.host).why == "it allows 100 requests in 21600 s"


def test_a_pace_says_what_it_rests_on(made: Callable[..., Host]) -> None:
    host = made(Limit(per_minute=100))
    pace = host.pacing.pace(host.registry.host)
    assert (pace.per_second, pace.why) == (96 / 60, "100 requests a minute, as the file says")
    host = made()
    assert host.pacing.pace(host.registry.host).per_second is None
    host.answers(lambda number: Answer(429, [("Retry-After", "9")]) if number == 30 else None)
    assert {host.ask() for _ in range(32)} == {200}
    pace = host.pacing.pace(host.registry.host)
    assert (pace.per_second, pace.why) == (0.5, "it refused after 30 requests in a minute")


def test_those_who_wait_can_be_stopped() -> None:
    with Registry() as registry:
        pacing = Pacing({registry.host: Limit(per_minute=1)})
        with Client(pacing=pacing, environment={}) as client:
            client.get(f"{registry.url}/v2/", limit=1000, reach=Reach.OWN)
            threading.Timer(0.1, pacing.stop).start()
            with pytest.raises(RateLimited, match="not asked any more"):
                client.get(f"{registry.url}/v2/", limit=1000, reach=Reach.OWN)


class Told:
    """An answer's status and headers, as `Exchange` has them."""

    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        self.status, self.headers = status, list(headers)

    def close(self) -> None: ...


def told(status: int, *headers: tuple[str, str]) -> Exchange:
    return cast("Exchange", Told(status, *headers))


def test_a_body_that_comes_from_the_same_host_is_sent_though_that_host_is_asked_warily() -> None:
    clock = Clock()
    pacing = Pacing(clock=clock.now, sleep=clock.sleep)
    assert pacing.paced("a:443", lambda: told(429, ("Retry-After", "1000")), again=True).status == 429
    clock.sleep(1000)
    done = []

    def sent() -> Exchange:
        done.append(pacing.paced("a:443", lambda: told(200), again=True).status)  # what is sent is read there
        return told(201)

    thread = threading.Thread(target=lambda: done.append(pacing.paced("a:443", sent, again=False).status), daemon=True)
    thread.start()
    thread.join(10)
    assert done == [200, 201]


def test_after_a_refusal_one_request_goes_alone_and_the_others_wait_for_its_answer() -> None:
    clock = Clock()
    pacing = Pacing(clock=clock.now, sleep=clock.sleep)
    assert pacing.paced("a:443", lambda: told(429, ("Retry-After", "1000")), again=True).status == 429
    clock.sleep(1000)
    flying, most = [0], [0]
    lock = threading.Lock()

    def ask() -> Exchange:
        with lock:
            flying[0] += 1
            most[0] = max(most[0], flying[0])
        threading.Event().wait(0.02)
        with lock:
            flying[0] -= 1
        return told(429, ("Retry-After", "0"))

    threads = [threading.Thread(target=lambda: pacing.paced("a:443", ask, again=True)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most[0] == 1
    assert pacing.requests("a:443") > MAX_REFUSALS
