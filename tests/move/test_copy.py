"""A copy: in which order it is made, what is visible when it fails, and what its receipt says.

Between real registries: tests/system/test_copy.py. What belongs to an image: test_survey.py.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from affineur.errors import (
    ContentError,
    DigestMismatch,
    InvalidReference,
    NotFound,
    SizeMismatch,
    SourceError,
    Unreachable,
    UnsupportedContent,
)
from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.move.copy import Occupied, Wish, copy
from affineur.move.receipt import Receipt
from affineur.oci.blob import Verification
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import OCI_INDEX, OCI_MANIFEST
from affineur.oci.platform import parse_platform
from affineur.oci.reference import parse_reference
from affineur.source.memory import MemorySource
from affineur.source.opening import open_source
from affineur.source.referrers import fallback_tag
from affineur.source.registry import RegistrySource
from affineur.target.opening import open_target
from affineur.target.registry import RegistryTarget
from support.carrying import blobs_of, described, memory, push, push_index, push_referrer
from support.pushing import CLOSED, PushableRegistry
from support.registry import Answer, Registry, problem, tar_of

ATTESTS = "vnd.docker.reference.digest"
LINUX = [parse_platform("linux/amd64"), parse_platform("linux/arm64"), parse_platform("linux/s390x")]


class Whole:
    """An index of three platforms with an attestation, an SBOM, a signature of that, and a tag of cosign's."""

    def __init__(self, source: MemorySource) -> None:
        base = tar_of({"base": b"x" * 2_000})
        self.children = [
            push(source, None, base, tar_of({"own": each.architecture.encode()}), architecture=each.architecture)
            for each in LINUX
        ]
        self.attestation = push(source, None, tar_of({"a": b"in-toto"}), architecture="unknown", os="unknown")
        listed = [
            {**_entry(each), "platform": {"os": "linux", "architecture": platform.architecture}}
            for each, platform in zip(self.children, LINUX, strict=True)
        ]
        attests = {
            "vnd.docker.reference.type": "attestation-manifest",
            ATTESTS: str(self.children[0].digest),
        }
        unknown = {"os": "unknown", "architecture": "unknown"}
        listed.append({**_entry(self.attestation), "platform": unknown, "annotations": attests})
        self.index = push_index(source, "1", manifests=listed)
        self.sbom = push_referrer(source, self.index)
        self.signature = push_referrer(source, self.sbom, b"a signature")
        self.tag = f"{fallback_tag(self.children[1].digest)}.sig"
        self.cosign = push(source, self.tag, tar_of({"a": b"signed"}))

    @property
    def manifests(self) -> list[Document]:
        return [*self.children, self.attestation, self.index, self.sbom, self.signature, self.cosign]


def _entry(document: Document) -> dict[str, Any]:
    return {"mediaType": document.media_type, "digest": str(document.digest), "size": len(document.content)}


class Stage:
    """A source in memory, and a target in a registry.

    Attributes:
        told: progress: (what, name).
    """

    def __init__(self, registry: PushableRegistry, client: Client) -> None:
        self.source, self.registry, self.client = memory(), registry, client
        self.told: list[tuple[str, str]] = []

    def target(self, name: str = "prod/app:1") -> RegistryTarget:
        return RegistryTarget(parse_reference(f"{self.registry.host}/{name}"), self.client, sleep=lambda _: None)

    def copy(self, wish: Wish | None = None, to: str = "prod/app:1", source: Any = None) -> Receipt:
        return copy(source or self.source, self.target(to), wish)

    def tags(self, repository: str = "prod/app") -> list[str]:
        return self.registry.tags(repository) or []

    def there(self, document: Document, repository: str = "prod/app") -> bool:
        return self.registry.manifest(repository, document.digest) == (document.content, document.media_type)

    def named(self, tag: str = "1", repository: str = "prod/app") -> str | None:
        return self.registry.held(repository).tags.get(tag)

    def missing(self, digest: str, repository: str = "prod/app") -> list[str]:
        """Digests below a manifest that are not at the target: what makes an image broken."""
        held = self.registry.held(repository)
        if digest not in held.manifests:
            return [digest]
        manifest = json.loads(held.manifests[digest][0])
        lost = [each for child in manifest.get("manifests", []) for each in self.missing(child["digest"], repository)]
        blobs = [manifest["config"], *manifest["layers"]] if "config" in manifest else []
        return lost + [each["digest"] for each in blobs if each["digest"] not in held.blobs]

    @property
    def puts(self) -> list[str]:
        """What was written, in order: `blob`, or the name of a manifest."""
        return [
            "blob" if "/uploads/" in path else path.rpartition("/")[2]
            for method, path in self.registry.requests
            if method == "PUT"
        ]


