"""Notices of rpm repositories that are missing, old, odd or lie, through the command: a bound or unknown."""

import json
from datetime import datetime

import pytest

from support.endings import judged, unassessed, unknown
from support.rpm_roots import Rpm
from support.rpm_stage import RpmStage, days_ago
from support.rpm_world import notice, updateinfo

ASSESS = ("assess", "--json")
ELSEWHERE = ("bash", "5.1.8-9.el9", "x86_64", "bash-5.1.8-9.el9.src.rpm")


def other_notice(issued: datetime, identifier: str = "ALSA-2026:9") -> str:
    """About another package."""
    return notice(identifier, [ELSEWHERE], issued=f"{issued:%Y-%m-%d %H:%M:%S}")


def test_no_list(rpm: RpmStage) -> None:
    """Its updates are told all the same."""
    rpm.appstream.notices = None
    document = unknown(rpm.run(*ASSESS), "baseos has no notices|appstream has no notices")
    assert [each["name"] for each in document["updates"]] == ["httpd"]


UBI_7 = b'<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n</updates>\n'
"""What its list comes to: 92 bytes, no notice."""


@pytest.mark.parametrize("content", [UBI_7, b"<updates/>", b"<updates><!-- soon --></updates>"])
@pytest.mark.parametrize("lacking", [True, False])
def test_an_empty_list(rpm: RpmStage, content: bytes, lacking: bool) -> None:
    rpm.appstream.documents["updateinfo"] = content
    if not lacking:
        rpm.update()
    document = unknown(rpm.run(*ASSESS), "a list of notices with nothing in it")
    assert len(document["updates"]) == lacking
    assert document["grade"]["at_best"] != "A"


def test_a_list_that_is_behind_the_builds(rpm: RpmStage) -> None:
    rpm.update()
    rpm.appstream.notices = [rpm.notice(issued=f"{days_ago(400):%Y-%m-%d}")]
    unknown(rpm.run(*ASSESS), "no notice after")


def test_a_list_about_other_packages_that_is_behind(rpm: RpmStage) -> None:
    rpm.appstream.notices = [other_notice(days_ago(300))]
    unknown(rpm.run(*ASSESS), "no notice speaks of one of its updates")


@pytest.mark.parametrize("days", [1, 300_000])
def test_a_notice_from_the_future(rpm: RpmStage, days: int) -> None:
    """Its fix is out today, so it must not wait to count; and it says nothing of how new the list is."""
    issued = f"{days_ago(-days):%Y-%m-%d %H:%M:%S}"
    rpm.appstream.notices = [rpm.notice(issued=issued), other_notice(days_ago(10))]
    document = unknown(rpm.run(*ASSESS), "without an issue date, but out by .*: ALSA-2026:1000")
    assert document["grade"]["at_best"] == "B"
    rpm.appstream.notices = [rpm.notice(issued=issued)]
    unknown(rpm.run(*ASSESS), "notices without a date")
    rpm.update()
    unknown(rpm.run(*ASSESS), "notices without a date")


@pytest.mark.parametrize(
    "issued",
    ["", "yesterday", "0000-00-00", "2026-13-45", "9" * 30, "-1", "1e9", "2026-05-01 99:99:99", "\u0662026-01-01"],
)
def test_a_date_that_is_none(rpm: RpmStage, issued: str) -> None:
    """Nothing says when it came out."""
    rpm.appstream.notices = [rpm.notice(issued=issued), other_notice(days_ago(10))]
    document = unknown(rpm.run(*ASSESS), "without any date, so at least as bad as B: ALSA-2026:1000")
    assert document["grade"]["at_best"] != "A"


@pytest.mark.parametrize("status", ["testing", "pending", "retracted", "TESTING"])
def test_only_notices_that_are_not_final(rpm: RpmStage, status: str) -> None:
    """They count as little as none."""
    rpm.appstream.notices = [rpm.notice().replace('status="final"', f'status="{status}"')]
    unknown(rpm.run(*ASSESS), "a list of notices with nothing in it")
    rpm.update()
    unknown(rpm.run(*ASSESS), "a list of notices with nothing in it")


@pytest.mark.parametrize("status", ["", "stable", "banana", "final; testing"])
def test_a_status_that_nobody_knows_counts(rpm: RpmStage, status: str) -> None:
    rpm.appstream.notices = [rpm.notice().replace('status="final"', f'status="{status}"')]
    assert judged(rpm.run(*ASSESS))["grade"]["letter"] == "C"


@pytest.mark.parametrize("word", ["Apocalyptic", "", "None", "n/a", "\u202ehgih", "x" * 4000])
def test_a_severity_that_nobody_knows(rpm: RpmStage, word: str) -> None:
    """Counts as Important, as a bound."""
    rpm.appstream.notices = [rpm.notice(severity=word)]
    document = unknown(rpm.run(*ASSESS), "rated by nobody.*: ALSA-2026:1000")
    assert document["grade"]["at_best"] == "C"
    assert document["verdict"]["decision"] in ("reject", "undetermined")


def test_two_repositories_with_one_notice(rpm: RpmStage) -> None:
    """The worst severity and the first day count, whichever repository is read first."""
    rpm.appstream.notices = [rpm.notice(severity="Low"), other_notice(days_ago(10))]
    rpm.baseos.notices = [rpm.notice(severity="Critical", issued=f"{days_ago(100):%Y-%m-%d}")]
    assert judged(rpm.run(*ASSESS))["grade"]["letter"] == "E"


MANY_PACKAGES = "<collection>" + '<package name="a"/>' * 100_001 + "</collection>"
MANY_REFERENCES = '<reference type="cve" id="CVE-2026-1"/>' * 10_001
BROKEN = {
    "no id": ("<id>ALSA-2026:1000</id>", "", "has no id"),
    "an empty id": ("<id>ALSA-2026:1000</id>", "<id> </id>", "has no id"),
    "a huge id": ("<id>", "<id>" + "x" * 5000, "more than 4096"),
    "a package without a version": ('version="2.4.57"', 'version=""', "lacks a name"),
    "a package without an architecture": ('arch="x86_64"', 'arch=""', "lacks a name"),
    "an epoch that is none": ('epoch="0"', 'epoch="-1"', "lacks a name"),
    "an epoch of other digits": ('epoch="0"', 'epoch="\u0663"', "lacks a name"),
    "long attributes": ('epoch="0"', f'epoch="0" x="{"y" * 5000}"', "more than 4096"),
    "many packages": ("<pkglist>", f"<pkglist>{MANY_PACKAGES}", "more than 100000"),
    "many references": ("<references>", f"<references>{MANY_REFERENCES}", "more than 10000"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_notice_that_is_broken(rpm: RpmStage, name: str) -> None:
    """One that cannot be read may be about this image: none of the list is believed."""
    rpm.update()
    old, new, why = BROKEN[name]
    assert old in rpm.notice()
    rpm.appstream.notices = [rpm.notice().replace(old, new), other_notice(days_ago(1))]
    assert why in unassessed(unknown(rpm.run(*ASSESS), "notices could not be read"))


def test_more_notices_than_anybody_has(rpm: RpmStage) -> None:
    rpm.update()
    rpm.appstream.documents["updateinfo"] = updateinfo("<update><id>A-1</id></update>" * 100_001).encode()
    assert "more than 100000 notices" in unassessed(unknown(rpm.run(*ASSESS), "notices could not be read"))


def test_thousands_of_notices_about_one_package(rpm: RpmStage) -> None:
    rpm.appstream.notices = [rpm.notice(f"ALSA-2026:{n}", cves=[f"CVE-2026-{n:05}"]) for n in range(2000)]
    document = judged(rpm.run(*ASSESS))
    assert document["grade"]["letter"] == "C"
    assert len(document["errata"]) == 2000
    text = rpm.run("assess", publish=False)
    assert len(text.out) < 20_000


def test_a_version_made_to_cost_much(rpm: RpmStage) -> None:
    """Thousands of parts, compared with each other."""
    long = ".".join("1" for _ in range(1900))
    builds = [("httpd", f"{long}.{n}-1", "x86_64", "httpd.src.rpm") for n in range(300)]
    rpm.appstream.packages += [Rpm("httpd", f"2.4.57-{long}.{n}", "x86_64") for n in range(300)]
    rpm.appstream.notices = [rpm.notice(), notice("ALSA-2026:2", builds, issued=f"{days_ago(10):%Y-%m-%d}")]
    assert judged(rpm.run(*ASSESS))["grade"]["letter"] == "C"


def test_a_module_that_the_image_does_not_have(rpm: RpmStage) -> None:
    """Its notice is not about this httpd; the plain one is."""
    rpm.appstream.notices = [rpm.notice(module="httpd:9:1:c0", severity="Critical"), rpm.notice("ALSA-2026:2")]
    document = judged(rpm.run(*ASSESS))
    assert [each["id"] for each in document["errata"]] == ["ALSA-2026:2"]


@pytest.mark.parametrize("output", ["text", "markdown", "html", "sarif", "json"])
def test_a_title_with_odd_characters(rpm: RpmStage, output: str) -> None:
    """XML has no escape; overrides of direction, tags and marks it has."""
    odd = "\u202e&lt;script&gt;|`&#10;&#10;# heading\u009b31m"
    rpm.appstream.notices = [rpm.notice().replace(": an update", odd)]
    done = rpm.run("assess", "--format", output)
    assert done.code == 1
    for character in ("\x1b", "\x9b", "\u202e", "<script>"):
        assert character not in done.out or output in ("json", "sarif"), character
    if output in ("json", "sarif"):
        json.loads(done.out)


def test_the_images_own_notices_count_for_nothing(rpm: RpmStage) -> None:
    """A repository of its own that says that the flaw is harmless, or that everything is critical."""
    rpm.more = "[own]\nbaseurl=https://mirror.example/own/\ngpgcheck=0\n"
    rpm.reached.append("https://mirror.example")
    own = type(rpm.appstream)(
        "own", "https://mirror.example/own/", [rpm.fixed], [rpm.notice(severity="Low", kind="bugfix")]
    )
    own.publish(rpm.places, "mirror.example/own/")
    assert judged(rpm.run(*ASSESS))["grade"]["letter"] == "C"
    own.notices = [rpm.notice("ALSA-2026:7", severity="Critical", issued="2020-01-01")]
    own.publish(rpm.places, "mirror.example/own/")
    assert judged(rpm.run(*ASSESS))["grade"]["letter"] == "C"
