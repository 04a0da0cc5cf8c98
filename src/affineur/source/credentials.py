"""A login, and how one is asked for. Where they are kept: `source/configuration/logins.py`."""

import base64
from collections.abc import Mapping
from typing import Protocol

import msgspec

__all__ = ["Found", "KnownLogins", "Login", "Logins"]


class Login(msgspec.Struct, frozen=True):
    """A name and a password, or an identity token. Its repr shows none of them.

    Attributes:
        identity_token: the refresh token of OAuth2 (RFC 6749 § 1.5) that docker keeps instead of a password.
    """

    username: str
    password: str
    identity_token: str = ""

    def __repr__(self) -> str:
        return "Login(…)"

    def basic(self) -> str:
        """The value of an Authorization header, RFC 7617."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Found(msgspec.Struct, frozen=True):
    """A login and where it is kept, in words for people: the file and key, or the credential helper."""

    login: Login
    where: str


class Logins(Protocol):
    """Where logins are looked for. Nothing is read before the first question."""

    def find(self, registry: str, repository: str) -> Found | None:
        """The login for a repository, or None: anonymous.

        Args:
            registry: `host` or `host:port`, as in the reference (docker.io for Docker Hub).
            repository: its path; "" asks for the registry's own login.

        Raises InvalidSettings: the configuration that would say cannot be read.
        """
        ...


class KnownLogins:
    """Logins that are at hand, by key: `host`, `host/namespace`, `host/namespace/repository`; see `Logins`."""

    def __init__(self, logins: Mapping[str, Found]) -> None:
        self._logins = logins

    def find(self, registry: str, repository: str) -> Found | None:
        """The most specific login: the repository's own, then each namespace above it, then the registry's."""
        key = f"{registry}/{repository}"
        while key not in self._logins:
            key, slash, _ = key.rpartition("/")
            if not slash:
                return None
        return self._logins[key]
