"""What belongs together: an image's manifests, and all that speaks of them, on every level.

Manifests that name one of ours as their subject (distribution-spec 1.1 § Listing Referrers), what speaks of those in
turn, and the tags of cosign's older ways, which are named after the digest that they speak of.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TypeVar

import msgspec

from affineur.errors import Error, LimitExceeded, NotFound, SizeMismatch, UnsupportedContent
from affineur.evidence import Unassessed
from affineur.move.pool import Pool
from affineur.move.receipt import Carried, NotCarried
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import Index, Manifest, Schema1, artifact, artifact_name, read_manifest
from affineur.source.referrers import fallback_tag
from affineur.source.source import Source

__all__ = ["COSIGN_KINDS", "Piece", "Survey"]

MAX_PIECES = 20_000
"""Manifests that are moved together: an index may have half as many."""
MAX_PIECES_BYTES = 128 * 1024 * 1024
"""Of all these manifests: they are kept until the last is stored."""
MAX_BLOBS = 100_000
"""Of all these manifests: an image of 64 platforms with 128 layers each has 8,000."""
MAX_NESTED = 4
"""Indexes within indexes."""
MAX_LEVELS = 8
"""Of what refers to what refers …"""
MAX_MANIFESTS_ASKED_ONE_BY_ONE = 4
"""From more manifests on, the repository's tags are listed once, instead of asking for each that there might be."""
MAX_TAGS = 100_000
"""A repository with more is asked tag by tag."""
COSIGN_KINDS = {"sig": "cosign signatures", "att": "cosign attestations", "sbom": "a cosign SBOM"}
"""cosign, specs/SIGNATURE_SPEC.md, ATTESTATION_SPEC.md and SBOM_SPEC.md: `sha256-HEX.sig` and so on."""
_ELSEWHERE = ("nondistributable", "foreign")
T = TypeVar("T")


class Piece(msgspec.Struct, frozen=True):
    """One manifest that is moved.

    Attributes:
        level: 0 for the image itself, 1 for what speaks of it, and so on: levels are stored in this order.
        depth: 0 for what is named, 1 for the children of an index: these are stored before it.
        tags: the names by which it is found, for cosign's: an SBOM may be that of several platforms.
    """

    document: Document
    parsed: Manifest | Index
    level: int
    depth: int
    what: str
    tags: tuple[str, ...] = ()

    @property
    def turn(self) -> tuple[int, int]:
        """When it is stored: those of a smaller one before it."""
        return self.level, -self.depth


