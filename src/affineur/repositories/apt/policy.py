"""apt's priorities: of an index by its Release fields, of a version by the pins that name its package.

Source: apt_preferences(5) § "APT's Default Priority Assignments", § "The Effect of APT Preferences"; where the page is
silent, what `apt list` prints (tests/system/test_apt_choice.py).
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import msgspec

from affineur.errors import LimitExceeded
from affineur.repositories.apt.model import NEVER, PinRule, Release
from affineur.repositories.apt.patterns import Pattern, UnsupportedPattern, expression

__all__ = ["DEFAULT_RELEASE", "INSTALLED", "Index", "Policy", "site"]

INSTALLED, NORMAL, UPGRADES_ONLY, NOT_AUTOMATIC, DEFAULT_RELEASE = 100, 500, 100, 1, 990
MAX_STEPS = 20_000_000  # through the automata of all expressions; ten of them and 400 packages need a tenth
MAX_RELEASE_VALUE = 299  # apt looks no further into a release pin
MAX_RELEASE_PARTS = 19  # with more, the pin matches nothing


class Index(msgspec.Struct, frozen=True):
    """One Packages file as pins see it; dpkg's own status is one too, with neither release nor site.

    Attributes:
        release: None for dpkg's status.
        site: the host of its URI, empty where it has none (`file:`).
    """

    release: Release | None
    site: str
    component: str
    architecture: str


def site(uri: str) -> str:
    """The host by which a pin of kind `origin` names a source."""
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:
        return ""


class _Conditions(msgspec.Struct, frozen=True):
    """What a pin demands of an index; None where it says nothing."""

    everything: bool = False
    nothing: bool = False
    empty: bool = False  # matches no source, but dpkg's status
    version: str | None = None
    version_is_prefix: bool = False
    any_name: str | None = None  # archive or codename
    origin: str | None = None
    archive: str | None = None
    codename: str | None = None
    label: str | None = None
    component: str | None = None
    architecture: str | None = None


class Policy:
    """All pins of one image, compiled. Any method may raise LimitExceeded: the expressions are absurdly costly.

    Attributes:
        problems: pins whose expression could not be evaluated (`path:line: reason`): what they match is not known.
    """

    def __init__(self, rules: Sequence[PinRule], default_release: str | None, native: str) -> None:
        self.problems: list[str] = []
        self._native, self._steps = native, MAX_STEPS
        self._naming: dict[tuple[str, str, str], list[PinRule]] = {}
        self._patterns: dict[str, Pattern | None] = {}
        self._conditions: dict[str, _Conditions] = {}
        preferred = [] if default_release is None else [PinRule(("*",), "release", default_release, DEFAULT_RELEASE)]
        self._general = [*preferred, *(rule for rule in rules if rule.packages == ("*",))]
        self._specific = [rule for rule in rules if rule.packages != ("*",)]

    def index_priority(self, index: Index) -> tuple[int, PinRule | None]:
        """An index's priority and the general pin that gave it; the first pin that matches, but `never` over all."""
        matching = [rule for rule in self._general if self._index_matches(rule, index)]
        for rule in matching:
            if rule.priority == NEVER:
                return NEVER, rule
        if matching:
            return matching[0].priority, matching[0]
        if index.release is None:
            return INSTALLED, None
        if index.release.but_automatic_upgrades:
            return UPGRADES_ONLY, None
        return (NOT_AUTOMATIC if index.release.not_automatic else NORMAL), None

    def naming(self, name: str, source: str, architecture: str) -> list[PinRule]:
        """The pins, in order, that name the package `name:architecture`, or its source with `src:`."""
        package = (name, source, architecture)
        if package not in self._naming:
            self._naming[package] = [
                rule for rule in self._specific if any(self._word_names(word, rule, package) for word in rule.packages)
            ]
        return self._naming[package]

    def version_matches(self, rule: PinRule, version: str, indexes: Iterable[Index]) -> bool:
        """Whether a specific pin matches a version: by its text, or by any index that offers it."""
        if rule.kind != "version":
            return any(self._index_matches(rule, index) for index in indexes)
        wanted = rule.value.removesuffix("*")
        if rule.value.endswith("*"):
            if version.lower().startswith(wanted.lower()):
                return True
        elif version.lower() == wanted.lower():
            return True
        return self._matches(wanted, version, rule)

    def available(self, default_release: str, releases: Iterable[Release]) -> bool:
        """Whether apt accepts the Default-Release: it refuses to run if no source has such a release."""
        if default_release[1:2] == "=" and len(default_release) > 2:
            return True
        texts = [text for release in releases for text in (release.suite, release.codename, release.version) if text]
        return any(self._matches(default_release, text) for text in [*texts, "now"])

    def _word_names(self, word: str, rule: PinRule, package: tuple[str, str, str]) -> bool:
        name, source, architecture = package
        if word.startswith("src:"):
            name, word = source, word.removeprefix("src:")
        wanted, colon, tail = word.rpartition(":")
        if not colon:
            wanted, tail = word, self._native
        if not self._architecture_matches(tail, architecture):
            return False
        if (wanted.startswith("/") and wanted.endswith("/")) or any(mark in wanted for mark in "*[?"):
            return self._matches(wanted, name, rule)
        return wanted == name

    def _architecture_matches(self, wanted: str, architecture: str) -> bool:
        """A name, or a wildcard of dpkg-architecture(1): `any`, `linux-any`, `any-amd64`."""
        parts = wanted.split("-")
        if "any" not in parts and "*" not in wanted:
            return wanted == architecture or _tuple(parts) == _tuple([architecture])
        filled = ["any"] * (4 - len(parts)) + parts
        own = _tuple([architecture])
        return len(filled) == len(own) and all(
            part == "any" or self._matches(part, text) for part, text in zip(filled, own, strict=True)
        )

    def _index_matches(self, rule: PinRule, index: Index) -> bool:
        if rule.kind == "origin":
            host = rule.value[1:-1] if len(rule.value) > 1 and rule.value[0] == rule.value[-1] == '"' else rule.value
            return index.release is not None and self._matches(host, index.site, rule)
        wanted = self._conditions.get(rule.value)
        if wanted is None:
            wanted = self._conditions[rule.value] = _conditions(rule.value)
        release = index.release
        if wanted.everything or wanted.nothing or (wanted.empty and release is not None):
            return wanted.everything
        if release is None:  # dpkg's status: its archive is called "now", and nothing else is known of it
            if any(text is not None for text in (wanted.version, wanted.origin, wanted.codename, wanted.label)):
                return False
            pairs = [(wanted.archive, "now"), (wanted.any_name, "now"), (wanted.component, "now")]
            return wanted.architecture is None and self._all(pairs, rule)
        if wanted.version is not None and not self._release_version(wanted, release.version, rule):
            return False
        if wanted.any_name is not None and not any(
            self._matches(wanted.any_name, text, rule) for text in (release.suite, release.codename) if text
        ):
            return False
        pairs = [
            (wanted.origin, release.origin),
            (wanted.archive, release.suite),
            (wanted.codename, release.codename),
            (wanted.label, release.label),
            (wanted.component, index.component),
            (wanted.architecture, index.architecture),
        ]
        return self._all(pairs, rule)

    def _all(self, pairs: Iterable[tuple[str | None, str]], rule: PinRule) -> bool:
        return all(wanted is None or (text != "" and self._matches(wanted, text, rule)) for wanted, text in pairs)

    def _release_version(self, wanted: _Conditions, version: str, rule: PinRule) -> bool:
        text = wanted.version or ""
        if not version:
            return False
        if wanted.version_is_prefix and version.lower().startswith(text.lower()):
            return True
        return version.lower() == text.lower() or self._matches(text, version, rule)

    def _matches(self, pattern: str, text: str, rule: PinRule | None = None) -> bool:
        if pattern not in self._patterns:
            try:
                self._patterns[pattern] = expression(pattern)
            except UnsupportedPattern as error:
                self._patterns[pattern] = None
                place = f"{rule.path}:{rule.line}" if rule and rule.path else "APT::Default-Release"
                self.problems.append(f"{place}: {pattern!r}: {error}")
        compiled = self._patterns[pattern]
        if compiled is None:
            return False
        self._steps -= compiled.states * (len(text) + 1)
        if self._steps < 0:
            raise LimitExceeded(f"the pins' expressions need more than {MAX_STEPS} steps")
        return compiled.matches(text)


