"""The main job from end to end, as its user runs it: over HTTP to the exit code, without root or any other program."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support import apt as real_apt
from support.archive import stanza
from support.endings import AS_OF, ASSESS, judged, refused, unassessed, unknown
from support.feeds import record
from support.leaving_out import leave_out
from support.registry import tar_of
from support.world import HOST, World, installed

CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"  # 9.8 (FIRST's calculator)
IMPORTANT = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"  # 7.5
LISTED = [
    "libssl3/oldstable-security 3.0.15-1~deb12u1 amd64 [upgradable from: 3.0.11-1~deb12u1]",
    "openssl/oldstable-security 3.0.15-1~deb12u1 amd64 [upgradable from: 3.0.11-1~deb12u1]",
]
"""What apt lists for the small world: `test_the_expected_lines_are_apts` asks it."""
TZDATA = "tzdata/oldstable-updates 2026b-0+deb12u1 all [upgradable from: 2024a-0+deb12u1]"
ISSUED = date(2024, 3, 10)  # Debian 12 was supported on every day that the tests below ask about
# The grade table of docs/explanation/grade.md: days that the erratum has been out → letter, at each boundary.
BOUNDARIES = {
    CRITICAL: {-1: "A", 0: "B", 7: "B", 8: "C", 30: "C", 31: "D", 90: "D", 91: "E", 365: "E", 366: "F"},
    IMPORTANT: {-1: "A", 0: "B", 30: "B", 31: "C", 90: "C", 91: "D", 365: "D", 366: "F"},
}


def notice(vector: str, published: datetime, fixed: str = "3.0.15-1~deb12u1") -> list[dict[str, Any]]:
    """A notice about openssl of one CVE."""
    return [
        record(
            "DSA-1-1",
            [("Debian:12", "openssl", fixed)],
            cves=["CVE-2026-1111"],
            published=published.strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
        record("CVE-2026-1111", severity=[{"type": "CVSS_V3", "score": vector}]),
    ]


@pytest.fixture(scope="module", params=BOUNDARIES, ids=["critical", "important"])
def dated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A world whose only notice was issued late on a known day, and how severe it is."""
    with World(tmp_path_factory.mktemp("dated")) as world:
        world.notices = notice(request.param, datetime(ISSUED.year, ISSUED.month, ISSUED.day, 23, 59, tzinfo=UTC))
        world.publish()
        yield world, request.param


def with_bug_fix(world: World) -> World:
    """The same, with an update of tzdata that is none for security."""
    fields = world.suites["bookworm-updates"][1]
    world.suites["bookworm-updates"] = ([stanza("tzdata", "2026b-0+deb12u1", "all")], fields)
    return world


def test_an_image_that_lacks_nothing_is_accepted(updated: World) -> None:
    done = updated.run(*ASSESS)
    document = judged(done)
    assert done.code == 0
    assert document["grade"]["letter"] == "A"
    assert document["updates"] == document["errata"] == document["cves"] == document["deviations"] == []
    assert document["package_count"] == len(updated.status)
    assert [suite["verified"] for suite in document["suites"]] == [True] * 3
    assert [suite["fresh"] for suite in document["suites"]] == [True] * 3
    assert [item["what"] for item in document["unassessed"]] == ["language packages"]


def test_an_old_critical_erratum_is_rejected(world: World) -> None:
    done = world.run(*ASSESS)
    document = judged(done)
    assert done.code == 1
    assert document["grade"]["letter"] == "E"
    assert [erratum["id"] for erratum in document["errata"]] == ["DSA-1-1"]
    assert document["errata"][0]["packages"] == ["libssl3", "openssl"]
    assert document["cves"][0]["id"] == "CVE-2026-1111"
    assert [update["name"] for update in document["updates"]] == ["libssl3", "openssl"]
    assert document["rebuild_grade"] == "A"


def test_an_erratum_that_nobody_rated_or_dated_leaves_it_undetermined(world: World) -> None:
    world.notices = [record("DSA-9-1", [("Debian:12", "bash", "5.2")], cves=["CVE-2026-9"])]
    done = world.run(*ASSESS)
    assert done.code == 3
    unknown(done, "unrated:openssl/3.0.15-1~deb12u1")


