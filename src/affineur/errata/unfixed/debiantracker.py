"""Debian's security tracker: which CVEs are open in a release, and what the security team means to do about them.

Source: https://security-tracker.debian.org/tracker/data/json, one object: source package → CVE → `releases` →
codename → status (`open`, `resolved`, `undetermined`), urgency, `repositories` (suite → version there), and for those
that get no advisory of their own `nodsa` (why, in words) and `nodsa_reason` (`ignored`, `postponed` or empty); what
these mean: https://security-team.debian.org/security_tracker.html.
"""

from collections.abc import Iterator

import msgspec

from affineur.errata.osv import cve_of
from affineur.errata.unfixed.statements import Statement, Status
from affineur.errors import LimitExceeded, MalformedDocument
from affineur.packages.versions.deb import key

__all__ = ["MAX_TRACKER_BYTES", "tracked"]

MAX_TRACKER_BYTES = 512 * 1024 * 1024  # 75 MB in 2026
MAX_SOURCES = 200_000
_NODSA = {"ignored": Status.WILL_NOT_FIX, "postponed": Status.DEFERRED}


class _Release(msgspec.Struct):
    status: str = ""
    urgency: str = ""
    nodsa: str | None = None
    nodsa_reason: str | None = None
    repositories: dict[str, str] = {}


class _Issue(msgspec.Struct):
    releases: dict[str, _Release] = {}


_SOURCE = msgspec.json.Decoder(dict[str, _Issue])


def tracked(content: bytes, name: str) -> Iterator[tuple[str, str, Statement]]:
    """Yield (codename, source package, statement) for every CVE that is open, or not judged yet.

    One source package is decoded at a time. Issues without a CVE (`TEMP-…`) are left out.

    Args:
        name: where it comes from, for messages.

    Raises:
        MalformedDocument: it is not the tracker's JSON.
        LimitExceeded: it is larger than any copy of the tracker.
    """
    if len(content) > MAX_TRACKER_BYTES:
        raise LimitExceeded(f"{name}: {len(content)} bytes; at most {MAX_TRACKER_BYTES} are read")
    try:
        sources = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        if len(sources) > MAX_SOURCES:
            raise LimitExceeded(f"{name}: {len(sources)} source packages; at most {MAX_SOURCES} are read")
        for source, raw in sources.items():
            for identifier, issue in _SOURCE.decode(raw).items():
                if (cve := cve_of(identifier)) is None:
                    continue
                for codename, release in issue.releases.items():
                    if release.status in ("open", "undetermined"):
                        yield codename, source, _statement(cve, release)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocument(f"{name}: not the JSON of Debian's security tracker: {error}") from error


def _statement(cve: str, release: _Release) -> Statement:
    reason, decided = release.nodsa or "", release.nodsa_reason or ""
    if release.status == "undetermined":
        status = Status.UNDER_INVESTIGATION
    elif release.urgency == "end-of-life":
        status, reason = Status.OUT_OF_SUPPORT, reason or release.urgency
    elif release.nodsa is not None or decided:
        status = _NODSA.get(decided, Status.NO_ADVISORY)
    else:
        status = Status.AFFECTED
        reason = release.urgency if release.urgency == "unimportant" else ""
    newest = max(release.repositories.values(), key=key, default="")
    return Statement(cve, status, reason or decided, release.urgency, until=newest)
