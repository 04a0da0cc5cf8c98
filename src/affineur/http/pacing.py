"""How fast each host is asked: no faster than the user allows, and no faster than the host says.

Three things hold a request back: the user's own limit (a token bucket), what the host's last answers said is left
(`RateLimit-Remaining`, `-Limit`, `-Reset`: draft-ietf-httpapi-ratelimit-headers-07; and Docker Hub's `100;w=21600`),
and a 429, after which nobody asks that host before its `Retry-After` (RFC 9110 § 10.2.3) is over. Any thread of the
client may ask; a clock and a way to sleep can be brought along.
"""

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from affineur.errors import RateLimited
from affineur.http.connections import Exchange
from affineur.http.response import Headers, retry_after_s

__all__ = ["BudgetSpent", "Limit", "Pace", "Pacing"]

MINUTE_S = 60.0
MAX_WAIT_S = 900.0
"""A host that wants to be left alone for longer is reported, not waited for."""
MAX_REFUSALS = 6
"""A request that was answered with 429 so often, in spite of all patience, is given up."""
FIRST_PAUSE_S = 2.0
"""At least, after a 429 that names no time; twice as long after each further one. Most limits are for a minute: the
pause ends when the first request of the last minute is a minute ago."""
SMOOTH = 20
"""A limit of so many requests lets one be asked for at once that was not asked for before; 100 a minute: 5."""
MAX_NUMBER = 10**9
"""More in a RateLimit header is no number of requests, nor of seconds: some write a date there."""
_RECHECK_S = 1.0
"""For how long one that waits for another's answer sleeps at a time; it is woken when that comes."""
_SHORTEST_S = 0.05

_LEADING = re.compile(r"\s*(\d{1,10})\s*(?:[;,]|$)")
_WINDOW = re.compile(r";\s*w=(\d{1,10})")


class BudgetSpent(RateLimited):
    """As many requests as the user allows one run to make of a host have been made."""


class Limit(msgspec.Struct, frozen=True):
    """What the user allows for one host; None: as many as the host lets through.

    Attributes:
        per_minute: requests in any minute.
        requests: of one run, in all.
    """

    per_minute: int | None = None
    requests: int | None = None


class Pace(msgspec.Struct, frozen=True):
    """How fast a host is asked now, and what says so.

    Attributes:
        per_second: requests; None where nothing holds us back.
        why: of people's words: "100 requests a minute, as the file says".
        wait_s: until the next request may be sent, at the earliest.
    """

    per_second: float | None
    why: str
    wait_s: float = 0.0


