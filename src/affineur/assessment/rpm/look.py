"""From what is installed to what dnf, yum or zypper would offer, what is published, and what the image lacks."""

import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from affineur.assessment.contents import Contents
from affineur.assessment.errata import Errata, out_by_now, upgraded
from affineur.assessment.found import Found
from affineur.assessment.means import Means
from affineur.assessment.model import Deviation, ForeignPackage
from affineur.assessment.readers import RPM, RPM_KEYS
from affineur.assessment.rpm.changelogs import Described, described
from affineur.assessment.rpm.origin import foreign, of_another_release, of_unread_repositories
from affineur.assessment.rpm.place import Place, read_place
from affineur.assessment.rpm.suites import evidence, states, suite_facts
from affineur.assessment.sentences import listed
from affineur.errata.erratum import Erratum
from affineur.errata.publishers import publishes
from affineur.errata.rpm import builds, coverage
from affineur.errata.rpm.changelog import mentions
from affineur.errors import ContentError
from affineur.evidence import Unassessed
from affineur.http.addresses import Reach
from affineur.openpgp import split_certificates
from affineur.packages.inventory import Package
from affineur.repositories.reference import NoReference
from affineur.repositories.rpmmd.choose import Choice, choose
from affineur.repositories.rpmmd.configuration import read_configuration
from affineur.repositories.rpmmd.deviations import deviations
from affineur.repositories.rpmmd.fetch import Fetcher
from affineur.repositories.rpmmd.filters import Offered, filtered
from affineur.repositories.rpmmd.model import Fetched, RpmConfiguration
from affineur.repositories.rpmmd.published import Published, read_references
from affineur.repositories.rpmmd.reference import ReferenceRepository, of_settings, references_for, trusted_by
from affineur.repositories.rpmmd.trust import key_paths
from affineur.repositories.update import Update

if TYPE_CHECKING:
    from affineur.store.offers import OfferStore

__all__ = ["look"]

ENTITLED_HOST = "cdn.redhat.com"
AT_ONCE = 4  # repositories read side by side
OWN_S = 300.0  # seconds after which no further one of the image is read; it may name thousands, each as slow as may be


class _Read(msgspec.Struct, frozen=True):
    """What was read of repositories.

    Attributes:
        own: the image's enabled repositories, in its order; `choice` is what its manager would take of them.
        references: what ought to have been read of the distribution's; `published` is what came of it, each with its
            place, where it was found.
        active: the module streams in use, `name:stream:context`.
        entitled: whether the user has an entitlement, by which the repositories for customers were read.
        seen: installed packages, less those that the manager's configuration has it forget.
    """

    contents: Contents
    configuration: RpmConfiguration
    own: tuple[Place, ...]
    choice: Choice
    references: tuple[ReferenceRepository, ...] | NoReference
    published: tuple[tuple[Published, Place | None], ...]
    active: frozenset[str]
    seen: tuple[Package, ...]
    entitled: bool
    fetcher: Fetcher


def look(contents: Contents, means: Means, reach: Reach) -> Found:
    """Ask the image's and the distribution's rpm-md repositories.

    Args:
        reach: how local the URLs that the image chooses may lead.
    """
    read = _read(contents, means, reach)
    trusted = [place for each, place in read.published if place is not None and each.verified]
    published = _notices(trusted)
    offered = choose(contents.packages, list(map(_in_full, trusted)), _neutral(read.configuration)).updates
    newer = builds.errata_of_updates(offered, published, read.active)
    gaps = tuple(_gaps(read, newer, means.now))
    said, mentioned = _changelogs(read, newer, trusted, means) if gaps else (Described(), [])
    published += [erratum for erratum in said.errata if erratum.cves]
    newer = builds.errata_of_updates(newer, published, read.active, complete=not gaps)
    findings = [out_by_now(each, means.now) for each in builds.match_builds(contents.packages, published, read.active)]
    rebuilt = upgraded(contents.packages, newer)
    others = tuple(_foreign(read, trusted))
    own = _notices(read.own)
    updates = builds.errata_of_updates(read.choice.updates, [*published, *own], read.active, complete=_all(read, gaps))
    return Found(
        contents=contents,
        suites=tuple(suite_facts(read.own, read.published)),
        states=tuple(states(read.published, read.references)),
        updates=tuple(_placed(update, read.own) for update in updates),
        notices=tuple(builds.listed(read.seen, own, read.active)),
        errata=Errata(tuple(findings), tuple(newer), gaps, (), (), ()),
        foreign=others,
        foreign_untold=_foreign_untold(read),
        unknown=tuple(_unknown(read, gaps, others)),
        deviations=tuple(_deviations(read)),
        unassessed=(*_unassessed(read, others), *mentioned, *said.unassessed),
        evidence=(*evidence([*read.own, *trusted], means.now), *said.evidence),
        rebuilt=tuple(rebuilt),
        left=tuple(finding.erratum for finding in builds.match_builds(rebuilt, published, read.active)),
        obsoleting=read.choice.obsoleting,
    )


