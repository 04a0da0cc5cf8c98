"""Images that are broken, hostile or lie, through the command line: a clear sentence, the right exit code, no A."""

import gzip
import io
import json
import re
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.archive import stanza
from support.endings import ASSESS, judged, refused, unassessed, unknown
from support.feeds import packed
from support.registry import Layer, digest_of, layer, tar_of
from support.world import HOST, OS_RELEASE, World, installed

STATUS = "var/lib/dpkg/status"
BLOCK = 512
GO = Path(__file__).parents[1] / "streams" / "go-archive-tar.tsv"
"""How Go's archive/tar, with which engines unpack layers, gets on with each file of the corpus: `end` or `error`."""
NO_ARCHIVE = {"small.txt", "small2.txt"}
LARGE_HEADER = {"pax-bad-hdr-large.tar.bz2"}  # "pax header too large": the error of Go's reader_test.go
GONE_THROUGH = {"testtar.tar.xz"}  # of CPython's tests, that read it to its end


def member(path: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    """An entry without content."""
    made = tarfile.TarInfo(path)
    made.type, made.linkname, made.size = kind, link, size
    return made


def on_top(world: World, *layers: bytes | Layer) -> World:
    """Put further layers on the image's own."""
    world.layers = [world.layer(), *layers]
    return world


def plain(content: bytes) -> Layer:
    """A layer of these very bytes."""
    return Layer(content, digest_of(content), "none")


# ---- layers


@pytest.mark.corpus
def test_every_malformed_archive_of_the_corpus(corpus: Path, tmp_path: Path) -> None:
    """On top of an image that lacks nothing: what Go reads changes nothing, what it refuses is refused."""
    ends = {row[0]: row[1] for row in (line.split("\t") for line in GO.read_text().splitlines())}
    files = sorted((corpus / "malformed").glob("*/*"))
    assert len(files) > 40
    for number, file in enumerate(files):
        with World(tmp_path / str(number)) as world:
            world.folder.mkdir()
            world.update()
            done = on_top(world, plain(file.read_bytes())).run_inside(*ASSESS)
            if ends.get(file.name) == "end" or file.name in GONE_THROUGH:
                assert judged(done)["grade"]["letter"] == "A", file.name
                continue
            assert ends.get(file.name) == "error" or file.name in NO_ARCHIVE | LARGE_HEADER
            refused(done, 5, "layer sha256:")


@pytest.mark.corpus
def test_a_malformed_archive_as_the_only_layer(corpus: Path, tmp_path: Path) -> None:
    for number, file in enumerate(sorted((corpus / "malformed").glob("*/*"))):
        with World(tmp_path / str(number)) as world:
            world.folder.mkdir()
            world.layers = [plain(file.read_bytes())]
            done = world.run_inside(*ASSESS)
            if done.code != 5:
                unknown(done, "no package was found")


def bomb(path: str, compression: str) -> Layer:
    """A layer that claims a file of 8 GiB and unpacks to it from less than 1/200 of that."""
    head = member(path, size=8 << 30).tobuf(tarfile.GNU_FORMAT)
    zeros = bytes(1 << 20)
    if compression == "gzip":
        content = gzip.compress(head) + gzip.compress(zeros) * 8192
        return Layer(content, digest_of(b""), "gzip")
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    content = zstd.compress(head) + zstd.compress(zeros) * 8192
    return Layer(content, digest_of(b""), "zstd")


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_decompression_bomb(updated: World, compression: str) -> None:
    done = on_top(updated, bomb("usr/share/zeros", compression)).run(*ASSESS)
    refused(done, 5, "layer sha256:", compression, "not unpacked further")


def test_a_status_file_of_ten_gigabytes(updated: World) -> None:
    content = member(STATUS, size=10 << 30).tobuf(tarfile.GNU_FORMAT) + bytes(BLOCK)
    done = on_top(updated, layer(content)).run(*ASSESS)
    refused(done, 5, STATUS, str(10 << 30))


def test_a_status_file_above_the_limit(updated: World) -> None:
    done = on_top(updated, tar_of({STATUS: b"\n" * (65 << 20)})).run(*ASSESS)
    refused(done, 5, STATUS, str(65 << 20))


@pytest.mark.parametrize(
    "path", ["../../etc/x", "etc/../../x", "/../x", "..", "usr/../../../root/.ssh/authorized_keys"]
)
def test_a_path_that_leads_out_of_the_image(updated: World, tmp_path: Path, path: str) -> None:
    done = on_top(updated, tar_of({path: b"x"})).run(*ASSESS)
    refused(done, 5, path, "leads out of the image")
    assert not list(tmp_path.rglob("x"))


def test_an_absolute_path_is_one_of_the_image(world: World) -> None:
    """Engines unpack it below the root; so `/var/lib/dpkg/status` is the database."""
    world.layers = [world.layer()]
    world.update()
    world.layers.append(tar_of({f"/{STATUS}": "\n".join(world.status).encode()}))
    assert judged(world.run(*ASSESS))["grade"]["letter"] == "A"


SAME_PATH = [
    "./{}",
    ".//{}",
    "/./{}",
    "var/./lib//dpkg/status",
    "var/lib/x/../dpkg/status",
    "srv/../var/lib/dpkg/status",
]


@pytest.mark.parametrize("path", SAME_PATH)
@pytest.mark.parametrize("top", ["old", "new"])
def test_every_spelling_of_a_path_is_that_path(world: World, path: str, top: str) -> None:
    """What engines unpack there counts, however it is spelled; what is below it does not."""
    if top == "old":
        old = "\n".join(world.status).encode()
        world.update()
        world.layers = [world.layer(), tar_of({path.format(STATUS): old})]
    else:
        world.layers = [world.layer()]
        world.update()
        world.layers.append(tar_of({path.format(STATUS): "\n".join(world.status).encode()}))
    assert judged(world.run(*ASSESS))["grade"]["letter"] == ("E" if top == "old" else "A")


def test_the_last_entry_of_a_name_counts(world: World) -> None:
    """An archive may hold a path twice; the second one is unpacked over the first."""
    old = "\n".join(world.status).encode()
    world.update()
    new = "\n".join(world.status).encode()
    for first, second, letter in ((old, new, "A"), (new, old, "E")):
        twice = tar_of({STATUS: first})[:-1024].rstrip(b"\0") + bytes(1024)
        padded = twice.rstrip(b"\0") + bytes(-len(twice.rstrip(b"\0")) % BLOCK)
        world.registry.push("team/app", "1", [world.layer(), padded + tar_of({STATUS: second})])
        world.publish()
        assert judged(world.run(*ASSESS, publish=False))["grade"]["letter"] == letter


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE], ids=["symlink", "hard link"])
@pytest.mark.parametrize("where", ["the same layer", "the layer below"])
def test_a_database_that_is_a_link_to_somewhere_else(updated: World, kind: bytes, where: str) -> None:
    """The layers are searched again for what the link names."""
    old = "\n".join(each.replace("3.0.15", "3.0.11") for each in updated.status).encode()
    link = member(STATUS, kind, "srv/else" if kind == tarfile.LNKTYPE else "/srv/else")
    files: dict[str, bytes | tarfile.TarInfo] = {"srv/else": old}
    if where == "the same layer":
        on_top(updated, tar_of({**files, STATUS: link}))
    else:
        on_top(updated, tar_of(files), tar_of({STATUS: link}))
    assert judged(updated.run(*ASSESS))["grade"]["letter"] == "E"


