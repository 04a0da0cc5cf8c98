"""Security updates that nobody has described: neither a notice nor a changelog is known for them. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from affineur.errata.erratum import Erratum, Fix
from affineur.evidence import Unassessed
from affineur.packages.versions.deb import key
from affineur.repositories.apt.model import Release, Suite
from affineur.repositories.update import Update

__all__ = ["rebuilds", "unrated"]


def unrated(updates: Iterable[Update], suites: Sequence[Suite], errata: Iterable[Erratum] = ()) -> list[Erratum]:
    """Make an erratum for every security update that none of the errata explains, one for each source and version.

    That is: its version stands in a security suite, and no erratum is fixed in exactly that version; or it is a
    security update for another reason, and no erratum at all lies in (installed, available] (`Update.errata`).

    Its severity is unrated. Its date is a bound: it was out by the Date of the Release that offers it, the earliest
    where several verified ones do; with no verified one there is no bound either. A rebuild of the installed source
    version is none: see `rebuilds`.

    Args:
        updates: with their errata filled in (`errata_of_updates`).
        suites: all that were read; those whose Release names a suite of the update.
        errata: notices and changelogs, merged.
    """
    explained = {(fix.source, key(fix.version)) for erratum in errata if not erratum.paid_only for fix in erratum.fixes}
    found: dict[str, Erratum] = {}
    for update in updates:
        if _is_rebuild(update):
            continue
        offering = _offering(update, suites)
        listed = any(suite.release and _is_security(suite.release) for suite in offering)
        exact = (update.source, key(update.source_version)) in explained
        if (listed and not exact) or (update.security and not update.errata):
            erratum = _erratum(update, offering)
            found.setdefault(erratum.id, erratum)
    return list(found.values())


def rebuilds(updates: Iterable[Update], suites: Sequence[Suite]) -> list[Unassessed]:
    """List the security updates that are built anew from the installed source version.

    Errata are matched on source versions, so what such a rebuild mends (a library that is compiled in) cannot be told.
    """
    found = {
        Unassessed(f"rebuild of {update.source} {update.available}", "its source version is installed already")
        for update in updates
        if _is_rebuild(update)
        and (update.security or any(s.release and _is_security(s.release) for s in _offering(update, suites)))
    }
    return sorted(found)


def _is_rebuild(update: Update) -> bool:
    return key(update.source_version) <= key(update.installed_source_version)


def _offering(update: Update, suites: Sequence[Suite]) -> list[Suite]:
    return [suite for suite in suites if suite.release and suite.release.suite in update.suites]


def _erratum(update: Update, offering: Sequence[Suite]) -> Erratum:
    dates = [suite.release.date for suite in offering if suite.release and suite.release.date and suite.verified]
    earliest: datetime | None = min(dates, default=None)
    return Erratum(
        id=f"unrated:{update.source}/{update.source_version}",
        kind="security",
        severity=None,
        issued=None,
        cves=(),
        title=f"{update.source}: a security update that no notice or changelog explains",
        source=offering[0].url if offering else "",
        fixes=(Fix(update.source, update.source_version),),
        issued_at_latest=earliest,
    )


def _is_security(release: Release) -> bool:
    """By signed fields: Debian's label (all its releases), Ubuntu's suite name (`trusty-security`)."""
    return release.label == "Debian-Security" or release.suite.endswith("-security")
