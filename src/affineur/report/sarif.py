"""The report as SARIF 2.1.0, for code-scanning dashboards: one result for each erratum that the image lacks.

Rules of the policy that failed, or could not be told, are results too, and all that could not be told is a note: a
dashboard that shows nothing must mean that there is nothing. Section numbers are those of SARIF 2.1.0 (OASIS).
"""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from affineur.assessment.model import Assessment, Distribution
from affineur.errata.erratum import Erratum, Severity
from affineur.report import reading
from affineur.report.escape import visible
from affineur.report.json import encoded
from affineur.repositories.update import Update
from affineur.trust.model import Outcome, Rule

__all__ = ["render"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {
    Severity.CRITICAL: "error",
    Severity.IMPORTANT: "error",
    Severity.MODERATE: "warning",
    Severity.LOW: "note",
}
# Dashboards sort security rules by a number in this property, and cut it into words at 9, 7 and 4. Ours are the middles
# of those words: the errata have a word, not a score.
SECURITY_SEVERITY = {
    Severity.CRITICAL: "9.5",
    Severity.IMPORTANT: "8.0",
    Severity.MODERATE: "5.5",
    Severity.LOW: "2.0",
}
BRACES = str.maketrans({"{": "{{", "}": "}}"})  # § 3.11.5: else a placeholder


def render(assessment: Assessment) -> str:
    """Return the SARIF log: one run, whose results and rules are in the same order, worst erratum first."""
    errata = reading.worst_first(assessment.errata)
    judged = [rule for rule in reading.by_outcome(assessment.verdict.rules) if rule.outcome is not Outcome.PASS]
    rules = [*(_erratum_rule(e, assessment) for e in errata), *(_policy_rule(rule) for rule in judged)]
    updates = {update.name: update for update in assessment.updates}
    results = [_erratum_result(erratum, assessment, updates) for erratum in errata]
    results += [_policy_result(rule, assessment) for rule in judged]
    for index, result in enumerate(results):
        result["ruleIndex"] = index
    if assessment.unassessed:
        rules.append(
            {
                "id": "unassessed",
                "shortDescription": {"text": "Something that was asked for could not be told"},
                "defaultConfiguration": {"level": "note"},
            }
        )
    for item in assessment.unassessed:
        text = f"Could not be told: {item.what}: {item.why}"
        result = _result("unassessed", "note", text, assessment, (item.what,), [])
        results.append({**result, "ruleIndex": len(rules) - 1})
    return encoded({"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(assessment, rules, results)]})


def _run(assessment: Assessment, rules: list[dict[str, Any]], results: list[dict[str, Any]]) -> dict[str, Any]:
    image, grade = assessment.image, assessment.grade
    algorithm, _, encoded_digest = image.digest.partition(":")
    artifact: dict[str, Any] = {"location": {"uri": _uri(image.reference)}, "roles": ["analysisTarget"]}
    if algorithm == "sha256":
        artifact["hashes"] = {"sha-256": visible(encoded_digest)}
    return {
        "tool": {"driver": {"name": "affineur", "version": visible(assessment.affineur), "rules": rules}},
        "automationDetails": {"id": f"affineur/{_uri(image.name)}/"},
        "invocations": [{"executionSuccessful": True, "endTimeUtc": assessment.made}],
        "artifacts": [artifact],
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": {
            "decision": assessment.verdict.decision.value,
            "grade": grade.letter,
            "headline": reading.headline(grade),
            "asOf": assessment.as_of,
            "reference": image.reference,
            "digest": image.digest,
            "platform": image.platform,
        },
    }


def _erratum_rule(erratum: Erratum, assessment: Assessment) -> dict[str, Any]:
    properties: dict[str, Any] = {"tags": [visible(erratum.kind)]}
    if erratum.kind == "security" and erratum.severity is not None:
        properties["security-severity"] = SECURITY_SEVERITY[erratum.severity]
    if erratum.cves:
        properties["cves"] = [visible(cve) for cve in erratum.cves]
    rule: dict[str, Any] = {
        "id": visible(erratum.id),
        "shortDescription": {"text": _text(erratum.title or erratum.id)},
        "defaultConfiguration": {"level": _level(erratum, assessment)},
        "properties": properties,
    }
    if erratum.cves:
        rule["fullDescription"] = {"text": _text("Fixes " + ", ".join(erratum.cves))}
    page = reading.address(erratum.id)
    if page is not None:
        rule["helpUri"] = page
    return rule


def _erratum_result(erratum: Erratum, assessment: Assessment, updates: Mapping[str, Update]) -> dict[str, Any]:
    packages = assessment.packages_of.get(erratum.id, ())
    rating = erratum.severity.value if erratum.severity else "rated by nobody"
    fixes = ", ".join(f"{fix.source} {fix.version}" for fix in erratum.fixes)
    text = (
        f"{erratum.id} ({rating}) is not applied, {reading.out_for(erratum, reading.day_of(assessment.as_of))}."
        f" Packages: {', '.join(packages)}."
        f" Fixed in: {fixes}."
    )
    places = []
    for name in packages:
        purl = _purl(name, updates.get(name), assessment.distribution)
        places.append({"name": visible(name), "fullyQualifiedName": purl, "kind": "package"})
    return _result(erratum.id, _level(erratum, assessment), text, assessment, (erratum.id,), places)


def _policy_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": f"policy/{visible(rule.rule)}",
        "shortDescription": {"text": _text(f"The policy's rule {rule.rule}")},
        "defaultConfiguration": {"level": "error" if rule.outcome is Outcome.FAIL else "warning"},
    }


def _policy_result(rule: Rule, assessment: Assessment) -> dict[str, Any]:
    level = "error" if rule.outcome is Outcome.FAIL else "warning"
    said = f"{rule.rule}: {rule.outcome.value}: {rule.because}"
    return _result(f"policy/{rule.rule}", level, said, assessment, (rule.rule,), [])


def _result(
    rule: str,
    level: str,
    text: str,
    assessment: Assessment,
    key: tuple[str, ...],
    places: list[dict[str, Any]],
) -> dict[str, Any]:
    image = assessment.image
    # The same finding has the same fingerprint in the next tag and on the next day, so not the digest, nor the text.
    identity = "\0".join((image.registry or "", image.repository, image.platform, rule, *key))
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(image.reference), "index": 0},
            "region": {"startLine": 1},  # dashboards drop a result without one
        }
    }
    if places:
        location["logicalLocations"] = places
    return {
        "ruleId": visible(rule),
        "level": level,
        "message": {"text": _text(text)},
        "locations": [location],
        "partialFingerprints": {"affineur/v1": hashlib.sha256(identity.encode(errors="replace")).hexdigest()},
    }


