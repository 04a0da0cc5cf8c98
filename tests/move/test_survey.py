"""What is found to belong to an image, and what is told of what is not."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from affineur.errors import (
    ContentError,
    LimitExceeded,
    MalformedDocument,
    NotFound,
    SizeMismatch,
    SourceError,
    Unreachable,
    UnsupportedContent,
)
from affineur.evidence import Unassessed
from affineur.move import survey as module
from affineur.move.pool import Pool
from affineur.move.receipt import Carried
from affineur.move.survey import COSIGN_KINDS, Piece, Survey
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import OCI_INDEX, OCI_MANIFEST
from affineur.source.memory import MemorySource
from affineur.source.referrers import Referrers, fallback_tag
from support.carrying import memory, push, push_index, push_referrer
from support.registry import tar_of

SCHEMA_1 = json.dumps(
    {
        "schemaVersion": 1,
        "name": "a/b",
        "tag": "1",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": Digest.of(b"a layer")}],
        "history": [{"v1Compatibility": json.dumps({"id": "0" * 64, "architecture": "amd64", "os": "linux"})}],
    }
).encode()


class Watched(MemorySource):
    """A source that can be made to lie, and tells what it was asked.

    Attributes:
        asked: of manifests, by tag or digest, in order.
        listed: subject → what is said to refer to it, instead of the truth.
        failing: tag or digest → what is raised.
    """

    def __init__(self) -> None:
        super().__init__(memory().reference)
        self.asked: list[str] = []
        self.listed: dict[str, Referrers] = {}
        self.failing: dict[str, Exception] = {}
        self.tags_asked = 0

    def manifest(self, which: str | None = None) -> Document:
        self.asked.append(which or self.reference.which)
        if which in self.failing:
            raise self.failing[which]
        return super().manifest(which)

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> Referrers:
        kept = list(self.asked)  # what a list costs is not counted here
        found = self.listed.get(digest) or super().referrers(digest, artifact_type)
        self.asked[:] = kept
        return found

    def tags(self) -> Iterator[str]:
        self.tags_asked += 1
        return super().tags()


@pytest.fixture
def source() -> Watched:
    return Watched()


class Found(Survey):
    """A survey that has been made.

    Attributes:
        told: pieces, as they were told of; blobs_told.
    """

    def __init__(self, source: MemorySource, root: Document, workers: int = 4, **how: Any) -> None:
        self.told: list[Piece] = []
        self.blobs_told: list[Descriptor] = []
        pool = Pool(workers)
        super().__init__(source, pool, self.blobs_told.append, self.told.append, **how)
        source.asked.clear() if isinstance(source, Watched) else None
        try:
            self.begin(root)
        finally:
            pool.wait()

    @property
    def order(self) -> list[tuple[int, int, str]]:
        return sorted((each.level, each.depth, each.document.digest) for each in self.pieces.values())

    def place(self, document: Document) -> tuple[int, int]:
        piece = self.pieces[document.digest]
        return piece.level, piece.depth


def entry(document: Document, **members: Any) -> Descriptor:
    return Descriptor(document.media_type, document.digest, len(document.content), **members)


def cosign(source: MemorySource, subject: Document, kind: str = "sig", content: bytes = b"signed") -> Document:
    """A manifest at cosign's tag."""
    return push(source, f"{fallback_tag(subject.digest)}.{kind}", tar_of({"a": content}))


def test_an_image(source: Watched) -> None:
    image = push(source)
    found = Found(source, image)
    assert list(found.pieces) == [image.digest]
    assert found.told == [found.pieces[image.digest]]
    assert found.told[0].what == "image"
    assert set(found.blobs) == {each.digest for each in found.blobs_told}
    assert len(found.blobs) == 2
    assert sorted(source.asked) == sorted(f"{fallback_tag(image.digest)}.{kind}" for kind in COSIGN_KINDS)


def test_every_child_of_nested_indexes_comes_before_it(source: Watched) -> None:
    one, two, three = (push(source, None, architecture=each) for each in ("amd64", "arm64", "s390x"))
    inner = push_index(source, None, one, two)
    root = push_index(source, "1", inner, three, one)
    found = Found(source, root)
    assert found.place(root) == (0, 0)
    assert found.place(inner) == (0, 1)
    assert found.place(three) == (0, 1)
    assert found.place(one) == found.place(two) == (0, 2)  # it is the inner one's, too
    assert len(found.told) == 5


def test_one_child_named_many_times_is_read_once(source: Watched) -> None:
    image = push(source, None)
    found = Found(source, push_index(source, "1", *[image] * 500), workers=1)
    assert source.asked.count(image.digest) == 1
    assert len(found.told) == 2


