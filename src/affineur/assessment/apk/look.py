"""From what is installed to what apk would offer, what the distribution has published, and what the image lacks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from affineur.assessment.apk.deviations import contradiction, deviations, foreign, mislabelled
from affineur.assessment.apk.suites import evidence, states, suite_facts
from affineur.assessment.contents import Contents
from affineur.assessment.errata import Errata, out_by_now, upgraded
from affineur.assessment.found import Found
from affineur.assessment.means import Means
from affineur.assessment.model import Deviation, ForeignPackage, Notice
from affineur.assessment.readers import APK
from affineur.assessment.sentences import listed
from affineur.errata.erratum import Erratum
from affineur.errata.gather import lowest_versions
from affineur.errata.match import errata_of_updates, match
from affineur.errata.noticed import Noticed
from affineur.errors import ContentError
from affineur.evidence import Unassessed
from affineur.http.addresses import Reach
from affineur.packages.inventory import Package
from affineur.packages.versions.apk import valid
from affineur.repositories.apk.choose import Choice, choose
from affineur.repositories.apk.configuration import read_configuration
from affineur.repositories.apk.fetch import Fetcher
from affineur.repositories.apk.model import ApkConfiguration, OfferedIndex
from affineur.repositories.apk.published import PublishedIndex, read_references
from affineur.repositories.apk.reference import ApkReference, of_settings, references_for
from affineur.repositories.reference import NoReference
from affineur.repositories.update import Update

__all__ = ["look"]

NATIVE = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "386": "x86",
    "arm": "armv7",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loong64": "loongarch64",
}
"""GOARCH to apk's name; armhf is told apart by what is installed."""


class _Read(msgspec.Struct, frozen=True):
    """What was read of repositories.

    Attributes:
        offered: the image's own indexes; `choice` is what apk would take of them.
        references: what ought to have been read of the distribution's; `published` is what came of it.
        noticed: the fixes that the image lacks, and what could not be told of them.
        newer: what the distribution offers, with the fixes that it brings.
    """

    contents: Contents
    configuration: ApkConfiguration
    offered: tuple[OfferedIndex, ...]
    choice: Choice
    references: tuple[ApkReference, ...] | NoReference
    published: tuple[PublishedIndex, ...]
    noticed: Noticed
    newer: tuple[Update, ...]

    @property
    def packages(self) -> tuple[Package, ...]:
        """apk's own; of another manager's, an image may have some, too, nothing is asked here."""
        return tuple(package for package in self.contents.packages if package.manager == "apk")


def look(contents: Contents, means: Means, reach: Reach) -> Found:
    """Ask apk's repositories and the distribution's security database.

    Args:
        reach: how local the URLs that the image chooses may lead.
    """
    read = _read(contents, means, reach)
    errata = read.noticed.errata
    findings = tuple(out_by_now(each, means.now) for each in match(read.packages, errata))
    rebuilt = upgraded(read.packages, read.newer)
    updates = _told(read.choice.updates, read.noticed)
    others = tuple(_foreign(read))
    return Found(
        contents=contents,
        suites=tuple(suite_facts(read.offered, read.published)),
        states=tuple(states(read.published, read.references)),
        updates=updates,
        notices=tuple(_notices(updates, {erratum.id: erratum for erratum in errata})),
        errata=Errata(
            findings=findings,
            published=read.newer,
            gaps=read.noticed.gaps,
            unexplained=(),
            evidence=read.noticed.evidence,
            unassessed=read.noticed.unassessed,
        ),
        foreign=others,
        foreign_untold=_foreign_untold(read),
        unknown=tuple(_unknown(read, others)),
        deviations=tuple(_deviations(read)),
        unassessed=tuple(_unassessed(read, others)),
        evidence=(*evidence(read.offered, read.published, means.now), *read.noticed.evidence),
        rebuilt=tuple(rebuilt),
        left=tuple(finding.erratum for finding in match(rebuilt, errata)),
    )


def _read(contents: Contents, means: Means, reach: Reach) -> _Read:
    files = contents.files(APK)
    configuration = read_configuration(files, _native(contents))
    fetcher = Fetcher(means.client, configuration.architectures[0], reach)
    names = frozenset(package.name for package in contents.packages)
    with means.progress.stage("repositories"):
        offered = fetcher.fetch(configuration, names)
    choice = choose(contents.packages, configuration, offered)
    references, problems = _references(contents, means, configuration)
    published: tuple[PublishedIndex, ...] = ()
    if not isinstance(references, NoReference):
        with means.progress.stage("reference repositories"):
            published = read_references(
                references,
                fetcher,
                configuration.repositories,
                {path: content for path, content in files.items() if "apk/keys/" in path},
                names,
                means.now,
                means.settings.archives,
            )
    believed = [OfferedIndex(each.index, each.offers) for each in published if each.index and each.verified]
    noticed = _noticed(contents, means, believed)
    neutral = ApkConfiguration((), (), configuration.architectures)
    newer = choose(contents.packages, neutral, _untagged(believed) if believed else offered).updates
    if problems:
        configuration = msgspec.structs.replace(configuration, problems=(*configuration.problems, *problems))
    return _Read(contents, configuration, offered, choice, references, published, noticed, _told(newer, noticed))


