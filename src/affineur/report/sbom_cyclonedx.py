"""The packages of an image as CycloneDX 1.6 in JSON (ECMA-424)."""

import uuid
from typing import Any

from affineur.packages.purl import oci_purl
from affineur.report.documents import InstalledPackage, Packages
from affineur.report.json import encoded

__all__ = ["render"]

ARCHITECTURE_IN_PLATFORM = 1
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "cyclonedx.affineur")


def render(document: Packages) -> str:
    """Return the bill of materials. What was not looked for makes its composition "incomplete", and is named."""
    image = document.image
    root = oci_purl(
        image.registry, image.repository, image.manifest_digest, image.platform.split("/")[ARCHITECTURE_IN_PLATFORM]
    )
    made = document.made.strftime("%Y-%m-%dT%H:%M:%SZ")
    system = {
        "type": "operating-system",
        "bom-ref": "operating-system",
        "name": document.distribution.id,
        "version": document.distribution.version_id,
        "description": document.distribution.pretty_name,
    }
    references: dict[str, int] = {}
    components = [_component(package, references) for package in document.packages]
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(_NAMESPACE, f"{root} {made}").urn,
        "version": 1,
        "metadata": {
            "timestamp": made,
            "tools": {"components": [{"type": "application", "name": "affineur", "version": document.affineur}]},
            "component": {
                "type": "container",
                "bom-ref": root,
                "name": image.name,
                "version": image.manifest_digest,
                "purl": root,
                "properties": [{"name": "affineur:reference", "value": image.reference}],
            },
            "properties": [
                {"name": "affineur:unassessed", "value": f"{gap.what}: {gap.why}"} for gap in document.unassessed
            ],
        },
        "components": [{key: value for key, value in system.items() if value}, *components],
        "dependencies": [
            {"ref": root, "dependsOn": ["operating-system", *(component["bom-ref"] for component in components)]}
        ],
        "compositions": [
            {"aggregate": "incomplete" if document.unassessed else "complete", "assemblies": [root]},
        ],
    }
    return encoded(bom)


def _component(package: InstalledPackage, references: dict[str, int]) -> dict[str, Any]:
    reference = package.purl or f"{package.name}@{package.version}:{package.architecture}"
    references[reference] = references.get(reference, 0) + 1
    if references[reference] > 1:  # a reference may stand once only (§ bom-ref)
        reference = f"{reference}#{references[reference]}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        "name": package.name,
        "version": package.version,
    }
    if package.vendor:
        component["publisher"] = package.vendor
    if package.licence:  # as recorded; no SPDX expression in general
        component["licenses"] = [{"license": {"name": package.licence, "acknowledgement": "declared"}}]
    if package.purl:
        component["purl"] = package.purl
    facts = {
        "architecture": package.architecture,
        "source": package.source,
        "source-version": package.source_version,
        "status": package.status,
        "module": package.module,
        "key-id": package.key_id,
        "repository": package.repository,
        "layer": package.layer,
    }
    properties = [{"name": f"affineur:{name}", "value": value} for name, value in facts.items() if value]
    return {**component, "properties": properties}
