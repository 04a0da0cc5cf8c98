"""What of an image's /etc/apt decides which updates it would be offered: sources, pins and a few options.

Sources: sources.list(5), apt_preferences(5), apt.conf(5). Pure; the files' bytes are handed in and nothing is opened,
so an `#include` or a directory that apt.conf names elsewhere is reported instead of followed.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from affineur.repositories.apt.aptconf import MalformedConfiguration, Options
from affineur.repositories.apt.model import AptConfiguration, PinRule, SourceEntry
from affineur.repositories.apt.preferences import MAX_PINS, MalformedPreference, pins
from affineur.repositories.apt.sources import MAX_ENTRIES, MalformedSource, TypedEntry, one_line_entries, stanza_entries

__all__ = ["PATHS", "read_configuration"]

PATHS = ("etc/apt/**", "var/lib/dpkg/arch")  # globs relative to the image's root, for the reader that walks layers

MAX_FILE_BYTES = 4 << 20  # of one configuration file; the largest real ones hold a few kilobytes

_ROOT = "etc/apt/"
_MOVED = ("rootdir", "dir", "dir::etc", "dir::etc::sourcelist", "dir::etc::sourceparts", "dir::etc::preferences",
          "dir::etc::preferencesparts", "dir::state", "dir::state::status")  # fmt: skip


def read_configuration(files: Mapping[str, bytes], architecture: str) -> AptConfiguration:
    """Read everything at once. Never raises for what the files hold: see `problems` and `unanswerable`.

    Args:
        files: path relative to the image's root (`etc/apt/sources.list`, …) → content; `var/lib/dpkg/arch`, where
            given, names the foreign architectures. Other paths are ignored.
        architecture: Debian's name of the image's native architecture (`amd64`).
    """
    reader = _Reader(files)
    options = reader.options()
    native = options.text("APT::Architecture") or architecture
    architectures = _architectures(options, native, reader.text("var/lib/dpkg/arch"))
    sources = reader.sources(architectures)
    rules = reader.pins()
    phasing = _phasing(options)
    return AptConfiguration(
        sources=tuple(sources),
        pins=tuple(rules),
        architectures=architectures,
        default_release=options.text("APT::Default-Release"),
        check_valid_until=options.truth("Acquire::Check-Valid-Until") is not False,
        phasing=phasing,
        problems=tuple(reader.problems),
        phase_policy=options.truth("APT::Get::Phase-Policy") is True,
        unanswerable=tuple(reader.unanswerable),
    )


class _Reader:
    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self.problems: list[str] = []
        self.unanswerable: list[str] = []

    def text(self, path: str) -> str:
        content = self._files.get(path, b"")
        if len(content) > MAX_FILE_BYTES:
            self._refuse(f"{path}: larger than {MAX_FILE_BYTES} bytes")
            return ""
        return content.decode("utf-8", "surrogateescape")

    def options(self) -> Options:
        options = Options()
        for path in [*self._parts("apt.conf.d", ("conf", "")), *self._present("apt.conf")]:
            try:
                options.read(self.text(path))
            except MalformedConfiguration as error:
                self._refuse(f"{path}:{error.line}: {error}")
        for name in options.included:
            self._refuse(f"{_ROOT}apt.conf: includes {name}, which is not read")
        for name in _MOVED:
            if options.text(name) is not None:
                self._refuse(f"{_ROOT}apt.conf: {name} has apt read other files")
        return options

    def sources(self, architectures: tuple[str, ...]) -> list[SourceEntry]:
        found: list[TypedEntry] = []
        for path in [*self._present("sources.list"), *self._parts("sources.list.d", ("list", "sources"))]:
            read = stanza_entries if path.endswith(".sources") else one_line_entries
            try:
                found.extend(read(self.text(path), path, architectures, self.problems))
            except MalformedSource as error:
                self._refuse(f"{path}:{error.line}: {error}")
            if len(found) > MAX_ENTRIES:
                self._refuse(f"{path}: more than {MAX_ENTRIES} entries in all sources")
                return []
        return self._agreed(found)

    def pins(self) -> list[PinRule]:
        found: list[PinRule] = []
        for path in [*self._present("preferences"), *self._parts("preferences.d", ("pref", ""))]:
            try:
                found.extend(pins(self.text(path), path, self.problems))
            except MalformedPreference as error:
                self._refuse(f"{path}:{error.line}: {error}")
            if sum(len(rule.packages) for rule in found) > MAX_PINS:
                self._refuse(f"{path}: more than {MAX_PINS} names in all pins")
                return []
        return found

    def _agreed(self, entries: Iterable[TypedEntry]) -> list[SourceEntry]:
        """The binary ones. apt takes one answer per suite to: trusted? signed by whom? check its date? and refuses to
        start on two; only a Signed-By may be missing from the first entries, and is then that of the later ones.
        """
        suites: dict[tuple[str, str], list[TypedEntry]] = {}
        for kind, entry in entries:
            suites.setdefault((entry.uri, entry.suite), []).append((kind, entry))
        keys: dict[tuple[str, str], SourceEntry] = {}
        for suite, listed in suites.items():
            first = listed[0][1]
            for _, entry in listed:
                if not _signed_by(first) and _signed_by(entry):
                    first = msgspec.structs.replace(
                        first, signed_by=entry.signed_by, signed_by_inline=entry.signed_by_inline
                    )
                for option in _contradictions(first, entry):
                    self._refuse(f"{entry.path}:{entry.line}: {option} contradicts {first.path}:{first.line}")
            keys[suite] = first
        return [
            msgspec.structs.replace(entry, signed_by=key.signed_by, signed_by_inline=key.signed_by_inline)
            for kind, entry in entries
            if kind == "deb"
            for key in (keys[entry.uri, entry.suite],)
        ]

    def _present(self, name: str) -> list[str]:
        return [_ROOT + name] if _ROOT + name in self._files else []

    def _parts(self, folder: str, extensions: tuple[str, ...]) -> list[str]:
        """A *.d folder's files that apt reads, in its order: sorted by bytes, of good name and extension."""
        prefix = f"{_ROOT}{folder}/"
        names = [path.removeprefix(prefix) for path in self._files if path.startswith(prefix)]
        return [prefix + name for name in sorted(names, key=_bytes) if _is_read(name, extensions)]

    def _refuse(self, problem: str) -> None:
        self.problems.append(problem)
        self.unanswerable.append(problem)


