"""The referrers tag, for registries that keep no list: distribution-spec 1.1 § Pushing Manifests with Subject.

The registry of these tests says what is at the tag; that others find it is in tests/system/test_copy.py.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from affineur.errors import ContentError, LimitExceeded, SourceError, UnsupportedContent
from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from affineur.oci.reference import parse_reference
from affineur.source.referrers import fallback_tag
from affineur.source.registry import RegistrySource
from affineur.target import fallback as module
from affineur.target.fallback import MAX_TRIES
from affineur.target.registry import RegistryTarget
from support.carrying import described, memory, push, push_index, push_referrer
from support.pushing import PushableRegistry
from support.registry import Answer


class Stage:
    """A registry with an image, and manifests that refer to it."""

    def __init__(self, registry: PushableRegistry, client: Client) -> None:
        self.registry, self.client, self.source = registry, client, memory()
        registry.lenient = True  # blobs are no matter here
        self.slept: list[float] = []
        self.image = push(self.source)
        self.tag = fallback_tag(self.image.digest)
        self.target = self.opened()

    def opened(self) -> RegistryTarget:
        reference = parse_reference(f"{self.registry.host}/team/app:1")
        return RegistryTarget(reference, self.client, sleep=self.slept.append)

    def referrer(self, content: bytes = b"an SBOM", **members: Any) -> Document:
        return push_referrer(self.source, self.image, content, **members)

    @property
    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.index["manifests"]
        return found

    @property
    def index(self) -> dict[str, Any]:
        found = self.registry.manifest("team/app", self.tag)
        assert found is not None
        assert found[1] == OCI_INDEX
        read: dict[str, Any] = json.loads(found[0])
        return read

    def put_there(self, document: Mapping[str, Any] | bytes, media_type: str = OCI_INDEX) -> str:
        return self.registry.add_manifest("team/app", self.tag, document, media_type)

    def writes(self) -> int:
        return self.registry.count("PUT", f"/manifests/{self.tag}")


@pytest.fixture
def stage() -> Iterator[Stage]:
    addresses = AddressPolicy(["127.0.0.0/8"])
    with (
        PushableRegistry() as registry,
        Client(addresses=addresses, environment={}, attempts=1, sleep=lambda _: None) as client,
    ):
        yield Stage(registry, client)


def test_an_entry_says_what_the_specification_wants(stage: Stage) -> None:
    """`artifactType` and `annotations` of the manifest are pulled up into the descriptor."""
    about = {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"}
    sbom = stage.referrer(annotations=about)
    stage.target.put_manifest(sbom)
    assert stage.index == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {
                "mediaType": OCI_MANIFEST,
                "digest": sbom.digest,
                "size": len(sbom.content),
                "artifactType": "application/vnd.example.sbom",
                "annotations": about,
            }
        ],
    }


def test_without_an_artifact_type_it_is_that_of_the_config(stage: Stage) -> None:
    config = described(stage.source, b"{}", "application/vnd.example.config")
    stage.target.put_manifest(stage.referrer(artifactType=None, config=config))
    assert stage.listed[0]["artifactType"] == "application/vnd.example.config"
    assert "annotations" not in stage.listed[0]


def test_an_index_may_refer_as_well(stage: Stage) -> None:
    image = stage.image
    subject = {"mediaType": image.media_type, "digest": str(image.digest), "size": len(image.content)}
    plain = push_index(stage.source, None, image, subject=subject)
    typed = push_index(stage.source, None, subject=subject, artifactType="a/b")
    stage.target.put_manifest(plain)
    stage.target.put_manifest(typed)
    assert [each.get("artifactType") for each in stage.listed] == [None, "a/b"]
    assert [each["mediaType"] for each in stage.listed] == [OCI_INDEX, OCI_INDEX]


def test_where_the_registry_keeps_the_list_there_is_no_tag(stage: Stage) -> None:
    stage.registry.referrers_api = True
    stage.target.put_manifest(stage.referrer())
    stage.target.finish()
    assert stage.registry.tags("team/app") == []
    # one that answers with another subject than ours has not understood it
    stage.registry.amend = lambda method, path, answer: (
        Answer(201, [("OCI-Subject", str(Digest.of(b"another")))]) if method == "PUT" else answer
    )
    stage.target.put_manifest(stage.referrer(b"another"))
    assert len(stage.listed) == 1


def test_what_refers_to_nothing_is_not_listed(stage: Stage) -> None:
    stage.target.put_manifest(stage.image)
    stage.target.finish()
    assert stage.registry.count("GET") == 0
    assert stage.registry.tags("team/app") == []


def test_the_index_of_strangers_is_kept_with_all_that_it_says(stage: Stage) -> None:
    """Members that no specification of today has, of the index and of its entries, and annotations of their own."""
    theirs = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "artifactType": "a/list",
        "annotations": {"who": "somebody"},
        "x-of-theirs": [1, {"two": None}],
        "manifests": [
            {
                "mediaType": OCI_MANIFEST,
                "digest": str(Digest.of(b"theirs")),
                "size": 12,
                "artifactType": "application/vnd.example.theirs",
                "x-more": {"a": "é"},
            }
        ],
    }
    stage.put_there(theirs)
    sbom = stage.referrer()
    stage.target.put_manifest(sbom)
    found = stage.index
    entry = found["manifests"].pop()
    assert entry["digest"] == sbom.digest
    assert found == theirs


def test_what_is_listed_already_costs_one_question(stage: Stage) -> None:
    sbom = stage.referrer()
    stage.target.put_manifest(sbom)
    stage.registry.requests.clear()
    again = stage.opened()
    again.put_manifest(sbom)
    assert stage.writes() == 0
    assert stage.registry.count("GET", stage.tag) == 1
    assert len(stage.listed) == 1


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'{"schemaVersion": 2, "mediaType": "%s", "manifests": []}' % DOCKER_LIST.encode(), DOCKER_LIST),
        (b"an image", ""),
    ],
)
def test_a_tag_that_is_no_index_is_left_alone(stage: Stage, content: bytes, media_type: str) -> None:
    """It is somebody's image, for all we know: an error, and not overwritten."""
    if not media_type:
        content, media_type = stage.image.content, stage.image.media_type
    digest = stage.put_there(content, media_type)
    with pytest.raises(UnsupportedContent, match="left alone"):
        stage.target.put_manifest(stage.referrer())
    assert stage.registry.held("team/app").tags[stage.tag] == digest
    assert stage.writes() == 0


