"""One run of a file: list each repository once, select, and bring what has changed, several tags at a time.

An unchanged tag costs one HEAD: what was moved before, and verified, is remembered. A bad tag keeps no other back.
"""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore, Lock, Thread
from typing import TYPE_CHECKING, Protocol

import msgspec

from affineur.errors import ContentError, Error, InputError, RateLimited, SourceError, Unreachable
from affineur.http.pacing import BudgetSpent
from affineur.move.sync.file import Entry, SyncFile
from affineur.move.sync.jobs import Job, Outcome, State, jobs_of, repository_key, unique
from affineur.move.sync.places import Places
from affineur.oci.digest import Digest

if TYPE_CHECKING:
    from affineur.store.moves import MoveMemory

__all__ = ["Options", "Plan", "Problem", "Run", "Shown"]

AT_ONCE = 4
"""Tags in work side by side, unless the file says more or less for their registries."""
MAX_AT_ONCE = 16
MAX_IN_A_ROW = 5
"""Tags that fail one after the other because a registry does not answer; then no more of that pair are tried."""
_REFERRERS_TAG_LENGTH = {"sha256": 64, "sha512": 64}


class Options(msgspec.Struct, frozen=True):
    """What the command line says.

    Attributes:
        file: the file's identity: under which name what it brought is remembered.
        check_target: ask the target, too, whether an unchanged tag still names what was put there.
        again: move what is unchanged, too: for what speaks of it and has come later.
        now: for `newer-than`.
    """

    file: str
    now: datetime
    dry_run: bool = False
    check_target: bool = False
    again: bool = False
    referrers: bool = True


class Problem(msgspec.Struct, frozen=True):
    """A repository that could not be listed. Attributes: state: as of an `Outcome`."""

    entry: Entry
    state: State
    why: str


class Plan(msgspec.Struct, frozen=True):
    """What is to be looked at.

    Attributes:
        unread: by `jobs.repository_key` of a source, why it cannot be said that a tag is not wanted any more.
        tags: by the name of the source, all that are listed.
        known: keys of targets (`Job.target_key`) to which something was moved before, and verified.
    """

    jobs: tuple[Job, ...]
    problems: tuple[Problem, ...]
    unread: Mapping[str, str]
    tags: Mapping[str, frozenset[str]]
    known: frozenset[str] = frozenset()


class Shown(Protocol):
    """Told of everything as it happens, from any thread; must return at once."""

    def planned(self, plan: Plan) -> None:
        """Before the first tag is looked at."""
        ...

    def began(self, job: Job) -> None:
        """A tag has changed, and is now judged and moved."""
        ...

    def done(self, outcome: Outcome) -> None:
        """A tag is done with."""
        ...


