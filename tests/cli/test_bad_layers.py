"""Layers that are broken, hostile or odd, through the command line: a clear sentence, the right exit code, no A."""

import gzip
import io
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.bending import (
    STATUS,
    member,
    on_top,
    plain,
)
from support.endings import ASSESS, judged, refused, unassessed, unknown
from support.registry import Layer, digest_of, layer, tar_of
from support.world import World, installed

BLOCK = 512
GO = Path(__file__).parents[1] / "streams" / "go-archive-tar.tsv"
"""How Go's archive/tar, with which engines unpack layers, gets on with each file of the corpus: `end` or `error`."""
NO_ARCHIVE = {"small.txt", "small2.txt"}
LARGE_HEADER = {"pax-bad-hdr-large.tar.bz2"}  # "pax header too large": the error of Go's reader_test.go
GONE_THROUGH = {"testtar.tar.xz"}  # of CPython's tests, that read it to its end


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
