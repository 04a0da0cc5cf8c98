"""The file of `affineur sync`: which tags of which repositories are wanted where.

YAML, read strictly: an unknown key, one that is there twice, an anchor or a tag of YAML is an error, told with file and
line. Every scalar is the text that was written, so tags need no quotes (1.10 stays 1.10). Two forms are understood; one
with the key `sync` at the top is our own, any other is skopeo's (`skopeo`).

    sync:                             a list; each entry:
      - from: REPOSITORY              of a registry (of Docker Hub, if none is named), or oci:FOLDER; without a tag
        to: REPOSITORY                likewise
        tags: [TAG, DIGEST …]         exactly these, without asking for a list; else, of all tags that are listed:
        variant: alpine               only those that end in -alpine; their versions are read without that
        include: [PATTERN …]          those that fit one of these (default: all)
        exclude: [PATTERN …]          but none of these
        one-per-minor: true           of these, the newest patch of each MAJOR.MINOR
        newest: 5                     of these, the five newest versions
        newer-than: 90d               of these, those built later: 12h, 90d, 4w ago, a date, or a time of RFC 3339
        prereleases: true             versions with a suffix count in one-per-minor and newest, too (default: false)
        platforms: [linux/amd64 …]    as `copy --platform` (default: all)
        policy: strict.yaml           what is new is judged first, and moved only if accepted; below the file's folder
        referrers: false              leave behind what speaks of an image: signatures, SBOMs … (default: true)
    registries:                       by name as in references, host or host:port
      registry.example:
        requests-per-minute: 100      no more in any minute
        requests: 5000                no more in one run; tags that were looked at longest ago go first
        at-once: 4                    tags in work side by side, from or to it; one at a time is written to a repository
        tls-verify: false             as the option of that name, for this registry
        cert-dir: certs               likewise; below the file's folder

Wherever a list of texts stands, one text may stand alone. The rules hold in the order of the list above. A PATTERN is a
glob over the whole tag (`1.*`, `*-slim`), `regex:` and an expression that is found anywhere in it (`patterns`), or
`semver:` and a range (`versions`): `semver:>=1.2 <3`.

A suffix (`1.2.3-rc.1`, `1.2.3-alpine`) is by semver.org a prerelease, and that is how it is read: a range takes it only
if it names one (`>=1.2-0`), and without `prereleases` neither one-per-minor nor newest counts it. Where it is a variant
instead, `variant` says so. Tags that are no versions (`latest`) have no place in one-per-minor and newest.

Where `referrers` is true and no `tags` are named, the tags under which they are kept (`sha256-….sig`, `sha256-…`) are
not looked at for themselves: what they hold comes along with what it speaks of. `newer-than` goes by the `created` of
the image's configuration, of an index by that of its first image; it costs up to three requests per digest, once.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, TypeVar

import msgspec

from affineur.errors import InputError, InvalidSettings, MalformedDocument
from affineur.move.sync.selection import Selection, check_pattern
from affineur.oci.digest import Digest
from affineur.oci.place import Place, parse_place
from affineur.oci.platform import Platform, parse_platform
from affineur.oci.reference import Reference, parse_reference
from affineur.source.credentials import Login

__all__ = [
    "MAX_ENTRIES",
    "Entry",
    "Registry",
    "SyncFile",
    "check_tag",
    "converted",
    "parse_sync_file",
    "registry_name",
    "unnamed",
    "wrong",
]

MAX_ENTRIES: Final = 10_000
MAX_NAMED: Final = 10_000
"""Tags that one entry names, or patterns."""
MAX_AT_ONCE: Final = 64
MAX_AGE_DAYS: Final = 36_500

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_AGE = re.compile(r"(\d{1,6})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_Positive = Annotated[int, msgspec.Meta(gt=0)]
_Texts = str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_NAMED)]
T = TypeVar("T")


class Registry(msgspec.Struct, frozen=True):
    """What the file says of one registry.

    Attributes:
        cert_dir: as written; "" for none.
        login: only skopeo's form has one.
    """

    requests_per_minute: int | None = None
    requests: int | None = None
    at_once: int | None = None
    tls_verify: bool = True
    cert_dir: str = ""
    login: Login | None = None


class Entry(msgspec.Struct, frozen=True):
    """One repository that is brought to another.

    Attributes:
        line: of the file.
        source, target: without a tag.
        tags: exactly these tags and digests; empty: all that are listed and `selection` wants.
        newer_than: built later than this, or than so long ago; None: whenever.
        policy: a file, as written; "" for none.
    """

    line: int
    source: Reference | Place
    target: Reference | Place
    tags: tuple[str, ...] = ()
    selection: Selection = Selection()
    newer_than: datetime | timedelta | None = None
    platforms: tuple[Platform, ...] = ()
    policy: str = ""
    referrers: bool = True


class SyncFile(msgspec.Struct, frozen=True):
    """The whole file. Attributes: name: for messages; registries: by name as in references."""

    name: str
    entries: tuple[Entry, ...]
    registries: dict[str, Registry]


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    from_: str = msgspec.field(name="from")
    to: str
    tags: _Texts = ()
    variant: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = ""
    include: _Texts = ()
    exclude: _Texts = ()
    one_per_minor: bool = False
    newest: _Positive | None = None
    newer_than: str = ""
    prereleases: bool = False
    platforms: _Texts = ()
    policy: str = ""
    referrers: bool = True


class _Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    requests_per_minute: _Positive | None = None
    requests: _Positive | None = None
    at_once: Annotated[int, msgspec.Meta(gt=0, le=MAX_AT_ONCE)] | None = None
    tls_verify: bool = True
    cert_dir: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sync: Annotated[tuple[_Entry, ...], msgspec.Meta(min_length=1, max_length=MAX_ENTRIES)]
    registries: dict[str, Any] = {}


def parse_sync_file(content: bytes, name: str, *, to: str = "", scoped: bool = False) -> SyncFile:
    """Read a file of either form.

    Args:
        name: of the file, for messages, which start with `name:line:`.
        to: where skopeo's form brings everything: a registry, with a path or without.
        scoped: keep the whole name of a source below that, instead of its last part (skopeo's --scoped).

    Raises:
        InvalidSettings: what is wrong, and in which line; also `to` with our own form, which names its own targets.
    """
    from affineur import strictyaml  # 40 ms, and not for --help

    try:
        document = strictyaml.read(content, empty=True, texts=True)
    except strictyaml.NotStrict as problem:
        raise wrong(name, problem.line, problem.problem) from problem
    if not isinstance(document.values, dict) or not document.values:
        raise wrong(name, 1, "says nothing: neither `sync`, nor a registry as in skopeo's form")
    if "sync" not in document.values:
        if "registries" in document.values:
            raise wrong(name, 1, "the key sync, with a list of what is to be brought, is missing")
        from affineur.move.sync.skopeo import parse_skopeo_file

        return parse_skopeo_file(document, name, to=to, scoped=scoped)
    if to or scoped:
        raise wrong(name, document.line(("sync",)), "each entry says where it goes: leave --to and --scoped out")
    _no_gaps(document.values, (), document, name)
    read = converted(document.values, _File, (), document, name)
    entries = tuple(_entry(each, document, name, position) for position, each in enumerate(read.sync))
    registries = {}
    for host, values in read.registries.items():
        path = ("registries", host)
        limits = converted(values, _Registry, path, document, name)
        named = registry_name(host, name, document.line(path))
        registries[named] = Registry(**{key: getattr(limits, key) for key in _Registry.__struct_fields__})
    return SyncFile(name, entries, registries)


def wrong(name: str, line: int, problem: str) -> InvalidSettings:
    """The error for a mistake in a file."""
    return InvalidSettings(f"{name}:{line}: {problem}")


def converted(values: Any, wanted: type[T], path: tuple[str, ...], document: Any, name: str) -> T:
    """Plain texts as a value of a type.

    Args:
        path: of `values` in the document, a `strictyaml.Document`.

    Raises InvalidSettings, with the line.
    """
    try:
        return msgspec.convert(values, wanted, strict=False)
    except msgspec.ValidationError as problem:
        message, inner = _placed(str(problem))
        raise wrong(name, document.line((*path, *inner)), message) from problem


def registry_name(host: str, name: str, line: int) -> str:
    """A registry as it is named in references, checked. Raises InvalidSettings."""
    try:
        found = parse_reference(f"{host}/any")
    except InputError as problem:
        raise wrong(name, line, f"{host!r} is no registry: a host or host:port") from problem
    if found.registry != host and host != "index.docker.io":
        raise wrong(name, line, f"{host!r} is no registry: it has neither a dot nor a port")
    return found.registry


def _no_gaps(values: Any, path: tuple[str, ...], document: Any, name: str) -> None:
    """A key without a value would read as "not asked for"."""
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        if value is None:
            what = key if isinstance(key, str) else "an item of the list"
            raise wrong(name, document.line((*path, str(key))), f"{what} has no value")
        _no_gaps(value, (*path, str(key)), document, name)


def _placed(message: str) -> tuple[str, tuple[str, ...]]:
    """A message of msgspec without its path, and that path; for an unknown key, with the key."""
    text, _, path = message.partition(" - at `$")
    keys = tuple(part for each in re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", path) for part in each if part)
    unknown = re.search(r"unknown field `([^`]*)`", text)
    if unknown:
        return f"unknown key {unknown[1]}", (*keys, unknown[1])
    text = text.replace("Object missing required field", "missing key").replace("`", "")
    named = next((key for key in reversed(keys) if not key.isdigit()), "")
    return (f"{named}: {text}" if named else text), keys


def _entry(read: _Entry, document: Any, name: str, position: int) -> Entry:
    path = ("sync", str(position))
    named = _several(read.tags)
    try:
        key = "from"
        source = _repository(read.from_)
        key = "to"
        target = _repository(read.to)
        key = "platforms"
        platforms = tuple(parse_platform(each) for each in _several(read.platforms))
        key = "newer-than"
        newer_than = _age(read.newer_than)
        key = "tags"
        for each in named:
            check_tag(each)
        for key in ("include", "exclude"):
            for each in _several(getattr(read, key)):
                check_pattern(each)
    except ValueError as problem:  # InputError is one, too
        raise wrong(name, document.line((*path, key)), f"{key}: {problem}") from problem
    chosen = [key for key in ("variant", "include", "exclude", "newest") if getattr(read, key)]
    chosen += ["one-per-minor"] if read.one_per_minor else []
    if named and chosen:
        raise wrong(
            name, document.line((*path, chosen[0])), f"{chosen[0]} beside tags, which names exactly what is wanted"
        )
    if isinstance(target, Place) and any(":" in each for each in named):
        raise wrong(
            name, document.line((*path, "tags")), "tags: in a layout an image without a name cannot be kept apart"
        )
    return Entry(
        line=document.line(path),
        source=source,
        target=target,
        tags=named,
        selection=Selection(
            include=_several(read.include),
            exclude=_several(read.exclude),
            variant=read.variant,
            prereleases=read.prereleases,
            one_per_minor=read.one_per_minor,
            newest=read.newest,
        ),
        newer_than=newer_than,
        platforms=platforms,
        policy=read.policy,
        referrers=read.referrers,
    )


def check_tag(text: str) -> None:
    """A tag, or a digest. Raises InputError."""
    if ":" in text:
        try:
            Digest(text)
        except MalformedDocument as problem:
            raise InputError(str(problem)) from problem
    elif not _TAG.fullmatch(text):
        raise InputError(f"{text[:130]!r} is neither a tag nor a digest")


def _repository(text: str) -> Reference | Place:
    place = parse_place(text)
    if place is not None:
        if place.transport != "oci":
            raise InputError(f"{text!r}: of the places on this machine, only oci:FOLDER holds several tags")
        if place.which:
            raise InputError(f"{text!r}: names one image: its name belongs into the list of tags")
        return place
    return unnamed(text)


def unnamed(text: str) -> Reference:
    """A repository of a registry, by its name without a tag. Raises InputError."""
    found = parse_reference(text)
    if "@" in text or ":" in text.rpartition("/")[2]:
        raise InputError(f"{text!r}: names one image: its tag or digest belongs into the list of tags")
    return found


def _several(texts: str | tuple[str, ...]) -> tuple[str, ...]:
    return ((texts,) if texts else ()) if isinstance(texts, str) else texts


def _age(text: str) -> datetime | timedelta | None:
    if not text:
        return None
    found = _AGE.fullmatch(text)
    if found is not None:
        age = int(found[1]) * _UNITS[found[2]]
        if age > timedelta(days=MAX_AGE_DAYS):
            raise InputError(f"{text!r} is more than {MAX_AGE_DAYS} days")
        return age
    try:
        if len(text) == len("2026-01-31"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise InputError(
            f"{text!r} is neither an age (12h, 90d, 4w), nor a date (2026-01-31), nor a time (2026-01-31T12:00:00Z)"
        ) from problem
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
