"""The few options of apt.conf that decide what is offered; made files are put to apt-config in tests/system."""

import pytest

from affineur.repositories.apt.configuration import MAX_FILE_BYTES, read_configuration
from affineur.repositories.apt.model import AptConfiguration


def read(text: str = "", **more: str) -> AptConfiguration:
    files = {"etc/apt/apt.conf": text.encode(), **{path: content.encode() for path, content in more.items()}}
    return read_configuration(files, "amd64")


def test_an_image_without_apt_asks_nobody() -> None:
    assert read_configuration({}, "arm64") == AptConfiguration(sources=(), pins=(), architectures=("arm64",))


def test_nested_and_flat_names_comments_and_lists() -> None:
    configuration = read(
        '// first\nAPT {\n  Default-Release "bookworm"; # why\n  Architectures { "amd64"; "i386"; };\n};\n'
        '/* several\nlines */ acquire::check-valid-until "false";\n'
    )
    assert configuration.default_release == "bookworm"
    assert configuration.architectures == ("amd64", "i386")
    assert configuration.check_valid_until is False
    assert configuration.problems == ()


def test_the_folder_comes_before_the_file_and_the_later_value_counts() -> None:
    folder = {
        "etc/apt/apt.conf.d/20b": 'APT::Default-Release "b";',
        "etc/apt/apt.conf.d/10a": 'APT::Default-Release "a";',
        "etc/apt/apt.conf.d/30c.disabled": 'APT::Default-Release "no";',
    }
    assert read("", **folder).default_release == "b"
    assert read('APT::Default-Release "main";', **folder).default_release == "main"
    assert read("#clear APT::Default-Release;", **folder).default_release is None


def test_architectures_come_from_the_options_or_from_dpkg() -> None:
    assert read(**{"var/lib/dpkg/arch": "amd64\narmhf\n"}).architectures == ("amd64", "armhf")
    assert read('APT::Architectures "i386,amd64";').architectures == ("i386", "amd64")
    assert read('APT::Architectures "armhf";').architectures == ("amd64", "armhf")
    assert read('APT::Architecture "i386";').architectures == ("i386",)


@pytest.mark.parametrize(
    ("text", "phasing", "policy"),
    [
        ("", None, False),
        ("APT::Get::Never-Include-Phased-Updates true;", "never", False),
        ("Update-Manager::Never-Include-Phased-Updates yes;", "never", False),
        ("APT::Get::Always-Include-Phased-Updates 1; APT::Get::Never-Include-Phased-Updates 1;", "always", False),
        ("Update-Manager::Always-Include-Phased-Updates on;", "always", False),
        ("APT::Get::Phase-Policy true;", None, True),
    ],
)
def test_phasing(text: str, phasing: str | None, policy: bool) -> None:
    assert (read(text).phasing, read(text).phase_policy) == (phasing, policy)


@pytest.mark.parametrize(
    "text",
    ["APT { x", "APT::Default-Release a b;", "{ };", "#clearly x;", "APT { #clear x; };", "APT::Default-Release"],
)
def test_broken_syntax_makes_the_answer_unknown(text: str) -> None:
    configuration = read(text)
    assert len(configuration.unanswerable) == 1
    assert configuration.unanswerable[0].startswith("etc/apt/apt.conf:1: ")


@pytest.mark.parametrize(
    "text",
    [
        'Dir::Etc::sourcelist "/elsewhere";',
        'Dir::Etc::SourceParts "/elsewhere";',
        'Dir "/elsewhere";',
        'RootDir "/elsewhere";',
        'Dir::State::status "/elsewhere";',
        "#include /elsewhere;",
    ],
)
def test_files_elsewhere_are_not_followed_but_named(text: str) -> None:
    assert len(read(text).unanswerable) == 1


def test_nesting_and_size_are_limited() -> None:
    assert "nested" in read("a {" * 200).unanswerable[0]
    files = {"etc/apt/sources.list": b"#" * (MAX_FILE_BYTES + 1)}
    assert "larger" in read_configuration(files, "amd64").unanswerable[0]


def test_how_much_is_read_is_limited() -> None:
    pin = b"Package: " + b"a " * 1500 + b"\nPin: version 1\nPin-Priority: 1\n"
    files = {f"etc/apt/preferences.d/{name}": pin for name in "abc"}
    assert "more than 2000 names" in read_configuration(files, "amd64").unanswerable[0]
    line = b"deb http://archive.example/ sid main\n" * 1500
    files = {f"etc/apt/sources.list.d/{name}.list": line for name in "abc"}
    assert "more than 2000 entries" in read_configuration(files, "amd64").unanswerable[0]


def test_bytes_that_are_no_text_do_no_harm() -> None:
    files = {f"etc/apt/{name}": bytes(range(256)) for name in ("sources.list", "preferences", "apt.conf")}
    assert read_configuration(files, "amd64").unanswerable
