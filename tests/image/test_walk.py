"""The merged image as an engine would have it, for several readers at once, and each layer fetched once."""

import gzip
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affineur.errors import ContentError, DigestMismatch, LimitExceeded, MalformedArchive, MalformedDatabase
from affineur.image.reader import Verbatim
from affineur.image.walk import walk
from affineur.oci.descriptor import Descriptor
from affineur.store.layers import LayerStore
from support.layers import GZIP, Layers, directory, file, hard, layer, link, opaque, whiteout

ETC = Verbatim("etc", 1, ("etc/**",))
RELEASE = Verbatim("release", 1, ("etc/os-release", "usr/lib/os-release"), settled_by=("etc/os-release",))
STATUS = Verbatim("status", 1, ("var/lib/dpkg/status", "var/lib/dpkg/status.d/*"), settled_by=("var/lib/dpkg/status",))


def contents(image: Layers, reader: Verbatim = ETC) -> dict[str, bytes]:
    return {path: located.facts for path, located in image.walk(reader).facts(reader).items()}


def test_later_layers_win_and_later_entries_within_one() -> None:
    image = Layers(
        layer(file("etc/a", "1"), file("etc/b", "1"), file("etc/b", "2")),
        layer(file("etc/a", "3"), file("var/etc/x", "no")),
    )
    assert contents(image) == {"etc/a": b"3", "etc/b": b"2"}
    tree = image.walk(ETC)
    assert (tree.layer_of("/etc/a"), tree.layer_of("etc/b"), tree.layer_of("etc/c")) == (1, 0, None)
    assert sorted(image.fetches) == [0, 0, 1, 1]


@pytest.mark.parametrize("prefix", ["", "./", "/", ".//", "././"])
def test_names_may_be_written_in_several_ways(prefix: str) -> None:
    image = Layers(layer(directory(f"{prefix}etc"), file(f"{prefix}etc/a", "1")), layer(whiteout(f"{prefix}etc/a")))
    assert contents(Layers(layer(file(f"{prefix}etc/a", "1")))) == {"etc/a": b"1"}
    assert contents(image) == {}


def test_whiteouts_hide_lower_layers_only() -> None:
    # image-spec, layer.md: "Whiteout files MUST only apply to resources in lower/parent layers", in whatever order
    base = layer(file("etc/a", "1"), file("etc/d/b", "1"), file("etc/d/e/c", "1"))
    assert contents(Layers(base, layer(whiteout("etc/a")))) == {"etc/d/b": b"1", "etc/d/e/c": b"1"}
    assert contents(Layers(base, layer(whiteout("etc/d")))) == {"etc/a": b"1"}
    assert contents(Layers(base, layer(whiteout("etc")))) == {}
    assert contents(Layers(base, layer(file("etc/a", "2"), whiteout("etc/a"), whiteout("etc/d")))) == {"etc/a": b"2"}
    assert contents(Layers(base, layer(whiteout("etc/ab"), whiteout("etc/d/e/cc")))) == contents(Layers(base))


def test_opaque_directories_hide_lower_layers_only() -> None:
    base = layer(file("etc/a", "1"), file("etc/d/b", "1"), file("etc/dd", "1"))
    assert contents(Layers(base, layer(file("etc/d/c", "2"), opaque("etc/d")))) == {
        "etc/a": b"1",
        "etc/d/c": b"2",
        "etc/dd": b"1",
    }
    assert contents(Layers(base, layer(opaque("etc")), layer(file("etc/z", "3")))) == {"etc/z": b"3"}
    assert contents(Layers(base, layer(opaque("")))) == {}


def test_aufs_own_files_mean_nothing() -> None:
    assert contents(Layers(layer(file("etc/a", "1")), layer(file("etc/.wh..wh.plnk", "")))) == {"etc/a": b"1"}


