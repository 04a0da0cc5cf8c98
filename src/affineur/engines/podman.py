"""podman: its own options for how a registry is reached, and registries.conf, which it reads as we do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from affineur.engines.docker import COPYING_DRIVERS, DockerLike, here
from affineur.engines.engine import Access, Storage

__all__ = ["Podman"]


class Podman(DockerLike):
    """podman(1), without a daemon or with one elsewhere."""

    name = "podman"
    info_format = "json"

    @property
    def version(self) -> str:
        """See `Engine`."""
        return str(self._of("version", "Version"))

    def cannot(self, access: Access) -> Sequence[str]:
        """See `Engine`."""
        return (
            ["mirrors by URL: it asks the registry itself, or the mirrors of registries.conf"] if access.mapped else []
        )

    def options(self, access: Access) -> tuple[str, ...]:
        """podman-pull(1)."""
        insecure = access.plain or not access.tls_verify
        return (
            *(("--tls-verify=false",) if insecure else ()),
            *((f"--cert-dir={access.cert_dir}",) if access.cert_dir is not None else ()),
            *((f"--authfile={access.authfile}",) if access.authfile is not None else ()),
        )

    def storage(self) -> Storage:
        """See `Engine`."""
        root, temporary = self._of("store", "graphRoot"), self._of("store", "imageCopyTmpDir")
        remote = self._of("host", "serviceIsRemote")
        if remote or not root or not here(self._of("host", "hostname"), self._of("host", "kernel")):
            return Storage(None, why="podman's storage is not on this machine, or it does not say where")
        # "storage" is what podman says where fetched layers lie in the store itself: containers.conf(5)
        folder = Path(temporary) if temporary.startswith("/") else None
        return Storage(Path(root), folder, copies=self._of("store", "graphDriverName") in COPYING_DRIVERS)

    def _of(self, group: str, key: str) -> Any:
        found = self.info.get(group)
        value = found.get(key) if isinstance(found, dict) else None
        return value if isinstance(value, str | bool) else ""
