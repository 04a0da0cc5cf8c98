"""The JSON documents: exact names, UTC, the same lists everywhere, and the schema and reference that describe them."""

import json as standard
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from affineur.report import documents, json
from support import assessments

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
NAMES = {
    f"affineur.{name}/1" for name in ("assessment", "age", "updates", "cves", "packages", "inspection", "explanation")
}
OF_MOVES = {"affineur.copy/1", "affineur.pull/1"}


def loaded(text: str) -> Any:
    return standard.loads(text, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def test_the_members_are_those_that_the_reference_promises() -> None:
    made = loaded(json.render(assessments.rejected()))
    assert made["schema"] == "affineur.assessment/1"
    assert made["made"] == "2024-02-20T09:30:00Z"
    assert made["package_count"] == 142
    assert made["image"]["size"] == 62_914_560
    assert made["grade"]["schedule"][2] == {"day": "2024-03-01", "letter": "D", "because": ["DSA-5611-1"]}
    erratum = made["errata"][0]
    assert {"id", "kind", "severity", "issued", "cves", "title", "source", "packages"} <= set(erratum)
    assert erratum["packages"] == ["libc-bin", "libc6"]
    assert {"name", "architecture", "installed", "available", "suites", "security", "errata"} <= set(made["updates"][0])
    assert made["updates"][-1]["security"] is None
    assert set(made["unassessed"][0]) == {"what", "why"}
    assert set(made["evidence"][0]) == {"statement", "source", "digest", "checked"}


@pytest.mark.parametrize("name", assessments.ALL)
def test_every_document_can_be_read_back_as_its_struct(name: str) -> None:
    assessment = assessments.ALL[name]()
    for make in (documents.assessed, documents.age_of, documents.updates_of, documents.cves_of):
        document = make(assessment)
        assert msgspec.json.decode(json.encoded(document), type=type(document)) == document


def test_a_time_of_another_zone_is_said_in_utc() -> None:
    east = datetime(2024, 2, 20, 11, 30, tzinfo=timezone(timedelta(hours=2)))
    made = loaded(json.render(msgspec.structs.replace(assessments.accepted(), made=east)))
    assert made["made"] == "2024-02-20T09:30:00Z"


def test_what_is_no_unicode_does_not_lose_the_document() -> None:
    broken = msgspec.structs.replace(assessments.accepted(), rebuild_note="caf\udce9 \x9b\u202e")
    text = json.render(broken)
    assert loaded(text)["rebuild_note"] == "caf\\udce9 \x9b\u202e"
    assert text.replace("\n", "").isprintable()


def test_age_tells_only_the_errata_that_count_and_updates_only_those_on_offer() -> None:
    assessment = assessments.rejected()
    assert [e.id for e in documents.age_of(assessment).errata] == ["DSA-5611-1", "DSA-5587-1", "stable-security: perl"]
    apart = msgspec.structs.replace(
        assessment,
        updates=assessment.updates[:1],
        notices=assessment.notices[:1],
        suites=(*assessment.suites[:1], msgspec.structs.replace(assessment.suites[2], role="reference")),
    )
    offered = documents.updates_of(apart)
    assert [e.id for e in offered.errata] == ["DSA-5611-1"]
    assert [s.codename for s in offered.suites] == ["bookworm"]


def test_security_only_leaves_out_what_is_known_to_be_none() -> None:
    told = documents.updates_of(assessments.rejected(), security_only=True).updates
    assert {update.name: update.security for update in told}.get("base-files", True) is None
    assert "tzdata" not in {update.name for update in told}
    assert len(told) == 6


def test_the_documents_are_known_by_their_names() -> None:
    assert set(documents.DOCUMENTS) == NAMES
    assert set(json.documents()) == NAMES | OF_MOVES
    for make in (documents.assessed, documents.age_of, documents.updates_of, documents.cves_of):
        document = make(assessments.rejected())
        assert documents.DOCUMENTS[document.schema_] is type(document)


@pytest.mark.parametrize("name", sorted(NAMES | OF_MOVES))
def test_the_schema_in_the_reference_is_this_version_s(name: str) -> None:
    kept = REFERENCE / f"{name.removeprefix('affineur.').removesuffix('/1')}.schema.json"
    assert kept.read_text("utf-8") == json.schema(name)


@pytest.mark.parametrize("name", assessments.ALL)
def test_documents_are_valid_by_their_schemas(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    assessment = assessments.ALL[name]()
    for make in (documents.assessed, documents.age_of, documents.updates_of, documents.cves_of):
        document = make(assessment)
        jsonschema.Draft202012Validator(loaded(json.schema(document.schema_))).validate(loaded(json.encoded(document)))


def test_times_are_said_to_be_times_in_the_schema() -> None:
    defined = loaded(json.schema())["$defs"]
    assert defined["Assessed"]["properties"]["made"] == {"type": "string", "format": "date-time"}
    assert {"type": "string", "format": "date-time"} in defined["LackedErratum"]["properties"]["issued"]["anyOf"]
    assert defined["Drop"]["properties"]["day"] == {"type": "string", "format": "date"}


def test_the_reference_mentions_every_member_of_every_document() -> None:
    told = set(re.findall(r"`(\w+)(?:\[\])?`", (REFERENCE / "json.md").read_text("utf-8")))
    for name in NAMES | OF_MOVES:
        for structure, described in loaded(json.schema(name))["$defs"].items():
            missing = set(described.get("properties", ())) - told
            assert not missing, f"{name}: {structure}"
