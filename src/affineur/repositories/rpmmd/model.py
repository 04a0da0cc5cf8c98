"""The values that pass between the stages: configured → fetched and trusted → parsed → chosen."""

from datetime import datetime
from typing import NamedTuple

import msgspec

__all__ = [
    "DataFile",
    "Fetched",
    "ModuleState",
    "Obsolete",
    "Offer",
    "Repomd",
    "Repository",
    "RpmConfiguration",
    "Trust",
]


class Repository(msgspec.Struct, frozen=True):
    """One section of a .repo file, its variables expanded.

    Sources: dnf.conf(5) § Repo Options; yum.conf(5) § [repository] Options; zypper(8), libzypp's RepoFileReader.

    Attributes:
        baseurl, metalink, mirrorlist: where it is, without logins; any of them may be empty.
        enabled, gpgcheck, repo_gpgcheck: as they hold, [main]'s defaults taken in.
        gpgkey: URLs; `file:` means a file in the image.
        exclude, includepkgs: globs of names or NEVRAs; [main]'s includepkgs are among the latter.
        priority: lower wins; dnf's default is 99, as is zypper's.
        client_certificate, client_key, ca_certificate: paths inside the image; a repository with the first needs an
            entitlement.
        credentials: a login stands in a URL or an option; it is never sent.
        path, line: where it stands in the image.
    """

    id: str
    name: str
    baseurl: tuple[str, ...] = ()
    metalink: str = ""
    mirrorlist: str = ""
    enabled: bool = True
    gpgcheck: bool = False
    repo_gpgcheck: bool = False
    gpgkey: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    includepkgs: tuple[str, ...] = ()
    priority: int = 99
    cost: int = 1000
    module_hotfixes: bool = False
    skip_if_unavailable: bool = False
    sslverify: bool = True
    client_certificate: str = ""
    client_key: str = ""
    ca_certificate: str = ""
    credentials: bool = False
    path: str = ""
    line: int = 0


class ModuleState(msgspec.Struct, frozen=True):
    """One section of /etc/dnf/modules.d: what dnf was told about a module.

    Attributes:
        state: `enabled`, `disabled` or `` (reset: its default stream counts).
    """

    name: str
    stream: str
    state: str


class RpmConfiguration(msgspec.Struct, frozen=True):
    """What of the image decides which updates it would be offered.

    Attributes:
        repositories: in the order of their files, disabled ones too.
        manager: `dnf`, `yum` or `zypper`: whose rules hold.
        basearch, releasever: as the manager works them out.
        variables: all that were expanded, without the dollar sign.
        exclude: [main]'s globs, for all repositories.
        platform: os-release's PLATFORM_ID, which module streams may require (`platform:el8`).
        obsoletes: whether packages that obsolete an installed one are offered.
        locks: what is held back, as the manager wrote it: dnf's and yum's versionlock (`name-0:1.2-3.*`; with a `!` in
            front what is left out), zypper's locks (globs of names).
        vendor_change: zypper alone: whether an update may come from another vendor (solver.allowVendorChange).
        problems: what the manager would refuse or pass over with a warning, or is not understood here (path:line:
            reason).
        unanswerable: those of the problems because of which nothing can be told.
    """

    repositories: tuple[Repository, ...]
    manager: str
    basearch: str
    releasever: str
    variables: dict[str, str] = {}
    exclude: tuple[str, ...] = ()
    obsoletes: bool = True
    modules: tuple[ModuleState, ...] = ()
    platform: str = ""
    locks: tuple[str, ...] = ()
    vendor_change: bool = False
    problems: tuple[str, ...] = ()
    unanswerable: tuple[str, ...] = ()


class DataFile(msgspec.Struct, frozen=True):
    """One <data> of repomd.xml.

    Attributes:
        checksum, open_checksum: `sha256:hex` and the like, of the file as it lies there and as unpacked.
        size, open_size: bytes; None where not said.
    """

    type: str
    href: str
    checksum: str
    size: int | None = None
    open_checksum: str = ""
    open_size: int | None = None
    timestamp: datetime | None = None


class Repomd(msgspec.Struct, frozen=True):
    """repomd.xml, parsed.

    Attributes:
        revision: as written; mostly a Unix time.
        made: the newest timestamp of its data, or the revision where that is a time.
        data: by type (`primary`, `updateinfo`, `modules` …); each form (`primary_zck`) by its own name, and where it is
            the only one by the type's name, too.
    """

    revision: str
    made: datetime | None
    data: dict[str, DataFile]


class Trust(msgspec.Struct, frozen=True):
    """Why a repository's repomd.xml is believed to be the distribution's own.

    Attributes:
        how: `key` (a pinned key signed it), `metalink` (its digest stands in a metalink that a reference host served
            over TLS), `tls` (a reference host served it over TLS); empty: nothing says so, and no letter rests on it.
        by: the fingerprint, or the host.
        why: where `how` is empty, the reason.
    """

    how: str
    by: str = ""
    why: str = ""


class Fetched(msgspec.Struct, frozen=True):
    """One repository, asked.

    Attributes:
        url: the base that answered, with a trailing slash, after the mirror map.
        repomd: None where it could not be had, or is broken.
        base_uri: the same as the image, or its list of mirrors, names it: before the mirror map, without a login.
        digest: `sha256:…` of repomd.xml.
        signers: fingerprints of good signatures of repomd.xml by keys that the image's repository names, or pinned.
        problems: what could not be read or is wrong with it, and why.
    """

    repository: Repository
    url: str
    repomd: Repomd | None
    trust: Trust
    base_uri: str = ""
    digest: str = ""
    signers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Obsolete(NamedTuple):
    """<rpm:obsoletes>: packages of this name are replaced; only those whose version compares so, where it says so."""

    name: str
    flags: str = ""  # EQ LT LE GT GE; empty: any version
    version: str = ""


class Offer(msgspec.Struct, frozen=True, array_like=True):
    """One <package> of primary.xml, as far as it matters here.

    Attributes:
        version: `[epoch:]version-release`, an epoch of 0 left out.
        source, source_version: from <rpm:sourcerpm>; its own where there is none.
        href: below the repository's base URL; a whole URL where the location has an xml:base.
        checksum: `sha256:hex` of the .rpm, which is also its pkgid in other.xml.
        built: <time build>, UTC.
        vendor: as the package has it; zypper stays with an installed package's vendor.
        provides: plain names (no file, nothing with parentheses) besides its own; dnf hides packages behind an active
            module stream by them.
    """

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    href: str = ""
    size: int = 0
    checksum: str = ""
    built: datetime | None = None
    obsoletes: tuple[Obsolete, ...] = ()
    vendor: str = ""
    provides: tuple[str, ...] = ()
