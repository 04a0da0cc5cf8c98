"""One HTTP client for all: pooled, bounded, polite, and careful about where it is sent.

Answers are bytes under a limit; redirects are followed here, hop by hop, each under the rule of `Reach`; what must stay
with its host (Authorization, Cookie) stays there. Safe for several threads.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.client import HTTPException
from threading import Lock, RLock, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from affineur.errors import ForbiddenAddress, InvalidSettings, SourceError, Unreachable
from affineur.http.addresses import AddressPolicy, Reach
from affineur.http.connection import Origin
from affineur.http.connections import Body, Connections, Exchange
from affineur.http.connector import Connector
from affineur.http.failures import Broken, translated
from affineur.http.hosts import Hosts
from affineur.http.mirrors import MirrorMap
from affineur.http.response import Headers, Response, bounded_body, raise_for_status, retry_after_s
from affineur.http.retries import MAX_ATTEMPTS, MAX_TRYING_S, Waiting, pause_s, with_retries
from affineur.http.schemes import may_be_plain, speaks_tls
from affineur.http.secrets import Secrets
from affineur.http.stream import Account, Stream
from affineur.http.tls import HostTls, TlsRule
from affineur.http.urls import joined, origin_of, shown, without_secrets

if TYPE_CHECKING:
    from affineur.http.pacing import Pacing

__all__ = ["Account", "Client", "Stream"]

MAX_REDIRECTS = 10
CONNECT_S = 10.0
READ_S = 60.0
"""Between two reads, not for the whole."""

MAX_DRAINED = 64 * 1024
"""Bytes worth reading to keep a connection."""
PREPARED = 2
"""Connections made while it is found out whether a host speaks TLS: manifest and tags are asked for side by side."""

_REDIRECTS = (301, 302, 303, 307, 308)


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
        tls: TlsRule | None = None,
        connector: Connector | None = None,
        environment: Mapping[str, str] | None = None,
        user_agent: str = "affineur",
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        attempts: int = MAX_ATTEMPTS,
        sleep: Callable[[float], object] = time.sleep,
        waiting: Waiting | None = None,
        pacing: "Pacing | None" = None,
    ) -> None:
        """Nothing is asked or read yet.

        Args:
            tls: what holds for each host; None: the system's authorities, no client certificate.
            pacing: holds requests back; None: each goes at once.
            environment: where proxies are named; None: this process's.
            waiting: told before each pause of two seconds or more, from any thread.
        """
        self.mirrors = mirrors or MirrorMap()
        self.accounts: dict[str, Account] = {}
        self._hosts = Hosts(
            addresses or AddressPolicy(),
            connector or Connector(),
            tls or (lambda *_: HostTls()),
            os.environ if environment is None else environment,
            connect_s,
        )
        self._user_agent, self._attempts, self._sleep, self._waiting = user_agent, attempts, sleep, waiting
        self._pacing = pacing
        self._plain: dict[str, bool] = {}
        self._asking: dict[str, Lock] = {}
        self._secrets = Secrets()
        self._lock = RLock()
        self._connections = Connections(self._hosts.opened, self._hosts.context, read_s)

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
        led_by: str = "",
        again: int = 0,
    ) -> Response:
        """A whole document of at most `limit` bytes.

        Args:
            reach: how local the URL may lead: Reach.OWN if the user named it, else the reach of who chose it.
            also: statuses to return beside 2xx and 304, instead of raising.
            led_by: the URL of the host that named this one (a registry, of its token service): `HostTls.led_to_by`.
            again: times that it is asked for once more because the connection broke within its body.

        Raises:
            ForbiddenAddress: the URL, or a redirect, leads where it must not; nothing was sent there.
            Denied, NotFound, RateLimited, Unreachable, SourceError: by status, after retries.
            LimitExceeded: more than `limit` bytes.
        """
        began = time.monotonic()
        for attempt in range(1, again + 2):
            with self._opened_url(method, url, headers or {}, reach, led_by) as (raw, final, account):
                try:
                    return self._whole(method, raw, url, final, limit, also, account)
                except Broken:
                    pause = pause_s(attempt)
                    if attempt > again or time.monotonic() - began + pause > MAX_TRYING_S:
                        raise
            self._sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def post(
        self,
        url: str,
        form: Mapping[str, str] | bytes,
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        reach: Reach = Reach.PUBLIC,
        also: tuple[int, ...] = (),
        led_by: str = "",
    ) -> Response:
        """Send a form, once, and return the answer of at most `limit` bytes.

        What is posted is likely a secret, or does something: nothing is sent twice, no redirect is followed, and a URL
        that is mapped to another host is refused.

        Args:
            form: fields, sent as application/x-www-form-urlencoded; or bytes, whose Content-Type is in `headers`.
            headers, reach, also, led_by: as in `get`.

        Raises: as `get`; ForbiddenAddress also for a URL that is mapped elsewhere, SourceError for a redirect.
        """
        self._not_mapped(url)
        sent = {"User-Agent": self._user_agent, "Accept-Encoding": "identity", **(headers or {})}
        if not isinstance(form, bytes):
            self._secrets.note({}, form)
            form = urlencode(form).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        scheme, host, port = origin_of(url)
        account = self._account(host, port)
        origin = self._hosts.origin(scheme, host, port, reach, self._hosts.leader(led_by))
        raw = self._once("POST", url, sent, origin, account, form, once=True)
        try:
            if raw.status in _REDIRECTS and raw.status not in also:
                raise SourceError(f"{shown(url)}: redirects a form (HTTP {raw.status}): not followed")
            return self._whole("POST", raw, url, url, limit, also, account)
        finally:
            _put_aside(raw)

    def send(
        self,
        method: str,
        url: str,
        body: Body,
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        reach: Reach = Reach.PUBLIC,
        also: tuple[int, ...] = (),
    ) -> Response:
        """Send what may as well arrive twice (content under its own digest), and return the answer.

        No redirect is followed, and a URL that is mapped to another host is refused: what is written has one place.

        Args:
            body: bytes are sent again as a GET is; an iterable is sent once, with the Content-Length in `headers`.
            limit: bytes of the answer.
            headers, reach, also: as in `get`.

        Raises: as `get`, and what the iterable raises; ForbiddenAddress also for a URL that is mapped elsewhere,
            SourceError for a redirect.
        """
        self._not_mapped(url)
        sent = {"User-Agent": self._user_agent, "Accept-Encoding": "identity", **(headers or {})}
        scheme, host, port = origin_of(url)
        account = self._account(host, port)
        origin = self._hosts.origin(scheme, host, port, reach, None)

        def once() -> Exchange:
            return self._once(method, url, sent, origin, account, body)

        raw = once() if not isinstance(body, bytes) else self._again(once, url)
        try:
            if raw.status in _REDIRECTS and raw.status not in also:
                raise SourceError(f"{shown(url)}: redirects what is sent (HTTP {raw.status}): not followed")
            return self._whole(method, raw, url, url, limit, also, account)
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
        with self._opened_url("GET", url, headers or {}, reach, "") as (raw, final, account):
            if raw.status not in also and not 200 <= raw.status < 300:
                with translated(final, "reading the answer"):
                    detail = self._said(raw.read1(4096))
                wait = retry_after_s(Headers(raw.headers).get("Retry-After"), time.time())
                raise_for_status(raw.status, shown(url), detail, wait)
                raise SourceError(f"{shown(url)}: an answer without content (HTTP {raw.status})")
            yield Stream(raw, final, account)

    def base_url(self, registry: str, *, insecure: bool = False) -> str:
        """`https://HOST[:PORT]` or `http://…` for a registry that the user named: the rule of `schemes`, asked once.

        From then on the client knows it for a registry: `TlsRule` is told so. A mirror of `https://HOST` or
        `http://HOST` goes first, and is a registry in its place.

        Args:
            insecure: whether certificates are not to be verified, and plain HTTP is tried where there is no TLS
                (containers-registries.conf(5), `insecure`).

        Raises Unreachable, ForbiddenAddress, InvalidSettings.
        """
        for scheme in ("https", "http"):
            if mapped := self.mirrors.apply(f"{scheme}://{registry}"):
                self._hosts.know(mapped, insecure)
                return mapped
        tls, host, port = self._hosts.know(f"https://{registry}", insecure)
        if tls.verify and not may_be_plain(host):
            return f"https://{registry}"
        with self._lock:
            asking = self._asking.setdefault(registry, Lock())
        with asking:  # of each registry once, of several at the same time
            if registry not in self._plain:
                self._plain[registry] = not self._speaks_tls(host, None if port == 443 else port)
        return f"{'http' if self._plain[registry] else 'https'}://{registry}"

    def expect(self, registry: str, count: int, *, insecure: bool = False) -> None:
        """Connect, in the background, ahead of requests that will come side by side; failing is no error here.

        Args:
            registry, insecure: as for `base_url`.
            count: connections.
        """
        closed_before = self._connections.times_closed

        def connect() -> None:
            with contextlib.suppress(SourceError, InvalidSettings, OSError, HTTPException):
                scheme, host, port = origin_of(self.base_url(registry, insecure=insecure))
                origin = self._hosts.origin(scheme, host, port, Reach.OWN, None)
                if self._connections.times_closed != closed_before:
                    self._connections.close()  # what finding out has left open
                    return
                for _ in range(count):
                    Thread(target=self._connections.open, args=(origin, closed_before), daemon=True).start()

        Thread(target=connect, daemon=True).start()

    def hidden(self, text: str) -> str:
        """A text for people with `…` in place of every password and token that this client has sent.

        For what a server says (an error, a warning, a media type): it may say back what it was told.
        """
        return self._secrets.hidden(text)

    def reach(self, host: str, port: int) -> Reach:
        """How local the address was that this client reached for a host; PUBLIC if it was not asked or is proxied."""
        return self._hosts.reach(host, port)

    def verifies(self, url: str) -> bool:
        """Whether the certificate of a URL's host is checked when it is asked; not for plain HTTP.

        Raises ForbiddenAddress, InvalidSettings.
        """
        scheme, host, port = origin_of(url)
        return scheme == "https" and self._hosts.tls(host, port).verify

    def _speaks_tls(self, host: str, port: int | None) -> bool:
        if port is not None:
            # The first requests' connections are made meanwhile: a round trip less.
            where = (host, port, Reach.OWN)
            ahead = [Thread(target=self._connections.prepare, args=where, daemon=True) for _ in range(PREPARED)]
            for thread in ahead:
                thread.start()
            try:
                return speaks_tls(self._hosts.connector, self._hosts.addresses, host, port)
            finally:
                for thread in ahead:
                    thread.join()
        try:  # --tls-verify=false and no port: 443 if anything is there, else 80
            return speaks_tls(self._hosts.connector, self._hosts.addresses, host, 443)
        except Unreachable:
            return False

    @contextlib.contextmanager
    def _opened_url(
        self, method: str, url: str, headers: Mapping[str, str], reach: Reach, led_by: str
    ) -> Iterator[tuple[Exchange, str, Account]]:
        """Follow redirects; hand out the last answer with its body unread."""
        sent = {"User-Agent": self._user_agent, "Accept-Encoding": "identity", **headers}
        seen: list[str] = []
        leader = self._hosts.leader(led_by)
        while True:
            if mapped := self.mirrors.apply(url):
                if origin_of(mapped) != origin_of(url):
                    sent = without_secrets(sent)
                url, reach = mapped, Reach.OWN
            scheme, host, port = origin_of(url)
            account = self._account(host, port)
            origin = self._hosts.origin(scheme, host, port, reach, leader)
            raw = self._again(partial(self._once, method, url, sent, origin, account), url)
            location = Headers(raw.headers).get("Location")
            if raw.status not in _REDIRECTS or not location:
                break
            _put_aside(raw)
            seen.append(url)
            if self._secrets.are_in(location):
                raise ForbiddenAddress(
                    f"{shown(url)} redirects to a URL with the login in it that it got: not followed"
                )
            target = joined(url, location)
            if len(seen) > MAX_REDIRECTS or (target in seen and method == "GET"):
                raise SourceError(f"{shown(seen[0])}: redirected in a circle, or more than {MAX_REDIRECTS} times")
            next_scheme, next_host, next_port = origin_of(target, seen[-1])
            if (next_scheme, next_host, next_port) != (scheme, host, port):
                here = self._hosts.tls(host, port, leader)
                if scheme == "https" and next_scheme == "http" and here.verify and not self.mirrors.apply(target):
                    raise ForbiddenAddress(
                        f"{shown(url)} redirects from https to plain http at {next_host}: not followed"
                        " (a registry of yours is, with --tls-verify=false)"
                    )
                sent = without_secrets(sent)
                reach = min(reach, self.reach(host, port))
                leader = leader or here
            url = target
        try:
            yield raw, url, account
        finally:
            _put_aside(raw)

    def _not_mapped(self, url: str) -> None:
        if (mapped := self.mirrors.apply(url)) and origin_of(mapped) != origin_of(url):
            raise ForbiddenAddress(
                f"{shown(url)} is mapped to {shown(mapped)}: nothing is sent to another host than it is for"
            )

    def _again(self, once: Callable[[], Exchange], url: str) -> Exchange:
        return with_retries(
            once, urlsplit(url).netloc, attempts=self._attempts, sleep=self._sleep, waiting=self._waiting
        )

    def _whole(
        self, method: str, raw: Exchange, url: str, final: str, limit: int, also: tuple[int, ...], account: Account
    ) -> Response:
        with translated(final, "reading the answer"):
            body = bounded_body(raw, limit, shown(final)) if method != "HEAD" else b""
        account.bytes += len(body)
        found = Response(raw.status, Headers(raw.headers), body, final)
        if found.status not in also:
            wait = retry_after_s(found.headers.get("Retry-After"), time.time())
            raise_for_status(found.status, shown(url), self._said(body), wait)
        return found

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        origin: Origin,
        account: Account,
        body: Body | None = None,
        *,
        once: bool = False,
    ) -> Exchange:
        """One request to one host."""
        parts = urlsplit(url)
        target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        if origin.proxy is not None and origin.scheme == "http":
            target = urlunsplit((origin.scheme, parts.netloc, parts.path or "/", parts.query, ""))
        self._secrets.note(headers)

        def ask() -> Exchange:
            account.requests += 1
            started = time.monotonic()
            try:
                with translated(url, "asking"):
                    return self._connections.request(origin, method, target, headers, body, once=once)
            finally:
                account.seconds += time.monotonic() - started

        if self._pacing is None:
            return ask()
        again = not once and (body is None or isinstance(body, bytes))
        return self._pacing.paced(_name(origin.host, origin.port), ask, again=again)

    def _said(self, body: bytes) -> str:
        """A server's own words, on one line and without control characters or secrets."""
        text = body[:2048].decode("utf-8", errors="replace")
        if text.lstrip()[:1] == "<":  # a page for a browser: its status says as much
            return ""
        return self.hidden(" ".join("".join(c if c.isprintable() else " " for c in text).split()))

    def _account(self, host: str, port: int) -> Account:
        with self._lock:
            return self.accounts.setdefault(_name(host, port), Account())


def _name(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _put_aside(raw: Exchange) -> None:
    """Keep the connection if little is left to read, close it otherwise."""
    remaining = raw.remaining
    if remaining is not None and 0 < remaining <= MAX_DRAINED:
        with contextlib.suppress(OSError, HTTPException):
            raw.read(remaining)
    raw.close()
