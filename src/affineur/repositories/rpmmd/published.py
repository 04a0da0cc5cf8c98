"""What an rpm distribution has published: its reference repositories, found, judged and dated.

Each is looked for where the image's own repositories lead, then at its own place. What cannot be found, believed or
read, or is too old, is said: then nothing may be concluded from the rest.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import msgspec

from affineur.repositories.rpmmd.fetch import Fetcher
from affineur.repositories.rpmmd.model import Fetched, Repository, RpmConfiguration
from affineur.repositories.rpmmd.reference import ReferenceRepository, location, stale

__all__ = ["Published", "read_references"]

AT_ONCE = 4  # reference repositories looked for side by side
PLACES_LIMIT = 8  # repositories of the image tried for one reference; it may name thousands by its id


class Published(msgspec.Struct, frozen=True):
    """One reference repository, and what came of looking for it. Its data files are read by the caller.

    Attributes:
        fetched: as found; None if it was not.
        verified: something makes it the distribution's own.
        fresh: True, False, or None where it could not be told.
        from_image: the image's own repositories lead to it.
        problems: what is missing or wrong, and why.
    """

    reference: ReferenceRepository
    fetched: Fetched | None
    verified: bool = False
    fresh: bool | None = None
    from_image: bool = False
    problems: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Found, verified and fresh: the only state that a letter may rest on, once its files were read, too."""
        return self.fetched is not None and self.verified and self.fresh is True and not self.problems


def read_references(
    references: Sequence[ReferenceRepository], fetcher: Fetcher, configuration: RpmConfiguration, now: datetime
) -> tuple[Published, ...]:
    """Find and judge every reference repository. Never raises for what servers or the image hold.

    Args:
        fetcher: the one that fetches the image's own repositories, so that what is both is fetched once.
        now: by the real clock.
    """
    if not references:
        return ()
    fetcher.own_places([each.uri for each in references if each.uri])

    def find(reference: ReferenceRepository) -> Published:
        return _published(reference, fetcher, configuration, now)

    with ThreadPoolExecutor(min(AT_ONCE, len(references))) as pool:
        return tuple(pool.map(find, references))


def _published(
    reference: ReferenceRepository, fetcher: Fetcher, configuration: RpmConfiguration, now: datetime
) -> Published:
    reasons: list[str] = []
    best: Published | None = None
    here, named = _own(reference, configuration)
    candidates = [*here, *(named if reference.trusted.keys else [])]  # a name alone says nothing
    own = {fetcher.fetch(each, reference.trusted, enforce=False).digest for each in (*here, *named)} - {""}
    for repository in (*candidates, *_places(reference)):
        fetched = fetcher.fetch(repository, reference.trusted, enforce=False)
        if fetched.repomd is None:
            reasons += fetched.problems
            continue
        if not fetched.trust.how:
            reasons.append(f"{fetched.url}: {fetched.trust.why}")
            continue
        late = stale(reference, fetched, now)
        unknown = late is not None and fetched.repomd.made is None
        found = Published(
            reference,
            fetched,
            verified=True,
            fresh=None if unknown else late is None,
            from_image=bool(here) or fetched.digest in own,
            problems=(*fetched.problems, *((f"{fetched.url}: {late}",) if late else ())),
        )
        if found.complete:
            return found
        best = best or found
    if best is not None:
        return best
    shown = "; ".join(dict.fromkeys(reasons)) or "nothing leads to it"
    gone = f"; {reference.gone}" if reference.gone else ""
    why = f"{reference.name} of {reference.distribution} was not found: {shown}{gone}"
    return Published(reference, None, problems=(why,))


def _own(reference: ReferenceRepository, configuration: RpmConfiguration) -> tuple[list[Repository], list[Repository]]:
    """(the image's repositories that lie at the reference's place, those that only have its name)."""
    if reference.uri:  # the user's own place is the only one
        return [], []
    enabled = [repository for repository in configuration.repositories if repository.enabled]
    here = [each for each in enabled if not reference.locations.isdisjoint(map(location, _urls(each)))]
    named = [each for each in enabled if each.id in reference.ids and each not in here]
    return here[:PLACES_LIMIT], named[: PLACES_LIMIT - len(here[:PLACES_LIMIT])]


def _places(reference: ReferenceRepository) -> Iterator[Repository]:
    """Where it is if the image does not lead there: the user's place, or the distribution's."""
    first = reference.repository
    if reference.uri:
        base = reference.uri if reference.uri.endswith("/") else f"{reference.uri}/"
        yield msgspec.structs.replace(first, baseurl=(base,), metalink="", mirrorlist="")
    elif first.metalink or first.mirrorlist or len(first.baseurl) < 2:
        yield first
    else:
        for base in first.baseurl:
            yield msgspec.structs.replace(first, baseurl=(base,))


def _urls(repository: Repository) -> Iterator[str]:
    yield from repository.baseurl
    yield from (url for url in (repository.metalink, repository.mirrorlist) if url)
