"""The contract of `Target`, held against every implementation."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from affineur.errors import (
    ContentError,
    DigestMismatch,
    NotFound,
    SizeMismatch,
    SourceError,
    Unreachable,
    UnsupportedContent,
)
from affineur.http.client import Client
from affineur.oci.blob import Verification
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.manifest import read_manifest
from affineur.oci.reference import parse_reference
from affineur.source.memory import MemorySource
from affineur.source.opening import open_source
from affineur.source.registry import RegistrySource
from affineur.source.source import Source
from affineur.target.opening import open_target
from affineur.target.registry import RegistryTarget
from affineur.target.target import Target
from support.carrying import (
    TAR,
    blobs_of,
    broken,
    carry,
    content_of,
    memory,
    nothing,
    push,
    push_index,
    push_referrer,
)
from support.pushing import PushableRegistry
from support.registry import layer, tar_of

KINDS = ["oci", "oci-archive", "docker-archive", "dir", "registry", "registry-with-api", "registry-that-forgets"]
TEXTS = {
    "oci": "oci:{}/layout:1",
    "oci-archive": "oci-archive:{}/layout.tar:1",
    "docker-archive": "docker-archive:{}/save.tar:team/app:1",
    "dir": "dir:{}/dir",
}


class Remembering:
    """Sessions of all targets of one test."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def recall(self, place: str) -> str | None:
        return self._kept.get(place)

    def keep(self, place: str, location: str) -> None:
        self._kept[place] = location

    def forget(self, place: str) -> None:
        self._kept.pop(place, None)


class Place:
    """One place of one kind, which may be written and read again and again.

    Attributes:
        keeps: whether what was put there and never finished is there for the next.
    """

    def __init__(self, kind: str, folder: Path, registry: PushableRegistry, client: Client) -> None:
        self.kind = kind
        self.keeps = not kind.endswith("-archive")
        self.is_registry = kind.startswith("registry")
        self.text = f"{registry.host}/team/app:1" if self.is_registry else TEXTS[kind].format(folder)
        self.registry = registry
        registry.referrers_api = kind == "registry-with-api"
        registry.keeps_cut = kind != "registry-that-forgets"
        self._client = client
        self._sessions = Remembering()

    def open(self) -> Target:
        """For writing."""
        return open_target(self.text, self._target)

    def written(self) -> Source:
        """For reading."""
        return open_source(self.text, lambda text: RegistrySource(parse_reference(text), self._client))

    def _target(self, text: str) -> Target:
        reference = parse_reference(text)
        return RegistryTarget(reference, self._client, sessions=self._sessions, sleep=lambda _: None)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with PushableRegistry() as registry, Client(environment={}) as client:
        yield Place(request.param, tmp_path, registry, client)


@pytest.fixture
def source() -> MemorySource:
    return memory()


def test_nothing_is_there_before(place: Place, source: MemorySource, tmp_path: Path) -> None:
    target, document = place.open(), push(source)
    assert target.digest() is None
    assert target.digest(document.digest) is None
    assert target.manifest(document.digest) is None
    assert not any(target.has_blob(each) for each in blobs_of(document))
    target.finish()
    target.abandon()
    assert list(tmp_path.iterdir()) == []  # looking makes nothing


def test_an_image_is_there_after_it(place: Place, source: MemorySource) -> None:
    """Byte for byte where the place keeps manifests; else the same configuration and the same content of layers."""
    target, document = place.open(), push(source, "1", TAR, tar_of({"b": b"c"}))
    carry(source, target, document)
    assert target.digest() == document.digest
    assert target.digest(document.digest) == document.digest
    stored = target.manifest(document.digest)
    assert stored is not None
    assert stored.content == document.content
    assert all(target.has_blob(each) for each in blobs_of(document))
    target.finish()
    read = place.written()
    found = read.manifest()
    if target.holds.manifests:
        assert [layer.digest for layer in blobs_of(found)[1:]] == [Digest.of(TAR), Digest.of(tar_of({"b": b"c"}))]
        assert blobs_of(found)[0].digest == blobs_of(document)[0].digest
    else:
        assert (found.content, found.digest) == (document.content, document.digest)
    for blob in blobs_of(found):
        assert len(b"".join(read.blob(blob))) == blob.size


def test_docker_media_types_are_kept(place: Place, source: MemorySource) -> None:
    target, document = place.open(), push(source, docker=True)
    carry(source, target, document)
    target.finish()
    found = place.written().manifest()
    assert read_manifest(found).media_type == document.media_type
    assert target.holds.manifests or found.content == document.content


