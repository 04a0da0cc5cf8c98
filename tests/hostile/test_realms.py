"""Realms, challenges and tokens: who may be asked for a token, and what a token service may answer."""

import json
import time

import pytest

from support.hostile import MANIFEST, TAGS, TOKEN, Asked, HostileRegistry, Line, reply
from support.hostile_network import PUBLIC
from support.hostile_places import INSIDE, METADATA, NAMES, NO_PLACE
from support.hostile_victim import READING, Victim

EVERY = (*READING, "tags")
MIB = 1 << 20


def challenge(victim: Victim, *lines: str) -> None:
    """Everything is refused with these challenges, whatever comes with it."""
    answer = reply(b"", 401, *(("WWW-Authenticate", line) for line in lines))
    for path in (MANIFEST, TAGS):
        victim.registry.public.add(path)
        victim.registry.tricks[path] = answer


def realm(victim: Victim, where: str) -> None:
    challenge(victim, f'Bearer realm="{where}",service="x"')


@pytest.mark.parametrize("where", METADATA)
def test_at_what_nobody_may_ask(victim: Victim, where: str) -> None:
    victim.network.names |= {name: [addresses] for name, addresses in NAMES.items()}
    realm(victim, where)
    victim.refuse(4, commands=("packages", "tags"))
    assert set(victim.network.connected) == {"127.0.0.1"}


@pytest.mark.parametrize("where", METADATA + INSIDE)
def test_inside_for_a_public_registry(public: Victim, other: HostileRegistry, where: str) -> None:
    public.network.names |= {name: [addresses] for name, addresses in NAMES.items()}
    public.others.append(other)
    for scheme, commands in (("http", ("tags",)), ("https", ("packages",))):
        realm(public, where.replace("http:", f"{scheme}:").replace("PORT", str(other.port)))
        public.logins = ("bearer",) if scheme == "http" else ("nothing", "bearer")
        public.refuse(4, commands=commands)
        assert set(public.network.connected) == {PUBLIC}
    assert other.asked == []


@pytest.mark.parametrize("where", ["http://registry.example/token", "http://elsewhere.example/token"])
def test_without_tls_for_a_registry_with_it(public: Victim, where: str) -> None:
    public.network.names["elsewhere.example"] = [[PUBLIC]]
    realm(public, where)
    public.refuse(4, "without TLS", commands=("packages", "tags"))


@pytest.mark.parametrize(
    "where", ["https://elsewhere.example/token", "http://10.0.0.1/token", "http://elsewhere.example/t"]
)
def test_on_another_host_for_a_registry_without_tls(victim: Victim, where: str) -> None:
    victim.network.names["elsewhere.example"] = [[PUBLIC]]
    realm(victim, where)
    victim.refuse(4, "another host", commands=("packages", "tags"))
    assert set(victim.network.connected) == {"127.0.0.1"}


@pytest.mark.parametrize("where", [*NO_PLACE, "/token", "token", "?x", "x" * 15_000])
def test_that_are_no_place(victim: Victim, where: str) -> None:
    realm(victim, where)
    victim.refuse(4, commands=("packages", "tags"))
    assert set(victim.network.connected) == {"127.0.0.1"}


ODD_REALMS = [
    "{url}#fragment",
    "{url}?a=b",
    "{url}?",
    "{url}?service=other&scope=registry:catalog:*",
    "{url};x",
    "{url}/../x",
    "{url}%0d%0aX: y",
]


@pytest.mark.parametrize("where", ODD_REALMS)
def test_that_are_odd(victim: Victim, where: str) -> None:
    """Asked, or not; nothing of it becomes a header, and the login stays here."""
    url = f"{victim.registry.url}{TOKEN}"
    victim.registry.realm = where.replace("{url}", url)
    victim.logins = ("bearer",)
    for outcome in victim.every("tags"):
        assert outcome.code in (0, 4, 5)
        assert not any(asked.header("X") for asked in victim.registry.asked)


CHALLENGES = {
    "none": [],
    "empty": [""],
    "nothing known": ['Digest realm="x", nonce="y"', "Negotiate abc==", "NTLM", "Mutual"],
    "bearer without a realm": ["Bearer", 'Bearer service="x"', 'Bearer realm=""'],
    "a hundred": [f'Scheme{number} realm="http://169.254.169.254/{number}"' for number in range(95)],
    "a hundred in one": [", ".join(f'Scheme{number} realm="x"' for number in range(300))],
    "a hundred bearers": [", ".join(f'Bearer realm="http://169.254.169.254/{number}"' for number in range(100))],
    "60 KB": ["Bearer " + 'a="b",' * 8000],
    "one long word": ["B" * 60_000],
    "spaces": ["Bearer" + " " * 60_000 + "x"],
    "commas": ["Bearer " + "," * 60_000],
    "quotes": ['Bearer realm="' * 4000],
    "an open quote": ['Bearer realm="' + "\\a" * 30_000],
    "backslashes": ['Bearer realm="' + "\\" * 60_000],
    "equals": ["Bearer " + "=" * 60_000],
    "a realm twice": ['Bearer realm="http://169.254.169.254/a",realm="http://169.254.169.254/b"'],
    "escapes": ['Bearer realm="\x1b[31mhttp://169.254.169.254/"'],
    "no ASCII": ['Bearer realm="\u202e\u00e4"'],
    "basic and a forbidden bearer": ['Bearer realm="http://169.254.169.254/", Basic realm="x"'],
}


@pytest.mark.parametrize("lines", CHALLENGES.values(), ids=CHALLENGES)
def test_challenges(victim: Victim, lines: list[str]) -> None:
    """Whatever is offered, it ends soon; in this process's own time, since all of it is parsing."""
    challenge(victim, *lines)
    victim.logins = ("nothing", "basic")
    started = time.process_time()
    for outcome in victim.every("packages", "tags"):
        outcome.refused(4)
        assert len(victim.registry.asked) <= 12
    assert time.process_time() - started < 10
    assert set(victim.network.connected) == {"127.0.0.1"}