@pytest.mark.parametrize(
    ("lacks", "code", "headline"),
    [(True, 1, "REJECT  grade E"), (False, 0, "ACCEPT  grade A")],
)
def test_the_text_begins_with_the_verdict(world: World, lacks: bool, code: int, headline: str) -> None:
    if not lacks:
        world.update()
    done = world.run("assess", "--as-of", AS_OF)
    assert done.code == code
    assert done.out.startswith(headline)
    assert done.err == ""
    assert max(map(len, done.out.splitlines())) <= 80
    assert "\x1b" not in done.out
    assert f"{world.image} (linux/amd64)" in done.out
    assert ("DSA-1-1" in done.out) is lacks


def test_each_boundary_of_the_grade_table(dated: tuple[World, str]) -> None:
    world, vector = dated
    for days, letter in BOUNDARIES[vector].items():
        day = ISSUED + timedelta(days=days)
        done = world.run("assess", "--json", "--as-of", day.isoformat(), publish=False)
        document = judged(done)
        assert (days, document["grade"]["letter"]) == (days, letter)
        assert done.code == (0 if letter in "AB" else 1)


def test_the_last_second_of_a_day_is_still_that_day(dated: tuple[World, str]) -> None:
    world, _ = dated
    for moment, letter in (
        ("2024-03-09T23:59:59Z", "A"),
        ("2024-03-10T00:00:00Z", "B"),
        ("2024-03-10T01:30:00+02:00", "A"),
    ):
        assert judged(world.run("assess", "--json", "--as-of", moment, publish=False))["grade"]["letter"] == letter


def test_age_tells_each_drop_with_its_day_and_reason(dated: tuple[World, str]) -> None:
    world, vector = dated
    letters = BOUNDARIES[vector]
    begins = {letter: days for days, letter in reversed(letters.items()) if letter != "A"}
    expected = [(str(ISSUED + timedelta(days=days)), letter) for letter, days in sorted(begins.items())]
    done = world.run("age", "--json", "--as-of", "2024-04-15", publish=False)
    assert done.code == 0
    schedule = done.document["grade"]["schedule"]
    assert [(drop["day"], drop["letter"]) for drop in schedule] == expected
    assert {tuple(drop["because"]) for drop in schedule} == {("DSA-1-1",)}
    text = world.run("age", "--as-of", "2024-04-15", publish=False)
    assert text.code == 0
    for day, letter in expected:
        assert f"{day}  {letter}  DSA-1-1" in text.out


def test_age_of_what_cannot_be_graded(world: World) -> None:
    world.reference = ""
    done = world.run("age", "--as-of", AS_OF)
    assert done.code == 3
    assert "bookworm" in done.out
    assert "Traceback" not in done.err


def test_updates_are_listed_as_apt_lists_them(world: World) -> None:
    done = with_bug_fix(world).run("updates", "--list")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [*LISTED, TZDATA]


def test_security_updates_alone(world: World) -> None:
    done = with_bug_fix(world).run("updates", "--list", "--security")
    assert done.out.splitlines() == LISTED


def test_updates_in_numbers_as_dnf_tells_them(world: World) -> None:
    done = with_bug_fix(world).run("updates")
    assert done.code == 0
    assert "1 Critical Security notice(s)" in done.out
    assert "Updates: 3, 2 for security, 1 other" in done.out


def test_updates_as_json(world: World) -> None:
    done = with_bug_fix(world).run("updates", "--json")
    told = [(u["name"], u["installed"], u["available"], u["suites"], u["security"]) for u in done.document["updates"]]
    assert told == [
        ("libssl3", "3.0.11-1~deb12u1", "3.0.15-1~deb12u1", ["oldstable-security"], True),
        ("openssl", "3.0.11-1~deb12u1", "3.0.15-1~deb12u1", ["oldstable-security"], True),
        ("tzdata", "2024a-0+deb12u1", "2026b-0+deb12u1", ["oldstable-updates"], False),
    ]


