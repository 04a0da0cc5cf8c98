"""200 runs of `affineur copy` in which something goes wrong, by plans from fixed seeds: 100 here, 100 in the next file.

Every one ends with the target equal to the source after at most one more call; whatever the first call left behind, the
tag names what it did before, or the whole image.
"""

from collections import Counter
from pathlib import Path

import pytest

from support.copied import registries
from support.fault_campaign import campaign

pytestmark = pytest.mark.system


def test_runs_0_to_99(tmp_path: Path) -> None:
    with registries(tmp_path) as both:
        outcomes = campaign(both, tmp_path, range(100))
    wrong = [each.problem for each in outcomes if each.problem]
    assert not wrong, "\n\n".join(wrong[:5])
    ended = Counter(each.ended for each in outcomes)
    assert ended["copied"] > 30, ended
    assert ended["killed"] > 5, ended
    assert ended["no answer"] + ended["bad content"] > 5, ended
    assert sum(bool(each.struck) for each in outcomes) > 50  # faults that come too late for their call are few
