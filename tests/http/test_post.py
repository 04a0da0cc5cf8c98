"""Forms: sent once, to exactly the host that they are for.

The server is the standard library's, so that what arrives is read by somebody else's parser.
"""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from affineur.errors import Denied, ForbiddenAddress, LimitExceeded, SourceError, Unreachable
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.http.mirrors import MirrorMap

MakeClient = Callable[..., Client]


class TokenService:
    """Attributes: answers: (status, headers, body) by path; None hangs up. bodies, headers: what was received."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, list[tuple[str, str]], bytes] | None] = {}
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[object] = set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                service.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                service.headers.append({name.lower(): value for name, value in self.headers.items()})
                service.connections.add(self.client_address)
                answer = service.answers.get(self.path, (200, [], b"posted"))
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in [*headers, ("Content-Length", str(len(body)))]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                service.connections.add(self.client_address)
                self.send_response(200)
                self.send_header("Content-Length", "1")
                self.end_headers()
                self.wfile.write(b"x")

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def service() -> Iterator[TokenService]:
    made = TokenService()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


FORM = {"grant_type": "password", "username": "us er", "password": "p&ä=+", "scope": "repository:a/b:pull"}


def test_a_form_arrives_as_it_was_meant(service: TokenService, client: Client) -> None:
    found = client.post(f"{service.url}/token", FORM, limit=10, headers={"Accept": "a/b"}, reach=Reach.OWN)
    assert (found.status, found.body) == (200, b"posted")
    assert {name: values[0] for name, values in parse_qs(service.bodies[0].decode()).items()} == FORM
    seen = service.headers[0]
    assert (seen["content-type"], seen["accept"]) == ("application/x-www-form-urlencoded", "a/b")


def test_bytes_are_sent_as_they_are(service: TokenService, client: Client) -> None:
    client.post(f"{service.url}/", b"{}", limit=10, headers={"Content-Type": "application/json"}, reach=Reach.OWN)
    assert service.bodies == [b"{}"]
    assert service.headers[0]["content-type"] == "application/json"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(service: TokenService, client: Client, status: int) -> None:
    service.answers["/token"] = (status, [("Location", f"{service.url}/other")], b"")
    with pytest.raises(SourceError, match="redirects a form"):
        client.post(f"{service.url}/token", FORM, limit=10, reach=Reach.OWN)
    assert len(service.bodies) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_passing_fault_is_not_asked_again(service: TokenService, client: Client, status: int) -> None:
    service.answers["/token"] = (status, [("Retry-After", "0")], b"")
    with pytest.raises(SourceError, match=str(status)):
        client.post(f"{service.url}/token", FORM, limit=10, reach=Reach.OWN)
    assert len(service.bodies) == 1


def test_a_broken_connection_is_not_asked_again(service: TokenService, client: Client) -> None:
    service.answers["/token"] = None
    client.get(f"{service.url}/x", limit=10, reach=Reach.OWN)  # leaves an idle connection, which may be dead by now
    with pytest.raises(Unreachable, match="broke"):
        client.post(f"{service.url}/token", FORM, limit=10, reach=Reach.OWN)
    assert len(service.bodies) == 1
    assert len(service.connections) == 2


def test_statuses_and_limits_are_those_of_a_get(service: TokenService, client: Client) -> None:
    service.answers["/token"] = (401, [], b'{"error":"invalid_grant"}')
    with pytest.raises(Denied, match="invalid_grant"):
        client.post(f"{service.url}/token", FORM, limit=100, reach=Reach.OWN)
    assert client.post(f"{service.url}/token", FORM, limit=100, reach=Reach.OWN, also=(401,)).status == 401
    with pytest.raises(LimitExceeded):
        client.post(f"{service.url}/", FORM, limit=3, reach=Reach.OWN)


def test_a_mapped_host_does_not_get_the_form(service: TokenService, make_client: MakeClient) -> None:
    client = make_client(mirrors=MirrorMap([f"https://auth.example={service.url}"]))
    with pytest.raises(ForbiddenAddress, match="another host than it is for"):
        client.post("https://auth.example/token", FORM, limit=10, reach=Reach.OWN)
    assert service.bodies == []


def test_an_address_is_checked_before_anything_is_sent(service: TokenService, client: Client) -> None:
    with pytest.raises(ForbiddenAddress):
        client.post(f"{service.url}/token", FORM, limit=10)
    assert service.bodies == []


def test_a_secret_is_in_no_message(service: TokenService, client: Client) -> None:
    service.answers["/token"] = (400, [], b"no")
    with pytest.raises(SourceError) as caught:
        client.post(f"{service.url}/token", FORM, limit=10, reach=Reach.OWN)
    assert "p&" not in str(caught.value)
    assert "p%26" not in str(caught.value)
