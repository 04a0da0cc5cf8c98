"""What goes wrong in one run of the campaign of faults: drawn from a seed, the same for ever."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from support.faulty_proxy import Fault, Kind

__all__ = ["Plan", "plan"]

_READ = (("GET", "/blobs/"), ("GET", "/manifests/"), ("HEAD", "/manifests/"), ("GET", "/tags/list"), ("", ""))
_WRITTEN = (
    ("HEAD", "/blobs/"),
    ("POST", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("PUT", "/manifests/"),
    ("PUT", "/manifests/"),
    ("GET", "/manifests/"),
    ("HEAD", "/manifests/"),
    ("", ""),
)
_KINDS: dict[Kind, int] = {
    "cut": 30,
    "reset": 15,
    "answer": 15,
    "change": 14,
    "stall": 6,
    "truncate": 6,
    "refuse": 4,
    "whole": 4,
}
STALL_S = 0.3


@dataclass(frozen=True)
class Plan:
    """Of one run.

    Attributes:
        source, target: what happens on the way to each registry.
        kill_after_s: the program is killed that long after its start; one of the faults may be "tell": then, too.
        occupied: whether the target's tag names an older image before.
    """

    seed: int
    source: tuple[Fault, ...]
    target: tuple[Fault, ...]
    kill_after_s: float | None
    occupied: bool


def plan(seed: int) -> Plan:
    """The same for the same seed, on every machine and with every Python (random.Random's seeding is specified)."""
    drawn = random.Random(seed)
    where = drawn.choice(("source", "target", "target", "both"))
    kill = drawn.random()
    source = _faults(drawn, _READ) if where != "target" else ()
    target = _faults(drawn, _WRITTEN) if where != "source" else ()
    if kill < 0.15:  # at a byte
        told = _one(drawn, "tell", _WRITTEN)
        target = (*target, replace(told, times=1, closes=drawn.random() < 0.5))
    after_s = round(drawn.uniform(0.15, 0.9), 3) if 0.15 <= kill < 0.3 else None
    return Plan(seed, source, target, after_s, drawn.random() < 0.5)


def _faults(drawn: random.Random, places: Sequence[tuple[str, str]]) -> tuple[Fault, ...]:
    found = []
    for _ in range(drawn.choice((1, 1, 2, 3))):
        (kind,) = drawn.choices(list(_KINDS), list(_KINDS.values()))
        found.append(_one(drawn, kind, places))
    if places is _WRITTEN and drawn.random() < 0.25:  # a session that broke off, and then is not there any more
        cut = Fault("cut", "PUT", "/blobs/uploads/", side="request", share=round(drawn.random(), 3))
        found += [cut, Fault("forget", drawn.choice(("GET", "PUT")), "/blobs/uploads/", skip=drawn.randrange(2))]
    return tuple(found)


def _one(drawn: random.Random, kind: Kind, places: Sequence[tuple[str, str]]) -> Fault:
    method, path = drawn.choice(places)
    status = drawn.choice((429, 500, 502)) if kind == "answer" else 0
    return Fault(
        kind,
        method,
        path,
        skip=drawn.randrange(12 if not method else 4),
        times=drawn.choices((1, 2, 6, -1), (70, 12, 8, 10))[0],
        side=drawn.choice(("request", "answer")),
        in_head=drawn.random() < 0.2,
        share=round(drawn.random(), 3),
        status=status,
        retry_after=drawn.choice(("", "0", "1")) if status == 429 else "",
        seconds=STALL_S if kind == "stall" else 0.0,
        closes=kind == "stall" and drawn.random() < 0.5,
        early=bool(status) and drawn.random() < 0.3,
    )
