"""Reference suites: what a distribution has published, as data (reference.toml), recognised by key and signed fields.

An image may bring its own mirror and key, or leave the security suite out, so what its sources offer is one answer and
this is the other. Nothing here knows a host: any mirror serves.
"""

import functools
import tomllib
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from importlib import resources

import msgspec

from affineur.openpgp import merged, split_certificates
from affineur.packages.osrelease import Release as OSRelease
from affineur.repositories.apt.model import Release

__all__ = ["NoReference", "ReferenceSuite", "differs", "pinned", "pinned_certificates", "references_for", "stale"]


class ReferenceSuite(msgspec.Struct, frozen=True, kw_only=True):
    """One suite that has to be read before anything may be said of what is missing.

    Attributes:
        distribution, release: os-release's ID; the codename (empty: any release).
        role: `main`, `updates` or `security`.
        name: the suite's folder below `dists/`.
        origin, label, codename: what the signed Release must say; empty: anything.
        suites: what its Suite must be; empty: anything.
        components: those that must be read; empty: all that the Release names.
        keys: fingerprints of the primary keys, one of which must have signed.
        certificates: those keys themselves, where the image need not bring them.
        keyrings: paths inside the image where they may be, too.
        max_age: how old its Date may be where the Release has no Valid-Until; None: any age.
        published_until: from this day on the suite does not change; its age counts up to then.
        not_before: a Date that it is known to have had; an older one is a rollback.
        uri: where it is, if the user says so.
        siblings: where else its repository may lie, relative to the distribution's other repositories.
    """

    distribution: str
    name: str
    keys: frozenset[str]
    release: str = ""
    role: str = "main"
    origin: str = ""
    label: str = ""
    codename: str = ""
    suites: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    certificates: tuple[bytes, ...] = ()
    keyrings: tuple[str, ...] = ()
    max_age: timedelta | None = None
    published_until: date | None = None
    not_before: date | None = None
    uri: str = ""
    siblings: tuple[str, ...] = ()

    @property
    def security(self) -> bool:
        """Whether its updates are security updates."""
        return self.role == "security"


class NoReference(msgspec.Struct, frozen=True):
    """Why nothing is known of what this distribution has published."""

    why: str


def references_for(
    os_release: OSRelease, own: Collection[ReferenceSuite] = (), seen: Collection[str] = ()
) -> tuple[ReferenceSuite, ...] | NoReference:
    """The reference suites of a distribution's release: main, updates, security.

    Args:
        own: the user's; one with the name of a known suite takes its place, the others are added.
        seen: the suites that the image's own sources name, and their codenames if known; Debian's sid says in its
            os-release that it is the next stable release, so only they tell the two apart.
    """
    found = {suite.name: suite for suite in _known(os_release, seen)}
    for suite in own:
        if suite.distribution == os_release.id and suite.release in ("", os_release.codename, os_release.version_id):
            found[suite.name] = suite
    if found:
        return tuple(found.values())
    if any(distribution.id == os_release.id for distribution in _data()):
        named = os_release.codename or os_release.version_id or "a release without a name"
        return NoReference(f"no reference suites are known for {named} of {os_release.id}")
    return NoReference(f"no reference suites are known for {os_release.id or 'a distribution without a name'}")


def differs(reference: ReferenceSuite, release: Release) -> str | None:
    """How a signed Release differs from the reference suite; None if it is that suite."""
    for field in ("origin", "label", "codename"):
        wanted, found = getattr(reference, field), getattr(release, field)
        if wanted and wanted != found:
            return f"its {field.capitalize()} is {found or 'empty'}, not {wanted}"
    if reference.suites and release.suite not in reference.suites:
        return f"its Suite is {release.suite or 'empty'}, not {' or '.join(reference.suites)}"
    return None


