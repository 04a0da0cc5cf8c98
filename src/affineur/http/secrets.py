"""What was sent as a secret, so that it can be kept out of what is shown: a server may say it back in anything."""

import base64
import binascii
import threading
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

__all__ = ["Secrets"]

MAX_SECRETS = 64
"""Of one run, the newest: a login, and tokens that ran out."""
SHORTEST = 4
"""Characters; what is shorter is in every other word."""

_HEADERS = ("authorization", "proxy-authorization", "cookie")
_FIELDS = ("password", "refresh_token", "client_secret")


class Secrets:
    """Passwords and tokens of a run, in the spellings in which they come back. Safe for several threads."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._lock = threading.Lock()

    def note(self, headers: Mapping[str, str], form: Mapping[str, str] | None = None) -> None:
        """Remember what a request is about to carry."""
        found = [value for name, value in headers.items() if name.lower() in _HEADERS]
        for value in found:
            scheme, _, credentials = value.partition(" ")
            self._keep(credentials or scheme)
            if scheme.lower() == "basic":
                self._keep(*_of_basic(credentials))
        self._keep(*(value for name, value in (form or {}).items() if name in _FIELDS))

    def hidden(self, text: str) -> str:
        """A text with `…` in place of every secret."""
        for secret in self._longest_first():
            text = text.replace(secret, "…")
        return text

    def are_in(self, text: str) -> bool:
        """Whether a secret is in a text, in upper or lower case (a host has only one)."""
        text = text.lower()
        return any(secret.lower() in text for secret in self._longest_first())

    def _keep(self, *secrets: str) -> None:
        with self._lock:
            for secret in secrets:
                for spelling in (secret, quote(secret, safe=""), quote_plus(secret)):
                    if len(secret) >= SHORTEST:
                        self._known.pop(spelling, None)
                        self._known[spelling] = None
            while len(self._known) > MAX_SECRETS:
                del self._known[next(iter(self._known))]

    def _longest_first(self) -> list[str]:
        with self._lock:
            return sorted(self._known, key=len, reverse=True)


def _of_basic(credentials: str) -> list[str]:
    """RFC 7617 § 2: base64 of NAME:PASSWORD; and the password alone."""
    try:
        pair = base64.b64decode(credentials, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return []
    return [pair, pair.partition(":")[2]]
