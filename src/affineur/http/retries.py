"""Trying again: what may pass by itself (408, 429, 5xx, a connection that broke), politely and not for ever.

Only for what may arrive twice. A pause grows, and is a little random, so that many clients do not come back together;
what Retry-After asks for (RFC 9110 § 10.2.3) is obeyed, up to a limit.
"""

import random
import time
from collections.abc import Callable
from typing import TypeAlias

from affineur.http.connections import Exchange
from affineur.http.failures import Broken
from affineur.http.response import Headers, retry_after_s

__all__ = ["MAX_ATTEMPTS", "MAX_RETRY_AFTER_S", "MAX_TRYING_S", "Waiting", "pause_s", "with_retries"]

MAX_ATTEMPTS = 4
BACKOFF_S = 0.5
MAX_BACKOFF_S = 8.0
MAX_RETRY_AFTER_S = 30.0
"""A server that asks for more patience than this is reported, not waited for."""
MAX_TRYING_S = 120.0
"""After this time from the first attempt none begins, however few there were."""
SHOWN_FROM_S = 2.0
"""Pauses from here on are told to whoever watches."""

_TRANSIENT = (408, 429, 500, 502, 503, 504)
_now = time.monotonic

Waiting: TypeAlias = Callable[[str, float, str], object]
"""Called before a pause of SHOWN_FROM_S or more: host:port, seconds, why (`HTTP 429`, `the connection broke`)."""


def pause_s(attempt: int) -> float:
    """Before the attempt after this one, the first being 1."""
    return min(MAX_BACKOFF_S, BACKOFF_S * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311


def with_retries(
    ask: Callable[[], Exchange], host: str, *, attempts: int, sleep: Callable[[float], object], waiting: Waiting | None
) -> Exchange:
    """The first answer that is not transient, or the last one. Raises what the last attempt raises.

    Args:
        ask: sends the request once; raises Broken where trying again makes sense.
        attempts: at least 1.
    """
    began = _now()
    for attempt in range(1, attempts + 1):
        pause = pause_s(attempt)
        try:
            answer = ask()
        except Broken:
            if attempt == attempts or _now() - began + pause > MAX_TRYING_S:
                raise
            why = "the connection broke"
        else:
            if answer.status not in _TRANSIENT or attempt == attempts:
                return answer
            asked = retry_after_s(Headers(answer.headers).get("Retry-After"), time.time())
            if asked is not None:
                pause = asked
            if pause > MAX_RETRY_AFTER_S or _now() - began + pause > MAX_TRYING_S:
                return answer
            why = f"HTTP {answer.status}"
            answer.close()
        if waiting is not None and pause >= SHOWN_FROM_S:
            waiting(host, pause, why)
        sleep(pause)
    raise AssertionError("the last attempt returns or raises")
