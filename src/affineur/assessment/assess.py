"""The way of the data, put together once: from a reference to a verdict.

    source → image → layers → packages → repositories, errata → grade → verdict

What could not be told on the way is collected, and keeps the letter unknown where it bears on it.
"""

from collections.abc import Sequence

from affineur.assessment.contents import Contents, read_contents
from affineur.assessment.errata import Errata, find_errata
from affineur.assessment.found import Found
from affineur.assessment.judgement import judged
from affineur.assessment.means import Means
from affineur.assessment.model import Assessment
from affineur.http.addresses import Reach
from affineur.repositories.apt.choose import choose
from affineur.repositories.apt.configuration import read_configuration
from affineur.repositories.apt.fetch import Fetcher
from affineur.repositories.apt.model import AptConfiguration, OfferedSuite
from affineur.repositories.published import Published, read_references
from affineur.repositories.reference import NoReference, references_for
from affineur.source.source import Source
from affineur.trust.policy import Policy

__all__ = ["assess"]


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
    found = Found(contents, configuration, offered, choice, references, published, errata)
    return judged(found, means, policy)


def _reach(contents: Contents, means: Means) -> Reach:
    """How local the URLs that the image chooses may lead: as far as its own registry is.

    Where an image file lies says nothing about who made it: from there, as from a registry on the internet.
    """
    registry = contents.image.reference.registry
    if registry is None:
        return Reach.PUBLIC
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