def test_a_directory_is_replaced_by_a_file_and_a_file_by_a_directory() -> None:
    base = layer(file("etc/d/a", "1"), file("etc/f", "1"))
    assert contents(Layers(base, layer(file("etc/d", "2")))) == {"etc/d": b"2", "etc/f": b"1"}
    assert contents(Layers(base, layer(directory("etc/f"), file("etc/f/x", "2")))) == {"etc/d/a": b"1", "etc/f/x": b"2"}
    assert contents(Layers(base, layer(file("etc", "2")))) == {}
    assert contents(Layers(base, layer(link("etc/d", "nowhere")))) == {"etc/f": b"1"}


def test_links_are_followed_inside_the_image() -> None:
    base = layer(file("usr/lib/os-release", "ID=a"), link("etc/os-release", "../usr/lib/os-release"))
    tree = Layers(base).walk(RELEASE)
    assert {path: found.real for path, found in tree.facts(RELEASE).items()} == {
        "etc/os-release": "usr/lib/os-release",
        "usr/lib/os-release": "usr/lib/os-release",
    }
    for target in ("/usr/lib/os-release", "../../../../usr/lib/os-release", "../etc/./../usr//lib/os-release"):
        image = Layers(layer(file("usr/lib/os-release", "ID=a"), link("etc/os-release", target)))
        assert contents(image, RELEASE)["etc/os-release"] == b"ID=a"
        assert image.fetches == [0]


def test_a_link_out_of_what_was_wanted_costs_one_more_look() -> None:
    image = Layers(
        layer(file("opt/release/os", "ID=old"), link("opt/here", "release")),
        layer(link("etc/os-release", "/opt/here/os"), file("opt/release/os", "ID=new")),
    )
    tree = image.walk(RELEASE)
    assert tree.facts(RELEASE)["etc/os-release"].facts == b"ID=new"
    assert tree.facts(RELEASE)["etc/os-release"].real == "opt/release/os"
    assert tree.fetched == 2 + tree.fetched_again
    assert 2 <= tree.fetched_again <= 4


@pytest.mark.parametrize("reader", [RELEASE, ETC])
def test_loops_are_told(reader: Verbatim) -> None:
    tree = Layers(layer(link("etc/os-release", "x"), link("etc/x", "os-release"))).walk(reader)
    assert tree.facts(reader) == {}
    assert [gap.what for gap in tree.unassessed][:1] == ["/etc/os-release"]


def test_a_chain_of_links_longer_than_linux_follows() -> None:
    chain = [link(f"etc/{number}", str(number + 1)) for number in range(60)]
    tree = Layers(layer(*chain, file("etc/60", "end"))).walk(ETC)
    followed = [path for path, located in tree.facts(ETC).items() if path != located.real]
    assert len(followed) == 40  # MAXSYMLINKS
    assert len(tree.unassessed) == 20


def test_a_link_to_nowhere_is_nothing() -> None:
    tree = Layers(layer(link("etc/os-release", "/nowhere/at/all"))).walk(RELEASE)
    assert tree.facts(RELEASE) == {}
    assert tree.unassessed == ()


def test_linked_directories_on_the_way() -> None:
    image = Layers(
        layer(link("var/lib/dpkg", "../../usr/share/dpkg"), file("usr/share/dpkg/status", "old")),
        layer(file("usr/share/dpkg/status.d/one", "1")),
        layer(file("var/lib/dpkg/status", "written through the link")),
    )
    assert contents(image, STATUS) == {
        "var/lib/dpkg/status": b"written through the link",
        "var/lib/dpkg/status.d/one": b"1",
    }


def test_a_directory_that_replaces_a_link_ends_it() -> None:
    image = Layers(
        layer(link("etc/d", "/opt/d"), file("opt/d/a", "1")),
        layer(directory("etc/d"), file("etc/d/b", "2")),
    )
    assert contents(image) == {"etc/d/b": b"2"}


def test_merged_usr() -> None:
    reader = Verbatim("lib", 1, ("usr/lib/os-release", "lib/apk/db/installed"))
    base = layer(link("lib", "usr/lib"), file("usr/lib/os-release", "1"))
    image = Layers(base, layer(file("lib/os-release", "2"), file("usr/lib/apk/db/installed", "3")))
    assert contents(image, reader) == {"usr/lib/os-release": b"2", "lib/apk/db/installed": b"3"}
    assert sorted(image.fetches) == [0, 1]


