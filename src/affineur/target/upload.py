"""A blob's upload to a registry: distribution-spec 1.1 § Pushing Blobs.

A session is asked for (POST) and closed with the whole blob (PUT): two requests, and what every registry has to take.
What is cut on the way goes on where the session says that it stopped: § Pushing a blob in chunks (GET of the session,
Content-Range). Some registries lose a session that was cut within a body (distribution 2 does): a new one is begun.
"""

import random
import time
from collections.abc import Callable
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

from affineur.errors import Denied, DigestMismatch, ForbiddenAddress, NotFound, RateLimited, SourceError, Unreachable
from affineur.http.addresses import Reach
from affineur.http.response import Response, raise_for_status, retry_after_s
from affineur.http.retries import MAX_RETRY_AFTER_S
from affineur.http.urls import origin_of
from affineur.oci.descriptor import Descriptor
from affineur.source.access import Access
from affineur.target.feed import Feed
from affineur.target.sessions import Sessions
from affineur.target.target import Content, Moved

__all__ = ["Upload"]

MAX_IN_VAIN = 5
"""Times in a row that an upload is taken up again without having come any further."""
MAX_CHANGED = 2
"""Times in a row that it is sent anew because other bytes arrived."""
MAX_TAKEN_UP = 100
"""Times in all."""
PAUSE_S = 0.25
MAX_PAUSE_S = 8.0
MAX_ANSWER_BYTES = 256 * 1024
WORTH_KEEPING = 1024 * 1024
"""Bytes; smaller blobs are sent anew by the next call."""

_TOLD = tuple(range(400, 600))
"""Judged here, where it is known what was sent: the client knows a URL."""


