import gzip
import itertools
import socket
import threading
import zlib
from collections.abc import Callable

import pytest

from affineur.errors import (
    Denied,
    ForbiddenAddress,
    LimitExceeded,
    NotFound,
    RateLimited,
    SourceError,
    Unreachable,
)
from affineur.http.addresses import AddressPolicy, IPAddress, Reach, literal
from affineur.http.client import Client
from affineur.http.connector import Connector
from affineur.http.mirrors import MirrorMap
from support.raw_server import RawServer
from support.registry import Answer, Registry

OWN = Reach.OWN


class Names(Connector):
    """Names as the test says; every connection goes to loopback, whatever the address, and is written down."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self.looked_up: list[str] = []
        self.connected: list[str] = []

    def resolve(self, host: str, port: int) -> list[IPAddress]:
        self.looked_up.append(host)
        found = [literal(text) for text in self.names.get(host, [])]
        if not found:
            raise socket.gaierror(-2, "Name or service not known")
        return [address for address in found if address is not None]

    def connect(self, address: IPAddress, port: int, timeout_s: float) -> socket.socket:
        self.connected.append(str(address))
        return socket.create_connection(("127.0.0.1", port), timeout_s)


Strangers = Callable[[dict[str, list[str]]], tuple[Client, Names]]
MakeClient = Callable[..., Client]


@pytest.fixture
def strangers(make_client: MakeClient) -> Strangers:
    """A client in a world of these names, and that world."""

    def make(names: dict[str, list[str]]) -> tuple[Client, Names]:
        network = Names(names)
        return make_client(connector=network), network

    return make


def test_a_document_comes_whole(server: Registry, client: Client) -> None:
    server.misbehave["/x"] = Answer(headers=[("X-One", "1"), ("X-One", "2")], body=b"hello")
    found = client.get(f"{server.url}/x", limit=5, reach=OWN)
    assert (found.status, found.body, found.headers.all("x-one"), found.url) == (
        200,
        b"hello",
        ["1", "2"],
        f"{server.url}/x",
    )


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, Denied),
        (403, Denied),
        (404, NotFound),
        (410, NotFound),
        (429, RateLimited),
        (500, Unreachable),
        (418, SourceError),
    ],
)
def test_a_status_says_what_can_be_done(server: Registry, client: Client, status: int, error: type) -> None:
    server.misbehave["/x"] = Answer(status, body=b"said\x1b[31m so")
    with pytest.raises(error, match=r"said \[31m so") as caught:
        client.get(f"{server.url}/x", limit=100, reach=OWN)
    assert type(caught.value) is error


def test_a_status_that_is_expected_is_returned(server: Registry, client: Client) -> None:
    server.misbehave["/x"] = Answer(404, body=b"no")
    assert client.get(f"{server.url}/x", limit=100, reach=OWN, also=(404,)).body == b"no"


@pytest.mark.parametrize("length", [None, 11])
def test_more_than_the_limit_is_not_read(server: Registry, client: Client, length: int | None) -> None:
    server.misbehave["/x"] = Answer(body=iter([b"x" * 11]), length=length)
    with pytest.raises(LimitExceeded):
        client.get(f"{server.url}/x", limit=10, reach=OWN)


def test_an_endless_body_is_left(server: Registry, client: Client) -> None:
    server.misbehave["/x"] = Answer(body=itertools.repeat(b"x" * 65536))
    with pytest.raises(LimitExceeded):
        client.get(f"{server.url}/x", limit=1_000_000, reach=OWN)


def test_a_body_that_ends_early_is_an_error(server: Registry, client: Client) -> None:
    server.misbehave["/x"] = Answer(body=b"x" * 10, length=20)
    with pytest.raises(Unreachable, match="broke"):
        client.get(f"{server.url}/x", limit=100, reach=OWN)
    with client.stream(f"{server.url}/x", reach=OWN) as stream, pytest.raises(Unreachable, match="broke"):
        list(stream)


def test_a_document_compressed_unasked_is_read(server: Registry, client: Client) -> None:
    server.misbehave["/x"] = Answer(headers=[("Content-Encoding", "gzip")], body=gzip.compress(b"hello"))
    assert client.get(f"{server.url}/x", limit=100, reach=OWN).body == b"hello"


def test_a_compressed_bomb_is_left(server: Registry, client: Client) -> None:
    server.misbehave["/x"] = Answer(headers=[("Content-Encoding", "gzip")], body=gzip.compress(bytes(50_000_000)))
    with pytest.raises(LimitExceeded, match="decoded"):
        client.get(f"{server.url}/x", limit=1_000_000, reach=OWN)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"no gzip"), ("gzip", gzip.compress(b"hello")[:-9]), ("br", b"x"), ("deflate", zlib.compress(b"x"))],
)
def test_an_encoding_that_does_not_decode_is_an_error(
    server: Registry, client: Client, encoding: str, body: bytes
) -> None:
    server.misbehave["/x"] = Answer(headers=[("Content-Encoding", encoding)], body=body)
    with pytest.raises(Unreachable, match="Content-Encoding"):
        client.get(f"{server.url}/x", limit=100, reach=OWN)


def test_a_stream_is_never_decoded(server: Registry, client: Client) -> None:
    sent = gzip.compress(b"hello")
    server.misbehave["/x"] = Answer(headers=[("Content-Encoding", "gzip")], body=sent)
    with client.stream(f"{server.url}/x", reach=OWN) as stream:
        assert b"".join(stream) == sent


def test_a_stream_comes_in_large_chunks(server: Registry, client: Client) -> None:
    server.misbehave["/x"] = Answer(body=bytes(3_000_000))
    with client.stream(f"{server.url}/x", reach=OWN) as stream:
        sizes = [len(chunk) for chunk in stream]
    assert sum(sizes) == 3_000_000
    assert all(256 * 1024 <= size <= 1024 * 1024 for size in sizes[:-1])


def test_connections_are_used_again(server: Registry, client: Client) -> None:
    connections: set[object] = set()

    def noted(headers: object) -> Answer:
        connections.add(threading.get_ident())  # the server has a thread for each connection
        return Answer(body=b"x")

    server.misbehave["/x"] = noted
    for _ in range(5):
        client.get(f"{server.url}/x", limit=10, reach=OWN)
        with client.stream(f"{server.url}/x", reach=OWN) as stream:
            list(stream)
        client.get(f"{server.url}/x", limit=10, reach=OWN, method="HEAD")
    assert len(connections) == 1


def test_a_connection_in_use_while_the_client_is_closed_is_not_kept(client: Client) -> None:
    """Another thread's, at the end of a run that failed."""
    with RawServer([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"] * 2) as server:
        with client.stream(f"{server.url}/x", reach=OWN) as stream:
            client.close()
            assert list(stream) == [b"x"]
        client.get(f"{server.url}/x", limit=10, reach=OWN)
        assert server.connections == 2


def test_a_connection_that_the_server_closed_is_replaced_in_silence(server: Registry, make_client: MakeClient) -> None:
    slept: list[float] = []
    with make_client(addresses=AddressPolicy(["127.0.0.0/8"]), sleep=slept.append) as client:
        server.misbehave["/x"] = Answer(headers=[("Connection", "close")], body=b"x")
        client.get(f"{server.url}/x", limit=10, reach=OWN)
        assert client.get(f"{server.url}/x", limit=10, reach=OWN).body == b"x"
    assert slept == []


def test_nobody_listens(make_client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        make_client() as client,
        pytest.raises(Unreachable, match=r"127\.0\.0\.1.*refused"),
    ):
        client.get(f"http://127.0.0.1:{port}/", limit=10, reach=OWN)


def test_a_server_that_never_answers_is_given_up(make_client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = make_client(read_s=0.05, attempts=1)
        with pytest.raises(Unreachable, match="no answer in time"):
            client.get(f"http://127.0.0.1:{silent.getsockname()[1]}/", limit=10, reach=OWN)


class TestRedirects:
    def test_are_followed_on_the_same_host(self, server: Registry, client: Client) -> None:
        server.misbehave["/x"] = Answer(307, [("Location", "/y?z=1")], b"moved")
        server.misbehave["/y"] = Answer(body=b"here")
        assert client.get(f"{server.url}/x", limit=10, reach=OWN).url == f"{server.url}/y?z=1"

    def test_credentials_stay_with_their_host(self, server: Registry, client: Client) -> None:
        with Registry() as other:
            other.misbehave["/y"] = Answer(body=b"x")
            server.misbehave["/x"] = Answer(302, [("Location", "/again")])
            server.misbehave["/again"] = Answer(307, [("Location", f"{other.url}/y")])
            secret = {"Authorization": "Bearer secret", "Cookie": "a=b", "Accept": "a/b"}
            client.get(f"{server.url}/x", limit=10, headers=secret, reach=OWN)
            there = {name.lower(): value for name, value in other.seen_headers[0].items()}
            assert "authorization" not in there
            assert "cookie" not in there
            assert there["accept"] == "a/b"
            assert [seen["Authorization"] for seen in server.seen_headers] == ["Bearer secret"] * 2

    @pytest.mark.parametrize(
        "target",
        [
            "http://169.254.169.254/latest/meta-data/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/x",
            "gopher://127.0.0.1/x",
            "http://user:password@127.0.0.1/x",
            "http://10.0.0.1/",
            "http://evil.example/",
            "http://127.0.0.1:99999/",
            "//[::1",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/\u00fc",
        ],
    )
    def test_to_where_nobody_may_go(self, server: Registry, client: Client, target: str) -> None:
        server.misbehave["/x"] = Answer(302, [("Location", target)])
        with pytest.raises(ForbiddenAddress):
            client.get(f"{server.url}/x", limit=10, reach=OWN)

    @pytest.mark.parametrize("target", ["/x", "/x?again", "http://{host}/x"])
    def test_in_a_circle(self, server: Registry, client: Client, target: str) -> None:
        server.misbehave["/x"] = Answer(302, [("Location", target.format(host=server.host))])
        with pytest.raises(SourceError, match="circle"):
            client.get(f"{server.url}/x", limit=10, reach=OWN)

    def test_without_end(self, server: Registry, client: Client) -> None:
        count = itertools.count()
        server.misbehave["/x"] = lambda headers: Answer(302, [("Location", f"/x?{next(count)}")])
        with pytest.raises(SourceError, match="10 times"):
            client.get(f"{server.url}/x", limit=10, reach=OWN)
        assert len(server.requests) == 11

    def test_from_the_internet_into_a_private_network(self, server: Registry, strangers: Strangers) -> None:
        client, network = strangers({"registry.example": ["8.8.8.8"], "inside.example": ["10.0.0.7"]})
        server.misbehave["/x"] = Answer(307, [("Location", f"http://inside.example:{server.port}/y")])
        with pytest.raises(ForbiddenAddress, match=r"inside\.example \(10\.0\.0\.7\)"):
            client.get(f"http://registry.example:{server.port}/x", limit=10, reach=OWN)
        assert network.connected == ["8.8.8.8"]

    def test_from_a_private_registry_to_its_private_storage(self, server: Registry, strangers: Strangers) -> None:
        client, network = strangers({"registry.example": ["10.0.0.5"], "storage.example": ["10.0.0.7"]})
        server.misbehave["/x"] = Answer(307, [("Location", f"http://storage.example:{server.port}/y")])
        server.misbehave["/y"] = Answer(body=b"x")
        assert client.get(f"http://registry.example:{server.port}/x", limit=10, reach=OWN).body == b"x"
        assert network.connected == ["10.0.0.5", "10.0.0.7"]

    def test_from_a_private_registry_to_this_machine(self, server: Registry, strangers: Strangers) -> None:
        client, network = strangers({"registry.example": ["10.0.0.5"]})
        server.misbehave["/x"] = Answer(307, [("Location", f"http://127.0.0.1:{server.port}/y")])
        with pytest.raises(ForbiddenAddress, match="this machine"):
            client.get(f"http://registry.example:{server.port}/x", limit=10, reach=OWN)
        assert network.connected == ["10.0.0.5"]


class TestAddresses:
    def test_a_name_that_resolves_to_this_machine_is_not_asked_for_a_stranger(self, strangers: Strangers) -> None:
        client, network = strangers({"evil.example": ["127.0.0.1"]})
        with pytest.raises(ForbiddenAddress, match="this machine"):
            client.get("http://evil.example/", limit=10)
        assert network.connected == []

    def test_only_the_addresses_that_may_be_asked_are(self, server: Registry, strangers: Strangers) -> None:
        client, network = strangers({"mixed.example": ["169.254.169.254", "127.0.0.1", "8.8.8.8"]})
        server.misbehave["/x"] = Answer(body=b"x")
        client.get(f"http://mixed.example:{server.port}/x", limit=10)
        assert network.connected == ["8.8.8.8"]

    def test_a_name_is_looked_up_once_for_a_connection(self, server: Registry, strangers: Strangers) -> None:
        """DNS rebinding: the address that was checked is the one that is connected to."""
        client, network = strangers({"registry.example": ["8.8.8.8"]})
        server.misbehave["/x"] = Answer(body=b"x")
        client.get(f"http://registry.example:{server.port}/x", limit=10)
        assert (network.looked_up, network.connected) == (["registry.example"], ["8.8.8.8"])

    def test_a_connection_of_the_users_is_not_lent_to_a_stranger(self, server: Registry, client: Client) -> None:
        server.misbehave["/x"] = Answer(body=b"x")
        client.get(f"{server.url}/x", limit=10, reach=OWN)
        with pytest.raises(ForbiddenAddress):
            client.get(f"{server.url}/x", limit=10, reach=Reach.PUBLIC)

    def test_what_is_not_allowed_is_not_even_looked_up(self, make_client: MakeClient) -> None:
        network = Names({"registry.example": ["127.0.0.1"]})
        client = make_client(connector=network, addresses=AddressPolicy(["127.0.0.0/8"]))
        with pytest.raises(ForbiddenAddress):
            client.get("http://registry.example/", limit=10, reach=OWN)
        assert network.looked_up == []

    def test_through_a_proxy_what_is_not_allowed_is_refused_too(self, make_client: MakeClient) -> None:
        network = Names({})
        client = make_client(
            connector=network,
            addresses=AddressPolicy(["127.0.0.0/8"]),
            environment={"HTTP_PROXY": "http://127.0.0.1:9"},
        )
        for url in ("http://registry.example/", "http://169.254.169.254/", "http://10.0.0.1/"):
            with pytest.raises(ForbiddenAddress):
                client.get(url, limit=10, reach=OWN)
        assert network.connected == []

    @pytest.mark.parametrize(
        "url", ["file:///etc/passwd", "x", "", "http://", "http://a b/", "ftp://a/", "http://u@127.0.0.1/"]
    )
    def test_what_is_no_web_address_is_refused(self, client: Client, url: str) -> None:
        with pytest.raises(ForbiddenAddress):
            client.get(url, limit=10, reach=OWN)


class TestMirrors:
    def test_are_applied_before_anything_is_looked_up(self, server: Registry, make_client: MakeClient) -> None:
        network = Names({})
        client = make_client(
            connector=network,
            mirrors=MirrorMap([f"http://archive.example/debian={server.url}/d"]),
        )
        server.misbehave["/d/InRelease"] = Answer(body=b"x")
        found = client.get(
            "http://archive.example/debian/InRelease", limit=10
        )  # a stranger's URL, mapped: the user's own
        assert (found.body, network.looked_up, network.connected) == (b"x", [], ["127.0.0.1"])

    def test_are_applied_to_redirects(self, server: Registry, make_client: MakeClient) -> None:
        client = make_client(
            connector=Names({}),
            mirrors=MirrorMap([f"https://cdn.example={server.url}/cdn"]),
        )
        server.misbehave["/x"] = Answer(307, [("Location", "https://cdn.example/blob")])
        server.misbehave["/cdn/blob"] = Answer(body=b"x")
        assert client.get(f"{server.url}/x", limit=10, reach=OWN).body == b"x"


def test_a_plain_proxy_is_asked_with_the_whole_url(server: Registry, make_client: MakeClient) -> None:
    server.misbehave["http://archive.example/x?y"] = Answer(body=b"by proxy")
    client = make_client(environment={"http_proxy": f"http://user:pass@{server.host}"}, connector=Names({}))
    assert client.get("http://archive.example/x?y", limit=10).body == b"by proxy"
    assert server.seen_headers[0]["Host"] == "archive.example"
    assert server.seen_headers[0]["Proxy-Authorization"] == "Basic dXNlcjpwYXNz"


def test_what_was_asked_is_counted(server: Registry, client: Client) -> None:
    server.misbehave["/x"] = Answer(body=b"12345")
    client.get(f"{server.url}/x", limit=10, reach=OWN)
    with client.stream(f"{server.url}/x", reach=OWN) as stream:
        list(stream)
    account = client.accounts[server.host]
    assert (account.requests, account.bytes) == (2, 10)
    assert account.seconds > 0


def test_a_body_that_drips_is_given_up(server: Registry, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from affineur.http import connection

    monkeypatch.setattr(connection, "GRACE_S", 0.2)
    pause = threading.Event()
    server.misbehave["/x"] = Answer(body=(b"x" for _ in iter(lambda: pause.wait(0.01), True)), length=10_000_000)
    with pytest.raises(Unreachable, match="slower than"):
        client.get(f"{server.url}/x", limit=10_000_000, reach=OWN)
    pause.set()
