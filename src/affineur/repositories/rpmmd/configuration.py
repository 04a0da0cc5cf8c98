"""What of an image decides which updates dnf, yum or zypper would offer: repositories, excludes, modules and variables.

Sources: dnf.conf(5), yum.conf(5), zypper(8), libzypp's zypp.conf. Pure: the files' bytes are handed in and nothing is
opened, so an `include` or a folder that [main] names elsewhere is reported instead of followed.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice

import msgspec

from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease
from affineur.repositories.rpmmd.dnfconf import (
    MalformedConfiguration,
    Option,
    Section,
    Sections,
    boolean,
    read_sections,
    words,
)
from affineur.repositories.rpmmd.locks import LOCK_PATHS, read_locks
from affineur.repositories.rpmmd.model import ModuleState, Repository, RpmConfiguration
from affineur.repositories.rpmmd.section import repository_of
from affineur.repositories.rpmmd.variables import basearch_of, expanded, releasever_of, vars_files

__all__ = ["PATHS", "read_configuration"]

PATHS = (
    "etc/yum.repos.d/*.repo",
    "etc/yum/repos.d/*.repo",
    "etc/distro.repos.d/*.repo",
    "usr/share/dnf5/repos.d/*.repo",
    "etc/zypp/repos.d/*.repo",
    "etc/dnf/repos.override.d/*.repo",
    "usr/share/dnf5/repos.override.d/*.repo",
    "etc/dnf/dnf.conf",
    "etc/dnf/libdnf5.conf.d/*.conf",
    "usr/share/dnf5/libdnf.conf.d/*.conf",
    "etc/yum.conf",
    "etc/yum/yum.conf",
    "etc/tdnf/tdnf.conf",
    "etc/zypp/zypp.conf",
    "etc/dnf/vars/*",
    "etc/yum/vars/*",
    "etc/tdnf/vars/*",
    "usr/share/dnf5/vars.d/*",
    "etc/zypp/vars.d/*",
    "etc/dnf/modules.d/*.module",
    "etc/zypp/services.d/*.service",
    *LOCK_PATHS,
)
"""Globs relative to the image's root, for the reader that walks layers."""

MAX_FILE_BYTES = 4 << 20  # of one file
MAX_REPOSITORIES = 2_000  # of all files; an image of a satellite's client has some hundreds

MAX_OVERRIDES = 200  # patterns of all override files: each is tried on every section
MAX_PROBLEMS = 1_000  # that are kept

_FOLDERS = {
    "dnf": ("etc/yum.repos.d/", "etc/yum/repos.d/", "etc/distro.repos.d/", "usr/share/dnf5/repos.d/"),
    "tdnf": ("etc/yum.repos.d/",),
    "yum": ("etc/yum/repos.d/", "etc/yum.repos.d/"),
    "zypper": ("etc/zypp/repos.d/",),
}
_MAIN = {
    "dnf": ("usr/share/dnf5/libdnf.conf.d/", "etc/dnf/libdnf5.conf.d/", "etc/dnf/dnf.conf"),
    "tdnf": ("etc/tdnf/tdnf.conf",),
    "yum": ("etc/yum/yum.conf", "etc/yum.conf"),
    "zypper": ("etc/zypp/zypp.conf",),
}
_VARS = {
    "dnf": ("usr/share/dnf5/vars.d/", "etc/yum/vars/", "etc/dnf/vars/"),
    "tdnf": ("etc/tdnf/vars/",),
    "yum": ("etc/yum/vars/",),
    "zypper": ("etc/zypp/vars.d/",),
}
_OVERRIDES = ("usr/share/dnf5/repos.override.d/", "etc/dnf/repos.override.d/")
_PRIORITIES = ("yum-plugin-priorities", "yum-priorities")
"""Packages of the plugin without which yum 3 overlooks priorities."""
_SUSE = ("suse", "opensuse", "sles", "sled", "sle", "sl-micro")


def read_configuration(
    files: Mapping[str, bytes], packages: Sequence[Package], architecture: str, os_release: OSRelease
) -> RpmConfiguration:
    """Read everything at once. Never raises for what the files hold: see `problems` and `unanswerable`.

    Args:
        files: path relative to the image's root → content, of PATHS; others are ignored.
        packages: installed ones, which tell whose rules hold and what $releasever is.
        architecture: Go's name (`amd64`).
        os_release: stands in where no installed package tells; that is said.
    """
    rules = _rules(files, packages, os_release)
    return _Reader(files, rules).read(packages, architecture, os_release)