class Pacing:
    """Holds requests back, host by host. Give one to a `Client`."""

    def __init__(
        self,
        limits: Mapping[str, Limit] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        waiting: Callable[[str, float, str], object] | None = None,
    ) -> None:
        """Nothing waits yet.

        Args:
            limits: by `host:port`, or by host for its ports 443 and 80.
            clock: seconds that never go back.
            sleep: on that clock; None: until `stop` is called, if that is sooner.
            waiting: told before each pause that a host itself asks for: host:port, seconds, why.
        """
        self._limits = dict(limits or {})
        self._clock, self._waiting = clock, waiting
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Condition()

    def stop(self) -> None:
        """End every pause now: whoever waits, or asks from here on, gets RateLimited."""
        self._stopped.set()
        with self._lock:
            self._lock.notify_all()

    def hosts(self) -> tuple[str, ...]:
        """Every `host:port` that was asked, in the order of first request."""
        with self._lock:
            return tuple(self._hosts)

    def requests(self, host: str) -> int:
        """How many `host:port` was sent so far."""
        with self._lock:
            return self._host(host).sent

    def pace(self, host: str) -> Pace:
        """How fast `host:port` may be asked now."""
        with self._lock:
            return self._host(host).pace(self._clock())

    def paced(self, host: str, ask: Callable[[], Exchange], *, again: bool) -> Exchange:
        """Send a request when its time has come.

        Args:
            host: `host:port`.
            ask: sends it once.
            again: whether it may be sent again after a 429.

        Returns:
            The answer; a 429 only where the host asks for more patience than MAX_WAIT_S, or never has enough.

        Raises:
            BudgetSpent: this request would be one too many.
            RateLimited: `stop` was called.
        """
        for attempt in range(1, MAX_REFUSALS + 1):
            number = self._turn(host, again)
            try:
                answer = ask()
            except BaseException:
                with self._landed(host, again):
                    pass
                raise
            with self._landed(host, again) as state:
                pause = state.answered(number, answer, self._clock())
            if answer.status != 429 or not again or attempt == MAX_REFUSALS or pause > MAX_WAIT_S:
                return answer
            answer.close()
            if self._waiting is not None:
                self._waiting(host, pause, "HTTP 429")
        raise AssertionError("the last attempt returns")

    @contextmanager
    def _landed(self, host: str, counted: bool) -> "Iterator[_Host]":
        """A request has ended; those who wait for that are woken when what it said is known."""
        with self._lock:
            state = self._host(host)
            state.flying -= counted
            yield state
            self._lock.notify_all()

    def _turn(self, host: str, counted: bool) -> int:
        """Wait until a request may be sent; returns the how manieth it is.

        Args:
            counted: among those whose answers others wait for. A body that is sent as it comes may come from the same
                host: who waited for that would wait for ever.
        """
        while True:
            if self._stopped.is_set():
                raise RateLimited(f"{host}: not asked any more")
            with self._lock:
                now = self._clock()
                state = self._host(host)
                pause = state.pause(now)
                if pause <= 0:
                    state.flying += counted
                    return state.take(now)
                if pause == math.inf:
                    self._lock.wait(_RECHECK_S)
                    continue
            self._sleep(pause)

    def _host(self, name: str) -> "_Host":
        state = self._hosts.get(name)
        if state is None:
            host, _, port = name.rpartition(":")
            limit = self._limits.get(name)
            if limit is None and port in ("443", "80"):
                limit = self._limits.get(host)
            state = self._hosts[name] = _Host(name, limit or Limit())
        return state


