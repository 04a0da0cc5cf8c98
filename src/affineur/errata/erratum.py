"""Errata: what distributions publish about the flaws that an update fixes."""

import enum
from datetime import datetime

import msgspec

__all__ = ["CVE", "Build", "Erratum", "Finding", "Fix", "Severity"]


class Severity(enum.StrEnum):
    """The four words of the grade; every vendor's own are mapped to them by data (severities.toml)."""

    CRITICAL = "critical"
    IMPORTANT = "important"
    MODERATE = "moderate"
    LOW = "low"


class Fix(msgspec.Struct, frozen=True, omit_defaults=True):
    """The version of a source package that carries the fix.

    Attributes:
        introduced: the first version that has the flaw; empty where every version before the fix has it.
        listed: versions named as affected although they lie below `introduced`.
    """

    source: str
    version: str
    introduced: str = ""
    listed: tuple[str, ...] = ()


class Build(msgspec.Struct, frozen=True, omit_defaults=True):
    """A binary package of rpm that carries the fix.

    Attributes:
        architecture: empty where the notice is for every one.
        version: `[epoch:]version-release`, an epoch of 0 left out.
        module: of a modular package, `name:stream:version:context`: it is for installations of that stream only. Each
            of the last two may be empty: any.
    """

    name: str
    architecture: str
    version: str
    module: str = ""


class Erratum(msgspec.Struct, frozen=True):
    """One published notice (DSA, DLA, USN …), or what stands in for one (a changelog, a security suite's offer).

    Attributes:
        kind: `security`, `bugfix`, `enhancement`, `newpackage` (of rpm's) or `other`.
        severity: None where nobody rated it: it then counts as the policy's data says, and the report says so.
        rated_by: where the severity comes from: "CVSS 9.8 of CVE-2026-1", "Ubuntu priority of CVE-…", "urgency=high".
        issued: first publication, UTC; None where only a bound is known.
        updated: the latest change of it, UTC, where it says; never what its age is counted from.
        issued_at_latest: it was out by then; a bound where `issued` is None (its age is *at least* that).
        source: URL or name of the feed, or the .deb whose changelog says so.
        paid_only: the fix is for paying customers (Ubuntu Pro); listed apart, never counted as unapplied.
        cve_severities: of each of `cves`, in their order; None where that one is unrated; empty where none is rated.
        cve_scores: likewise the CVSS base score of each.
        builds: the binary packages that carry the fix, where the notice names those: rpm's name no source versions,
            and have no `fixes`.
        severity_word: the notice's own, as written; None where it has none, and where notices have no severities.
        status: the publisher's own word where it is not, or no longer, a final notice (`testing`, `retracted`):
            listed as dnf lists it, never counted.
    """

    id: str
    kind: str
    severity: Severity | None
    issued: datetime | None
    cves: tuple[str, ...]
    title: str
    source: str
    fixes: tuple[Fix, ...]
    issued_at_latest: datetime | None = None
    rated_by: str = ""
    paid_only: bool = False
    cve_severities: tuple[Severity | None, ...] = ()
    cve_scores: tuple[float | None, ...] = ()
    builds: tuple[Build, ...] = ()
    updated: datetime | None = None
    severity_word: str | None = None
    status: str = ""


class Finding(msgspec.Struct, frozen=True):
    """An erratum that an image lacks.

    Attributes:
        packages: names of the installed binary packages of the fixed source, sorted.
        source: the source package.
        installed: its installed source version (the lowest, where binaries differ); of rpm the binary's.
        fixed: the source version that carries the fix; of rpm the binary's.
    """

    erratum: Erratum
    packages: tuple[str, ...]
    source: str
    installed: str
    fixed: str


class CVE(msgspec.Struct, frozen=True):
    """A CVE that an update or an erratum fixes.

    Attributes:
        package: the source package.
        installed, fixed: its versions.
        erratum: id of the erratum that says so.
        severity: the CVE's own, by the vendor's word where there is one; None where nobody rated it.
        score: its CVSS base score; None where it is not known.
        issued: the erratum's date: of its first issue, else of its latest change; of a changelog the entry's.
        source: where the erratum comes from.
    """

    id: str
    package: str
    installed: str
    fixed: str
    erratum: str
    severity: Severity | None
    issued: datetime | None
    source: str
    score: float | None = None
