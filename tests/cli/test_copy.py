"""`affineur copy` as its user runs it: exit codes, what is said, what is judged first, how progress looks."""

import io
import json
import os
import pty
import re
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from affineur.cli import moving
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.signatures.signing import SigningKey
from support.command import Done
from support.endings import refused
from support.pushing import PushableRegistry
from support.registry import Answer, tar_of
from support.world import World

BAD = "health:\n  at-least: B\n"


class Stage:
    """The small world's registry as the source, another as the target."""

    def __init__(self, world: World, target: PushableRegistry, folder: Path) -> None:
        self.world, self.target, self.folder = world, target, folder
        self.source = world.registry
        self.policy = folder / "policy.yaml"
        self.policy.write_text(BAD)

    def run(self, *arguments: str, source: str = "team/app:1", to: str = "prod/app:1") -> Done:
        names = [f"{self.source.host}/{source}" if ":" not in source.partition("/")[0] else source]
        names.append(f"{self.target.host}/{to}" if ":" not in to.partition("/")[0] else to)
        settings = ["--settings", str(self.world.configuration())]
        return self.world.run_inside_words(["copy", *settings, *arguments, *names])

    def judged(self, *arguments: str, **names: str) -> Done:
        self.world.publish()
        return self.run("--policy", str(self.policy), *arguments, **names)

    def push(self, *tags: str) -> str:
        digest = ""
        for tag in tags:
            digest = self.source.push("team/app", tag, [tar_of({"etc/tag": tag.encode()})])
        return digest

    @property
    def tags(self) -> list[str]:
        return self.target.tags("prod/app") or []

    def index(self, **children: bytes) -> str:
        """An index of images, by architecture → their layer."""
        made = [
            {
                "digest": self.source.push("team/app", None, [tar], architecture=name),
                "platform": {"os": "linux", "architecture": name},
            }
            for name, tar in children.items()
        ]
        return self.source.push_index("team/app", "1", made)


@pytest.fixture
def stage(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    # made in the background, for a process that ends: here they would be left over where they come too late
    monkeypatch.setattr("affineur.cli.session.Session.expect", lambda *_: None)
    with PushableRegistry() as target:
        yield Stage(world, target, tmp_path)


def flat(done: Done) -> str:
    return " ".join(done.out.split())


# Without a policy


def test_an_image_is_copied_and_told(stage: Stage) -> None:
    digest = stage.push("1")
    done = stage.run("--to", "stable")
    assert (done.code, done.err) == (0, "")
    assert stage.tags == ["1", "stable"]
    assert stage.target.manifest("prod/app", "1") == stage.source.manifest("team/app", "1")
    assert digest in done.out
    assert "2 sent (0.0 MB)" in done.out
    assert "tags      1, stable" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines() if len(line.split()) > 2)
    again = stage.run("--to", "stable")
    assert "2 already there" in again.out
    assert "sent" not in again.out


def test_the_receipt(stage: Stage) -> None:
    digest = stage.push("1")
    file = stage.folder / "receipt.json"
    assert stage.run("--receipt", str(file)).code == 0
    document = json.loads(file.read_text())
    assert document["schema"] == "affineur.copy/1"
    (image,) = document["images"]
    assert (image["exit_code"], image["decision"], image["problem"], image["assessments"]) == (0, None, "", [])
    assert image["receipt"]["digest"] == digest
    assert image["receipt"]["began"].endswith("Z")


def test_events_are_lines_of_json_and_end_with_the_document(stage: Stage) -> None:
    digest = stage.push("1")
    done = stage.run("--json", "--receipt", str(stage.folder / "receipt.json"))
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [each["event"] for each in events].count("planned") == 2
    assert {"event": "tag", "tag": "1", "digest": digest} in events
    assert {"event": "manifest", "digest": digest, "what": "image", "how": "sent"} in events
    assert all(set(each) == {"event", "digest", "size", "how"} for each in events if each["event"] == "blob")
    assert events[-1]["event"] == "done"
    assert events[-1]["document"] == json.loads((stage.folder / "receipt.json").read_text())
    assert done.err == ""