class Upload:
    """One blob on its way to one repository; not for several threads."""

    def __init__(
        self,
        descriptor: Descriptor,
        access: Access,
        sessions: Sessions,
        arrived: Callable[[Descriptor], bool],
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Nothing is asked yet. Args: arrived: whether the blob is there; its answer may be lost though it is."""
        self._descriptor, self._access, self._sessions = descriptor, access, sessions
        self._arrived, self._sleep = arrived, sleep
        self._what = f"{access.reference.name}: upload of {descriptor.digest}"
        self._place = f"{access.url} {descriptor.digest}"
        self._at = ""  # the session's location

    def mounted(self, repository: str) -> bool:
        """Whether the registry takes the blob over from another of its repositories (§ Mounting a blob).

        If it does not, the session that it opens instead is used for the blob's content.
        """
        query = urlencode({"mount": self._descriptor.digest, "from": repository})
        url = f"{self._access.url}/blobs/uploads/?{query}"
        answer = self._access.ask(
            "POST", url, self._what, limit=MAX_ANSWER_BYTES, body=b"", also=(400, 401, 403, 404, 405)
        )
        if answer.status == 202:
            self._at = self._location(answer, url)
        return answer.status == 201

    def send(self, content: Content, moved: Moved) -> int:
        """Send the blob, in as many pieces as it takes.

        Returns:
            Bytes that an earlier call had sent, and that count now.

        Raises: what the content raises, and as `Access.ask`; Unreachable where it comes no further; DigestMismatch
            where other bytes than were sent arrive, again and again.
        """
        feed = Feed(self._descriptor, content, moved)
        offset = resumed = self._recalled()
        furthest, in_vain = offset, 0
        for _ in range(MAX_TAKEN_UP):
            if not self._at:
                self._begin()
            pause_s = 0.0
            try:
                answer = self._sent(feed, offset)
                if answer.status == 201:
                    self._sessions.forget(self._place)
                    return resumed
                problem = self._refusal(answer)
                pause_s = problem.retry_after_s or 0.0 if isinstance(problem, RateLimited) else 0.0
            except Unreachable as broken:
                if feed.failure is not None:
                    raise
                problem = broken
            if self._arrived(self._descriptor):
                self._sessions.forget(self._place)
                return resumed
            stands = self._offset() if not isinstance(problem, DigestMismatch) else None
            if stands is None:
                self._at, stands, resumed = "", 0, 0
            in_vain = 0 if stands > furthest else in_vain + 1
            offset, furthest = stands, max(stands, furthest)
            if (
                in_vain > (MAX_CHANGED if isinstance(problem, DigestMismatch) else MAX_IN_VAIN)
                or pause_s > MAX_RETRY_AFTER_S
            ):
                raise problem
            shortest = min(MAX_PAUSE_S, PAUSE_S * 2.0**in_vain) * random.uniform(0.5, 1.0)  # noqa: S311
            self._sleep(max(pause_s, shortest))
        raise Unreachable(f"{self._what}: given up after {MAX_TAKEN_UP} pieces")

    def _recalled(self) -> int:
        """How far the session of an earlier call came; 0 where there is none to go on with: one just opened is used."""
        opened, stands = self._at, None
        found = self._sessions.recall(self._place) if self._descriptor.size >= WORTH_KEEPING else None
        if found is not None and origin_of(found) == origin_of(self._access.base):
            self._at = found
            stands = self._offset()
            if stands is None:
                self._sessions.forget(self._place)
        if not stands and (opened or stands is None):
            self._at = opened
            self._keep()
        return stands or 0

    def _begin(self) -> None:
        url = f"{self._access.url}/blobs/uploads/"
        answer = self._access.ask("POST", url, self._what, limit=MAX_ANSWER_BYTES, body=b"")
        self._at = self._location(answer, url)
        self._keep()

    def _keep(self) -> None:
        if self._at and self._descriptor.size >= WORTH_KEEPING:
            self._sessions.keep(self._place, self._at)

    def _sent(self, feed: Feed, offset: int) -> Response:
        """Close the session with what is missing (§ POST then PUT)."""
        size = self._descriptor.size
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size - offset)}
        if 0 < offset < size:
            headers["Content-Range"] = f"{offset}-{size - 1}"
        joint = "&" if urlsplit(self._at).query else "?"
        url = f"{self._at.removesuffix('?')}{joint}{urlencode({'digest': self._descriptor.digest})}"
        with_login = headers | self._login()
        body = feed.after(offset)
        try:
            return self._access.client.send(
                "PUT", url, body, limit=MAX_ANSWER_BYTES, headers=with_login, reach=self._reach(), also=_TOLD
            )
        finally:
            body.close()

    def _refusal(self, answer: Response) -> SourceError | DigestMismatch:
        """Why the closing request was refused, where trying again may help. Raises where it does not."""
        words = self._access.words(answer.body)
        if answer.status == 401:
            if self._at_home():
                lines = answer.headers.all("WWW-Authenticate")
                self._access.authorization.answer(lines, answer.url, self._what, self._login())
            return self._access.authorization.denied(self._what, 401, words)
        if answer.status == 400 and "DIGEST_INVALID" in words:  # what was sent had been checked
            return DigestMismatch(
                f"{self._what}: the registry says that other bytes reached it than were sent ({words})",
                self._descriptor.digest,
                "something else",
            )
        if answer.status == 403:
            raise self._access.authorization.denied(self._what, 403, words)
        try:
            wait = retry_after_s(answer.headers.get("Retry-After"), time.time())
            raise_for_status(answer.status, self._what, words, wait)
        except (Unreachable, RateLimited, NotFound) as problem:
            return problem
        except SourceError as problem:
            if answer.status == 416:
                return problem
            raise
        return SourceError(f"{self._what}: not confirmed (HTTP {answer.status})")

    def _offset(self) -> int | None:
        """How many bytes the session has (§ Pushing a blob in chunks: GET, 204, `Range: 0-N`).

        None: it is lost, or the registry does not say (some answer 405).
        """
        limit = MAX_ANSWER_BYTES
        try:
            if self._at_home():
                answer = self._access.ask("GET", self._at, self._what, limit=limit, also=_TOLD)
            else:
                answer = self._access.client.get(self._at, limit=limit, reach=self._reach(), also=_TOLD)
        except (Denied, Unreachable):
            return None
        if answer.status != 204:
            return None
        if answer.headers.get("Location"):
            self._at = self._location(answer, self._at)
        first, dash, last = answer.headers.get("Range").removeprefix("bytes=").partition("-")
        if first != "0" or not dash or not (last.isascii() and last.isdigit() and len(last) < 19):
            return None
        # "0-0" is one byte, and what distribution says of none: from there on it is safe to send all anew
        stands = int(last) + 1 if int(last) else 0
        return stands if stands <= self._descriptor.size else None

    def _location(self, answer: Response, url: str) -> str:
        """Where the session goes on; relative or not, and never made anew from its parts.

        Raises SourceError; ForbiddenAddress where the way leads from https to plain http, or takes our login along.
        """
        named = answer.headers.get("Location")
        try:
            found = urldefrag(urljoin(url, named)).url if named else ""
        except ValueError:
            found = ""
        if not found:
            raise SourceError(f"{self._what}: the registry opened an upload, but names no place for it (Location)")
        scheme, host, _ = origin_of(found, url)
        if scheme == "http" and urlsplit(url).scheme == "https":
            raise ForbiddenAddress(
                f"{self._what}: the registry wants it by plain http at {host}: not sent. Behind a proxy that ends TLS"
                " a registry must be told so (X-Forwarded-Proto, or `http.host` in its configuration)"
            )
        if origin_of(found) != origin_of(self._access.base) and self._access.client.hidden(found) != found:
            raise ForbiddenAddress(
                f"{self._what}: the registry wants it at a URL of {host} with the login in it that it got: not sent"
            )
        return found

    def _login(self) -> dict[str, str]:
        """What is sent along: to the registry itself alone."""
        return self._access.authorization.headers() if self._at_home() else {}

    def _reach(self) -> Reach:
        return Reach.OWN if self._at_home() else self._access.reach()

    def _at_home(self) -> bool:
        return origin_of(self._at) == origin_of(self._access.base)
