"""`affineur pull` by its user, with a stand-in for podman: what it is told, when, and what is made of what it says."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.command import Done
from support.endings import refused
from support.engines import StandIn, podman_image, podman_info
from support.world import World

SETTLED = "health:\n  at-least: B\n"


class Stage:
    """The small world, and podman."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.podman = StandIn(folder / "tools", "podman")
        self.podman.say("info --format json", podman_info(str(folder), temporary=str(folder)))
        self.podman.say("image ls", "")
        self.podman.say("image inspect", status=125, err="Error: inspecting object: no such image")

    @property
    def name(self) -> str:
        return f"{self.world.registry.host}/team/app"

    def digest(self, which: str = "1") -> str:
        """Of a tag, as the registry has it."""
        found = self.world.registry.manifest("team/app", which)
        assert found is not None
        return "sha256:" + hashlib.sha256(found[0]).hexdigest()

    def diff_ids(self, digest: str) -> list[str]:
        found = self.world.registry.manifest("team/app", digest)
        assert found is not None
        config = self.world.registry.blob("team/app", json.loads(found[0])["config"]["digest"])
        assert config is not None
        listed: list[str] = json.loads(config)["rootfs"]["diff_ids"]
        return listed

    def good(self, digest: str, **more: Any) -> None:
        """Have podman do as it is told with an image of this digest."""
        image = podman_image(self.name, digest, self.diff_ids(digest), **more)
        tagged = [f"image inspect -- {self.name}:1", {"out": json.dumps(image)}]
        there = [f"image inspect -- {self.name}@{digest}", {"out": json.dumps(image)}]
        self.podman.say("pull", "1d1d\n", err="Copying blob\n", takes=[there])
        self.podman.say("tag", takes=[tagged])

    def run(self, *arguments: str, publish: bool = True) -> Done:
        if publish:
            self.world.publish()
        return self.world.run_inside_words(self.world.words("pull", *arguments))


