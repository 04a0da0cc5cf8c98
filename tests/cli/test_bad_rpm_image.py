"""Images of rpm that lie, hide or are broken, through the command: their databases, configuration and os-release."""

import struct
import tarfile

import pytest

from support import made_rpmdb
from support.endings import judged, refused, unassessed, unknown
from support.registry import Answer
from support.rpm_roots import Rpm
from support.rpm_stage import DATABASE, BentRepository, RpmStage, header
from support.rpm_world import HOST

ASSESS = ("assess", "--json")


@pytest.fixture
def updated(rpm: RpmStage) -> RpmStage:
    """Lacks nothing, and would be an A."""
    rpm.update()
    return rpm


def kinds(document: dict[str, list[dict[str, str]]]) -> set[str]:
    return {each["kind"] for each in document["deviations"]}


# ---- what hides updates: a finding, and no better letter

PLUGIN = Rpm("python3-dnf-plugin-versionlock", "4.3-1.el9")
HIDING: dict[str, tuple[dict[str, bytes], dict[str, str], str]] = {
    "exclude of all": ({"etc/dnf/dnf.conf": b"[main]\nexclude=*\n"}, {}, "exclude"),
    "excludepkgs of all": ({"etc/dnf/dnf.conf": b"[main]\nexcludepkgs=http*,zlib\n"}, {}, "exclude"),
    "exclude of one": ({}, {"exclude": "httpd"}, "exclude"),
    "includepkgs": ({}, {"includepkgs": "zlib"}, "exclude"),
    "versionlock": ({"etc/dnf/plugins/versionlock.list": b"httpd-0:2.4.57-5.el9.*\n"}, {}, "hold"),
    "gpgcheck": ({}, {"gpgcheck": "0"}, "gpgcheck"),
    "sslverify": ({}, {"sslverify": "0"}, "sslverify"),
    "gpgcheck of all": ({"etc/dnf/dnf.conf": b"[main]\nsslverify=false\n"}, {"gpgcheck": "no"}, "sslverify"),
    "disabled": ({}, {"enabled": "0"}, "missing-repository"),
    "login": ({}, {"username": "me", "password": "hunter2"}, "credentials"),
    "entitlement": ({}, {"sslclientcert": "/etc/pki/entitlement/1.pem"}, "entitlement"),
}


@pytest.mark.parametrize("name", HIDING)
def test_what_hides_updates(rpm: RpmStage, name: str) -> None:
    files, options, kind = HIDING[name]
    rpm.files |= files
    rpm.installed.append(PLUGIN)
    rpm.appstream.packages.append(PLUGIN)
    for each in rpm.repositories:
        each.options = dict(options)
    done = rpm.run(*ASSESS)
    document = judged(done)
    assert document["grade"]["letter"] == "C", document["grade"]
    assert [each["id"] for each in document["errata"]] == ["ALSA-2026:1000"]
    assert kind in kinds(document), document["deviations"]
    assert "hunter2" not in done.out + done.err


def test_a_priority_that_hides_updates(rpm: RpmStage) -> None:
    """A mirror with the old httpd alone goes before the distribution's."""
    own = BentRepository("own", "https://mirror.example/own/", [Rpm("httpd", "2.4.57-5.el9", "x86_64")])
    own.options = {"priority": "1"}
    rpm.reached.append("https://mirror.example")
    rpm.repositories.append(own)
    document = judged(rpm.run(*ASSESS))
    assert document["grade"]["letter"] == "C"
    assert document["updates"] == []
    assert "not-taken" in kinds(document)


