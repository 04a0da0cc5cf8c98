"""How a sync is shown: lines of what was done on stdout, progress on stderr; or events in JSON."""

import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TextIO

import click

from affineur.cli.moving import Events
from affineur.move.sync.estimate import Estimator
from affineur.move.sync.jobs import Job, Outcome
from affineur.move.sync.pruning import Doomed, Pruned
from affineur.move.sync.run import Plan
from affineur.report.escape import visible

__all__ = ["ShownSync", "SyncEvents"]

SCHEMA = "affineur.sync/1"
SILENT_FOR_S = 2.0
TERMINAL_EVERY_S = 0.5
PLAIN_EVERY_S = 10.0
COLUMNS = 79
INDENT = 14
SAME_SHOWN = 5
"""Tags that failed for the same reason and are named; of the others only the number."""
MEGABYTE = 1_000_000
_QUIET = ("unchanged", "older")
"""States that are counted, not listed."""


class SyncEvents:
    """Every event as a line of JSON on stdout: `plan`, `tag`, `progress`, `prune`, and `end` with the exit code."""

    def __init__(self, hidden: Callable[[str], str], out: TextIO | None = None) -> None:
        """Nothing is written yet. Args: hidden: takes logins out of what servers said."""
        self._events, self._hidden = Events(out), hidden
        self._estimator: Estimator | None = None
        self._lock = threading.Lock()
        self._done, self._total, self._told = 0, 0, time.monotonic()

    def watch(self, estimator: Estimator) -> None:
        """Say how long it will take from now on."""
        self._estimator = estimator

    def planned(self, plan: Plan) -> None:
        """See `run.Shown`."""
        self._total = len(plan.jobs)
        problems = [
            {
                "line": each.entry.line,
                "source": each.entry.source.name,
                "state": each.state,
                "why": self._hidden(each.why),
            }
            for each in plan.problems
        ]
        self._events.say("plan", tags=self._total, problems=problems)

    def began(self, job: Job) -> None:
        """See `run.Shown`."""

    def done(self, outcome: Outcome) -> None:
        """See `run.Shown`."""
        self._events.say(
            "tag",
            state=outcome.state,
            source=outcome.job.source,
            target=outcome.job.target,
            digest=outcome.digest or None,
            sent_bytes=outcome.sent_bytes,
            seconds=outcome.seconds,
            why=self._hidden(outcome.why) or None,
        )
        with self._lock:
            self._done += 1
            due = time.monotonic() - self._told >= PLAIN_EVERY_S
            if due:
                self._told = time.monotonic()
        if self._estimator is not None:
            self._estimator.done(outcome)
            if due:
                left = self._estimator.left()
                self._events.say(
                    "progress",
                    done=self._done,
                    tags=self._total,
                    seconds_left=left.seconds,
                    at_least=left.at_least,
                    why=left.why,
                )

    def prunes(self, listed: Sequence[Doomed]) -> None:
        """What would be deleted, before anything is."""
        for each in listed:
            self._events.say(
                "prune",
                target=each.brought.target,
                state="spared" if each.spared else "listed",
                why=each.spared or None,
            )

    def pruned(self, done: Pruned) -> None:
        """What became of it."""
        self._events.say("prune", target=done.target, state=done.state, why=self._hidden(done.why) or None)

    def end(self, plan: Plan, outcomes: Sequence[Outcome], code: int, *, listed_only: bool) -> None:
        """The last line."""
        counts = Counter(outcome.state for outcome in outcomes)
        self._events.say("end", schema=SCHEMA, exit_code=code, tags=counts, problems=len(plan.problems))

    def close(self) -> None:
        """Nothing is left to do."""


