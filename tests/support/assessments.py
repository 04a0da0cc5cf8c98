"""Assessments as they come out of real life, for the tests of every report. Dates and CVEs are Debian's own."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from affineur.assessment.model import (
    Assessment,
    Deviation,
    Distribution,
    ImageFacts,
    Notice,
    SuiteFacts,
    Unfixed,
)
from affineur.errata.erratum import CVE, Erratum, Fix, Severity
from affineur.evidence import Evidence, Unassessed
from affineur.repositories.update import Update
from affineur.trust.model import Decision, Drop, Grade, Lifecycle, Outcome, Rule, Span, Support, Verdict

__all__ = ["ALL", "HOSTILE", "accepted", "ended", "hostile", "rejected", "undetermined"]

NOW = datetime(2024, 2, 20, 9, 30, tzinfo=UTC)
DIGEST = "sha256:" + "4a" * 32
MANIFEST = "sha256:" + "b7" * 32
KEY = "4CB50190207B4758A3F73A796ED0E7B82643E131"
BOOKWORM = Distribution(
    id="debian",
    version_id="12",
    codename="bookworm",
    pretty_name="Debian GNU/Linux 12 (bookworm)",
    publishes="notices with CVEs",
    statement="Debian publishes updates, and notices (DSA, DLA) that name the CVEs which they fix.",
)


def _image(name: str, **more: Any) -> ImageFacts:
    return ImageFacts(
        reference=f"registry.example/{name}:1.4",
        registry="registry.example",
        repository=name,
        tag="1.4",
        digest=DIGEST,
        manifest_digest=MANIFEST,
        platform="linux/amd64",
        created="2023-12-19T01:20:52Z",
        layers=5,
        size=62_914_560,
        **more,
    )


def _suite(suite: str, codename: str, role: str, **more: Any) -> SuiteFacts:
    known = SuiteFacts(
        suite=suite,
        codename=codename,
        origin="Debian",
        label="Debian-Security" if "security" in suite else "Debian",
        url=f"http://archive.example/debian/dists/{codename}/InRelease",
        role=role,
        date=datetime(2024, 2, 19, 20, 14, 3, tzinfo=UTC),
        valid_until=datetime(2024, 2, 26, 20, 14, 3, tzinfo=UTC) if "security" in suite else None,
        verified=True,
        signers=(KEY,),
        fresh=True,
        digest="sha256:" + "0c" * 32,
    )
    return msgspec.structs.replace(known, **more)


SUITES = (
    _suite("stable", "bookworm", "both"),
    _suite("stable-updates", "bookworm-updates", "both"),
    _suite("stable-security", "bookworm-security", "both"),
)


def erratum(
    id_: str, severity: Severity | None, issued: datetime | None, source: str, fixed: str, *cves: str, **more: Any
) -> Erratum:
    """Return a security erratum of one source package."""
    return Erratum(
        id=id_,
        kind=more.pop("kind", "security"),
        severity=severity,
        issued=issued,
        cves=cves,
        title=more.pop("title", f"{source} security update"),
        source=more.pop("source", "https://osv.example/Debian/all.zip"),
        fixes=(Fix(source, fixed),),
        rated_by=more.pop("rated_by", f"CVSS of {cves[0]}" if cves else ""),
        **more,
    )


def notices(updates: Iterable[Update], errata: Iterable[Erratum]) -> tuple[Notice, ...]:
    """Return a line for each notice of each update."""
    known = {each.id: each for each in errata}
    return tuple(
        Notice.of(one, update.name, update.architecture, update.available)
        for update in updates
        for one in (known[identifier] for identifier in update.errata)
    )


def update(name: str, installed: str, available: str, *errata: str, **more: Any) -> Update:
    """Return an update whose source package has the binary's version."""
    return Update(
        name=name,
        architecture=more.pop("architecture", "amd64"),
        installed=installed,
        available=available,
        suites=more.pop("suites", ("stable-security",)),
        security=more.pop("security", bool(errata)),
        source=more.pop("source", name),
        source_version=available,
        installed_source_version=installed,
        errata=errata,
        **more,
    )