def _read(contents: Contents, means: Means, reach: Reach) -> _Read:
    os_release, architecture = contents.os_release, contents.image.platform.architecture
    configuration = read_configuration(contents.files(RPM), contents.packages, architecture, os_release)
    enabled = [repository for repository in configuration.repositories if repository.enabled]
    # all at once: each further question would read the layers again
    contents.tree.also([path for each in enabled for path in key_paths(each)])
    entitled = means.entitled is not None and means.entitled(ENTITLED_HOST)
    own_references = [of_settings(each) for each in means.references if each.distribution == os_release.id]
    references = references_for(os_release, configuration.basearch, own_references, entitled=entitled)
    trusted = None if isinstance(references, NoReference) else trusted_by(references)
    fetcher = Fetcher(
        means.client, configuration, contents.tree.read, means.now, reach, means.entitled, trusted, _imported(contents)
    )
    names = frozenset(package.name for package in contents.packages)
    with means.progress.stage("repositories"):
        fetched = fetcher.fetch_all(enabled)
        published: tuple[Published, ...] = ()
        if not isinstance(references, NoReference):
            published = read_references(references, fetcher, configuration, means.now)
        found = [each.fetched for each in published if each.fetched is not None]
        places = _places(fetcher, found, fetched, names, os_release.id, means.offers)

    def place_of(each: Fetched) -> Place:
        if each.repomd is None:  # also where this section alone refuses what another takes
            return Place(each, problems=each.problems)
        return msgspec.structs.replace(places[each.url, each.digest], fetched=each)  # the same, as this section has it

    own = tuple(map(place_of, fetched))
    choice = choose(contents.packages, [place.offered for place in own], configuration)
    seen = filtered(
        [package for package in contents.packages if package.manager == "rpm"],
        [place.offered for place in own],
        configuration,
    )
    return _Read(
        contents,
        configuration,
        own,
        choice,
        references,
        tuple((each, place_of(each.fetched) if each.fetched is not None else None) for each in published),
        seen.active,
        tuple(seen.installed),
        entitled,
        fetcher,
    )


def _imported(contents: Contents) -> list[bytes]:
    """The keys that the image's rpm was given; what is no key of them is none."""
    found: list[bytes] = []
    for located in contents.tree.facts(RPM_KEYS).values():
        for held in located.facts:
            with suppress(ContentError):
                found += split_certificates(held.armor.encode(), f"the key {held.key_id} of rpm")
    return found


def _places(
    fetcher: Fetcher,
    published: Sequence[Fetched],
    own: Sequence[Fetched],
    names: Collection[str],
    publisher: str,
    offers: "OfferStore | None",
) -> dict[tuple[str, str], Place]:
    """Read each repository once, the distribution's first; of the image's those that are not begun within OWN_S not."""
    begun = time.monotonic()
    first = {(each.url, each.digest) for each in published}

    def place(each: Fetched) -> Place:
        if (each.url, each.digest) not in first and time.monotonic() - begun > OWN_S:
            why = f"not read: those before it took {OWN_S:.0f} s, all the time that there is"
            return Place(each, problems=(*each.problems, why))
        return read_place(fetcher, each, names, publisher, offers)

    distinct = {(each.url, each.digest): each for each in (*published, *own) if each.repomd is not None}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(distinct, pool.map(place, distinct.values()), strict=True))


def _changelogs(
    read: _Read, newer: Sequence[Update], trusted: Sequence[Place], means: Means
) -> tuple[Described, list[Unassessed]]:
    """What changelogs say of the updates that no notice explains: the distribution's, or else the image's own."""
    updates = [update for update in newer or read.choice.updates if not update.errata]
    data = None if means.offline else read.fetcher.data
    with means.progress.stage("changelogs"):
        said = described(
            updates,
            trusted if newer else read.own,
            data,
            means.settings.feeds.changelog_bytes,
            means.changelogs,
            means.now,
        )
    counted = mentions(builds.errata_of_updates(updates, said.errata), said.errata)
    told = [Unassessed("what updates fix", f"by their changelogs alone: {counted.sentence()}")] if said.errata else []
    return said, told


def _all(read: _Read, gaps: Sequence[str]) -> bool:
    """Whether an update of the image's own that no notice speaks of is none for security: its repositories' are all."""
    roles = {each.fetched.digest for each in read.own if each.fetched.repomd is not None}
    believed = {place.fetched.digest for _, place in read.published if place is not None}
    return not gaps and bool(roles) and roles <= believed


def _neutral(configuration: RpmConfiguration) -> RpmConfiguration:
    """By which the distribution's own answer is found: nothing of the image's hides an update."""
    return msgspec.structs.replace(
        configuration, manager="dnf", exclude=(), locks=(), obsoletes=False, problems=(), unanswerable=()
    )


def _in_full(place: Place) -> Offered:
    """What a repository offers, whatever the image's section about it leaves out."""
    repository = msgspec.structs.replace(place.fetched.repository, exclude=(), includepkgs=(), priority=99)
    return msgspec.structs.replace(place.offered, repository=repository)


