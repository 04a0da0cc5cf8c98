"""CVSS 4.0 base scores: some of the 104,976 vectors of base metrics, all of which agreed with Red Hat's cvss 3.6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.cvss import base_score

SCORES = [
    ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
    ("AV:L/AC:L/AT:N/PR:L/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 9.3),
    ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N", 8.7),
    ("AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:L/VA:L/SC:N/SI:N/SA:N", 8.3),
    ("AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.7),
    ("AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.3),
    ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N", 6.9),
    ("AV:L/AC:L/AT:N/PR:H/UI:N/VC:N/VI:N/VA:N/SC:H/SI:N/SA:N", 5.9),
    ("AV:N/AC:L/AT:N/PR:N/UI:A/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N", 5.1),
    ("AV:L/AC:L/AT:N/PR:N/UI:P/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N", 4.8),
    ("AV:P/AC:H/AT:P/PR:H/UI:A/VC:N/VI:N/VA:N/SC:N/SI:N/SA:L", 1.0),
    ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0),
]
VALUES = {
    "AV": "NALP", "AC": "LH", "AT": "NP", "PR": "NLH", "UI": "NPA",
    "VC": "HLN", "VI": "HLN", "VA": "HLN", "SC": "HLN", "SI": "HLN", "SA": "HLN",
}  # fmt: skip
VECTORS = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()})


@pytest.mark.parametrize(("vector", "score"), SCORES)
def test_scores_are_red_hats(vector: str, score: float) -> None:
    assert base_score(f"CVSS:4.0/{vector}") == score


def test_threat_and_supplemental_metrics_do_not_change_the_base_score() -> None:
    assert base_score(f"CVSS:4.0/{SCORES[0][0]}/E:U/CR:L/MAV:P/S:P/U:Green") == 10.0


@pytest.mark.parametrize(
    "vector",
    ["CVSS:4.0", "CVSS:4.0/AV:N/AC:L", f"CVSS:4.0/{SCORES[0][0].replace('SA:H', 'SA:S')}", "CVSS:4.0/AV:N/AV:N"],
)
def test_a_broken_vector_is_refused(vector: str) -> None:
    with pytest.raises(ValueError, match="CVSS vector"):
        base_score(vector)


@given(VECTORS, st.sampled_from(sorted(VALUES)))
def test_a_more_severe_metric_never_lowers_the_score(metrics: dict[str, str], raised: str) -> None:
    def score(of: dict[str, str]) -> float:
        found = base_score("CVSS:4.0" + "".join(f"/{name}:{value}" for name, value in of.items()))
        assert found is not None
        return found

    assert 0 <= score(metrics) <= score({**metrics, raised: VALUES[raised][0]}) <= 10