@pytest.fixture(params=[True, False], ids=["with the referrers API", "without"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    addresses = AddressPolicy(["127.0.0.0/8"])
    with (
        PushableRegistry() as registry,
        Client(addresses=addresses, environment={}, attempts=1, sleep=lambda _: None) as client,
    ):
        registry.referrers_api = request.param
        yield Stage(registry, client)


# Order


@pytest.mark.parametrize("at_once", [1, 8])
def test_blobs_children_index_referrers_and_the_tag_last(stage: Stage, at_once: int) -> None:
    whole = Whole(stage.source)
    receipt = stage.copy(Wish(tags=("stable",), at_once=at_once))
    puts = stage.puts
    first = next(place for place, name in enumerate(puts) if name != "blob")
    assert "blob" not in puts[first:]
    at = {name: place for place, name in enumerate(puts)}
    index = at[whole.index.digest]
    assert all(at[each.digest] < index for each in (*whole.children, whole.attestation))
    assert index < at[whole.sbom.digest] < at[whole.signature.digest]
    assert index < at[whole.cosign.digest] < at[whole.tag]
    assert puts[-2:] == ["1", "stable"]
    assert all(stage.there(each) for each in whole.manifests)
    assert stage.missing(whole.index.digest) == []
    assert {"1", "stable", whole.tag} <= set(stage.tags())
    assert receipt.digest == whole.index.digest == stage.named() == stage.named("stable")
    assert receipt.tags == ("1", "stable")


def test_the_largest_blobs_go_first(stage: Stage) -> None:
    tars = [tar_of({"a": bytes(range(256)) * size}) for size in (10, 4_000, 100)]
    image = push(stage.source, "1", *tars, compression="none")
    told: list[int] = []

    class Watcher:
        def planned(self, blob: Descriptor) -> None: ...
        def moved(self, blob: Descriptor, count: int) -> None: ...
        def stored(self, digest: Digest, name: str, how: str) -> None: ...
        def tagged(self, tag: str, digest: Digest) -> None: ...

        def settled(self, blob: Descriptor, how: str) -> None:
            told.append(blob.size)

    copy(stage.source, stage.target(), Wish(at_once=1), Watcher())
    assert told == sorted((each.size for each in blobs_of(image)), reverse=True)


def test_all_of_it_is_looked_at_after_it_was_put(stage: Stage) -> None:
    whole = Whole(stage.source)
    receipt = stage.copy()
    requests = stage.registry.requests
    for document in whole.manifests:
        path = f"/v2/prod/app/manifests/{document.digest}"
        assert ("GET", path) in requests[requests.index(("PUT", path)) :]
    for blob in {each.digest for document in whole.manifests for each in blobs_of(document)}:
        assert requests.count(("HEAD", f"/v2/prod/app/blobs/{blob}")) == 2
    assert receipt.verified.startswith(f"read back from the target: {len(whole.manifests)} manifests")


def test_a_second_copy_sends_nothing(stage: Stage) -> None:
    whole = Whole(stage.source)
    stage.copy()
    stage.registry.requests.clear()
    receipt = stage.copy()
    assert receipt.sent_bytes == 0
    assert {each.how for each in receipt.blobs} == {each.how for each in receipt.manifests} == {"present"}
    assert {method for method, _ in stage.registry.requests} <= {"HEAD", "GET", "PUT"}
    # what has a subject is put again: an earlier call may have ended before it was listed
    assert set(stage.puts) == {whole.sbom.digest, whole.signature.digest}


def test_threads_end_with_it(stage: Stage) -> None:
    Whole(stage.source)
    stage.copy()
    stage.registry.meddle = lambda *_: Answer(500)
    with pytest.raises(Unreachable):
        stage.copy()
    assert not [each for each in threading.enumerate() if each.name == "move" and each.is_alive()]


# Failures


def failing(stage: Stage, number: int, answer: Answer, *, for_good: bool) -> None:
    """Have the registry fail at this request of those to come, and at all after it, if it is for good."""
    counts = iter(range(1_000_000))

    def meddle(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        now = next(counts)
        return answer if now == number or (for_good and now > number) else None

    stage.registry.meddle = meddle


class Small:
    """An index of two platforms, an SBOM and a tag of cosign's."""

    def __init__(self, source: MemorySource) -> None:
        base = tar_of({"base": b"x"})
        children = [push(source, None, base, architecture=each) for each in ("amd64", "arm64")]
        self.index = push_index(source, "1", *children)
        self.sbom = push_referrer(source, self.index)
        cosign = push(source, f"{fallback_tag(self.index.digest)}.sig", base)
        self.manifests = [*children, self.index, self.sbom, cosign]


FAULTS = [
    pytest.param(Answer(500), True, True, id="it fails for good"),
    pytest.param(Answer(CLOSED), False, False, id="a connection breaks"),
    pytest.param(Answer(403), False, True, id="a request is denied"),
]


@pytest.mark.parametrize(("answer", "for_good", "before"), FAULTS)
def test_no_request_may_fail_and_leave_a_broken_tag(stage: Stage, answer: Answer, for_good: bool, before: bool) -> None:
    """Each request in turn. Afterwards the tag is as before, or names a whole image; and the next call mends all."""
    if stage.registry.referrers_api:
        return  # the one without has all its requests, and more
    small = Small(stage.source)
    wish = Wish(tags=("stable",), at_once=1)
    outcomes: list[str] = []
    for number in range(0, 200, 1 if answer.status else 4):
        held = stage.registry.held("prod/app")
        for kept in (held.tags, held.manifests, held.blobs):
            kept.clear()
        old = stage.registry.push("prod/app", "1", [b"old"]) if before else None
        failing(stage, number, answer, for_good=for_good)
        stage.registry.requests.clear()
        try:
            stage.copy(wish)
        except SourceError:
            outcomes.append("failed")
        else:
            assert stage.named() == stage.named("stable") == small.index.digest
            outcomes.append("done")
        count = len(stage.registry.requests)
        stage.registry.meddle = None
        for tag in ("1", "stable"):
            assert stage.named(tag) in (old if tag == "1" else None, small.index.digest)
            if stage.named(tag) == small.index.digest:
                assert stage.missing(small.index.digest) == []
                assert all(stage.there(each) for each in small.manifests)
        if number % 10 == 0:
            stage.copy(wish)
            assert stage.named() == stage.named("stable") == small.index.digest
            assert stage.missing(small.index.digest) == []
            found = RegistrySource(parse_reference(f"{stage.registry.host}/prod/app:1"), stage.client)
            assert [each.digest for each in found.referrers(small.index.digest).found] == [small.sbom.digest]
        if count <= number:  # this one had nothing left to fail
            break
    assert outcomes[-1] == "done"
    assert len(outcomes) > (40 if answer.status else 10)
    # a connection that breaks before it has answered is no failure where it had been idle: it is asked once more
    assert outcomes.count("failed") > (25 if answer.status else 0)


def test_no_request_to_the_source_may_fail_and_leave_a_broken_tag(stage: Stage) -> None:
    """As above; what was not told by tags of cosign's, or by the list of referrers, is in the receipt."""
    with Registry() as origin:
        reference = parse_reference(f"{origin.host}/team/app:1")
        digests = [
            origin.push("team/app", None, [tar_of({"a": each.encode()})], architecture=each)
            for each in ("amd64", "arm64")
        ]
        index = origin.push_index("team/app", "1", [{"digest": each} for each in digests])
        origin.referrers_api = True
        copy(RegistrySource(reference, stage.client), stage.target("other/app:1"), Wish(at_once=1))
        told = 0
        for path in dict.fromkeys(path for _, path in origin.requests):
            stage.registry.held("prod/app").tags.clear()
            origin.misbehave = {path: Answer(500)}
            try:
                receipt = copy(RegistrySource(reference, stage.client), stage.target(), Wish(at_once=1))
            except SourceError:
                assert stage.named() is None
            else:
                told += bool(receipt.unassessed)
                assert stage.named() == index
                assert receipt.unassessed or "/blobs/" in path  # those are at the target by now
        assert told == 3 * 3 + 3  # three tags and a list of referrers, for each manifest


def test_what_is_not_as_promised_leaves_no_tag(stage: Stage) -> None:
    for position in range(3):
        source = memory()
        image = push(source, "1", tar_of({"a": b"b"}), tar_of({"c": b"d"}))
        blob = blobs_of(image)[position]
        source.add_blob(b"?" * blob.size, blob.digest)
        with pytest.raises(DigestMismatch):
            stage.copy(source=source, to=f"prod{position}/app:1")
        source.add_blob(b"?" * (blob.size - 1), blob.digest)
        with pytest.raises(SizeMismatch):
            stage.copy(source=source, to=f"prod{position}/app:1")
        assert stage.tags(f"prod{position}/app") == []
        assert stage.registry.blob(f"prod{position}/app", blob.digest) is None


def test_a_blob_that_the_source_has_not(stage: Stage) -> None:
    image = json.loads(push(stage.source).content)
    image["layers"][0]["digest"] = str(Digest.of(b"gone"))
    stage.source.add_manifest(json.dumps(image).encode(), OCI_MANIFEST, "1")
    with pytest.raises(NotFound, match=Digest.of(b"gone")):
        stage.copy()
    assert stage.tags() == []


def test_a_registry_that_takes_all_and_keeps_nothing(stage: Stage) -> None:
    push(stage.source)
    for part, what in (
        ("/uploads/", "took sha256"),
        ("/manifests/sha256", "took the manifest"),
        ("/manifests/1", "was set to"),
    ):
        stage.registry.meddle = lambda method, path, _, part=part: (
            Answer(201) if method == "PUT" and part in path else None
        )
        with pytest.raises(SourceError, match=what):
            stage.copy()
        assert stage.tags() == []


def test_a_registry_that_takes_no_sparse_index_says_so(stage: Stage) -> None:
    whole = Whole(stage.source)
    with pytest.raises(SourceError, match="MANIFEST_BLOB_UNKNOWN"):
        stage.copy(Wish(platforms=tuple(LINUX[:2])))
    assert "1" not in stage.tags()
    assert not stage.there(whole.index)


def test_schema_1_is_not_moved(stage: Stage) -> None:
    history = [{"v1Compatibility": json.dumps({"id": "0" * 64})}]
    layer = {"blobSum": str(stage.source.add_blob(b"a layer"))}
    content = {
        "schemaVersion": 1,
        "name": "a",
        "tag": "1",
        "architecture": "amd64",
        "fsLayers": [layer],
        "history": history,
    }
    media_type = "application/vnd.docker.distribution.manifest.v1+json"
    stage.source.add_manifest(json.dumps(content).encode(), media_type, "1")
    with pytest.raises(UnsupportedContent, match="schema 1"):
        stage.copy()
    assert stage.puts == []


def test_one_blob_of_two_sizes_ends_the_transfers_that_were_begun(stage: Stage) -> None:
    """It is noticed by the thread that called, while others transfer: none of them goes on behind its back."""
    image = json.loads(push(stage.source, "1", tar_of({"a": bytes(2_000_000)}), compression="none").content)
    image["layers"].append(dict(image["layers"][0], size=1))
    stage.source.add_manifest(json.dumps(image).encode(), OCI_MANIFEST, "1")
    with pytest.raises(SizeMismatch, match="promised twice"):
        stage.copy()
    assert not [each for each in threading.enumerate() if each.name == "move" and each.is_alive()]
    assert stage.tags() == []


def test_an_interruption_sets_no_tag(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    Whole(stage.source)

    def interrupted(self: object, root: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("affineur.move.copy._Copy._name", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stage.copy()
    assert "1" not in stage.tags()


# What is wished for


def test_one_platform_is_its_manifest_alone(stage: Stage) -> None:
    whole = Whole(stage.source)
    receipt = stage.copy(Wish(platforms=(LINUX[1],)))
    assert receipt.digest == whole.children[1].digest == stage.named()
    assert not stage.there(whole.index)
    assert receipt.sparse == ()
    assert [each.tag for each in receipt.carried] == [whole.tag]
    assert receipt.not_carried == ()


def test_of_one_platform_its_attestation_in_the_index_is_told(stage: Stage) -> None:
    whole = Whole(stage.source)
    receipt = stage.copy(Wish(platforms=(LINUX[0],)))
    (told,) = receipt.not_carried
    assert whole.attestation.digest in told.what
    assert whole.children[0].digest in told.what


def test_several_platforms_are_a_sparse_index_with_their_attestations(stage: Stage) -> None:
    stage.registry.lenient = True
    whole = Whole(stage.source)
    receipt = stage.copy(Wish(platforms=(LINUX[0], LINUX[2])))
    assert receipt.digest == whole.index.digest == stage.named()
    assert receipt.sparse == ("linux/arm64",)
    assert [stage.there(each) for each in (*whole.children, whole.attestation)] == [True, False, True, True]
    assert stage.missing(whole.index.digest) == [whole.children[1].digest]
    receipt = stage.copy(Wish(platforms=(LINUX[1], LINUX[2])), to="other/app:1")
    assert not stage.there(whole.attestation, "other/app")


def test_all_platforms_are_no_sparse_index(stage: Stage) -> None:
    whole = Whole(stage.source)
    receipt = stage.copy(Wish(platforms=tuple(LINUX)))
    assert receipt.sparse == ()
    assert stage.missing(whole.index.digest) == []


def test_no_such_platform(stage: Stage) -> None:
    Whole(stage.source)
    with pytest.raises(NotFound, match="linux/riscv64"):
        stage.copy(Wish(platforms=(LINUX[0], parse_platform("linux/riscv64"))))
    assert stage.puts == []


def test_without_referrers(stage: Stage) -> None:
    whole = Whole(stage.source)
    receipt = stage.copy(Wish(referrers=False))
    assert receipt.carried == ()
    assert not any(stage.there(each) for each in (whole.sbom, whole.signature, whole.cosign))
    assert stage.tags() == ["1"]


def test_which_goes_before_the_name(stage: Stage) -> None:
    """What has been judged is moved, wherever the tag has gone meanwhile."""
    judged = push(stage.source, "1")
    push(stage.source, "1", tar_of({"another": b"one"}))
    receipt = stage.copy(Wish(which=judged.digest))
    assert receipt.digest == judged.digest == stage.named()


def test_nothing_is_overwritten_where_that_is_wished(stage: Stage) -> None:
    image = push(stage.source)
    old = stage.registry.push("prod/app", "stable", [b"old"])
    with pytest.raises(Occupied, match=f"stable: is {old} at the target already"):
        stage.copy(Wish(tags=("stable",), no_clobber=True))
    assert stage.puts == []
    receipt = stage.copy(Wish(no_clobber=True))
    assert receipt.digest == image.digest
    stage.copy(Wish(no_clobber=True))  # that it names the same is no overwriting
    stage.copy(Wish(tags=("stable",)))
    assert stage.named("stable") == image.digest


def test_nor_signatures_of_others(stage: Stage) -> None:
    whole = Whole(stage.source)
    theirs = stage.registry.push("prod/app", whole.tag, [b"their signature"])
    receipt = stage.copy(Wish(no_clobber=True))
    assert stage.named(whole.tag) == theirs
    assert whole.tag not in {each.tag for each in receipt.carried}
    (told,) = receipt.not_carried
    assert told.what == f"cosign signatures, {whole.tag}"
    assert theirs in told.why
    receipt = stage.copy()
    assert stage.named(whole.tag) == whole.cosign.digest
    assert receipt.not_carried == ()


def test_a_tag_that_somebody_sets_meanwhile_is_left_alone(stage: Stage) -> None:
    push(stage.source)
    theirs: list[str] = []

    def amend(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT" and "/manifests/sha256" in path and not theirs:
            theirs.append(stage.registry.push("prod/app", "1", [b"theirs"]))
        return answer

    stage.registry.amend = amend
    with pytest.raises(Occupied):
        stage.copy(Wish(no_clobber=True))
    assert stage.named() == theirs[0]


def test_a_tag_that_somebody_else_sets_at_the_same_time_is_told(stage: Stage) -> None:
    image = push(stage.source)

    def amend(method: str, path: str, answer: Answer) -> Answer:
        if (method, path) == ("PUT", "/v2/prod/app/manifests/1"):
            stage.registry.push("prod/app", "1", [b"theirs"])
        return answer

    stage.registry.amend = amend
    with pytest.raises(SourceError, match="somebody else may have written it at the same time"):
        stage.copy()
    assert stage.named() != image.digest


def test_to_a_digest(stage: Stage) -> None:
    """Without a tag, where it is that digest; under another's it cannot be."""
    image = push(stage.source)
    receipt = stage.copy(to=f"prod/app@{image.digest}")
    assert receipt.tags == ()
    assert stage.there(image)
    assert stage.tags() == []
    with pytest.raises(InvalidReference, match="another digest"):
        stage.copy(to=f"prod/app@{Digest.of(b'another')}")


def test_to_a_tag_and_a_digest(stage: Stage) -> None:
    """The tag is set, also where the digest is there already under another name."""
    image = push(stage.source)
    stage.copy()
    receipt = stage.copy(to=f"prod/app:2@{image.digest}")
    assert receipt.tags == ("2",)
    assert stage.named("2") == image.digest
    other = stage.registry.push("prod/app", "3", [b"theirs"])
    with pytest.raises(Occupied):
        stage.copy(Wish(no_clobber=True), to=f"prod/app:3@{image.digest}")
    with pytest.raises(InvalidReference):
        stage.copy(to=f"prod/app:3@{Digest.of(b'another')}")
    assert stage.named("3") == other


def test_another_tag_of_the_same_repository(stage: Stage) -> None:
    """What is there is not sent, nor asked of the source."""
    digest = stage.registry.push("prod/app", "1", [tar_of({"a": b"b"})])
    source = RegistrySource(parse_reference(f"{stage.registry.host}/prod/app:1"), stage.client)
    receipt = copy(source, stage.target("prod/app:2"))
    assert stage.named("2") == digest
    assert {each.how for each in receipt.blobs} == {"present"}
    assert stage.registry.count("POST") == stage.registry.count("GET", "/blobs/") == 0


def test_another_name_in_the_same_layout(stage: Stage, tmp_path: Path) -> None:
    whole = Whole(stage.source)

    def nowhere(text: str) -> Any:
        raise AssertionError(text)

    copy(stage.source, open_target(f"oci:{tmp_path}/layout:1", nowhere))
    receipt = copy(open_source(f"oci:{tmp_path}/layout:1", nowhere), open_target(f"oci:{tmp_path}/layout:2", nowhere))
    assert receipt.digest == whole.index.digest
    for name in "12":
        assert open_source(f"oci:{tmp_path}/layout:{name}", nowhere).manifest().digest == whole.index.digest


@pytest.mark.parametrize("tag", ["", "a b", "../../x", "1@sha256:" + "0" * 64, "sha256:" + "0" * 64])
def test_a_tag_that_is_none_is_told_before_anything_is_written(stage: Stage, tag: str) -> None:
    push(stage.source)
    with pytest.raises(InvalidReference):
        stage.copy(Wish(tags=("2", tag)))
    assert stage.puts == []


def test_known_tags_are_not_asked_for(stage: Stage) -> None:
    with Registry() as origin:
        digest = origin.push("team/app", "1", [tar_of({"a": b""})])
        tag = f"{fallback_tag(Digest(digest))}.sig"
        origin.push("team/app", tag, [b"signed"])
        source = RegistrySource(parse_reference(f"{origin.host}/team/app:1"), stage.client)
        receipt = copy(source, stage.target(), Wish(known_tags=frozenset(["1", tag])))
        asked = [path.rpartition("/")[2] for _, path in origin.requests if "/manifests/" in path]
        assert asked.count(tag) == 1
        assert not any(each.endswith((".att", ".sbom")) for each in asked)
        assert [each.tag for each in receipt.carried] == [tag]


# Receipts


def test_what_a_receipt_says(stage: Stage) -> None:
    whole = Whole(stage.source)
    receipt = stage.copy()
    assert receipt.source == "registry.example/team/app:1"
    assert receipt.target == f"{stage.registry.host}/prod/app:1"
    assert receipt.media_type == OCI_INDEX
    assert [each.what for each in receipt.manifests if each.digest == whole.index.digest] == ["index"]
    assert {each.what for each in receipt.manifests} >= {f"platform {each}" for each in LINUX}
    blobs = {each.digest: each.size for document in whole.manifests for each in blobs_of(document)}
    assert {each.digest: each.size for each in receipt.blobs} == blobs
    assert receipt.sent_bytes == sum(blobs.values())
    assert {(each.digest, each.subject, each.found_by) for each in receipt.carried} == {
        (whole.sbom.digest, whole.index.digest, "memory"),
        (whole.signature.digest, whole.sbom.digest, "memory"),
        (whole.cosign.digest, whole.children[1].digest, "tag of cosign"),
    }
    assert (receipt.not_carried, receipt.unassessed) == ((), ())


def test_receipts_of_the_same_are_equal(stage: Stage) -> None:
    Whole(stage.source)
    seen = set()
    for number, at_once in enumerate((1, 3, 8, 8, 8)):
        receipt = stage.copy(Wish(at_once=at_once), to=f"place-{number}/app:1")
        told = msgspec.structs.replace(receipt, target="", began=receipt.began.replace(year=2000), seconds=0.0)
        told = msgspec.structs.replace(told, began=told.began.min)
        seen.add(msgspec.json.encode(told))
    assert len(seen) == 1


def test_mounted_sent_present(stage: Stage) -> None:
    first = stage.registry.push("team/app", "1", [tar_of({"a": b"b"}), tar_of({"c": b"d"})])
    held, mine = stage.registry.held("team/app"), stage.registry.held("prod/app")
    layers = [each["digest"] for each in json.loads(held.manifests[first][0])["layers"]]
    mine.blobs[layers[0]] = held.blobs[layers[0]]
    source = RegistrySource(parse_reference(f"{stage.registry.host}/team/app:1"), stage.client)
    receipt = copy(source, stage.target())
    how = {each.digest: each.how for each in receipt.blobs}
    assert (how.pop(layers[0]), set(how.values()), receipt.sent_bytes) == ("present", {"mounted"}, 0)
    stage.registry.mounts = False
    receipt = copy(source, stage.target("third/app:1"))
    assert {each.how for each in receipt.blobs} == {"sent"}


def test_what_could_not_be_listed_is_in_it(stage: Stage) -> None:
    with Registry() as origin:
        origin.referrers_api = True
        digest = origin.push("team/app", "1", [tar_of({"a": b""})])
        origin.misbehave[f"/v2/team/app/referrers/{digest}"] = problem(500, "UNKNOWN", "a fault")
        source = RegistrySource(parse_reference(f"{origin.host}/team/app:1"), stage.client)
        receipt = copy(source, stage.target())
        (told,) = receipt.unassessed
        assert told.what == f"what refers to {digest}"
        assert "500" in told.why
        assert stage.named() == digest


def test_embedded_content_is_stored(stage: Stage) -> None:
    config = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": str(Digest.of(b"{}")),
        "size": 2,
        "data": "e30=",
    }
    layer = described(stage.source, b"text", "text/plain")
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "a/b",
        "config": config,
        "layers": [layer],
    }
    stage.source.add_manifest(json.dumps(manifest).encode(), OCI_MANIFEST, "1")
    receipt = stage.copy()
    assert stage.registry.blob("prod/app", str(config["digest"])) == b"{}"
    assert receipt.manifests[0].what == "an artifact"


# Layouts


def test_into_a_layout_and_out_of_it(stage: Stage, tmp_path: Path) -> None:
    whole = Whole(stage.source)

    def nowhere(text: str) -> Any:
        raise AssertionError(text)

    receipt = copy(stage.source, open_target(f"oci:{tmp_path}/layout:1", nowhere))
    assert receipt.digest == whole.index.digest
    again = copy(open_source(f"oci:{tmp_path}/layout:1", nowhere), stage.target())
    assert again.digest == whole.index.digest
    assert all(stage.there(each) for each in (*whole.children, whole.index, whole.sbom, whole.signature))
    assert {each.digest for each in again.carried} >= {whole.sbom.digest, whole.signature.digest}


@pytest.mark.parametrize("after", range(0, 12, 3))
def test_what_breaks_off_leaves_no_archive_and_no_name(stage: Stage, tmp_path: Path, after: int) -> None:
    Whole(stage.source)
    broken = Breaking(stage.source, after)

    def nowhere(text: str) -> Any:
        raise AssertionError(text)

    for text in (f"oci-archive:{tmp_path}/a.tar:1", f"oci:{tmp_path}/layout:1"):
        with pytest.raises(Unreachable):
            copy(broken, open_target(text, nowhere))
    assert not (tmp_path / "a.tar").exists()
    if (tmp_path / "layout/index.json").exists():
        index = json.loads((tmp_path / "layout/index.json").read_bytes())
        assert not any(
            "org.opencontainers.image.ref.name" in each.get("annotations", {}) for each in index["manifests"]
        )
    assert not [each for each in threading.enumerate() if each.name == "move" and each.is_alive()]


class Breaking:
    """A source that has no more blobs after so many."""

    def __init__(self, source: MemorySource, after: int) -> None:
        self._source, self._left = source, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def blob(self, descriptor: Descriptor, begun: Verification | None = None) -> Iterator[bytes]:
        self._left -= 1
        if self._left < 0:
            raise Unreachable("broken off")
        yield from self._source.blob(descriptor, begun)


def test_an_index_for_a_place_of_one_image(stage: Stage, tmp_path: Path) -> None:
    Whole(stage.source)

    def nowhere(text: str) -> Any:
        raise AssertionError(text)

    with pytest.raises(UnsupportedContent, match=r"linux/amd64.*linux/s390x"):
        copy(stage.source, open_target(f"docker-archive:{tmp_path}/a.tar:a:1", nowhere))
    assert list(tmp_path.iterdir()) == []
    target = open_target(f"docker-archive:{tmp_path}/a.tar:a:1", nowhere)
    receipt = copy(stage.source, target, Wish(platforms=(LINUX[1],)))
    assert (tmp_path / "a.tar").exists()
    assert [each.what for each in receipt.not_carried]


# A source that is hostile


@pytest.mark.parametrize("content", [b"\xff\x00", b"", b"[" * 100_000, b'{"schemaVersion": 2}'])
def test_hostile_manifests(stage: Stage, content: bytes) -> None:
    stage.source.add_manifest(content, OCI_INDEX, "1")
    with pytest.raises(ContentError):
        stage.copy()
    assert stage.puts == []
