"""Feeds and changelogs that misbehave, through the command line: a bound or unknown, never a better letter."""

import gzip
import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.archive import stanza
from support.debs import data_tar, deb, entry
from support.endings import ASSESS, judged, unassessed, unknown
from support.feeds import packed, record
from support.world import HOST, World, installed

FIXED = "3.0.15-1~deb12u1"
CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
ELSEWHERE = record("DSA-9-1", [("Debian:12", "bash", "5.2")], cves=["CVE-2026-9"])
"""A notice that makes the feed one about Debian 12."""
RATING = record("CVE-2026-1111", severity=CRITICAL)


NOT_ON_OFFER_YET = [
    record(
        "DSA-2-1",
        [("Debian:12", "tzdata", "2026c-0+deb12u1")],
        cves=["CVE-2026-1111"],
        published="2026-11-10T00:00:00Z",
    ),
    RATING,
]


def run_with_feed(world: World, content: bytes | None) -> Any:
    """Judge the image with these bytes as the feed of Debian."""
    world.publish()
    if content is None:
        del world.feed.archives["Debian"]
    else:
        world.feed.archives["Debian"] = content
    return world.run(*ASSESS, publish=False)


def run_with_feed_at(world: World, place: str) -> Any:
    """Judge the image with the settings naming another place for the feed."""
    world.publish()
    words = world.words(*ASSESS)
    file = world.configuration()
    file.write_text(file.read_text().replace(world.feed.url, place))
    return world.run_words(words)


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


BROKEN: dict[str, tuple[bytes | None, str]] = {
    "absent": (None, "HTTP 404"),
    "empty": (b"", "no readable zip file"),
    "text": (b"this is no archive", "no readable zip file"),
    "cut short": (packed([ELSEWHERE])[:-30], "no readable zip file"),
    "no directory": (packed([ELSEWHERE])[:200], "no readable zip file"),
    "no records": (zipped("README", b"nothing"), "has no notice about Debian:12"),
    "another release's": (packed([record("DSA-9-1", [("Debian:11", "bash", "5.1")])]), "has no notice about Debian:12"),
    "no JSON": (zipped("DSA-1-1.json", b"{"), "not an OSV record"),
    "deep JSON": (zipped("DSA-1-1.json", b"[" * 100_000), "not an OSV record"),
    "a bomb": (zipped("DSA-1-1.json", b" " * (33 << 20)), "larger than 33554432 bytes"),
    "broken bytes": (packed([ELSEWHERE]).replace(b"PK\x03\x04", b"PK\x03\x05"), "cannot be unpacked"),
}


@pytest.mark.parametrize(("content", "why"), BROKEN.values(), ids=BROKEN)
def test_a_feed_that_is_broken(world: World, content: bytes | None, why: str) -> None:
    """The archive has a security update that nobody explains then: it counts, as a bound."""
    document = unknown(run_with_feed(world, content), "unrated:openssl")
    assert why in unassessed(document)
    assert document["updates"][0]["security"] is True


@pytest.mark.parametrize(("content", "why"), BROKEN.values(), ids=BROKEN)
def test_a_feed_that_is_broken_where_nothing_newer_is_published(
    updated: World, content: bytes | None, why: str
) -> None:
    """With its notices the image is an A; without them nobody knows what the mirror does not offer yet."""
    document = unknown(run_with_feed(updated, content), why)
    assert why in unassessed(document)
    assert document["grade"]["at_best"] is None
    assert document["verdict"]["decision"] == "undetermined"


def test_the_same_image_with_a_feed_is_an_a(updated: World) -> None:
    """What the broken feeds above take away."""
    updated.notices = [*updated.notices, ELSEWHERE]
    assert judged(updated.run(*ASSESS))["grade"]["letter"] == "A"


def test_losing_the_feed_never_gives_a_better_letter(updated: World) -> None:
    """A notice that no suite has the fix of yet makes a C; without the feed there is no letter, so no A either."""
    updated.notices = NOT_ON_OFFER_YET
    assert judged(updated.run(*ASSESS))["grade"]["letter"] == "C"
    unknown(run_with_feed_at(updated, ""), "no feed of notices is configured")


def test_one_notice_of_many_that_cannot_be_read(updated: World) -> None:
    """It may be about this image."""
    whole = record("DSA-1-1", [("Debian:12", "openssl", FIXED)], cves=["CVE-2026-1111"])
    broken = record("DSA-3-1", affected="none")
    unknown(run_with_feed(updated, packed([whole, broken, ELSEWHERE])), "may be a notice could not be read: DSA-3-1")


def test_a_feed_that_fails(world: World) -> None:
    world.feed.failing = True
    document = unknown(world.run(*ASSESS), "unrated:openssl")
    assert "HTTP 503" in unassessed(document)


def test_a_feed_that_is_not_there(world: World) -> None:
    done = run_with_feed_at(world, "http://127.0.0.1:9")
    assert "no connection" in unassessed(unknown(done, "unrated:openssl"))


def test_a_feed_that_is_too_slow(world: World) -> None:
    """Each feed has a time budget."""
    world.feeds = "budget-s = 0.5"
    world.feed.delay_s = 0.3
    document = unknown(world.run(*ASSESS), "unrated:openssl")
    assert "all the time that it has" in unassessed(document)


def test_no_feed_at_all(world: World) -> None:
    done = run_with_feed_at(world, "")
    assert "no feed of notices is configured" in unassessed(unknown(done, "unrated:openssl"))


def test_a_feed_on_a_forbidden_address(world: World) -> None:
    """Even the user's own configuration leads to no metadata service."""
    done = run_with_feed_at(world, "http://169.254.169.254/osv")
    assert "never asked" in unassessed(unknown(done, "unrated:openssl"))


