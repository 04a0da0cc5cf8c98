"""A registry: distribution-spec 1.1, pull and content discovery.

One request per document: no ping, no HEAD before a GET; the challenge that a refused request brings is answered and the
request sent again. Every document's digest is our own hash of its bytes.
"""

import re
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import cached_property
from urllib.parse import urljoin, urlsplit

import msgspec

from affineur.errors import (
    DigestMismatch,
    LimitExceeded,
    MalformedDocument,
    SourceError,
    Unreachable,
)
from affineur.http.addresses import Reach
from affineur.http.client import Client, Stream
from affineur.http.response import Response, raise_for_status, retry_after_s
from affineur.oci.blob import Verification, rest, verified
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document, decoded
from affineur.oci.manifest import ACCEPT, OCI_INDEX
from affineur.oci.reference import DEFAULT_REGISTRY, Reference
from affineur.oci.schema1 import content_digest
from affineur.source.authorization import Authorization
from affineur.source.credentials import KnownLogins, Logins
from affineur.source.referrers import Referrers, by_api

__all__ = ["RegistrySource"]

DOCKER_HUB_HOST = "registry-1.docker.io"
MAX_TAGS_PAGE_BYTES = 4 * 1024 * 1024
MAX_TAG_PAGES = 10_000
MAX_TAGS = 1_000_000
MAX_TAGS_BYTES = 64 * 1024 * 1024
"""Of all pages together: a million tags of 60 characters."""
MAX_RESUMED = 5
"""Times that one blob's transfer is taken up again."""
MAX_REFUSED = 2
"""Challenges answered for one blob: a token may run out on the way."""
MAX_HEADER = 8192
"""Characters of a Link or Warning that are looked at."""
MAX_BUDGET = 100
"""Characters of each RateLimit header that are shown."""
MAX_WARNINGS = 20
MAX_WARNING_LENGTH = 500

_WARNING = re.compile(r'299\s+\S+\s+"((?:[^"\\]|\\.)*+)"')
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel\s*=\s*"?next"?', re.IGNORECASE)


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


