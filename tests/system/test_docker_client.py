"""`affineur pull` with docker's real client, which speaks to a stand-in for its daemon: what it makes of our words."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from affineur.engines.detect import find_engine
from affineur.engines.engine import EngineFailed
from support.docker_daemon import DockerDaemon
from support.engines import docker_image
from support.world import World

pytestmark = pytest.mark.system

ID = "sha256:" + "1d" * 32


@pytest.fixture(autouse=True)
def _client() -> None:
    docker = shutil.which("docker")
    said = subprocess.run([docker, "--version"], capture_output=True, text=True).stdout if docker else ""
    if not said.startswith("Docker version"):  # podman has a command of that name, too
        pytest.skip("docker's client is not installed, and no package of Debian 12 brings it alone")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DockerDaemon]:
    with DockerDaemon(tmp_path) as made, patch.dict(os.environ, {**made.environment, "HOME": str(tmp_path)}):
        yield made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "world").mkdir()
    with World(tmp_path / "world") as made:
        made.update()
        made.publish()
        yield made


def test_what_the_daemon_is_asked(world: World, daemon: DockerDaemon) -> None:
    name = world.image.removesuffix(":1")
    plan = world.run_inside("assess", "--json").document["image"]
    digest = plan["manifest_digest"]
    layers = ["sha256:" + "0e" * 32]
    daemon.brings = docker_image(name, digest, layers, identity=ID)[0]
    done = world.run_inside("pull", "--engine", "docker", "--json")
    assert done.code == 5
    assert "its layers are others" in done.err
    pulled = {"fromImage": name, "tag": digest, "platform": "linux/amd64"}
    asked = [each for each in daemon.requests if each[0] != "HEAD"]
    assert asked == [
        ("GET", "/info", {}),
        ("GET", "/images/json", {}),
        ("POST", "/images/create", pulled),
        ("GET", f"/images/{name}@{digest}/json", {}),
    ]


def test_it_is_tagged_by_its_id(world: World, daemon: DockerDaemon) -> None:
    name = world.image.removesuffix(":1")
    digest = world.run_inside("assess", "--json").document["image"]["manifest_digest"]
    daemon.brings = docker_image(name, digest, [], identity=ID, RootFS=None)[0]
    done = world.run_inside("pull", "--engine", "docker", "--json")
    assert done.code == 0, done
    assert ("POST", f"/images/{ID}/tag", {"repo": name, "tag": "1"}) in daemon.requests
    assert set(daemon.images) == {f"{name}@{digest}", f"{name}:1"}
    assert (done.document["pulled"]["engine"], done.document["pulled"]["version"]) == ("docker", "28.2.2")
    assert done.document["pulled"]["checked"] == ["digest", "platform"]
    assert done.document["remarks"] == []


def test_a_client_without_a_daemon(tmp_path: Path) -> None:
    nowhere = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    with pytest.raises(EngineFailed, match=r"^docker info: .*(daemon|connect)"):
        find_engine("docker", nowhere)
