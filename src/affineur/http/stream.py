"""A body that is read as it comes, and the account of what each host was asked for."""

import time
from collections.abc import Iterator

import msgspec

from affineur.http.connections import Exchange
from affineur.http.failures import translated
from affineur.http.response import Headers, chunks

__all__ = ["Account", "Stream"]


class Account(msgspec.Struct):
    """What one host was asked for, for `--timings` and "hosts asked"."""

    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0


class Stream:
    """An open body: iterate once over chunks of up to 512 KiB, as transferred, never decoded."""

    def __init__(self, raw: Exchange, url: str, account: Account) -> None:
        self._raw, self._account = raw, account
        self.status, self.url = raw.status, url
        self.headers = Headers(raw.headers)

    def __iter__(self) -> Iterator[bytes]:
        """Raises Unreachable where the connection breaks before the announced length."""
        parts = chunks(self._raw)
        while True:
            started = time.monotonic()
            with translated(self.url, "reading the answer"):
                part = next(parts, None)
            self._account.seconds += time.monotonic() - started
            if part is None:
                return
            self._account.bytes += len(part)
            yield part