@pytest.mark.parametrize("content", [b"\xff", b"{}", b"[]", b'{"schemaVersion": 2, "manifests": {}}', b"[" * 50_000])
def test_a_tag_that_is_broken_is_left_alone(stage: Stage, content: bytes) -> None:
    stage.put_there(content)
    with pytest.raises(ContentError):
        stage.target.put_manifest(stage.referrer())
    assert stage.writes() == 0


def test_an_entry_twice_in_json_is_no_index(stage: Stage) -> None:
    """What one reader takes for another list than the next is not written on with."""
    stage.put_there(b'{"schemaVersion": 2, "mediaType": "%s", "manifests": [], "manifests": []}' % OCI_INDEX.encode())
    with pytest.raises(ContentError):
        stage.target.put_manifest(stage.referrer())


def test_what_another_writer_has_taken_away_is_written_again_at_the_end(stage: Stage) -> None:
    first, second = stage.referrer(b"one"), stage.referrer(b"two")
    stage.target.put_manifest(first)
    stage.target.put_manifest(second)
    theirs = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(b"theirs")), "size": 12}
    stage.put_there({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [theirs]})
    stage.target.finish()
    assert [each["digest"] for each in stage.listed] == [theirs["digest"], first.digest, second.digest]
    stage.registry.held("team/app").tags.clear()
    stage.target.finish()
    assert [each["digest"] for each in stage.listed] == [first.digest, second.digest]


