"""Work in a thread of its own, while something else is asked."""

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from affineur.errors import Error

__all__ = ["beside"]

T = TypeVar("T")


def beside(work: Callable[[], T]) -> Callable[[], T]:
    """Start something in a thread of its own; the returned function waits for it, and returns or raises its outcome."""
    outcome: list[T] = []
    problems: list[Error] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Error as problem:
            problems.append(problem)

    thread = Thread(target=run, daemon=True)
    thread.start()

    def wait() -> T:
        thread.join()
        if problems:
            raise problems[0]
        return outcome[0]

    return wait
