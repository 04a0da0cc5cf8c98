"""os-release(5): which distribution an image says it is."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import msgspec

__all__ = ["OS_RELEASE", "OSRelease", "OSReleaseReader", "Release", "claimed", "parsed", "parsed_line"]

_ASSIGNMENT = re.compile(
    r"""^[ \t]*([A-Za-z_][A-Za-z0-9_]*)=   # the name; what is no assignment is passed over
        (?: "((?:[^"\\]|\\.)*)"            # double quotes, with escapes
          | '([^']*)'                      # single quotes, without
          | ([^\n]*) )""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


_LINE = re.compile(r"([^\d]+?) release (\d{1,3}(?:\.\d{1,3}){0,2})\b.*", re.ASCII)
_NAMES = {
    "CentOS": "centos",
    "Red Hat Enterprise Linux": "rhel",
    "Oracle Linux": "ol",
    "Enterprise Linux Enterprise Linux": "ol",  # Oracle's 5
    "Scientific Linux": "scientific",
    "Fedora": "fedora",
}


class Release(Protocol):
    """The fields that say which release of which distribution is meant; OSRelease has them."""

    @property
    def id(self) -> str:
        """ID: `debian`, `ubuntu` …"""
        ...

    @property
    def version_id(self) -> str:
        """VERSION_ID: `12`, `14.04` …; empty where there is none."""
        ...

    @property
    def codename(self) -> str:
        """VERSION_CODENAME, or what stands for it."""
        ...


class OSRelease(msgspec.Struct, frozen=True):
    """What os-release says: only claimed, until the package database and the image's repositories support it.

    Attributes:
        fields: every assignment as it stands, unquoted; a later one of the same name wins.
        path: of the file that it comes from, relative to the image root.
    """

    fields: dict[str, str]
    path: str = "etc/os-release"

    @property
    def id(self) -> str:
        """ID; `linux` where there is none (os-release(5))."""
        return self.fields.get("ID") or "linux"

    @property
    def id_like(self) -> tuple[str, ...]:
        """ID_LIKE, nearest first."""
        return tuple(self.fields.get("ID_LIKE", "").split())

    @property
    def version_id(self) -> str:
        """VERSION_ID; empty for rolling releases, and for Debian's testing."""
        return self.fields.get("VERSION_ID", "")

    @property
    def codename(self) -> str:
        """VERSION_CODENAME; of old Ubuntu UBUNTU_CODENAME; or what stands in parentheses in VERSION, as in Debian's."""
        for name in ("VERSION_CODENAME", "UBUNTU_CODENAME"):
            if self.fields.get(name):
                return self.fields[name]
        match = re.search(r"\(([^()]+)\)|,\s*(\w+)", self.fields.get("VERSION", ""))
        return (match.group(1) or match.group(2)).partition(" ")[0].lower() if match else ""

    @property
    def pretty_name(self) -> str:
        """PRETTY_NAME; else NAME and VERSION; `Linux` where there is none of them."""
        pretty = self.fields.get("PRETTY_NAME", "")
        return pretty or " ".join(filter(None, (self.fields.get("NAME"), self.fields.get("VERSION")))) or "Linux"

    @property
    def support_end(self) -> str:
        """SUPPORT_END, an ISO date as it stands; empty where there is none."""
        return self.fields.get("SUPPORT_END", "")


def parsed(content: bytes) -> dict[str, str]:
    """Read the assignments of an os-release file; never raises, since what is no assignment says nothing.

    Quoting as systemd's own parser has it (env-file.c): in double quotes a backslash before `$`, `"`, a backtick, a
    backslash or a newline escapes; outside quotes before anything; an unquoted value ends with its line.
    """
    text = content.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\0", "")
    fields: dict[str, str] = {}
    for match in _ASSIGNMENT.finditer(text):
        name, double, single, plain = match.groups()
        if double is not None:
            fields[name] = re.sub(r'\\([$"`\\\n])', lambda escape: escape.group(1).strip("\n"), double)
        elif single is not None:
            fields[name] = single
        else:
            fields[name] = re.sub(r"\\(.)", r"\1", plain.strip())
    return fields


def parsed_line(content: bytes) -> dict[str, str]:
    """Read the one line of a redhat-release file into os-release's fields; empty where it is nobody's that is known.

    `CentOS release 6.10 (Final)`: what Red Hat's family had before os-release (which came with release 7).
    """
    line = content[:1024].decode("utf-8", "replace").split("\n", 1)[0].strip()
    found = _LINE.fullmatch(line)
    identifier = next((known for name, known in _NAMES.items() if found and found[1].startswith(name)), None)
    if found is None or identifier is None:
        return {}
    return {"NAME": found[1], "ID": identifier, "VERSION_ID": found[2], "PRETTY_NAME": line}


class OSReleaseReader:
    """Reads `/etc/os-release`, `/usr/lib/os-release` behind it, and what Red Hat's family had before those."""

    name: ClassVar[str] = "os-release"
    version: ClassVar[int] = 2
    paths: ClassVar[tuple[str, ...]] = (
        "etc/os-release",
        "usr/lib/os-release",
        "etc/oracle-release",  # whose redhat-release says that it is Red Hat's
        "etc/centos-release",
        "etc/redhat-release",
    )
    limit: ClassVar[int] = 1024 * 1024
    facts_type: ClassVar[Any] = dict[str, str]
    settled_by: ClassVar[tuple[str, ...]] = ("etc/os-release",)

    def extract(self, path: str, content: bytes) -> dict[str, str]:
        """The assignments of one file."""
        return parsed(content) if path.endswith("/os-release") else parsed_line(content)


OS_RELEASE = OSReleaseReader()


def claimed(files: Mapping[str, Mapping[str, str]]) -> OSRelease | None:
    """The one file that counts, the first of `OS_RELEASE.paths` that says something; None without any.

    Args:
        files: path to assignments, as found in the merged image.
    """
    for path in OS_RELEASE.paths:
        if path in files and (files[path] or path.endswith("/os-release")):
            return OSRelease(dict(files[path]), path)
    return None
