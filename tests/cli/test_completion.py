"""Completion in real shells: the code is sourced, and asked as the tab key would."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from affineur.cli.main import COMMANDS
from support.leaving_out import leave_out

GIVE_UP_AFTER_S = 30.0


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with `affineur` to put on the path, and its completion code for each shell."""
    program = tmp_path / "affineur"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m affineur "$@"\n')
    program.chmod(0o755)
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run([str(program), "completion", shell], capture_output=True, check=True)
        assert done.stderr == b""
        (tmp_path / f"code.{shell}").write_bytes(done.stdout)
    return tmp_path


def environment(place: Path) -> dict[str, str]:
    return {"PATH": f"{place}:{os.environ['PATH']}", "HOME": str(place), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def asked(place: Path, command: list[str]) -> str:
    done = subprocess.run(
        command, cwd=place, env=environment(place), capture_output=True, text=True, timeout=GIVE_UP_AFTER_S, check=True
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["ass"], {"assess"}),
        ([""], set(COMMANDS)),
        (["policy", "c"], {"check"}),
        (["assess", "--ti"], {"--timings"}),
        (["assess", "--format", "s"], {"sarif"}),
        (["completion", "f"], {"fish"}),
    ],
)
def test_bash(place: Path, typed: list[str], expected: set[str]) -> None:
    words = " ".join(f"'{word}'" for word in ["affineur", *typed])
    script = f"""source code.bash
        complete -p affineur
        COMP_WORDS=({words}) COMP_CWORD={len(typed)}
        _affineur_completion affineur
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    first, *offered = asked(place, ["bash", "--norc", "-c", script]).splitlines()
    assert first.endswith("-F _affineur_completion affineur")
    assert set(offered) == expected


@pytest.mark.system
@pytest.mark.parametrize(
    ("line", "expected"),
    [("affineur ass", {"assess"}), ("affineur assess --ti", {"--timings"}), ("affineur tags --format j", {"json"})],
)
def test_fish(place: Path, line: str, expected: set[str]) -> None:
    if not shutil.which("fish"):
        leave_out("needs fish")
    printed = asked(place, ["fish", "--no-config", "-c", f"source code.fish; complete -C '{line}'"])
    assert {each.partition("\t")[0] for each in printed.splitlines()} == expected


@pytest.mark.system
@pytest.mark.parametrize(
    ("typed", "expected"),
    [("affineur ass\t", "affineur assess "), ("affineur assess --ti\t", "affineur assess --timings ")],
)
def test_zsh(place: Path, typed: str, expected: str) -> None:
    if not shutil.which("zsh"):
        leave_out("needs zsh")
    (place / ".zshrc").write_text("PS1='READY> '; autoload -Uz compinit; compinit -u; source ~/code.zsh\n")
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - another process
        os.chdir(place)
        os.execvpe("zsh", ["zsh", "-d", "-i"], environment(place))
    try:
        assert expect(terminal, "READY> ")
        os.write(terminal, typed.encode())
        assert expect(terminal, expected), "the tab key completed nothing"
    finally:
        os.close(terminal)
        os.kill(child, 9)
        os.waitpid(child, 0)


def expect(terminal: int, text: str) -> bool:
    """Read what a shell draws until it shows a text."""
    drawn, end = "", time.monotonic() + GIVE_UP_AFTER_S
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            drawn += os.read(terminal, 4096).decode("utf-8", "replace")
            # without control sequences and what a dumb terminal uses for going back
            if text in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x07|.\x08", "", drawn):
                return True
    return False


def test_the_code_names_no_place_of_this_machine(place: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert str(Path(sys.prefix)) not in (place / f"code.{shell}").read_text()
