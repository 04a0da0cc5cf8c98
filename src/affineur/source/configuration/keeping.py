"""Logins kept and forgotten, where podman would: a helper, or the auth file that is read first.

containers/image, pkg/docker/config (SetCredentials, RemoveAuthentication). Other than podman 4, which writes only the
members it knows, everything else in a file stays, as it belongs to docker as well.
"""

import base64
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from affineur.errors import InvalidReference, InvalidSettings
from affineur.oci.reference import parse_reference
from affineur.source.configuration.authfiles import AuthFile, Place, content_of, parse_auth_file, primary_file
from affineur.source.configuration.helpers import CredentialHelper
from affineur.source.configuration.logins import AUTH_FILES, DOCKER_HUB_SERVER
from affineur.source.credentials import Login

__all__ = ["Keeper", "LoginKey"]


class LoginKey(msgspec.Struct, frozen=True):
    """What a login is kept for: a registry, or what lies below a namespace or repository of it.

    Attributes:
        repository: "" for the registry as a whole.
    """

    registry: str
    repository: str = ""

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}" if self.repository else self.registry

    @classmethod
    def parse(cls, text: str) -> "LoginKey":
        """`registry.example:5000/team`; of a URL, its host alone counts, as for podman. Raises InvalidReference."""
        stripped = text.removeprefix("https://").removeprefix("http://")
        key = stripped.partition("/")[0] if stripped != text else text
        host, slash, repository = key.partition("/")
        try:
            registry = parse_reference(f"{host}/{repository or 'x'}").registry
        except InvalidReference as problem:
            raise InvalidReference(f"{text[:300]!r} is no HOST[:PORT][/NAMESPACE]: {problem}") from problem
        if host not in (registry, "index.docker.io"):
            raise InvalidReference(f"{text[:300]!r} names no registry: a host has a dot or a port, or is localhost")
        if bool(slash) != bool(repository) or ":" in repository or "@" in repository:
            raise InvalidReference(f"{text[:300]!r}: a login is for HOST[:PORT][/NAMESPACE], without tag or digest")
        return cls(registry, repository)


