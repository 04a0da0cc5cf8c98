"""sources.list and its deb822 form, sources.list(5): which suites an image asks, in apt's order.

A file that breaks the format makes apt refuse everything, not just that file; so the reader stops there and says why.
"""

import re
from collections.abc import Mapping

from affineur.repositories.apt.aptconf import boolean
from affineur.repositories.apt.deb822 import Stanza, stanzas
from affineur.repositories.apt.model import SourceEntry

__all__ = ["MAX_ENTRIES", "MalformedSource", "TypedEntry", "one_line_entries", "stanza_entries"]

TypedEntry = tuple[str, SourceEntry]  # `deb` or `deb-src`, and the entry

MAX_ENTRIES = 2_000  # of all files of an image: URIs × suites multiply


class MalformedSource(ValueError):
    """apt would refuse this file, and with it everything; carries the line's number."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


def one_line_entries(text: str, path: str, architectures: tuple[str, ...], warnings: list[str]) -> list[TypedEntry]:
    """Entries of a `*.list` file, one per line; those of sources too, since they can contradict the others.

    Args:
        path: of the file, for messages.
        architectures: APT::Architectures, native first.
        warnings: gets a line for each option that is not heeded here.

    Raises:
        MalformedSource: at the first line that apt would not take.
    """
    entries: list[TypedEntry] = []
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
        suite = words[1].replace("$(ARCH)", architectures[0]) if words[1].endswith("/") else words[1]
        entries.append((kind, _entry(uri, suite, tuple(words[2:]), options, (path, number), architectures)))
        warnings += _unheeded(options, path, number)
        if len(entries) > MAX_ENTRIES:
            raise MalformedSource(number, f"more than {MAX_ENTRIES} entries")
    return entries


def stanza_entries(text: str, path: str, architectures: tuple[str, ...], warnings: list[str]) -> list[TypedEntry]:
    """Entries of a `*.sources` file: for each stanza types × URIs × suites, in this order of nesting.

    Args: as for one_line_entries.

    Raises:
        MalformedSource: at the first stanza that apt would not take.
    """
    entries: list[TypedEntry] = []
    for stanza in stanzas(text):
        warnings += [f"{path}:{line}: no field name, so apt loses the field that follows" for line in stanza.unread]
        if not stanza.fields:
            raise MalformedSource(stanza.line, "a line without a field name, to the end of the file")
        if "types" not in stanza.fields:
            raise MalformedSource(stanza.line, "no Types")
        for kind in stanza.words("types"):
            if kind not in ("deb", "deb-src"):
                raise MalformedSource(stanza.line, f"type {kind!r} is not known")
            entries += [(kind, entry) for entry in _of_stanza(stanza, path, architectures, warnings)]
            if len(entries) > MAX_ENTRIES:
                raise MalformedSource(stanza.line, f"more than {MAX_ENTRIES} entries")
    return entries


def _of_stanza(stanza: Stanza, path: str, architectures: tuple[str, ...], warnings: list[str]) -> list[SourceEntry]:
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
    warnings += _unheeded(options, path, stanza.line)
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
    "include": "include",
    "exclude": "exclude",
    "snapshot": "snapshot",
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
    """`[option=value …] word …`; the bracket ends at a word that ends with it, not at the first one."""
    options: dict[str, str] = {}
    if rest.startswith("["):
        rest = rest[1:].lstrip()
        while not rest.startswith("]"):
            option, rest = _word(rest, line)
            last = option.endswith("]")
            name, equals, value = option.removesuffix("]").partition("=")
            if len(option) < 3 or not (name and equals and value):
                raise MalformedSource(line, f"option {option!r} is no assignment")
            options[name] = value
            if last:
                break
        else:
            rest = rest[1:].lstrip()
    words: list[str] = []
    while rest:
        word, rest = _word(rest, line)
        words.append(word)
    return options, words


def _word(text: str, line: int) -> tuple[str, str]:
    match = _WORD.match(text)
    if match is None:
        raise MalformedSource(line, "an unclosed quote or bracket")
    return _unquoted(match[0]), text[match.end() :].lstrip()


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


def _unheeded(options: Mapping[str, str], path: str, line: int) -> list[str]:
    """Options that change what apt would be offered, and that are not understood here."""
    found = [name for name in ("include", "exclude", "snapshot", "inrelease-path") if name in options]
    targets = options.get("target", "Packages").split(",") + options.get("target+", "").split(",")
    if "Packages" not in targets or "Packages" in options.get("target-", "").split(","):
        found.append("target")
    if "all" in options.get("arch-", "").split(","):
        found.append("arch-=all")
    return [f"{path}:{line}: the option {name} is not heeded" for name in found]


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
