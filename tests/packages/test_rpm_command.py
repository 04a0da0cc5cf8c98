"""`affineur packages` of images with real rpm databases, from a registry on loopback, beside what rpm says of them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease
from affineur.packages.purl import package_purl, rpm_purl
from support.command import Done, affineur
from support.leaving_out import leave_out
from support.made_rpmdb import bdb, header
from support.registry import Registry, tar_of
from support.rpmdb import database, listed

try:
    from packageurl import PackageURL
except ModuleNotFoundError:
    PackageURL = None  # type: ignore[assignment,misc]

CENTOS = b'NAME="CentOS Linux"\nVERSION="7 (Core)"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="7"\n'
PLACES = {"Packages": "var/lib/rpm", "Packages.db": "usr/lib/sysimage/rpm", "rpmdb.sqlite": "var/lib/rpm"}


def packages(home: Path, files: dict[str, bytes], *options: str) -> Done:
    with Registry() as registry:
        registry.push("team/app", "1", layers=[tar_of(files)])
        return affineur(home, "packages", *options, f"{registry.host}/team/app:1")


def image(corpus: Path, name: str) -> dict[str, bytes]:
    file, content = database(corpus, name)
    return {f"{PLACES[file]}/{file}": content, "etc/os-release": CENTOS}


def columns(each: dict[str, Any]) -> tuple[str, ...]:
    epoch, _, version = each["version"].rpartition(":")
    number, _, release = version.rpartition("-")
    installed = datetime.fromisoformat(each["installed_at"])
    source = f"{each['source']}-{each['source_version'].rpartition(':')[2]}"
    named = (each["name"], epoch or "0", number, release, each["architecture"], source, each["module"], each["vendor"])
    return *named, each["licence"], str(each["size"]), str(int(installed.timestamp())), each["key_id"]


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["centos7-httpd24", "sle15-bci", "mariner-2.0", "fedora-libuuid"])
def test_every_field_in_json(corpus: Path, tmp_path: Path, name: str) -> None:
    done = packages(tmp_path, image(corpus, name), "--json")
    assert (done.code, done.err) == (0, "")
    found = done.document["packages"]
    assert sorted(map(columns, found)) == listed(corpus, name)
    assert {each["manager"] for each in found} == {"rpm"}


@pytest.mark.corpus
def test_package_urls_are_read_back_by_their_library(corpus: Path, tmp_path: Path) -> None:
    if PackageURL is None:
        leave_out("needs packageurl-python")
    found = packages(tmp_path, image(corpus, "centos7-httpd24"), "--json").document["packages"]
    for each in found:
        url = PackageURL.from_string(each["purl"])
        epoch, _, version = each["version"].rpartition(":")
        assert (url.type, url.namespace, url.name, url.version) == ("rpm", "centos", each["name"], version)
        assert (url.qualifiers["arch"], url.qualifiers.get("epoch", "")) == (each["architecture"], epoch)
        assert url.to_string() == each["purl"]
    assert "pkg:rpm/centos/bind-license@9.9.4-73.el7_6?" in "".join(each["purl"] for each in found)


def test_examples_of_the_specification() -> None:
    # purl-spec, types/rpm-definition.json § examples, apart from what os-release adds
    curl = Package("curl", "7.50.3-1.fc25", "i386", "curl", "7.50.3-1.fc25", manager="rpm")
    assert package_purl(curl, OSRelease({"ID": "fedora", "VERSION_ID": "25"})) == (
        "pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386&distro=fedora-25"
    )
    other = Package("centerim", "1:4.22.10-1.el6", "i686", "center", "1:4.22.10-1.el6", manager="rpm")
    assert rpm_purl(other, OSRelease({"ID": "fedora", "VERSION_ID": "25"})) == (
        "pkg:rpm/fedora/centerim@4.22.10-1.el6?arch=i686&distro=fedora-25&epoch=1&upstream=center-4.22.10-1.el6.src.rpm"
    )
    assert rpm_purl(other, None) is None


def test_text_and_bills_of_materials(tmp_path: Path) -> None:
    files = {"var/lib/rpm/Packages": bdb([header(), header(t1000="other", t1003=None)]), "etc/os-release": CENTOS}
    done = packages(tmp_path, files)
    assert done.code == 0
    assert "tool   4:1.2-3.el9" in done.out
    assert "Packages: 2" in done.out
    bom = json.loads(packages(tmp_path, files, "--format", "cyclonedx").out)
    tool = next(each for each in bom["components"] if each["name"] == "tool")
    assert (tool["publisher"], tool["licenses"][0]["license"]["name"]) == ("Example", "MIT")
    assert {"name": "affineur:key-id", "value": "0123456789abcdef"} in tool["properties"]
    spdx = json.loads(packages(tmp_path, files, "--format", "spdx").out)
    tool = next(each for each in spdx["packages"] if each["name"] == "tool")
    assert (tool["supplier"], tool["licenseComments"]) == ("Organization: Example", "recorded as: MIT")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\0" * 8192, "no rpm database of a known kind"),
        (bdb([header()])[:-400], "pages are promised"),
        (bdb([header(t1000="a b")]), "no valid name"),
    ],
)
def test_a_broken_database_is_no_empty_one(tmp_path: Path, content: bytes, told: str) -> None:
    done = packages(tmp_path, {"var/lib/rpm/Packages": content, "etc/os-release": CENTOS})
    assert (done.code, done.out) == (5, "")
    assert told in done.err
    assert "/Packages" in done.err