def _notices(places: Sequence[Place]) -> list[Erratum]:
    return builds.joined(erratum for place in places for erratum in place.notices)


def _placed(update: Update, own: Sequence[Place]) -> Update:
    place = next((each for each in own if each.fetched.repository.id in update.suites), None)
    return msgspec.structs.replace(update, manager="rpm", base_uri=place.fetched.base_uri if place else "")


def _gaps(read: _Read, newer: Sequence[Update], now: datetime) -> Iterator[str]:
    """Why a notice that is out may not be among those that were read."""
    published, statement = publishes(read.contents.os_release.id)
    told = any(each.reference.notices for each, _ in read.published)  # of an own distribution: by the settings
    if published == "nothing" or (published == "unknown" and not told):
        yield statement.rstrip(".")
        return
    if silent := [each.reference.silent for each, _ in read.published if each.reference.silent]:
        yield silent[0]
        return
    held = []
    errata = [erratum for _, place in read.published if place for erratum in place.notices]
    for each, place in read.published:
        if place is None or place.has_notices is None:
            continue  # said as a problem of the repository
        uncovered = coverage.uncovered([u for u in newer if place.fetched.repository.id in u.suites], errata)
        held.append(
            coverage.Held(
                each.reference.name,
                place.notice_count,
                coverage.newest_of(place.notices, now),
                place.newest,
                len(uncovered),
            )
        )
    yield from coverage.gaps(held)
    unread = [place.fetched.repository.id for _, place in read.published if place and place.modules_unread]
    if unread and any(package.module for package in read.contents.packages):
        yield f"which notices are about module streams could not be told: modules of {listed(unread)}"


def _foreign(read: _Read, trusted: Sequence[Place]) -> Iterator[ForeignPackage]:
    if _foreign_untold(read) or isinstance(read.references, NoReference):
        return
    keys = {key for reference in read.references for key in reference.trusted.keys}
    offers = [offer for place in trusted for offer in place.offers]
    yield from foreign(read.contents.packages, offers, keys)


def _foreign_untold(read: _Read) -> str:
    if isinstance(read.references, NoReference):
        return read.references.why
    unread = [each.reference.name for each, place in read.published if place is None or not place.read]
    return f"{listed(unread)} could not be read" if unread else ""


def _unknown(read: _Read, gaps: Sequence[str], others: Sequence[ForeignPackage]) -> Iterator[str]:
    if isinstance(read.references, NoReference):
        yield read.references.why
    if publishes(read.contents.os_release.id)[0] == "nothing":
        yield from gaps  # the first that there is to know
    for each, place in read.published:
        problems = (*each.problems, *(place.problems if place else ()))
        if not each.complete or problems:
            why = problems[0] if problems else "it could not be told whether it is fresh"
            yield f"{each.reference.name} is not a base for a letter: {why}"
    if read.published and not _foreign_untold(read):
        name = read.contents.os_release.pretty_name
        if wrong := of_another_release(len(read.contents.packages), others, name):
            yield wrong
        if unread := of_unread_repositories(read.contents.packages, others):
            count = f"{len(unread)} packages are" if len(unread) > 1 else "1 package is"
            customers = "" if read.entitled else "; those for customers are read with --entitlement-dir"
            yield (
                f"{count} the distribution's, and in no repository of it that was read: {listed(unread)}"
                + (customers if read.contents.os_release.id == "rhel" else "")
            )
    if publishes(read.contents.os_release.id)[0] != "nothing":
        yield from gaps


def _deviations(read: _Read) -> Iterator[Deviation]:
    published = [each for each, _ in read.published]
    pinned = {key for each in published for key in each.reference.trusted.keys}
    fetched = [place.fetched for place in read.own]
    for kind, what, where in deviations(read.configuration, fetched, published, pinned):
        yield Deviation(kind, what, where)
    for lost in read.choice.hidden:
        what = f"{lost.name} {lost.available} is on offer and would not be taken"
        yield Deviation("not-taken", what, lost.because)


def _unassessed(read: _Read, others: Sequence[ForeignPackage]) -> Iterator[Unassessed]:
    manager = read.configuration.manager
    yield from (Unassessed(f"{manager}'s configuration", problem) for problem in read.configuration.problems)
    yield from (Unassessed("updates", why) for why in (*read.choice.unanswerable, *read.choice.problems))
    for place in read.own:
        yield from (Unassessed(f"repository {place.fetched.repository.id}", why) for why in place.problems)
    for each, found in read.published:
        why_not = (*each.problems, *(found.problems if found else ()))
        yield from (Unassessed(f"reference repository {each.reference.name}", why) for why in why_not)
    if others:
        names = listed(sorted({each.name for each in others}))
        yield Unassessed(
            "1 package of other origin" if len(others) == 1 else f"{len(others)} packages of other origin",
            f"nobody's errata are about them: {names} ({others[0].name}: {others[0].why})",
        )
