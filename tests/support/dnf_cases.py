"""One rule of dnf a case: what is installed, what is offered, and what dnf 4.14 prints (tests/system asks it again)."""

import dataclasses

from affineur.repositories.rpmmd.model import ModuleState
from support.dnf_scenarios import Main, Module, Place, System
from support.rpm_roots import Rpm

__all__ = ["ALONE", "CASES", "Case", "rpm"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A rule; `updates` and `obsoleting` as in Answer, sorted.

    Attributes:
        alone: asked in a root of its own: where an enabled stream cannot be active dnf solves all modules more loosely.
    """

    rule: str
    system: System
    updates: tuple[str, ...] = ()
    obsoleting: tuple[str, ...] = ()
    alone: bool = False


def rpm(text: str, *obsoletes: str, provides: tuple[str, ...] = ()) -> Rpm:
    """`name version-release architecture`."""
    name, version, architecture = text.split()
    return Rpm(name, version, architecture, obsoletes=obsoletes, provides=provides)


def rpms(*texts: str) -> tuple[Rpm, ...]:
    return tuple(map(rpm, texts))


def system(installed: str, *places: Place | tuple[Rpm, ...], **more: object) -> System:
    """Installed packages are separated by commas; repositories without options are r1, r2 …"""
    named = [
        each if isinstance(each, Place) else Place(f"r{number}", each) for number, each in enumerate(places, start=1)
    ]
    present = rpms(*(text.strip() for text in installed.split(",")))
    return System(present, tuple(named), **more)  # type: ignore[arg-type]


def stream(name: str, *contents: str, **more: object) -> Module:
    """`name:stream[:context]`, and a package of its own named so for each of the contents."""
    module, number, *context = name.split(":")
    artifacts = tuple(rpm(f"{each} 1-1 x86_64").nevra if " " not in each else rpm(each).nevra for each in contents)
    return Module(module, number, artifacts, context=context[0] if context else "c0ffee", **more)  # type: ignore[arg-type]


def modular(
    *streams: Module,
    defaults: tuple[tuple[str, str], ...] = (),
    states: tuple[tuple[str, str, str], ...] = (),
    rest: tuple[Rpm, ...] = (),
) -> System:
    """All packages of the streams are installed in an older version, so that updates show which streams are active."""
    offered = []
    for artifact in dict.fromkeys(artifact for each in streams for artifact in each.artifacts):
        name, version, release = artifact.rsplit("-", 2)
        number, architecture = release.rsplit(".", 1)
        offered.append(Rpm(name, f"{version.removeprefix('0:')}-{number}", architecture))
    installed = {each.name: Rpm(each.name, "0-1", "x86_64") for each in offered}
    places = [Place("r1", tuple(offered), modules=streams, defaults=defaults)]
    places += [Place("base", rest)] if rest else []
    return System(tuple(installed.values()), tuple(places), tuple(ModuleState(*state) for state in states))


A = "a 1-1 noarch"
M1, M2 = stream("m:1", "a 1-1.m1 x86_64"), stream("m:2", "a 2-1.m2 x86_64")
N1, N2 = stream("n:1", "n1"), stream("n:2", "n2")
BASE = rpms("a 5-1 x86_64")
DEFAULT = (("m", "1"),)
WANTS_N1, WANTS_N2, WANTS_ANY = (("n", ("1",)),), (("n", ("2",)),), (("n", ()),)

_ALL = (
    Case("newest only", system(A, rpms("a 2-1 noarch", "a 3-1 noarch")), ("a.noarch 3-1 r1",)),
    Case("an epoch counts first", system(A, rpms("a 3-1 noarch", "a 1:1-1 noarch")), ("a.noarch 1:1-1 r1",)),
    Case("the same or older is none", system(A, rpms(A, "a 0-1 noarch", "a 1~rc1-1 noarch"))),
    Case("what is not installed is none", system(A, rpms("b 2-1 noarch"))),
    Case(
        "every repository that offers the newest has a line",
        system(A, rpms("a 2-1 noarch"), rpms("a 2-1 noarch"), rpms("a 1-2 noarch")),
        ("a.noarch 2-1 r1", "a.noarch 2-1 r2"),
    ),
    Case(
        "each architecture that is installed has its own",
        system("a 1-1 x86_64, a 1-1 i686", rpms("a 2-1 x86_64", "a 3-1 i686", "a 9-1 aarch64")),
        ("a.i686 3-1 r1", "a.x86_64 2-1 r1"),
    ),
    Case("to noarch", system("a 1-1 x86_64", rpms("a 2-1 noarch", "a 3-1 i686")), ("a.noarch 2-1 r1",)),
    Case("from noarch", system(A, rpms("a 2-1 x86_64", "a 2-1 i686")), ("a.i686 2-1 r1", "a.x86_64 2-1 r1")),
    Case(
        "a foreign architecture that is installed",
        system("a 1-1 aarch64", rpms("a 2-1 aarch64")),
        ("a.aarch64 2-1 r1",),
    ),
    Case("source packages are none", system("a 1-1 x86_64", rpms("a 2-1 src", "a 2-1 nosrc"))),
    Case("newer than all that are installed", system("a 1-1 x86_64, a 3-1 x86_64", rpms("a 2-1 x86_64"))),
    Case(
        "kernels, too",
        system("kernel 1-1 x86_64, kernel 3-1 x86_64", rpms("kernel 2-1 x86_64", "kernel 4-1 x86_64")),
        ("kernel.x86_64 4-1 r1",),
    ),
    Case(
        "a better priority hides newer ones",
        system(A, Place("r1", rpms("a 2-1 noarch"), priority=10), Place("r2", rpms("a 3-1 noarch"))),
        ("a.noarch 2-1 r1",),
    ),
    Case(
        "even by a version that is no update",
        system("a 1-1 x86_64", Place("r1", rpms("a 1-1 i686"), priority=10), Place("r2", rpms("a 3-1 x86_64"))),
    ),
    Case(
        "a repository's excludes are its own",
        system(A, Place("r1", rpms("a 3-1 noarch"), exclude=("a*",)), Place("r2", rpms("a 2-1 noarch"))),
        ("a.noarch 2-1 r2",),
    ),
    Case(
        "excluded packages have no priority",
        system(A, Place("r1", rpms("a 3-1 noarch"), exclude=("a",), priority=1), Place("r2", rpms("a 2-1 noarch"))),
        ("a.noarch 2-1 r2",),
    ),
    Case(
        "a version can be excluded",
        system(A, Place("r1", rpms("a 3-1 noarch", "a 2-1 noarch"), exclude=("a-3*",))),
        ("a.noarch 2-1 r1",),
    ),
    Case(
        "an architecture can be excluded",
        system("a 1-1 x86_64, a 1-1 i686", Place("r1", rpms("a 2-1 x86_64", "a 2-1 i686"), exclude=("*.i686",))),
        ("a.x86_64 2-1 r1",),
    ),
    Case(
        "a pattern's form is told by all packages",
        system(
            "a 1-1 noarch, b-c 1-1 noarch, b 1-1 noarch",
            Place("r1", rpms("b 2-1 noarch"), exclude=("b-?",)),
            rpms("b-c 2-1 noarch"),
        ),
        ("b-c.noarch 2-1 r2", "b.noarch 2-1 r1"),
    ),
    Case(
        "includepkgs",
        system("a 1-1 noarch, b 1-1 noarch", Place("r1", rpms("a 2-1 noarch", "b 2-1 noarch"), includepkgs=("b",))),
        ("b.noarch 2-1 r1",),
    ),
    Case(
        "includes, less excludes",
        system(A, Place("r1", rpms("a 2-1 noarch", "a 3-1 noarch"), includepkgs=("a",), exclude=("a-3-1",))),
        ("a.noarch 2-1 r1",),
    ),
    Case(
        "what obsoletes is listed apart, in all its versions",
        system(A, (rpm("new 1-1 noarch", "a"), rpm("new 2-1 noarch", "a"), rpm("a 2-1 noarch"))),
        ("a.noarch 2-1 r1",),
        ("new.noarch 1-1 r1 < a.noarch 1-1", "new.noarch 2-1 r1 < a.noarch 1-1"),
    ),
    Case(
        "obsoletes by version",
        system(
            "a 1:2-1 noarch, b 2-1 noarch, c 2-1 noarch, d 2-1 noarch",
            (rpm("new 1-1 noarch", "a LT 3-1", "b LT 2-1", "c LE 2", "d GE 1:1-1"),),
        ),
        (),
        ("new.noarch 1-1 r1 < c.noarch 2-1",),
    ),
    Case("a default stream is active", modular(M1, M2, defaults=DEFAULT, rest=BASE), ("a.x86_64 1-1.m1 r1",)),
    Case("without a default none is", modular(M1, M2, rest=BASE), ("a.x86_64 5-1 base",)),
    Case(
        "an enabled stream is",
        modular(M1, M2, defaults=DEFAULT, states=(("m", "2", "enabled"),), rest=BASE),
        ("a.x86_64 2-1.m2 r1",),
    ),
    Case(
        "a disabled module has none",
        modular(M1, M2, defaults=DEFAULT, states=(("m", "", "disabled"),), rest=BASE),
        ("a.x86_64 5-1 base",),
    ),
    Case(
        "after a reset the default is",
        modular(M1, M2, defaults=DEFAULT, states=(("m", "", ""),), rest=BASE),
        ("a.x86_64 1-1.m1 r1",),
    ),
    Case(
        "an enabled stream that is not there",
        modular(M1, M2, defaults=DEFAULT, states=(("m", "9", "enabled"),), rest=BASE),
        ("a.x86_64 5-1 base",),
        alone=True,
    ),
    Case(
        "names of an active stream hide what provides them",
        system(
            "a 0-1 x86_64, b 0-1 x86_64, c 0-1 aarch64",
            Place("r1", rpms("a 1-1.m1 x86_64"), modules=(M1,), defaults=DEFAULT),
            (
                rpm("a 5-1 x86_64"),
                rpm("b 5-1 x86_64", provides=("a",)),
                rpm("b 4-1 x86_64"),
                rpm("c 5-1 aarch64", provides=("a",)),
            ),
        ),
        ("a.x86_64 1-1.m1 r1", "b.x86_64 4-1 r2", "c.aarch64 5-1 r2"),
    ),
    Case(
        "module_hotfixes",
        system(
            "a 0-1 x86_64",
            Place("r1", rpms("a 1-1.m1 x86_64"), modules=(M1,), defaults=DEFAULT),
            Place("r2", BASE, module_hotfixes=True),
        ),
        ("a.x86_64 5-1 r2",),
    ),
    Case(
        "source artifacts hide nothing",
        modular(stream("m:1", "a 1-1 src"), defaults=DEFAULT, rest=BASE),
        ("a.x86_64 5-1 base",),
    ),
    Case(
        "defaults that differ are none",
        system(
            "a 0-1 x86_64",
            Place("r1", rpms("a 1-1.m1 x86_64", "a 2-1.m2 x86_64"), modules=(M1, M2), defaults=DEFAULT),
            Place("r2", (), defaults=(("m", "2"),), priority=1),
        ),
    ),
    Case(
        "but for the one last modified",
        system(
            "a 0-1 x86_64",
            Place("r1", rpms("a 1-1.m1 x86_64", "a 2-1.m2 x86_64"), modules=(M1, M2), defaults=DEFAULT, modified=2),
            Place("r2", (), defaults=(("m", "2"),)),
        ),
        ("a.x86_64 1-1.m1 r1",),
    ),
    Case(
        "contexts that require the same count together",
        modular(stream("m:1:c1", "c1"), stream("m:1:c2", "c2"), defaults=DEFAULT),
        ("c1.x86_64 1-1 r1", "c2.x86_64 1-1 r1"),
    ),
    Case(
        "contexts follow the default of what they require",
        modular(
            stream("m:1:c1", "c1", requires=WANTS_N1),
            stream("m:1:c2", "c2", requires=WANTS_N2),
            N1,
            N2,
            defaults=(("m", "1"), ("n", "2")),
        ),
        ("c2.x86_64 1-1 r1", "n2.x86_64 1-1 r1"),
    ),
    Case(
        "and the stream that is enabled",
        modular(
            stream("m:1:c1", "c1", requires=WANTS_N1),
            stream("m:1:c2", "c2", requires=WANTS_N2),
            N1,
            N2,
            defaults=(("m", "1"), ("n", "2")),
            states=(("n", "1", "enabled"),),
        ),
        ("c1.x86_64 1-1 r1", "n1.x86_64 1-1 r1"),
    ),
    Case(
        "what a stream requires becomes active",
        modular(stream("m:1", "c1", requires=WANTS_ANY), N2, N1, defaults=DEFAULT),
        ("c1.x86_64 1-1 r1", "n1.x86_64 1-1 r1"),
    ),
    Case(
        "what requires a platform needs one",
        modular(stream("m:1", "c1", requires=(("platform", ("el8",)),)), defaults=DEFAULT),
    ),
    Case(
        "what requires the unknown is not active, others are",
        modular(stream("m:1", "c1", requires=(("q", ("1",)),)), N1, defaults=(("m", "1"), ("n", "1"))),
        ("n1.x86_64 1-1 r1",),
    ),
    Case(
        "defaults that exclude each other: the first by name",
        modular(stream("m:1", "c1", requires=WANTS_N1), N1, N2, defaults=(("m", "1"), ("n", "2"))),
        ("c1.x86_64 1-1 r1", "n1.x86_64 1-1 r1"),
    ),
    Case(
        "but those that leave a choice come last",
        modular(
            stream("m:1:c1", "c1", requires=WANTS_N1),
            stream("m:1:c2", "c2", requires=WANTS_N1),
            N1,
            N2,
            defaults=(("m", "1"), ("n", "2")),
        ),
        ("n2.x86_64 1-1 r1",),
    ),
    Case(
        "enabled streams that exclude each other: neither",
        modular(
            stream("m:1", "c1", requires=WANTS_N1),
            N1,
            N2,
            stream("k:1", "k"),
            defaults=(("k", "1"),),
            states=(("m", "1", "enabled"), ("n", "2", "enabled")),
        ),
        ("k.x86_64 1-1 r1",),
        alone=True,
    ),
    Case(
        "[main] excludes from all, and forgets what is installed",
        system(
            "a 1-1 noarch, b 1-1 noarch, old 1-1 noarch",
            (rpm("a 3-1 noarch"), rpm("b 2-1 noarch"), rpm("new 1-1 noarch", "old")),
            main=Main(exclude=("a", "old")),
        ),
        ("b.noarch 2-1 r1",),
        alone=True,
    ),
    Case(
        "versionlock",
        system(
            "a 1-1 x86_64, b 1-1 x86_64, c 1-1 x86_64, d 1-1 x86_64, e 1-1 x86_64, f 1-1 x86_64, gg 1-1 x86_64",
            (
                *(
                    rpm(f"{name} {version}-1 x86_64")
                    for name in ("a", "b", "c", "d", "e", "f", "gg")
                    for version in "23"
                ),
                rpm("new 1-1 x86_64", "a"),
                rpm("more 1-1 x86_64", "e"),
            ),
            main=Main(locks=("a-0:2-1.*", "b-0:1-1.*", "c-0:9-1.*", "!d-0:3-1.*", "e-2*", "f", "g*-0:2-1.*")),
        ),
        ("a.x86_64 2-1 r1", "d.x86_64 2-1 r1", "e.x86_64 2-1 r1", "f.x86_64 3-1 r1", "gg.x86_64 2-1 r1"),
        alone=True,
    ),
    Case(
        "versionlock: locks add up, also of architectures, and what is locked twice in vain is excluded",
        system(
            "a 1-1 x86_64, b 1-1 x86_64, b 1-1 i686, c 1-1 x86_64, d 1-1 x86_64",
            (
                *rpms("a 2-1 x86_64", "a 3-1 x86_64", "a 1:4-1 x86_64", "b 2-1 x86_64", "b 2-1 i686", "b 3-1 i686"),
                *rpms("c 2-1 x86_64", "c 3-1 x86_64", "d 2-1 x86_64"),
            ),
            main=Main(locks=("a-0:2-1.*", "a-3*", "b-0:3-1.i686", "!c-3*", "c-*", "d-7*", "d.i686")),
        ),
        ("a.x86_64 3-1 r1", "b.i686 3-1 r1", "c.x86_64 2-1 r1"),
        alone=True,
    ),
    Case(
        "versionlock: what obsoletes a locked package is excluded, unless it is locked itself",
        system(
            "a 1-1 x86_64, b 1-1 x86_64, c 1-1 x86_64",
            (
                rpm("a 2-1 x86_64"),
                rpm("new 1-1 x86_64", "a LT 3"),
                rpm("b 2-1 x86_64"),
                rpm("other 1-1 x86_64", "b"),
                rpm("c 2-1 x86_64"),
                rpm("third 1-1 x86_64", "c LT 2"),
            ),
            main=Main(locks=("a-0:2-1.*", "b", "other-0:1-1.*", "c-0:2-1.*")),
        ),
        ("a.x86_64 2-1 r1", "b.x86_64 2-1 r1", "c.x86_64 2-1 r1"),
        ("other.x86_64 1-1 r1 < b.x86_64 1-1", "third.x86_64 1-1 r1 < c.x86_64 1-1"),
        alone=True,
    ),
    Case(
        "obsoletes=0",
        system(A, (rpm("new 1-1 noarch", "a"), rpm("a 2-1 noarch")), main=Main(obsoletes=False)),
        ("a.noarch 2-1 r1",),
        alone=True,
    ),
)
CASES = tuple(case for case in _ALL if not case.alone)
"""One root holds them all, each with names of its own."""
ALONE = tuple(case for case in _ALL if case.alone)
