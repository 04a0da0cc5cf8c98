"""What the file says of registries, as what the client and the sources ask: limits, TLS, logins."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from affineur.http.pacing import Limit
from affineur.http.tls import HostTls, TlsRule
from affineur.move.sync.file import Registry
from affineur.oci.reference import DEFAULT_REGISTRY
from affineur.source.access import DOCKER_HUB_HOST
from affineur.source.configuration.certificates import read_folder
from affineur.source.credentials import Found, Logins

__all__ = ["FileLogins", "FileTls", "limits_of"]


def limits_of(registries: Mapping[str, Registry]) -> dict[str, Limit]:
    """For `Pacing`."""
    return {
        _host(name): Limit(each.requests_per_minute, each.requests)
        for name, each in registries.items()
        if each.requests_per_minute is not None or each.requests is not None
    }


class FileTls:
    """A `TlsRule`: what the file says of a registry goes before what holds otherwise, for that registry alone."""

    def __init__(self, otherwise: TlsRule, registries: Mapping[str, Registry], folder: Path) -> None:
        """Nothing is read yet. Args: folder: below which `cert-dir` lies."""
        self._otherwise, self._folder = otherwise, folder
        self._registries = {_host(name): each for name, each in registries.items()}

    def __call__(self, host: str, port: int, registry: bool) -> HostTls:
        """See `TlsRule`."""
        shown = f"[{host}]" if ":" in host else host
        said = self._registries.get(f"{shown}:{port}")
        if said is None and port in (443, 80):
            said = self._registries.get(shown)
        found = self._otherwise(host, port, registry)
        if said is None or not registry:
            return found
        if said.cert_dir:
            given = read_folder(self._folder / said.cert_dir)
            found = HostTls(found.verify, given.authorities, given.pairs)
        return found if said.tls_verify else msgspec.structs.replace(found, verify=False)


class FileLogins:
    """`Logins`: those of skopeo's form before all others."""

    def __init__(self, otherwise: Logins, registries: Mapping[str, Registry], file: str) -> None:
        """Args: file: its name, for messages."""
        self._otherwise, self._registries, self._file = otherwise, registries, file

    def find(self, registry: str, repository: str) -> Found | None:
        """See `Logins`."""
        said = self._registries.get(registry)
        if said is not None and said.login is not None:
            return Found(said.login, f"{self._file}, credentials of {registry}")
        return self._otherwise.find(registry, repository)


def _host(name: str) -> str:
    return DOCKER_HUB_HOST if name == DEFAULT_REGISTRY else name.lower()
