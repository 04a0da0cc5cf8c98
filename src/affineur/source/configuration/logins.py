"""Where a login comes from: auth files and credential helpers, asked in podman's order when a registry wants one.

containers-auth.json(5); containers-registries.conf(5), `credential-helpers`; containers/image, pkg/docker/config.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from affineur.errors import InvalidSettings
from affineur.source.configuration.authfiles import Place, auth_files, parse_auth_file
from affineur.source.credentials import Found

__all__ = ["AUTH_FILES", "DOCKER_HUB_SERVER", "ConfiguredLogins"]

AUTH_FILES = "containers-auth.json"
"""Stands for the auth files among the `credential-helpers` of registries.conf."""
DOCKER_HUB_SERVER = "https://index.docker.io/v1/"
"""What docker calls Docker Hub when it asks its `credsStore`."""


class ConfiguredLogins:
    """The logins of this user; see `Logins`. Each question reads the files anew, none is read before."""

    def __init__(
        self,
        authfile: Path | None,
        environment: Mapping[str, str],
        helpers: Sequence[str] = (AUTH_FILES,),
        *,
        missing_ok: bool = False,
    ) -> None:
        """Nothing is read or run yet.

        Args:
            authfile: what --authfile names; then no other file is looked into.
            environment: variables that name files, and what helpers are run with.
            helpers: `credential-helpers` of registries.conf, in order.
            missing_ok: a file that was named and is not there holds no login, instead of being an error.
        """
        self._authfile, self._environment = authfile, environment
        self._helpers = tuple(helpers) or (AUTH_FILES,)
        self._missing_ok = missing_ok

    @property
    def places(self) -> list[Place]:
        """The files that are looked into, in order, whether or not they exist."""
        places = auth_files(self._authfile, self._environment)
        return [msgspec.structs.replace(place, required=False) for place in places] if self._missing_ok else places

    def find(self, registry: str, repository: str) -> Found | None:
        """See `Logins`. The first source that has a login decides; in a file, its helper goes before its entries.

        A namespace's entry is looked for file by file: the registry's own entry in an earlier file hides it.

        Raises InvalidSettings: a source cannot be read or fails, and no later one has a login.
        """
        problem: InvalidSettings | None = None
        for helper in self._helpers:
            try:
                if helper == AUTH_FILES:
                    found = self._in_files(registry, repository)
                else:
                    found = self._kept_by(helper, registry, f"credential helper {helper}, named in registries.conf")
            except InvalidSettings as failed:
                problem = problem or failed
                continue
            if found is not None:
                return found
        if problem is not None:
            raise problem
        return None

    def _in_files(self, registry: str, repository: str) -> Found | None:
        for place in self.places:
            found = self._in_file(place, registry, repository)
            if found is not None:
                return found
        return None

    def _in_file(self, place: Place, registry: str, repository: str) -> Found | None:
        file = parse_auth_file(place)
        if file is None:
            return None
        helper = file.helper_for(registry)
        if helper is not None:
            name, server = helper
            return self._kept_by(name, server, f"credential helper {name}, named in {place.path}")
        key = file.entry_for(registry, repository, bare=place.bare)
        login = file.login(key, place.path) if key is not None else None
        if login is not None:
            return Found(login, f"{place.path}, key {key}")
        if file.store:
            server = DOCKER_HUB_SERVER if registry == "docker.io" else registry
            return self._kept_by(file.store, server, f"credential store {file.store}, named in {place.path}")
        return None

    def _kept_by(self, helper: str, server: str, where: str) -> Found | None:
        from affineur.source.configuration.helpers import CredentialHelper

        login = CredentialHelper(helper, self._environment).get(server)
        return Found(login, where) if login is not None else None
