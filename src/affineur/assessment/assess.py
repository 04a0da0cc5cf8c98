"""The way of the data, put together once: from a reference to a verdict.

    source → image → layers → packages → repositories, errata → grade → verdict

What could not be told on the way is collected, and keeps the letter unknown where it bears on it.
"""

from collections.abc import Iterable, Iterator, Sequence

from affineur import __version__
from affineur.assessment.contents import Contents, read_contents
from affineur.assessment.deviations import contradiction, deviations, foreign, mislabelled, of_another_release
from affineur.assessment.errata import Errata, find_errata, unapplied, upgraded
from affineur.assessment.facts import base_created, distribution_facts, image_facts
from affineur.assessment.means import Means
from affineur.assessment.model import Assessment, Unfixed
from affineur.assessment.suites import states, suite_facts
from affineur.errata.match import cves, errata_of_updates, match
from affineur.evidence import Evidence, Unassessed
from affineur.http.addresses import Reach
from affineur.repositories.apt.choose import Choice, choose
from affineur.repositories.apt.configuration import read_configuration
from affineur.repositories.apt.fetch import Fetcher
from affineur.repositories.apt.model import AptConfiguration, OfferedSuite
from affineur.repositories.published import Published, read_references
from affineur.repositories.reference import NoReference, ReferenceSuite, references_for
from affineur.source.source import Source
from affineur.trust.grade import grade
from affineur.trust.lifecycle import Age, age_days, lifecycle
from affineur.trust.model import Grade
from affineur.trust.policy import Policy
from affineur.trust.verdict import Observed, PolicyFacts, judge

__all__ = ["assess"]

NAMED = 5  # things named in a sentence; the rest are counted


def assess(source: Source, means: Means, policy: Policy) -> Assessment:
    """Judge one image.

    Args:
        source: where it lives, opened for its reference.

    Raises:
        SourceError: the image could not be read. (That a repository or a feed could not is part of the answer.)
        ContentError: the image is not what was promised, or its package database is broken.
    """
    with means.progress.stage("layers") as stage:
        contents = read_contents(source, means.platform, means.layers, stage.advance)
        stage.note = f"{contents.tree.fetched} of {len(contents.image.layers)} layers fetched"
    reach = _reach(contents, means)
    configuration = read_configuration(contents.apt, contents.native)
    # all at once: each further question would read the layers again
    contents.tree.also([path for entry in configuration.sources for path in entry.signed_by if path.startswith("/")])
    fetcher = Fetcher(means.client, configuration, contents.keys, means.now, reach)
    names = frozenset(package.name for package in contents.packages)
    with means.progress.stage("suites"):
        offered = fetcher.fetch(names)
    choice = choose(contents.packages, offered, configuration)
    references = references_for(contents.os_release, means.references, [e.suite for e in configuration.sources])
    published: tuple[Published, ...] = ()
    if not isinstance(references, NoReference):
        with means.progress.stage("reference suites"):
            published = read_references(
                references,
                fetcher,
                configuration.sources,
                contents.keys,
                names,
                means.now,
                means.settings.archives,
                means.releases,
            )
    errata = _errata(contents, configuration, offered, published, means, reach)
    return _judged(contents, configuration, offered, choice, references, published, errata, means, policy)


def _reach(contents: Contents, means: Means) -> Reach:
    """How local the URLs that the image chooses may lead: as far as its own registry is."""
    registry = contents.image.reference.registry
    host, _, port = registry.rpartition(":") if registry.rpartition(":")[2].isdigit() else (registry, "", "443")
    return means.client.reach(host.strip("[]"), int(port))


def _errata(
    contents: Contents,
    configuration: AptConfiguration,
    offered: Sequence[OfferedSuite],
    published: Sequence[Published],
    means: Means,
    reach: Reach,
) -> Errata:
    """Errata by what the distribution publishes: no pins, no default release, and every verified reference suite."""
    neutral = AptConfiguration(sources=(), pins=(), architectures=configuration.architectures, phasing="always")
    suites = [OfferedSuite(each.suite, each.offers) for each in published if each.suite is not None and each.verified]
    newer = choose(contents.packages, suites, neutral).updates
    if not suites:  # nothing can be graded then; what the image would be offered is explained all the same
        suites = list(offered)
        newer = choose(contents.packages, suites, configuration).updates
    return find_errata(means, contents.os_release, contents.packages, newer, [each.suite for each in suites], reach)


