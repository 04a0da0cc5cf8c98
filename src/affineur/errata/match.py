"""Which errata an image lacks, and which of them its updates would bring. Pure.

Everything is compared on *source* versions, by the order of the package's manager: notices name source packages, and a
binary package's version may differ from its source's. An erratum is lacking if its fixed version is newer than the
installed one; equal versions are not lacking.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from affineur.errata.erratum import CVE, Erratum, Finding, Fix, Severity
from affineur.packages.inventory import Package
from affineur.packages.versions.deb import key
from affineur.packages.versions.order import Order, order_of
from affineur.repositories.update import Update

__all__ = ["Summary", "affects", "cves", "errata_of_updates", "match", "merged", "summary"]


class Summary(msgspec.Struct, frozen=True):
    """How many notices of each kind, in the manner of `dnf updateinfo summary`; each id counts once.

    Attributes:
        security: all security notices; the next five are their parts.
    """

    security: int
    critical: int
    important: int
    moderate: int
    low: int
    unrated: int
    bugfix: int
    enhancement: int
    other: int


def affects(fix: Fix, version: str, key: Order = key) -> bool:
    """Tell whether this source version has the flaw that the fix is for.

    Args:
        key: the order of its versions; dpkg's where not given.
    """
    if version in fix.listed:
        return True
    return key(version) < key(fix.version) and (not fix.introduced or key(version) >= key(fix.introduced))


def match(installed: Sequence[Package], errata: Iterable[Erratum]) -> list[Finding]:
    """Find every erratum that the packages lack, in the order of the errata; one finding for each of its sources."""
    by_source: dict[str, list[Package]] = {}
    for package in installed:
        by_source.setdefault(package.source, []).append(package)
    return [finding for erratum in errata for finding in _lacking(erratum, by_source)]


def _lacking(erratum: Erratum, by_source: dict[str, list[Package]]) -> Iterator[Finding]:
    for source in dict.fromkeys(fix.source for fix in erratum.fixes):
        fixes = [fix for fix in erratum.fixes if fix.source == source]
        lacking = [
            package
            for package in by_source.get(source, ())
            if any(affects(fix, package.source_version, order_of(package.manager)) for fix in fixes)
        ]
        if lacking:
            order = order_of(lacking[0].manager)
            lowest = min((package.source_version for package in lacking), key=order)
            fixed = min((fix.version for fix in fixes if affects(fix, lowest, order)), key=order)
            yield Finding(erratum, tuple(sorted({package.name for package in lacking})), source, lowest, fixed)


def errata_of_updates(updates: Iterable[Update], errata: Iterable[Erratum]) -> list[Update]:
    """Fill in each update's errata: those whose fix lies in (installed, available], oldest first as given.

    One security erratum among them makes the update a security update, also where no security suite offers it (after
    a point release only the main suite does). Fixes for paying customers come by no update, and are left out.
    """
    by_source: dict[str, list[tuple[Erratum, Fix]]] = {}
    for erratum in errata:
        if not erratum.paid_only:
            for fix in erratum.fixes:
                by_source.setdefault(fix.source, []).append((erratum, fix))
    return [_with_errata(update, by_source.get(update.source, ())) for update in updates]


def _with_errata(update: Update, fixes: Iterable[tuple[Erratum, Fix]]) -> Update:
    order = order_of(update.manager)
    available = order(update.source_version)
    brought = [
        erratum
        for erratum, fix in fixes
        if order(fix.version) <= available and affects(fix, update.installed_source_version, order)
    ]
    security = True if any(erratum.kind == "security" for erratum in brought) else update.security
    ids = tuple(dict.fromkeys(erratum.id for erratum in brought))
    return msgspec.structs.replace(update, errata=ids, security=security)


def merged(notices: Iterable[Erratum], changelogs: Iterable[Erratum]) -> list[Erratum]:
    """Join notices and changelog errata without counting one fix twice.

    A notice beats the changelog about the same source and fixed version, and keeps its own date: a changelog's is that
    of the upload, which may be days earlier, and which nobody could install before it was published. A notice that
    names no CVE takes over those of the changelog.
    """
    notices = list(notices)
    noticed = {(fix.source, key(fix.version)) for notice in notices if not notice.paid_only for fix in notice.fixes}
    rest: list[Erratum] = []
    named: dict[tuple[str, str], tuple[str, ...]] = {}
    for erratum in changelogs:
        places = [(fix.source, key(fix.version)) for fix in erratum.fixes]
        if not noticed.intersection(places):
            rest.append(erratum)
        named.update(dict.fromkeys(places, erratum.cves))
    return [*(_completed(notice, named) for notice in notices), *rest]


def _completed(notice: Erratum, named: dict[tuple[str, str], tuple[str, ...]]) -> Erratum:
    if notice.cves:
        return notice
    found = [cve for fix in notice.fixes for cve in named.get((fix.source, key(fix.version)), ())]
    return msgspec.structs.replace(notice, cves=tuple(dict.fromkeys(found))) if found else notice


def cves(findings: Iterable[Finding]) -> list[CVE]:
    """Give one row for each CVE of each finding; a row's severity is the CVE's own where it is known."""
    rows: list[CVE] = []
    for finding in findings:
        erratum = finding.erratum
        severities = erratum.cve_severities or (None,) * len(erratum.cves)
        scores = erratum.cve_scores or (None,) * len(erratum.cves)
        rows.extend(
            CVE(
                id=cve,
                package=finding.source,
                installed=finding.installed,
                fixed=finding.fixed,
                erratum=erratum.id,
                severity=severity,
                issued=erratum.issued or erratum.updated,
                source=erratum.source,
                score=score,
            )
            for cve, severity, score in zip(erratum.cves, severities, scores, strict=True)
        )
    return rows


def summary(errata: Iterable[Erratum]) -> Summary:
    """Count errata by kind, and security ones by severity."""
    distinct = {erratum.id: erratum for erratum in errata}.values()
    rated = [erratum.severity for erratum in distinct if erratum.kind == "security"]
    kinds = [erratum.kind for erratum in distinct]
    return Summary(
        security=len(rated),
        critical=rated.count(Severity.CRITICAL),
        important=rated.count(Severity.IMPORTANT),
        moderate=rated.count(Severity.MODERATE),
        low=rated.count(Severity.LOW),
        unrated=rated.count(None),
        bugfix=kinds.count("bugfix"),
        enhancement=kinds.count("enhancement"),
        other=sum(kind not in ("security", "bugfix", "enhancement") for kind in kinds),
    )
