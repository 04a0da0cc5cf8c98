"""A made primary.xml of 19,000 packages read here, beside createrepo_c's C parser: seconds and peak memory, as ratios.

    python benchmarks/rpm_repositories.py [--packages 19000] [--runs 3]

The peer is Debian's python3-createrepo-c, calling back once a package; beside both, the standard library's expat with
handlers that do nothing, which is what a reader in Python cannot go below unless it parses less. Programs take turns;
times are medians of the processor's, the memory is the highest.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from measure import Run, run

PEER_PYTHON = "/usr/bin/python3"
CREATEREPO = """
import sys, createrepo_c
count = 0
def counted(package):
    global count
    count += 1
createrepo_c.xml_parse_primary(sys.argv[1], pkgcb=counted, do_files=False)
print(count)
"""
CHUNKS = """
import sys
def chunks():
    with open(sys.argv[1], "rb") as file:
        while chunk := file.read(1 << 19):
            yield chunk
"""
EXPAT = (
    CHUNKS
    + """
from xml.parsers import expat
parser = expat.ParserCreate("utf-8", " ")
parser.buffer_text = True
parser.StartElementHandler = lambda name, attributes: None
parser.EndElementHandler = lambda name: None
parser.CharacterDataHandler = lambda data: None
for chunk in chunks():
    parser.Parse(chunk, False)
parser.Parse(b"", True)
"""
)
OURS = (
    CHUNKS
    + """
from affineur.repositories.rpmmd.primary import read_primary
print(sum(1 for _ in read_primary(chunks(), "primary.xml")))
"""
)
REMEMBERED = (
    CHUNKS
    + """
from pathlib import Path
from affineur.repositories.rpmmd.primary import read_primary
from affineur.store.offers import OfferStore
store = OfferStore(Path(sys.argv[2]))
index = store.open("made") or store.build("made", read_primary(chunks(), "primary.xml"))
names = {f"name-{number}" for number in range(400)}
print(len(index.lookup(names)) and index.count)
"""
)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description="primary.xml beside createrepo_c")
    parser.add_argument("--packages", type=int, default=19_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if subprocess.run([PEER_PYTHON, "-c", "import createrepo_c"], capture_output=True, check=False).returncode:
        print("(no benchmark: python3-createrepo-c is not installed)")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "primary.xml"
        with path.open("w") as file:
            file.writelines(document(options.packages))
        size = path.stat().st_size / 1_000_000
        print(f"{size:.0f} MB, {options.packages} packages\n")
        programs = {
            "createrepo_c (C)": [PEER_PYTHON, "-c", CREATEREPO, str(path)],
            "expat, empty handlers": [sys.executable, "-c", EXPAT, str(path)],
            "affineur": [sys.executable, "-c", OURS, str(path)],
            "affineur, read and remembered": [sys.executable, "-c", REMEMBERED, str(path), f"{folder}/new"],
            "affineur, remembered": [sys.executable, "-c", REMEMBERED, str(path), f"{folder}/kept"],
        }
        run(programs["affineur, remembered"], {})
        print(table(measured(programs, options.runs, Path(folder) / "new"), options.packages))


def measured(programs: dict[str, list[str]], runs: int, fresh: Path) -> dict[str, list[Run]]:
    """Each program some times, in turns; `fresh` is emptied each time."""
    taken: dict[str, list[Run]] = {name: [] for name in programs}
    for _ in range(runs):
        subprocess.run(["rm", "-rf", str(fresh)], check=True)
        for name, command in programs.items():
            taken[name].append(run(command, {}))
    return taken


def table(taken: dict[str, list[Run]], packages: int) -> str:
    """Markdown; times as multiples of the first program's."""
    times = {name: statistics.median(each.processor for each in runs) for name, runs in taken.items()}
    first = next(iter(times.values()))
    lines = ["| program | processor s | times createrepo_c | peak MB |", "|---|--:|--:|--:|"]
    for name, runs in taken.items():
        if runs[0].out.strip() not in ("", str(packages)):
            raise SystemExit(f"{name} found {runs[0].out.strip()} packages, not {packages}")
        peak = max(each.peak for each in runs) / 1_000_000
        lines.append(f"| {name} | {times[name]:.2f} | {times[name] / first:.1f} | {peak:.0f} |")
    return "\n".join(lines)


def document(packages: int) -> Iterator[str]:
    """Packages of some 5 kB with as many relations and files as Fedora's."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnop", k=chance.randint(3, 9))) for _ in range(4000)]
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common"'
    yield f' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{packages}">\n'
    for number in range(packages):
        yield package(number, chance, words)
    yield "</metadata>\n"


def package(number: int, chance: random.Random, words: list[str]) -> str:
    """One <package>, laid out as createrepo_c lays it out."""
    name = f"name-{number}"
    version, release = f"{chance.randint(1, 9)}.{chance.randint(0, 30)}", f"{chance.randint(1, 99)}.fc40"

    def capability() -> str:
        word = "-".join(chance.sample(words, 2))
        if chance.random() < 0.6:
            return f'<rpm:entry name="lib{word}.so.{chance.randint(1, 9)}()(64bit)"/>'
        return f'<rpm:entry name="{word}" flags="EQ" epoch="0" ver="{version}" rel="{release}"/>'

    def section(kind: str, count: int, make: Callable[[], str] = capability) -> str:
        entries = "".join(f"      {make()}\n" for _ in range(count))
        return f"    <rpm:{kind}>\n{entries}    </rpm:{kind}>\n" if count else ""

    files = "".join(f"    <file>/usr/bin/{chance.choice(words)}</file>\n" for _ in range(chance.randint(0, 6)))
    return f"""<package type="rpm">
  <name>{name}</name>
  <arch>x86_64</arch>
  <version epoch="0" ver="{version}" rel="{release}"/>
  <checksum type="sha256" pkgid="YES">{chance.getrandbits(256):064x}</checksum>
  <summary>{" ".join(chance.sample(words, 6))}</summary>
  <description>{" ".join(chance.sample(words, 60))}</description>
  <packager>Vendor</packager>
  <url>https://{name}.example/</url>
  <time file="{1_700_000_000 + number}" build="{1_700_000_000 + number}"/>
  <size package="{chance.randint(1_000, 10_000_000)}" installed="{chance.randint(1_000, 10_000_000)}" archive="1000"/>
  <location href="Packages/{name}-{version}-{release}.x86_64.rpm"/>
  <format>
    <rpm:license>MIT</rpm:license>
    <rpm:vendor>Vendor</rpm:vendor>
    <rpm:group>Unspecified</rpm:group>
    <rpm:buildhost>build.example</rpm:buildhost>
    <rpm:sourcerpm>{name}-{version}-{release}.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="4504" end="12345"/>
{section("provides", chance.randint(1, 25))}{section("requires", chance.randint(5, 65))}\
{section("obsoletes", int(chance.random() < 0.1))}{files}  </format>
</package>
"""


if __name__ == "__main__":
    main()
