from collections.abc import Iterator

import pytest

from affineur.errors import Denied, ForbiddenAddress, NotFound, Unreachable
from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.http.mirrors import MirrorMap
from affineur.source.credentials import Found, Login
from affineur.source.trial import try_login
from support.docker_registry import free_port
from support.registry import Answer, Registry
from support.token_service import TokenService

RIGHT = Found(Login("user", "s3cret"), "standard input")
WRONG = Found(Login("user", "guessed"), "standard input")
IDENTITY = Found(Login("", "", "refresh-me"), "a helper")


@pytest.fixture
def service() -> Iterator[TokenService]:
    with TokenService(logins={"user": "s3cret"}, identity_tokens={"refresh-me"}) as served:
        yield served


def test_basic(registry: Registry, client: Client) -> None:
    registry.login = ("user", "s3cret")
    assert try_login(client, registry.host, RIGHT) is True
    assert [path for _, path in registry.requests] == ["/v2/", "/v2/"]
    assert "Authorization" not in registry.seen_headers[0]
    with pytest.raises(Denied, match=r"does not take the login from standard input \(HTTP 401\)") as caught:
        try_login(client, registry.host, WRONG)
    assert "guessed" not in str(caught.value)


def test_bearer(registry: Registry, client: Client, service: TokenService) -> None:
    """Without a scope: the login alone is tried, whatever it may read."""
    service.guard(registry, "/v2/", scope=None)
    assert try_login(client, registry.host, RIGHT) is True
    assert "scope" not in service.asked[0].fields
    assert try_login(client, registry.host, IDENTITY) is True
    with pytest.raises(Denied, match=r"token service.*standard input.*incorrect username or password"):
        try_login(client, registry.host, WRONG)


def test_a_token_that_the_registry_does_not_take(registry: Registry, client: Client, service: TokenService) -> None:
    service.guard(registry, "/v2/", scope=None)
    service.refuse = Answer(200, body=b'{"token": "of-another"}')
    with pytest.raises(Denied, match="does not take the login"):
        try_login(client, registry.host, RIGHT)


def test_a_registry_that_asks_for_none_has_not_tried_it(registry: Registry, client: Client) -> None:
    assert try_login(client, registry.host, RIGHT) is None
    assert "Authorization" not in registry.seen_headers[0]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(404, body=b"<html>"), NotFound, "no registry"),
        (Answer(401), Denied, "offered: none"),
        (Answer(401, [("WWW-Authenticate", "Negotiate")]), Denied, "offered: negotiate"),
        (Answer(401, [("WWW-Authenticate", 'Bearer realm="http://192.0.2.1/"')]), ForbiddenAddress, "another host"),
    ],
)
def test_what_is_no_answer(
    registry: Registry, client: Client, answer: Answer, error: type[Exception], words: str
) -> None:
    registry.misbehave["/v2/"] = answer
    with pytest.raises(error, match=words):
        try_login(client, registry.host, RIGHT)


def test_another_one_to_which_it_redirects_may_not_ask(registry: Registry, client: Client) -> None:
    with Registry() as other:
        other.login = ("user", "s3cret")
        registry.misbehave["/v2/"] = Answer(307, [("Location", f"{other.url}/v2/")])
        with pytest.raises(Denied, match=f"redirects to {other.host}"):
            try_login(client, registry.host, RIGHT)
        assert all("Authorization" not in headers for headers in other.seen_headers)


def test_nobody_there(client: Client) -> None:
    with pytest.raises(Unreachable):
        try_login(client, f"127.0.0.1:{free_port()}", RIGHT)


def test_a_mirror_does_not_get_it(registry: Registry) -> None:
    mirrors = MirrorMap([f"https://registry.example={registry.url}"])
    with (
        Client(addresses=AddressPolicy(["127.0.0.0/8"]), mirrors=mirrors, environment={}) as client,
        pytest.raises(ForbiddenAddress, match="mapped to"),
    ):
        try_login(client, "registry.example", RIGHT)
    assert registry.requests == []
