"""Debian changelogs: what the entries between the installed and the available version say they fix.

Source: deb-changelog(5). Where a distribution has published no notice about an update, the changelog of the available
version still names CVEs, and the suite that each upload was for. An entry's date is that of the *upload*, written by
the uploader: the update was out some time after it, mostly within a day (an update for a point release, weeks), so an
entry may count as older than it is, never as younger.

The urgency says how fast a version should migrate (Debian Policy § 5.6.17), and every security upload says "high"; it
rates an entry only where severities.toml says so. CVEs that an entry names are taken to be fixed by it; an entry that
says "not affected by CVE-…" is counted all the same.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import msgspec

from affineur.errata.erratum import Erratum, Fix
from affineur.errata.severity import of_word
from affineur.packages.versions.deb import key

__all__ = ["Entry", "entries", "entries_between", "errata_between"]

MAX_ENTRIES = 20_000
MAX_TITLE_CHARACTERS = 200
MAX_DATE_CHARACTERS = 100  # from the end of a trailer; a line may be of any length
_HEADER = re.compile(r"(\w[-+0-9a-zA-Z.]*) \(([^() \t]+)\)((?:\s+[-+0-9a-zA-Z.]+)+);(.*)\Z", re.ASCII)
_DATE = re.compile(r">\s{1,2}(?:\w+,\s*)?(\d{1,2})\s+(\w{3})\w*\s+(\d{4})\s+(\d\d?):(\d\d):(\d\d)\s+(\S+)")
_URGENCY = re.compile(r"\burgency\s*=\s*([-0-9a-z]+)", re.IGNORECASE)
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,19}\b", re.ASCII | re.IGNORECASE)
_BUG = re.compile(r"(?:closes|lp)\s*:\s*(?:bug)?\s*#?\d+", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_STABLE = ("stable", "oldstable", "oldoldstable")  # what Debian's uploads to a release may be called instead
_DEVELOPMENT = ("unstable", "experimental", "sid", "testing", "unreleased")


class Entry(msgspec.Struct, frozen=True):
    """One entry.

    Attributes:
        date: of the upload, UTC; None where the trailer is missing or breaks the format.
        urgency: in lower case; empty where not said.
    """

    source: str
    version: str
    distributions: tuple[str, ...]
    urgency: str
    cves: tuple[str, ...]
    date: datetime | None
    first_change: str
    names_bugs: bool


def entries(text: str) -> Iterator[Entry]:
    """Yield a changelog's entries in its order, newest first, at most `MAX_ENTRIES`; text between is passed over."""
    header: re.Match[str] | None = None
    changes: list[str] = []
    count = 0
    for line in text.split("\n"):
        found = _HEADER.match(line) if line[:1].strip() else None
        if found is None and not line.startswith(" -- "):
            if header:
                changes.append(line)
            continue
        if header:
            yield _entry(header, changes, line if found is None else "")
            count += 1
            if count >= MAX_ENTRIES:
                return
        header, changes = found, []
    if header:
        yield _entry(header, changes, "")


def entries_between(text: str, source: str, installed: str, available: str) -> tuple[list[Entry], str]:
    """Pick the entries in (installed, available].

    Args:
        text: the changelog of `available`.
        source: the source package; entries of another name (an earlier one) are passed over, their versions have no
            order with this one's.

    Returns:
        the entries, newest first; and a sentence on what is missing from them, empty if nothing is: the changelog may
        be cut off before the installed version (Ubuntu keeps ten entries, Debian some years), or be of another version.
    """
    own = [entry for entry in entries(text) if entry.source == source]
    lower, upper = key(installed), key(available)
    inside = [entry for entry in own if lower < key(entry.version) <= upper]
    missing = ""
    if not own:
        missing = f"the changelog has no entry of {source}"
    elif not any(key(entry.version) == upper for entry in own):
        missing = f"the changelog does not speak of {available}"
    elif not any(key(entry.version) <= lower for entry in own):
        oldest = min((entry.version for entry in own), key=key)
        missing = f"the changelog goes back to {oldest} only, not to the installed {installed}"
    return sorted(inside, key=lambda entry: key(entry.version), reverse=True), missing


