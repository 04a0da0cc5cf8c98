"""Errata, rated by the CVEs that they name.

A CVE's rating for the source package and release at hand goes before one that holds everywhere; of the CVEs of one
erratum the worst counts, and is named. Where no CVE is rated, the erratum is unrated (None), never low.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from affineur.errata.erratum import Erratum, Severity
from affineur.errata.osv import CVERating, Notice
from affineur.errata.severity import Rating, highest

__all__ = ["as_erratum", "rating_here", "rerated"]


def as_erratum(
    notice: Notice, ratings: Mapping[str, Sequence[CVERating]], ecosystem: str, source: str, *, paid_only: bool = False
) -> Erratum:
    """Make the erratum of a notice in one ecosystem, rated by its own word, or else by the highest of its CVEs.

    Args:
        ratings: of each of its CVEs, as far as there are any.
        source: name of the feed, for the erratum.
        paid_only: the ecosystem is that of paying customers.
    """
    sources = {fix.source for fix in notice.fixes}
    of_cves = [rating_here(ratings.get(cve, ()), ecosystem, sources) for cve in notice.cves]
    best = _best(notice.cves, of_cves)
    return Erratum(
        id=notice.id,
        kind=notice.kind,
        severity=notice.severity or (best.severity if best else None),
        issued=notice.issued,
        cves=notice.cves,
        title=notice.title,
        source=source,
        fixes=() if notice.builds else notice.fixes,
        issued_at_latest=notice.at_latest,
        rated_by=f"severity={notice.severity_word}" if notice.severity else best.by if best else "",
        paid_only=paid_only,
        cve_severities=_severities(of_cves) if best else (),
        cve_scores=_scores(of_cves),
        builds=notice.builds,
        severity_word=notice.severity_word,
    )


def rerated(erratum: Erratum, ratings: Mapping[str, Sequence[CVERating]], ecosystem_names: Iterable[str]) -> Erratum:
    """Rate an unrated erratum by the CVEs that it names; unchanged where none of them is rated.

    Args:
        ecosystem_names: of the release that it is about, most specific first.
    """
    sources = {fix.source for fix in erratum.fixes}
    for ecosystem in ecosystem_names:
        of_cves = [rating_here(ratings.get(cve, ()), ecosystem, sources) for cve in erratum.cves]
        best = _best(erratum.cves, of_cves)
        if best:
            return msgspec.structs.replace(
                erratum,
                severity=best.severity,
                rated_by=best.by,
                cve_severities=_severities(of_cves),
                cve_scores=_scores(of_cves),
            )
    return erratum


def _best(cves: Iterable[str], ratings: Iterable[Rating | None]) -> Rating | None:
    pairs = zip(cves, ratings, strict=True)
    return highest(Rating(rating.severity, f"{rating.by} of {cve}") for cve, rating in pairs if rating)


def _severities(ratings: Iterable[Rating | None]) -> tuple[Severity | None, ...]:
    return tuple(rating.severity if rating else None for rating in ratings)


def _scores(ratings: Sequence[Rating | None]) -> tuple[float | None, ...]:
    """Empty where none is known."""
    scores = tuple(rating.score if rating else None for rating in ratings)
    return scores if any(score is not None for score in scores) else ()


def rating_here(ratings: Sequence[CVERating], ecosystem: str, sources: Collection[str]) -> Rating | None:
    """The rating of one CVE for these source packages of an ecosystem, else the one that holds everywhere."""
    if len(ratings) == 1 and not ratings[0].ecosystem:  # most CVEs have one rating, that holds everywhere
        return ratings[0].rating
    own = highest(r.rating for r in ratings if r.ecosystem == ecosystem and r.source in sources)
    return own or highest(r.rating for r in ratings if not r.ecosystem)
