"""Each family of rpm through the command, from a real registry, beside the distribution's own tool.

The image is installed by rpm from packages that rpmbuild made; its repositories are createrepo_c's, at the addresses
that the family's own repository files name, which the mirror map leads to loopback. dnf is run on the same root; the
image has the database in the format and at the place where the release has it. That a family without notices prints
none is tested in tests/cli/test_rpm.py.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from affineur.packages.osrelease import OSRelease, parsed
from affineur.repositories.reference import NoReference
from affineur.repositories.rpmmd.model import Repository
from affineur.repositories.rpmmd.reference import ReferenceRepository, references_for
from support import rpms
from support.aside import ndb_changed
from support.docker_registry import DOCKER_REGISTRY, docker_registry
from support.leaving_out import leave_out
from support.rpm_world import RpmWorld, notice, updateinfo
from support.rpmdb import bdb_copy

pytestmark = pytest.mark.system

ISSUED = datetime.now(UTC) - timedelta(days=40)
BUILT = int((datetime.now(UTC) - timedelta(days=50)).timestamp())
BDB, NDB = "var/lib/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db"
SQLITE, SYSIMAGE = "var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite"


class Family(NamedTuple):
    """A release, as its own images name it.

    Attributes:
        notice: the id of its notice; empty where it publishes none.
        severity: as its notices spell it.
        letter: an Important that is out for 40 days is a C.
        verified: whether its repositories can be believed.
        redhat_release: what tells the release where there is no os-release.
    """

    id: str
    version: str
    pretty_name: str
    release_package: str
    database: str
    notice: str = ""
    severity: str = "Important"
    letter: str | None = "C"
    verified: bool = True
    redhat_release: str = ""

    @property
    def os_release(self) -> bytes:
        lines = [f'NAME="{self.pretty_name}"', f'ID="{self.id}"', f'VERSION_ID="{self.version}"']
        return ("\n".join([*lines, f'PRETTY_NAME="{self.pretty_name}"']) + "\n").encode()


def silent(name: str, version: str, pretty_name: str, package: str, database: str, redhat_release: str = "") -> Family:
    """One that publishes no notices: no letter."""
    return Family(name, version, pretty_name, package, database, letter=None, redhat_release=redhat_release)


FAMILIES = (
    silent("rhel", "7.9", "Red Hat Enterprise Linux Server 7.9 (Maipo)", "redhat-release-server", BDB),
    Family("rhel", "8.10", "Red Hat Enterprise Linux 8.10 (Ootpa)", "redhat-release", BDB, "RHSA-2026:1000"),
    Family("rhel", "9.4", "Red Hat Enterprise Linux 9.4 (Plow)", "redhat-release", SQLITE, "RHSA-2026:1000"),
    Family("rhel", "10.0", "Red Hat Enterprise Linux 10.0 (Coughlan)", "redhat-release", SYSIMAGE, "RHSA-2026:1000"),
    Family("almalinux", "8.10", "AlmaLinux 8.10 (Cerulean Leopard)", "almalinux-release", BDB, "ALSA-2026:1000"),
    Family("almalinux", "9.4", "AlmaLinux 9.4 (Seafoam Ocelot)", "almalinux-release", SQLITE, "ALSA-2026:1000"),
    Family("almalinux", "10.0", "AlmaLinux 10.0 (Purple Lion)", "almalinux-release", SYSIMAGE, "ALSA-2026:1000"),
    Family("rocky", "8.10", "Rocky Linux 8.10 (Green Obsidian)", "rocky-release", BDB, "RLSA-2026:1000"),
    Family("rocky", "9.4", "Rocky Linux 9.4 (Blue Onyx)", "rocky-release", SQLITE, "RLSA-2026:1000"),
    Family("rocky", "10.0", "Rocky Linux 10.0 (Red Quartz)", "rocky-release", SYSIMAGE, "RLSA-2026:1000"),
    Family("ol", "7.9", "Oracle Linux Server 7.9", "oraclelinux-release", BDB, "ELSA-2026-1000", "IMPORTANT"),
    Family("ol", "8.10", "Oracle Linux Server 8.10", "oraclelinux-release", BDB, "ELSA-2026-1000", "IMPORTANT"),
    Family("ol", "9.4", "Oracle Linux Server 9.4", "oraclelinux-release", SQLITE, "ELSA-2026-1000", "IMPORTANT"),
    Family("ol", "10.0", "Oracle Linux Server 10.0", "oraclelinux-release", SYSIMAGE, "ELSA-2026-1000", "IMPORTANT"),
    Family("amzn", "2018.03", "Amazon Linux AMI 2018.03", "system-release", BDB, "ALAS-2026-1000", "important",
        letter=None, verified=False),  # neither TLS nor a signature
    Family("amzn", "2", "Amazon Linux 2", "system-release", BDB, "ALAS2-2026-100", "important"),
    Family("amzn", "2023", "Amazon Linux 2023.6", "system-release", SQLITE, "ALAS2023-2026-100", "important"),
    Family("fedora", "38", "Fedora Linux 38 (Container Image)", "fedora-release", SYSIMAGE, "FEDORA-2026-ab", "High"),
    Family("fedora", "43", "Fedora Linux 43 (Container Image)", "fedora-release", SYSIMAGE, "FEDORA-2026-ab", "High"),
    Family("fedora", "44", "Fedora Linux 44 (Container Image)", "fedora-release", SYSIMAGE, "FEDORA-2026-ab", "High"),
    silent("centos", "5", "CentOS", "centos-release", BDB, redhat_release="CentOS release 5.11 (Final)"),
    silent("centos", "6", "CentOS", "centos-release", BDB, redhat_release="CentOS release 6.10 (Final)"),
    silent("centos", "7", "CentOS Linux 7 (Core)", "centos-release", BDB),
    silent("centos", "8", "CentOS Linux 8", "centos-linux-release", BDB),
    silent("centos", "8", "CentOS Stream 8", "centos-stream-release", BDB),
    silent("centos", "9", "CentOS Stream 9", "centos-stream-release", SQLITE),
    silent("centos", "10", "CentOS Stream 10 (Coughlan)", "centos-stream-release", SYSIMAGE),
    silent("mariner", "2.0", "CBL-Mariner/Linux", "mariner-release", SQLITE),
    silent("azurelinux", "3.0", "Microsoft Azure Linux 3.0", "azurelinux-release", SQLITE),
    Family("photon", "3.0", "VMware Photon OS/Linux", "photon-release", BDB, "PHSA-2026-3.0-0100"),
    Family("photon", "4.0", "VMware Photon OS/Linux", "photon-release", SQLITE, "PHSA-2026-4.0-0100"),
    Family("photon", "5.0", "VMware Photon OS/Linux", "photon-release", SYSIMAGE, "PHSA-2026-5.0-0100"),
    Family("sles", "12.5", "SUSE Linux Enterprise Server 12 SP5", "sles-release", BDB, "SUSE-SU-2026:1000-1",
        "important", letter=None, verified=False),  # open to registered systems alone: no reference
    Family("sles", "15.5", "SUSE Linux Enterprise Server 15 SP5", "sles-release", NDB, "SUSE-SU-2026:1000-1",
        "important"),
    Family("sles", "15.6", "SUSE Linux Enterprise Server 15 SP6", "sles-release", NDB, "SUSE-SU-2026:1000-1",
        "important"),
    Family("sles", "16.0", "SUSE Linux Enterprise Server 16.0", "SLES-release", NDB, "SUSE-SU-2026:1000-1",
        "important"),
    Family("opensuse-leap", "15.0", "openSUSE Leap 15.0", "openSUSE-release", BDB, "openSUSE-SU-2026:1000-1",
        "important"),
    Family("opensuse-leap", "15.6", "openSUSE Leap 15.6", "openSUSE-release", NDB, "openSUSE-SU-2026:1000-1",
        "important"),
    Family("opensuse-leap", "16.0", "openSUSE Leap 16.0", "Leap-release", NDB, "openSUSE-SU-2026:1000-1", "important"),
    silent("opensuse-tumbleweed", "20261120", "openSUSE Tumbleweed", "openSUSE-release", NDB),
)  # fmt: skip


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if DOCKER_REGISTRY is None:
        leave_out("needs docker-registry")
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """As rpms.build, but each package once for all families."""
    folder = tmp_path_factory.mktemp("packages")

    @cache
    def built(name: str, version: str, release: str, source: str = "", provides: str = "") -> Path:
        given = [provides] if provides else []
        return rpms.build(folder, name, version, release, "x86_64", source=source, provides=given, built=BUILT)

    return built


def references(family: Family) -> tuple[ReferenceRepository, ...]:
    """What is to be published: of a release that nothing is known of, some repository of its own."""
    found = references_for(OSRelease(parsed(family.os_release)), "amd64")
    if not isinstance(found, NoReference):
        return found
    repository = Repository(id="updates", name="updates", baseurl=("https://nobody.example/updates/",))
    return (ReferenceRepository(distribution=family.id, name="updates", ids=("updates",), repository=repository),)


def publish(world: RpmWorld, family: Family, build: Callable[..., Path]) -> None:
    """An old openssl with its library; newer ones where the family publishes its notices."""
    release = build(family.release_package, family.version, "1", provides=f"system-release = {family.version}")
    zlib = build("zlib", "1.2.11", "40")
    old = [build(name, "3.0.7", "5", source="openssl") for name in ("openssl", "openssl-libs")]
    new = [build(name, "3.0.7", "8", source="openssl") for name in ("openssl", "openssl-libs")]
    world.install(release, zlib, *old)
    fixed = [(name, "3.0.7-8", "x86_64", "openssl-3.0.7-8.src.rpm") for name in ("openssl", "openssl-libs")]
    issued = f"{ISSUED:%Y-%m-%d %H:%M:%S}"
    text = updateinfo(notice(family.notice, fixed, severity=family.severity, issued=issued, cves=["CVE-2026-1000"]))
    told = False
    for reference in references(family):
        asked = reference.repository
        place = next(iter(asked.baseurl), f"https://mirror.example/{reference.name}")
        if asked.mirrorlist and not asked.baseurl and reference.trusted.places:  # where its own list may lead to
            place = f"{reference.trusted.places[-1].rstrip('/')}/{reference.name}"
        packages = [release, zlib, *old] if told else [release, zlib, *old, *new]
        options = {"checksum": "sha"} if family.version == "5" else {}  # yum 3.2 knows no other
        notices = {"updateinfo": text} if family.notice and not told else {}
        name = reference.ids[0]  # as the family's own file has it
        world.repository(name, packages, place, **notices, **options)
        if asked.mirrorlist:
            world.place(asked.mirrorlist).write_text(f"{place}\n")
        if asked.metalink:
            world.metalink(name, asked.metalink)
        told = True
    if family.id.startswith(("opensuse", "sles")):
        world.repo_folder = "etc/zypp/repos.d"
    if family.redhat_release:
        world.files = {"etc/redhat-release": f"{family.redhat_release}\n".encode()}
    world.database = {family.database: database(world, family.database, [release, zlib, *old])}


def packages_of(notices: list[str]) -> list[str]:
    """The packages that notices are about, of lines of `updateinfo list`."""
    return sorted(line.split()[2] for line in notices)


def database(world: RpmWorld, path: str, packages: list[Path]) -> bytes:
    """What is installed, in the format that lies at this path."""
    if path == BDB:
        return bdb_copy(rpms.database(world.root) / "rpmdb.sqlite", world.folder / "bdb")
    if path == NDB:
        return ndb_changed(world.folder / "ndb", "--install", *packages).read_bytes()
    return world.installed()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.id}-{family.version}-{family.pretty_name}")
def test_a_family(family: Family, registry: str, build: Callable[..., Path], tmp_path: Path) -> None:
    with RpmWorld(tmp_path, os_release=family.os_release, host="https://nobody.example") as world:
        world.registry_host = registry
        publish(world, family, build)
        done = world.run("assess", "--json")
        assessment = done.document
        listed = world.run("updates", "--list").out
        dnf = world.dnf("check-update", releasever=family.version)
        if family.notice:
            errata = world.run("updates", "--errata").out
            notices = world.dnf("updateinfo", "list", releasever=family.version)
            assert sorted(line.split()[2] for line in errata.splitlines()) == sorted(
                line.split()[2] for line in notices
            )
            assert len(notices) == 2
        if world.repo_folder.startswith("etc/zypp"):
            assert sorted(" ".join(line.split()) for line in listed.splitlines()) == world.zypper_updates()
    assert [line.split() for line in listed.splitlines()] == [line.split() for line in dnf]
    assert len(dnf) == 2
    assert assessment["distribution"]["id"] == family.id
    assert assessment["package_count"] == 4
    assert assessment["grade"]["letter"] == family.letter, assessment["grade"]["reasons"]
    assert [(e["id"], e["severity"], e["cves"]) for e in assessment["errata"]] == (
        [(family.notice, "important", ["CVE-2026-1000"])] if family.notice and family.verified else []
    )
    assert {bool(suite["verified"]) for suite in assessment["suites"]} == {family.verified}
    assert assessment["foreign"] == []
    ended = assessment["lifecycle"]["support"] in ("ended", "paid-only")
    assert done.code == (1 if family.letter or ended else 3)