def test_a_writer_that_never_lets_us_is_told(stage: Stage) -> None:
    def amend(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT" and stage.tag in path:
            stage.put_there({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
        return answer

    stage.registry.amend = amend
    with pytest.raises(SourceError, match="lost again to others"):
        stage.target.put_manifest(stage.referrer())
    assert stage.writes() == MAX_TRIES
    assert len(stage.slept) == MAX_TRIES - 1
    assert sum(stage.slept) < 10


def test_two_writers_at_the_same_time(stage: Stage) -> None:
    """Each with threads of its own. Once both have looked at it at their end, nothing of either is lost."""
    targets = [stage.opened() for _ in range(2)]
    made = [[stage.referrer(f"{who} {number}".encode()) for number in range(12)] for who in range(2)]
    problems: list[Exception] = []

    def put(target: RegistryTarget, documents: list[Document]) -> None:
        try:
            for document in documents:
                target.put_manifest(document)
        except Exception as problem:
            problems.append(problem)

    threads = [
        threading.Thread(target=put, args=(target, documents[start::3]))
        for target, documents in zip(targets, made, strict=True)
        for start in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    for target in targets:
        target.finish()
    digests = [each["digest"] for each in stage.listed]
    assert sorted(digests) == sorted(each.digest for documents in made for each in documents)
    found = RegistrySource(parse_reference(f"{stage.registry.host}/team/app:1"), stage.client)
    assert len(found.referrers(stage.image.digest).found) == 24


@pytest.mark.parametrize(("tagged", "sent"), [('"abc"', '"abc"'), ('W/"abc"', None), ("abc", None), ("", None)])
def test_a_registry_that_knows_conditions(stage: Stage, tagged: str, sent: str | None) -> None:
    """RFC 9110 § 13.1.1: If-Match compares strongly, so a weak ETag would never match."""
    stage.target.put_manifest(stage.referrer(b"one"))

    def amend(method: str, path: str, answer: Answer) -> Answer:
        return Answer(answer.status, [*answer.headers, ("ETag", tagged)], answer.body) if tagged else answer

    stage.registry.amend = amend
    stage.registry.requests.clear()
    stage.registry.seen_headers.clear()
    stage.target.put_manifest(stage.referrer(b"two"))
    (headers,) = [
        headers
        for (method, path), headers in zip(stage.registry.requests, stage.registry.seen_headers, strict=True)
        if method == "PUT" and stage.tag in path
    ]
    assert headers.get("If-Match") == sent


def test_who_was_slower_reads_it_again(stage: Stage) -> None:
    left = [Answer(412)] * 2

    def meddle(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        return left.pop() if method == "PUT" and stage.tag in path and left else None

    stage.registry.meddle = meddle
    stage.target.put_manifest(stage.referrer())
    assert len(stage.listed) == 1
    assert stage.writes() == 3


def test_a_list_has_an_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REFERRERS", 2)
    for number in range(2):
        stage.target.put_manifest(stage.referrer(str(number).encode()))
    with pytest.raises(LimitExceeded, match="more than 2 entries"):
        stage.target.put_manifest(stage.referrer(b"one more"))
    assert len(stage.listed) == 2


def test_subjects_by_other_algorithms(stage: Stage) -> None:
    """§ Referrers Tag Schema: `sha512-` and 64 characters of the digest."""
    digest = "sha512:" + "ab" * 64
    sbom = stage.referrer()
    content = sbom.content.replace(str(stage.image.digest).encode(), digest.encode())
    stage.target.put_manifest(Document(content, OCI_MANIFEST, Digest.of(content), "a test"))
    assert stage.registry.tags("team/app") == ["sha512-" + "ab" * 32]


def test_each_subject_has_its_own_list(stage: Stage) -> None:
    other = push(stage.source, None, architecture="s390x")
    stage.target.put_manifest(stage.referrer())
    stage.target.put_manifest(push_referrer(stage.source, other))
    assert stage.registry.tags("team/app") == sorted([stage.tag, fallback_tag(other.digest)])
    assert len(stage.listed) == 1