def test_an_opaque_directory_hides_the_database_below(updated: World) -> None:
    unknown(on_top(updated, tar_of({"var/lib/.wh..wh..opq": b""})).run(*ASSESS), "no package was found")


def test_records_of_distroless_count_beside_a_database(updated: World) -> None:
    old = installed("libssl3", "3.0.11-1~deb12u1", Source="openssl").replace("Status: install ok installed\n", "")
    done = on_top(updated, tar_of({f"{STATUS}.d/libssl3": old.encode()})).run(*ASSESS)
    assert judged(done)["grade"]["letter"] == "E"


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_layer_that_ends_too_early(updated: World, cut: float) -> None:
    whole = gzip.compress(tar_of({"usr/bin/thing": bytes(range(256)) * 4096}))
    done = on_top(updated, Layer(whole[: int(len(whole) * cut)], digest_of(b""))).run(*ASSESS)
    refused(done, 5, "layer sha256:", "ends too early")


def test_a_layer_that_is_something_else(updated: World) -> None:
    refused(on_top(updated, plain(b"\x7fELF" + bytes(range(256)) * 20)).run(*ASSESS), 5, "layer sha256:")


def test_bytes_after_a_gzip_layer(updated: World) -> None:
    content = gzip.compress(tar_of({"usr/x": b""})) + b"more"
    refused(on_top(updated, Layer(content, digest_of(b""))).run(*ASSESS), 5, "layer sha256:", "gzip")


