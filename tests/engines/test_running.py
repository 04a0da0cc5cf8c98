"""Programs that say too much, nothing, or what a terminal would act on; and how they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from affineur.engines import running
from affineur.engines.engine import EngineFailed
from affineur.engines.running import Program, on_the_path
from support.engines import StandIn


@pytest.fixture
def engine(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, "engine")


def program(engine: StandIn) -> Program:
    return Program(engine.path, {"PATH": os.defpath})


def worked(engine: StandIn) -> list[str]:
    shown: list[str] = []
    program(engine).work(["pull"], shown.append)
    return shown


def test_an_answer(engine: StandIn) -> None:
    engine.say("info", "yes\n", err="a warning\n")
    assert program(engine).answer("info") == b"yes\n"


def test_no_shell_reads_the_words(engine: StandIn, tmp_path: Path) -> None:
    engine.say("image", "")
    words = ["image", f"$(touch {tmp_path}/there); `id` *", "", "--", "-x\n"]
    program(engine).answer(*words)
    assert engine.calls == [words]
    assert not (tmp_path / "there").exists()


def test_its_own_words_say_why_it_failed(engine: StandIn) -> None:
    engine.say("info", status=1, err="\x1b[31mCannot connect\x1b[0m to the \x07daemon\r\n")
    with pytest.raises(EngineFailed, match=r"^engine info: Cannot connect to the daemon$"):
        program(engine).answer("info")


def test_one_that_fails_in_silence(engine: StandIn) -> None:
    engine.say("pull", status=3)
    with pytest.raises(EngineFailed, match=r"^engine pull: it ended with exit status 3$"):
        worked(engine)


def test_what_a_registry_may_have_put_into_its_words_does_nothing_to_a_terminal(engine: StandIn) -> None:
    engine.say("pull", "\x1b]0;title\x07Copying\x1b[2J blob\x9b31m\n\xe2\x80\xae\xff\n")
    assert worked(engine) == [" ]0;title Copying blob�31m", " �"]


def test_lines_come_as_they_are_said(engine: StandIn, tmp_path: Path) -> None:
    engine.say("pull", "one\r\ntwo\rtwo\rthree", err="four\n", status=0)
    assert worked(engine) == ["one", "two", "threefour"]


def test_an_endless_line(engine: StandIn) -> None:
    engine.say("pull", "x" * 3_000_000 + "\nlast\n")
    assert worked(engine) == ["x" * running.MAX_LINE, "last"]


def test_more_progress_than_is_passed_on(engine: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_SHOWN_BYTES", 100)
    engine.say("pull", "".join(f"line {number}\n" for number in range(10_000)), status=1)
    shown: list[str] = []
    with pytest.raises(EngineFailed, match=r"line 9998 line 9999$"):
        program(engine).work(["pull"], shown.append)
    assert shown[-1] == "… (it says more than is passed on)"
    assert len(shown) < 20


def test_an_answer_without_an_end(engine: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_ANSWER_BYTES", 1000)
    engine.say("info", "x" * 2_000_000)
    with pytest.raises(EngineFailed, match=r"more than 1000 bytes"):
        program(engine).ask("info")


def test_no_answer_in_time(engine: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "ANSWER_S", 0.3)
    engine.say("info", sleep=60)
    start = time.monotonic()
    with pytest.raises(EngineFailed, match=r"no answer within"):
        program(engine).ask("info")
    assert time.monotonic() - start < 5


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    file = tmp_path / "engine"
    file.write_text("#!/no/such/interpreter\n")
    file.chmod(0o755)
    with pytest.raises(EngineFailed, match=r"cannot be run: No such file"):
        Program(file, {}).ask("info")


def test_killed_in_the_middle(engine: StandIn) -> None:
    engine.say("pull", "begun\n", sleep=60)

    with pytest.raises(EngineFailed, match=r"^engine pull: it was ended by SIGKILL; it said: begun$"):
        program(engine).work(["pull"], lambda _: os.kill(engine.pid, signal.SIGKILL))


CALLER = """
import sys
from pathlib import Path
from affineur.engines.running import Program
Program(Path(sys.argv[1]), {}).work(["pull"], lambda line: print(line, flush=True))
print("ended well")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_end_is_passed_on_and_waited_for(engine: StandIn, name: str) -> None:
    """To us alone, as `kill` has it; at a terminal, Ctrl-C comes to both."""
    engine.say("pull", "begun\n", sleep=60, signals=[[name, "told"]])
    ours = subprocess.Popen([sys.executable, "-c", CALLER, str(engine.path)], stdout=-1, stderr=-1, text=True)
    with ours:
        assert ours.stdout is not None
        assert ours.stdout.readline() == "begun\n"
        ours.send_signal(getattr(signal, name))
        out, _ = ours.communicate(timeout=20)
    assert out == ""
    assert (engine.folder / "told").exists()
    assert ours.returncode == -getattr(signal, name)


def test_one_that_does_not_listen_is_ended_all_the_same(engine: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "GRACE_S", 0.3)
    engine.path.write_text("#!/bin/sh\ntrap '' INT TERM\necho begun\nwhile :; do sleep 0.05; done\n")

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        program(engine).work(["pull"], interrupt)


def test_programs_are_looked_for_on_the_path_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "engine").write_text("#!/bin/sh\n")
    (second / "engine").chmod(0o755)
    monkeypatch.chdir(second)
    assert on_the_path("engine", {"PATH": f":.:{first}:{second}"}) == second / "engine"
    assert on_the_path("engine", {"PATH": f":.:{first}"}) is None
