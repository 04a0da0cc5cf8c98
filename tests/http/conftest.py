from collections.abc import Callable, Iterator
from typing import Any

import pytest

from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from support.registry import Registry


@pytest.fixture
def server() -> Iterator[Registry]:
    with Registry() as served:
        yield served


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(addresses=AddressPolicy(["127.0.0.0/8"]), environment={}, sleep=lambda seconds: None) as made:
        yield made


@pytest.fixture
def make_client() -> Iterator[Callable[..., Client]]:
    """Clients with settings of the test's own, closed at its end; they never sleep."""
    made: list[Client] = []

    def make(**settings: Any) -> Client:
        made.append(Client(**{"environment": {}, "sleep": lambda seconds: None, **settings}))
        return made[-1]

    yield make
    for client in made:
        client.close()
