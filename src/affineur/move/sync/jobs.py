"""What is to be done: one job for each tag that the file wants, and what became of it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from affineur.errors import InvalidSettings
from affineur.move.sync.file import Entry
from affineur.oci.digest import VERIFIABLE
from affineur.oci.place import Place
from affineur.oci.reference import Reference

__all__ = [
    "EXIT_CODES",
    "Job",
    "Outcome",
    "State",
    "exit_code",
    "is_digest",
    "jobs_of",
    "key_of",
    "repository_key",
    "unique",
]

State: TypeAlias = Literal[
    "moved", "unchanged", "would move", "there", "older", "rejected", "undetermined", "left", "failed", "bad content"
]
EXIT_CODES: dict[State, int] = {"bad content": 5, "failed": 4, "rejected": 1, "undetermined": 3, "left": 3}
"""Of the states that are not well; the first one that occurs decides."""


class Job(msgspec.Struct, frozen=True):
    """One tag (or digest) that is wanted somewhere.

    Attributes:
        source, target: in full, as people and other programs name them.
    """

    entry: Entry
    which: str
    source: str
    target: str

    @property
    def source_key(self) -> str:
        """The same name from any working folder."""
        return key_of(self.entry.source, self.which)

    @property
    def target_key(self) -> str:
        """The same name from any working folder."""
        return key_of(self.entry.target, self.which)

    @property
    def how(self) -> str:
        """What else the result depends on: where it changes, the tag is moved again."""
        platforms = ",".join(sorted(map(str, self.entry.platforms)))
        return f"platforms={platforms};referrers={self.entry.referrers};policy={self.entry.policy}"


class Outcome(msgspec.Struct, frozen=True):
    """What became of a job.

    Attributes:
        state: "would move" and "there" (the target has it, and it was not known) only of a dry run; "older": than what
            is wanted; "left": not looked at, `why` says the reason.
        digest: what the source's tag names; "" where that is not known.
        told: False where something about it could not be told, although it was moved.
    """

    job: Job
    state: State
    why: str = ""
    digest: str = ""
    sent_bytes: int = 0
    seconds: float = 0.0
    told: bool = True


def key_of(repository: Reference | Place, which: str) -> str:
    """A name by which an image is remembered: full, and for a folder absolute."""
    if isinstance(repository, Place):
        repository = msgspec.structs.replace(repository, path=str(Path(repository.path).absolute()))
    return _named(repository, which)


def repository_key(repository: Reference | Place) -> str:
    """What `key_of` has before the tag."""
    return key_of(repository, "x")[: -len(":x")]


def jobs_of(entry: Entry, tags: Iterable[str]) -> Iterator[Job]:
    """The jobs of an entry's tags."""
    for which in tags:
        yield Job(entry, which, _named(entry.source, which), _named(entry.target, which))


def unique(jobs: Iterable[Job], file: str) -> list[Job]:
    """Each job once. Raises InvalidSettings: two different images would get the same name."""
    found: dict[str, Job] = {}
    for job in jobs:
        first = found.setdefault(job.target_key, job)
        if (first.source_key, first.how) != (job.source_key, job.how):
            raise InvalidSettings(
                f"{file}:{job.entry.line}: {job.target} would come from {job.source}, and by line {first.entry.line}"
                f" from {first.source}{'' if first.source != job.source else ' in another way'}: nothing was moved"
            )
    return list(found.values())


def exit_code(outcomes: Iterable[Outcome], others: Iterable[State] = ()) -> int:
    """One for all: the first of EXIT_CODES that any of them has; 3 where something else could not be told; 0.

    Args:
        others: states of what is no tag: repositories that could not be listed.
    """
    states: set[State] = set(others)
    told = True
    for outcome in outcomes:
        states.add(outcome.state)
        told = told and outcome.told
    return next((code for state, code in EXIT_CODES.items() if state in states), 0 if told else 3)


def is_digest(which: str) -> bool:
    """Whether this is a digest by an algorithm that can be verified; names in a layout may hold colons, too."""
    return which.startswith(tuple(f"{algorithm}:" for algorithm in VERIFIABLE))


def _named(repository: Reference | Place, which: str) -> str:
    return f"{repository.name}{'@' if is_digest(which) else ':'}{which}"
