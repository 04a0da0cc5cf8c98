"""The repositories that an answer rests on: as facts of the report, as states for the policy, and as evidence."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from affineur.assessment.model import SuiteFacts
from affineur.assessment.rpm.place import Place
from affineur.evidence import Evidence
from affineur.repositories.reference import NoReference
from affineur.repositories.rpmmd.published import Published
from affineur.repositories.rpmmd.reference import ReferenceRepository
from affineur.trust.verdict import SuiteState

__all__ = ["evidence", "states", "suite_facts"]

_HOW = {
    "key": "is signed by the pinned key {}",
    "metalink": "is the one that the metalink of {} names",
    "tls": "was served by {}",
}


def suite_facts(own: Sequence[Place], published: Sequence[tuple[Published, Place | None]]) -> Iterator[SuiteFacts]:
    """The image's own repositories in its order, then the distribution's that its files do not lead to."""
    references = {_key(place): (each, place) for each, place in published if place is not None}
    for place in own:
        found = references.pop(_key(place), None)
        if found is None:
            fetched = place.fetched
            believed = bool(fetched.trust.how or fetched.signers)
            yield _facts(place, "image", True if believed else None, None, place.problems)
        else:
            each, _ = found
            yield _facts(place, "both", each.verified or None, each.fresh, (*each.problems, *place.problems))
    for each, place in references.values():
        yield _facts(place, "reference", each.verified or None, each.fresh, (*each.problems, *place.problems))
    for each, found_place in published:
        if found_place is None:
            yield SuiteFacts(
                suite=each.reference.name,
                codename="",
                origin=each.reference.distribution,
                label="",
                url="",
                role="reference",
                date=None,
                valid_until=None,
                verified=None,
                signers=(),
                fresh=None,
                digest="",
                problems=each.problems,
                read=False,
            )


def _key(place: Place) -> tuple[str, str, str]:
    fetched = place.fetched
    return fetched.url, fetched.digest, "" if fetched.digest else fetched.repository.id


def _facts(place: Place, role: str, verified: bool | None, fresh: bool | None, problems: tuple[str, ...]) -> SuiteFacts:
    fetched = place.fetched
    return SuiteFacts(
        suite=fetched.repository.id,
        codename="",
        origin="",
        label=fetched.repository.name,
        url=fetched.url,
        role=role,
        date=fetched.repomd.made if fetched.repomd else None,
        valid_until=None,
        verified=verified,
        signers=fetched.signers,
        fresh=fresh if fetched.repomd else None,
        digest=fetched.digest,
        problems=tuple(dict.fromkeys(problems)),
        read=place.read,
    )


def states(
    published: Sequence[tuple[Published, Place | None]], references: tuple[ReferenceRepository, ...] | NoReference
) -> Iterator[SuiteState]:
    """For the policy: the distribution's repositories, found or not."""
    if isinstance(references, NoReference):
        yield SuiteState("reference repositories", None, None, references.why)
        return
    for each, place in published:
        problems = (*each.problems, *(place.problems if place else ()))
        why = problems[0] if problems else ""
        yield SuiteState(each.reference.name, each.verified or None, each.fresh if place else None, why)


def evidence(places: Iterable[Place], now: datetime) -> Iterator[Evidence]:
    """Where each repository came from, and why it is believed."""
    seen = set()
    for place in places:
        fetched = place.fetched
        if fetched.repomd is None or fetched.digest in seen:
            continue
        seen.add(fetched.digest)
        dated = f" of {fetched.repomd.made:%Y-%m-%d}" if fetched.repomd.made else ""
        how = _HOW.get(fetched.trust.how, "is vouched for by nobody who counts").format(fetched.trust.by)
        if fetched.trust.how == "tls" and fetched.url.startswith("https:"):
            how += " over TLS"
        what = f"repomd.xml of {fetched.repository.id}{dated} {how}"
        yield Evidence(what, fetched.url, fetched.digest, now)
