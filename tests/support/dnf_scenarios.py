"""Systems and repositories as values, rendered for the real dnf and for our own choice alike.

Many scenarios make one root: each has names of its own (a prefix), and so has each its repositories and modules, whose
options are theirs alone. Only what is said in [main] needs a root for itself.
"""

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec

from affineur.repositories.rpmmd.choose import Choice, Offered, choose
from affineur.repositories.rpmmd.model import ModuleState, Repository, RpmConfiguration
from affineur.repositories.rpmmd.modules import read_modules
from affineur.repositories.rpmmd.offers import OffersKept
from affineur.repositories.rpmmd.primary import read_primary
from support.aside import aside
from support.rpm_roots import Rpm, primary, publish, record
from support.rpms import dnf

__all__ = [
    "Answer",
    "Main",
    "Module",
    "Place",
    "System",
    "ask_dnf",
    "ask_us",
    "joined",
    "made",
    "ours",
    "prefixed",
]


@dataclasses.dataclass(frozen=True)
class Module:
    """A stream in modules.yaml; its artifacts are NEVRAs."""

    name: str
    stream: str
    artifacts: tuple[str, ...]
    version: int = 1
    context: str = "c0ffee"
    requires: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def dependencies(self) -> str:
        if not self.requires:
            return ""
        lines = "".join(f"      {name}: [{', '.join(streams)}]\n" for name, streams in self.requires)
        return f"  dependencies:\n  - requires:\n{lines}"


