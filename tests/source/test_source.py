"""The contract of `Source`, held against every implementation."""

from collections.abc import Callable, Iterator

import pytest

from affineur.errors import NotFound, SizeMismatch
from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.image.image import open_image
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.reference import parse_reference
from affineur.source.memory import MemorySource
from affineur.source.registry import RegistrySource
from affineur.source.source import Source
from support.registry import Registry, tar_of

Open = Callable[[str], Source]
TAR = tar_of({"etc/os-release": b"ID=debian\n"})


@pytest.fixture(params=["registry", "memory"])
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens references of one and the same image, tagged 1 and 2."""
    with Registry() as registry, Client(addresses=AddressPolicy(["127.0.0.0/8"]), environment={}) as client:
        digest = registry.push("team/app", "1", [TAR])
        content, media_type = registry.manifest("team/app", digest) or (b"", "")
        registry.add_manifest("team/app", "2", content, media_type)

        def memory(name: str) -> Source:
            source = MemorySource(parse_reference(f"registry.example/{name}"))
            if source.reference.repository == "team/app":
                for blob in registry.blobs("team/app"):
                    source.add_blob(blob)
                for tag in ("1", "2"):
                    source.add_manifest(content, media_type, tag)
            return source

        def served(name: str) -> Source:
            return RegistrySource(parse_reference(f"{registry.host}/{name}"), client)

        yield served if request.param == "registry" else memory


def test_a_tags_digest_is_the_hash_of_what_came(opened: Open) -> None:
    document = opened("team/app:1").manifest()
    assert document.digest == Digest.of(document.content)


def test_tag_and_digest_lead_to_the_same(opened: Open) -> None:
    document = opened("team/app:1").manifest()
    assert opened(f"team/app@{document.digest}").manifest().content == document.content
    assert opened("team/app:2").manifest(document.digest).content == document.content


def test_an_image_opens(opened: Open) -> None:
    image = open_image(opened("team/app:1"))
    assert (image.platform.architecture, len(image.layers)) == ("amd64", 1)


def test_a_blob_is_whole_or_an_error(opened: Open) -> None:
    source = opened("team/app:1")
    layer = open_image(source).layers[0]
    assert len(b"".join(source.blob(layer))) == layer.size
    with pytest.raises(SizeMismatch):
        list(source.blob(Descriptor(layer.media_type, layer.digest, layer.size + 1)))


def test_nothing_is_asked_before_the_first_chunk(opened: Open) -> None:
    missing = opened("team/app:1").blob(Descriptor("a/b", Digest.of(b"no such blob"), 12))
    with pytest.raises(NotFound):
        next(missing)


def test_embedded_content_is_not_asked_for(opened: Open) -> None:
    nowhere = Descriptor("a/b", Digest.of(b"{}"), 2, data="e30=")
    assert list(opened("team/app:1").blob(nowhere)) == [b"{}"]


def test_every_tag_is_listed(opened: Open) -> None:
    assert sorted(opened("team/app:1").tags()) == ["1", "2"]


def test_what_is_not_there_is_not_found(opened: Open) -> None:
    with pytest.raises(NotFound):
        opened("team/app:3").manifest()
    with pytest.raises(NotFound):
        opened("team/none:1").manifest()
    with pytest.raises(NotFound):
        list(opened("team/none:1").tags())
