"""One HTTP client for all: pooled, bounded, polite, and careful about where it is sent.

Answers are bytes under a limit; redirects are followed here, hop by hop, each under the rule of `Reach`; what must stay
with its host (Authorization, Cookie) stays there. Safe for several threads.
"""

import contextlib
import os
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from threading import RLock, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

import msgspec

from affineur.errors import ForbiddenAddress, SourceError, Unreachable
from affineur.http.addresses import AddressPolicy, Reach
from affineur.http.connections import Connections, Exchange, Origin
from affineur.http.connector import Connector, connected
from affineur.http.mirrors import MirrorMap
from affineur.http.proxies import proxy_for
from affineur.http.response import Headers, Response, bounded_body, chunks, raise_for_status, retry_after_s
from affineur.http.schemes import may_be_plain, speaks_tls

if TYPE_CHECKING:
    import socket

__all__ = ["Account", "Client", "Stream"]

MAX_REDIRECTS = 10
MAX_ATTEMPTS = 4
BACKOFF_S = 0.5
MAX_BACKOFF_S = 8.0
MAX_RETRY_AFTER_S = 30.0
"""A server that asks for more patience than this is reported, not waited for."""
CONNECT_S = 10.0
READ_S = 60.0
"""Between two reads, not for the whole."""

MAX_DRAINED = 64 * 1024
"""Bytes worth reading to keep a connection."""
PREPARED = 2
"""Connections made while it is found out whether a host speaks TLS: manifest and tags are asked for side by side."""

_REDIRECTS = (301, 302, 303, 307, 308)
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_STAYS_WITH_ITS_HOST = ("authorization", "cookie", "proxy-authorization")
_PORTS = {"http": 80, "https": 443}


class Account(msgspec.Struct):
    """What one host was asked for, for `--timings` and "hosts asked"."""

    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0


class _Broken(Unreachable):
    """A connection that was there and broke: worth another try, unlike one that never was, or that takes too long."""


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
            with _translated(self.url, "reading the answer"):
                part = next(parts, None)
            self._account.seconds += time.monotonic() - started
            if part is None:
                return
            self._account.bytes += len(part)
            yield part


