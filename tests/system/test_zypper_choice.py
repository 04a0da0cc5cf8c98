"""What we foretell, and what the real zypper prints."""

from pathlib import Path

import pytest

from support.dnf_scenarios import joined, prefixed
from support.rpms import needed
from support.zypper_cases import CASES, Case, ask_zypper

pytestmark = pytest.mark.system
TOGETHER = [case for case in CASES if case.together]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """zypper's lines for all cases that one root can hold."""
    needed("zypper", "rpm")
    systems = [prefixed(case.system, f"s{number:02}-") for number, case in enumerate(TOGETHER)]
    return ask_zypper(joined(systems), tmp_path_factory.mktemp("zypper"))


@pytest.mark.parametrize("case", TOGETHER, ids=lambda case: case.rule)
def test_each_rule_is_zyppers_own(case: Case, said: list[str]) -> None:
    prefix = f"s{TOGETHER.index(case):02}-"
    assert [line.replace(prefix, "") for line in said if line.startswith(prefix)] == sorted(case.updates)


@pytest.mark.parametrize("case", [case for case in CASES if not case.together], ids=lambda case: case.rule)
def test_each_rule_that_needs_a_root_is_zyppers_own(case: Case, tmp_path: Path) -> None:
    needed("zypper", "rpm")
    assert ask_zypper(case.system, tmp_path, case) == sorted(case.updates)
