"""Programs on the PATH: run without a shell, with bounded answers, and ended when we are.

A question has a time limit; a pull has none but the engine's own. Ctrl-C and a polite end (SIGTERM, SIGHUP) are passed
on, and waited for: what an engine has begun it cleans up itself.
"""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import msgspec

from affineur.engines.engine import EngineFailed, Shown

__all__ = ["Answer", "Program", "on_the_path"]

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Of one answer; that of a store of hundreds of images is below 2 MB."""
ANSWER_S = 60.0
"""A store on a slow disk that is used for the first time takes seconds."""
MAX_SHOWN_BYTES = 1024 * 1024
"""Of an engine's progress that is passed on; what is more is read and dropped."""
MAX_LINE = 500
"""Characters of one line of it."""
KEPT_LINES = 8
"""Last lines that go into the message where it fails."""
MAX_WORDS = 1000
"""Characters of a program's own words in a message."""
GRACE_S = 10.0
"""Between passing an end on and insisting on it."""

_SEQUENCES = re.compile(rb"\x1b\[[0-9;?]{0,20}[ -/]{0,2}[@-~]")
"""Colours and movements of a terminal's cursor: ECMA-48 § 5.4."""
_BREAKS = re.compile(rb"[\r\n]+")


class Answer(msgspec.Struct, frozen=True):
    """What a program said and how it ended: 0, its exit status, or minus the signal that ended it."""

    status: int
    out: bytes
    words: str

    @property
    def good(self) -> bool:
        """It ended well."""
        return self.status == 0


def on_the_path(name: str, environment: Mapping[str, str]) -> Path | None:
    """The file that a shell would run; folders named relatively, or by nothing, are passed over."""
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        path = Path(folder) / name
        if path.is_absolute() and path.is_file() and os.access(path, os.X_OK):
            return path
    return None


