"""What is asked for once, whoever asks."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from affineur.errors import ContentError, SourceError

__all__ = ["Once"]

T = TypeVar("T")


class Once:
    """Values by key, each made by whoever asks first while others wait: what does not answer is not asked again.

    Safe for threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[object, threading.Lock] = {}
        self._known: dict[object, Any] = {}
        self._failed: dict[object, SourceError | ContentError] = {}

    def __call__(self, key: object, make: Callable[[], T]) -> T:
        """The value for a key. Raises what `make` raised the first time, where that is SourceError or ContentError."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key in self._failed:
                raise self._failed[key]
            if key not in self._known:
                try:
                    self._known[key] = make()
                except (SourceError, ContentError) as error:
                    self._failed[key] = error
                    raise
            known: T = self._known[key]
            return known