@dataclasses.dataclass(frozen=True)
class Place:
    """A repository."""

    id: str
    packages: tuple[Rpm, ...]
    exclude: tuple[str, ...] = ()
    includepkgs: tuple[str, ...] = ()
    priority: int = 99
    module_hotfixes: bool = False
    modules: tuple[Module, ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    modified: int = 1

    def modules_text(self) -> str | None:
        if not self.modules and not self.defaults:
            return None
        text = ""
        for module in self.modules:
            text += (
                "---\ndocument: modulemd\nversion: 2\ndata:\n"
                f'  name: {module.name}\n  stream: "{module.stream}"\n  version: {module.version}\n'
                f"  context: {module.context}\n  arch: x86_64\n  summary: x\n  description: x\n"
                "  license:\n    module: [MIT]\n"
                + module.dependencies()
                + "  artifacts:\n    rpms:\n"
                + "".join(f"    - {artifact}\n" for artifact in module.artifacts)
                + "...\n"
            )
        for name, stream in self.defaults:
            text += (
                "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n"
                f'  module: {name}\n  modified: {self.modified}\n  stream: "{stream}"\n...\n'
            )
        return text

    def repository(self) -> Repository:
        return Repository(
            id=self.id,
            name=self.id,
            exclude=self.exclude,
            includepkgs=self.includepkgs,
            priority=self.priority,
            module_hotfixes=self.module_hotfixes,
        )

    def section(self, folder: Path) -> str:
        lines = [f"[{self.id}]", f"name={self.id}", f"baseurl=file://{folder}", "gpgcheck=0"]
        lines += [f"priority={self.priority}", f"module_hotfixes={int(self.module_hotfixes)}"]
        lines += [f"excludepkgs={' '.join(self.exclude)}"] if self.exclude else []
        lines += [f"includepkgs={' '.join(self.includepkgs)}"] if self.includepkgs else []
        return "\n".join(lines) + "\n"


@dataclasses.dataclass(frozen=True)
class Main:
    """What [main] says, and the versionlock plugin's list."""

    exclude: tuple[str, ...] = ()
    obsoletes: bool = True
    locks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class System:
    """What is installed, and what is asked."""

    installed: tuple[Rpm, ...]
    places: tuple[Place, ...]
    states: tuple[ModuleState, ...] = ()
    main: Main = Main()
    basearch: str = "x86_64"


@dataclasses.dataclass(frozen=True)
class Answer:
    """`name.arch version repository` of each line, and `new < old` of each pair that is obsoleting."""

    updates: list[str]
    obsoleting: list[str]


def ask_dnf(system: System, folder: Path) -> Answer:
    """Run `dnf check-update` (its exit code 100 says that there are updates)."""
    root = record(folder / "root", system.installed)
    repos = root / "etc/yum.repos.d"
    repos.mkdir(parents=True)
    for place in system.places:
        made = publish(folder / place.id, place.packages, place.modules_text())
        (repos / f"{place.id}.repo").write_text(place.section(made))
    states = root / "etc/dnf/modules.d"
    states.mkdir(parents=True)
    for state in system.states:
        text = f"[{state.name}]\nname={state.name}\nstream={state.stream}\nprofiles=\nstate={state.state}\n"
        (states / f"{state.name}.module").write_text(text)
    options = [f"--setopt=obsoletes={int(system.main.obsoletes)}"]
    if system.main.exclude:
        options.append(f"--setopt=excludepkgs={','.join(system.main.exclude)}")
    environment: dict[str, str] = {}
    if system.main.locks:
        modules = aside("dnf-plugins-core") / "usr/lib/python3/dist-packages"
        environment["PYTHONPATH"] = str(modules)
        plugins = root / "etc/dnf/plugins"
        plugins.mkdir()
        (plugins / "versionlock.list").write_text("\n".join(system.main.locks) + "\n")
        (plugins / "versionlock.conf").write_text(f"[main]\nenabled=1\nlocklist={plugins}/versionlock.list\n")
        (plugins / "versionlock.py").symlink_to(modules / "dnf-plugins" / "versionlock.py")
        options += ["--setopt=plugins=1", f"--setopt=pluginconfpath={plugins}", f"--setopt=pluginpath={plugins}"]
    done = dnf(root, "--quiet", *options, "check-update", arch=system.basearch, environment=environment)
    assert done.returncode in (0, 100), done.stderr
    return read_answer(done.stdout)


def read_answer(text: str) -> Answer:
    """Read what dnf printed; columns are aligned, long lines never broken (COLUMNS)."""
    updates, _, obsoleting = text.partition("Obsoleting Packages\n")
    pairs: list[str] = []
    new = ""
    for line in obsoleting.splitlines():
        fields = " ".join(line.split())
        if line.startswith(" "):
            pairs.append(f"{new} < {fields.replace(' @System', '')}")
        else:
            new = fields
    return Answer([" ".join(line.split()) for line in updates.splitlines() if line.strip()], pairs)


def ask_us(system: System, manager: str = "dnf", **options: object) -> Choice:
    """What we foretell, from the same primary.xml and modules.yaml.

    Args:
        options: of the configuration, besides.
    """
    names = {rpm.name for rpm in (*system.installed, *(rpm for place in system.places for rpm in place.packages))}
    offered = []
    for place in system.places:
        offers = OffersKept(read_primary([primary(place.packages)], place.id), names)
        text = place.modules_text()
        modules = read_modules(text.encode()) if text is not None else None
        offered.append(Offered(place.repository(), offers.lookup(names), modules))
    configuration = RpmConfiguration(
        repositories=tuple(place.repository() for place in system.places),
        manager=manager,
        basearch=system.basearch,
        releasever="9",
        exclude=system.main.exclude,
        obsoletes=system.main.obsoletes,
        locks=system.main.locks,
        modules=system.states,
    )
    configuration = msgspec.structs.replace(configuration, **options)
    return choose([rpm.package() for rpm in system.installed], offered, configuration)


def ours(choice: Choice) -> Answer:
    """Our choice as dnf would print it."""
    return Answer(
        [
            f"{each.name}.{each.available_architecture or each.architecture} {each.available} {suite}"
            for each in choice.updates
            for suite in each.suites
        ],
        [
            f"{each.name}.{each.architecture} {each.version} {each.repository}"
            f" < {each.old_name}.{each.old_architecture} {each.old_version}"
            for each in choice.obsoleting
        ],
    )


def joined(systems: Sequence[System]) -> System:
    """One system of many, which must not share names and have the same [main]; see `prefixed`."""
    return System(
        tuple(rpm for system in systems for rpm in system.installed),
        tuple(place for system in systems for place in system.places),
        tuple(state for system in systems for state in system.states),
        systems[0].main,
    )


def prefixed(system: System, prefix: str) -> System:
    """The same with other names everywhere; patterns are taken to begin with a name."""

    def rpm(each: Rpm) -> Rpm:
        return dataclasses.replace(
            each,
            name=prefix + each.name,
            obsoletes=tuple(prefix + name for name in each.obsoletes),
            provides=tuple(prefix + name for name in each.provides),
        )

    def place(each: Place) -> Place:
        return dataclasses.replace(
            each,
            id=prefix + each.id,
            packages=tuple(map(rpm, each.packages)),
            exclude=tuple(prefix + pattern for pattern in each.exclude),
            includepkgs=tuple(prefix + pattern for pattern in each.includepkgs),
            modules=tuple(
                dataclasses.replace(
                    module,
                    name=prefix + module.name,
                    artifacts=tuple(prefix + artifact for artifact in module.artifacts),
                    requires=tuple(
                        (name if name == "platform" else prefix + name, streams) for name, streams in module.requires
                    ),
                )
                for module in each.modules
            ),
            defaults=tuple((prefix + name, stream) for name, stream in each.defaults),
        )

    return dataclasses.replace(
        system,
        installed=tuple(map(rpm, system.installed)),
        places=tuple(map(place, system.places)),
        states=tuple(ModuleState(prefix + state.name, state.stream, state.state) for state in system.states),
    )


_VERSIONS = ("1-1", "1-2", "1.1-1", "2-1", "2~rc1-1", "2^git1-1", "1:1-1", "10-1", "2-1.el9", "2-1.el9_1")
_ARCHITECTURES = ("noarch", "x86_64", "x86_64", "x86_64", "i686", "aarch64")
_NAMES = ("a", "ab", "b", "b-c", "d")


def made(seed: int) -> System:
    """A system by chance: few names and versions, so that much meets.

    No module stream is enabled that cannot be active: dnf then solves all modules anew, and more loosely.
    """
    chance = random.Random(seed)

    def rpm() -> Rpm:
        name = chance.choice(_NAMES)
        others = [each for each in _NAMES if each != name]
        obsoletes, provides = "", ""
        if chance.random() < 0.15:
            flags = chance.choice(("", "LT", "LE", "EQ", "GE", "GT"))
            version = chance.choice((*_VERSIONS, "1", "2"))
            obsoletes = chance.choice(others) + (f" {flags} {version}" if flags else "")
        if chance.random() < 0.1:
            provides = chance.choice(others)
        return Rpm(
            name,
            chance.choice(_VERSIONS),
            chance.choice(_ARCHITECTURES),
            obsoletes=(obsoletes,) if obsoletes else (),
            provides=(provides,) if provides else (),
        )

    def patterns() -> tuple[str, ...]:
        forms = (
            "a",
            "a*",
            "b-?",
            "*",
            "b*.i686",
            "a-1-1",
            "b-c-2*",
            "a-1:1-1.x86_64",
            "[ab]",
            "d.noarch",
            "a-0:1-1",
            "b-[!c]",
        )
        return tuple(chance.sample(forms, chance.randint(1, 2)))

    def place(number: int) -> Place:
        packages = tuple({each.nevra: each for each in (rpm() for _ in range(chance.randint(1, 9)))}.values())
        modules: list[Module] = []
        for name in ("m", "n"):
            for stream in ("1", "2"):
                if chance.random() < 0.3:
                    some = chance.sample(packages, chance.randint(1, len(packages)))
                    other = "n" if name == "m" else "m"
                    wants = (other, (chance.choice(("1", "2", "-1")),)) if chance.random() < 0.2 else None
                    artifacts = tuple(each.nevra for each in some)
                    requires = (wants,) if wants else ()
                    modules.append(Module(name, stream, artifacts, context=f"c{number}", requires=requires))
        return Place(
            f"r{number}",
            packages,
            exclude=patterns() if chance.random() < 0.25 else (),
            includepkgs=patterns() if chance.random() < 0.15 else (),
            priority=chance.choice((99, 99, 99, 50)),
            module_hotfixes=chance.random() < 0.1,
            modules=tuple(modules),
            defaults=tuple((name, chance.choice("12")) for name in "mn" if chance.random() < 0.3),
        )

    states = [ModuleState(name, chance.choice("12"), "enabled") for name in "mn" if chance.random() < 0.2]
    installed = {each.nevra: each for each in (rpm() for _ in range(chance.randint(1, 6)))}
    system = System(
        tuple(dataclasses.replace(each, obsoletes=(), provides=()) for each in installed.values()),
        tuple(place(number) for number in range(chance.randint(1, 3))),
        tuple(states),
    )
    return dataclasses.replace(system, states=()) if ask_us(system).problems else system
