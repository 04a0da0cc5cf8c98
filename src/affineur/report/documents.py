"""The JSON documents, one struct each. Lists have the same shape in every document (docs/reference/json.md).

They differ from the values they are made of in two ways: an erratum carries the installed packages that lack it, and
the number of packages is `package_count`, since a document's member `packages` is always a list of packages.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from affineur.assessment.model import (
    Assessment,
    Deviation,
    Distribution,
    ForeignPackage,
    ImageFacts,
    Notice,
    SuiteFacts,
    Unfixed,
    UnfixedCVE,
)
from affineur.errata.erratum import CVE, Build, Erratum, Fix, Severity
from affineur.evidence import Evidence, Unassessed
from affineur.image.inspection import Inspection
from affineur.repositories.update import Obsoleting, Update
from affineur.source.configuration.explanation import Explanation
from affineur.trust.model import Grade, Lifecycle, Verdict

__all__ = [
    "DOCUMENTS",
    "Age",
    "Assessed",
    "CVEs",
    "InstalledPackage",
    "LackedErratum",
    "Packages",
    "Updates",
    "age_of",
    "assessed",
    "cves_of",
    "updates_of",
]


class LackedErratum(msgspec.Struct, frozen=True):
    """An erratum, with the installed packages that lack it."""

    id: str
    kind: str
    severity: Severity | None
    issued: datetime | None
    issued_at_latest: datetime | None
    cves: tuple[str, ...]
    cve_severities: tuple[Severity | None, ...]
    cve_scores: tuple[float | None, ...]
    title: str
    source: str
    rated_by: str
    paid_only: bool
    fixes: tuple[Fix, ...]
    builds: tuple[Build, ...]
    packages: tuple[str, ...]


class InstalledPackage(msgspec.Struct, frozen=True):
    """One installed package; `layer` is the diff ID of the layer whose record names it, where that is known.

    The rest is as of `packages.inventory.Package`: empty or null where the manager does not record it.
    """

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    status: str = ""
    purl: str | None = None
    layer: str | None = None
    manager: str = "dpkg"
    vendor: str = ""
    module: str = ""
    licence: str = ""
    size: int | None = None
    installed_at: datetime | None = None
    key_id: str = ""
    repository: str = ""


class Assessed(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """`affineur assess --json`."""

    schema_: str
    affineur: str
    made: datetime
    as_of: datetime
    image: ImageFacts
    distribution: Distribution
    package_count: int
    grade: Grade
    lifecycle: Lifecycle
    build_age_days: int | None
    base_age_days: int | None
    rebuild_grade: str | None
    rebuild_note: str
    verdict: Verdict
    suites: tuple[SuiteFacts, ...]
    updates: tuple[Update, ...]
    errata: tuple[LackedErratum, ...]
    cves: tuple[CVE, ...]
    deviations: tuple[Deviation, ...]
    foreign: tuple[ForeignPackage, ...]
    not_counted: tuple[Unfixed, ...]
    evidence: tuple[Evidence, ...]
    unassessed: tuple[Unassessed, ...]


class Age(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """`affineur age --json`: the errata are those that count for the grade."""

    schema_: str
    affineur: str
    made: datetime
    as_of: datetime
    image: ImageFacts
    distribution: Distribution
    grade: Grade
    lifecycle: Lifecycle
    build_age_days: int | None
    base_age_days: int | None
    rebuild_grade: str | None
    rebuild_note: str
    errata: tuple[LackedErratum, ...]
    evidence: tuple[Evidence, ...]
    unassessed: tuple[Unassessed, ...]


class Updates(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """`affineur updates --json`: the errata are those that an update on offer fixes; `notices` names each package."""

    schema_: str
    affineur: str
    made: datetime
    image: ImageFacts
    distribution: Distribution
    suites: tuple[SuiteFacts, ...]
    updates: tuple[Update, ...]
    obsoleting: tuple[Obsoleting, ...]
    notices: tuple[Notice, ...]
    errata: tuple[LackedErratum, ...]
    deviations: tuple[Deviation, ...]
    evidence: tuple[Evidence, ...]
    unassessed: tuple[Unassessed, ...]


class CVEs(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """`affineur cves --json`: what an erratum fixes, and apart from it what no erratum fixes, null where not told."""

    schema_: str
    affineur: str
    made: datetime
    image: ImageFacts
    distribution: Distribution
    cves: tuple[CVE, ...]
    unfixed: tuple[UnfixedCVE, ...] | None
    evidence: tuple[Evidence, ...]
    unassessed: tuple[Unassessed, ...]


class Packages(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """`affineur packages --json`."""

    schema_: str
    affineur: str
    made: datetime
    image: ImageFacts
    distribution: Distribution
    packages: tuple[InstalledPackage, ...]
    evidence: tuple[Evidence, ...]
    unassessed: tuple[Unassessed, ...]


DOCUMENTS: Mapping[str, type[msgspec.Struct]] = {
    "affineur.assessment/1": Assessed,
    "affineur.age/1": Age,
    "affineur.updates/1": Updates,
    "affineur.cves/1": CVEs,
    "affineur.packages/1": Packages,
    "affineur.inspection/1": Inspection,
    "affineur.explanation/1": Explanation,
}


def assessed(assessment: Assessment) -> Assessed:
    """Return the document of a whole assessment."""
    return Assessed(
        schema_="affineur.assessment/1",
        package_count=assessment.packages,
        errata=_lacked(assessment.errata, assessment),
        **_same(assessment, Assessed, {"schema_", "package_count", "errata"}),
    )


def age_of(assessment: Assessment) -> Age:
    """Return the document of one image's health over time."""
    counted = frozenset(assessment.grade.counted)
    return Age(
        schema_="affineur.age/1",
        errata=_lacked((e for e in assessment.errata if e.id in counted), assessment),
        **_same(assessment, Age, {"schema_", "errata"}),
    )


def updates_of(assessment: Assessment, security_only: bool = False) -> Updates:
    """Return the document of what an image would be offered, so without suites that it does not name itself.

    Args:
        security_only: leave out updates known to be none for security; what could not be told stays.
    """
    updates = tuple(u for u in assessment.updates if not (security_only and u.security is False))
    notices = tuple(n for n in assessment.notices if not (security_only and n.kind != "security"))
    offered = {identifier for update in updates for identifier in update.errata} | {n.erratum for n in notices}
    return Updates(
        schema_="affineur.updates/1",
        suites=tuple(suite for suite in assessment.suites if suite.role != "reference"),
        updates=updates,
        notices=notices,
        errata=_lacked((e for e in assessment.errata if e.id in offered), assessment),
        **_same(assessment, Updates, {"schema_", "suites", "updates", "notices", "errata"}),
    )


def cves_of(assessment: Assessment) -> CVEs:
    """Return the document of the CVEs that an update or an erratum fixes, and of those that nothing fixes."""
    return CVEs(schema_="affineur.cves/1", **_same(assessment, CVEs, {"schema_"}))


def _same(assessment: Assessment, document: type[msgspec.Struct], apart: set[str]) -> dict[str, Any]:
    return {name: getattr(assessment, name) for name in document.__struct_fields__ if name not in apart}


def _lacked(errata: Iterable[Erratum], assessment: Assessment) -> tuple[LackedErratum, ...]:
    return tuple(
        LackedErratum(
            packages=assessment.packages_of.get(erratum.id, ()),
            **{name: getattr(erratum, name) for name in LackedErratum.__struct_fields__ if name != "packages"},
        )
        for erratum in errata
    )
