"""What is being done, how many bytes and how long: for `--timings`, and for whoever watches.

Stages nest and may run side by side; the silent observer only counts.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Progress", "Stage"]


class Stage:
    """One named part of the work; bytes may be counted from several threads."""

    def __init__(self, name: str, total_bytes: int | None) -> None:
        self.name = name
        self.total_bytes = total_bytes
        self.bytes = 0
        self.seconds = 0.0
        self.note = ""
        self._lock = threading.Lock()

    def advance(self, count: int) -> None:
        """Count bytes that were received."""
        with self._lock:
            self.bytes += count


class Progress:
    """Collects stages in the order in which they began; subclasses show them."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    @contextmanager
    def stage(self, name: str, total_bytes: int | None = None) -> Iterator[Stage]:
        """Time a part of the work.

        Args:
            name: for people: "layers", "suites" …
            total_bytes: what is to be received, where it is known.
        """
        stage = Stage(name, total_bytes)
        self.stages.append(stage)
        self.began(stage)
        start = time.monotonic()
        try:
            yield stage
        finally:
            stage.seconds = time.monotonic() - start
            self.ended(stage)

    def began(self, stage: Stage) -> None:
        """Called when a stage begins."""

    def ended(self, stage: Stage) -> None:
        """Called when a stage has ended, well or not."""
