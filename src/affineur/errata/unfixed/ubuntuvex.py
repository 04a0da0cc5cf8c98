"""Ubuntu's VEX: what its security team says of each CVE in each release, as OpenVEX documents, one a CVE.

Sources: https://documentation.ubuntu.com/security/security-updates/vex/, whose table tells which of OpenVEX's fields
hold which status of Ubuntu's own tracker: `needed` and `ignored` are `affected`, told apart by the action statement;
`needs-triage` and `deferred` are `under_investigation`, told apart by the status notes. OpenVEX v0.2.0 § Statement.

A product names a release only where it is a source package (`arch=source&distro=jammy`; in older documents
`arch=src?distro=ubuntu/jammy`, `esm-infra/xenial`), so those are read, and the binary packages beside them are not.
FIPS and other special builds (`fips/bionic`) are no part of an image without their archives.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import msgspec

from affineur.errata.osv import cve_of
from affineur.errata.unfixed.statements import Statement, Status
from affineur.errors import MalformedDocument

__all__ = ["stated"]

_PRODUCT = re.compile(
    r"pkg:deb/ubuntu/(?P<source>[^@?#]+)@(?P<version>[^?#]+)\?arch=(?:source|src)[&?]distro="
    r"(?:(?:ubuntu|esm-[a-z-]+)(?:/|%2F))?(?P<codename>[a-z]+)\Z"
)


class _Vulnerability(msgspec.Struct):
    name: str = ""


class _Product(msgspec.Struct):
    id: str = msgspec.field(name="@id", default="")


class _Statement(msgspec.Struct):
    vulnerability: _Vulnerability
    status: str
    products: list[_Product] = []
    status_notes: str = ""
    action_statement: str = ""


class _Document(msgspec.Struct):
    statements: list[_Statement]


_DECODER = msgspec.json.Decoder(_Document)


def stated(content: bytes) -> Iterator[tuple[str, str, Statement]]:
    """Yield (codename, source package, statement) for each source package with a flaw that has no fix.

    Args:
        content: one document, already limited in size by the caller.

    Raises:
        MalformedDocument: it is no OpenVEX document.
    """
    try:
        document = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocument(f"not an OpenVEX document: {error}") from error
    for one in document.statements:
        cve = cve_of(one.vulnerability.name)
        if cve is None or one.status not in ("affected", "under_investigation"):
            continue
        status, reason = _meant(one)
        for product in one.products:
            if found := _PRODUCT.match(product.id):
                source, version = unquote(found["source"]), unquote(found["version"])
                yield found["codename"], source, Statement(cve, status, reason, until=version)


def _meant(statement: _Statement) -> tuple[Status, str]:
    if statement.status == "affected":
        reason = statement.action_statement or statement.status_notes
        refused = "decided to not fix" in reason or "decided not to fix" in reason
        return (Status.WILL_NOT_FIX if refused else Status.AFFECTED), reason
    reason = statement.status_notes
    return (Status.DEFERRED if "deferred" in reason else Status.UNDER_INVESTIGATION), reason