def accepted() -> Assessment:
    """An image with nothing unapplied: A, accepted."""
    return Assessment(
        schema_="affineur.assessment/1",
        affineur="0.1.0",
        made=NOW,
        as_of=NOW,
        image=_image(
            "team/fresh", base_name="docker.io/library/debian:bookworm-slim", base_digest="sha256:" + "ee" * 32
        ),
        distribution=BOOKWORM,
        packages=88,
        grade=Grade(as_of=NOW, letter="A"),
        lifecycle=Lifecycle(Support.SUPPORTED, date(2026, 6, 10), Support.LONG_TERM, "Debian release table of 2024-02"),
        build_age_days=2,
        base_age_days=2,
        verdict=Verdict(
            Decision.ACCEPT,
            "default",
            (
                Rule("health", Outcome.PASS, "the grade is A"),
                Rule("lifecycle", Outcome.PASS, "bookworm is supported until 2026-06-10"),
                Rule(
                    "metadata",
                    Outcome.PASS,
                    "3 of 3 reference suites are signed by pinned keys",
                    ("stable is signed by 4CB50190207B4758A3F73A796ED0E7B82643E131",),
                ),
            ),
        ),
        suites=SUITES,
        updates=(),
        errata=(),
        packages_of={},
        cves=(),
        deviations=(),
        not_counted=(),
        evidence=(
            Evidence(
                "the Release of bookworm is signed by 4CB50190207B4758A3F73A796ED0E7B82643E131",
                "http://archive.example/debian/dists/bookworm/InRelease",
                "sha256:" + "0c" * 32,
                NOW,
            ),
        ),
        unassessed=(Unassessed("packages of programming languages", "this version reads dpkg's records only"),),
        rebuild_grade="A",
        rebuild_note="nothing is unapplied",
        today=NOW.date(),
    )


