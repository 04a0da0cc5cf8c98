"""Which files say where images come from, in the order in which they are read.

containers-registries.conf(5), containers-registries.conf.d(5) and containers/image, pkg/sysregistriesv2, as podman 3
to 5, buildah and skopeo have them. What podman 6 adds (containers-config(5)) is read too: the vendor's files before
those of /etc, and $CONTAINERS_REGISTRIES_CONF_OVERRIDE. Where the two disagree, the former holds: the user's files are
those below $HOME/.config whatever XDG_CONFIG_HOME says, and a user's registries.conf hides the system's drop-ins.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from affineur.errors import InvalidSettings

__all__ = ["ConfigurationFile", "alias_file", "content_of", "registries_files"]

MAX_FILE_BYTES = 1024 * 1024
MAX_DROP_INS = 1000
VARIABLES = ("CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH")
"""Name the main file; the second is podman's older spelling. podman and buildah read them, skopeo has an option."""
OVERRIDE = "CONTAINERS_REGISTRIES_CONF_OVERRIDE"

_USER = ".config/containers"
_SYSTEM = "etc/containers"
_VENDOR = "usr/share/containers"
_NAME = "registries.conf"


class ConfigurationFile(msgspec.Struct, frozen=True):
    """A file to be read.

    Attributes:
        named_by: the variable that names it, so that its absence is an error; "" for one in its usual place.
        drop_in: it adds to those before it, and must be in the format's version 2.
    """

    path: Path
    named_by: str = ""
    drop_in: bool = False


def registries_files(environment: Mapping[str, str], root: Path = Path("/")) -> list[ConfigurationFile]:
    """The main file, then the drop-ins; later ones win. The main file need not exist unless it is named.

    Args:
        environment: HOME and the variables that name files.
        root: where the system's own files lie; not for those of the user.

    Raises InvalidSettings: a folder of drop-ins cannot be listed.
    """
    home = environment.get("HOME")
    user = Path(home) / _USER if home else None
    variable = next((name for name in VARIABLES if environment.get(name)), "")
    if variable:
        main = ConfigurationFile(Path(environment[variable]), variable)
    else:
        folders = [*([user] if user else []), root / _SYSTEM, root / _VENDOR]
        found = next((each / _NAME for each in folders if os.path.exists(each / _NAME)), root / _SYSTEM / _NAME)  # noqa: PTH110 - one that may not be looked at counts as none
        main = ConfigurationFile(found)
    files = [main]
    if user is None or main.path != user / _NAME or variable:
        own = list(_drop_ins(root / _SYSTEM))
        replaced = {path.name for path in own}
        vendor = [path for path in _drop_ins(root / _VENDOR) if path.name not in replaced]
        files += [ConfigurationFile(path, drop_in=True) for path in (*vendor, *own)]
    if user is not None:
        files += [ConfigurationFile(path, drop_in=True) for path in _drop_ins(user)]
    if environment.get(OVERRIDE):
        files.append(ConfigurationFile(Path(environment[OVERRIDE]), OVERRIDE, drop_in=True))
    return files


def alias_file(environment: Mapping[str, str], root: Path = Path("/"), user: int | None = None) -> Path | None:
    """Where the engines keep the short names that a person has chosen; root has another place than other users.

    Returns: None where it would be below a home folder and there is none.
    """
    name = "containers/short-name-aliases.conf"
    if (os.geteuid() if user is None else user) == 0:
        return root / "var/cache" / name
    if cache := environment.get("XDG_CACHE_HOME"):
        return Path(cache) / name
    home = environment.get("HOME")
    return Path(home) / ".cache" / name if home else None


def content_of(path: Path) -> bytes | None:
    """A file's bytes, or None where there is none. Raises InvalidSettings: it cannot be read, or is too large."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as problem:  # ValueError: NUL in a name
        raise InvalidSettings(f"{path}: cannot be read: {getattr(problem, 'strerror', None) or problem}") from problem
    if len(content) > MAX_FILE_BYTES:
        raise InvalidSettings(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    return content


def _drop_ins(folder: Path) -> Iterator[Path]:
    """`*.conf` in registries.conf.d, by name; folders within it are not entered."""
    drop_ins = folder / f"{_NAME}.d"
    try:
        paths = sorted(path for path in drop_ins.iterdir() if path.name.endswith(".conf") and not path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as problem:
        raise InvalidSettings(f"{drop_ins}: cannot be listed: {problem.strerror}") from problem
    if len(paths) > MAX_DROP_INS:
        raise InvalidSettings(f"{drop_ins}: more than {MAX_DROP_INS} files")
    yield from paths
