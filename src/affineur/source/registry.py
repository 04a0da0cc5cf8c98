"""A registry: distribution-spec 1.1, pull and content discovery.

One request per document: no ping, no HEAD before a GET. Every document's digest is our own hash of its bytes.
"""

from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from functools import partial

import msgspec

from affineur.errors import (
    DigestMismatch,
    LimitExceeded,
    MalformedDocument,
    Unreachable,
)
from affineur.http.addresses import Reach
from affineur.http.client import Client, Stream
from affineur.http.response import Response
from affineur.oci.blob import Verification, after, rest, verified
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document, decoded
from affineur.oci.manifest import ACCEPT, OCI_INDEX
from affineur.oci.reference import Reference
from affineur.oci.schema1 import content_digest
from affineur.source.access import Access
from affineur.source.beside import beside
from affineur.source.credentials import Logins
from affineur.source.referrers import Referrers, by_api, by_tag, together

__all__ = ["RegistrySource"]

MAX_TAGS_PAGE_BYTES = 4 * 1024 * 1024
MAX_TAG_PAGES = 10_000
MAX_TAGS = 1_000_000
MAX_TAGS_BYTES = 64 * 1024 * 1024
"""Of all pages together: a million tags of 60 characters."""
MAX_RESUMED = 5
"""Times that one blob's transfer is taken up again."""
MAX_IN_VAIN = 3
"""Times in a row that a transfer is taken up again without a byte of it."""
MAX_REFUSED = 2
"""Challenges answered for one blob: a token may run out on the way."""


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


class RegistrySource:
    """One repository of a registry. See `Source` for the contract."""

    def __init__(
        self,
        reference: Reference,
        client: Client,
        logins: Logins | None = None,
        *,
        insecure: bool = False,
        access: Access | None = None,
        thorough: bool = False,
    ) -> None:
        """Nothing is asked yet.

        Args:
            logins: where to look once the registry asks for one; None: nowhere.
            insecure: containers-registries.conf(5), `insecure`; see `Client.base_url`.
            access: to the same repository, shared with other references of it; instead of the above.
            thorough: look at the referrers tag even where there is a referrers API, and at both at the same time: what
                was pushed before a registry got the API may be listed there alone. One request more.
        """
        self.reference = reference
        self.thorough = thorough
        self.access = access or Access(reference, client, logins, insecure=insecure)

    @property
    def hosts(self) -> tuple[str, ...]:
        """See `Source`."""
        return tuple(self.access.client.accounts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `Source`."""
        return tuple(self.access.warnings)

    @property
    def rate_limit(self) -> str | None:
        """See `Source`."""
        return self.access.rate_limit

    @property
    def url(self) -> str:
        """`https://registry.example/v2/team/app`; finding out between HTTPS and HTTP may take a connection."""
        return self.access.url

    def manifest(self, which: str | None = None) -> Document:
        """See `Source`."""
        name = which or self.reference.which
        promised = Digest(name) if ":" in name else None
        if promised is not None:
            promised.hasher()  # what cannot be verified is not asked for
        url = f"{self.url}/manifests/{name}"
        what = f"{self.reference.name}{'@' if ':' in name else ':'}{name}"
        response = self.access.get(url, what, MAX_DOCUMENT_BYTES, accept=", ".join(ACCEPT))
        digest = content_digest(response.body, what, promised.algorithm if promised is not None else "sha256")
        if promised is not None and digest != promised:
            raise DigestMismatch(what, promised, digest)
        media_type = response.headers.get("Content-Type").partition(";")[0].strip().lower()
        return Document(response.body, media_type, digest, url)

    def digest(self, which: str) -> Digest | None:
        """What the registry says that a tag names, by one HEAD; None where it does not say it. Nothing is verified.

        Raises: as `manifest`.
        """
        url, what = f"{self.url}/manifests/{which}", f"{self.reference.name}:{which}"
        answer = self.access.ask("HEAD", url, what, limit=0, headers={"Accept": ", ".join(ACCEPT)})
        said = answer.headers.get("Docker-Content-Digest")
        with suppress(MalformedDocument):
            return Digest(said)
        return None

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
        resumed = refused = in_vain = 0
        while True:
            before, opened = received, False
            sent = self.access.authorization.headers()
            headers = sent | ({"Range": f"bytes={received}-"} if received else {})
            try:
                with self.access.client.stream(url, headers=headers, reach=Reach.OWN, also=(401,)) as stream:
                    if stream.status != 401:
                        opened = True
                        for chunk in _from(received, stream, what):
                            received += len(chunk)
                            yield chunk
                        return
                    lines, by = stream.headers.all("WWW-Authenticate"), stream.url
            except Unreachable:
                resumed += 1
                in_vain = in_vain + 1 if received == before else 0
                began = opened or received > start  # what never began has been tried again already
                if not began or resumed > MAX_RESUMED or in_vain > MAX_IN_VAIN:
                    raise
                continue
            refused += 1
            if refused > MAX_REFUSED:
                raise self.access.authorization.denied(what, 401, "")
            self.access.authorization.answer(lines, by, what, sent)

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
            response = self.access.get(url, what, MAX_TAGS_PAGE_BYTES, accept="application/json")
            size += len(response.body)
            if size > MAX_TAGS_BYTES:
                raise LimitExceeded(f"{what}: more than {MAX_TAGS_BYTES} bytes")
            page = decoded(response.body, _Tags, what).tags or []
            count += len(page)
            if count > MAX_TAGS:
                raise LimitExceeded(f"{what}: more than {MAX_TAGS}")
            yield from page
            following = self.access.next_page(url, response)
            if following is None:
                return
            url = following
        raise LimitExceeded(f"{what}: more than {MAX_TAG_PAGES} pages")

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> Referrers:
        """See `Source`."""
        by_its_tag = partial(by_tag, self, digest, artifact_type)
        if not self.access.lists_referrers:
            return by_its_tag()
        tag = beside(by_its_tag) if self.thorough else by_its_tag
        told = by_api(self, digest, artifact_type, f"{self.url}/referrers/{digest}", self._referrers_page)
        if told is None:
            self.access.lists_referrers = False
            return tag()
        return together(told, tag()) if self.thorough else told

    def _referrers_page(self, url: str) -> tuple[Response, str | None]:
        answer = self.access.get(url, f"{self.reference.name}: referrers", MAX_DOCUMENT_BYTES, accept=OCI_INDEX)
        return answer, self.access.next_page(url, answer)


def _from(received: int, stream: Stream, what: str) -> Iterator[bytes]:
    """What follows the first `received` bytes, whether the server sends just that (RFC 9110 § 14.4) or everything."""
    if stream.status != 206:
        return after(stream, received)
    if not stream.headers.get("Content-Range").startswith(f"bytes {received}-"):
        raise MalformedDocument(f"{what}: the registry sent another range than it was asked for")
    return iter(stream)
