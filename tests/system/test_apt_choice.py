"""What we foretell, and what the real apt prints."""

import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affineur.packages.versions import compare
from support import trusty
from support.apt import AptRoot, needs_apt
from support.apt_cases import CASES, Case
from support.apt_scenarios import Scenario, apt_line, ask_apt, ask_us, scenarios
from support.leaving_out import leave_out

pytestmark = pytest.mark.system


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_rule_is_apts_own(case: Case, tmp_path: Path) -> None:
    needs_apt()
    said = ask_apt(case.scenario, tmp_path)
    assert bool(said.errors) is case.refused, said
    assert [f"{line.name}/{line.suites} {line.available} {line.architecture}" for line in said.lines] == (
        case.lines or []
    )


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(scenarios())
def test_made_images_get_apts_own_answer(scenario: Scenario) -> None:
    needs_apt()
    with tempfile.TemporaryDirectory() as folder:
        said = ask_apt(scenario, Path(folder))
    foretold = ask_us(scenario)
    assert bool(said.errors) == bool(foretold.unanswerable)
    if not said.errors:
        assert [apt_line(update) for update in foretold.updates] == said.lines


@pytest.mark.corpus
def test_the_articles_image_gets_its_transcript_from_apt_itself(corpus: Path, tmp_path: Path) -> None:
    """The made archive is true to the transcript: apt prints the 55 lines from it."""
    needs_apt()
    uri = "http://archive.example/ubuntu/"
    root = AptRoot(tmp_path, trusty.image_files(corpus, uri))
    for path, content in trusty.repository(corpus, datetime(2019, 4, 30, tzinfo=UTC)).items():
        _, suite, file = path.split("/", 2)
        if not path.endswith(".xz"):
            root.put_list(uri, suite, file, content)
    said = root.upgradable()
    assert not said.errors
    assert len(said.lines) == 55
    assert sorted(said.lines) == sorted(trusty.lines(corpus))  # Ubuntu 14.04's apt sorted them otherwise


_PARTS = st.text(alphabet="0012359aAzZ~+.-", max_size=8)
_VERSIONS = st.builds(
    lambda epoch, first, rest: epoch + first + rest.strip("-"),
    st.sampled_from(("", "", "", "0:", "1:", "01:", "10:")),
    st.sampled_from("0123456789"),
    _PARTS,
)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(st.lists(st.tuples(_VERSIONS, _VERSIONS), min_size=150, max_size=150))
def test_versions_are_ordered_as_dpkg_orders_them(pairs: list[tuple[str, str]]) -> None:
    if not shutil.which("dpkg"):
        leave_out("needs dpkg")
    script = "".join(
        f"if dpkg --compare-versions '{a}' lt '{b}'; then echo -1;"
        f" elif dpkg --compare-versions '{a}' eq '{b}'; then echo 0; else echo 1; fi\n"
        for a, b in pairs
    )
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
    refused = set(re.findall(r"version '([^']*)' has bad syntax", done.stderr))
    answers = [int(line) for line in done.stdout.split()]
    judged = [(a, b, answer) for (a, b), answer in zip(pairs, answers, strict=True) if not {a, b} & refused]
    assert len(judged) > 100
    assert [(a, b, compare(a, b)) for a, b, _ in judged] == judged
