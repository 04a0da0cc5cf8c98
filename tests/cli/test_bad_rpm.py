"""Repositories of rpm whose documents want harm, through the command: no letter, one clear sentence, bounded costs."""

import gzip
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from support.command import Done
from support.endings import judged, unassessed, unknown
from support.registry import Answer
from support.rpm_roots import Rpm
from support.rpm_stage import BentRepository, RpmStage

ASSESS = ("assess", "--json")
BOUND_S = 30.0
"""Seconds for a run, on a machine that does much else."""
HELD_MAX = 300 << 20
"""Bytes of Python's that a run may hold at once, whatever a document unpacks to."""
COMMON = b'<metadata xmlns="http://linux.duke.edu/metadata/common" packages="1">'
DOCTYPE = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.fixture
def updated(rpm: RpmStage) -> RpmStage:
    """Lacks nothing, and would be an A."""
    rpm.update()
    return rpm


def bounded(stage: RpmStage, *words: str) -> Done:
    """Run, in bounded time."""
    started = time.monotonic()
    done = stage.run(*(words or ASSESS))
    assert time.monotonic() - started < BOUND_S
    return done


def held(stage: RpmStage, *words: str) -> Done:
    """Run, in bounded memory; it takes several times as long."""
    tracemalloc.start()
    try:
        done = stage.run(*(words or ASSESS))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < HELD_MAX
    return done


def test_the_stage(rpm: RpmStage) -> None:
    """What each case below takes away."""
    document = judged(rpm.run(*ASSESS))
    assert document["grade"]["letter"] == "C"
    assert [each["name"] for each in document["updates"]] == ["httpd"]
    rpm.update()
    assert judged(rpm.run(*ASSESS))["grade"]["letter"] == "A"


# ---- repomd.xml


def endless(chunk: bytes) -> Iterator[bytes]:
    while True:
        yield chunk


REPO = b'<repomd xmlns="http://linux.duke.edu/metadata/repo">'
REPOMD: dict[str, tuple[bytes | Callable[[], Answer], str]] = {
    "a document type": (
        b'<?xml version="1.0"?>' + DOCTYPE + REPO + b"<revision>&b;</revision></repomd>",
        "a document type",
    ),
    "an outer document type": (
        b'<!DOCTYPE x SYSTEM "http://169.254.169.254/x">' + REPO + b"</repomd>",
        "a document type",
    ),
    "of another kind": (b"<html><body>Please log in</body></html>", "not rpm-md's repomd"),
    "without a namespace": (b"<repomd><revision>1</revision></repomd>", "not rpm-md's repomd"),
    "no XML": (b"404 not found", "syntax error"),
    "empty": (b"", "no element found"),
    "cut short": (REPO + b"<revision>1</rev", "unclosed token"),
    "binary": (bytes(range(256)) * 20, "not well-formed"),
    "UTF-16": ('<?xml version="1.0" encoding="UTF-16"?>'.encode("utf-16") + REPO, "not well-formed"),
    "not UTF-8": (REPO + b"<revision>\xff\xfe</revision></repomd>", "not well-formed"),
    "without files": (REPO + b"</repomd>", "lists no primary"),
    "deep": (REPO + b"<a>" * 50_000, "elements inside each other"),
    "one tag without end": (REPO + b"<data " + b"x" * (3 << 20), "a tag of more than"),
    "a long attribute": (REPO + b'<data type="' + b"x" * 90_000 + b'"/></repomd>', "attributes of more than"),
    "a long text": (REPO + b"<revision>" + b"1" * 90_000 + b"</revision></repomd>", "more than 4096 characters"),
    "thousands of files": (REPO + b'<data type="x"/>' * 5000 + b"</repomd>", "more than 200 files"),
    "100 MB": (lambda: Answer(length=100 << 20, body=endless(b" " * 65536)), "at most 4194304 are read"),
    "without end": (lambda: Answer(body=endless(b" " * 65536)), "more than 4194304 bytes"),
}


@pytest.mark.parametrize("name", REPOMD)
def test_repomd(updated: RpmStage, name: str) -> None:
    content, why = REPOMD[name]
    updated.appstream.repomd = content if isinstance(content, bytes) else content()
    document = unknown(updated.run(*ASSESS), "appstream")
    assert why in unassessed(document)
    assert updated.places.sent < 32 << 20


def test_all_repositories_at_once(updated: RpmStage) -> None:
    for each in updated.repositories:
        each.repomd = b"<html/>"
    unknown(updated.run(*ASSESS), "baseos", "appstream")
    assert updated.run("updates", "--json", publish=False).code in (3, 4)


NUMBERS = ["-1", "1e3", "0x10", "1 2", "9" * 30, "\u0661"]


@pytest.mark.parametrize(("field", "text"), [("open-size", "-1"), *(("size", text) for text in NUMBERS)])
def test_a_size_that_is_none(updated: RpmStage, field: str, text: str) -> None:
    updated.appstream.entries["primary"] = {field: text}
    assert f"{field} of primary" in unassessed(unknown(updated.run(*ASSESS)))


LIES: dict[str, tuple[dict[str, str | None], str]] = {
    "another checksum": ({"checksum": "0" * 64}, "is sha256:|content is"),
    "another checksum, unpacked": ({"open-checksum": "0" * 64}, "unpacked"),
    "larger": ({"size": "100000"}, "100000"),
    "smaller": ({"size": "10"}, "10"),
    "larger, unpacked": ({"open-size": "100000"}, "unpacked"),
    "smaller, unpacked": ({"open-size": "10"}, "unpacked"),
    "terabytes": ({"size": "9" * 13}, "at most"),
    "no digest": ({"checksum": "x" * 64}, "is no sha256"),
    "half a digest": ({"checksum": "0" * 32}, "is no sha256"),
    "nothing to check it by": ({"checksum": None}, "lists no"),
    "no place": ({"href": ""}, "lists no"),
    "not there": ({"href": "repodata/other.gz"}, "the server does not have it"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_is_not_what_repomd_says(updated: RpmStage, name: str) -> None:
    """Of packages, nothing is known then."""
    fields, why = LIES[name]
    updated.appstream.entries["primary"] = fields
    document = unknown(updated.run(*ASSESS), "appstream")
    assert re.search(why, unassessed(document)), unassessed(document)
    assert document["updates"] == []


@pytest.mark.parametrize("name", [name for name in LIES if "lists no" not in LIES[name][1]])
def test_notices_that_are_not_what_repomd_says(updated: RpmStage, name: str) -> None:
    fields, why = LIES[name]
    updated.appstream.entries["updateinfo"] = fields
    document = unknown(updated.run(*ASSESS), "appstream")
    assert re.search(why, unassessed(document)), unassessed(document)


@pytest.mark.parametrize("fields", [{"checksum": None}, {"href": ""}])
def test_notices_that_cannot_be_checked_are_none(updated: RpmStage, fields: dict[str, str | None]) -> None:
    """As if the repository had none."""
    updated.appstream.entries["updateinfo"] = fields
    unknown(updated.run(*ASSESS), "has no notices")


HREFS = [
    "../../../../../../../../secret",
    "repodata/../../../../../../../../../../secret",
    "%2e%2e/%2e%2e/secret",
    "..\\..\\secret",
    "/etc/passwd",
    "file:///etc/passwd",
    "ftp://mirror.example/primary.gz",
    "gopher://127.0.0.1/x",
    "http://169.254.169.254/latest",
    "https://10.0.0.1/x",
    "//169.254.169.254/latest",
    "http://[::1",
    "http://",
    "http://user:secret@169.254.169.254/x",
    "http://mirror.example:99999/x",
    "repodata/x%0d%0aX: y",
    "repodata/x&#10;Host: y",
    "repodata/\u202e\u0661",
    "x" * 3000,
]


@pytest.mark.parametrize(("kind", "href"), [*(("primary", h) for h in HREFS), *(("updateinfo", h) for h in HREFS[::4])])
def test_a_place_that_leads_elsewhere(updated: RpmStage, kind: str, href: str) -> None:
    updated.public = True
    updated.appstream.entries[kind] = {"href": href}
    unknown(updated.run(*ASSESS), "appstream")
    assert not [path for path in updated.places.requests if not path.startswith("repo.almalinux.org/")]
    assert not [path for path in updated.places.requests if "\n" in path or "\r" in path]


@pytest.mark.parametrize("href", HREFS[:4])
def test_a_place_that_climbs_out_of_what_the_user_mapped(updated: RpmStage, href: str) -> None:
    updated.reached = [f"{each.url.rstrip('/')}" for each in updated.repositories]
    updated.appstream.entries["primary"] = {"href": href}
    unknown(updated.run(*ASSESS), "appstream")
    assert not [path for path in updated.places.requests if "secret" in path]


# ---- what the files hold


def package(updated: RpmStage, old: bytes, new: bytes) -> bytes:
    """primary.xml of AppStream, bent."""
    content = updated.appstream.primary()
    assert old in content
    return content.replace(old, new)


OTHER_KINDS = {
    "empty": (b"", "no element found"),
    "of another kind": (b"<html/>", "not rpm-md's"),
    "cut short": (b"<", "unclosed token"),
    "deep": (b"<a>" * 50_000, "elements inside each other"),
    "a document type": (DOCTYPE + b"<metadata>&b;</metadata>", "a document type"),
    "an entity of nobody's": (COMMON + b"&b;</metadata>", "undefined entity"),
    "one tag without end": (COMMON + b"<package " + b"x" * (3 << 20), "a tag of more than"),
    "one comment without end": (COMMON + b"<!--" + b"x" * (3 << 20), "a tag of more than"),
    "binary": (bytes(range(256)) * 20, "not well-formed"),
}


@pytest.mark.parametrize("kind", ["primary", "updateinfo"])
@pytest.mark.parametrize("name", OTHER_KINDS)
def test_a_document_that_is_none(updated: RpmStage, kind: str, name: str) -> None:
    content, why = OTHER_KINDS[name]
    if name == "deep":
        content = (COMMON if kind == "primary" else b"<updates>") + content
    if kind == "updateinfo" and why in ("undefined entity", "a tag of more than"):
        content = content.replace(COMMON, b"<updates>")
    updated.appstream.documents[kind] = content
    assert why in unassessed(unknown(updated.run(*ASSESS), "appstream"))


PRIMARY: dict[str, tuple[bytes, bytes, str]] = {
    "no name": (b"<name>httpd</name>", b"", "lacks a name"),
    "an empty name": (b"<name>httpd</name>", b"<name/>", "lacks a name"),
    "no architecture": (b"<arch>x86_64</arch>", b"", "lacks a name"),
    "no version": (b"<version ", b"<other ", "lacks a name"),
    "an epoch that is none": (b'epoch="0"', b'epoch="-1"', "lacks a name"),
    "a huge epoch": (b'epoch="0"', b'epoch="%s"' % (b"9" * 40), "lacks a name"),
    "a time that is none": (b'build="', b'build="x', "time build"),
    "a size that is none": (b'<size package="1"', b'<size package="-1"', "size package"),
    "a huge name": (b"<name>httpd", b"<name>%s" % (b"h" * 9000), "more than 4096"),
    "a million obsoletes": (
        b"<rpm:obsoletes>",
        b"<rpm:obsoletes>" + b'<rpm:entry name="zlib"/>' * 1_000_000,
        "relations",
    ),
    "a huge version": (b'ver="2.4.57"', b'ver="%s"' % (b"9" * 9000), "more than 4096"),
}


@pytest.mark.parametrize("name", PRIMARY)
def test_a_package_that_is_none(updated: RpmStage, name: str) -> None:
    old, new, why = PRIMARY[name]
    updated.appstream.documents["primary"] = package(updated, old, new)
    assert why in unassessed(unknown(bounded(updated), "appstream"))


def bomb(before: bytes, filling: bytes, mebibytes: int) -> bytes:
    """A gzip file that becomes a thousand times as large."""
    member = gzip.compress(filling * ((1 << 20) // len(filling)), 9, mtime=0)
    return gzip.compress(before, mtime=0) + member * mebibytes


BOMBS = {
    "elements": b"<a/>",
    "packages": b'<package type="rpm"><name>a</name><arch>x86_64</arch><version epoch="0" ver="1" rel="1"/></package>',
    "notices": b"<update><id>A-1</id></update>",
}


@pytest.mark.parametrize("kind", ["primary", "updateinfo"])
def test_a_bomb(updated: RpmStage, kind: str) -> None:
    updated.appstream.documents[kind] = b""
    updated.appstream.packed[kind] = bomb(COMMON if kind == "primary" else b"<updates>", b" ", 1000)
    assert "not unpacked further" in unassessed(unknown(held(updated), "appstream"))


@pytest.mark.parametrize("filling", BOMBS)
@pytest.mark.parametrize("kind", ["primary", "updateinfo"])
def test_a_bomb_of_elements(updated: RpmStage, monkeypatch: pytest.MonkeyPatch, kind: str, filling: str) -> None:
    """Each costs; a megabyte takes a fifth of a second, so that of 64 there are only a few here."""
    monkeypatch.setattr("affineur.repositories.rpmmd.datafile.RATIO_FREE", 1 << 20)
    updated.appstream.documents[kind] = b""
    updated.appstream.packed[kind] = bomb(COMMON if kind == "primary" else b"<updates>", BOMBS[filling], 20)
    document = unknown(bounded(updated), "appstream")
    assert re.search("not unpacked further|more than 100000 notices", unassessed(document))


@pytest.mark.parametrize(
    "packed", [b"", b"\x1f\x8b", b"\x1f\x8b\x08\0", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\0ZCK1"]
)
def test_an_archive_that_is_none(updated: RpmStage, packed: bytes) -> None:
    updated.appstream.packed["primary"] = packed
    unknown(updated.run(*ASSESS), "appstream")


@pytest.mark.parametrize("size", [1, 20, 200])
def test_an_archive_that_is_cut_short(updated: RpmStage, size: int) -> None:
    """With the checksum of what is there."""
    updated.appstream.packed["primary"] = gzip.compress(updated.appstream.primary(), mtime=0)[:-size]
    unknown(updated.run(*ASSESS), "appstream")


def test_many_packages_with_many_obsoletes(rpm: RpmStage) -> None:
    """Each within its limit; none is about the image, which is judged all the same."""
    many = tuple(f"gone{n}" for n in range(10_000))
    rpm.appstream.packages += [Rpm(f"other{n}", "1-1", "x86_64", obsoletes=many) for n in range(20)]
    assert judged(bounded(rpm))["grade"]["letter"] == "C"


def test_everything_obsoletes_everything(rpm: RpmStage) -> None:
    """What replaces an installed package is an update; in a circle, too, it ends."""
    names = [each.name for each in rpm.installed]
    rpm.appstream.packages += [Rpm(f"new{n}", "1-1", "x86_64", obsoletes=(*names, f"new{n + 1}")) for n in range(300)]
    done = bounded(rpm)
    assert judged(done)["grade"]["letter"] in (None, "C")


def test_one_package_in_thousands_of_versions(rpm: RpmStage) -> None:
    rpm.appstream.packages += [Rpm("httpd", f"2.4.57-5.el9.{n}", "x86_64") for n in range(5_000)]
    document = judged(bounded(rpm))
    assert document["grade"]["letter"] == "C"


# ---- modules.yaml

STREAM = b"""---
document: modulemd
version: 2
data:
  name: httpd
  stream: "2.4"
  version: 1
  context: c0
  arch: x86_64
  artifacts:
    rpms:
    - httpd-0:2.4.57-8.el9.x86_64
...
"""
MODULES: dict[str, tuple[bytes, str]] = {
    "aliases": (b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "aliases"),
    "a tag of Python's": (b"!!python/object/apply:os.system ['touch /tmp/x']\n", "no mapping"),
    "no YAML": (b"a: [", "modules"),
    "binary": (bytes(range(256)), "modules"),
    "deep": (b"[" * 5_000, "inside each other"),
    "deep without brackets": (b"- " * 5_000 + b"x\n", "inside each other"),
    "no mapping": (b"- 1\n", "no mapping"),
    "no data": (b"document: modulemd\n", "without data"),
    "no name": (STREAM.replace(b"  name: httpd\n", b""), "a text is missing"),
    "a number that is none": (STREAM.replace(b"version: 1\n", b"version: -1\n"), "no number"),
    "a huge name": (STREAM.replace(b"name: httpd", b"name: %s" % (b"h" * 9000)), "more than 1024"),
    "many documents": (b"---\na: b\n" * 20_001, "documents"),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules(updated: RpmStage, name: str) -> None:
    """Whether a module's fix is meant cannot be told then."""
    content, why = MODULES[name]
    updated.appstream.documents["modules"] = content
    assert judged(bounded(updated))["grade"]["letter"] == "A", "no package of the image is of a module"
    label = "httpd:2.4:1:c0"
    updated.installed[1] = Rpm("httpd", "2.4.57-8.el9", "x86_64", module=label)
    document = unknown(updated.run(*ASSESS), "modul")
    assert re.search(why, "\n".join([*document["grade"]["reasons"], unassessed(document)]))


def test_modules_that_are_a_bomb(updated: RpmStage) -> None:
    updated.installed[1] = Rpm("httpd", "2.4.57-8.el9", "x86_64", module="httpd:2.4:1:c0")
    updated.appstream.documents["modules"] = b""
    updated.appstream.packed["modules"] = bomb(STREAM, b"#" + b" " * 62 + b"\n", 100)
    unknown(bounded(updated), "modul")


# ---- other.xml, which is read where no notices serve

OTHER = b'<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="1">'
CHANGELOGS: dict[str, bytes] = {
    "empty": b"",
    "of another kind": b"<html/>",
    "a document type": DOCTYPE + OTHER + b"</otherdata>",
    "deep": OTHER + b"<a>" * 50_000,
    "cut short": OTHER,
    "without a date": OTHER
    + b'<package pkgid="ID" name="httpd"><changelog author="x">CVE-2026-1</changelog></package></otherdata>',
    "a date that is none": OTHER
    + b'<package pkgid="ID"><changelog date="x">CVE-2026-1</changelog></package></otherdata>',
    "many entries": OTHER
    + b'<package pkgid="ID">'
    + b'<changelog date="1700000000"/>' * 30_000
    + b"</package></otherdata>",
    "a huge entry": OTHER
    + b'<package pkgid="ID"><changelog date="1700000000">'
    + b"CVE-2026-1000 " * 700_000
    + b"</changelog></package></otherdata>",
}


@pytest.mark.parametrize("name", CHANGELOGS)
def test_changelogs(rpm: RpmStage, name: str) -> None:
    rpm.appstream.notices = None
    rpm.appstream.documents["other"] = CHANGELOGS[name].replace(b"ID", checksum_of(rpm.appstream).encode())
    document = unknown(bounded(rpm), "has no notices")
    assert "changelogs of appstream" in unassessed(document)
    assert [each["name"] for each in document["updates"]] == ["httpd"]


def test_changelogs_that_are_a_bomb(rpm: RpmStage) -> None:
    rpm.appstream.notices = None
    rpm.appstream.documents["other"] = b""
    rpm.appstream.packed["other"] = bomb(OTHER, b" ", 100)
    assert "not unpacked further" in unassessed(unknown(bounded(rpm), "has no notices"))


def test_changelogs_above_what_may_be_read(rpm: RpmStage) -> None:
    rpm.appstream.notices = None
    rpm.appstream.documents["other"] = OTHER + b"</otherdata>"
    rpm.appstream.entries["other"] = {"size": "500000000"}
    assert "feeds.changelog" in unassessed(unknown(rpm.run(*ASSESS), "has no notices"))
    assert not [path for path in rpm.places.requests if path.endswith("other.gz")]


def checksum_of(repository: BentRepository) -> str:
    """The fix's, as primary.xml has it."""
    found: list[bytes] = re.findall(rb'pkgid="YES">([0-9a-f]+)<', repository.primary())
    return found[-1].decode()
