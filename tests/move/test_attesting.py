"""Signed assessments beside what was moved: when they are there. By OpenSSL: tests/system/test_attestation.py."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from affineur.errors import MalformedDocument, SourceError
from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.move.attesting import CHUNK_BYTES, Attestation
from affineur.move.copy import copy
from affineur.move.receipt import Receipt
from affineur.oci.digest import Digest
from affineur.oci.reference import parse_reference
from affineur.signatures.signing import SigningKey
from affineur.source.registry import RegistrySource
from affineur.target.registry import RegistryTarget
from support.pushing import PushableRegistry
from support.registry import Answer, tar_of

KEY = SigningKey("a stand-in", b"", b"", lambda message: b"signature")
SAID = b'{"schema": "affineur.assessment/1"}'


class Stage:
    """A registry with an index of two images at `team/app:1`."""

    def __init__(self, registry: PushableRegistry, client: Client) -> None:
        self.registry, self._client = registry, client
        made = {
            name: registry.push("team/app", None, [tar_of({"a": name.encode()})], architecture=name)
            for name in ("amd64", "arm64")
        }
        children = [
            {"digest": digest, "platform": {"os": "linux", "architecture": name}} for name, digest in made.items()
        ]
        self.children = [Digest(each) for each in made.values()]
        self.index = Digest(registry.push_index("team/app", "1", children))

    def copy(self, assessments: Mapping[Digest, bytes]) -> Receipt:
        source = RegistrySource(parse_reference(f"{self.registry.host}/team/app:1"), self._client)
        target = RegistryTarget(parse_reference(f"{self.registry.host}/prod/app:1"), self._client)
        return copy(source, target, attestation=Attestation(KEY, assessments, datetime.now(UTC)))

    def referrers(self, digest: Digest) -> list[str]:
        source = RegistrySource(parse_reference(f"{self.registry.host}/prod/app:1"), self._client)
        return [str(each.digest) for each in source.referrers(digest).found]


@pytest.fixture(params=[True, False], ids=["with the referrers API", "without"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    addresses = AddressPolicy(["127.0.0.0/8"])
    with PushableRegistry() as registry, Client(addresses=addresses, environment={}, attempts=1) as client:
        registry.referrers_api = request.param
        yield Stage(registry, client)


def test_each_image_that_was_judged_has_its_own(stage: Stage) -> None:
    receipt = stage.copy(dict.fromkeys(stage.children, SAID))
    made = {each.subject: each.digest for each in receipt.carried}
    assert set(made) == set(stage.children)
    assert [stage.referrers(each) for each in stage.children] == [[made[each]] for each in stage.children]
    assert stage.referrers(stage.index) == []


def test_it_is_there_before_the_tag(stage: Stage) -> None:
    listed: list[list[str]] = []

    def meddle(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        if (method, path) == ("PUT", "/v2/prod/app/manifests/1"):
            listed.append([which for _, which in stage.registry.pushed])
        return None

    stage.registry.meddle = meddle
    receipt = stage.copy({stage.children[0]: SAID})
    assert receipt.carried[0].digest in listed[0]


def test_without_it_there_is_no_tag(stage: Stage) -> None:
    def meddle(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        known = {str(each) for each in (stage.index, *stage.children)}
        other = method == "PUT" and "/manifests/sha256:" in path and path.rpartition("/")[2] not in known
        return Answer(500, body=json.dumps({}).encode()) if other else None

    stage.registry.meddle = meddle
    with pytest.raises(SourceError):
        stage.copy({stage.children[0]: SAID})
    assert not stage.registry.tags("prod/app")


def test_what_is_no_assessment_ends_the_copy(stage: Stage) -> None:
    with pytest.raises(MalformedDocument):
        stage.copy({stage.children[0]: b"[]"})
    assert not stage.registry.tags("prod/app")


def test_a_large_one(stage: Stage) -> None:
    said = json.dumps({"text": "x" * (3 * CHUNK_BYTES)}).encode()
    receipt = stage.copy({stage.children[0]: said})
    (digest,) = stage.referrers(stage.children[0])
    assert receipt.carried[0].digest == digest
    manifest = json.loads((stage.registry.manifest("prod/app", digest) or (b"", ""))[0])
    bundle = stage.registry.blob("prod/app", manifest["layers"][0]["digest"])
    assert bundle is not None
    assert len(bundle) > 4 * CHUNK_BYTES
