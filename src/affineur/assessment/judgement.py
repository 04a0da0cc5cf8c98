"""Last part of the way: from what was found to a grade, a verdict and a report. Pure but for what it is handed."""

from collections import Counter
from collections.abc import Iterator, Sequence

from affineur import __version__
from affineur.assessment.contents import Contents
from affineur.assessment.errata import Errata, unapplied
from affineur.assessment.facts import base_created, distribution_facts, image_facts
from affineur.assessment.found import Found
from affineur.assessment.means import Means
from affineur.assessment.model import Assessment, Unfixed
from affineur.assessment.sentences import listed
from affineur.errata.match import cves
from affineur.evidence import Unassessed
from affineur.trust.grade import grade
from affineur.trust.lifecycle import Age, age_days, lifecycle
from affineur.trust.model import Grade
from affineur.trust.policy import Policy
from affineur.trust.verdict import Foreign, Observed, PolicyFacts, judge

__all__ = ["judged"]


def judged(found: Found, means: Means, policy: Policy) -> Assessment:
    """Grade and judge what was found, and put it in the shape of the report."""
    contents, errata = found.contents, found.errata
    free = tuple(erratum for erratum in errata.errata if not erratum.paid_only)
    unknown = tuple(_unknown(found))
    graded = grade(unapplied(free), means.as_of, unknown=unknown)
    support = lifecycle(contents.os_release.fields, means.as_of.date())
    build_age = age_days(contents.image.created, means.as_of)
    facts = PolicyFacts(
        grade=graded,
        lifecycle=support,
        suites=found.states,
        build_age=build_age,
        deviations=tuple(Observed(each.kind, each.what) for each in found.deviations),
        foreign=Foreign(tuple(dict.fromkeys(each.name for each in found.foreign)), found.foreign_untold),
    )
    rebuilt, note = _rebuilt(found, means, unknown)
    return Assessment(
        schema_="affineur.assessment/1",
        affineur=__version__,
        made=means.now,
        as_of=means.as_of,
        image=image_facts(contents.image, contents.warnings),
        distribution=distribution_facts(contents.os_release),
        packages=len(contents.packages),
        grade=graded,
        lifecycle=support,
        build_age_days=build_age.days,
        base_age_days=age_days(base_created(contents.image), means.as_of).days,
        verdict=judge(facts, policy),
        suites=found.suites,
        updates=found.updates,
        notices=found.notices,
        obsoleting=found.obsoleting,
        foreign=found.foreign,
        errata=free,
        packages_of=errata.packages_of,
        cves=tuple(cves(finding for finding in errata.findings if not finding.erratum.paid_only)),
        deviations=found.deviations,
        not_counted=tuple(_not_counted(errata)),
        evidence=(*contents.evidence, *found.evidence),
        unassessed=tuple(dict.fromkeys(_unassessed(found, build_age))),
        rebuild_grade=rebuilt.letter,
        rebuild_note=note,
        today=means.as_of.date(),
    )


def _unknown(found: Found) -> Iterator[str]:
    """Why a letter must not be given: whatever could hide an unapplied erratum."""
    contents = found.contents
    if not contents.packages:
        yield "no package was found: no known package database, or an empty one"
    if contents.unread:
        yield f"not all of the image could be read: {listed([item.what for item in contents.unread])}"
    if why := _several_managers(contents):
        yield why
    yield from found.unknown


def _several_managers(contents: Contents) -> str | None:
    counted = Counter(package.manager for package in contents.packages)
    others = [f"{count} of {manager}" for manager, count in counted.most_common()[1:]]
    if not others:
        return None
    return f"besides packages of {contents.manager} there are others, of which nothing was asked: {listed(others)}"


def _rebuilt(found: Found, means: Means, unknown: Sequence[str]) -> tuple[Grade, str]:
    """What the same packages would get today, were they all the newest that the distribution offers."""
    graded = grade(unapplied(found.left), means.now, unknown=unknown)
    if graded.letter is None:
        return graded, graded.reasons[0] if graded.reasons else ""
    changed = sum(before != now for before, now in zip(found.contents.packages, found.rebuilt, strict=True))
    if not changed:
        return graded, "nothing newer is published"
    return graded, "1 package would be newer" if changed == 1 else f"{changed} packages would be newer"


def _unassessed(found: Found, build_age: Age) -> Iterator[Unassessed]:
    yield from found.contents.unassessed
    if why := _several_managers(found.contents):
        yield Unassessed("packages", why)
    yield from found.unassessed
    if build_age.days is None:
        yield Unassessed("build age", build_age.why)
    yield Unassessed("language packages", "not looked for yet (Python, Node.js, Java, Go, Rust …)")


def _not_counted(errata: Errata) -> Iterator[Unfixed]:
    for erratum in errata.errata:
        if erratum.paid_only:
            yield Unfixed(erratum.id, "the fix is for paying customers only")
