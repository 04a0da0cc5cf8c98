"""One assessment: everything that was found out about one image, in the shape of its JSON document.

The JSON is this struct, encoded; docs/reference/json.md describes it field by field.
"""

from datetime import date, datetime

import msgspec

from affineur.errata.erratum import CVE, Erratum
from affineur.errata.notices import Notice
from affineur.errata.unfixed.model import UnfixedCVE
from affineur.evidence import Evidence, Unassessed
from affineur.repositories.update import Obsoleting, Update
from affineur.trust.model import Grade, Lifecycle, Verdict

__all__ = [
    "CVE",
    "Assessment",
    "Deviation",
    "Distribution",
    "ForeignPackage",
    "ImageFacts",
    "Notice",
    "SuiteFacts",
    "Unfixed",
    "UnfixedCVE",
]


class ImageFacts(msgspec.Struct, frozen=True):
    """Which image was judged.

    Attributes:
        reference: as given, fully expanded.
        registry: null for an image on this machine; `repository` is then its place, such as `oci:build/app`.
        digest: what the name points at (an index's digest, for an index).
        manifest_digest: of the platform's own manifest.
        created: verbatim from the config; None where absent.
        base_name, base_digest: claimed by annotations or labels.
        base_created: when the lowest layer was made, verbatim from the config's history; only claimed.
        size: compressed bytes of all layers; None where the manifest does not state them.
    """

    reference: str
    registry: str | None
    repository: str
    tag: str | None
    digest: str
    manifest_digest: str
    platform: str
    created: str | None
    layers: int
    size: int | None
    base_name: str | None = None
    base_digest: str | None = None
    base_created: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Registry and repository, or the place."""
        return self.repository if self.registry is None else f"{self.registry}/{self.repository}"


class Distribution(msgspec.Struct, frozen=True):
    """What os-release says, and what that distribution publishes.

    Attributes:
        publishes: one of "nothing", "updates", "notices", "notices with CVEs", or "unknown".
        statement: that, as a sentence for people.
    """

    id: str
    version_id: str
    codename: str
    pretty_name: str
    publishes: str
    statement: str


class SuiteFacts(msgspec.Struct, frozen=True):
    """One suite that was read, or that should have been.

    Attributes:
        role: `image` (its own sources name it), `reference` (its distribution's), or `both`.
        verified: True, False, or None where it could not be told.
        fresh: likewise.
        read: whether what it offers was read.
        offered: how many packages of the image it offers a newer version of.
    """

    suite: str
    codename: str
    origin: str
    label: str
    url: str
    role: str
    date: datetime | None
    valid_until: datetime | None
    verified: bool | None
    signers: tuple[str, ...]
    fresh: bool | None
    digest: str
    problems: tuple[str, ...] = ()
    read: bool = True


class Deviation(msgspec.Struct, frozen=True):
    """Where the image's own set-up differs from what its distribution publishes: a finding, in one sentence.

    Attributes:
        kind: `unknown-key`, `missing-suite`, `missing-repository`, `pin`, `hold`, `trusted`, `gpgcheck`, `os-release` …
    """

    kind: str
    what: str
    where: str


class ForeignPackage(msgspec.Struct, frozen=True):
    """An installed package that its distribution has not published, so that nobody's errata speak of it."""

    name: str
    version: str
    architecture: str
    why: str


class Unfixed(msgspec.Struct, frozen=True):
    """Fixes that exist, but are for paying customers only, or otherwise not counted."""

    erratum: str
    why: str


class Assessment(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """The whole of it. `errata` are the unapplied ones, each with its packages in `packages_of`."""

    schema_: str
    affineur: str  # version of this program
    made: datetime
    as_of: datetime
    image: ImageFacts
    distribution: Distribution
    packages: int
    grade: Grade
    lifecycle: Lifecycle
    build_age_days: int | None
    base_age_days: int | None
    verdict: Verdict
    suites: tuple[SuiteFacts, ...]
    updates: tuple[Update, ...]
    errata: tuple[Erratum, ...]
    packages_of: dict[str, tuple[str, ...]]  # erratum id → binary packages that lack it
    cves: tuple[CVE, ...]
    deviations: tuple[Deviation, ...]
    not_counted: tuple[Unfixed, ...]
    evidence: tuple[Evidence, ...]
    unassessed: tuple[Unassessed, ...]
    rebuild_grade: str | None = None  # what a rebuild today would get
    rebuild_note: str = ""
    today: date | None = None
    foreign: tuple[ForeignPackage, ...] = ()
    obsoleting: tuple[Obsoleting, ...] = ()
    notices: tuple[Notice, ...] = ()  # by what the image would be offered, as `dnf updateinfo list` has them
    unfixed: tuple[UnfixedCVE, ...] | None = None  # not asked for, or not told