class Client:
    """HTTP(S) with pools, retries, limits and address checks.

    Attributes:
        accounts: host:port → Account, in the order of first request.
        mirrors: the user's map of URLs; callers that build URLs need not apply it.
    """

    def __init__(
        self,
        *,
        addresses: AddressPolicy | None = None,
        mirrors: MirrorMap | None = None,
        tls_verify: bool = True,
        cert_dir: Path | None = None,
        connector: Connector | None = None,
        environment: Mapping[str, str] | None = None,
        user_agent: str = "affineur",
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        attempts: int = MAX_ATTEMPTS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.mirrors = mirrors or MirrorMap()
        self.tls_verify = tls_verify
        self.accounts: dict[str, Account] = {}
        self._addresses = addresses or AddressPolicy()
        self._connector = connector or Connector()
        self._cert_dir = cert_dir
        self._environment = os.environ if environment is None else environment
        self._user_agent, self._attempts, self._sleep = user_agent, attempts, sleep
        self._reached: dict[tuple[str, int], Reach] = {}
        self._plain: dict[str, bool] = {}
        self._context: ssl.SSLContext | None = None
        self._lock = RLock()
        self._connect_s = connect_s
        self._connections = Connections(self._opened, self._tls, read_s)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections; the client may be used again."""
        self._connections.close()

    def get(
        self,
        url: str,
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        reach: Reach = Reach.PUBLIC,
        also: tuple[int, ...] = (),
        method: str = "GET",
    ) -> Response:
        """A whole document of at most `limit` bytes.

        Args:
            reach: how local the URL may lead: Reach.OWN if the user named it, else the reach of who chose it.
            also: statuses to return beside 2xx and 304, instead of raising.

        Raises:
            ForbiddenAddress: the URL, or a redirect, leads where it must not; nothing was sent there.
            Denied, NotFound, RateLimited, Unreachable, SourceError: by status, after retries.
            LimitExceeded: more than `limit` bytes.
        """
        with self._opened_url(method, url, headers or {}, reach) as (raw, final, account):
            return self._whole(method, raw, url, final, limit, also, account)

    def post(
        self,
        url: str,
        form: Mapping[str, str] | bytes,
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        reach: Reach = Reach.PUBLIC,
        also: tuple[int, ...] = (),
    ) -> Response:
        """Send a form, once, and return the answer of at most `limit` bytes.

        What is posted is likely a secret, or does something: nothing is sent twice, no redirect is followed, and a URL
        that is mapped to another host is refused.

        Args:
            form: fields, sent as application/x-www-form-urlencoded; or bytes, whose Content-Type is in `headers`.
            headers, reach, also: as in `get`.

        Raises: as `get`; ForbiddenAddress also for a URL that is mapped elsewhere, SourceError for a redirect.
        """
        if (mapped := self.mirrors.apply(url)) and _origin(mapped) != _origin(url):
            raise ForbiddenAddress(f"{url} is mapped to {mapped}: a form is not sent to another host than it is for")
        sent = {"User-Agent": self._user_agent, "Accept-Encoding": "identity", **(headers or {})}
        if not isinstance(form, bytes):
            form = urlencode(form).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        _, host, port = _origin(url)
        account = self._account(host, port)
        raw = self._sent("POST", url, sent, reach, account, form)
        try:
            if raw.status in _REDIRECTS and raw.status not in also:
                raise SourceError(f"{url}: redirects a form (HTTP {raw.status}): not followed")
            return self._whole("POST", raw, url, url, limit, also, account)
        finally:
            _put_aside(raw)

    @contextlib.contextmanager
    def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        reach: Reach = Reach.PUBLIC,
        also: tuple[int, ...] = (),
    ) -> Iterator[Stream]:
        """A body of any length, as a context manager; the caller bounds what it takes. Otherwise as `get`."""
        with self._opened_url("GET", url, headers or {}, reach) as (raw, final, account):
            if raw.status not in also and not 200 <= raw.status < 300:
                with _translated(final, "reading the answer"):
                    detail = _shown(raw.read1(4096))
                wait = retry_after_s(Headers(raw.headers).get("Retry-After"), time.time())
                raise_for_status(raw.status, url, detail, wait)
                raise SourceError(f"{url}: an answer without content (HTTP {raw.status})")
            yield Stream(raw, final, account)

    def base_url(self, registry: str) -> str:
        """`https://HOST[:PORT]` or `http://…` for a registry that the user named: the rule of `schemes`, asked once.

        A mirror of `https://HOST` or `http://HOST` goes first. Raises Unreachable, ForbiddenAddress.
        """
        for scheme in ("https", "http"):
            if mapped := self.mirrors.apply(f"{scheme}://{registry}"):
                return mapped
        parts = urlsplit(f"https://{registry}")
        host = parts.hostname or ""
        if self.tls_verify and not may_be_plain(host):
            return f"https://{registry}"
        with self._lock:
            if registry not in self._plain:
                self._plain[registry] = not self._speaks_tls(host.lower(), parts.port)
        return f"{'http' if self._plain[registry] else 'https'}://{registry}"

    def reach(self, host: str, port: int) -> Reach:
        """How local the address was that this client reached for a host; PUBLIC if it was not asked or is proxied."""
        return self._reached.get((host.lower(), port), Reach.PUBLIC)

    def _speaks_tls(self, host: str, port: int | None) -> bool:
        if port is not None:
            # The first requests' connections are made meanwhile: a round trip less.
            where = (host, port, Reach.OWN)
            ahead = [Thread(target=self._connections.prepare, args=where, daemon=True) for _ in range(PREPARED)]
            for thread in ahead:
                thread.start()
            try:
                return speaks_tls(self._connector, self._addresses, host, port)
            finally:
                for thread in ahead:
                    thread.join()
        try:  # --tls-verify=false and no port: 443 if anything is there, else 80
            return speaks_tls(self._connector, self._addresses, host, 443)
        except Unreachable:
            return False

    @contextlib.contextmanager
    def _opened_url(
        self, method: str, url: str, headers: Mapping[str, str], reach: Reach
    ) -> Iterator[tuple[Exchange, str, Account]]:
        """Follow redirects; hand out the last answer with its body unread."""
        sent = {"User-Agent": self._user_agent, "Accept-Encoding": "identity", **headers}
        seen: list[str] = []
        while True:
            if mapped := self.mirrors.apply(url):
                if _origin(mapped) != _origin(url):
                    sent = _without_secrets(sent)
                url, reach = mapped, Reach.OWN
            scheme, host, port = _origin(url)
            account = self._account(host, port)
            raw = self._sent(method, url, sent, reach, account)
            location = Headers(raw.headers).get("Location")
            if raw.status not in _REDIRECTS or not location:
                break
            _put_aside(raw)
            seen.append(url)
            target = _joined(url, location)
            if len(seen) > MAX_REDIRECTS or (target in seen and method == "GET"):
                raise SourceError(f"{seen[0]}: redirected in a circle, or more than {MAX_REDIRECTS} times")
            next_scheme, next_host, next_port = _origin(target, seen[-1])
            if (next_scheme, next_host, next_port) != (scheme, host, port):
                if scheme == "https" and next_scheme == "http" and self.tls_verify and not self.mirrors.apply(target):
                    raise ForbiddenAddress(f"{url} redirects from https to plain http at {next_host}: not followed")
                sent = _without_secrets(sent)
                reach = min(reach, self.reach(host, port))
            url = target
        try:
            yield raw, url, account
        finally:
            _put_aside(raw)

    def _whole(
        self, method: str, raw: Exchange, url: str, final: str, limit: int, also: tuple[int, ...], account: Account
    ) -> Response:
        with _translated(final, "reading the answer"):
            body = bounded_body(raw, limit, final) if method != "HEAD" else b""
        account.bytes += len(body)
        found = Response(raw.status, Headers(raw.headers), body, final)
        if found.status not in also:
            wait = retry_after_s(found.headers.get("Retry-After"), time.time())
            raise_for_status(found.status, url, _shown(body), wait)
        return found

    def _sent(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        reach: Reach,
        account: Account,
        body: bytes | None = None,
    ) -> Exchange:
        """One hop, with retries where there is no body."""
        attempts = self._attempts if body is None else 1
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            started = time.monotonic()
            account.requests += 1
            try:
                with _translated(url, "asking"):
                    raw = self._once(method, url, headers, reach, body)
            except _Broken:
                if last:
                    raise
                wait: float | None = None
            else:
                if raw.status not in _TRANSIENT or last:
                    return raw
                wait = retry_after_s(Headers(raw.headers).get("Retry-After"), time.time())
                if wait is not None and wait > MAX_RETRY_AFTER_S:
                    return raw
                raw.close()
            finally:
                account.seconds += time.monotonic() - started
            backoff = min(MAX_BACKOFF_S, BACKOFF_S * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
            self._sleep(backoff if wait is None else wait)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, url: str, headers: Mapping[str, str], reach: Reach, body: bytes | None) -> Exchange:
        scheme, host, port = _origin(url)
        parts = urlsplit(url)
        proxy = proxy_for(scheme, host, port, self._environment)
        target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        if proxy is not None:
            self._addresses.check_name(host, reach)  # the proxy resolves it, so its address is not ours to check
            if scheme == "http":
                target = urlunsplit((scheme, parts.netloc, parts.path or "/", parts.query, ""))
        return self._connections.request(Origin(scheme, host, port, reach, proxy), method, target, headers, body)

    def _opened(self, host: str, port: int, reach: Reach) -> "socket.socket":
        connection, found = connected(self._connector, self._addresses, host, port, reach, self._connect_s)
        self._reached[host.lower(), port] = found
        return connection

    def _tls(self) -> ssl.SSLContext:
        from affineur.http.tls import context

        with self._lock:
            if self._context is None:
                self._context = context(verify=self.tls_verify, cert_dir=self._cert_dir)
            return self._context

    def _account(self, host: str, port: int) -> Account:
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        with self._lock:
            return self.accounts.setdefault(name, Account())


def _put_aside(raw: Exchange) -> None:
    """Keep the connection if little is left to read, close it otherwise."""
    remaining = raw.remaining
    if remaining is not None and 0 < remaining <= MAX_DRAINED:
        with contextlib.suppress(OSError, HTTPException):
            raw.read(remaining)
    raw.close()


def _origin(url: str, referrer: str = "") -> tuple[str, str, int]:
    """Scheme, host and port of a URL that may be asked. Raises ForbiddenAddress."""
    whence = f" ({referrer} leads there)" if referrer else ""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as problem:
        raise ForbiddenAddress(f"{url[:200]!r} is no usable URL{whence}: {problem}") from problem
    if parts.scheme not in _PORTS or not host:
        raise ForbiddenAddress(f"{url[:200]!r} is no http or https URL{whence}: not asked")
    if parts.username is not None or parts.password is not None:
        raise ForbiddenAddress(f"a URL of {host} carries a login{whence}: not asked")
    if not all(32 < ord(character) < 127 for character in url):
        raise ForbiddenAddress(f"{url[:200]!r} holds spaces or characters beyond ASCII{whence}: not asked")
    return parts.scheme, host.lower(), port or _PORTS[parts.scheme]


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _STAYS_WITH_ITS_HOST}


def _joined(url: str, location: str) -> str:
    """RFC 3986 § 5. Raises ForbiddenAddress for a target that is no URL."""
    try:
        joined: str = urljoin(url, location)
    except ValueError as problem:
        raise ForbiddenAddress(f"{url} redirects to {location[:200]!r}, which is no URL: not asked") from problem
    return joined


@contextlib.contextmanager
def _translated(url: str, step: str) -> Iterator[None]:
    """The standard library's errors as ours: which host, which step, what to do."""
    host = urlsplit(url).netloc
    try:
        yield
    except TimeoutError as problem:
        reason = f": {problem}" if "slower" in str(problem) else ""
        raise Unreachable(f"{host}: no answer in time while {step}{reason}") from problem
    except ssl.SSLError as problem:
        raise Unreachable(f"{host}: TLS failed: {problem.reason or problem}") from problem
    except (OSError, HTTPException) as problem:
        reason = str(problem)[:200] or type(problem).__name__
        raise _Broken(f"{host}: the connection broke while {step}: {reason}") from problem


def _shown(body: bytes) -> str:
    """A server's own words, on one line and without control characters."""
    text = body[:2048].decode("utf-8", errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
