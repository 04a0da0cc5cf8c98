"""A container engine on this machine: what it is told, and what it is asked afterwards."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from affineur.errors import ContentError, SourceError
from affineur.oci.digest import Digest

__all__ = ["Access", "Engine", "EngineFailed", "Landed", "OtherContent", "Shown", "Storage", "Wanted"]

Shown: TypeAlias = Callable[[str], object]
"""Told each line of an engine's progress, made safe to print."""


class EngineFailed(SourceError):
    """An engine is not there, does not answer, or did not do what it was told; its last words are in the message."""


class OtherContent(ContentError):
    """An engine says that it did what it was told, and has something else."""


class Wanted(msgspec.Struct, frozen=True):
    """One image of one platform, as it was assessed.

    Attributes:
        name: registry and repository, fully qualified.
        digest: of the platform's own manifest, never of an index: with an index the engine would choose the platform.
        platform: `os/architecture[/variant]` as the config says; "" where it says none that can be handed on.
        diff_ids: of the layers, base first; None where nothing in the manifest tells them (Docker's schema 1).
        tag: the name that it gets once it was checked; "" for none.
    """

    name: str
    digest: Digest
    platform: str
    diff_ids: tuple[str, ...] | None
    tag: str = ""

    @property
    def exact(self) -> str:
        """`REGISTRY/REPOSITORY@DIGEST`."""
        return f"{self.name}@{self.digest}"

    @property
    def tagged(self) -> str:
        """`REGISTRY/REPOSITORY:TAG`."""
        return f"{self.name}:{self.tag}"


class Access(msgspec.Struct, frozen=True):
    """How the registry was reached when the image was assessed, so that an engine can be told the same.

    Attributes:
        tls_verify: False: the user said that certificates need not be verified.
        plain: it speaks plain HTTP, and that was allowed.
        cert_dir: as containers-certs.d(5) has it: *.crt, *.cert and *.key.
        authfile: the user's own choice of it.
        mapped: the user's own map of URLs (`--mirror`, `[[mirror]]`) leads elsewhere.
        configured: registries.conf leads elsewhere.
    """

    tls_verify: bool = True
    plain: bool = False
    cert_dir: Path | None = None
    authfile: Path | None = None
    mapped: bool = False
    configured: bool = False


class Landed(msgspec.Struct, frozen=True):
    """What an engine says that it has under a name.

    Attributes:
        id: the engine's own name for it.
        digests: of manifests or indexes of which it is the image, in the repository that was asked for.
        platform: `os/architecture[/variant]`; "" where the engine does not say.
        diff_ids: base first; None where the engine does not say.
    """

    id: str
    digests: frozenset[str]
    platform: str = ""
    diff_ids: tuple[str, ...] | None = None


class Storage(msgspec.Struct, frozen=True):
    """Where an engine keeps images.

    Attributes:
        root: the folder on this machine; None where that is not known, or not on this machine.
        temporary: where layers lie as they were fetched (until they are unpacked; containerd keeps them); None: below
            `root`.
        copies: each layer is a whole copy of all that is below it (the drivers vfs and native).
        why: why `root` is not known.
    """

    root: Path | None
    temporary: Path | None = None
    copies: bool = False
    why: str = ""


class Engine(Protocol):
    """One engine, found and answering. Nothing that it has is ever removed.

    Every method raises EngineFailed where the program does not end well, or says what cannot be understood.
    """

    @property
    def name(self) -> str:
        """`podman`, `docker`, `nerdctl` or `ctr`."""
        ...

    @property
    def version(self) -> str:
        """As it says itself; "" where it does not."""
        ...

    @property
    def program(self) -> Path:
        """The file that is run."""
        ...

    def cannot(self, access: Access) -> Sequence[str]:
        """What of an access it has no option for, a sentence each on what it will do instead."""
        ...

    def pull_words(self, wanted: Wanted, access: Access) -> tuple[str, ...]:
        """The command that fetches an image by its digest, as a person would type it: the program's name first."""
        ...

    def pull(self, wanted: Wanted, access: Access, shown: Shown) -> None:
        """Fetch it by its digest; its progress goes to `shown`. As long as the engine takes."""
        ...

    def landed(self, name: str) -> Landed | None:
        """What it has under an exact or a tagged name; None where it has nothing, or says nothing about it."""
        ...

    def tag(self, wanted: Wanted, landed: Landed) -> None:
        """Give what landed the tag that is wanted."""
        ...

    def storage(self) -> Storage:
        """Where it keeps images. Raises nothing."""
        ...

    def layers_there(self, diff_ids: Sequence[str], blobs: Sequence[str]) -> frozenset[int]:
        """Which layers it need not fetch, by their position; those it is not sure of are not among them.

        Raises nothing.

        Args:
            diff_ids, blobs: uncompressed and compressed digests, base first.
        """
        ...
