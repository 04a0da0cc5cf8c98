"""1,000 tags from a registry that allows 100 requests a minute: none too many, and an honest estimate of the time left.

The registry and the pacing share a clock that moves only when somebody sleeps, so that two hours take seconds.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from affineur.http.client import Client
from affineur.http.pacing import Limit, Pacing
from affineur.move.sync.estimate import Estimate, Estimator
from affineur.move.sync.file import SyncFile, parse_sync_file
from affineur.move.sync.jobs import Job, Outcome
from affineur.move.sync.places import OpenedPlaces
from affineur.move.sync.run import Options, Plan, Run
from affineur.oci.blob import Verification
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.place import AnyReference
from affineur.oci.reference import parse_reference
from affineur.source.registry import RegistrySource
from affineur.store.moves import MoveMemory
from affineur.target.target import Content, Holds, Moved
from support.clock import Clock
from support.pushing import PushableRegistry
from support.registry import Answer

ALLOWED = 100
MINUTE = 60.0
TAGS = 1000


class Limited:
    """Lets 100 requests through in any minute (of the clock), and answers 429 to others."""

    def __init__(
        self, registry: PushableRegistry, clock: Clock, headers: Callable[[float], list[tuple[str, str]]]
    ) -> None:
        self._clock, self._headers = clock, headers
        self._lock = threading.Lock()
        self.statuses: list[int] = []
        self.granted: list[float] = []
        registry.meddle = self._asked

    def _asked(self, method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        with self._lock:
            now = self._clock.now()
            recent = [each for each in self.granted[-ALLOWED:] if each > now - MINUTE]
            if len(recent) >= ALLOWED:
                self.statuses.append(429)
                return Answer(429, self._headers(recent[0] + MINUTE - now), b"")
            self.statuses.append(200)
            self.granted.append(now)
            return None

    @property
    def most_refused_in_a_row(self) -> int:
        return max(map(len, "".join("x" if each == 429 else " " for each in self.statuses).split()), default=0)


class Shelf:
    """A target that keeps what it gets, and costs nothing. See `Target`."""

    holds = Holds()

    def __init__(self, text: str, kept: dict[str, Document]) -> None:
        self.reference: AnyReference = parse_reference(text)
        self._kept = kept

    def digest(self, which: str | None = None) -> Digest | None:
        found = self._kept.get(which or self.reference.which)
        return found.digest if found is not None else None

    def manifest(self, digest: Digest) -> Document | None:
        return self._kept.get(digest)

    def has_blob(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self._kept

    def mount(self, descriptor: Descriptor, origin: AnyReference) -> bool:
        return False

    def put_blob(self, descriptor: Descriptor, content: Content, moved: Moved) -> int:
        found = b"".join(content(Verification(descriptor)))
        self._kept[descriptor.digest] = Document(found, "", descriptor.digest, "")
        return 0

    def put_manifest(self, document: Document) -> None:
        self._kept[document.digest] = document

    def put_tag(self, document: Document, tag: str | None = None) -> None:
        self._kept[tag or self.reference.which] = document

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


class Watching:
    """Notes, at each tag, the estimate and the time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.estimator: Estimator | None = None
        self.said: list[tuple[float, Estimate]] = []
        self._lock = threading.Lock()

    def planned(self, plan: Plan) -> None: ...

    def began(self, job: Job) -> None: ...

    def done(self, outcome: Outcome) -> None:
        assert self.estimator is not None
        with self._lock:
            self.estimator.done(outcome)
            self.said.append((self._clock.now(), self.estimator.left()))


class Stage:
    def __init__(self, folder: Path, source: PushableRegistry) -> None:
        self.source, self.clock = source, Clock()
        self.kept: dict[str, Document] = {}
        self.memory = MoveMemory(folder)
        for number in range(TAGS):
            self.source.push("team/app", f"v{number}", [], annotations={"number": str(number)})

    def run(self, *, told: bool, most: int = TAGS) -> tuple[list[Outcome], Watching, float]:
        """A run of the file; its outcomes, what was said on the way, and how long it took on the clock."""
        file = self._file(most)
        pacing = Pacing(
            {self.source.host: Limit(per_minute=ALLOWED)} if told else {}, clock=self.clock.now, sleep=self.clock.sleep
        )
        began = self.clock.now()
        with Client(pacing=pacing, sleep=self.clock.sleep, environment={}) as client:
            shown = Watching(self.clock)
            options = Options(file="sync.yaml", now=datetime(2026, 11, 24, tzinfo=UTC))
            run = Run(file, self._places(client), self.memory, options, shown)
            plan = run.plan()
            shown.estimator = Estimator(plan, pacing, self.clock.now)
            outcomes = run.carry_out(plan)
        return outcomes, shown, self.clock.now() - began

    def _file(self, most: int) -> SyncFile:
        entry = f"{{from: {self.source.host}/team/app, to: target.example/app, include: 'semver:<{most}'}}"
        return parse_sync_file(f"sync: [{entry}]".encode(), "sync.yaml")

    def _places(self, client: Client) -> OpenedPlaces:
        return OpenedPlaces(
            lambda text: RegistrySource(parse_reference(text), client),
            lambda text: Shelf(text, self.kept),
            lambda: None,
            lambda source, policy: pytest.fail("nothing is judged"),
        )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with PushableRegistry() as source:
        source.referrers_api = True
        made = Stage(tmp_path, source)
        yield made
        made.memory.close()


def honest(shown: Watching, end: float, within: float) -> None:
    """Every estimate from the tenth part on is as long as it took, within a share of it (or five seconds)."""
    for at, estimate in shown.said[len(shown.said) // 10 :]:
        assert estimate.seconds is not None
        assert estimate.seconds == pytest.approx(end - at, rel=within, abs=5)
        assert not estimate.at_least


def test_a_limit_that_is_told_is_kept_and_used(stage: Stage) -> None:
    limited = Limited(stage.source, stage.clock, lambda wait: [("Retry-After", str(int(wait) + 1))])
    outcomes, shown, took = stage.run(told=True)
    assert {each.state for each in outcomes} == {"moved"}
    assert sum(tag.startswith("v") for tag in stage.kept) == TAGS
    assert 429 not in limited.statuses
    needed = len(limited.granted) / ALLOWED * MINUTE
    assert needed - MINUTE <= took <= 1.06 * needed
    honest(shown, stage.clock.now(), 0.06)
    assert shown.said[TAGS // 2][1].why.endswith("100 requests a minute, as the file says")
    # once more: one request for each tag, and one for the list
    before = len(limited.granted)
    outcomes, shown, took = stage.run(told=True)
    assert {each.state for each in outcomes} == {"unchanged"}
    assert len(limited.granted) - before == TAGS + 1
    assert took == pytest.approx((TAGS + 1) / ALLOWED * MINUTE, rel=0.06)
    honest(shown, stage.clock.now(), 0.06)


@pytest.mark.parametrize("headers", ["Retry-After", "RateLimit-Reset", "none"])
def test_a_limit_that_is_not_told_is_learned(stage: Stage, headers: str) -> None:
    limited = Limited(
        stage.source,
        stage.clock,
        lambda wait: [(headers, str(int(wait) + 1))] if headers != "none" else [],
    )
    outcomes, shown, took = stage.run(told=False, most=150)
    assert {each.state for each in outcomes} == {"moved"}
    assert 429 in limited.statuses
    assert limited.most_refused_in_a_row == 1
    assert took <= 1.5 * len(limited.granted) / ALLOWED * MINUTE
    assert any("it refused after" in estimate.why for _, estimate in shown.said)
