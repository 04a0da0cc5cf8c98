"""Places: the name of an image on this machine, as containers-transports(5) writes it.

`oci:PATH[:NAME|:@INDEX][@DIGEST]`, `oci-archive:` alike, `docker-archive:PATH[:REFERENCE|:@INDEX]`, `dir:PATH`. As
there, a path ends at its first colon, save that of `dir:`, and `~` is the shell's business. No I/O.
"""

import re
from typing import ClassVar, Self, TypeAlias

import msgspec

from affineur.errors import InvalidReference, MalformedDocument
from affineur.oci.digest import Digest
from affineur.oci.reference import Reference, parse_reference

__all__ = ["AnyReference", "Place", "parse_place"]

TRANSPORTS = ("oci", "oci-archive", "docker-archive", "dir")
UNREAD_TRANSPORTS = ("containers-storage", "docker-daemon", "ostree", "sif")
"""Transports that other tools have, and this program does not read yet."""
MAX_TEXT = 8192
"""A path (4,096 bytes on Linux, PATH_MAX), a name and a digest."""

_PATHS = ("/", "./", "../", "~/")
_DIGEST = re.compile(r"@(sha(?:256|512):[^@]*)$")
# image-spec 1.1, annotations.md: the grammar of org.opencontainers.image.ref.name
_WORD = r"[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*"
_REF_NAME = re.compile(rf"{_WORD}(?:/{_WORD})*")


class Place(msgspec.Struct, frozen=True, order=True):
    """One image of a folder or an archive on this machine; what is said of a `Reference` elsewhere, said of this.

    Attributes:
        transport: one of TRANSPORTS.
        path: as the user wrote it.
        tag: the name in a layout (`org.opencontainers.image.ref.name`); in a docker archive the full reference.
        digest: of a manifest or index in a layout; where given, it alone decides.
        position: of the image in index.json or manifest.json, from 0.
    """

    transport: str
    path: str
    tag: str | None = None
    digest: Digest | None = None
    position: int | None = None
    registry: ClassVar[None] = None

    def __str__(self) -> str:
        which = f":{self.tag}" if self.tag else f":@{self.position}" if self.position is not None else ""
        return f"{self.name}{which}" + (f"@{self.digest}" if self.digest else "")

    @property
    def name(self) -> str:
        """Transport and path: what holds the images."""
        return f"{self.transport}:{self.path}"

    @property
    def repository(self) -> str:
        """The same: a layout or an archive is a repository of its own."""
        return self.name

    @property
    def which(self) -> str:
        """What is looked for in it: digest, tag or `@position`; "" for its only image."""
        return self.digest or self.tag or (f"@{self.position}" if self.position is not None else "")

    @property
    def docker_name(self) -> str:
        """The name that was given in docker's terms, without its tag; "" where there was none (skopeo's `Name`)."""
        return parse_reference(self.tag).name if self.transport == "docker-archive" and self.tag else ""

    def at(self, which: str) -> Self:
        """The same place at another tag or digest."""
        if _DIGEST.fullmatch(f"@{which}"):
            return type(self)(self.transport, self.path, None, Digest(which))
        return type(self)(self.transport, self.path, which)


AnyReference: TypeAlias = Reference | Place
"""What a source was opened for."""


def parse_place(text: str) -> Place | None:
    """`oci:build/app:1` and its like as a value; None for what names an image of a registry.

    Raises:
        InvalidReference: one of these transports, but not as it is written; or one that is not read; or a bare path.
    """
    if text.startswith(_PATHS):  # no name of a registry does
        raise InvalidReference(f"{text[:200]!r} is a path: say of what kind, as {', '.join(_USAGE.values())}")
    transport, colon, rest = text.partition(":")
    if not colon or (transport not in TRANSPORTS and transport not in UNREAD_TRANSPORTS):
        return None
    if len(text) > MAX_TEXT:
        raise InvalidReference(f"{text[:80]!r}…: longer than {MAX_TEXT} characters")
    if transport in UNREAD_TRANSPORTS:
        raise InvalidReference(
            f"{text!r}: {transport}: is not read yet; copy the image with `skopeo copy {text} oci:FOLDER:NAME`, and"
            f" name oci:FOLDER:NAME (for a registry or image of the name {transport}, write docker://{text})"
        )
    if "\0" in rest or not rest:
        raise InvalidReference(f"{text!r}: names no path; write {_USAGE[transport]}")
    if transport == "dir":
        return Place(transport, rest)
    return _docker_archive(rest, text) if transport == "docker-archive" else _layout(transport, rest, text)


_USAGE = {
    "oci": "oci:FOLDER[:NAME]",
    "oci-archive": "oci-archive:FILE[:NAME]",
    "docker-archive": "docker-archive:FILE[:REFERENCE]",
    "dir": "dir:FOLDER",
}


def _layout(transport: str, rest: str, text: str) -> Place:
    digest = None
    if found := _DIGEST.search(rest):
        try:
            digest = Digest(found[1])
        except MalformedDocument as problem:
            raise InvalidReference(f"{text!r}: {problem}") from problem
        rest = rest[: found.start()]
    path, _, name = rest.partition(":")
    position = _position(name, text)
    if position is not None and digest is not None:
        raise InvalidReference(f"{text!r}: write a digest or an index, not both")
    if position is None and name and not _REF_NAME.fullmatch(name):
        raise InvalidReference(
            f"{text!r}: {name!r} is no name of an image in a layout: letters and digits, with one of `-._:@+/` between"
        )
    return _made(Place(transport, path, (name or None) if position is None else None, digest, position), text)


def _docker_archive(rest: str, text: str) -> Place:
    path, _, name = rest.partition(":")
    position = _position(name, text)
    if position is not None or not name:
        return _made(Place("docker-archive", path, position=position), text)
    reference = parse_reference(name)
    if reference.digest is not None:
        raise InvalidReference(f"{text!r}: an image in a docker archive has no digest of its own; name a tag or @INDEX")
    return _made(Place("docker-archive", path, str(reference)), text)


def _position(name: str, text: str) -> int | None:
    if not name.startswith("@"):
        return None
    if not re.fullmatch(r"@[0-9]{1,9}", name):
        raise InvalidReference(f"{text!r}: {name!r} is no index; write @0 for the first image")
    return int(name[1:])


def _made(place: Place, text: str) -> Place:
    if not place.path:
        raise InvalidReference(f"{text!r}: names no path; write {_USAGE[place.transport]}")
    return place
