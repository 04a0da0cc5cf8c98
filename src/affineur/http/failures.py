"""The standard library's errors as ours: which host, which step, what to do."""

import contextlib
import ssl
from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead
from urllib.parse import urlsplit

from affineur.errors import Unreachable

__all__ = ["Broken", "translated"]

MAX_SAID = 200


class Broken(Unreachable):
    """A connection that was there and broke: worth another try, unlike one that never was, or that takes too long."""


@contextlib.contextmanager
def translated(url: str, step: str) -> Iterator[None]:
    """Raises Broken, Unreachable, Denied. Args: step: as in "no answer in time while …"."""
    where = urlsplit(url).netloc
    try:
        yield
    except TimeoutError as problem:
        slow = f": {problem}" if "slower" in str(problem) else ""
        raise Unreachable(f"{where}: no answer in time while {step}{slow}") from problem
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as problem:
        raise Broken(f"{where}: the connection broke while {step}: the server closed it") from problem
    except ssl.SSLError as problem:
        from affineur.http.tls_failures import tls_failed

        raise tls_failed(problem, where, shows_ours=False) from problem
    except IncompleteRead as problem:
        missing = f"{problem.expected} bytes were missing" if problem.expected else "its end was missing"
        raise Broken(f"{where}: the connection broke while {step}: {missing}") from problem
    except OSError as problem:
        reason = problem.strerror or str(problem)[:MAX_SAID] or type(problem).__name__
        raise Broken(f"{where}: the connection broke while {step}: {reason}") from problem
    except HTTPException as problem:
        reason = str(problem)[:MAX_SAID] or type(problem).__name__
        shown = "".join(c if c.isprintable() else " " for c in reason)
        raise Unreachable(f"{where}: what it answers is no HTTP/1.1 as it should be: {shown}") from problem
