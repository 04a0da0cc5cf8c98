"""os-release(5) of any distribution."""

import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.packages.osrelease import OSRelease, claimed, parsed, parsed_line

# container-inspector's names for the fields in its `*-distro-expected.json`
WITNESS = {
    "name": "NAME",
    "version": "VERSION",
    "identifier": "ID",
    "id_like": "ID_LIKE",
    "version_codename": "VERSION_CODENAME",
    "version_id": "VERSION_ID",
    "pretty_name": "PRETTY_NAME",
    "cpe_name": "CPE_NAME",
    "home_url": "HOME_URL",
    "documentation_url": "DOCUMENTATION_URL",
    "support_url": "SUPPORT_URL",
    "bug_report_url": "BUG_REPORT_URL",
    "privacy_policy_url": "PRIVACY_POLICY_URL",
    "build_id": "BUILD_ID",
    "variant": "VARIANT",
    "variant_id": "VARIANT_ID",
    "logo": "LOGO",
}
# Unquoted blanks, which os-release(5) forbids: systemd takes the whole line, the witness drops the blank.
UNQUOTED = {("pop-os-17.04.txt", "id_like"), ("zorinos-12.txt", "identifier")}
FILES_WITH_A_WITNESS = 177


@pytest.mark.corpus
def test_all_distributions_read_as_container_inspector_reads_them(corpus: Path) -> None:
    seen = 0
    for expected in sorted((corpus / "os-release/os-release").glob("*/*-distro-expected.json")):
        file = expected.with_name(expected.name.removesuffix("-distro-expected.json"))
        if not file.exists():
            continue
        seen += 1
        fields = parsed(file.read_bytes())
        witness = json.loads(expected.read_bytes())
        for theirs, ours in WITNESS.items():
            if (file.name, theirs) not in UNQUOTED:
                assert (fields.get(ours) or None) == (witness[theirs] or None), f"{file.name}: {ours}"
        others = {name: value for name, value in fields.items() if name not in WITNESS.values()}
        others.pop("ANSI_COLOR", None)  # not kept by the witness
        assert witness["extra_data"] in ({}, others)
    assert seen == FILES_WITH_A_WITNESS


@pytest.mark.parametrize(
    ("line", "value"),
    [
        # systemd's src/test/test-env-file.c, or os-release(5) itself
        ("A=plain", "plain"),
        ("A='single $x `y` \\'", "single $x `y` \\"),
        ('A="say \\"x\\" \\$5 \\`y\\` \\\\ \\n"', 'say "x" $5 `y` \\ \\n'),
        ("A=a\\ b\\'c", "a b'c"),
        ("A=", ""),
        ('A=""', ""),
        ("  A=indented", "indented"),
        ("A=trailing blanks   ", "trailing blanks"),
        ("A=first\nA=last", "last"),
        ("# A=comment\n;A=comment\nA=yes", "yes"),
        ('A="two\nlines"', "two\nlines"),
        ("A=windows\r\nB=2", "windows"),
        ("\ufeffA=with a byte order mark", "with a byte order mark"),
        ('A="never closed\nB=2', '"never closed'),
    ],
)
def test_quoting(line: str, value: str) -> None:
    assert parsed(line.encode())["A"] == value


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=30))
def test_whatever_the_shell_quotes_comes_out_again(value: str) -> None:
    quoted = "'" + value.replace("'", "") + "'"
    assert parsed(f"A={quoted}\nB=1".encode()) == {"A": shlex.split(quoted)[0], "B": "1"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read(content: bytes) -> None:
    assert all("=" not in name for name in parsed(content))


@pytest.mark.parametrize(
    ("fields", "codename"),
    [
        ({"VERSION": "14.04.6 LTS, Trusty Tahr", "ID": "ubuntu"}, "trusty"),
        ({"VERSION": "16.04.7 LTS (Xenial Xerus)"}, "xenial"),
        ({"VERSION": "8 (jessie)"}, "jessie"),
        ({"VERSION_CODENAME": "bookworm", "VERSION": "12 (other)"}, "bookworm"),
        ({"UBUNTU_CODENAME": "noble"}, "noble"),
        ({"VERSION": "3.16"}, ""),
        ({}, ""),
    ],
)
def test_codename(fields: dict[str, str], codename: str) -> None:
    assert OSRelease(fields).codename == codename


def test_defaults_are_those_of_the_manual_page() -> None:
    assert OSRelease({}).id == "linux"
    assert OSRelease({}).pretty_name == "Linux"
    assert OSRelease({"NAME": "Wolfi", "ID_LIKE": "a b"}).pretty_name == "Wolfi"
    assert OSRelease({"ID_LIKE": "a b"}).id_like == ("a", "b")


def test_etc_comes_before_usr_lib() -> None:
    etc, usr = {"ID": "etc"}, {"ID": "usr"}
    found = claimed({"usr/lib/os-release": usr, "etc/os-release": etc})
    assert found is not None
    assert (found.id, found.path) == ("etc", "etc/os-release")
    found = claimed({"usr/lib/os-release": usr})
    assert found is not None
    assert (found.id, found.path) == ("usr", "usr/lib/os-release")
    assert claimed({}) is None


@pytest.mark.parametrize(
    ("line", "identifier", "version"),
    [
        # as the release packages of those distributions have them (centos-release, redhat-release, oraclelinux-release)
        (b"CentOS release 5.11 (Final)\n", "centos", "5.11"),
        (b"CentOS release 6.10 (Final)\n", "centos", "6.10"),
        (b"Red Hat Enterprise Linux Server release 6.10 (Santiago)\n", "rhel", "6.10"),
        (b"Oracle Linux Server release 6.10\n", "ol", "6.10"),
        (b"Scientific Linux release 6.10 (Carbon)\n", "scientific", "6.10"),
        (b"Fedora release 15 (Lovelock)\n", "fedora", "15"),
    ],
)
def test_the_line_that_was_there_before_os_release(line: bytes, identifier: str, version: str) -> None:
    found = claimed({"etc/redhat-release": parsed_line(line)})
    assert found is not None
    assert (found.id, found.version_id, found.pretty_name) == (identifier, version, line.decode().strip())


@pytest.mark.parametrize(
    "line", [b"", b"\xff\xfe", b"release 6", b"Somebody release 6.1", b"CentOS release " + b"9" * 500]
)
def test_a_line_of_nobody_known_says_nothing(line: bytes) -> None:
    assert claimed({"etc/redhat-release": parsed_line(line)}) is None


def test_os_release_goes_before_the_line() -> None:
    files = {"etc/redhat-release": parsed_line(b"CentOS release 6.10 (Final)"), "usr/lib/os-release": {"ID": "usr"}}
    found = claimed(files)
    assert found is not None
    assert found.id == "usr"
