"""Run a program to its end and say what it took; and lay results beside each other."""

import compileall
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["FINE", "Run", "as_installed", "run"]

FINE = (0, 3)  # 3: something could not be told

# A child's peak memory includes what its parent had when it was forked: so the parent is to be a small program.
LAUNCHER = """
import os, sys, time
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - start
with open(sys.argv[1], "w") as file:
    file.write(f"[{seconds}, {usage.ru_utime + usage.ru_stime}, {usage.ru_maxrss * 1024}]")
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Run(NamedTuple):
    """One run of one program: seconds by the clock and of the processor, peak resident bytes, and what it wrote."""

    seconds: float
    processor: float
    peak: int
    out: str
    err: str


def as_installed() -> None:
    """Compile the program's modules to bytecode, as pip does where it installs them."""
    compileall.compile_dir(Path(__file__).resolve().parents[1] / "src", quiet=1)


def run(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """Run a program to its end; the benchmark ends where it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.NamedTemporaryFile() as measure:
        launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, measure.name, *command]
        done = subprocess.run(launch, env={**os.environ, **environment}, stdout=out, stderr=err, check=False)
        out.seek(0)
        err.seek(0)
        text, told = out.read().decode(), err.read().decode()
        if done.returncode not in FINE:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{told}")
        seconds, processor, peak = json.loads(Path(measure.name).read_bytes())
    return Run(seconds, processor, peak, text, told)
