"""Bearer tokens: asked of the service that a challenge names, kept until they run out.

distribution, docs/spec/auth/token.md (by GET) and oauth.md (by POST, RFC 6749). A grant smaller than what was asked for
is no error there: the registry itself says what is missing.
"""

import re
import threading
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from affineur.errors import Denied, LimitExceeded, MalformedDocument
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.response import Response
from affineur.oci.document import decoded
from affineur.source.auth import Challenge, check_realm
from affineur.source.credentials import Found, Login

__all__ = ["MAX_SHOWN", "Refused", "Token", "Tokens"]

MAX_TOKEN_BYTES = 256 * 1024
DEFAULT_LIFETIME_S = 60.0
"""Where `expires_in` is missing: distribution, docs/spec/auth/token.md."""
MAX_LIFETIME_S = 24 * 3600.0
"""However long a service says that a token is good for."""
MAX_KEPT = 100
"""Tokens that are kept: a registry may ask for another scope each time."""
EARLY_S = 10.0
"""A token is not used in its last seconds, nor in the last quarter of a short life."""
MAX_SHOWN = 300
"""Characters of a server's own words in our messages."""
CLIENT_ID = "affineur"

_TOKEN = re.compile(r"[\x21-\x7e]+")
_ALSO = (400, 401, 403, 404, 405)
_NO_POST = (404, 405)


class Token(msgspec.Struct, frozen=True):
    """A Bearer token and the moment (monotonic seconds) after which it is not used."""

    value: str
    until: float

    def __repr__(self) -> str:
        return "Token(…)"


class Refused(Denied):
    """A token service gives no token: with this login, or without one."""


class _Answer(msgspec.Struct):
    token: str | None = None
    access_token: str | None = None
    refresh_token: str | None = None
    expires_in: float | None = None
    issued_at: Any = None


