"""The stage: an image that would be accepted, in a registry that may do anything, and somebody who asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import Authority
from support.hostile import TOKEN, HostileRegistry
from support.hostile_network import PUBLIC, Network
from support.hostile_victim import Victim, in_place
from support.world import World


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The small world with an image that lacks nothing, and settings that restrict no address."""
    with World(tmp_path_factory.mktemp("good")) as world:
        world.update()
        world.network = ""
        world.publish()
        assert world.run_inside("assess").code == 0
        (world.folder / "cache").rename(world.folder / "full")
        world.run_inside_words([*world.words("assess")[:-1], "127.0.0.1:1/nobody/there"])
        (world.folder / "cache").rename(world.folder / "empty")
        yield world


@pytest.fixture
def registry(good: World) -> Iterator[HostileRegistry]:
    """Serves the good image, until told otherwise."""
    with HostileRegistry() as made:
        made.image([good.layer()])
        yield made


@pytest.fixture
def network() -> Iterator[Network]:
    """What the victim's clients connect by."""
    made = Network()
    yield made
    made.close()


@pytest.fixture
def victim(
    registry: HostileRegistry, network: Network, good: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Victim:
    """Somebody who asks for the image of `registry`."""
    made = Victim(registry, network, good, tmp_path)
    in_place(monkeypatch, network, made.pauses)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def other() -> Iterator[HostileRegistry]:
    """Another host, that wants the registry's secrets."""
    with HostileRegistry() as made:
        yield made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for `registry.example`."""
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.issue("registry", "DNS:registry.example,DNS:elsewhere.example")
    return made


@pytest.fixture
def public(
    victim: Victim, authority: Authority, good: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Victim]:
    """The victim asks for an image of `registry.example`, a registry on the internet, over TLS."""
    folder = authority.folder
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.crt"))  # the system's hundred take longer than all else
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with HostileRegistry(tls=(str(folder / "registry.crt"), str(folder / "registry.key"))) as registry:
        registry.image([good.layer()])
        registry.realm = f"https://registry.example:{registry.port}{TOKEN}"
        victim.registry = registry
        victim.image = f"registry.example:{registry.port}/team/app:1"
        victim.arguments += ["--cert-dir", str(authority.trusted_folder())]
        victim.network.names["registry.example"] = [[PUBLIC]]
        yield victim
