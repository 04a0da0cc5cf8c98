"""Through a proxy: tunnels, TLS to the proxy itself, and what a proxy says when it does not want to."""

import hashlib
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from affineur.errors import Denied, Error, ForbiddenAddress, InvalidSettings, Unreachable
from affineur.http.addresses import IPAddress, Reach
from affineur.http.client import Client
from affineur.http.connector import Connector
from affineur.http.retries import MAX_ATTEMPTS
from affineur.http.tls import HostTls
from support.certificates import Authority
from support.raw_server import RawServer
from support.registry import Answer, Registry
from support.tunnel import Tunnel

pytestmark = pytest.mark.system
MakeClient = Callable[..., Client]
Trusting = Callable[..., Client]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> tuple[str, str]:
    return authority.issue("registry.example", "DNS:registry.example,IP:2001:db8::7")


@pytest.fixture(scope="module")
def proxys(authority: Authority) -> tuple[str, str]:
    return authority.issue("proxy", "IP:127.0.0.1")


@pytest.fixture
def registry(certificate: tuple[str, str]) -> Iterator[Registry]:
    with Registry(tls=certificate) as served:
        served.misbehave["/x"] = Answer(body=b"by tunnel")
        yield served


class OnlyTheProxy(Connector):
    """Names are the proxy's affair: none is looked up here."""

    def resolve(self, host: str, port: int) -> list[IPAddress]:
        pytest.fail(f"{host} was looked up")


@pytest.fixture
def trusting(authority: Authority, make_client: MakeClient) -> Trusting:
    """A client that trusts the authority and has this proxy for https."""

    def make(proxy: str, **more: object) -> Client:
        rule = HostTls(authorities=(Path(authority.folder) / "ca.crt",))
        return make_client(tls=lambda *_: rule, environment={"HTTPS_PROXY": proxy}, connector=OnlyTheProxy(), **more)

    return make


def test_a_registry_is_asked_in_a_tunnel(registry: Registry, trusting: Trusting) -> None:
    with Tunnel(to=registry.port) as tunnel:
        client = trusting(f"http://user:p%40ss%2F@127.0.0.1:{tunnel.port}")
        assert client.base_url("registry.example") == "https://registry.example"
        for _ in range(2):
            assert client.get("https://registry.example/x", limit=10).body == b"by tunnel"
    # RFC 9110 § 9.3.6; RFC 7617 § 2; `printf user:p@ss/ | base64`
    assert tunnel.asked == [
        "CONNECT registry.example:443 HTTP/1.1\r\nHost: registry.example:443\r\n"
        "Proxy-Authorization: Basic dXNlcjpwQHNzLw==\r\n\r\n"
    ]
    assert [path for _, path in registry.requests] == ["/x", "/x"]
    assert all("Proxy-Authorization" not in seen for seen in registry.seen_headers)


def test_an_ipv6_address_has_its_brackets(registry: Registry, trusting: Trusting) -> None:
    with Tunnel(to=registry.port) as tunnel:
        client = trusting(f"http://127.0.0.1:{tunnel.port}")
        assert client.get("https://[2001:db8::7]:5000/x", limit=10, reach=Reach.OWN).body == b"by tunnel"
    assert tunnel.asked[0].startswith("CONNECT [2001:db8::7]:5000 HTTP/1.1\r\nHost: [2001:db8::7]:5000\r\n")


def test_a_registry_on_the_proxys_own_host_is_asked_in_a_tunnel_too(
    authority: Authority, trusting: Trusting, registry: Registry
) -> None:
    class Proxy(OnlyTheProxy):
        def resolve(self, host: str, port: int) -> list[IPAddress]:
            assert (host, port) == ("registry.example", tunnel.port)
            return [ip_address("127.0.0.1")]

    with Tunnel(to=registry.port) as tunnel:
        rule = HostTls(authorities=(authority.folder / "ca.crt",))
        environment = {"HTTPS_PROXY": f"registry.example:{tunnel.port}"}
        with Client(tls=lambda *_: rule, environment=environment, connector=Proxy()) as client:
            assert client.get("https://registry.example/x", limit=10).body == b"by tunnel"
    assert len(tunnel.asked) == 1


