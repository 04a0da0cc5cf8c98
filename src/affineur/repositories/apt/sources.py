"""sources.list and its deb822 form, sources.list(5): which suites an image asks, in apt's order.

A file that breaks the format makes apt refuse everything, not just that file; so the reader stops there and says why.
"""

import re
from collections.abc import Mapping

from affineur.repositories.apt.aptconf import boolean
from affineur.repositories.apt.deb822 import MalformedStanza, Stanza, stanzas
from affineur.repositories.apt.model import SourceEntry

__all__ = ["MAX_ENTRIES", "MalformedSource", "one_line_entries", "stanza_entries"]

MAX_ENTRIES = 10_000  # of all files of an image: URIs × suites multiply


class MalformedSource(ValueError):
    """apt would refuse this file, and with it everything; carries the line's number."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


def one_line_entries(text: str, path: str, architectures: tuple[str, ...]) -> list[SourceEntry]:
    """Entries of a `*.list` file, one per `deb` line; `deb-src` lines are checked and left out.

    Args:
        path: of the file, for messages.
        architectures: APT::Architectures, native first.

    Raises:
        MalformedSource: at the first line that apt would not take.
    """
    entries: list[SourceEntry] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        line = _uncommented(raw).strip(" \t\r")
        if not line:
            continue
        kind, _, rest = _split_type(line)
        if not rest:
            raise MalformedSource(number, "a type alone")
        if kind not in ("deb", "deb-src"):
            raise MalformedSource(number, f"type {kind!r} is not known")
        options, words = _options_and_words(rest, number)
        if len(words) < 2:
            raise MalformedSource(number, "no suite" if words else "no URI")
        _check_suite(words[1], words[2:], number)
        uri = _uri(words[0], number, architectures)
        if kind == "deb":
            suite = words[1].replace("$(ARCH)", architectures[0]) if words[1].endswith("/") else words[1]
            entries.append(_entry(uri, suite, tuple(words[2:]), options, (path, number), architectures))
    return entries


def stanza_entries(text: str, path: str, architectures: tuple[str, ...]) -> list[SourceEntry]:
    """Entries of a `*.sources` file: for each stanza with type deb, URIs × suites, in this order of nesting.

    Raises:
        MalformedSource: at the first stanza that apt would not take.
    """
    entries: list[SourceEntry] = []
    try:
        for stanza in stanzas(text):
            if "types" not in stanza.fields:
                raise MalformedSource(stanza.line, "no Types")
            for kind in stanza.words("types"):
                if kind not in ("deb", "deb-src"):
                    raise MalformedSource(stanza.line, f"type {kind!r} is not known")
                found = _of_stanza(stanza, path, architectures)
                if kind == "deb":
                    entries.extend(found)
                if len(entries) > MAX_ENTRIES:
                    raise MalformedSource(stanza.line, f"more than {MAX_ENTRIES} entries")
    except MalformedStanza as error:
        raise MalformedSource(error.line, error.problem) from error
    return entries


def _of_stanza(stanza: Stanza, path: str, architectures: tuple[str, ...]) -> list[SourceEntry]:
    enabled = stanza.fields.get("enabled")
    if enabled and boolean(enabled) is False:
        return []
    uris, suites, components = (stanza.words(name) for name in ("uris", "suites", "components"))
    if not uris or not suites:
        raise MalformedSource(stanza.line, "no Suites" if uris else "no URIs")
    options = {_STANZA_OPTIONS[name]: value for name, value in stanza.fields.items() if name in _STANZA_OPTIONS}
    for name in ("arch", "arch+", "arch-", "target", "target+", "target-"):
        if name in options:
            options[name] = ",".join(options[name].split())
    found: list[SourceEntry] = []
    for text in uris:
        uri = _uri(text, stanza.line, architectures)
        for word in suites:
            suite = word.replace("$(ARCH)", architectures[0])
            _check_suite(suite, components, stanza.line)
            found.append(_entry(uri, suite, tuple(components), options, (path, stanza.line), architectures))
    return found


_STANZA_OPTIONS = {
    "architectures": "arch",
    "architectures-add": "arch+",
    "architectures-remove": "arch-",
    "targets": "target",
    "targets-add": "target+",
    "targets-remove": "target-",
    "trusted": "trusted",
    "check-valid-until": "check-valid-until",
    "signed-by": "signed-by",
    "by-hash": "by-hash",
}


def _uncommented(line: str) -> str:
    """Up to a `#` that does not stand within an option's brackets."""
    at = line.find("#")
    while at >= 0:
        if line.count("[", 0, at) <= line.count("]", 0, at):
            return line[:at]
        at = line.find("#", at + 1)
    return line


