"""The contract of `Source`, held against every implementation: registry, memory, and every form on a disk."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from affineur.errors import DigestMismatch, NotFound, SizeMismatch, UnsupportedContent
from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.image.image import open_image, read_child
from affineur.oci.blob import Verification
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.platform import parse_platform
from affineur.oci.reference import parse_reference
from affineur.source.memory import MemorySource
from affineur.source.opening import open_source
from affineur.source.registry import RegistrySource
from affineur.source.source import Source
from support.places import stored, write_dir, write_docker_archive, write_layout, write_tar
from support.registry import Answer, Registry, tar_of

TAR = tar_of({"etc/os-release": b"ID=debian\n", "big": bytes(range(256)) * 12_000})
CONFIG = {"architecture": "amd64", "os": "linux"}
REPOSITORY = "team/app"
KINDS = ["registry", "memory", "oci", "oci-archive", "oci-archive.gz", "docker-archive", "docker-archive.gz", "dir"]


class Place:
    """What a registry's repository holds, in one kind of place.

    Attributes:
        tags: those of the place, as it has them; the registry has 1 and 2.
    """

    def __init__(self, kind: str, folder: Path, registry: Registry, client: Client, bent: Mapping[str, bytes]) -> None:
        """Args: bent: digest → other bytes, to lie in the place of what has that digest."""
        self.kind = kind
        self.tags = {"dir": [], "docker-archive": ["app:1", "app:2"]}.get(kind.removesuffix(".gz"), ["1", "2"])
        self._folder, self._registry, self._client, self._bent = folder, registry, client, bent
        for digest, content in bent.items():
            registry.misbehave[f"/v2/{REPOSITORY}/blobs/{digest}"] = Answer(body=content)
        suffix = ".gz" if kind.endswith(".gz") else ""
        if kind.startswith("oci"):
            layout = write_layout(folder / "layout", registry, REPOSITORY, bent)
            write_tar(folder / f"layout.tar{suffix}", layout)
        elif kind == "dir":
            write_dir(folder / "dir", registry, REPOSITORY, "1", bent)
        elif kind.startswith("docker"):
            images = {"app:1": [TAR], "app:2": [TAR]}
            write_docker_archive(folder / f"save.tar{suffix}", images, CONFIG, bent=8 if bent else 0)

    def open(self, tag: str, *, nowhere: bool = False) -> Source:
        """The image of a tag. Args: nowhere: in a place that does not exist."""
        if self.kind == "registry":
            repository = "team/none" if nowhere else REPOSITORY
            return RegistrySource(parse_reference(f"{self._registry.host}/{repository}:{tag}"), self._client)
        if self.kind == "memory":
            return self._memory("team/none" if nowhere else REPOSITORY, tag)
        transport, _, suffix = self.kind.partition(".")
        suffix = (f".{suffix}" if suffix else "") + (".none" if nowhere else "")
        texts = {
            "oci": f"oci:{self._folder}/layout{suffix}:{tag}",
            "oci-archive": f"oci-archive:{self._folder}/layout.tar{suffix}:{tag}",
            "docker-archive": f"docker-archive:{self._folder}/save.tar{suffix}:app:{tag}",
            "dir": f"dir:{self._folder}/dir{suffix}",
        }
        return open_source(texts[transport], self._in_registry)

    @staticmethod
    def _in_registry(text: str) -> Source:
        pytest.fail(f"{text} was looked for in a registry")

    def _memory(self, repository: str, tag: str) -> Source:
        source = MemorySource(parse_reference(f"registry.example/{repository}:{tag}"))
        if repository == REPOSITORY:
            for digest, content in stored(self._registry, REPOSITORY).items():
                _, media_type = self._registry.manifest(REPOSITORY, digest) or (b"", None)
                if media_type is None:
                    source.add_blob(self._bent.get(digest, content), Digest(digest))
                else:
                    source.add_manifest(content, media_type)
            for name in self._registry.tags(REPOSITORY) or ():
                source.add_manifest(*(self._registry.manifest(REPOSITORY, name) or (b"", "")), name)
        return source


Make = Callable[..., Place]


@pytest.fixture
def services() -> Iterator[tuple[Registry, Client]]:
    with Registry() as registry, Client(addresses=AddressPolicy(["127.0.0.0/8"]), environment={}) as client:
        yield registry, client


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, tmp_path: Path, services: tuple[Registry, Client]) -> Make:
    """Makes one and the same image, tagged 1 and 2, in each kind of place; its layer bent, if that is wanted."""
    registry, client = services

    def made(*, bent: bool = False) -> Place:
        content, media_type = registry.manifest(REPOSITORY, registry.push(REPOSITORY, "1", [TAR])) or (b"", "")
        registry.add_manifest(REPOSITORY, "2", content, media_type)
        promised = json.loads(content)["layers"][0]["digest"]
        other = (registry.blob(REPOSITORY, promised) or b"")[:-8] + b"bentbent"
        return Place(request.param, tmp_path, registry, client, {promised: other} if bent else {})

    return made


@pytest.fixture
def place(make: Make) -> Place:
    return make()


@pytest.fixture(params=[kind for kind in KINDS if not kind.startswith("docker")])
def index(request: pytest.FixtureRequest, tmp_path: Path, services: tuple[Registry, Client]) -> Source:
    """An index of two platforms, in each kind of place that can have one."""
    registry, client = services
    children = []
    for architecture in ("amd64", "s390x"):
        digest = registry.push(REPOSITORY, None, [TAR], architecture=architecture)
        children.append({"digest": digest, "platform": {"os": "linux", "architecture": architecture}})
    registry.push_index(REPOSITORY, "1", children)
    return Place(request.param, tmp_path, registry, client, {}).open("1")


def test_a_tags_digest_is_the_hash_of_what_came(place: Place) -> None:
    document = place.open("1").manifest()
    assert document.digest == Digest.of(document.content)


def test_tag_and_digest_lead_to_the_same(place: Place) -> None:
    document = place.open("1").manifest()
    assert place.open("2").manifest(document.digest).content == document.content
    assert [place.open("1").manifest(tag).content for tag in place.tags] == [document.content for _ in place.tags]


def test_sha512_leads_there_too(place: Place) -> None:
    """OCI image-spec 1.1, descriptor.md § Digests: both algorithms are registered; a layout keeps one folder each."""
    document = place.open("1").manifest()
    digest = Digest.of(document.content, "sha512")
    if place.kind in ("dir", "docker-archive", "docker-archive.gz"):
        assert place.open("1").manifest(digest).digest == digest
    else:
        with pytest.raises(NotFound):
            place.open("1").manifest(digest)


def test_an_image_opens(place: Place) -> None:
    image = open_image(place.open("1"))
    assert (image.platform.architecture, len(image.layers)) == ("amd64", 1)
    assert image.diff_ids == (Digest.of(TAR),)


def test_a_blob_is_whole_or_an_error(place: Place) -> None:
    source = place.open("1")
    promise = open_image(source).layers[0]
    assert len(b"".join(source.blob(promise))) == promise.size
    for wrong in (-1, +1):
        with pytest.raises(SizeMismatch):
            list(source.blob(Descriptor(promise.media_type, promise.digest, promise.size + wrong)))


def test_a_blob_goes_on_where_its_check_stands(place: Place) -> None:
    source = place.open("1")
    promise = open_image(source).layers[0]
    whole = b"".join(source.blob(promise))
    for start in (0, 1, promise.size - 1, promise.size):
        begun = Verification(promise)
        begun.take(whole[:start], "x")
        assert b"".join(source.blob(promise, begun.copy())) == whole[start:]
        other = Verification(promise)
        other.take(bytes(start), "x")
        if start:
            with pytest.raises(DigestMismatch):
                list(source.blob(promise, other))


def test_chunks_are_bounded(place: Place) -> None:
    source = place.open("1")
    assert max(len(chunk) for chunk in source.blob(open_image(source).layers[0])) <= 1024 * 1024


def test_another_content_of_the_same_size_is_noticed(make: Make) -> None:
    source = make(bent=True).open("1")
    with pytest.raises(DigestMismatch):
        list(source.blob(open_image(source).layers[0]))


def test_nothing_is_asked_before_the_first_chunk(place: Place) -> None:
    missing = place.open("1").blob(Descriptor("a/b", Digest.of(b"no such blob"), 12))
    with pytest.raises(NotFound):
        next(missing)


def test_what_cannot_be_verified_is_not_looked_for(place: Place) -> None:
    unknown = Descriptor("a/b", Digest("blake3:" + "0" * 64), 12)
    with pytest.raises(UnsupportedContent):
        next(place.open("1").blob(unknown))


def test_embedded_content_is_not_asked_for(place: Place) -> None:
    nowhere = Descriptor("a/b", Digest.of(b"{}"), 2, data="e30=")
    assert list(place.open("1").blob(nowhere)) == [b"{}"]


def test_every_tag_is_listed(place: Place) -> None:
    assert sorted(place.open("1").tags()) == place.tags


def test_what_is_not_there_is_not_found(place: Place) -> None:
    with pytest.raises(NotFound):
        place.open("1").manifest("3")
    with pytest.raises(NotFound):
        place.open("1").manifest(Digest.of(b"no such manifest"))
    with pytest.raises(NotFound):
        place.open("1", nowhere=True).manifest()
    with pytest.raises(NotFound):
        list(place.open("1", nowhere=True).tags())
    if place.tags:
        with pytest.raises(NotFound):
            place.open("3").manifest()


def test_a_local_place_asks_no_host(place: Place) -> None:
    source = place.open("1")
    list(source.blob(open_image(source).layers[0]))
    assert bool(source.hosts) == (place.kind == "registry")
    assert (source.warnings, source.rate_limit) == ((), None)


def test_threads_do_not_meet(place: Place) -> None:
    """Members of one archive are read from many places at once; each reader has a position of its own."""
    source = place.open("1")

    def read(_: int) -> tuple[bytes, int]:
        image = open_image(source)
        return image.document.content, len(b"".join(source.blob(image.layers[0])))

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(read, range(24)))) == 1


def test_every_platform_of_an_index_opens(index: Source) -> None:
    for architecture in ("amd64", "s390x"):
        image = open_image(index, parse_platform(f"linux/{architecture}"))
        assert image.platform.architecture == architecture
        assert len(b"".join(index.blob(image.layers[0]))) == image.layers[0].size
    assert [read_child(index, each.descriptor)[1].architecture for each in image.children] == ["amd64", "s390x"]


def test_a_child_of_another_size_than_promised_is_refused(index: Source) -> None:
    promise = open_image(index, parse_platform("linux/amd64")).children[0].descriptor
    with pytest.raises(SizeMismatch):
        read_child(index, msgspec.structs.replace(promise, size=promise.size + 1))
