"""What an image or a registry names is never asked where it must not be: nothing is resolved twice, nothing is sent.

The settings restrict nothing here, so the built-in rule refuses. The network is replaced by one that notes every
address that a connection is made to, and makes none but to loopback, where `registry.example` and its like are served.
"""

import ipaddress
import socket

import pytest

from affineur.http.addresses import IPAddress
from affineur.http.connector import Connector
from support.command import Done
from support.endings import ASSESS, judged, refused, unassessed, unknown
from support.registry import Answer, digest_of
from support.world import HOST, World

PUBLIC = "93.184.215.14"
NEVER = "never asked"
PRIVATE = "is on a private network, and was not named by you"
THIS_MACHINE = "is on this machine, and was not named by you"


class Network(Connector):
    """Names and the addresses that they have; a public address is served on loopback, anything else fails.

    Attributes:
        names: name → its addresses, one answer for each time that it is asked (the last one stays).
        asked: names that were looked up.
        connected: addresses that a connection was made to, or tried.
    """

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {"registry.example": [[PUBLIC]], "mirror.example": [[PUBLIC]]}
        self.asked: list[str] = []
        self.connected: list[str] = []

    def resolve(self, host: str, port: int) -> list[IPAddress]:
        self.asked.append(host)
        answers = self.names.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        now = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ipaddress.ip_address(address) for address in now]

    def connect(self, address: IPAddress, port: int, timeout_s: float) -> socket.socket:
        self.connected.append(str(address))
        assert address.is_loopback or str(address) == PUBLIC, f"a connection to {address} was tried"
        return super().connect(ipaddress.ip_address("127.0.0.1"), port, timeout_s)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """In place of every client's."""
    made = Network()
    monkeypatch.setattr("affineur.http.client.Connector", lambda: made)
    return made


@pytest.fixture
def public(world: World) -> World:
    """The world with its image in a public registry, and nothing restricted by the settings."""
    world.network = ""
    return world


def run(world: World, *arguments: str) -> Done:
    """Judge the image as that of `registry.example`."""
    world.publish()
    words = world.words(*(arguments or ASSESS), "--tls-verify=false")
    return world.run_inside_words([*words[:-1], f"registry.example:{world.registry.port}/team/app:1"])


def add_source(world: World, uri: str) -> None:
    world.files["etc/apt/sources.list"] = (world.files["etc/apt/sources.list"] or b"") + f"deb {uri} x main\n".encode()


def test_what_is_public_or_mapped_is_asked(public: World, network: Network) -> None:
    """The way of the tests below, without a trap on it."""
    add_source(public, f"http://mirror.example:{public.feed.url.rpartition(':')[2]}/x")
    document = judged(run(public))
    assert document["grade"]["letter"] == "E"
    assert set(network.connected) == {PUBLIC, "127.0.0.1"}
    assert ("/x/dists/x/InRelease", 404) in [(path, status) for path, _, status in public.feed.requests]


HIDDEN = "hides an address in a number"

TRAPS = {
    "http://169.254.169.254/latest": NEVER,
    "https://169.254.169.254/latest": NEVER,
    "http://[fe80::1]/x": NEVER,
    "http://[fd00:ec2::254]/x": NEVER,
    "http://[::ffff:169.254.169.254]/x": NEVER,
    "http://[64:ff9b::a9fe:a9fe]/x": NEVER,
    "http://[2002:a9fe:a9fe::1]/x": NEVER,
    "http://100.100.100.200/x": NEVER,
    "http://0.0.0.0/x": NEVER,
    "http://224.0.0.1/x": NEVER,
    "http://255.255.255.255/x": NEVER,
    "http://metadata.example/x": NEVER,
    "http://10.1.2.3/x": PRIVATE,
    "http://172.16.0.1/x": PRIVATE,
    "https://192.168.1.1:8443/x": PRIVATE,
    "http://100.64.0.1/x": PRIVATE,
    "http://[fd00::1]/x": PRIVATE,
    "http://[::ffff:10.1.2.3]/x": PRIVATE,
    "http://intranet.example/x": PRIVATE,
    "http://127.0.0.1:PORT/x": THIS_MACHINE,
    "http://127.8.9.10:PORT/x": THIS_MACHINE,
    "http://[::1]:PORT/x": THIS_MACHINE,
    "http://localhost:PORT/x": THIS_MACHINE,
    "http://2130706433:PORT/x": HIDDEN,
    "http://0x7f.1:PORT/x": HIDDEN,
    "http://myself.example:PORT/x": THIS_MACHINE,
}
NAMES = {
    "metadata.example": "169.254.169.254",
    "intranet.example": "10.1.2.3",
    "localhost": "127.0.0.1",
    "2130706433": "127.0.0.1",  # as getaddrinfo(3) reads it: inet_aton(3)
    "0x7f.1": "127.0.0.1",
    "myself.example": "127.0.0.1",
}


@pytest.mark.parametrize("uri", TRAPS)
def test_sources_of_a_public_image(public: World, network: Network, uri: str) -> None:
    network.names |= {name: [[address]] for name, address in NAMES.items()}
    add_source(public, uri.replace("PORT", str(public.registry.port)))
    public.publish()
    asked = len(public.registry.requests)
    document = judged(run(public))
    assert document["grade"]["letter"] == "E"  # by the places that may be asked
    assert TRAPS[uri] in unassessed(document)
    assert set(network.connected) == {PUBLIC, "127.0.0.1"}  # the registry; the archive and the feed, by the user's map
    assert not [path for _, path in public.registry.requests[asked:] if path.startswith("/x")]


