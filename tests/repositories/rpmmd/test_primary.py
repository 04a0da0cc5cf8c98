"""primary.xml: what is read of a package, and what hostile documents cost."""

import gc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from affineur.errors import ContentError, LimitExceeded, MalformedDocument
from affineur.repositories.rpmmd import elements, primary
from affineur.repositories.rpmmd.model import Obsolete, Offer
from affineur.repositories.rpmmd.primary import read_primary, source_of

HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common"'
    b' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">\n'
)
# as createrepo_c 0.17.3 wrote it of a package made for the purpose
PACKAGE = b"""<package type="rpm">
  <name>httpd</name>
  <arch>x86_64</arch>
  <version epoch="1" ver="2.4.6" rel="88.el7"/>
  <checksum type="sha256" pkgid="YES">5a3b</checksum>
  <summary>A server &amp; more</summary>
  <description>Long &lt;text&gt;</description>
  <packager></packager>
  <url>http://archive.example/</url>
  <time file="1554000001" build="1554000000"/>
  <size package="6096" installed="0" archive="124"/>
  <location href="Packages/httpd-2.4.6-88.el7.x86_64.rpm"/>
  <format>
    <rpm:license>ASL 2.0</rpm:license>
    <rpm:vendor>Red Hat, Inc.</rpm:vendor>
    <rpm:group>Unspecified</rpm:group>
    <rpm:buildhost>build.example</rpm:buildhost>
    <rpm:sourcerpm>httpd24-httpd-2.4.6-88.el7.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="4504" end="6012"/>
    <rpm:provides>
      <rpm:entry name="config(httpd)" flags="EQ" epoch="1" ver="2.4.6" rel="88.el7"/>
      <rpm:entry name="httpd" flags="EQ" epoch="1" ver="2.4.6" rel="88.el7"/>
      <rpm:entry name="webserver"/>
    </rpm:provides>
    <rpm:requires>
      <rpm:entry name="/bin/sh"/>
    </rpm:requires>
    <rpm:obsoletes>
      <rpm:entry name="mod_ssl_old" flags="LT" epoch="0" ver="2.0" rel="1"/>
      <rpm:entry name="apache"/>
    </rpm:obsoletes>
    <file>/etc/httpd.conf</file>
  </format>
</package>
"""
TAIL = b"</metadata>\n"
HTTPD = Offer(
    name="httpd",
    version="1:2.4.6-88.el7",
    architecture="x86_64",
    source="httpd24-httpd",
    source_version="1:2.4.6-88.el7",
    href="Packages/httpd-2.4.6-88.el7.x86_64.rpm",
    size=6096,
    checksum="sha256:5a3b",
    built=datetime(2019, 3, 31, 2, 40, tzinfo=UTC),
    obsoletes=(Obsolete("mod_ssl_old", "LT", "2.0-1"), Obsolete("apache")),
    vendor="Red Hat, Inc.",
    provides=("webserver",),
)


def read(content: bytes, step: int = 1 << 19) -> list[Offer]:
    return list(read_primary((content[at : at + step] for at in range(0, len(content), step)), "primary.xml"))


@pytest.mark.parametrize("step", [1, 7, 1 << 16, 1 << 19])
def test_a_package_is_read_whatever_the_pieces(step: int) -> None:
    assert read(HEAD + PACKAGE * 3 + TAIL, step) == [HTTPD] * 3


@pytest.mark.parametrize(
    "within",
    [
        b"<!-- </rpm:requires> <package> -->",
        b"<?some thing?>",
        b"<description><![CDATA[<rpm:requires>]]></description>",
        b"<rpm:requires/>",
        b"<unknown><name>no</name></unknown>",
    ],
)
def test_what_is_cut_out_never_changes_the_answer(within: bytes) -> None:
    changed = PACKAGE.replace(b"  <format>", within + b"  <format>")
    assert read(HEAD + PACKAGE + changed + PACKAGE + TAIL, 100) == [HTTPD] * 3


