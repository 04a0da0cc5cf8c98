"""What is sent along so that a registry lets us read one repository.

Nothing is sent, and no login looked for, before the registry asks: a challenge (RFC 9110 § 11.6.1) is answered when it
comes, and the answer is used for what is asked from then on.
"""

import threading
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from affineur.errors import Denied
from affineur.http.client import Client
from affineur.http.urls import origin_of
from affineur.source.auth import Challenge, challenges
from affineur.source.credentials import Found, Logins
from affineur.source.tokens import MAX_SHOWN, Refused, Token, Tokens

__all__ = ["Authorization"]


class Authorization:
    """The answer to one registry's challenges, for one repository. Safe for several threads."""

    def __init__(
        self,
        client: Client,
        base: str,
        registry: str,
        repository: str,
        logins: Logins,
        actions: str = "pull",
        tokens: Tokens | None = None,
    ) -> None:
        """Nothing is asked or read yet.

        Args:
            base: `https://host[:port]` that is really asked: the rules for token services are judged by it.
            registry: under which name a login is looked for.
            repository: its path; "" for the registry as a whole, and then tokens are asked for without a scope.
            actions: of the scope, comma-separated.
            tokens: shared with others, for example for several repositories.
        """
        self._base, self._registry, self._repository, self._logins = base, registry, repository, logins
        self._scope = f"repository:{repository}:{actions}" if repository else ""
        self._tokens = tokens or Tokens(client)
        self._lock = threading.Lock()
        self._looked = False
        self._found: Found | None = None
        self._basic = False
        self._bearer: Challenge | None = None
        self._token: Token | None = None

    def headers(self) -> dict[str, str]:
        """What to send with the next request, to that host alone; empty as long as it asked for nothing.

        Raises: as `answer`, where a token has run out and no other can be had.
        """
        if self._basic and self._found is not None:
            return {"Authorization": self._found.login.basic()}
        if self._bearer is None:
            return {}
        with self._lock:
            if self._token is None or self._token.until <= time.monotonic():
                self._token = self._new(self._bearer)
            return {"Authorization": f"Bearer {self._token.value}"}

    def answer(self, lines: list[str], by: str, what: str, refused: Mapping[str, str]) -> None:
        """Get what the next request needs.

        Args:
            by: the URL that refused, after redirects: only the registry itself may ask for its login.
            lines: the WWW-Authenticate headers of the refusal.
            what: was asked for, for messages.
            refused: what `headers` returned for the request that was refused.

        Raises:
            Denied: there is no (other) answer.
            InvalidSettings: it cannot be found out whether there is a login.
            ForbiddenAddress, MalformedDocument, Unreachable: as `Tokens.get`.
        """
        if origin_of(by) != origin_of(self._base):
            host = urlsplit(by).netloc
            raise Denied(f"{what}: {host}, to which the registry redirects, wants a login; it gets none (HTTP 401)")
        offered = challenges(lines)
        bearer = next((c for c in offered if c.scheme == "bearer" and c.parameters.get("realm")), None)
        with self._lock:
            if self._sent() != refused.get("Authorization"):
                return  # another thread has just been given a new one
            if not self._looked:
                self._found = self._logins.find(self._registry, self._repository)
                self._looked = True
            if bearer is not None:
                old = self._token.value if self._token is not None else ""
                self._token = self._new(bearer, old)
                self._bearer = bearer
            elif not any(c.scheme == "basic" for c in offered):
                ways = ", ".join(c.scheme[:40] for c in offered[:5]) or "none"
                raise Denied(f"{what}: wants a login of a kind that is not known here (offered: {ways})")
            elif self._found is None:
                raise Denied(f"{what}: wants a login, and there is no login for {self._registry}{self._advice()}")
            elif self._basic or not self._found.login.password:
                raise self._not_accepted(what, self._found)
            else:
                self._basic = True

    def denied(self, what: str, status: int, said: str) -> Denied:
        """The error for a request that was refused for good, telling with which login it was made.

        Args:
            status: 401 or 403; a registry answers so, too, for what is not there.
            said: the registry's own words, on one line.
        """
        if status == 401 and self._basic and self._found is not None:
            return self._not_accepted(what, self._found, said)
        how = f"asked with the login from {self._found.where}" if self._found is not None else "asked without a login"
        missing = "it does not exist or there is no access"
        return Denied(f"{what}: {missing} (HTTP {status}){_words(said)} ({how}{self._advice()})")

    def _not_accepted(self, what: str, found: Found, said: str = "") -> Denied:
        return Denied(f"{what}: the login from {found.where} is not accepted{_words(said)}{self._advice()}")

    def _new(self, bearer: Challenge, refused: str = "") -> Token:
        try:
            return self._tokens.get(bearer, self._base, self._scope, self._found, refused)
        except Refused as problem:
            raise Denied(f"{problem}{self._advice()}") from problem

    def _advice(self) -> str:
        return f"; `affineur login {self._registry}` keeps {'one' if self._found is None else 'another'}"

    def _sent(self) -> str | None:
        if self._basic and self._found is not None:
            return self._found.login.basic()
        return f"Bearer {self._token.value}" if self._token is not None else None


def _words(said: str) -> str:
    return f": {said[:MAX_SHOWN]}" if said else ""
