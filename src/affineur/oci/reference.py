"""References: the name of an image in a registry, read as docker and podman read it.

Grammar: distribution-spec 1.1 § Pulling manifests; defaults: distribution/reference, "familiar names"
(`debian` is `docker.io/library/debian:latest`). No I/O.
"""

import re

import msgspec

from affineur.errors import InvalidReference, MalformedDocument
from affineur.oci.digest import Digest

__all__ = ["DEFAULT_REGISTRY", "DEFAULT_TAG", "Reference", "parse_reference"]

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
MAX_NAME_LENGTH = 255
"""Registry, slash and repository together: what many clients take (distribution-spec 1.1 § Pulling manifests)."""
MAX_TEXT = 2048

_OTHER_TRANSPORTS = (
    "containers-storage",
    "dir",
    "docker-archive",
    "docker-daemon",
    "oci",
    "oci-archive",
    "ostree",
    "sif",
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
_HEX_ID = re.compile(r"[0-9a-f]{64}")


class Reference(msgspec.Struct, frozen=True, order=True):
    """One image, or a repository's default one.

    Attributes:
        registry: host, or host:port, as written; IPv6 in brackets; `docker.io` for Docker Hub.
        repository: path without the registry, with `library/` where Docker Hub implies it.
        tag: None only where a digest was given without one.
        digest: where given, it alone decides; the tag beside it is only a remark.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def name(self) -> str:
        """Registry and repository, fully qualified."""
        return f"{self.registry}/{self.repository}"

    @property
    def which(self) -> str:
        """What a registry is asked for: the digest if there is one, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    def at(self, which: str) -> "Reference":
        """The same repository at another tag or digest."""
        if ":" in which:
            return Reference(self.registry, self.repository, None, Digest(which))
        return Reference(self.registry, self.repository, which)


def parse_reference(text: str) -> Reference:
    """`registry.example:5000/team/app:1`, `debian`, `docker://…`, with `@sha256:…` or not, as a value.

    Raises:
        InvalidReference: with what is wrong and what to write; also for the transports that are no registry.
    """
    if len(text) > MAX_TEXT:
        raise InvalidReference(f"{text[:80]!r}…: longer than {MAX_TEXT} characters")
    rest = _without_transport(text)
    rest, at, digest_text = rest.partition("@")
    digest = _digest(digest_text, text) if at else None
    registry, rest = _registry(rest)
    rest, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise InvalidReference(
            f"{text!r}: {tag!r} is no tag: up to 128 letters, digits, `_`, `.` and `-`, not starting with `.` or `-`"
        )
    if registry == DEFAULT_REGISTRY and "/" not in rest:
        if _HEX_ID.fullmatch(rest):
            raise InvalidReference(f"{text!r}: 64 hex digits are an image ID, not a name; write NAME@sha256:…")
        rest = f"library/{rest}" if rest else rest
    _check_name(registry, rest, text)
    return Reference(registry, rest, tag or (None if digest else DEFAULT_TAG), digest)


def _without_transport(text: str) -> str:
    if text.startswith("docker://"):
        return text.removeprefix("docker://")
    transport, colon, _ = text.partition(":")
    if colon and transport in _OTHER_TRANSPORTS:
        raise InvalidReference(
            f"{text!r}: the transport {transport}: names no image in a registry, which is wanted here"
            f" (for a registry or image of the name {transport}, write docker://{text})"
        )
    if "://" in text:
        raise InvalidReference(f"{text!r}: an image is named without a scheme: {text.partition('://')[2] or 'name'!r}")
    return text


def _registry(rest: str) -> tuple[str, str]:
    """Split off the registry: the part before the first slash, if it looks like a host and not like a folder."""
    first, slash, repository = rest.partition("/")
    if not slash or not (any(c in first for c in ".:[") or first == "localhost" or first != first.lower()):
        return DEFAULT_REGISTRY, rest
    return (DEFAULT_REGISTRY if first == "index.docker.io" else first), repository


def _digest(digest_text: str, text: str) -> Digest:
    try:
        return Digest(digest_text)
    except MalformedDocument as problem:
        raise InvalidReference(f"{text!r}: {problem}") from problem


def _check_name(registry: str, repository: str, text: str) -> None:
    if not _REGISTRY.fullmatch(registry):
        raise InvalidReference(f"{text!r}: {registry!r} is no host or host:port")
    port = registry.rpartition("]")[2].rpartition(":")[2] if ":" in registry.rpartition("]")[2] else "1"
    if not 0 < int(port) < 65536:
        raise InvalidReference(f"{text!r}: {port} is no port")
    if not repository:
        raise InvalidReference(f"{text!r}: names no repository; write registry/repository[:tag]")
    if not _REPOSITORY.fullmatch(repository):
        reason = (
            "it has upper-case letters" if repository != repository.lower() else "see the distribution-spec's grammar"
        )
        raise InvalidReference(f"{text!r}: {repository!r} is no repository name: {reason}")
    if len(registry) + 1 + len(repository) > MAX_NAME_LENGTH:
        raise InvalidReference(f"{text[:80]!r}…: a name of more than {MAX_NAME_LENGTH} characters")
