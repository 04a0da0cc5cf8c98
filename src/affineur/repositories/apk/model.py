"""The values that pass between the stages of apk's way: configured → fetched and verified → parsed → chosen."""

from datetime import datetime

import msgspec

__all__ = ["ApkConfiguration", "ApkIndex", "ApkRepository", "Constraint", "Offer", "OfferedIndex"]


class ApkRepository(msgspec.Struct, frozen=True):
    """One repository of one line of `repositories` (a line with n components gives n). Source: apk-repositories(5).

    Attributes:
        url: its base, as written, variables expanded, without a trailing slash; the index lies at
            `<url>/<architecture>/APKINDEX.tar.gz`.
        tag: with its `@`; only packages that ask for the tag are taken from a tagged repository.
        index_url: where the line names the index itself (`ndx`); empty otherwise.
        path, line: where it stands in the image.
    """

    url: str
    tag: str = ""
    index_url: str = ""
    path: str = ""
    line: int = 0

    @property
    def public_url(self) -> str:
        """The URL without the login that it may carry: what may be shown, and asked."""
        return _without_login(self.url)

    @property
    def has_login(self) -> bool:
        """Whether a name or password stands in the URL."""
        return self.public_url != self.url

    def index_of(self, architecture: str) -> str:
        """Where its index for an architecture lies, without a login."""
        return _without_login(self.index_url) or f"{self.public_url}/{architecture}/APKINDEX.tar.gz"


class Constraint(msgspec.Struct, frozen=True):
    """One entry of `world` (apk-world(5)): `name`, `name@tag`, `name=1.2`, `name~1.2`, `!name` …

    Attributes:
        tag: with its `@`; empty where it has none.
        operator: of `<`, `>`, `=`, `~`; `><` asks for an identity hash; empty for any version.
        conflict: it must not be there.
    """

    name: str
    tag: str = ""
    operator: str = ""
    version: str = ""
    conflict: bool = False


class ApkConfiguration(msgspec.Struct, frozen=True):
    """What of the image decides which updates apk would offer.

    Attributes:
        repositories: in apk's order.
        architectures: the first is the one whose indexes are read.
        keys: names of files in `etc/apk/keys` (which apk goes by) → their content.
        problems: what apk would refuse or pass over, or is not understood here (path:line: reason).
        unanswerable: those of the problems because of which nothing can be told.
    """

    repositories: tuple[ApkRepository, ...]
    world: tuple[Constraint, ...]
    architectures: tuple[str, ...]
    keys: dict[str, bytes] = {}
    problems: tuple[str, ...] = ()
    unanswerable: tuple[str, ...] = ()


class Offer(msgspec.Struct, frozen=True, array_like=True):
    """One record of an APKINDEX, as far as it matters here.

    Attributes:
        source: its origin.
        checksum: its identity, `Q1…`.
        built: when it was built, UTC; it was published after that.
    """

    name: str
    version: str
    architecture: str
    source: str
    checksum: str = ""
    size: int = 0
    built: datetime | None = None

    @property
    def filename(self) -> str:
        """Below `<url>/<architecture>/`, where the index says nothing else (and none of the second format does)."""
        return f"{self.name}-{self.version}.apk"


class ApkIndex(msgspec.Struct, frozen=True):
    """One repository's index for one architecture, fetched, with what is known of its authenticity.

    Attributes:
        url: where it was read, after the mirror map.
        signers: SHA-256 of the public keys (DER) whose signature holds, of those that count.
        key_names: what it says of itself that it is signed with.
        verified: signed by one of the keys that count; if not, nothing of it was read.
        digest: `sha256:…` of the whole file.
        description: the repository's own, from the signed part, such as `v3.16.3-13-g4d933a1fa3`.
        newest: when its newest package was built, UTC: the only date in it.
        count: how many packages it has.
        problems: what could not be read or is wrong with it, and why.
    """

    repository: ApkRepository
    url: str
    signers: tuple[str, ...] = ()
    key_names: tuple[str, ...] = ()
    verified: bool = False
    digest: str = ""
    description: str = ""
    newest: datetime | None = None
    count: int = 0
    problems: tuple[str, ...] = ()


class OfferedIndex(msgspec.Struct, frozen=True):
    """An index with what it offers of the names asked for, in its order."""

    index: ApkIndex
    offers: tuple[Offer, ...] = ()


def _without_login(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}" if mark else url