def _split_type(line: str) -> tuple[str, str, str]:
    match = re.match(r"([^ \t\v]*)([ \t\v]*)(.*)", line, re.DOTALL)
    return ("", "", "") if match is None else (match[1], match[2], match[3])


_WORD = re.compile(r'(?:"[^"]*"|\[[^\]]*\]|[^\s"\[])+')  # quotes and brackets (cdrom:[name]/) may hold blanks


def _options_and_words(rest: str, line: int) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    if rest.startswith("["):
        inside, closed, rest = rest[1:].partition("]")
        if not closed:
            raise MalformedSource(line, "options without ]")
        for option in inside.split():
            name, equals, value = option.partition("=")
            if not (name and equals and value):
                raise MalformedSource(line, f"option {option!r} is no assignment")
            options[name] = _unquoted(value)
    words: list[str] = []
    rest = rest.strip()
    while rest:
        match = _WORD.match(rest)
        if match is None:
            raise MalformedSource(line, "an unclosed quote or bracket")
        words.append(_unquoted(match[0]))
        rest = rest[match.end() :].lstrip()
    return options, words


def _unquoted(text: str) -> str:
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text).replace('"', "")


def _check_suite(suite: str, components: list[str], line: int) -> None:
    if suite.endswith("/") and components:
        raise MalformedSource(line, "a suite that is a path, and components")
    if not suite.endswith("/") and not components:
        raise MalformedSource(line, "no component")


def _uri(text: str, line: int, architectures: tuple[str, ...]) -> str:
    if ":" not in text:
        raise MalformedSource(line, f"{text!r} is no URI")
    uri = text.replace("$(ARCH)", architectures[0])
    return uri if uri.endswith("/") else uri + "/"


def _entry(
    uri: str,
    suite: str,
    components: tuple[str, ...],
    options: Mapping[str, str],
    place: tuple[str, int],
    architectures: tuple[str, ...],
) -> SourceEntry:
    paths, inline = _signed_by(options.get("signed-by", ""), place[1])
    return SourceEntry(
        uri=uri,
        suite=suite,
        components=components,
        architectures=_architectures(options, architectures),
        trusted=_yes(options, "trusted"),
        signed_by=paths,
        signed_by_inline=inline,
        allow_insecure=_yes(options, "allow-insecure"),
        by_hash=options.get("by-hash"),
        check_valid_until=_yes(options, "check-valid-until"),
        path=place[0],
        line=place[1],
    )


def _yes(options: Mapping[str, str], name: str) -> bool | None:
    """An option that is given but is no word for yes counts as no."""
    return None if name not in options else boolean(options[name]) is True


def _architectures(options: Mapping[str, str], configured: tuple[str, ...]) -> tuple[str, ...] | None:
    if not any(name in options for name in ("arch", "arch+", "arch-")):
        return None
    chosen = options["arch"].split(",") if "arch" in options else list(configured)
    chosen += [name for name in options.get("arch+", "").split(",") if name and name not in chosen]
    return tuple(name for name in chosen if name and name not in options.get("arch-", "").split(","))


_FINGERPRINT = re.compile(r"[0-9A-F]{40}!?")
_ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


def _signed_by(value: str, line: int) -> tuple[tuple[str, ...], str | None]:
    """Paths and fingerprints, or the armored key that a stanza embeds (an empty line of it is written as a dot)."""
    if _ARMOR in value:
        lines = [piece.strip() for piece in value.split("\n")]
        return (), "".join(("" if piece == "." else piece) + "\n" for piece in lines)
    words = re.split(r"[\s,]+", value.strip(" \t\n,"))
    named = tuple(word if word.startswith("/") else word.upper() for word in words if word)
    if any(not word.startswith("/") and not _FINGERPRINT.fullmatch(word) for word in named):
        raise MalformedSource(line, f"Signed-By {value!r} is neither a path nor a fingerprint")
    return named, None
