"""`affineur inspect` beside `skopeo inspect`: seconds on loopback, and across a round trip of 20 ms.

    python benchmarks/inspect_image.py [--round-trip TOOL] [--runs 9]

TOOL makes two network namespaces with a delay between them (`TOOL up`, `TOOL down`; rtt-server listens on 127.9.0.2,
rtt-client is on the other side); it needs root. Programs take turns; the time is the median.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from measure import run

from support.docker_registry import docker_registry, push_image
from support.registry import tar_of

TAGS = 40
SERVER, CLIENT = "127.9.0.2", ["ip", "netns", "exec", "rtt-client"]


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description="`affineur inspect` beside `skopeo inspect`")
    parser.add_argument("--round-trip", type=Path, help="a tool that makes two namespaces with a delay between them")
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    if not shutil.which("skopeo"):
        raise SystemExit("skopeo is not installed")
    print("| connection | affineur s | skopeo s | affineur / skopeo |")
    print("|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        with docker_registry(Path(folder) / "near") as host:
            fill(host)
            print(row("loopback", host, [], options.runs), flush=True)
        if options.round_trip:
            print(far(options.round_trip, Path(folder), options.runs), flush=True)


def fill(host: str) -> None:
    """One image under some tags."""
    layer = tar_of({"etc/os-release": b"ID=debian\n"})
    for number in range(TAGS):
        push_image(host, "team/app", str(number), [layer])


def far(tool: Path, folder: Path, runs: int) -> str:
    """The same registry's content, on the other side of a delay."""
    subprocess.run([str(tool), "up"], check=True)
    try:
        inside = ["ip", "netns", "exec", "rtt-server"]
        subprocess.run(["cp", "-r", str(folder / "near"), str(folder / "far")], check=True)
        with docker_registry(folder / "far", SERVER, inside) as host:
            return row("20 ms round trip", host, CLIENT, runs)
    finally:
        subprocess.run([str(tool), "down"], check=True)


def row(connection: str, host: str, prefix: Sequence[str], runs: int) -> str:
    """Both programs in turn; fails unless they agree on the digest and the tags."""
    reference = f"{host}/team/app:1"
    ours = [*prefix, sys.executable, "-m", "affineur", "inspect", "--json", reference]
    peer = [*prefix, "skopeo", "inspect", "--tls-verify=false", f"docker://{reference}"]
    taken: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(runs):
        said = {}
        for name, command in (("ours", ours), ("peer", peer)):
            done = run(command, {})
            taken[name].append(done.seconds)
            said[name] = json.loads(done.out)
        if any(said["ours"][key] != said["peer"][key] for key in ("Digest", "RepoTags")):
            raise SystemExit("the two programs do not agree")
    mine, theirs = statistics.median(taken["ours"]), statistics.median(taken["peer"])
    return f"| {connection} | {mine:.3f} | {theirs:.3f} | {mine / theirs:.2f} |"


if __name__ == "__main__":
    main()
