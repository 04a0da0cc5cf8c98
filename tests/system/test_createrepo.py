"""primary.xml and other.xml as createrepo_c makes them of what rpmbuild made, beside what rpm says of the packages."""

import gzip
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from affineur.repositories.rpmmd.model import Obsolete
from affineur.repositories.rpmmd.other import Entry, read_changelogs
from affineur.repositories.rpmmd.primary import read_primary
from support.rpms import build, needed, repository

pytestmark = pytest.mark.system

CHANGELOG = """
    * Mon Jun 03 2024 Jane Doe <jane@vendor.example> - 1.2-3
    - fix CVE-2024-0001 & <others>

    * Sun Jun 02 2024 Jane Doe <jane@vendor.example> - 1.2-2
    - rebuilt
"""
FORMAT = (
    "%{NAME}|%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}|%{ARCH}|%{SOURCERPM}|%{VENDOR}|%{BUILDTIME}"
    "|[%{OBSOLETENAME} %{OBSOLETEFLAGS:depflags} %{OBSOLETEVERSION},]\n"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed("rpm", "rpmbuild", "createrepo_c")
    folder = tmp_path_factory.mktemp("made")
    rpms = [
        build(folder, "plain", "1.2", "3", "x86_64", changelog=CHANGELOG),
        build(
            folder,
            "libx",
            "2.0~rc1",
            "1.el9",
            epoch=4,
            source="x",
            vendor="Vendor <a> & Co.",
            built=1_700_000_000,
            provides=["virtual", "lib.so()(64bit)", "/bin/x"],
            obsoletes=["old", "older < 3", "oldest <= 1:2-3"],
            requires=["plain >= 1"],
            files={"/usr/bin/x": b"x"},
        ),
    ]
    return repository(folder / "repository", rpms)


def document(folder: Path, kind: str) -> list[bytes]:
    (path,) = (folder / "repodata").glob(f"*-{kind}.xml.gz")
    return [gzip.decompress(path.read_bytes())]


def test_offers_are_what_rpm_says_of_the_packages(made: Path) -> None:
    for offer in read_primary(document(made, "primary"), "primary.xml"):
        path = made / offer.href
        said = subprocess.run(["rpm", "-qp", "--qf", FORMAT, str(path)], capture_output=True, text=True, check=True)
        name, version, architecture, source_rpm, vendor, built, obsoletes = said.stdout.strip().split("|")
        assert (offer.name, offer.version, offer.architecture) == (name, version, architecture)
        source_version = offer.source_version.rpartition(":")[2]
        assert f"{offer.source}-{source_version}.src.rpm" == source_rpm
        assert offer.vendor == vendor.replace("(none)", "")
        assert offer.built == datetime.fromtimestamp(int(built), UTC)
        assert offer.size == path.stat().st_size
        digest = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout.split()[0]
        assert offer.checksum == f"sha256:{digest}"
        named = sorted(" ".join(text.split()) for text in obsoletes.split(",") if text.strip())
        assert sorted(as_rpm_writes(each) for each in offer.obsoletes) == named


def as_rpm_writes(obsolete: Obsolete) -> str:
    sign = {"": "", "LT": "<", "LE": "<=", "EQ": "=", "GE": ">=", "GT": ">"}[obsolete.flags]
    return f"{obsolete.name} {sign} {obsolete.version}".strip()


def test_provides_are_plain_names_besides_the_packages_own(made: Path) -> None:
    found = {offer.name: offer.provides for offer in read_primary(document(made, "primary"), "primary.xml")}
    assert found == {"plain": (), "libx": ("virtual",)}


def test_changelogs_are_what_rpm_says(made: Path) -> None:
    offers = {offer.name: offer for offer in read_primary(document(made, "primary"), "primary.xml")}
    ((checksum, entries),) = read_changelogs(document(made, "other"), [offers["plain"].checksum])
    assert checksum == offers["plain"].checksum
    author = "Jane Doe <jane@vendor.example>"
    assert entries == [
        Entry(datetime(2024, 6, 2, 12, tzinfo=UTC), f"{author} - 1.2-2", "- rebuilt"),
        Entry(datetime(2024, 6, 3, 12, tzinfo=UTC), f"{author} - 1.2-3", "- fix CVE-2024-0001 & <others>"),
    ]