@pytest.mark.parametrize(
    ("source", "to", "code", "words"),
    [
        ("team/none:1", "prod/app:1", 4, "team/none"),
        ("team/app:1", "prod/app:1", 4, "refused"),
        ("team/app:1", "prod/APP:1", 2, "upper-case"),
        ("team/app:1", "prod/app@sha256:" + "0" * 64, 2, "another digest"),
        ("dir:/nowhere/at/all", "prod/app:1", 4, "/nowhere/at/all"),
        ("containers-storage:x", "prod/app:1", 2, "not read yet"),
    ],
)
def test_how_it_fails(stage: Stage, source: str, to: str, code: int, words: str) -> None:
    stage.push("1")
    if words == "refused":
        stage.target.meddle = lambda *_: Answer(405)
    refused(stage.run(source=source, to=to), code, words)
    assert stage.tags == []


def test_content_that_is_not_what_was_promised(stage: Stage) -> None:
    stage.push("1")
    for digest, content in stage.source.held("team/app").blobs.items():
        stage.source.held("team/app").blobs[digest] = content[:-1] + bytes([content[-1] ^ 1])
    done = stage.run()
    refused(done, 5, "not the promised sha256:")
    assert stage.tags == []


def test_what_could_not_be_told_is_exit_3(stage: Stage) -> None:
    digest = stage.push("1")
    stage.source.misbehave[f"/v2/team/app/referrers/{digest}"] = Answer(403, body=b"")
    done = stage.run()
    assert done.code == 3
    assert "Could not be told" in done.out
    assert stage.tags == ["1"]
    assert stage.run("--no-referrers").code == 0


def test_nothing_is_overwritten(stage: Stage) -> None:
    stage.push("1")
    theirs = stage.target.push("prod/app", "1", [b"theirs"])
    refused(stage.run("--no-clobber"), 4, theirs, "--no-clobber")
    assert stage.target.held("prod/app").tags == {"1": theirs}


def test_platforms(stage: Stage) -> None:
    index = stage.index(amd64=tar_of({"a": b"1"}), arm64=tar_of({"a": b"2"}), s390x=tar_of({"a": b"3"}))
    stage.target.lenient = True
    done = stage.run("--platform", "linux/amd64", "--platform", "arm64")
    assert done.code == 0
    assert "the index names platforms that were left out: linux/s390x" in flat(done)
    assert stage.target.held("prod/app").tags == {"1": index}
    refused(stage.run("--platform", "linux/riscv64"), 4, "linux/riscv64")
    refused(stage.run("--platform", "a/b/c/d"), 2, "a/b/c/d")


@pytest.mark.parametrize(
    "words",
    [
        ["--all-tags"],
        ["--all-tags", "--to", "2"],
        ["--attest", "key.pem"],
        ["--policy"],
    ],
)
def test_a_wrong_command_line(stage: Stage, words: list[str]) -> None:
    done = stage.run(*words)
    assert done.code == 2
    assert done.out == ""
    assert "Usage: affineur copy" in done.err
    assert stage.source.requests == stage.target.requests == []


def test_help(stage: Stage) -> None:
    done = stage.world.run_inside_words(["copy", "--help"])
    assert done.code == 0
    assert all(len(line) <= 80 for line in done.out.splitlines())
    for option in ("--to TAG", "--all-tags", "--platform OS/ARCH", "--no-referrers", "--no-clobber", "--policy FILE"):
        assert option in done.out
    for code in ("1 rejected", "3 undetermined", "4 a place", "5 something"):
        assert code in flat(done)


# Every tag


def test_every_tag(stage: Stage) -> None:
    stage.push("1", "2", "latest")
    signed = stage.source.held("team/app").tags["2"].replace(":", "-") + ".sig"
    stage.source.push("team/app", signed, [b"signed"])
    done = stage.run("--all-tags", source="team/app", to="prod/app")
    assert done.code == 0
    assert stage.tags == ["1", "2", "latest", signed]
    assert done.out.count("→") == 3  # the signature came along with what it speaks of
    assert "2 of 4: 2" in done.err


