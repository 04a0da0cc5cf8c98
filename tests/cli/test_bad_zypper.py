"""Images of zypper, yum 3 and tdnf whose configuration wants harm, through the command: nothing is followed."""

import pytest

from support.endings import judged, unassessed, unknown
from support.registry import Answer
from support.rpm_roots import Rpm
from support.rpm_stage import BentRepository, RpmStage

ASSESS = ("assess", "--json")
LEAP = b'NAME="openSUSE Leap"\nID="opensuse-leap"\nVERSION_ID="15.6"\nPRETTY_NAME="openSUSE Leap 15.6"\n'
CENTOS_7 = b'NAME="CentOS Linux"\nID="centos"\nVERSION_ID="7"\nPRETTY_NAME="CentOS Linux 7 (Core)"\n'
PHOTON = b'NAME="VMware Photon OS"\nID=photon\nVERSION_ID="5.0"\nPRETTY_NAME="VMware Photon OS/Linux"\n'


def repository(stage: RpmStage) -> BentRepository:
    """The image's only one, on a mirror of nobody's, with a newer zlib."""
    stage.installed = [Rpm("zypper", "1.14-1", "x86_64"), Rpm("zlib", "1.2.11-40", "x86_64", vendor="SUSE LLC")]
    made = BentRepository("own", "https://mirror.example/own/", [Rpm("zlib", "1.2.13-1", "x86_64", vendor="SUSE LLC")])
    stage.reached = ["https://mirror.example", "https://download.opensuse.org", "https://cdn.opensuse.org"]
    stage.repositories = [made]
    return made


ZYPPER: dict[str, dict[str, bytes]] = {
    "schemes": {
        "etc/zypp/repos.d/a.repo": b"".join(
            b"[a%d]\nbaseurl=%s\n" % (n, url)
            for n, url in enumerate(
                (b"dir:///etc", b"cd:///?devices=/dev/sr0", b"hd:/x?device=/dev/sda", b"iso:/?iso=/x.iso",
                 b"plugin:bash?cmd=id", b"smb://10.0.0.1/x", b"nfs://169.254.169.254/x", b"tftp://x/y", b"http://10.0.0.1/x")
            )
        )
    },
    "a path that climbs": {"etc/zypp/repos.d/a.repo": b"[a]\nbaseurl=https://mirror.example/x\npath=/../../../etc\n"},
    "no URL": {"etc/zypp/repos.d/a.repo": b"[a]\nbaseurl=mirror\n"},
    "no section": {"etc/zypp/repos.d/a.repo": b"baseurl=https://mirror.example/\n"},
    "binary": {"etc/zypp/repos.d/a.repo": bytes(range(256)) * 99, "etc/zypp/zypp.conf": bytes(range(256))},
    "services": {"etc/zypp/services.d/a.service": b"[a]\nurl=http://169.254.169.254/\nenabled=1\n" + b"[" * 999},
    "locks": {"etc/zypp/locks": b"match_type: regex\nsolvable_name: (a*)*$\n\n" * 9999},
    "a lock of everything": {"etc/zypp/locks": b"type: package\nmatch_type: glob\nsolvable_name: *\n"},
    "variables": {"etc/zypp/vars.d/a": b"x" * 90_000, "etc/zypp/repos.d/a.repo": b"[$a]\nbaseurl=https://mirror.example/${a:-${a}}$a\n"},
    "the host's folders": {"etc/zypp/zypp.conf": b"[main]\nreposdir = /host/etc\nconfigdir=/proc/self\nvarsdir=/dev\n"},
}  # fmt: skip


@pytest.mark.parametrize("name", ZYPPER)
def test_zypper(rpm: RpmStage, name: str) -> None:
    """The distribution's own repositories are nowhere, so there is no letter whatever the image says."""
    repository(rpm)
    rpm.public = True
    rpm.files |= {"etc/os-release": LEAP, **ZYPPER[name]}
    rpm.files["etc/zypp/repos.d/test.repo"] = rpm.repositories[0].section().encode()
    document = unknown(rpm.run(*ASSESS), "not a base for a letter")
    assert document["grade"]["at_best"] != "A"
    assert not [path for path in rpm.places.requests if "etc" in path.split("/")]
    done = rpm.run("updates", "--list", publish=False)
    assert (done.code, done.out) == (4, ""), "its only repository is not signed, or is not found in the configuration"
    assert done.err.startswith("affineur: ")


@pytest.mark.parametrize("answer", [Answer(404), b"", b"nonsense", b"x" * 2000])
def test_zypper_takes_nothing_without_a_good_signature(rpm: RpmStage, answer: bytes | Answer) -> None:
    repository(rpm)
    rpm.files |= {"etc/os-release": LEAP}
    rpm.files["etc/zypp/repos.d/test.repo"] = rpm.repositories[0].section().encode()
    rpm.places.files["mirror.example/own/repodata/repomd.xml.asc"] = answer
    document = unknown(rpm.run(*ASSESS))
    assert document["updates"] == []
    assert "repository own" in unassessed(document)


YUM: dict[str, dict[str, bytes]] = {
    "includes": {"etc/yum.conf": b"[main]\ninclude=http://169.254.169.254/latest file:///etc/passwd\n"},
    "the host's folders": {"etc/yum.conf": b"[main]\nreposdir=/host/etc/yum.repos.d /proc/self\nvarsdir=/dev\n"},
    "plugins": {"etc/yum.conf": b"[main]\nplugins=1\nproxy=http://169.254.169.254:3128\nproxy_password=hunter2\n"},
    "folds": {"etc/yum.conf": b"[main]\nexclude=a\n" + b" b\n" * 200_000},
    "costs": {"etc/yum.repos.d/a.repo": b"[a]\nbaseurl=https://mirror.example/none/\ncost=" + b"9" * 900},
}  # fmt: skip


@pytest.mark.parametrize("name", YUM)
def test_yum(rpm: RpmStage, name: str) -> None:
    """CentOS 7: no letter in any case, and updates where they can be told."""
    repository(rpm)
    rpm.installed[0] = Rpm("yum", "3.4.3-168.el7")
    rpm.public = True
    rpm.files |= {"etc/os-release": CENTOS_7, **YUM[name]}
    done = rpm.run(*ASSESS)
    document = unknown(done, "CentOS publishes no errata")
    assert "hunter2" not in done.out + done.err
    if name in ("plugins", "costs"):
        assert [each["name"] for each in document["updates"]] == ["zlib"]


def test_tdnf(rpm: RpmStage) -> None:
    repository(rpm)
    rpm.installed[0] = Rpm("tdnf", "3.5-1", "x86_64")
    rpm.files |= {
        "etc/os-release": PHOTON,
        "etc/tdnf/tdnf.conf": b"[main]\nrepodir=/proc\ncachedir=/etc\nreleasever=../../../x\n" + b"\xff" * 99,
        "etc/tdnf/vars/a": b"$a$a",
    }
    unknown(rpm.run(*ASSESS))


def test_an_entitlement_that_an_image_brings(rpm: RpmStage) -> None:
    """It is never used; that it is there is a finding."""
    rpm.files |= {f"etc/pki/entitlement/1{end}.pem": b"-----BEGIN PRIVATE KEY-----\nMA==\n" for end in ("", "-key")}
    rpm.appstream.options = {
        "sslclientcert": "/etc/pki/entitlement/1.pem",
        "sslclientkey": "/etc/pki/entitlement/1-key.pem",
        "sslcacert": "/etc/passwd",
        "proxy": "http://169.254.169.254:3128",
    }
    document = judged(rpm.run(*ASSESS))
    assert document["grade"]["letter"] == "C"
    assert "entitlement" in {each["kind"] for each in document["deviations"]}
