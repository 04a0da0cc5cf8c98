"""What apk goes by: apk-repositories(5) and apk-world(5), with their own examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.repositories.apk.configuration import read_configuration
from affineur.repositories.apk.model import ApkConfiguration, Constraint


def read(**files: str) -> ApkConfiguration:
    named = {path.replace("__", "/").replace("_DOT_", "."): text.encode() for path, text in files.items()}
    return read_configuration({f"etc/apk/{path}": content for path, content in named.items()}, "x86_64")


def urls(configuration: ApkConfiguration) -> list[tuple[str, str]]:
    return [(each.tag, each.url) for each in configuration.repositories]


def test_what_alpine_writes() -> None:
    found = read(
        repositories="http://dl.example/alpine/v3.10/main\n"
        "# a comment\n\n"
        "@edge https://dl.example/alpine/edge/main/\n"
        "  @testing   https://dl.example/alpine/edge/testing\n"
        "#http://dl.example/alpine/v3.10/community\n",
        arch="x86_64\n",
        world="alpine-baselayout\nbusybox\n",
    )
    assert urls(found) == [
        ("", "http://dl.example/alpine/v3.10/main"),
        ("@edge", "https://dl.example/alpine/edge/main"),
        ("@testing", "https://dl.example/alpine/edge/testing"),
    ]
    first = found.repositories[0]
    assert first.index_of("x86_64") == "http://dl.example/alpine/v3.10/main/x86_64/APKINDEX.tar.gz"
    assert (first.path, first.line, found.repositories[1].line) == ("etc/apk/repositories", 1, 4)
    assert (found.architectures, found.problems) == (("x86_64",), ())


def test_the_manuals_example_of_variables_and_components() -> None:
    files = {
        "lib/apk/repositories.d/distribution.list": (
            b"set -default distro_mirror=https://example.com/distro\nv2 ${distro_mirror} main community\n"
        ),
        "etc/apk/repositories.d/00-vars.list": b"set distro_mirror=https://mirror.example.com/distro\n",
    }
    found = read_configuration(files, "x86_64")
    assert urls(found) == [
        ("", "https://mirror.example.com/distro/main"),
        ("", "https://mirror.example.com/distro/community"),
    ]
    alone = read_configuration({path: files[path] for path in files if "distribution" in path}, "x86_64")
    assert urls(alone)[0] == ("", "https://example.com/distro/main")


def test_of_one_name_in_several_folders_the_first_counts() -> None:
    found = read_configuration(
        {
            "etc/apk/repositories.d/a.list": b"https://one.example\n",
            "lib/apk/repositories.d/a.list": b"https://two.example\n",
            "lib/apk/repositories.d/b.list": b"https://three.example/${APK_ARCH}\n",
            "etc/apk/repositories.d/c.txt": b"https://four.example\n",
        },
        "aarch64",
    )
    assert urls(found) == [("", "https://one.example"), ("", "https://three.example/aarch64")]


def test_an_index_by_its_own_url() -> None:
    (one, two) = read(
        repositories="ndx @t https://a.example/x/APKINDEX.tar.gz\nhttps://b.example/own.tar.gz\n"
    ).repositories
    assert one.index_of("x86_64") == "https://a.example/x/APKINDEX.tar.gz"
    assert (one.tag, one.url, two.index_of("x86_64")) == ("@t", "https://a.example/x", "https://b.example/own.tar.gz")


def test_logins_are_never_part_of_what_is_asked() -> None:
    (one,) = read(repositories="https://user:secret@a.example/x\n").repositories
    assert one.has_login
    assert one.index_of("x86_64") == "https://a.example/x/x86_64/APKINDEX.tar.gz"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/media/cdrom/apks", "a folder in the image"),
        ("file:///srv/apks", "a folder in the image"),
        ("ftp://a.example/x", "only http and https"),
        ("v3 https://a.example/x main", "third format"),
        ("https://a.example/Packages.adb", "third format"),
        ("@edge", "no URL"),
        ("ndx https://a.example", "names no index"),
        ("https://", "only http and https"),
        ("https://a.example/${nothing}", "not set"),
        ("set APK_ARCH=evil", "no variable"),
        ("set a b", "no variable"),
    ],
)
def test_what_is_not_read_is_said_with_its_line(line: str, why: str) -> None:
    found = read(repositories=f"https://a.example/x\n{line}\n")
    assert len(found.repositories) == 1
    assert found.problems[0].startswith("etc/apk/repositories:2: ")
    assert why in found.problems[0]


def test_variables_do_not_grow_without_end() -> None:
    lines = ["set a=xxxxxxxxxx", *["set a=${a}${a}${a}"] * 50, "https://a.example/${a}"]
    found = read(repositories="\n".join(lines))
    assert len(found.problems) > 40
    assert all(len(each.url) < 3000 for each in found.repositories)


def test_too_many_repositories() -> None:
    found = read(repositories="".join(f"https://a.example/{n}\n" for n in range(500)))
    assert len(found.repositories) == 200
    assert found.unanswerable


def test_the_manuals_examples_of_world() -> None:
    world = "busybox\nbusybox@edge\n!unwanted\nbusybox=1.6.1\nbusybox>1.6.1\nbusybox>=1.6.1\nbusybox<1.6.1\n"
    world += "busybox~1.6\nbusybox>~1.6\nbusybox<~1.6\nbusybox><Q12l/v/T0pPK3aQaUWmI9djiLpF+g=\n"
    found = read(world=world)
    assert found.problems == ()
    assert found.world == (
        Constraint("busybox"),
        Constraint("busybox", "@edge"),
        Constraint("unwanted", conflict=True),
        Constraint("busybox", "", "=", "1.6.1"),
        Constraint("busybox", "", ">", "1.6.1"),
        Constraint("busybox", "", ">=", "1.6.1"),
        Constraint("busybox", "", "<", "1.6.1"),
        Constraint("busybox", "", "~", "1.6"),
        Constraint("busybox", "", ">~", "1.6"),
        Constraint("busybox", "", "<~", "1.6"),
        Constraint("busybox", "", "><", "Q12l/v/T0pPK3aQaUWmI9djiLpF+g="),
    )


def test_odd_words_of_world() -> None:
    found = read(world="so:libc.so.1 .build-deps=20230101.120000 a@edge=1 b=1@edge /bin/sh c=== d@ e=\n")
    assert [(each.name, each.tag, each.version) for each in found.world] == [
        ("so:libc.so.1", "", ""),
        (".build-deps", "", "20230101.120000"),
        ("a", "@edge", "1"),
        ("b", "@edge", "1"),
        ("/bin/sh", "", ""),
    ]
    assert len(found.problems) == 3


def test_keys_are_those_that_apk_goes_by() -> None:
    files = {
        "etc/apk/keys/a.rsa.pub": b"1",
        "lib/apk/keys/a.rsa.pub": b"2",
        "lib/apk/keys/b.rsa.pub": b"3",
        "usr/share/apk/keys/c.rsa.pub": b"4",
        "etc/apk/keys/old/d.rsa.pub": b"5",
    }
    assert read_configuration(files, "x86_64").keys == {"a.rsa.pub": b"1", "b.rsa.pub": b"3"}


def test_without_an_architecture_nothing_can_be_told() -> None:
    assert read_configuration({}, "").unanswerable
    assert read(arch="../../x").unanswerable


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_read(repositories: str, world: str) -> None:
    found = read(repositories=repositories, world=world)
    assert all(each.url.lower().startswith(("http://", "https://")) for each in found.repositories)
