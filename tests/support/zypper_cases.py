"""One rule of zypper a case, with what zypper 1.14 prints (tests/system asks it again)."""

import dataclasses
import os
import subprocess
from pathlib import Path

from support.dnf_cases import rpm
from support.dnf_scenarios import Place, System
from support.rpm_roots import Rpm, publish, record

__all__ = ["CASES", "Case", "ask_zypper"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A rule; `updates` are `name.arch version repository`, sorted."""

    rule: str
    system: System
    updates: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    vendor_change: bool = False

    @property
    def together(self) -> bool:
        """Whether one root may hold it and others."""
        return not self.locks and not self.vendor_change


def of(text: str) -> Rpm:
    """`name version-release architecture vendor`; the vendor is V where not said."""
    fields = text.split(" ", 3)
    return dataclasses.replace(rpm(" ".join(fields[:3])), vendor=fields[3] if len(fields) > 3 else "V")


def system(installed: str, *places: Place | tuple[str | Rpm, ...]) -> System:
    named = [
        place
        if isinstance(place, Place)
        else Place(f"r{number}", tuple(of(each) if isinstance(each, str) else each for each in place))
        for number, place in enumerate(places, start=1)
    ]
    return System(tuple(map(of, installed.split(", "))), tuple(named))


def new(*obsoletes: str, vendor: str = "V", architecture: str = "x86_64") -> Rpm:
    return Rpm("new", "1-1", architecture, vendor=vendor, obsoletes=obsoletes)


A, OLD = "a 1-1 x86_64", ("old 2-1 x86_64",)

CASES = (
    Case("the newest", system(A, ("a 2-1 x86_64", "a 3-1 x86_64")), ("a.x86_64 3-1 r1",)),
    Case("an epoch counts first", system(A, ("a 1:0-1 x86_64", "a 2-1 x86_64")), ("a.x86_64 1:0-1 r1",)),
    Case("one line, for the first by alias", system(A, ("a 2-1 x86_64",), ("a 2-1 x86_64",)), ("a.x86_64 2-1 r1",)),
    Case("vendors stay", system(A, ("a 2-1 x86_64", "a 3-1 x86_64 W")), ("a.x86_64 2-1 r1",)),
    Case("a vendor's name is a whole", system("a 1-1 x86_64 V", ("a 2-1 x86_64 V W",))),
    Case("in any letter case", system("a 1-1 x86_64 Vendor", ("a 2-1 x86_64 vendor",)), ("a.x86_64 2-1 r1",)),
    Case(
        "no vendor is one, too",
        system("a 1-1 x86_64 , b 1-1 x86_64", ("a 2-1 x86_64 ", "b 2-1 x86_64 ")),
        ("a.x86_64 2-1 r1",),
    ),
    Case(
        "SUSE is one vendor, openSUSE another",
        system(
            "a 1-1 x86_64 SUSE LLC <https://www.suse.com/>, b 1-1 x86_64 openSUSE, c 1-1 x86_64 SUSE-x",
            ("a 2-1 x86_64 SUSE Linux", "b 2-1 x86_64 openSUSE Leap", "c 2-1 x86_64 suse linux"),
        ),
        ("a.x86_64 2-1 r1", "c.x86_64 2-1 r1"),
    ),
    Case("unless vendors may change", system(A, ("a 2-1 x86_64 W",)), ("a.x86_64 2-1 r1",), vendor_change=True),
    Case(
        "locks", system("a 1-1 x86_64, b 1-1 x86_64", ("a 2-1 x86_64", "b 2-1 x86_64")), ("b.x86_64 2-1 r1",), ("a*",)
    ),
    Case(
        "a better priority hides newer ones",
        system(A, Place("r1", (of("a 2-1 x86_64"),), priority=10), ("a 3-1 x86_64",)),
        ("a.x86_64 2-1 r1",),
    ),
    Case("also where it has what is installed", system(A, Place("r1", (of(A),), priority=10), ("a 3-1 x86_64",))),
    Case(
        "but not where that is older",
        system("a 2-1 x86_64", Place("r1", (of(A),), priority=10), ("a 3-1 x86_64",)),
        ("a.x86_64 3-1 r2",),
    ),
    Case(
        "or of another vendor",
        system(A, Place("r1", (of("a 2-1 x86_64 W"),), priority=10), ("a 3-1 x86_64",)),
        ("a.x86_64 3-1 r2",),
    ),
    Case(
        "or of another architecture",
        system(A, Place("r1", (of("a 2-1 i686"),), priority=10), ("a 3-1 x86_64",)),
        ("a.x86_64 3-1 r2",),
    ),
    Case(
        "to and from noarch, and no other change",
        system(
            "a 1-1 x86_64, b 1-1 noarch, c 1-1 i686, d 1-1 x86_64, e 1-1 aarch64",
            ("a 2-1 noarch", "b 2-1 x86_64", "c 2-1 x86_64", "d 2-1 i686", "e 2-1 aarch64"),
        ),
        ("a.noarch 2-1 r1", "b.x86_64 2-1 r1"),
    ),
    Case("two architectures exclude each other", system("a 1-1 x86_64, a 1-1 i686", ("a 2-1 x86_64", "a 2-1 i686"))),
    Case(
        "the newest installed counts",
        system("a 1-1 x86_64, a 3-1 x86_64", ("a 2-1 x86_64", "a 4-1 x86_64")),
        ("a.x86_64 4-1 r1",),
    ),
    Case("what is replaced is no update", system("old 1-1 x86_64", (new("old"),), OLD)),
    Case("by noarch, too", system("old 1-1 x86_64", (new("old", architecture="noarch"),), OLD)),
    Case(
        "not by another architecture",
        system("old 1-1 x86_64", (new("old", architecture="i686"),), OLD),
        ("old.x86_64 2-1 r2",),
    ),
    Case("not by another vendor", system("old 1-1 x86_64", (new("old", vendor="W"),), OLD), ("old.x86_64 2-1 r2",)),
    Case(
        "not where only the installed version is meant",
        system("old 1-1 x86_64", (new("old LE 1-1"),), OLD),
        ("old.x86_64 2-1 r2",),
    ),
    Case("nor where only the new one is", system("old 1-1 x86_64", (new("old GE 2-1"),), OLD), ("old.x86_64 2-1 r2",)),
    Case(
        "nor by what is older than installed",
        system("old 1-1 x86_64, new 2-1 x86_64", (new("old"),), OLD),
        ("old.x86_64 2-1 r2",),
    ),
    Case(
        "an update takes away what it obsoletes",
        system("old 1-1 x86_64, new 0-1 x86_64", (new("old LE 1-1"),), OLD),
        ("new.x86_64 1-1 r1",),
    ),
    Case(
        "from noarch to the best architecture there is",
        system(
            "a 1-1 noarch, b 1-1 noarch, c 1-1 noarch",
            ("a 3-1 i686", "a 2-1 x86_64", "b 2-1 i686", "c 2-1 i686", "c 0-1 x86_64 W"),
        ),
        ("a.x86_64 2-1 r1", "b.i686 2-1 r1"),
    ),
    Case(
        "nor from a worse priority",
        system("old 1-1 x86_64", Place("r1", (new("old"),), priority=120), OLD),
        ("old.x86_64 2-1 r2",),
    ),
)


def ask_zypper(system: System, folder: Path, case: Case | None = None) -> list[str]:
    """Run `zypper list-updates`; `name.arch version repository` of each line."""
    root = record(folder / "root", system.installed)
    repos = root / "etc/zypp/repos.d"
    repos.mkdir(parents=True)
    for place in system.places:
        made = publish(folder / place.id, place.packages)
        text = f"[{place.id}]\nname={place.id}\nenabled=1\nautorefresh=1\ngpgcheck=0\ntype=rpm-md\n"
        (repos / f"{place.id}.repo").write_text(f"{text}baseurl=file://{made}\npriority={place.priority}\n")
    settings = root / "etc/zypp/zypp.conf"
    change = case is not None and case.vendor_change
    settings.write_text(f"[main]\nsolver.allowVendorChange = {'true' if change else 'false'}\n")
    locks = [
        f"type: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: {lock}\n"
        for lock in (case.locks if case else ())
    ]
    (root / "etc/zypp/locks").write_text("\n" + "\n".join(locks) + "\n")
    done = subprocess.run(
        ["zypper", "--root", str(root), "--non-interactive", "--no-gpg-checks", "list-updates"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=os.environ | {"LC_ALL": "C", "ZYPP_CONF": str(settings)},
    )
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    return sorted(f"{row[2]}.{row[5]} {row[4]} {row[1]}" for row in rows if len(row) == 6 and row[0] == "v")
