"""Each family of rpm through the command, from a real registry, beside the distribution's own tool.

The image is installed by rpm from packages that rpmbuild made; its repositories are createrepo_c's, at the addresses
that the family's own repository files name, which the mirror map leads to loopback. dnf is run on the same root.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from affineur.packages.osrelease import OSRelease, parsed
from affineur.repositories.reference import NoReference
from affineur.repositories.rpmmd.reference import ReferenceRepository, references_for
from support.docker_registry import DOCKER_REGISTRY, docker_registry
from support.leaving_out import leave_out
from support.rpm_world import RpmWorld, notice, updateinfo

pytestmark = pytest.mark.system

ISSUED = datetime.now(UTC) - timedelta(days=40)
BUILT = int((datetime.now(UTC) - timedelta(days=50)).timestamp())


class Family(NamedTuple):
    """A release, as its own images name it."""

    id: str
    version: str
    pretty_name: str
    release_package: str
    dist: str
    prefix: str
    severity: str = "Important"
    platform: str = ""
    database: str = "var/lib/rpm/rpmdb.sqlite"
    letter: str | None = "C"  # an Important that is out for 40 days

    @property
    def os_release(self) -> bytes:
        lines = [f'NAME="{self.pretty_name}"', f'ID="{self.id}"', f'VERSION_ID="{self.version}"']
        lines += [f'PRETTY_NAME="{self.pretty_name}"', f'PLATFORM_ID="{self.platform}"']
        return ("\n".join(lines) + "\n").encode()


FAMILIES = (
    Family("rhel", "9.4", "Red Hat Enterprise Linux 9.4 (Plow)", "redhat-release", ".el9", "RHSA-2026:1000"),
    Family("almalinux", "9.4", "AlmaLinux 9.4 (Seafoam Ocelot)", "almalinux-release", ".el9", "ALSA-2026:1000"),
    Family("rocky", "9.4", "Rocky Linux 9.4 (Blue Onyx)", "rocky-release", ".el9", "RLSA-2026:1000"),
    Family("ol", "9.4", "Oracle Linux Server 9.4", "oraclelinux-release", ".el9", "ELSA-2026-1000", "IMPORTANT"),
    Family("amzn", "2023", "Amazon Linux 2023.6", "system-release", ".amzn2023", "ALAS2023-2026-100", "important"),
    Family(
        "fedora", "43", "Fedora Linux 43 (Container Image)", "fedora-release", ".fc43", "FEDORA-2026-abcdef",
        "High", database="usr/lib/sysimage/rpm/rpmdb.sqlite",
    ),
    Family("centos", "7", "CentOS Linux 7 (Core)", "centos-release", ".el7", "", letter=None),
    Family("centos", "9", "CentOS Stream 9", "centos-stream-release", ".el9", "", letter=None),
    Family("mariner", "2.0", "CBL-Mariner/Linux", "mariner-release", ".cm2", "", letter=None),
    Family("amzn", "2", "Amazon Linux 2", "system-release", ".amzn2", "ALAS2-2026-100", "important"),
    Family("azurelinux", "3.0", "Microsoft Azure Linux 3.0", "azurelinux-release", ".azl3", "", letter=None),
    Family("photon", "5.0", "VMware Photon OS/Linux", "photon-release", ".ph5", "PHSA-2026-5.0-0100"),
    Family(
        "sles", "15.6", "SUSE Linux Enterprise Server 15 SP6", "sles-release", "", "SUSE-SU-2026:1000-1", "important",
        database="usr/lib/sysimage/rpm/rpmdb.sqlite",
    ),
    Family(
        "opensuse-leap", "15.6", "openSUSE Leap 15.6", "openSUSE-release", "", "openSUSE-SU-2026:1000-1", "important",
        database="usr/lib/sysimage/rpm/rpmdb.sqlite",
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if DOCKER_REGISTRY is None:
        leave_out("needs docker-registry")
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


def references(family: Family) -> tuple[ReferenceRepository, ...]:
    found = references_for(OSRelease(parsed(family.os_release)), "amd64")
    assert not isinstance(found, NoReference), found
    return found


def publish(world: RpmWorld, family: Family) -> None:
    """An old openssl with its library; newer ones where the family publishes its notices."""
    dist = family.dist
    release = world.build(
        family.release_package, family.version, f"1{dist}", "noarch", provides=[f"system-release = {family.version}"]
    )
    zlib = world.build("zlib", "1.2.11", f"40{dist}", built=BUILT)
    old = [world.build(name, "3.0.7", f"5{dist}", source="openssl", built=BUILT) for name in ("openssl", "libssl3")]
    new = [world.build(name, "3.0.7", f"8{dist}", source="openssl", built=BUILT) for name in ("openssl", "libssl3")]
    world.install(release, zlib, *old)
    fixed = [(name, f"3.0.7-8{dist}", "x86_64", f"openssl-3.0.7-8{dist}.src.rpm") for name in ("openssl", "libssl3")]
    text = updateinfo(
        notice(
            family.prefix, fixed, severity=family.severity, issued=f"{ISSUED:%Y-%m-%d %H:%M:%S}", cves=["CVE-2026-1000"]
        )
    )
    told = False
    for reference in references(family):
        asked = reference.repository
        place = next(iter(asked.baseurl), f"https://mirror.example/{reference.name}")
        if asked.mirrorlist and not asked.baseurl:  # where the distribution's own list may lead to
            place = f"{reference.trusted.places[-1].rstrip('/')}/{reference.name}"
        first = not told and (reference.notices or bool(reference.silent))
        packages = [release, zlib, *old, *new] if first else [release, zlib, *old]
        world.repository(
            reference.name, packages, place, **({"updateinfo": text} if first and reference.notices else {})
        )
        if asked.mirrorlist:
            world.place(asked.mirrorlist).write_text(f"{place}\n")
        if asked.metalink:
            world.metalink(reference.name, asked.metalink)
        told |= first
    if family.id.startswith(("opensuse", "sles")):
        world.repo_folder = "etc/zypp/repos.d"
    world.database = {family.database: world.installed()}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.id}-{family.version}")
def test_a_family(family: Family, registry: str, tmp_path: Path) -> None:
    with RpmWorld(tmp_path, os_release=family.os_release, host="https://nobody.example") as world:
        world.registry_host = registry
        publish(world, family)
        done = world.run("assess", "--json")
        assessment = done.document
        listed = world.run("updates", "--list").out
        errata = world.run("updates", "--errata").out
        dnf = world.dnf("check-update", releasever=family.version)
        notices = world.dnf("updateinfo", "list", releasever=family.version)
        if world.repo_folder.startswith("etc/zypp"):
            assert sorted(" ".join(line.split()) for line in listed.splitlines()) == world.zypper_updates()
    assert [line.split() for line in listed.splitlines()] == [line.split() for line in dnf]
    assert sorted(line.split()[2] for line in errata.splitlines()) == sorted(line.split()[2] for line in notices)
    assert (len(dnf), len(notices)) == (2, 2 if family.prefix else 0)
    assert assessment["package_count"] == 4
    assert assessment["grade"]["letter"] == family.letter, assessment["grade"]["reasons"]
    assert [(e["id"], e["severity"], e["cves"]) for e in assessment["errata"]] == (
        [(family.prefix, "important", ["CVE-2026-1000"])] if family.prefix else []
    )
    assert {suite["verified"] for suite in assessment["suites"]} == {True}
    assert assessment["foreign"] == []
    assert done.code == (1 if family.letter or assessment["lifecycle"]["support"] == "ended" else 3)