class Keeper:
    """Where this user's logins are written."""

    def __init__(
        self, authfile: Path | None, environment: Mapping[str, str], helpers: Sequence[str] = (AUTH_FILES,)
    ) -> None:
        """Nothing is read or run yet. Args: as `ConfiguredLogins`; `authfile` need not exist."""
        self._authfile, self._environment = authfile, environment
        self._helpers = tuple(helpers) or (AUTH_FILES,)

    def store(self, key: LoginKey, login: Login) -> str:
        """Keep a name and password, in place of what was kept for the same key.

        Returns:
            Where, in words for people.

        Raises InvalidSettings: no place takes it.
        """
        problem: InvalidSettings | None = None
        for name in self._helpers:
            try:
                if name == AUTH_FILES:
                    return self._store_in_file(key, login)
                return self._store_by(name, key, key.registry, login)
            except InvalidSettings as failed:  # as podman: the next one of the user's list
                problem = problem or failed
        assert problem is not None  # noqa: S101 - for the type checker: there is at least one place
        raise problem

    def erase(self, key: LoginKey) -> tuple[str, ...]:
        """Forget what is kept for exactly this key; returns from where, nothing if there was none.

        Raises InvalidSettings: a place cannot be read or changed.
        """
        erased: list[str] = []
        for name in self._helpers:
            if name == AUTH_FILES:
                erased += self._erase_in_file(key)
            elif not key.repository and self._helper(name).erase(key.registry):
                erased.append(f"credential helper {name}")
        return tuple(erased)

    def erase_all(self) -> tuple[str, ...]:
        """Forget every login of the file that is written to, of its helpers, and of those in registries.conf.

        Which helper keeps what stays configured. Returns from where. Raises InvalidSettings.
        """
        erased: list[str] = []
        for name in self._helpers:
            if name == AUTH_FILES:
                erased += self._erase_file()
            else:
                erased += self._erase_by(name)
        return tuple(erased)

    def _place(self) -> Place:
        place = primary_file(self._authfile, self._environment)
        runtime = self._environment.get("XDG_RUNTIME_DIR")
        if place.why == "$XDG_RUNTIME_DIR" and runtime and not Path(runtime).is_dir():
            raise InvalidSettings(f"$XDG_RUNTIME_DIR: {runtime} is no folder; make it, or name a file by --authfile")
        return msgspec.structs.replace(place, required=False)

    def _helper(self, name: str) -> CredentialHelper:
        return CredentialHelper(name, self._environment)

    def _store_by(self, name: str, key: LoginKey, server: str, login: Login) -> str:
        if key.repository:
            raise InvalidSettings(
                f"credential helper {name} keeps logins by host, not for {key}; log in to {key.registry}, or name"
                " a file by --authfile"
            )
        self._helper(name).store(server, login)
        return f"credential helper {name}"

    def _store_in_file(self, key: LoginKey, login: Login) -> str:
        place = self._place()
        file = parse_auth_file(place) or AuthFile()
        chosen = file.helper_for(key.registry)
        if chosen is not None:
            return self._store_by(chosen[0], key, chosen[1], login) + f", named in {place.path}"
        name = _written(key, place)
        if file.store:  # docker leaves an empty entry where its store has the login
            where = self._store_by(file.store, key, _server(key), login) + f", named in {place.path}"
            _change(place, lambda auths: auths.update({name: {}}))
            return where
        value = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
        _change(place, lambda auths: auths.update({name: {"auth": value}}))
        return str(place.path)

    def _erase_in_file(self, key: LoginKey) -> list[str]:
        place = self._place()
        file = parse_auth_file(place)
        if file is None:
            return []
        erased: list[str] = []
        if not key.repository:
            chosen = file.helper_for(key.registry)
            kept_by = [chosen] if chosen is not None else []
            kept_by += [(file.store, _server(key))] if file.store else []
            erased += [f"credential helper {name}" for name, server in kept_by if self._helper(name).erase(server)]
        spellings = file.spellings(key.registry, key.repository)
        if spellings:
            _change(place, lambda auths: [auths.pop(spelling) for spelling in spellings])
            if any(file.holds(spelling) for spelling in spellings):
                erased.append(str(place.path))
        return erased

    def _erase_file(self) -> list[str]:
        place = self._place()
        file = parse_auth_file(place)
        if file is None:
            return []
        kept_by = (file.helpers or {}).items()
        erased = [f"credential helper {name}" for server, name in kept_by if self._helper(name).erase(server)]
        if file.store:
            erased += self._erase_by(file.store)
        if file.auths:
            _change(place, lambda auths: auths.clear())
            erased.append(str(place.path))
        return list(dict.fromkeys(erased))

    def _erase_by(self, name: str) -> list[str]:
        helper = self._helper(name)
        erased = [helper.erase(server) for server in helper.list()]
        return [f"credential helper {name}"] if any(erased) else []


def _server(key: LoginKey) -> str:
    return DOCKER_HUB_SERVER if key.registry == "docker.io" else key.registry


def _written(key: LoginKey, place: Place) -> str:
    """The key as it stands in the file; podman 5 does the same for $DOCKER_CONFIG (prepareForEdit)."""
    if not place.docker:
        return str(key)
    if key.repository:
        raise InvalidSettings(
            f"{place.path} is docker's, which keeps logins by host, not for {key}; log in to {key.registry}, or name"
            " another file by --authfile"
        )
    return _server(key)


def _change(place: Place, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the entries of a file that has been parsed before; all else in it stays as it is."""
    document = json.loads(content_of(place) or b"{}")
    auths = document.get("auths") or {}
    edit(auths)
    document["auths"] = dict(sorted(auths.items()))
    _replace(place.path, json.dumps(document, indent="\t", ensure_ascii=False).encode())


def _replace(path: Path, content: bytes) -> None:
    """Put a file in the place of another in one step, for its owner alone.

    A symbolic link stays, and what it leads to is replaced: podman 4 writes through it, too.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            raise InvalidSettings(f"{path}: is no file")
        for folder in reversed([target.parent, *target.parent.parents]):
            if not folder.exists():
                folder.mkdir(0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".auth-", delete=False) as new:  # mode 0600
            try:
                new.write(content)
                new.flush()
                os.fsync(new.fileno())
                Path(new.name).replace(target)
            except BaseException:
                Path(new.name).unlink(missing_ok=True)
                raise
    except OSError as problem:
        raise InvalidSettings(
            f"{path}: cannot be written: {problem.strerror}; name another file by --authfile"
        ) from problem