@pytest.mark.system
def test_the_expected_lines_are_apts(world: World, tmp_path: Path) -> None:
    real_apt.needs_apt()
    with_bug_fix(world).publish()
    sources = (world.files["etc/apt/sources.list"] or b"").replace(b"[signed-by=", b"[trusted=yes signed-by=")
    files = {"etc/apt/sources.list": sources, "var/lib/dpkg/status": "\n".join(world.status).encode()}
    root = real_apt.AptRoot(tmp_path / "root", files)
    for suite in world.suites:
        folder = f"debian/dists/{suite}/"
        release = world.archive.files[f"{folder}InRelease"]
        root.put_list(f"{HOST}/debian/", suite, "InRelease", release)
        index = "main/binary-amd64/Packages"
        root.put_list(f"{HOST}/debian/", suite, index, world.archive.files[folder + index])
    answer = root.upgradable()
    assert answer.errors == []
    shown = [
        f"{line.name}/{line.suites} {line.available} {line.architecture} [upgradable from: {line.installed}]"
        for line in answer.lines
    ]
    assert shown == [*LISTED, TZDATA]


def test_cves(world: World) -> None:
    done = world.run("cves")
    assert done.code == 0
    assert "CVE-2026-1111     critical   2026-05-01  DSA-1-1" in done.out
    (row,) = world.run("cves", "--json").document["cves"]
    assert (row["package"], row["installed"], row["fixed"]) == ("openssl", "3.0.11-1~deb12u1", "3.0.15-1~deb12u1")


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("markdown", "#"), ("sarif", "{"), ("html", "<!doctype html>"), ("json", "{"), ("text", "REJECT")],
)
def test_each_format_goes_into_a_file(world: World, tmp_path: Path, name: str, beginning: str) -> None:
    file = tmp_path / "report"
    done = world.run("assess", "--as-of", AS_OF, "--format", name, "-o", str(file))
    assert (done.code, done.out, done.err) == (1, "", "")
    report = file.read_text(encoding="utf-8")
    assert report.startswith(beginning)
    assert "DSA-1-1" in report
    if name == "sarif":
        (run,) = json.loads(report)["runs"]
        assert any("DSA-1-1" in json.dumps(result) for result in run["results"])


def test_a_file_that_cannot_be_written(world: World, tmp_path: Path) -> None:
    refused(world.run("assess", "-o", str(tmp_path / "no" / "such" / "report")), 2, "report", "cannot be written")


POLICIES = {
    "at-least: E": 0,
    "at-least: D": 1,
    "at-least: A\n  unknown: accept": 1,
}


@pytest.mark.parametrize("health", POLICIES)
def test_a_policy_of_ones_own(world: World, tmp_path: Path, health: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"name: mine\nhealth:\n  {health}\n")
    done = world.run(*ASSESS, "--policy", str(policy))
    assert done.code == POLICIES[health]
    assert judged(done)["verdict"]["policy"] == "mine"


