"""An image's apt state as a value, rendered for the real apt and for our own reader alike."""

import dataclasses
from pathlib import Path

from hypothesis import strategies as st

from affineur.packages.inventory import Package
from affineur.packages.relations import relations
from affineur.repositories.apt.choose import Choice, choose
from affineur.repositories.apt.configuration import read_configuration
from affineur.repositories.apt.index import parse_packages
from affineur.repositories.apt.model import AptConfiguration, OfferedSuite, Release, SourceEntry, Suite
from affineur.repositories.update import Update
from support.apt import Answer, AptRoot, Line, stanza

__all__ = ["Archive", "Binary", "Scenario", "apt_line", "ask_apt", "ask_us", "dpkg_packages", "scenarios"]


@dataclasses.dataclass(frozen=True)
class Binary:
    """A binary package, installed or on offer."""

    name: str
    version: str
    architecture: str = "amd64"
    source: str | None = None
    multi_arch: str | None = None
    depends: str | None = None
    status: str = "install ok installed"
    phased: int | None = None
    size: int | None = None

    def installed(self) -> str:
        return stanza(
            {"Package": self.name, "Status": self.status, "Maintainer": "A <a@example.org>", **self._common()}
        )

    def offered(self) -> str:
        size = self.size or 1000
        path = f"pool/{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"
        more = {"Size": size, "Filename": path, "SHA256": "0" * 64, "Phased-Update-Percentage": self.phased}
        return stanza({"Package": self.name, **self._common(), **more})

    def _common(self) -> dict[str, str | None]:
        return {
            "Architecture": self.architecture,
            "Multi-Arch": self.multi_arch,
            "Source": self.source,
            "Version": self.version,
            "Depends": self.depends,
            "Description": "a package",
        }

    def package(self) -> Package:
        source, _, rest = (self.source or self.name).partition(" ")
        fields = {"depends": self.depends}
        return Package(
            name=self.name,
            version=self.version,
            architecture=self.architecture,
            source=source,
            source_version=rest.strip("()") or self.version,
            status=self.status,
            multi_arch=self.multi_arch or "",
            relations=relations(fields.get),
        )


