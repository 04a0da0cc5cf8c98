"""TLS against a real server, with certificates made by openssl."""

import datetime
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from affineur.errors import Denied, ForbiddenAddress, InvalidSettings, SourceError, Unreachable
from affineur.http.addresses import AddressPolicy, Reach
from affineur.http.client import Client
from affineur.http.tls import HostTls
from support.certificates import Authority
from support.registry import Answer, Registry

pytestmark = pytest.mark.system
MakeClient = Callable[..., Client]
Rule = Callable[[str, int, bool], HostTls]
OWN = Reach.OWN


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def good(authority: Authority) -> tuple[str, str]:
    return authority.issue("registry.example", "IP:127.0.0.1,DNS:localhost")


@pytest.fixture(scope="module")
def ours(authority: Authority) -> tuple[Path, Path]:
    """A client certificate of the authority's, and its key."""
    certificate, key = authority.issue("client", "DNS:client.example")
    return Path(certificate), Path(key)


@pytest.fixture
def secure(good: tuple[str, str]) -> Iterator[Registry]:
    with Registry(tls=good) as served:
        served.misbehave["/x"] = Answer(body=b"x")
        yield served


def trusting(authority: Authority, **more: Any) -> Rule:
    """The rule of a user who trusts this authority, for every host."""
    return lambda *_: HostTls(authorities=(authority.folder / "ca.crt",), **more)


