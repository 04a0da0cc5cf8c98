"""One archive on its way from a server into a file, within a budget of time and bytes."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from affineur.errors import ContentError, LimitExceeded, SourceError, Unreachable
from affineur.http.addresses import Reach
from affineur.progress import Stage

__all__ = ["MAX_ARCHIVE_BYTES", "Answer", "Fetching", "Web"]

MAX_ARCHIVE_BYTES = 2 * 1024**3


class _Fields(Protocol):
    def get(self, name: str, default: str = "") -> str: ...


class Answer(Protocol):
    """A server's answer, its body not read yet: iterate over it once."""

    @property
    def status(self) -> int:
        """HTTP status: 200 or 304; the others are raised by `Web.stream`."""
        ...

    @property
    def headers(self) -> _Fields:
        """Header fields; names in any case."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body as it arrives. Raises SourceError, LimitExceeded."""
        ...


class Web(Protocol):
    """What is needed of an HTTP client; affineur.http.client.Client is one."""

    def stream(
        self, url: str, *, headers: Mapping[str, str], reach: Reach, also: tuple[int, ...]
    ) -> AbstractContextManager[Answer]:
        """Ask for a URL. Raises SourceError unless the answer is 2xx or one of `also`."""
        ...


class Fetching:
    """One archive on its way into a file, in a thread of its own, so that a server that stalls costs no more than the
    budget: neither its retries nor its silences can be cut short from outside.
    """

    def __init__(
        self, web: Web, url: str, headers: Mapping[str, str], reach: Reach, file: BinaryIO, stage: Stage
    ) -> None:
        self._web, self._url, self._headers, self._reach, self._file = web, url, headers, reach, file
        self._stage = stage
        self._given_up = threading.Event()
        self._error: Exception | None = None
        self._received = 0
        self.unchanged = False
        self.etag = self.digest = ""

    def within(self, budget_s: float) -> None:
        """Fetch it. Raises SourceError, ContentError, OSError; Unreachable when the time is over."""
        thread = threading.Thread(target=self._run, name="feed", daemon=True)
        thread.start()
        thread.join(budget_s)
        if thread.is_alive():
            self._given_up.set()
            raise Unreachable(f"{self._url}: {self._received} bytes came in {budget_s:g} s, all the time that it has")
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            with self._web.stream(self._url, headers=self._headers, reach=self._reach, also=(304,)) as answer:
                self.unchanged = answer.status == 304
                self.etag = answer.headers.get("ETag")
                if not self.unchanged:
                    self._receive(answer)
        except (SourceError, ContentError, OSError, ValueError) as error:  # ValueError: the file was closed meanwhile
            self._error = error

    def _receive(self, answer: Answer) -> None:
        hasher = hashlib.sha256()
        for chunk in answer:
            self._received += len(chunk)
            self._stage.advance(len(chunk))
            if self._received > MAX_ARCHIVE_BYTES:
                raise LimitExceeded(f"{self._url}: more than {MAX_ARCHIVE_BYTES} bytes")
            if self._given_up.is_set():
                return
            hasher.update(chunk)
            self._file.write(chunk)
        self.digest = f"sha256:{hasher.hexdigest()}"