def test_a_child_that_also_refers_to_another_is_stored_before_the_index(source: Watched) -> None:
    """BuildKit's attestations may name their image as subject, and are children of the index all the same."""
    for workers in (1, 8):
        image = push(source, None)
        attestation = push_referrer(source, image)
        referring = push_referrer(source, attestation, b"about that")
        root = push_index(source, "1", image, attestation)
        found = Found(source, root, workers)
        assert found.place(attestation) == (0, 1)
        assert found.place(referring) > (0, 1)
        assert [each.subject for each in found.carried].count(image.digest) == 1


def test_what_is_met_first_as_a_referrer_and_then_as_a_part(source: Watched) -> None:
    """In whatever order the threads come by it: an index of referrers, which is also a child."""
    leaf = push(source, None, architecture="s390x")
    image = push(source, None)
    referred = {"mediaType": image.media_type, "digest": str(image.digest), "size": len(image.content)}
    listing = push_index(source, None, leaf, subject=referred)
    root = push_index(source, "1", image, listing)
    found = Found(source, root, 1)
    survey = Survey(source, pool := Pool(1), lambda _: None, (told := list[Piece]()).append)
    survey._take(listing, 1, 0, "a referrer")
    pool.wait()
    survey.begin(root)
    pool.wait()
    for made in (found, survey):
        places = {digest: (piece.level, piece.depth) for digest, piece in made.pieces.items()}
        assert places[root.digest] == (0, 0)
        assert places[listing.digest] == (0, 1)
        assert places[leaf.digest] == (0, 2)
    assert [piece.level for piece in told if piece.document.digest == listing.digest] == [1, 0]


def test_referrers_of_referrers(source: Watched) -> None:
    image = push(source)
    chain = [image]
    for number in range(3):
        chain.append(push_referrer(source, chain[-1], str(number).encode()))
    found = Found(source, image)
    assert [found.place(each) for each in chain] == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert {(each.digest, each.subject) for each in found.carried} == {
        (chain[place + 1].digest, chain[place].digest) for place in range(3)
    }
    assert not Found(source, image, referrers=False).carried
    assert source.asked == []


