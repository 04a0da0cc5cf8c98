"""One image from one place to another: straight through, nothing kept here; verified where it arrives.

Blobs go first, the largest at the front, several at a time; then the children of an index, the index, what speaks of
them, and the tag last of all, so that a tag never names what is not whole.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from affineur.errors import InvalidReference, SourceError, UnsupportedContent
from affineur.image.image import choose, read_children
from affineur.move.pool import FIRST, Pool, Stopped
from affineur.move.receipt import Carried, MovedBlob, MovedManifest, NotCarried, Receipt
from affineur.move.survey import Piece, Survey
from affineur.move.watching import Silent, Watcher
from affineur.oci.blob import Verification
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import Index, read_manifest
from affineur.oci.platform import Platform
from affineur.source.source import Source
from affineur.target.target import Target

if TYPE_CHECKING:  # loaded by those who need them
    from affineur.move.attesting import Attestation
    from affineur.move.lookasides import Lookasides

__all__ = ["Occupied", "Wish", "copy"]

AT_ONCE = 8
"""Transfers side by side: each holds a chunk of half a megabyte, twice."""
_HUGE = 2**63
"""More than any size, so that the largest blob is the most urgent."""


class Occupied(SourceError):
    """The target has something else under that tag, and it was asked not to be overwritten."""


class Wish(msgspec.Struct, frozen=True):
    """How an image is to be moved.

    Attributes:
        which: a digest that has been judged; what the source's name points at meanwhile does not matter. None: that.
        platforms: none: everything. One: that platform's manifest alone, without the index. Several: the index, with
            these alone.
        tags: at the target, beside the one that its reference names.
        referrers: whether what speaks of the image comes along.
        no_clobber: a tag that names something else is left alone, with Occupied.
        known_tags: of the source's repository, where the caller has listed them already.
        at_once: transfers side by side.
    """

    which: Digest | None = None
    platforms: tuple[Platform, ...] = ()
    tags: tuple[str, ...] = ()
    referrers: bool = True
    no_clobber: bool = False
    known_tags: frozenset[str] | None = None
    at_once: int = AT_ONCE


def copy(
    source: Source,
    target: Target,
    wish: Wish | None = None,
    watcher: Watcher | None = None,
    lookasides: "Lookasides | None" = None,
    attestation: "Attestation | None" = None,
) -> Receipt:
    """Move what the source's reference names, and what speaks of it.

    Args:
        lookasides: carries GPG signatures, where `Wish.referrers` has them come along; for this move alone.
        attestation: is left at the target, as referrers of what is moved.

    Raises:
        Occupied: see `Wish.no_clobber`; nothing was written.
        NotFound, Denied, Unreachable: as one of the places answers; its name is in the message.
        ContentError: something is not what was promised. In all these cases no tag was set.
        UnsupportedContent: it cannot be moved as it is, or not to such a place; the message says what can be done.
    """
    return _Copy(source, target, wish or Wish(), watcher or Silent(), lookasides, attestation).run()


class _Copy:
    def __init__(
        self,
        source: Source,
        target: Target,
        wish: Wish,
        watcher: Watcher,
        lookasides: "Lookasides | None",
        attestation: "Attestation | None",
    ) -> None:
        self._source, self._target, self._wish, self._watcher = source, target, wish, watcher
        self._lookasides = lookasides if wish.referrers else None
        self._attestation = attestation
        self._pool = Pool(wish.at_once)
        self._lock = Lock()
        self._blobs: dict[Digest, MovedBlob] = {}
        self._manifests: dict[Digest, MovedManifest] = {}
        self._there: set[Digest] = set()
        self._left: dict[str, Digest] = {}  # tags of signatures that are others' at the target
        named = target.reference
        own = named.tag if named.digest else None  # of `app:1@sha256:…` the tag is set, and the digest has to be that
        self._tags: dict[str | None, Digest | None] = dict.fromkeys((own, *wish.tags))
        self._sent_bytes = 0

    def run(self) -> Receipt:
        began, start = datetime.now(UTC), time.monotonic()
        try:
            root, survey, sparse = self._surveyed()
            self._store(survey)
            self._attest(survey)
            if self._target.reference.registry:  # a tag never names what lacks its signatures
                self._sign(root, survey)
            self._name(root)
            if not self._target.reference.registry:  # naming removes those of what was there before
                self._sign(root, survey)
            self._target.finish()
        except BaseException:
            self._pool.stop()
            self._target.abandon()
            raise
        own = self._target.reference.tag
        tags = tuple(dict.fromkeys(tag or own for tag in self._tags if tag or own))
        # however the threads came by it, a receipt of the same is the same
        pieces = sorted(
            survey.pieces.values(), key=lambda each: (each.level, each.depth, each.what, each.document.digest)
        )
        manifests = tuple(self._manifests[each.document.digest] for each in pieces)
        order = {each.digest: place for place, each in enumerate(manifests)}
        return Receipt(
            source=str(self._source.reference),
            target=str(self._target.reference),
            digest=str(root.digest),
            media_type=self._manifests[root.digest].media_type,
            tags=tuple(tag for tag in tags if tag),
            manifests=manifests,
            blobs=tuple(self._blobs[digest] for digest in sorted(survey.blobs)),
            carried=tuple(sorted(survey.carried, key=lambda each: (order.get(each.subject, len(order)), each.digest))),
            not_carried=tuple(sorted(survey.not_carried)),
            unassessed=tuple(sorted(survey.unassessed)),
            sparse=sparse,
            verified=self._verified(len(manifests)),
            sent_bytes=self._sent_bytes,
            began=began,
            seconds=round(time.monotonic() - start, 3),
        )

    def _verified(self, manifests: int) -> str:
        blobs = _counted(len(self._blobs), "blob")
        if unkept := self._target.holds.manifests:
            return f"{blobs}, by digest as they went in; {unkept}"
        read = _counted(manifests, "manifest")
        return f"read back from the target: {read}, by digest; looked for: {blobs}, by digest and size"

    def _surveyed(self) -> tuple[Document, Survey, tuple[str, ...]]:
        """Know all that is to be moved, and move its blobs."""
        for wished in self._wish.tags:
            if not wished or (self._target.reference.registry and ":" in wished):
                raise InvalidReference(f"{self._target.reference}: {wished!r} is no tag")
        for tag in self._tags:
            self._pool.add(partial(self._look_at_tag, tag))
        document = self._source.manifest(self._wish.which)
        root, kept, others, lost = self._chosen(document)
        self._fits(root)
        self._pool.wait()
        for tag, digest in self._tags.items():
            self._may_be(tag, digest, root.digest)
        survey = Survey(
            self._source,
            self._pool,
            self._plan,
            lambda piece: self._pool.add(partial(self._look_for, piece)),
            kept=kept,
            referrers=self._wish.referrers,
            cannot=self._target.holds.referrers,
            tags=self._wish.known_tags,
        )
        survey.not_carried.extend(lost)
        survey.begin(root)
        self._pool.wait()
        return root, survey, others

    def _chosen(
        self, document: Document
    ) -> tuple[Document, frozenset[Digest] | None, tuple[str, ...], list[NotCarried]]:
        """The manifest to be moved, the children that go along (None: all), those that do not, and what is lost."""
        parsed = read_manifest(document)
        if not self._wish.platforms or not isinstance(parsed, Index):
            return document, None, (), []
        children = read_children(parsed)
        chosen = {
            choose(children, each, str(self._source.reference)).descriptor.digest for each in self._wish.platforms
        }
        attests = [each for each in children if each.attests in chosen]
        if len(self._wish.platforms) == 1:
            (only,) = chosen
            why = "it belongs to the index, which is not moved where one platform is asked for"
            lost = [NotCarried(f"attestation {each.descriptor.digest}, of {each.attests}", why) for each in attests]
            return self._source.manifest(only), None, (), lost
        kept = frozenset(chosen | {each.descriptor.digest for each in attests})
        others = [str(each.platform) for each in children if each.is_image and each.descriptor.digest not in kept]
        return document, kept, tuple(others), []

    def _fits(self, root: Document) -> None:
        """Raises UnsupportedContent: the target cannot hold it; InvalidReference: it is named by another digest."""
        parsed = read_manifest(root)
        if isinstance(parsed, Index) and self._target.holds.indexes:
            there = ", ".join(sorted({str(each.platform) for each in parsed.manifests if each.platform})[:20])
            raise UnsupportedContent(
                f"{self._source.reference}: {self._target.holds.indexes} (there is: {there or 'no platform named'})"
            )
        named = self._target.reference.digest
        if named is not None and named != root.digest:
            raise InvalidReference(
                f"{self._target.reference}: what is moved has another digest, {root.digest}; name a tag instead"
            )

    def _may_be(self, tag: str | None, there: Digest | None, wanted: Digest) -> None:
        if self._wish.no_clobber and there not in (None, wanted):
            raise Occupied(
                f"{self._target.reference if tag is None else tag}: is {there} at the target already, and nothing is"
                " to be overwritten (--no-clobber)"
            )

    def _look_at_tag(self, tag: str | None) -> None:
        self._tags[tag] = self._target.digest(tag)

    def _look_for(self, piece: Piece) -> None:
        if self._target.manifest(piece.document.digest) is not None:
            with self._lock:
                self._there.add(piece.document.digest)
        if piece.level == 0 and self._lookasides is not None:
            self._lookasides.read(self._source.reference, piece.document.digest)

    def _plan(self, blob: Descriptor) -> None:
        self._watcher.planned(blob)
        self._pool.add(partial(self._move, blob), FIRST + _HUGE - blob.size)

    def _move(self, blob: Descriptor) -> None:
        had = 0
        if self._target.has_blob(blob):
            how = "present"
        elif self._target.mount(blob, self._source.reference):
            how = "mounted"
        else:
            had = self._target.put_blob(blob, partial(self._content, blob), partial(self._count, blob))
            how = "resumed" if had else "sent"
        if how != "present" and not self._target.has_blob(blob):
            raise SourceError(f"{self._target.reference.name}: took {blob.digest}, and has it not")
        with self._lock:
            self._blobs[blob.digest] = MovedBlob(str(blob.digest), blob.size, how, had)  # type: ignore[arg-type]
        self._watcher.settled(blob, how)

    def _content(self, blob: Descriptor, begun: Verification) -> Iterator[bytes]:
        for chunk in self._source.blob(blob, begun):
            if self._pool.failed:
                raise Stopped("given up")
            yield chunk

    def _count(self, blob: Descriptor, count: int) -> None:
        with self._lock:
            self._sent_bytes += count
        self._watcher.moved(blob, count)

    def _store(self, survey: Survey) -> None:
        """Manifests, those first that others name: level by level, and in each the children of an index before it."""
        pieces = sorted(survey.pieces.values(), key=lambda each: each.turn)
        for _, together in groupby(pieces, key=lambda each: each.turn):
            for piece in together:
                self._pool.add(partial(self._put, piece))
            self._pool.wait()
        for tag, there in self._left.items():
            for each in [each for each in survey.carried if each.tag == tag]:
                survey.carried.remove(each)
                why = f"the target has {there} there, and nothing is to be overwritten (--no-clobber)"
                survey.not_carried.append(NotCarried(f"{each.kind}, {tag}", why))

    def _put(self, piece: Piece) -> None:
        document = piece.document
        present = document.digest in self._there
        # what has a subject is put in any case: an earlier call may have ended before it was listed there
        if not present or piece.parsed.subject is not None:
            self._stored(piece)
        if not present and self._target.manifest(document.digest) is None:
            raise SourceError(f"{self._target.reference.name}: took the manifest {document.digest}, and has it not")
        for tag in piece.tags:
            there = self._target.digest(tag)
            if self._wish.no_clobber and there not in (None, document.digest):
                self._left[tag] = there
            elif there != document.digest:
                self._target.put_tag(document, tag)
        how = "present" if present else "sent"
        media_type, size = piece.parsed.media_type, len(document.content)
        with self._lock:
            self._manifests[document.digest] = MovedManifest(
                str(document.digest),
                media_type,
                size,
                piece.what,
                how,  # type: ignore[arg-type]
            )
        self._watcher.stored(document.digest, piece.what, how)

    def _stored(self, piece: Piece) -> None:
        try:
            self._target.put_manifest(piece.document)
        except SourceError as problem:
            if type(problem) is SourceError and isinstance(piece.parsed, Index) and len(self._wish.platforms) > 1:
                raise SourceError(
                    f"{problem} (not every registry takes an index of which platforms are left out: copy one platform,"
                    " or all)"
                ) from problem
            raise

    def _attest(self, survey: Survey) -> None:
        for done in self._attestation.put(self._target, survey.pieces) if self._attestation is not None else ():
            if isinstance(done, Carried):
                survey.carried.append(done)
            else:
                survey.not_carried.append(done)

    def _sign(self, root: Document, survey: Survey) -> None:
        """Put GPG signatures where the target's readers look for them."""
        if self._lookasides is not None:
            self._lookasides.write(self._target.reference, root.digest)
            survey.carried += self._lookasides.carried
            survey.not_carried += self._lookasides.not_carried
            survey.unassessed += self._lookasides.unassessed

    def _name(self, root: Document) -> None:
        """Set the tags, now that all is there."""
        for tag, before in self._tags.items():
            if before == root.digest:
                continue
            if self._wish.no_clobber:
                self._may_be(tag, self._target.digest(tag), root.digest)
            self._target.put_tag(root, tag)
            named = self._target.digest(tag)
            if named != root.digest:
                raise SourceError(
                    f"{self._target.reference if tag is None else tag}: was set to {root.digest}, and is"
                    f" {named or 'not there'}: somebody else may have written it at the same time"
                )
            self._watcher.tagged(tag or self._target.reference.which, root.digest)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
