"""Known flaws that have no fix: an image's, with the vendor's own reason. Values, and what is told of them. Pure.

They are never mixed with the flaws that an erratum fixes, and never count for the grade: nothing that a rebuild could
bring would take them away.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from affineur.errata.erratum import Severity
from affineur.errata.unfixed.statements import Statement, Status
from affineur.evidence import Evidence, Unassessed
from affineur.packages.inventory import Package

if TYPE_CHECKING:
    from affineur.errata.severity import Rating

__all__ = ["WHAT", "Status", "Unfixed", "UnfixedCVE", "apart", "named", "present", "vendor_rating"]

WHAT = "flaws without a fix"
"""What is not told where no vendor's word could be read; the `what` of its `Unassessed`."""


class UnfixedCVE(msgspec.Struct, frozen=True):
    """A CVE that an installed package has, and for which its vendor has published no fix.

    Attributes:
        package: the source package, or the binary one where the vendor speaks of that.
        installed: its version.
        status: what the vendor means to do about it.
        reason: the vendor's own words; empty where it gives none.
        severity: None where nobody rated it.
        rated_by: where the severity comes from, e.g. "Debian urgency low".
        source: where the vendor says so.
    """

    id: str
    package: str
    installed: str
    status: Status
    reason: str
    severity: Severity | None
    rated_by: str
    source: str


class Unfixed(msgspec.Struct, frozen=True):
    """The known flaws without a fix, and what could not be told of them.

    Attributes:
        cves: worst first, then by id and package.
        told: whether a vendor's word was read at all. Where not, that there are none says nothing.
    """

    cves: tuple[UnfixedCVE, ...]
    unassessed: tuple[Unassessed, ...]
    evidence: tuple[Evidence, ...]
    told: bool = True

    @classmethod
    def nothing(cls, why: str) -> "Unfixed":
        """No vendor's word could be read."""
        return cls((), (Unassessed(WHAT, f"not told: {why}"),), (), False)


def named(packages: Iterable[Package]) -> dict[str, list[Package]]:
    """The installed packages by the names that a vendor may use, source packages' first.

    Red Hat speaks of a source package, or of the binary ones of it, or of both; the others of source packages only.
    """
    found: dict[str, list[Package]] = {}
    binaries: dict[str, list[Package]] = {}
    for package in packages:
        found.setdefault(package.source, []).append(package)
        if package.manager == "rpm":
            binaries.setdefault(package.name, []).append(package)
    return {**found, **{name: meant for name, meant in binaries.items() if name not in found}}


def present(
    statements: Iterable[Statement], meant: Sequence[Package]
) -> tuple[list[tuple[Statement, Package]], list[str]]:
    """Choose the statements about one package that hold for the installed versions of it.

    Args:
        meant: the installed packages that the vendor's name of it means.

    Returns:
        (statement, installed package) of each that holds; and the CVEs of those that speak of older versions only, so
        that of the installed one nothing is told.
    """
    from affineur.packages.versions.order import order_of  # three managers' orders: most commands have no use for them

    holding: list[tuple[Statement, Package]] = []
    untold: list[str] = []
    for statement in statements:
        for package in meant:
            version, key = package.source_version or package.version, order_of(package.manager)
            if statement.module != ":".join(package.module.split(":")[:2]):
                continue
            if statement.since and key(version) < key(statement.since):
                continue
            if statement.fixed and key(version) >= key(statement.fixed):
                continue
            if statement.until and key(version) > key(statement.until):
                untold.append(statement.cve)
                continue
            holding.append((statement, package))
            break
    held = {statement.cve for statement, _ in holding}
    return holding, [cve for cve in untold if cve not in held]


def vendor_rating(vendor: str, called: str, statement: Statement, others: "Mapping[str, Rating]") -> "Rating | None":
    """The vendor's own word of it, else what else is known of the CVE.

    Args:
        vendor, called: of severities.toml, and for people ("Debian urgency").
        others: CVE → rating.
    """
    from affineur.errata.severity import Rating, of_word

    severity = of_word(vendor, statement.word)
    return Rating(severity, f"{called} {statement.word.lower()}") if severity else others.get(statement.cve)


def apart(
    unfixed: Iterable[UnfixedCVE], fixed: Collection[tuple[str, str]], packages: Iterable[Package] = ()
) -> tuple[UnfixedCVE, ...]:
    """Leave out what an erratum fixes: a feed may be older than the notice.

    Args:
        fixed: (CVE, source package) of what an erratum fixes.
        packages: which tell the source package of a binary one, where the vendor speaks of that.
    """
    sources = {package.name: package.source for package in packages}

    def has_fix(each: UnfixedCVE) -> bool:
        return (each.id, each.package) in fixed or (each.id, sources.get(each.package, "")) in fixed

    return tuple(each for each in unfixed if not has_fix(each))
