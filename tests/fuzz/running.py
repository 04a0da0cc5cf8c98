"""One target, many inputs: what fails is kept, and can be had again by its number.

As a program, it goes on until its time is over: `python tests/fuzz/running.py --seconds 3600 [TARGET …]`; `--number N`
runs one input again.
"""

import argparse
import hashlib
import os
import resource
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.mutation import mutated
from fuzz.seeds import seeds
from fuzz.targets import TARGETS

__all__ = ["MAX_CPU_S", "REGRESSIONS", "corpus_folder", "failure", "main", "regressions"]

REGRESSIONS = Path(__file__).with_name("regressions")
MAX_CPU_S = 5.0
"""For one input of at most 256 KiB; what takes linear time takes a hundredth of it."""
MAX_MEMORY_BYTES = 3 << 30
MAX_KEPT = 20
"""Failing inputs of one run that are kept for a target; the rest are commonly the same."""


def failure(target: str, content: bytes) -> str | None:
    """What went wrong with one input, in a few lines; None if nothing did."""
    started = time.process_time()
    try:
        TARGETS[target](content)
    except Exception:  # whatever it is, it is the finding
        return "".join(traceback.format_exc().splitlines(keepends=True)[-8:])
    taken = time.process_time() - started
    return f"it took {taken:.1f} s of processor time\n" if taken > MAX_CPU_S else None


def regressions(target: str) -> list[Path]:
    """Inputs that once failed."""
    return sorted((REGRESSIONS / target).glob("*"))


def corpus_folder() -> Path | None:
    """The folder of real data, as in conftest.py."""
    named = os.environ.get("AFFINEUR_CORPUS")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    return folder if folder.is_dir() else None


def main(words: Sequence[str]) -> int:
    """Fuzz for a while. Returns 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all without")
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together")
    parser.add_argument("--number", type=int, help="run this one input again")
    chosen = parser.parse_args(words)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    names = chosen.targets or list(TARGETS)
    folder = corpus_folder()
    _say(f"corpus: {folder or 'none, only what is made here'}")
    failed = 0
    for name in names:
        found = seeds(name, folder)
        start = chosen.number if chosen.number is not None else time.time_ns() // 1000
        failed += _fuzz(name, found, start, 0 if chosen.number is not None else chosen.seconds / len(names))
    return 1 if failed else 0


def _fuzz(name: str, found: Sequence[bytes], start: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    failed, number = 0, start
    while number == start or time.monotonic() < until:
        content = mutated(found, number)
        problem = failure(name, content)
        if problem is not None:
            failed += 1
            kept = REGRESSIONS / name / hashlib.sha256(content).hexdigest()[:16]
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(content)
            _say(f"{name}: --number {number}, kept as {kept}\n{problem}")
            if failed == MAX_KEPT:
                break
        number += 1
    _say(f"{name}: {number - start} inputs, {failed} failed")
    return failed


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
