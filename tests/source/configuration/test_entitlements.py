"""Client certificates of a subscription: shown to the servers that they are for, over real TLS, and to nobody else."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from affineur.errors import InvalidSettings, SourceError
from affineur.http.client import Client
from affineur.http.mirrors import MirrorMap
from affineur.source.configuration.certificates import TlsByHost
from affineur.source.configuration.entitlements import ENTITLED, Entitlements
from support.certificates import Authority


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        shown = self.connection.getpeercert()
        body = repr(shown).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def server(authority: Authority, verify: ssl.VerifyMode) -> ThreadingHTTPServer:
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server", "IP:127.0.0.1"))
    context.load_verify_locations(authority.folder / "ca.crt")
    context.verify_mode = verify
    made.socket = context.wrap_socket(made.socket, server_side=True)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def folder(tmp_path: Path, authority: Authority) -> Path:
    certificate, key = authority.issue("subscriber", "DNS:subscriber.example")
    made = tmp_path / "entitlement"
    made.mkdir()
    (made / "123.pem").write_bytes(Path(certificate).read_bytes())
    (made / "123-key.pem").write_bytes(Path(key).read_bytes())
    (made / "redhat-uep.crt").write_bytes((authority.folder / "ca.crt").read_bytes())
    return made


def client(folder: Path | None, *ports: int, mapped: int) -> Client:
    mirrors = MirrorMap([f"{ENTITLED}=https://127.0.0.1:{mapped}"])
    entitlements = Entitlements.read(folder, [("127.0.0.1", port) for port in ports]) if folder else None
    return Client(mirrors=mirrors, tls=TlsByHost(home=None, root=Path("/nowhere"), entitlements=entitlements))


def test_a_server_that_asks_for_it_gets_it_and_no_other_does(authority: Authority, folder: Path) -> None:
    strict, curious = server(authority, ssl.CERT_REQUIRED), server(authority, ssl.CERT_OPTIONAL)
    try:
        port, other = strict.server_address[1], curious.server_address[1]
        with client(folder, port, mapped=port) as entitled:
            assert b"subscriber" in entitled.get(f"{ENTITLED}/content/x", limit=10_000).body
        with client(None, mapped=port) as stranger, pytest.raises(SourceError):
            stranger.get(f"{ENTITLED}/content/x", limit=10_000)
        with client(folder, port, mapped=other) as entitled, pytest.raises(SourceError, match="certificate"):
            # another host: neither its authority nor the client's certificate is for it
            entitled.get(f"{ENTITLED}/content/x", limit=10_000)
    finally:
        for each in (strict, curious):
            each.shutdown()
            each.server_close()


def test_half_a_pair_and_none_at_all_are_errors(folder: Path, tmp_path: Path) -> None:
    (folder / "123-key.pem").unlink()
    with pytest.raises(InvalidSettings, match=r"123-key\.pem"):
        Entitlements.read(folder, [])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InvalidSettings, match=r"holds no NUMBER\.pem"):
        Entitlements.read(empty, [])
    with pytest.raises(InvalidSettings):
        Entitlements.read(tmp_path / "absent", [])
