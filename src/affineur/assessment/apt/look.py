"""From what is installed to what apt would offer, what the distribution has published, and what the image lacks."""

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from affineur.assessment.apt.deviations import contradiction, deviations, foreign, mislabelled, of_another_release
from affineur.assessment.apt.errata import find_errata
from affineur.assessment.apt.suites import states, suite_facts
from affineur.assessment.contents import Contents
from affineur.assessment.errata import Errata, upgraded
from affineur.assessment.found import Found
from affineur.assessment.means import Means
from affineur.assessment.model import ForeignPackage, Notice
from affineur.assessment.readers import APT
from affineur.assessment.sentences import listed
from affineur.errata.erratum import Erratum
from affineur.errata.match import errata_of_updates, match
from affineur.evidence import Evidence, Unassessed
from affineur.http.addresses import Reach
from affineur.repositories.apt.choose import Choice, choose
from affineur.repositories.apt.configuration import read_configuration
from affineur.repositories.apt.fetch import Fetcher
from affineur.repositories.apt.model import AptConfiguration, OfferedSuite
from affineur.repositories.apt.verify import ImageKeys
from affineur.repositories.published import Published, read_references
from affineur.repositories.reference import NoReference, ReferenceSuite, references_for
from affineur.repositories.update import Update

__all__ = ["look"]

NATIVE = {"386": "i386", "arm": "armhf", "ppc64le": "ppc64el", "mips64le": "mips64el", "loong64": "loong64"}
"""GOARCH to Debian's name where they differ; armel is told apart by what is installed."""

_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")  # deb-control(5) § Architecture


class _Read(msgspec.Struct, frozen=True):
    """What was read of repositories.

    Attributes:
        offered: the suites that the image's own sources name; `choice` is what apt would take of them.
        references: what ought to have been read of the distribution's suites; `published` is what came of it.
        others: installed packages that no reference suite has published.
    """

    contents: Contents
    configuration: AptConfiguration
    offered: tuple[OfferedSuite, ...]
    choice: Choice
    references: tuple[ReferenceSuite, ...] | NoReference
    published: tuple[Published, ...]
    errata: Errata
    others: tuple[str, ...]


def look(contents: Contents, means: Means, reach: Reach) -> Found:
    """Ask apt's repositories and the distribution's notices.

    Args:
        reach: how local the URLs that the image chooses may lead.
    """
    read = _read(contents, means, reach)
    errata, published = read.errata, read.published
    rebuilt = upgraded(contents.packages, errata.published)
    updates = errata_of_updates(read.choice.updates, errata.errata)
    return Found(
        contents=contents,
        suites=tuple(suite_facts(read.offered, published)),
        states=tuple(states(published, read.references)),
        updates=tuple(updates),
        notices=tuple(_notices(updates, {erratum.id: erratum for erratum in errata.errata})),
        errata=errata,
        foreign=tuple(_foreign(read)),
        foreign_untold=_foreign_untold(read),
        unknown=tuple(_unknown(read)),
        deviations=tuple(
            deviations(
                contents,
                read.configuration,
                read.offered,
                read.choice,
                _pinned(read.references),
                list(_left_out(read)),
                errata.published,
            )
        ),
        unassessed=tuple(_unassessed(read)),
        evidence=(*_signed(read, means), *errata.evidence),
        rebuilt=tuple(rebuilt),
        left=tuple(
            finding.erratum for finding in match(rebuilt, [each for each in errata.errata if not each.paid_only])
        ),
    )


def _read(contents: Contents, means: Means, reach: Reach) -> _Read:
    files = contents.files(APT)
    keys = _keys(contents, files)
    configuration = read_configuration(files, _native(contents))
    # all at once: each further question would read the layers again
    contents.tree.also([path for entry in configuration.sources for path in entry.signed_by if path.startswith("/")])
    fetcher = Fetcher(means.client, configuration, keys, means.now, reach)
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
                keys,
                names,
                means.now,
                means.settings.archives,
                means.releases,
            )
    errata = _errata(contents, configuration, offered, published, means, reach)
    others = foreign(contents, [OfferedSuite(each.suite, each.offers) for each in published if each.suite])
    return _Read(contents, configuration, offered, choice, references, published, errata, others)


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


def _keys(contents: Contents, files: Mapping[str, bytes]) -> ImageKeys:
    """The keyrings of the image, and which of them are apt's own."""
    trusted = [path for path in files if path == "etc/apt/trusted.gpg" or _in_trusted_parts(path)]
    return ImageKeys(contents.tree.read, tuple(f"/{path}" for path in sorted(trusted)))