def stale(reference: ReferenceSuite, release: Release, now: datetime) -> str | None:
    """Why a Release that is still valid is too old to believe in all the same; None if it is fresh.

    A mirror that is frozen, or is sent back in time, serves what was once signed. Where a file has no Valid-Until, only
    its age tells.
    """
    if release.date is None:
        return "its Release has no Date that can be read, so its age is unknown"
    if reference.not_before is not None and release.date.date() < reference.not_before:
        return f"dated {release.date:%Y-%m-%d}, although there has been one of {reference.not_before}: a rollback"
    if release.valid_until is not None or reference.max_age is None:
        return None
    until = now
    if reference.published_until is not None:
        until = min(now, datetime.combine(reference.published_until, datetime.min.time(), UTC))
    if release.date < until - reference.max_age:
        limit = f"{reference.max_age.days} days"
        return f"dated {release.date:%Y-%m-%d}: stale, older than {limit} (and it names no Valid-Until)"
    return None


@functools.cache
def pinned() -> frozenset[str]:
    """Fingerprints of every archive key that the data names."""
    return frozenset(key for each in _data() for keys in each.keys.values() for key in keys)


@functools.cache
def pinned_certificates(distribution: str) -> tuple[bytes, ...]:
    """The archive keys that come with this program, one certificate each; none for an unknown distribution."""
    file = resources.files(__package__).joinpath("keys", f"{distribution}.gpg")
    if not any(each.id == distribution for each in _data()) or not file.is_file():
        return ()
    return merged(split_certificates(file.read_bytes(), f"keys/{distribution}.gpg"))


class _SuiteData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    role: str
    name: str
    origin: str
    label: str
    codename: str
    components: tuple[str, ...]
    keys: str
    suites: tuple[str, ...] = ()
    max_age_days: int | None = None
    siblings: tuple[str, ...] = ()


class _ReleaseData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    codename: str
    version: str
    published_until: date | None = None
    not_before: dict[str, date] = {}
    still: tuple[str, ...] = ()
    names: dict[str, str] = {}
    codenames: dict[str, str] = {}
    max_ages: dict[str, int] = {}
    only: tuple[str, ...] = ()
    claims: str = ""
    aliases: tuple[str, ...] = ()


class _Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    keys: dict[str, tuple[str, ...]]
    suite: tuple[_SuiteData, ...]
    release: tuple[_ReleaseData, ...]
    keyrings: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    distribution: tuple[_Distribution, ...]


@functools.cache
def _data() -> tuple[_Distribution, ...]:
    text = resources.files(__package__).joinpath("reference.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).distribution


def _known(os_release: OSRelease, seen: Collection[str]) -> Iterable[ReferenceSuite]:
    for distribution in _data():
        if distribution.id != os_release.id:
            continue
        seen_names = frozenset(seen)
        codename, version = os_release.codename, os_release.version_id
        named = [each for each in distribution.release if codename and codename in (each.codename, each.claims)]
        named = named or [each for each in distribution.release if version and version == each.version]
        said = [each for each in named if each.claims and not seen_names.isdisjoint((each.codename, *each.aliases))]
        for release in said or [each for each in named if not each.claims or each.codename == codename]:
            return [_suite(distribution, release, suite) for suite in distribution.suite if _has(release, suite.role)]
    return ()


def _has(release: _ReleaseData, role: str) -> bool:
    return not release.only or role in release.only


def _suite(distribution: _Distribution, release: _ReleaseData, data: _SuiteData) -> ReferenceSuite:
    name = release.names.get(data.role) or data.name.replace("{}", release.codename)
    days = release.max_ages.get(data.role, data.max_age_days)
    return ReferenceSuite(
        distribution=distribution.id,
        release=release.codename,
        role=data.role,
        name=name,
        origin=data.origin,
        label=data.label,
        codename=release.codenames.get(data.role) or data.codename.replace("{}", release.codename),
        suites=tuple(suite.replace("{}", release.codename) for suite in data.suites),
        components=data.components,
        keys=frozenset(distribution.keys[data.keys]),
        certificates=pinned_certificates(distribution.id),
        keyrings=distribution.keyrings,
        max_age=None if days is None or name in release.still else timedelta(days),
        published_until=release.published_until,
        not_before=release.not_before.get(name),
        siblings=data.siblings,
    )
