"""CVSS version 4.0 base scores (CVSS-B).

Source: FIRST, Common Vulnerability Scoring System v4.0: Specification Document, § 8.2 (scoring by macro vectors and
interpolation), Tables 24-30 (equivalence classes, highest severity vectors, depths). Scores of the macro vectors are
FIRST's own, by experts; cvss4.toml holds those that base metrics can reach. Threat, environmental and supplemental
metrics may stand in a vector and are passed over, so the score is the vendor's view of the flaw, not of its use.
"""

import functools
import itertools
import tomllib

from affineur.errata.data import data

__all__ = ["base_score_4"]

_VALUES = {
    "AV": "NALP", "AC": "LH", "AT": "NP", "PR": "NLH", "UI": "NPA",
    "VC": "HLN", "VI": "HLN", "VA": "HLN", "SC": "HLN", "SI": "HLN", "SA": "HLN",
}  # fmt: skip
"""Each base metric's values, the most severe first; a step down is 0.1."""

# The most severe vectors of each level of each equivalence class. EQ3 and EQ6 belong together; where the security
# requirements are at their defaults, EQ6 follows from EQ3.
_HIGHEST: tuple[tuple[tuple[dict[str, str], ...], ...], ...] = (
    (
        ({"AV": "N", "PR": "N", "UI": "N"},),
        ({"AV": "A", "PR": "N", "UI": "N"}, {"AV": "N", "PR": "L", "UI": "N"}, {"AV": "N", "PR": "N", "UI": "P"}),
        ({"AV": "P", "PR": "N", "UI": "N"}, {"AV": "A", "PR": "L", "UI": "P"}),
    ),
    (
        ({"AC": "L", "AT": "N"},),
        ({"AC": "H", "AT": "N"}, {"AC": "L", "AT": "P"}),
    ),
    (
        ({"VC": "H", "VI": "H", "VA": "H"},),
        ({"VC": "L", "VI": "H", "VA": "H"}, {"VC": "H", "VI": "L", "VA": "H"}),
        ({"VC": "L", "VI": "L", "VA": "L"},),
    ),
    (
        (),
        ({"SC": "H", "SI": "H", "SA": "H"},),
        ({"SC": "L", "SI": "L", "SA": "L"},),
    ),
)
_DEPTH = ((1, 4, 5), (1, 2), (7, 8, 10), (6, 5, 4))
"""Steps from the most to the least severe vector of each level."""


def base_score_4(metrics: dict[str, str]) -> float:
    """Compute the score, 0.0 to 10.0, of a vector's metrics.

    Raises:
        ValueError: a base metric is missing or has no such value.
    """
    for name, values in _VALUES.items():
        if metrics.get(name, "missing") not in tuple(values):
            raise ValueError(f"{name} is {metrics.get(name, 'missing')}")
    if all(metrics[name] == "N" for name in ("VC", "VI", "VA", "SC", "SI", "SA")):
        return 0.0
    levels = _levels(metrics)
    score = _score(levels)
    # EQ5 (exploit maturity) has a level below too, and no distance to go towards it: it only counts in the mean
    lowered, classes = 0.0, 1
    for number, below in enumerate(_below(levels)):
        if below is not None:
            steps = _distance(metrics, levels)[number]
            lowered += (score - below) * steps / _DEPTH[number][levels[number]]
            classes += 1
    return int(min(max(score - lowered / classes, 0.0), 10.0) * 10 + 0.5 + 1e-6) / 10


def _levels(metrics: dict[str, str]) -> tuple[int, int, int, int]:
    entry = [metrics[name] == "N" for name in ("AV", "PR", "UI")]
    eq1 = 0 if all(entry) else 1 if any(entry) and metrics["AV"] != "P" else 2
    eq2 = 0 if metrics["AC"] == "L" and metrics["AT"] == "N" else 1
    system = [metrics[name] == "H" for name in ("VC", "VI", "VA")]
    eq3 = 0 if system[0] and system[1] else 1 if any(system) else 2
    eq4 = 1 if "H" in (metrics["SC"], metrics["SI"], metrics["SA"]) else 2
    return eq1, eq2, eq3, eq4


def _below(levels: tuple[int, int, int, int]) -> tuple[float | None, float | None, float | None, float | None]:
    """Give the score of the next lower macro vector in each class; None where there is none."""
    eq1, eq2, eq3, eq4 = levels
    eq6 = 1 if eq3 == 2 else 0
    beside = {0: ((0, 1), (1, 0)), 1: ((1, 1),), 2: ()}[eq3]
    return (
        _looked_up(eq1 + 1, eq2, eq3, eq4, eq6),
        _looked_up(eq1, eq2 + 1, eq3, eq4, eq6),
        max((_table()[f"{eq1}{eq2}{lower3}{eq4}{lower6}"] for lower3, lower6 in beside), default=None),
        _looked_up(eq1, eq2, eq3, eq4 + 1, eq6),
    )


def _distance(metrics: dict[str, str], levels: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Count the steps below the first of the highest vectors that is in no metric below this one."""
    for parts in itertools.product(*(_HIGHEST[number][level] for number, level in enumerate(levels))):
        steps = [
            [_VALUES[name].index(metrics[name]) - _VALUES[name].index(value) for name, value in part.items()]
            for part in parts
        ]
        if all(step >= 0 for part in steps for step in part):
            first, second, third, fourth = (sum(part) for part in steps)
            return first, second, third, fourth
    raise AssertionError("every vector lies below one of the highest of its class")


def _score(levels: tuple[int, int, int, int]) -> float:
    eq1, eq2, eq3, eq4 = levels
    return _table()[f"{eq1}{eq2}{eq3}{eq4}{1 if eq3 == 2 else 0}"]


def _looked_up(*levels: int) -> float | None:
    return _table().get("".join(map(str, levels)))


@functools.cache
def _table() -> dict[str, float]:
    scores: dict[str, float] = tomllib.loads(data("cvss4.toml").decode())["scores"]
    return scores
