"""Last part of the way: from what was found to a grade, a verdict and a report. Pure but for what it is handed."""

from collections.abc import Iterator, Sequence

from affineur import __version__
from affineur.assessment.contents import Contents
from affineur.assessment.deviations import contradiction, deviations, listed, mislabelled, of_another_release
from affineur.assessment.errata import Errata, unapplied, upgraded
from affineur.assessment.facts import base_created, distribution_facts, image_facts
from affineur.assessment.found import Found
from affineur.assessment.means import Means
from affineur.assessment.model import Assessment, Unfixed
from affineur.assessment.suites import states, suite_facts
from affineur.errata.match import cves, errata_of_updates, match
from affineur.evidence import Evidence, Unassessed
from affineur.repositories.reference import NoReference
from affineur.trust.grade import grade
from affineur.trust.lifecycle import Age, age_days, lifecycle
from affineur.trust.model import Grade
from affineur.trust.policy import Policy
from affineur.trust.verdict import Observed, PolicyFacts, judge

__all__ = ["judged"]


def judged(found: Found, means: Means, policy: Policy) -> Assessment:
    """Grade and judge what was found, and put it in the shape of the report."""
    contents, errata = found.contents, found.errata
    free = tuple(erratum for erratum in errata.errata if not erratum.paid_only)
    unknown = tuple(_unknown(found))
    graded = grade(unapplied(free), means.as_of, unknown=unknown)
    support = lifecycle(contents.os_release.fields, means.as_of.date())
    build_age = age_days(contents.image.created, means.as_of)
    departures = tuple(
        deviations(
            contents,
            found.configuration,
            found.offered,
            found.choice,
            found.pinned,
            list(_left_out(found)),
            errata.published,
        )
    )
    facts = PolicyFacts(
        grade=graded,
        lifecycle=support,
        suites=tuple(states(found.published, found.references)),
        build_age=build_age,
        deviations=tuple(Observed(each.kind, each.what) for each in departures),
    )
    rebuilt, note = _rebuilt(contents, errata, means, unknown)
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
        suites=tuple(suite_facts(found.offered, found.published)),
        updates=tuple(errata_of_updates(found.choice.updates, free)),
        errata=free,
        packages_of=errata.packages_of,
        cves=tuple(cves(finding for finding in errata.findings if not finding.erratum.paid_only)),
        deviations=departures,
        not_counted=tuple(_not_counted(errata)),
        evidence=(*contents.evidence, *_signed(found, means), *errata.evidence),
        unassessed=tuple(dict.fromkeys(_unassessed(found, build_age))),
        rebuild_grade=rebuilt.letter,
        rebuild_note=note,
        today=means.as_of.date(),
    )


def _unknown(found: Found) -> Iterator[str]:
    """Why a letter must not be given: whatever could hide an unapplied erratum."""
    contents, references, published, errata = found.contents, found.references, found.published, found.errata
    if not contents.packages:
        yield "no package was found: no known package database, or an empty one"
    if contents.unread:
        yield f"not all of the image could be read: {listed([item.what for item in contents.unread])}"
    if why := contradiction(contents):
        yield why
    if isinstance(references, NoReference):
        yield references.why
    for each in published:
        if not each.complete:
            why = each.problems[0] if each.problems else "it could not be told whether it is fresh"
            yield f"{each.reference.name} is not a base for a letter: {why}"
    if published and all(each.complete for each in published) and (why := of_another_release(contents, found.others)):
        yield why
    if wrong := dict(mislabelled(contents, errata.published)):
        yield f"which notices are about {listed(list(wrong))} could not be told: {next(iter(wrong.values()))}"
    yield from errata.gaps
    if errata.unexplained:
        yield f"what these updates fix could not be told: {listed(errata.unexplained)}"


def _left_out(found: Found) -> Iterator[str]:
    """Reference suites that the image's own sources do not name (one that they name and that is broken, they do)."""
    named = {entry.suite for entry in found.configuration.sources}
    for each in found.published:
        if not each.from_image and each.reference.name not in named:
            yield each.reference.name


def _rebuilt(contents: Contents, errata: Errata, means: Means, unknown: Sequence[str]) -> tuple[Grade, str]:
    """What the same packages would get today, were they all the newest that the distribution offers."""
    after = upgraded(contents.packages, errata.published)
    left = match(after, [erratum for erratum in errata.errata if not erratum.paid_only])
    graded = grade(unapplied(finding.erratum for finding in left), means.now, unknown=unknown)
    if graded.letter is None:
        return graded, graded.reasons[0] if graded.reasons else ""
    changed = sum(before != now for before, now in zip(contents.packages, after, strict=True))
    return graded, f"{changed} packages would be newer" if changed else "nothing newer is published"


def _unassessed(found: Found, build_age: Age) -> Iterator[Unassessed]:
    yield from found.contents.unassessed
    yield from (Unassessed("apt's configuration", problem) for problem in found.configuration.problems)
    yield from (Unassessed("updates", why) for why in found.choice.unanswerable)
    yield from (Unassessed("updates", why) for why in found.choice.problems)
    for each in found.offered:
        yield from (Unassessed(f"suite {each.suite.entry.suite}", why) for why in each.suite.problems)
    for one in found.published:
        yield from (Unassessed(f"reference suite {one.reference.name}", why) for why in one.problems)
    yield from found.errata.unassessed
    if found.published and found.others:
        yield Unassessed(
            "1 package of other origin" if len(found.others) == 1 else f"{len(found.others)} packages of other origin",
            "the distribution's suites do not offer them, or only older versions, so nobody's errata are about them:"
            f" {listed(found.others)}",
        )
    if build_age.days is None:
        yield Unassessed("build age", build_age.why)
    yield Unassessed("language packages", "not looked for yet (Python, Node.js, Java, Go, Rust …)")


def _not_counted(errata: Errata) -> Iterator[Unfixed]:
    for erratum in errata.errata:
        if erratum.paid_only:
            yield Unfixed(erratum.id, "the fix is for paying customers only")


def _signed(found: Found, means: Means) -> Iterator[Evidence]:
    seen = set()
    for suite in (*(each.suite for each in found.offered), *(each.suite for each in found.published)):
        if suite is None or suite.release is None or suite.digest in seen:
            continue
        seen.add(suite.digest)
        dated = f" of {suite.release.date:%Y-%m-%d}" if suite.release.date else ""
        by = f"signed by {', '.join(suite.signers)}" if suite.signers else "signed by nobody who counts"
        yield Evidence(f"the Release of {suite.entry.suite}{dated} is {by}", suite.url, suite.digest, means.now)
