"""What came back, and reading a body under limits."""

import time
import zlib
from collections.abc import Iterator

import msgspec

from affineur.errors import Denied, LimitExceeded, NotFound, RateLimited, SourceError, Unreachable
from affineur.http.connections import Exchange

__all__ = ["Headers", "Response", "bounded_body", "chunks", "raise_for_status", "retry_after_s"]

CHUNK_BYTES = 512 * 1024
"""What `chunks` gathers before handing on: large enough that Python's cost per chunk does not count."""
MAX_BODY_S = 300.0
"""For a small document from its first byte to its last, however slowly it drips."""
MAX_SHOWN = 300
"""Characters of a server's own words in our messages."""


class Headers:
    """Response headers: names without case, every line kept."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        self._lines = [(name.lower(), value) for name, value in lines]

    def get(self, name: str, default: str = "") -> str:
        """The first line of that name."""
        return next((value for known, value in self._lines if known == name.lower()), default)

    def all(self, name: str) -> list[str]:
        """Every line of that name, in order."""
        return [value for known, value in self._lines if known == name.lower()]


class Response(msgspec.Struct, frozen=True):
    """A whole answer, its body already bounded and without Content-Encoding.

    Attributes:
        url: where it came from in the end, after mirrors and redirects.
    """

    status: int
    headers: Headers
    body: bytes
    url: str


def bounded_body(raw: Exchange, limit: int, url: str) -> bytes:
    """At most `limit` bytes, decoded where the server compressed in spite of our asking for identity.

    Raises:
        LimitExceeded: more than `limit` bytes, as sent or decoded; or slower than MAX_BODY_S.
        Unreachable: gzip that does not decode, or an encoding that was not asked for and is not gzip.
    """
    announced = raw.remaining
    if announced is not None and announced > limit:
        raise LimitExceeded(f"{url}: {announced} bytes announced, at most {limit} are read")
    deadline = time.monotonic() + MAX_BODY_S
    parts: list[bytes] = []
    received = 0
    while part := raw.read1(65536):
        received += len(part)
        if received > limit:
            raise LimitExceeded(f"{url}: more than {limit} bytes")
        if time.monotonic() > deadline:
            raise LimitExceeded(f"{url}: not complete after {MAX_BODY_S:.0f} s")
        parts.append(part)
    body = b"".join(parts)
    encoding = Headers(raw.headers).get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", "") or not body:
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Unreachable(f"{url}: sent with the Content-Encoding {encoding[:40]!r}, which was not asked for")
    return _gunzipped(body, limit, url)


def _gunzipped(body: bytes, limit: int, url: str) -> bytes:
    decoder = zlib.decompressobj(wbits=31)
    try:
        plain = decoder.decompress(body, limit + 1)
    except zlib.error as problem:
        raise Unreachable(f"{url}: a gzip Content-Encoding that does not decode: {problem}") from problem
    if len(plain) > limit:
        raise LimitExceeded(f"{url}: more than {limit} bytes once decoded")
    if not decoder.eof:
        raise Unreachable(f"{url}: a gzip Content-Encoding that is cut short")
    return plain


def chunks(raw: Exchange) -> Iterator[bytes]:
    """The body as transferred, CHUNK_BYTES at a time (less at the end); never decoded."""
    while part := raw.read(CHUNK_BYTES):
        yield part


def raise_for_status(status: int, what: str, detail: str = "", retry_after: float | None = None) -> None:
    """Nothing for 2xx and 304; otherwise the error that says what the caller can do; `what` names the thing."""
    if 200 <= status < 300 or status == 304:
        return
    said = f": {detail[:MAX_SHOWN]}" if detail else ""
    when = f"; it asks to wait {_duration(retry_after)}" if retry_after else ""
    if status in (401, 403):
        raise Denied(f"{what}: it does not exist or there is no access (HTTP {status}){said}")
    if status in (404, 410):
        raise NotFound(f"{what}: not there (HTTP {status}){said}")
    if status == 407:
        raise Denied(f"{what}: the proxy wants a login, or another one (HTTP 407): see HTTP_PROXY, HTTPS_PROXY{said}")
    if status == 429:
        raise RateLimited(f"{what}: too many requests (HTTP 429){when}{said}", retry_after)
    if status >= 500 or status == 408:
        raise Unreachable(f"{what}: the server failed (HTTP {status}){when}{said}")
    raise SourceError(f"{what}: refused (HTTP {status}){said}")


def _duration(seconds: float) -> str:
    """`90 s`; with the hours, where there are some."""
    hours = f" ({seconds / 3600:.1f} hours)" if seconds >= 3600 else ""
    return f"{seconds:.0f} s{hours}"


def retry_after_s(value: str, now: float) -> float | None:
    """Retry-After (RFC 9110 § 10.2.3), seconds or a date, in seconds from `now` (Unix time); None where unusable."""
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 8:
        return float(value)
    if not value or len(value) > 40:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