def _signed_by(entry: SourceEntry) -> tuple[tuple[str, ...], str | None] | None:
    return (entry.signed_by, entry.signed_by_inline) if entry.signed_by or entry.signed_by_inline else None


def _contradictions(first: SourceEntry, entry: SourceEntry) -> list[str]:
    pairs = {
        "trusted": (first.trusted, entry.trusted),
        "check-valid-until": (first.check_valid_until, entry.check_valid_until),
        "allow-insecure": (first.allow_insecure is True, entry.allow_insecure is True),
        "signed-by": (_signed_by(first), _signed_by(entry)),
    }
    return [option for option, (one, other) in pairs.items() if one != other]


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _is_read(name: str, extensions: tuple[str, ...]) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9_:-][A-Za-z0-9_:.-]*", name) or name.endswith("."):
        return False
    _, dot, extension = name.rpartition(".")
    return (extension if dot else "") in extensions


def _architectures(options: Options, native: str, foreign: str) -> tuple[str, ...]:
    """APT::Architectures, or what dpkg says: the native one and those that were added to it."""
    configured = options.entries("APT::Architectures")
    names = configured if configured is not None else [native, *foreign.split()]
    if native not in names:
        names = [native, *names]
    return tuple(dict.fromkeys(name for name in names if name))


def _phasing(options: Options) -> str | None:
    def either(word: str) -> bool | None:
        own = options.truth(f"APT::Get::{word}-Include-Phased-Updates")
        return own if own is not None else options.truth(f"Update-Manager::{word}-Include-Phased-Updates")

    return "always" if either("Always") else "never" if either("Never") else None