def _references(
    contents: Contents, means: Means, configuration: ApkConfiguration
) -> tuple[tuple[ApkReference, ...] | NoReference, tuple[str, ...]]:
    """(the reference repositories, what is wrong with the user's own)."""
    own: list[ApkReference] = []
    problems: list[str] = []
    for suite in means.references:
        if suite.distribution == contents.os_release.id:
            try:
                own.append(of_settings(suite))
            except ContentError as error:
                problems.append(str(error))
    return references_for(contents.os_release, configuration.architectures[0], own), tuple(problems)


def _untagged(indexes: Sequence[OfferedIndex]) -> list[OfferedIndex]:
    """The distribution's own repositories count by default, whatever the image calls them."""

    def plain(each: OfferedIndex) -> OfferedIndex:
        repository = msgspec.structs.replace(each.index.repository, tag="")
        return OfferedIndex(msgspec.structs.replace(each.index, repository=repository), each.offers)

    return [plain(each) for each in indexes]


def _noticed(contents: Contents, means: Means, believed: Sequence[OfferedIndex]) -> Noticed:
    if means.feeds is None:
        why = "no feed of severities and dates is configured (feeds.osv)"
        return Noticed.nothing(f"fixes of {contents.os_release.id}", why)
    from affineur.errata.apk.secdb import Built, SecDB

    built = Built(offer for each in believed for offer in each.offers)
    installed = lowest_versions([package for package in contents.packages if package.manager == "apk"])
    with means.progress.stage("fixes"):
        fixes = SecDB(means.feeds, None if means.offline else means.client)
        return fixes.errata_for(contents.os_release, installed, built)


def _told(updates: Sequence[Update], noticed: Noticed) -> tuple[Update, ...]:
    """With their fixes; where all fixes are known, an update that brings none is no security update."""
    filled = errata_of_updates(updates, noticed.errata)
    if noticed.gaps:
        return tuple(filled)
    return tuple(each if each.security else msgspec.structs.replace(each, security=False) for each in filled)


def _native(contents: Contents) -> str:
    """apk's name: of most of the packages; without any, as the config says."""
    counted = Counter(p.architecture for p in contents.packages if p.manager == "apk" and p.architecture)
    counted.pop("noarch", None)
    architecture = contents.image.platform.architecture
    return counted.most_common(1)[0][0] if counted else NATIVE.get(architecture, architecture)


def _notices(updates: Sequence[Update], errata: Mapping[str, Erratum]) -> Iterator[Notice]:
    for update in updates:
        for erratum in (errata[identifier] for identifier in update.errata):
            yield Notice.of(erratum, update.name, update.architecture, update.available)


def _pinned(read: _Read) -> frozenset[str]:
    """Fingerprints of the keys that may sign the reference repositories, and of those that did."""
    if isinstance(read.references, NoReference):
        return frozenset()
    known = {key.fingerprint for reference in read.references for key in reference.keys.values()}
    signed = {signer for each in read.published if each.index and each.verified for signer in each.index.signers}
    return frozenset(known | signed)


def _deviations(read: _Read) -> Iterator[Deviation]:
    return deviations(read.contents, read.configuration, read.offered, read.choice, _pinned(read), read.published)


def _foreign(read: _Read) -> Iterator[ForeignPackage]:
    if _foreign_untold(read):
        return
    yield from foreign(read.packages, [offer for each in read.published for offer in each.offers])


def _foreign_untold(read: _Read) -> str:
    if isinstance(read.references, NoReference):
        return read.references.why
    unread = [each.name for each in read.published if each.index is None or not each.verified]
    return f"{listed(unread)} could not be read" if unread else ""


def _unknown(read: _Read, others: Sequence[ForeignPackage]) -> Iterator[str]:
    contents = read.contents
    if why := contradiction(contents):
        yield why
    if isinstance(read.references, NoReference):
        yield read.references.why
    for each in read.published:
        if not each.complete:
            because = each.problems[0] if each.problems else "it could not be told whether it is fresh"
            yield f"{each.name} is not a base for a letter: {because}"
    if read.published and len(others) * 2 > len(read.packages):
        yield (
            f"{len(others)} of {len(read.packages)} packages are none that {contents.os_release.pretty_name} has"
            f" published, although os-release says that this is it: {listed(sorted({each.name for each in others}))}"
        )
    offers = [offer for each in read.published if each.verified for offer in each.offers]
    if wrong := dict(mislabelled(read.packages, offers)):
        yield f"which fixes are about {listed(sorted(wrong))} could not be told: {next(iter(wrong.values()))}"
    known = {offer.name for offer in offers}
    unreadable = {p.name: p.version for p in read.packages if p.name in known and not valid(p.version)}
    if unreadable:
        name, version = min(unreadable.items())
        what = f"what {listed(sorted(unreadable))} may lack could not be told"
        yield f"{what}: {version[:40]!r}, as the image says of {name}, is no version"
    yield from read.noticed.gaps


def _unassessed(read: _Read, others: Sequence[ForeignPackage]) -> Iterator[Unassessed]:
    yield from (Unassessed("apk's configuration", problem) for problem in read.configuration.problems)
    yield from (Unassessed("updates", why) for why in read.choice.unanswerable)
    for each in read.offered:
        url = each.index.repository.public_url
        yield from (Unassessed(f"repository {url}", why) for why in each.index.problems)
    for one in read.published:
        yield from (Unassessed(f"reference repository {one.name}", why) for why in one.problems)
    yield from read.noticed.unassessed
    if others:
        names = listed(sorted({each.name for each in others}))
        yield Unassessed(
            "1 package of other origin" if len(others) == 1 else f"{len(others)} packages of other origin",
            f"nobody's fixes are about them: {names} ({others[0].name}: {others[0].why})",
        )