def test_levels_have_an_end_which_is_told(source: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LEVELS", 2)
    image = push(source)
    one = push_referrer(source, image)
    two = push_referrer(source, one)
    push_referrer(source, two)
    found = Found(source, image)
    assert set(found.pieces) == {image.digest, one.digest, two.digest}
    assert found.unassessed == [Unassessed(f"what refers to {two.digest}", "not looked for beyond 2 levels")]


def test_a_circle_of_lists(source: Watched) -> None:
    """A list may say what it wants; the manifests decide, and theirs cannot go in circles."""
    image = push(source)
    sbom = push_referrer(source, image)
    source.listed[image.digest] = Referrers((entry(sbom),), "referrers API")
    source.listed[sbom.digest] = Referrers((entry(image), entry(sbom)), "referrers API")
    found = Found(source, image)
    assert set(found.pieces) == {image.digest, sbom.digest}
    assert {each.why for each in found.not_carried} == {"it is listed as one, but its manifest names no such subject"}
    assert len(found.not_carried) == 2


@pytest.mark.parametrize("workers", [1, 8])
def test_who_is_listed_and_refers_to_another(source: Watched, workers: int) -> None:
    image, other = push(source), push(source, None, architecture="s390x")
    stray = push_referrer(source, other)
    source.listed[image.digest] = Referrers((entry(stray, artifact_type="a/b"), entry(other)), "referrers API")
    found = Found(source, image, workers)
    assert list(found.pieces) == [image.digest]
    assert sorted(each.what for each in found.not_carried) == sorted(
        [f"a/b {stray.digest}, of {image.digest}", f"a referrer {other.digest}, of {image.digest}"]
    )


def test_a_referrer_that_is_not_there_is_told(source: Watched) -> None:
    image = push(source)
    gone = Descriptor(OCI_MANIFEST, Digest.of(b"gone"), 4, artifact_type="application/spdx+json")
    source.listed[image.digest] = Referrers((gone,), "referrers API")
    (told,) = Found(source, image).not_carried
    assert told.what == f"an SPDX document {gone.digest}, of {image.digest}"


@pytest.mark.parametrize("size", [-1, 1])
def test_a_referrer_of_another_size(source: Watched, size: int) -> None:
    image = push(source)
    sbom = push_referrer(source, image)
    wrong = Descriptor(OCI_MANIFEST, sbom.digest, len(sbom.content) + size)
    source.listed[image.digest] = Referrers((wrong,), "referrers API")
    with pytest.raises(SizeMismatch):
        Found(source, image)


def test_what_could_not_be_listed_is_told(source: Watched) -> None:
    image = push(source)
    gap = Unassessed(f"what refers to {image.digest}", "HTTP 500")
    source.listed[image.digest] = Referrers(by="referrers API", problems=(gap,))
    assert Found(source, image).unassessed == [gap]


def test_where_the_target_can_hold_none_each_is_told(source: Watched) -> None:
    image = push(source)
    sbom, signature = push_referrer(source, image), cosign(source, image)
    found = Found(source, image, cannot="an archive has no place for it")
    assert list(found.pieces) == [image.digest]
    assert {each.why for each in found.not_carried} == {"an archive has no place for it"}
    told = " ".join(each.what for each in found.not_carried)
    assert sbom.digest in told
    assert f"cosign signatures, {fallback_tag(image.digest)}.sig" in told
    assert signature.digest not in found.pieces


# Cosign's tags


def test_cosigns_tags_of_an_index_and_its_children(source: Watched) -> None:
    children = [push(source, None, architecture=each) for each in ("amd64", "arm64")]
    root = push_index(source, "1", *children)
    made = [
        cosign(source, each, kind, kind.encode() + each.digest.encode()) for each in children for kind in COSIGN_KINDS
    ]
    made.append(cosign(source, root))
    deeper = cosign(source, made[0], content=b"of a signature")
    found = Found(source, root)
    assert {each.digest for each in found.carried} == {each.digest for each in (*made, deeper)}
    for each in made:
        assert found.place(each) == (1, 0)
    assert found.place(deeper) == (2, 0)
    assert found.pieces[made[-1].digest].tags == (f"{fallback_tag(root.digest)}.sig",)
    assert found.pieces[made[-1].digest].what == "cosign signatures"


def test_one_sbom_at_several_tags(source: Watched) -> None:
    """`cosign attach sbom` of the same document to each platform makes the same manifest each time."""
    children = [push(source, None, architecture=each) for each in ("amd64", "arm64")]
    root = push_index(source, "1", *children)
    made = {cosign(source, each, "sbom", b"the same").digest for each in (root, *children)}
    assert len(made) == 1
    found = Found(source, root)
    (digest,) = made
    tags = sorted(f"{fallback_tag(each.digest)}.sbom" for each in (root, *children))
    assert list(found.pieces[digest].tags) == tags
    assert sorted(each.tag or "" for each in found.carried) == tags


def test_a_tag_of_cosigns_that_names_a_child(source: Watched) -> None:
    """Anybody may set such a tag. The child stays a part of the index, and is stored before it."""
    child = push(source, None)
    root = push_index(source, "1", child)
    tag = f"{fallback_tag(root.digest)}.sig"
    source.add_manifest(child.content, child.media_type, tag)
    for workers in (1, 8):
        found = Found(source, root, workers)
        assert found.place(child) == (0, 1)
        assert found.pieces[child.digest].tags == (tag,)


def test_a_registry_that_takes_the_tag_for_the_digest(source: Watched) -> None:
    image = push(source)
    source.add_manifest(image.content, image.media_type, f"{fallback_tag(image.digest)}.sig")
    found = Found(source, image)
    assert found.carried == []
    assert found.pieces[image.digest].tags == ()


def test_a_tag_that_could_not_be_read_is_told(source: Watched) -> None:
    image = push(source)
    tag = f"{fallback_tag(image.digest)}.att"
    source.failing[tag] = Unreachable("HTTP 500")
    assert Found(source, image).unassessed == [Unassessed(f"whether there is a tag {tag}", "HTTP 500")]


@pytest.mark.parametrize(
    "content",
    [b'{"mediaType": "application/vnd.example"}', SCHEMA_1],
)
def test_what_is_at_such_a_tag_and_is_no_manifest_is_left_behind(source: Watched, content: bytes) -> None:
    image = push(source)
    tag = f"{fallback_tag(image.digest)}.sig"
    source.add_manifest(content, "application/json", tag)
    found = Found(source, image)
    assert list(found.pieces) == [image.digest]
    (told,) = found.not_carried
    assert told.what == f"cosign signatures, {tag}"
    assert told.why


def test_known_tags_save_requests(source: Watched) -> None:
    image = push(source)
    signature = cosign(source, image)
    tag = f"{fallback_tag(image.digest)}.sig"
    found = Found(source, image, tags=frozenset(["1", tag]))
    assert source.asked == [tag]
    assert signature.digest in found.pieces
    Found(source, image, tags=frozenset(["1"]))
    assert source.asked == []
    assert source.tags_asked == 0


def test_of_many_manifests_the_tags_are_listed_once(source: Watched) -> None:
    children = [push(source, None, variant=str(number)) for number in range(12)]
    root = push_index(source, "1", *children)
    signature = cosign(source, children[-1])
    found = Found(source, root, 1)
    assert source.tags_asked == 1
    assert signature.digest in found.pieces
    assert len([each for each in source.asked if each.endswith((".sig", ".att", ".sbom"))]) <= 3 * 4 + 1


def test_tags_that_cannot_be_listed_are_asked_for(source: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    children = [push(source, None, variant=str(number)) for number in range(12)]
    root = push_index(source, "1", *children)
    signature = cosign(source, children[-1])

    def refused() -> Iterator[str]:
        raise SourceError("no listing here")

    monkeypatch.setattr(source, "tags", refused)
    found = Found(source, root)
    assert signature.digest in found.pieces
    assert found.unassessed == []
    monkeypatch.undo()
    monkeypatch.setattr(module, "MAX_TAGS", 1)
    assert signature.digest in Found(source, root).pieces


# What is not there, not as promised, or too much


def test_children_that_are_missing_are_told(source: Watched) -> None:
    """A sparse source: the index is moved as it is, and what is missing stays missing."""
    child, gone = push(source, None), push(memory(), None, architecture="s390x")
    listed = [
        {"mediaType": OCI_MANIFEST, "digest": str(each.digest), "size": len(each.content), "platform": platform}
        for each, platform in (
            (child, {"os": "linux", "architecture": "amd64"}),
            (gone, {"os": "linux", "architecture": "s390x"}),
        )
    ]
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
    root = source.manifest(source.add_manifest(content, OCI_INDEX, "1"))
    found = Found(source, root)
    (told,) = found.not_carried
    assert told.what == f"platform linux/s390x {gone.digest}"
    assert found.pieces[child.digest].what == "platform linux/amd64"


def test_ten_thousand_children_that_are_missing(source: Watched) -> None:
    """As many as an index may have: told, each once, in a time that does not grow with their square."""
    listed = [
        {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(str(number).encode())), "size": 2}
        for number in range(9_999)
    ]
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed + listed[:1]}).encode()
    root = source.manifest(source.add_manifest(content, OCI_INDEX, "1"))
    start = time.process_time()
    found = Found(source, root, referrers=False)
    assert len(found.not_carried) == 9_999
    assert time.process_time() - start < 5


