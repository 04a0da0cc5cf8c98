"""What the documentation of this room shows is what happens.

A YAML block whose first line is `# NAME.yaml` is that file; a console block is a command and all that it prints.
"""

import doctest
import re
from pathlib import Path

import pytest

from affineur.cli.main import run
from affineur.trust.policy import parse_policy

DOCUMENTS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_worked_examples_of_the_grade() -> None:
    outcome = doctest.testfile(str(DOCUMENTS / "explanation" / "grade.md"), module_relative=False)
    assert outcome.failed == 0
    assert outcome.attempted > 15


@pytest.mark.parametrize(("page", "commands"), [("reference/policy.md", 1), ("how-to/write-a-policy.md", 4)])
def test_every_command_prints_what_the_page_says(
    page: str, commands: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = 0
    for language, text in BLOCK.findall((DOCUMENTS / page).read_text(encoding="utf-8")):
        if language == "yaml":
            Path(text.partition("\n")[0].removeprefix("# ")).write_text(text, encoding="utf-8")
        if language == "console":
            command, _, expected = text.partition("\n")
            code = run(command.removeprefix("$ affineur ").split())
            printed = capsys.readouterr()
            assert printed.out + printed.err == expected
            assert code == (2 if "mistaken" in command else 0)
            ran += 1
    assert ran == commands


def test_every_policy_of_the_pages_but_the_mistaken_one_is_sound(tmp_path: Path) -> None:
    text = (DOCUMENTS / "how-to" / "write-a-policy.md").read_text(encoding="utf-8")
    sound = [body for language, body in BLOCK.findall(text) if language == "yaml" and "mistaken" not in body]
    assert len(sound) == 4
    for body in sound:
        parse_policy(body.encode(), "page")
