"""`affineur sync` as its user runs it, between registries in this process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import Done, affineur
from support.pushing import PushableRegistry
from support.registry import Answer, Registry, tar_of


class Stage:
    """A source with an image under some tags, an empty target, and a file between them."""

    def __init__(self, home: Path, source: Registry, target: PushableRegistry) -> None:
        self.home, self.source, self.target = home, source, target
        self.file = home / "sync.yaml"
        self.requests: list[list[tuple[str, str]]] = []

    def push(self, *tags: str, repository: str = "team/app", **more: Any) -> None:
        for tag in tags:
            self.source.push(repository, tag, [tar_of({"etc/tag": tag.encode()})], **more)

    def write(self, entry: str = "", more: str = "") -> None:
        self.file.write_text(
            f"sync:\n- from: {self.source.host}/team/app\n  to: {self.target.host}/mirror/app\n"
            + "".join(f"  {line}\n" for line in entry.splitlines())
            + more
        )

    def run(self, *words: str) -> Done:
        before = len(self.source.requests), len(self.target.requests)
        done = affineur(self.home, "sync", *words, str(self.file))
        self.requests = [self.source.requests[before[0] :], self.target.requests[before[1] :]]
        if "--json" not in words:  # what does not fit is one long name, behind its state
            assert [line for line in done.out.splitlines() if len(line) > 80 and len(line[14:].split()) > 1] == []
        return done

    @property
    def tags(self) -> list[str]:
        return self.target.tags("mirror/app") or []


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Registry() as source, PushableRegistry() as target:
        yield Stage(tmp_path, source, target)


def test_what_is_wanted_is_brought_and_then_costs_one_head_for_each_tag(stage: Stage) -> None:
    stage.push("1.0", "1.1", "2.0", "latest")
    stage.write('include: ["1.*", latest]')
    done = stage.run()
    assert (done.code, done.out.splitlines()[-1].partition(";")[0]) == (0, "3 tags: 3 moved"), done
    assert stage.tags == ["1.0", "1.1", "latest"]
    for tag in stage.tags:
        assert stage.target.manifest("mirror/app", tag) == stage.source.manifest("team/app", tag)
    again = stage.run()
    assert (again.code, again.out) == (0, "3 tags: 3 unchanged\n")
    assert sorted(stage.requests[0]) == [
        ("GET", "/v2/team/app/tags/list"),
        *(("HEAD", f"/v2/team/app/manifests/{tag}") for tag in ("1.0", "1.1", "latest")),
    ]
    assert stage.requests[1] == []


def test_a_tag_that_has_changed_is_moved_again(stage: Stage) -> None:
    stage.push("1", "2")
    stage.write()
    assert stage.run().code == 0
    stage.source.push("team/app", "2", [tar_of({"etc/new": b""})])
    done = stage.run()
    assert "1 unchanged" in done.out
    assert "1 moved" in done.out
    assert stage.target.manifest("mirror/app", "2") == stage.source.manifest("team/app", "2")


def test_a_bad_tag_keeps_no_other_back_and_is_told_at_the_end(stage: Stage) -> None:
    stage.push("1", "2", "3", "4")
    stage.source.misbehave["/v2/team/app/manifests/2"] = Answer(500, body=b"")
    digest = stage.source.push("team/app", "3", [b"x"])
    stage.source.misbehave[f"/v2/team/app/manifests/{digest}"] = Answer(
        headers=[("Content-Type", "application/vnd.oci.image.manifest.v1+json")], body=b"{}"
    )
    stage.write()
    done = stage.run()
    assert done.code == 5
    assert stage.tags == ["1", "4"]
    end = done.out[done.out.index("\n\n") :]
    assert "bad content" in end
    assert "team/app:3" in end
    assert "failed" in end
    assert "the server failed (HTTP 500)" in " ".join(end.split())
    del stage.source.misbehave[f"/v2/team/app/manifests/{digest}"]
    done = stage.run()
    assert done.code == 4
    assert "2 unchanged" in done.out
    assert stage.tags == ["1", "3", "4"]


def test_a_repository_that_cannot_be_listed_keeps_no_other_back(stage: Stage) -> None:
    stage.push("1")
    stage.write()
    stage.file.write_text(
        stage.file.read_text() + f"- from: {stage.source.host}/team/none\n  to: {stage.target.host}/mirror/none\n"
    )
    done = stage.run()
    assert (done.code, stage.tags) == (4, ["1"])
    assert "not listed (line 4)" in done.out


def test_a_dry_run_writes_nothing_and_says_what_would_be_moved(stage: Stage) -> None:
    stage.push("1", "2")
    stage.write()
    done = stage.run("--dry-run")
    assert (done.code, stage.tags) == (0, [])
    assert done.out.count("would move    ") == 2
    assert {method for method, _ in stage.requests[1]} == {"HEAD"}
    assert stage.run().code == 0
    stage.push("3")
    done = stage.run("--dry-run")
    assert done.out.splitlines()[-1] in ("3 tags: 2 unchanged, 1 would move", "3 tags: 1 would move, 2 unchanged")
    assert stage.tags == ["1", "2"]


def test_the_target_is_asked_too_if_that_is_wanted(stage: Stage) -> None:
    stage.push("1", "2")
    stage.write()
    assert stage.run().code == 0
    stage.target.held("mirror/app").tags["1"] = stage.target.held("mirror/app").tags["2"]
    assert stage.run().out == "2 tags: 2 unchanged\n"
    done = stage.run("--check-target")
    assert "1 moved" in done.out
    assert stage.target.manifest("mirror/app", "1") == stage.source.manifest("team/app", "1")


def test_platforms_and_age(stage: Stage) -> None:
    for tag, created in (("old", "2020-01-01T00:00:00Z"), ("new", "2026-11-01T00:00:00.123456789Z"), ("what", "soon")):
        children = [
            stage.source.push("team/app", None, [b"x"], architecture=each, config={"created": created})
            for each in ("amd64", "arm64")
        ]
        stage.source.push_index(
            "team/app",
            tag,
            [
                {"digest": digest, "platform": {"os": "linux", "architecture": each}}
                for digest, each in zip(children, ("amd64", "arm64"), strict=True)
            ],
        )
    stage.write("newer-than: 2026-01-01\nplatforms: [linux/arm64]")
    done = stage.run()
    assert (done.code, stage.tags) == (3, ["new"])
    assert "says 'soon' when it was built" in " ".join(done.out.split())
    found = stage.target.manifest("mirror/app", "new")
    assert found is not None
    assert "manifests" not in json.loads(found[0])
    again = stage.run()
    assert again.out.splitlines()[-1] in {
        "3 tags: " + text for text in _orders("1 older", "1 unchanged", "1 undetermined")
    }
    assert [method for method, _ in stage.requests[0]] == ["GET", "HEAD", "HEAD", "HEAD"]


def _orders(*parts: str) -> set[str]:
    from itertools import permutations

    return {", ".join(each) for each in permutations(parts)}


def test_a_layout_is_a_target_and_a_source(stage: Stage) -> None:
    stage.push("1", "2")
    folder = stage.home / "layout"
    stage.file.write_text(f"sync:\n- {{from: {stage.source.host}/team/app, to: 'oci:{folder}'}}\n")
    done = stage.run()
    assert done.code == 0, done
    assert stage.run().out == "2 tags: 2 unchanged\n"
    stage.file.write_text(f"sync:\n- {{from: 'oci:{folder}', to: {stage.target.host}/mirror/app}}\n")
    assert stage.run().code == 0
    assert stage.target.manifest("mirror/app", "2") == stage.source.manifest("team/app", "2")


def test_a_policy_that_rejects_moves_nothing(stage: Stage) -> None:
    stage.push("1")
    (stage.home / "strict.yaml").write_text("build-age-max-days: 0\n")
    stage.write("policy: strict.yaml")
    done = stage.run()
    assert (done.code, stage.tags) == (1, []), done
    assert "rejected" in done.out
    assert "build-age-max-days: " in done.out
    (stage.home / "strict.yaml").write_text("build-age-max-days: 3000\n")
    done = stage.run()
    assert (done.code, stage.tags) == (0, ["1"]), done


def test_a_policy_that_is_wrong_is_told_before_anything_is_asked(stage: Stage) -> None:
    (stage.home / "strict.yaml").write_text("nonsense: 1\n")
    stage.write("policy: strict.yaml")
    done = stage.run()
    assert done.code == 2
    assert "strict.yaml:1: unknown key nonsense" in done.err
    assert stage.requests == [[], []]


@pytest.mark.parametrize(("deletes", "by_tag"), [(True, True), (True, False), (False, False)])
def test_only_what_this_file_brought_and_wants_no_more_is_deleted(stage: Stage, deletes: bool, by_tag: bool) -> None:
    stage.target.deletes = deletes
    stage.push("1", "2", "3")
    stage.source.held("team/app").tags["2-also"] = stage.source.held("team/app").tags["2"]
    stage.target.push("mirror/app", "others", [b"x"])
    stage.write()
    assert stage.run().code == 0
    everything = ["1", "2", "2-also", "3", "others"]
    assert stage.tags == everything
    if not by_tag:
        stage.target.meddle = lambda method, path, _: (
            Answer(400, body=b"") if method == "DELETE" and "sha256:" not in path else None
        )
    stage.write('exclude: ["2", "3"]')
    listed = stage.run("--prune")
    assert listed.out.count("to be deleted") == 2
    assert "others" not in listed.out
    assert "Nothing was deleted" in listed.out
    assert (listed.code, stage.tags) == (0, everything)
    assert "to be deleted" in stage.run("--prune", "--yes", "--dry-run").out
    assert stage.tags == everything
    done = stage.run("--prune", "--yes")
    assert done.out.index("to be deleted") < (done.out + "deleted  ").index("deleted  ")
    if by_tag:
        assert (done.code, stage.tags) == (0, ["1", "2-also", "others"])
        assert "to be deleted" not in stage.run("--prune", "--yes").out
    elif deletes:  # what 2 names is 2-also's as well
        assert (done.code, stage.tags) == (3, ["1", "2", "2-also", "others"])
        assert "this one is 2-also's, too" in " ".join(done.out.split())
    else:
        assert (done.code, stage.tags) == (3, everything)
        assert "the registry deletes nothing" in " ".join(done.out.split())


def test_a_child_of_an_index_that_stays_is_not_deleted(stage: Stage) -> None:
    stage.target.deletes = True
    stage.target.meddle = lambda method, path, _: (
        Answer(400, body=b"") if method == "DELETE" and "sha256:" not in path else None
    )
    child = stage.source.push("team/app", "1-amd64", [b"x"])
    stage.source.push_index("team/app", "1", [{"digest": child, "platform": {"os": "linux", "architecture": "amd64"}}])
    stage.write()
    assert stage.run().code == 0
    stage.write('exclude: "1-amd64"')
    done = stage.run("--prune", "--yes")
    assert (done.code, stage.tags) == (3, ["1", "1-amd64"])
    assert "this one is 1's, too" in " ".join(done.out.split())
    assert stage.target.manifest("mirror/app", child) is not None


def test_nothing_is_deleted_for_a_source_that_does_not_answer_or_has_no_tag(stage: Stage) -> None:
    stage.target.deletes = True
    stage.push("1", "2")
    stage.write()
    assert stage.run().code == 0
    for answer in (Answer(404, body=b""), Answer(body=b'{"tags": []}')):
        stage.source.misbehave["/v2/team/app/tags/list"] = answer
        done = stage.run("--prune", "--yes")
        assert done.out.count("spared") == 2
        assert stage.tags == ["1", "2"]


def test_a_tag_that_somebody_else_has_set_since_is_left(stage: Stage) -> None:
    stage.target.deletes = True
    stage.push("1", "2")
    stage.write()
    assert stage.run().code == 0
    stage.target.push("mirror/app", "2", [b"theirs"])
    stage.write('include: "1"')
    done = stage.run("--prune", "--yes")
    assert (done.code, stage.tags) == (3, ["1", "2"])
    assert "which this file has not brought" in " ".join(done.out.split())


def test_a_budget_leaves_the_rest_for_the_next_run(stage: Stage) -> None:
    stage.push("1", "2", "3", "4", "5")
    limits = f"registries:\n  {stage.source.host}: {{requests: 9, at-once: 1}}\n"
    stage.write(more=limits)
    done = stage.run()
    assert done.code == 3
    assert len(stage.requests[0]) == 9
    assert 0 < len(stage.tags) < 5
    assert "the 9 requests that the file allows one run are spent" in " ".join(done.out.split())
    for _ in range(8):
        done = stage.run()
        assert len(stage.requests[0]) <= 9
    assert (done.code, stage.tags) == (0, ["1", "2", "3", "4", "5"])


def test_events_are_json(stage: Stage) -> None:
    stage.push("1", "2")
    stage.write()
    done = stage.run("--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [each["event"] for each in events] == ["plan", "tag", "tag", "end"]
    assert events[0] == {"event": "plan", "tags": 2, "problems": []}
    assert {each["state"] for each in events[1:3]} == {"moved"}
    assert {each["target"] for each in events[1:3]} == {f"{stage.target.host}/mirror/app:{tag}" for tag in "12"}
    assert events[-1] == {
        "event": "end",
        "schema": "affineur.sync/1",
        "exit_code": 0,
        "tags": {"moved": 2},
        "problems": 0,
    }


def test_skopeos_file_with_its_own_login(stage: Stage) -> None:
    stage.push("1.1", "1.2", "latest", repository="team/app")
    stage.source.login = ("john", "this is a secret")
    stage.file.write_text(
        f"{stage.source.host}:\n  images-by-tag-regex:\n    team/app: ^1\\.\n  tls-verify: false\n"
        "  credentials: {username: john, password: this is a secret}\n"
    )
    done = stage.run("--to", f"{stage.target.host}/mirror", "--tls-verify=false")
    assert (done.code, stage.tags) == (0, ["1.1", "1.2"]), done
    stage.file.write_text(stage.file.read_text().replace("is a secret}", "is none}"))
    done = stage.run("--to", f"{stage.target.host}/mirror")
    assert done.code == 4
    assert "credentials of" in " ".join(done.out.split())
    assert "is none" not in done.out + done.err


def test_two_images_for_one_name_are_told_before_anything_is_moved(stage: Stage) -> None:
    stage.push("1")
    stage.push("1", repository="other/app")
    stage.file.write_text(f"{stage.source.host}: {{images: {{team/app: [], other/app: ['1']}}}}\n")
    done = stage.run("--to", f"{stage.target.host}/mirror")
    assert (done.code, stage.tags) == (2, [])
    assert "nothing was moved" in done.err


@pytest.mark.parametrize("words", [["--yes"], ["--to", "x.example"]])
def test_a_wrong_command_line(stage: Stage, words: list[str]) -> None:
    stage.write()
    assert stage.run(*words).code == 2


def test_a_file_that_is_not_there(stage: Stage) -> None:
    done = stage.run()
    assert done.code == 2
    assert "sync.yaml: cannot be read: No such file" in done.err
