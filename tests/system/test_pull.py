"""`affineur pull` with the real podman and the real ctr, whose own words on what they have are the witness."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest

from affineur.engines.detect import find_engine
from support.certificates import Authority
from support.command import Done
from support.containerd import CONTAINERD, containerd
from support.docker_registry import DOCKER_REGISTRY, docker_registry, push_image, push_manifest
from support.leaving_out import leave_out
from support.registry import OCI_INDEX, Answer, Registry
from support.world import World

pytestmark = pytest.mark.system

ANY_LETTER = "name: any\nhealth:\n  at-least: F\n  unknown: accept\n"


class Engine:
    """podman or ctr with a storage of its own."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name, self.environment = name, {"PATH": os.environ["PATH"], **environment}

    def run(self, *words: str) -> str:
        done = subprocess.run([self.name, *words], capture_output=True, text=True, env=self.environment, check=False)
        assert done.returncode == 0, done
        return done.stdout

    def images(self) -> dict[str, str]:
        """Names with a tag, and the digest of each."""
        if self.name == "podman":
            listed = json.loads(self.run("images", "--format", "json"))
            return {name: image["Digest"] for image in listed for name in image.get("Names") or () if "@" not in name}
        rows = [line.split() for line in self.run("images", "ls").splitlines()[1:]]
        return {row[0]: row[2] for row in rows if "@" not in row[0]}


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Engine]:
    if shutil.which("podman") is None:
        leave_out("podman is not installed")
    with TemporaryDirectory() as short:  # podman takes no runroot of more than 50 characters
        file = tmp_path / "storage.conf"
        file.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/graph"\nrunroot = "{short}"\n')
        yield Engine("podman", {"CONTAINERS_STORAGE_CONF": str(file), "HOME": str(tmp_path)})


@pytest.fixture
def ctr(tmp_path: Path) -> Iterator[Engine]:
    if CONTAINERD is None or os.geteuid() != 0:
        leave_out("containerd is not installed, or this is not root")
    with containerd(tmp_path / "containerd") as environment:
        yield Engine("ctr", environment)


