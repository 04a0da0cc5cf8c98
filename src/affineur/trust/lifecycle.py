"""Lifecycle: whether the release of a distribution still gets fixes on a day, and how old an image is.

What os-release says itself (SUPPORT_END, os-release(5)), and dated tables of releases kept as data (releases.csv).
A release that the table does not know is unknown, never ended: it may be newer than the table.
"""

import csv
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final

import msgspec

from affineur.trust.data import shipped
from affineur.trust.model import Lifecycle, Support

__all__ = ["Age", "age_days", "lifecycle"]

_TABLE: Final = "releases.csv"
_ORIGINS: Final = {"debian": "distro-info-data", "ubuntu": "distro-info-data", "azurelinux": "announcements"}
# Two names for the releases of one table; openSUSE called itself `opensuse` until Leap 42.3, Azure Linux CBL-Mariner
# until 2.0.
_ALIASES: Final = {"opensuse": "opensuse-leap", "sles_sap": "sles", "archlinux": "arch", "mariner": "azurelinux"}
_ABOUT_THE_SAME: Final = timedelta(days=1)  # tables differ in whether the last day is one with or without support
_ROLLING: Final = "rolling: fixes come as new versions, for as long as the image is rebuilt"
# Docker, the first to have images of this kind, was first shown in March 2013: what is older is no build date.
_FIRST_IMAGES: Final = date(2013, 3, 1)


class _Release(msgspec.Struct, frozen=True):
    """One row of the table: each date is the last day; None where there is no such support, or no end announced."""

    rolling: bool
    released: date | None
    supported: date | None
    long_term: date | None
    paid: date | None


class _Table(msgspec.Struct, frozen=True):
    dates: dict[str, str]
    by_version: dict[tuple[str, str], _Release]
    by_codename: dict[tuple[str, str], _Release]


class Age(msgspec.Struct, frozen=True):
    """Whole UTC days; None where it could not be told, and why."""

    days: int | None
    why: str = ""


def lifecycle(os_release: Mapping[str, str], as_of: date) -> Lifecycle:
    """Tell the support status of a release on a day.

    SUPPORT_END ends the standard support. Where a table knows the release and disagrees, the earlier of the two holds
    (an image can claim anything, and a table can be out of date), and the note says so.

    Args:
        os_release: its keys and unquoted values; an empty mapping for an image that has none.
    """
    name = _name(os_release)
    release, source = _look_up(name, os_release)
    claimed = _support_end(os_release)
    if release is None and claimed is None:
        return Lifecycle(Support.UNKNOWN, note=_why_unknown(name, os_release))
    if release is None or (release.rolling and claimed):
        return _status(
            ((Support.SUPPORTED, claimed),), as_of, "os-release SUPPORT_END", "only the image itself says so"
        )
    if release.rolling:
        return Lifecycle(Support.SUPPORTED, source=source, note=_ROLLING)
    if release.released and as_of < release.released:
        return Lifecycle(Support.UNKNOWN, source=source, note=f"to be released on {release.released}")
    note = ""
    supported = release.supported
    if claimed and claimed != supported:
        if supported is None or abs(claimed - supported) > _ABOUT_THE_SAME:
            note = f"os-release says {claimed}, the table {supported or 'no end'}: the earlier one is taken"
        supported = claimed if supported is None else min(claimed, supported)
    phases = (
        (Support.SUPPORTED, supported),
        (Support.LONG_TERM, release.long_term),
        (Support.PAID_ONLY, release.paid),
    )
    return _status(phases, as_of, f"os-release SUPPORT_END; {source}" if claimed else source, note)


def age_days(created: str | None, as_of: datetime) -> Age:
    """How old an image is by the date in its configuration (RFC 3339), which nothing vouches for.

    Reproducible builds set it to a constant (the year 1, 1970, 1980); a date in the future is wrong too.
    """
    if not created:
        return Age(None, "the image says nothing about when it was built")
    try:
        moment = datetime.fromisoformat(created)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return Age(None, f"{created!r} is no date")
    if moment.date() < _FIRST_IMAGES:
        return Age(None, f"{moment.date()} is a constant of reproducible builds, not a build date")
    today = as_of if as_of.tzinfo is None else as_of.astimezone(UTC)
    days = (today.date() - moment.date()).days
    return Age(days) if days >= 0 else Age(None, f"{moment.date()} is after the day asked about")


