"""Logins and tokens do not come back out of what a server says."""

import base64

import pytest

from affineur.errors import Error, ForbiddenAddress
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.secrets import MAX_SECRETS, Secrets
from support.registry import Answer, Registry

OWN = Reach.OWN
PAIR = base64.b64encode(b"me:p&ss w\xc3\xb6rd").decode()
SPELLINGS = ["p&ss wörd", "p%26ss%20w%C3%B6rd", "p%26ss+w%C3%B6rd", "me:p&ss wörd", PAIR]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_password_is_hidden_in_every_spelling(spelling: str) -> None:
    secrets = Secrets()
    assert secrets.hidden(f"a {spelling} b") == f"a {spelling} b"
    secrets.note({"authorization": f"Basic {PAIR}"})
    assert secrets.hidden(f"a {spelling} b") == "a … b"


def test_tokens_and_forms() -> None:
    secrets = Secrets()
    secrets.note({"Authorization": "Bearer abc.def", "Accept": "a/b"}, {"password": "hunter2", "scope": "repository"})
    assert secrets.hidden("abc.def a/b hunter2 repository Bearer") == "… a/b … repository Bearer"


def test_a_password_that_is_in_every_word_is_left() -> None:
    secrets = Secrets()
    secrets.note({"Authorization": "Basic " + base64.b64encode(b"me:e").decode()})
    assert secrets.hidden("the end") == "the end"


@pytest.mark.parametrize(
    "value", ["Basic", "Basic !!!!", "Basic /w==", "Basic " + base64.b64encode(b"\xff:x").decode(), ""]
)
def test_a_header_that_is_none_is_no_fault(value: str) -> None:
    Secrets().note({"Authorization": value})


def test_the_newest_are_kept() -> None:
    secrets = Secrets()
    for number in range(1000):
        secrets.note({"Authorization": f"Bearer token-{number:04}"})
    assert secrets.hidden("token-0999") == "…"
    assert len(secrets._known) <= MAX_SECRETS


@pytest.mark.parametrize("echoed", SPELLINGS)
def test_an_error_that_says_it_back(server: Registry, client: Client, echoed: str) -> None:
    server.misbehave["/x"] = Answer(418, body=f"no login for {echoed} here".encode())
    with pytest.raises(Error, match="no login for … here"):
        client.get(f"{server.url}/x", limit=100, reach=OWN, headers={"Authorization": f"Basic {PAIR}"})
    with (
        pytest.raises(Error, match="no login for … here"),
        client.stream(f"{server.url}/x", reach=OWN, headers={"Authorization": f"Basic {PAIR}"}),
    ):
        pass
    assert client.hidden(echoed) == "…"


@pytest.mark.parametrize(
    "location", ["http://{}.evil.example/", "http://evil.example/{}", "/x?y={}", "http://{}@evil.example/", "/{}#x"]
)
def test_a_redirect_that_carries_it_on(server: Registry, client: Client, location: str) -> None:
    server.misbehave["/x"] = Answer(307, [("Location", location.format("HUNTER2-token"))])
    with pytest.raises(ForbiddenAddress, match="the login in it") as caught:
        client.get(f"{server.url}/x", limit=100, reach=OWN, headers={"Authorization": "Bearer hunter2-TOKEN"})
    assert "hunter2" not in str(caught.value).lower()
    assert len(server.requests) == 1