class TestTLSToTheProxy:
    def test_and_tls_inside_of_it(self, registry: Registry, proxys: tuple[str, str], trusting: Trusting) -> None:
        large = hashlib.shake_256(b"some bytes").digest(3_000_000)
        registry.misbehave["/large"] = Answer(body=large)
        registry.misbehave["/open"] = Answer(headers=[("Connection", "close")], body=iter([large]))
        with Tunnel(to=registry.port, tls=proxys) as tunnel:
            client = trusting(f"https://127.0.0.1:{tunnel.port}")
            for path in ("/large", "/x", "/open", "/large"):
                with client.stream(f"https://registry.example{path}") as stream:
                    read = b"".join(stream)
                assert read == (b"by tunnel" if path == "/x" else large)
            found = client.get("https://registry.example/x", limit=10, method="HEAD")
            assert (found.status, found.body) == (200, b"")
        assert len(tunnel.asked) == 2  # /open closed the first

    def test_and_plain_http_inside_of_it(self, proxys: tuple[str, str], authority: Authority) -> None:
        with Registry(tls=proxys) as proxy:
            proxy.misbehave["http://archive.example/x?y"] = Answer(body=b"by proxy")
            rule = HostTls(authorities=(authority.folder / "ca.crt",))
            environment = {"http_proxy": f"https://name:secret@{proxy.host}"}
            with Client(tls=lambda *_: rule, environment=environment, connector=OnlyTheProxy()) as client:
                assert client.get("http://archive.example/x?y", limit=10).body == b"by proxy"
            assert proxy.seen_headers[0]["Host"] == "archive.example"
            assert proxy.seen_headers[0]["Proxy-Authorization"] == "Basic bmFtZTpzZWNyZXQ="

    def test_is_verified(self, registry: Registry, proxys: tuple[str, str], make_client: MakeClient) -> None:
        with Tunnel(to=registry.port, tls=proxys) as tunnel:
            client = make_client(environment={"HTTPS_PROXY": f"https://a:b@127.0.0.1:{tunnel.port}"})
            with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{tunnel.port}: its certificate of O=Tests, CN=proxy"):
                client.get("https://registry.example/x", limit=10)
        assert tunnel.asked == []

    def test_does_not_stand_for_tls_to_the_registry(
        self, authority: Authority, proxys: tuple[str, str], trusting: Trusting
    ) -> None:
        with (
            Registry(tls=authority.issue("other", "DNS:other.example")) as other,
            Tunnel(to=other.port, tls=proxys) as tunnel,
            pytest.raises(
                Unreachable, match=r"registry\.example: its certificate .*for other\.example is not accepted"
            ),
        ):
            trusting(f"https://127.0.0.1:{tunnel.port}").get("https://registry.example/x", limit=10)
        assert other.requests == []

    def test_is_not_what_an_http_proxy_speaks(self, registry: Registry, trusting: Trusting) -> None:
        with RawServer([b"HTTP/1.1 400 Bad Request\r\n\r\n"]) as proxy, pytest.raises(Error, match=proxy.host):
            trusting(f"https://{proxy.host}", attempts=1, read_s=0.5).get("https://registry.example/x", limit=10)