@pytest.fixture
def rejected(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """An image that is rejected."""
    made = Stage(world, tmp_path)
    monkeypatch.setenv("PATH", str(made.podman.bin))
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    return made


@pytest.fixture
def stage(rejected: Stage) -> Stage:
    """An image that is accepted, and a podman that does as it is told."""
    rejected.world.update()
    rejected.world.publish()
    rejected.good(rejected.digest())
    return rejected


def nothing_was_pulled(stage: Stage) -> None:
    assert stage.podman.called("pull") == stage.podman.called("tag") == []


def test_an_accepted_image_is_pulled_by_its_digest_checked_and_tagged(stage: Stage) -> None:
    done = stage.run()
    exact = f"{stage.name}@{stage.digest()}"
    assert done.code == 0, done
    assert stage.podman.called("pull") == [["pull", "--tls-verify=false", "--platform=linux/amd64", "--", exact]]
    assert stage.podman.called("tag") == [["tag", "--", "1d" * 32, f"{stage.name}:1"]]
    order = [call[:2] for call in stage.podman.calls if call[0] in ("pull", "image", "tag") and call[1] != "ls"]
    assert [each[0] for each in order] == ["pull", "image", "tag", "image"]
    assert done.out.startswith("ACCEPT  grade A")
    assert "Pulled  by podman 5.4.2" in done.out
    assert f"name    {stage.name}:1\n" in done.out
    assert "podman: Copying blob" in done.err


def test_what_was_done_as_json_and_as_a_receipt(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    done = stage.run("--json", "-o", str(file))
    assert done.code == 0
    document = done.document
    assert document == json.loads(file.read_text())
    assert (document["schema"], document["decision"]) == ("affineur.pull/1", "accept")
    assert document["assessment"]["grade"]["letter"] == "A"
    assert document["assessment"]["image"]["manifest_digest"] == stage.digest() == document["pulled"]["digest"]
    assert document["pulled"]["checked"] == ["digest", "platform", "layers"]
    assert document["pulled"]["command"] == ["podman", *stage.podman.called("pull")[0]]
    assert (document["copied"], document["command"], document["remarks"]) == (None, [], [])


def test_a_rejected_image_is_not_pulled(rejected: Stage) -> None:
    stage = rejected
    done = stage.run()
    assert done.code == 1
    assert done.out.startswith("REJECT  grade")
    assert "Nothing was pulled" in done.out
    assert "podman pull" not in done.out
    nothing_was_pulled(stage)
    document = stage.run("--json").document
    assert (document["decision"], document["pulled"], document["command"]) == ("reject", None, [])


def test_an_undetermined_one_is_not_pulled_and_a_user_is_told_how_it_would_be(stage: Stage) -> None:
    """The command is one that works: its words are those that an accepted image is pulled with."""
    stage.world.reference = ""
    done = stage.run("--json")
    assert done.code == 3
    nothing_was_pulled(stage)
    command = done.document["command"]
    exact = f"{stage.name}@{stage.digest()}"
    assert command == ["podman", "pull", "--tls-verify=false", "--platform=linux/amd64", "--", exact]
    text = stage.run()
    assert text.code == 3
    assert text.out.startswith("UNDETERMINED")
    flat = " ".join(text.out.split())
    assert "Nothing was pulled" in flat
    assert f"To have exactly this image all the same, judged by nobody: {' '.join(command)}" in flat
    nothing_was_pulled(stage)


def test_unless_the_policy_accepts_it(stage: Stage, tmp_path: Path) -> None:
    stage.world.reference = ""
    policy = tmp_path / "policy.yaml"
    policy.write_text(SETTLED)
    done = stage.run("--policy", str(policy))
    assert done.code == 3
    assert "`unknown: accept` below health" in " ".join(done.out.split())
    nothing_was_pulled(stage)
    policy.write_text(SETTLED + "  unknown: accept\n")
    done = stage.run("--policy", str(policy))
    assert done.code == 0
    assert done.out.startswith("ACCEPT  grade unknown")
    assert len(stage.podman.called("pull")) == 1


@pytest.mark.parametrize("cause", ["policy", "reference", "platform"])
def test_what_cannot_be_judged_is_not_pulled(stage: Stage, tmp_path: Path, cause: str) -> None:
    arguments = {"policy": ("--policy", str(tmp_path / "none")), "platform": ("--platform", "linux/s390x")}
    if cause == "reference":
        stage.world.reference_name = "team/none:1"
        refused(stage.run(), 4, "team/none")
    elif cause == "policy":
        refused(stage.run(*arguments[cause]), 2, "none")
    else:
        digest = stage.world.registry.push("team/app", None, [stage.world.layer()])
        child = {"digest": digest, "platform": {"os": "linux", "architecture": "amd64"}}
        stage.world.registry.push_index("team/app", "1", [child])
        refused(stage.run(*arguments[cause]), 4, "linux/s390x")
    nothing_was_pulled(stage)


OTHER_DIGEST = "sha256:" + "0f" * 32
OTHERS: dict[str, tuple[Callable[[Stage], list[dict[str, Any]]], str]] = {
    "another digest": (lambda stage: podman_image(stage.name, OTHER_DIGEST, stage.diff_ids(stage.digest())), "digest"),
    "a digest of another repository": (
        lambda stage: podman_image("other.example/app", stage.digest(), [], RootFS=None) and [
            {**podman_image(stage.name, OTHER_DIGEST, [])[0], "RepoDigests": [f"other.example/app@{stage.digest()}"]}
        ],
        "digest",
    ),
    "another platform": (
        lambda stage: podman_image(stage.name, stage.digest(), stage.diff_ids(stage.digest()), Architecture="arm64"),
        "it is for linux/arm64, not linux/amd64",
    ),
    "other layers": (lambda stage: podman_image(stage.name, stage.digest(), ["sha256:" + "0e" * 32]), "its layers"),
    "no layers": (lambda stage: podman_image(stage.name, stage.digest(), []), "its layers"),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_what_landed_is_something_else(stage: Stage, what: str) -> None:
    made, said = OTHERS[what]
    exact = f"image inspect -- {stage.name}@{stage.digest()}"
    stage.podman.say("pull", takes=[[exact, {"out": json.dumps(made(stage))}]])
    done = stage.run()
    assert done.code == 5
    assert said in done.err
    assert "do not run it" in done.err
    assert "Pulled" not in done.out
    assert stage.podman.called("tag") == []
    assert {call[0] for call in stage.podman.calls} == {"info", "image", "pull"}, "nothing is removed"


def test_nothing_landed(stage: Stage) -> None:
    stage.podman.say("pull")
    done = stage.run()
    assert done.code == 4
    assert "nothing was tagged" in done.err
    assert stage.podman.called("tag") == []


def test_the_tag_went_elsewhere(stage: Stage) -> None:
    """Somebody tags at the same time."""
    other = podman_image(stage.name, OTHER_DIGEST, [], Id="2e" * 32)
    stage.podman.say("tag", takes=[[f"image inspect -- {stage.name}:1", {"out": json.dumps(other)}]])
    done = stage.run()
    assert done.code == 5
    assert f"{stage.name}:1 names {'2e' * 32}" in done.err


def test_the_engine_fails(stage: Stage) -> None:
    stage.podman.say("pull", err="Error: writing blob: no space left on device\n", status=125)
    done = stage.run()
    assert done.code == 4
    assert "podman pull: it ended with exit status 125" in done.err
    assert "no space left on device" in done.err.splitlines()[-1]
    assert stage.podman.called("tag") == []


def test_the_tag_moves_between_the_verdict_and_the_pull(stage: Stage) -> None:
    """The registry points the tag at another image as soon as the judged one's config is asked for."""
    world, before = stage.world, stage.digest()
    later = world.registry.push("team/app", None, [world.layer()], config={"created": "2026-02-03T00:00:00Z"})
    manifest = world.registry.manifest("team/app", before)
    other = world.registry.manifest("team/app", later)
    assert manifest is not None
    assert other is not None

    def move(_: Any) -> None:
        world.registry.add_manifest("team/app", "1", *other)

    world.registry.misbehave[f"/v2/team/app/blobs/{json.loads(manifest[0])['config']['digest']}"] = move
    done = stage.run("--json", publish=False)
    assert done.code == 0, done
    assert stage.digest() == later != before
    assert stage.podman.called("pull")[0][-1] == f"{stage.name}@{before}"
    assert done.document["pulled"]["digest"] == before


def index(stage: Stage) -> dict[str, str]:
    registry = stage.world.registry
    made = {
        name: registry.push("team/app", None, [stage.world.layer()], architecture=name) for name in ("amd64", "arm64")
    }
    children = [{"digest": d, "platform": {"os": "linux", "architecture": name}} for name, d in made.items()]
    made["index"] = registry.push_index("team/app", "1", children)
    return made


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_of_an_index_the_platforms_own_manifest(stage: Stage, architecture: str) -> None:
    stage.world.status = [each.replace("amd64", architecture) for each in stage.world.status]
    made = index(stage)
    stage.good(made[architecture], Architecture=architecture)
    done = stage.run("--platform", f"linux/{architecture}", "--json")
    if architecture == "amd64":  # the world's archive has packages for amd64 alone
        assert done.code == 0, done
        words = stage.podman.called("pull")[0]
    else:
        words = done.document["command"][1:]
    assert words[2:] == [f"--platform=linux/{architecture}", "--", f"{stage.name}@{made[architecture]}"]
    assert done.document["assessment"]["image"]["digest"] == made["index"]


def test_a_digest_gets_no_tag(stage: Stage) -> None:
    """Nobody has looked at where the tag beside it points."""
    for which in (f"@{stage.digest()}", f":1@{stage.digest()}"):
        stage.world.reference_name = f"team/app{which}"
        done = stage.run()
        assert done.code == 0, done
        assert f"name    {stage.name}@{stage.digest()}" in " ".join(done.out.split()).replace("name ", "name    ")
    assert stage.podman.called("tag") == []


def test_no_room(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 100, 1, 1, 10, 5, 5, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    done = stage.run()
    assert done.code == 4
    assert "podman has no room for it, and nothing was pulled" in done.err
    assert "0.0 MB free (reckoned at 3 times the compressed size); make room, or" in done.err
    assert "--no-space-check" in done.err
    assert done.out.startswith("ACCEPT")
    nothing_was_pulled(stage)
    done = stage.run("--no-space-check", "--json")
    assert done.code == 0
    assert len(done.document["remarks"]) == 1
    # an image whose layers are there already needs none
    image = podman_image("other.example/app", OTHER_DIGEST, stage.diff_ids(stage.digest()))
    stage.podman.say("image ls --quiet --no-trunc", "sha256:" + "1d" * 32 + "\n")
    stage.podman.say("image inspect -- sha256:" + "1d" * 32, image)
    stage.good(stage.digest())
    done = stage.run("--json")
    assert (done.code, done.document["remarks"]) == (0, [])


def test_whether_there_is_room_could_not_be_told(stage: Stage) -> None:
    stage.podman.say("info --format json", podman_info("/no/such/place"))
    done = stage.run("--json")
    assert done.code == 0
    (said,) = done.document["remarks"]
    assert said.startswith("whether podman has room for it could not be told: /no/such/place: cannot be looked at")
    assert said in done.err


def test_no_engine_is_said_before_anything_is_asked(stage: Stage) -> None:
    stage.podman.path.unlink()
    done = stage.run()
    assert (done.code, done.out) == (4, "")
    assert "podman: not on the PATH; docker: not on the PATH; nerdctl: not on the PATH; ctr: not on" in done.err
    assert stage.world.registry.requests == []


def test_what_was_passed_over_is_said(stage: Stage, tmp_path: Path) -> None:
    stage.podman.say("info --format json", status=125, err="Error: cannot open its database\n")
    docker = StandIn(tmp_path / "tools", "docker")
    docker.say("info", {"ServerVersion": "28.2.2"})
    docker.say("image", status=1)
    docker.say("pull", status=1, err="Error response from daemon: no\n")
    done = stage.run()
    assert done.code == 4
    assert "affineur: passed over: podman info: Error: cannot open its database\n" in done.err
    assert "docker pull: it ended with exit status 1; it said: Error response from daemon: no" in done.err


def test_options_that_an_engine_has_not_are_said_before_it_pulls(stage: Stage, tmp_path: Path) -> None:
    stage.podman.path.unlink()
    docker = StandIn(tmp_path / "tools", "docker")
    docker.say("info", {"ServerVersion": "28.2.2"})
    docker.say("image ls", "")
    docker.say("image inspect", status=1)
    docker.say("pull", status=1, err="Error response from daemon\n")
    auth = tmp_path / "auth.json"
    auth.write_text("{}")
    done = stage.run(
        "--tls-verify=false",
        "--authfile",
        str(auth),
        "--mirror",
        f"https://{stage.world.registry.host}={stage.world.registry.url}",
    )
    said = [line for line in done.err.splitlines() if "docker" in line]
    assert [line.partition(": ")[2].partition(":")[0] for line in said[:3]] == [
        "docker has no option for --authfile",
        "docker has no option for --tls-verify=false",
        "docker has no option for mirrors by URL",
    ]
    assert docker.calls[-1] == ["pull", "--platform=linux/amd64", "--", f"{stage.name}@{stage.digest()}"]


def test_without_an_engine(stage: Stage, tmp_path: Path) -> None:
    target = tmp_path / "layout"
    done = stage.run("--engine", "none", "--to", f"oci:{target}:1", "--json")
    assert done.code == 0, done
    assert done.document["pulled"] is None
    assert done.document["copied"]["digest"] == stage.digest()
    (descriptor,) = json.loads((target / "index.json").read_text())["manifests"]
    assert descriptor["digest"] == stage.digest()
    algorithm, _, encoded = stage.digest().partition(":")
    kept = (target / "blobs" / algorithm / encoded).read_bytes()
    assert stage.world.registry.manifest("team/app", stage.digest()) == (kept, descriptor["mediaType"])
    assert stage.podman.calls == []


def test_without_an_engine_nothing_is_written_if_it_is_rejected(rejected: Stage, tmp_path: Path) -> None:
    assert rejected.run("--engine", "none", "--to", f"oci:{tmp_path}/layout:1").code == 1
    assert not (tmp_path / "layout").exists()


def test_without_an_engine_nothing_is_written_if_it_is_undetermined(stage: Stage, tmp_path: Path) -> None:
    stage.world.reference = ""
    done = stage.run("--engine", "none", "--to", f"oci:{tmp_path}/layout:1", "--json")
    assert done.code == 3
    command = done.document["command"]
    assert command == ["affineur", "copy", f"{stage.name}@{stage.digest()}", f"oci:{tmp_path}/layout:1"]
    assert not (tmp_path / "layout").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "none"), "belong together"),
        (("--to", "oci:there"), "belong together"),
        (("--engine", "podman", "--to", "oci:there"), "belong together"),
        (("--engine", "rkt"), "rkt"),
        (("--engine", "none", "--to", "containers-storage:x"), "containers-storage"),
    ],
)
def test_a_wrong_command_line(stage: Stage, arguments: tuple[str, ...], said: str) -> None:
    done = stage.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert stage.world.registry.requests == []