def _status(phases: tuple[tuple[Support, date | None], ...], as_of: date, source: str, note: str = "") -> Lifecycle:
    """The first phase not over yet. The first without a date has no end; later ones without one do not exist."""
    first, *further = phases
    if first[1] is None:
        return Lifecycle(first[0], source=source, note=note or "no end has been announced")
    ahead = [first, *((support, last) for support, last in further if last and last > first[1])]
    for index, (support, last) in enumerate(ahead):
        if last and as_of <= last:
            following = ahead[index + 1][0] if index + 1 < len(ahead) else Support.ENDED
            return Lifecycle(support, until=last, then=following, source=source, note=note)
    ended = f"ended on {ahead[-1][1]}"
    return Lifecycle(Support.ENDED, source=source, note=f"{ended}; {note}" if note else ended)


def _support_end(os_release: Mapping[str, str]) -> date | None:
    """The last day of support: os-release(5) has "the first day on which support is not provided"."""
    try:
        return date.fromisoformat(os_release.get("SUPPORT_END", "")) - timedelta(days=1)
    except (ValueError, OverflowError):
        return None


def _name(os_release: Mapping[str, str]) -> str:
    name = os_release.get("ID", "").lower()
    if name == "centos" and "stream" in os_release.get("NAME", "").lower():
        return "centos-stream"
    if name == "opensuse" and "tumbleweed" in (os_release.get("NAME", "") + os_release.get("VERSION", "")).lower():
        return "opensuse-tumbleweed"
    if name == "rhel" and os_release.get("NAME", "").lower().startswith("scientific"):
        return "scientific"  # until 7.5 it gave itself out for the one that it rebuilt, whose support is not its own
    return _ALIASES.get(name, name)


def _look_up(name: str, os_release: Mapping[str, str]) -> tuple[_Release | None, str]:
    """The row for a release, and what to call the table it is from.

    The codename is asked only where there is no VERSION_ID: Debian's testing and unstable have none.
    """
    table = _table()
    version = os_release.get("VERSION_ID", "")
    found: _Release | None = None
    if version:
        found = table.by_version.get((name, version)) or table.by_version.get((name, f"{version}.0"))
        shorter = version
        while found is None and "." in shorter:  # 9.4 is a 9, 3.19.1 a 3.19
            shorter = shorter.rpartition(".")[0]
            found = table.by_version.get((name, shorter))
        found = found or table.by_version.get((name, "")) or _in_development(name, os_release)
    else:
        codename = os_release.get("VERSION_CODENAME", "").lower()
        found = table.by_codename.get((name, codename)) if codename else table.by_version.get((name, ""))
    origin = _origin(name)
    return found, f"{origin} of {table.dates[origin]}"


def _origin(name: str) -> str:
    return _ORIGINS.get(name, "endoflife.date")


def _in_development(name: str, os_release: Mapping[str, str]) -> _Release | None:
    """Fedora's Rawhide and Alpine's edge, which have version numbers of releases to come."""
    rawhide = name == "fedora" and os_release.get("REDHAT_SUPPORT_PRODUCT_VERSION", "").lower() == "rawhide"
    edge = name == "alpine" and "_alpha" in os_release.get("VERSION_ID", "")
    return _Release(True, None, None, None, None) if rawhide or edge else None


def _why_unknown(name: str, os_release: Mapping[str, str]) -> str:
    if not name:
        return "the image does not say which distribution it is"
    table = _table()
    if all(known != name for known, _ in (*table.by_version, *table.by_codename)):
        return f"no table of the releases of {name}"
    called = os_release.get("VERSION_ID") or os_release.get("VERSION_CODENAME") or "a release without a version"
    return f"{name} {called} is not in the table of {table.dates[_origin(name)]}: it may be newer"


@cache
def _table() -> _Table:
    """Read the table that ships with this module."""
    lines = shipped(_TABLE).splitlines()
    comments = [line.removeprefix("# ").partition(": ") for line in lines if line.startswith("#")]
    table = _Table({key: value for key, _, value in comments}, {}, {})
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        release = _Release(
            row["supported"] == "rolling", *(_date(row[key]) for key in ("released", "supported", "long_term", "paid"))
        )
        if row["version"] or not row["codename"]:
            table.by_version[row["distribution"], row["version"]] = release
        if row["codename"]:
            table.by_codename[row["distribution"], row["codename"]] = release
    return table


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text[:1].isdigit() else None
