"""`affineur inspect` lists what refers to an image, and its JSON is what its schema says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from affineur.report.json import schema
from support.command import affineur
from support.registry import OCI_INDEX, OCI_MANIFEST, Answer, Registry, tar_of

SIGNATURE = "application/vnd.cncf.notary.signature"
EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "sha256:" + "4" * 64, "size": 2}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as served:
        served.push("team/app", None, [tar_of({"a": b"b"})])
        yield served


def push_pair(registry: Registry) -> tuple[str, str]:
    """An index under the tag 1; returns its digest and its child's."""
    child = registry.push("team/app", None, [tar_of({"a": b"b"})])
    platform = {"os": "linux", "architecture": "amd64"}
    return registry.push_index("team/app", "1", [{"digest": child, "platform": platform}]), child


def refer(registry: Registry, subject: str, kind: str = SIGNATURE) -> str:
    content, media_type = registry.manifest("team/app", subject) or (b"", "")
    of = {"mediaType": media_type, "digest": subject, "size": len(content)}
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "config": EMPTY, "layers": []}
    return registry.add_manifest("team/app", None, {**manifest, "subject": of}, OCI_MANIFEST)


def inspected(registry: Registry, home: Path, *words: str, code: int = 0) -> dict[str, Any]:
    reference = f"{registry.host}/team/app:1"
    done = affineur(home, "inspect", "--json", "--platform", "linux/amd64", *words, reference)
    assert done.code == code, done
    jsonschema.Draft202012Validator(json.loads(schema("affineur.inspection/1"))).validate(done.document)
    more: dict[str, Any] = done.document["affineur"]
    return more


@pytest.mark.parametrize("api", [True, False])
def test_signatures_of_the_index_and_of_the_platform_are_told_apart(
    registry: Registry, tmp_path: Path, api: bool
) -> None:
    index, child = push_pair(registry)
    registry.referrers_api = api
    for subject in (index, child):
        entry = {"digest": refer(registry, subject)}
        if not api:
            registry.push_index("team/app", subject.replace(":", "-"), [entry])
    found = inspected(registry, tmp_path)["referrers"]
    assert [(each["subject"], each["kind"]) for each in found] == [
        (index, "a Notation signature"),
        (child, "a Notation signature"),
    ]
    assert {each["found_by"] for each in found} == {"referrers API" if api else "referrers tag"}
    page = affineur(tmp_path, "inspect", "--platform", "linux/amd64", f"{registry.host}/team/app:1").out
    assert "Refer to it  2 (listed, not verified)" in page


def test_cosigns_tags_are_named_as_such_and_not_as_referrers(registry: Registry, tmp_path: Path) -> None:
    """They look like the referrers tag and are something else: cosign, specs/SIGNATURE_SPEC.md."""
    index, child = push_pair(registry)
    for name in (f"{index.replace(':', '-')}.sig", f"{child.replace(':', '-')}.att", f"sha256-{'0' * 64}.sig"):
        registry.push("team/app", name, [tar_of({"a": b"b"})])
    found = inspected(registry, tmp_path)["referrers"]
    assert sorted((each["kind"], each["subject"], each["found_by"]) for each in found) == [
        ("cosign attestations", child, "tag of cosign"),
        ("cosign signatures", index, "tag of cosign"),
    ]
    assert inspected(registry, tmp_path, "--no-tags")["referrers"] == []


def test_nothing_is_asked_for_where_nobody_wants_to_know(registry: Registry, tmp_path: Path) -> None:
    push_pair(registry)
    told = inspected(registry, tmp_path, "--no-referrers")
    assert (told["referrers"], told["referrers_looked_for"]) == ([], False)
    assert not [path for _, path in registry.requests if "referrers" in path or "sha256-" in path]


def test_a_refusal_is_not_taken_for_none(registry: Registry, tmp_path: Path) -> None:
    index, _ = push_pair(registry)
    registry.misbehave[f"/v2/team/app/referrers/{index}"] = Answer(403)
    told = inspected(registry, tmp_path, code=3)
    assert (told["referrers"], told["referrers_looked_for"]) == ([], True)
    assert index in told["unassessed"][0]["what"]
    page = affineur(tmp_path, "inspect", "--platform", "linux/amd64", f"{registry.host}/team/app:1").out
    assert "Refer to it  could not be told" in page


def test_they_are_looked_for_beside_the_configuration(registry: Registry, tmp_path: Path) -> None:
    registry.push("team/app", "1", [tar_of({"a": b"b"})])
    registry.latency_s = 0.2
    affineur(tmp_path, "inspect", f"{registry.host}/team/app:1")
    paths = [path for _, path in registry.requests]
    assert len(paths) == 5
    assert {path.split("/")[4] for path in paths[:2]} == {"manifests", "tags"}
    assert {path.split("/")[4] for path in paths[2:4]} == {"referrers", "blobs"}


def test_a_list_in_the_place_of_an_image_does_not_reach_the_terminal_raw(registry: Registry, tmp_path: Path) -> None:
    index, _ = push_pair(registry)
    evil = "application/x\x1b[2J\u202e"
    entry = {
        "mediaType": evil,
        "digest": f"sha256:{'1' * 64}",
        "size": 5,
        "artifactType": evil,
        "annotations": {evil: evil},
    }
    body = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    registry.misbehave[f"/v2/team/app/referrers/{index}"] = Answer(headers=[("Content-Type", OCI_INDEX)], body=body)
    for words in ([], ["--json"]):
        done = affineur(tmp_path, "inspect", *words, "--platform", "linux/amd64", f"{registry.host}/team/app:1")
        assert done.code == 0
        assert not set(done.out) & set("\x1b\u202e")
