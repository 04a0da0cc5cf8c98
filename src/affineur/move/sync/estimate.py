"""How long the rest of a run takes: the requests that are still needed, by the rate at which they may be made.

A tag costs one request to be looked at, and one that is moved costs as many more as those that were moved so far, on
average. As long as none was moved, nobody knows how many: then the estimate is a lower bound, and says so.
"""

import time
from collections.abc import Callable, Iterable
from threading import Lock

import msgspec

from affineur.http.pacing import Pacing
from affineur.move.sync.jobs import Outcome
from affineur.move.sync.run import Plan
from affineur.oci.reference import DEFAULT_REGISTRY
from affineur.source.access import DOCKER_HUB_HOST

__all__ = ["Estimate", "Estimator"]

MEASURED_AFTER_S = 2.0
"""Before that, a rate that was measured says nothing."""


class Estimate(msgspec.Struct, frozen=True):
    """The time that is left.

    Attributes:
        seconds: None: it cannot be told yet.
        at_least: whether it is a lower bound.
        why: what it rests on, for people.
    """

    seconds: float | None
    at_least: bool
    why: str

    def __str__(self) -> str:
        if self.seconds is None:
            return self.why
        return f"{'at least' if self.at_least else 'about'} {_duration(self.seconds)} left ({self.why})"


class Estimator:
    """Counts what is done. Safe for several threads."""

    def __init__(self, plan: Plan, pacing: Pacing, clock: Callable[[], float] = time.monotonic) -> None:
        """The run begins. Args: clock: that of the pacing."""
        self._plan, self._pacing, self._clock = plan, pacing, clock
        self._began = clock()
        self._before = {host: pacing.requests(host) for host in pacing.hosts()}
        self._done: dict[bool, int] = {True: 0, False: 0}  # by whether it was known
        self._moved: dict[bool, int] = {True: 0, False: 0}
        self._total = {
            known: sum(1 for job in plan.jobs if (job.target_key in plan.known) is known) for known in (True, False)
        }
        self._lock = Lock()
        self._sources = _hosts_of(job.entry.source.registry for job in plan.jobs)

    def done(self, outcome: Outcome) -> None:
        """Count it."""
        known = outcome.job.target_key in self._plan.known
        with self._lock:
            self._done[known] += 1
            self._moved[known] += outcome.state not in ("unchanged", "older", "left")

    def left(self) -> Estimate:
        """The time until the last tag is done with."""
        with self._lock:
            done, moved = dict(self._done), dict(self._moved)
        looks = {known: self._total[known] - done[known] for known in done}
        if not any(looks.values()):
            return Estimate(0.0, False, "nothing is left")
        # of those that were never moved all will be, of the others as many as so far
        share = {known: moved[known] / done[known] if done[known] else float(not known) for known in done}
        moves = sum(looks[known] * share[known] for known in looks)
        estimates = [
            self._of(host, sum(done.values()), sum(moved.values()), sum(looks.values()), moves)
            for host in self._pacing.hosts()
        ]
        found = [each for each in estimates if each is not None and each.seconds is not None]
        if not found:
            return Estimate(None, False, "the time left cannot be told yet")
        return max(found, key=lambda each: each.seconds or 0.0)

    def _of(self, host: str, done: int, moved: int, looks: int, moves: float) -> Estimate | None:
        asked = self._pacing.requests(host) - self._before.get(host, 0)
        looked = done if host in self._sources else 0
        cost = max(0.0, asked - looked) / moved if moved else 0.0
        needed = (looks if host in self._sources else 0) + moves * cost
        pace, elapsed = self._pacing.pace(host), self._clock() - self._began
        at_least = not moved and moves > 0
        if pace.per_second:
            why = f"{needed:.0f} requests to {host}: {pace.why}"
            return Estimate(needed / pace.per_second + pace.wait_s, at_least, why)
        if elapsed < MEASURED_AFTER_S or not asked:
            return None
        rate = asked / elapsed
        return Estimate(
            needed / rate + pace.wait_s, at_least, f"{needed:.0f} requests to {host}, at {rate:.1f} a second so far"
        )


def _hosts_of(registries: Iterable[str | None]) -> frozenset[str]:
    """Registries' names as the client counts them, for either port where none is named."""
    found: set[str] = set()
    for each in registries:
        if each is not None:
            host = DOCKER_HUB_HOST if each == DEFAULT_REGISTRY else each
            has_port = host.rpartition("]")[2].rpartition(":")[1]
            found |= {host} if has_port else {f"{host}:443", f"{host}:80"}
    return frozenset(found)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
