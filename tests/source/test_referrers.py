"""Referrers by API, by tag and in a layout; hostile and half-right lists of them."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.oci.digest import Digest
from affineur.oci.reference import parse_reference
from affineur.source.memory import MemorySource
from affineur.source.opening import open_source
from affineur.source.referrers import (
    MAX_OPENED,
    MAX_REFERRER_PAGES,
    MAX_REFERRERS,
    Referrers,
    fallback_tag,
)
from affineur.source.registry import RegistrySource
from support.registry import OCI_INDEX, OCI_MANIFEST, Answer, Registry, tar_of

EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(b"{}")), "size": 2}
SBOM, SIGNATURE = "application/spdx+json", "application/vnd.cncf.notary.signature"
NAME = "team/app"
ALIAS = "sha256:0514ce64171e869a0b065fa1ce1b533e82808c9228d5b97ea6e3ef2e026d9aed"


class World:
    """An image in a registry, and what refers to it."""

    def __init__(self, registry: Registry, client: Client) -> None:
        self.registry = registry
        self.subject = registry.push(NAME, "1", [tar_of({"a": b"b"})])
        self.source = RegistrySource(parse_reference(f"{registry.host}/{NAME}:1"), client)

    def refer(self, kind: str | None, subject: str | None = None, **members: Any) -> dict[str, Any]:
        """Push a referrer; returns its descriptor as ggcr writes it: without artifactType and annotations."""
        content, media_type = self.registry.manifest(NAME, self.subject) or (b"", "")
        of = {"mediaType": media_type, "digest": subject or self.subject, "size": len(content)}
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": EMPTY,
            "layers": [],
            "subject": of,
            **members,
        }
        manifest |= {"artifactType": kind} if kind else {}
        digest = self.registry.add_manifest(NAME, None, manifest, OCI_MANIFEST)
        return {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(json.dumps(manifest))}

    def tag(self, *entries: dict[str, Any], media_type: str = OCI_INDEX) -> None:
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)}
        self.registry.add_manifest(NAME, f"sha256-{self.subject.removeprefix('sha256:')}", index, media_type)

    def found(self, kind: str | None = None) -> Referrers:
        return self.source.referrers(Digest(self.subject), kind)

    @property
    def api(self) -> str:
        return f"/v2/{NAME}/referrers/{self.subject}"


@pytest.fixture
def world() -> Iterator[World]:
    with Registry() as registry, Client(addresses=AddressPolicy(["127.0.0.0/8"]), environment={}, attempts=1) as client:
        yield World(registry, client)


def kinds(found: Referrers) -> list[str | None]:
    return [each.artifact_type for each in found.found]


def test_the_tag_is_that_of_the_specification() -> None:
    """distribution-spec 1.1 § Referrers Tag Schema, whose own example the last one is."""
    assert fallback_tag(Digest("sha256:" + "a" * 64)) == "sha256-" + "a" * 64
    assert fallback_tag(Digest("sha512:" + "b" * 128)) == "sha512-" + "b" * 64
    algorithm = "test+algorithm+using+algorithm+separators+and+lots+of+characters+to+exercise+overall+truncation"
    encoded = "alsoSome=InTheEncodedSectionToShowHyphenReplacementAndLotsAndLotsOfCharactersToExerciseEncodedTruncation"
    assert fallback_tag(Digest(f"{algorithm}:{encoded}")) == (
        "test-algorithm-using-algorithm-s-alsoSome-InTheEncodedSectionToShowHyphenReplacementAndLotsAndLot"
    )


def test_the_api_lists_them(world: World) -> None:
    world.registry.referrers_api = True
    assert world.found() == Referrers(by="referrers API")
    world.refer(SBOM, annotations={"a": "b"})
    world.refer(SIGNATURE)
    found = world.found()
    assert (kinds(found), found.by, found.problems) == ([SBOM, SIGNATURE], "referrers API", ())
    assert found.found[0].annotations == {"a": "b"}
    assert [path for _, path in world.registry.requests[-1:]] == [world.api]  # nothing was opened


def test_pages_are_followed(world: World) -> None:
    world.registry.referrers_api = True
    world.registry.page_size = 2
    for number in range(5):
        world.refer(f"application/vnd.example.{number}")
    assert len(world.found().found) == 5


@pytest.mark.parametrize("filters", [True, False])
def test_a_filter_holds_whether_the_registry_applies_it_or_not(world: World, filters: bool) -> None:
    world.registry.referrers_api = True
    world.refer(SBOM)
    world.refer(SIGNATURE)
    if not filters:
        body = json.dumps({"schemaVersion": 2, "manifests": world.registry.referrers(NAME, world.subject)}).encode()
        world.registry.misbehave[world.api] = Answer(headers=[("Content-Type", OCI_INDEX)], body=body)
    assert kinds(world.found(SIGNATURE)) == [SIGNATURE]


@pytest.mark.parametrize("status", [400, 404, 405, 406])
def test_without_the_api_the_tag_is_read_and_each_entry_opened(world: World, status: int) -> None:
    """Entries as go-containerregistry wrote them (cosign issue 4641): no artifactType, no annotations."""
    world.registry.misbehave[world.api] = Answer(status)
    assert world.found() == Referrers(by="referrers tag")
    world.tag(world.refer(SBOM, annotations={"a": "b"}), world.refer(None, config={**EMPTY, "mediaType": SIGNATURE}))
    found = world.found()
    assert (kinds(found), found.by, found.problems) == ([SBOM, SIGNATURE], "referrers tag", ())
    assert found.found[0].annotations == {"a": "b"}
    assert kinds(world.found(SIGNATURE)) == [SIGNATURE]


def test_an_answer_that_is_no_list_is_no_api(world: World) -> None:
    """A registry behind a web page answers everything with it."""
    world.registry.misbehave[world.api] = Answer(headers=[("Content-Type", "text/html")], body=b"<html>")
    world.tag(world.refer(SBOM))
    assert (kinds(world.found()), world.found().by) == ([SBOM], "referrers tag")


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_refusal_is_no_answer(world: World, status: int) -> None:
    world.registry.misbehave[world.api] = Answer(status, headers=[("Retry-After", "3600")])
    world.tag(world.refer(SBOM))
    found = world.found()
    assert (found.found, found.by, len(found.problems)) == ((), "referrers API", 1)


def test_gitlab_takes_the_tag_for_the_digest(world: World) -> None:
    """oras issue 2148: the image itself comes back; it is an index here, whose children are no referrers."""
    child = {"mediaType": OCI_MANIFEST, "digest": world.subject, "size": 5}
    world.subject = world.registry.push_index(NAME, "2", [{"digest": child["digest"]}])
    content, media_type = world.registry.manifest(NAME, "2") or (b"", "")
    world.registry.add_manifest(NAME, f"sha256-{world.subject[7:]}", content, media_type)
    assert world.found() == Referrers(by="referrers tag")


def test_what_is_no_index_at_the_tag_is_ignored(world: World) -> None:
    world.registry.push(NAME, f"sha256-{world.subject[7:]}", [tar_of({"other": b"image"})])
    assert world.found() == Referrers(by="referrers tag")
    docker = "application/vnd.docker.distribution.manifest.list.v2+json"
    world.tag(world.refer(SBOM), media_type=docker)
    assert world.found() == Referrers(by="referrers tag")


def test_entries_that_refer_to_something_else_are_no_referrers(world: World) -> None:
    image = {"mediaType": OCI_MANIFEST, "digest": world.subject, "size": 5}
    other = world.registry.push(NAME, None, [tar_of({"b": b""})])
    content, _ = world.registry.manifest(NAME, other) or (b"", "")
    child = {"mediaType": OCI_MANIFEST, "digest": other, "size": len(content)}
    ours = world.refer(SBOM)
    world.tag(image, child, world.refer(SIGNATURE, "sha256:" + "0" * 64), ours, ours)
    found = world.found()
    assert (kinds(found), found.others, found.problems) == ([SBOM], 2, ())


def test_an_entry_that_cannot_be_read_is_neither_one_nor_none(world: World) -> None:
    gone, large = world.refer(SBOM), world.refer(SIGNATURE)
    world.registry.misbehave[f"/v2/{NAME}/manifests/{gone['digest']}"] = Answer(404)
    world.tag(gone, {**large, "size": large["size"] + 1})
    found = world.found()
    assert (found.found, len(found.problems)) == ((), 2)


def test_of_the_api_only_what_lacks_its_type_is_opened(world: World) -> None:
    told, untold = world.refer(SBOM), world.refer(SIGNATURE)
    body = json.dumps({"schemaVersion": 2, "manifests": [{**told, "artifactType": SBOM}, untold]}).encode()
    world.registry.misbehave[world.api] = Answer(headers=[("Content-Type", OCI_INDEX)], body=body)
    assert kinds(world.found()) == [SBOM, SIGNATURE]
    opened = [path for _, path in world.registry.requests if "/manifests/" in path]
    assert opened == [f"/v2/{NAME}/manifests/{untold['digest']}"]


def page(*entries: object, link: str = "") -> Answer:
    headers = [("Content-Type", OCI_INDEX), *([("Link", f'<{link}>; rel="next"')] if link else [])]
    return Answer(headers=headers, body=json.dumps({"schemaVersion": 2, "manifests": entries}).encode())


def entry(number: int) -> dict[str, Any]:
    return {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 5, "artifactType": SBOM}


def test_pages_that_go_round_in_a_loop_end(world: World) -> None:
    world.registry.misbehave[world.api] = page(entry(1), link=f"{world.api}?b")
    world.registry.misbehave[f"{world.api}?b"] = page(entry(2), link=world.api)
    found = world.found()
    assert (kinds(found), len(found.problems), len(world.registry.requests)) == ([SBOM, SBOM], 1, 2)


def test_pages_without_end_end(world: World) -> None:
    number = iter(range(10**6))
    world.registry.misbehave[world.api] = lambda _: page(link=f"{world.api}?{next(number)}")
    assert len(world.found().problems) == 1
    assert len(world.registry.requests) == MAX_REFERRER_PAGES


def test_a_page_on_another_host_is_not_asked(world: World) -> None:
    world.registry.misbehave[world.api] = page(entry(1), link="https://elsewhere.example/v2/")
    found = world.found()
    assert len(found.problems) == 1
    assert "another host" in found.problems[0].why


def test_too_many_are_a_gap(world: World) -> None:
    world.registry.misbehave[world.api] = page(*(entry(number) for number in range(MAX_REFERRERS + 1)))
    found = world.found()
    assert (len(found.found), len(found.problems)) == (MAX_REFERRERS, 1)


def test_no_more_are_opened_than_a_limit(world: World) -> None:
    world.tag(*(entry(number) for number in range(MAX_OPENED + 10)))
    found = world.found()
    opened = [path for _, path in world.registry.requests if "/manifests/sha256:" in path]
    assert (found.found, len(opened)) == ((), MAX_OPENED)
    assert any(gap.what.startswith("10 referrers") for gap in found.problems)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"manifests": [{"digest": "x"}]}', b'{"manifests": 1}', b"\xff"])
def test_a_list_that_breaks_the_format_is_a_gap(world: World, body: bytes) -> None:
    world.registry.misbehave[world.api] = Answer(headers=[("Content-Type", OCI_INDEX)], body=body)
    found = world.found()
    assert (found.found, len(found.problems)) == ((), 1)


def test_in_memory() -> None:
    source = MemorySource(parse_reference("registry.example/team/app"))
    image = source.add_manifest(b'{"schemaVersion": 2}', OCI_MANIFEST, "1")
    of = {"mediaType": OCI_MANIFEST, "digest": image, "size": 20}
    own = source.add_manifest(json.dumps({"artifactType": SBOM, "subject": of}).encode(), OCI_MANIFEST)
    assert [each.digest for each in source.referrers(image).found] == [own]
    assert source.referrers(own) == Referrers(by="memory", others=1)


@pytest.mark.corpus
def test_in_regclients_layout(corpus: Path) -> None:
    """Whatever of its blobs names a subject, read here with the standard library; one tag is an alias, as GitLab's."""
    layout = corpus / "images" / "oci-layout-testrepo"
    expected: dict[str, set[tuple[str, str]]] = {ALIAS: set()}
    for blob in (layout / "blobs/sha256").iterdir():
        with contextlib.suppress(ValueError):
            manifest = json.loads(blob.read_bytes())
            if not isinstance(manifest, dict):
                continue
            kind = manifest.get("artifactType") or manifest.get("config", {}).get("mediaType")
            if "subject" in manifest:
                expected.setdefault(manifest["subject"]["digest"], set()).add((f"sha256:{blob.name}", kind))
    assert len(expected) > 5
    refuse: Callable[[str], Any] = pytest.fail
    source = open_source(f"oci:{layout}:@0", refuse)
    for subject, referring in expected.items():
        found = source.referrers(Digest(subject))
        assert ({(each.digest, each.artifact_type) for each in found.found}, found.problems) == (referring, ())