class Program:
    """One program."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        """Nothing is run yet. Args: environment: what it gets: where its storage is, which daemon it asks."""
        self.path = path
        self._environment = dict(environment)

    def ask(self, *words: str) -> Answer:
        """Run it to its end. Raises EngineFailed: it cannot be run, takes too long or says too much."""
        with self._running(words, subprocess.PIPE) as process:
            streams = (bytearray(), bytearray())
            deadline = time.monotonic() + ANSWER_S
            with selectors.DefaultSelector() as selector:
                for pipe, into in zip((process.stdout, process.stderr), streams, strict=True):
                    assert pipe is not None  # noqa: S101 - for the type checker: both are pipes
                    selector.register(pipe, selectors.EVENT_READ, into)
                while selector.get_map():
                    ready = selector.select(max(0.0, deadline - time.monotonic()))
                    if not ready:
                        raise EngineFailed(f"{self._shown(words)}: no answer within {ANSWER_S:.0f} s")
                    for key, _ in ready:
                        part = os.read(key.fd, 65536)
                        key.data.extend(part)
                        if not part:
                            selector.unregister(key.fileobj)
                        if len(key.data) > MAX_ANSWER_BYTES:
                            raise EngineFailed(f"{self._shown(words)}: an answer of more than {MAX_ANSWER_BYTES} bytes")
            try:
                status = process.wait(max(1.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise EngineFailed(f"{self._shown(words)}: closed its output and did not end") from None
        out, errors = (bytes(each) for each in streams)
        return Answer(status, out, _words(errors.strip() or out.strip()))

    def answer(self, *words: str) -> bytes:
        """What it says on its output, where it ends well. Raises EngineFailed: as `ask`, or it does not."""
        answer = self.ask(*words)
        if not answer.good:
            raise EngineFailed(f"{self._shown(words)}: {answer.words or _ended(answer.status)}")
        return answer.out

    def work(self, words: Sequence[str], shown: Shown, told: Callable[[str], str] = str) -> None:
        """Run what may take long, and pass its output on, line by line as it comes.

        Args:
            told: what to show of a line; "" for nothing.

        Raises EngineFailed: it cannot be run, or did not end well; its last words are in the message.
        """
        last: deque[str] = deque(maxlen=KEPT_LINES)
        size = 0
        before = ""
        with self._running(words, subprocess.STDOUT) as process, _passed_on(process):
            for line in _lines(process):
                last.append(line)
                text = told(line)
                if not text or text == before or size > MAX_SHOWN_BYTES:
                    continue
                before = text
                size += len(text)
                shown(text if size <= MAX_SHOWN_BYTES else "… (it says more than is passed on)")
            status = process.wait()
        if status != 0:
            said = " ".join(dict.fromkeys(last))[-MAX_WORDS:]
            raise EngineFailed(f"{self._shown(words)}: {_ended(status)}" + (f"; it said: {said}" if said else ""))

    @contextlib.contextmanager
    def _running(self, words: Sequence[str], errors: int) -> "Iterator[subprocess.Popen[bytes]]":
        try:
            process = subprocess.Popen(  # noqa: S603 - a program of the user's choice, found by name on their PATH
                [self.path, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
            )
        except OSError as problem:
            raise EngineFailed(f"{self.path}: cannot be run: {problem.strerror or problem}") from problem
        try:
            yield process
        except KeyboardInterrupt:
            _end(process, signal.SIGINT)
            raise
        finally:
            if process.poll() is None:
                _end(process, signal.SIGTERM)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def _shown(self, words: Sequence[str]) -> str:
        return f"{self.path.name} {' '.join(word for word in words[:2] if not word.startswith('-'))}".rstrip()


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[str]:
    """What it says as it comes, cleaned, without empty lines."""
    assert process.stdout is not None  # noqa: S101 - for the type checker: a pipe
    rest = b""
    while part := os.read(process.stdout.fileno(), 65536):
        *lines, rest = _BREAKS.split(rest + part)
        rest = rest[: 4 * MAX_LINE]  # a line without an end is no reason to keep it all
        yield from filter(None, map(_clean, lines))
    if text := _clean(rest):
        yield text


def _clean(line: bytes) -> str:
    """A line of an engine's, in which a registry's words may be: nothing in it that a terminal acts on."""
    text = _SEQUENCES.sub(b"", line[: 4 * MAX_LINE]).decode("utf-8", errors="replace")
    return "".join(c if c.isprintable() else " " for c in text).rstrip()[:MAX_LINE]


def _words(said: bytes) -> str:
    lines = [_clean(line) for line in said[-4 * MAX_WORDS :].splitlines()[-KEPT_LINES:]]
    return " ".join(" ".join(lines).split())[-MAX_WORDS:]


def _ended(status: int) -> str:
    if status >= 0:
        return f"it ended with exit status {status}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it was ended by signal {-status}"


def _end(process: "subprocess.Popen[bytes]", politely: signal.Signals) -> None:
    """Have it end; a terminal has sent Ctrl-C to it as well, so it may have begun to."""
    for how, patience_s in ((None, 0.2), (politely, GRACE_S), (signal.SIGKILL, GRACE_S)):
        if how is not None:
            process.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            _drained_wait(process, patience_s)
            return


def _drained_wait(process: "subprocess.Popen[bytes]", patience_s: float) -> None:
    """Wait while reading what it still says, so that a full pipe does not keep it."""
    deadline = time.monotonic() + patience_s
    while process.poll() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired(process.args, patience_s)
        with selectors.DefaultSelector() as selector:
            for pipe in (process.stdout, process.stderr):
                if pipe is not None and not pipe.closed:
                    selector.register(pipe, selectors.EVENT_READ)
            ready = selector.select(min(left, 0.05))
            if ready and not any(os.read(key.fd, 65536) for key, _ in ready):
                time.sleep(min(left, 0.02))  # closed, and not ended yet


@contextlib.contextmanager
def _passed_on(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Pass a polite end on to the program, and come to it ourselves once that has ended."""
    if threading.current_thread() is not threading.main_thread():  # only there may handlers be set
        yield
        return
    told: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        told.append(number)
        process.send_signal(number)

    heard = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not signal.SIG_IGN]  # nohup
    before = {each: signal.signal(each, pass_on) for each in heard}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in told[:1]:
            if process.poll() is None:
                _end(process, signal.Signals(number))
            os.kill(os.getpid(), number)