class TestRefusals:
    """What the proxy says is said; its login never is."""

    @pytest.mark.parametrize(
        ("answer", "login", "error", "words"),
        [
            (b"407 Authenticate", "", Denied, "wants a login, http://NAME:PASSWORD@HOST:PORT, in HTTPS_"),
            (b"407 Authenticate", "me:secret@", Denied, "does not accept the login in HTTPS_PROXY"),
            (b"403 No", "me:secret@", Unreachable, r"connection to registry\.example:443 \(HTTP 403\);.*NO_PROXY"),
            (b"405 Method Not Allowed", "", Unreachable, r"HTTP 405"),
            (b"302 Found", "", Unreachable, r"HTTP 302"),
        ],
    )  # fmt: skip
    def test_of_a_tunnel(self, trusting: Trusting, answer: bytes, login: str, error: type[Error], words: str) -> None:
        answer = b"HTTP/1.1 " + answer + b"\r\nLocation: https://evil.example/\r\nContent-Length: 3\r\n\r\nno\n"
        with Tunnel(to=1, answer=answer) as tunnel:
            with pytest.raises(error, match=words) as caught:
                trusting(f"http://{login}127.0.0.1:{tunnel.port}").get("https://registry.example/x", limit=10)
            assert type(caught.value) is error
            assert len(tunnel.asked) == 1
        assert f"http://127.0.0.1:{tunnel.port}" in str(caught.value)
        assert str(caught.value).startswith("registry.example: ")
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_that_may_pass_are_tried_again(self, trusting: Trusting, status: int) -> None:
        with Tunnel(to=1, answer=b"HTTP/1.1 %d Gateway\r\n\r\n" % status) as tunnel:
            with pytest.raises(Unreachable, match=f"HTTP {status}"):
                trusting(f"http://127.0.0.1:{tunnel.port}").get("https://registry.example/x", limit=10)
            assert len(tunnel.asked) == MAX_ATTEMPTS

    def test_of_a_plain_request(self, make_client: MakeClient) -> None:
        with RawServer([b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"]) as proxy:
            client = make_client(environment={"http_proxy": f"http://me:secret@{proxy.host}"})
            with pytest.raises(Denied, match="the proxy wants a login") as caught:
                client.get("http://archive.example/x", limit=10)
        assert "secret" not in str(caught.value)

    def test_of_a_proxy_that_is_not_there(self, trusting: Trusting) -> None:
        with pytest.raises(Unreachable, match=r"^registry\.example: its proxy, http://127\.0\.0\.1:9 \(HTTPS_PROXY\)"):
            trusting("http://me:secret@127.0.0.1:9").get("https://registry.example/x", limit=10)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 200 OK",
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 10_000 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        ],
        ids=["nothing", "cut", "no HTTP", "10,000 lines", "a line of 1 MB", "1000 times 100"],
    )
    def test_that_are_none(self, trusting: Trusting, answer: bytes) -> None:
        with RawServer([answer]) as proxy:
            client = trusting(f"http://me:secret@{proxy.host}", attempts=1)
            with pytest.raises(Unreachable, match=r"HTTPS_PROXY|no HTTP/1") as caught:
                client.get("https://registry.example/x", limit=10)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("proxy", "words"),
        [
            ("socks5://me:secret@127.0.0.1:1080", "a SOCKS proxy cannot be used.*registry.example into NO_PROXY"),
            ("socks5h://127.0.0.1:1080", "a SOCKS proxy"),
            ("ftp://me:secret@127.0.0.1", "'ftp'"),
            ("http://me:se/secret@127.0.0.1:3128", "not a usable URL"),
            ("http://me:secret@127.0.0.1:port", "not a usable URL"),
            ("http://me:secret@", "HTTPS_PROXY"),
            ("http://[::1", "not a usable URL"),
        ],
    )
    def test_of_ours(self, trusting: Trusting, proxy: str, words: str) -> None:
        with pytest.raises(InvalidSettings, match=words) as caught:
            trusting(proxy).get("https://registry.example/x", limit=10)
        assert str(caught.value).startswith("HTTPS_PROXY: ")
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST.", "a.localhost"])
def test_this_machine_is_never_asked_by_proxy(server: Registry, make_client: MakeClient, host: str) -> None:
    class Here(Connector):
        def resolve(self, host: str, port: int) -> list[IPAddress]:
            return [ip_address("127.0.0.1")]

    server.misbehave["/x"] = Answer(body=b"direct")
    with RawServer([b""]) as proxy:
        environment = {"HTTP_PROXY": proxy.url, "ALL_PROXY": proxy.url}
        client = make_client(environment=environment, connector=Here())
        assert client.get(f"http://{host}:{server.port}/x", limit=10, reach=Reach.OWN).body == b"direct"
        assert proxy.connections == 0


def test_a_redirect_does_not_carry_the_proxys_login(make_client: MakeClient) -> None:
    with (
        Registry() as other,
        RawServer([b"HTTP/1.1 302 Found\r\nLocation: " + other.url.encode() + b"/y\r\n\r\n"]) as proxy,
    ):
        other.misbehave["/y"] = Answer(body=b"x")
        client = make_client(environment={"http_proxy": f"http://me:secret@{proxy.host}"})
        with pytest.raises(ForbiddenAddress):
            client.get("http://archive.example/x", limit=10)
        assert other.requests == []
        assert client.get(f"{other.url}/y", limit=10, reach=Reach.OWN).body == b"x"
        assert "Proxy-Authorization" not in other.seen_headers[0]


def test_a_login_is_not_shown_by_accident() -> None:
    from affineur.http.proxies import proxy_for

    found = proxy_for("https", "registry.example", 443, {"https_proxy": "http://me:secret@p.example"})
    assert found is not None
    for shown in (str(found), repr(found), f"{found}"):
        assert "secret" not in shown
        assert "bWU6" not in shown
        assert "http://p.example:80" in shown
