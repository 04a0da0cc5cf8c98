"""Two images of rpm for the tutorial's small world, and their repositories: made byte by byte, without rpm's tools.

`team/alma:1` lacks an Important erratum that AlmaLinux has had out for 40 days: a C. `team/centos:1` lacks two updates
of which nobody published what they fix; the changelog of one of them names a CVE. The places of their distributions
are on loopback by the mirror map, as a user would map them to a mirror inside.
"""

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from support.made_rpmdb import header, sqlite
from support.registry import Registry, tar_of

__all__ = ["MIRRORS", "push_rpm", "rpm_repositories"]

ALMA, CENTOS = "https://repo.almalinux.org/almalinux/9", "https://vault.centos.org/7.9.2009"
MIRRORS = {"https://repo.almalinux.org": "rpm/alma", "https://vault.centos.org": "rpm/centos"}
"""Host → the folder of the archive that it is mapped to."""
ALMA_9 = b'ID="almalinux"\nVERSION_ID="9.4"\nPLATFORM_ID="platform:el9"\nPRETTY_NAME="AlmaLinux 9.4"\n'
CENTOS_7 = b'ID="centos"\nVERSION_ID="7"\nPRETTY_NAME="CentOS Linux 7 (Core)"\n'


class Rpm(NamedTuple):
    """One binary package; its source has the same version."""

    name: str
    version: str
    source: str = ""
    days: int = 100  # since it was built

    @property
    def source_file(self) -> str:
        return f"{self.source or self.name}-{self.version}.src.rpm"

    @property
    def checksum(self) -> str:
        return hashlib.sha256(f"{self.name}-{self.version}".encode()).hexdigest()


ALMA_OLD = [
    Rpm("almalinux-release", "9.4-1.el9"),
    Rpm("zlib", "1.2.11-40.el9"),
    Rpm("openssl", "3.0.7-25.el9"),
    Rpm("openssl-libs", "3.0.7-25.el9", "openssl"),
]
ALMA_NEW = [Rpm("openssl", "3.0.7-28.el9", "", 42), Rpm("openssl-libs", "3.0.7-28.el9", "openssl", 42)]
CENTOS_OLD = [Rpm("centos-release", "7-9.2009.0.el7"), Rpm("httpd", "2.4.6-95.el7"), Rpm("zlib", "1.2.7-18.el7")]
CENTOS_NEW = [Rpm("httpd", "2.4.6-97.el7"), Rpm("zlib", "1.2.7-19.el7")]
CENTOS_LOG = {
    "httpd": [
        ("2.4.6-97.el7", 1_600_000_000, "- Resolves: #1 - CVE-2020-1000 httpd: a flaw (made up)"),
        ("2.4.6-95.el7", 1_580_000_000, "- an older change"),
    ],
    "zlib": [
        ("1.2.7-19.el7", 1_600_000_000, "- rebuilt"),
        ("1.2.7-18.el7", 1_580_000_000, "- an older change"),
    ],
}


def push_rpm(registry: Registry, today: datetime) -> None:
    """Push both images."""
    created = {"created": (today - timedelta(days=100)).strftime("%Y-%m-%dT06:30:00Z")}
    alma = _section("baseos", f"{ALMA}/BaseOS/x86_64/os/") + _section("appstream", f"{ALMA}/AppStream/x86_64/os/")
    centos = _section("base", f"{CENTOS}/os/x86_64/") + _section("updates", f"{CENTOS}/updates/x86_64/")
    for name, os_release, rpms, repositories in (
        ("team/alma", ALMA_9, ALMA_OLD, alma),
        ("team/centos", CENTOS_7, CENTOS_OLD, centos),
    ):
        members = {
            "etc/os-release": os_release,
            "var/lib/rpm/rpmdb.sqlite": sqlite([_header(each) for each in rpms]),
            "etc/yum.repos.d/os.repo": repositories.encode(),
        }
        registry.push(name, "1", layers=[tar_of(members)], config=created)


def rpm_repositories(today: datetime) -> dict[str, bytes]:
    """Path below the archive → content, of the repositories of both."""
    issued = today - timedelta(days=40)
    notices = _updateinfo("ALSA-2026:9001", "CVE-2026-1003", ALMA_NEW, issued)
    files: dict[str, bytes] = {}
    alma, centos = "rpm/alma/almalinux/9", "rpm/centos/7.9.2009"
    files |= _repository(f"{alma}/BaseOS/x86_64/os", [*ALMA_OLD, *ALMA_NEW], today, updateinfo=notices)
    # of AppStream the image has nothing; its notices keep up all the same
    other = [Rpm("nginx", "1.20.1-16.el9", "", 42)]
    notices = _updateinfo("ALSA-2026:9000", "CVE-2026-1000", other, issued)
    files |= _repository(f"{alma}/AppStream/x86_64/os", other, today, updateinfo=notices)
    files |= _repository(f"{centos}/os/x86_64", CENTOS_OLD, today)
    files |= _repository(f"{centos}/updates/x86_64", CENTOS_NEW, today, other=_other(CENTOS_NEW))
    return files


