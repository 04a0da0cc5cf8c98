"""`affineur packages` beside syft: seconds, peak memory, bytes; as ratios to the peer in the same run.

    python benchmarks/packages.py --root ROOT.tar [--rpm Packages.xz] [--syft PROGRAM] [--large FOLDER] [--runs 3]

ROOT.tar is a Debian root file system (mmdebstrap --variant=minbase). From it come, served by a docker-registry on
loopback: the root alone; it and an application above it; and 30 layers that each touch dpkg's status. With --rpm also
the root's files with an rpm database in place of dpkg's, alone and below an application; with --large a large image of
real programs (large_image.py). Programs take turns; times are medians, the memory is the highest.
"""

import argparse
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from large_image import layers_in
from measure import Run, run

from support.docker_registry import CONFIG, IMAGE_MANIFEST, LAYER, docker_registry, push_blob, push_manifest

STACK = 30
STACKED_BYTES = 10_000_000
MEGABYTE = 1_000_000


class Row(NamedTuple):
    """A line of the table; `fetched` is a part of the layers' bytes."""

    image: str
    program: str
    seconds: float
    processor: float
    peak: int
    packages: int
    fetched: float | None


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description="`affineur packages` beside syft")
    parser.add_argument("--root", type=Path, required=True, help="tar of a Debian root file system")
    parser.add_argument("--rpm", type=Path, help="a Berkeley DB of rpm, compressed by xz")
    parser.add_argument("--syft", default="syft", help="the peer's program")
    parser.add_argument("--large", type=Path, help="a folder for a large image: made there if need be, some minutes")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    peer = _version(options.syft)
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} processors, peer: {peer or 'none (syft not found)'}\n")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, docker_registry(Path(folder) / "registry") as host:
        for name, layers in images(options.root, options.rpm, options.large):
            size = push(host, name, layers)
            rows += measured(f"{host}/{name}:1", name, size, options.runs, options.syft if peer else None)
    print(table(rows))


