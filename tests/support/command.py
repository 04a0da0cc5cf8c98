"""The program as its user runs it, allowed to ask this machine only."""

import os
import subprocess
import sys
from pathlib import Path

from support.world import Done

__all__ = ["affineur"]


def affineur(home: Path, *words: str) -> Done:
    """Run `affineur WORDS` in a process of its own, with `home` as the home of a user who allows loopback only."""
    settings = home / "config.toml"
    settings.write_text('[network]\nallow = ["127.0.0.0/8", "::1"]\n')
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "LC_ALL": "C.UTF-8",
        "AFFINEUR_CONFIG": str(settings),
    }
    if "PYTHONPATH" in os.environ:  # a checkout that is not installed
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    done = subprocess.run(
        [sys.executable, "-m", "affineur", *words],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
