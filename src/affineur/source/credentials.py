"""Logins from the file that podman, skopeo and docker write. containers-auth.json(5).

Only the basic `auths` entries are read; a login kept by a credential helper is not looked up.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from affineur.errors import InvalidSettings

__all__ = ["Found", "KnownLogins", "Login", "Logins", "read_auth_file"]

MAX_FILE_BYTES = 1024 * 1024
DOCKER_HUB_KEYS = ("docker.io", "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io")


class Login(msgspec.Struct, frozen=True):
    """A name and a password. Its repr shows neither.

    Attributes:
        identity_token: set instead of a password where the file holds a refresh token.
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
    """Logins by key (`host`, `host/namespace`, `host/namespace/repository`); see `Logins`."""

    def __init__(self, logins: Mapping[str, Found]) -> None:
        self._logins = logins

    def find(self, registry: str, repository: str) -> Found | None:
        """The most specific login: the repository's own, then each namespace above it, then the registry's."""
        key = f"{registry}/{repository}"
        while "/" in key:
            if key in self._logins:
                return self._logins[key]
            key = key.rpartition("/")[0]
        keys = (
            DOCKER_HUB_KEYS if registry == "docker.io" else (registry, f"https://{registry}", f"https://{registry}/v1/")
        )
        return next((self._logins[key] for key in keys if key in self._logins), None)


class _Entry(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _File(msgspec.Struct):
    auths: dict[str, _Entry] | None = None


def read_auth_file(authfile: Path | None, environment: Mapping[str, str]) -> KnownLogins:
    """The logins of the first file that exists.

    Places, in order: `authfile`; $REGISTRY_AUTH_FILE; $XDG_RUNTIME_DIR/containers/auth.json (or /run/containers/UID/);
    $XDG_CONFIG_HOME/containers/auth.json; $DOCKER_CONFIG/config.json. The later default places fill in what the earlier
    ones lack.

    Raises InvalidSettings: a file that was named and is not there, or any that is not what it should be.
    """
    named = authfile or (Path(environment["REGISTRY_AUTH_FILE"]) if environment.get("REGISTRY_AUTH_FILE") else None)
    if named is not None:
        found = _logins(named)
        if found is None:
            raise InvalidSettings(f"{named}: no such file")
        return KnownLogins(found)
    merged: dict[str, Found] = {}
    for place in _default_places(environment):
        for key, login in (_logins(place) or {}).items():
            merged.setdefault(key, login)
    return KnownLogins(merged)


def _default_places(environment: Mapping[str, str]) -> list[Path]:
    home = Path(environment.get("HOME") or "/nonexistent")
    runtime = environment.get("XDG_RUNTIME_DIR")
    run = Path(runtime) / "containers" if runtime else Path(f"/run/containers/{os.getuid()}")
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers"
    docker = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
    return [run / "auth.json", config / "auth.json", docker / "config.json"]


def _logins(file: Path) -> dict[str, Found] | None:
    try:
        with file.open("rb") as handle:
            content = handle.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise InvalidSettings(f"{file}: {problem.strerror}") from problem
    if len(content) > MAX_FILE_BYTES:
        raise InvalidSettings(f"{file}: larger than {MAX_FILE_BYTES} bytes")
    try:
        parsed = msgspec.json.decode(content or b"{}", type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise InvalidSettings(f"{file}: no auth file: {problem}") from problem
    return {
        key: Found(login, f"{file}, key {key}")
        for key, entry in (parsed.auths or {}).items()
        if (login := _login(file, key, entry))
    }


def _login(file: Path, key: str, entry: _Entry) -> Login | None:
    username, password = entry.username, entry.password
    if entry.auth:
        try:
            username, colon, password = base64.b64decode(entry.auth).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as problem:
            raise InvalidSettings(f"{file}: the auth of {key} is no base64 of NAME:PASSWORD") from problem
        if not colon:
            raise InvalidSettings(f"{file}: the auth of {key} is no base64 of NAME:PASSWORD")
    if not username and not entry.identitytoken:
        return None  # `"registry.example": {}` is written where a helper keeps the login
    return Login(username, password.rstrip("\0"), entry.identitytoken)
