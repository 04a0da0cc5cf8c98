"""One repository of a registry over HTTP: its address, the login that it wants, and how what it refuses is told.

What reading it (`registry`) and writing it (`target/registry`) share. distribution-spec 1.1: no ping, and nothing is
asked before the real request; the challenge that a refused request brings is answered and the request sent again.
"""

import re
import time
from functools import cached_property
from urllib.parse import urljoin, urlsplit

import msgspec

from affineur.errors import LimitExceeded, MalformedDocument, SourceError
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.response import Response, raise_for_status, retry_after_s
from affineur.oci.document import decoded
from affineur.oci.reference import DEFAULT_REGISTRY, Reference
from affineur.source.authorization import Authorization
from affineur.source.credentials import KnownLogins, Logins

__all__ = ["DOCKER_HUB_HOST", "Access"]

DOCKER_HUB_HOST = "registry-1.docker.io"
MAX_HEADER = 8192
"""Characters of a Link or Warning that are looked at."""
MAX_BROKEN = 2
"""Times that a document is asked for once more because the connection broke within it."""
MAX_BUDGET = 100
"""Characters of each RateLimit header that are shown."""
MAX_WARNINGS = 20
MAX_WARNING_LENGTH = 500

_WARNING = re.compile(r'299\s+\S+\s+"((?:[^"\\]|\\.)*+)"')
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel\s*=\s*"?next"?', re.IGNORECASE)
_TOLD_HERE = (400, 401, 403, 404, 405, 410, 429)


