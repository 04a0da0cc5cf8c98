from collections.abc import Callable, Iterator

import pytest

from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.oci.reference import parse_reference
from affineur.source.credentials import Found, KnownLogins, Login
from affineur.source.registry import RegistrySource
from support.registry import Registry

OpenSource = Callable[..., RegistrySource]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as served:
        yield served


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(addresses=AddressPolicy(["127.0.0.0/8"]), environment={}, sleep=lambda seconds: None) as made:
        yield made


@pytest.fixture
def source(registry: Registry, client: Client) -> OpenSource:
    """A source of the registry, by what follows its host; `login` is one for the registry's host."""

    def make(name: str = "team/app:1", login: tuple[str, str] | None = None) -> RegistrySource:
        logins = KnownLogins({registry.host: Found(Login(*login), "the test")} if login else {})
        return RegistrySource(parse_reference(f"{registry.host}/{name}"), client, logins)

    return make
