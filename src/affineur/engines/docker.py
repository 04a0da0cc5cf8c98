"""docker, and what podman and nerdctl share with it: the same commands, and the same words in `image inspect`.

docker's command line has no option for how a registry is reached: its daemon goes by its own configuration
(docs.docker.com, dockerd § insecure-registries, registry-mirrors; `certs.d` for certificates).
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec

from affineur.engines.engine import Access, EngineFailed, Landed, Shown, Storage, Wanted
from affineur.engines.running import Program
from affineur.errors import InvalidReference
from affineur.oci.reference import Reference, parse_reference

__all__ = ["Docker", "DockerLike", "here"]

T = TypeVar("T")

MAX_IMAGES = 300
"""Images of an engine's store that are asked which layers they have; each costs podman about 1 ms."""
COPYING_DRIVERS = ("vfs", "native")
"""Each layer of theirs is a whole copy of what is below it (containers-storage.conf(5); containerd, native)."""


class _RootFS(msgspec.Struct):
    layers: list[str] | None = msgspec.field(default=None, name="Layers")


class _Inspected(msgspec.Struct):
    """What is read of an image's description; the rest of it is passed over."""

    id: str = msgspec.field(name="Id")
    digest: str = msgspec.field(default="", name="Digest")
    repo_digests: list[str] | None = msgspec.field(default=None, name="RepoDigests")
    os: str = msgspec.field(default="", name="Os")
    architecture: str = msgspec.field(default="", name="Architecture")
    variant: str = msgspec.field(default="", name="Variant")
    root_fs: _RootFS | None = msgspec.field(default=None, name="RootFS")


class DockerLike:
    """What the three have in common. See `Engine` for the contract.

    Attributes:
        name: of the program.
        info: what it answers to `info`, as JSON.
    """

    name: ClassVar[str]
    info_format: ClassVar[str] = "{{json .}}"

    def __init__(self, program: Program) -> None:
        """Asks whether it answers. Raises EngineFailed: it does not."""
        self._program = program
        self.info = self._decoded(program.answer("info", "--format", self.info_format), dict[str, Any], "info")

    @property
    def program(self) -> Path:
        """See `Engine`."""
        return self._program.path

    @property
    def version(self) -> str:
        """See `Engine`."""
        return _text(self.info, "ServerVersion")

    def options(self, access: Access) -> tuple[str, ...]:
        """What it is told about the registry."""
        return ()

    def pull_words(self, wanted: Wanted, access: Access) -> tuple[str, ...]:
        """See `Engine`."""
        # the platform is known, and only this one is right: without it some engines warn of, or refuse, a foreign one
        platform = (f"--platform={wanted.platform}",) if wanted.platform else ()
        return (self.name, "pull", *self.options(access), *platform, "--", wanted.exact)

    def pull(self, wanted: Wanted, access: Access, shown: Shown) -> None:
        """See `Engine`."""
        self._program.work(self.pull_words(wanted, access)[1:], shown)

    def landed(self, name: str) -> Landed | None:
        """See `Engine`."""
        answer = self._program.ask("image", "inspect", "--", name)
        if not answer.good:
            return None
        found = self._decoded(answer.out, list[_Inspected], "image inspect")
        if len(found) != 1:
            raise EngineFailed(f"{self.name} image inspect: describes {len(found)} images where one was asked for")
        return self._described(found[0], parse_reference(name))

    def tag(self, wanted: Wanted, landed: Landed) -> None:
        """See `Engine`: what was looked at is what is tagged, by its own id."""
        self._program.answer("tag", "--", landed.id, wanted.tagged)

    def storage(self) -> Storage:
        """See `Engine`."""
        root, driver = _text(self.info, "DockerRootDir"), _text(self.info, "Driver")
        if not root or not here(_text(self.info, "Name"), _text(self.info, "KernelVersion")):
            return Storage(None, why=f"{self.name}'s storage is not on this machine, or it does not say where")
        return Storage(Path(root), copies=driver in COPYING_DRIVERS)

    def layers_there(self, diff_ids: Sequence[str], blobs: Sequence[str]) -> frozenset[int]:
        """See `Engine`: as far as an image of its store begins with the same layers."""
        try:
            listed = self._program.ask("image", "ls", "--quiet", "--no-trunc")
            ids = list(dict.fromkeys(listed.out.decode("ascii", errors="replace").split()))
            if not listed.good or not ids or len(ids) > MAX_IMAGES or any(each.startswith("-") for each in ids):
                return frozenset()
            answer = self._program.ask("image", "inspect", "--", *ids)
            if not answer.good:
                return frozenset()
            found = self._decoded(answer.out, list[_Inspected], "image inspect")
        except EngineFailed:
            return frozenset()
        stacks = [each.root_fs.layers or () for each in found if each.root_fs is not None]
        return frozenset(range(max((_common(stack, diff_ids) for stack in stacks), default=0)))

    def _described(self, found: _Inspected, asked: Reference) -> Landed:
        digests = {found.digest} if found.digest else set()
        for text in found.repo_digests or ():
            try:
                each = parse_reference(text)  # docker says `debian@…` for docker.io/library/debian@…
            except InvalidReference:
                continue
            if each.digest is not None and each.name == asked.name:
                digests.add(str(each.digest))
        platform = "/".join(part for part in (found.os, found.architecture, found.variant) if part)
        layers = None if found.root_fs is None else tuple(found.root_fs.layers or ())
        return Landed(found.id, frozenset(digests), platform, layers)

    def _decoded(self, content: bytes, kind: type[T], what: str) -> T:
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
            raise EngineFailed(f"{self.name} {what}: says what cannot be understood: {problem}") from problem


class Docker(DockerLike):
    """docker, by its command line and daemon."""

    name = "docker"

    def cannot(self, access: Access) -> Sequence[str]:
        """See `Engine`."""
        said = []
        if access.authfile is not None:
            said.append("--authfile: its logins are those of `docker login`")
        if access.cert_dir is not None:
            said.append("--cert-dir: its certificates are those of /etc/docker/certs.d")
        if not access.tls_verify:
            said.append("--tls-verify=false: it goes by insecure-registries in its daemon.json")
        if access.mapped:
            said.append("mirrors by URL: it asks the registry itself, or the registry-mirrors in its daemon.json")
        if access.configured:
            said.append("registries.conf: it does not read it, and asks the registry itself")
        return said


def here(host: str, kernel: str) -> bool:
    """Whether an engine that says this of the machine it runs on runs on this one."""
    own = os.uname()
    return (host, kernel) == (own.nodename, own.release)


def _text(info: dict[str, Any], key: str) -> str:
    value = info.get(key)
    return value if isinstance(value, str) else ""


def _common(stack: Sequence[str], wanted: Sequence[str]) -> int:
    """How many layers from the base on are the same: upon others, the same layer is another one (a chain ID)."""
    pairs = list(zip(stack, wanted, strict=False))
    return next((number for number, (one, other) in enumerate(pairs) if one != other), len(pairs))
