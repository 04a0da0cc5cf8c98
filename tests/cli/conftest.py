"""The small world, lacking a Critical erratum or lacking nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hostile_network import Network
from support.hostile_victim import in_place
from support.rpm_stage import RpmStage
from support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An image that lacks one Critical erratum: an E, and rejected."""
    with World(tmp_path) as made:
        yield made


@pytest.fixture
def updated(world: World) -> World:
    """An image that lacks nothing: an A, and accepted."""
    world.update()
    return world


@pytest.fixture(params=["lacks", "lacks nothing"])
def either(request: pytest.FixtureRequest, world: World) -> World:
    """The world, published, with an image that lacks the erratum or lacks nothing."""
    if request.param == "lacks nothing":
        world.update()
    world.publish()
    return world


@pytest.fixture
def rpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RpmStage]:
    """An image of AlmaLinux that lacks one Important: a C; with `update` it lacks nothing: an A."""
    network = Network()
    in_place(monkeypatch, network, [])
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with RpmStage(tmp_path, network) as made:
        yield made
    network.close()
