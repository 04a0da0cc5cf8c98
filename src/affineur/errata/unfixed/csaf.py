"""Red Hat's VEX: what its product security says of each CVE in each product, as CSAF 2.0 documents, one a CVE.

Sources: https://redhatproductsecurity.github.io/security-data-guidelines/csaf-vex/; CSAF 2.0 § 3.2.3 (product_status,
remediations, threats) and § 3.2.2 (product tree). A package without a fix is a product such as
`red_hat_enterprise_linux_8:httpd`, which the product tree relates to a platform with a CPE; what is to become of it is
a remediation of the category `no_fix_planned` ("Will not fix", "Out of support scope") or `none_available` ("Affected",
"Fix deferred").

Read is what is said of Red Hat Enterprise Linux itself: add-ons, layered products and extended streams have CPEs, and
packages, of their own.

Of the flaw itself each document says how bad it is, whether fixed or not: its aggregate severity (§ 3.2.1.2) is Red
Hat's impact of the CVE, and its scores (§ 3.2.3.13) are CVSS vectors; where products have several, the highest counts.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec

from affineur.errata.cvss import base_score
from affineur.errata.osv import cve_of
from affineur.errata.unfixed.flaws import Flaw
from affineur.errata.unfixed.statements import Statement, Status
from affineur.errors import MalformedDocument

__all__ = ["rated", "stated"]

_PLATFORM = re.compile(r"cpe:/[ao]:redhat:enterprise_linux:(\d+)(?![.\d])")
_MODULE = re.compile(r"[^:/]+:[^:/]+\Z")
_DETAILS = {
    "affected": Status.AFFECTED,
    "fix deferred": Status.DEFERRED,
    "out of support scope": Status.OUT_OF_SUPPORT,
    "under investigation": Status.UNDER_INVESTIGATION,
    "will not fix": Status.WILL_NOT_FIX,
}
MAX_WORD_CHARACTERS = 40
_NO_FIX = ("no_fix_planned", "none_available")


class _Helper(msgspec.Struct):
    cpe: str = ""


class _Product(msgspec.Struct):
    product_id: str
    product_identification_helper: _Helper | None = None


class _Branch(msgspec.Struct):
    branches: list["_Branch"] = []
    product: _Product | None = None


class _Relationship(msgspec.Struct):
    product_reference: str
    relates_to_product_reference: str
    full_product_name: _Product


class _Tree(msgspec.Struct):
    branches: list[_Branch] = []
    relationships: list[_Relationship] = []


class _Status(msgspec.Struct):
    known_affected: list[str] = []
    under_investigation: list[str] = []


class _Remark(msgspec.Struct):
    """A remediation, or a threat."""

    category: str
    details: str = ""
    product_ids: list[str] = []


class _Vulnerability(msgspec.Struct):
    cve: str = ""
    product_status: _Status = msgspec.field(default_factory=_Status)
    remediations: list[_Remark] = []
    threats: list[_Remark] = []


class _Document(msgspec.Struct):
    product_tree: _Tree = msgspec.field(default_factory=_Tree)
    vulnerabilities: list[_Vulnerability] = []


class _CVSS(msgspec.Struct, rename="camel"):
    vector_string: str = ""


class _Score(msgspec.Struct):
    cvss_v3: _CVSS | None = None
    cvss_v4: _CVSS | None = None  # CSAF 2.1 has it; 2.0 has not


class _Scored(msgspec.Struct):
    cve: str = ""
    scores: list[_Score] = []


class _Aggregate(msgspec.Struct):
    text: str = ""


class _About(msgspec.Struct):
    aggregate_severity: _Aggregate | None = None


class _Ratings(msgspec.Struct):
    """The same document, without its tree of products, which is most of it."""

    document: _About = msgspec.field(default_factory=_About)
    vulnerabilities: list[_Scored] = []


_DECODER = msgspec.json.Decoder(_Document)
_RATINGS = msgspec.json.Decoder(_Ratings)


def stated(content: bytes) -> Iterator[tuple[str, str, Statement]]:
    """Yield (major version of RHEL, package, statement) for each package with a flaw that has no fix.

    A package is a source package or a binary one: Red Hat names the one or the other, or both.

    Args:
        content: one document, already limited in size by the caller.

    Raises:
        MalformedDocument: it is no CSAF document.
    """
    if b'"known_affected"' not in content and b'"under_investigation"' not in content:
        return  # most documents: everything is fixed, or was never affected
    try:
        document = _DECODER.decode(content)
        platforms = dict(_platforms(document.product_tree.branches))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocument(f"not a CSAF document: {error}") from error
    parts = {
        related.full_product_name.product_id: (related.relates_to_product_reference, related.product_reference)
        for related in document.product_tree.relationships
    }
    for flaw in document.vulnerabilities:
        cve = cve_of(flaw.cve)
        if cve is None:
            continue
        reasons = {p: r.details for r in flaw.remediations if r.category in _NO_FIX for p in r.product_ids}
        words = {p: t.details for t in flaw.threats if t.category == "impact" for p in t.product_ids}
        affected, asked = flaw.product_status.known_affected, flaw.product_status.under_investigation
        for product, default in (
            *((p, Status.AFFECTED) for p in affected),
            *((p, Status.UNDER_INVESTIGATION) for p in asked),
        ):
            platform, component = parts.get(product, ("", ""))
            if (major := platforms.get(platform)) and (named := _package(component)):
                reason = reasons.get(product, "")
                status = _DETAILS.get(reason.strip().lower(), default)
                package, module = named
                yield major, package, Statement(cve, status, reason, words.get(product, ""), module=module)


def rated(content: bytes) -> Iterator[tuple[str, Flaw]]:
    """Yield (CVE, what is said of it), once for each CVE of a document that has a word or a score.

    A document's word is of its CVE where it has one CVE; of several it is not known which is meant.

    Args:
        content: as for `stated`.

    Raises:
        MalformedDocument: it is no CSAF document.
    """
    try:
        document = _RATINGS.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocument(f"not a CSAF document: {error}") from error
    aggregate = document.document.aggregate_severity
    word = aggregate.text[:MAX_WORD_CHARACTERS] if aggregate and len(document.vulnerabilities) == 1 else ""
    for flaw in document.vulnerabilities:
        cve = cve_of(flaw.cve)
        score = max(_base_scores(flaw.scores), default=None)
        if cve is not None and (word or score is not None):
            yield cve, Flaw(word, score)


def _base_scores(scores: Iterable[_Score]) -> Iterator[float]:
    """A vector that breaks its grammar gives no score: none is better than a wrong one, and it decides nothing."""
    for score in scores:
        for given in (score.cvss_v3, score.cvss_v4):
            with suppress(ValueError):
                if given is not None and (found := base_score(given.vector_string)) is not None:
                    yield found


def _platforms(branches: list[_Branch]) -> Iterator[tuple[str, str]]:
    """(product id, major version) of every product that is Red Hat Enterprise Linux."""
    for branch in branches:
        product = branch.product
        helper = product.product_identification_helper if product else None
        if product and helper and (found := _PLATFORM.match(helper.cpe)):
            yield product.product_id, found[1]
        yield from _platforms(branch.branches)


def _package(component: str) -> tuple[str, str] | None:
    """Name and module of a package: `httpd`, `nodejs:18/nodejs` or `nodejs::nodejs:18`; None where it is none."""
    name, doubled, module = component.partition("::")
    if doubled:
        return (name, module) if _MODULE.match(module) else None
    module, slash, name = component.rpartition("/")
    if slash:
        return (name, module) if _MODULE.match(module) else None  # `rhel8/buildah` is an image, `io.x/y` a jar
    return (name, "") if name and "@" not in name and ":" not in name else None
