"""What apk goes by inside an image: its repositories, world, architecture and keys.

Sources: apk-repositories(5), apk-world(5), apk-keys(5) of apk-tools 3; apk-tools 2 knows `etc/apk/repositories` and
`etc/apk/repositories.d`, and lines of a URL with or without a tag.
"""

import re
from collections.abc import Iterator, Mapping

from affineur.repositories.apk.model import ApkConfiguration, ApkRepository, Constraint

__all__ = ["PATHS", "parse_repositories", "parse_world", "read_configuration"]

PATHS = (
    "etc/apk/repositories",
    "etc/apk/repositories.d/*.list",
    "lib/apk/repositories.d/*.list",
    "usr/lib/apk/repositories.d/*.list",
    "etc/apk/world",
    "etc/apk/arch",
    "etc/apk/keys/*",
    "lib/apk/keys/*",
    "usr/lib/apk/keys/*",
    "usr/share/apk/keys/*",
)
"""All that decides; those in usr/share are trusted by nobody, but may be copies of keys that are known here."""

MAX_FILE_BYTES = 1 << 20  # world of a large system has 10 kB
MAX_REPOSITORIES = 200
MAX_CONSTRAINTS = 20_000
MAX_VARIABLES = 200
MAX_URL = 2000  # characters, also of a variable's value: `set a=${a}${a}` doubles it

_FOLDERS = ("etc/apk/repositories.d/", "lib/apk/repositories.d/", "usr/lib/apk/repositories.d/")
_KEYS = ("etc/apk/keys/", "lib/apk/keys/", "usr/lib/apk/keys/")
_SET = re.compile(r"set\s+(-default\s+)?([A-Za-z][A-Za-z0-9_]*)=(\S*)\Z")
_WEB = re.compile(r"https?://[^/]", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Za-z][A-Za-z0-9_]*)\}")
_CONSTRAINT = re.compile(
    r"(!?)([A-Za-z0-9+._/,:-]+)(@[^\s<>=~@]+)?(?:((?:[<>=]|~)+)([^\s@<>=~][^\s@]*))?(@[^\s<>=~@]+)?\Z", re.ASCII
)
_OPERATORS = frozenset(("<", "<=", ">", ">=", "=", "==", "~", "=~", "~=", "<~", ">~", "><"))


def read_configuration(files: Mapping[str, bytes], architecture: str) -> ApkConfiguration:
    """Read everything at once. Never raises for what the files hold: see `problems` and `unanswerable`.

    Args:
        files: path relative to the image's root → content; of PATHS, those that are there.
        architecture: apk's name of the image's native architecture (`x86_64`), where `etc/apk/arch` does not say.
    """
    problems: list[str] = []
    unanswerable: list[str] = []
    named = _text(files, "etc/apk/arch", problems).split()
    architectures = tuple(dict.fromkeys(named)) or ((architecture,) if architecture else ())
    if not architectures or not all(re.fullmatch(r"[a-z0-9_]{1,40}", each) for each in architectures):
        unanswerable.append("etc/apk/arch: no architecture that apk knows")
        architectures = ("unknown",)
    repositories: list[ApkRepository] = []
    variables = {"APK_ARCH": architectures[0]}
    for path in _lists(files):
        repositories += parse_repositories(_text(files, path, problems), path, variables, problems)
    if len(repositories) > MAX_REPOSITORIES:
        unanswerable.append(f"etc/apk: {len(repositories)} repositories, more than {MAX_REPOSITORIES}")
        repositories = repositories[:MAX_REPOSITORIES]
    keys: dict[str, bytes] = {}
    for folder in _KEYS:
        for path, content in sorted(files.items()):
            if path.startswith(folder) and "/" not in path.removeprefix(folder):
                keys.setdefault(path.removeprefix(folder), content)
    return ApkConfiguration(
        repositories=tuple(repositories),
        world=parse_world(_text(files, "etc/apk/world", problems), problems),
        architectures=architectures,
        keys=keys,
        problems=(*problems, *unanswerable),
        unanswerable=tuple(unanswerable),
    )


