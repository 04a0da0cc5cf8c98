"""The way of the data, put together once: from a reference to a verdict.

    source → image → layers → packages → repositories, errata → grade → verdict

What could not be told on the way is collected, and keeps the letter unknown where it bears on it.
"""

from collections.abc import Callable

from affineur.assessment.contents import Contents, read_contents
from affineur.assessment.found import Found
from affineur.assessment.judgement import judged
from affineur.assessment.means import Means
from affineur.assessment.model import Assessment
from affineur.assessment.readers import READERS
from affineur.assessment.unfixed import with_unfixed
from affineur.http.addresses import Reach
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
        contents = read_contents(source, means.platform, means.layers, READERS, stage.advance)
        stage.note = f"{contents.tree.fetched} of {len(contents.image.layers)} layers fetched"
    found = _look(contents.manager)(contents, means, _reach(contents, means))
    assessment = judged(found, means, policy)
    return assessment if means.unfixed is None else with_unfixed(assessment, contents, means.unfixed)


def _look(manager: str) -> Callable[[Contents, Means, Reach], Found]:
    """By the manager whose packages they are; the others' code is not loaded."""
    if manager == "rpm":
        from affineur.assessment.rpm.look import look as of_rpm

        return of_rpm
    if manager == "apk":
        from affineur.assessment.apk.look import look as of_apk

        return of_apk
    from affineur.assessment.apt.look import look as of_apt

    return of_apt


def _reach(contents: Contents, means: Means) -> Reach:
    """How local the URLs that the image chooses may lead: as far as its own registry is.

    Where an image file lies says nothing about who made it: from there, as from a registry on the internet.
    """
    registry = contents.image.reference.registry
    if registry is None:
        return Reach.PUBLIC
    host, _, port = registry.rpartition(":") if registry.rpartition(":")[2].isdigit() else (registry, "", "443")
    return means.client.reach(host.strip("[]"), int(port))
