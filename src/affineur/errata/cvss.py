"""CVSS base scores, computed from the vectors that CVE records carry.

Version 3.0 and 3.1: FIRST, Common Vulnerability Scoring System v3.1: Specification Document, § 7.1 (base metrics
equations), § 7.4 (metric values), Appendix A (rounding up without floating-point surprises). 3.0 differs from 3.1 in
its base equations by that rounding only, so both are computed alike.

Version 4.0: cvss4.py. Version 2 vectors give no score; OSV records carry none beside a newer one.
"""

from affineur.errata.cvss4 import base_score_4

__all__ = ["base_score"]

MAX_VECTOR_CHARACTERS = 512  # all metrics of v3.1 together need fewer than 130

_WEIGHTS: dict[str, dict[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "S": {"U": 0.0, "C": 0.0},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES_WHEN_SCOPE_CHANGES = {"N": 0.85, "L": 0.68, "H": 0.5}


def base_score(vector: str) -> float | None:
    """Give the base score, 0.0 to 10.0, of a `CVSS:3.0/…`, `CVSS:3.1/…` or `CVSS:4.0/…` vector; None for others.

    Temporal, threat, environmental and supplemental metrics may stand in the vector and are passed over.

    Raises:
        ValueError: it names one of these versions, and breaks that version's grammar.
    """
    if len(vector) > MAX_VECTOR_CHARACTERS:
        raise ValueError(f"a CVSS vector of {len(vector)} characters")
    version, _, rest = vector.partition("/")
    if version not in ("CVSS:3.0", "CVSS:3.1", "CVSS:4.0"):
        return None
    metrics: dict[str, str] = {}
    for part in rest.split("/"):
        name, colon, value = part.partition(":")
        if not colon or name in metrics:
            raise ValueError(f"CVSS vector {vector!r}: {part!r} is no metric, or stands twice")
        metrics[name] = value
    if version == "CVSS:4.0":
        try:
            return base_score_4(metrics)
        except ValueError as error:
            raise ValueError(f"CVSS vector {vector!r}: {error}") from error
    return _base_score(metrics, vector)


def _base_score(metrics: dict[str, str], vector: str) -> float:
    weights: dict[str, float] = {}
    for name, values in _WEIGHTS.items():
        if metrics.get(name) not in values:
            raise ValueError(f"CVSS vector {vector!r}: {name} is {metrics.get(name, 'missing')}")
        weights[name] = values[metrics[name]]
    changed = metrics["S"] == "C"
    if changed:
        weights["PR"] = _PRIVILEGES_WHEN_SCOPE_CHANGES[metrics["PR"]]
    lost = 1 - (1 - weights["C"]) * (1 - weights["I"]) * (1 - weights["A"])
    impact = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 if changed else 6.42 * lost
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weights["AV"] * weights["AC"] * weights["PR"] * weights["UI"]
    return _rounded_up(min(1.08 * (impact + exploitability) if changed else impact + exploitability, 10.0))


def _rounded_up(value: float) -> float:
    """Round up to one decimal as Appendix A asks, so that 4.000000000000001 stays 4.0."""
    hundred_thousandths = round(value * 100_000)
    if hundred_thousandths % 10_000 == 0:
        return hundred_thousandths / 100_000
    return (hundred_thousandths // 10_000 + 1) / 10