class Survey:
    """Walks over the source from one manifest on, in the threads of a pool; its results are whole once that is idle.

    Attributes:
        pieces: digest → piece.
        blobs: digest → descriptor, of all pieces.
    """

    def __init__(
        self,
        source: Source,
        pool: Pool,
        found_blob: Callable[[Descriptor], object],
        found_piece: Callable[[Piece], object],
        *,
        kept: frozenset[Digest] | None = None,
        referrers: bool = True,
        cannot: str = "",
        tags: frozenset[str] | None = None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            found_blob, found_piece: told of each, once, from any thread; of a piece again where it was found to speak
                of the image first, and turns out to be a part of it.
            kept: the children of the first index that are moved; None for all.
            referrers: whether what speaks of the image is looked for.
            cannot: why the target can hold none of that: then it is listed as not carried.
            tags: of the source's repository, where they are known.
        """
        self.pieces: dict[Digest, Piece] = {}
        self.blobs: dict[Digest, Descriptor] = {}
        self.carried: list[Carried] = []
        self.not_carried: list[NotCarried] = []
        self.unassessed: list[Unassessed] = []
        self._source, self._pool, self._kept, self._referrers, self._cannot, self._tags = (
            source,
            pool,
            kept,
            referrers,
            cannot,
            tags,
        )
        self._found_blob, self._found_piece = found_blob, found_piece
        self._lock = Lock()
        self._listing = Lock()
        self._asked: set[Digest] = set()
        self._listed = False
        self._bytes = 0
        self._added: set[object] = set()

    def begin(self, document: Document, what: str = "") -> None:
        """Start from a manifest that has been read."""
        self._take(document, 0, 0, what)

    def _take(self, document: Document, level: int, depth: int, what: str = "", tag: str | None = None) -> None:
        parsed = read_manifest(document)
        if isinstance(parsed, Schema1):
            raise UnsupportedContent(
                f"{document.source}: is described by Docker's schema 1, in which its name is signed: it cannot be moved"
                " as it is. Pull it and push it with a tool that makes a new manifest of it (podman, skopeo 1.14)"
            )
        piece = Piece(document, parsed, level, depth, what or _described(parsed), (tag,) if tag else ())
        with self._lock:
            known = self.pieces.get(document.digest)
            self._bytes += len(document.content) if known is None else 0
            if known is None and (len(self.pieces) >= MAX_PIECES or self._bytes > MAX_PIECES_BYTES):
                most = f"{MAX_PIECES} manifests, or {MAX_PIECES_BYTES} bytes of them,"
                raise LimitExceeded(f"{self._source.reference.name}: more than {most} to be moved")
            piece = self.pieces[document.digest] = piece if known is None else _both(known, piece)
        if known is not None and piece.turn == known.turn:
            return
        if known is not None:  # it goes before what was met first, and so do its children
            if isinstance(parsed, Index):
                self._children(parsed, document, level, depth)
            if piece.level == 0 < known.level:
                self._found_piece(piece)
            return
        self._found_piece(piece)
        if isinstance(parsed, Index):
            self._children(parsed, document, level, depth)
        else:
            self._contents(parsed)
        if self._referrers:
            self._pool.add(partial(self._company, document.digest, level))

    def _children(self, index: Index, document: Document, level: int, depth: int) -> None:
        if depth >= MAX_NESTED:
            raise LimitExceeded(f"{document.source}: indexes nested deeper than {MAX_NESTED}")
        for child in index.manifests:
            if level or depth or self._kept is None or child.digest in self._kept:
                self._pool.add(partial(self._child, child, level, depth + 1))

    def _child(self, promise: Descriptor, level: int, depth: int) -> None:
        platform = f"platform {promise.platform}" if promise.platform and not promise.platform.is_unknown else ""
        embedded = promise.embedded()
        with self._lock:
            known = self.pieces.get(promise.digest)
        if known is not None:
            document = known.document
        elif embedded is not None:
            document = Document(embedded, promise.media_type, promise.digest, f"{self._source.reference.name}")
        else:
            try:
                document = self._source.manifest(promise.digest)
            except NotFound:
                why = "the index names it, but it is not at the source"
                self._add(self.not_carried, NotCarried(f"{platform or 'manifest'} {promise.digest}", why))
                return
        if len(document.content) != promise.size:
            raise SizeMismatch(document.source, promise.size, len(document.content))
        self._take(document, level, depth, platform)

    def _contents(self, manifest: Manifest) -> None:
        # the largest first: a thread that is idle takes the first that it is told of
        for promise in sorted((manifest.config, *manifest.layers), key=lambda blob: -blob.size):
            if promise.urls and any(word in promise.media_type for word in _ELSEWHERE):
                why = "a layer that its maker lets nobody distribute: engines fetch it from where its URLs lead"
                self._add(self.not_carried, NotCarried(f"layer {promise.digest}", why))
                continue
            with self._lock:
                known = self.blobs.setdefault(promise.digest, promise)
                if len(self.blobs) > MAX_BLOBS:
                    raise LimitExceeded(f"{self._source.reference.name}: more than {MAX_BLOBS} blobs to be moved")
            if known.size != promise.size:
                raise SizeMismatch(f"blob {promise.digest}, promised twice", known.size, promise.size)
            if known is promise:
                self._found_blob(promise)

    def _company(self, subject: Digest, level: int) -> None:
        """What speaks of one manifest."""
        with self._lock:
            if subject in self._asked:
                return
            self._asked.add(subject)
        if level >= MAX_LEVELS:
            self._add(
                self.unassessed,
                Unassessed(f"what refers to {subject}", f"not looked for beyond {MAX_LEVELS} levels"),
            )
            return
        tags = self._known_tags()
        for kind, called in COSIGN_KINDS.items():
            tag = f"{fallback_tag(subject)}.{kind}"
            if tags is None or tag in tags:
                self._pool.add(partial(self._by_tag, tag, called, subject, level))
        told = self._source.referrers(subject)
        for gap in told.problems:
            self._add(self.unassessed, gap)
        for entry in told.found:
            self._pool.add(partial(self._referrer, entry, subject, told.by, level))

    def _referrer(self, entry: Descriptor, subject: Digest, found_by: str, level: int) -> None:
        kind = artifact_name(entry.artifact_type or "") or entry.artifact_type or "a referrer"
        if self._cannot:
            self._add(self.not_carried, NotCarried(f"{kind} {entry.digest}, of {subject}", self._cannot))
            return
        try:
            document = self._source.manifest(entry.digest)
            if len(document.content) != entry.size:
                raise SizeMismatch(document.source, entry.size, len(document.content))
            parsed = read_manifest(document)
        except (NotFound, UnsupportedContent) as problem:
            self._add(self.not_carried, NotCarried(f"{kind} {entry.digest}, of {subject}", str(problem)))
            return
        if isinstance(parsed, Schema1) or parsed.subject is None or parsed.subject.digest != subject:
            why = "it is listed as one, but its manifest names no such subject"
            self._add(self.not_carried, NotCarried(f"{kind} {entry.digest}, of {subject}", why))
            return
        self._add(self.carried, Carried(str(entry.digest), kind, str(subject), found_by))
        self._take(document, level + 1, 0, kind)

    def _by_tag(self, tag: str, kind: str, subject: Digest, level: int) -> None:
        try:
            document = self._source.manifest(tag)
        except NotFound:
            return
        except Error as problem:
            self._add(self.unassessed, Unassessed(f"whether there is a tag {tag}", str(problem)))
            return
        if document.digest == subject:  # a registry that takes such a tag for the digest, and answers with the image
            return
        if self._cannot:
            self._add(self.not_carried, NotCarried(f"{kind}, {tag}", self._cannot))
            return
        try:
            unsupported = "described by Docker's schema 1" if isinstance(read_manifest(document), Schema1) else ""
        except UnsupportedContent as problem:
            unsupported = str(problem)
        if unsupported:
            self._add(self.not_carried, NotCarried(f"{kind}, {tag}", unsupported))
            return
        self._add(self.carried, Carried(str(document.digest), kind, str(subject), "tag of cosign", tag))
        self._take(document, level + 1, 0, kind, tag)

    def _known_tags(self) -> frozenset[str] | None:
        """The repository's tags, where asking once costs less than asking for each."""
        with self._listing:
            if self._tags is None and not self._listed and len(self.pieces) > MAX_MANIFESTS_ASKED_ONE_BY_ONE:
                self._listed = True
                with suppress(Error):  # that they cannot be listed says nothing of a single one
                    self._tags = frozenset(_at_most(self._source.tags()))
            return self._tags

    def _add(self, into: list[T], found: T) -> None:
        with self._lock:
            if found not in self._added:
                self._added.add(found)
                into.append(found)


def _both(known: Piece, met: Piece) -> Piece:
    """One manifest, met twice: at the earlier place, and under all its names."""
    tags = tuple(sorted({*known.tags, *met.tags}))
    if met.turn == known.turn:
        return msgspec.structs.replace(known, what=min(known.what, met.what), tags=tags)
    return msgspec.structs.replace(min(known, met, key=lambda each: each.turn), tags=tags)


def _at_most(tags: Iterable[str]) -> Iterable[str]:
    for count, tag in enumerate(tags):
        if count >= MAX_TAGS:
            raise LimitExceeded(f"more than {MAX_TAGS} tags")
        yield tag


def _described(parsed: Manifest | Index) -> str:
    if isinstance(parsed, Index):
        return "index"
    return (artifact(parsed) or "image").partition(" (")[0]
