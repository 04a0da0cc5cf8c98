"""Which notices count for a letter, and which patches the real zypper calls needed, on the same root."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from affineur.errata.rpm.builds import match_builds
from affineur.errata.rpm.updateinfo import read_updateinfo
from support import rpms
from support.rpm_roots import Rpm, record
from support.rpm_world import notice, updateinfo

pytestmark = pytest.mark.system

X, N = "x86_64", "noarch"


def needed(folder: Path, installed: Sequence[Rpm], document: str) -> set[str]:
    """Ask zypper: ids of the patches in the state `needed`. It wants packages on offer, whichever."""
    rpms.needed("zypper", "rpm", "createrepo_c", "modifyrepo_c")
    root = record(folder / "root", installed)
    made = rpms.repository(folder / "r", [], document)
    repos = root / "etc/zypp/repos.d"
    repos.mkdir(parents=True)
    (repos / "r.repo").write_text(f"[r]\nname=r\nbaseurl=file://{made}\nenabled=1\ngpgcheck=0\ntype=rpm-md\n")
    command = ["zypper", "--root", str(root), "--no-gpg-checks", "--non-interactive", "list-patches", "--all"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=rpms.TIMEOUT_S, check=True)
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines() if line.count("|") > 5]
    return {row[1] for row in rows if row[5] == "needed"}


def ours(installed: Sequence[Rpm], document: str) -> set[str]:
    errata = read_updateinfo([document.encode()], "sles", "x")
    return {finding.erratum.id for finding in match_builds([rpm.package() for rpm in installed], errata)}


def test_each_rule_is_zyppers_own(tmp_path: Path) -> None:
    installed = [Rpm("a", "1-1", X), Rpm("b", "1-1", N), Rpm("c", "1:1-1", X)]
    document = updateinfo(
        notice("newer", [("a", "2-1", X, "")], severity="important"),
        notice("recommended", [("b", "2-1", N, "")], kind="recommended", severity="moderate"),
        notice("older", [("a", "0-1", X, ""), ("c", "9-1", X, "")]),
        notice("elsewhere", [("a", "2-1", "aarch64", ""), ("z", "2-1", X, "")]),
        notice("now-noarch", [("a", "3-1", N, "")]),
        notice("no-longer-noarch", [("b", "3-1", X, "")]),
        notice("withdrawn", [("a", "4-1", X, "")]).replace('"final"', '"retracted"'),
    )
    expected = {"newer", "recommended", "now-noarch", "no-longer-noarch"}
    assert ours(installed, document) == expected
    assert needed(tmp_path, installed, document) == expected


@pytest.mark.parametrize("seed", range(2))
def test_made_systems_get_zyppers_own_answer(seed: int, tmp_path: Path) -> None:
    dice = Random(seed)

    def version() -> str:
        minor = dice.choice(["0", "1", "10", "1~rc"])
        return f"{dice.choice(['', '', '1:'])}{dice.choice('123')}.{minor}-{dice.choice('12')}"

    names = [f"p{number}" for number in range(80)]
    installed = [Rpm(name, version(), dice.choice((X, X, N))) for name in names if dice.random() < 0.8]
    document = updateinfo(
        *(
            notice(
                f"SUSE-{number}",
                [(dice.choice(names), version(), dice.choice((X, X, N)), "") for _ in range(dice.randrange(1, 6))],
                kind=dice.choice(["security", "recommended"]),  # others are never needed, only optional
            )
            for number in range(150)
        )
    )
    found = ours(installed, document)
    assert 30 < len(found) < 130
    assert found == needed(tmp_path, installed, document)
