"""`affineur inspect` and `tags` over a registry in this process; beside skopeo they are in tests/system."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import affineur
from support.registry import Answer, Registry, tar_of

TAR = tar_of({"a": b"b"})


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as served:
        yield served


def test_what_the_registry_says_is_shown(registry: Registry, tmp_path: Path) -> None:
    registry.push("team/app", "1", [TAR])
    registry.warnings = ["this image is deprecated"]
    registry.headers = [("RateLimit-Limit", "100"), ("RateLimit-Remaining", "7")]
    more = affineur(tmp_path, "inspect", "--json", f"{registry.host}/team/app:1").document["affineur"]
    assert (more["warnings"], more["rate_limit"]) == (["this image is deprecated"], "7 of 100")
    assert "this image is deprecated" in affineur(tmp_path, "inspect", f"{registry.host}/team/app:1").out


def test_tags_that_are_refused_are_a_gap_and_not_the_end(registry: Registry, tmp_path: Path) -> None:
    registry.push("team/app", "1", [TAR])
    registry.misbehave["/v2/team/app/tags/list"] = Answer(403)
    done = affineur(tmp_path, "inspect", "--json", f"{registry.host}/team/app:1")
    assert (done.code, done.document["RepoTags"]) == (3, [])
    assert "--no-tags" in done.document["affineur"]["unassessed"][0]["what"]
    assert affineur(tmp_path, "inspect", "--json", "--no-tags", f"{registry.host}/team/app:1").code == 0


def test_tags_are_asked_for_beside_the_manifest(registry: Registry, tmp_path: Path) -> None:
    registry.push("team/app", "1", [TAR])
    registry.latency_s = 0.2
    affineur(tmp_path, "inspect", f"{registry.host}/team/app:1")
    first_two = {path for _, path in registry.requests[:2]}
    assert first_two == {"/v2/team/app/manifests/1", "/v2/team/app/tags/list"}


def test_a_child_that_the_registry_lacks_is_a_gap(registry: Registry, tmp_path: Path) -> None:
    here = registry.push("team/app", None, [TAR])
    gone = registry.push("team/app", None, [TAR], architecture="s390x")
    amd64, s390x = ({"os": "linux", "architecture": name} for name in ("amd64", "s390x"))
    registry.push_index("team/app", "1", [{"digest": here, "platform": amd64}, {"digest": gone, "platform": s390x}])
    registry.misbehave[f"/v2/team/app/manifests/{gone}"] = Answer(404)
    done = affineur(tmp_path, "inspect", "--json", "--platform", "linux/amd64", f"{registry.host}/team/app:1")
    assert done.code == 3
    first, second = done.document["affineur"]["platforms"]
    assert (first["layers"], second["layers"], second["size"]) == (1, None, None)
    assert "linux/s390x" in done.document["affineur"]["unassessed"][0]["what"]


def test_an_index_that_lies_about_a_platform_is_seen(registry: Registry, tmp_path: Path) -> None:
    digest = registry.push("team/app", None, [TAR], architecture="arm64")
    claimed = {"os": "linux", "architecture": "amd64"}
    registry.push_index("team/app", "1", [{"digest": digest, "platform": claimed}])
    done = affineur(tmp_path, "inspect", "--platform", "linux/amd64", f"{registry.host}/team/app:1")
    assert "the index claims linux/amd64" in done.out


def test_what_an_image_says_does_not_reach_the_terminal_raw(registry: Registry, tmp_path: Path) -> None:
    evil = "\x1b[2J\u202egood\n\x9b1m"
    config = {"Labels": {evil: evil}, "Env": [f"{evil}={evil}"], "User": evil, "Cmd": [evil]}
    registry.push("team/app", "1", [TAR], config={"created": evil, "config": config}, annotations={evil: evil})
    for words in ([], ["--json"]):
        done = affineur(tmp_path, "inspect", *words, f"{registry.host}/team/app:1")
        assert done.code == 0
        assert not set(done.out) & set("\x1b\u202e\x9b")
    assert done.document["Labels"] == {evil: evil}


def test_a_registry_of_another_name_is_asked_at_its_mirror(registry: Registry, tmp_path: Path) -> None:
    digest = registry.push("library/debian", "12", [TAR])
    done = affineur(
        tmp_path, "inspect", "--json", "--mirror", f"https://registry-1.docker.io={registry.url}", "debian:12"
    )
    assert (done.document["Name"], done.document["Digest"]) == ("docker.io/library/debian", digest)


def test_a_registry_that_may_not_be_asked_is_not(tmp_path: Path) -> None:
    done = affineur(tmp_path, "inspect", "registry.example/team/app:1")
    assert (done.code, done.out) == (4, "")
    assert "not looked up" in done.err


def test_timings_name_the_hosts(registry: Registry, tmp_path: Path) -> None:
    registry.push("team/app", "1", [TAR])
    done = affineur(tmp_path, "inspect", "--timings", f"{registry.host}/team/app:1")
    assert registry.host in done.err


@pytest.mark.parametrize("words", [["inspect"], ["inspect", "--platform", "x y", "a"], ["tags"], ["inspect", "A"]])
def test_a_wrong_command_line_is_exit_2(tmp_path: Path, words: list[str]) -> None:
    assert affineur(tmp_path, *words).code == 2
