"""Which .debs are worth fetching for their changelogs, and what comes of them.

For an update that no notice explains, the smallest of the source's packages that are on offer is fetched into memory,
within a byte budget, checked against its index (size, SHA256), and asked for its changelog.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from affineur.errata.changelog import errata_between
from affineur.errata.deb import changelog_of
from affineur.errata.erratum import Erratum
from affineur.errors import ContentError, DigestMismatch, SizeMismatch, SourceError, UnsupportedContent
from affineur.evidence import Evidence, Unassessed
from affineur.packages.versions.deb import key
from affineur.repositories.update import Update

__all__ = ["BYTE_BUDGET", "TIME_BUDGET_S", "Described", "Fetch", "Remembered", "Wanted", "described", "plan"]

BYTE_BUDGET = 32 * 1024 * 1024
"""Bytes of .debs fetched for one image."""
MAX_DEB_BYTES = 8 * 1024 * 1024
"""Bytes of the largest .deb that is fetched for its changelog."""
TIME_BUDGET_S = 60.0
"""No further .deb is asked for after this."""

_NONE = "\0"  # no changelog begins with it

Fetch = Callable[[str, int], bytes]
"""(URL, limit in bytes) → content; raises SourceError or LimitExceeded."""


class Remembered(Protocol):
    """Changelogs read earlier, by the digest of their .deb; affineur.store.feeds.Texts is one."""

    def get(self, digest: str) -> str | None:
        """Give the text that belongs to a digest; None if there is none."""
        ...

    def put(self, digest: str, text: str) -> None:
        """Keep a text."""
        ...


class Wanted(msgspec.Struct, frozen=True):
    """A source package whose changelog is wanted.

    Attributes:
        installed, available: source versions; the lowest installed one, where its packages differ.
        candidates: the updates whose .deb may hold it, smallest first.
    """

    source: str
    installed: str
    available: str
    candidates: tuple[Update, ...]


class Described(msgspec.Struct, frozen=True):
    """What the changelogs say: errata, oldest first; what could not be told; and what was read."""

    errata: tuple[Erratum, ...]
    unassessed: tuple[Unassessed, ...]
    evidence: tuple[Evidence, ...]


def plan(
    updates: Iterable[Update],
    notices: Iterable[Erratum] = (),
    *,
    byte_budget: int = BYTE_BUDGET,
    remembered: Remembered | None = None,
) -> tuple[list[Wanted], list[Unassessed]]:
    """Choose the changelogs to fetch: security updates first, then by size, as far as the budget goes.

    Args:
        updates: those that are mere rebuilds of the installed source version have no entries to read.
        notices: a source whose available version one of them fixes needs no changelog.
        remembered: what was read earlier costs nothing, so that each run gets further.

    Returns:
        what is wanted; and the sources for which there is no .deb to ask, or no budget left.
    """
    explained = {(fix.source, key(fix.version)) for notice in notices if not notice.paid_only for fix in notice.fixes}
    groups: dict[tuple[str, str], list[Update]] = {}
    for update in updates:
        newer = key(update.source_version) > key(update.installed_source_version)  # if not, it is only a rebuild
        if newer and (update.source, key(update.source_version)) not in explained:
            groups.setdefault((update.source, update.source_version), []).append(update)
    wanted: list[Wanted] = []
    problems: list[Unassessed] = []
    for (source, available), group in groups.items():
        lowest = min((update.installed_source_version for update in group), key=key)
        usable = [u for u in group if u.filename and u.sha256 and u.base_uri and 0 < u.size <= MAX_DEB_BYTES]
        distinct = {update.sha256: update for update in usable}.values()
        if distinct:
            wanted.append(Wanted(source, lowest, available, tuple(sorted(distinct, key=lambda u: (u.size, u.name)))))
        else:
            problems.append(
                Unassessed(_what(source, available), f"no .deb of it is known, or none below {MAX_DEB_BYTES} bytes")
            )
    wanted.sort(key=lambda one: (not any(u.security for u in one.candidates), one.candidates[0].size, one.source))
    kept: list[Wanted] = []
    for one in wanted:
        first = one.candidates[0]
        cost = 0 if remembered and remembered.get(f"sha256:{first.sha256}") is not None else first.size
        byte_budget -= cost
        if cost and byte_budget < 0:
            problems.append(Unassessed(_what(one.source, one.available), "over the byte budget for changelogs"))
        else:
            kept.append(one)
    return kept, problems


def described(
    wanted: Sequence[Wanted],
    fetch: Fetch,
    *,
    byte_budget: int = BYTE_BUDGET,
    time_budget_s: float = TIME_BUDGET_S,
    remembered: Remembered | None = None,
    codename: str = "",
) -> Described:
    """Fetch the planned .debs, one after another, and read their changelogs.

    A .deb that does not answer, is not what its index promised, or holds no changelog, is followed by the next
    candidate of its source within the budgets; what is left is unassessed. What is `remembered` costs neither.

    Args:
        codename: of the image's release; see `errata_between`.
    """
    deadline = time.monotonic() + time_budget_s
    errata: list[Erratum] = []
    problems: list[Unassessed] = []
    evidence: list[Evidence] = []
    for one in wanted:
        why = ""
        for update in one.candidates:
            url = f"{update.base_uri.rstrip('/')}/{update.filename.lstrip('/')}"
            text = remembered.get(f"sha256:{update.sha256}") if remembered else None
            if text is None:
                if update.size > byte_budget or time.monotonic() > deadline:
                    late = f"not read within {time_budget_s:g} s"
                    why = why or ("over the byte budget for changelogs" if update.size > byte_budget else late)
                    break
                byte_budget -= update.size
                try:
                    text = _read(_checked(fetch(url, update.size), update, url), update.name, url)
                except (SourceError, ContentError) as error:
                    why = str(error)
                    continue
                if remembered:
                    remembered.put(f"sha256:{update.sha256}", text)
            if text.startswith(_NONE):
                why = text.removeprefix(_NONE)
                continue
            found, why = errata_between(text, one.source, one.installed, one.available, url, codename)
            errata.extend(found)
            statement = f"the changelog of {one.source} {one.available} has {len(found)} entries since {one.installed}"
            evidence.append(Evidence(statement, url, f"sha256:{update.sha256}", datetime.now(UTC)))
            break
        if why:
            problems.append(Unassessed(_what(one.source, one.available), why))
    return Described(tuple(sorted(errata, key=_age)), tuple(problems), tuple(evidence))


def _read(content: bytes, package: str, url: str) -> str:
    """Give the changelog; or the mark that there is none, and why, which is worth remembering too."""
    try:
        return changelog_of(content, package, url)
    except UnsupportedContent as error:
        return f"{_NONE}{error}"


def _checked(content: bytes, update: Update, url: str) -> bytes:
    if len(content) != update.size:
        raise SizeMismatch(url, update.size, len(content))
    found = hashlib.sha256(content).hexdigest()
    if found != update.sha256.lower():
        raise DigestMismatch(url, f"sha256:{update.sha256}", f"sha256:{found}")
    return content


def _what(source: str, available: str) -> str:
    return f"changelog of {source} {available}"


def _age(erratum: Erratum) -> tuple[datetime, str]:
    return erratum.issued or datetime.max.replace(tzinfo=UTC), erratum.id