@pytest.mark.parametrize("name", ["oci:there:1", "docker-archive:there", "--all-tags", "-x", "a b"])
def test_names_that_are_no_image_of_a_registry(stage: Stage, name: str) -> None:
    words = stage.world.words("pull")[:-1]
    for line in ([*words, "--", name], [*words, name]):
        done = stage.world.run_inside_words(line)
        assert (done.code, done.out) == (2, ""), done
    nothing_was_pulled(stage)


def test_a_receipt_that_cannot_be_written(stage: Stage) -> None:
    done = stage.run("-o", "/no/such/folder/receipt")
    assert done.code == 2
    assert "the image was pulled, but /no/such/folder/receipt" in done.err


def started(stage: Stage, stdout: int = -1, stderr: int = -1) -> "subprocess.Popen[str]":
    environment = {"PATH": str(stage.podman.bin), "HOME": str(stage.world.folder), "LC_ALL": "C.UTF-8"}
    words = [sys.executable, "-m", "affineur", *stage.world.words("pull")]
    return subprocess.Popen(words, stdout=stdout, stderr=stderr, stdin=-3, text=True, env=environment)


def test_whoever_reads_the_progress_has_seen_enough(stage: Stage) -> None:
    """`affineur pull … 2>&1 | head -0`: the pull is not left half done, nor is it said to be done when it is not."""
    stage.podman.say(
        "pull", "".join(f"line {number}\n" for number in range(1000)), takes=stage.podman.answers["pull"]["takes"]
    )
    ours, theirs = os.pipe()
    os.close(ours)
    with started(stage, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        running.wait(30)
    assert running.returncode == 0
    assert len(stage.podman.called("tag")) == 1


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", -15), ("SIGKILL", -9)])
def test_ended_in_the_middle_nothing_is_tagged(stage: Stage, tmp_path: Path, name: str, code: int) -> None:
    begun = tmp_path / "begun"
    stage.podman.say(
        "pull", err="Copying\n", touch=str(begun), sleep=30, signals=[["SIGINT", "told"], ["SIGTERM", "told"]]
    )
    with started(stage) as running:
        deadline = time.monotonic() + 20
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(getattr(signal, name))
        if name == "SIGKILL":  # nobody can pass that on; what podman has begun has no tag
            os.kill(stage.podman.pid, signal.SIGTERM)
        _, error = running.communicate(timeout=20)
    assert running.returncode == code, error
    assert (stage.podman.folder / "told").exists()
    assert stage.podman.called("tag") == []
    assert "Traceback" not in error
