from collections.abc import Iterator

import pytest

from affineur.errors import NotFound
from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.image.image import open_image
from affineur.oci.reference import parse_reference
from affineur.source.registry import RegistrySource
from support.registry import Registry, tar_of


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as served:
        yield served


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(addresses=AddressPolicy(["127.0.0.0/8"]), environment={}, sleep=lambda seconds: None) as made:
        yield made


def source(registry: Registry, client: Client, name: str = "team/app:1") -> RegistrySource:
    return RegistrySource(parse_reference(f"{registry.host}/{name}"), client)


def test_opens_what_was_pushed(registry: Registry, client: Client) -> None:
    digest = registry.push("team/app", "1", [tar_of({"etc/os-release": b"ID=debian\n"})])
    image = open_image(source(registry, client))
    assert (image.digest, len(image.layers)) == (digest, 1)


def test_asks_once_per_document(registry: Registry, client: Client) -> None:
    registry.push("team/app", "1", [tar_of({"a": b"b"})])
    image = open_image(source(registry, client))
    paths = [path for _, path in registry.requests]
    assert paths == ["/v2/team/app/manifests/1", f"/v2/team/app/blobs/{image.manifest.config.digest}"]


def test_pages_of_tags_are_followed(registry: Registry, client: Client) -> None:
    for number in range(7):
        registry.push("team/app", f"t{number}", [])
    registry.page_size = 3
    assert list(source(registry, client).tags()) == [f"t{number}" for number in range(7)]
    assert len(registry.requests) == 3


def test_an_unknown_tag_is_named(registry: Registry, client: Client) -> None:
    registry.push("team/app", "1", [])
    with pytest.raises(NotFound, match=r"team/app:2.*MANIFEST_UNKNOWN"):
        source(registry, client, "team/app:2").manifest()


@pytest.mark.parametrize("login", [None, ("user", "secret")])
def test_a_token_is_fetched_when_asked_for(registry: Registry, client: Client, login: tuple[str, str] | None) -> None:
    from affineur.source.credentials import Login

    registry.push("team/app", "1", [])
    registry.bearer, registry.login = True, login
    logins = {registry.host: Login(*login)} if login else {}
    opened = RegistrySource(parse_reference(f"{registry.host}/team/app:1"), client, logins)
    assert len(open_image(opened).layers) == 0
    assert [path.partition("?")[0] for _, path in registry.requests].count("/token") == 1


def test_warnings_are_kept_once(registry: Registry, client: Client) -> None:
    registry.push("team/app", "1", [])
    registry.warnings = ["this image will go", "this image will go", "soon"]
    opened = source(registry, client)
    open_image(opened)
    assert opened.warnings == ("this image will go", "soon")