def foreign_layer(world: World, media_type: str, **fields: Any) -> str:
    """Push the image with one more layer of this type on top, which the registry does not have."""
    descriptor = {"mediaType": media_type, "digest": digest_of(b"far away"), "size": 8, **fields}
    return push_manifest(world, lambda manifest: manifest["layers"].append(descriptor), extra_layers=1)


def push_manifest(world: World, change: Callable[[dict[str, Any]], object], extra_layers: int = 0) -> str:
    """Push the image with its manifest changed."""
    diff_ids = [digest_of(world.layer())] + [digest_of(b"far away")] * extra_layers
    digest = world.registry.push(
        "team/app", None, [world.layer()], config={"rootfs": {"type": "layers", "diff_ids": diff_ids}}
    )
    found = world.registry.manifest("team/app", digest)
    assert found is not None
    manifest = json.loads(found[0])
    change(manifest)
    return world.registry.add_manifest("team/app", "1", manifest, found[1])


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/vnd.example.layer.of.tomorrow",
    ],
)
def test_a_layer_of_a_type_that_is_not_read(updated: World, media_type: str) -> None:
    """It may hold or hide anything. The place that a foreign layer names is not asked."""
    foreign_layer(updated, media_type, urls=[f"{updated.feed.url}/layer", "http://169.254.169.254/layer"])
    document = unknown(updated.run(*ASSESS), "not all of the image could be read")
    assert media_type in unassessed(document)
    assert not [path for path, _, _ in updated.feed.requests if "layer" in path]
    for command in ("updates", "cves", "age"):
        assert updated.run(command, publish=False).code == 3


# ---- the package database


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


@pytest.mark.parametrize(
    "database", ["var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages.db", "lib/apk/db/installed"]
)
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


# ---- os-release


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


# ---- apt's configuration


def sources(world: World, *lines: str | bytes) -> World:
    """Add lines to the image's sources."""
    own = world.files["etc/apt/sources.list"] or b""
    world.files["etc/apt/sources.list"] = own + b"".join(
        (line.encode() if isinstance(line, str) else line) + b"\n" for line in lines
    )
    return world


FORBIDDEN = {
    "metadata service": ("http://169.254.169.254/debian", "never asked"),
    "private address": ("http://10.1.2.3/debian", "not among the allowed networks"),
    "host that is not allowed": (
        "http://evil.example/debian",
        "not among the allowed hosts, so its name was not looked up",
    ),
    "file": ("file:///srv/debian", "it means a file in the image"),
    "copy": ("copy:/srv/debian", "it means a file in the image"),
    "cdrom": ("cdrom:[Debian]/", "only http and https are"),
    "ftp": ("ftp://archive.example/debian", "only http and https are"),
    "gopher": ("gopher://archive.example/debian", "only http and https are"),
    "port that is none": ("http://archive.example:99999/debian", "no usable URL"),
}


