"""A clock that moves only when somebody sleeps on it."""

import threading

__all__ = ["Clock"]


class Clock:
    """Seconds from 0; of several that sleep at once, each wakes when its own time has come, not when all have slept."""

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            until = self._now + max(0.0, seconds)
        with self._lock:
            self._now = max(self._now, until)