class ShownSync:
    """Lines for people, in 80 columns."""

    def __init__(self, hidden: Callable[[str], str], out: TextIO | None = None) -> None:
        """A daemon thread wakes only once something has taken long. Args: hidden: as for `SyncEvents`."""
        self._hidden, self._out = hidden, out or sys.stderr
        self._terminal = self._out.isatty()
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._total = self._drawn = 0
        self._listed = False
        self._estimator: Estimator | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def watch(self, estimator: Estimator) -> None:
        """Say how long it will take from now on."""
        self._estimator = estimator
        self._thread.start()

    def planned(self, plan: Plan) -> None:
        """See `run.Shown`."""
        self._total = len(plan.jobs)
        for each in plan.problems:
            self._say(each.state, each.entry.source.name, f"not listed (line {each.entry.line}): {each.why}")

    def began(self, job: Job) -> None:
        """See `run.Shown`."""

    def done(self, outcome: Outcome) -> None:
        """See `run.Shown`."""
        self._counts[outcome.state] += 1
        if self._estimator is not None:
            self._estimator.done(outcome)
        if outcome.state in (*_QUIET, "left"):
            return
        sent = f", {outcome.sent_bytes / MEGABYTE:.1f} MB sent" if outcome.state == "moved" else ""
        why = f"; {outcome.why}" if outcome.why else ""
        self._say(outcome.state, outcome.job.target, f"from {outcome.job.source}{sent}{why}")

    def prunes(self, listed: Sequence[Doomed]) -> None:
        """What would be deleted, before anything is."""
        self._listed = any(not each.spared for each in listed)
        for each in listed:
            why = each.spared or "brought by this file, which wants it no more"
            self._say("spared" if each.spared else "to be deleted", each.brought.target, why)

    def pruned(self, done: Pruned) -> None:
        """What became of it."""
        self._say({"left": "not deleted"}.get(done.state, done.state), done.target, done.why)

    def end(self, plan: Plan, outcomes: Sequence[Outcome], code: int, *, listed_only: bool) -> None:
        """The summary: how many of each, and once more what is not well."""
        bad = [each for each in outcomes if each.state in ("bad content", "failed", "rejected", "undetermined", "left")]
        if bad or plan.problems:
            click.echo()
        for state in ("bad content", "failed", "rejected", "undetermined", "left"):
            reasons: dict[str, list[str]] = {}
            for each in bad:
                if each.state == state:
                    reasons.setdefault(each.why, []).append(each.job.source)
            for why, sources in reasons.items():
                more = f" and {len(sources) - SAME_SHOWN} more" if len(sources) > SAME_SHOWN else ""
                self._say(state, ", ".join(sources[:SAME_SHOWN]) + more, why)
        for problem in plan.problems:
            self._say(
                problem.state, problem.entry.source.name, f"not listed (line {problem.entry.line}): {problem.why}"
            )
        counts = Counter(outcome.state for outcome in outcomes)
        sent = sum(outcome.sent_bytes for outcome in outcomes)
        parts = [f"{counts[state]} {state}" for state in counts]
        if plan.problems:
            parts.append(f"{len(plan.problems)} repositories not listed")
        noun = "tag" if len(outcomes) == 1 else "tags"
        text = f"{len(outcomes)} {noun}: {', '.join(parts) or 'nothing to do'}"
        if sent:
            text += f"; {sent / MEGABYTE:.1f} MB sent"
        click.echo(textwrap.fill(text, COLUMNS))
        if listed_only and self._listed:
            click.echo("Nothing was deleted; --prune --yes deletes what is listed above.")

    def close(self) -> None:
        """Stop watching, and leave nothing on the terminal."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1)
        with self._lock:
            self._erase()

    def _say(self, state: str, name: str, more: str) -> None:
        """`state name`, and what there is to say about it, indented below. A name is never broken."""
        lines = _wrapped(visible(name), f"{state:<{INDENT - 1}} ")
        lines += _wrapped(visible(self._hidden(more)), " " * INDENT)
        with self._lock:
            self._erase()
            click.echo("\n".join(lines))

    def _watch(self) -> None:
        if self._stop.wait(SILENT_FOR_S):
            return
        while True:
            self._show()
            if self._stop.wait(TERMINAL_EVERY_S if self._terminal else PLAIN_EVERY_S):
                return

    def _show(self) -> None:
        counted = ", ".join(f"{count} {state}" for state, count in list(self._counts.items()))
        done = sum(self._counts.values())
        left = f"; {self._estimator.left()}" if self._estimator is not None else ""
        text = f"{time.monotonic() - self._start:4.0f} s  {done} of {self._total} tags ({counted or 'none yet'}){left}"
        with self._lock:
            if self._terminal:
                self._out.write("\r" + text[:COLUMNS].ljust(self._drawn))
                self._drawn = min(len(text), COLUMNS)
            else:
                self._out.write(textwrap.fill(text, COLUMNS, subsequent_indent=" " * 8, break_on_hyphens=False) + "\n")
            self._out.flush()

    def _erase(self) -> None:
        if self._terminal and self._drawn:
            self._out.write("\r" + " " * self._drawn + "\r")
            self._out.flush()
            self._drawn = 0


def _wrapped(text: str, begin: str) -> list[str]:
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=begin,
        subsequent_indent=" " * INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )
