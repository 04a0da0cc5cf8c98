"""What zypper reads and refuses, beside zypper itself, run on a root of its own."""

import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease
from affineur.repositories.rpmmd.configuration import read_configuration
from affineur.repositories.rpmmd.model import RpmConfiguration
from support.rpms import needed

LEAP = OSRelease({"ID": "opensuse-leap", "VERSION_ID": "15.5"})
ZYPPER = (Package("zypper", "1.14.59-1", "x86_64", "zypper", "1.14.59-1"),)
CASES = {
    "plain": "[repo-oss]\nname=Main $releasever\nenabled=1\nautorefresh=1\n"
    "baseurl=https://download.example/distribution/leap/$releasever/repo/oss/\npath=/\ntype=rpm-md\npriority=90\n",
    "lists that go on": "[a]\nname=A\nbaseurl=https://a.example/x/\n        https://b.example/y/?z=1\n# c\n\n"
    "https://c.example/\ngpgkey=https://k.example/1\n  https://k.example/2\n",
    "checks": "[a]\nname=A\nbaseurl=http://a.example/\ngpgcheck=0\n[b]\nname=B\nbaseurl=http://b.example/\ngpgcheck=1\n"
    "[c]\nname=C\nbaseurl=http://c.example/\nrepo_gpgcheck=0\n[d]\nname=D\nbaseurl=http://d.example/\ngpgcheck=off\n"
    "repo_gpgcheck=on\n[e]\nname=E\nbaseurl=http://e.example/\ngpgcheck=1\nrepo_gpgcheck=0\n",
    "variables": "[a]\nname=$releasever_major|${releasever_minor}|$basearch\n"
    "baseurl=http://a.example/SP$releasever_minor/${unset:-x}/${releasever:+y}/$unknown/\n",
    "twice": "[a]\nname=A\nbaseurl=http://a.example/\n[b]\nname=B\nbaseurl=http://b.example/\nenabled=0\n"
    "[a]\nname=second\n",
    "names": "[A b:c/d]\nbaseurl=http://a.example/\n[x]\nname=x # not a comment\nbaseurl=http://b.example/\nenabled=false\n",
    "a list of mirrors": "[m]\nname=M\nmirrorlist=http://m.example/list?arch=$basearch\n",
    "a colon": "[a]\nname: A\nbaseurl=http://a.example/\n",
    "garbage": "[a]\nname=A\nbaseurl=http://a.example/\nsome words\n[b]\nname=B\nbaseurl=http://b.example/\n",
    "garbage first": "[a]\nsome words\nbaseurl=http://a.example/\n",
}


def configured(text: str) -> RpmConfiguration:
    return read_configuration({"etc/zypp/repos.d/a.repo": text.encode()}, ZYPPER, "amd64", LEAP)


@pytest.mark.system
@pytest.mark.parametrize("case", CASES)
def test_zypper_lists_the_same(case: str, tmp_path: Path) -> None:
    needed("zypper")
    folder = tmp_path / "etc/zypp/repos.d"
    folder.mkdir(parents=True)
    (folder / "a.repo").write_text(CASES[case])
    done = subprocess.run(
        ["zypper", "--root", tmp_path, "--releasever", "15.5", "--xmlout", "repos", "--uri"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"LC_ALL": "C"},
    )
    found = configured(CASES[case])
    if done.returncode:
        assert found.unanswerable, done.stdout
        return
    assert found.unanswerable == ()
    listed = {repo.get("alias"): repo for repo in ET.fromstring(done.stdout).iter("repo")}
    assert {each.id for each in found.repositories} == set(listed)
    for each in found.repositories:
        repo = listed[each.id]
        assert [each.name, str(each.priority)] == [repo.get("name"), repo.get("priority")]
        assert f"{each.enabled:d}" == repo.get("enabled")
        assert f"{each.gpgcheck:d}" == repo.get("gpgcheck")
        if each.enabled:
            assert f"{each.repo_gpgcheck:d}" == repo.get("repo_gpgcheck")
        assert list(each.baseurl) == [url.text for url in repo.iter("url")]
        assert each.mirrorlist == repo.get("mirrorlist", "")


def test_locks_and_options() -> None:
    files = {
        "etc/zypp/locks": b"\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: kernel*\n\n"
        b"type: patch\nsolvable_name: x\n",
        "etc/zypp/zypp.conf": b"## comment\n[main]\n# solver.allowVendorChange = no\nsolver.allowVendorChange = true\n",
    }
    found = read_configuration(files, ZYPPER, "amd64", LEAP)
    assert found.locks == ("kernel*",)
    assert found.vendor_change
    assert len(found.problems) == 1
    assert (found.manager, found.releasever) == ("zypper", "15.5")


def test_a_service_that_was_not_asked_is_said() -> None:
    service = {"etc/zypp/services.d/openSUSE.service": b"[openSUSE]\nname=openSUSE\nenabled=1\nurl=/usr/share/zypp\n"}
    found = read_configuration(service, ZYPPER, "amd64", LEAP)
    assert "the service openSUSE has not been asked" in found.problems[0]
    asked = {"etc/zypp/repos.d/o.repo": b"[openSUSE:repo-oss]\nbaseurl=http://a.example/\nservice=openSUSE\n"}
    assert read_configuration(service | asked, ZYPPER, "amd64", LEAP).problems == ()
