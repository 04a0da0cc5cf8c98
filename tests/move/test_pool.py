"""Work that begets work: in which order, how it ends, and what does not run after that."""

import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from affineur.errors import NotFound
from affineur.move import pool as module
from affineur.move.pool import FIRST, Pool, Stopped

MANY = 200


class Gate:
    """A task that lasts until it is opened.

    Attributes:
        begun: set once a thread is in it.
    """

    def __init__(self) -> None:
        self.begun, self._open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self._open.wait(10)

    def open(self) -> None:
        self._open.set()


def failing(problem: BaseException) -> Callable[..., None]:
    def task(*_: object) -> None:
        raise problem

    return task


def _until_failed(pool: Pool) -> None:
    for _ in range(1_000):
        if pool.failed:
            return
        time.sleep(0.01)
    raise AssertionError("no task has failed")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "move":
            thread.join(5)
            assert not thread.is_alive()


def test_nothing_to_do() -> None:
    Pool(4).wait()
    assert not any(thread.name == "move" for thread in threading.enumerate())


def test_the_most_urgent_first_and_equals_in_their_order() -> None:
    pool, gate, done = Pool(1), Gate(), list[str]()
    pool.add(gate)
    assert gate.begun.wait(10)
    for urgency, name in ((9, "later"), (5, "one"), (FIRST, "first"), (5, "two"), (5, "three")):
        pool.add(lambda name=name: done.append(name), urgency)  # type: ignore[misc]
    gate.open()
    pool.wait()
    assert done == ["first", "one", "two", "three", "later"]


def test_tasks_that_add_tasks_are_waited_for() -> None:
    pool, lock, done = Pool(4), threading.Lock(), list[int]()

    def task(depth: int) -> None:
        with lock:
            done.append(depth)
        for _ in range(3 if depth else 0):
            pool.add(lambda: task(depth - 1))

    pool.add(lambda: task(4))
    pool.wait()
    assert len(done) == 1 + 3 + 9 + 27 + 81
    pool.add(lambda: task(0))  # and may be used again
    pool.wait()
    assert len(done) == 122


def test_so_many_side_by_side_and_no_more() -> None:
    pool, lock = Pool(3), threading.Lock()
    now = most = 0
    together = threading.Barrier(3)

    def task() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait(10)  # fewer would never pass
        with lock:
            now -= 1

    for _ in range(30):
        pool.add(task)
    pool.wait()
    assert most == 3


def test_the_first_failure_is_raised_and_nothing_runs_after_it() -> None:
    pool, gate, done = Pool(2), Gate(), list[int]()
    pool.add(gate)
    assert gate.begun.wait(10)
    for number in range(MANY):
        pool.add(lambda number=number: done.append(number), 9)  # type: ignore[misc]
    pool.add(failing(NotFound("the first")))
    _until_failed(pool)
    pool.add(lambda: done.append(MANY))  # a task under way may still ask for more
    gate.open()
    with pytest.raises(NotFound, match="the first"):
        pool.wait()
    count = len(done)
    time.sleep(0.05)
    assert MANY not in done
    assert len(done) == count
    assert not any(thread.name == "move" and thread.is_alive() for thread in threading.enumerate())


def test_what_was_given_up_for_it_is_not_what_is_raised() -> None:
    """The tasks that look at `failed` raise Stopped: after the one that failed, or so early that it is not through."""
    pool, gate = Pool(2), Gate()

    def follows() -> None:
        gate()
        raise Stopped("given up")

    pool.add(follows)
    assert gate.begun.wait(10)
    pool.add(failing(NotFound("the cause")))
    _until_failed(pool)
    gate.open()
    with pytest.raises(NotFound, match="the cause"):
        pool.wait()

    gate = Gate()

    def cause() -> None:
        gate()
        raise NotFound("the cause")

    pool.add(cause)
    assert gate.begun.wait(10)
    pool.add(failing(Stopped("given up")))
    _until_failed(pool)
    gate.open()
    with pytest.raises(NotFound, match="the cause"):
        pool.wait()


def test_a_failure_is_told_once() -> None:
    pool, done = Pool(2), list[int]()
    pool.add(failing(NotFound("gone")))
    with pytest.raises(NotFound):
        pool.wait()
    assert not pool.failed
    pool.add(lambda: done.append(1))
    pool.wait()
    assert done == [1]


def test_a_fault_of_the_program_is_raised_as_it_is() -> None:
    pool = Pool(2)
    pool.add(failing(ZeroDivisionError("a fault")))
    with pytest.raises(ZeroDivisionError):
        pool.wait()


def test_stopped_from_outside() -> None:
    """Whoever gives up stops what waits; what is under way sees `failed`, and is waited for."""
    pool, begun, done = Pool(2), threading.Event(), list[str]()

    def long() -> None:
        begun.set()
        while not pool.failed:
            time.sleep(0.005)
        done.append("saw it")
        raise Stopped("given up")

    pool.add(long)
    assert begun.wait(10)
    gate = Gate()
    pool.add(gate)
    assert gate.begun.wait(10)
    pool.add(lambda: done.append("never"), 9)
    threading.Timer(0.05, gate.open).start()
    pool.stop()
    assert done == ["saw it"]
    assert not any(thread.name == "move" and thread.is_alive() for thread in threading.enumerate())
    pool.add(lambda: done.append("never"))
    pool.stop()
    assert done == ["saw it"]


def test_what_hangs_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_S", 0.05)
    pool, gate = Pool(1), Gate()
    pool.add(gate)
    assert gate.begun.wait(10)
    start = time.monotonic()
    pool.stop()
    assert time.monotonic() - start < 2
    gate.open()


def test_an_interruption_gets_through() -> None:
    """Ctrl-C while a task waits for a server: at once, and nothing new is begun after `stop`."""
    pool, gate, done = Pool(1), Gate(), list[int]()
    pool.add(gate)
    assert gate.begun.wait(10)
    pool.add(lambda: done.append(1))
    threading.Timer(0.1, lambda: signal.raise_signal(signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pool.wait()
    assert time.monotonic() - start < 2
    threading.Timer(0.05, gate.open).start()
    pool.stop()
    assert done == []


def test_a_thread_that_cannot_be_had_is_no_endless_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(2)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", failing(RuntimeError("can't start new thread")))
        with pytest.raises(RuntimeError):
            pool.add(lambda: None)
    pool.wait()
