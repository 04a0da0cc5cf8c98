"""index.json of a layout: which images it names, changed without touching what others wrote into it.

OCI image-spec 1.1, image-layout.md § index.json file. No I/O.
"""

import json
from typing import Any

import msgspec

from affineur.errors import SourceError
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES, Document, decoded
from affineur.oci.manifest import KEYS, MAX_CHILDREN, OCI_INDEX, read_manifest
from affineur.source.layout import REF_NAME

__all__ = ["Described", "Listing", "described"]

_NAMES = frozenset({REF_NAME, "io.containerd.image.name"})
"""Annotations by which programs name an image of a layout: a manifest's own are not to name another."""


class _Saying(msgspec.Struct, rename="camel"):
    """Of a manifest, an index, or the artifact manifest of a draft: what an entry for it says."""

    media_type: str | None = None
    subject: Descriptor | None = None
    artifact_type: str | None = None
    config: Descriptor | None = None
    annotations: dict[str, str] | None = None


class Described(msgspec.Struct, frozen=True):
    """A manifest as a list of manifests describes it.

    Attributes:
        plain: type, digest and size alone.
        full: with artifact type and annotations, as distribution-spec 1.1 § Listing Referrers asks of a referrer. The
            type is never empty: of an index without one it is the index's own.
        subject: what it refers to.
    """

    plain: Descriptor
    full: Descriptor
    subject: Digest | None


def described(document: Document) -> Described:
    """How a manifest is listed. Raises MalformedDocument, UnsupportedContent, LimitExceeded: what is no manifest."""
    said = decoded(document.content, _Saying, document.source, KEYS)
    media_type = said.media_type or document.media_type or read_manifest(document).media_type
    plain = Descriptor(media_type, document.digest, len(document.content))
    kind = said.artifact_type or (said.config.media_type if said.config is not None else "") or media_type
    annotations = {name: text for name, text in (said.annotations or {}).items() if name not in _NAMES}
    full = msgspec.structs.replace(plain, artifact_type=kind, annotations=annotations or None)
    return Described(plain, full, said.subject.digest if said.subject is not None else None)


class Listing:
    """The entries of one index.json, in their order. Members and entries that are not changed keep their bytes.

    Attributes:
        changed: whether anything was, so that it has to be written.
    """

    def __init__(self, content: bytes | None, source: str) -> None:
        """Args: content: of the file; None where there is none yet.

        Raises MalformedDocument, LimitExceeded; SourceError: it lists too much to be added to.
        """
        self.changed = content is None
        self._source = source
        self._members: dict[str, msgspec.Raw] = {}
        self._entries: list[tuple[Descriptor, msgspec.Raw]] = []
        if content is None:
            self._members = {"schemaVersion": msgspec.Raw(b"2"), "mediaType": msgspec.Raw(f'"{OCI_INDEX}"'.encode())}
            return
        self._members = decoded(content, dict[str, msgspec.Raw], source, KEYS)
        entries = bytes(self._members.pop("manifests", b"[]"))
        values, raw = decoded(entries, list[Descriptor], source), decoded(entries, list[msgspec.Raw], source)
        if len(values) > MAX_CHILDREN:
            raise SourceError(f"{source} lists more than {MAX_CHILDREN} images: name another layout")
        self._entries = list(zip(values, raw, strict=True))

    def named(self, name: str) -> Descriptor | None:
        """The entry of a name; of "" the one that has none, and is an image and no referrer."""
        at = self._positions(name)
        return self._entries[at[0]][0] if at and (name or len(at) == 1) else None

    def listed(self, digest: Digest) -> Descriptor | None:
        """The first entry of a digest."""
        return next((entry for entry, _ in self._entries if entry.digest == digest), None)

    def name(self, entry: Descriptor, name: str) -> None:
        """Let a name, or none (""), stand for this one from now on. Raises SourceError: too much would be listed."""
        at = self._positions(name)
        known = self._entries[at[0]][0] if at else None
        if known is not None and len(at) == 1 and known.digest == entry.digest:
            return  # as it is, with whatever its writer said of it
        if name:
            entry = msgspec.structs.replace(entry, annotations={REF_NAME: name})
        elif len(at) > 1:
            at = []  # somebody keeps several images there without names: none of them is ours to replace
        self._put(entry, at)

    def refer(self, entry: Descriptor) -> None:
        """List a referrer, without a name. Raises SourceError: too much would be listed."""
        if not any(known.digest == entry.digest and not _name(known) for known, _ in self._entries):
            self._put(entry, [])

    @property
    def content(self) -> bytes:
        """The file's bytes. Raises SourceError: they are more than would be read."""
        entries = b"[" + b",".join(bytes(raw) for _, raw in self._entries) + b"]"
        written = msgspec.json.encode({**self._members, "manifests": msgspec.Raw(entries)})
        if len(written) > MAX_DOCUMENT_BYTES:
            raise SourceError(f"{self._source} would have more than {MAX_DOCUMENT_BYTES} bytes: name another layout")
        return written

    def _positions(self, name: str) -> list[int]:
        return [
            position
            for position, (entry, _) in enumerate(self._entries)
            if _name(entry) == name and (name or not entry.artifact_type)
        ]

    def _put(self, entry: Descriptor, at: list[int]) -> None:
        if len(self._entries) - len(at) >= MAX_CHILDREN:
            raise SourceError(f"{self._source} lists {MAX_CHILDREN} images, and no more are read: name another layout")
        members: dict[str, Any] = {"mediaType": entry.media_type, "digest": str(entry.digest), "size": entry.size}
        members |= {"artifactType": entry.artifact_type} if entry.artifact_type else {}
        members |= {"annotations": entry.annotations} if entry.annotations else {}
        raw = msgspec.Raw(json.dumps(members, separators=(",", ":")).encode())
        first = at[0] if at else len(self._entries)
        self._entries[first : first + 1] = [(entry, raw)]
        for position in reversed(at[1:]):
            del self._entries[position]
        self.changed = True


def _name(entry: Descriptor) -> str:
    return (entry.annotations or {}).get(REF_NAME, "")
