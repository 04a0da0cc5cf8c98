"""CVSS base scores against those that FIRST publishes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.cvss import base_score

# FIRST, CVSS v3.1: Examples (https://www.first.org/cvss/v3-1/examples)
EXAMPLES = [
    ("CVE-2013-1937", "AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
    ("CVE-2013-0375", "AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
    ("CVE-2014-3566", "AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),
    ("CVE-2012-1516", "AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9),
    ("CVE-2009-0783", "AV:L/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L", 4.2),
    ("CVE-2012-0384", "AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 8.8),
    ("CVE-2015-1098", "AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", 7.8),
    ("CVE-2014-0160", "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),
    ("CVE-2014-6271", "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
    ("CVE-2008-1447", "AV:N/AC:H/PR:N/UI:N/S:C/C:N/I:H/A:N", 6.8),
    ("CVE-2014-2005", "AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 6.8),
    ("CVE-2010-0467", "AV:N/AC:L/PR:N/UI:N/S:C/C:L/I:N/A:N", 5.8),
    ("CVE-2013-6014", "AV:A/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:H", 9.3),
    ("CVE-2014-9253", "AV:N/AC:L/PR:L/UI:R/S:C/C:L/I:L/A:N", 5.4),
    ("CVE-2011-1265", "AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 8.8),
    ("CVE-2014-2019", "AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N", 4.6),
    ("CVE-2015-0970", "AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", 8.8),
    ("CVE-2016-0128", "AV:N/AC:H/PR:N/UI:R/S:U/C:H/I:H/A:N", 6.8),
    ("CVE-2016-2118", "AV:N/AC:H/PR:N/UI:R/S:U/C:H/I:H/A:H", 7.5),
]


@pytest.mark.parametrize(("vector", "score"), [case[1:] for case in EXAMPLES], ids=[case[0] for case in EXAMPLES])
@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_scores_are_those_of_firsts_examples(version: str, vector: str, score: float) -> None:
    assert base_score(f"CVSS:{version}/{vector}") == score


def test_temporal_and_environmental_metrics_do_not_change_the_base_score() -> None:
    assert base_score("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:P/RL:O/RC:C/CR:L") == 9.8


def test_no_impact_is_no_score() -> None:
    assert base_score("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:N/I:N/A:N") == 0.0


@pytest.mark.parametrize("vector", ["AV:N/AC:L/Au:N/C:P/I:P/A:P", "7.5", ""])
def test_other_versions_give_no_score(vector: str) -> None:
    assert base_score(vector) is None


@pytest.mark.parametrize(
    "vector",
    [
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H",
        "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/",
        "CVSS:3.1",
        "CVSS:3.1/" + "A" * 1000,
    ],
)
def test_a_broken_vector_is_refused(vector: str) -> None:
    with pytest.raises(ValueError, match="CVSS vector"):
        base_score(vector)


IMPACT = st.sampled_from("NLH")


@given(IMPACT, IMPACT, IMPACT, st.sampled_from("UC"), st.sampled_from("NALP"), st.sampled_from("CIA"))
def test_more_impact_never_lowers_the_score(c: str, i: str, a: str, scope: str, vector: str, raised: str) -> None:
    lost = {"C": c, "I": i, "A": a}
    text = f"CVSS:3.1/AV:{vector}/AC:L/PR:N/UI:N/S:{scope}"
    before = base_score(text + "".join(f"/{name}:{value}" for name, value in lost.items()))
    lost[raised] = "H"
    after = base_score(text + "".join(f"/{name}:{value}" for name, value in lost.items()))
    assert before is not None
    assert after is not None
    assert before <= after <= 10
