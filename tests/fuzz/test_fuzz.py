"""A minute of what `make fuzz` does for hours: the same inputs at each run, and every input that once failed."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.mutation import MAX_BYTES, mutated
from fuzz.running import REGRESSIONS, corpus_folder, failure, regressions
from fuzz.seeds import seeds
from fuzz.targets import TARGETS

INPUTS = 8_000
BUDGET_S = 3.0
"""For one target: what is slow gets fewer inputs."""


@pytest.mark.parametrize("target", TARGETS)
def test_honest_examples_and_what_chance_makes_of_them(target: str) -> None:
    found = seeds(target, corpus_folder())
    until = time.monotonic() + BUDGET_S
    for content in found:
        assert failure(target, content) is None, content[:2000]
    for number in range(INPUTS):
        problem = failure(target, mutated(found, number))
        assert problem is None, f"tests/fuzz/running.py {target} --number {number} with the same corpus:\n{problem}"
        if time.monotonic() > until:
            break


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_pieces_put_in_place_of_others(target: str, data: st.DataObject) -> None:
    """Chosen by hypothesis, which shrinks what fails to a piece or two."""
    content = data.draw(st.sampled_from(seeds(target, None)))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 64)))
        content = content[:start] + data.draw(st.binary(max_size=64)) + content[end:]
    assert failure(target, content) is None, content[:2000]


@pytest.mark.parametrize(
    ("target", "kept"),
    [pytest.param(target, path, id=f"{target}-{path.name}") for target in TARGETS for path in regressions(target)],
)
def test_what_once_failed(target: str, kept: Path) -> None:
    assert failure(target, kept.read_bytes()) is None


def test_every_kept_input_has_a_target() -> None:
    assert {path.name for path in REGRESSIONS.iterdir() if path.is_dir()} <= set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_number_makes_the_same_input(target: str) -> None:
    found = seeds(target, None)
    assert found
    assert all(mutated(found, number) == mutated(found, number) for number in range(50))
    assert max(len(mutated(found, number)) for number in range(200)) <= MAX_BYTES
    assert len({mutated(found, number) for number in range(200)}) > 100


def test_a_fault_is_seen() -> None:
    """The net has no hole: an error that is none of ours, a broken law, and too long a time are failures."""

    def dies(content: bytes) -> None:
        raise KeyError(content)

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(TARGETS, "reference", dies)
        assert "KeyError" in (failure("reference", b"x") or "")
