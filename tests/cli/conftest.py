"""The small world, lacking a Critical erratum or lacking nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