def test_one_bad_tag_keeps_no_other_back(stage: Stage) -> None:
    stage.push("1", "2", "3")
    stage.source.misbehave["/v2/team/app/manifests/2"] = Answer(403, body=b"")
    file = stage.folder / "receipt.json"
    done = stage.run("--all-tags", "--receipt", str(file), source="team/app", to="prod/app")
    assert (done.code, stage.tags) == (4, ["1", "3"])
    assert "nothing was written" in flat(done)
    assert "HTTP 403" in done.err
    images = json.loads(file.read_text())["images"]
    assert [each["exit_code"] for each in images] == [0, 4, 0]
    assert images[1]["receipt"] is None
    assert "HTTP 403" in images[1]["problem"]
    digest = stage.source.held("team/app").tags["3"]
    stage.source.misbehave[f"/v2/team/app/manifests/{digest}"] = Answer(body=b"{}")
    stage.source.misbehave["/v2/team/app/manifests/3"] = Answer(body=b"{}")
    done = stage.run("--all-tags", source="team/app", to="again/app")
    assert done.code == 5
    assert stage.target.tags("again/app") == ["1"]


def test_tags_that_are_no_tags_are_the_registrys_fault(stage: Stage) -> None:
    """What a registry lists may be anything: told for each, and the others are moved all the same."""
    stage.push("1", "2")
    listed = ["1", "../../x", "1", "a b", "", "\x1b[31m", "x" * 200, "@sha256:x", "2"]
    stage.source.misbehave["/v2/team/app/tags/list"] = Answer(body=json.dumps({"tags": listed}).encode())
    done = stage.run("--all-tags", source="team/app", to="prod/app")
    assert (done.code, stage.tags) == (5, ["1", "2"])
    assert "\x1b" not in done.out + done.err
    assert flat(done).count("nothing was written") == len(listed) - 3
    stage.target.requests.clear()
    refused(stage.run("--all-tags", source="team/app", to="prod/APP"), 2, "upper-case")
    assert stage.target.requests == []


def test_a_layout_has_tags_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stage.folder)
    stage.push("1", "2")
    assert stage.run("--all-tags", source="team/app", to="oci:layout").code == 0
    done = stage.run("--all-tags", source="oci:layout", to="prod/app")
    assert (done.code, stage.tags) == (0, ["1", "2"])
    for to in ("oci:layout:1", "oci-archive:a.tar", "docker-archive:a.tar", "dir:d"):
        assert stage.run("--all-tags", source="team/app", to=to).code == 2
    assert sorted(each.name for each in stage.folder.iterdir() if each.name in ("a.tar", "d")) == []


# With a policy


def test_accepted_and_moved(stage: Stage) -> None:
    stage.world.update()
    file = stage.folder / "receipt.json"
    done = stage.judged("--receipt", str(file))
    assert done.code == 0, done
    assert done.out.startswith("ACCEPT  grade A")
    assert stage.tags == ["1"]
    (image,) = json.loads(file.read_text())["images"]
    assert image["decision"] == "accept"
    assert image["assessments"][0]["grade"]["letter"] == "A"
    assert image["assessments"][0]["image"]["manifest_digest"] == image["receipt"]["digest"]


def test_rejected_and_nothing_written(stage: Stage) -> None:
    file = stage.folder / "receipt.json"
    done = stage.judged("--receipt", str(file))
    assert done.code == 1
    assert done.out.startswith("REJECT  grade")
    assert "nothing was written: rejected" in flat(done)
    assert [path for method, path in stage.target.requests if method not in ("GET", "HEAD")] == []
    assert stage.tags == []
    (image,) = json.loads(file.read_text())["images"]
    assert (image["exit_code"], image["decision"], image["receipt"]) == (1, "reject", None)
    events = [json.loads(line) for line in stage.judged("--json").out.splitlines()]
    assert [each["event"] for each in events] == ["done"]


def test_undetermined_and_nothing_written(stage: Stage) -> None:
    stage.world.update()
    stage.world.reference = ""
    done = stage.judged()
    assert done.code == 3
    assert done.out.startswith("UNDETERMINED")
    assert "nothing was written: undetermined" in flat(done)
    assert stage.tags == []
    stage.policy.write_text(BAD + "  unknown: accept\n")
    assert stage.judged().code == 0
    assert stage.tags == ["1"]


def test_one_bad_platform_keeps_all_back(stage: Stage) -> None:
    bad = stage.world.layer()
    stage.world.update()
    good = stage.world.layer()
    stage.index(amd64=good, arm64=bad)
    done = stage.judged()
    assert (done.code, stage.tags) == (1, [])
    assert "ACCEPT" in done.out
    assert "REJECT" in done.out
    assert stage.judged("--platform", "linux/amd64").code == 0  # alone it may go
    assert stage.tags == ["1"]
    assert stage.judged("--platform", "linux/arm64", to="prod/other:1").code == 1
    assert stage.target.tags("prod/other") is None or stage.target.tags("prod/other") == []


