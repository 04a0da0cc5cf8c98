"""What a person reads when something fails: which host, which step, why, what to do; on one line, without secrets."""

import socket
from collections.abc import Callable
from http.client import BadStatusLine, IncompleteRead, LineTooLong, RemoteDisconnected
from ipaddress import ip_address

import pytest

from affineur.errors import Error, SourceError, Unreachable
from affineur.http.addresses import IPAddress, Reach
from affineur.http.client import Client
from affineur.http.connector import Connector
from affineur.http.failures import Broken, translated
from affineur.http.response import raise_for_status
from support.raw_server import RawServer
from support.registry import Answer, Registry

MakeClient = Callable[..., Client]
OWN = Reach.OWN


class Failing(Connector):
    """A network that fails as it is told."""

    def __init__(self, resolving: Exception | list[str], connecting: Exception | None = None) -> None:
        self.resolving, self.connecting = resolving, connecting
        self.tried: list[float] = []

    def resolve(self, host: str, port: int) -> list[IPAddress]:
        if isinstance(self.resolving, Exception):
            raise self.resolving
        return [ip_address(text) for text in self.resolving]

    def connect(self, address: IPAddress, port: int, timeout_s: float) -> socket.socket:
        self.tried.append(timeout_s)
        assert self.connecting is not None
        raise self.connecting


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (
            Failing(socket.gaierror(-2, "Name or service not known")),
            ["registry.example: the name could not be resolved: Name or service not known", "spelling", "HTTPS_PROXY"],
        ),
        (
            Failing(["8.8.8.8", "8.8.4.4"], ConnectionRefusedError(111, "Connection refused")),
            ["registry.example port 5000: no connection: 8.8.8.8: Connection refused; 8.8.4.4: ", "check the port"],
        ),
        (
            Failing(["8.8.8.8"], TimeoutError("timed out")),
            ["registry.example port 5000: no connection: 8.8.8.8: no answer in time", "firewall", "HTTPS_PROXY"],
        ),
        (Failing([]), ["registry.example port 5000: no connection: the name has no address"]),
        (Failing(["10.0.0.1"]), ["registry.example (10.0.0.1) is on a private network", "--mirror"]),
        (Failing(["169.254.169.254"]), ["registry.example (169.254.169.254)", "never asked"]),
    ],
)
def test_before_there_is_a_connection(make_client: MakeClient, network: Failing, words: list[str]) -> None:
    with pytest.raises(SourceError) as caught:
        make_client(connector=network).get("https://registry.example:5000/v2/?secret", limit=10)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "secret" not in str(caught.value)


def test_many_addresses_that_do_not_answer_take_no_minutes(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    class Slow(Failing):
        def connect(self, address: IPAddress, port: int, timeout_s: float) -> socket.socket:
            now[0] += timeout_s
            return super().connect(address, port, timeout_s)

    monkeypatch.setattr("time.monotonic", lambda: now[0])
    network = Slow([f"8.8.8.{n}" for n in range(16)], TimeoutError())
    with pytest.raises(Unreachable):
        make_client(connector=network, connect_s=10).get("https://registry.example/", limit=10)
    assert sum(network.tried) <= 31


@pytest.mark.parametrize(
    ("problem", "error", "words"),
    [
        (TimeoutError("The read operation timed out"), Unreachable, "no answer in time while asking"),
        (ConnectionResetError(104, "Connection reset by peer"), Broken, "broke while asking: Connection reset"),
        (RemoteDisconnected("Remote end closed connection without response"), Broken, "closed connection without"),
        (IncompleteRead(b"", 7), Broken, "broke while asking: 7 bytes were missing"),
        (IncompleteRead(b""), Broken, "broke while asking: its end was missing"),
        (BadStatusLine("SSH-2.0\x1b[31m\n"), Unreachable, "is no HTTP/1.1 as it should be: SSH-2.0 [31m"),
        (LineTooLong("header line"), Unreachable, "got more than 65536 bytes when reading header line"),
    ],
)  # fmt: skip
def test_of_a_connection(problem: Exception, error: type[Error], words: str) -> None:
    with pytest.raises(error) as caught, translated("https://registry.example:5000/v2/?secret", "asking"):
        raise problem
    assert type(caught.value) is error
    assert str(caught.value).startswith("registry.example:5000: ")
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "refused (HTTP 400)"),
        (401, "it does not exist or there is no access (HTTP 401)"),
        (403, "it does not exist or there is no access (HTTP 403)"),
        (404, "not there (HTTP 404)"),
        (407, "the proxy wants a login"),
        (429, "too many requests (HTTP 429); it asks to wait 90 s"),
        (500, "the server failed (HTTP 500); it asks to wait 90 s"),
        (503, "the server failed (HTTP 503); it asks to wait 90 s"),
        (999, "the server failed (HTTP 999)"),
        (302, "refused (HTTP 302)"),
    ],
)
def test_of_a_status(status: int, words: str) -> None:
    """A registry that says only "denied" is not claimed to have no such repository."""
    with pytest.raises(SourceError) as caught:
        raise_for_status(status, "registry.example/team/app:1", "said so", 90.0)
    assert str(caught.value).startswith(f"registry.example/team/app:1: {words}")
    assert str(caught.value).endswith(": said so")


def test_the_servers_own_words_are_bounded_and_on_one_line(server: Registry, client: Client) -> None:
    server.misbehave["/x"] = Answer(418, body=b"\x1b]0;title\x07 a\r\nb\xff " + b"x" * 100_000)
    with pytest.raises(SourceError) as caught:
        client.get(f"{server.url}/x", limit=200_000, reach=OWN)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    assert "a b\N{REPLACEMENT CHARACTER} xxx" in str(caught.value)


def test_a_signed_url_is_not_shown(server: Registry, client: Client) -> None:
    """Storage is reached by URLs that are passwords."""
    server.misbehave["/x"] = Answer(307, [("Location", "/blob?X-Amz-Signature=secret")])
    for body, length in ((b"x" * 20, None), (b"x", 2)):
        server.misbehave["/blob"] = Answer(body=body, length=length)
        with pytest.raises(Error) as caught:
            client.get(f"{server.url}/x", limit=10, reach=OWN)
        assert "secret" not in str(caught.value)
    server.misbehave["/blob"] = Answer(403, body=b"expired")
    with pytest.raises(Error) as caught:
        client.get(f"{server.url}/x?token=secret", limit=10, reach=OWN)
    assert "secret" not in str(caught.value)
    assert "/x?…: " in str(caught.value)


def test_in_the_middle_of_the_answer(client: Client) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
    with RawServer([cut]) as server, pytest.raises(Unreachable) as caught:
        client.get(f"{server.url}/x", limit=10, reach=OWN)
    assert str(caught.value) == f"{server.host}: the connection broke while reading the answer: 7 bytes were missing"
