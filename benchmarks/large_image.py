"""A large image of real programs, made as a Dockerfile makes one: a base, then a layer for each `apt-get install`.

mmdebstrap makes the base from the mirror that this machine's own apt is configured with; a layer holds what changed.
About 0.6 GB compressed and 1.8 GB unpacked: Java, Node.js, Go, Clang and an office.
"""

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.real_debian import own_suites

__all__ = ["layers_in"]

STEPS = (
    "openjdk-17-jdk-headless maven",
    "nodejs npm",
    "golang-go clang",
    "libreoffice-core libreoffice-common",
)
GIVE_UP_AFTER_S = 1800

HOOK = r"""
set -eu
root=$1 folder=$2
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
pack() {
    find . -mindepth 1 \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp \
        -o -path ./var/cache/apt -o -path ./var/lib/apt/lists \) -prune -o "$@" -print0 >"$folder/list"
    tar -c --null --no-recursion -T "$folder/list" -f "$folder/$number.making"
    gzip -6 -n -c "$folder/$number.making" >"$folder/$number.tar.gz"
    rm "$folder/$number.making"
}
cd "$root"
number=0
pack -true
while read -r packages; do
    number=$((number + 1))
    touch "$folder/before"
    sleep 1
    chroot . apt-get -q -y --no-install-recommends install $packages
    pack -cnewer "$folder/before" \! -type d
done <"$folder/steps"
"""


def layers_in(folder: Path) -> list[Path]:
    """The compressed layers, base first; made if they are not there (some minutes)."""
    wanted = [folder / f"{number}.tar.gz" for number in range(len(STEPS) + 1)]
    steps = "\n".join(STEPS) + "\n"
    if (folder / "done").exists() and (folder / "done").read_text() == steps:
        return wanted
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "steps").write_text(steps)
    (folder / "hook.sh").write_text(HOOK)
    site, suite, component, _ = own_suites()[0]
    subprocess.run(
        ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--skip=cleanup/apt/lists", "--format=null",
         f"--customize-hook=sh {folder / 'hook.sh'} \"$1\" {folder}", suite, "-", f"deb {site} {suite} {component}"],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=GIVE_UP_AFTER_S,
    )  # fmt: skip
    (folder / "done").write_text(steps)
    return wanted
