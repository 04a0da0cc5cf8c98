"""Entitlements, as subscription-manager keeps them: client certificates that a distribution's servers ask for.

A folder holds `NUMBER.pem` with `NUMBER-key.pem` (/etc/pki/entitlement of a subscribed host; rhsm.conf(5),
entitlementCertDir), and may hold `*.crt`, authorities that vouch for those servers (redhat-uep.pem under such a name).
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from affineur.errors import InvalidSettings
from affineur.http.tls import HostTls

__all__ = ["ENTITLED", "Entitlements"]

ENTITLED = "https://cdn.redhat.com"
"""What lies below it is for entitled clients only (rhsm.conf(5), baseurl)."""


class Entitlements(msgspec.Struct, frozen=True):
    """The user's entitlements, and the servers that they are shown to: nobody else learns of them.

    Attributes:
        hosts: (host, port) of those servers, and of the mirrors of them that the user named.
    """

    pairs: tuple[tuple[Path, Path], ...] = ()
    authorities: tuple[Path, ...] = ()
    hosts: frozenset[tuple[str, int]] = frozenset()

    def added(self, host: str, port: int, tls: HostTls) -> HostTls:
        """What holds for a host, with the entitlements where they are for it."""
        if (host, port) not in self.hosts:
            return tls
        return HostTls(tls.verify, tls.authorities + self.authorities, tls.pairs + self.pairs)

    @classmethod
    def read(cls, folder: Path, hosts: Iterable[tuple[str, int]]) -> "Entitlements":
        """Look into a folder; the files are not read yet. Raises InvalidSettings: it holds no entitlement, or half."""
        try:
            names = sorted(file.name for file in folder.iterdir())
        except OSError as problem:
            raise InvalidSettings(f"entitlements: {folder}: {problem.strerror}") from problem
        pairs = []
        for name in names:
            if name.endswith(".pem") and not name.endswith("-key.pem"):
                key = f"{name.removesuffix('.pem')}-key.pem"
                if key not in names:
                    raise InvalidSettings(f"entitlements: {folder / name} is without its key, {key}, beside it")
                pairs.append((folder / name, folder / key))
        if not pairs:
            raise InvalidSettings(f"entitlements: {folder} holds no NUMBER.pem with its NUMBER-key.pem")
        return cls(tuple(pairs), tuple(folder / name for name in names if name.endswith(".crt")), frozenset(hosts))
