"""The variables of repository files: `$releasever`, `$basearch` and those that the image's vars files define.

Sources: dnf.conf(5) § Repo Variables, yum.conf(5) § Variables, zypper(8) § Repositories; for `$releasever` what dnf
does: the version of `system-release(releasever)`, or of the package that provides it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from affineur.packages.inventory import Package

__all__ = ["basearch_of", "expanded", "releasever_of", "vars_files"]

MAX_EXPANDED = 16_384  # characters of one value, its variables expanded: values of variables may multiply
MAX_VARIABLES = 1_000  # of one image

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)(?:(:[-+])([^{}$]*))?\}|([A-Za-z0-9_]+))")
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")

_BASEARCH = {"amd64": "x86_64", "386": "i386", "arm64": "aarch64", "arm": "armhfp", "loong64": "loongarch64",
             "mips64le": "mips64el", "mipsle": "mipsel"}  # fmt: skip
_ARCH = {"i386": "i686", "armhfp": "armv7hl"}
"""$arch where it is not $basearch: what dnf works out on a machine of today."""

_RELEASE_PACKAGES: dict[str, int] = {
    # name → how many parts of its version are the releasever that it provides; 0: all
    "centos-release": 1,
    "centos-linux-release": 1,
    "centos-stream-release": 1,
    "redhat-release": 1,
    "almalinux-release": 1,
    "almalinux-kitten-release": 1,
    "rocky-release": 1,
    "oraclelinux-release": 1,
    "redhat-release-eula": 1,
    "fedora-release-common": 0,
    "fedora-release": 0,
    "generic-release": 0,
    "system-release": 0,
    "azurelinux-release": 0,
    "mariner-release": 0,
    "photon-release": 0,
    "openSUSE-release": 0,
    "sles-release": 0,
    "SLES-release": 0,
}
_RED_HAT_7 = {"server": "Server", "client": "Client", "workstation": "Workstation", "computenode": "ComputeNode"}


def basearch_of(architecture: str, packages: Iterable[Package]) -> tuple[str, str]:
    """($basearch, $arch) of an image.

    Args:
        architecture: Go's name (`amd64`), as in the image's config.
        packages: AlmaLinux and CentOS have rebuilds for newer processors, told by the installed packages alone.
    """
    base = _BASEARCH.get(architecture, architecture)
    if base == "x86_64" and any(package.architecture == "x86_64_v2" for package in packages):
        base = "x86_64_v2"
    return base, _ARCH.get(base, base)


def releasever_of(packages: Sequence[Package]) -> str:
    """$releasever, by the package that provides system-release; empty where none does.

    A package's provides are not at hand, so the known ones are told by name. RHEL 7 says `7Server`.
    """
    by_name = {package.name: package for package in packages}
    for name, parts in _RELEASE_PACKAGES.items():
        if name in by_name:
            version = _version(by_name[name])
            return ".".join(version.split(".")[:parts]) if parts else version
    for variant, word in _RED_HAT_7.items():
        if found := by_name.get(f"redhat-release-{variant}"):
            return f"{_version(found).partition('.')[0]}{word}"
    return ""


def _version(package: Package) -> str:
    return package.version.rpartition("-")[0].rpartition(":")[2]


def vars_files(files: Mapping[str, bytes], folders: Iterable[str], problems: list[str]) -> dict[str, str]:
    """Variables by the files of some folders, the later folder's winning: the name is the file's, the value its first
    line."""
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted(path for path in files if path.startswith(folder)):
            name = path.removeprefix(folder)
            if not _NAME.fullmatch(name):
                continue
            if len(found) == MAX_VARIABLES:
                problems.append(f"{folder}: more than {MAX_VARIABLES} variables")
                return found
            line = files[path][:MAX_EXPANDED].partition(b"\n")[0]
            found[name] = line.decode("utf-8", "replace").rstrip("\r")
    return found


def expanded(text: str, variables: Mapping[str, str], manager: str = "dnf") -> str:
    """Put values in the place of variables; one that is not known stays as it stands.

    `$name` and `${name}`; of dnf and zypper also `${name:-otherwise}` and `${name:+instead}`. yum 3 knows no braces,
    and its names have no case; tdnf takes `$releasever_x` for `$releasever` and `_x`.
    """
    if "$" not in text:
        return text
    pattern = _VARIABLE
    if manager == "tdnf":
        names = "|".join(sorted(map(re.escape, variables), key=len, reverse=True))
        pattern = re.compile(rf"\$(?:\{{({names})()()\}}|({names}))")

    def value(match: re.Match[str]) -> str:
        braced, operator, word, bare = match.groups()
        name = braced or bare
        if manager == "yum":
            return match[0] if braced else variables.get(name, variables.get(name.lower(), match[0]))
        known = variables.get(name)
        if operator == ":-":
            return known or word
        if operator == ":+":
            return word if known else ""
        return match[0] if known is None else known

    parts: list[str] = []
    at = size = 0
    for match in pattern.finditer(text):  # no `sub`: what it makes has no limit
        parts += [text[at : match.start()], value(match)]
        at = match.end()
        size += len(parts[-1]) + len(parts[-2])
        if size > MAX_EXPANDED:
            break
    parts.append(text[at:])
    return "".join(parts)[: max(MAX_EXPANDED, len(text))]
