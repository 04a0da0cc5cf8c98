"""Release files, from verified bytes to a value.

Format: https://wiki.debian.org/DebianRepository/Format § "Release" files; what apt requires of one is apt-secure(8) and
apt.conf(5) § Acquire.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from affineur.errors import LimitExceeded, MalformedDocument, UnsupportedContent
from affineur.repositories.apt.model import Release

__all__ = ["RELEASE_LIMIT", "moment", "parse_release", "untimely"]

RELEASE_LIMIT = 32 << 20
"""Bytes of a Release file that are read; the largest known have 2 MB."""

ENTRY_LIMIT = 300_000  # listed files; Debian unstable lists some 4,000
LINE_LIMIT = 1_000_000
CLOCK_TOLERANCE = timedelta(minutes=5)  # how far in the future a Date may lie: apt allows 10 s, clocks of users less

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(
    r"[A-Za-z]{3}, +(\d{1,2}) ([A-Za-z]{3}) (\d{4}) +(\d{1,2}):(\d{2}):(\d{2}) (?:UTC|GMT|Z|[+-]0000)", re.ASCII
)
_HEX_LENGTH = {"SHA256": 64, "SHA512": 128}
_HASH = re.compile(r"[0-9a-f]+", re.ASCII)
_WEAK = ("MD5Sum", "SHA1")


def parse_release(verified: bytes) -> Release:
    """Parse a Release file.

    Args:
        verified: the bytes that a signature covers, or that the user said to trust without one; never anything else.

    Raises:
        MalformedDocument: the file breaks its format; a Valid-Until that cannot be read counts as such, since passing
            over it would make the file valid for ever. A Date that cannot be read is None, as for apt.
        UnsupportedContent: it lists its files by MD5 or SHA-1 only, or not at all: nothing could be checked.
        LimitExceeded: absurdly large.
    """
    fields = _fields(verified)
    hashes: dict[str, tuple[str, int]] = {}
    for name in ("SHA512", "SHA256"):  # the later one wins: SHA256 where both are there
        hashes.update(_entries(name, fields.get(name.lower(), "")))
    if not hashes:
        named = [name for name in _WEAK if name.lower() in fields]
        raise UnsupportedContent(
            f"the Release file lists its files by {' and '.join(named)} only, which is too weak"
            if named
            else "the Release file lists no files"
        )
    return Release(
        origin=fields.get("origin", ""),
        label=fields.get("label", ""),
        suite=fields.get("suite", ""),
        codename=fields.get("codename", ""),
        version=fields.get("version", ""),
        date=moment(fields.get("date", "")),
        valid_until=_valid_until(fields),
        components=tuple(fields.get("components", "").split()),
        architectures=tuple(fields.get("architectures", "").split()),
        not_automatic=_yes(fields, "notautomatic"),
        but_automatic_upgrades=_yes(fields, "butautomaticupgrades"),
        acquire_by_hash=_yes(fields, "acquire-by-hash"),
        hashes=hashes,
        no_all_for=tuple(fields.get("no-support-for-architecture-all", "").split()),
    )


def untimely(release: Release, now: datetime) -> str | None:
    """Why the Release file is not valid at this moment: past its Valid-Until, or dated in the future; None if it is.

    Args:
        now: by the real clock, never the day that a grade is asked for.
    """
    if release.valid_until is not None and release.valid_until <= now:
        return f"expired: it was valid until {release.valid_until:%Y-%m-%d %H:%M} UTC"
    if release.date is not None and release.date > now + CLOCK_TOLERANCE:
        return f"not valid yet: it is dated {release.date:%Y-%m-%d %H:%M} UTC, which is in the future"
    return None


def moment(text: str) -> datetime | None:
    """Read a date as apt does: RFC 1123, day and hour of one or two digits, in UTC by any of its names; else None."""
    found = _DATE.fullmatch(text.strip())
    if found is None or found[2].lower() not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(found[2].lower()) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _fields(verified: bytes) -> dict[str, str]:
    """Lower-case field name → its value, with the lines of a multi-line one kept apart."""
    if len(verified) > RELEASE_LIMIT:
        raise LimitExceeded(f"a Release file of more than {RELEASE_LIMIT} bytes")
    text = verified.decode("utf-8", "replace").strip("\n")
    if text.count("\n") > LINE_LIMIT:
        raise LimitExceeded(f"a Release file of more than {LINE_LIMIT} lines")
    fields: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip()
        if not line:  # apt reads the first stanza alone
            break
        if line[0] in " \t":
            if current is None:
                raise MalformedDocument(f"Release:{number}: a continuation of nothing")
            current.append(line)
            continue
        name, colon, value = line.partition(":")
        if not colon or not name or " " in name:
            raise MalformedDocument(f"Release:{number}: neither a field nor a continuation")
        current = fields[name.lower()] = [value.strip()]  # given twice: the last counts, as for apt
    return {name: "\n".join(lines) for name, lines in fields.items()}


def _entries(name: str, value: str) -> Iterator[tuple[str, tuple[str, int]]]:
    lines = value.split("\n")
    if len(lines) > ENTRY_LIMIT:
        raise LimitExceeded(f"a Release file that lists more than {ENTRY_LIMIT} files")
    for line in lines:
        if not line:
            continue
        words = line.split()
        if len(words) != 3 or not words[1].isdecimal() or len(words[1]) > 15:
            raise MalformedDocument(f"Release: not an entry of {name}: {line.strip()[:100]!r}")
        digest, size, path = words[0].lower(), int(words[1]), words[2].removeprefix("./")
        if len(digest) != _HEX_LENGTH[name] or not _HASH.fullmatch(digest):
            raise MalformedDocument(f"Release: not a {name}: {digest[:130]!r}")
        if path.startswith("/") or ".." in path.split("/"):
            raise MalformedDocument(f"Release: a path that leaves the suite's folder: {path[:200]!r}")
        yield path, (digest, size)


def _valid_until(fields: dict[str, str]) -> datetime | None:
    text = fields.get("valid-until")
    if text is None:
        return None
    found = moment(text)
    if found is None:
        raise MalformedDocument(f"Release: Valid-Until is not a date that apt reads: {text[:100]!r}")
    return found


def _yes(fields: dict[str, str], name: str) -> bool:
    return fields.get(name, "").lower() in ("yes", "true", "with", "on", "enable", "1")  # apt's StringToBool
