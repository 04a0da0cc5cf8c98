"""Deleting at the target what this file brought and wants no more. Nothing else, and nothing that may be in use.

distribution-spec 1.1 § Content Management: a tag is deleted by its name where the registry does that. Many only delete
manifests by digest, and with one go all tags that name it: there it is done only if no other tag of the repository
names that digest, itself or in an index, and all of them could be read.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from affineur.errors import ContentError, InputError, LimitExceeded, SourceError
from affineur.move.sync.jobs import Outcome
from affineur.move.sync.run import Plan
from affineur.oci.digest import Digest
from affineur.oci.manifest import Index, read_manifest
from affineur.oci.reference import Reference, parse_reference
from affineur.source.access import Access
from affineur.source.source import Source

if TYPE_CHECKING:
    from affineur.store.moves import Brought, MoveMemory

__all__ = ["Doomed", "Pruned", "Pruner", "doomed"]

MAX_OTHERS = 5_000
"""Tags of one repository that are read before a manifest is deleted by its digest."""
MAX_ANSWER_BYTES = 64 * 1024
_NOT_SO = (400, 404, 405, 501)
"""How registries refuse what they do not support; that the tag is there has just been asked."""


class Doomed(msgspec.Struct, frozen=True):
    """A tag that this file brought and wants no more. Attributes: spared: why it stays all the same; "" if it goes."""

    brought: "Brought"
    spared: str = ""


class Pruned(msgspec.Struct, frozen=True):
    """What became of one. Attributes: why: of those that are left."""

    target: str
    state: Literal["deleted", "gone", "left"]
    why: str = ""


def doomed(brought: Iterable["Brought"], plan: Plan, outcomes: Iterable[Outcome]) -> list[Doomed]:
    """What is wanted no more; of sources that could not be listed, or list nothing at all, everything is spared."""
    older = {outcome.job.target_key for outcome in outcomes if outcome.state == "older"}
    wanted = {job.target_key for job in plan.jobs} - older
    return [Doomed(each, _spared(each, plan)) for each in brought if each.target not in wanted]


def _spared(brought: "Brought", plan: Plan) -> str:
    places = ((f"{key}:", f"{key}@", why) for key, why in plan.unread.items())
    return next((why for tagged, by_digest, why in places if brought.source.startswith((tagged, by_digest))), "")


class Pruner:
    """Deletes tags, one after the other."""

    def __init__(
        self,
        digest: Callable[[str], Digest | None],
        access: Callable[[str], Access],
        source: Callable[[str], Source],
        memory: "MoveMemory",
        file: str,
    ) -> None:
        """Nothing is asked yet.

        Args:
            digest: what a tag at the target names, None where there is none; from `docker://REFERENCE`.
            access: to its repository, for deleting; likewise.
            source: reads it; likewise.
            file: under which name the file's tags are remembered.
        """
        self._digest, self._access, self._source, self._memory, self._file = digest, access, source, memory, file
        self._named: dict[str, dict[str, frozenset[Digest]]] = {}
        self._going: dict[str, str] = {}

    def delete(self, going: Sequence["Brought"]) -> Iterator[Pruned]:
        """Delete them; each is told, and one that cannot be deleted keeps no other back."""
        self._going.update((each.target, each.digest) for each in going)
        for each in going:
            try:
                done = self._one(each)
            except (SourceError, ContentError, InputError) as problem:
                done = Pruned(each.target, "left", str(problem))
            if done.state != "left":
                self._memory.forget(self._file, each.target)
            yield done

    def _one(self, brought: "Brought") -> Pruned:
        if brought.target.startswith("oci:"):
            return Pruned(brought.target, "left", "images are not deleted from a folder")
        reference = parse_reference(brought.target)
        text = f"docker://{brought.target}"
        there = self._digest(text)
        if there is None:
            return Pruned(brought.target, "gone")
        if there != brought.digest:
            return Pruned(brought.target, "left", f"names {there} now, which this file has not brought")
        access = self._access(text)
        if reference.digest is None and self._asked(access, reference.which) and self._digest(text) is None:
            return Pruned(brought.target, "deleted")
        other = self._other(reference, there)
        if other:
            return Pruned(
                brought.target, "left", f"the registry deletes manifests only, and this one is {other}'s, too"
            )
        if not self._asked(access, there):
            return Pruned(brought.target, "left", "the registry deletes nothing")
        if self._digest(text) is not None:
            return Pruned(brought.target, "left", "the registry says that it is deleted, and has it still")
        return Pruned(brought.target, "deleted")

    @staticmethod
    def _asked(access: Access, which: str) -> bool:
        """Whether the registry says that it deletes this. Raises as `Access.ask`."""
        url, what = f"{access.url}/manifests/{which}", f"{access.reference.name}: deleting {which}"
        return access.ask("DELETE", url, what, limit=MAX_ANSWER_BYTES, also=_NOT_SO).status not in _NOT_SO

    def _other(self, reference: Reference, digest: Digest) -> str:
        """A tag that stays and needs this digest; "" for none. Raises SourceError, ContentError: it cannot be told."""
        if reference.name not in self._named:
            self._named[reference.name] = self._needed(reference)
        return next((tag for tag, needed in self._named[reference.name].items() if digest in needed), "")

    def _needed(self, reference: Reference) -> dict[str, frozenset[Digest]]:
        """What each tag of a repository that stays names, itself or in its index."""
        source = self._source(f"docker://{reference.name}")
        found: dict[str, frozenset[Digest]] = {}
        for tag in source.tags():
            if len(found) == MAX_OTHERS:
                raise LimitExceeded(f"{reference.name}: more than {MAX_OTHERS} tags: not all are read before deleting")
            document = source.manifest(tag)
            if self._going.get(str(reference.at(tag))) == document.digest:
                continue  # it goes, too; one that somebody else has set anew stays
            parsed = read_manifest(document)
            children = [child.digest for child in parsed.manifests] if isinstance(parsed, Index) else []
            found[tag] = frozenset([document.digest, *children])
        return found
