"""`make bench`: everything that docs/reference/benchmarks.md claims, measured again beside the peers.

    python benchmarks/run.py [--quick]

Needs root, mmdebstrap and docker-registry for the Debian root that it starts from; syft is installed into its own
environment below build/. A tool for the round trip is taken from AFFINEUR_ROUND_TRIP, or ../shared/tools/rtt/rtt.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "tests"))

from measure import as_installed

from support import docker_registry, real_debian

BUILD = PROJECT / "build"


def main() -> None:
    """Run each benchmark as a program of its own."""
    parser = argparse.ArgumentParser(description="all benchmarks, beside their peers")
    parser.add_argument("--quick", action="store_true", help="without the large image")
    options = parser.parse_args()
    if why := real_debian.cannot_make() or (None if docker_registry.DOCKER_REGISTRY else "no docker-registry"):
        raise SystemExit(f"no benchmark: {why}")
    as_installed()
    root = real_debian.make(BUILD / "example").tar
    large = [] if options.quick else ["--large", str(BUILD / "large")]
    corpus = Path(os.environ.get("AFFINEUR_CORPUS") or PROJECT.parent / "shared" / "data")
    database = corpus / "rpmdb" / "centos8-modularitylabel" / "Packages.xz"
    rpm = ["--rpm", str(database)] if database.exists() else []
    print("## packages\n", flush=True)
    start("packages.py", "--root", str(root), "--syft", str(syft()), *rpm, *large)
    print("\n## inspect\n", flush=True)
    tool = Path(os.environ.get("AFFINEUR_ROUND_TRIP") or PROJECT.parent / "shared" / "tools" / "rtt" / "rtt")
    if not tool.exists():
        print("(no round trip: AFFINEUR_ROUND_TRIP names no tool)\n", flush=True)
    start("inspect_image.py", *(["--round-trip", str(tool)] if tool.exists() else []))
    print("\n## copy\n", flush=True)
    far = ["--round-trip", str(tool)] if tool.exists() else []
    start("copy_image.py", "--root", str(root), *far, *large)
    print("\n## notices of rpm distributions\n", flush=True)
    start("rpm_errata.py")
    print("\n## rpm-md repositories\n", flush=True)
    start("rpm_repositories.py")


def syft() -> Path:
    """The peer, in its own environment, locked by hash."""
    folder = BUILD / "syft"
    program = folder / "bin" / "syft"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        locked = [
            "install",
            "--quiet",
            "--require-hashes",
            "--requirement",
            str(PROJECT / "requirements" / "bench.txt"),
        ]
        subprocess.run([str(folder / "bin" / "python"), "-m", "pip", *locked], check=True)
    return program


def start(program: str, *arguments: str) -> None:
    """Run a benchmark, its output to ours."""
    subprocess.run([sys.executable, str(Path(__file__).with_name(program)), *arguments], check=True)


if __name__ == "__main__":
    main()