def errata_between(
    text: str, source: str, installed: str, available: str, where: str, codename: str = ""
) -> tuple[list[Erratum], str]:
    """Make errata of the entries in (installed, available]: one for each upload to the release itself.

    A new upstream version brings along the entries of the development release, which nobody on this release could
    install when they were written. What they fix came with the next upload to the release, and has its date.
    Where no such upload follows, they stand for themselves.

    Args:
        where: URL of the .deb.
        codename: of the image's release (`bookworm`); empty where unknown: then all but development suites are its own.
        text, source, installed, available: as `entries_between`, and so is what is returned, newest first.
    """
    inside, missing = entries_between(text, source, installed, available)
    errata: list[Erratum] = []
    carried: list[Entry] = []
    for entry in reversed(inside):
        if any(_is_own(suite, codename) for suite in entry.distributions):
            errata.append(_erratum(entry, carried, where))
            carried = []
        else:
            carried.append(entry)
    errata.extend(_erratum(entry, [], where) for entry in carried)
    return list(reversed(errata)), missing


def _is_own(suite: str, codename: str) -> bool:
    """`bookworm`, `bookworm-security`, `stable-proposed-updates` … are the release's own; `unstable` is not."""
    base = suite.partition("-")[0].lower()
    return base in (codename.lower(), *_STABLE) if codename else base not in _DEVELOPMENT


def _entry(header: re.Match[str], changes: list[str], trailer: str) -> Entry:
    body = "\n".join(changes)
    urgency = _URGENCY.search(header.group(4))
    # "[ Name ]" stands above what that person changed
    first = next((text for line in changes if (text := line.strip(" \t*-")) and not text.startswith("[")), "")
    return Entry(
        source=header.group(1),
        version=header.group(2),
        distributions=tuple(header.group(3).split()),
        urgency=urgency.group(1).lower() if urgency else "",
        cves=tuple(dict.fromkeys(name.upper() for name in _CVE.findall(body))),
        date=_date(trailer),
        first_change="".join(c if c.isprintable() else " " for c in first)[:MAX_TITLE_CHARACTERS],
        names_bugs=_BUG.search(body) is not None,
    )


def _date(trailer: str) -> datetime | None:
    found = _DATE.search(trailer[-MAX_DATE_CHARACTERS:])
    if found is None:
        return None
    day, month, year, hour, minute, second, zone = found.groups()
    offset = re.fullmatch(r"([-+])(\d\d)(\d\d)", zone)
    if month.lower() not in _MONTHS or offset is None:
        return None
    east = timedelta(hours=int(offset.group(2)), minutes=int(offset.group(3)))
    try:
        local = timezone(east if offset.group(1) == "+" else -east)
        moment = datetime(
            int(year), _MONTHS.index(month.lower()) + 1, int(day), int(hour), int(minute), int(second), tzinfo=local
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _erratum(entry: Entry, carried: list[Entry], where: str) -> Erratum:
    """Make an erratum of an upload and of the earlier entries that came with it."""
    severity = of_word("changelog", entry.urgency)
    cves = tuple(dict.fromkeys(cve for one in (entry, *carried) for cve in one.cves))
    security = bool(cves) or any(name.endswith("-security") for name in entry.distributions)
    names_bugs = any(one.names_bugs for one in (entry, *carried))
    title = f"{entry.source} {entry.version}: {entry.first_change}" if entry.first_change else entry.version
    return Erratum(
        id=f"changelog:{entry.source}/{entry.version}",
        kind="security" if security else "bugfix" if names_bugs else "other",
        severity=severity,
        issued=entry.date,
        cves=cves,
        title=title,
        source=where,
        fixes=(Fix(entry.source, entry.version),),
        rated_by=f"urgency={entry.urgency}" if severity else "",
    )
