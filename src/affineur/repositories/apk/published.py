"""What a distribution of apk has published: its reference repositories, found, verified by their own keys, and read.

They are looked for on the distribution's own hosts, whose word over TLS says that they are as of today; then where the
image's own repositories lie, and beside them; then where the user says. What cannot be found, verified or read, or may
be old, is said: then nothing may be concluded from the rest.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import msgspec

from affineur.errors import ContentError
from affineur.repositories.apk.fetch import Fetcher, Keys
from affineur.repositories.apk.index import Contents
from affineur.repositories.apk.model import ApkIndex, ApkRepository, Offer
from affineur.repositories.apk.reference import ApkReference, differs, freshness, pinned

__all__ = ["PublishedIndex", "read_references"]

AT_ONCE = 4  # reference repositories read side by side
PLACES_LIMIT = 12  # places tried for one; an image may name hundreds of repositories


class PublishedIndex(msgspec.Struct, frozen=True):
    """One reference repository, and what came of looking for it.

    Attributes:
        index: as found; None if it was not found.
        offers: what it offers of the names asked for.
        verified: signed by a pinned key, and recognised by what is signed.
        fresh: True, or None where it could not be told. (An index has no date that says that it is not.)
        from_image: the image's own repositories lead to it.
        problems: what is missing, unread or wrong, and why.
    """

    reference: ApkReference
    index: ApkIndex | None
    offers: tuple[Offer, ...] = ()
    verified: bool = False
    fresh: bool | None = None
    from_image: bool = False
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`v3.16/main`."""
        return self.reference.shown

    @property
    def complete(self) -> bool:
        """Found, verified, fresh and read to the end: the only state that a letter may rest on."""
        return self.index is not None and self.verified and self.fresh is True and not self.problems


def read_references(
    references: Sequence[ApkReference],
    fetcher: Fetcher,
    repositories: Sequence[ApkRepository],
    key_files: Mapping[str, bytes],
    names: Collection[str] | None,
    now: datetime,
    mirrors: Sequence[str] = (),
) -> tuple[PublishedIndex, ...]:
    """Find, verify and read every reference repository. Never raises for what servers or the image hold.

    Args:
        fetcher: the one that fetches the image's own indexes, so that what is both is fetched once.
        repositories: the image's own.
        key_files: the image's key files; they count by pinned sum only.
        names: of the packages that matter; None for all.
        now: by the real clock.
        mirrors: bases of mirrors to look in last, from the user's settings: `https://mirror.example/alpine`.
    """
    if not references:
        return ()
    fetcher.own_places([*mirrors, *(each.url for each in references if each.url)])

    def find(reference: ApkReference) -> PublishedIndex:
        return _found(reference, fetcher, repositories, key_files, names, now, mirrors)

    with ThreadPoolExecutor(min(AT_ONCE, len(references))) as pool:
        return tuple(pool.map(find, references))


def _found(
    reference: ApkReference,
    fetcher: Fetcher,
    repositories: Sequence[ApkRepository],
    key_files: Mapping[str, bytes],
    names: Collection[str] | None,
    now: datetime,
    mirrors: Sequence[str],
) -> PublishedIndex:
    try:
        keys = pinned(reference, key_files)
    except ContentError as error:
        return PublishedIndex(reference, None, problems=(str(error),))
    if not keys:
        why = f"{reference.shown} of {reference.distribution}: none of the keys that sign it is at hand"
        return PublishedIndex(reference, None, problems=(f"{why} (they can be named in the configuration)",))
    own = {repository.public_url for repository in repositories}
    reasons: list[str] = []
    second: tuple[ApkIndex, Contents, str] | None = None
    for number, url in enumerate(_places(reference, repositories, mirrors)):
        if number == PLACES_LIMIT:
            reasons.append(f"not looked for in more than {PLACES_LIMIT} places")
            break
        index, contents = fetcher.index(ApkRepository(url), Keys(keys, by_name=False))
        if contents is None:
            reasons += index.problems
            continue
        if other := differs(reference, index, contents):
            reasons.append(f"{index.url}: {other}")
            continue
        fresh, why = freshness(reference, index, now, checked=fetcher.checked(index.url))
        if fresh:
            second = index, contents, ""
            break
        if second is None or (index.newest and second[0].newest and index.newest > second[0].newest):
            second = index, contents, why
    if second is None:
        shown = "; ".join(dict.fromkeys(reasons)) or "there is no place where it could be"
        why = f"{reference.shown} of {reference.distribution} was not found: {shown}"
        return PublishedIndex(reference, None, problems=(why,))
    index, contents, old = second
    offered = fetcher.offers(index, contents, names)
    return PublishedIndex(
        reference=reference,
        index=offered.index,
        offers=offered.offers,
        verified=True,
        fresh=None if old else True,
        from_image=index.repository.public_url in own,
        problems=(*offered.index.problems, *((f"{index.url}: {old}",) if old else ())),
    )


def _places(reference: ApkReference, repositories: Sequence[ApkRepository], mirrors: Sequence[str]) -> Iterator[str]:
    """Bases of the repository, each once: the user's own place alone, if there is one."""
    if reference.url:
        yield reference.url.rstrip("/")
        return
    seen: set[str] = set()
    tail = f"/{reference.path}"
    depth = reference.path.count("/") + 1
    named = [each.public_url for each in repositories]
    beside = [f"{'/'.join(url.split('/')[:-depth])}{tail}" for url in named if url.count("/") >= depth + 2]
    places = (
        *(f"{host}{tail}" for host in reference.hosts),
        *(url for url in named if url.endswith(tail)),
        *beside,
        *(f"{mirror.rstrip('/')}{tail}" for mirror in mirrors),
    )
    for url in places:
        if url not in seen:
            seen.add(url)
            yield url
