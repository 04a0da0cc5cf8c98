"""Images that lie about what they are, through the command line: about their release, architecture or sources."""

import re

import pytest

from support.archive import stanza
from support.endings import ASSESS, judged, unassessed, unknown
from support.feeds import packed
from support.world import OS_RELEASE, World, installed


def test_no_os_release(updated: World) -> None:
    updated.files["etc/os-release"] = None
    document = unknown(updated.run(*ASSESS), "no reference suites are known")
    assert "the image has no os-release" in unassessed(document)


@pytest.mark.parametrize(
    "content",
    [
        b"ID=deb\xffian\nVERSION_ID=12\n",
        b"",
        b"\0" * 1000,
        b"no assignment",
        b"ID=\nVERSION_ID=12\n",
        b"ID=slackware\nVERSION_ID=15\n",
        b"ID=debian\nVERSION_ID=99\nVERSION_CODENAME=nineties\n",
        b"ID=debian\n",
        b"ID=alpine\nVERSION_ID=3.19\n",
    ],
    ids=["not UTF-8", "empty", "zeros", "text", "no ID", "unknown", "unknown release", "no release", "Alpine"],
)
def test_an_os_release_that_names_no_release_known_here(updated: World, content: bytes) -> None:
    updated.files["etc/os-release"] = content
    document = unknown(updated.run(*ASSESS), "no reference suites are known")
    assert [suite["role"] for suite in document["suites"]] == ["image"] * 3


def test_an_os_release_of_more_than_a_megabyte(updated: World) -> None:
    updated.files["etc/os-release"] = OS_RELEASE + b"#" * (2 << 20)
    document = unknown(updated.run(*ASSESS), "no reference suites are known")
    assert "etc/os-release" in unassessed(document)


def test_an_os_release_with_odd_bytes_in_its_name(world: World) -> None:
    """Shown, but never acted on by a terminal."""
    world.files["etc/os-release"] = OS_RELEASE.replace(b"bookworm)", b"\x1b]0;x\x07\xff\xe2\x80\xae)")
    done = world.run("assess")
    assert done.code == 1
    for character in ("\x1b", "\x07", "\u202e"):
        assert character not in done.out
    assert judged(world.run(*ASSESS, publish=False))["grade"]["letter"] == "E"


LIES = {
    "13 with packages of 12": b"ID=debian\nVERSION_ID=13\nVERSION_CODENAME=trixie\n",
    "11 with packages of 12": b"ID=debian\nVERSION_ID=11\nVERSION_CODENAME=bullseye\n",
    "Ubuntu with packages of Debian": b"ID=ubuntu\nVERSION_ID=22.04\nVERSION_CODENAME=jammy\n",
}


@pytest.mark.parametrize("claim", LIES.values(), ids=LIES)
def test_an_os_release_that_lies(world: World, claim: bytes) -> None:
    world.files["etc/os-release"] = claim
    distribution, release = claim.decode().split("=")[1].split("\n")[0], claim.decode().split("CODENAME=")[1].strip()
    world.reference = world.reference.replace('"debian"', f'"{distribution}"').replace(
        'release = "bookworm"', f'release = "{release}"'
    )
    document = unknown(world.run(*ASSESS), "but base-files 12.4")
    assert "os-release" in {each["kind"] for each in document["deviations"]}


def test_an_os_release_that_lies_without_base_files(updated: World) -> None:
    """Its packages are all newer than what the claimed release has published, so nothing seems to be missing."""
    updated.status = [
        installed("dpkg", "1.23.1"),
        installed("openssl", "3.5.1-1"),
        installed("tzdata", "2027a-0", "all"),
    ]
    document = unknown(updated.run(*ASSESS), "3 of 3 packages are none that Debian GNU/Linux 12")
    assert document["updates"] == []


def test_an_image_that_lies_about_its_architecture(updated: World) -> None:
    """apt inside would read the indexes of arm64 alone, and find nothing for packages of amd64."""
    updated.status[1] = updated.status[1].replace("amd64", "arm64")
    updated.files["etc/apt/apt.conf"] = b'APT::Architecture "arm64";\n'
    for name, (stanzas, fields) in updated.suites.items():
        other = [each.replace("Architecture: amd64", "Architecture: arm64") for each in stanzas]
        packages = {"main/amd64": stanzas, "main/arm64": other}
        updated.archive.suite(name, packages, below="debian/", architectures=("amd64", "arm64"), **fields)
    updated.feed.archives["Debian"] = packed(updated.notices)
    updated.registry.push("team/app", "1", [updated.layer()])
    unknown(updated.run(*ASSESS, publish=False), "3 of 5 packages are none that Debian GNU/Linux 12")


@pytest.mark.parametrize("architecture", ["", "amd64;", "../x", "AMD64", "\xff"])
def test_an_architecture_that_is_none(world: World, architecture: str) -> None:
    world.status = [each.replace("Architecture: amd64", f"Architecture: {architecture}") for each in world.status]
    done = world.run(*ASSESS)
    assert done.code in (1, 3, 5)
    if done.code != 5:
        assert judged(done)["grade"]["letter"] in ("E", None)


LIES_ABOUT_SOURCES = {
    "another source": ("Source: other", "is built from other, its distribution builds it from openssl"),
    "a newer source": (
        "Source: openssl (9:9-1)",
        "is built from openssl 9:9-1, its distribution 3.0.15-1~deb12u1 from",
    ),
}


@pytest.mark.parametrize(("line", "why"), LIES_ABOUT_SOURCES.values(), ids=LIES_ABOUT_SOURCES)
def test_an_image_that_lies_about_the_source_of_a_package(world: World, line: str, why: str) -> None:
    """Notices are about sources: with another source it would seem that none is missing."""
    kept = [each.replace("Source: openssl\n", "") for each in world.status]
    world.status = [f"{each}{line}\n" if "Version: 3.0.11" in each else each for each in kept]
    document = unknown(world.run(*ASSESS), "which notices are about openssl could not be told", re.escape(why))
    assert [each["kind"] for each in document["deviations"]] == ["source"]


def test_a_rebuild_of_the_same_source_is_no_lie(world: World) -> None:
    """A binary-only upload: deb-version(7), `+b1`."""
    world.suites["bookworm-security"] = ([], world.suites["bookworm-security"][1])
    fields = world.suites["bookworm-updates"][1]
    rebuilt = stanza("tzdata", "2024a-0+deb12u1+b1", "all", Source="tzdata (2024a-0+deb12u1)")
    world.suites["bookworm-updates"] = ([rebuilt], fields)
    world.notices[0]["affected"][0]["package"]["name"] = "bash"
    document = judged(world.run(*ASSESS))
    assert document["grade"]["letter"] == "A"
    assert [update["available"] for update in document["updates"]] == ["2024a-0+deb12u1+b1"]
    assert document["deviations"] == []


def test_a_link_as_os_release(world: World) -> None:
    """As Debian has it: /etc/os-release → ../usr/lib/os-release."""
    world.files["usr/lib/os-release"] = world.files.pop("etc/os-release")
    world.links["etc/os-release"] = "../usr/lib/os-release"
    assert judged(world.run(*ASSESS))["grade"]["letter"] == "E"
