"""Progress on stderr for whoever waits longer than two seconds: one changing line on a terminal, else plain lines."""

import sys
import threading
import time
from typing import TextIO

from affineur.progress import Progress, Stage

__all__ = ["ShownProgress", "sizes", "timings"]

SILENT_FOR_S = 2.0
TERMINAL_EVERY_S = 0.2
PLAIN_EVERY_S = 5.0
MEGABYTE = 1_000_000


class ShownProgress(Progress):
    """Shows the running stages; a daemon thread wakes only once something has taken long."""

    def __init__(self, out: TextIO | None = None) -> None:
        super().__init__()
        self._out = out or sys.stderr
        self._terminal = self._out.isatty()
        self._running: list[Stage] = []
        self._start = time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._drawn = 0

    def began(self, stage: Stage) -> None:
        """Take it up; start watching with the first."""
        self._running.append(stage)
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()

    def ended(self, stage: Stage) -> None:
        """Take it off."""
        self._running.remove(stage)

    def close(self) -> None:
        """Stop watching, and leave a clean line."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1)
        self._erase()

    def _watch(self) -> None:
        if self._stop.wait(SILENT_FOR_S):
            return
        pause = TERMINAL_EVERY_S if self._terminal else PLAIN_EVERY_S
        while True:
            self._show()
            if self._stop.wait(pause):
                return

    def _show(self) -> None:
        stages = list(self._running)
        if not stages:
            return
        line = "; ".join(f"{stage.name} {sizes(stage)}".rstrip() for stage in stages)
        line = f"{time.monotonic() - self._start:4.0f} s  {line}"[:79]
        if self._terminal:
            self._out.write("\r" + line.ljust(self._drawn))
            self._drawn = len(line)
        else:
            self._out.write(line + "\n")
        self._out.flush()

    def _erase(self) -> None:
        if self._terminal and self._drawn:
            self._out.write("\r" + " " * self._drawn + "\r")
            self._out.flush()
            self._drawn = 0


def sizes(stage: Stage) -> str:
    """`12.3 of 60.0 MB (20 %)`, as far as it is known."""
    if stage.total_bytes:
        share = 100 * stage.bytes // stage.total_bytes
        return f"{stage.bytes / MEGABYTE:.1f} of {stage.total_bytes / MEGABYTE:.1f} MB ({share} %)"
    return f"{stage.bytes / MEGABYTE:.1f} MB" if stage.bytes else ""


def timings(progress: Progress) -> str:
    """The table that `--timings` prints: seconds, bytes and name of each stage, in the order in which they began."""
    lines = [f"{'seconds':>8} {'bytes':>12}  stage"]
    for stage in progress.stages:
        note = f" ({stage.note})" if stage.note else ""
        lines.append(f"{stage.seconds:8.3f} {stage.bytes:12d}  {stage.name}{note}")
    return "\n".join(lines)