class Run:
    """Carries a file out."""

    def __init__(self, file: SyncFile, places: Places, memory: "MoveMemory", options: Options, shown: Shown) -> None:
        """Nothing is asked yet."""
        self._file, self._places, self._memory, self._options, self._shown = file, places, memory, options, shown
        self._lock = Lock()
        self._stopped = False
        self._in_a_row: dict[tuple[str, ...], int] = {}
        self._given_up: dict[tuple[str, ...], str] = {}
        self._fault: BaseException | None = None
        self._writing: dict[str, Lock] = {}
        self._turns = {
            # a budget is spent on whole tags, not on the first halves of several
            name: BoundedSemaphore(each.at_once or 1)
            for name, each in file.registries.items()
            if each.at_once is not None or each.requests is not None
        }

    def plan(self) -> Plan:
        """List every repository, once, and select. Raises InvalidSettings: see `jobs.unique`."""
        tags: dict[str, tuple[str, ...]] = {}
        failed: dict[str, Error] = {}
        unread: dict[str, str] = {}
        jobs: list[Job] = []
        problems: list[Problem] = []
        for entry in self._file.entries:
            if not self._options.referrers:
                entry = msgspec.structs.replace(entry, referrers=False)
            if entry.tags:
                jobs.extend(jobs_of(entry, entry.tags))
                continue
            name, key = entry.source.name, repository_key(entry.source)
            if name not in tags and name not in failed:
                try:
                    tags[name] = self._listed(entry)
                except (SourceError, ContentError) as problem:
                    failed[name] = problem
                    unread[key] = f"the tags of {name} could not be listed"
            if name in failed:
                state: State = "left" if isinstance(failed[name], BudgetSpent) else _state(failed[name])
                problems.append(Problem(entry, state, str(failed[name])))
                continue
            if not tags[name]:
                unread[key] = f"{name} lists no tag at all: that is more likely its fault"
            of_images = [tag for tag in tags[name] if not (entry.referrers and _keeps_referrers(tag))]
            jobs.extend(jobs_of(entry, entry.selection.of(of_images)))
        found = _in_turn(unique(jobs, self._file.name))
        looked = {}
        for job in found:
            known = self._memory.known(job.source_key, job.target_key, job.how)
            if known is not None:
                looked[job.target_key] = known.looked
        if any(each.requests is not None for each in self._file.registries.values()):
            # the budget may not last for all: those that were looked at longest ago go first
            found.sort(key=lambda job: looked.get(job.target_key, 0.0))
        return Plan(
            jobs=tuple(found),
            problems=tuple(problems),
            unread=unread,
            tags={name: frozenset(those) for name, those in tags.items()},
            known=frozenset(looked),
        )

    def _listed(self, entry: Entry) -> tuple[str, ...]:
        """Every tag of an entry's source. Raises SourceError, ContentError."""
        place = (entry.source.registry or entry.source.name,)
        if place in self._given_up:
            raise Unreachable(self._given_up[place])
        try:
            found = tuple(self._places.tags(entry.source))
        except (SourceError, ContentError) as problem:
            self._count(place, problem)
            raise
        self._count(place, None)
        return found

    def carry_out(self, plan: Plan) -> list[Outcome]:
        """Look at every tag and move what has changed; one outcome for each job, in no order.

        Raises what is nobody's fault but ours, and KeyboardInterrupt; tags that are done stay done.
        """
        self._shown.planned(plan)
        waiting = iter(plan.jobs)
        outcomes: list[Outcome] = []

        def work() -> None:
            while True:
                with self._lock:
                    job = None if self._stopped else next(waiting, None)
                if job is None:
                    return
                try:
                    outcome = self._outcome(job, plan)
                except BaseException as fault:  # told by the thread that waits
                    with self._lock:
                        self._fault, self._stopped = self._fault or fault, True
                    return
                with self._lock:
                    if self._stopped:  # what has not ended by itself has no outcome
                        return
                    outcomes.append(outcome)
                self._shown.done(outcome)

        threads = [Thread(target=work, daemon=True) for _ in range(self._at_once(plan.jobs))]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            self._stopped = True
            raise
        if self._fault is not None:
            raise self._fault
        self._memory.tidy()
        return outcomes

    def _at_once(self, jobs: tuple[Job, ...]) -> int:
        """How many tags can be in work: no more threads than there are turns to be had."""
        turns = {
            pair: min(
                (each.at_once or AT_ONCE for name in pair if (each := self._file.registries.get(name)) is not None),
                default=AT_ONCE,
            )
            for pair in {_pair(job) for job in jobs}
        }
        return min(MAX_AT_ONCE, max([1, *turns.values(), min(AT_ONCE, sum(turns.values()))]))

    def _outcome(self, job: Job, plan: Plan) -> Outcome:
        pair = _pair(job)
        began = time.monotonic()
        with ExitStack() as stack:
            for name in sorted(pair):
                if name in self._turns:
                    stack.enter_context(self._turns[name])
            with self._lock:
                given_up = self._given_up.get(pair)
            if given_up is not None:
                return Outcome(job, "left", given_up)
            try:
                outcome = self._looked_at(job, plan)
            except BudgetSpent as problem:
                with self._lock:
                    self._given_up[pair] = str(problem)
                return Outcome(job, "left", str(problem))
            except (SourceError, ContentError, InputError) as problem:
                self._count(pair, problem)
                outcome = Outcome(job, _state(problem), str(problem))
            else:
                self._count(pair, None)
        return msgspec.structs.replace(outcome, seconds=round(time.monotonic() - began, 3))

    def _count(self, pair: tuple[str, ...], problem: Error | None) -> None:
        with self._lock:
            if not isinstance(problem, Unreachable | RateLimited):
                self._in_a_row[pair] = 0
                return
            self._in_a_row[pair] = self._in_a_row.get(pair, 0) + 1
            if self._in_a_row[pair] >= MAX_IN_A_ROW:
                self._given_up.setdefault(pair, f"given up after {MAX_IN_A_ROW} in a row: {problem}")

    def _looked_at(self, job: Job, plan: Plan) -> Outcome:
        """Raises SourceError, ContentError, InputError."""
        digest = self._places.digest(job)
        known = self._memory.known(job.source_key, job.target_key, job.how)
        aged = self._aged(job, digest)
        if aged is not None:
            return aged
        if known is not None and known.source_digest == digest and not self._options.again:
            there = self._places.there(job) if self._options.check_target else known.target_digest
            if there == known.target_digest:
                if not self._options.dry_run:
                    self._keep(job, digest, known.target_digest)
                return Outcome(job, "unchanged", digest=digest)
        if self._options.dry_run:
            there = self._places.there(job)
            if there == digest and not self._options.again:
                return Outcome(job, "there", digest=digest)
            changed = "another image is there" if there is not None else ""
            return Outcome(job, "would move", changed, digest)
        self._shown.began(job)
        if job.entry.policy:
            decision, why = self._places.judge(job, digest)
            if decision != "accept":
                return Outcome(job, "rejected" if decision == "reject" else "undetermined", why, digest)
        # One at a time for each repository that is written: tags share blobs and manifests, which would be sent twice;
        # and docker-registry 2.8 says of a manifest that is being put a second time that it does not know it.
        with self._lock:
            alone = self._writing.setdefault(job.entry.target.name, Lock())
        with alone:
            receipt = self._places.move(job, digest, plan.tags.get(job.entry.source.name))
        # what could not be told is looked at again the next time
        self._keep(job, digest if not receipt.unassessed else "", receipt.digest)
        untold = "; ".join(f"{each.what}: {each.why}" for each in receipt.unassessed[:3])
        return Outcome(job, "moved", untold, digest, receipt.sent_bytes, told=not receipt.unassessed)

    def _keep(self, job: Job, digest: str, there: str) -> None:
        self._memory.keep(self._options.file, job.source_key, job.target_key, job.how, str(digest), str(there))

    def _aged(self, job: Job, digest: Digest) -> Outcome | None:
        """The outcome for what is too old, or of an unknown age; None for what is wanted."""
        wanted = job.entry.newer_than
        if wanted is None:
            return None
        created = self._memory.created(digest)
        if created is None:
            created = self._places.created(job, digest)
            self._memory.keep_created(digest, created)
        moment = _moment(created)
        if moment is None:
            said = f"says {created[:40]!r}" if created else "does not say"
            return Outcome(job, "undetermined", f"newer-than: it {said} when it was built", digest)
        after = self._options.now - wanted if isinstance(wanted, timedelta) else wanted
        if moment > after:
            return None
        return Outcome(job, "older", f"built {moment:%Y-%m-%d}", digest)


