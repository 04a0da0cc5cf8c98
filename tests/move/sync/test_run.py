"""A run among places that a test makes up: what is tried, in which order, and what is given up."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from affineur.errors import Denied, DigestMismatch, Error, InvalidSettings, NotFound, RateLimited, Unreachable
from affineur.evidence import Unassessed
from affineur.http.pacing import BudgetSpent
from affineur.move.receipt import Receipt
from affineur.move.sync.file import parse_sync_file
from affineur.move.sync.jobs import Job, Outcome, exit_code, is_digest
from affineur.move.sync.run import MAX_IN_A_ROW, Options, Plan, Run
from affineur.oci.digest import Digest
from affineur.oci.place import Place
from affineur.oci.reference import Reference
from affineur.store.moves import MoveMemory

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ONE = Digest.of(b"one")
ENTRY = "{from: a.example/app, to: b.example/app}"


class Made:
    """`Places` that a test fills, and a note of what they were asked."""

    def __init__(self) -> None:
        self.listed: dict[str, list[str]] = {"a.example/app": ["1", "2", "3"]}
        self.problems: dict[tuple[str, str], Error] = {}
        self.date = "2026-11-01T00:00:00Z"
        self.decision = "accept"
        self.unassessed: tuple[Unassessed, ...] = ()
        self.unreachable = False
        self.asked: list[tuple[str, str]] = []

    def _note(self, what: str, job: Job) -> None:
        self.asked.append((what, job.which))
        for which in (job.which, "*"):
            if (what, which) in self.problems:
                raise self.problems[what, which]

    def tags(self, repository: Reference | Place) -> Iterator[str]:
        self.asked.append(("tags", repository.name))
        if repository.name not in self.listed:
            raise Unreachable("nobody there") if self.unreachable else NotFound("no such repository")
        yield from self.listed[repository.name]

    def digest(self, job: Job) -> Digest:
        self._note("digest", job)
        return Digest(job.which) if is_digest(job.which) else ONE

    def there(self, job: Job) -> Digest | None:
        self._note("there", job)
        return None

    def created(self, job: Job, digest: Digest) -> str:
        self._note("created", job)
        return self.date

    def judge(self, job: Job, digest: Digest) -> tuple[str, str]:
        self._note("judge", job)
        return self.decision, "because"

    def move(self, job: Job, digest: Digest, known_tags: frozenset[str] | None) -> Receipt:
        self._note("move", job)
        return Receipt(
            source=job.source,
            target=job.target,
            digest=str(digest),
            media_type="",
            tags=(job.which,),
            manifests=(),
            blobs=(),
            carried=(),
            not_carried=(),
            unassessed=self.unassessed,
            sparse=(),
            verified="",
            sent_bytes=5,
            began=NOW,
            seconds=0.0,
        )


class Silent:
    def planned(self, plan: Plan) -> None: ...

    def began(self, job: Job) -> None: ...

    def done(self, outcome: Outcome) -> None: ...


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
def carried_out(made: Made, tmp_path: Path) -> Iterator[Callable[..., list[Outcome]]]:
    """Runs a file, by the text of its list, one tag at a time; the memory lasts for the test."""
    memory = MoveMemory(tmp_path)

    def carry_out(*entries: str, limits: str = "at-once: 1", **options: Any) -> list[Outcome]:
        text = f"sync: [{', '.join(entries or (ENTRY,))}]\nregistries: {{a.example: {{{limits}}}}}\n"
        run = Run(
            parse_sync_file(text.encode(), "sync.yaml"),
            made,
            memory,
            Options(file="sync.yaml", now=NOW, **options),
            Silent(),
        )
        made.asked.clear()
        return run.carry_out(run.plan())

    yield carry_out
    memory.close()


CarryOut = Callable[..., list[Outcome]]


def states(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.job.which: outcome.state for outcome in outcomes}


def test_each_repository_is_listed_once(made: Made, carried_out: CarryOut) -> None:
    outcomes = carried_out(ENTRY, "{from: a.example/app, to: c.example/app, include: '1'}")
    assert [each for each in made.asked if each[0] == "tags"] == [("tags", "a.example/app")]
    assert len(outcomes) == 4


def test_named_tags_are_not_listed(made: Made, carried_out: CarryOut) -> None:
    digest = str(Digest.of(b"x"))
    outcomes = carried_out(f"{{from: a.example/app, to: b.example/app, tags: ['9', '{digest}']}}")
    assert states(outcomes) == {"9": "moved", digest: "moved"}
    assert outcomes[0].job.target.startswith("b.example/app")
    assert {each.job.target for each in outcomes} == {"b.example/app:9", f"b.example/app@{digest}"}
    assert ("tags", "a.example/app") not in made.asked


def test_images_of_a_layout_are_named_by_digest_or_by_what_is_no_tag_elsewhere(
    made: Made, carried_out: CarryOut, tmp_path: Path
) -> None:
    digest = str(Digest.of(b"x"))
    (named,) = carried_out(f"{{from: 'oci:{tmp_path}', to: b.example/app, tags: '{digest}'}}")
    assert (named.job.source, named.job.target) == (f"oci:{tmp_path}@{digest}", f"b.example/app@{digest}")
    made.listed[f"oci:{tmp_path}"] = ["c.example/app:1"]
    (listed,) = carried_out(f"{{from: 'oci:{tmp_path}', to: 'oci:{tmp_path}/other'}}")
    assert listed.job.source == f"oci:{tmp_path}:c.example/app:1"
    assert listed.state == "moved"


def test_tags_that_keep_referrers_are_no_images(made: Made, carried_out: CarryOut) -> None:
    encoded = "0" * 64
    made.listed["a.example/app"] += [f"sha256-{encoded}", f"sha256-{encoded}.sig", f"sha512-{encoded}", "sha256-12"]
    assert set(states(carried_out())) == {"1", "2", "3", "sha256-12"}
    without = carried_out("{from: a.example/app, to: c.example/app, referrers: false}")
    assert len(without) == 7
    assert len(carried_out(ENTRY, referrers=False)) == 7


@pytest.mark.parametrize(
    ("problem", "state", "code"),
    [
        (NotFound("gone"), "failed", 4),
        (Denied("no"), "failed", 4),
        (DigestMismatch("x", "a", "b"), "bad content", 5),
        (InvalidSettings("no such certificate"), "failed", 4),
    ],
)
@pytest.mark.parametrize("where", ["digest", "move"])
def test_a_bad_tag_keeps_no_other_back(
    made: Made, carried_out: CarryOut, where: str, problem: Error, state: str, code: int
) -> None:
    made.problems[where, "2"] = problem
    outcomes = carried_out()
    assert states(outcomes) == {"1": "moved", "2": state, "3": "moved"}
    assert exit_code(outcomes) == code
    del made.problems[where, "2"]
    assert states(carried_out()) == {"1": "unchanged", "2": "moved", "3": "unchanged"}


@pytest.mark.parametrize("problem", [Unreachable("nobody there"), RateLimited("too many")])
def test_a_registry_that_does_not_answer_is_given_up(made: Made, carried_out: CarryOut, problem: Error) -> None:
    made.listed["a.example/app"] = [str(number) for number in range(20)]
    made.listed["a.example/other"] = ["1"]
    made.problems["digest", "*"] = problem
    outcomes = carried_out(ENTRY)
    found = list(states(outcomes).values())
    assert (found.count("failed"), found.count("left")) == (MAX_IN_A_ROW, 20 - MAX_IN_A_ROW)
    assert exit_code(outcomes) == 4
    assert "in a row" in next(each.why for each in outcomes if each.state == "left")


def test_a_registry_that_lists_nothing_is_given_up_as_well(made: Made, carried_out: CarryOut) -> None:
    entries = [f"{{from: a.example/none{number}, to: b.example/none{number}}}" for number in range(20)]
    made.listed = {}
    made.unreachable = True
    assert carried_out(*entries) == []
    assert len(made.asked) == MAX_IN_A_ROW


def test_failures_that_are_not_in_a_row_give_nothing_up(made: Made, carried_out: CarryOut) -> None:
    made.listed["a.example/app"] = [str(number) for number in range(20)]
    for number in range(0, 20, 2):
        made.problems["digest", str(number)] = Unreachable("nobody there")
    assert set(states(carried_out()).values()) == {"failed", "moved"}


def test_a_spent_budget_leaves_the_rest_and_the_next_run_begins_with_it(made: Made, carried_out: CarryOut) -> None:
    limits = "at-once: 1, requests: 9"
    made.problems["digest", "2"] = BudgetSpent("spent")
    outcomes = carried_out(limits=limits)
    assert states(outcomes) == {"1": "moved", "2": "left", "3": "left"}
    assert exit_code(outcomes) == 3
    del made.problems["digest", "2"]
    carried_out(limits=limits)
    assert [which for what, which in made.asked if what == "digest"] == ["2", "3", "1"]


def test_what_could_not_be_told_is_looked_at_again(made: Made, carried_out: CarryOut) -> None:
    made.unassessed = (Unassessed("referrers", "the registry did not say"),)
    outcomes = carried_out()
    assert exit_code(outcomes) == 3
    assert outcomes[0].why == "referrers: the registry did not say"
    assert set(states(carried_out()).values()) == {"moved"}
    made.unassessed = ()
    assert exit_code(carried_out()) == 0
    assert set(states(carried_out()).values()) == {"unchanged"}


@pytest.mark.parametrize(
    ("date", "state"),
    [
        ("2026-11-01T00:00:00Z", "moved"),
        ("2026-08-01T00:00:00+02:00", "older"),
        ("1970-01-01T00:00:00Z", "older"),
        ("2026-11-01T00:00:00.123456789Z", "moved"),
        ("2026-11-01", "moved"),
        ("", "undetermined"),
        ("yesterday", "undetermined"),
        ("9" * 10_000, "undetermined"),
    ],
)
def test_age_is_asked_for_once_for_each_digest(made: Made, carried_out: CarryOut, date: str, state: str) -> None:
    made.date = date
    entry = "{from: a.example/app, to: b.example/app, newer-than: 30d}"
    outcomes = carried_out(entry)
    assert set(states(outcomes).values()) == {state}
    assert [what for what, _ in made.asked].count("created") == 1  # three tags of one digest
    carried_out(entry)
    assert "created" not in [what for what, _ in made.asked]
    assert exit_code(outcomes) == {"moved": 0, "older": 0, "undetermined": 3}[state]


@pytest.mark.parametrize(
    ("decision", "state", "code"),
    [
        ("reject", "rejected", 1),
        ("undetermined", "undetermined", 3),
        ("accept", "moved", 0),
        ("perhaps", "undetermined", 3),
    ],
)
def test_only_what_is_accepted_is_moved(
    made: Made, carried_out: CarryOut, decision: str, state: str, code: int
) -> None:
    made.decision = decision
    outcomes = carried_out("{from: a.example/app, to: b.example/app, policy: p.yaml}")
    assert set(states(outcomes).values()) == {state}
    assert exit_code(outcomes) == code
    assert ("move" in [what for what, _ in made.asked]) is (decision == "accept")


def test_other_platforms_or_another_policy_move_a_tag_again(made: Made, carried_out: CarryOut) -> None:
    assert set(states(carried_out()).values()) == {"moved"}
    one = "{from: a.example/app, to: b.example/app, platforms: amd64}"
    assert set(states(carried_out(one)).values()) == {"moved"}
    assert set(states(carried_out(one)).values()) == {"unchanged"}
    assert set(states(carried_out(one, again=True)).values()) == {"moved"}


def test_repositories_take_turns(made: Made, carried_out: CarryOut) -> None:
    made.listed["a.example/other"] = ["7", "8"]
    carried_out(ENTRY, "{from: a.example/other, to: b.example/other}")
    assert [which for what, which in made.asked if what == "digest"] == ["1", "7", "2", "8", "3"]


def test_a_fault_of_ours_ends_the_run(made: Made, carried_out: CarryOut) -> None:
    made.problems["digest", "2"] = RuntimeError("a fault")  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="a fault"):
        carried_out()


def test_one_name_for_two_images_is_told(made: Made, carried_out: CarryOut) -> None:
    made.listed["a.example/other"] = ["3"]
    with pytest.raises(InvalidSettings, match=r"sync\.yaml:1: b\.example/app:3 would come from a\.example/other:3"):
        carried_out(ENTRY, "{from: a.example/other, to: b.example/app}")
    assert "move" not in [what for what, _ in made.asked]


def test_exit_codes_in_their_order(carried_out: CarryOut) -> None:
    (done, *_) = carried_out()

    def of(*found: str) -> int:
        return exit_code([msgspec.structs.replace(done, state=each) for each in found])

    assert of("moved", "unchanged", "older", "there", "would move") == 0
    assert of("left", "moved") == of("undetermined") == 3
    assert of("rejected", "undetermined") == 1
    assert of("failed", "rejected", "undetermined") == 4
    assert of("bad content", "failed", "rejected") == 5
    assert exit_code([], ["failed"]) == 4