CONFIGURATIONS: dict[str, dict[str, bytes]] = {
    "no section": {"etc/yum.repos.d/a.repo": b"baseurl=http://x/\n"},
    "binary": {"etc/yum.repos.d/a.repo": bytes(range(256)) * 9, "etc/dnf/dnf.conf": bytes(range(256)) * 9},
    "odd ids": {"etc/yum.repos.d/a.repo": "[\u202e/../x]\nbaseurl=https://m/\n[]\nbaseurl=https://m/\n".encode()},
    "the id again": {"etc/yum.repos.d/a.repo": b"[appstream]\nbaseurl=http://169.254.169.254/\nenabled=1\n"},
    "a million lines": {"etc/yum.repos.d/a.repo": b"[a]\n" + b"x=y\n" * 900_000},
    "a huge file": {"etc/yum.repos.d/a.repo": b"[a]\nbaseurl=" + b"x" * (5 << 20)},
    "many folds": {"etc/yum.repos.d/a.repo": b"[a]\nbaseurl=" + b"\n http://169.254.169.254/x/" * 50_000},
    "many excludes": {"etc/yum.repos.d/a.repo": b"[a]\nbaseurl=\nexclude=" + b" a*b?c[!d]*" * 90_000},
    "costly globs": {"etc/dnf/dnf.conf": b"[main]\nexclude=" + b"*a" * 2000 + b"\n"},
    "open sets": {"etc/dnf/dnf.conf": b"[main]\nexclude=" + b"[" * 2000 + b" [!-a] [z-a]\n"},
    "numbers": {"etc/yum.repos.d/a.repo": b"[a]\nbaseurl=\npriority=" + b"9" * 5000 + b"\ncost=-1\nenabled=maybe\n"},
    "locks": {"etc/dnf/plugins/versionlock.list": b"*" * 3000 + b"\n!\n-\n" + b"a\n" * 20_000},
    "modules": {"etc/dnf/modules.d/a.module": b"[x]\nstate=none\n[" + b"y" * 9000 + b"]\nstate=enabled\nstream=\xff\n"},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configuration_that_is_odd(rpm: RpmStage, name: str) -> None:
    """Which updates dnf would list may be unknown then; the letter is by the distribution."""
    rpm.files |= CONFIGURATIONS[name]
    rpm.installed.append(PLUGIN)
    rpm.appstream.packages.append(PLUGIN)
    document = judged(rpm.run(*ASSESS))
    assert document["grade"]["letter"] == "C", document["grade"]
    text = rpm.run("assess", publish=False)
    assert text.code == 1
    assert "\u202e" not in text.out
    assert len(text.out) < 20_000


# ---- variables

VARIABLES: dict[str, bytes] = {
    "climbing": b"9/../../../../secret",
    "encoded": b"9/%2e%2e/%2e%2e/secret",
    "another host": b"@169.254.169.254/",
    "a scheme": b"http://169.254.169.254/",
    "huge": b"9" * 100_000,
    "itself": b"$releasever$releasever",
    "empty": b"",
    "binary": bytes(range(256)),
    "controls": b"9\x1b]0;x\x07\xe2\x80\xae",
}


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        *(("releasever", name) for name in VARIABLES),
        *(("mine", name) for name in list(VARIABLES)[::2]),
        ("basearch", "huge"),
    ],
)
def test_variables(updated: RpmStage, variable: str, name: str) -> None:
    """In URLs of the image; those of the distribution's own are by os-release."""
    for folder in ("etc/dnf/vars", "etc/yum/vars"):
        updated.files[f"{folder}/{variable}"] = VARIABLES[name]
    updated.files["etc/yum.repos.d/test.repo"] = (
        f"[${variable}]\nbaseurl={HOST}/almalinux/${variable}/BaseOS/x86_64/os/\n"
        f"[a]\nbaseurl=https://${variable}/x/\n[b]\nbaseurl=${{{variable}}}\n[c]\nmetalink=https://x${variable}\n"
    ).encode()
    done = updated.run(*ASSESS)
    assert judged(done)["grade"]["letter"] == "A"
    text = updated.run("assess", publish=False)
    for character in ("\x1b", "\x07", "\u202e"):
        assert character not in text.out


def test_a_release_that_climbs(updated: RpmStage) -> None:
    """The claim itself is put into the URLs of the reference repositories."""
    for claim in ("9/../../../../secret", "9%2f..%2f", "9\n10", "9?x=", "9#", "../9", "9 9", "\u0669", "9" * 9000):
        updated.files["etc/os-release"] = f'ID=almalinux\nVERSION_ID="{claim}"\nPRETTY_NAME=x\n'.encode()
        unknown(updated.run(*ASSESS), "reference repositories|not a base for a letter|none that x has published")
    assert not [path for path in updated.places.requests if "secret" in path.replace("%2F", "/").split("os/")[-1]]


def test_two_thousand_repositories(rpm: RpmStage) -> None:
    """Each leads to the same host, which has none of them."""
    rpm.more = "".join(f"[r{n}]\nbaseurl={HOST}/none/{n}/\n" for n in range(2500))
    document = judged(rpm.run(*ASSESS))
    assert document["grade"]["letter"] == "C"
    assert "more than 2000 repositories" in unassessed(document)