@pytest.mark.parametrize(
    "change",
    [
        {"published": "2999-01-01T00:00:00Z"},
        {"published": (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")},
    ],
    ids=["far", "tomorrow"],
)
def test_a_notice_from_the_future(world: World, change: dict[str, Any]) -> None:
    """The fix is on offer today, so the notice's date cannot be right: it must not wait to count."""
    world.notices = [record("DSA-1-1", [("Debian:12", "openssl", FIXED)], cves=["CVE-2026-1111"], **change), RATING]
    done = world.run("assess", "--json")
    document = unknown(done, "without an issue date, but out by .*: DSA-1-1")
    assert document["grade"]["at_best"] == "B"


def test_a_notice_without_a_date(world: World) -> None:
    """`modified` only bounds it."""
    notice = record("DSA-1-1", [("Debian:12", "openssl", FIXED)], cves=["CVE-2026-1111"], published=None)
    world.notices = [{**notice, "modified": "2026-11-01T00:00:00Z"}, RATING]
    document = unknown(world.run(*ASSESS), "without an issue date, but out by 2026-11-01, so perhaps older: DSA-1-1")
    assert document["grade"]["at_best"] == "C"


def test_a_notice_without_a_rating(world: World) -> None:
    """Counts as Important, as a bound: 203 days are a D for an Important, an E for a Critical."""
    world.notices = [world.notices[0]]
    document = unknown(world.run(*ASSESS), "rated by nobody, so counted as Important: DSA-1-1")
    assert document["grade"]["at_best"] == "D"
    assert document["verdict"]["decision"] == "undetermined"


def test_a_notice_that_was_withdrawn_explains_nothing(world: World) -> None:
    world.notices = [{**world.notices[0], "withdrawn": "2026-05-02T00:00:00Z"}, RATING, ELSEWHERE]
    unknown(world.run(*ASSESS), "unrated:openssl")


def test_a_notice_that_names_no_fixed_version(updated: World) -> None:
    notice = record("DSA-1-1", cves=["CVE-2026-1111"])
    notice["affected"] = [{"package": {"ecosystem": "Debian:12", "name": "openssl"}, "ranges": []}]
    updated.notices = [notice, RATING, ELSEWHERE]
    document = judged(updated.run(*ASSESS))
    assert "DSA-1-1 for openssl: it names no version that fixes it" in unassessed(document)


def test_a_notice_about_what_is_not_on_offer_yet(updated: World) -> None:
    """The notice is out; that the mirror does not have the fix yet makes the image no better."""
    updated.notices = NOT_ON_OFFER_YET
    document = judged(updated.run(*ASSESS))
    assert document["updates"] == []
    assert document["grade"]["letter"] == "C"


@pytest.mark.parametrize("score", ["CVSS:3.1/AV:N", "no score", "CVSS:9.9/AV:N/AC:L"])
def test_a_rating_that_is_none(world: World, score: str) -> None:
    world.notices = [world.notices[0], record("CVE-2026-1111", severity=[{"type": "CVSS_V3", "score": score}])]
    document = unknown(world.run(*ASSESS), "rated by nobody")
    assert document["grade"]["at_best"] == "D"


def test_thousands_of_notices(world: World) -> None:
    """All about one package, each with a CVE."""
    world.notices += [
        record(
            f"DSA-{n}-2", [("Debian:12", "openssl", FIXED)], cves=[f"CVE-2020-{n:05}"], published="2026-01-01T00:00:00Z"
        )
        for n in range(3000)
    ]
    document = judged(world.run(*ASSESS))
    assert len(document["errata"]) == 3001
    assert document["grade"]["letter"] == "E"
    text = world.run("assess", "--as-of", ASSESS[-1], publish=False)
    assert text.code == 1
    assert len(text.out) < 20_000


def test_a_title_with_odd_characters(world: World) -> None:
    world.notices[0]["summary"] = "\x1b]0;x\x07<script>\u202e|`\n\n# heading"
    for output in ("text", "markdown", "html", "sarif", "json"):
        done = world.run("assess", "--as-of", ASSESS[-1], "--format", output)
        assert done.code == 1
        for character in ("\x1b", "\x07", "\u202e", "<script>"):
            assert character not in done.out or (output == "json" and character == "<script>") or output == "sarif"
        if output in ("json", "sarif"):
            json.loads(done.out)


# ---- changelogs, where no notice explains an update


def changelog_deb(*entries: str, name: str = "openssl") -> bytes:
    return deb(data_tar({f"usr/share/doc/{name}/changelog.Debian.gz": gzip.compress("".join(entries).encode())}))


def offer_deb(world: World, content: bytes, **change: object) -> None:
    """Have the security suite offer openssl alone, as this very .deb, and the feed know of no notice about it."""
    fields: dict[str, Any] = {"Size": len(content), "SHA256": hashlib.sha256(content).hexdigest(), **change}
    offered = stanza("openssl", FIXED, **fields)
    world.suites["bookworm-security"] = ([offered], world.suites["bookworm-security"][1])
    path = next(line for line in offered.splitlines() if line.startswith("Filename: ")).partition(" ")[2]
    world.archive.files[f"debian/{path}"] = content
    world.notices = [ELSEWHERE, RATING]


def security_entry(date: str) -> str:
    return entry("openssl", FIXED, "* Fix CVE-2026-1111.", distribution="bookworm-security", date=date)


OLD_ENTRY = entry(
    "openssl", "3.0.11-1~deb12u1", "* New.", distribution="bookworm", date="Tue, 24 Oct 2023 18:15:03 +0200"
)


def test_a_changelog_in_place_of_a_notice(world: World) -> None:
    """The date of the upload and the CVE's rating: 31 days of a Critical, a D."""
    offer_deb(world, changelog_deb(security_entry("Tue, 20 Oct 2026 10:00:00 +0000"), OLD_ENTRY))
    document = judged(world.run(*ASSESS))
    assert document["grade"]["letter"] == "D"
    (erratum,) = document["errata"]
    assert (erratum["id"], erratum["cves"]) == (f"changelog:openssl/{FIXED}", ["CVE-2026-1111"])


def test_a_deb_that_is_not_what_its_index_lists(world: World) -> None:
    offer_deb(world, changelog_deb(security_entry("Tue, 20 Oct 2026 10:00:00 +0000"), OLD_ENTRY), SHA256="0" * 64)
    document = unknown(world.run(*ASSESS), "unrated:openssl")
    assert "content is sha256:" in unassessed(document)
    assert document["grade"]["proven"] is None


NO_CHANGELOG: dict[str, bytes] = {
    "no deb": b"nothing of the kind",
    "cut short": changelog_deb(OLD_ENTRY)[:200],
    "no changelog": deb(data_tar({"usr/bin/openssl": b""})),
    "another package's": changelog_deb(OLD_ENTRY, name="bash"),
    "a link": deb(data_tar({}, {"usr/share/doc/openssl": "/etc"})),
    "no gzip": deb(data_tar({"usr/share/doc/openssl/changelog.Debian.gz": b"\x1f\x8b broken"})),
    "a bomb": deb(data_tar({"usr/share/doc/openssl/changelog.Debian.gz": gzip.compress(b"\n" * (1 << 20)) * 20})),
    "binary": deb(data_tar({"usr/share/doc/openssl/changelog.Debian.gz": gzip.compress(bytes(range(256)) * 99)})),
}


@pytest.mark.parametrize("content", NO_CHANGELOG.values(), ids=NO_CHANGELOG)
def test_a_deb_that_tells_nothing(world: World, content: bytes) -> None:
    offer_deb(world, content)
    document = unknown(world.run(*ASSESS), "unrated:openssl")
    assert f"changelog of openssl {FIXED}" in unassessed(document)


def test_a_changelog_from_the_future(world: World) -> None:
    offer_deb(world, changelog_deb(security_entry("Tue, 20 Oct 2099 10:00:00 +0000"), OLD_ENTRY))
    document = unknown(world.run("assess", "--json"), "without an issue date, but out by .*: changelog:openssl/")
    assert document["grade"]["at_best"] == "B"


def test_a_deb_elsewhere_on_the_archive_host(world: World) -> None:
    """Filename is of the archive's own making; one that climbs is asked nowhere."""
    offer_deb(world, changelog_deb(OLD_ENTRY), Filename="../../../feed/all.zip")
    unknown(world.run(*ASSESS), "unrated:openssl")
    assert not [path for path in world.archive.requests if "feed" in path]


# ---- Ubuntu: fixes for paying customers


@pytest.fixture
def ubuntu(updated: World) -> World:
    """The world as Ubuntu 22.04, lacking nothing."""
    world = updated
    world.files["etc/os-release"] = (
        b'ID=ubuntu\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\nPRETTY_NAME="Ubuntu 22.04"\n'
    )
    world.status = [installed("base-files", "12ubuntu4.7"), installed("openssl", FIXED)]
    fields = {"origin": "Ubuntu", "label": "Ubuntu", "version": "22.04", "codename": "jammy"}
    world.suites = {
        name: (
            [stanza("base-files", "12ubuntu4.7"), stanza("openssl", FIXED)] if name == "jammy" else [],
            {**fields, "suite": name},
        )
        for name in ("jammy", "jammy-updates", "jammy-security")
    }
    world.files["etc/apt/sources.list"] = (world.files["etc/apt/sources.list"] or b"").replace(b"bookworm", b"jammy")
    world.reference = "".join(
        f'[[reference]]\ndistribution = "ubuntu"\nrelease = "jammy"\nsuite = "{name}"\n'
        f'keys = ["{world.archive.key.fingerprint}"]\norigin = "Ubuntu"\ncodename = "jammy"\nmax-age-days = 150\n'
        for name in world.suites
    )
    return world


def run_ubuntu(world: World, *notices: dict[str, Any]) -> dict[str, Any]:
    world.publish()
    world.feed.archives["Ubuntu"] = packed([*notices, RATING, record("USN-9-1", [("Ubuntu:22.04:LTS", "bash", "5")])])
    return judged(world.run(*ASSESS, publish=False))


def test_fixes_for_paying_customers_are_told_and_not_counted(ubuntu: World) -> None:
    pro = record("USN-1-1", [("Ubuntu:Pro:22.04:LTS", "openssl", "3.0.99+esm1")], cves=["CVE-2026-1111"])
    document = run_ubuntu(ubuntu, pro)
    assert document["grade"]["letter"] == "A"
    assert document["errata"] == []
    assert [each["erratum"] for each in document["not_counted"]] == ["USN-1-1"]


def test_fixes_for_everyone_are_counted(ubuntu: World) -> None:
    free = record("USN-1-1", [("Ubuntu:22.04:LTS", "openssl", "3.0.99")], cves=["CVE-2026-1111"])
    document = run_ubuntu(ubuntu, free)
    assert document["grade"]["letter"] == "F"  # of 2024-01-02
    assert document["not_counted"] == []


def test_the_archive_is_not_asked_for_what_the_feed_is(world: World) -> None:
    """Each has its own place."""
    world.run(*ASSESS)
    assert all(path == "/Debian/all.zip" for path, _, _ in world.feed.requests)
    assert not [path for path in world.archive.requests if path.endswith(".zip")]
    assert HOST not in "".join(world.archive.requests)