def rejected() -> Assessment:
    """Debian 12 of December 2023, seen on 2024-02-20: C, which falls to D; rejected. Issue dates are Debian's."""
    errata = (
        erratum(
            "DSA-5611-1",
            Severity.CRITICAL,
            datetime(2024, 1, 30, 18, 2, tzinfo=UTC),
            "glibc",
            "2.36-9+deb12u4",
            "CVE-2023-6246",
            "CVE-2023-6779",
            "CVE-2023-6780",
            title="glibc security update",
        ),
        erratum(
            "DSA-5587-1",
            Severity.IMPORTANT,
            datetime(2023, 12, 23, 10, 0, tzinfo=UTC),
            "curl",
            "7.88.1-10+deb12u5",
            "CVE-2023-46218",
        ),
        erratum(
            "DSA-5586-1",
            Severity.MODERATE,
            datetime(2023, 12, 22, 10, 0, tzinfo=UTC),
            "openssh",
            "1:9.2p1-2+deb12u2",
            "CVE-2023-48795",
            "CVE-2023-51385",
        ),
        erratum(
            "stable-security: perl",
            None,
            None,
            "perl",
            "5.36.0-7+deb12u2",
            issued_at_latest=datetime(2024, 2, 10, 8, 0, tzinfo=UTC),
            title="perl 5.36.0-7+deb12u2",
            rated_by="",
        ),
    )
    updates = (
        update(
            "libc6",
            "2.36-9+deb12u3",
            "2.36-9+deb12u4",
            "DSA-5611-1",
            source="glibc",
            suites=("stable", "stable-security"),
        ),
        update(
            "libc-bin",
            "2.36-9+deb12u3",
            "2.36-9+deb12u4",
            "DSA-5611-1",
            source="glibc",
            suites=("stable", "stable-security"),
        ),
        update("libcurl4", "7.88.1-10+deb12u4", "7.88.1-10+deb12u5", "DSA-5587-1", source="curl"),
        update("openssh-client", "1:9.2p1-2+deb12u1", "1:9.2p1-2+deb12u2", "DSA-5586-1", source="openssh", held=True),
        update("perl-base", "5.36.0-7", "5.36.0-7+deb12u2", "stable-security: perl", source="perl"),
        update("tzdata", "2023c-5", "2024a-0+deb12u1", suites=("stable-updates",), security=False, architecture="all"),
        update("base-files", "12.4+deb12u4", "12.4+deb12u5", suites=("stable",), security=None, phased=30),
    )
    return msgspec.structs.replace(
        accepted(),
        image=_image("team/app", base_name="docker.io/library/debian:bookworm", warnings=("tag 1.4 is deprecated",)),
        packages=142,
        build_age_days=63,
        base_age_days=63,
        grade=Grade(
            as_of=NOW,
            letter="C",
            since=date(2024, 1, 23),
            schedule=(
                Drop(date(2023, 12, 23), "B", ("DSA-5587-1",)),
                Drop(date(2024, 1, 23), "C", ("DSA-5587-1",)),
                Drop(date(2024, 3, 1), "D", ("DSA-5611-1",)),
                Drop(date(2024, 4, 30), "E", ("DSA-5611-1",)),
                Drop(date(2024, 12, 23), "F", ("DSA-5587-1",)),
            ),
            counted=("DSA-5587-1", "DSA-5611-1", "stable-security: perl"),
            unrated=("stable-security: perl",),
        ),
        verdict=Verdict(
            Decision.REJECT,
            "default",
            (
                Rule("lifecycle", Outcome.PASS, "bookworm is supported until 2026-06-10"),
                Rule(
                    "health",
                    Outcome.FAIL,
                    "the grade is C: DSA-5587-1 (important) has been out for 59 days",
                    ("DSA-5587-1 of 2023-12-23", "https://osv.example/Debian/all.zip"),
                ),
                Rule("metadata", Outcome.PASS, "3 of 3 reference suites are signed by pinned keys"),
            ),
        ),
        updates=updates,
        notices=notices(updates, errata),
        errata=errata,
        packages_of={
            "DSA-5611-1": ("libc-bin", "libc6"),
            "DSA-5587-1": ("libcurl4",),
            "DSA-5586-1": ("openssh-client",),
            "stable-security: perl": ("perl-base",),
        },
        cves=(
            CVE(
                "CVE-2023-6246",
                "glibc",
                "2.36-9+deb12u3",
                "2.36-9+deb12u4",
                "DSA-5611-1",
                Severity.CRITICAL,
                datetime(2024, 1, 30, 18, 2, tzinfo=UTC),
                "https://osv.example/Debian/all.zip",
            ),
            CVE(
                "CVE-2023-46218",
                "curl",
                "7.88.1-10+deb12u4",
                "7.88.1-10+deb12u5",
                "DSA-5587-1",
                Severity.IMPORTANT,
                datetime(2023, 12, 23, 10, 0, tzinfo=UTC),
                "https://osv.example/Debian/all.zip",
            ),
            CVE(
                "CVE-2023-47038",
                "perl",
                "5.36.0-7",
                "5.36.0-7+deb12u2",
                "stable-security: perl",
                None,
                None,
                "changelog of perl-base_5.36.0-7+deb12u2_amd64.deb",
            ),
        ),
        deviations=(
            Deviation("hold", "openssh-client is held back from 1:9.2p1-2+deb12u2", "image:/var/lib/dpkg/status"),
            Deviation(
                "unknown-mirror",
                "the suite nightly of vendor.example is none of Debian's",
                "image:/etc/apt/sources.list.d/vendor.list:1",
            ),
        ),
        not_counted=(Unfixed("DLA-3999-1", "the fix is for paying customers only"),),
        evidence=tuple(
            Evidence(f"the Release of {suite.codename} is signed by {KEY}", suite.url, suite.digest, NOW)
            for suite in SUITES
        ),
        rebuild_grade="A",
        rebuild_note="every counted erratum is fixed by an update on offer",
    )