def test_a_child_that_could_not_be_read_ends_it(source: Watched) -> None:
    child = push(source, None)
    root = push_index(source, "1", child)
    source.failing[child.digest] = Unreachable("HTTP 500")
    with pytest.raises(Unreachable):
        Found(source, root)


def test_a_child_of_another_size(source: Watched) -> None:
    child = push(source, None)
    listed = [{"mediaType": OCI_MANIFEST, "digest": str(child.digest), "size": len(child.content) + 1}]
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
    root = source.manifest(source.add_manifest(content, OCI_INDEX, "1"))
    with pytest.raises(SizeMismatch):
        Found(source, root)
    right = dict(listed[0], size=len(child.content))  # and named a second time as it is
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [right, *listed]}).encode()
    with pytest.raises(SizeMismatch):
        Found(source, source.manifest(source.add_manifest(content, OCI_INDEX, "1")), 1)


def test_embedded_children_are_not_asked_for(source: Watched) -> None:
    child = push(source, None)
    data = base64.b64encode(child.content).decode()
    listed = {"mediaType": OCI_MANIFEST, "digest": str(child.digest), "size": len(child.content), "data": data}
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [listed]}).encode()
    root = source.manifest(source.add_manifest(content, OCI_INDEX, "1"))
    found = Found(source, root, referrers=False)
    assert source.asked == []
    assert found.pieces[child.digest].document.content == child.content
    content = content.replace(data.encode(), base64.b64encode(b" " * len(child.content)))
    with pytest.raises(MalformedDocument):
        Found(source, source.manifest(source.add_manifest(content, OCI_INDEX, "1")))


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ],
)
def test_layers_that_nobody_may_distribute(source: Watched, media_type: str) -> None:
    image = json.loads(push(source).content)
    image["layers"][0] |= {"mediaType": media_type, "urls": ["http://169.254.169.254/latest/meta-data"]}
    root = source.manifest(source.add_manifest(json.dumps(image).encode(), OCI_MANIFEST, "1"))
    found = Found(source, root)
    (told,) = found.not_carried
    assert told.what == f"layer {image['layers'][0]['digest']}"
    assert list(found.blobs) == [image["config"]["digest"]]
    del image["layers"][0]["urls"]  # then it is wanted from the registry like any other
    root = source.manifest(source.add_manifest(json.dumps(image).encode(), OCI_MANIFEST, "1"))
    assert len(Found(source, root).blobs) == 2


