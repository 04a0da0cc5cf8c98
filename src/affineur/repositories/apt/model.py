"""The values that pass between the stages of apt's way: configured → fetched and verified → parsed → chosen."""

from datetime import datetime

import msgspec

__all__ = ["AptConfiguration", "Offer", "OfferedSuite", "PinRule", "Release", "SourceEntry", "Suite"]

NEVER = -32768  # `Pin-Priority: never`; a number that small in a file counts as one above it


class SourceEntry(msgspec.Struct, frozen=True):
    """One suite of one line of sources.list, or of one deb822 stanza (a stanza of n URIs × m suites gives n·m).

    Source: sources.list(5).

    Attributes:
        uri: as written, with a trailing slash.
        suite: as written; ends with a slash for a flat repository (components is then empty).
        architectures: from `arch=`, `arch+=` and `arch-=`; None where not said (then APT::Architectures).
        trusted: from `trusted=`; None where not said.
        signed_by: absolute paths inside the image, or fingerprints (a trailing `!` kept), as written.
        signed_by_inline: an armored key embedded in a deb822 stanza.
        allow_insecure, by_hash, check_valid_until: from the options of those names; None where not said.
        path, line: where it stands in the image.
    """

    uri: str
    suite: str
    components: tuple[str, ...]
    architectures: tuple[str, ...] | None = None
    trusted: bool | None = None
    signed_by: tuple[str, ...] = ()
    signed_by_inline: str | None = None
    allow_insecure: bool | None = None
    by_hash: str | None = None
    check_valid_until: bool | None = None
    path: str = ""
    line: int = 0

    @property
    def public_uri(self) -> str:
        """The URI without the login that it may carry: what may be shown, and asked."""
        scheme, mark, rest = self.uri.partition("://")
        _, slash, path = rest.partition("/")
        return f"{scheme}{mark}{self.host}{slash}{path}" if mark else self.uri

    @property
    def host(self) -> str:
        """Host and port as written, whatever they are; empty where the URI has none (`cdrom:`, `file:`)."""
        return self._authority.rpartition("@")[2]

    @property
    def has_login(self) -> bool:
        """Whether a name or password stands in the URI."""
        return "@" in self._authority

    @property
    def _authority(self) -> str:
        return self.uri.partition("://")[2].partition("/")[0]


class PinRule(msgspec.Struct, frozen=True):
    """One stanza of preferences (apt_preferences(5)).

    Attributes:
        packages: the words of the Package field (names, globs, `/regex/`, each with `src:` before or `:arch` behind);
            (`*`,) alone is the general form, which gives its priority to whole indexes.
        kind: `version`, `release` or `origin`.
        value: the rest of the Pin field.
        priority: -32768 is `never`.
    """

    packages: tuple[str, ...]
    kind: str
    value: str
    priority: int
    path: str = ""
    line: int = 0


class AptConfiguration(msgspec.Struct, frozen=True):
    """What of the image's /etc/apt decides which updates it would be offered.

    Attributes:
        sources: in apt's order, which is also the order of the suites that it prints.
        architectures: APT::Architectures, native first; the native one alone where not configured.
        check_valid_until: Acquire::Check-Valid-Until.
        phasing: never, always or None: APT::Get::{Never,Always}-Include-Phased-Updates.
        phase_policy: APT::Get::Phase-Policy; only with it does phasing decide what is listed.
        problems: every line that apt itself would reject, ignore with a warning, or that is not understood here
            (path:line: reason); reported as unassessed.
        unanswerable: those of the problems because of which nothing can be told: apt would refuse to run, or reads
            other files than these.
    """

    sources: tuple[SourceEntry, ...]
    pins: tuple[PinRule, ...]
    architectures: tuple[str, ...]
    default_release: str | None = None
    check_valid_until: bool = True
    phasing: str | None = None
    problems: tuple[str, ...] = ()
    phase_policy: bool = False
    unanswerable: tuple[str, ...] = ()


class Release(msgspec.Struct, frozen=True):
    """A Release file, parsed from verified bytes only (Debian wiki: DebianRepository/Format § "Release" files).

    Attributes:
        hashes: path below the suite's folder → (hex, size in bytes): SHA256, or SHA512 (by its length) where only
            that is given.
        no_all_for: No-Support-for-Architecture-all: `Packages` says that each index holds the `all` packages too.
    """

    origin: str
    label: str
    suite: str
    codename: str
    version: str
    date: datetime | None
    valid_until: datetime | None
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    not_automatic: bool
    but_automatic_upgrades: bool
    acquire_by_hash: bool
    hashes: dict[str, tuple[str, int]]
    no_all_for: tuple[str, ...] = ()


class Suite(msgspec.Struct, frozen=True):
    """One suite, fetched, with what is known of its authenticity.

    Attributes:
        entry: the source entry that names it.
        release: None where none could be read.
        signers: fingerprints (upper-case hex, of the primary key) of all *good* signatures; empty if unsigned.
        verified: signed by a key that this entry trusts; if not, only `trusted=yes` lets apt use it.
        url: where the Release was read, after the mirror map.
        digest: `sha256:…` of the Release's verified bytes.
        weak_signers: those whose signature only gpgv accepts (a weak key or digest): could not tell, never a yes.
        expired_signers: those whose signature holds but whose key has expired; apt refuses these.
        expired: not valid by the real clock (Valid-Until has passed, or Date lies ahead), whatever the image's
            configuration says of checking that; what was read is computed and marked.
        problems: what could not be read or is wrong with it, and why.
    """

    entry: SourceEntry
    release: Release | None
    signers: tuple[str, ...]
    verified: bool
    url: str
    digest: str = ""
    weak_signers: tuple[str, ...] = ()
    expired_signers: tuple[str, ...] = ()
    expired: bool = False
    problems: tuple[str, ...] = ()


class Offer(msgspec.Struct, frozen=True):
    """One stanza of a Packages index, as far as it matters here.

    Attributes:
        source, source_version: from the Source field (`name (version)`), defaulting to the binary's own.
        phased: Phased-Update-Percentage, None where absent.
        component, index_architecture: of the index it stands in; apt knows one file per pair of them.
        relations: packages/relations.py's number of the fields by which apt tells a rebuild of the same version.
    """

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    filename: str
    size: int
    sha256: str
    phased: int | None = None
    component: str = ""
    index_architecture: str = ""
    multi_arch: str = ""
    relations: int | None = None


class OfferedSuite(msgspec.Struct, frozen=True):
    """A suite with what its indexes offer of the installed packages' names, in the indexes' order.

    Attributes:
        indexes: (component, architecture) of every index that was read, also of those that offer nothing; None where
            that was not recorded. A suite without any index is none that Default-Release could name.
    """

    suite: Suite
    offers: tuple[Offer, ...]
    indexes: tuple[tuple[str, str], ...] | None = None