class TestLoops:
    @pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
    def test_401_for_ever(self, victim: Victim, scheme: str) -> None:
        """One answer to a challenge, or two; then it is refused."""
        challenge(victim, f'{scheme} realm="{victim.registry.url}{TOKEN}"')
        victim.logins = ("nothing", "basic", "bearer")
        for outcome in victim.every(*EVERY):
            outcome.refused(4)
            assert len(victim.registry.asked) <= 12

    def test_the_token_service_wants_a_token(self, victim: Victim) -> None:
        """And names itself as the place to get it."""
        bearer = f'Bearer realm="{victim.registry.url}{TOKEN}",service="x"'
        challenge(victim, bearer)
        victim.registry.tricks[TOKEN] = reply(b"", 401, ("WWW-Authenticate", bearer))
        victim.logins = ("nothing", "basic", "bearer")
        for outcome in victim.every(*EVERY):
            outcome.refused(4)
            assert victim.registry.times(TOKEN) <= 6

    def test_another_token_each_time_and_none_is_enough(self, victim: Victim) -> None:
        challenge(victim, f'Bearer realm="{victim.registry.url}{TOKEN}",service="x"')
        victim.registry.tricks[TOKEN] = lambda asked, line: reply(
            json.dumps({"token": f"t{len(victim.registry.asked)}", "expires_in": 1}).encode()
        )
        for outcome in victim.every(*EVERY):
            outcome.refused(4)
            assert len(victim.registry.asked) <= 12

    def test_blobs_want_another_token_again_and_again(self, victim: Victim, good: object) -> None:
        """A token may run out on the way; not after each byte."""
        promise = victim.registry.image([good.layer()])["layers"][0]  # type: ignore[attr-defined]
        path = f"/v2/team/app/blobs/{promise['digest']}"
        bearer = f'Bearer realm="{victim.registry.url}{TOKEN}",service="x"'
        victim.registry.tricks[path] = reply(b"", 401, ("WWW-Authenticate", bearer))
        victim.logins = ("basic", "bearer")
        for outcome in victim.every("packages", "assess"):
            outcome.refused(4)
            assert victim.registry.times(path) <= 6


TOKENS: dict[str, bytes] = {
    "none": b"{}",
    "empty": b'{"token": ""}',
    "null": b'{"token": null}',
    "CRLF": b'{"token": "a\\r\\nX-Evil: 1"}',
    "line feed": b'{"token": "a\\nX-Evil: 1"}',
    "NUL": b'{"token": "a\\u0000b"}',
    "space": b'{"token": "a b"}',
    "snowman": b'{"token": "\\u2603"}',
    "escape": b'{"token": "\\u001b[31m"}',
    "number": b'{"token": 1}',
    "list": b'{"token": ["a"]}',
    "a megabyte": b'{"token": "' + b"x" * MIB + b'"}',
    "half a megabyte of access": b'{"access_token": "' + b"x" * (MIB // 2) + b'"}',
    "a megabyte of spaces": b" " * MIB,
    "lifetime that is text": b'{"token": "a", "expires_in": "soon"}',
    "lifetime beyond floats": b'{"token": "a", "expires_in": 1e999}',
    "lifetime that is none": b'{"token": "a", "expires_in": NaN}',
    "lifetime of a list": b'{"token": "a", "expires_in": [1]}',
    "errors": b'{"errors": [{"code": "DENIED", "message": "no"}]}',
    "HTML": b"<html>log in</html>",
}


@pytest.mark.parametrize("body", TOKENS.values(), ids=TOKENS)
def test_a_token_that_is_none(victim: Victim, body: bytes) -> None:
    """Or that is wrong, where it could be one."""
    victim.registry.tricks[TOKEN] = reply(body)
    victim.logins = ("bearer",)
    for outcome in victim.every(*EVERY):
        outcome.refused((4, 5))
        assert not [asked for asked in victim.registry.asked if asked.header("X-Evil")]


@pytest.mark.parametrize("lifetime", ["0", "-1", "-1e300", "1e300", "0.0000001", "null", "9" * 300])
def test_a_lifetime_that_is_odd(victim: Victim, lifetime: str) -> None:
    """Used, for a minute at least; or refused."""
    victim.registry.tricks[TOKEN] = reply(
        b'{"token": "%s", "expires_in": %s}' % (victim.registry.token.encode(), lifetime.encode())
    )
    victim.logins = ("bearer",)
    for outcome in victim.every("tags"):
        assert outcome.code in (0, 5)
        assert victim.registry.times(TOKEN) <= 2


@pytest.mark.parametrize("size", [30_000, 200_000])
def test_a_token_that_is_long(victim: Victim, size: int) -> None:
    """Headers have limits at the other end too."""
    victim.registry.tricks[TOKEN] = reply(b'{"token": "%s"}' % (b"x" * size))
    victim.logins = ("bearer",)
    victim.refuse((4, 5), commands=("tags", "packages"))


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 400, 403, 404, 418, 429, 500, 503])
def test_a_token_service_that_answers_something_else(victim: Victim, status: int) -> None:
    victim.registry.tricks[TOKEN] = reply(b"", status)
    victim.logins = ("bearer",)
    victim.refuse((4, 5), commands=EVERY)


def test_a_token_service_that_hangs_up(victim: Victim) -> None:
    def answer(asked: Asked, line: Line) -> None:
        line.reset()

    victim.registry.tricks[TOKEN] = answer
    victim.logins = ("bearer",)
    victim.refuse(4, "the connection broke", commands=EVERY)
