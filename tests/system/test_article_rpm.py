"""The article's Red Hat and Fedora images: what yum and dnf print inside, through the command."""

from pathlib import Path

import pytest

from support.redhat import ARTICLE, flaws_of_the_article, notices_of_the_article
from support.rpm_world import RpmWorld, notice, updateinfo
from support.rpmdb import database
from support.unfixed import red_hat_document

pytestmark = pytest.mark.system

RHEL_7 = (
    b'NAME="Red Hat Enterprise Linux Server"\nID="rhel"\nVERSION_ID="7.6"\nPRETTY_NAME="Red Hat Enterprise Linux"\n'
)
SERVER = "https://cdn.redhat.com/content/dist/rhel/server/7/7Server/x86_64/os"


@pytest.mark.corpus
def test_red_hats_word_on_each_flaw_that_its_errata_fix(corpus: Path, tmp_path: Path) -> None:
    """The impact and the base score that Red Hat itself states of the article's five CVEs; no letter rests on them."""
    flaws = flaws_of_the_article(corpus)
    folder = tmp_path / "vex" / "2019"
    folder.mkdir(parents=True)
    for cve, (impact, _, vector) in flaws.items():
        document = red_hat_document(cve, not_affected=["8:python3"], impact=impact.capitalize(), vectors=[vector])
        (folder / f"{cve.lower()}.json").write_bytes(document)
    with RpmWorld(tmp_path, os_release=RHEL_7, host="https://cdn.redhat.com") as world:
        world.install(world.build("libssh2", "1.4.3", "12.el7"), world.build("python", "2.7.5", "76.el7"))
        world.repository("rhel-7-server-rpms", [], SERVER, updateinfo=updateinfo(*notices_of_the_article(corpus)))
        entitled = ("--entitlement-dir", str(world.demand_certificate()))
        without = world.run("cves", "--json", *entitled).document
        plain = world.run("assess", "--json", *entitled).document
        world.feeds = f'unfixed.redhat = "{folder.parent}"\n'
        named = world.run("cves", "--json", *entitled).document
        assessed = world.run("assess", "--json", *entitled).document
        shown = world.run("cves", *entitled).out
    assert [cve["id"] for cve in without["cves"] if cve["severity"]] == ["CVE-2019-9636"]  # alone in its notice
    assert {cve["score"] for cve in without["cves"]} == {None}
    assert {cve["id"]: (cve["severity"], cve["score"]) for cve in named["cves"]} == {
        cve: (impact, score) for cve, (impact, score, _) in flaws.items()
    }
    assert [each["statement"] for each in named["evidence"] if "base score" in each["statement"]] == [
        "Red Hat's VEX rates 5 of 5 CVEs that are fixed: Red Hat impact, CVSS base score"
    ]
    assert "CVE-2019-9636     important" in shown
    assert "python 2.7.5-76.el7 → 2.7.5-77.el7_6 (CVSS 9.8)" in shown
    assert (assessed["grade"]["letter"], assessed["errata"]) == (plain["grade"]["letter"], plain["errata"])


@pytest.mark.corpus
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


FEDORA = b'NAME="Fedora Linux"\nID="fedora"\nVERSION_ID="43"\nPRETTY_NAME="Fedora Linux 43 (Container Image)"\n'
SUMMARY = """\
Updates Information Summary: available
    5 Security notice(s)
        1 Moderate Security notice(s)
        2 Low Security notice(s)
    3 Bugfix notice(s)
    2 Enhancement notice(s)
"""


def test_fedoras_summary(tmp_path: Path) -> None:
    """Two of the five have the severity "None", which dnf counts in no part."""
    kinds = [("security", word) for word in ("Moderate", "Low", "Low", "None", "None")]
    kinds += [("bugfix", "None")] * 3 + [("enhancement", "None")] * 2
    with RpmWorld(tmp_path, os_release=FEDORA, host="https://dl.fedoraproject.org") as world:
        world.install(*(world.build(f"p{number}", "1", "1.fc43") for number in range(len(kinds))))
        notices = [
            notice(f"FEDORA-2026-{number}", [(f"p{number}", "2-1.fc43", "x86_64", "")], kind=kind, severity=word)
            for number, (kind, word) in enumerate(kinds)
        ]
        world.repository("updates", [], "pub/updates/43", updateinfo=updateinfo(*notices))
        printed = world.run("updates").out
        assert "\n".join(world.dnf("updateinfo", "summary")) + "\n" == SUMMARY
    assert printed.endswith(SUMMARY)