def _level(erratum: Erratum, assessment: Assessment) -> str:
    if erratum.severity is None:
        return "error" if erratum.id in assessment.grade.counted else "warning"
    return LEVELS[erratum.severity] if erratum.kind == "security" else "note"


def _uri(reference: str) -> str:
    """Return an image reference as a relative URI (RFC 3986 § 4.2: no colon in it, or a port would become a scheme)."""
    return quote(reference.encode(errors="replace"), safe="/@~")


def _purl(name: str, update: Update | None, system: Distribution) -> str:
    """Return the package URL of an installed package, with its version where an update tells it (purl, type deb)."""
    version = f"@{_quoted(update.installed)}" if update else ""
    words = [("arch", update.architecture)] if update else []
    words += [("distro", f"{system.id}-{system.version_id}")] if system.version_id else []
    qualifiers = "&".join(f"{key}={_quoted(value)}" for key, value in words)
    return f"pkg:deb/{_quoted(system.id or 'unknown')}/{_quoted(name)}{version}" + (f"?{qualifiers}" if words else "")


def _quoted(text: str) -> str:
    return quote(text.encode(errors="replace"), safe=":~")


def _text(text: str) -> str:
    return visible(text).translate(BRACES).replace("](", "] (")  # § 3.11.6: else a link
