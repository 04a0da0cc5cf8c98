"""Changelogs inside .debs."""

import gzip
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata import deb as module
from affineur.errata.deb import changelog_of
from affineur.errors import ContentError, LimitExceeded, MalformedArchive, UnsupportedContent
from support.debs import ar, compressed, data_tar, deb, downloaded, entry

TEXT = entry("hello", "1.0-1")
DOC = "usr/share/doc/hello"


def packed(text: str = TEXT) -> bytes:
    return gzip.compress(text.encode())


@pytest.mark.parametrize("compression", ["xz", "zst", "gz", "none"])
def test_every_compression_of_dpkg_deb_is_read(compression: str) -> None:
    content = deb(data_tar({"usr/bin/hello": b"\0" * 5000, f"{DOC}/changelog.Debian.gz": packed()}), compression)
    assert changelog_of(content, "hello", "x.deb") == TEXT


@pytest.mark.parametrize("name", ["changelog.gz", "changelog.Debian", "changelog"])
def test_native_packages_and_plain_files_are_read(name: str) -> None:
    body = packed() if name.endswith(".gz") else TEXT.encode()
    assert changelog_of(deb(data_tar({f"{DOC}/{name}": body}, folders=[DOC])), "hello", "x.deb") == TEXT


def test_the_distributions_changelog_goes_before_the_programs_own() -> None:
    files = {f"{DOC}/changelog.gz": packed("what the program's authors wrote"), f"{DOC}/changelog.Debian.gz": packed()}
    assert changelog_of(deb(data_tar(files)), "hello", "x.deb") == TEXT
    assert changelog_of(deb(data_tar(dict(reversed(files.items())))), "hello", "x.deb") == TEXT


def test_bytes_that_are_no_utf8_do_not_lose_the_rest() -> None:
    body = gzip.compress(b"\xe9" + TEXT.encode())
    assert changelog_of(deb(data_tar({f"{DOC}/changelog.Debian.gz": body})), "hello", "x.deb").endswith(TEXT)


@pytest.mark.parametrize(
    "links", [{DOC: "libhello"}, {f"{DOC}/changelog.Debian.gz": "../libhello/changelog.Debian.gz"}]
)
def test_a_link_to_another_package_is_said(links: dict[str, str]) -> None:
    with pytest.raises(UnsupportedContent, match=r"link to .*libhello"):
        changelog_of(deb(data_tar({}, links)), "hello", "x.deb")


def test_no_changelog_is_said_and_another_packages_is_not_taken() -> None:
    with pytest.raises(UnsupportedContent, match="holds no"):
        changelog_of(deb(data_tar({"usr/share/doc/other/changelog.Debian.gz": packed()})), "hello", "x.deb")


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHANGELOG_BYTES", 10_000)
    monkeypatch.setattr(module, "MAX_UNPACKED_BYTES", 2_000_000)
    bomb = deb(data_tar({f"{DOC}/changelog.Debian.gz": gzip.compress(bytes(1_000_000))}))
    with pytest.raises(LimitExceeded, match="changelog of more than"):
        changelog_of(bomb, "hello", "x.deb")
    with pytest.raises(LimitExceeded, match="more than 10000"):
        changelog_of(deb(data_tar({f"{DOC}/changelog": bytes(1_000_000)})), "hello", "x.deb")
    with pytest.raises(LimitExceeded, match="no changelog in the first"):
        changelog_of(deb(data_tar({"a": bytes(4_000_000), f"{DOC}/changelog": b""})), "hello", "x.deb")


GOOD = deb(data_tar({f"{DOC}/changelog.Debian.gz": packed()}))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        GOOD[:100],
        GOOD[:-200],
        GOOD.replace(b"`\n", b"``"),
        ar([("debian-binary", b"2.0\n")]),
        ar([("debian-binary", b"2.0\n")] * 20 + [("data.tar", b"")]),
        ar([("data.tar.xz", compressed(data_tar({"a": b"b" * 1000}), "xz")[:-80])]),
        ar([("data.tar.xz", b"\xfd7zXZ\x00 and then nothing of the kind")]),
    ],
)
def test_what_is_no_deb_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedArchive):
        changelog_of(content, "hello", "x.deb")


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_one_wrong_byte_is_never_a_fault_of_ours(place: int, value: int) -> None:
    broken = GOOD[:place] + bytes([value]) + GOOD[place + 1 :]
    try:
        text = changelog_of(broken, "hello", "x.deb")
    except ContentError:
        return
    assert "hello" in text or "\ufffd" in text or text != TEXT


@pytest.mark.system
@pytest.mark.parametrize("package", ["debianutils", "tzdata", "gcc-12-base"])
def test_real_debs_hold_what_dpkg_deb_and_tar_find_in_them(package: str, tmp_path: Path) -> None:
    path = downloaded(package, tmp_path)
    listing = subprocess.run(["dpkg-deb", "-c", path], check=True, capture_output=True, text=True).stdout
    # debianutils is native (changelog.gz), the others are not
    native = f"./usr/share/doc/{package}/changelog.Debian.gz" not in listing
    member = f"./usr/share/doc/{package}/changelog{'' if native else '.Debian'}.gz"
    tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, capture_output=True).stdout
    packed_text = subprocess.run(["tar", "-xOf", "-", member], input=tar, check=True, capture_output=True).stdout
    text = subprocess.run(["zcat"], input=packed_text, check=True, capture_output=True).stdout
    assert changelog_of(path.read_bytes(), package, str(path)) == text.decode(errors="replace")
