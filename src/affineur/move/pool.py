"""Work that begets work, done by a few threads; the most urgent first."""

import heapq
import itertools
import threading
from collections.abc import Callable

from affineur.errors import Error

__all__ = ["FIRST", "Pool", "Stopped"]

FIRST = 0
"""The urgency of what must be known before more can be done; larger numbers wait longer."""
_WAKE_S = 0.5
STOP_S = 2.0
"""How long `stop` waits for tasks that are under way: one may hang on a server that says nothing."""


class Stopped(Error):
    """Another piece of the work has failed, so this one was given up; never shown."""


class Pool:
    """Runs tasks until there are none left, or one of them fails.

    Attributes:
        failed: whether one has; long tasks look at it now and then, and raise Stopped.
    """

    def __init__(self, workers: int) -> None:
        """Threads are started when there is work for them."""
        self._workers = workers
        self._heap: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._threads = 0
        self._busy = 0
        self._failure: BaseException | None = None

    @property
    def failed(self) -> bool:
        """See above."""
        return self._failure is not None

    def add(self, task: Callable[[], object], urgency: int = FIRST) -> None:
        """Do it when its turn comes; tasks of the same urgency in the order in which they were added."""
        with self._changed:
            heapq.heappush(self._heap, (urgency, next(self._numbers), task))
            if self._threads < self._workers and len(self._heap) + self._busy > self._threads:
                threading.Thread(target=self._work, name="move", daemon=True).start()
                self._threads += 1  # counted once it runs: it may be refused
            else:
                self._changed.notify()

    def wait(self) -> None:
        """Until nothing is left to do and no thread runs. Raises what the first task to fail has raised."""
        with self._changed:
            while self._threads:
                self._changed.wait(_WAKE_S)  # with an end, so that a signal gets through
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def stop(self) -> None:
        """Begin nothing any more, and wait a little for what is under way: for whoever gives up by himself."""
        with self._changed:
            self._failure = self._failure or Stopped("given up")
            self._heap.clear()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._threads, STOP_S)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._heap and self._failure is None and self._busy:
                    self._changed.wait()
                if not self._heap or self._failure is not None:
                    self._threads -= 1
                    self._heap.clear()
                    self._changed.notify_all()
                    return
                task = heapq.heappop(self._heap)[2]
                self._busy += 1
            try:
                task()
            except BaseException as problem:
                with self._changed:
                    if self._failure is None or isinstance(self._failure, Stopped):
                        self._failure = problem
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()