def _judged(
    contents: Contents,
    configuration: AptConfiguration,
    offered: Sequence[OfferedSuite],
    choice: Choice,
    references: tuple[ReferenceSuite, ...] | NoReference,
    published: Sequence[Published],
    errata: Errata,
    means: Means,
    policy: Policy,
) -> Assessment:
    free = tuple(erratum for erratum in errata.errata if not erratum.paid_only)
    others = foreign(contents, [OfferedSuite(each.suite, each.offers) for each in published if each.suite])
    unknown = tuple(_unknown(contents, references, published, errata, others))
    graded = grade(unapplied(free), means.as_of, unknown=unknown)
    support = lifecycle(contents.os_release.fields, means.as_of.date())
    build_age = age_days(contents.image.created, means.as_of)
    known = references if not isinstance(references, NoReference) else ()
    found = tuple(
        deviations(
            contents,
            configuration,
            offered,
            choice,
            {key for reference in known for key in reference.keys},
            list(_left_out(configuration, published)),
            errata.published,
        )
    )
    facts = PolicyFacts(
        grade=graded,
        lifecycle=support,
        suites=tuple(states(published, references)),
        build_age=build_age,
        deviations=tuple(Observed(each.kind, each.what) for each in found),
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
        suites=tuple(suite_facts(offered, published)),
        updates=tuple(errata_of_updates(choice.updates, free)),
        errata=free,
        packages_of=errata.packages_of,
        cves=tuple(cves(finding for finding in errata.findings if not finding.erratum.paid_only)),
        deviations=found,
        not_counted=tuple(_not_counted(errata)),
        evidence=(*contents.evidence, *_signed(offered, published, means), *errata.evidence),
        unassessed=tuple(
            dict.fromkeys(_unassessed(contents, configuration, offered, choice, published, errata, others, build_age))
        ),
        rebuild_grade=rebuilt.letter,
        rebuild_note=note,
        today=means.as_of.date(),
    )


def _unknown(
    contents: Contents,
    references: tuple[ReferenceSuite, ...] | NoReference,
    published: Sequence[Published],
    errata: Errata,
    others: Sequence[str],
) -> Iterator[str]:
    """Why a letter must not be given: whatever could hide an unapplied erratum."""
    if not contents.packages:
        yield "no package was found: no database of dpkg, or an empty one"
    if contents.unread:
        yield f"not all of the image could be read: {_listed([item.what for item in contents.unread])}"
    if why := contradiction(contents):
        yield why
    if isinstance(references, NoReference):
        yield references.why
    for each in published:
        if not each.complete:
            why = each.problems[0] if each.problems else "it could not be told whether it is fresh"
            yield f"{each.reference.name} is not a base for a letter: {why}"
    if published and all(each.complete for each in published) and (why := of_another_release(contents, others)):
        yield why
    if wrong := dict(mislabelled(contents, errata.published)):
        yield f"which notices are about {_listed(list(wrong))} could not be told: {next(iter(wrong.values()))}"
    if errata.unexplained:
        yield f"what these updates fix could not be told: {_listed(errata.unexplained)}"


def _left_out(configuration: AptConfiguration, published: Sequence[Published]) -> Iterator[str]:
    """Reference suites that the image's own sources do not name (one that they name and that is broken, they do)."""
    named = {entry.suite for entry in configuration.sources}
    for each in published:
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


def _unassessed(
    contents: Contents,
    configuration: AptConfiguration,
    offered: Sequence[OfferedSuite],
    choice: Choice,
    published: Sequence[Published],
    errata: Errata,
    others: Sequence[str],
    build_age: Age,
) -> Iterator[Unassessed]:
    yield from contents.unassessed
    yield from (Unassessed("apt's configuration", problem) for problem in configuration.problems)
    yield from (Unassessed("updates", why) for why in choice.unanswerable)
    yield from (Unassessed("updates", why) for why in choice.problems)
    for each in offered:
        yield from (Unassessed(f"suite {each.suite.entry.suite}", why) for why in each.suite.problems)
    for one in published:
        yield from (Unassessed(f"reference suite {one.reference.name}", why) for why in one.problems)
    yield from errata.unassessed
    if published and others:
        yield Unassessed(
            "1 package of other origin" if len(others) == 1 else f"{len(others)} packages of other origin",
            "the distribution's suites do not offer them, or only older versions, so nobody's errata are about them:"
            f" {_listed(others)}",
        )
    if build_age.days is None:
        yield Unassessed("build age", build_age.why)
    yield Unassessed("language packages", "not looked for yet (Python, Node.js, Java, Go, Rust …)")


def _not_counted(errata: Errata) -> Iterator[Unfixed]:
    for erratum in errata.errata:
        if erratum.paid_only:
            yield Unfixed(erratum.id, "the fix is for paying customers only")


def _signed(offered: Iterable[OfferedSuite], published: Iterable[Published], means: Means) -> Iterator[Evidence]:
    seen = set()
    for suite in (*(each.suite for each in offered), *(each.suite for each in published)):
        if suite is None or suite.release is None or suite.digest in seen:
            continue
        seen.add(suite.digest)
        dated = f" of {suite.release.date:%Y-%m-%d}" if suite.release.date else ""
        by = f"signed by {', '.join(suite.signers)}" if suite.signers else "signed by nobody who counts"
        yield Evidence(f"the Release of {suite.entry.suite}{dated} is {by}", suite.url, suite.digest, means.now)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
