"""The article's Red Hat image: the three lines that yum prints inside, through the command, with an entitlement."""

from pathlib import Path

import pytest

from support.redhat import ARTICLE, notices_of_the_article
from support.rpm_world import RpmWorld, updateinfo
from support.rpmdb import database

pytestmark = [pytest.mark.system, pytest.mark.corpus]

RHEL_7 = (
    b'NAME="Red Hat Enterprise Linux Server"\nID="rhel"\nVERSION_ID="7.6"\nPRETTY_NAME="Red Hat Enterprise Linux"\n'
)
SERVER = "https://cdn.redhat.com/content/dist/rhel/server/7/7Server/x86_64/os"


def test_red_hats_notices_of_an_entitled_repository(corpus: Path, tmp_path: Path) -> None:
    with RpmWorld(tmp_path, os_release=RHEL_7, host="https://cdn.redhat.com") as world:
        name, content = database(corpus, "centos7-httpd24")
        world.database = {f"var/lib/rpm/{name}": content}
        fixed = [
            world.build("libssh2", "1.4.3", "12.el7_6.2"),
            world.build("python", "2.7.5", "77.el7_6"),
            world.build("python-libs", "2.7.5", "77.el7_6", source="python"),
        ]
        world.repository("rhel-7-server-rpms", fixed, SERVER, updateinfo=updateinfo(*notices_of_the_article(corpus)))
        world.repo_options = {
            "sslclientcert": "/etc/pki/entitlement/1.pem",
            "sslclientkey": "/etc/pki/entitlement/1-key.pem",
        }
        entitlements = world.demand_certificate()
        without = world.run("updates", "--errata")
        done = world.run("updates", "--errata", "--entitlement-dir", str(entitlements))
        updates = world.run("updates", "--list", "--entitlement-dir", str(entitlements)).out
        assessment = world.run("assess", "--json", "--entitlement-dir", str(entitlements)).document
    assert (without.code, without.out) == (4, ""), "without an entitlement nothing is read, and nothing is told"
    assert done.out == ARTICLE
    assert [line.split()[0] for line in updates.splitlines()] == [
        "libssh2.x86_64",
        "python.x86_64",
        "python-libs.x86_64",
    ]
    # The errata lead to CVEs: the article's next step.
    assert sorted(cve["id"] for cve in assessment["cves"]) == [
        "CVE-2019-3855",
        "CVE-2019-3856",
        "CVE-2019-3857",
        "CVE-2019-3863",
        "CVE-2019-9636",
    ]
    assert assessment["lifecycle"]["support"] == "paid-only"
