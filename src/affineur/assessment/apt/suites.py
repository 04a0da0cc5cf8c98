"""The suites that an answer rests on: as facts of the report, and as states for the policy."""

from collections.abc import Iterator, Sequence

from affineur.assessment.model import SuiteFacts
from affineur.repositories.apt.model import OfferedSuite, Suite
from affineur.repositories.published import Published
from affineur.repositories.reference import NoReference, ReferenceSuite
from affineur.trust.verdict import SuiteState

__all__ = ["states", "suite_facts"]


def suite_facts(offered: Sequence[OfferedSuite], published: Sequence[Published]) -> Iterator[SuiteFacts]:
    """The image's own suites in sources order, then the reference suites that its sources do not lead to."""
    references = {each.suite.url: each for each in published if each.suite is not None}
    for own in offered:
        reference = references.pop(own.suite.url, None)
        if reference is None:
            yield _facts(own.suite, "image", own.suite.verified or None, not own.suite.expired, own.suite.problems)
        else:
            yield _facts(own.suite, "both", reference.verified, reference.fresh, own.suite.problems)
    for each in published:
        if each.suite is not None and each.suite.url in references:
            yield _facts(each.suite, "reference", each.verified, each.fresh, each.problems)
        elif each.suite is None:
            yield SuiteFacts(
                suite=each.reference.name,
                codename=each.reference.codename,
                origin=each.reference.origin,
                label=each.reference.label,
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


def _facts(suite: Suite, role: str, verified: bool | None, fresh: bool | None, problems: tuple[str, ...]) -> SuiteFacts:
    release = suite.release
    return SuiteFacts(
        suite=release.suite if release and release.suite else suite.entry.suite,
        codename=release.codename if release else "",
        origin=release.origin if release else "",
        label=release.label if release else "",
        url=suite.url,
        role=role,
        date=release.date if release else None,
        valid_until=release.valid_until if release else None,
        verified=verified,
        signers=suite.signers,
        fresh=fresh if release else None,
        digest=suite.digest,
        problems=problems,
        read=release is not None,
    )


def states(
    published: Sequence[Published], references: tuple[ReferenceSuite, ...] | NoReference
) -> Iterator[SuiteState]:
    """For the policy: the reference suites, found or not."""
    if isinstance(references, NoReference):
        yield SuiteState("reference suites", None, None, references.why)
        return
    for each in published:
        found = each.suite is not None
        why = each.problems[0] if each.problems else ""
        yield SuiteState(each.reference.name, (each.verified if found else None), (each.fresh if found else None), why)