class _Problem(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Problems(msgspec.Struct):
    errors: list[_Problem] | None = None


class RegistrySource:
    """One repository of a registry. See `Source` for the contract."""

    def __init__(
        self, reference: Reference, client: Client, logins: Logins | None = None, *, insecure: bool = False
    ) -> None:
        """Nothing is asked yet.

        Args:
            logins: where to look once the registry asks for one; None: nowhere.
            insecure: containers-registries.conf(5), `insecure`; see `Client.base_url`.
        """
        self.reference = reference
        self._insecure = insecure
        self._client = client
        self._logins = logins or KnownLogins({})
        self._warnings: list[str] = []
        self._rate_limit: str | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """See `Source`."""
        return tuple(self._client.accounts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `Source`."""
        return tuple(self._warnings)

    @property
    def rate_limit(self) -> str | None:
        """See `Source`."""
        return self._rate_limit

    @property
    def url(self) -> str:
        """`https://registry.example/v2/team/app`; finding out between HTTPS and HTTP may take a connection."""
        return f"{self._base()}/v2/{self.reference.repository}"

    def _base(self) -> str:
        named = self.reference.registry
        if named != DEFAULT_REGISTRY:
            return self._client.base_url(named, insecure=self._insecure)
        mapped = self._client.mirrors.apply(f"https://{named}")
        return mapped or self._client.base_url(DOCKER_HUB_HOST, insecure=self._insecure)

    @cached_property
    def _authorization(self) -> Authorization:
        base, named = self._base(), self.reference.registry
        # A mirror never gets the login of the registry that it stands for.
        here = urlsplit(base).netloc
        mapped = here != (DOCKER_HUB_HOST if named == DEFAULT_REGISTRY else named)
        return Authorization(self._client, base, here if mapped else named, self.reference.repository, self._logins)

    def reach(self) -> Reach:
        """How local this registry is: what URLs chosen by its images may reach."""
        parts = urlsplit(self.url)
        return self._client.reach(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))

    def manifest(self, which: str | None = None) -> Document:
        """See `Source`."""
        name = which or self.reference.which
        promised = Digest(name) if ":" in name else None
        if promised is not None:
            promised.hasher()  # what cannot be verified is not asked for
        url = f"{self.url}/manifests/{name}"
        what = f"{self.reference.name}{'@' if ':' in name else ':'}{name}"
        response = self._get(url, what, MAX_DOCUMENT_BYTES, accept=", ".join(ACCEPT))
        digest = content_digest(response.body, what, promised.algorithm if promised is not None else "sha256")
        if promised is not None and digest != promised:
            raise DigestMismatch(what, promised, digest)
        media_type = response.headers.get("Content-Type").partition(";")[0].strip().lower()
        return Document(response.body, media_type, digest, url)

    def blob(self, descriptor: Descriptor, begun: Verification | None = None) -> Iterator[bytes]:
        """See `Source`. The registry may redirect; the token stays behind."""
        embedded = descriptor.embedded()
        if embedded is not None:
            yield from rest((embedded,), begun)
            return
        verification = begun or Verification(descriptor)  # what cannot be verified is not asked for
        url = f"{self.url}/blobs/{descriptor.digest}"
        what = f"{self.reference.name}: blob {descriptor.digest}"
        if begun is not None and begun.received == descriptor.size:  # no range can begin there: RFC 9110 § 14.1.2
            begun.finish(what)
            return
        # closed by hand: an error that is passed on keeps the generator, and with it the connection, alive
        with closing(self._transferred(url, what, verification.received)) as transferred:
            yield from verified(transferred, verification, what)

    def _transferred(self, url: str, what: str, start: int) -> Generator[bytes, None, None]:
        """A blob's bytes from `start` on, unchecked; what breaks on the way is taken up again where it broke."""
        received = start
        resumed = refused = 0
        while True:
            sent = self._authorization.headers()
            headers = sent | ({"Range": f"bytes={received}-"} if received else {})
            try:
                with self._client.stream(url, headers=headers, reach=Reach.OWN, also=(401,)) as stream:
                    if stream.status != 401:
                        for chunk in _from(received, stream, what):
                            received += len(chunk)
                            yield chunk
                        return
                    lines, by = stream.headers.all("WWW-Authenticate"), stream.url
            except Unreachable:
                resumed += 1
                if received == start or resumed > MAX_RESUMED:  # what never began has been tried again already
                    raise
                continue
            refused += 1
            if refused > MAX_REFUSED:
                raise self._authorization.denied(what, 401, "")
            self._authorization.answer(lines, by, what, sent)

    def tags(self) -> Iterator[str]:
        """See `Source`. Pages are followed by their Link, on the registry's own host only."""
        url: str | None = f"{self.url}/tags/list"
        what = f"{self.reference.name}: tags"
        count = size = 0
        read: set[str] = set()
        for _ in range(MAX_TAG_PAGES):
            assert url is not None  # noqa: S101 - for the type checker; the loop returns otherwise
            if url in read:
                raise MalformedDocument(f"{what}: the next page is said to be one that was read before")
            read.add(url)
            response = self._get(url, what, MAX_TAGS_PAGE_BYTES, accept="application/json")
            size += len(response.body)
            if size > MAX_TAGS_BYTES:
                raise LimitExceeded(f"{what}: more than {MAX_TAGS_BYTES} bytes")
            page = decoded(response.body, _Tags, what).tags or []
            count += len(page)
            if count > MAX_TAGS:
                raise LimitExceeded(f"{what}: more than {MAX_TAGS}")
            yield from page
            following = self._next_page(url, response)
            if following is None:
                return
            url = following
        raise LimitExceeded(f"{what}: more than {MAX_TAG_PAGES} pages")

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> Referrers:
        """See `Source`."""
        return by_api(self, digest, artifact_type, f"{self.url}/referrers/{digest}", self._referrers_page)

    def _referrers_page(self, url: str) -> tuple[Response, str | None]:
        answer = self._get(url, f"{self.reference.name}: referrers", MAX_DOCUMENT_BYTES, accept=OCI_INDEX)
        return answer, self._next_page(url, answer)

    def _next_page(self, url: str, response: Response) -> str | None:
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

    def _get(self, url: str, what: str, limit: int, accept: str) -> Response:
        """A document of this registry, logging in when it asks for that."""
        sent = self._authorization.headers()
        response = self._asked(url, limit, accept, sent)
        if response.status == 401:
            self._authorization.answer(response.headers.all("WWW-Authenticate"), response.url, what, sent)
            response = self._asked(url, limit, accept, self._authorization.headers())
        self._note(response)
        if response.status in (401, 403):
            raise self._authorization.denied(what, response.status, self._detail(response.body))
        if not 200 <= response.status < 300:
            wait = retry_after_s(response.headers.get("Retry-After"), time.time())
            raise_for_status(response.status, what, self._detail(response.body), wait)
            raise SourceError(f"{what}: an answer without content (HTTP {response.status})")
        return response

    def _asked(self, url: str, limit: int, accept: str, authorization: dict[str, str]) -> Response:
        headers = {"Accept": accept, **authorization}
        return self._client.get(
            url, limit=limit, headers=headers, reach=Reach.OWN, also=(400, 401, 403, 404, 405, 410, 429)
        )

    def _note(self, response: Response) -> None:
        for line in response.headers.all("Warning"):
            # it may say a login back: hidden before anything is cut, so that no part of one is left
            for text in _WARNING.findall(self._client.hidden(line)[:MAX_HEADER]):
                text = self._client.hidden(text.replace('\\"', '"'))
                shown = "".join(c if c.isprintable() else " " for c in text)[:MAX_WARNING_LENGTH]
                if shown not in self._warnings and len(self._warnings) < MAX_WARNINGS:
                    self._warnings.append(shown)
        remaining = response.headers.get("RateLimit-Remaining")
        if remaining:
            total = response.headers.get("RateLimit-Limit")
            left, of = self._client.hidden(remaining)[:MAX_BUDGET], self._client.hidden(total)[:MAX_BUDGET]
            self._rate_limit = f"{left} of {of}" if of else left

    def _detail(self, body: bytes) -> str:
        """The registry's own words, if they are the specification's JSON (distribution-spec 1.1 § Error Codes)."""
        try:
            problems = decoded(body, _Problems, "error").errors or []
        except (MalformedDocument, LimitExceeded):
            return ""
        text = self._client.hidden("; ".join(f"{each.code} {each.message}".strip() for each in problems[:5]))
        return "".join(c if c.isprintable() else " " for c in text)


def _from(received: int, stream: Stream, what: str) -> Iterator[bytes]:
    """What follows the first `received` bytes, whether the server sends just that (RFC 9110 § 14.4) or everything."""
    skip = received
    if stream.status == 206:
        if not stream.headers.get("Content-Range").startswith(f"bytes {received}-"):
            raise MalformedDocument(f"{what}: the registry sent another range than it was asked for")
        skip = 0
    for chunk in stream:
        if skip < len(chunk):
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))