def test_schema_1_is_refused_with_what_to_do(source: Watched) -> None:
    media_type = "application/vnd.docker.distribution.manifest.v1+json"
    document = Document(SCHEMA_1, media_type, Digest.of(SCHEMA_1), "a/b:1")
    with pytest.raises(UnsupportedContent, match="schema 1, in which its name is signed"):
        Found(source, document)


def test_one_digest_promised_with_two_sizes(source: Watched) -> None:
    one = push(source, None)
    other = json.loads(one.content)
    other["layers"][0]["size"] += 1
    two = source.manifest(source.add_manifest(json.dumps(other).encode(), OCI_MANIFEST))
    with pytest.raises(SizeMismatch, match="promised twice"):
        Found(source, push_index(source, "1", one, two))


def test_one_blob_in_several_manifests_is_told_of_once(source: Watched) -> None:
    children = [push(source, None, variant=str(number)) for number in range(5)]
    found = Found(source, push_index(source, "1", *children), 8)
    assert len(found.blobs_told) == 5 + 1
    assert len(found.blobs) == 6


@pytest.mark.parametrize(
    ("limit", "value"),
    [("MAX_PIECES", 3), ("MAX_PIECES_BYTES", 1_500), ("MAX_BLOBS", 3), ("MAX_NESTED", 1), ("MAX_NESTED", 0)],
)
def test_limits(source: Watched, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    children = [push(source, None, architecture=each) for each in ("amd64", "arm64", "s390x")]
    root = push_index(source, "1", push_index(source, None, *children), children[0])
    Found(source, root)
    monkeypatch.setattr(module, limit, value)
    with pytest.raises(LimitExceeded) as raised:
        Found(source, root)
    assert str(value) in str(raised.value)


def test_so_many_and_no_more(source: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit itself is allowed, and what is met again does not count again."""
    child = push(source, None)
    root = push_index(source, "1", child, child)
    monkeypatch.setattr(module, "MAX_PIECES", 2)
    assert len(Found(source, root, 1).pieces) == 2


def test_what_is_no_manifest(source: Watched) -> None:
    for content in (b"", b"[]", b"{}", b"\xff", b'{"schemaVersion": 2}', b'{"schemaVersion": 2, "layers": {}}'):
        document = Document(content, OCI_MANIFEST, Digest.of(content), "a test")
        with pytest.raises(ContentError):
            Found(source, document)


def test_kept_children_are_those_of_the_first_index_only(source: Watched) -> None:
    one, two = (push(source, None, architecture=each) for each in ("amd64", "arm64"))
    inner = push_index(source, None, one, two)
    root = push_index(source, "1", inner, two)
    found = Found(source, root, kept=frozenset([inner.digest]))
    assert set(found.pieces) == {root.digest, inner.digest, one.digest, two.digest}
    found = Found(source, root, kept=frozenset())
    assert set(found.pieces) == {root.digest}


def test_the_same_each_time(source: Watched) -> None:
    children = [push(source, None, variant=str(number)) for number in range(6)]
    root = push_index(source, "1", *children, *children)
    for child in children:
        cosign(source, child)
        push_referrer(source, push_referrer(source, child, child.digest.encode()), b"x" + child.digest.encode())
    seen = set()
    for workers in (1, 2, 8, 8, 8):
        found = Found(source, root, workers)
        pieces = tuple(sorted((*found.place(each.document), each.what, each.tags) for each in found.pieces.values()))
        seen.add((pieces, tuple(sorted(map(repr, found.carried)))))
    assert len(seen) == 1


def test_found_by_is_told(source: Watched) -> None:
    image = push(source)
    sbom = push_referrer(source, image)
    source.listed[image.digest] = Referrers((entry(sbom, artifact_type="application/spdx+json"),), "referrers tag")
    found = Found(source, image)
    assert found.carried == [Carried(sbom.digest, "an SPDX document", image.digest, "referrers tag")]


def test_what_is_not_there_at_all(source: Watched) -> None:
    with pytest.raises(NotFound):
        source.manifest("2")