def test_a_link_to_a_directory_of_files() -> None:
    reader = Verbatim("lists", 1, ("etc/apt/sources.list.d/*", "etc/apt/**"))
    image = Layers(
        layer(link("etc/apt/sources.list.d", "/opt/lists"), file("opt/lists/a.list", "a"), file("etc/apt/x", "x")),
        layer(file("opt/lists/b.list", "b"), link("etc/apt/root", "/")),
    )
    found = contents(image, reader)
    assert found == {"etc/apt/sources.list.d/a.list": b"a", "etc/apt/sources.list.d/b.list": b"b", "etc/apt/x": b"x"}


def test_hard_links_are_second_names_for_what_was_there() -> None:
    image = Layers(
        layer(file("etc/a", "1"), hard("etc/b", "etc/a"), file("etc/a", "2")),
        layer(hard("etc/c", "./etc/a"), hard("etc/d", "etc/none")),
        layer(file("etc/a", "3"), whiteout("etc/b")),
    )
    assert contents(image) == {"etc/a": b"3", "etc/c": b"2"}


def test_a_hard_link_out_of_what_was_wanted() -> None:
    image = Layers(layer(file("opt/a", "1")), layer(hard("etc/b", "opt/a")), layer(file("opt/a", "2")))
    assert contents(image) == {"etc/b": b"1"}


@pytest.mark.parametrize("name", ["../../etc/x", "/../etc/x", "usr/../../etc/x", ".."])
def test_names_that_lead_out_of_the_image_are_refused(name: str) -> None:
    with pytest.raises(MalformedArchive, match="leads out of the image"):
        Layers(layer(file(name, "x"))).walk(ETC)
    with pytest.raises(MalformedArchive, match="leads out of the image"):
        Layers(layer(hard("etc/x", name))).walk(ETC)


def test_dots_that_stay_inside_are_only_another_spelling() -> None:
    assert contents(Layers(layer(file("usr/../etc/./x", "1"), file("etc/a..b", "2")))) == {
        "etc/x": b"1",
        "etc/a..b": b"2",
    }


def test_read_and_also() -> None:
    image = Layers(
        layer(file("usr/share/keyrings/a.gpg", "old"), file("etc/x", "x")),
        layer(file("usr/share/keyrings/a.gpg", "key"), link("usr/share/keyrings/b.gpg", "a.gpg")),
    )
    tree = image.walk(ETC)
    assert tree.read("/etc/x") == b"x"
    assert tree.read("etc/absent") is None
    assert sorted(image.fetches) == [0, 1]
    tree.also(["/usr/share/keyrings/a.gpg", "/usr/share/keyrings/b.gpg", "/../usr/share/../share/absent"])
    assert sorted(image.fetches) == [0, 0, 1, 1]
    assert tree.read("/usr/share/keyrings/a.gpg") == b"key"
    assert tree.read("/usr/share/keyrings/b.gpg") == b"key"
    assert tree.read("/usr/share/absent") is None
    tree.also(["/usr/share/keyrings/a.gpg"])
    assert tree.fetched_again == 2
    assert tree.read("/usr/share/other") is None
    assert tree.fetched_again == 4


class Counting:
    """Facts are the lengths; a file that begins with `!` is broken."""

    name = "counting"
    version = 1
    paths = ("etc/*",)
    limit = 1000
    facts_type = int
    settled_by = ()

    def extract(self, path: str, content: bytes) -> int:
        if content.startswith(b"!"):
            raise MalformedDatabase(path, 1, "broken")
        return len(content)