class _Problem(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Problems(msgspec.Struct):
    errors: list[_Problem] | None = None


class Access:
    """How one repository is asked, by whoever reads or writes it.

    Attributes:
        client: asks.
        reference: whose repository it is.
        warnings, rate_limit: see `Source`.
        lists_referrers: False once it turned out to have no referrers API.
    """

    def __init__(
        self,
        reference: Reference,
        client: Client,
        logins: Logins | None = None,
        *,
        insecure: bool = False,
        actions: str = "pull",
    ) -> None:
        """Nothing is asked yet.

        Args:
            logins: where to look once the registry asks for one; None: nowhere.
            insecure: containers-registries.conf(5), `insecure`; see `Client.base_url`.
            actions: what a token is asked for: "pull", or "pull,push".
        """
        self.client = client
        self.reference = reference
        self.warnings: list[str] = []
        self.rate_limit: str | None = None
        self.lists_referrers = True
        self._insecure = insecure
        self._logins = logins or KnownLogins({})
        self._actions = actions

    def allowing(self, actions: str) -> "Access":
        """The same repository, with tokens that are asked for other actions: "pull,delete"."""
        return Access(self.reference, self.client, self._logins, insecure=self._insecure, actions=actions)

    @property
    def url(self) -> str:
        """`https://registry.example/v2/team/app`; finding out between HTTPS and HTTP may take a connection."""
        return f"{self.base}/v2/{self.reference.repository}"

    @property
    def base(self) -> str:
        """`https://registry.example`: of the mirror, where the user's map has one."""
        named = self.reference.registry
        if named != DEFAULT_REGISTRY:
            return self.client.base_url(named, insecure=self._insecure)
        mapped = self.client.mirrors.apply(f"https://{named}")
        return mapped or self.client.base_url(DOCKER_HUB_HOST, insecure=self._insecure)

    @cached_property
    def authorization(self) -> Authorization:
        """The answer to the registry's challenges."""
        base, named = self.base, self.reference.registry
        # A mirror never gets the login of the registry that it stands for.
        here = urlsplit(base).netloc
        mapped = here != (DOCKER_HUB_HOST if named == DEFAULT_REGISTRY else named)
        known_as = here if mapped else named
        return Authorization(
            self.client, base, known_as, self.reference.repository, self._logins, actions=self._actions
        )

    def reach(self) -> Reach:
        """How local this registry is: what URLs chosen by its images may reach."""
        parts = urlsplit(self.base)
        return self.client.reach(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))

    def get(self, url: str, what: str, limit: int, accept: str) -> Response:
        """A document of this registry. Raises as `ask`."""
        response = self.ask("GET", url, what, limit=limit, headers={"Accept": accept})
        if response.status == 304:
            raise SourceError(f"{what}: an answer without content (HTTP 304)")
        return response

    def ask(
        self,
        method: str,
        url: str,
        what: str,
        *,
        limit: int,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        also: tuple[int, ...] = (),
    ) -> Response:
        """A request to this registry, logging in when it asks for that.

        Args:
            what: is asked for, in messages.
            limit: bytes of the answer's body.
            body: what is sent; None: nothing, and redirects are followed.
            also: statuses to return beside 2xx, instead of raising.

        Raises:
            Denied, NotFound, RateLimited, Unreachable, SourceError: as the registry answers, in its own words.
        """
        sent = self.authorization.headers()
        response = self._asked(method, url, limit, {**(headers or {}), **sent}, body, also)
        if response.status == 401:
            self.authorization.answer(response.headers.all("WWW-Authenticate"), response.url, what, sent)
            again = {**(headers or {}), **self.authorization.headers()}
            response = self._asked(method, url, limit, again, body, also)
        self._note(response)
        if response.status in also:
            return response
        if response.status in (401, 403):
            raise self.authorization.denied(what, response.status, self.words(response.body))
        if not 200 <= response.status < 300 and response.status != 304:
            wait = retry_after_s(response.headers.get("Retry-After"), time.time())
            raise_for_status(response.status, what, self.words(response.body), wait)
        return response

    def next_page(self, url: str, response: Response) -> str | None:
        """The URL of its Link header, on the same host only. Raises MalformedDocument."""
        found = _NEXT.search(response.headers.get("Link")[:MAX_HEADER])
        if found is None:
            return None
        try:
            target: str = urljoin(url, found[1])
        except ValueError as problem:
            raise MalformedDocument(f"{url}: its next page is no URL: {found[1][:200]!r}") from problem
        if urlsplit(target)[:2] != urlsplit(url)[:2]:
            raise MalformedDocument(f"{url}: its next page is said to be on another host, {urlsplit(target).netloc}")
        if target == url:
            raise MalformedDocument(f"{url}: its next page is said to be itself")
        return target

    def words(self, body: bytes) -> str:
        """The registry's own words, if they are the specification's JSON (distribution-spec 1.1 § Error Codes)."""
        try:
            problems = decoded(body, _Problems, "error").errors or []
        except (MalformedDocument, LimitExceeded):
            return ""
        text = self.client.hidden("; ".join(f"{each.code} {each.message}".strip() for each in problems[:5]))
        return "".join(c if c.isprintable() else " " for c in text)

    def _asked(
        self,
        method: str,
        url: str,
        limit: int,
        headers: dict[str, str],
        body: bytes | None,
        also: tuple[int, ...],
    ) -> Response:
        told = (*_TOLD_HERE, *also)
        if body is None:
            return self.client.get(
                url, limit=limit, headers=headers, reach=Reach.OWN, also=told, method=method, again=MAX_BROKEN
            )
        return self.client.send(method, url, body, limit=limit, headers=headers, reach=Reach.OWN, also=told)

    def _note(self, response: Response) -> None:
        for line in response.headers.all("Warning"):
            # it may say a login back: hidden before anything is cut, so that no part of one is left
            for text in _WARNING.findall(self.client.hidden(line)[:MAX_HEADER]):
                text = self.client.hidden(text.replace('\\"', '"'))
                shown = "".join(c if c.isprintable() else " " for c in text)[:MAX_WARNING_LENGTH]
                if shown not in self.warnings and len(self.warnings) < MAX_WARNINGS:
                    self.warnings.append(shown)
        remaining = response.headers.get("RateLimit-Remaining")
        if remaining:
            total = response.headers.get("RateLimit-Limit")
            left, of = self.client.hidden(remaining)[:MAX_BUDGET], self.client.hidden(total)[:MAX_BUDGET]
            self.rate_limit = f"{left} of {of}" if of else left