def test_repositories_that_take_too_long(rpm: RpmStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The distribution's are read first; of the others as many as the time allows."""
    monkeypatch.setattr("affineur.assessment.rpm.look.OWN_S", -1.0)
    own = BentRepository("own", "https://mirror.example/own/", [Rpm("httpd", "9-1", "x86_64")])
    rpm.reached.append("https://mirror.example")
    rpm.repositories.append(own)
    document = judged(rpm.run(*ASSESS))
    assert document["grade"]["letter"] == "C"
    assert "repository own: not read: those before it took" in unassessed(document)


def test_a_hundred_sections_with_the_distributions_ids(rpm: RpmStage) -> None:
    """All in its place, none of them its own."""
    names = "\n".join(f"[appstream{' ' * n}]\nbaseurl=https://mirror.example/{n}/\n" for n in range(100))
    rpm.reached.append("https://mirror.example")
    rpm.more = names
    assert judged(rpm.run(*ASSESS))["grade"]["letter"] == "C"


# ---- what the image says that it is

FEDORA = [Rpm("fedora-release-common", "43-26", "noarch", vendor="Fedora Project")]
FEDORA += [Rpm(f"lib{n}", f"{n}-1.fc43", "x86_64", vendor="Fedora Project") for n in range(9)]


def test_packages_of_another_distribution(updated: RpmStage) -> None:
    updated.installed = FEDORA
    document = unknown(
        updated.run(*ASSESS), "packages are none that AlmaLinux 9.4 .* has published, although os-release"
    )
    assert document["updates"] == []


def test_packages_that_are_newer_than_all_that_is_published(updated: RpmStage) -> None:
    """So that nothing seems to be missing."""
    updated.installed = [Rpm(each.name, "9:" + each.version, each.architecture) for each in updated.installed]
    unknown(updated.run(*ASSESS), "3 of 3 packages are none that AlmaLinux 9.4")


OTHERS = {
    "fedora": (b"ID=fedora\nVERSION_ID=43\nPRETTY_NAME=Fedora\n", "not a base for a letter"),
    "rhel": (b"ID=rhel\nVERSION_ID=9.4\nPRETTY_NAME=RHEL\n", "not a base for a letter"),
    "debian": (b"ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n", ""),
    "alpine": (b"ID=alpine\nVERSION_ID=3.19\n", ""),
    "nobody": (b"ID=nobody\nVERSION_ID=1\n", "no reference"),
    "an unknown release": (b"ID=almalinux\nVERSION_ID=99\n", "no reference"),
    "nothing": (b"", "no reference"),
    "binary": (bytes(range(256)), ""),
    "none": (None, "no reference"),
    "huge": (b"ID=almalinux\nVERSION_ID=9.4\n" + b"#" * (3 << 20), "no reference"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_os_release_that_lies(updated: RpmStage, name: str) -> None:
    content, why = OTHERS[name]
    updated.files["etc/os-release"] = content
    document = unknown(updated.run(*ASSESS), why)
    assert document["grade"]["at_best"] != "A"


def test_two_package_managers(updated: RpmStage) -> None:
    """What the other's packages lack is not known."""
    updated.files["var/lib/dpkg/status"] = (
        b"Package: openssl\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\n"
    )
    unknown(updated.run(*ASSESS))
    del updated.files["var/lib/dpkg/status"]
    updated.files["lib/apk/db/installed"] = b"C:Q1=\nP:openssl\nV:1.0-r1\nA:x86_64\n\n"
    unknown(updated.run(*ASSESS))


# ---- databases

BTREE = struct.pack("<8x4IBBBx", 0, 0x053162, 9, 512, 0, 9, 0).ljust(1024, b"\0")
GOOD = header(Rpm("httpd", "2.4.57-8.el9", "x86_64"))


BROKEN: dict[str, dict[str, bytes]] = {
    "BDB btree": {"var/lib/rpm/Packages": BTREE},
    "nothing known": {"var/lib/rpm/Packages": b"nothing like it" * 99},
    "SQLite, cut short": {DATABASE: made_rpmdb.sqlite([GOOD])[:700]},
    "SQLite, its start alone": {DATABASE: b"SQLite format 3\0"},
    "SQLite, a table of another kind": {DATABASE: b"SQLite format 3\0" + bytes(4096)},
    "SQLite, a broken header": {DATABASE: made_rpmdb.sqlite([GOOD[:40]])},
    "SQLite, no header": {DATABASE: made_rpmdb.sqlite([b"x"])},
    "SQLite, a huge index": {DATABASE: made_rpmdb.sqlite([struct.pack(">2I", 0xFFFFFFFF, 0xFFFFFFFF) + GOOD[8:]])},
    "NDB, cut short": {"usr/lib/sysimage/rpm/Packages.db": made_rpmdb.ndb([GOOD])[:4100]},
    "NDB, bent": {"usr/lib/sysimage/rpm/Packages.db": made_rpmdb.ndb([GOOD]).replace(b"BlbE", b"BlbX")},
    "NDB, its start alone": {"usr/lib/sysimage/rpm/Packages.db": b"RpmP" + bytes(28)},
    "BDB, cut short": {"var/lib/rpm/Packages": made_rpmdb.bdb([GOOD])[:1100]},
    "BDB, its start alone": {"var/lib/rpm/Packages": made_rpmdb.bdb([])[:100]},
    "a name that is none": {DATABASE: made_rpmdb.sqlite([made_rpmdb.header(t1000="a b")])},
    "no name": {DATABASE: made_rpmdb.sqlite([made_rpmdb.header(t1000=None)])},
    "no version": {DATABASE: made_rpmdb.sqlite([made_rpmdb.header(t1001=None)])},
    "an escape for a version": {DATABASE: made_rpmdb.sqlite([made_rpmdb.header(t1001="1\x1b[31m")])},
    "a log that is none": {DATABASE: made_rpmdb.sqlite([GOOD]), f"{DATABASE}-wal": b"x" * 4096},
    "good and broken": {DATABASE: made_rpmdb.sqlite([GOOD]), "usr/lib/sysimage/rpm/Packages.db": b"RpmP" + bytes(28)},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_database_that_is_broken(updated: RpmStage, name: str) -> None:
    """Never an image without packages."""
    updated.database = dict(BROKEN[name])
    done = updated.run(*ASSESS)
    if done.code == 5:
        sentence = refused(done, 5)
        assert any(f"{path}" in sentence for path in BROKEN[name])
        assert "\x1b" not in sentence
    else:
        assert "log" in name, "a log without a beginning is passed over by SQLite, too"


def looping() -> bytes:
    """A Berkeley DB whose overflow page is its own next."""
    content = bytearray(made_rpmdb.bdb([made_rpmdb.header(t1014="x" * 2000)]))
    struct.pack_into("<I", content, 2 * made_rpmdb.PAGE + 16, 2)
    return bytes(content)


def test_pages_in_a_circle(updated: RpmStage) -> None:
    updated.database = {"var/lib/rpm/Packages": looping()}
    refused(updated.run(*ASSESS), 5, "var/lib/rpm/Packages")


def test_an_empty_database(updated: RpmStage) -> None:
    for content in ({DATABASE: made_rpmdb.sqlite([])}, {"var/lib/rpm/Packages": made_rpmdb.bdb([])}, {}):
        updated.database = dict(content)
        unknown(updated.run(*ASSESS), "no package was found")


def test_a_file_of_no_bytes(updated: RpmStage) -> None:
    updated.database = {DATABASE: b""}
    refused(updated.run(*ASSESS), 5, "is no rpm database of a known kind")


def test_a_log_that_brings_the_packages(rpm: RpmStage) -> None:
    """The database alone would look up to date."""
    before = [header(rpm.fixed if each.name == "httpd" else each) for each in rpm.installed]
    after = [header(each) for each in rpm.installed]
    old, new = made_rpmdb.sqlite(before), made_rpmdb.sqlite(after)
    old = old[:18] + b"\2\2" + old[20:]
    new = new[:18] + b"\2\2" + new[20:]
    rpm.database = {DATABASE: old}
    assert judged(rpm.run(*ASSESS))["grade"]["letter"] == "A"
    rpm.database = {DATABASE: old, f"{DATABASE}-wal": made_rpmdb.log_of(old, new)}
    assert judged(rpm.run(*ASSESS))["grade"]["letter"] == "C"


LINKS = {
    "a loop": {"var/lib/rpm": "../../usr/lib/sysimage/rpm", "usr/lib/sysimage/rpm": "../../../var/lib/rpm"},
    "itself": {"var/lib/rpm": "rpm"},
    "out of the image": {"var/lib/rpm": "../../../../../../../../var/lib/rpm"},
    "the host's": {DATABASE: "/var/lib/rpm/rpmdb.sqlite"},
    "into nothing": {"var/lib/rpm": "/nowhere"},
    "a device's name": {DATABASE: "/dev/zero"},
    "proc": {DATABASE: "/proc/self/environ"},
}


@pytest.mark.parametrize("name", LINKS)
def test_links_in_the_place_of_the_database(updated: RpmStage, name: str) -> None:
    updated.database, updated.links = {}, LINKS[name]
    unknown(updated.run(*ASSESS), "no package was found")


def test_a_link_to_a_file_that_is_no_database(updated: RpmStage) -> None:
    updated.database, updated.links = {"opt/x": b"x" * 999}, {DATABASE: "/opt/x"}
    refused(updated.run(*ASSESS), 5, "/opt/x, which a link leads to")


def test_a_database_that_claims_10_gigabytes(updated: RpmStage) -> None:
    """In GNU tar's sparse form: a few blocks of holes."""
    member = tarfile.TarInfo(DATABASE)
    member.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": DATABASE,
        "GNU.sparse.realsize": str(10 << 30),
    }
    member.size = 0
    updated.database = {DATABASE: member}
    refused(updated.run(*ASSESS), 5, f"{DATABASE} has 10737418240 bytes")


def test_a_database_that_is_larger_than_any(updated: RpmStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above 256 MiB; here above 4."""
    monkeypatch.setattr("affineur.packages.rpm.database.Rpm.limit", 4 << 20)
    monkeypatch.setattr("affineur.packages.databases.PACKAGES.limit", 4 << 20)
    updated.database = {DATABASE: made_rpmdb.sqlite([GOOD]) + bytes(5 << 20)}
    refused(updated.run(*ASSESS), 5, DATABASE, "4194304")


def test_a_folder_in_the_place_of_the_database(updated: RpmStage) -> None:
    member = tarfile.TarInfo(DATABASE)
    member.type = tarfile.DIRTYPE
    updated.database = {DATABASE: member}
    unknown(updated.run(*ASSESS), "no package was found")


def test_thousands_of_packages(rpm: RpmStage) -> None:
    """Nobody's, all of them: no letter, and short lines."""
    rpm.installed += [Rpm(f"own{n}", "1-1", "x86_64") for n in range(5_000)]
    document = unknown(rpm.run(*ASSESS), "packages are none that AlmaLinux")
    assert len(unassessed(document)) < 20_000


HISTORY: dict[str, bytes] = {
    "var/lib/dnf/history.sqlite": b"SQLite format 3\0" + bytes(9000),
    "usr/lib/sysimage/libdnf5/nevras.toml": b"[" * 100_000,
    "var/log/zypp/history": b"2026|install|" * 100_000,
    "var/lib/yum/yumdb/h/x-httpd-2.4.57-8.el9-x86_64/from_repo": b"\x1b[31m\xff" * 9000,
}


def test_records_of_where_packages_came_from(updated: RpmStage) -> None:
    """Broken ones tell nothing, and take nothing away."""
    updated.files |= HISTORY
    assert judged(updated.run(*ASSESS))["grade"]["letter"] == "A"
    assert "\x1b" not in updated.run("packages", publish=False).out


def test_other_commands_end_as_well(updated: RpmStage) -> None:
    """Of an image whose repositories are gone."""
    for each in updated.repositories:
        each.repomd = Answer(404)
    assert updated.run("updates").code == 4
    assert updated.run("cves", publish=False).code == 3
    assert updated.run("packages", publish=False).code == 0


ODD = "\u202e\u009b31m\u2028\u200b\ufeff<b>|`$(x)`"


@pytest.mark.parametrize(
    "command", ["updates", "updates --list", "updates --errata", "cves", "assess", "assess markdown"]
)
def test_a_repository_of_the_images_own_with_odd_texts(rpm: RpmStage, command: str) -> None:
    """Whoever makes the image chooses them all; no terminal acts on them."""
    own = BentRepository("own", "https://mirror.example/own/", [Rpm("httpd", f"9-1.{ODD}", "x86_64", vendor=ODD)])
    own.notices = [
        rpm.notice("ID-" + ODD.replace("<", "&lt;"), severity="Critical").replace(
            "an update", ODD.replace("<", "&lt;")
        ),
        rpm.notice("A" * 4000, cves=["CVE-2026-1"], severity=ODD.replace("<", "&lt;")),
    ]
    own.options = {"name": ODD}
    rpm.reached.append("https://mirror.example")
    rpm.repositories.append(own)
    name, *options = command.split()
    if name == "assess" and options:
        options = ["--format", "markdown"]
    done = rpm.run(name, *options)
    assert done.code in (0, 1, 3)
    for character in ("\x1b", "\x9b", "\u202e", "\u2028"):
        assert character not in done.out, command


def test_hundreds_of_thousands_of_keys(updated: RpmStage) -> None:
    """Each may be anywhere in the layers."""
    keys = [" ".join(f"file:///keys/{n}/{k}" for k in range(100)) for n in range(1000)]
    updated.more = "".join(
        f"[k{n}]\nbaseurl=https://m.example/{n}/\nrepo_gpgcheck=1\ngpgkey={each}\n" for n, each in enumerate(keys)
    )
    refused(updated.run(*ASSESS), 5, "more than 10000 further files")