def _in_trusted_parts(path: str) -> bool:
    return path.startswith("etc/apt/trusted.gpg.d/") and path.endswith((".gpg", ".asc")) and path.count("/") == 3


def _native(contents: Contents) -> str:
    """Debian's name: dpkg's own package is of the native architecture; without it, as the config says."""
    named = ("dpkg", "base-files", "libc6")
    found = (p.architecture for p in contents.packages if p.name in named and _ARCHITECTURE.fullmatch(p.architecture))
    own = next(found, "all")
    if own != "all":
        return own
    architecture = contents.image.platform.architecture
    return NATIVE.get(architecture, architecture) or "unknown"


def _pinned(references: tuple[ReferenceSuite, ...] | NoReference) -> frozenset[str]:
    """Fingerprints that may sign the reference suites."""
    if isinstance(references, NoReference):
        return frozenset()
    return frozenset(key for reference in references for key in reference.keys)


def _notices(updates: Sequence[Update], errata: Mapping[str, Erratum]) -> Iterator[Notice]:
    for update in updates:
        for erratum in (errata[identifier] for identifier in update.errata):
            yield Notice.of(erratum, update.name, update.architecture, update.available)


def _foreign(read: _Read) -> Iterator[ForeignPackage]:
    if _foreign_untold(read):
        return
    names = frozenset(read.others)
    why = "the distribution's suites do not offer it, or only older versions"
    for package in read.contents.packages:
        if package.name in names:
            yield ForeignPackage(package.name, package.version, package.architecture, why)


def _foreign_untold(read: _Read) -> str:
    if isinstance(read.references, NoReference):
        return read.references.why
    unread = [each.reference.name for each in read.published if each.suite is None or not each.verified]
    return f"{listed(unread)} could not be read" if unread else ""


def _unknown(read: _Read) -> Iterator[str]:
    contents, references, published, errata = read.contents, read.references, read.published, read.errata
    if why := contradiction(contents):
        yield why
    if isinstance(references, NoReference):
        yield references.why
    for each in published:
        if not each.complete:
            why = each.problems[0] if each.problems else "it could not be told whether it is fresh"
            yield f"{each.reference.name} is not a base for a letter: {why}"
    if published and all(each.complete for each in published) and (why := of_another_release(contents, read.others)):
        yield why
    if wrong := dict(mislabelled(contents, errata.published)):
        yield f"which notices are about {listed(list(wrong))} could not be told: {next(iter(wrong.values()))}"
    yield from errata.gaps
    if errata.unexplained:
        yield f"what these updates fix could not be told: {listed(errata.unexplained)}"


def _left_out(read: _Read) -> Iterator[str]:
    """Reference suites that the image's own sources do not name (one that they name and that is broken, they do)."""
    named = {entry.suite for entry in read.configuration.sources}
    for each in read.published:
        if not each.from_image and each.reference.name not in named:
            yield each.reference.name


def _unassessed(read: _Read) -> Iterator[Unassessed]:
    yield from (Unassessed("apt's configuration", problem) for problem in read.configuration.problems)
    yield from (Unassessed("updates", why) for why in read.choice.unanswerable)
    yield from (Unassessed("updates", why) for why in read.choice.problems)
    for each in read.offered:
        yield from (Unassessed(f"suite {each.suite.entry.suite}", why) for why in each.suite.problems)
    for one in read.published:
        yield from (Unassessed(f"reference suite {one.reference.name}", why) for why in one.problems)
    yield from read.errata.unassessed
    if read.published and read.others:
        yield Unassessed(
            "1 package of other origin" if len(read.others) == 1 else f"{len(read.others)} packages of other origin",
            "the distribution's suites do not offer them, or only older versions, so nobody's errata are about them:"
            f" {listed(read.others)}",
        )


def _signed(read: _Read, means: Means) -> Iterator[Evidence]:
    seen = set()
    for suite in (*(each.suite for each in read.offered), *(each.suite for each in read.published)):
        if suite is None or suite.release is None or suite.digest in seen:
            continue
        seen.add(suite.digest)
        dated = f" of {suite.release.date:%Y-%m-%d}" if suite.release.date else ""
        by = f"signed by {', '.join(suite.signers)}" if suite.signers else "signed by nobody who counts"
        yield Evidence(f"the Release of {suite.entry.suite}{dated} is {by}", suite.url, suite.digest, means.now)
