"""The repositories that an answer rests on: as facts of the report, as states for the policy, and as evidence."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from affineur.assessment.model import SuiteFacts
from affineur.evidence import Evidence
from affineur.repositories.apk.model import ApkIndex, ApkRepository, OfferedIndex
from affineur.repositories.apk.published import PublishedIndex
from affineur.repositories.apk.reference import ApkReference
from affineur.repositories.reference import NoReference
from affineur.trust.verdict import SuiteState

__all__ = ["evidence", "states", "suite_facts"]


def suite_facts(offered: Sequence[OfferedIndex], published: Sequence[PublishedIndex]) -> Iterator[SuiteFacts]:
    """The image's own repositories in their order, then those of its distribution that they do not lead to."""
    references = {each.index.digest: each for each in published if each.index is not None and each.index.digest}
    for own in offered:
        found = references.pop(own.index.digest, None)
        if found is None:
            yield _facts(own.index, _name(own.index), "image", own.index.verified or None, None, own.index.problems)
        else:
            yield _facts(own.index, _name(own.index), "both", found.verified, found.fresh, own.index.problems)
    for each in published:
        if each.index is None:
            nothing = ApkIndex(ApkRepository(""), "")
            yield _facts(nothing, each.name, "reference", None, None, each.problems)
        elif each.index.digest in references:
            yield _facts(each.index, each.name, "reference", each.verified, each.fresh, each.problems)


def states(
    published: Sequence[PublishedIndex], references: tuple[ApkReference, ...] | NoReference
) -> Iterator[SuiteState]:
    """For the policy: the reference repositories, found or not."""
    if isinstance(references, NoReference):
        yield SuiteState("reference repositories", None, None, references.why)
        return
    for each in published:
        why = each.problems[0] if each.problems else ""
        yield SuiteState(each.name, True if each.verified else None, each.fresh, why)


def evidence(offered: Sequence[OfferedIndex], published: Sequence[PublishedIndex], now: datetime) -> Iterator[Evidence]:
    """Each index that was read, once."""
    seen = set()
    for index in (*(each.index for each in offered), *(each.index for each in published)):
        if index is None or not index.digest or index.digest in seen:
            continue
        seen.add(index.digest)
        names = ", ".join(index.key_names)
        by = f"signed by {names}" if index.signers else "signed by nobody who counts"
        said = f" ({index.description})" if index.description else ""
        yield Evidence(f"the index of {_name(index)}{said} is {by}", index.url, index.digest, now)


def _name(index: ApkIndex) -> str:
    """`v3.16/main`, after the tag if it has one."""
    parts = [part for part in index.repository.public_url.split("/") if part]
    return f"{index.repository.tag} {'/'.join(parts[-2:])}".strip()


def _facts(
    index: ApkIndex, name: str, role: str, verified: bool | None, fresh: bool | None, problems: tuple[str, ...]
) -> SuiteFacts:
    return SuiteFacts(
        suite=name,
        codename="",
        origin="",
        label=index.description,
        url=index.url,
        role=role,
        date=index.newest,
        valid_until=None,
        verified=verified,
        signers=index.signers,
        fresh=fresh,
        digest=index.digest,
        problems=problems,
        read=index.verified and not problems,
    )