def test_what_was_judged_is_moved_whatever_the_tag_says_meanwhile(stage: Stage) -> None:
    stage.world.update()
    stage.world.publish()
    judged = stage.source.held("team/app").tags["1"]
    served: list[str] = []

    def first_this_then_that(headers: Mapping[str, str]) -> Answer | None:
        served.append("")
        if len(served) > 1:
            stage.source.push("team/app", "1", [tar_of({"bad": b""})])
        return None

    stage.source.misbehave["/v2/team/app/manifests/1"] = first_this_then_that
    done = stage.judged()
    assert done.code == 0, done
    assert stage.target.held("prod/app").tags == {"1": judged}


def test_a_policy_that_cannot_be_read_writes_nothing(stage: Stage) -> None:
    stage.policy.write_text("nonsense: 1\n")
    refused(stage.judged(), 2, "nonsense")
    assert stage.tags == []


def test_what_is_no_image_is_not_judged(stage: Stage) -> None:
    config = stage.source.add_blob("team/app", b"{}")
    chart = "application/vnd.cncf.helm.config.v1+json"
    manifest = {"schemaVersion": 2, "config": {"mediaType": chart, "digest": config, "size": 2}, "layers": []}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    stage.source.add_manifest("team/app", "1", {**manifest, "mediaType": media_type}, media_type)
    refused(stage.judged(), 5, "a Helm chart", "a policy judges images")
    assert stage.tags == []


def test_attested(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    key = SigningKey("a stand-in", b"", b"", lambda message: b"signature")
    monkeypatch.setattr("affineur.cli.keys.signing_key", lambda path: key)
    stage.target.referrers_api = True
    stage.world.update()
    done = stage.judged("--attest", "key.pem")
    assert done.code == 0, done
    assert "a signed assessment" in done.out
    digest = stage.target.held("prod/app").tags["1"]
    assert len(stage.target.referrers("prod/app", digest)) == 1


def test_a_key_that_is_none_is_told_before_anything_is_judged(stage: Stage) -> None:
    done = stage.judged("--attest", str(stage.folder / "none.pem"))
    refused(done, 2, "none.pem")
    assert stage.source.requests == stage.target.requests == []


# What strangers chose


def test_hostile_names_are_spelled_out(stage: Stage) -> None:
    digest = stage.push("1")
    stage.source.referrers_api = True
    content, media_type = stage.source.held("team/app").manifests[digest]
    evil = "application/\x1b[2J\u202egnp\nACCEPT"
    config = stage.source.add_blob("team/app", b"{}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "artifactType": evil,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
        "layers": [],
        "subject": {"mediaType": media_type, "digest": digest, "size": len(content)},
    }
    stage.source.add_manifest("team/app", None, manifest, media_type)
    done = stage.run()
    assert done.code == 0, done
    assert "Came along" in done.out
    assert "\\x1b[2J" in done.out
    for text in (done.out, done.err):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert not re.search(r"^ACCEPT", text, re.MULTILINE)
    events = stage.run("--json", to="prod/other:1").out
    assert "\x1b" not in events
    assert "\u202e" not in events
    assert any(evil in line for line in map(_texts, events.splitlines()))


def _texts(line: str) -> str:
    return str(json.loads(line).get("what", ""))


# Progress


BLOB = Descriptor("a/b", Digest.of(b"a blob"), 40_000_000)
OTHER = Descriptor("a/b", Digest.of(b"another"), 1_000_000)


def _until(said: Callable[[], str], pattern: str) -> None:
    """Until that has been shown."""
    for _ in range(1_000):
        if re.search(pattern, said()):
            return
        time.sleep(0.01)
    raise AssertionError(said())


def _moves(shown: moving.ShownMove, said: Callable[[], str] | None = None) -> None:
    """One blob of two is moved, by halves that are both seen."""
    for blob in (BLOB, OTHER):
        shown.planned(blob)
    shown.moved(BLOB, 10_000_000)
    if said is not None:
        _until(said, r"10\.0 of .*MB")
    shown.settled(OTHER, "present")
    shown.moved(BLOB, 30_000_000)
    shown.settled(BLOB, "sent")
    shown.stored(Digest.of(b"x"), "image", "sent")
    shown.tagged("1", Digest.of(b"x"))
    if said is not None:
        _until(said, r"41\.0 of .*MB")
    shown.close()


def test_elsewhere_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "SILENT_FOR_S", 0.03)
    monkeypatch.setattr(moving, "PLAIN_EVERY_S", 0.02)
    out = io.StringIO()
    shown = moving.ShownMove(out)
    _moves(shown, out.getvalue)
    lines = [line for line in out.getvalue().splitlines() if " 0.0 of" not in line]
    assert len(lines) >= 2
    assert all(
        re.fullmatch(r" *\d+ s  \d+\.\d of 41\.0 MB \(\d+ %\), \d of 2 blobs, .*MB/s(, \d+ s left)?", x) for x in lines
    )
    assert "10.0 of 41.0 MB (24 %), 0 of 2 blobs" in lines[0]
    assert "41.0 of 41.0 MB (100 %), 2 of 2 blobs" in lines[-1]
    assert all(len(line) < 80 and "\x1b" not in line for line in lines)