def _pair(job: Job) -> tuple[str, ...]:
    """The registries (or folders) between which a job goes, each once."""
    return tuple(dict.fromkeys(each.registry or each.name for each in (job.entry.source, job.entry.target)))


def _in_turn(jobs: list[Job]) -> list[Job]:
    """Each repository's first tag, then each one's second: so that several are written side by side."""
    seen: Counter[str] = Counter()
    turns = []
    for job in jobs:
        turns.append(seen[job.entry.target.name])
        seen[job.entry.target.name] += 1
    return [job for _, job in sorted(zip(turns, jobs, strict=True), key=lambda each: each[0])]


def _state(problem: Error) -> State:
    return "bad content" if isinstance(problem, ContentError) else "failed"


def _moment(created: str) -> datetime | None:
    """RFC 3339 § 5.6, as the image specification asks of `created`; finer than microseconds is cut."""
    try:
        moment = datetime.fromisoformat(created.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _keeps_referrers(tag: str) -> bool:
    """Whether a tag is one of the referrers tag schema, or of cosign's (`sha256-….sig`)."""
    algorithm, hyphen, rest = tag.partition("-")
    length = _REFERRERS_TAG_LENGTH.get(algorithm)
    encoded, _, _ = rest.partition(".")
    return bool(hyphen) and length == len(encoded) and set(encoded) <= set("0123456789abcdef")
