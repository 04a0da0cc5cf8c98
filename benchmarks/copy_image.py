"""`affineur copy` beside `skopeo copy --all`: between two registries and into a layout, on loopback and at 20 ms.

    python benchmarks/copy_image.py --root ROOT.tar [--round-trip TOOL] [--large FOLDER] [--runs 5]

ROOT.tar, FOLDER: as for packages.py; TOOL: as for inspect_image.py, with both registries on its far side. A copy goes
to a registry, or a folder, that is new: skopeo remembers where it has put a blob, and has it taken over from there. The
repeated copy finds everything there. Programs take turns; times are medians, the memory is the highest. After each copy
both sides' manifests are compared, byte for byte, by skopeo.
"""

import argparse
import itertools
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from inspect_image import CLIENT, SERVER
from measure import Run, as_installed, run

from packages import images, push
from support.docker_registry import docker_registry

MEGABYTE = 1_000_000
CASES = ("minbase", "thirty-layers", "large")
INSIDE = ("ip", "netns", "exec", "rtt-server")


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description="`affineur copy` beside `skopeo copy --all`")
    parser.add_argument("--root", type=Path, required=True, help="tar of a Debian root file system")
    parser.add_argument("--large", type=Path, help="a folder for a large image: made there if need be, some minutes")
    parser.add_argument("--round-trip", type=Path, help="a tool that makes two namespaces with a delay between them")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    if not shutil.which("skopeo"):
        raise SystemExit("skopeo is not installed")
    as_installed()
    print("| connection | image | to | affineur s | skopeo s | skopeo / affineur | affineur MB | skopeo MB |")
    print("|---|---|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        sizes: dict[str, int] = {}
        with docker_registry(here / "source") as source:
            for name, layers in images(options.root, None, options.large):
                if name in CASES:
                    sizes[name] = push(source, name, layers)
            Bench("loopback", source, here, options.runs).measure(sizes)
        if options.round_trip:
            subprocess.run([str(options.round_trip), "up"], check=True)
            try:
                with docker_registry(here / "source", SERVER, INSIDE) as source:
                    Bench("20 ms", source, here, options.runs, SERVER, INSIDE, CLIENT).measure(sizes)
            finally:
                subprocess.run([str(options.round_trip), "down"], check=True)


class Bench:
    """The table's lines for one connection."""

    def __init__(
        self,
        connection: str,
        source: str,
        folder: Path,
        runs: int,
        host: str = "127.0.0.1",
        inside: Sequence[str] = (),
        prefix: Sequence[str] = (),
    ) -> None:
        """Args: inside, prefix: words before the registries' and the clients' commands."""
        self._connection, self._source, self._folder, self._runs = connection, source, folder, runs
        self._host, self._inside, self._prefix = host, inside, list(prefix)
        self._numbers = itertools.count()

    def measure(self, sizes: dict[str, int]) -> None:
        """Print the lines. Args: sizes: of each image's layers, bytes."""
        for name, size in sizes.items():
            image = f"{name} ({size / MEGABYTE:.0f} MB)"
            fresh: dict[str, list[Run]] = {"ours": [], "peer": []}
            again: dict[str, list[Run]] = {"ours": [], "peer": []}
            layout: dict[str, list[Run]] = {"ours": [], "peer": []}
            for _ in range(self._runs):
                for program in ("ours", "peer"):
                    with self._target() as target:
                        for taken in (fresh, again):
                            taken[program].append(self._copied(program, name, f"docker://{target}/{name}:1"))
                    to = self._folder / "layout"
                    layout[program].append(self._copied(program, name, f"oci:{to}:1"))
                    shutil.rmtree(to)
            for place, taken in (("registry", fresh), ("the same again", again), ("oci:", layout)):
                print(f"| {self._connection} | {image} | {place} | {compared(taken)} |", flush=True)

    @contextmanager
    def _target(self) -> Iterator[str]:
        folder = self._folder / f"target-{next(self._numbers)}"
        with docker_registry(folder, self._host, self._inside) as target:
            yield target
        shutil.rmtree(folder)

    def _copied(self, program: str, name: str, to: str) -> Run:
        """One copy; fails unless both sides have the same manifest."""
        source = f"docker://{self._source}/{name}:1"
        insecure = ["--src-tls-verify=false", *(["--dest-tls-verify=false"] if to.startswith("docker") else [])]
        ours = [sys.executable, "-m", "affineur", "copy", source, to]
        peer = ["skopeo", "copy", "--all", "-q", *insecure, source, to]
        done = run([*self._prefix, *(ours if program == "ours" else peer)], {})
        look = [*self._prefix, "skopeo", "inspect", "--raw", "--tls-verify=false"]
        raw = {subprocess.run([*look, side], stdout=subprocess.PIPE, check=True).stdout for side in (source, to)}
        if len(raw) != 1:
            raise SystemExit(f"{program}: {to} has another manifest than {source}")
        return done


def compared(taken: dict[str, list[Run]]) -> str:
    """Medians of the times, their ratio, and the highest peaks."""
    ours, peer = (statistics.median(each.seconds for each in taken[program]) for program in ("ours", "peer"))
    memory = [max(each.peak for each in taken[program]) / MEGABYTE for program in ("ours", "peer")]
    return f"{ours:.2f} | {peer:.2f} | {peer / ours:.2f} | {memory[0]:.0f} | {memory[1]:.0f}"


if __name__ == "__main__":
    main()