def test_the_time_left_is_told_once_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "SILENT_FOR_S", 0.02)
    monkeypatch.setattr(moving, "PLAIN_EVERY_S", 0.02)
    out = io.StringIO()
    shown = moving.ShownMove(out)
    shown.planned(BLOB)
    shown.moved(BLOB, 300)
    _until(out.getvalue, r"0\.0 of")
    assert "left" not in out.getvalue()
    shown.moved(BLOB, BLOB.size // 2)
    _until(out.getvalue, r"20\.0 of .* s left")
    shown.close()


def test_who_does_not_wait_sees_nothing() -> None:
    out = io.StringIO()
    _moves(moving.ShownMove(out))
    assert out.getvalue() == ""


@pytest.mark.parametrize("columns", [80, 40, 0])
def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """They are drawn over each other, never wider than it, and nothing is left of them at the end."""
    monkeypatch.setattr(moving, "SILENT_FOR_S", 0.02)
    monkeypatch.setattr(moving, "TERMINAL_EVERY_S", 0.02)
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    read: list[bytes] = []

    def drain() -> None:
        try:
            while part := os.read(master, 65_536):
                read.append(part)
        except OSError:  # the other end is closed
            return

    reader = threading.Thread(target=drain)
    reader.start()
    with os.fdopen(slave, "w") as terminal:
        _moves(moving.ShownMove(terminal), lambda: b"".join(read).decode())
    reader.join(5)
    os.close(master)
    said = b"".join(read).decode()
    screen, widest = _screen(said)
    assert "=" in said
    assert str(BLOB.digest)[:19] in said
    assert widest < (columns or 80)
    assert screen == [""]


def _screen(said: str) -> tuple[list[str], int]:
    """What is left on a terminal, and its widest line ever; of the controls that are used: CR, LF, CUU, ED."""
    lines, row, column, widest = [""], 0, 0, 0
    for part in re.findall(r"\x1b\[\d*[A-Z]|\r|\n|[^\x1b\r\n]+", said):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif part.endswith("A") and part[0] == "\x1b":
            row -= int(part[2:-1])
        elif part == "\x1b[J":
            lines[row] = lines[row][:column]
            del lines[row + 1 :]
        else:
            assert part[0] != "\x1b"
            lines[row] = lines[row][:column] + part
            column += len(part)
            widest = max(widest, len(lines[row]))
    return lines, widest


class Closed(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_copy_goes_on_though_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """`affineur copy --json … | head -1` and `affineur copy … 2>&1 | head -1`."""
    monkeypatch.setattr(moving, "SILENT_FOR_S", 0.01)
    monkeypatch.setattr(moving, "PLAIN_EVERY_S", 0.01)
    shown = moving.ShownMove(Closed())
    time.sleep(0.1)
    _moves(shown)
    events = moving.Events(Closed())
    events.planned(BLOB)
    events.settled(BLOB, "sent")
    events.stored(BLOB.digest, "image", "sent")
    events.tagged("1", BLOB.digest)
    with pytest.raises(BrokenPipeError):
        events.receipt("{}")


def test_events_of_many_threads_are_whole_lines() -> None:
    out = io.StringIO()
    events = moving.Events(out)

    def many() -> None:
        for _ in range(200):
            events.planned(BLOB)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines: list[dict[str, Any]] = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines == [{"event": "planned", "digest": str(BLOB.digest), "size": BLOB.size}] * 800
