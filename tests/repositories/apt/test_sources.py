"""sources.list in both forms; tests/system/test_apt_configuration.py puts made files to the real apt."""

import pytest

from affineur.repositories.apt.configuration import read_configuration
from affineur.repositories.apt.model import AptConfiguration, SourceEntry

FINGERPRINT = "F6ECB3762474EDA9D21B7022871920D1991BC93C"


def read(text: str, name: str = "sources.list", **more: str) -> AptConfiguration:
    files = {f"etc/apt/{name}": text.encode(), **{path: content.encode() for path, content in more.items()}}
    return read_configuration(files, "amd64")


def one(text: str, name: str = "sources.list") -> SourceEntry:
    configuration = read(text, name)
    assert configuration.problems == ()
    (entry,) = configuration.sources
    return entry


def test_a_line() -> None:
    entry = one("deb http://archive.example/debian bookworm main contrib # why\n")
    assert entry == SourceEntry(
        "http://archive.example/debian/", "bookworm", ("main", "contrib"), path="etc/apt/sources.list", line=1
    )


def test_the_options_of_a_line() -> None:
    entry = one(
        "\n# a comment\ndeb [ arch=amd64,i386 trusted=yes signed-by=/usr/share/keyrings/a.gpg,/etc/b.asc by-hash=force "
        "check-valid-until=no allow-insecure=no ] http://archive.example/ sid main"
    )
    assert entry.architectures == ("amd64", "i386")
    assert entry.trusted is True
    assert entry.signed_by == ("/usr/share/keyrings/a.gpg", "/etc/b.asc")
    assert (entry.by_hash, entry.check_valid_until, entry.allow_insecure, entry.line) == ("force", False, False, 3)


@pytest.mark.parametrize(
    ("option", "architectures"),
    [
        ("arch+=armhf", ("amd64", "i386", "armhf")),
        ("arch-=i386", ("amd64",)),
        ("arch=armhf arch+=amd64", ("armhf", "amd64")),
        ("arch-=amd64 arch+=armhf", ("i386", "armhf")),
    ],
)
def test_architectures_are_added_and_removed(option: str, architectures: tuple[str, ...]) -> None:
    line = f"deb [{option}] http://archive.example/ sid main"
    (entry,) = read(line, **{"var/lib/dpkg/arch": "amd64\ni386\n"}).sources
    assert entry.architectures == architectures


def test_flat_repositories_have_no_components() -> None:
    assert one("deb http://archive.example/ ./").suite == "./"
    assert one("deb http://archive.example/ $(ARCH)/").suite == "amd64/"
    assert read("deb http://archive.example/ ./ main").unanswerable


def test_other_places_are_kept_as_entries() -> None:
    text = (
        "deb cdrom:[Debian GNU/Linux 12 amd64]/ bookworm main\ndeb file:/srv/local ./\n"
        "deb mirror+http://mirrors.example/list bookworm main\n"
    )
    uris = [entry.uri for entry in read(text).sources]
    assert uris == [
        "cdrom:[Debian GNU/Linux 12 amd64]/", "file:/srv/local/", "mirror+http://mirrors.example/list/",
    ]  # fmt: skip


def test_a_stanza_gives_uris_times_suites() -> None:
    text = (
        "# Debian\nTypes: deb deb-src\nURIs: http://one.example/ http://two.example\n"
        "Suites: bookworm bookworm-updates\n"
        f"Components: main\nSigned-By: {FINGERPRINT}\nArchitectures-Add: i386\nEnabled: yes\n\n"
        "Types: deb\nEnabled: no\nURIs: nonsense\n"
    )
    configuration = read(text, "sources.list.d/debian.sources")
    assert [(entry.uri, entry.suite) for entry in configuration.sources] == [
        ("http://one.example/", "bookworm"),
        ("http://one.example/", "bookworm-updates"),
        ("http://two.example/", "bookworm"),
        ("http://two.example/", "bookworm-updates"),
    ]
    assert {(entry.signed_by, entry.architectures, entry.line) for entry in configuration.sources} == {
        ((FINGERPRINT,), ("amd64", "i386"), 2)
    }


def test_a_key_within_a_stanza() -> None:
    text = (
        "Types: deb\nURIs: http://archive.example/\nSuites: sid\nComponents: main\nSigned-By:\n"
        " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY\n -----END PGP PUBLIC KEY BLOCK-----\n"
    )
    entry = one(text, "sources.list.d/own.sources")
    assert entry.signed_by == ()
    assert entry.signed_by_inline == (
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEY\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )


def test_the_main_file_comes_first_then_the_others_by_the_bytes_of_their_names() -> None:
    files = {
        f"etc/apt/{name}": f"deb http://{host}.example/ sid main\n".encode()
        for name, host in {
            "sources.list.d/9.list": "fourth", "sources.list.d/B.list": "fifth", "sources.list.d/a.list": "sixth",
            "sources.list.d/10.list": "third", "sources.list": "first", "sources.list.d/-.list": "second",
            "sources.list.d/x.list.save": "no", "sources.list.d/no": "no", "sources.list.d/.x.list": "no",
            "sources.list.d/x~.list": "no", "sources.list.d/sub/x.list": "no", "sources.list.d/x.": "no",
        }.items()
    }  # fmt: skip
    hosts = [entry.uri.split("/")[2].split(".")[0] for entry in read_configuration(files, "amd64").sources]
    assert hosts == ["first", "second", "third", "fourth", "fifth", "sixth"]


@pytest.mark.parametrize(
    "text",
    [
        "deb",
        "deb http://archive.example/",
        "deb http://archive.example/ sid",
        "deb archive.example sid main",
        "rpm http://archive.example/ sid main",
        "deb [arch=amd64 http://archive.example/ sid main",
        "deb [trusted] http://archive.example/ sid main",
        "deb [signed-by=0123ABCD] http://archive.example/ sid main",
    ],
)
def test_a_line_that_apt_refuses_makes_the_answer_unknown_and_names_the_place(text: str) -> None:
    configuration = read(f"# first\n{text}\n")
    assert len(configuration.unanswerable) == 1
    assert configuration.unanswerable[0].startswith("etc/apt/sources.list:2: ")
    assert configuration.unanswerable == configuration.problems


def test_lines_of_one_suite_must_agree_but_a_key_may_come_later() -> None:
    text = "deb {} http://archive.example/ sid main\ndeb {} http://archive.example/ sid contrib\n"
    assert read(text.format("[trusted=yes]", "")).unanswerable
    assert read(text.format("[signed-by=/a]", "")).unanswerable
    assert read(text.format("", "[check-valid-until=no]")).unanswerable
    both = read(text.format("", "[signed-by=/a]"))
    assert both.unanswerable == ()
    assert [entry.signed_by for entry in both.sources] == [("/a",), ("/a",)]


def test_a_line_without_a_colon_costs_the_next_field() -> None:
    text = "Types: deb\nURIs: http://archive.example/\nSuites: sid\nComponents: main\noops\nSigned-By: /a\n"
    configuration = read(text, "sources.list.d/a.sources")
    assert [entry.signed_by for entry in configuration.sources] == [()]
    assert configuration.unanswerable == ()
    assert configuration.problems[0].startswith("etc/apt/sources.list.d/a.sources:5: ")


def test_options_that_are_not_heeded_are_named() -> None:
    configuration = read("deb [include=foo] http://archive.example/ sid main")
    assert configuration.problems == ("etc/apt/sources.list:1: the option include is not heeded",)
