"""One registries.conf: bytes to values, with the line of each. No I/O.

containers-registries.conf(5), version 2 and the older one; what is checked and how are containers/image's
(pkg/sysregistriesv2): keys it does not know are passed over, and the letters of a key may be of either case.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from affineur.errors import InvalidReference
from affineur.oci.reference import DEFAULT_REGISTRY, parse_reference
from affineur.source.configuration.located import Said, Table, read_toml

__all__ = ["Alias", "Entry", "Mirror", "RegistriesConf", "is_short", "parse_registries_conf"]

PULL_FROM_MIRROR = ("all", "digest-only", "tag-only")
SHORT_NAME_MODES = ("enforcing", "permissive", "disabled")

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?")


class Mirror(msgspec.Struct, frozen=True):
    """A `[[registry.mirror]]`.

    Attributes:
        pull: of PULL_FROM_MIRROR.
        insecure_said: where `insecure` is set, if it is.
    """

    location: str
    insecure: bool
    pull: str
    said: Said
    insecure_said: Said | None


class Entry(msgspec.Struct, frozen=True):
    """A `[[registry]]`.

    Attributes:
        location: what stands in the place of the prefix; "" leaves names as they are (only for `*.host`).
        digest_only: `mirror-by-digest-only`.
        blocked_said: where `blocked` is set, if it is.
    """

    prefix: str
    location: str
    insecure: bool
    blocked: bool
    digest_only: bool
    mirrors: tuple[Mirror, ...]
    said: Said
    insecure_said: Said | None
    blocked_said: Said | None


class Alias(msgspec.Struct, frozen=True):
    """What a short name stands for: registry and repository; "" takes an alias of an earlier file away."""

    value: str
    said: Said


class RegistriesConf(msgspec.Struct, frozen=True):
    """What one file says; None: it does not say.

    Attributes:
        entries: by prefix, of which the first in a file counts.
        ignored: keys that mean nothing here, as dotted names.
    """

    entries: dict[str, Entry]
    search: tuple[str, ...] | None
    search_said: Said
    helpers: tuple[str, ...] | None
    mode: str | None
    aliases: dict[str, Alias]
    ignored: tuple[tuple[Said, str], ...]


def parse_registries_conf(content: bytes, path: Path, *, drop_in: bool = False) -> RegistriesConf:
    """Read a file.

    Args:
        path: for messages and `Said`.
        drop_in: only version 2 is accepted.

    Raises InvalidSettings: no TOML, or against the rules of the format; with the line.
    """
    top = read_toml(content, path)
    first = top.table("registries")
    lists = {key: first.table(key).texts("registries") for key in ("search", "insecure", "block")}
    version_1 = any(each is not None for each in lists.values())
    entries: dict[str, Entry] = {}
    places: dict[str, Entry] = {}
    for table in top.tables("registry"):
        entry = _entry(table)
        entries.setdefault(entry.prefix, entry)
        place = entry.location or entry.prefix
        _check_agreement(entry, places.setdefault(place, entry), place, table)
    search = top.texts("unqualified-search-registries")
    search_said = top.said("unqualified-search-registries")
    helpers, mode = top.texts("credential-helpers"), top.text("short-name-mode") or None
    top.text("additional-layer-store-auth-helper")  # known, and nothing to us
    aliases = _aliases(top.table("aliases"))
    if version_1:
        if drop_in:
            first.refuse("search", "a drop-in must be in version 2 of the format: see containers-registries.conf(5)")
        if entries or search is not None or helpers is not None or mode or aliases:
            first.refuse("search", "versions 1 and 2 of the format are mixed; write [[registry]] tables only")
        entries = {entry.prefix: entry for entry in _version_1(first, lists["insecure"] or (), lists["block"] or ())}
        search, search_said = lists["search"], first.said("search")
    if mode is not None and mode not in SHORT_NAME_MODES:
        top.refuse("short-name-mode", f"{mode!r} is none of {', '.join(SHORT_NAME_MODES)}")
    if search is not None:
        search = tuple(_location(each, top, "unqualified-search-registries") for each in search)
        for each in search:
            if not _HOST.fullmatch(each):
                top.refuse("unqualified-search-registries", f"{each!r} is no host or host:port")
    return RegistriesConf(entries, search, search_said, helpers, mode, aliases, tuple(top.ignored()))


def is_short(name: str) -> bool:
    """Whether a name says no registry: `debian`, `team/app:1`, but not `localhost/app`. Raises InvalidReference."""
    first, slash, _ = name.partition("/")
    named = slash and first in (DEFAULT_REGISTRY, "index.docker.io")
    return parse_reference(name).registry == DEFAULT_REGISTRY and not named


def _entry(table: Table) -> Entry:
    location = _location(table.text("location"), table, "location")
    prefix = _location(table.text("prefix"), table, "prefix") or location
    if not prefix:
        table.refuse("", "[[registry]] has neither prefix nor location")
    wildcard = prefix.startswith("*.")
    if not location and not wildcard:
        table.refuse("prefix", f"the prefix {prefix} needs a location; only one like *.registry.example may do without")
    if wildcard and any(sign in prefix for sign in "/@:"):
        table.refuse("prefix", f"{prefix}: after *. only a host may stand, without port, path, tag or digest")
    if table.text("pull-from-mirror"):
        table.refuse("pull-from-mirror", "pull-from-mirror belongs into [[registry.mirror]]")
    digest_only = table.flag("mirror-by-digest-only")
    mirrors = tuple(_mirror(each, digest_only) for each in table.tables("mirror"))
    return Entry(
        prefix,
        location,
        table.flag("insecure"),
        table.flag("blocked"),
        digest_only,
        mirrors,
        table.said(),
        table.flag_said("insecure"),
        table.flag_said("blocked"),
    )


def _mirror(table: Table, digest_only: bool) -> Mirror:
    location = _location(table.text("location"), table, "location")
    if not location:
        table.refuse("location", "[[registry.mirror]] has no location")
    pull = table.text("pull-from-mirror")
    if pull and digest_only:
        table.refuse("pull-from-mirror", "pull-from-mirror and the registry's mirror-by-digest-only exclude each other")
    if pull and pull not in PULL_FROM_MIRROR:
        table.refuse("pull-from-mirror", f"{pull!r} is none of {', '.join(PULL_FROM_MIRROR)}")
    return Mirror(location, table.flag("insecure"), pull or "all", table.said(), table.flag_said("insecure"))


def _location(text: str, table: Table, key: str) -> str:
    if text.startswith(("http://", "https://")):
        table.refuse(key, f"{text}: written without https://")
    return text.rstrip("/")


def _check_agreement(entry: Entry, first: Entry, place: str, table: Table) -> None:
    """Entries that lead to one place must agree about it."""
    for what in ("insecure", "blocked"):
        if getattr(first, what) != getattr(entry, what):
            table.refuse("", f"{place} is also in line {first.said.line}, with another value of {what!r}")


def _version_1(table: Table, insecure: tuple[str, ...], blocked: tuple[str, ...]) -> Iterator[Entry]:
    refused = {_location(each, table, "block") for each in blocked}
    unsafe = {_location(each, table, "insecure") for each in insecure}
    at_blocked, at_insecure = table.table("block").said("registries"), table.table("insecure").said("registries")
    for each in sorted(refused | unsafe):
        said = at_blocked if each in refused else at_insecure
        yield Entry(
            prefix=each,
            location=each,
            insecure=each in unsafe,
            blocked=each in refused,
            digest_only=False,
            mirrors=(),
            said=said,
            insecure_said=at_insecure if each in unsafe else None,
            blocked_said=at_blocked if each in refused else None,
        )


def _aliases(table: Table) -> dict[str, Alias]:
    aliases = {}
    for name, value in table.items():
        if any(sign in name for sign in ":@") or not _reads(name) or not is_short(name):
            table.refuse(name, f"alias {name!r}: a short name has neither registry, nor tag, nor digest")
        plain = "@" not in value and ":" not in value.rpartition("/")[2]
        if value and not (plain and _reads(value) and not is_short(value)):
            table.refuse(name, f"alias {name!r}: {value!r} must be registry/repository, without tag or digest")
        aliases[name] = Alias(parse_reference(value).name if value else "", table.said(name))
    return aliases


def _reads(name: str) -> bool:
    try:
        parse_reference(name)
    except InvalidReference:
        return False
    return True