@pytest.mark.parametrize(("uri", "why"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_sources_that_point_where_nobody_is_asked(world: World, uri: str, why: str) -> None:
    """As one more place, it is named; the letter rests on the others."""
    document = judged(sources(world, f"deb {uri} bookworm main").run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert why in unassessed(document)
    assert world.run("updates", publish=False).code == 3


@pytest.mark.parametrize(("uri", "why"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_sources_that_point_nowhere_else(updated: World, uri: str, why: str) -> None:
    """As the only place, there is nothing for a letter to rest on."""
    old = (updated.files["etc/apt/sources.list"] or b"").decode()
    updated.files["etc/apt/sources.list"] = old.replace(f"{HOST}/debian", uri).encode()
    document = unknown(updated.run(*ASSESS), "bookworm", "bookworm-security")
    assert why in unassessed(document)
    assert updated.archive.requests == []
    assert updated.run("updates", publish=False).code == 4


def test_pins_that_hide_every_update(world: World) -> None:
    world.files["etc/apt/preferences.d/hide"] = b"Package: *\nPin: release o=Debian\nPin-Priority: -1\n"
    document = judged(world.run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert document["updates"] == []
    hidden = {each["what"].split()[0] for each in document["deviations"] if each["kind"] == "pin"}
    assert hidden == {"openssl", "libssl3"}
    assert world.run("updates", "--list", publish=False).out == ""


def test_a_pin_that_hides_one_package(world: World) -> None:
    world.files["etc/apt/preferences"] = b"Package: openssl\nPin: version 3.0.11-1~deb12u1\nPin-Priority: 1001\n"
    document = judged(world.run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert [update["name"] for update in document["updates"]] == ["libssl3"]
    assert [each["kind"] for each in document["deviations"]] == ["pin"]


def test_packages_on_hold_are_listed_as_apt_lists_them(world: World) -> None:
    world.status = [each.replace("install ok", "hold ok") for each in world.status]
    document = judged(world.run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert [update["held"] for update in document["updates"]] == [True, True]
    assert [each["kind"] for each in document["deviations"]] == ["hold"]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("etc/apt/sources.list", b"deb\n"),
        ("etc/apt/sources.list", b"deb [signed-by=\xff\xfe http://archive.example/debian bookworm main\n"),
        ("etc/apt/sources.list.d/more.sources", b"Types: deb\nURIs: http://archive.example/debian\n"),
        ("etc/apt/sources.list.d/more.sources", b"\xff\xfe\x00"),
        ("etc/apt/sources.list", bytes(range(256))),
        ("etc/apt/apt.conf", b'Dir::Etc "/srv";\n'),
        ("etc/apt/apt.conf", b"{{{{{{"),
        ("etc/apt/apt.conf", b'#include "/etc/passwd"\n'),
        ("etc/apt/preferences", b"Pin: release a=stable\nPin-Priority: 1\n"),
    ],
)
def test_a_configuration_that_apt_refuses(world: World, path: str, content: bytes) -> None:
    """What the image would be offered cannot be told then. What the distribution published still can."""
    own = world.files.get(path) or b""
    world.files[path] = own + content
    done = world.run(*ASSESS)
    document = judged(done)
    assert document["grade"]["letter"] in ("E", None)
    assert document["verdict"]["decision"] == "reject"
    assert path in unassessed(document)
    assert world.run("updates", publish=False).code in (3, 4)
    assert world.run("assess", publish=False).code == 1


ODD_BYTES = {
    "suite": b"deb http://archive.example/debian book\xffworm main",
    "component": b"deb http://archive.example/debian bookworm ma\xffin",
    "path": b"deb http://archive.example/\xff\xfe bookworm main",
    "host": b"deb http://arch\xffive.example/debian bookworm main",
    "keyring": b"deb [signed-by=/usr/share/keyrings/\xff.asc] http://archive.example/other bookworm main",
    "escapes": b"deb http://archive.example/\x1b]0;x\x07 bookworm main",
    "line feed": b"deb http://archive.example/x%0d%0aX:%20y bookworm main",
}


@pytest.mark.parametrize("line", ODD_BYTES.values(), ids=ODD_BYTES)
@pytest.mark.parametrize("output", ["json", "text", "markdown", "sarif", "html"])
def test_odd_bytes_in_the_sources(world: World, line: bytes, output: str) -> None:
    done = sources(world, line).run("assess", "--as-of", ASSESS[-1], "--format", output)
    assert done.code == 1
    assert "\x1b" not in done.out
    assert "Traceback" not in done.err
    if output == "json":
        assert judged(done)["grade"]["letter"] == "E"


@pytest.mark.parametrize("name", ["\udcff.list", "\x1b[31m.list", "a\nb.list", "%s%n.list", "x" * 200 + ".list"])
def test_odd_names_of_files(world: World, name: str) -> None:
    files: dict[str, bytes | tarfile.TarInfo] = {path: body for path, body in world.files.items() if body}
    files[STATUS] = "\n".join(world.status).encode()
    files[f"etc/apt/sources.list.d/{name}"] = b"deb\n"
    files[f"usr/share/keyrings/{name}"] = b"x"
    files[f"var/lib/dpkg/status.d/{name}"] = b""
    world.layers = [tar_of(files)]
    assert judged(world.run(*ASSESS))["grade"]["letter"] == "E"
    text = world.run("assess", publish=False)
    assert text.code == 1
    assert "\x1b" not in text.out


def test_thousands_of_sources(world: World) -> None:
    lines = [f"deb http://archive.example/none{number} bookworm main" for number in range(1000)]
    document = judged(sources(world, *lines).run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert len(document["suites"]) == 1003


def test_more_sources_than_anybody_has(world: World) -> None:
    stanza = "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\n"
    many = stanza.format(" ".join(f"http://u{n}.example/" for n in range(500)), " ".join(f"s{n}" for n in range(500)))
    world.files["etc/apt/sources.list.d/many.sources"] = many.encode()
    document = judged(world.run(*ASSESS))
    assert "more than 2000 entries" in unassessed(document)
    assert document["verdict"]["decision"] == "reject"


def test_hundreds_of_keyrings_anywhere(world: World) -> None:
    """Each may be anywhere in the image; the layers are read once more for all of them."""
    lines = [f"deb [signed-by=/opt/keys/{n}.asc] {HOST}/none{n} bookworm main" for n in range(300)]
    world.files["opt/keys/7.asc"] = b"no key"
    document = judged(sources(world, *lines).run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert "keyring /opt/keys/8.asc: not in the image" in unassessed(document)
    assert "keyring /opt/keys/7.asc: no OpenPGP keyring" in unassessed(document)
    assert len([path for method, path in world.registry.requests if "/blobs/" in path]) == 3  # with the config


def test_a_keyring_that_is_no_keyring(updated: World) -> None:
    updated.files["usr/share/keyrings/test-archive-keyring.asc"] = b"nothing like it"
    unknown(updated.run(*ASSESS), "none of the keys that sign it is at hand")


def test_a_keyring_of_many_megabytes(updated: World) -> None:
    updated.files["usr/share/keyrings/test-archive-keyring.asc"] = b"x" * (9 << 20)
    document = unknown(updated.run(*ASSESS), "none of the keys that sign it is at hand")
    assert str(9 << 20) in unassessed(document)


@pytest.mark.parametrize("climb", ["..", "%2e%2e", "%252e%252e"])
def test_a_path_that_climbs_out_of_what_the_user_mapped(world: World, climb: str) -> None:
    """The image chooses the path; the map is the user's, of one folder. (apt decodes a `%2e` in sources.list.)"""
    world.mapped = "/debian"
    document = judged(sources(world, f"deb {HOST}/debian/{climb}/secret bookworm main").run(*ASSESS))
    assert document["grade"]["letter"] == "E"
    assert not [path for path in world.archive.requests if "secret" in path]
    assert f"{HOST.partition('//')[2]} is not among the allowed hosts" in unassessed(document)


def test_hundreds_of_thousands_of_entries_of_no_interest(updated: World) -> None:
    out = io.BytesIO()
    one = member("usr/share/x").tobuf()
    out.write(one * 300_000)
    assert judged(on_top(updated, layer(out.getvalue() + bytes(1024))).run(*ASSESS))["grade"]["letter"] == "A"


def test_more_wanted_files_than_any_image_has(updated: World) -> None:
    out = io.BytesIO()
    for number in range(201_000):
        out.write(member(f"etc/apt/{number}").tobuf(tarfile.USTAR_FORMAT))
    done = on_top(updated, layer(out.getvalue() + bytes(1024))).run(*ASSESS)
    refused(done, 5, "more than 200000 entries", "apt")