def test_a_package_too_long_to_cut_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "MAX_HELD", 0)
    monkeypatch.setattr(elements, "PIECE", 10)
    assert read(HEAD + PACKAGE * 2 + TAIL, 10) == [HTTPD] * 2


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        (b'epoch="1" ver="2.4.6" rel="88.el7"/>\n  <check', b'ver="3" rel="4"/>\n  <check', "version", "3-4"),
        (b'type="sha256"', b'type="sha"', "checksum", "sha1:5a3b"),
        (b'build="1554000000"', b'build="0"', "built", None),
        (b'build="1554000000"', b'build="999999999999999999"', "built", None),
        (b"httpd24-httpd-2.4.6-88.el7.src.rpm", b"", "source", "httpd"),
        (
            b'<location href="',
            b'<location xml:base="http://a.example/x/" href="',
            "href",
            f"http://a.example/x/{HTTPD.href}",
        ),
    ],
)
def test_fields_that_are_missing_or_odd(old: bytes, new: bytes, field: str, value: object) -> None:
    assert old in PACKAGE
    (offer,) = read(HEAD + PACKAGE.replace(old, new) + TAIL)
    assert getattr(offer, field) == value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00garbage",
        b"<html><body>Not found</body></html>",
        HEAD,
        HEAD + PACKAGE,
        HEAD + PACKAGE[:-20] + TAIL,
        HEAD + PACKAGE.replace(b"<name>httpd</name>", b"") + TAIL,
        HEAD + PACKAGE.replace(b"<arch>x86_64</arch>", b"") + TAIL,
        HEAD + PACKAGE.replace(b'epoch="1" ver', b'epoch="one" ver') + TAIL,
        HEAD + PACKAGE.replace(b'package="6096"', b'package="-1"') + TAIL,
        HEAD + PACKAGE.replace(b"httpd<", b"\xff<") + TAIL,
        HEAD + PACKAGE.replace(b"httpd<", b"&who;<") + TAIL,
        b'<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + HEAD[39:] + TAIL,
        HEAD.replace(b"metadata/common", b"metadata/other") + TAIL,
    ],
)
def test_what_breaks_the_format_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        read(content)


def _deep() -> Iterator[bytes]:
    yield HEAD
    while True:
        yield b"<package>" * 10_000


def _long_tag() -> Iterator[bytes]:
    yield HEAD + b'<package name="'
    while True:
        yield b"a" * 100_000


def _long_name() -> Iterator[bytes]:
    yield HEAD + b'<package type="rpm"><name>'
    while True:
        yield b"a" * 100_000


def _many_obsoletes() -> Iterator[bytes]:
    yield HEAD + b'<package type="rpm"><format><rpm:obsoletes>'
    while True:
        yield b'<rpm:entry name="a"/>' * 1_000


def _many_provides() -> Iterator[bytes]:
    yield HEAD + b'<package type="rpm"><format><rpm:provides>'
    while True:
        yield b'<rpm:entry name="a"/>' * 1_000


def _many_packages() -> Iterator[bytes]:
    yield HEAD
    while True:
        yield PACKAGE * 100


@pytest.mark.parametrize("endless", [_deep, _long_tag, _long_name, _many_obsoletes, _many_provides, _many_packages])
def test_endless_documents_end(endless: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primary, "MAX_PACKAGES", 1_000)
    with pytest.raises(LimitExceeded):
        for _ in read_primary(endless(), "primary.xml"):  # type: ignore[operator]
            pass


def test_a_tag_is_not_held_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    fed = 0

    def chunks() -> Iterator[bytes]:
        nonlocal fed
        for chunk in _long_tag():
            fed += len(chunk)
            yield chunk

    with pytest.raises(ContentError):
        list(read_primary(chunks(), "primary.xml"))
    assert fed < 3 * elements.MAX_TOKEN_BYTES


@pytest.mark.parametrize(
    ("file", "epoch", "source"),
    [
        ("bash-5.1-2.fc40.src.rpm", "0", ("bash", "5.1-2.fc40")),
        ("java-1.8.0-openjdk-1.8.0.242.b08-1.el7.src.rpm", "1", ("java-1.8.0-openjdk", "1:1.8.0.242.b08-1.el7")),
        ("a-1-1.nosrc.rpm", "", ("a", "1-1")),
        ("a-1-1.x86_64.rpm", "", None),
        ("src.rpm", "", None),
    ],
)
def test_source_packages_are_told_from_their_file_names(file: str, epoch: str, source: object) -> None:
    assert source_of(file, epoch) == source


def test_packages_are_passed_on_as_they_come() -> None:
    gc.collect()
    drawn = 0

    def chunks() -> Iterator[bytes]:
        nonlocal drawn
        yield HEAD
        for _ in range(1_000):
            drawn += 1
            yield PACKAGE * 50

    assert next(read_primary(chunks(), "primary.xml")) == HTTPD
    assert drawn < 10
