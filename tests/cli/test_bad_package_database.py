"""Package databases that are broken, absent or hidden, through the command line: never taken for one without flaws."""

import tarfile

import pytest

from support.bending import STATUS, member, on_top
from support.endings import ASSESS, judged, refused, unassessed, unknown
from support.registry import tar_of
from support.world import World


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (b"Package: x\xff\nStatus: install ok installed\nVersion: 1\n", ("Package",)),
        (b"Package: x\nStatus: install ok installed\nVersion: \xff\xfe\n", ("x", "Version")),
        (b"Package: x\nStatus: install ok installed\n", ("x", "Version")),
        (b"Package: x\nStatus: no such state\nVersion: 1\n", ("x", "Status")),
        (b"Version: 1\nStatus: install ok installed\n", ("Package",)),
        (b"no field at all\n", ("field",)),
        (bytes(range(256)) * 9, ("field",)),
    ],
    ids=["name not UTF-8", "version not UTF-8", "no version", "no such state", "no name", "no field", "binary"],
)
def test_a_broken_package_database(updated: World, status: bytes, words: tuple[str, ...]) -> None:
    done = on_top(updated, tar_of({STATUS: status})).run(*ASSESS)
    refused(done, 5, f"{STATUS}:", *words)


def test_bytes_that_are_no_utf8_where_they_do_no_harm(world: World) -> None:
    broken = "\n".join(world.status).encode().replace(b"Version", b"Maintainer: J\xfcrgen <j@archive.example>\nVersion")
    world.layers = [tar_of({**{path: body for path, body in world.files.items() if body}, STATUS: broken})]
    document = judged(world.run(*ASSESS))
    assert (document["grade"]["letter"], document["package_count"]) == ("E", len(world.status))


def test_an_empty_package_database(updated: World) -> None:
    unknown(on_top(updated, tar_of({STATUS: b""})).run(*ASSESS), "no package was found")


def test_no_package_database_at_all(updated: World) -> None:
    updated.layers = [tar_of({path: body for path, body in updated.files.items() if body})]
    document = unknown(updated.run(*ASSESS), "no package was found")
    assert document["package_count"] == 0
    for command in ("updates", "cves"):
        assert updated.run(command, publish=False).code == 3


def test_an_image_without_layers(updated: World) -> None:
    updated.layers = []
    document = unknown(updated.run(*ASSESS), "no package was found", "no reference suites are known")
    assert "the image has no os-release" in unassessed(document)


def test_a_whiteout_hides_the_package_database(updated: World) -> None:
    done = on_top(updated, tar_of({"var/lib/dpkg/.wh.status": b""})).run(*ASSESS)
    unknown(done, "no package was found")


@pytest.mark.parametrize("database", ["var/lib/pacman/local/ALPM_DB_VERSION", "usr/lib/opkg/status"])
def test_a_second_package_database_that_is_not_read(updated: World, database: str) -> None:
    document = unknown(
        on_top(updated, tar_of({database: b"something"})).run(*ASSESS), "not all of the image could be read"
    )
    assert database in unassessed(document)


LOOPS: dict[str, dict[str, str]] = {
    "itself": {STATUS: "status"},
    "two": {STATUS: "other", "var/lib/dpkg/other": "status"},
    "directory": {"var/lib/dpkg": "../lib/dpkg"},
    "above": {"var": "var"},
    "longer and longer": {"var/lib/dpkg": "dpkg/dpkg"},
}


@pytest.mark.parametrize("links", LOOPS.values(), ids=LOOPS)
def test_links_in_a_loop_on_the_way_to_the_database(updated: World, links: dict[str, str]) -> None:
    members = {path: member(path, tarfile.SYMTYPE, target) for path, target in links.items()}
    document = unknown(on_top(updated, tar_of(members)).run(*ASSESS), "no package was found|not all of the image")
    assert "loop" in unassessed(document)
    assert updated.run("updates", publish=False).code == 3


@pytest.mark.parametrize(
    "target",
    ["/../../../../../../etc/passwd", "/etc/passwd", "/proc/self/environ", "/dev/zero", "../../../no/such/file"],
)
def test_a_link_to_what_the_host_has_and_the_image_has_not(updated: World, target: str) -> None:
    members = {STATUS: member(STATUS, tarfile.SYMTYPE, target)}
    unknown(on_top(updated, tar_of(members)).run(*ASSESS), "no package was found")


def test_a_link_within_the_image_is_followed(world: World) -> None:
    """`..` above the root is the root, as chroot(2) has it."""
    files: dict[str, bytes | tarfile.TarInfo] = {path: body for path, body in world.files.items() if body}
    files["srv/status"] = "\n".join(world.status).encode()
    files[STATUS] = member(STATUS, tarfile.SYMTYPE, "/../../srv/../srv/status")
    world.layers = [tar_of(files)]
    assert judged(world.run(*ASSESS))["grade"]["letter"] == "E"


@pytest.mark.parametrize(
    "kind", [tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE], ids=["dir", "fifo", "char", "block"]
)
def test_a_database_that_is_no_file(updated: World, kind: bytes) -> None:
    unknown(on_top(updated, tar_of({STATUS: member(STATUS, kind)})).run(*ASSESS), "no package was found")


def test_a_hard_link_to_nothing(updated: World) -> None:
    done = on_top(updated, tar_of({STATUS: member(STATUS, tarfile.LNKTYPE, "no/such/file")})).run(*ASSESS)
    assert done.code in (3, 5)
    if done.code == 3:
        unknown(done, "no package was found|not all of the image")