_ARM = {"armhf": "eabihf", "armel": "eabi"}


def _tuple(parts: list[str]) -> list[str]:
    """dpkg's full name of an architecture: ABI, C library, kernel, processor; Linux and GNU where it does not say."""
    abi = _ARM.get(parts[-1]) if len(parts) == 1 else None
    cpu = "arm" if abi else parts[-1]
    return (
        [*["base", "gnu", "linux"][: max(0, 4 - len(parts))], *parts[:-1], cpu]
        if not abi
        else [abi, "gnu", "linux", cpu]
    )


_FIELDS = {
    "v": "version",
    "o": "origin",
    "a": "archive",
    "n": "codename",
    "l": "label",
    "c": "component",
    "b": "architecture",
}


def _conditions(value: str) -> _Conditions:
    """A release pin's demands: `*`, a bare name or version, or `a=…,n=…`."""
    if value == "*":
        return _Conditions(everything=True)
    if "=" not in value:
        if not value[:1].isdigit():
            return _Conditions(any_name=value) if value else _Conditions(empty=True)
        return _Conditions(version=value.removesuffix("*"), version_is_prefix=value.endswith("*"))
    parts = [part.strip() for part in re.split(r"[,\s]*,[,\s]*", value[:MAX_RELEASE_VALUE].strip())]
    if len([part for part in parts if part]) > MAX_RELEASE_PARTS:
        return _Conditions(nothing=True)
    found: dict[str, str] = {}
    for part in parts:
        field = _FIELDS.get(part[:1].lower()) if part[1:2] == "=" and len(part) > 2 else None
        if field is not None:
            found[field] = part[2:]
    if not found:
        return _Conditions(empty=True)
    prefix = found.get("version", "").endswith("*")
    if prefix:
        found["version"] = found["version"][:-1]
    return _Conditions(version_is_prefix=prefix, **found)  # type: ignore[arg-type]
