"""TLS against a real server, with certificates made by openssl."""

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from affineur.errors import ForbiddenAddress, InvalidSettings, Unreachable
from affineur.http.addresses import AddressPolicy, Reach
from affineur.http.client import Client
from support.certificates import Authority
from support.registry import Answer, Registry

pytestmark = pytest.mark.system
MakeClient = Callable[..., Client]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def good(authority: Authority) -> tuple[str, str]:
    return authority.issue("registry.example", "IP:127.0.0.1,DNS:localhost")


@pytest.fixture
def secure(good: tuple[str, str]) -> Iterator[Registry]:
    with Registry(tls=good) as served:
        served.misbehave["/x"] = Answer(body=b"x")
        yield served


def test_an_authority_of_the_users_is_trusted(secure: Registry, authority: Authority, make_client: MakeClient) -> None:
    client = make_client(cert_dir=authority.trusted_folder())
    assert client.base_url(secure.host) == f"https://{secure.host}"
    assert client.get(f"{secure.url}/x", limit=10, reach=Reach.OWN).body == b"x"


def test_an_unknown_authority_is_not_and_is_named(secure: Registry, make_client: MakeClient) -> None:
    slept: list[float] = []
    with pytest.raises(Unreachable, match=r"of O=Tests, CN=registry\.example, issued by CN=An authority.*--cert-dir"):
        make_client(sleep=slept.append).get(f"{secure.url}/x", limit=10, reach=Reach.OWN)
    assert slept == []
    assert secure.requests == []


def test_plain_http_is_never_tried_after_a_certificate_error(secure: Registry, make_client: MakeClient) -> None:
    assert make_client().base_url(secure.host) == f"https://{secure.host}"


def test_another_hosts_certificate_is_refused(authority: Authority, make_client: MakeClient) -> None:
    with (
        Registry(tls=authority.issue("other", "DNS:other.example")) as served,
        pytest.raises(Unreachable, match=r"CN=other.*not acceptable.*mismatch"),
    ):
        make_client(cert_dir=authority.trusted_folder()).get(f"{served.url}/x", limit=10, reach=Reach.OWN)


def test_an_expired_certificate_is_refused(authority: Authority, make_client: MakeClient) -> None:
    with (
        Registry(tls=authority.issue("old", "IP:127.0.0.1", expired=True)) as served,
        pytest.raises(Unreachable, match=r"valid until 2020-01-02 is not acceptable: certificate has expired"),
    ):
        make_client(cert_dir=authority.trusted_folder()).get(f"{served.url}/x", limit=10, reach=Reach.OWN)


def test_without_verification_it_is_asked_anyway(secure: Registry, make_client: MakeClient) -> None:
    client = make_client(tls_verify=False)
    assert client.base_url(secure.host) == f"https://{secure.host}"
    assert client.get(f"{secure.url}/x", limit=10, reach=Reach.OWN).body == b"x"


def test_from_https_to_plain_http_is_not_followed(
    secure: Registry, server: Registry, authority: Authority, make_client: MakeClient
) -> None:
    secure.misbehave["/x"] = Answer(302, [("Location", f"{server.url}/x")])
    with pytest.raises(ForbiddenAddress, match="plain http"):
        make_client(cert_dir=authority.trusted_folder()).get(f"{secure.url}/x", limit=10, reach=Reach.OWN)
    assert server.requests == []


def test_a_client_certificate_is_shown(authority: Authority, good: tuple[str, str], make_client: MakeClient) -> None:
    folder = authority.trusted_folder()
    certificate, key = authority.issue("client", "DNS:client.example")
    (folder / "client.cert").write_bytes(Path(certificate).read_bytes())
    (folder / "client.key").write_bytes(Path(key).read_bytes())
    with Registry(tls=good) as served:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*good)
        context.load_verify_locations(authority.folder / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        served.use(context)
        served.misbehave["/x"] = Answer(body=b"x")
        assert make_client(cert_dir=folder).get(f"{served.url}/x", limit=10, reach=Reach.OWN).body == b"x"


def test_a_folder_that_is_unusable_is_named(tmp_path: Path, make_client: MakeClient) -> None:
    (tmp_path / "client.cert").write_text("x")
    with pytest.raises(InvalidSettings, match=r"client\.key"):
        make_client(cert_dir=tmp_path).get("https://127.0.0.1:9/", limit=10, reach=Reach.OWN)
    (tmp_path / "client.cert").unlink()
    (tmp_path / "bad.crt").write_text("no certificate")
    with pytest.raises(InvalidSettings, match=r"bad\.crt"):
        make_client(cert_dir=tmp_path).get("https://127.0.0.1:9/", limit=10, reach=Reach.OWN)


def test_plain_http_on_this_machine_is_found_out_once(server: Registry, make_client: MakeClient) -> None:
    client = make_client()
    server.misbehave["/x"] = Answer(body=b"x")
    for _ in range(3):
        assert client.base_url(server.host) == f"http://{server.host}"
    assert client.base_url(f"localhost:{server.port}") == f"http://localhost:{server.port}"
    assert server.requests == []


def test_a_server_that_closes_at_the_sight_of_tls_is_plain(make_client: MakeClient) -> None:
    import threading

    with socket.create_server(("127.0.0.1", 0)) as closing:

        def close_each() -> None:
            for _ in range(3):
                closing.accept()[0].close()

        threading.Thread(target=close_each, daemon=True).start()
        port = closing.getsockname()[1]
        assert make_client().base_url(f"127.0.0.1:{port}") == f"http://127.0.0.1:{port}"


def test_a_server_that_keeps_silent_is_no_answer(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from affineur.http import schemes

    monkeypatch.setattr(schemes, "PROBE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unreachable, match="neither"):
        make_client().base_url(f"127.0.0.1:{silent.getsockname()[1]}")


def test_other_hosts_are_never_asked_in_plain(make_client: MakeClient) -> None:
    client = make_client(addresses=AddressPolicy([]))
    assert client.base_url("registry.example:5000") == "https://registry.example:5000"
    assert client.base_url("10.0.0.1:5000") == "https://10.0.0.1:5000"


def test_through_a_proxys_tunnel_tls_is_verified_end_to_end(
    secure: Registry, authority: Authority, make_client: MakeClient
) -> None:
    from support.tunnel import Tunnel

    folder = authority.trusted_folder()
    with Tunnel(to=secure.port) as tunnel:
        client = make_client(cert_dir=folder, environment={"https_proxy": f"http://user:pass@127.0.0.1:{tunnel.port}"})
        with pytest.raises(Unreachable, match="mismatch"):
            client.get("https://other.example/x", limit=10)
        assert tunnel.asked[0].startswith("CONNECT other.example:443 HTTP/1.")
        assert "Proxy-Authorization: Basic dXNlcjpwYXNz" in tunnel.asked[0]
    with Registry(tls=authority.issue("other", "DNS:other.example")) as other, Tunnel(to=other.port) as tunnel:
        other.misbehave["/x"] = Answer(body=b"by tunnel")
        client = make_client(cert_dir=folder, environment={"HTTPS_PROXY": f"http://127.0.0.1:{tunnel.port}"})
        assert client.get("https://other.example/x", limit=10).body == b"by tunnel"
