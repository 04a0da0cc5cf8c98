"""affineur policy: through the command line to the exit code."""

import json
from pathlib import Path

import pytest

from affineur.cli.main import run
from affineur.trust.policy import default_text


def test_show_prints_the_default_policy_and_its_output_is_a_policy(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["policy", "show"]) == 0
    printed = capsys.readouterr().out
    assert printed == default_text()
    file = tmp_path / "mine.yaml"
    file.write_text(printed)
    assert run(["policy", "check", str(file)]) == 0
    told = capsys.readouterr().out
    assert "health: the grade must be B or better" in told
    assert run(["policy", "show", "--policy", str(file)]) == 0
    assert capsys.readouterr().out == printed


def test_show_and_check_speak_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("build-age-max-days: 30\n")
    for command in (["show", "--policy"], ["check"]):
        assert run(["policy", *command, str(file), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["schema"] == "affineur.policy/1"
        assert document["policy"] == {"build-age-max-days": 30}
        assert [rule["rule"] for rule in document["rules"]] == ["build-age-max-days"]


@pytest.mark.parametrize("command", [["check"], ["show", "--policy"]])
def test_a_mistake_is_told_with_file_and_line(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("health:\n  at-least: B\n  unknwon: reject\n")
    assert run(["policy", *command, str(file)]) == 2
    said = capsys.readouterr()
    assert f"{file}:3: unknown key unknwon" in said.err
    assert said.out == ""


def test_a_file_that_is_not_there_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command in (["check"], ["show", "--policy"]):
        assert run(["policy", *command, str(tmp_path / "none.yaml")]) == 2
        assert "none.yaml" in capsys.readouterr().err
