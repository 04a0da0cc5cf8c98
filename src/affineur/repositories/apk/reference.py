"""Reference repositories: what a distribution of apk has published, as data (reference.toml).

An image may bring its own mirror and key, or leave a repository out, so what its configuration leads to is one answer
and this is the other. A repository is known by the pinned key and by what its signed index says and holds. Hosts tell
one thing only: that what they serve over TLS is as of today, which a signed index without a date cannot.
"""

import functools
import hashlib
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from importlib import resources

import msgspec

from affineur.errors import ContentError
from affineur.packages.osrelease import Release
from affineur.repositories.apk.index import Contents
from affineur.repositories.apk.model import ApkIndex
from affineur.repositories.apk.rsa import PublicKey, read_key
from affineur.repositories.apk.signed import KEYS_MAX
from affineur.repositories.reference import NoReference, ReferenceSuite

__all__ = [
    "ApkReference",
    "NoReference",
    "differs",
    "freshness",
    "of_settings",
    "pinned",
    "references_for",
    "release_of",
]

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_NUMBERED = re.compile(r"([0-9]+\.[0-9]+)(?:[._].*)?")


class ApkReference(msgspec.Struct, frozen=True, kw_only=True):
    """One repository that has to be read before anything may be said of what is missing.

    Attributes:
        distribution, release: os-release's ID; `3.16`, `edge`, or empty where there are no releases.
        name: `main`, `community` …
        path: of the repository below a host's or a mirror's base.
        keys: those that may sign it, by file name.
        sums: SHA-512 of key files that may sign it, too, if the image brings them.
        fingerprints: likewise, SHA-256 of the keys (DER), as PublicKey has it.
        hosts: the distribution's own, without a trailing slash.
        description: what its signed description must match; empty: anything.
        has, has_not: names of packages that it must have, and must not have.
        max_age: within this time of its newest package's build it is fresh wherever it came from; None: it is never
            fresh by that.
        url: where it is, if the user says so; it is fresh there where that is over TLS.
    """

    distribution: str
    name: str
    keys: Mapping[str, PublicKey]
    release: str = ""
    path: str = ""
    sums: frozenset[str] = frozenset()
    fingerprints: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()
    description: str = ""
    has: tuple[str, ...] = ()
    has_not: tuple[str, ...] = ()
    max_age: timedelta | None = None
    url: str = ""

    @property
    def shown(self) -> str:
        """For people: `v3.16/main`."""
        return self.path or self.name


def references_for(
    os_release: Release, architecture: str, own: Collection[ApkReference] = ()
) -> tuple[ApkReference, ...] | NoReference:
    """The reference repositories of a distribution's release.

    Args:
        architecture: apk's name of it; Alpine has keys for each.
        own: the user's; one with the name of a known repository takes its place, the others are added.
    """
    release = release_of(os_release)
    found = {each.name: each for each in _known(os_release.id, release, architecture)}
    for each in own:
        if each.distribution == os_release.id and each.release in ("", release, os_release.version_id):
            found[each.name] = each
    if found:
        return tuple(found.values())
    if any(distribution.id == os_release.id for distribution in _data()):
        named = os_release.version_id or "a release without a number"
        return NoReference(f"no reference repositories are known for {named} of {os_release.id}")
    return NoReference(f"no reference repositories are known for {os_release.id or 'a distribution without a name'}")


def release_of(os_release: Release) -> str:
    """`3.16` of Alpine 3.16.3; `edge` of 3.22_alpha20250108, which Alpine's edge says it is; empty where none."""
    if os_release.id != "alpine":
        return ""
    version = os_release.version_id
    if version == "edge" or "_alpha" in version:
        return "edge"
    found = _NUMBERED.fullmatch(version)
    return found[1] if found else version


def pinned(reference: ApkReference, files: Mapping[str, bytes]) -> dict[str, PublicKey]:
    """The keys that may sign it: ours, and the image's copies of those of which only the sum is known.

    Args:
        files: path or name → content of key files in the image.
    """
    keys = dict(reference.keys)
    for path, content in files.items() if reference.sums or reference.fingerprints else ():
        name = path.rpartition("/")[2]
        if hashlib.sha512(content).hexdigest() in reference.sums:
            keys[name] = read_key(content, name)
        elif reference.fingerprints:
            with suppress(ContentError):  # other keys of the image do not matter
                key = read_key(content, name)
                if key.fingerprint in reference.fingerprints:
                    keys[name] = key
    return keys


