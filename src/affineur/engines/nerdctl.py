"""nerdctl: docker's commands upon containerd (nerdctl, docs/command-reference.md and docs/registry.md)."""

from collections.abc import Sequence

from affineur.engines.docker import DockerLike
from affineur.engines.engine import Access, Landed, Storage, Wanted

__all__ = ["Nerdctl"]


class Nerdctl(DockerLike):
    """nerdctl, in the namespace that $CONTAINERD_NAMESPACE or its own configuration names."""

    name = "nerdctl"

    def cannot(self, access: Access) -> Sequence[str]:
        """See `Engine`."""
        said = []
        if access.authfile is not None:
            said.append("--authfile: its logins are those of `nerdctl login`, in $DOCKER_CONFIG/config.json")
        if access.cert_dir is not None:
            said.append("--cert-dir: its certificates are those of containerd's and docker's certs.d")
        if access.mapped:
            said.append("mirrors by URL: it asks the registry itself, or what hosts.toml names")
        if access.configured:
            said.append("registries.conf: it does not read it, and asks the registry itself")
        return said

    def options(self, access: Access) -> tuple[str, ...]:
        """`--insecure-registry` stands for both: certificates unverified, and plain HTTP where there is no TLS."""
        return ("--insecure-registry",) if access.plain or not access.tls_verify else ()

    def tag(self, wanted: Wanted, landed: Landed) -> None:
        """See `Engine`: by its exact name, as the older ones know no ids here."""
        self._program.answer("tag", "--", wanted.exact, wanted.tagged)

    def storage(self) -> Storage:
        """See `Engine`."""
        return Storage(None, why="nerdctl does not say where containerd keeps its content")
