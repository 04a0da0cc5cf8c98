"""One image in every place in which it may lie: the answers are the same, and nothing but its name differs."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.command import Done, affineur
from support.places import write_dir, write_docker_archive, write_layout, write_tar
from support.world import World

OF_THE_PLACE = {"reference", "registry", "repository", "tag"}
"""What names an image; all else that is said of it is the same, save where a transport makes another manifest of it."""
OF_THE_MANIFEST = {"digest", "manifest_digest", "size"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with World(tmp_path_factory.mktemp("world")) as made:
        made.publish()
        yield made


@pytest.fixture(scope="module")
def places(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The world's image in every local form, by transport."""
    folder = tmp_path_factory.mktemp("places")
    layout = write_layout(folder / "layout", world.registry, "team/app")
    write_tar(folder / "layout.tar", layout)
    write_tar(folder / "layout.tar.gz", layout)
    write_dir(folder / "dir", world.registry, "team/app", "1")
    manifest = json.loads((world.registry.manifest("team/app", "1") or (b"{}", ""))[0])
    config = json.loads(world.registry.blob("team/app", manifest["config"]["digest"]) or b"{}")
    for suffix in ("", ".gz"):
        write_docker_archive(folder / f"save.tar{suffix}", {"team/app:1": [world.layer()]}, config)
    return {
        "oci": f"oci:{layout}:1",
        "oci-archive": f"oci-archive:{folder}/layout.tar:1",
        "oci-archive.gz": f"oci-archive:{folder}/layout.tar.gz",
        "docker-archive": f"docker-archive:{folder}/save.tar:team/app:1",
        "docker-archive.gz": f"docker-archive:{folder}/save.tar.gz",
        "dir": f"dir:{folder}/dir",
    }


KINDS = ["oci", "oci-archive", "oci-archive.gz", "docker-archive", "docker-archive.gz", "dir"]


def run(world: World, reference: str, *words: str) -> Done:
    return world.run_words([words[0], "--settings", str(world.configuration()), *words[1:], reference])


def stripped(document: Any, unlike: set[str]) -> Any:
    """Without what differs from run to run, and what differs from place to place."""
    if isinstance(document, dict):
        return {
            key: stripped(value, unlike) for key, value in document.items() if key not in {"made", "as_of", *unlike}
        }
    return [stripped(each, unlike) for each in document] if isinstance(document, list) else document


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", ["packages", "updates", "cves", "age", "assess"])
def test_two_transports_of_one_image_give_the_same_answer(
    world: World, places: dict[str, str], kind: str, command: str
) -> None:
    here, there = run(world, places[kind], command, "--json"), run(world, world.image, command, "--json")
    assert here.code == there.code, here
    made = OF_THE_MANIFEST if kind.startswith("docker") else set()
    found, expected = (stripped(each.document, {"evidence", "checked"}) for each in (here, there))
    image, known = found.pop("image"), expected.pop("image")
    assert found == expected
    assert {key for key in known if image[key] != known[key]} <= OF_THE_PLACE | made
    assert (image["registry"], image["repository"]) == (None, f"{places[kind].partition(':')[0]}:{_path(places[kind])}")


def _path(reference: str) -> str:
    return reference.split(":")[1]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_say_where_they_are_from(world: World, places: dict[str, str], kind: str) -> None:
    done = run(world, places[kind], "packages", "--json")
    assert any(
        f"{kind.partition('.')[0]}:{_path(places[kind])}" in each["source"] for each in done.document["evidence"]
    )
    assert world.registry.host not in done.out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["text", "cyclonedx", "spdx"])
def test_packages_of_a_local_image_in_every_format(world: World, places: dict[str, str], kind: str, form: str) -> None:
    done = run(world, places[kind], "packages", "--format", form)
    assert done.code == 0, done
    assert "None" not in done.out
    assert "libssl3" in done.out


@pytest.mark.parametrize("form", ["text", "html", "sarif", "markdown"])
def test_an_assessment_of_a_local_image_in_every_format(world: World, places: dict[str, str], form: str) -> None:
    done = run(world, places["oci"], "assess", "--format", form)
    assert done.code in (0, 1, 3), done
    assert "None" not in done.out


@pytest.mark.parametrize("kind", KINDS)
def test_inspect_says_that_nobody_was_asked(world: World, places: dict[str, str], kind: str) -> None:
    done = run(world, places[kind], "inspect")
    assert done.code == 0, done
    assert "nobody: the image is on this machine" in " ".join(done.out.split())
    assert run(world, places[kind], "inspect", "--json").document["affineur"]["hosts"] == []


def test_a_path_may_be_relative(world: World, places: dict[str, str], tmp_path: Path) -> None:
    path = os.path.relpath(_path(places["oci"]), Path.cwd())
    done = run(world, f"oci:{path}:1", "inspect", "--json")
    assert done.document["affineur"]["reference"] == f"oci:{path}:1"


def test_a_layer_that_is_not_what_was_promised_ends_with_5(world: World, tmp_path: Path) -> None:
    manifest = json.loads((world.registry.manifest("team/app", "1") or (b"{}", ""))[0])
    promised = manifest["layers"][0]["digest"]
    bent = (world.registry.blob("team/app", promised) or b"")[:-9] + b"123456789"
    folder = write_layout(tmp_path / "layout", world.registry, "team/app", {promised: bent})
    done = affineur(tmp_path, "packages", f"oci:{folder}:1")
    assert (done.code, done.out) == (5, ""), done


@pytest.mark.parametrize(
    ("reference", "code", "said"),
    [
        ("oci:{}/none", 4, "no such folder"),
        ("oci-archive:{}/none.tar", 4, "no such file"),
        ("docker-archive:{}/text", 5, "is no tar archive"),
        ("oci:{}", 4, "it has no oci-layout"),
        ("dir:{}", 4, "it has no manifest.json"),
        ("oci:", 2, "names no path"),
        ("sif:{}/a.sif", 2, "is not read yet"),
        ("containers-storage:debian", 2, "skopeo copy containers-storage:debian oci:FOLDER:NAME"),
        ("oci-archive:/dev/stdin", 4, "save it to a file"),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "tags", "packages", "assess"])
def test_what_cannot_be_opened_is_said_in_one_line(
    tmp_path: Path, command: str, reference: str, code: int, said: str
) -> None:
    (tmp_path / "text").write_text("text " * 200)
    done = affineur(tmp_path, command, reference.format(tmp_path))
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert len([line for line in done.err.splitlines() if line.startswith("affineur: ")]) == 1


def test_an_image_on_this_machine_chooses_public_addresses_only(tmp_path: Path) -> None:
    """Unlike one of a registry on loopback: where a file lies does not say who made it."""
    with World(tmp_path) as world:
        sources = world.files["etc/apt/sources.list"] or b""
        local = world.archive.url.rstrip("/").encode()
        world.files["etc/apt/sources.list"] = sources.replace(b"http://archive.example", local)
        world.publish()
        folder = write_layout(tmp_path / "layout", world.registry, "team/app")
        served = len(world.archive.requests)
        done = run(world, f"oci:{folder}:1", "updates", "--json")
        assert len(world.archive.requests) == served
        assert done.code != 0
        assert "127.0.0.1" in done.out + done.err
        run(world, world.image, "updates", "--json")
        assert len(world.archive.requests) > served
