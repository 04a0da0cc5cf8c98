"""What a distribution has published: its reference suites, found, verified by their own keys, and read.

They are looked for where the image's own sources point, then beside those places, then where the user says. A place is
known by the pinned key and the signed fields of what it serves, never by its host. What cannot be found, verified or
read, or is too old, is said: then nothing may be concluded from the rest.
"""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Protocol
from urllib.parse import urljoin

import msgspec

from affineur.errors import ContentError
from affineur.openpgp import fingerprints, merged, split_certificates
from affineur.repositories.apt.fetch import Fetcher
from affineur.repositories.apt.model import Offer, Release, SourceEntry, Suite
from affineur.repositories.apt.verify import ImageKeys, Keyring
from affineur.repositories.reference import ReferenceSuite, differs, stale

__all__ = ["Published", "Remembered", "read_references"]

AT_ONCE = 4  # reference suites read side by side
PLACES_LIMIT = 24  # places tried for one reference suite; an image may name thousands of sources


class Remembered(Protocol):
    """What earlier runs saw (store/releases.py)."""

    def rollback(self, signers: Collection[str], release: Release) -> str | None:
        """Why this Release is older than one already seen of the same key, origin and suite; remembers it if not."""
        ...


class Published(msgspec.Struct, frozen=True):
    """One reference suite, and what came of looking for it.

    Attributes:
        suite: as found, its entry's URI telling where; None if it was not found.
        offers: what it offers of the names asked for.
        verified: signed by a pinned key, with the signed fields that the reference has.
        fresh: True, False, or None where it could not be told.
        from_image: the image's own sources lead to it.
        problems: what is missing, unread or wrong, and why.
    """

    reference: ReferenceSuite
    suite: Suite | None
    offers: tuple[Offer, ...] = ()
    verified: bool = False
    fresh: bool | None = None
    from_image: bool = False
    problems: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Found, verified, fresh and read to the end: the only state that a letter may rest on."""
        return self.suite is not None and self.verified and self.fresh is True and not self.problems


def read_references(
    references: Sequence[ReferenceSuite],
    fetcher: Fetcher,
    entries: Sequence[SourceEntry],
    keys: ImageKeys,
    names: Collection[str] | None,
    now: datetime,
    mirrors: Sequence[str] = (),
    remembered: Remembered | None = None,
) -> tuple[Published, ...]:
    """Find, verify and read every reference suite. Never raises for what archives or the image hold.

    Args:
        fetcher: the one that fetches the image's own suites, so that what is both is fetched once.
        entries: of the image's sources.
        keys: the image's keyrings; certificates from there count by pinned fingerprint only.
        names: of the packages that matter, lower case; None for all.
        now: by the real clock.
        mirrors: URIs of repositories to look in last, from the user's settings.
        remembered: the memory of newest Dates; without one, a rollback within the limits of age is not noticed.
    """
    if not references:
        return ()
    fetcher.own_places([*mirrors, *(each.uri for each in references if each.uri)])

    def find(reference: ReferenceSuite) -> Published:
        suite, from_image, problems = _found(reference, fetcher, entries, keys, mirrors)
        if suite is None or suite.release is None:
            return Published(reference, None, problems=problems)
        return _read(reference, suite, suite.release, fetcher, names, now, from_image=from_image)

    with ThreadPoolExecutor(len(references[:AT_ONCE])) as pool:
        found = tuple(pool.map(find, references))
    return tuple(_remembered(each, remembered) for each in found) if remembered else found


def _remembered(found: Published, memory: Remembered) -> Published:
    suite = found.suite
    if suite is None or suite.release is None or suite.expired:
        return found
    why = memory.rollback(suite.signers, suite.release)
    if why is None:
        return found
    return msgspec.structs.replace(found, fresh=False, problems=(*found.problems, f"{suite.url}: {why}"))


def _read(
    reference: ReferenceSuite,
    suite: Suite,
    release: Release,
    fetcher: Fetcher,
    names: Collection[str] | None,
    now: datetime,
    *,
    from_image: bool,
) -> Published:
    late = stale(reference, release, now)
    fresh: bool | None = not suite.expired and late is None
    if release.date is None and not suite.expired:
        fresh = None
    components = tuple(dict.fromkeys(reference.components or release.components))
    entry = msgspec.structs.replace(suite.entry, components=components)
    offered = fetcher.offers(msgspec.structs.replace(suite, entry=entry), names)
    return Published(
        reference=reference,
        suite=offered.suite,
        offers=offered.offers,
        verified=True,
        fresh=fresh,
        from_image=from_image,
        problems=(*offered.suite.problems, *((f"{suite.url}: {late}",) if late else ())),
    )


def _found(
    reference: ReferenceSuite,
    fetcher: Fetcher,
    entries: Sequence[SourceEntry],
    keys: ImageKeys,
    mirrors: Sequence[str],
) -> tuple[Suite | None, bool, tuple[str, ...]]:
    """(the suite, whether the image's own sources lead there, why it was not found)."""
    keyring = _keyring(reference, entries, keys)
    if not keyring.certificates:
        return None, False, (f"{reference.name}: none of the keys that sign it is at hand", *keyring.problems)
    reasons: list[str] = []
    for number, (uri, name, own) in enumerate(_places(reference, entries, mirrors)):
        if number == PLACES_LIMIT:
            reasons.append(f"not looked for in more than {PLACES_LIMIT} places")
            break
        suite = fetcher.suite(SourceEntry(uri, name, reference.components or ("main",)), keyring)
        if suite.release is None or not suite.verified:
            reasons += suite.problems
            continue
        other = differs(reference, suite.release)
        if other is None:
            return suite, own, ()
        reasons.append(f"{suite.url}: {other}")
    shown = "; ".join(dict.fromkeys(reasons)) or "the image's sources name no place for it, and no mirror is configured"
    return None, False, (f"{reference.name} of {reference.distribution} was not found: {shown}",)


def _places(
    reference: ReferenceSuite, entries: Sequence[SourceEntry], mirrors: Sequence[str]
) -> Iterator[tuple[str, str, bool]]:
    """(URI, suite, whether the image's sources name it), each once: the user's own place alone, if there is one."""
    if reference.uri:
        yield reference.uri if reference.uri.endswith("/") else f"{reference.uri}/", reference.name, False
        return
    seen: set[tuple[str, str]] = set()
    deb = [entry for entry in entries if entry.uri.lower().startswith(("http://", "https://"))]
    likely = sorted(deb, key=lambda entry: entry.suite != reference.name)  # `stable` may be it, under another name
    named = [
        (entry.uri, entry.suite, True)
        for entry in likely
        if not entry.suite.endswith("/") and _may_be(reference, entry)
    ]
    beside = [(entry.uri, reference.name, False) for entry in deb]
    for entry in deb:
        with suppress(ValueError):  # no URL: it is not asked either
            beside += [(urljoin(entry.uri, way), reference.name, False) for way in reference.siblings]
    beside += [(uri if uri.endswith("/") else f"{uri}/", reference.name, False) for uri in mirrors]
    for place in named + beside:
        if place[:2] not in seen:
            seen.add(place[:2])
            yield place


def _may_be(reference: ReferenceSuite, entry: SourceEntry) -> bool:
    """Leaves out what is surely another suite of the same release, to save asking for it."""
    if entry.suite == reference.name:
        return True
    return not (reference.release and entry.suite.startswith(reference.release))


def _keyring(reference: ReferenceSuite, entries: Sequence[SourceEntry], keys: ImageKeys) -> Keyring:
    """Certificates of the pinned keys alone: ours, and the image's copies of them."""
    paths = dict.fromkeys((*reference.keyrings, *keys.trusted, *(p for e in entries for p in e.signed_by)))
    certificates = list(reference.certificates)
    problems: list[str] = []
    for path in paths:
        try:
            content = keys.read(path) if path.startswith("/") else None
            if content is not None:
                certificates += split_certificates(content, f"keyring {path}")
        except ContentError as error:
            problems.append(str(error))
    chosen = merged(each for each in certificates if fingerprints(each)[0] in reference.keys)
    return Keyring(chosen, problems=tuple(problems) if not chosen else (), pinned=True)