class _Host:
    """What is known of one host; its methods are called under the lock of `Pacing`."""

    def __init__(self, name: str, limit: Limit) -> None:
        self.name, self.limit = name, limit
        self.sent = 0
        self.flying = 0  # requests that are not answered yet
        self._recent: deque[float] = deque(maxlen=1000)
        self._capacity = float(max(1, (limit.per_minute or 0) // SMOOTH))
        # as many as fit into a bucket may go at once: then in no minute are more sent than the user allows
        self._refill = ((limit.per_minute or 0) - (self._capacity - 1)) / MINUTE_S
        self._tokens = self._capacity
        self._filled: float | None = None
        self._blocked_until = 0.0
        self._refused_at = 0  # how many had been sent when it refused one
        self._refused = 0
        self._left: int | None = None
        self._left_until: float | None = None
        self._told = ""
        self._learned: int | None = None  # requests in a minute, after which it said 429

    def pause(self, now: float) -> float:
        """Seconds until a request may be sent; inf: until another one is answered. Raises BudgetSpent."""
        budget = self.limit.requests
        if budget is not None and self.sent >= budget:
            raise BudgetSpent(f"{self.name}: the {budget} requests that the file allows one run are spent")
        pause = self._blocked_until - now
        if self._left is not None and self._left_until is not None:
            if now >= self._left_until:
                self._left = self._left_until = None
            elif self._left <= 0:
                # those on their way may bring better news
                pause = max(pause, math.inf if self.flying else self._left_until - now)
        if self.limit.per_minute:
            self._fill(now)
            pause = max(pause, (1 - self._tokens) / self._refill)
        elif self.flying and self._wary(now):
            pause = math.inf
        return pause if pause > 1e-9 else 0.0

    def _wary(self, now: float) -> bool:
        """Whether the next request may be refused: then it goes alone, so that only one is."""
        return self._refused > 0 or (self._learned is not None and self._in_the_last_minute(now) >= self._learned)

    def _in_the_last_minute(self, now: float) -> int:
        return sum(1 for at in self._recent if at > now - MINUTE_S)

    def take(self, now: float) -> int:
        """A request is sent: its number, from 1."""
        self.sent += 1
        self._recent.append(now)
        if self.limit.per_minute:
            self._tokens -= 1
        if self._left is not None:
            self._left -= 1
        return self.sent

    def answered(self, number: int, answer: Exchange, now: float) -> float:
        """Learn from an answer; returns for how long the host wants to be left alone."""
        headers = Headers(answer.headers)
        limit, left, reset = (_header(headers, name) for name in ("Limit", "Remaining", "Reset"))
        if left is not None:
            window = _window(headers)
            within = reset if reset is not None else window
            self._left = left - self.flying
            self._left_until = now + within if within is not None and within <= MAX_WAIT_S else None
            if limit is not None and window:
                self._told = f"it allows {limit} requests in {window} s"
        if answer.status != 429:
            if answer.status < 500 and number > self._refused_at:
                self._refused = 0
            return 0.0
        asked = retry_after_s(headers.get("Retry-After"), time.time())
        if asked is None and reset is not None:
            asked = float(reset)
        if number <= self._refused_at:  # it was on its way when the host refused another one: told once
            return max(0.0, self._blocked_until - now)
        self._refused += 1
        grown = FIRST_PAUSE_S * 2 ** (self._refused - 1)
        if asked is None:
            oldest = next((at for at in self._recent if at > now - MINUTE_S), now)
            grown = max(grown, oldest + MINUTE_S - now)
        # a host that refused again right after the time that it named itself is given longer
        pause = grown if asked is None else max(asked, grown if self._refused > 1 else 0.0, _SHORTEST_S)
        self._refused_at, self._blocked_until = self.sent, now + pause
        if not self.limit.per_minute:
            # those that were refused with it, or sent with it and not answered yet, may be refused as well
            self._learned = max(1, self._in_the_last_minute(now) - self.flying - 1)
        self._tokens = min(self._tokens, 0.0)
        self._filled = now
        return pause

    def pace(self, now: float) -> Pace:
        """How fast it may be asked, by the user's word, by its own, or by what it let through before it refused."""
        wait = max(0.0, self._blocked_until - now)
        if self.limit.per_minute:
            return Pace(self._refill, f"{self.limit.per_minute} requests a minute, as the file says", wait)
        if self._left is not None and self._left_until is not None and self._left_until > now:
            rate = max(self._left, 0) / (self._left_until - now)
            if rate > 0:
                return Pace(rate, self._told or "what it says is left", wait)
        if self._learned:
            return Pace(self._learned / MINUTE_S, f"it refused after {self._learned} requests in a minute", wait)
        return Pace(None, self._told or "no limit is known", wait)

    def _fill(self, now: float) -> None:
        if self._filled is not None:
            self._tokens = min(self._capacity, self._tokens + (now - self._filled) * self._refill)
        self._filled = now


def _header(headers: Headers, name: str) -> int | None:
    """The number with which `RateLimit-NAME` (or `X-RateLimit-NAME`) begins."""
    found = _LEADING.match((headers.get(f"RateLimit-{name}") or headers.get(f"X-RateLimit-{name}"))[:100])
    number = int(found[1]) if found else None
    return number if number is not None and number < MAX_NUMBER else None


def _window(headers: Headers) -> int | None:
    """The seconds that Docker Hub says its limit is for."""
    found = _WINDOW.search((headers.get("RateLimit-Limit") or headers.get("RateLimit-Remaining"))[:100])
    return int(found[1]) if found else None
