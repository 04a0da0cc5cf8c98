"""`affineur cves`: what an erratum fixes, and apart from it the known flaws without a fix."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.archive import stanza
from support.command import started
from support.feeds import record
from support.rpm_world import RpmWorld
from support.unfixed import TRACKER, red_hat_document
from support.world import World, installed

HEADING = "Known flaws without a fix"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Debian 12 with openssl, which lacks DSA-1-1 (CVE-2026-1111), and with tar."""
    with World(tmp_path) as made:
        made.status.append(installed("tar", "1.34+dfsg-1.2"))
        offered, fields = made.suites["bookworm"]
        made.suites["bookworm"] = ([*offered, stanza("tar", "1.34+dfsg-1.2")], fields)
        tracker = tmp_path / "tracker.json"
        tracker.write_text(json.dumps(TRACKER))
        made.unfixed = str(tracker)
        yield made


def document(world: World, *arguments: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(world.run_inside("cves", "--json", *arguments).out)
    return read


def test_the_two_are_apart_and_the_vendors_reason_is_verbatim(world: World) -> None:
    done = world.run_inside("cves")
    assert done.code == 0, done.err
    fixed, _, unfixed = done.out.partition(HEADING)
    assert "CVE-2026-1111     critical" in fixed
    assert "CVE-2024-13176" not in fixed
    assert "CVE-2024-13176    unrated    fix deferred\n" in unfixed
    assert "openssl 3.0.11-1~deb12u1: “Minor issue; can be fixed in next update”\n" in unfixed
    assert "CVE-2005-2541     low        affected\n    tar 1.34+dfsg-1.2: “unimportant”\n" in unfixed
    assert "CVEs without a fix: 2 (1 affected, 1 fix deferred)\n" in unfixed
    assert "CVE-2026-1111" not in unfixed


def test_either_alone(world: World) -> None:
    fixed, unfixed = world.run_inside("cves", "--fixed"), world.run_inside("cves", "--unfixed")
    assert HEADING not in fixed.out
    assert "CVE-2026-1111" in fixed.out
    assert "CVE-2026-1111" not in unfixed.out
    assert "CVE-2024-13176" in unfixed.out
    assert (fixed.code, unfixed.code) == (0, 0)


def test_the_lists_of_the_document_have_nothing_in_common(world: World) -> None:
    read = document(world)
    assert [each["id"] for each in read["cves"]] == ["CVE-2026-1111"]
    assert [(each["id"], each["status"], each["reason"]) for each in read["unfixed"]] == [
        ("CVE-2005-2541", "affected", "unimportant"),
        ("CVE-2024-13176", "fix deferred", "Minor issue; can be fixed in next update"),
    ]
    assert document(world, "--fixed")["unfixed"] is None


def test_what_an_erratum_fixes_is_not_said_to_be_without_a_fix(world: World) -> None:
    """A tracker's copy may be older than the notice."""
    late = {"openssl": {"CVE-2026-1111": {"releases": {"bookworm": {"status": "open"}}}}}
    Path(world.unfixed).write_text(json.dumps(late))
    read = document(world)
    assert [each["id"] for each in read["cves"]] == ["CVE-2026-1111"]
    assert read["unfixed"] == []


def test_flaws_without_a_fix_never_bear_on_the_letter(world: World) -> None:
    """`assess` does not even read them."""
    graded = json.loads(world.run_inside("assess", "--json").out)["grade"]
    Path(world.unfixed).unlink()
    assert json.loads(world.run_inside("assess", "--json").out)["grade"] | {"as_of": graded["as_of"]} == graded


def test_without_a_vendors_word_the_records_of_the_feed_tell(world: World) -> None:
    world.unfixed = ""
    opened = record("DEBIAN-CVE-2024-13176", [("Debian:12", "openssl", "0")])
    opened["affected"][0]["ranges"][0]["events"] = [{"introduced": "0"}]
    world.notices.append(opened)
    (each,) = document(world)["unfixed"]
    assert (each["id"], each["package"], each["reason"]) == ("CVE-2024-13176", "openssl", "")
    assert each["source"] == f"{world.feed.url}/Debian/all.zip"


def test_where_nobody_tells_it_is_null_and_said(world: World) -> None:
    """By themselves a reason to exit with 3 only where they are what was asked for."""
    world.unfixed = ""
    read = document(world)
    assert read["unfixed"] is None
    assert [each["why"] for each in read["unassessed"] if each["what"] == "flaws without a fix"]
    done = world.run_inside("cves", publish=False)
    assert done.code == 0
    assert "  not told: the settings name no copy of Debian's security tracker" in done.out.partition(HEADING)[2]
    assert world.run_inside("cves", "--unfixed", publish=False).code == 3


def test_a_distribution_of_which_nothing_is_known(world: World) -> None:
    world.files["etc/os-release"] = b'ID=hannah-montana-linux\nVERSION_ID="4"\n'
    done = world.run_inside("cves", "--unfixed")
    assert done.code == 3
    assert "not told: no vendor's word on flaws without a fix is read for" in done.out.replace("\n  ", " ")


def test_red_hats_word_on_an_image_of_rpms(tmp_path: Path) -> None:
    """Documents in a folder; what is fixed by nothing is listed, also where no repository could be read."""
    folder = tmp_path / "vex" / "2026"
    folder.mkdir(parents=True)
    for cve, affected in {"CVE-2026-2222": {"8:curl": "Will not fix"}, "CVE-2026-3333": {"9:curl": "Affected"}}.items():
        (folder / f"{cve.lower()}.json").write_bytes(red_hat_document(cve, affected=affected))
    os_release = b'ID="rhel"\nVERSION_ID="8.10"\nNAME="Red Hat Enterprise Linux"\n'
    with RpmWorld(tmp_path, os_release=os_release) as world:
        world.install(world.build("curl", "7.61.1", "34.el8"))
        config = tmp_path / "settings.toml"
        config.write_text(
            f'cache = "{tmp_path / "cache"}"\n[network]\nallow = ["127.0.0.0/8"]\n'
            f'[feeds]\nosv = ""\nunfixed.redhat = "{folder.parent}"\n'
        )
        done = started(tmp_path, ["cves", "--unfixed", "--settings", str(config), world.publish()])
    assert done.code == 0, done.err
    assert "CVE-2026-2222     low        will not fix\n    curl 7.61.1-34.el8: “Will not fix”\n" in done.out
    assert "CVEs without a fix: 1 (1 will not fix)\n" in done.out