def test_an_index_of_several_platforms(place: Place, source: MemorySource) -> None:
    children = [push(source, None, architecture=each) for each in ("amd64", "s390x")]
    index, target = push_index(source, "1", *children), place.open()
    if target.holds.indexes:
        with pytest.raises(UnsupportedContent, match="--platform"):
            carry(source, target, index)
        target.abandon()
        return
    carry(source, target, index)
    target.finish()
    read = place.written()
    assert read.manifest().content == index.content
    for child in children:
        assert read.manifest(child.digest).content == child.content
        assert all(b"".join(read.blob(each)) for each in blobs_of(child))


def test_referrers_are_found_at_the_target(place: Place, source: MemorySource) -> None:
    image, target = push(source), place.open()
    if target.holds.referrers:
        return
    about = {"kind": "a", "org.opencontainers.image.ref.name": "1"}  # it names itself like the image
    sbom = push_referrer(source, image, annotations=about)
    signature = push_referrer(source, sbom, b"a signature", artifactType="application/vnd.example.signature")
    other = push_referrer(source, push(source, None, architecture="s390x"), b"of another one")
    carry(source, target, image)
    for referrer in (sbom, signature, other):
        for blob in blobs_of(referrer):
            if not target.has_blob(blob):
                target.put_blob(blob, content_of(source, blob), nothing)
        for _ in range(2):  # again after an interruption
            target.put_manifest(referrer)
    target.finish()
    read = place.written()
    assert read.manifest().content == image.content
    assert [each.digest for each in read.referrers(image.digest).found] == [sbom.digest]
    assert [each.digest for each in read.referrers(sbom.digest).found] == [signature.digest]
    assert read.referrers(image.digest).problems == ()
    assert {tag for tag in read.tags() if not tag.startswith("sha256-")} == {"1"}


def test_further_tags(place: Place, source: MemorySource) -> None:
    image, target = push(source), place.open()
    if place.kind == "dir":
        return
    carry(source, target, image)
    cosign = f"{image.digest.replace(':', '-')}.sig"
    for tag in ("2", cosign) if not target.holds.referrers else ("2",):
        target.put_tag(image, tag)
        assert target.digest(tag) == image.digest
    assert target.digest("3") is None
    target.finish()
    tags = {each.rpartition("/")[2].rpartition(":")[2] for each in place.written().tags()}
    assert tags == ({"1", "2"} if target.holds.referrers else {"1", "2", cosign})


def test_embedded_content_is_stored_like_all_other(place: Place, source: MemorySource) -> None:
    if place.kind == "docker-archive":
        return
    nowhere = Descriptor("a/b", Digest.of(b"{}"), 2, data="e30=")
    target = place.open()
    target.put_blob(nowhere, content_of(source, nowhere), nothing)
    assert target.has_blob(msgspec.structs.replace(nowhere, data=None))


def test_progress_is_told_in_bytes_as_they_are_transferred(place: Place, source: MemorySource) -> None:
    document, told = push(source), list[int]()
    blob = blobs_of(document)[1]
    assert place.open().put_blob(blob, content_of(source, blob), told.append) == 0
    assert sum(told) == blob.size


@pytest.mark.parametrize("wrong", ["other bytes", "too few", "too many", "cut"])
def test_what_is_not_as_promised_is_not_there(place: Place, source: MemorySource, wrong: str) -> None:
    document = push(source)
    blob = blobs_of(document)[1]
    whole = b"".join(source.blob(blob))
    tail = {"other bytes": whole[-8:-1] + b"?", "too few": b"", "too many": whole[-8:] + b"?", "cut": b""}[wrong]
    lying = memory()
    lying.add_blob(whole[:-8] + tail, blob.digest)
    content = content_of(lying, blob)
    raises: type[Exception] = DigestMismatch if wrong == "other bytes" else SizeMismatch
    if place.kind == "docker-archive":
        raises = ContentError  # unpacking may notice it before the digest does
    if wrong == "cut":
        content, raises = broken(source, blob, 1_000, Unreachable("cut")), Unreachable
    target = place.open()
    with pytest.raises(raises):
        target.put_blob(blob, content, nothing)
    assert not target.has_blob(blob)
    assert not place.open().has_blob(blob)
    with pytest.raises(NotFound):
        place.written().manifest()
    carry(source, target, document)  # and nothing broken is in the way of the next attempt
    target.finish()
    assert place.written().manifest().media_type is not None
    assert all(b"".join(place.written().blob(each)) for each in blobs_of(place.written().manifest()))


def test_a_content_that_does_not_check_itself_is_not_believed_in_its_size(place: Place, source: MemorySource) -> None:
    blob = blobs_of(push(source))[1]
    target = place.open()
    with pytest.raises(SizeMismatch):
        target.put_blob(blob, lambda begun: iter([layer(b"").content]), nothing)
    assert not target.has_blob(blob)


