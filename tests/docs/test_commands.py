"""Every command that the documents show is run in the small world, and what they show of its output is compared."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.documents import DOCUMENTS, PROJECT, Command, blocks, commands, named_files
from support.example import ExampleWorld
from support.leaving_out import leave_out
from support.moving_example import PROD

RUN = {"affineur", "echo", "cat", "grep", "head", "jq", "openssl", "export", "unset"}
"""Commands that are run; of the others only that they can exist is checked."""
NOT_RUN = {"make", "git", "pipx", "sudo", "apt-get", "cd", "scripts/small-world", "podman", "exit"}
VOLATILE = [
    (re.compile(r"sha256:[0-9a-f]{64}|(?<=\"sha256\":\")[0-9a-f]{64}|sha256:[0-9a-f]{12}…"), "sha256:…"),
    (re.compile(r"\b[0-9A-F]{40}\b"), "KEY"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"(http://)?127\.0\.0\.1:\d+"), "LOOPBACK"),
    (re.compile(r"\d+(\.\d+)? [kM]?B\b"), "SIZE"),
    (re.compile(r"([█▇▅▄▂▁])\1+"), r"\1"),
    (re.compile(r"[ \t]+"), " "),
]
MARK = "\x1e"
SESSIONS = [
    pytest.param(document, id=document.relative_to(PROJECT).as_posix())
    for document in DOCUMENTS
    if any(block.language == "console" for block in blocks(document))
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleWorld]:
    with ExampleWorld(tmp_path_factory.mktemp("world")) as made:
        made.publish()
        yield made


def session(document: Path) -> list[Command]:
    return [each for block in blocks(document) if block.language == "console" for each in commands(block)]


@pytest.mark.parametrize("document", SESSIONS)
def test_commands_say_what_the_document_shows(document: Path, world: ExampleWorld, tmp_path: Path) -> None:
    for name in {each.text.split()[0] for each in session(document)} & {"jq", "openssl"}:
        if shutil.which(name) is None:
            leave_out(f"{name} is not installed")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "affineur"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m affineur "$@"\n')
    program.chmod(0o755)
    here = tmp_path / "here"
    here.mkdir()
    for name, content in named_files(document).items():
        (here / name).write_text(content)
    typed = [each for each in session(document) if each.text.split()[0] in RUN]
    # one shell for the whole document, so that `$?` and variables are what a reader would have
    script = "".join(f"(exit $last)\n{each.text}\nlast=$?\nprintf '{MARK}'\n" for each in typed)
    done = subprocess.run(
        ["bash", "-c", f"last=0\n{script}"],
        cwd=here,
        env={
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            **world.variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=300,
        check=True,
    )
    printed = done.stdout.replace(world.prod.host, PROD).split(MARK)
    assert len(printed) == len(typed) + 1, done.stdout
    for each, output in zip(typed, printed, strict=False):
        if each.shown:
            compare(f"{document.relative_to(PROJECT)}:{each.line}: $ {each.text}", each.shown, output)


def compare(what: str, shown: list[str], printed: str) -> None:
    """Line by line; a line `…` stands for any lines, and `…` at the end of one for the rest of it."""
    wanted = [stable(line) for line in shown if line.strip()]
    found = [stable(line) for line in printed.splitlines() if line.strip()]
    pattern = ""
    for line in wanted:
        if line == "…":
            pattern += "(?:.*\n)*?"
        elif line.endswith("…"):
            pattern += re.escape(line[:-1]) + ".*\n"
        else:
            pattern += re.escape(line) + "\n"
    assert re.fullmatch(pattern, "".join(f"{line}\n" for line in found)), (
        f"{what}\nshown:\n" + "\n".join(wanted) + "\nprinted:\n" + "\n".join(found)
    )


def stable(line: str) -> str:
    """What does not change from day to day."""
    for volatile, name in VOLATILE:
        line = volatile.sub(name, line)
    return line.strip()


@pytest.mark.parametrize("document", SESSIONS)
def test_every_command_is_one_that_we_know(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for each in session(document):
        words = shlex.split(each.text, comments=True)
        assert words[0] in RUN | NOT_RUN, f"line {each.line}: {each.text}"
        if words[0] == "make":
            named = [word for word in words[1:] if "=" not in word]
            assert named, f"line {each.line}: {each.text}"
            assert set(named) <= targets, f"line {each.line}: {each.text}"
        if "/" in words[0]:
            assert os.access(PROJECT / words[0], os.X_OK), f"line {each.line}: {each.text}"


def test_a_difference_is_noticed() -> None:
    compare("", ["a 2026-01-02", "…", "end …"], "a 2025-03-04\nb\nc\nend of it\n")
    with pytest.raises(AssertionError):
        compare("", ["grade C"], "grade D\n")
    with pytest.raises(AssertionError):
        compare("", ["grade C"], "grade C\nand more\n")
