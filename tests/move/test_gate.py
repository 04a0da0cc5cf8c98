"""Which manifests a policy has to accept, and what several verdicts are together."""

from itertools import product
from typing import Any

import pytest

from affineur.errors import MalformedDocument, NotFound, UnsupportedContent
from affineur.move import gate as module
from affineur.move.gate import combined, to_judge
from affineur.oci.document import Document
from affineur.oci.manifest import DOCKER_LIST, OCI_INDEX
from affineur.oci.platform import parse_platform
from affineur.source.memory import MemorySource
from affineur.trust.model import Decision
from support.carrying import memory, push, push_index, push_referrer

ACCEPT, REJECT, UNDETERMINED = Decision.ACCEPT, Decision.REJECT, Decision.UNDETERMINED


@pytest.fixture
def source() -> MemorySource:
    return memory()


def entry(document: Document, architecture: str = "", system: str = "linux", **members: Any) -> dict[str, Any]:
    platform = {"platform": {"os": system, "architecture": architecture}} if architecture else {}
    size = len(document.content)
    return {"mediaType": document.media_type, "digest": str(document.digest), "size": size, **platform, **members}


def index_of(source: MemorySource, *entries: dict[str, Any]) -> Document:
    return push_index(source, "1", manifests=list(entries))


def attestation_of(source: MemorySource, subject: Document) -> dict[str, Any]:
    made = push(source, None, architecture="unknown", os="unknown", about=str(subject.digest))
    said = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": str(subject.digest),
    }
    return entry(made, "unknown", "unknown", annotations=said)


def test_an_image_is_judged(source: MemorySource) -> None:
    image = push(source)
    assert to_judge(source, image, ()) == (image.digest,)
    assert to_judge(source, image, (parse_platform("linux/s390x"),)) == (image.digest,)  # it moves as it is


def test_every_image_of_an_index_and_no_attestation(source: MemorySource) -> None:
    one, two, nameless = (push(source, None, architecture=each) for each in ("amd64", "arm64", "s390x"))
    index = index_of(source, entry(one, "amd64"), attestation_of(source, one), entry(two, "arm64"), entry(nameless))
    assert to_judge(source, index, ()) == (one.digest, two.digest, nameless.digest)
    docker = push_index(source, "2", one, two, mediaType=DOCKER_LIST)
    assert docker.media_type == OCI_INDEX  # as it was served
    with pytest.raises(MalformedDocument):
        to_judge(source, docker, ())


def test_the_platforms_that_are_moved(source: MemorySource) -> None:
    one, two = (push(source, None, architecture=each) for each in ("amd64", "arm64"))
    index = index_of(source, entry(one, "amd64"), entry(two, "arm64"))
    assert to_judge(source, index, (parse_platform("linux/arm64"),)) == (two.digest,)
    both = tuple(parse_platform(f"linux/{each}") for each in ("arm64", "amd64"))
    assert to_judge(source, index, both) == (two.digest, one.digest)
    with pytest.raises(NotFound):
        to_judge(source, index, (*both, parse_platform("linux/s390x")))


def test_one_image_under_several_platforms_is_judged_once(source: MemorySource) -> None:
    image = push(source, None)
    index = index_of(source, entry(image, "amd64"), entry(image, "arm64"))
    assert to_judge(source, index, ()) == (image.digest,)


def test_what_is_no_image_is_not_judged(source: MemorySource) -> None:
    sbom = push_referrer(source, push(source))
    with pytest.raises(UnsupportedContent, match="is no container image"):
        to_judge(source, sbom, ())


def test_an_index_within_an_index_is_not_judged(source: MemorySource) -> None:
    image = push(source, None)
    inner = push_index(source, None, image)
    for index in (index_of(source, entry(image, "amd64"), entry(inner)), index_of(source, entry(inner, "amd64"))):
        with pytest.raises(UnsupportedContent, match="an index within an index"):
            to_judge(source, index, ())
    with pytest.raises(UnsupportedContent, match="an index within an index"):
        to_judge(source, index, (parse_platform("linux/amd64"),))


def test_an_index_without_an_image_is_no_yes(source: MemorySource) -> None:
    for index in (index_of(source), index_of(source, attestation_of(source, push(source, None)))):
        with pytest.raises(UnsupportedContent, match="an index of 0 images"):
            to_judge(source, index, ())


def test_too_many(source: MemorySource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_JUDGED", 2)
    images = [push(source, None, variant=str(number)) for number in range(3)]
    assert len(to_judge(source, index_of(source, *(entry(each) for each in images[:2])), ())) == 2
    with pytest.raises(UnsupportedContent, match="an index of 3 images, of 1 to 2 judged"):
        to_judge(source, index_of(source, *(entry(each) for each in images)), ())


@pytest.mark.parametrize("platform", ["arm64", ""])
def test_an_image_that_is_called_an_attestation(source: MemorySource, platform: str) -> None:
    """Engines choose by platform, and look at no annotation: what is not of `unknown/unknown` may be run."""
    good, bad = push(source, None), push(source, None, architecture="arm64")
    said = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": str(good.digest)}
    other = push(source, None, architecture="s390x")
    index = index_of(source, entry(good, "amd64"), entry(bad, platform, annotations=said), entry(other, "s390x"))
    assert set(to_judge(source, index, ())) == {good.digest, bad.digest, other.digest}
    two = tuple(parse_platform(f"linux/{each}") for each in ("amd64", "s390x"))
    assert set(to_judge(source, index, two)) == {good.digest, bad.digest, other.digest}  # it would come along
    assert to_judge(source, index, two[:1]) == (good.digest,)  # without the index it does not
    with pytest.raises(NotFound):
        to_judge(source, index, (parse_platform("linux/arm64"),))


def test_combined() -> None:
    assert combined([]) is UNDETERMINED
    for each in Decision:
        assert combined([each]) is each
    for decisions in product(Decision, repeat=3):
        together = combined(list(decisions))
        assert (together is ACCEPT) == (set(decisions) == {ACCEPT})
        assert (together is REJECT) == (REJECT in decisions)


def test_decisions_are_these() -> None:
    """Another one would be a new kind of no."""
    assert set(Decision) == {ACCEPT, REJECT, UNDETERMINED}