def wanting_a_certificate(authority: Authority, good: tuple[str, str], newest: ssl.TLSVersion) -> ssl.SSLContext:
    """A server's settings that demand a client certificate of this authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*good)
    context.load_verify_locations(authority.folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = newest
    return context


def as_openssl_shows(certificate: str) -> tuple[str, str, list[str]]:
    """First and last day, and host names: the second witness."""
    shown = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-noout", "-dates", "-ext", "subjectAltName"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    since, until = (
        datetime.datetime.strptime(re.sub(" +", " ", found), "%b %d %H:%M:%S %Y GMT").date().isoformat()
        for found in re.findall(r"not(?:Before|After)=(.*)", shown)
    )
    return since, until, re.findall(r"(?:DNS|IP Address):([^,\s]+)", shown)


class TestAnAuthority:
    def test_of_the_users_is_trusted(self, secure: Registry, authority: Authority, make_client: MakeClient) -> None:
        client = make_client(tls=trusting(authority))
        assert client.base_url(secure.host) == f"https://{secure.host}"
        assert client.get(f"{secure.url}/x", limit=10, reach=OWN).body == b"x"

    def test_of_one_host_is_not_trusted_for_another(
        self, secure: Registry, authority: Authority, make_client: MakeClient
    ) -> None:
        mine = trusting(authority)
        client = make_client(tls=lambda host, *rest: mine(host, *rest) if host == "localhost" else HostTls())
        assert client.get(f"https://localhost:{secure.port}/x", limit=10, reach=OWN).body == b"x"
        with pytest.raises(Unreachable, match="authority"):
            client.get(f"{secure.url}/x", limit=10, reach=OWN)

    def test_of_a_host_is_trusted_where_that_host_leads(
        self, secure: Registry, authority: Authority, make_client: MakeClient
    ) -> None:
        """As containers/image does: one TLS configuration for a registry, its token service and its storage."""
        mine = trusting(authority)
        client = make_client(tls=lambda host, *rest: mine(host, *rest) if host == "localhost" else HostTls())
        here = f"https://localhost:{secure.port}"
        secure.misbehave["/away"] = Answer(307, [("Location", f"{secure.url}/x")])
        assert client.get(f"{here}/away", limit=10, reach=OWN).url == f"{secure.url}/x"
        assert client.get(f"{secure.url}/x", limit=10, reach=OWN, led_by=f"{here}/v2/").body == b"x"

    @pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
    def test_named_by_the_environment_is_trusted(
        self,
        secure: Registry,
        authority: Authority,
        make_client: MakeClient,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        variable: str,
    ) -> None:
        """SSL_CTX_set_default_verify_paths(3)."""
        file = authority.folder / "ca.crt"
        if variable == "SSL_CERT_DIR":
            (tmp_path / "ca.pem").write_bytes(file.read_bytes())
            subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
            monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        else:
            monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert make_client().get(f"{secure.url}/x", limit=10, reach=OWN).body == b"x"

    def test_file_of_the_environment_that_is_missing_is_named(
        self, secure: Registry, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        with pytest.raises(InvalidSettings, match=r"SSL_CERT_FILE.*none\.pem"):
            make_client().get(f"{secure.url}/x", limit=10, reach=OWN)


class TestARefusedCertificate:
    """Each is described as openssl describes it, and says why and what to do."""

    @pytest.mark.parametrize(
        ("kind", "why", "advice"),
        [
            ("good", "an authority that is not among those trusted|its issuer is not among", "--cert-dir"),
            ("self-signed", "signed by itself", "certs.d/127.0.0.1:{port}/ca.crt"),
            ("old", "it has expired", "clock"),
            ("early", "it is not valid yet", "clock"),
            ("other", "it is for other names", "by a name that the certificate is for"),
            ("nameless", "it is for other names", "by a name that the certificate is for"),
        ],
    )
    def test_is_explained(
        self, authority: Authority, make_client: MakeClient, kind: str, why: str, advice: str
    ) -> None:
        here = "IP:127.0.0.1"
        made = {
            "good": lambda: authority.issue("good", here),
            "self-signed": lambda: authority.self_signed("self-signed", here),
            "old": lambda: authority.issue("old", here, period=("20200101000000Z", "20200102000000Z")),
            "early": lambda: authority.issue("early", here, period=("20510101000000Z", "20520101000000Z")),
            "other": lambda: authority.issue(
                "other", "DNS:other.example,DNS:*.other.example,IP:192.0.2.1,IP:2001:db8::1"
            ),
            "nameless": lambda: authority.issue("nameless", "email:a@b.example"),
        }[kind]()
        slept: list[float] = []
        rule = trusting(authority) if kind not in ("good", "self-signed") else None
        with Registry(tls=made) as served, pytest.raises(Unreachable) as caught:
            make_client(tls=rule, sleep=slept.append).get(f"{served.url}/x", limit=10, reach=OWN)
        said = str(caught.value)
        since, until, names = as_openssl_shows(made[0])
        issuer = f"O=Tests, CN={kind}" if kind == "self-signed" else "CN=An authority"
        listed = ", ".join(names).lower().replace("2001:db8:0:0:0:0:0:1", "2001:db8::1") or "no host name"
        assert (
            f"{served.host}: its certificate of O=Tests, CN={kind}, issued by {issuer}, "
            f"valid from {since} until {until}, for {listed} is not accepted: "
        ) in said
        assert re.search(why, said), said
        assert advice.format(port=served.port) in said
        assert "--tls-verify=false" in said
        assert (slept, served.requests) == ([], [])

    def test_is_described_through_a_tunnel_too(self, authority: Authority, make_client: MakeClient) -> None:
        from support.tunnel import Tunnel

        made = authority.issue("tunnelled", "DNS:tunnelled.example")
        with Registry(tls=made) as served, Tunnel(to=served.port) as tunnel:
            client = make_client(tls=trusting(authority), environment={"HTTPS_PROXY": f"127.0.0.1:{tunnel.port}"})
            with pytest.raises(Unreachable, match=r"^other\.example: its certificate .* for tunnelled\.example is not"):
                client.get("https://other.example/x", limit=10)
            assert served.requests == []

    def test_is_never_a_reason_to_try_plain_http(self, secure: Registry, make_client: MakeClient) -> None:
        assert make_client().base_url(secure.host) == f"https://{secure.host}"


class TestWithoutVerification:
    def test_it_is_asked_anyway(self, secure: Registry, make_client: MakeClient) -> None:
        client = make_client()
        assert client.base_url(secure.host, insecure=True) == f"https://{secure.host}"
        assert client.get(f"{secure.url}/x", limit=10, reach=OWN).body == b"x"

    def test_of_one_registry_others_are_verified(self, secure: Registry, make_client: MakeClient) -> None:
        client = make_client()
        client.base_url(secure.host, insecure=True)
        with pytest.raises(Unreachable, match="authority"):
            client.get(f"https://localhost:{secure.port}/x", limit=10, reach=OWN)

    def test_what_it_leads_to_is_not_verified_either(self, secure: Registry, make_client: MakeClient) -> None:
        client = make_client()
        client.base_url(secure.host, insecure=True)
        secure.misbehave["/away"] = Answer(307, [("Location", f"https://localhost:{secure.port}/x")])
        assert client.get(f"{secure.url}/away", limit=10, reach=OWN).body == b"x"
        there = f"https://localhost:{secure.port}/x"
        assert client.get(there, limit=10, reach=OWN, led_by=secure.url).body == b"x"
        with pytest.raises(Unreachable, match="authority"):  # no connection is left over for who did not come that way
            client.get(there, limit=10, reach=OWN)

    def test_a_mirror_stands_for_its_registry(self, secure: Registry, make_client: MakeClient) -> None:
        from affineur.http.mirrors import MirrorMap

        client = make_client(mirrors=MirrorMap([f"https://registry.example={secure.url}"]))
        assert client.base_url("registry.example", insecure=True) == secure.url
        assert client.get("https://registry.example/x", limit=10, reach=OWN).body == b"x"

    def test_plain_http_is_found_where_there_is_no_tls(self, server: Registry, make_client: MakeClient) -> None:
        """containers-registries.conf(5), `insecure`; the name is no loopback literal, which would be tried anyway."""
        from affineur.http.addresses import IPAddress, literal
        from affineur.http.connector import Connector

        class Here(Connector):
            def resolve(self, host: str, port: int) -> list[IPAddress]:
                found = literal("127.0.0.1")
                assert found is not None
                return [found]

        client = make_client(connector=Here())
        server.misbehave["/x"] = Answer(body=b"plain")
        name = f"registry.example:{server.port}"
        assert client.base_url(name) == f"https://{name}"
        assert client.base_url(name, insecure=True) == f"http://{name}"
        assert client.get(f"http://{name}/x", limit=10, reach=OWN).body == b"plain"


def test_from_https_to_plain_http_is_not_followed(
    secure: Registry, server: Registry, authority: Authority, make_client: MakeClient
) -> None:
    secure.misbehave["/x"] = Answer(302, [("Location", f"{server.url}/x")])
    with pytest.raises(ForbiddenAddress, match="plain http"):
        make_client(tls=trusting(authority)).get(f"{secure.url}/x", limit=10, reach=OWN)
    assert server.requests == []


class TestAClientCertificate:
    @pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
    def wanting(
        self, request: pytest.FixtureRequest, authority: Authority, good: tuple[str, str]
    ) -> Iterator[Registry]:
        with Registry(tls=good) as served:
            served.use(wanting_a_certificate(authority, good, request.param))
            served.misbehave["/x"] = Answer(body=b"x")
            yield served

    def test_is_shown(
        self, wanting: Registry, authority: Authority, ours: tuple[Path, Path], make_client: MakeClient
    ) -> None:
        client = make_client(tls=trusting(authority, pairs=(ours,)))
        assert client.get(f"{wanting.url}/x", limit=10, reach=OWN).body == b"x"

    def test_that_is_missing_is_asked_for(
        self, wanting: Registry, authority: Authority, make_client: MakeClient
    ) -> None:
        with pytest.raises((Denied, Unreachable)) as caught:
            make_client(tls=trusting(authority), attempts=1).get(f"{wanting.url}/x", limit=10, reach=OWN)
        # the server's alert may be lost where it closes the connection at once (RFC 8446 § 6.1, RFC 9293 § 3.10.7.4)
        if isinstance(caught.value, Denied):
            assert "client certificate" in str(caught.value)
            assert f"certs.d/{wanting.host}/client.cert" in str(caught.value)
        else:
            assert "connection broke" in str(caught.value)

    def test_of_another_authority_is_refused(
        self, wanting: Registry, authority: Authority, make_client: MakeClient
    ) -> None:
        pair = tuple(Path(file) for file in authority.self_signed("stranger", "DNS:stranger.example"))
        with pytest.raises((Denied, Unreachable), match=r"does not accept our client certificate|connection broke"):
            make_client(tls=trusting(authority, pairs=(pair,)), attempts=1).get(f"{wanting.url}/x", limit=10, reach=OWN)
        assert wanting.requests == []

    def test_is_not_shown_to_whom_its_host_leads(
        self,
        wanting: Registry,
        secure: Registry,
        authority: Authority,
        ours: tuple[Path, Path],
        make_client: MakeClient,
    ) -> None:
        client = make_client(
            tls=lambda host, port, registry: trusting(authority, pairs=(ours,) if port == secure.port else ())(
                host, port, registry
            ),
            attempts=1,
        )
        secure.misbehave["/away"] = Answer(307, [("Location", f"{wanting.url}/x")])
        with pytest.raises(SourceError):
            client.get(f"{secure.url}/away", limit=10, reach=OWN)
        assert wanting.requests == []

    def test_with_a_passphrase_is_refused_without_asking_for_it(
        self, authority: Authority, ours: tuple[Path, Path], tmp_path: Path, make_client: MakeClient
    ) -> None:
        locked = tmp_path / "client.key"
        subprocess.run(
            ["openssl", "pkey", "-in", str(ours[1]), "-aes256", "-passout", "pass:secret", "-out", str(locked)],
            check=True, capture_output=True,
        )  # fmt: skip
        with pytest.raises(InvalidSettings, match="passphrase"):
            make_client(tls=trusting(authority, pairs=((ours[0], locked),))).get(
                "https://127.0.0.1:9/", limit=10, reach=OWN
            )

    @pytest.mark.parametrize(
        ("authorities", "pair", "words"),
        [
            (("none.crt",), (), "No such file"),
            (("junk.crt",), (), "no PEM certificate"),
            ((), ("junk.crt", "junk.crt"), "no PEM certificate"),
            ((), ("client.crt", "ca.key"), "another certificate's"),
        ],
    )
    def test_files_that_are_unusable_are_named(
        self,
        authority: Authority,
        ours: tuple[Path, Path],
        make_client: MakeClient,
        authorities: tuple[str, ...],
        pair: tuple[str, ...],
        words: str,
    ) -> None:
        folder = authority.folder
        (folder / "junk.crt").write_text("no certificate")
        tls = HostTls(
            authorities=tuple(folder / name for name in authorities),
            pairs=((folder / pair[0], folder / pair[1]),) if pair else (),
        )
        with pytest.raises(InvalidSettings, match=words) as caught:
            make_client(tls=lambda *_: tls).get("https://127.0.0.1:9/", limit=10, reach=OWN)
        assert str(folder / (authorities or pair)[0]) in str(caught.value)


class TestAHandshakeThatFails:
    def test_because_there_is_no_tls(self, server: Registry, make_client: MakeClient) -> None:
        with pytest.raises(Unreachable, match=r"speaks no TLS .*insecure = true") as caught:
            make_client().get(f"https://{server.host}/x", limit=10, reach=OWN)
        assert server.host in str(caught.value)

    def test_because_the_server_is_too_old(
        self, secure: Registry, good: tuple[str, str], make_client: MakeClient
    ) -> None:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        old.load_cert_chain(*good)
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        secure.use(old)
        with pytest.raises(Unreachable, match=r"too old: it speaks no TLS 1\.2"):
            make_client().get(f"{secure.url}/x", limit=10, reach=OWN)

    def test_because_the_server_hangs_up(self, make_client: MakeClient) -> None:
        slept: list[float] = []
        with socket.create_server(("127.0.0.1", 0)) as closing:

            def close_each() -> None:
                for _ in range(2):
                    connection, _ = closing.accept()
                    connection.recv(1)
                    connection.close()

            threading.Thread(target=close_each, daemon=True).start()
            with pytest.raises(Unreachable, match="in the middle of the TLS handshake"):
                make_client(attempts=2, sleep=slept.append).get(
                    f"https://127.0.0.1:{closing.getsockname()[1]}/", limit=10, reach=OWN
                )
        assert len(slept) == 1

    def test_because_the_server_keeps_silent(self, make_client: MakeClient) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            client = make_client(attempts=1, read_s=0.05)
            with pytest.raises(Unreachable, match="no answer in time in the TLS handshake"):
                client.get(f"https://127.0.0.1:{silent.getsockname()[1]}/", limit=10, reach=OWN)


class TestWithoutAScheme:
    """HTTPS or HTTP, for a registry named without one."""

    def test_plain_http_on_this_machine_is_found_out_once(self, server: Registry, make_client: MakeClient) -> None:
        client = make_client()
        for _ in range(3):
            assert client.base_url(server.host) == f"http://{server.host}"
        assert client.base_url(f"localhost:{server.port}") == f"http://localhost:{server.port}"
        assert server.requests == []

    def test_a_server_that_closes_at_the_sight_of_tls_is_plain(self, make_client: MakeClient) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closing:

            def close_each() -> None:
                for _ in range(3):
                    closing.accept()[0].close()

            threading.Thread(target=close_each, daemon=True).start()
            port = closing.getsockname()[1]
            assert make_client().base_url(f"127.0.0.1:{port}") == f"http://127.0.0.1:{port}"

    def test_a_server_that_keeps_silent_is_no_answer(
        self, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from affineur.http import schemes

        monkeypatch.setattr(schemes, "PROBE_S", 0.05)
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unreachable, match="neither"):
            make_client().base_url(f"127.0.0.1:{silent.getsockname()[1]}")

    def test_other_hosts_are_never_asked_in_plain(self, make_client: MakeClient) -> None:
        client = make_client(addresses=AddressPolicy([]))
        assert client.base_url("registry.example:5000") == "https://registry.example:5000"
        assert client.base_url("10.0.0.1:5000") == "https://10.0.0.1:5000"
