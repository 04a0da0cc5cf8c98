"""Certificates by host, as the engines keep them: containers-certs.d(5), and Docker's folder of the same form.

The first folder that there is for a host is the one, as in containers/image; the others are not looked at. A folder is
named as the registry is in references: `registry.example:5000`, `registry.example` for port 443, `docker.io`.
"""

from functools import cache
from pathlib import Path

import msgspec

from affineur.errors import InvalidSettings
from affineur.http.tls import HostTls
from affineur.source.configuration.entitlements import Entitlements

__all__ = ["Certificates", "TlsByHost", "certificates_of", "read_folder"]

HOME_FOLDER = ".config/containers/certs.d"
"""Below the user's home, wherever XDG_CONFIG_HOME points: so the engines have it."""
SYSTEM_FOLDERS = ("etc/containers/certs.d", "etc/docker/certs.d")

_ALSO_KNOWN_AS = {"registry-1.docker.io": "docker.io", "index.docker.io": "docker.io"}


class Certificates(msgspec.Struct, frozen=True):
    """What a folder holds.

    Attributes:
        folder: the one that was found, or None.
        authorities: its *.crt, sorted.
        pairs: its *.cert, each with its *.key.
        unreadable: folders on the way that may not be looked into; they count as empty.
    """

    folder: Path | None = None
    authorities: tuple[Path, ...] = ()
    pairs: tuple[tuple[Path, Path], ...] = ()
    unreadable: tuple[Path, ...] = ()


def certificates_of(host: str, port: int, *, home: Path | None, root: Path = Path("/")) -> Certificates:
    """What certs.d has for a host. Raises InvalidSettings.

    Args:
        host: lower case, IPv6 without brackets.
        home: the user's; None if there is none.
        root: of the system's files.
    """
    bases = [home / HOME_FOLDER] if home is not None else []
    unreadable: list[Path] = []
    for base in (*bases, *(root / folder for folder in SYSTEM_FOLDERS)):
        for name in _names(host, port):
            folder = base / name
            try:
                folder.stat()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError:
                unreadable.append(folder)
                continue
            except OSError as problem:
                raise InvalidSettings(f"certificates: {folder}: {problem.strerror}") from problem
            found = read_folder(folder)
            return msgspec.structs.replace(found, unreadable=(*unreadable, *found.unreadable))
    return Certificates(unreadable=tuple(unreadable))


def read_folder(folder: Path) -> Certificates:
    """A folder's *.crt, *.cert and *.key; other files are nobody's business. The files themselves are not read yet.

    Raises InvalidSettings: it is no folder, or half of a pair is missing.
    """
    try:
        names = sorted(file.name for file in folder.iterdir())
    except PermissionError:
        return Certificates(folder, unreadable=(folder,))
    except OSError as problem:
        raise InvalidSettings(f"certificates: {folder}: {problem.strerror}") from problem
    pairs = []
    for name in names:
        stem, _, kind = name.rpartition(".")
        if kind == "cert":
            if f"{stem}.key" not in names:
                raise InvalidSettings(
                    f"certificates: {folder / name} is a client certificate without its key, {stem}.key, beside it"
                    " (an authority's certificate ends in .crt)"
                )
            pairs.append((folder / name, folder / f"{stem}.key"))
        elif kind == "key" and f"{stem}.cert" not in names:
            raise InvalidSettings(
                f"certificates: {folder / name} is a key without its client certificate, {stem}.cert, beside it"
            )
    # A link that leads nowhere is passed over, as by the engines.
    authorities = tuple(folder / name for name in names if name.endswith(".crt") and (folder / name).exists())
    return Certificates(folder, authorities, tuple(pairs))


class TlsByHost:
    """The `TlsRule` of a run: what certs.d says of each host, and what the command line says.

    Of the command line, `verify=False` and the client certificate of `cert_dir` hold for the registries that the user
    named (`Client.base_url`), and for nobody else: credentials stay with their host. The authorities in `cert_dir` are
    trusted for every host of the run, because archives and token services behind a private authority are reached by no
    other option. With `cert_dir`, certs.d is not asked about those registries.
    """

    def __init__(
        self,
        *,
        home: Path | None,
        root: Path = Path("/"),
        cert_dir: Path | None = None,
        verify: bool = True,
        entitlements: Entitlements | None = None,
    ) -> None:
        """Nothing is read yet. Args: home, root: as for `certificates_of`."""
        self._home, self._root, self._cert_dir, self._verify = home, root, cert_dir, verify
        self._entitlements = entitlements or Entitlements()
        self._found = cache(self._look)

    def __call__(self, host: str, port: int, registry: bool) -> HostTls:
        """See `TlsRule`. What was found is remembered."""
        return self._found(host, port, registry)

    def _look(self, host: str, port: int, registry: bool) -> HostTls:
        given = Certificates() if self._cert_dir is None else read_folder(self._cert_dir)
        if registry and self._cert_dir is not None:
            return HostTls(self._verify, given.authorities, given.pairs)
        own = certificates_of(host, port, home=self._home, root=self._root)
        tls = HostTls(self._verify or not registry, own.authorities + given.authorities, own.pairs)
        return tls if registry else self._entitlements.added(host, port, tls)


def _names(host: str, port: int) -> list[str]:
    shown = f"[{host}]" if ":" in host else host
    names = [f"{shown}:{port}"]
    if port == 443:
        names.insert(0, shown)
        if host in _ALSO_KNOWN_AS:
            names.insert(0, _ALSO_KNOWN_AS[host])
    return names
