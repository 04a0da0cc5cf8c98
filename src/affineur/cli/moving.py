"""How a move is shown while it goes on: bars on a terminal, a plain line now and then elsewhere, or events in JSON."""

import json
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TextIO

import click

from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest

__all__ = ["Events", "ShownMove"]

SILENT_FOR_S = 2.0
TERMINAL_EVERY_S = 0.2
PLAIN_EVERY_S = 5.0
BARS = 8
"""Shown at most; as many transfers run side by side."""
BAR_COLUMNS = 30
TOLD_FROM = 100
"""The time left is told once a hundredth has gone."""
COLUMNS = 79
MEGABYTE = 1_000_000


class Events:
    """Every event as a line of JSON on stdout: docs/reference/json.md § Events of a move."""

    def __init__(self, out: TextIO | None = None) -> None:
        """Nothing is written yet."""
        self._out = out or sys.stdout
        self._lock = threading.Lock()

    def planned(self, blob: Descriptor) -> None:
        """See `Watcher`."""
        self._tell("planned", digest=str(blob.digest), size=blob.size)

    def moved(self, blob: Descriptor, count: int) -> None:
        """See `Watcher`. Not told: there would be thousands."""

    def settled(self, blob: Descriptor, how: str) -> None:
        """See `Watcher`."""
        self._tell("blob", digest=str(blob.digest), size=blob.size, how=how)

    def stored(self, digest: Digest, name: str, how: str) -> None:
        """See `Watcher`."""
        self._tell("manifest", digest=str(digest), what=name, how=how)

    def tagged(self, tag: str, digest: Digest) -> None:
        """See `Watcher`."""
        self._tell("tag", tag=tag, digest=str(digest))

    def _tell(self, event: str, **members: object) -> None:
        """As `say`, while something is moved, which goes on though nobody reads any more."""
        with suppress(OSError):
            self.say(event, **members)

    def say(self, event: str, **members: object) -> None:
        """One event, at once."""
        line = json.dumps({"event": event, **members})
        with self._lock:
            click.echo(line, file=self._out)
            self._out.flush()

    def receipt(self, document: str) -> None:
        """The last event: the whole document."""
        self.say("done", document=json.loads(document))

    def close(self) -> None:
        """Nothing is left to do."""


class ShownMove:
    """Progress on stderr, for whoever waits longer than two seconds."""

    def __init__(self, out: TextIO | None = None) -> None:
        """A daemon thread wakes only once something has taken long."""
        self._out = out or sys.stderr
        self._terminal = self._out.isatty()
        self._columns = _columns(self._out) if self._terminal else COLUMNS
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._open: dict[Digest, tuple[Descriptor, int]] = {}  # those of which bytes have been moved
        self._blobs = self._done = self._manifests = 0
        self._size = self._moved = self._spared = 0
        self._drawn = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def planned(self, blob: Descriptor) -> None:
        """See `Watcher`."""
        with self._lock:
            self._blobs += 1
            self._size += blob.size

    def moved(self, blob: Descriptor, count: int) -> None:
        """See `Watcher`."""
        with self._lock:
            self._moved += count
            self._open[blob.digest] = (blob, self._open.get(blob.digest, (blob, 0))[1] + count)

    def settled(self, blob: Descriptor, how: str) -> None:
        """See `Watcher`."""
        with self._lock:
            self._done += 1
            moved = self._open.pop(blob.digest, (blob, 0))[1]
            self._spared += max(0, blob.size - moved)

    def stored(self, digest: Digest, name: str, how: str) -> None:
        """See `Watcher`."""
        with self._lock:
            self._manifests += 1

    def tagged(self, tag: str, digest: Digest) -> None:
        """See `Watcher`."""

    def close(self) -> None:
        """Stop watching, and leave nothing on the terminal."""
        self._stop.set()
        self._thread.join(1)
        with suppress(OSError):  # nobody reads any more: no reason for a copy to fail
            self._erase()
            self._out.flush()

    def _watch(self) -> None:
        if self._stop.wait(SILENT_FOR_S):
            return
        with suppress(OSError):
            while True:
                self._show()
                if self._stop.wait(TERMINAL_EVERY_S if self._terminal else PLAIN_EVERY_S):
                    return

    def _show(self) -> None:
        with self._lock:
            total = self._total()[: self._columns]
            shown = list(self._open.values())[:BARS] if self._terminal else []
            bars = [_bar(blob, moved)[: self._columns] for blob, moved in shown]
        if not self._terminal:
            self._out.write(total + "\n")
        else:
            self._erase()
            self._out.write("\n".join([*bars, total]))
            self._drawn = len(bars) + 1
        self._out.flush()

    def _total(self) -> str:
        seconds = time.monotonic() - self._start
        there = self._moved + self._spared
        share = f" ({100 * there // self._size} %)" if self._size else ""
        speed = self._moved / seconds if seconds else 0.0
        left = self._size - there
        told = left > 0 and self._moved * TOLD_FROM >= self._size > 0  # before, a first small blob would say hours
        rest = f", {left / speed:.0f} s left" if told and speed > 0 else ""
        return (
            f"{seconds:4.0f} s  {there / MEGABYTE:.1f} of {self._size / MEGABYTE:.1f} MB{share},"
            f" {self._done} of {self._blobs} blobs, {speed / MEGABYTE:.1f} MB/s{rest}"
        )

    def _erase(self) -> None:
        if self._terminal and self._drawn:
            up = f"\x1b[{self._drawn - 1}A" if self._drawn > 1 else ""
            self._out.write(f"\r{up}\x1b[J")  # ECMA-48 § 8.3.22 (CUU) and § 8.3.39 (ED)
            self._drawn = 0


def _bar(blob: Descriptor, moved: int) -> str:
    share = min(1.0, moved / blob.size) if blob.size else 1.0
    full = round(share * BAR_COLUMNS)
    bar = "=" * full + " " * (BAR_COLUMNS - full)
    return f"  {blob.digest[:19]}  [{bar}]  {moved / MEGABYTE:.1f} of {blob.size / MEGABYTE:.1f} MB"


def _columns(terminal: TextIO) -> int:
    """What fits in a line: one that is broken by the terminal could not be erased. (The last column is left free.)"""
    try:
        found = os.get_terminal_size(terminal.fileno()).columns
    except (OSError, ValueError):
        found = 0
    return min(COLUMNS, found - 1) if found > 1 else COLUMNS  # 0: it does not know