def test_an_interrupted_blob_is_gone_on_with(place: Place, source: MemorySource) -> None:
    document = push(source, "1", tar_of({"a": bytes(range(256)) * 10_000}), compression="none")
    blob = blobs_of(document)[1]
    for _ in range(2):
        target = place.open()
        with pytest.raises(Unreachable):
            target.put_blob(blob, broken(source, blob, 100_000, Unreachable("cut")), nothing)
        target.abandon()
        until = time.monotonic() + 5
        while place.kind in ("registry", "registry-with-api") and time.monotonic() < until:
            if any(session.content for session in place.registry.sessions.values()):
                break  # a server learns of a cut when it gets to it
            time.sleep(0.01)
    began = list[int]()

    def content(begun: Verification) -> Iterator[bytes]:
        began.append(begun.received)
        yield from source.blob(blob, begun)

    target, told = place.open(), list[int]()
    had = target.put_blob(blob, content, told.append)
    if place.is_registry:  # its last bytes are held back until all were checked, and it may lose what was cut
        assert (had > 0) is (place.kind != "registry-that-forgets")
        assert began == [0]  # all are checked once more: who knows what an earlier process has sent
    else:
        assert began == [had]
        assert had == (200_000 if place.keeps else 0)
    assert sum(told) == blob.size - had
    assert target.has_blob(blob)


def test_what_was_given_up_is_no_image(place: Place, source: MemorySource, tmp_path: Path) -> None:
    document, target = push(source), place.open()
    for blob in blobs_of(document):
        target.put_blob(blob, content_of(source, blob), nothing)
    target.put_manifest(document)
    target.abandon()
    target.abandon()
    with pytest.raises(NotFound):
        place.written().manifest()
    assert place.keeps or list(tmp_path.iterdir()) == []
    assert all(place.open().has_blob(blob) is place.keeps for blob in blobs_of(document))


def test_threads_do_not_meet(place: Place, source: MemorySource) -> None:
    """The same blobs from many threads, as two images of one index have them: whole, whoever comes first."""
    tars = [tar_of({f"{number}": bytes([number]) * 300_000}) for number in range(6)]
    document, target = push(source, "1", *tars), place.open()

    def put(position: int) -> None:
        blob = blobs_of(document)[position % 7]
        target.put_blob(blob, content_of(source, blob), nothing)
        assert target.has_blob(blob)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(28)))
    target.put_manifest(document)
    target.put_tag(document)
    target.finish()
    read = place.written()
    assert [len(b"".join(read.blob(each))) for each in blobs_of(read.manifest())]


def test_what_cannot_be_verified_is_not_stored(place: Place, source: MemorySource) -> None:
    unknown, target = Descriptor("a/b", Digest("blake3:" + "0" * 64), 12), place.open()
    asked: list[object] = []

    def content(begun: Verification) -> Iterator[bytes]:
        asked.append(begun)
        yield b""

    with pytest.raises(UnsupportedContent):
        target.put_blob(unknown, content, nothing)
    with pytest.raises(UnsupportedContent):
        target.has_blob(unknown)
    assert asked == []


def test_a_second_image_instead_of_the_first(place: Place, source: MemorySource) -> None:
    """A layout and a folder are written again; an archive has its name once, and is refused after that."""
    first, second = push(source, "1"), push(source, "2", TAR, tar_of({"b": b"c"}))
    carry(source, target := place.open(), first)
    target.finish()
    target = place.open()
    if not place.keeps:
        with pytest.raises(SourceError, match="exists, and an archive is not written over"):
            carry(source, target, second)
        target.abandon()
        second = first
    else:
        carry(source, target, second)
        target.finish()
    found = place.written().manifest()
    assert target.holds.manifests or found.content == second.content
    assert all(b"".join(place.written().blob(each)) for each in blobs_of(found))


def test_the_same_image_again_costs_nothing(place: Place, source: MemorySource) -> None:
    document = push(source)
    carry(source, target := place.open(), document)
    target.finish()
    target = place.open()
    if place.kind == "docker-archive":
        with pytest.raises(SourceError, match="exists"):
            target.digest()
        return
    assert target.digest() == document.digest
    carry(memory(), target, document)
    target.finish()
    assert place.written().manifest().content == document.content


def test_nothing_is_mounted_from_elsewhere(place: Place, source: MemorySource) -> None:
    blob = blobs_of(push(source))[0]
    assert not place.open().mount(blob, source.reference)


def test_an_empty_layer(place: Place, source: MemorySource) -> None:
    document, target = push(source, "1", bytes(1024), TAR, bytes(1024)), place.open()
    carry(source, target, document)
    target.finish()
    assert len(blobs_of(place.written().manifest())) == 4
