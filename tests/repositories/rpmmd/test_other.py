"""other.xml: changelogs of the packages that are asked for."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.repositories.rpmmd import other
from affineur.repositories.rpmmd.other import Entry, read_changelogs

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32
HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="3">\n'
)
TAIL = b"</otherdata>\n"
# as createrepo_c 0.17.3 writes it
ENTRY = (
    b'<changelog author="Jane Doe &lt;jane@vendor.example&gt; - 1.2-3" date="1554033600">'
    b"- fix CVE-2019-0001 (#1234) &amp; more\n- and so on</changelog>"
)
READ = Entry(
    datetime(2019, 3, 31, 12, tzinfo=UTC),
    "Jane Doe <jane@vendor.example> - 1.2-3",
    "- fix CVE-2019-0001 (#1234) & more\n- and so on",
)


def package(pkgid: str, *entries: bytes) -> bytes:
    head = f'<package pkgid="{pkgid}" name="a" arch="noarch">\n  <version epoch="0" ver="1" rel="1"/>\n'
    return head.encode() + b"\n".join(entries) + b"</package>\n"


DOCUMENT = HEAD + package(A, ENTRY, ENTRY) + package(B, ENTRY) + package(C) + TAIL


def read(content: bytes, *wanted: str, step: int = 1 << 16) -> list[tuple[str, list[Entry]]]:
    return list(read_changelogs((content[at : at + step] for at in range(0, len(content), step)), wanted))


@pytest.mark.parametrize("step", [1, 100, 1 << 16])
def test_only_what_is_wanted_is_read(step: int) -> None:
    assert read(DOCUMENT, f"sha256:{A}", C, step=step) == [(f"sha256:{A}", [READ, READ]), (C, [])]
    assert read(DOCUMENT, step=step) == []


@pytest.mark.parametrize("within", [b"<!-- </package> -->", b"<?x?>", b"<![CDATA[</package>]]>", b"<x pkgid='1'/>"])
def test_what_makes_cutting_doubtful_changes_nothing(within: bytes) -> None:
    content = HEAD + package(B, within, ENTRY) + package(A, ENTRY) + TAIL
    assert read(content, A, step=64) == [(A, [READ])]


def test_others_are_cut_out_before_they_are_parsed() -> None:
    broken = package(B, b"<changelog author='x' date='no date'></broken>")
    assert read(HEAD + broken * 20 + package(A, ENTRY) + TAIL, A) == [(A, [READ])]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"<html/>",
        DOCUMENT[:-20],
        HEAD + package(A, ENTRY.replace(b"1554033600", b"yesterday")) + TAIL,
        HEAD + package(A, ENTRY.replace(b"1554033600", b"999999999999")) + TAIL,
        HEAD + package(A, ENTRY.replace(b"so on", b"\xff")) + TAIL,
        b'<!DOCTYPE a [<!ENTITY a "a">]>' + DOCUMENT[39:],
    ],
)
def test_what_breaks_the_format_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        read(content, A)


@pytest.mark.parametrize(("limit", "value"), [("MAX_PACKAGES", 2), ("MAX_ENTRIES", 1), ("MAX_CHANGELOG", 60)])
def test_limits(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other, limit, value)
    with pytest.raises(LimitExceeded):
        read(DOCUMENT, A)


def test_an_endless_changelog_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless() -> Iterator[bytes]:
        yield HEAD + b'<package pkgid="' + A.encode() + b'"><changelog date="1" author="">'
        while True:
            yield b"a" * (1 << 20)

    with pytest.raises(LimitExceeded):
        list(read_changelogs(endless(), [A]))