@pytest.mark.parametrize("uri", ["http://169.254.169.254/x", "http://10.1.2.3/x", "file:///x"])
def test_sources_that_name_nothing_else(public: World, network: Network, uri: str) -> None:
    own = (public.files["etc/apt/sources.list"] or b"").decode()
    public.files["etc/apt/sources.list"] = own.replace(f"{HOST}/debian", uri).encode()
    unknown(run(public), "bookworm-security")
    assert set(network.connected) == {PUBLIC, "127.0.0.1"}
    assert public.archive.requests == []


def test_a_name_that_changes_its_address(public: World, network: Network) -> None:
    """DNS rebinding: what was checked is what is connected to."""
    network.names["rebind.example"] = [[PUBLIC], ["169.254.169.254"], ["127.0.0.1"], ["10.1.2.3"]]
    add_source(public, f"http://rebind.example:{public.registry.port}/x")
    assert judged(run(public))["grade"]["letter"] == "E"
    assert set(network.connected) == {PUBLIC, "127.0.0.1"}


def test_a_name_with_a_forbidden_address_among_others(public: World, network: Network) -> None:
    network.names["mixed.example"] = [["169.254.169.254", "10.1.2.3", PUBLIC]]
    add_source(public, f"http://mixed.example:{public.registry.port}/x")
    assert judged(run(public))["grade"]["letter"] == "E"
    assert set(network.connected) == {PUBLIC, "127.0.0.1"}


TARGETS = ["http://169.254.169.254/x", "http://10.1.2.3/x", "http://127.0.0.1:PORT/x", "http://intranet.example/x"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_redirect_of_a_public_archive(public: World, network: Network, target: str) -> None:
    network.names |= {name: [[address]] for name, address in NAMES.items()}
    port = public.archive.url.rstrip("/").rpartition(":")[2]
    add_source(public, f"http://mirror.example:{port}")
    public.archive.redirects["dists/x/InRelease"] = target.replace("PORT", str(public.feed.url.rpartition(":")[2]))
    document = judged(run(public))
    assert document["grade"]["letter"] == "E"
    assert any(word in unassessed(document) for word in (NEVER, PRIVATE, THIS_MACHINE))
    assert set(network.connected) == {PUBLIC, "127.0.0.1"}
    assert "/x" not in [path for path, _, _ in public.feed.requests]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("what", ["manifest", "layer", "token"])
def test_where_a_public_registry_sends_its_asker(public: World, network: Network, what: str, target: str) -> None:
    network.names |= {name: [[address]] for name, address in NAMES.items()}
    public.publish()
    target = target.replace("PORT", str(public.feed.url.rpartition(":")[2]))
    found = public.registry.manifest("team/app", "1")
    assert found is not None
    if what == "token":
        public.registry.bearer, public.registry.realm = True, target
    elif what == "manifest":
        public.registry.misbehave["/v2/team/app/manifests/1"] = Answer(307, [("Location", target)])
    else:
        (layer,) = [each for each in public.registry.blobs("team/app") if each.startswith(b"\x1f\x8b")]
        public.registry.misbehave[f"/v2/team/app/blobs/{digest_of(layer)}"] = Answer(307, [("Location", target)])
    refused(run(public), 4)
    assert set(network.connected) == {PUBLIC}
    assert public.feed.requests == []


@pytest.mark.parametrize("target", ["http://169.254.169.254/x", "http://[fe80::1]/x", "file:///etc/passwd"])
def test_a_redirect_of_what_the_user_named(public: World, network: Network, target: str) -> None:
    """The user's own map leads to loopback; from there, too, nothing leads to a metadata service."""
    public.publish()
    public.archive.redirects["debian/dists/bookworm/InRelease"] = target
    unknown(run(public), "bookworm")
    assert set(network.connected) == {PUBLIC, "127.0.0.1"}


@pytest.mark.parametrize("uri", ["http://169.254.169.254/x", "http://[::ffff:169.254.169.254]/x", "http://0.0.0.0/x"])
def test_sources_of_an_image_on_this_machine(world: World, network: Network, uri: str) -> None:
    """It may name this machine and its network, as its registry is there; still no metadata service."""
    world.network = ""
    add_source(world, uri)
    document = judged(world.run_inside(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert NEVER in unassessed(document)
    assert set(network.connected) == {"127.0.0.1"}


def test_not_even_the_user_leads_to_a_metadata_service(public: World, network: Network) -> None:
    add_source(public, "http://other.example/debian")
    document = judged(run(public, *ASSESS, "--mirror", "http://other.example=http://169.254.169.254"))
    assert NEVER in unassessed(document)
    assert "other.example" not in network.asked
    assert set(network.connected) == {PUBLIC, "127.0.0.1"}


def test_a_registry_name_that_is_a_metadata_service(public: World, network: Network) -> None:
    network.names["registry.example"] = [["169.254.169.254"]]
    refused(run(public), 4, "169.254.169.254", NEVER)
    assert network.connected == []
