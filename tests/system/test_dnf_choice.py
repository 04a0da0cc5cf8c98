"""What we foretell, and what the real dnf prints."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from support.dnf_cases import ALONE, CASES, Case
from support.dnf_scenarios import Answer, System, ask_dnf, ask_us, joined, made, ours, prefixed
from support.rpms import needed

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """dnf's answer to every case, from one root."""
    needed("dnf", "rpm")
    return asked_together([case.system for case in CASES], tmp_path_factory.mktemp("dnf"))


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=[case.rule for case in CASES])
def test_each_rule_is_dnfs_own(number: int, case: Case, said: dict[str, Answer]) -> None:
    assert without(said.get(prefix_of(number), Answer([], [])), prefix_of(number)) == expected(case)


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.rule)
def test_each_rule_that_needs_a_root_is_dnfs_own(case: Case, tmp_path: Path) -> None:
    needed("dnf", "rpm")
    answer = ask_dnf(case.system, tmp_path)
    assert Answer(sorted(answer.updates), sorted(answer.obsoleting)) == expected(case)


@pytest.mark.parametrize("seed", [1000, 2000])
def test_made_systems_get_dnfs_own_answer(seed: int, tmp_path: Path) -> None:
    needed("dnf", "rpm")
    systems = [made(seed + number) for number in range(100)]
    answers = asked_together(systems, tmp_path)
    assert sum(bool(answer.updates) for answer in answers.values()) > 20
    for number, system in enumerate(systems):
        foretold = ours(ask_us(system))
        answer = without(answers.get(prefix_of(number), Answer([], [])), prefix_of(number))
        assert Answer(sorted(foretold.updates), sorted(foretold.obsoleting)) == answer, f"made({seed + number})"


def prefix_of(number: int) -> str:
    return f"s{number:03}-"


def expected(case: Case) -> Answer:
    return Answer(sorted(case.updates), sorted(case.obsoleting))


def asked_together(systems: Sequence[System], folder: Path) -> dict[str, Answer]:
    """Ask dnf once about many systems; the answers by their prefix."""
    answer = ask_dnf(joined([prefixed(system, prefix_of(number)) for number, system in enumerate(systems)]), folder)
    updates, obsoleting = sorted_out(answer.updates), sorted_out(answer.obsoleting)
    return {prefix: Answer(updates[prefix], obsoleting[prefix]) for prefix in {*updates, *obsoleting}}


def sorted_out(lines: Iterable[str]) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        found[line[: len(prefix_of(0))]].append(line)
    return found


def without(answer: Answer, prefix: str) -> Answer:
    """The answer with the names as they were, sorted."""
    return Answer(
        sorted(line.replace(prefix, "") for line in answer.updates),
        sorted(line.replace(prefix, "") for line in answer.obsoleting),
    )
