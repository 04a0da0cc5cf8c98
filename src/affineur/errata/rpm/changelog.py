"""Changelogs of rpm packages: what the entries between the installed and the available version say they fix.

Where a distribution publishes no notices (CentOS), or none that keep up, the changelog of the available package, as
other.xml has it, still names CVEs. What is made of it is marked as the changelog's (`changelog:httpd/2.4.6-99`), is
rated by nobody, and no letter rests on it. An entry's date is the day on which a packager wrote it: the update was out
some time after it, so an entry may count as older than it is, never as younger. CVEs that an entry names are taken to
be fixed by it.

An entry's author ends in the version that it is about, by custom and in many forms (`… <a@example.org> - 1:2.4.6-99`,
without the dash, in brackets, without epoch or dist tag); entries without one belong to the next version. The newest
come first in a package, other.xml mostly has them the other way round, and keeps the last ten (createrepo_c(8),
--changelog-limit).
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from affineur.errata.erratum import Build, Erratum
from affineur.packages.versions.rpm import key, split
from affineur.repositories.rpmmd.other import Entry
from affineur.repositories.update import Update

__all__ = ["Mentions", "entries_between", "errata_between", "mentions", "version_of"]

MAX_ENTRIES = 20_000  # of one package, as other.py's
MAX_TEXT = 1 << 18  # characters of one entry that are looked at; real ones have some hundreds
MAX_AUTHOR = 1_000  # its last characters
MAX_TITLE_CHARACTERS = 200
_BRACKETS = str.maketrans("[](){}", "      ")
_DIST = re.compile(r"\.module[_+].*\Z|\.(?:el|fc|amzn|oe|cm|azl|ph|mga)\d+(?:_\d+)?|\.centos\b", re.ASCII)
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,19}\b", re.ASCII | re.IGNORECASE)


class Mentions(msgspec.Struct, frozen=True):
    """What changelogs say of updates that no notice explains.

    Attributes:
        updates: all that were asked about.
        described: those whose changelog has entries since the installed version.
        mention_cves: those with an entry that names a CVE; `cves`: how many different ones.
        oldest: the date of the oldest such entry, UTC; None where there is none, or none with a date.
    """

    updates: int
    described: int
    mention_cves: int
    cves: int
    oldest: datetime | None

    def sentence(self) -> str:
        """`12 updates, 5 mention CVEs, the oldest since 2026-01-31`."""
        said = f"{self.updates} update{'' if self.updates == 1 else 's'}, {self.mention_cves or 'none'}"
        said += f" mention{'s' if self.mention_cves == 1 else ''} CVEs"
        return said + (f", the oldest since {self.oldest:%Y-%m-%d}" if self.oldest else "")


def version_of(author: str) -> str:
    """The `[epoch:]version-release` that an entry's author ends in; empty where there is none."""
    words = author[-MAX_AUTHOR:].rpartition(">")[2].translate(_BRACKETS).split()
    found = [version for word in words if (version := _as_version(word.rstrip(".,;")))]
    if not found:
        return ""
    return found[0] if "+" in words else found[-1]


def _as_version(word: str) -> str:
    """The last two parts between dashes, where they look like a version and a release (`libxml2-2.9.1-6.3`)."""
    *_, version, release = ("", "", *word.split("-"))
    looks = any(map(_is_digit, version)) and _is_digit(release[:1]) and "@" not in word
    return f"{version}-{release}" if looks else ""


def _is_digit(character: str) -> bool:
    return "0" <= character <= "9"


def entries_between(entries: Iterable[Entry], installed: str, available: str) -> tuple[list[tuple[str, Entry]], str]:
    """Pick the entries that are newer than the installed version's.

    Args:
        entries: of the available package, newest first or last.
        installed, available: versions of the *source* package, which is what changelogs speak of.

    Returns:
        pairs of version and entry, newest first; an entry without a version has that of the next newer one, at the
        top that of `available`. And a sentence on what is missing, empty if nothing is.
    """
    ordered = _newest_first(entries)
    versions = [version_of(entry.author) for entry in ordered]
    same_epoch = split(installed)[0] == split(available)[0]
    end = next((place for place, found in enumerate(versions) if found and _is_same(found, installed)), None)
    if end is None:
        older = (place for place, found in enumerate(versions) if found and _is_older(found, installed, same_epoch))
        end = next(older, None)
    missing = ""
    if not ordered:
        missing = "its changelog has no entries"
    elif end is None:
        oldest = next((found for found in reversed(versions) if found), "")
        reach = f"goes back to {oldest} only" if oldest else "names no versions"
        missing = f"its changelog {reach}, not to the installed {installed}"
    inside: list[tuple[str, Entry]] = []
    current = available
    for found, entry in zip(versions[:end], ordered, strict=False):
        if found:
            current = available if _is_same(found, available) else found
        inside.append((current, entry))
    return inside, missing