def _header(rpm: Rpm) -> bytes:
    version, _, release = rpm.version.partition("-")
    return header(
        t1000=rpm.name, t1001=version, t1002=release, t1003=None, t1044=rpm.source_file, t5096=None, t268=None
    )


def _section(name: str, url: str) -> str:
    return f"[{name}]\nname={name}\nbaseurl={url}\nenabled=1\ngpgcheck=1\n"


def _evr(rpm: Rpm) -> tuple[str, str]:
    version, _, release = rpm.version.partition("-")
    return version, release


def _repository(folder: str, rpms: Iterable[Rpm], today: datetime, **more: str) -> dict[str, bytes]:
    """repomd.xml and what it lists; `primary` and the files of `more`."""
    packages = list(rpms)
    primary = (
        '<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"'
        f' packages="{len(packages)}">{"".join(_package(each, today) for each in packages)}</metadata>'
    )
    made = int(today.timestamp())
    files: dict[str, bytes] = {}
    entries = ""
    for kind, text in {"primary": primary, **more}.items():
        packed = gzip.compress(text.encode(), mtime=0)
        path = f"repodata/{kind}.xml.gz"
        files[f"{folder}/{path}"] = packed
        entries += (
            f'<data type="{kind}"><checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum>'
            f'<open-checksum type="sha256">{hashlib.sha256(text.encode()).hexdigest()}</open-checksum>'
            f'<location href="{path}"/><timestamp>{made}</timestamp><size>{len(packed)}</size>'
            f"<open-size>{len(text.encode())}</open-size></data>"
        )
    repomd = f'<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>{made}</revision>{entries}</repomd>'
    return files | {f"{folder}/repodata/repomd.xml": repomd.encode()}


def _package(rpm: Rpm, today: datetime) -> str:
    version, release = _evr(rpm)
    built = int((today - timedelta(days=rpm.days)).timestamp())
    return (
        f'<package type="rpm"><name>{rpm.name}</name><arch>x86_64</arch>'
        f'<version epoch="0" ver="{version}" rel="{release}"/>'
        f'<checksum type="sha256" pkgid="YES">{rpm.checksum}</checksum><time file="{built}" build="{built}"/>'
        f'<location href="{rpm.name}-{rpm.version}.x86_64.rpm"/>'
        f"<format><rpm:sourcerpm>{rpm.source_file}</rpm:sourcerpm></format></package>"
    )


def _updateinfo(identifier: str, cve: str, rpms: Iterable[Rpm], issued: datetime) -> str:
    packages = ""
    for rpm in rpms:
        version, release = _evr(rpm)
        packages += (
            f'<package name="{rpm.name}" version="{version}" release="{release}" epoch="0" arch="x86_64"'
            f' src="{rpm.source_file}"><filename>{rpm.name}-{rpm.version}.x86_64.rpm</filename></package>'
        )
    date = f"{issued:%Y-%m-%d} 12:00:00"
    return (
        f'<updates><update status="final" type="security" version="1"><id>{identifier}</id>'
        f'<title>{identifier}: an update</title><issued date="{date}"/><updated date="{date}"/>'
        f'<severity>Important</severity><references><reference id="{cve}" type="cve" title="{cve}"/></references>'
        f"<pkglist><collection><name>el9</name>{packages}</collection></pkglist></update></updates>"
    )


def _other(rpms: Iterable[Rpm], logs: Mapping[str, list[tuple[str, int, str]]] = CENTOS_LOG) -> str:
    packages = list(rpms)
    shown = ""
    for rpm in packages:
        version, release = _evr(rpm)
        entries = "".join(
            f'<changelog author="A Name &lt;a@archive.example&gt; - {about}" date="{when}">{text}</changelog>'
            for about, when, text in reversed(logs[rpm.name])
        )
        shown += (
            f'<package pkgid="{rpm.checksum}" name="{rpm.name}" arch="x86_64">'
            f'<version epoch="0" ver="{version}" rel="{release}"/>{entries}</package>'
        )
    return f'<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="{len(packages)}">{shown}</otherdata>'
