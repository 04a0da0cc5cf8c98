"""Notices of rpm distributions: read, matched on what is installed and listed, beside `dnf updateinfo list`.

    python benchmarks/rpm_errata.py [--packages 10000] [--notices 6000] [--runs 3]

The system and the notices are made: RHEL 7's real list has some 6,000, each of which names the builds of several
packages for two architectures. dnf reads the same updateinfo.xml and an rpm database of the same packages; its cache is
empty each time, and its seconds are those of the whole program. Both lists are compared.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from affineur.errata.notices import list_lines
from affineur.errata.rpm.builds import listed, match_builds
from affineur.errata.rpm.updateinfo import read_updateinfo
from affineur.packages.versions.rpm import key
from support import rpms
from support.rpm_roots import Rpm, record
from support.rpm_world import notice, updateinfo

KINDS = ["security", "security", "bugfix", "bugfix", "enhancement"]
WORDS = ["Critical", "Important", "Moderate", "Low"]
TEXT = "The packages provide what they are named for. " * 30


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description="notices of rpm distributions beside dnf")
    parser.add_argument("--packages", type=int, default=10_000)
    parser.add_argument("--notices", type=int, default=6_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if missing := [name for name in ("dnf", "createrepo_c", "modifyrepo_c", "rpm") if not shutil.which(name)]:
        raise SystemExit(f"no benchmark: no {', '.join(missing)}")
    dice = Random(1)
    installed = [Rpm(f"package-{n:05}", _version(dice), "x86_64") for n in range(options.packages)]
    document = updateinfo(*(_notice(dice, number, options.packages) for number in range(options.notices))).encode()
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} processors, {len(document) / 1e6:.0f} MB of notices\n")
    with tempfile.TemporaryDirectory() as folder:
        root = record(Path(folder) / "root", installed)
        repository = rpms.repository(Path(folder) / "repository", [], document)
        said: list[str] = []

        def peer() -> None:
            said[:] = rpms.dnf(root, "--quiet", "updateinfo", "list", repos={"r": repository}).stdout.splitlines()

        theirs = _median(peer, options.runs)
    packages = [rpm.package() for rpm in installed]
    names = {package.name for package in packages}
    reading = _median(lambda: list(read_updateinfo([document], "rhel", "x", names)), options.runs)
    errata = list(read_updateinfo([document], "rhel", "x", names))
    matching = _median(lambda: match_builds(packages, errata), options.runs)
    listing = _median(lambda: list_lines(listed(packages, errata)), options.runs)
    ours = list_lines(listed(packages, errata))
    if sorted(map(str.split, ours)) != sorted(map(str.split, said)):
        raise SystemExit("the lists differ")
    builds = sum(len(erratum.builds) for erratum in errata)
    print(f"{len(packages)} packages, {len(errata)} notices with {builds} builds, {len(ours)} lines\n")
    print("| | seconds | of dnf's |\n|---|---|---|")
    for name, seconds in (
        ("`dnf updateinfo list`", theirs),
        ("read", reading),
        ("match", matching),
        ("list", listing),
        ("read, match and list", reading + matching + listing),
    ):
        print(f"| {name} | {seconds:.2f} | {seconds / theirs:.2f} |")


def _median(action: Callable[[], object], runs: int) -> float:
    taken = []
    for _ in range(runs):
        key.cache_clear()
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _version(dice: Random) -> str:
    return f"{dice.randrange(1, 5)}.{dice.randrange(20)}.{dice.randrange(20)}-{dice.randrange(1, 90)}.el7"


def _notice(dice: Random, number: int, packages: int) -> str:
    version = _version(dice)
    first = dice.randrange(packages)
    names = [f"package-{(first + step) % packages:05}" for step in range(dice.randrange(1, 16))]
    text = notice(
        f"RHSA-2026:{number:04}",
        [(name, version, architecture, "") for name in names for architecture in ("x86_64", "i686")],
        kind=dice.choice(KINDS),
        severity=dice.choice(WORDS),
        issued=f"20{dice.randrange(14, 26)}-0{dice.randrange(1, 10)}-01 00:00:00",
        cves=[f"CVE-2026-{number:04}{step}" for step in range(dice.randrange(5))],
    )
    return text.replace("<severity>", f"<description>{TEXT}</description><severity>")


if __name__ == "__main__":
    main()
