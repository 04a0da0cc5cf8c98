"""The packages of an image as SPDX 2.3 in JSON."""

import re
import uuid
from typing import Any

from affineur.packages.purl import oci_purl
from affineur.report.documents import InstalledPackage, Packages
from affineur.report.json import encoded

__all__ = ["render"]

NOT_TOLD = "NOASSERTION"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "spdx.affineur")
_NO_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_NO_ID = re.compile(r"[^A-Za-z0-9.-]")  # SPDX 2.3 § 3.2: what an identifier may not hold


def render(document: Packages) -> str:
    """Return the document. The comment names what could not be told.

    Licences stand as they are recorded in `licenseComments`: they are no SPDX expressions in general, so that
    `licenseDeclared` makes no assertion.
    """
    image = document.image
    root = oci_purl(image.registry, image.repository, image.manifest_digest, image.platform.split("/")[1])
    made = document.made.strftime("%Y-%m-%dT%H:%M:%SZ")
    packages = [_package(package, number) for number, package in enumerate(document.packages, 1)]
    container = {
        "SPDXID": "SPDXRef-Image",
        "name": image.name,
        "versionInfo": image.manifest_digest,
        "downloadLocation": NOT_TOLD,
        "filesAnalyzed": False,
        "licenseConcluded": NOT_TOLD,
        "licenseDeclared": NOT_TOLD,
        "copyrightText": NOT_TOLD,
        "primaryPackagePurpose": "CONTAINER",
        "externalRefs": [_reference(root)],
        "summary": document.distribution.pretty_name,
    }
    algorithm, _, digits = image.manifest_digest.partition(":")
    if algorithm in ("sha256", "sha512"):
        container["checksums"] = [{"algorithm": algorithm.upper(), "checksumValue": digits}]
    spdx = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",  # § 6.2: of the document itself, and no other is allowed
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": image.reference,
        "documentNamespace": uuid.uuid5(_NAMESPACE, f"{root} {made}").urn,
        "comment": "Not told: " + "; ".join(f"{gap.what}: {gap.why}" for gap in document.unassessed),
        "creationInfo": {"created": made, "creators": [f"Tool: affineur-{document.affineur}"]},
        "packages": [container, *packages],
        "relationships": [
            _relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image"),
            *(_relation("SPDXRef-Image", "CONTAINS", package["SPDXID"]) for package in packages),
        ],
    }
    if not document.unassessed:
        del spdx["comment"]
    return encoded(spdx)


def _package(package: InstalledPackage, number: int) -> dict[str, Any]:
    facts = (
        f"architecture {package.architecture}",
        package.status,
        f"module {package.module}" if package.module else "",
        f"recorded in layer {package.layer}",
    )
    described: dict[str, Any] = {
        "SPDXID": f"SPDXRef-{number}-{_NO_ID.sub('-', package.name)}",
        "name": package.name,
        "versionInfo": package.version,
        "downloadLocation": NOT_TOLD,
        "filesAnalyzed": False,
        "licenseConcluded": NOT_TOLD,
        "licenseDeclared": NOT_TOLD,
        "copyrightText": NOT_TOLD,
        "sourceInfo": f"built from {package.source} {package.source_version}",
        "comment": "; ".join(filter(None, facts)),
    }
    if package.vendor:
        described["supplier"] = f"Organization: {_NO_CONTROL.sub(' ', package.vendor)}"
    if package.licence:
        described["licenseComments"] = f"recorded as: {package.licence}"
    if package.purl:
        described["externalRefs"] = [_reference(package.purl)]
    return described


def _reference(purl: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


def _relation(subject: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": subject, "relationshipType": kind, "relatedSpdxElement": other}