def parse_repositories(text: str, path: str, variables: dict[str, str], problems: list[str]) -> Iterator[ApkRepository]:
    """Yield what each line names. apk-repositories(5) § File Format.

    Args:
        path: of the file, for messages.
        variables: what `set` lines have set so far; these lines' are added.
        problems: what is not read is added, as `path:line: reason`.
    """
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if line.startswith(("set ", "set\t")):
                _assign(line, variables)
            else:
                yield from _line(line, path, number, variables)
        except ValueError as error:
            problems.append(f"{path}:{number}: {error}")


def parse_world(text: str, problems: list[str]) -> tuple[Constraint, ...]:
    """The constraints of `world`. apk-world(5) § Package Specification."""
    found: list[Constraint] = []
    for word in text.split():
        match = _CONSTRAINT.match(word)
        if not match or (match[4] and match[4] not in _OPERATORS):
            problems.append(f"etc/apk/world: {word[:80]!r} is no constraint")
        elif len(found) == MAX_CONSTRAINTS:
            problems.append(f"etc/apk/world: more than {MAX_CONSTRAINTS} constraints")
            break
        else:
            found.append(
                Constraint(match[2], match[3] or match[6] or "", match[4] or "", match[5] or "", bool(match[1]))
            )
    return tuple(found)


def _lists(files: Mapping[str, bytes]) -> Iterator[str]:
    """The files in apk's order; of one name in several folders, the first alone counts."""
    if "etc/apk/repositories" in files:
        yield "etc/apk/repositories"
    seen: set[str] = set()
    for folder in _FOLDERS:
        for path in sorted(files):
            name = path.removeprefix(folder)
            if path.startswith(folder) and name.endswith(".list") and "/" not in name and name not in seen:
                seen.add(name)
                yield path


def _line(line: str, path: str, number: int, variables: Mapping[str, str]) -> Iterator[ApkRepository]:
    words = line.split()
    kind = words.pop(0) if words[0] in ("v2", "v3", "ndx") else ""
    tag = words.pop(0) if words and words[0].startswith("@") else ""
    if not words:
        raise ValueError("no URL")
    url, *components = (_expanded(word, variables) for word in words)
    url = url.rstrip("/")
    if url.startswith(("/", "file:")):
        raise ValueError(f"{url[:200]} is not fetched: it means a folder in the image")
    if not _WEB.match(url):
        raise ValueError(f"{url[:200]} is not fetched: only http and https are")
    if kind == "v3" or url.endswith(".adb"):
        raise ValueError("an index of apk's third format, which is not read here yet")
    if kind == "ndx" or (not kind and url.endswith(".tar.gz")):
        base = url.rpartition("/")[0]
        if not _WEB.match(base):
            raise ValueError(f"{url[:200]} names no index")
        yield ApkRepository(base, tag, url, path, number)
        return
    for component in components or [""]:
        yield ApkRepository("/".join(filter(None, (url, component))), tag, "", path, number)


def _assign(line: str, variables: dict[str, str]) -> None:
    match = _SET.match(line)
    if not match or match[2].startswith("APK_"):
        raise ValueError("no variable that can be set")
    if match[1] and match[2] in variables:
        return
    if len(variables) >= MAX_VARIABLES:
        raise ValueError(f"more than {MAX_VARIABLES} variables")
    variables[match[2]] = _expanded(match[3], variables)


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in variables:
            raise ValueError(f"the variable {match[1]} is not set")
        return variables[match[1]]

    found = _VARIABLE.sub(value, text)
    if len(found) > MAX_URL:
        raise ValueError(f"longer than {MAX_URL} characters")
    return found


def _text(files: Mapping[str, bytes], path: str, problems: list[str]) -> str:
    content = files.get(path, b"")
    if len(content) > MAX_FILE_BYTES:
        problems.append(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        return ""
    return content.decode("utf-8", "replace")
