"""The program as its user runs it, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Done", "affineur", "started"]

GIVE_UP_AFTER_S = 300


class Done(NamedTuple):
    """What a run of the command line left."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed."""
        read: dict[str, Any] = json.loads(self.out)
        return read


def started(home: Path, words: Sequence[str], **variables: str) -> Done:
    """Run `affineur WORDS`.

    Args:
        home: of the user; nothing else of the environment gets in but PATH (and PYTHONPATH, for a checkout that is
            not installed).
        variables: further ones of the environment.
    """
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", **variables}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    done = subprocess.run(
        [sys.executable, "-m", "affineur", *words],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=GIVE_UP_AFTER_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def affineur(home: Path, *words: str) -> Done:
    """Run `affineur WORDS` for a user whose configuration allows loopback only."""
    settings = home / "config.toml"
    settings.write_text('[network]\nallow = ["127.0.0.0/8", "::1"]\n')
    return started(home, words, XDG_RUNTIME_DIR=str(home), AFFINEUR_CONFIG=str(settings))
