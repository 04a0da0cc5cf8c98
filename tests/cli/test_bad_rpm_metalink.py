"""Fedora, whose repositories are believed by metalinks alone: mirrors that serve something else than is named there."""

import hashlib
from collections.abc import Sequence

import pytest

from support.endings import judged, unassessed, unknown
from support.registry import Answer
from support.rpm_roots import Rpm
from support.rpm_stage import BentRepository, RpmStage, days_ago
from support.rpm_world import notice

ASSESS = ("assess", "--json")
LISTS = "https://mirrors.fedoraproject.org"
MIRROR = "https://mirror.example"
OS_RELEASE = (
    b'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=43\nPRETTY_NAME="Fedora Linux 43"\nPLATFORM_ID="platform:f43"\n'
)
REPOS = {"fedora": "fedora-43", "updates": "updates-released-f43"}


def alternates(digests: Sequence[str]) -> str:
    hashed = "".join(
        f'<mm0:alternate><verification><hash type="sha256">{each}</hash></verification></mm0:alternate>'
        for each in digests
    )
    return f"<mm0:alternates>{hashed}</mm0:alternates>" if digests else ""


def metalink(digest: str, older: Sequence[str], *urls: str) -> bytes:
    """As MirrorManager writes it."""
    shown = "".join(f'<url protocol="https" preference="100">{url}repodata/repomd.xml</url>' for url in urls)
    return (
        '<?xml version="1.0"?><metalink version="3.0" xmlns="http://www.metalinker.org/"'
        ' xmlns:mm0="http://fedorahosted.org/mirrormanager"><files><file name="repomd.xml">'
        f'<verification><hash type="md5">x</hash><hash type="sha256">{digest}</hash></verification>{alternates(older)}'
        f"<resources>{shown}</resources></file></files></metalink>"
    ).encode()


class Fedora:
    """The stage as Fedora 43 with a fix of httpd in `updates`; `named` and `older` are digests in place of the true."""

    def __init__(self, stage: RpmStage) -> None:
        self.stage = stage
        stage.files["etc/os-release"] = OS_RELEASE
        release = Rpm("fedora-release-common", "43-26", "noarch")
        old, new = Rpm("httpd", "2.4.60-1.fc43", "x86_64"), Rpm("httpd", "2.4.66-1.fc43", "x86_64")
        stage.installed = [release, old]
        build = ("httpd", "2.4.66-1.fc43", "x86_64", "httpd-2.4.66-1.fc43.src.rpm")
        text = notice("FEDORA-2026-1", [build], issued=f"{days_ago(40):%Y-%m-%d}", cves=["CVE-2026-1"])
        self.base = BentRepository("fedora", f"{MIRROR}/fedora/", [release, old])
        self.updates = BentRepository("updates", f"{MIRROR}/updates/", [new], [text])
        stage.repositories = [self.base, self.updates]
        stage.reached = [LISTS, MIRROR]
        for each in stage.repositories:
            each.options = {"baseurl": "", "metalink": f"{LISTS}/metalink?repo={REPOS[each.name]}&arch=x86_64"}
        self.named = ""
        self.older: list[str] = []

    def update(self) -> None:
        self.stage.installed = [self.stage.installed[0], Rpm("httpd", "2.4.66-1.fc43", "x86_64")]

    def digest(self, each: BentRepository) -> str:
        each.publish(self.stage.places, self.stage.path(each.url))
        content = self.stage.places.files[f"{self.stage.path(each.url)}repodata/repomd.xml"]
        return hashlib.sha256(content if isinstance(content, bytes) else b"").hexdigest()

    def publish_lists(self) -> None:
        for each in self.stage.repositories:
            named = self.digest(each)
            older: list[str] = []
            if each is self.updates and self.named:
                named, older = self.named, self.older
            path = self.stage.path(f"{LISTS}/metalink?repo={REPOS[each.name]}&arch=x86_64")
            self.stage.places.files[path] = metalink(named, older, each.url)


@pytest.fixture
def fedora(rpm: RpmStage) -> Fedora:
    return Fedora(rpm)


def test_the_stage(fedora: Fedora) -> None:
    fedora.publish_lists()
    assert judged(fedora.stage.run(*ASSESS))["grade"]["letter"] == "C"
    fedora.update()
    assert judged(fedora.stage.run(*ASSESS))["grade"]["letter"] == "A"


def test_a_mirror_with_another_state(fedora: Fedora) -> None:
    fedora.update()
    fedora.named = "0" * 64
    fedora.publish_lists()
    document = unknown(fedora.stage.run(*ASSESS), "updates of fedora was not found|updates is not a base for a letter")
    assert "any that the metalink names" in unassessed(document)


def test_a_mirror_that_is_behind(fedora: Fedora) -> None:
    """It has a state that was once the newest, as the metalink itself says: perhaps before the fix."""
    fedora.update()
    fedora.named, fedora.older = "0" * 64, [fedora.digest(fedora.updates)]
    fedora.publish_lists()
    unknown(fedora.stage.run(*ASSESS), "older than the newest state that the metalink names")


def test_a_mirror_that_changes_under_way(fedora: Fedora) -> None:
    """repomd.xml is the one that is named, the notices are others."""
    fedora.update()
    fedora.publish_lists()
    fedora.updates.served["updateinfo"] = b"\x1f\x8b\x08 others"
    unknown(fedora.stage.run(*ASSESS), "updates is not a base for a letter")


def test_lists_that_are_frozen_in_time(fedora: Fedora) -> None:
    """As the user's mirror map has them; Fedora's own host would say what is."""
    fedora.update()
    fedora.updates.made = days_ago(30)
    fedora.publish_lists()
    unknown(fedora.stage.run(*ASSESS), "stale, older than 14 days")


@pytest.mark.parametrize(
    "answer", [Answer(404), Answer(500), b"", b"<html/>", b"# repo = x arch = y error: invalid repo\n"]
)
def test_a_list_that_does_not_come(fedora: Fedora, answer: bytes | Answer) -> None:
    fedora.update()
    fedora.publish_lists()
    for name in REPOS.values():
        fedora.stage.places.files[fedora.stage.path(f"{LISTS}/metalink?repo={name}&arch=x86_64")] = answer
    unknown(fedora.stage.run(*ASSESS), "fedora is not a base for a letter", "updates is not a base for a letter")


def test_a_list_of_weak_digests_vouches_for_nothing(fedora: Fedora) -> None:
    fedora.update()
    fedora.publish_lists()
    path = fedora.stage.path(f"{LISTS}/metalink?repo=updates-released-f43&arch=x86_64")
    content = fedora.stage.places.files[path]
    assert isinstance(content, bytes)
    weak = content.replace(b'type="sha256"', b'type="sha1"')
    fedora.stage.places.files[path] = weak
    unknown(fedora.stage.run(*ASSESS), "updates is not a base for a letter")


def test_a_list_of_another_repository(fedora: Fedora) -> None:
    """The lists are believed; the one of `updates` names the release, in which nothing is newer."""
    fedora.publish_lists()
    files = fedora.stage.places.files
    one, other = (fedora.stage.path(f"{LISTS}/metalink?repo={name}&arch=x86_64") for name in REPOS.values())
    files[other] = files[one]
    document = unknown(fedora.stage.run(*ASSESS), "has no notices|was not found")
    assert document["grade"]["letter"] is None
