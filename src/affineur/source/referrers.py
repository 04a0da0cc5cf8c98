"""What refers to a manifest: signatures, SBOMs and attestations that name it as their subject.

distribution-spec 1.1 § Listing Referrers and § Unavailable Referrers API; image-spec 1.1, manifest.md (`subject`).

A list of referrers is a claim. Where the registry made it, from the manifests that it took in, an entry that states its
artifactType is passed on as it is: whoever uses the referrer reads it by digest anyway, and each further request counts
against the reader's budget. Where it is the index at the referrers tag, any client made it: some leave artifactType and
annotations out, some list children of an index, and one registry answers with the image itself. There, each entry is
opened, and only those that name our subject are referrers.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from affineur.errors import Error, LimitExceeded, MalformedDocument, NotFound, SizeMismatch, SourceError
from affineur.evidence import Unassessed
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import decoded
from affineur.oci.manifest import KEYS, OCI_INDEX, Index, read_manifest

if TYPE_CHECKING:
    from affineur.http.response import Response
    from affineur.source.source import Source

__all__ = ["MAX_OPENED_HERE", "NO_REFERRERS", "Referrers", "by_api", "by_tag", "fallback_tag", "of_subject", "together"]

MAX_REFERRERS = 2_000
"""Entries of all pages together."""
MAX_REFERRER_PAGES = 100
MAX_OPENED = 64
"""Manifests that are read to learn whether, and as what, they refer."""
MAX_OPENED_HERE = 1_000
"""The same, of a layout on this machine, whose index.json lists images and referrers alike."""
AT_ONCE = 8

_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9._-]")


class Referrers(msgspec.Struct, frozen=True):
    """What refers to one manifest: none, these, or (with `problems`) perhaps more than these.

    Attributes:
        found: in the order of the list, each once, with artifact type and annotations as their manifests have them.
        by: how they were looked for: "referrers API", "referrers tag", "layout", or "" in a place that has none.
        others: entries of the list that turned out to refer to something else, or to nothing.
    """

    found: tuple[Descriptor, ...] = ()
    by: str = ""
    others: int = 0
    problems: tuple[Unassessed, ...] = ()


NO_REFERRERS = Referrers()
"""Of a place that can hold none."""


class _Referring(msgspec.Struct, rename="camel"):
    """Of a manifest, an index, or the artifact manifest of a draft: what makes it a referrer."""

    subject: Descriptor | None = None
    artifact_type: str | None = None
    config: Descriptor | None = None
    annotations: dict[str, str] | None = None


def fallback_tag(subject: Digest) -> str:
    """The referrers tag: distribution-spec 1.1 § Referrers Tag Schema."""
    return "-".join(_NOT_IN_A_TAG.sub("-", part) for part in (subject.algorithm[:32], subject.encoded[:64]))


def by_api(
    source: "Source",
    subject: Digest,
    artifact_type: str | None,
    url: str,
    page: "Callable[[str], tuple[Response, str | None]]",
) -> Referrers | None:
    """Ask the registry. None: it has no such API, and the referrers tag is to be read. Raises nothing of ours.

    Args:
        url: of the API's first page, without a query.
        page: reads one and gives the next one's URL, on the same host.
    """
    following: str | None = f"{url}?{urlencode({'artifactType': artifact_type})}" if artifact_type else url
    claimed: list[Descriptor] = []
    seen: set[str] = set()
    try:
        while following is not None:
            if following in seen or len(seen) == MAX_REFERRER_PAGES:
                raise LimitExceeded(f"{url}: its pages go round in a loop, or are more than {MAX_REFERRER_PAGES}")
            seen.add(following)
            answer, following = page(following)
            if answer.headers.get("Content-Type").partition(";")[0].strip().lower() != OCI_INDEX:
                raise NotFound(f"{url}: what came is no list of referrers")  # a registry's web pages, for one
            claimed += decoded(answer.body, Index, url, KEYS).manifests
            if len(claimed) > MAX_REFERRERS:
                raise LimitExceeded(f"{url}: more than {MAX_REFERRERS} referrers")
    except Error as problem:
        # 404, and in the wild 400, 405 and 406: there is no such API. 401, 403, 429 and 5xx say nothing about it.
        if len(seen) == 1 and not claimed and (isinstance(problem, NotFound) or type(problem) is SourceError):
            return None
        gap = Unassessed(f"what refers to {subject}", str(problem))
        told = of_subject(source, subject, claimed[:MAX_REFERRERS], artifact_type, "referrers API")
        return msgspec.structs.replace(told, problems=(gap, *told.problems))
    return of_subject(source, subject, claimed, artifact_type, "referrers API")


def together(one: Referrers, other: Referrers) -> Referrers:
    """What is in either of two lists of the same subject, each once; the first says how it was looked for."""
    every = {each.digest: each for each in (*other.found, *one.found)}
    return Referrers(tuple(every.values()), one.by, one.others + other.others, (*one.problems, *other.problems))


def by_tag(source: "Source", subject: Digest, artifact_type: str | None) -> Referrers:
    """Read the index at the referrers tag, and each of its entries. Raises nothing of ours."""
    by = "referrers tag"
    try:
        document = source.manifest(fallback_tag(subject))
        if document.digest == subject:  # GitLab takes `sha256-…` for the digest, and answers with the image
            return Referrers(by=by)
        index = read_manifest(document)
    except NotFound:
        return Referrers(by=by)
    except Error as problem:
        return Referrers(by=by, problems=(Unassessed(f"what refers to {subject}", str(problem)),))
    if not isinstance(index, Index) or index.media_type != OCI_INDEX:
        return Referrers(by=by)  # somebody else's use of that name
    return of_subject(source, subject, index.manifests[:MAX_REFERRERS], artifact_type, by, open_all=True)


def of_subject(
    source: "Source",
    subject: Digest,
    claimed: Iterable[Descriptor],
    artifact_type: str | None,
    by: str,
    *,
    open_all: bool = False,
    most: int = MAX_OPENED,
) -> Referrers:
    """Which of some entries refer to a subject. Raises nothing of ours.

    Args:
        claimed: as a list has them; the subject itself, and what is there twice, does not count.
        artifact_type: leave out all others; registries need not do it, so it is done here in any case.
        open_all: read each manifest; else only where the entry lacks its artifact type.
        most: manifests that are read.
    """
    entries = [each for each in {each.digest: each for each in claimed}.values() if each.digest != subject]
    outcome: dict[Digest, Descriptor | Error | None] = {each.digest: each for each in entries}
    to_open = [each for each in entries if open_all or not each.artifact_type]
    _all_at_once([partial(_read_into, outcome, source, subject, each) for each in to_open[:most]])
    problems = []
    if unread := to_open[most:]:
        problems.append(Unassessed(f"{len(unread)} referrers of {subject}", f"no more than {most} are read"))
        for each in unread if open_all else ():
            outcome[each.digest] = MalformedDocument("not read")
    found, others = [], 0
    for entry in entries:
        said = outcome[entry.digest]
        if said is None:
            others += 1
        elif isinstance(said, Error):
            if entry not in unread:
                problems.append(Unassessed(f"whether {entry.digest} refers to {subject}", str(said)))
            if not open_all:
                found.append(entry)
        else:
            found.append(said)
    kept = tuple(each for each in found if artifact_type in (None, each.artifact_type))
    return Referrers(kept, by, others, tuple(problems))


def _all_at_once(work: Sequence[Callable[[], None]]) -> None:
    def run(first: int) -> None:
        for position in range(first, len(work), AT_ONCE):
            work[position]()

    threads = [Thread(target=run, args=(first,), daemon=True) for first in range(1, min(AT_ONCE, len(work)))]
    for thread in threads:
        thread.start()
    run(0)
    for thread in threads:
        thread.join()


def _read_into(
    outcome: dict[Digest, Descriptor | Error | None], source: "Source", subject: Digest, entry: Descriptor
) -> None:
    try:
        outcome[entry.digest] = _opened(source, subject, entry)
    except Error as problem:
        outcome[entry.digest] = problem


def _opened(source: "Source", subject: Digest, entry: Descriptor) -> Descriptor | None:
    """The entry as its manifest says, or None where that does not refer to the subject."""
    content = entry.embedded()
    if content is None:
        document = source.manifest(entry.digest)
        content = document.content
        if len(content) != entry.size:
            raise SizeMismatch(document.source, entry.size, len(content))
    said = decoded(content, _Referring, str(entry.digest), KEYS)
    if said.subject is None or said.subject.digest != subject:
        return None
    kind = said.artifact_type or (said.config.media_type if said.config is not None else None)
    return msgspec.structs.replace(entry, artifact_type=kind, annotations=said.annotations)