@dataclasses.dataclass(frozen=True)
class Archive:
    """One suite of one URI: Release fields, and packages by (component, architecture of the index)."""

    uri: str
    name: str
    indexes: dict[tuple[str, str], tuple[Binary, ...]]
    origin: str | None = "Debian"
    label: str | None = "Debian"
    suite: str | None = "stable"
    codename: str | None = "bookworm"
    version: str | None = "12.5"
    not_automatic: bool = False
    but_automatic_upgrades: bool = False

    def release_text(self) -> str:
        return stanza(
            {
                "Origin": self.origin,
                "Label": self.label,
                "Suite": self.suite,
                "Codename": self.codename,
                "Version": self.version,
                "NotAutomatic": "yes" if self.not_automatic else None,
                "ButAutomaticUpgrades": "yes" if self.but_automatic_upgrades else None,
                "Date": "Sat, 10 Feb 2024 11:07:25 UTC",
                "Architectures": "all amd64 i386",
                "Components": " ".join(dict.fromkeys(component for component, _ in self.indexes)),
            }
        )

    def release(self) -> Release:
        return Release(
            origin=self.origin or "",
            label=self.label or "",
            suite=self.suite or "",
            codename=self.codename or "",
            version=self.version or "",
            date=None,
            valid_until=None,
            components=(),
            architectures=("all", "amd64", "i386"),
            not_automatic=self.not_automatic,
            but_automatic_upgrades=self.but_automatic_upgrades,
            acquire_by_hash=False,
            hashes={},
        )

    def index_path(self, component: str, architecture: str) -> str:
        return "Packages" if self.name.endswith("/") else f"{component}/binary-{architecture}/Packages"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A whole image: `files` holds etc/apt/…"""

    installed: tuple[Binary, ...]
    archives: tuple[Archive, ...]
    files: dict[str, str]

    def all_files(self) -> dict[str, bytes]:
        texts = {**self.files, "var/lib/dpkg/status": "".join(binary.installed() for binary in self.installed)}
        return {path: text.encode() for path, text in texts.items()}


def ask_apt(scenario: Scenario, folder: Path) -> Answer:
    root = AptRoot(folder, scenario.all_files())
    for archive in scenario.archives:
        root.put_list(archive.uri, archive.name, "Release", archive.release_text().encode())
        for (component, architecture), binaries in archive.indexes.items():
            text = "".join(binary.offered() for binary in binaries)
            root.put_list(archive.uri, archive.name, archive.index_path(component, architecture), text.encode())
    return root.upgradable()


def ask_us(scenario: Scenario) -> Choice:
    configuration = read_configuration(scenario.all_files(), "amd64")
    names = {binary.name for binary in scenario.installed}
    suites = [_offered(scenario, entry, configuration, names) for entry in configuration.sources]
    packages = [binary.package() for binary in scenario.installed]
    return choose(packages, suites, configuration)


def _offered(scenario: Scenario, entry: SourceEntry, configuration: AptConfiguration, names: set[str]) -> OfferedSuite:
    """What fetching and verifying would make of an entry."""
    for archive in scenario.archives:
        if (archive.uri, archive.name) == (entry.uri, entry.suite):
            break
    else:
        return OfferedSuite(Suite(entry, None, (), False, ""), ())
    offers, indexes = [], []
    flat = entry.suite.endswith("/")
    for component in entry.components or ("",):
        for architecture in ("",) if flat else (*(entry.architectures or configuration.architectures), "all"):
            if (component, architecture) not in archive.indexes:
                continue
            indexes.append((component, architecture))
            binaries = archive.indexes[component, architecture]
            text = "".join(binary.offered() for binary in binaries)
            offers += list(parse_packages([text.encode()], names, component, architecture))
    return OfferedSuite(Suite(entry, archive.release(), ("F" * 40,), True, entry.uri), tuple(offers), tuple(indexes))


def dpkg_packages(status: bytes) -> list[Package]:
    """The packages of a dpkg status, simply read: a witness for nothing but what these tests make."""
    found = []
    for text in status.decode().strip().split("\n\n"):
        fields = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in text.split("\n") if line[:1] not in " \t")
        }
        source, _, rest = fields.get("source", fields["package"]).partition(" ")
        found.append(
            Package(
                name=fields["package"],
                version=fields["version"],
                architecture=fields["architecture"],
                source=source,
                source_version=rest.strip("()") or fields["version"],
                status=fields["status"],
                multi_arch=fields.get("multi-arch", ""),
                relations=relations(fields.get),
            )
        )
    return found


def apt_line(update: Update) -> Line:
    """The line that apt prints for an update: the name alone, whatever the architecture."""
    return Line(update.name, ",".join(update.suites), update.available, update.architecture, update.installed)


_NAMES = ("alpha", "beta", "libgamma1", "libgamma-dev")
_VERSIONS = ("1", "1.0", "1-1", "2~rc1", "2", "2.0-1", "1:0.5", "0:2", "3+b1", "10")
_SOURCES = (None, None, None, "gamma", "gamma (2)", "alpha")
_DEPENDS = (None, None, None, "libc6 (>= 2)", "libc6 (>=2)", "libc6 (>= 0:2)", "x")
_MULTI_ARCH = (None, None, "same", "foreign", "no")


def _binaries(names: st.SearchStrategy[str], architectures: tuple[str, ...]) -> st.SearchStrategy[Binary]:
    return st.builds(
        Binary,
        name=names,
        version=st.sampled_from(_VERSIONS),
        architecture=st.sampled_from(architectures),
        source=st.sampled_from(_SOURCES),
        multi_arch=st.sampled_from(_MULTI_ARCH),
        depends=st.sampled_from(_DEPENDS),
        phased=st.sampled_from((None, None, None, 0, 10, 100)),
        size=st.sampled_from((None, None, 1001)),
    )


@st.composite
def _installed(draw: st.DrawFn) -> tuple[Binary, ...]:
    states = ("install ok installed", "install ok installed", "hold ok installed", "install ok unpacked",
              "deinstall ok config-files", "install ok triggers-pending", "deinstall ok installed")  # fmt: skip
    found: dict[tuple[str, str], Binary] = {}
    for name in draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=5)):
        binary = draw(_binaries(st.just(name), ("amd64", "amd64", "all", "i386")))
        binary = dataclasses.replace(binary, status=draw(st.sampled_from(states)), phased=None)
        slot = "amd64" if binary.architecture == "all" else binary.architecture
        found.setdefault((name, slot), binary)
    return tuple(found.values())


_PLACES = (
    ("http://archive.example/debian/", "stable"),
    ("http://archive.example/debian/", "stable-updates"),
    ("http://security.archive.example/", "stable-security"),
    ("https://user:secret@third.example:8443/deb/", "./"),
    ("file:/srv/local/", "local"),
    ("http://archive.example/debian/", "stable-backports"),
)


@st.composite
def _archives(draw: st.DrawFn) -> tuple[Archive, ...]:
    found = []
    for uri, name in draw(st.lists(st.sampled_from(_PLACES), unique=True, min_size=1, max_size=4)):
        places: list[tuple[str, str]] = [("", "")] if name.endswith("/") else [
            (component, architecture)
            for component in draw(st.lists(st.sampled_from(("main", "contrib")), unique=True, min_size=1))
            for architecture in draw(st.lists(st.sampled_from(("amd64", "i386", "all")), unique=True, min_size=1))
        ]  # fmt: skip
        indexes = {}
        for place in places:
            kinds = {"all": ("all",), "i386": ("i386", "all")}.get(place[1], ("amd64", "amd64", "all"))
            indexes[place] = tuple(draw(st.lists(_binaries(st.sampled_from(_NAMES), kinds), max_size=5)))
        found.append(
            Archive(
                uri,
                name,
                indexes,
                origin=draw(st.sampled_from(("Debian", "Debian", "Ubuntu", None))),
                label=draw(st.sampled_from(("Debian", "Debian-Security", None))),
                suite=draw(st.sampled_from((name.rstrip("./") or None, "stable", None))),
                codename=draw(st.sampled_from(("bookworm", "trixie", None))),
                version=draw(st.sampled_from(("12.5", "13", None))),
                not_automatic=draw(st.booleans()) and draw(st.booleans()),
                but_automatic_upgrades=draw(st.booleans()) and draw(st.booleans()),
            )
        )
    return tuple(found)


_PACKAGE_WORDS = ("*", "alpha", "beta", "libgamma*", "/^libg.*1$/", "src:gamma", "*a", "alpha:any", "beta:i386",
                  "alpha libgamma1", "src:alpha", "src:*", "?eta", "[ab]*", "* x", "/ALPHA|beta/", "libgamma1:amd64",
                  "src:gamma:i386", "libgamma-dev:native", "ALPHA", "src:/gam+a/")  # fmt: skip
_PINS = ("release *", "release a=stable", "release n=bookworm", "release o=Debian,l=Debian-Security", "release v=12*",
         "release 12.5", "release 12*", "release stable", "release bookworm", "release c=contrib", "release b=i386",
         "release a=stable-*", "release l=/sec/", "release a=now", "release now", "release o=Debian, a=stable",
         "release x=1", "release a=s", "release", "release ,", "release n=TRIXIE",
         "origin archive.example", 'origin "security.archive.example"', 'origin ""', "origin *.example", "origin",
         "version 1*", "version 2", "version 1:*", "version *", "version 2~*", "version /[12]/", "version 3+B1",
         "version", "nonsense x")  # fmt: skip
_PRIORITIES = ("1", "-1", "-10", "50", "100", "101", "500", "501", "990", "999", "1000", "1001", "32767", "never",
               "-32768", "0", "", "40000", "9x", "+5")  # fmt: skip


def _preferences() -> st.SearchStrategy[str]:
    record = st.builds(
        lambda package, pin, priority: f"Explanation: why\nPackage: {package}\nPin: {pin}\nPin-Priority: {priority}\n",
        st.one_of(st.just("*"), st.sampled_from(_PACKAGE_WORDS)),
        st.sampled_from(_PINS),
        st.one_of(st.sampled_from(_PRIORITIES[:13]), st.sampled_from(_PRIORITIES)),
    )
    return st.lists(record, max_size=4).map("\n".join)


_OPTIONS = (
    "", "", "", 'APT::Default-Release "stable";', 'APT::Default-Release "bookworm";', 'APT { Default-Release "12*"; };',
    'APT::Default-Release "a=stable-security";', 'APT::Default-Release "nowhere";', 'APT::Default-Release "now";',
    'APT::Get::Phase-Policy "1";\nAPT::Get::Never-Include-Phased-Updates "yes";',
    'APT::Get::Phase-Policy true;\nUpdate-Manager::Never-Include-Phased-Updates on;',
    'APT::Get { Phase-Policy "true"; Always-Include-Phased-Updates "true"; Never-Include-Phased-Updates "true"; };',
    'APT::Default-Release "/^s.*e$/";', 'APT::Architectures { "amd64"; "i386"; };',
)  # fmt: skip


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Small images in which everything that decides about updates happens often."""
    archives = draw(_archives())
    lines = []
    for archive in archives:
        components = list(dict.fromkeys(component for component, _ in archive.indexes))
        option = draw(st.sampled_from(("", "", "", "[arch=amd64] ", "[ arch+=i386 ] ", "[arch=i386,amd64] ")))
        split = draw(st.booleans()) and len(components) > 1
        groups = [[component] for component in components] if split else [components]
        lines += [f"deb {option}{archive.uri} {archive.name} {' '.join(group)}" for group in groups]
    lines = draw(st.permutations(lines))
    cut = draw(st.integers(0, len(lines)))
    return Scenario(
        installed=draw(_installed()),
        archives=archives,
        files={
            "etc/apt/sources.list": "\n".join(lines[:cut]),
            "etc/apt/sources.list.d/more.list": "\n".join(lines[cut:]),
            "etc/apt/preferences": draw(_preferences()),
            "etc/apt/preferences.d/more.pref": draw(_preferences()),
            "etc/apt/apt.conf.d/50test": draw(st.sampled_from(_OPTIONS)),
            "var/lib/dpkg/arch": draw(st.sampled_from(("amd64\n", "amd64\ni386\n"))),
        },
    )
