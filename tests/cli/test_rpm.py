"""The main job on images of rpm, through the command, from a registry to the exit code, beside Debian's dnf."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.archive import Key
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


def test_packages_that_obsolete_others_are_listed_apart_as_dnf_does(tmp_path: Path) -> None:
    with RpmWorld(tmp_path) as world:
        release = world.build("almalinux-release", "9.4", "1.el9", provides=["system-release = 9.4-1.el9"])
        world.install(release, world.build("old-tool", "1", "1"), world.build("zlib", "1", "1"))
        new = [world.build("new-tool", "2", "1", obsoletes=["old-tool < 2"]), world.build("zlib", "1", "2")]
        world.repository("baseos", [release, *new])
        world.repository("appstream", [release])
        ours = [line.split() for line in world.run("updates", "--list").out.splitlines()]
        theirs = [line.split() for line in world.dnf("check-update")]
    assert ours == theirs
    assert ["Obsoleting", "Packages"] in ours


def test_updates_are_what_dnf_prints(world: RpmWorld) -> None:
    ours = world.run("updates", "--list").out
    theirs = world.dnf("check-update")
    assert [line.split() for line in ours.splitlines()] == [line.split() for line in theirs]
    ours = world.run("updates", "--errata").out
    theirs = world.dnf("updateinfo", "list")
    assert [line.split() for line in ours.splitlines()] == [line.split() for line in theirs]
    assert len(theirs) == 2
    summary = world.dnf("updateinfo", "summary")
    assert world.run("updates").out.splitlines()[-len(summary) :] == summary


CENTOS_7 = (
    b'NAME="CentOS Linux"\nVERSION="7 (Core)"\nID="centos"\nVERSION_ID="7"\nPRETTY_NAME="CentOS Linux 7 (Core)"\n'
)
CHANGELOG = """\
    * Tue Mar 10 2020 Packager <p@centos.example> - 2.4.6-97
    - Resolves: CVE-2020-0001 - a flaw that is fixed

    * Mon Jan 06 2020 Packager <p@centos.example> - 2.4.6-96
    - Resolves: CVE-2019-0002 - an older flaw

    * Mon Dec 02 2019 Packager <p@centos.example> - 2.4.6-95
    - CVE-2018-0003, fixed in what is installed
"""


def test_where_nobody_publishes_errata_changelogs_tell_what_is_known_and_no_letter_is_given(tmp_path: Path) -> None:
    with RpmWorld(tmp_path, os_release=CENTOS_7, host="https://vault.centos.org") as world:
        release = world.build("centos-release", "7", "9.2009.1.el7", provides=["system-release = 7-9"])
        old = world.build("httpd", "2.4.6", "95", changelog=CHANGELOG[CHANGELOG.index("    * Mon Dec") :])
        zlib = world.build("zlib", "1.2.7", "18")
        world.install(release, old, zlib)
        world.repository("base", [release, old, zlib], "7.9.2009/os/x86_64")
        new = [world.build("httpd", "2.4.6", "97", changelog=CHANGELOG), world.build("zlib", "1.2.7", "19")]
        world.repository("updates", new, "7.9.2009/updates/x86_64")
        done = world.run("assess", "--json")
        assessment = done.document
        dnf = world.dnf("check-update")
        again = world.run("updates").out
    grade = assessment["grade"]
    assert grade["letter"] is None
    assert grade["reasons"][0].startswith("CentOS publishes no errata")
    assert grade["at_best"] == "F", "a CVE has been fixed for years, as far as anybody says"
    assert [(e["id"], e["cves"], e["severity"]) for e in assessment["errata"]] == [
        ("changelog:httpd/2.4.6-96", ["CVE-2019-0002"], None),
        ("changelog:httpd/2.4.6-97", ["CVE-2020-0001"], None),
    ]
    assert {update["name"] for update in assessment["updates"]} == {"httpd", "zlib"}
    assert [line.split()[0] for line in dnf] == ["httpd.x86_64", "zlib.x86_64"]
    told = {item["what"]: item["why"] for item in assessment["unassessed"]}
    assert (
        told["what updates fix"] == "by their changelogs alone: 2 updates, 1 mentions CVEs, the oldest since 2020-01-06"
    )
    assert done.code == 1, "its support has ended"
    assert "Updates Information Summary: available\n    none" in again, "dnf would list no notice"
    assert assessment["rebuild_grade"] is None


OWN = b'NAME="ExampleOS"\nID="exampleos"\nVERSION_ID="7"\nPRETTY_NAME="ExampleOS 7"\n'


@pytest.mark.parametrize("key", [True, False], ids=["by its key", "by TLS"])
def test_a_distribution_of_ones_own_is_judged_by_the_repository_that_the_settings_name(
    tmp_path: Path, key: bool
) -> None:
    with RpmWorld(tmp_path, os_release=OWN, host="https://archive.example") as world:
        old, new = world.build("tool", "1", "1"), world.build("tool", "1", "2")
        world.install(old)
        text = updateinfo(
            notice("EX-1", [("tool", "1-2", "x86_64", "")], severity="Critical", issued=f"{ISSUED:%Y-%m-%d %H:%M:%S}")
        )
        folder = world.repository("base", [old, new], "os/base", updateinfo=text)
        world.settings = '[[reference]]\ndistribution = "exampleos"\nsuite = "base"\nmax-age-days = 30\n'
        if key:
            signer = Key("ExampleOS <os@archive.example>")
            repomd = folder / "repodata/repomd.xml"
            repomd.with_name("repomd.xml.asc").write_bytes(signer.detach(repomd.read_bytes()))
            (tmp_path / "key.asc").write_text(signer.armored)
            world.settings += f'keys = ["{signer.fingerprint}"]\nkeyring = "{tmp_path / "key.asc"}"\n'
        else:
            world.settings += 'keys = []\nuri = "https://archive.example/os/base"\n'
        assessment = world.run("assess", "--json").document
    assert assessment["grade"]["letter"] == "D", assessment["grade"]["reasons"]  # a Critical that is out for 40 days
    assert [suite["verified"] for suite in assessment["suites"]] == [True]
    if key:
        assert assessment["suites"][0]["signers"] == [signer.fingerprint]


def test_a_package_of_the_distribution_in_a_repository_that_nobody_read_takes_the_letter(tmp_path: Path) -> None:
    """Its notices are in that repository, too: of what Red Hat has for customers alone, UBI's say nothing."""
    with RpmWorld(tmp_path) as world:
        own = [world.build(name, "1", "1.el9", vendor="AlmaLinux") for name in ("zlib", "bash", "sed")]
        addon = world.build("pacemaker", "2.1", "1.el9", vendor="AlmaLinux")
        stranger = world.build("agent", "1", "1", vendor="Somebody")
        world.repository("baseos", own, updateinfo=updateinfo(notice("ALSA-1", [("zlib", "1-1.el9", "x86_64", "")])))
        world.repository("appstream", own)
        world.install(*own, stranger)
        without = world.run("assess", "--json").document
        world.install(*own, addon, stranger)
        with_it = world.run("assess", "--json").document
    assert without["grade"]["letter"] == "A", without["grade"]["reasons"]
    assert [package["name"] for package in without["foreign"]] == ["agent"]
    assert with_it["grade"]["letter"] is None
    assert "pacemaker" in " ".join(with_it["grade"]["reasons"])
    assert "agent" not in " ".join(with_it["grade"]["reasons"])
