"""What `run` asks of the world: tags, digests, dates, a judgement, a move. One source per repository is kept open."""

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Protocol, runtime_checkable

from affineur.errors import ContentError, DigestMismatch, MalformedDocument, NotFound
from affineur.image.image import read_children
from affineur.move.copy import Wish, copy
from affineur.move.gate import combined, to_judge
from affineur.move.lookasides import Lookasides
from affineur.move.receipt import Receipt
from affineur.move.sync.jobs import Job, is_digest
from affineur.oci.config import read_config
from affineur.oci.descriptor import UNKNOWN_SIZE, Descriptor
from affineur.oci.digest import Digest
from affineur.oci.manifest import Index, Manifest, read_manifest
from affineur.oci.place import Place
from affineur.oci.reference import Reference
from affineur.source.source import Source
from affineur.target.target import Target

__all__ = ["Judge", "OpenedPlaces", "Places"]

MAX_CONFIG_BYTES = 4 * 1024 * 1024


class Judge(Protocol):
    """Judges one image by a policy."""

    def __call__(self, source: Source, policy: str) -> tuple[str, str, Digest]:
        """Decision (accept, reject, undetermined), why, and the digest of the manifest that was judged."""
        ...


class Places(Protocol):
    """Sources and targets; all methods may be called from several threads."""

    def tags(self, repository: Reference | Place) -> Iterator[str]:
        """Every tag. Raises as `Source.tags`."""
        ...

    def digest(self, job: Job) -> Digest:
        """What the source's tag names, by one HEAD where it is a registry. Raises as `Source.manifest`."""
        ...

    def there(self, job: Job) -> Digest | None:
        """What the target's tag names. Raises as `Target.digest`."""
        ...

    def created(self, job: Job, digest: Digest) -> str:
        """When the image says that it was built, verbatim; "" where it does not say. Raises as `Source.blob`."""
        ...

    def judge(self, job: Job, digest: Digest) -> tuple[str, str]:
        """What the entry's policy makes of it, and why. Raises as `assessment.assess`."""
        ...

    def move(self, job: Job, digest: Digest, known_tags: frozenset[str] | None) -> Receipt:
        """Bring exactly this. Raises as `move.copy.copy`."""
        ...


@runtime_checkable
class _Says(Protocol):
    """A source that can say what a tag names without sending it."""

    def digest(self, which: str) -> Digest | None: ...


class OpenedPlaces:
    """The places themselves. See `Places`."""

    def __init__(
        self,
        source: Callable[[str], Source],
        target: Callable[[str], Target],
        lookasides: Callable[[], Lookasides | None],
        judge: Judge,
    ) -> None:
        """Nothing is asked yet. Args: source, target: from a name with its transport, of a registry or not."""
        self._source, self._target, self._lookasides, self._judge = source, target, lookasides, judge
        self._opened: dict[str, Source] = {}
        self._lock = Lock()
        self._judging = Lock()

    def tags(self, repository: Reference | Place) -> Iterator[str]:
        """See `Places`."""
        return self._of(repository).tags()

    def digest(self, job: Job) -> Digest:
        """See `Places`."""
        if is_digest(job.which):
            return Digest(job.which)
        source = self._of(job.entry.source)
        if isinstance(source, _Says):
            said = source.digest(job.which)
            if said is not None:
                return said
        return source.manifest(job.which).digest

    def there(self, job: Job) -> Digest | None:
        """See `Places`."""
        return self._target(_text(job.entry.target, job.target)).digest()

    def created(self, job: Job, digest: Digest) -> str:
        """See `Places`. Of an index, that of its first image."""
        source = self._of(job.entry.source)
        parsed = read_manifest(source.manifest(digest))
        if isinstance(parsed, Index):
            first = next((each for each in read_children(parsed) if each.is_image), None)
            if first is None:
                return ""
            parsed = read_manifest(source.manifest(first.descriptor.digest))
        if not isinstance(parsed, Manifest):
            return ""
        try:
            return read_config(_config(source, parsed.config), job.source).created or ""
        except MalformedDocument:  # an artifact's
            return ""

    def judge(self, job: Job, digest: Digest) -> tuple[str, str]:
        """See `Places`: every image that would arrive, one after the other; the worst counts."""
        source = self._of(job.entry.source)
        decisions, reasons = [], []
        for each in to_judge(source, source.manifest(digest), job.entry.platforms):
            repository = job.entry.source
            pinned = self._source(_text(repository, str(repository.at(each))))
            with self._judging:
                decision, why, judged = self._judge(pinned, job.entry.policy)
            if judged != each:
                raise DigestMismatch(f"{job.source}: while it was judged", each, judged)
            decisions.append(decision)
            reasons += [] if decision == "accept" or not why else [why]
        return str(combined(decisions)), "; ".join(dict.fromkeys(reasons))  # type: ignore[arg-type]

    def move(self, job: Job, digest: Digest, known_tags: frozenset[str] | None) -> Receipt:
        """See `Places`."""
        source = self._source(_text(job.entry.source, job.source))
        target = self._target(_text(job.entry.target, job.target))
        wish = Wish(
            which=digest,
            platforms=job.entry.platforms,
            referrers=job.entry.referrers,
            known_tags=known_tags,
        )
        return copy(source, target, wish, lookasides=self._lookasides())

    def _of(self, repository: Reference | Place) -> Source:
        with self._lock:
            if repository.name not in self._opened:
                self._opened[repository.name] = self._source(_text(repository, repository.name))
            return self._opened[repository.name]


def _text(repository: Reference | Place, name: str) -> str:
    """A full name, so that no short name's meaning is looked up."""
    return name if isinstance(repository, Place) else f"docker://{name}"


def _config(source: Source, config: Descriptor) -> bytes:
    if config.size == UNKNOWN_SIZE or config.size > MAX_CONFIG_BYTES:
        raise ContentError(f"{source.reference}: a configuration of {config.size} bytes is not read")
    found = b"".join(source.blob(config))
    if not found:
        raise NotFound(f"{source.reference}: an empty configuration")
    return found