def test_a_policy_named_in_the_configuration(world: World, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: lenient\nhealth:\n  at-least: F\n")
    world.settings = f'policy = "{policy}"'
    assert world.run(*ASSESS).code == 0


def test_a_broken_policy(world: World, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: mine\nhealth:\n  at-leats: B\n")
    refused(world.run("assess", "--policy", str(policy)), 2, str(policy), "at-leats")
    refused(world.run("assess", "--policy", str(tmp_path / "absent")), 2, "absent")


def as_process(world: World, stdout: Any, *arguments: str) -> "subprocess.Popen[bytes]":
    world.publish()
    command = [sys.executable, "-m", "affineur", *world.words(*arguments)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("arguments", [ASSESS, ("assess", "--as-of", AS_OF)], ids=["json", "text"])
def test_a_reader_that_goes_away_does_not_make_it_accepted(world: World, arguments: tuple[str, ...]) -> None:
    """`affineur assess … | head -0`, with pipefail."""
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs, "wb") as pipe, as_process(world, pipe, *arguments) as running:  # noqa: PTH123
        assert running.communicate(timeout=60)[1] == b""
    assert running.returncode == 1


def test_a_disk_that_is_full(world: World) -> None:
    if not Path("/dev/full").exists():
        leave_out("needs /dev/full")
    with Path("/dev/full").open("wb") as full, as_process(world, full, *ASSESS) as running:
        error = running.communicate(timeout=60)[1].decode()
    assert running.returncode == 2
    assert error == "affineur: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_output_is_utf8_whatever_the_locale_says(world: World, encoding: str) -> None:
    world.publish()
    for arguments in (ASSESS, ("assess", "--as-of", AS_OF), ("age", "--as-of", AS_OF)):
        plain = world.run_words(world.words(*arguments))
        other = world.run_words(world.words(*arguments), PYTHONIOENCODING=encoding, PYTHONUTF8="0", LC_ALL="C")
        assert other.code == plain.code
        assert len(other.out) == len(plain.out)


def test_an_interrupt(world: World) -> None:
    world.registry.latency_s = 20
    with as_process(world, subprocess.PIPE, "assess") as running:
        while not world.registry.requests:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, error = running.communicate(timeout=10)
    assert (running.returncode, out) == (130, b"")
    assert error.decode().splitlines()[-1] == "affineur: interrupted"
    assert b"Traceback" not in error


def test_timings(world: World) -> None:
    plain = world.run("assess", "--as-of", AS_OF)
    timed = world.run("assess", "--as-of", AS_OF, "--timings")
    assert timed.code == plain.code == 1
    assert plain.err == ""
    for stage in ("layers", "suites", "notices", f"requests to {world.registry.host}"):
        assert stage in timed.err
    assert timed.out.splitlines()[0] == plain.out.splitlines()[0]


def test_offline_uses_the_feed_as_remembered(world: World) -> None:
    online = judged(world.run(*ASSESS))
    asked = len(world.feed.requests)
    world.notices = []
    offline = judged(world.run(*ASSESS, "--offline"))
    assert len(world.feed.requests) == asked
    assert offline["grade"]["letter"] == online["grade"]["letter"] == "E"
    assert offline["errata"] == online["errata"]


def test_offline_without_anything_remembered(world: World) -> None:
    done = world.run(*ASSESS, "--offline")
    assert "there is no copy of them" in unassessed(unknown(done))
    assert world.feed.requests == []


def test_a_layer_read_before_is_not_fetched_again(world: World) -> None:
    first = judged(world.run(*ASSESS))
    asked = len([path for _, path in world.registry.requests if "/blobs/" in path])
    second = judged(world.run(*ASSESS))
    again = len([path for _, path in world.registry.requests if "/blobs/" in path]) - asked
    assert again == 1  # the config
    assert second["grade"] == first["grade"]


def test_a_platform_that_is_not_there(world: World) -> None:
    children = [
        {"digest": world.registry.push("team/app", None, [world.layer()], architecture=name),
         "platform": {"os": "linux", "architecture": name}}
        for name in ("amd64", "arm64")
    ]  # fmt: skip
    world.registry.push_index("team/app", "1", children)
    refused(world.run("assess", "--platform", "linux/s390x"), 4, "linux/s390x", "linux/amd64", "linux/arm64")
    found = judged(world.run(*ASSESS, "--platform", "linux/amd64"))
    assert found["image"]["platform"] == "linux/amd64"
    refused(world.run("assess", "--platform", "amd64/linux/x/y/z"), 2, "amd64/linux/x/y/z")


def test_what_a_higher_layer_replaces_does_not_count(world: World) -> None:
    """The base lacks the update; the layer on top of it took it, and nothing of the base's record may be left."""
    world.layers = [world.layer()]
    world.update()
    world.layers.append(tar_of({"var/lib/dpkg/status": "\n".join(world.status).encode()}))
    assert judged(world.run(*ASSESS))["grade"]["letter"] == "A"


def test_a_package_that_is_removed_but_configured_is_not_installed(updated: World) -> None:
    updated.status.append(installed("bash", "5.0-1").replace("install ok installed", "deinstall ok config-files"))
    updated.notices.append(record("DSA-2-1", [("Debian:12", "bash", "5.2-1")], cves=["CVE-2026-1111"]))
    document = judged(updated.run(*ASSESS))
    assert (document["grade"]["letter"], document["package_count"]) == ("A", 5)
