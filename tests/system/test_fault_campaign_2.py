"""The second 100 of the 200 runs of `affineur copy` in which something goes wrong: see the file before."""

from collections import Counter
from pathlib import Path

import pytest

from support.copied import registries
from support.fault_campaign import campaign

pytestmark = pytest.mark.system


def test_runs_100_to_199(tmp_path: Path) -> None:
    with registries(tmp_path) as both:
        outcomes = campaign(both, tmp_path, range(100, 200))
    wrong = [each.problem for each in outcomes if each.problem]
    assert not wrong, "\n\n".join(wrong[:5])
    ended = Counter(each.ended for each in outcomes)
    assert ended["copied"] > 30, ended
    assert ended["killed"] > 5, ended
    assert ended["no answer"] + ended["bad content"] > 5, ended
    assert sum(bool(each.struck) for each in outcomes) > 50  # faults that come too late for their call are few