def undetermined() -> Assessment:
    """The security suite did not answer: unknown, at best C."""
    base = rejected()
    return msgspec.structs.replace(
        base,
        grade=Grade(
            as_of=NOW,
            letter=None,
            at_best="C",
            reasons=("the reference suite bookworm-security could not be read",),
            since=date(2024, 1, 23),
            schedule=(
                Drop(date(2023, 12, 23), "B", ("DSA-5587-1",)),
                Drop(date(2024, 1, 23), "C", ("DSA-5587-1",)),
                Drop(date(2024, 3, 23), "D", ("DSA-5587-1",)),
            ),
            counted=("DSA-5587-1",),
            bounds=(Span(None, None),),
        ),
        verdict=Verdict(
            Decision.UNDETERMINED,
            "team",
            (
                Rule("metadata", Outcome.COULD_NOT_TELL, "bookworm-security could not be read"),
                Rule("health", Outcome.COULD_NOT_TELL, "the grade is unknown, at best C"),
            ),
        ),
        suites=(
            *SUITES[:2],
            _suite(
                "",
                "bookworm-security",
                "reference",
                origin="",
                label="",
                date=None,
                valid_until=None,
                verified=None,
                signers=(),
                fresh=None,
                digest="",
                problems=("security.archive.example did not answer in 10 s",),
            ),
        ),
        errata=base.errata[1:2],
        unassessed=(
            Unassessed("bookworm-security", "security.archive.example did not answer in 10 s"),
            *base.unassessed,
        ),
        rebuild_grade=None,
        rebuild_note="the security suite could not be read",
    )


def ended() -> Assessment:
    """CentOS publishes no errata, and has ended: not assessable, and never an A."""
    return msgspec.structs.replace(
        accepted(),
        image=_image("team/legacy"),
        distribution=Distribution(
            "centos",
            "7",
            "",
            "CentOS Linux 7 (Core)",
            "updates",
            "CentOS published updates, but no notices that say what they fix.",
        ),
        packages=148,
        grade=Grade(as_of=NOW, letter=None, reasons=("CentOS publishes no errata",)),
        lifecycle=Lifecycle(Support.ENDED, source="endoflife table of 2024-02", note="ended on 2024-01-01"),
        build_age_days=None,
        base_age_days=None,
        verdict=Verdict(
            Decision.REJECT,
            "default",
            (
                Rule("health", Outcome.COULD_NOT_TELL, "CentOS publishes no errata"),
                Rule("lifecycle", Outcome.FAIL, "support has ended"),
            ),
        ),
        suites=(),
        evidence=(),
        unassessed=(Unassessed("updates", "this version reads apt's repositories only"),),
        rebuild_grade=None,
        rebuild_note="",
    )


HOSTILE = "\x1b[31m</td><script>alert(1)</script>\"'`|[x](javascript:y) \u202egnp\x9b\r\n## *forged* @all <!-- --!> ]]>"


def hostile() -> Assessment:
    """`rejected()` with `HOSTILE` at the end of every string that is there, but our own words and letters."""
    ours = {"schema_", "letter", "affineur", "at_best", "at_worst", "proven", "before", "rebuild_grade", "role"}

    def soured(value: Any, name: str = "") -> Any:
        if isinstance(value, Severity | Support | Outcome | Decision) or name in ours:
            return value
        if isinstance(value, str):
            return value and value + HOSTILE
        if isinstance(value, tuple):
            return tuple(soured(item) for item in value)
        if isinstance(value, dict):
            return {soured(key): soured(item) for key, item in value.items()}
        if isinstance(value, msgspec.Struct):
            return type(value)(**{f: soured(getattr(value, f), f) for f in value.__struct_fields__})
        return value

    soured_all: Assessment = soured(rejected())
    return soured_all


ALL = {"accepted": accepted, "rejected": rejected, "undetermined": undetermined, "ended": ended, "hostile": hostile}