def test_only_what_is_still_there_may_be_broken() -> None:
    base = layer(file("etc/a", "!"), file("etc/b", b"x" * 1001), file("etc/c", "12"))
    tree = Layers(base).walk(Counting())
    assert {path: located.facts for path, located in tree.facts(Counting()).items()} == {"etc/c": 2}
    broken = tree.broken(Counting())
    assert isinstance(broken["etc/a"], MalformedDatabase)
    assert str(broken["etc/a"]) == "etc/a:1: broken"
    assert isinstance(broken["etc/b"], LimitExceeded)
    tree = Layers(base, layer(file("etc/a", "1"), whiteout("etc/b"))).walk(Counting())
    assert tree.broken(Counting()) == {}


def test_facts_are_remembered_by_layer_reader_and_version(tmp_path: Path) -> None:
    store = LayerStore(tmp_path)
    base, top = (
        layer(file("etc/a", "12"), file("etc/broken", "!")),
        layer(link("etc/l", "/opt/x"), file("opt/x", "123")),
    )
    image = Layers(base, top)
    reader = Counting()
    first = image.walk(reader, memory=store)
    assert sorted(image.fetches) == [0, 0, 1, 1]
    again = image.walk(reader, memory=store)
    assert (again.fetched, len(image.fetches)) == (0, 4)
    assert again.facts(reader) == first.facts(reader)
    assert {path: located.facts for path, located in again.facts(reader).items()} == {"etc/a": 2, "etc/l": 3}
    assert str(again.broken(reader)["etc/broken"]) == "etc/broken:1: broken"
    reader.version = 2
    assert image.walk(reader, memory=store).fetched == 4
    other = Layers(base, layer(file("etc/z", "1234")))
    assert other.walk(reader, memory=store).fetched == 1
    assert image.walk(ETC, reader, memory=store).fetched >= 2
    store.close()


def test_the_digest_must_hold_even_beyond_the_archives_end() -> None:
    image = Layers(layer(file("etc/a", "1")))
    good = image.layers[0]
    content = b"".join(image.blob(good)) + b"more"
    other = Layers(content)

    class Lying:
        def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
            yield content
            raise DigestMismatch("test", str(descriptor.digest), "another")

    with pytest.raises(DigestMismatch):
        walk(Lying(), other.layers, [ETC])


