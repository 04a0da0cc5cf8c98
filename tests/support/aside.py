"""Witnesses that scripts/install-tools unpacks without installing them.

An rpm that reads and writes NDB, which Debian's does not (PyPI's rpm-inspector-rpm), and dnf's plugins, whose package
and zypper's exclude each other.
"""

import os
import subprocess
from pathlib import Path

from support.leaving_out import leave_out

__all__ = ["aside", "ndb_asked", "ndb_changed"]

TIMEOUT_S = 60
_FOLDER = Path(__file__).parents[2] / "build" / "aside"


def aside(package: str) -> Path:
    """The folder of an unpacked package; the test is left out where there is none."""
    folder = _FOLDER / package
    if not folder.is_dir():
        leave_out(f"needs {package}, unpacked by `make tools`")
    return folder


def ndb_asked(folder: Path, form: str) -> str:
    """What rpm says of all packages of the NDB in a folder, in a form of `--queryformat`."""
    return _ndb("--dbpath", str(folder), "--query", "--all", "--nosignature", "--nodigest", "--queryformat", form)


def ndb_changed(root: Path, change: str, *what: str | Path) -> Path:
    """Have rpm record a change in the NDB of a root, made where there is none, and return the NDB.

    Args:
        change: `--install`, `--upgrade` (of package files) or `--erase` (of names).
    """
    if os.geteuid() != 0:
        leave_out("rpm works on another root for root alone")
    (root / "db").mkdir(parents=True, exist_ok=True)
    lock = ["--define", "_rpmlock_path /db/lock"]
    options = ["--justdb", "--nodeps", "--noscripts"]
    options += [] if change == "--erase" else ["--nosignature", "--ignorearch", "--ignoreos", "--force"]
    _ndb("--root", str(root), "--dbpath", "/db", *lock, change, *options, *map(str, what))
    return root / "db" / "Packages.db"


def _ndb(*arguments: str) -> str:
    program = aside("rpm-inspector-rpm") / "rpm_inspector_rpm" / "bin" / "rpm"
    command = [str(program), "--rcfile", "/dev/null", "--define", "_db_backend ndb", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "replace")
