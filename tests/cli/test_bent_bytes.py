"""Bytes bent at random, anywhere on the way: the exit code is one of ours, and no letter is better than the truth."""

import io
import json
import tarfile
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.command import Done
from support.endings import ASSESS
from support.registry import Layer, digest_of, layer, tar_of
from support.world import World

EXAMPLES = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
AT_MOST_S = 20.0
"""For one run, on a machine that has other things to do."""
STATUS = "var/lib/dpkg/status"
TOKENS = [
    b"", b"\n", b"\n\n", b"\0", b"\xff", b" ", b":", b"Status: ", b"Version: 9\n", b"Package: *\n", b"[", b"]", b"#",
    b"-----BEGIN PGP SIGNED MESSAGE-----\n", b"-----BEGIN PGP SIGNATURE-----\n", b"- ", b'"', b"{", b"}", b"\\u0000",
    b"\xc3\x28", b"\xed\xb3\xbf", b"${x}", b"%s", b"/../", b"1e999", b"../" * 9, b"9" * 40,
]  # fmt: skip


class Bend(NamedTuple):
    """Replace `length` bytes at a fraction of the whole by others."""

    place: float
    length: int
    new: bytes

    def of(self, content: bytes) -> bytes:
        """The content, bent."""
        start = int(self.place * len(content))
        return content[:start] + self.new + content[start + self.length :]


def bent(content: bytes, bends: list[Bend]) -> bytes:
    for bend in bends:
        content = bend.of(content)
    return content


places = st.floats(0, 1, exclude_max=True)
anything = st.one_of(
    st.builds(Bend, places, st.just(1), st.binary(min_size=1, max_size=1)),  # another byte
    st.builds(Bend, places, st.just(1 << 30), st.just(b"")),  # cut short
    st.builds(Bend, places, st.integers(0, 40), st.sampled_from(TOKENS)),
    st.builds(Bend, places, st.integers(0, 200), st.binary(max_size=8)),
)
bends = st.lists(anything, min_size=1, max_size=3)


@pytest.fixture(scope="module")
def unbent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A published world: an image that lacks a Critical erratum, an E."""
    with World(tmp_path_factory.mktemp("bent")) as world:
        world.publish()
        assert run(world)[1] == "E"
        yield world


def run(world: World) -> tuple[Done, str | None]:
    """Judge the image of the tag as it is now; its letter, None where there is none."""
    started = time.monotonic()
    done = world.run_inside(*ASSESS, publish=False)
    assert time.monotonic() - started < AT_MOST_S
    assert done.code in (0, 1, 2, 3, 4, 5), done
    assert done.code != 2, done  # the user did nothing wrong
    if done.out:
        document = done.document
        assert {"accept": 0, "reject": 1, "undetermined": 3}[document["verdict"]["decision"]] == done.code
        letter: str | None = document["grade"]["letter"]
        return done, letter
    assert done.code in (4, 5)
    assert done.err.splitlines()[-1].startswith("affineur: ")
    return done, None


def is_no_better(world: World) -> None:
    """The truth is an E."""
    done, letter = run(world)
    assert letter in (None, "E", "F"), (letter, done.out)
    assert done.code != 0


def push(world: World, files: dict[str, bytes]) -> None:
    world.registry.push("team/app", "1", [tar_of(files)])


def image_files(world: World) -> dict[str, bytes]:
    files = {path: content for path, content in world.files.items() if content is not None}
    return {**files, STATUS: "\n".join(world.status).encode()}


@pytest.mark.parametrize(
    "ending",
    ["bookworm/InRelease", "bookworm-updates/InRelease", "bookworm-security/InRelease", "security/main/binary-amd64"],
)
@EXAMPLES
@given(bends=bends)
def test_the_archive(unbent: World, ending: str, bends: list[Bend]) -> None:
    """Release files, and every form of an index at once."""
    before = dict(unbent.archive.files)
    try:
        for path in before:
            if ending in path:
                unbent.archive.files[path] = bent(before[path], bends)
        is_no_better(unbent)
    finally:
        unbent.archive.files = before


@EXAMPLES
@given(bends=bends)
def test_a_layer_as_transferred(unbent: World, bends: list[Bend]) -> None:
    """With the digest that the bent bytes have."""
    content = bent(layer(unbent.layer()).content, bends)
    unbent.registry.push("team/app", "1", [Layer(content, digest_of(unbent.layer()))])
    run_unless_changed(unbent, content)


@EXAMPLES
@given(bends=bends)
def test_a_layer_as_unpacked(unbent: World, bends: list[Bend]) -> None:
    content = bent(unbent.layer(), bends)
    unbent.registry.push("team/app", "1", [content])
    run_unless_changed(unbent, content)


def run_unless_changed(world: World, archive: bytes) -> None:
    """Bent bytes may say another truth; Python's tarfile tells whether the package database is still what it was."""
    done, letter = run(world)
    if letter in (None, "E", "F"):
        return
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            database = opened.extractfile(STATUS)
            content = database.read() if database else b""
    except (tarfile.TarError, KeyError, EOFError, OSError):
        content = b""
    assert content != image_files(world)[STATUS], done.out


