"""What changelogs say of updates that no notice speaks of: from other.xml, where the notices do not serve.

No letter rests on it; it shows what is known where nobody publishes errata.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from affineur.assessment.rpm.place import Place
from affineur.errata.erratum import Erratum
from affineur.errata.rpm.changelog import errata_between
from affineur.errors import ContentError, SourceError
from affineur.evidence import Evidence, Unassessed
from affineur.repositories.rpmmd.model import Fetched
from affineur.repositories.rpmmd.other import Entry, read_changelogs
from affineur.repositories.update import Update

__all__ = ["Described", "described"]

Data = Callable[[Fetched, str], Iterator[bytes]]
"""rpmmd.fetch.Fetcher.data."""


class Remembered(Protocol):
    """Changelogs read earlier, by the digest of their package; store.feeds.Texts is one."""

    def get(self, digest: str) -> str | None: ...
    def put(self, digest: str, text: str) -> None: ...


class Described(msgspec.Struct, frozen=True):
    """What the changelogs say: errata, newest first for each source; what could not be told; and what was read."""

    errata: tuple[Erratum, ...] = ()
    unassessed: tuple[Unassessed, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class _Wanted(msgspec.Struct, frozen=True):
    """A source package's updates, and the package whose changelog speaks for them all."""

    checksum: str
    updates: tuple[Update, ...]


def described(
    updates: Iterable[Update],
    places: Sequence[Place],
    data: Data | None,
    budget: int,
    remembered: Remembered | None,
    now: datetime,
) -> Described:
    """Read the changelogs of updates, one for each source package.

    Args:
        updates: those that no notice speaks of.
        places: of the repositories that offer them.
        data: None where nothing may be asked.
        budget: bytes that the packed other.xml files may have together.
    """
    updates = list(updates)
    errata: list[Erratum] = []
    problems: list[Unassessed] = []
    found: list[Evidence] = []
    for place in places:
        wanted = list(_wanted([u for u in updates if place.fetched.repository.id in u.suites], place))
        if not wanted:
            continue
        name = f"changelogs of {place.fetched.repository.id}"
        known = _known(place, [each.checksum for each in wanted], remembered)
        if len(known) < len(wanted):
            size = _size(place)
            if data is None:
                problems.append(Unassessed(name, "nothing may be asked (--offline), and they are not remembered"))
            elif size is None:
                problems.append(Unassessed(name, "it has no other.xml, or does not say how large it is"))
            elif size > budget:
                why = f"other.xml has {size} bytes, more than are left of feeds.changelog-bytes ({budget})"
                problems.append(Unassessed(name, why))
            else:
                budget -= size
                try:
                    known |= _read(data, place, [w.checksum for w in wanted if w.checksum not in known], remembered)
                except (SourceError, ContentError) as error:
                    problems.append(Unassessed(name, str(error)))
        where = f"{place.fetched.url}other.xml"
        for each in wanted:
            if each.checksum not in known:
                continue
            between, missing = errata_between(known[each.checksum], each.updates, where)
            errata += between
            if missing:
                problems.append(Unassessed(f"changelog of {each.updates[0].source}", missing))
        if known:
            count = f"{len(known)} changelog{'' if len(known) == 1 else 's'}"
            found.append(Evidence(f"{count} of {place.fetched.repository.id} were read", where, _digest(place), now))
    return Described(tuple(errata), tuple(problems), tuple(found))


def _wanted(updates: Sequence[Update], place: Place) -> Iterator[_Wanted]:
    checksums = {(offer.name, offer.version): offer.checksum for offer in place.offers}
    by_source: dict[tuple[str, str, str], list[Update]] = {}
    for update in updates:
        key = update.source, update.installed_source_version, update.source_version
        by_source.setdefault(key, []).append(update)
    for same in by_source.values():
        checksum = checksums.get((same[0].name, same[0].available), "")
        if checksum:
            yield _Wanted(checksum, tuple(same))


def _read(data: Data, place: Place, checksums: Sequence[str], remembered: Remembered | None) -> dict[str, list[Entry]]:
    pieces = data(place.fetched, "other")
    read = dict(read_changelogs(pieces, checksums, f"{place.fetched.url}other.xml"))
    if remembered is not None:  # only now: the document was read to its end, and is what was promised
        for checksum in checksums:
            remembered.put(_key(place, checksum), msgspec.json.encode(read.get(checksum, [])).decode())
    return read


_ENTRIES = msgspec.json.Decoder(list[Entry])  # made once, before there are threads: oci.document says why


def _known(place: Place, checksums: Sequence[str], remembered: Remembered | None) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for checksum in checksums if remembered is not None else ():
        text = remembered.get(_key(place, checksum)) if remembered else None
        if text is not None:
            with contextlib.suppress(msgspec.DecodeError):  # written by something else
                found[checksum] = _ENTRIES.decode(text)
    return found


def _key(place: Place, checksum: str) -> str:
    """A package's changelog in one very other.xml: what another repository says of the same package counts nothing."""
    return f"changelog of {checksum} in {_digest(place)}"


def _size(place: Place) -> int | None:
    file = place.fetched.repomd.data.get("other") if place.fetched.repomd else None
    return file.size if file else None


def _digest(place: Place) -> str:
    file = place.fetched.repomd.data.get("other") if place.fetched.repomd else None
    return file.checksum if file else ""