def errata_between(entries: Iterable[Entry], updates: Sequence[Update], where: str) -> tuple[list[Erratum], str]:
    """Make errata of the entries since the installed version: one for each version, newest first.

    Their builds are the updates' available ones: those carry what all the entries say.

    Args:
        entries: of any one of the available packages.
        updates: of one source package, from one version to another; at least one.
        where: URL of other.xml.

    Returns:
        the errata; and a sentence as `entries_between`'s.
    """
    first = updates[0]
    inside, missing = entries_between(entries, first.installed_source_version, first.source_version)
    by_version: dict[str, list[Entry]] = {}
    for version, entry in inside:
        by_version.setdefault(version, []).append(entry)
    builds = tuple(
        Build(each.name, each.available_architecture or each.architecture, each.available) for each in updates
    )
    return [_erratum(first.source, version, own, builds, where) for version, own in by_version.items()], missing


def mentions(updates: Sequence[Update], errata: Iterable[Erratum]) -> Mentions:
    """Count what changelogs say of updates.

    Args:
        updates: with their errata filled in (builds.errata_of_updates).
        errata: the changelogs'; others are passed over.
    """
    own = {erratum.id: erratum for erratum in errata if erratum.id.startswith("changelog:")}
    described = [[own[each] for each in update.errata if each in own] for update in updates]
    naming = [erratum for found in described for erratum in found if erratum.cves]
    return Mentions(
        updates=len(updates),
        described=sum(bool(found) for found in described),
        mention_cves=sum(any(erratum.cves for erratum in found) for found in described),
        cves=len({cve for erratum in naming for cve in erratum.cves}),
        oldest=min((erratum.issued for erratum in naming if erratum.issued), default=None),
    )


def _newest_first(entries: Iterable[Entry]) -> list[Entry]:
    ordered: list[Entry] = []
    for entry in entries:
        ordered.append(entry)
        if len(ordered) == MAX_ENTRIES:
            break
    if len(ordered) > 1:
        first, last = ((entry.when, key(version_of(entry.author))) for entry in (ordered[0], ordered[-1]))
        if first < last:
            ordered.reverse()
    return ordered


def _is_same(found: str, version: str) -> bool:
    """Whether an entry is about a version: epochs aside, and also where it leaves out the dist tag."""
    found, version = _bare(found), _bare(version)
    return found == version or _without_dist(found) == version or found == _without_dist(version)


def _is_older(found: str, version: str, same_epoch: bool) -> bool:
    """Whether an entry is about an older version; epochs count only where one was raised, and are then needed."""
    if same_epoch:
        found, version = _bare(found), _bare(version)
    elif not split(found)[0]:
        return False  # of which epoch, before or after it was raised, is not said
    if _DIST.findall(found) != _DIST.findall(version):
        found, version = _without_dist(found), _without_dist(version)
    return key(found) < key(version)


def _bare(version: str) -> str:
    return version.partition(":")[2] or version


def _without_dist(version: str) -> str:
    return _DIST.sub("", version)


def _erratum(source: str, version: str, entries: Sequence[Entry], builds: tuple[Build, ...], where: str) -> Erratum:
    texts = [entry.text[:MAX_TEXT] for entry in entries]
    cves = tuple(dict.fromkeys(cve.upper() for text in texts for cve in _CVE.findall(text)))
    first = next((line for text in texts for each in text.splitlines() if (line := each.strip(" \t-*"))), "")
    title = f"{source} {version}: {first}" if first else f"{source} {version}"
    return Erratum(
        id=f"changelog:{source}/{version}",
        kind="security" if cves else "other",
        severity=None,
        issued=max(entry.when for entry in entries),
        cves=cves,
        title="".join(c if c.isprintable() else " " for c in title[:MAX_TITLE_CHARACTERS]),
        source=where,
        fixes=(),
        builds=builds,
    )
