"""The image configuration: what an image says of itself. All of it is only claimed.

OCI image-spec 1.1, config.md; Docker's own members where they are shown. No I/O.
"""

from typing import Any

import msgspec

from affineur.oci.digest import Digest
from affineur.oci.document import decoded, spellings

__all__ = ["Config", "History", "RootFS", "Run", "read_config"]

_KEYS = spellings(
    *("architecture", "os", "variant", "os.version", "created", "config", "rootfs", "diff_ids", "history"),
    *("User", "Env", "Entrypoint", "Cmd", "WorkingDir", "Labels", "ExposedPorts", "Volumes", "StopSignal"),
)


class Run(msgspec.Struct, frozen=True, rename="pascal"):
    """How a container of the image starts. Members that are null in the document are None here."""

    user: str | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    exposed_ports: dict[str, Any] | None = None
    volumes: dict[str, Any] | None = None
    stop_signal: str | None = None


class RootFS(msgspec.Struct, frozen=True):
    """The layers by the digest of their uncompressed content, base first."""

    type: str = "layers"
    diff_ids: tuple[Digest, ...] | None = ()


class History(msgspec.Struct, frozen=True):
    """How one layer, or a step without one, came about."""

    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class Config(msgspec.Struct, frozen=True):
    """The members that somebody asks for; the bytes hold the rest.

    Attributes:
        created: RFC 3339 as written, never reformatted; None where absent.
    """

    architecture: str = ""
    os: str = ""
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    created: str | None = None
    author: str | None = None
    docker_version: str | None = None
    config: Run | None = None
    rootfs: RootFS = RootFS()
    history: tuple[History, ...] | None = None

    @property
    def run(self) -> Run:
        """`config`, empty where the document has none."""
        return self.config or Run()

    @property
    def labels(self) -> dict[str, str]:
        """The labels, empty where there are none."""
        return self.run.labels or {}

    @property
    def diff_ids(self) -> tuple[Digest, ...]:
        """One per layer, base first."""
        return self.rootfs.diff_ids or ()


def read_config(content: bytes, source: str) -> Config:
    """An image configuration's bytes as a value. Raises MalformedDocument, LimitExceeded."""
    return decoded(content, Config, source, _KEYS)