def images(root: Path, rpm: Path | None, large: Path | None) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Names, and layers as compressed bytes, base first."""
    base = _compressed(root.read_bytes())
    yield "minbase", iter([base])
    yield "application", iter([base, _copy(root, "opt/app", STACKED_BYTES * 3)])
    yield "thirty-layers", _stack(root, base)
    if rpm:
        system = _rpm_system(root, lzma.decompress(rpm.read_bytes()))
        yield "rpm", iter([system])
        yield "rpm-application", iter([system, _copy(root, "opt/app", STACKED_BYTES * 3)])
    if large:
        yield "large", (layer.read_bytes() for layer in layers_in(large))


def push(host: str, name: str, layers: Iterator[bytes]) -> int:
    """Push an image; gives the compressed size of its layers."""
    descriptors = [push_blob(host, name, layer, LAYER + "+gzip") for layer in layers]
    diff_ids = ["sha256:" + hashlib.sha256(str(index).encode()).hexdigest() for index in range(len(descriptors))]
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": push_blob(host, name, json.dumps(config).encode(), CONFIG),
        "layers": descriptors,
    }
    push_manifest(host, name, "1", json.dumps(manifest).encode(), IMAGE_MANIFEST)
    return sum(int(each["size"]) for each in descriptors)


def measured(reference: str, name: str, size: int, runs: int, syft: str | None) -> Iterator[Row]:
    """A row for each program."""
    ours = [sys.executable, "-m", "affineur", "packages", "--json", "--timings", reference]
    programs: dict[str, tuple[list[str], dict[str, str]]] = {"affineur": (ours, {}), "affineur, cached": (ours, {})}
    if syft:
        peer = [syft, "scan", f"registry:{reference}", "-q", "-o", "json"]
        quiet = {"SYFT_REGISTRY_INSECURE_USE_HTTP": "true", "SYFT_CHECK_FOR_APP_UPDATE": "false"}
        leanest = [
            *peer,
            "--override-default-catalogers",
            "rpm-db-cataloger" if "/rpm" in reference else "dpkg-db-cataloger",
        ]
        programs["syft, leanest"] = leanest, {**quiet, "SYFT_FILE_METADATA_SELECTION": "none"}
        programs["syft, default"] = peer, quiet
    taken: dict[str, list[Run]] = {program: [] for program in programs}
    with tempfile.TemporaryDirectory() as kept:
        run(ours, {"XDG_CACHE_HOME": kept})
        for _ in range(runs):
            for program, (command, environment) in programs.items():
                with tempfile.TemporaryDirectory() as fresh:
                    cache = kept if "cached" in program else fresh
                    taken[program].append(run(command, {**environment, "XDG_CACHE_HOME": cache}))
    for program, results in taken.items():
        yield Row(
            name,
            program,
            statistics.median(each.seconds for each in results),
            statistics.median(each.processor for each in results),
            max(each.peak for each in results),
            _count(results[0].out),
            _fetched(results[0].err) / size if program.startswith("affineur") else None,
        )


def table(rows: Sequence[Row]) -> str:
    """Markdown, with each row's time as a multiple of ours."""
    ours = {row.image: row for row in rows if row.program == "affineur"}
    head = "| image | program | seconds | times ours | processor s | times ours | peak MB | layers' bytes | packages |"
    lines = [head, "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    for row in rows:
        by_clock = f"{row.seconds:.2f} | {row.seconds / ours[row.image].seconds:.1f}"
        by_processor = f"{row.processor:.2f} | {row.processor / ours[row.image].processor:.1f}"
        fetched = "" if row.fetched is None else f"{row.fetched:.0%}"
        rest = f"{row.peak / MEGABYTE:.0f} | {fetched} | {row.packages}"
        lines.append(f"| {row.image} | {row.program} | {by_clock} | {by_processor} | {rest} |")
    return "\n".join(lines)


def _count(document: str) -> int:
    found = json.loads(document)
    if "artifacts" in found:
        return sum(artifact["type"] in ("deb", "rpm") for artifact in found["artifacts"])
    return len(found["packages"])


def _fetched(timings: str) -> int:
    match = re.search(r"(\d+)\s+layers\b", timings)
    return int(match[1]) if match else 0


def _version(program: str) -> str:
    try:
        done = subprocess.run([program, "version", "-o", "json"], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""
    return f"syft {json.loads(done.stdout)['version']}"


def _stack(root: Path, base: bytes) -> Iterator[bytes]:
    """A base and layers above it, each with the status of one more package, as `apt-get install` leaves them."""
    with tarfile.open(root) as archive:
        file = archive.extractfile("./var/lib/dpkg/status")
        status = file.read() if file else b""
    yield base
    for number in range(1, STACK):
        more = f"\nPackage: added-{number}\nStatus: install ok installed\nVersion: {number}\nArchitecture: all\n"
        status += (more + "Maintainer: x <x@example>\nDescription: x\n").encode()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in (("var/lib/dpkg/status", status), (f"opt/{number}", _program(number))):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        yield _compressed(buffer.getvalue())


def _program(seed: int) -> bytes:
    """Bytes that gzip makes about a third of, as it does of programs."""
    source = random.Random(seed)
    words = b" ".join(b"%d" % source.randrange(1000) for _ in range(4096))
    noise = source.randbytes(STACKED_BYTES * 3 // 10)
    return (noise + words * (STACKED_BYTES // len(words) + 1))[:STACKED_BYTES]


def _rpm_system(root: Path, database: bytes) -> bytes:
    """A layer with the root's files, and rpm's database where dpkg's was."""
    buffer = io.BytesIO()
    own = {"var/lib/rpm/Packages": database, "etc/os-release": b'ID="centos"\nVERSION_ID="8"\n'}
    with tarfile.open(root) as source, tarfile.open(fileobj=buffer, mode="w") as copy:
        for member in source:
            if "/dpkg/" not in member.name and member.name.removeprefix("./") not in own:
                copy.addfile(member, source.extractfile(member) if member.isreg() else None)
        for name, content in own.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            copy.addfile(info, io.BytesIO(content))
    return _compressed(buffer.getvalue())


def _copy(root: Path, folder: str, at_most: int | None = None) -> bytes:
    """A layer with the root's regular files, dpkg's own apart, below another folder, and no more than some bytes."""
    buffer = io.BytesIO()
    written = 0
    with tarfile.open(root) as source, tarfile.open(fileobj=buffer, mode="w") as copy:
        for member in source:
            if (
                not member.isreg()
                or "/dpkg/" in member.name
                or (at_most is not None and written + member.size > at_most)
            ):
                continue
            written += member.size
            content = source.extractfile(member)
            member.name = f"{folder}/{member.name.removeprefix('./')}"
            copy.addfile(member, content)
    return _compressed(buffer.getvalue())


def _compressed(tar: bytes) -> bytes:
    return gzip.compress(tar, 6, mtime=0)


if __name__ == "__main__":
    main()
