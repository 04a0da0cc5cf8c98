"""Reference repositories: what an rpm distribution has published, as data (reference.toml).

An image may bring its own mirror and key, so what its repositories offer is one answer and this is the other. A
repository is the distribution's own by the key that signed its repomd.xml, by a metalink, or by TLS to its own host;
the data says which of these there are.
"""

import functools
import tomllib
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib import resources

import msgspec

from affineur.openpgp import fingerprints, split_certificates
from affineur.packages.osrelease import OSRelease
from affineur.repositories.reference import NoReference, ReferenceSuite
from affineur.repositories.rpmmd.model import Fetched, Repository
from affineur.repositories.rpmmd.trust import Trusted
from affineur.repositories.rpmmd.variables import basearch_of

__all__ = ["NoReference", "ReferenceRepository", "of_settings", "references_for", "stale", "trusted_by"]


class ReferenceRepository(msgspec.Struct, frozen=True, kw_only=True):
    """One repository that has to be read before anything may be said of what is missing.

    Attributes:
        distribution, release: os-release's ID and VERSION_ID.
        name: as the report names it.
        role: `main` or `updates`.
        ids: by which images know it.
        repository: where it is asked if the image does not lead to it.
        locations: all URLs that are this very repository, without a scheme's difference or a slash at the end.
        trusted: what makes it the distribution's own.
        notices: whether its updateinfo.xml has the distribution's errata.
        silent: why the distribution publishes none; empty where it does.
        max_age: how old it may be where it comes from a mirror; None: any age.
        published_until: from this day on it does not change; its age counts up to then.
        gone: why its mirrors do not answer any more, and where an archive is; empty while they do.
        uri: where it is, if the user says so.
    """

    distribution: str
    name: str
    release: str = ""
    role: str = "main"
    ids: tuple[str, ...] = ()
    repository: Repository
    locations: frozenset[str] = frozenset()
    trusted: Trusted = Trusted()
    notices: bool = False
    silent: str = ""
    max_age: timedelta | None = None
    published_until: date | None = None
    gone: str = ""
    uri: str = ""


def references_for(
    os_release: OSRelease,
    architecture: str,
    own: Collection[ReferenceRepository] = (),
    *,
    entitled: bool = False,
) -> tuple[ReferenceRepository, ...] | NoReference:
    """The reference repositories of a distribution's release.

    Args:
        architecture: Go's name (`amd64`), or rpm's (`x86_64_v2`, which Go has no name for).
        own: the user's; one with the name of a known repository takes its place, the others are added.
        entitled: whether the user has an entitlement: RHEL's own repositories then stand in the place of UBI's.
    """
    found = {each.name: each for each in _known(os_release, architecture, entitled)}
    for each in own:
        version = os_release.version_id
        if each.distribution == os_release.id and each.release in ("", version, version.partition(".")[0]):
            found[each.name] = each
    if found:
        return tuple(found.values())
    named = f"{os_release.version_id or 'a release without a number'} of {os_release.id}"
    if os_release.id in ("sles", "sled", "sles_sap") and os_release.version_id.partition(".")[0] in ("11", "12"):
        return NoReference(f"the repositories of {named} are open to registered systems alone")
    if any(distribution.id == os_release.id for distribution in _data()):
        return NoReference(f"no reference repositories are known for {named}")
    return NoReference(f"no reference repositories are known for {os_release.id}")


def of_settings(suite: ReferenceSuite) -> ReferenceRepository:
    """A reference of the user's settings, for an image of rpm: `suite` is the repository's id, `uri` its base URL.

    What lies below an https `uri` is believed by TLS, too; without one, the image's repository of that id is looked at,
    and only a key makes it believed. Its updateinfo.xml counts as the distribution's errata.
    """
    base = () if not suite.uri else (suite.uri if suite.uri.endswith("/") else f"{suite.uri}/",)
    return ReferenceRepository(
        distribution=suite.distribution,
        release=suite.release,
        name=suite.name,
        ids=(suite.name,),
        repository=Repository(id=suite.name, name=f"{suite.distribution} {suite.name}", baseurl=base),
        locations=frozenset(location(url) for url in base),
        trusted=Trusted(
            places=tuple(url for url in base if url.startswith("https://")),
            keys=suite.keys,
            certificates=suite.certificates,
            keyrings=suite.keyrings,
        ),
        notices=True,
        max_age=suite.max_age,
        uri=suite.uri,
    )


def trusted_by(references: Iterable[ReferenceRepository]) -> Trusted:
    """What makes any repository of an image the distribution's own: all that counts for one of the references."""
    trusted = [each.trusted for each in references]
    return Trusted(
        places=tuple(dict.fromkeys(place for each in trusted for place in each.places)),
        keys=frozenset(key for each in trusted for key in each.keys),
        certificates=tuple(dict.fromkeys(raw for each in trusted for raw in each.certificates)),
        keyrings=tuple(dict.fromkeys(path for each in trusted for path in each.keyrings)),
    )


