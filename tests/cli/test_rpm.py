"""The main job on images of rpm, through the command, from a registry to the exit code, beside Debian's dnf."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.rpm_world import RpmWorld, notice, updateinfo

pytestmark = pytest.mark.system

ISSUED = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RpmWorld]:
    """AlmaLinux 9 with an old httpd, of which BaseOS has a newer one, and AppStream a notice about it."""
    with RpmWorld(tmp_path) as made:
        built = int((datetime.now(UTC) - timedelta(days=50)).timestamp())
        release = made.build("almalinux-release", "9.4", "1.el9", provides=["system-release = 9.4-1.el9"])
        old = made.build("httpd", "2.4.57", "5.el9", source="httpd", built=built)
        tools = made.build("httpd-tools", "2.4.57", "5.el9", source="httpd", built=built)
        zlib = made.build("zlib", "1.2.11", "40.el9", built=built)
        made.install(release, old, tools, zlib)
        new = made.build("httpd", "2.4.57", "8.el9", source="httpd", built=built)
        newer = made.build("httpd-tools", "2.4.57", "8.el9", source="httpd", built=built)
        made.repository("baseos", [release, zlib])
        made.repository(
            "appstream",
            [old, tools, new, newer],
            updateinfo=updateinfo(
                notice(
                    "ALSA-2026:1000",
                    [
                        ("httpd", "2.4.57-8.el9", "x86_64", "httpd-2.4.57-8.el9.src.rpm"),
                        ("httpd-tools", "2.4.57-8.el9", "x86_64", "httpd-2.4.57-8.el9.src.rpm"),
                    ],
                    issued=f"{ISSUED:%Y-%m-%d %H:%M:%S}",
                    cves=["CVE-2026-1000"],
                )
            ),
        )
        made.repository("extras", [zlib])
        yield made


def test_the_image_is_graded_by_its_distributions_notices(world: RpmWorld) -> None:
    done = world.run("assess", "--json")
    assessment = done.document
    assert assessment["grade"]["letter"] == "C", assessment["grade"]  # an Important that is out for 40 days
    assert [erratum["id"] for erratum in assessment["errata"]] == ["ALSA-2026:1000"]
    assert assessment["errata"][0]["packages"] == ["httpd", "httpd-tools"]
    assert [cve["id"] for cve in assessment["cves"]] == ["CVE-2026-1000"]
    assert assessment["rebuild_grade"] == "A"
    assert {suite["suite"]: suite["verified"] for suite in assessment["suites"]}.items() >= {
        ("baseos", True),
        ("appstream", True),
    }
    assert done.code == 1  # the default policy asks for B


def test_updates_are_what_dnf_prints(world: RpmWorld) -> None:
    ours = world.run("updates", "--list").out
    theirs = [line for line in world.dnf("check-update", "-q").splitlines() if line.strip()]
    assert [line.split() for line in ours.splitlines()] == [line.split() for line in theirs]
    ours = world.run("updates", "--errata").out
    theirs = [line for line in world.dnf("updateinfo", "list", "-q").splitlines() if line.strip()]
    assert [line.split() for line in ours.splitlines()] == [line.split() for line in theirs]
    assert len(theirs) == 2
    summary = world.dnf("updateinfo", "summary", "-q").strip()
    assert world.run("updates").out.strip().endswith(summary)
