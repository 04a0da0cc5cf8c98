"""What an image holds back: the versionlock of dnf and yum, where its plugin is there, and zypper's locks."""

import re
from collections.abc import Callable, Mapping, Sequence

from affineur.packages.inventory import Package
from affineur.repositories.rpmmd.dnfconf import MalformedConfiguration

__all__ = ["LOCK_PATHS", "read_locks"]

LOCK_PATHS = (
    "etc/dnf/plugins/versionlock.list",
    "etc/yum/pluginconf.d/versionlock.list",
    "etc/dnf/versionlock.toml",
    "etc/zypp/locks",
)
MAX_LOCKS = 10_000  # of one image
_STANZAS = re.compile(r"\n[ \t]*\n")


def read_locks(
    text: Callable[[str], str],
    files: Mapping[str, bytes],
    rules: str,
    packages: Sequence[Package],
    problems: list[str],
) -> tuple[str, ...]:
    """See `RpmConfiguration.locks`.

    Args:
        text: path → its content. Raises MalformedConfiguration.
        rules: `dnf`, `tdnf`, `yum` or `zypper`.
        packages: versionlock's list counts only where its plugin is installed.
    """
    found: list[str] = []
    try:
        if rules == "zypper":
            found = _zypper(text("etc/zypp/locks"), problems)
        elif any(package.name.endswith("plugin-versionlock") or package.name == "dnf5" for package in packages):
            for path in LOCK_PATHS[:2]:
                lines = (line.strip() for line in text(path).splitlines())
                found += [line for line in lines if line and not line.startswith("#")]
            if files.get("etc/dnf/versionlock.toml"):
                problems.append("etc/dnf/versionlock.toml: what dnf 5 locks is not read; it is listed all the same")
    except MalformedConfiguration as error:
        problems.append(f"locks: {error}")
    if len(found) > MAX_LOCKS:
        problems.append(f"more than {MAX_LOCKS} locks: the others are passed over")
    return tuple(dict.fromkeys(found[:MAX_LOCKS]))


def _zypper(text: str, problems: list[str]) -> list[str]:
    """Stanzas of `name: value` lines; those about packages by name are understood."""
    found = []
    for stanza in _STANZAS.split(text):
        fields: dict[str, str] = {}
        for line in stanza.splitlines():
            name, colon, value = line.partition(":")
            if colon and not line.startswith("#"):
                fields[name.strip()] = value.strip()
        if not fields:
            continue
        name = fields.get("solvable_name", "")
        if (
            fields.get("type", "package") != "package"
            or not name
            or fields.keys() & {"repo", "version", "solvable_arch"}
        ):
            problems.append(f"etc/zypp/locks: a lock that is not understood: {stanza.strip()[:100]!r}")
            continue
        found.append(name)
    return found