@pytest.fixture(params=["podman", "ctr"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An image that lacks nothing, and is accepted."""
    with World(tmp_path / "world") as made:
        made.update()
        made.publish()
        yield made


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()


def words(world: World, reference: str, *arguments: str) -> list[str]:
    return [*world.words("pull", *arguments)[:-1], reference]


def pull(world: World, engine: Engine, reference: str, *arguments: str) -> Done:
    """In this process, which is quicker."""
    environment = {"HOME": str(world.folder), "LC_ALL": "C.UTF-8", **engine.environment}
    with patch.dict(os.environ, environment, clear=True):
        return world.run_inside_words(words(world, reference, "--engine", engine.name, *arguments))


def skopeo_digest(reference: str) -> str:
    if shutil.which("skopeo") is None:
        leave_out("skopeo is not installed")
    command = ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{reference}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_from_docker_registry(world: World, engine: Engine, tmp_path: Path) -> None:
    if DOCKER_REGISTRY is None:
        leave_out("docker-registry is not installed")
    with docker_registry(tmp_path / "registry") as host:
        pushed = push_image(host, "team/app", "1", [world.layer()])
        reference = f"{host}/team/app:1"
        done = pull(world, engine, reference, "--json")
        assert done.code == 0, done
        assert engine.images() == {reference: pushed["digest"]} == {reference: skopeo_digest(reference)}
        assert done.document["pulled"]["digest"] == pushed["digest"]
        assert done.document["remarks"] == []
        found, _ = find_engine(engine.name, engine.environment)
        layers = [pushed["manifest"]["layers"][0]["digest"]]
        diff_ids = ["sha256:" + hashlib.sha256(world.layer()).hexdigest()]
        assert found.layers_there(diff_ids, layers) == {0}
        assert found.layers_there(["sha256:" + "0e" * 32], ["sha256:" + "0f" * 32]) == frozenset()
        storage = found.storage()
        assert storage.root is not None
        assert storage.root.is_relative_to(tmp_path)
        assert storage.copies  # vfs and native
        # once more: all is there
        assert pull(world, engine, reference).code == 0
        assert engine.images() == {reference: pushed["digest"]}


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_of_an_index_exactly_the_manifest_that_was_judged(
    world: World, engine: Engine, tmp_path: Path, architecture: str
) -> None:
    """Also where the index names the platform twice, and engines have rules of their own for that."""
    if DOCKER_REGISTRY is None:
        leave_out("docker-registry is not installed")
    policy = tmp_path / "policy.yaml"
    policy.write_text(ANY_LETTER)
    with docker_registry(tmp_path / "registry") as host:
        children = []
        for number, name in enumerate(("amd64", "arm64", "amd64", "arm64")):
            made = push_image(
                host, "team/app", f"c{number}", [world.layer()], {"architecture": name, "author": str(number)}
            )
            size = len(json.dumps(made["manifest"]))
            platform = {"os": "linux", "architecture": name}
            children.append({"mediaType": made["manifest"]["mediaType"], "digest": made["digest"], "size": size})
            children[-1]["platform"] = platform
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
        whole = push_manifest(host, "team/app", "1", json.dumps(index).encode(), OCI_INDEX)
        options = ["--policy", str(policy), "--platform", f"linux/{architecture}", "--json"]
        done = pull(world, engine, f"{host}/team/app:1", *options)
    assert done.code == 0, done
    judged = done.document["assessment"]["image"]
    assert judged["digest"] == whole
    assert judged["manifest_digest"] == children[0 if architecture == "amd64" else 1]["digest"]
    assert engine.images() == {f"{host}/team/app:1": judged["manifest_digest"]}


ODD = {
    "v8": {"architecture": "arm64", "variant": "v8"},
    "uname": {"architecture": "x86_64"},
    "none": {"architecture": "", "os": ""},
}


def test_what_a_config_says_of_its_platform(world: World, engine: Engine, tmp_path: Path) -> None:
    """By other names than an engine has for them, or nothing: it is the digest that counts."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(ANY_LETTER)
    for tag, config in ODD.items():
        world.registry.push("team/app", tag, [world.layer()], config=config)
        done = pull(world, engine, f"{world.registry.host}/team/app:{tag}", "--policy", str(policy))
        assert done.code == 0, done
    assert sorted(engine.images()) == sorted(f"{world.registry.host}/team/app:{tag}" for tag in ODD)


def by_engine(answer: Answer) -> Any:
    """Other bytes for engines than for us, by what they call themselves."""
    return lambda headers: None if headers.get("User-Agent", "").startswith("affineur") else answer


def test_a_registry_that_serves_the_engine_other_bytes(world: World, engine: Engine) -> None:
    """Than it served to us: a manifest, a config, a layer. What has the tag keeps it, until the registry behaves."""
    registry, reference = world.registry, world.image
    older = registry.push("team/app", "1", [world.layer()], config={"created": "2025-01-01T00:00:00Z"})
    assert pull(world, engine, reference).code == 0
    assert engine.images() == {reference: older}
    digest = registry.push("team/app", "1", [world.layer() + b"\0" * 512])
    found = registry.manifest("team/app", digest)
    assert found is not None
    manifest = json.loads(found[0])
    described = [("Content-Type", found[1]), ("Docker-Content-Digest", digest)]
    content = found[0].replace(b'"schemaVersion"', b' "schemaVersion"')
    cases = {f"/v2/team/app/manifests/{digest}": Answer(headers=described, body=content)}
    for blob in (manifest["config"], manifest["layers"][0]):
        kept = registry.blob("team/app", blob["digest"])
        assert kept is not None
        cases[f"/v2/team/app/blobs/{blob['digest']}"] = Answer(body=kept[:-1] + bytes([kept[-1] ^ 1]))
    for path, answer in cases.items():
        registry.misbehave = {path: by_engine(answer)}
        done = pull(world, engine, reference)
        assert done.code == 4, done
        assert "ended with exit status" in done.err
        assert engine.images() == {reference: older}, "what was there is as it was"
    registry.misbehave = {}
    deadline = time.monotonic() + 30
    while (done := pull(world, engine, reference)).code != 0:
        # containerd commits what it was sent before once more, until its collection of garbage has run
        assert engine.name == "ctr", done
        assert time.monotonic() < deadline, done
        time.sleep(0.5)
    assert engine.images() == {reference: digest}


def test_the_tag_moves_between_the_verdict_and_the_pull(world: World, engine: Engine) -> None:
    registry = world.registry
    found = registry.manifest("team/app", "1")
    later = registry.manifest("team/app", registry.push("team/app", None, [], config={"author": "somebody else"}))
    assert found is not None
    assert later is not None
    judged = registry.add_manifest("team/app", "1", *found)
    config = json.loads(found[0])["config"]["digest"]

    def move(_: Any) -> None:
        registry.add_manifest("team/app", "1", *later)

    registry.misbehave[f"/v2/team/app/blobs/{config}"] = move
    done = pull(world, engine, world.image)
    assert done.code == 0, done
    assert registry.manifest("team/app", "1") == later
    assert engine.images() == {world.image: judged}


def test_rejected_and_undetermined_leave_the_storage_empty(world: World, engine: Engine, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: young\nbuild-age-max-days: 0\n")
    assert pull(world, engine, world.image, "--policy", str(policy)).code == 1
    world.reference = ""
    done = pull(world, engine, world.image, "--json")
    assert done.code == 3
    assert engine.images() == {}
    # the command that is told works, as it is told
    command: Sequence[str] = done.document["command"]
    engine.run(*command[1:])
    digest = done.document["assessment"]["image"]["manifest_digest"]
    assert command[-1].endswith(digest)
    if engine.name == "podman":
        assert json.loads(engine.run("image", "inspect", command[-1]))[0]["Digest"] == digest


def test_interrupted_and_run_again(world: World, engine: Engine) -> None:
    """Ctrl-C while a layer comes in slowly: no tag; the same command again finds nothing in its way."""
    found = world.registry.manifest("team/app", "1")
    assert found is not None
    digest = json.loads(found[0])["layers"][0]["digest"]
    content = world.registry.blob("team/app", digest)
    assert content is not None

    def slowly() -> Iterator[bytes]:
        for byte in content:
            time.sleep(0.2)
            yield bytes([byte])

    answer = Answer(body=slowly(), length=len(content))
    world.registry.misbehave[f"/v2/team/app/blobs/{digest}"] = by_engine(answer)
    command = [sys.executable, "-m", "affineur", *words(world, world.image, "--engine", engine.name)]
    environment = {**engine.environment, "HOME": str(world.folder), "LC_ALL": "C.UTF-8"}
    asked = len(world.registry.requests)
    with subprocess.Popen(command, stdout=-1, stderr=-1, stdin=-3, text=True, env=environment) as running:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            layers = [path for _, path in world.registry.requests[asked:] if path.endswith(digest)]
            if len(layers) >= 2:  # ours, and then the engine's
                break
            time.sleep(0.02)
        time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        _, error = running.communicate(timeout=20)
    assert running.returncode == 130, error
    assert error.splitlines()[-1] == "affineur: interrupted"
    assert engine.images() == {}
    world.registry.misbehave.clear()
    assert pull(world, engine, world.image).code == 0
    assert list(engine.images()) == [world.image]


def test_a_short_name_and_a_place_of_registries_conf(world: World, podman: Engine) -> None:
    """podman is given the full name, and goes by the same file."""
    home = world.folder
    conf = home / ".config/containers/registries.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(
        f'[aliases]\n"app" = "app.example/team/app"\n'
        f'[[registry]]\nprefix = "app.example"\nlocation = "{world.registry.host}"\ninsecure = true\n'
    )
    podman.environment["HOME"] = str(home)
    done = pull(world, podman, "app:1")
    assert done.code == 0, done
    assert "app:1 means app.example/team/app:1" in done.err
    assert list(podman.images()) == ["app.example/team/app:1"]


def test_a_mirror_of_registries_conf(world: World, podman: Engine, tmp_path: Path) -> None:
    home = world.folder
    conf = home / ".config/containers/registries.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(
        '[[registry]]\nlocation = "app.example"\n'
        f'[[registry.mirror]]\nlocation = "{world.registry.host}"\ninsecure = true\n'
    )
    podman.environment["HOME"] = str(home)
    done = pull(world, podman, "app.example/team/app:1", "--json")
    assert done.code == 0, done
    assert "--tls-verify=false" not in done.document["pulled"]["command"]
    assert list(podman.images()) == ["app.example/team/app:1"]


def test_tls_with_an_authority_and_a_login_of_ones_own(world: World, podman: Engine, tmp_path: Path) -> None:
    """Not with ctr: 1.6 asks loopback over plain HTTP whatever it is told, and reads no logins."""
    authority = Authority(tmp_path / "ca")
    with Registry(tls=authority.issue("registry", "IP:127.0.0.1")) as registry:
        registry.login = ("me", "secret-of-the-tests")
        digest = registry.push("team/app", "1", [world.layer()])
        reference = f"{registry.host}/team/app:1"
        auth = tmp_path / "auth.json"
        auth.write_text(json.dumps({"auths": {registry.host: {"auth": "bWU6c2VjcmV0LW9mLXRoZS10ZXN0cw=="}}}))
        login, trust = ["--authfile", str(auth)], ["--cert-dir", str(authority.trusted_folder())]
        assert pull(world, podman, reference, *login).code == 4
        assert pull(world, podman, reference, *trust).code == 4
        assert podman.images() == {}
        done = pull(world, podman, reference, *trust, *login)
        assert done.code == 0, done
        assert podman.images() == {reference: digest}
        assert "secret-of-the-tests" not in done.out + done.err
        podman.run("rmi", "--all")
        assert pull(world, podman, reference, "--tls-verify=false", *login).code == 0
        assert podman.images() == {reference: digest}