def stale(reference: ReferenceRepository, fetched: Fetched, now: datetime) -> str | None:
    """Why a repository is too old to believe in; None if it is fresh.

    A mirror that is frozen, or is sent back in time, serves what was once signed; only its age tells. What the
    distribution's own host serves over TLS, or its metalink names, is what there is.
    """
    made = None if fetched.repomd is None else fetched.repomd.made
    if fetched.trust.how in ("tls", "metalink") and "mirror map" not in fetched.trust.by:
        return None
    if made is None:
        return "its repomd.xml has no time that can be read, so its age is unknown"
    if reference.max_age is None:
        return None
    until = now
    if reference.published_until is not None:
        until = min(now, datetime.combine(reference.published_until, datetime.min.time(), UTC))
    if made < until - reference.max_age:
        return f"made {made:%Y-%m-%d}: stale, older than {reference.max_age.days} days"
    return None


class _RepositoryData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    name: str
    ids: tuple[str, ...]
    role: str = "main"
    baseurl: tuple[str, ...] = ()
    other_baseurl: tuple[str, ...] = ()  # of every architecture but x86_64 and i386
    metalink: str = ""
    mirrorlist: str = ""
    below: tuple[str, ...] = ()
    notices: bool = False
    max_age_days: int | None = None
    releases: tuple[str, ...] = ()
    entitled: bool = False
    public: bool = False


class _ReleaseData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    version: str
    key: str = ""
    named: str = ""
    most: int | None = None
    archive: str = ""
    published_until: date | None = None
    gone: str = ""
    unknown: bool = False


class _Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    repository: tuple[_RepositoryData, ...]
    release: tuple[_ReleaseData, ...]
    silent: str = ""
    keys: tuple[str, ...] = ()
    keyrings: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    distribution: tuple[_Distribution, ...]


@functools.cache
def _data() -> tuple[_Distribution, ...]:
    text = resources.files(__package__).joinpath("reference.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).distribution


def _known(os_release: OSRelease, architecture: str, entitled: bool) -> Sequence[ReferenceRepository]:
    distribution = next((each for each in _data() if each.id == os_release.id), None)
    if distribution is None:
        return ()
    release = next((each for each in distribution.release if _is(each, os_release)), None)
    if release is None or release.unknown:
        return ()
    version = os_release.version_id
    major, _, minor = version.partition(".")
    arch = basearch_of(architecture, ())[0]
    places = {"version": version, "major": major, "minor": minor or "0", "arch": arch, "archive": release.archive}
    keys = {version, major, release.key} - {""}
    return [
        _made(distribution, release, data, places)
        for data in distribution.repository
        if (not data.releases or not keys.isdisjoint(data.releases))
        and not (data.entitled and not entitled)
        and not (data.public and entitled)
    ]


@functools.cache
def _pinned_certificates(distribution: str) -> tuple[bytes, ...]:
    """The keys that come with this program, one certificate each, chosen by fingerprint."""
    keys = next(frozenset(each.keys) for each in _data() if each.id == distribution)
    if not keys:
        return ()
    file = resources.files(__package__).joinpath("keys", "rpm.gpg")
    found = split_certificates(file.read_bytes(), "keys/rpm.gpg")
    return tuple(each for each in found if fingerprints(each)[0] in keys)


def _is(release: _ReleaseData, os_release: OSRelease) -> bool:
    version = os_release.version_id
    major = version.partition(".")[0]
    if release.named and release.named not in os_release.pretty_name:
        return False
    if release.version == "*":
        return release.most is None or (major.isascii() and major.isdigit() and int(major) <= release.most)
    return release.version in (version, major)


def _made(
    distribution: _Distribution, release: _ReleaseData, data: _RepositoryData, places: dict[str, str]
) -> ReferenceRepository:
    def put(text: str) -> str:
        for name, value in places.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    other = data.other_baseurl and places["arch"] not in ("x86_64", "x86_64_v2", "i386")
    bases = tuple(put(url) for url in (data.other_baseurl if other else data.baseurl))
    metalink, mirrorlist = put(data.metalink), put(data.mirrorlist)
    urls = [url for url in (*bases, metalink, mirrorlist) if url]
    return ReferenceRepository(
        distribution=distribution.id,
        release=places["version"],
        name=data.name,
        role=data.role,
        ids=tuple(put(each) for each in data.ids),
        repository=Repository(
            id=data.name,
            name=f"{distribution.id} {places['version']} {data.name}".replace("  ", " "),
            baseurl=bases,
            metalink=metalink,
            mirrorlist=mirrorlist,
            client_certificate="/etc/pki/entitlement" if data.entitled else "",
        ),
        locations=frozenset(location(url) for url in urls),
        trusted=Trusted(
            places=tuple(url for url in (*urls, *(put(each) for each in data.below)) if url.startswith("https://")),
            keys=frozenset(distribution.keys),
            certificates=_pinned_certificates(distribution.id),
            keyrings=tuple(put(path) for path in distribution.keyrings),
        ),
        notices=data.notices,
        silent=distribution.silent,
        max_age=None if data.max_age_days is None else timedelta(data.max_age_days),
        published_until=release.published_until,
        gone=release.gone,
    )


def location(url: str) -> str:
    """A URL to compare: without its scheme, in one case of its host, without a slash at the end.

    Of a query `repo` and `arch` count, which say what a metalink is about; the others say how it is wanted.
    """
    host, slash, rest = url.partition("://")[2].partition("/")
    path, asks, query = rest.partition("?")
    kept = sorted(part for part in query.split("&") if part.startswith(("repo=", "arch=")))
    return f"{host.lower()}{slash}{path.rstrip('/')}{asks}{'&'.join(kept)}"