def of_settings(suite: ReferenceSuite) -> ApkReference:
    """A reference suite of the user's settings, for an image of apk.

    Its keyring holds RSA keys in PEM form; its fingerprints are SHA-256 of the keys in DER form.

    Raises:
        MalformedDocument: a key of the keyring is none.
    """
    wanted = frozenset(key.lower() for key in suite.keys)
    blocks = [block for each in suite.certificates for block in _PEM.findall(each)]
    keys = [read_key(block, f"keyring of {suite.name}") for block in blocks[:KEYS_MAX]]
    return ApkReference(
        distribution=suite.distribution,
        release=suite.release,
        name=suite.name,
        path=suite.name,
        keys={key.fingerprint: key for key in keys if key.fingerprint in wanted},
        fingerprints=wanted,
        max_age=suite.max_age,
        url=suite.uri,
    )


def differs(reference: ApkReference, index: ApkIndex, contents: Contents) -> str | None:
    """How a verified index differs from the reference repository; None if it is that one."""
    if reference.description and not re.fullmatch(reference.description, index.description):
        return f"its description is {index.description[:60] or 'empty'}, so it is not {reference.shown}"
    for name in reference.has:
        if not contents.names(name):
            return f"it has no {name}, so it is not {reference.shown}"
    for name in reference.has_not:
        if contents.names(name):
            return f"it has {name}, so it is not {reference.shown}"
    return None


def freshness(reference: ApkReference, index: ApkIndex, now: datetime, *, checked: bool) -> tuple[bool | None, str]:
    """(whether it is as of today, why not): True, or None where that could not be told.

    A mirror that is frozen, or is sent back in time, serves what was once signed, and nothing in an index says until
    when it holds.
    """
    own = (*reference.hosts, *((reference.url,) if reference.url else ()))
    if checked and index.url.startswith(tuple(f"{host.rstrip('/')}/" for host in own)):
        return True, ""
    if index.newest is None:
        return None, "none of its packages says when it was built, so its age is unknown"
    if index.newest > now + timedelta(days=1):
        return None, f"its newest package claims to be built on {index.newest:%Y-%m-%d}, which lies ahead"
    if reference.max_age is not None and index.newest >= now - reference.max_age:
        return True, ""
    days = (now - index.newest).days
    return None, (
        f"its newest package was built {days} days ago, and an index has no other date: whether there is a newer one"
        " could not be told from this place"
    )


class _Repository(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    name: str
    path: str
    edge: bool = False
    description: str = ""
    has: tuple[str, ...] = ()
    has_not: tuple[str, ...] = ()
    max_age_days: int | None = None


class _Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    hosts: tuple[str, ...]
    key: str
    keys: dict[str, tuple[str, ...]]
    repository: tuple[_Repository, ...]
    sums: dict[str, str] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    distribution: tuple[_Distribution, ...]


@functools.cache
def _data() -> tuple[_Distribution, ...]:
    text = resources.files(__package__).joinpath("reference.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).distribution


def _known(distribution_id: str, release: str, architecture: str) -> Iterator[ApkReference]:
    for distribution in _data():
        if distribution.id != distribution_id or (release != "edge" and release and not _NUMBERED.fullmatch(release)):
            continue
        if distribution_id == "alpine" and not release:
            continue
        ids = distribution.keys.get(architecture, ())
        for repository in distribution.repository:
            if repository.edge is not (release == "edge"):
                continue
            yield ApkReference(
                distribution=distribution.id,
                release=release,
                name=repository.name,
                path=repository.path.replace("{}", release),
                keys=_keys(tuple(distribution.key.replace("{}", each) for each in ids)),
                sums=frozenset(distribution.sums[each] for each in ids if each in distribution.sums),
                hosts=distribution.hosts,
                description=repository.description.replace("{}", re.escape(release)),
                has=repository.has,
                has_not=repository.has_not,
                max_age=None if repository.max_age_days is None else timedelta(repository.max_age_days),
            )


@functools.cache
def _keys(names: tuple[str, ...]) -> dict[str, PublicKey]:
    folder = resources.files(__package__).joinpath("keys")
    files = ((name, folder.joinpath(name)) for name in names)
    return {name: read_key(file.read_bytes(), name) for name, file in files if file.is_file()}