def _rules(files: Mapping[str, bytes], packages: Sequence[Package], os_release: OSRelease) -> str:
    """Whose rules hold: `dnf` (5, 4 and microdnf), `tdnf`, `yum` (3) or `zypper`."""
    names = {package.name: package.version for package in packages}
    suse = os_release.id.startswith(_SUSE)
    zypp = "zypper" in names or "libzypp" in names or any(path.startswith("etc/zypp/") for path in files)
    if suse and (zypp or "dnf" not in names):
        return "zypper"
    if names.keys() & {"dnf", "dnf5", "microdnf", "python3-dnf", "libdnf", "libdnf5"}:
        return "dnf"
    if names.get("yum", "4").startswith(("2.", "3.")):
        return "yum"
    if "tdnf" in names or "etc/tdnf/tdnf.conf" in files:
        return "tdnf"
    if zypp and not any(path.startswith("etc/yum.repos.d/") for path in files):
        return "zypper"
    first = os_release.version_id.partition(".")[0]
    if "yum" not in names and os_release.id in ("rhel", "centos", "ol") and first in ("5", "6", "7"):
        return "yum"
    if "yum" not in names and os_release.id == "amzn" and first in ("2", "2016", "2017", "2018"):
        return "yum"
    return "dnf"


class _Reader:
    def __init__(self, files: Mapping[str, bytes], rules: str) -> None:
        self._files, self._rules = files, rules
        self._variables: dict[str, str] = {}
        self.problems: list[str] = []
        self.unanswerable: list[str] = []

    def read(self, packages: Sequence[Package], architecture: str, os_release: OSRelease) -> RpmConfiguration:
        main_path, main = self._main()
        options = main.options
        basearch, arch = basearch_of(architecture, packages)
        self._variables = vars_files(self._files, _VARS[self._rules], self.problems)
        self._variables |= {"basearch": basearch, "arch": arch}
        releasever = self._releasever(options, packages, os_release)
        if releasever:
            self._variables["releasever"] = releasever
            major, _, minor = releasever.partition(".")
            self._variables = {"releasever_major": major, "releasever_minor": minor} | self._variables
        repositories = self._repositories(main_path, main)
        if self._rules == "yum" and not any(package.name in _PRIORITIES for package in packages):
            repositories = [msgspec.structs.replace(each, priority=99) for each in repositories]
        dropped = {word.lower() for word in words(self._value(options.get("disable_excludes")))}
        if "all" in dropped or "*" in dropped:
            repositories = [_without_excludes(each) for each in repositories]
        exclude = words(self._value(options.get("exclude")) + "\n" + self._value(options.get("excludepkgs")))
        locks = read_locks(self._text, self._files, self._rules, packages, self.problems)
        return RpmConfiguration(
            repositories=tuple(repositories),
            manager="dnf" if self._rules == "tdnf" else self._rules,
            basearch=basearch,
            releasever=releasever,
            variables=dict(self._variables),
            exclude=() if dropped & {"all", "*", "main"} else exclude,
            obsoletes=boolean(self._value(options.get("obsoletes"))) is not False,
            modules=tuple(self._modules()),
            locks=locks,
            platform=self._value(options.get("module_platform_id")) or os_release.fields.get("PLATFORM_ID", ""),
            vendor_change=boolean(self._value(options.get("solver.allowVendorChange"))) is True,
            problems=tuple(self.problems[:MAX_PROBLEMS]),
            unanswerable=tuple(self.unanswerable),
        )

    def _main(self) -> tuple[str, Section]:
        """[main], and where it stands; drop-ins first, so that what the file itself says wins."""
        merged, place = Section(0), ""
        for name in _MAIN[self._rules]:
            paths = sorted(path for path in self._files if path.startswith(name)) if name.endswith("/") else [name]
            for path in paths:
                if path not in self._files:
                    continue
                place = path
                try:
                    sections = self._sections(path)
                except MalformedConfiguration as error:
                    self._refuse(f"{path}:{error.line}: {error}")
                    continue
                merged.options.update(sections.get("main", Section(0)).options)
        for name in ("reposdir", "repodir", "varsdir", "config_file_path"):
            told = merged.options.get(name)
            if told and not set(words(told.value)) <= {f"/{each}".rstrip("/") for each in _known_folders()}:
                self._refuse(f"{place}:{told.line}: {name} has other folders read: {told.value[:200]}")
        if self._rules == "yum" and (told := merged.options.get("include")):
            self._refuse(f"{place}:{told.line}: includes {told.value[:200]}, which is not read")
        return place, merged

    def _releasever(self, options: Mapping[str, Option], packages: Sequence[Package], os_release: OSRelease) -> str:
        """[main], vars files, packages, in this order; then os-release, which the manager would not ask."""
        own = self._value(options.get("releasever")) or self._variables.get("releasever", "")
        if own or self._rules == "zypper":  # zypper takes the base product's version, as os-release has it
            return own or os_release.version_id
        if found := releasever_of(packages):
            return found
        version = os_release.version_id
        if os_release.id in ("rhel", "centos", "almalinux", "rocky", "ol"):
            version = version.partition(".")[0]
        told = f"$releasever is taken to be {version}, by os-release" if version else "$releasever is unknown"
        if any(b"releasever" in content for path, content in self._files.items() if path.endswith(".repo")):
            self.problems.append(f"no installed package says which release this is: {told}")
        return version

    def _repositories(self, main_path: str, main: Section) -> list[Repository]:
        found: dict[str, Repository] = {}
        overrides = list(islice(self._overrides(), MAX_OVERRIDES)) if self._rules == "dnf" else []
        for path in self._repository_files(main_path):
            try:
                sections = self._sections(path)
            except MalformedConfiguration as error:
                if self._rules == "zypper":  # which stops at the first of them
                    self._refuse(f"{path}:{error.line}: {error}")
                else:
                    self.problems.append(f"{path}:{error.line}: {error}; the whole file is passed over")
                continue
            for name, section in sections.items():
                if name == "main" or (path == main_path and not _is_repository(section)):
                    continue
                for pattern, options in overrides:
                    if fnmatchcase(name, pattern):
                        section.options.update(options)
                expand = partial(expanded, variables=self._variables, manager=self._rules)
                try:
                    repository = repository_of(name, section, path, main, expand, self._rules, self.problems)
                except MalformedConfiguration as error:
                    self._refuse(f"{path}:{error.line}: {error}")
                    continue
                if repository is None:
                    continue
                if repository.id in found:
                    first = f"{found[repository.id].path}:{found[repository.id].line}"
                    self.problems.append(f"{path}:{section.line}: [{repository.id}] is that of {first}: passed over")
                    continue
                found[repository.id] = repository
                if len(found) == MAX_REPOSITORIES:
                    self._refuse(f"{path}:{section.line}: more than {MAX_REPOSITORIES} repositories")
                    return list(found.values())
        if self._rules == "zypper":
            self._services(found)
        return list(found.values())

    def _services(self, found: Mapping[str, Repository]) -> None:
        """A service writes its repositories (`NAME:…`) when it is refreshed; until then only it knows them."""
        for path in sorted(path for path in self._files if path.startswith("etc/zypp/services.d/")):
            try:
                sections = self._sections(path)
            except MalformedConfiguration as error:
                self.problems.append(f"{path}:{error.line}: {error}; the whole file is passed over")
                continue
            for name, section in sections.items():
                enabled = boolean(section.options.get("enabled", Option("1", 0)).value) is not False
                if enabled and not any(each.startswith(f"{name}:") for each in found):
                    self.problems.append(
                        f"{path}:{section.line}: the service {name} has not been asked for repositories"
                    )

    def _repository_files(self, main_path: str) -> Iterator[str]:
        """[main]'s own file first, then all folders' files in one order: by the parts of their paths."""
        if main_path and self._rules != "zypper":
            yield main_path
        folders = _FOLDERS[self._rules]
        paths = [path for path in self._files if path.endswith(".repo") and path.startswith(folders)]
        yield from sorted(paths, key=lambda path: path[:-5].split("/"))

    def _overrides(self) -> Iterator[tuple[str, dict[str, Option]]]:
        for folder in _OVERRIDES:
            for path in sorted(path for path in self._files if path.startswith(folder)):
                try:
                    for name, section in self._sections(path).items():
                        yield name, section.options
                except MalformedConfiguration as error:
                    self.problems.append(f"{path}:{error.line}: {error}; the whole file is passed over")

    def _modules(self) -> Iterator[ModuleState]:
        for path in sorted(path for path in self._files if path.startswith("etc/dnf/modules.d/")):
            try:
                for name, section in self._sections(path).items():
                    options = section.options
                    stream, state = (options.get(key, Option("", 0)).value for key in ("stream", "state"))
                    if state not in ("enabled", "disabled", "", "1", "0"):
                        self.problems.append(f"{path}:{section.line}: the state of {name} is {state[:40]!r}")
                        continue
                    yield ModuleState(name, stream, {"1": "enabled", "0": "disabled"}.get(state, state))
            except MalformedConfiguration as error:
                self._refuse(f"{path}:{error.line}: {error}")

    def _sections(self, path: str) -> Sections:
        return read_sections(self._text(path), self._rules)

    def _text(self, path: str) -> str:
        content = self._files.get(path, b"")
        if len(content) > MAX_FILE_BYTES:
            raise MalformedConfiguration(0, f"larger than {MAX_FILE_BYTES} bytes")
        return content.decode("utf-8", "replace").replace("\0", "")

    def _value(self, option: Option | None) -> str:
        return "" if option is None else expanded(option.value, self._variables, self._rules)

    def _refuse(self, problem: str) -> None:
        self.problems.append(problem)
        self.unanswerable.append(problem)


def _known_folders() -> set[str]:
    return {each for table in (_FOLDERS, _VARS) for folders in table.values() for each in folders}


def _is_repository(section: Section) -> bool:
    return bool(section.options.keys() & {"baseurl", "metalink", "mirrorlist"})


def _without_excludes(repository: Repository) -> Repository:
    return msgspec.structs.replace(repository, exclude=(), includepkgs=())