@EXAMPLES
@given(bends=bends)
def test_the_package_database(unbent: World, bends: list[Bend]) -> None:
    """A record that is left as it was keeps the letter where it is, whatever is around it."""
    files = image_files(unbent)
    files[STATUS] = bent(files[STATUS], bends)
    push(unbent, files)
    done, letter = run(unbent)
    record = next(each for each in unbent.status if each.startswith("Package: openssl\n")).encode()
    if letter not in (None, "E", "F"):
        assert b"\n\n" + record + b"\n" not in b"\n\n" + files[STATUS] + b"\n", done.out


@pytest.mark.parametrize(
    "path", ["etc/apt/sources.list", "etc/os-release", "usr/share/keyrings/test-archive-keyring.asc"]
)
@EXAMPLES
@given(bends=bends)
def test_a_file_of_the_image(unbent: World, path: str, bends: list[Bend]) -> None:
    files = image_files(unbent)
    files[path] = bent(files[path], bends)
    push(unbent, files)
    is_no_better(unbent)


@pytest.mark.parametrize("path", ["etc/apt/preferences", "etc/apt/apt.conf", "etc/apt/sources.list.d/x.sources"])
@EXAMPLES
@given(bends=bends)
def test_a_file_that_apt_reads_too(unbent: World, path: str, bends: list[Bend]) -> None:
    content = {
        "etc/apt/preferences": b"Explanation: x\nPackage: openssl:any src:tzdata /^lib/\n"
        b"Pin: release o=Debian,n=bookworm*\nPin-Priority: 990\n",
        "etc/apt/apt.conf": b'APT { Default-Release "bookworm"; Architectures { "amd64"; "i386"; }; };\n// x\n',
        "etc/apt/sources.list.d/x.sources": b"Types: deb\nURIs: http://archive.example/debian\nSuites: bookworm\n"
        b"Components: main\nSigned-By: /usr/share/keyrings/test-archive-keyring.asc\n",
    }[path]
    push(unbent, {**image_files(unbent), path: bent(content, bends)})
    is_no_better(unbent)


@pytest.mark.parametrize("which", ["manifest", "config", "index"])
@EXAMPLES
@given(bends=bends)
def test_the_documents_of_the_image(unbent: World, which: str, bends: list[Bend]) -> None:
    digest = unbent.registry.push("team/app", None, [unbent.layer()])
    found = unbent.registry.manifest("team/app", digest)
    assert found is not None
    content, media_type = found
    if which == "config":
        manifest = json.loads(content)
        true = unbent.registry.blob("team/app", manifest["config"]["digest"])
        assert true is not None
        config = bent(true, bends)
        manifest["config"] |= {"digest": unbent.registry.add_blob("team/app", config), "size": len(config)}
        content = json.dumps(manifest).encode()
    elif which == "manifest":
        content = bent(content, bends)
    else:
        platform = {"os": "linux", "architecture": "amd64"}
        index = unbent.registry.push_index("team/app", None, [{"digest": digest, "platform": platform}])
        found = unbent.registry.manifest("team/app", index)
        assert found is not None
        content, media_type = bent(found[0], bends), found[1]
    unbent.registry.add_manifest("team/app", "1", content, media_type)
    is_no_better(unbent)


@EXAMPLES
@given(bends=bends)
def test_the_feed(unbent: World, bends: list[Bend]) -> None:
    """What is lost of the notices is made up for by the archive's own word: a bound, and no letter."""
    before = unbent.feed.archives["Debian"]
    push(unbent, image_files(unbent))
    try:
        unbent.feed.archives["Debian"] = bent(before, bends)
        for file in (unbent.folder / "cache").glob("osv*"):
            file.unlink()
        is_no_better(unbent)
    finally:
        unbent.feed.archives["Debian"] = before