def test_layers_that_are_not_read_are_named() -> None:
    types = [GZIP, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", GZIP + "+encrypted"]
    image = Layers(layer(file("etc/a", "1")), layer(file("etc/a", "2")), layer(file("etc/a", "3")), media_types=types)
    tree = image.walk(ETC, stop_early=True)
    assert tree.facts(ETC)["etc/a"].facts == b"1"
    assert [gap.why for gap in tree.unassessed] == [
        f"a foreign layer ({types[1]}) is not fetched",
        f"an encrypted layer ({types[2]}) cannot be read",
    ]
    assert [gap.what[:12] for gap in tree.unassessed] == ["layer 2 of 3", "layer 3 of 3"]


def test_stops_early_when_the_top_settles_it() -> None:
    base = layer(file("var/lib/dpkg/status", "0"), file("etc/os-release", "ID=a"))
    touched = [layer(file("var/lib/dpkg/status", str(number))) for number in range(1, 30)]
    image = Layers(base, *touched)
    tree = image.walk(STATUS, RELEASE, stop_early=True)
    assert tree.facts(STATUS)["var/lib/dpkg/status"].facts == b"29"
    assert tree.facts(RELEASE)["etc/os-release"].facts == b"ID=a"
    assert sorted(image.fetches) == [0, 29]
    assert {gap.what for gap in tree.unassessed} == {"layers 2 to 29 of 30"}
    assert [gap.why for gap in tree.unassessed] == [
        "not read, since others settle status; not looked for there:"
        " /var/lib/dpkg/status.d/*, /etc/os-release, /usr/lib/os-release"
    ]
    full = Layers(base, *touched).walk(STATUS, RELEASE)
    assert full.facts(STATUS) == tree.facts(STATUS)
    assert full.unassessed == ()


def test_what_a_skipped_layer_may_have_hidden_is_not_in_the_answer() -> None:
    base = layer(file("var/lib/dpkg/status.d/old", "old"), file("etc/os-release", "ID=a"))
    image = Layers(
        base, layer(whiteout("var/lib/dpkg/status.d")), layer(file("x", "")), layer(file("var/lib/dpkg/status", "1"))
    )
    tree = image.walk(STATUS, RELEASE, stop_early=True)
    assert list(tree.facts(STATUS)) == ["var/lib/dpkg/status"]
    assert list(tree.facts(RELEASE)) == ["etc/os-release"]
    assert len(image.fetches) == 2


def test_reads_on_until_it_is_settled() -> None:
    base = layer(file("etc/hosts", ""))
    middle = [layer(file("var/lib/dpkg/status", "1")), layer(file("etc/os-release", "ID=a")), layer(file("x", ""))]
    image = Layers(base, *middle)
    tree = image.walk(STATUS, RELEASE, stop_early=True)
    assert sorted(image.fetches) == [0, 1, 2, 3]
    assert tree.unassessed == ()
    nothing = Layers(base, layer(file("x", ""))).walk(STATUS, RELEASE, stop_early=True)
    assert (nothing.facts(STATUS), nothing.unassessed, nothing.fetched) == ({}, (), 2)
    removed = Layers(base, *middle, layer(whiteout("var/lib/dpkg/status"))).walk(STATUS, RELEASE, stop_early=True)
    assert (removed.facts(STATUS), removed.fetched) == ({}, 5)


def test_a_bomb_and_a_truncated_layer_end_in_content_errors() -> None:
    bomb = gzip.compress(layer(file("etc/a", bytes(3 << 20))), 1)
    with pytest.raises(MalformedArchive):
        Layers(bomb).walk(ETC)
    with pytest.raises(ContentError):
        Layers(layer(file("etc/a", os.urandom(100_000)))[:50_000]).walk(ETC)


def test_a_status_of_ten_gigabytes_is_a_limit() -> None:
    info = tarfile.TarInfo("var/lib/dpkg/status")
    info.size = 10 * 1024**3
    with pytest.raises(LimitExceeded, match="10737418240 bytes"):
        Layers(gzip.compress(info.tobuf(tarfile.GNU_FORMAT))).walk(STATUS)


# The law behind all of the above: the walk's merged image equals what applying the layers to a real folder gives.
NAMES = ["a", "b", "c"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda parts: "etc/" + "/".join(parts))
ENTRIES = st.one_of(
    st.tuples(st.just("file"), PATHS, st.text("xyz", max_size=2)),
    st.tuples(st.just("directory"), PATHS, st.just("")),
    st.tuples(st.just("whiteout"), PATHS, st.just("")),
    st.tuples(st.just("opaque"), PATHS, st.just("")),
)


def applied(layers: list[list[tuple[str, str, str]]]) -> dict[str, bytes]:
    """Layers applied one after another, written down from image-spec's layer.md § Applying Changesets."""
    files: dict[str, bytes] = {}

    def remove(path: str, itself: bool) -> None:
        for other in [o for o in files if o.startswith(path + "/") or (itself and o == path)]:
            del files[other]

    for entries in layers:
        for kind, path, _ in entries:
            if kind in ("whiteout", "opaque"):
                remove(path, kind == "whiteout")
        for kind, path, content in entries:
            if kind in ("file", "directory"):
                parts = path.split("/")
                for count in range(1, len(parts)):
                    files.pop("/".join(parts[:count]), None)
                if kind == "file":
                    remove(path, True)
                    files[path] = content.encode()
                else:
                    files.pop(path, None)
    return files


@given(st.lists(st.lists(ENTRIES, max_size=5), min_size=1, max_size=4))
@settings(deadline=None, max_examples=200)
def test_merging_is_applying_in_order(layers: list[list[tuple[str, str, str]]]) -> None:
    make = {"directory": directory, "whiteout": whiteout, "opaque": opaque}
    built = [
        layer(*[file(path, content) if kind == "file" else make[kind](path) for kind, path, content in entries])
        for entries in layers
    ]
    assert contents(Layers(*built)) == applied(layers)


def test_names_with_wildcards_mean_themselves() -> None:
    # a link or a Signed-By chosen by the image must not make us read all of it
    image = Layers(
        layer(
            link("etc/os-release", "/**"),
            link("usr/lib/os-release", "/opt/*"),
            file("opt/*", "itself"),
            file("opt/other", "no"),
            file("secret", "no"),
        )
    )
    tree = image.walk(RELEASE)
    assert {path: located.facts for path, located in tree.facts(RELEASE).items()} == {"usr/lib/os-release": b"itself"}
    assert tree.read("/opt/*") == b"itself"
    assert tree.read("/**") is None
    assert tree.read("/opt/?ther") is None
    assert tree.read("/opt/\\*") is None


def test_links_to_more_places_than_anyone_needs_are_named_and_not_followed() -> None:
    links = [link(f"etc/{number}", f"/opt/{number}") for number in range(1001)]
    image = Layers(layer(*links, file("etc/x", "x"), file("opt/1", "1")))
    tree = image.walk(ETC)
    assert list(tree.facts(ETC)) == ["etc/x"]
    assert len(tree.unassessed) == 21
    assert tree.unassessed[-1].what == "981 paths more"
    assert image.fetches == [0]


def test_one_broken_layer_ends_the_other_one_too() -> None:
    broken = Layers(layer(file("etc/a", "1"))[:-30], layer(file("etc/a", "1")))
    endless = broken.layers[1]

    class Slow:
        def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
            if descriptor is not endless:
                yield from broken.blob(descriptor)
                return
            info = tarfile.TarInfo("large")
            info.size = 1 << 60
            yield info.tobuf(tarfile.GNU_FORMAT)
            while True:
                yield bytes(1000)

    with pytest.raises(ContentError):
        walk(Slow(), broken.layers, [ETC])


def test_a_status_in_the_base_settles_nothing_while_layers_above_it_are_unread() -> None:
    base = layer(file("var/lib/dpkg/status", "old"), file("etc/os-release", "ID=old"))
    middle = [layer(file("x", "")), layer(file("var/lib/dpkg/status", "new")), layer(file("etc/os-release", "ID=new"))]
    image = Layers(base, *middle, layer(file("y", "")))
    tree = image.walk(STATUS, RELEASE, stop_early=True)
    assert tree.facts(STATUS)["var/lib/dpkg/status"].facts == b"new"
    assert tree.facts(RELEASE)["etc/os-release"].facts == b"ID=new"
    assert 0 in image.fetches
    assert 4 in image.fetches
    large = "application of ten layers"
    image = Layers(base, *[layer(file(f"opt/{number}", large)) for number in range(10)])
    tree = image.walk(STATUS, RELEASE, stop_early=True)
    assert sorted(image.fetches) == list(range(11))
    assert tree.unassessed == ()


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [
                    ("file", "var/lib/dpkg/status"),
                    ("file", "etc/os-release"),
                    ("file", "usr/lib/os-release"),
                    ("whiteout", "var/lib/dpkg/status"),
                    ("whiteout", "var/lib"),
                    ("opaque", "etc"),
                    ("directory", "var"),
                    ("file", "x"),
                ]
            ),
            max_size=3,
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(deadline=None, max_examples=200)
def test_stopping_early_never_changes_what_is_installed(layers: list[list[tuple[str, str]]]) -> None:
    make = {"directory": directory, "whiteout": whiteout, "opaque": opaque}
    built = [
        layer(*[file(path, f"{path} of {n}") if kind == "file" else make[kind](path) for kind, path in entries])
        for n, entries in enumerate(layers)
    ]
    full, early = Layers(*built).walk(STATUS, RELEASE), Layers(*built).walk(STATUS, RELEASE, stop_early=True)
    assert early.facts(STATUS) == full.facts(STATUS)
    if early.unassessed:
        assert early.fetched < len(layers)
    else:
        assert early.facts(RELEASE).get("etc/os-release") == full.facts(RELEASE).get("etc/os-release")
