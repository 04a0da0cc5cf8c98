"""Help is the first page that a user reads: it fits, it shows an example, and it names what is special."""

import shlex
import subprocess
import sys

import click
import pytest

from affineur.cli.main import COMMANDS, cli
from support.reference import commands, help_of

WIDTH = 80
ALL = [("affineur", cli), *commands()]
each_command = pytest.mark.parametrize(("name", "command"), [pytest.param(*each, id=each[0]) for each in ALL])
SPECIAL = {
    "affineur assess": {"0", "1", "3", "4", "5"},
    "affineur age": {"3"},
    "affineur updates": {"3", "4"},
    "affineur cves": {"3"},
    "affineur packages": {"3"},
    "affineur inspect": {"0", "3", "4", "5"},
    "affineur policy check": {"2"},
    "affineur sync": {"0", "1", "2", "3", "4", "5"},
}
"""Exit codes that mean something of their own in a command."""


@each_command
def test_help_fits_a_terminal(name: str, command: click.Command) -> None:
    assert [line for line in help_of(name, command).splitlines() if len(line) > WIDTH] == []


@pytest.mark.parametrize(("name", "command"), [pytest.param(*each, id=each[0]) for each in ALL])
def test_help_shows_an_example_that_is_one(name: str, command: click.Command) -> None:
    text = help_of(name, command)
    if not name.startswith("affineur policy"):
        assert "Examples:" in text
    for line in text.splitlines():
        if not line.startswith("    affineur "):
            continue
        words = shlex.split(line)[1:]
        words = words[: next((i for i, word in enumerate(words) if word in (">", "|")), len(words))]
        found: click.Command = cli
        while isinstance(found, click.Group):
            inner = found.get_command(click.Context(found), words.pop(0))
            assert inner is not None, line
            found = inner
        # parsed for its names only: files that options name need not exist
        known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("-")} <= known | {"-h", "--help"}, line
        if name != "affineur":
            assert line.split()[1] == name.split()[1], line


@each_command
def test_help_names_the_exit_codes_that_are_special(name: str, command: click.Command) -> None:
    text = " ".join(help_of(name, command).split())
    said = text.partition("Exit codes:")[2] + " ".join(
        part.partition(".")[0] for part in text.replace("exit code is", "xits with").split("xits with")[1:]
    )
    for code in SPECIAL.get(name, ()):
        assert f" {code}" in said or f"with {code}" in said, f"exit code {code} is not named"


def test_the_list_of_commands_is_that_of_the_commands() -> None:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.name == name


@pytest.mark.parametrize("words", [[], ["policy"], ["assess"], ["frobnicate"], ["assess", "--frobnicate", "x"]])
def test_a_wrong_command_line_is_told_on_stderr_with_2(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "affineur", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage: affineur" in done.stderr
    assert "Traceback" not in done.stderr
