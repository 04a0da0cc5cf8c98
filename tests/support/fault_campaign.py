"""Many runs of `affineur copy` in which something goes wrong, each by a plan of its own: what must hold after each."""

import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from support.copied import REPOSITORY, Ran, Registries, copied, missing, named
from support.docker_registry import push_image
from support.fault_plans import Plan, plan
from support.faulty_proxy import FaultyProxy

__all__ = ["AT_ONCE", "Outcome", "campaign", "run"]

AT_ONCE = 4
"""Runs side by side: most of one is waiting."""


SHOWN = 5
"""Of what is missing, in the account of a run."""


@dataclass(frozen=True)
class Outcome:
    """Of one run.

    Attributes:
        ended: how the first call did, in a word or two.
        struck: the kinds of what happened on the way; empty where the plan's turn never came.
        problem: what may not be, with all that it takes to do it again; "" where all is as it must.
    """

    ended: str
    struck: frozenset[str]
    problem: str


def campaign(registries: Registries, folder: Path, seeds: Iterable[int]) -> list[Outcome]:
    """All these runs, in their order."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda seed: run(registries, folder, plan(seed)), seeds))


def run(registries: Registries, folder: Path, planned: Plan) -> Outcome:
    """One run: a call in which things go wrong and, if it did not end well, another one in which nothing does."""
    repository = f"run/n{planned.seed}"
    before: str | None = None
    if planned.occupied:
        before = push_image(registries.target, repository, "1", [b""])["digest"]
    processes: list[subprocess.Popen[str]] = []
    source = FaultyProxy(registries.source, planned.source)
    target = FaultyProxy(registries.target, planned.target, lambda: processes[0].kill())
    home = folder / f"home-{planned.seed}"
    with source, target:
        words = (home, f"{source.host}/{REPOSITORY}:1", f"{target.host}/{repository}:1")
        first = copied(*words, started=processes.append, kill_after_s=planned.kill_after_s)
        account = [f"{planned!r}", source.account(), target.account(), f"first: {first.code} {first.err}"]
        problems = _judged(registries, repository, first, before)
        if first.code != 0:
            source.heal()
            target.heal()
            second = copied(*words)
            account.append(f"second: {second.code} {second.err}")
            if second.code != 0 or second.said:
                problems.append("the second call, in which nothing goes wrong, does not end well")
            left = missing(registries.image, registries.target, repository)
            problems += [f"after the second call: {each}" for each in left[:SHOWN]]
        struck = frozenset(each.partition(" ")[0] for each in [*source.struck, *target.struck])
    return Outcome(_name(first), struck, "\n".join([*problems, *account]) if problems else "")


def _judged(registries: Registries, repository: str, ran: Ran, before: str | None) -> list[str]:
    """What may not be after the first call, however it went."""
    image, target = registries.image, registries.target
    now = named(target, repository, "1")
    if ran.code == 0:
        return missing(image, target, repository) + ([f"said something: {ran.said}"] if ran.said else [])
    if ran.code == 3:  # copied, but it could not be told whether something belongs to it
        return missing(image, target, repository, company=False)
    problems = []
    if ran.code != -9 and not ran.clear_error:
        problems.append("no clear error")
    if now not in (before, image.digest):
        problems.append(f"the tag names {now}, which is neither what it was ({before}) nor the image")
    if now == image.digest:  # the answer to the last request was lost: then the image is whole
        problems += missing(image, target, repository)
    return problems


def _name(ran: Ran) -> str:
    return {0: "copied", 3: "copied, company unknown", 4: "no answer", 5: "bad content", -9: "killed"}.get(
        ran.code, f"exit {ran.code}"
    )
