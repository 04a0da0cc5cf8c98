"""What is sent along so that a registry lets us read one repository.

Nothing is sent before the registry asks: a challenge (RFC 9110 § 11.6.1) is answered when it comes, and the answer is
used for what is asked from then on.
"""

import threading
import time
from collections.abc import Mapping
from functools import cached_property

from affineur.errors import Denied
from affineur.http.client import Client
from affineur.source.auth import Token, challenges, fetch_token
from affineur.source.credentials import Login, Logins

__all__ = ["Authorization"]


class Authorization:
    """The answer to one registry's challenges, for one repository. Safe for several threads."""

    def __init__(
        self, client: Client, base: str, registry: str, repository: str, logins: Logins, actions: str = "pull"
    ) -> None:
        """Nothing is asked or read yet.

        Args:
            base: `https://host[:port]` that is really asked: the rules for token services are judged by it.
            registry: under which name a login is looked for.
            repository: its path.
            actions: of the scope, comma-separated.
        """
        self._client, self._base, self._registry, self._repository = client, base, registry, repository
        self._logins, self._scope = logins, f"repository:{repository}:{actions}"
        self._token: Token | None = None
        self._basic = False
        self._lock = threading.Lock()

    @cached_property
    def _login(self) -> Login | None:
        found = self._logins.find(self._registry, self._repository)
        return found.login if found is not None else None

    def headers(self) -> dict[str, str]:
        """What to send with the next request, to that host alone; empty as long as it asked for nothing."""
        token = self._token
        if token is not None and token.until > time.monotonic():
            return {"Authorization": f"Bearer {token.value}"}
        if self._basic and self._login is not None:
            return {"Authorization": self._login.basic()}
        return {}

    def answer(self, lines: list[str], what: str, refused: Mapping[str, str]) -> None:
        """Get what the next request needs.

        Args:
            lines: the WWW-Authenticate headers of the refusal.
            what: was asked for, for messages.
            refused: what `headers` returned for the request that was refused.

        Raises:
            Denied: there is no (other) answer.
            ForbiddenAddress, MalformedDocument, Unreachable: as `fetch_token`.
        """
        offered = challenges(lines)
        bearer = next((c for c in offered if c.scheme == "bearer" and c.parameters.get("realm")), None)
        with self._lock:
            if self.headers().get("Authorization") != refused.get("Authorization"):
                return  # another thread has just been given a new one
            if bearer is not None:
                self._token = fetch_token(self._client, bearer, self._base, self._scope, self._login)
            elif any(c.scheme == "basic" for c in offered) and self._login is not None and not self._basic:
                self._basic = True
            elif self._login is None:
                raise Denied(f"{what}: it does not exist or needs a login (no login for {self._registry} found)")
            else:
                raise Denied(f"{what}: the login for {self._registry} is not accepted")