class _Problem(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Refusal(msgspec.Struct):
    """Of distribution's own services, of RFC 6749 § 5.2, and of Docker Hub's."""

    errors: list[_Problem] | None = None
    error: str = ""
    error_description: str = ""
    details: str = ""
    message: str = ""


class _Wanted(msgspec.Struct, frozen=True):
    """What a token is asked for: the key by which it is kept.

    Attributes:
        base: the registry that named the service; a token is never sent to another.
    """

    base: str
    realm: str
    service: str
    scopes: tuple[str, ...]
    login: Login | None

    @property
    def host(self) -> str:
        return urlsplit(self.realm).netloc


class Tokens:
    """Gets tokens and keeps them. Safe for several threads."""

    def __init__(self, client: Client) -> None:
        """Nothing is asked yet."""
        self._client = client
        self._kept: dict[_Wanted, Token] = {}
        self._refresh: dict[tuple[str, str, str, Login | None], str] = {}
        self._lock = threading.RLock()

    def get(self, bearer: Challenge, base: str, scope: str, found: Found | None, refused: str = "") -> Token:
        """The token that answers a challenge: one that is kept, or a new one.

        Without a login it is asked for anonymously; with a password by GET, and by POST where the service wants that;
        with an identity token by POST. A refresh token that comes along is used for what is asked next.

        Args:
            base: `https://host[:port]` of the registry that sent the challenge.
            scope: is wanted where the challenge names none; "" for none.
            refused: a token that the registry did not take: it is not returned again.

        Raises:
            ForbiddenAddress: a realm that breaks the rules of `check_realm`.
            Refused: the service refuses; its words are in the message.
            Denied: what it gave is no token.
            MalformedDocument, LimitExceeded: its answer is none.
            Unreachable, RateLimited: as it answered.
        """
        realm = bearer.parameters.get("realm", "")
        check_realm(realm, base)
        scopes = tuple(dict.fromkeys((bearer.parameters.get("scope") or scope).split()))
        login = found.login if found is not None else None
        wanted = _Wanted(base, realm, bearer.parameters.get("service", ""), scopes, login)
        with self._lock:
            kept = self._kept.get(wanted)
            if kept is None or kept.value == refused or kept.until <= time.monotonic():
                self._kept.pop(wanted, None)
                kept = self._kept[wanted] = self._new(wanted, found)
                if len(self._kept) > MAX_KEPT:
                    self._kept.pop(next(iter(self._kept)))  # the oldest
            return kept

    def _new(self, wanted: _Wanted, found: Found | None) -> Token:
        asked = time.monotonic()
        response = self._asked(wanted)
        if response.status not in (200, 201):
            raise _refused(wanted, found, response)
        answer = decoded(response.body, _Answer, wanted.host)
        token = answer.token or answer.access_token or ""
        if not _TOKEN.fullmatch(token):
            raise Denied(f"{wanted.host}: the token service gave no usable token")
        if answer.refresh_token and _TOKEN.fullmatch(answer.refresh_token):
            self._refresh[self._refresh_key(wanted)] = answer.refresh_token
            if len(self._refresh) > MAX_KEPT:
                self._refresh.pop(next(iter(self._refresh)))
        return Token(token, asked + _usable_s(answer, response.headers.get("Date")))

    def _asked(self, wanted: _Wanted) -> Response:
        login = wanted.login
        if login is None:
            return self._by_get(wanted, None)
        if login.identity_token:
            response = self._by_post(wanted, refresh_token=login.identity_token)
            if response.status in _NO_POST and login.password:
                return self._by_get(wanted, login)
            return response
        key = self._refresh_key(wanted)
        if refresh := self._refresh.get(key):
            response = self._by_post(wanted, refresh_token=refresh)
            if response.status not in _ALSO:
                return response
            self._refresh.pop(key)  # it was only a way to show the password less often
        response = self._by_get(wanted, login)
        if response.status in _NO_POST:  # a service of OAuth2 alone
            return self._by_post(wanted, username=login.username, password=login.password)
        return response

    def _refresh_key(self, wanted: _Wanted) -> tuple[str, str, str, Login | None]:
        return wanted.base, wanted.realm, wanted.service, wanted.login

    def _by_get(self, wanted: _Wanted, login: Login | None) -> Response:
        query = [("service", wanted.service)] if wanted.service else []
        query += [("scope", scope) for scope in wanted.scopes]
        url = wanted.realm
        if query:
            url += ("&" if urlsplit(url).query else "?") + urlencode(query)
        headers = {"Authorization": login.basic()} if login is not None else {}
        return self._client.get(
            url, limit=MAX_TOKEN_BYTES, headers=headers, reach=self._reach(wanted), also=_ALSO, led_by=wanted.base
        )

    def _by_post(self, wanted: _Wanted, **grant: str) -> Response:
        kind = "refresh_token" if "refresh_token" in grant else "password"
        form = {"grant_type": kind, "service": wanted.service, "client_id": CLIENT_ID, **grant}
        if wanted.scopes:
            form["scope"] = " ".join(wanted.scopes)
        return self._client.post(
            wanted.realm, form, limit=MAX_TOKEN_BYTES, reach=self._reach(wanted), also=_ALSO, led_by=wanted.base
        )

    def _reach(self, wanted: _Wanted) -> Reach:
        here = urlsplit(wanted.base)
        if here.netloc == wanted.host:
            return Reach.OWN
        return self._client.reach(here.hostname or "", here.port or (443 if here.scheme == "https" else 80))


def _usable_s(answer: _Answer, date: str) -> float:
    """For how long a token is used, in seconds from when it was asked for.

    `issued_at` is compared with the service's own Date: this machine's clock may be wrong.
    """
    lifetime = answer.expires_in if answer.expires_in is not None and answer.expires_in > 0 else DEFAULT_LIFETIME_S
    early = min(EARLY_S, lifetime / 4)
    return min(lifetime, MAX_LIFETIME_S) - _age_s(answer.issued_at, date) - early


def _age_s(issued_at: object, date: str) -> float:
    if not isinstance(issued_at, str) or not 0 < len(date) <= 40:
        return 0.0
    from email.utils import parsedate_to_datetime

    try:
        issued, now = datetime.fromisoformat(issued_at), parsedate_to_datetime(date)
        return max(0.0, (now - (issued if issued.tzinfo else issued.replace(tzinfo=UTC))).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _refused(wanted: _Wanted, found: Found | None, response: Response) -> Refused:
    """What the service said, and with which login."""
    registry = urlsplit(wanted.base).netloc
    said = _said(response.body)
    if found is None:
        whose = "a token without a login"
    elif found.login.identity_token:
        whose = f"the identity token from {found.where}"
    else:
        whose = f"the login from {found.where}"
    asked = f"{wanted.host}: the token service of {registry} refuses {whose} (HTTP {response.status})"
    return Refused(asked + (f": {said}" if said else ""))


def _said(body: bytes) -> str:
    """A token service's own words on one line: from its JSON, else its text; nothing of a page."""
    try:
        refusal = decoded(body, _Refusal, "error")
    except (MalformedDocument, LimitExceeded):
        text = body[:2048].decode("utf-8", errors="replace")
        text = "" if text.lstrip().startswith(("<", "{", "[")) else text
    else:
        words = [f"{problem.code} {problem.message}" for problem in (refusal.errors or [])[:5]]
        words += [refusal.error, refusal.error_description, refusal.details, refusal.message]
        text = "; ".join(word.strip() for word in words if word.strip())
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_SHOWN]
