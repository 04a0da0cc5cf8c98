"""apk's database: the real one of Alpine 3.10, against what another program lists of it and what grep counts."""

import io
import json
import re
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import MalformedDatabase
from affineur.packages.apk import APK
from affineur.packages.installed import installed
from affineur.packages.inventory import Package
from affineur.packages.osrelease import OSRelease
from affineur.packages.purl import apk_purl, package_purl
from support.command import affineur
from support.layers import Layers, file, layer, link

PATH = "lib/apk/db/installed"
FILES = "F:usr/bin\nM:0:0:755\nR:tool\na:0:0:755\nZ:Q1AAAA=\n"
RELEASE = 'ID=alpine\nVERSION_ID=3.16.3\nPRETTY_NAME="Alpine Linux v3.16"\n'


def record(name: str, version: str = "1.2-r0", more: str = "") -> str:
    return f"C:Q1AAAA=\nP:{name}\nV:{version}\nA:x86_64\nS:1\nI:20\nT:what: it is\nL:MIT\n{more}t:1\nc:ab\n{FILES}\n"


def found(content: str | bytes) -> list[Package]:
    return APK.extract(PATH, content.encode() if isinstance(content, str) else content)


def database(corpus: Path) -> bytes:
    with tarfile.open(corpus / "images" / "alpine-3.10-docker-archive.tar.gz") as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest
        packed = archive.extractfile(json.loads(manifest.read())[0]["Layers"][0])
        assert packed
        with tarfile.open(fileobj=io.BytesIO(packed.read())) as tar:
            content = tar.extractfile(PATH)
            assert content
            return content.read()


@pytest.mark.corpus
def test_the_real_alpine_as_another_scanner_lists_it(corpus: Path, tmp_path: Path) -> None:
    """The list beside the archive is of an earlier build of 3.10: two origins have been rebuilt since, and licences
    are written in SPDX's words there; all the rest is equal.
    """
    archive = corpus / "images" / "alpine-3.10-docker-archive.tar.gz"
    done = affineur(tmp_path, "packages", "--json", f"docker-archive:{archive}")
    assert done.code == 0
    ours = {each["name"]: each for each in done.document["packages"]}
    listed = json.loads((corpus / "images" / "alpine-3.10-packages.json").read_bytes())
    theirs = {each["Name"]: each for each in listed}
    assert ours.keys() == theirs.keys()
    for name, package in ours.items():
        other = theirs[name]
        assert (package["architecture"], package["source"]) == (other["Arch"], other["SrcName"])
    rebuilt = {ours[name]["source"] for name in ours if ours[name]["version"] != theirs[name]["Version"]}
    assert rebuilt == {"busybox", "openssl"}
    for package in ours.values():
        assert package["version"] == package["source_version"]


@pytest.mark.corpus
def test_every_field_of_the_real_alpine_as_a_search_finds_it(corpus: Path) -> None:
    content = database(corpus)
    text = content.decode()

    def searched(letter: str) -> list[str]:
        return re.findall(rf"^{letter}:(.*)$", text, re.MULTILINE)

    packages = found(content)
    assert [package.name for package in packages] == searched("P")
    assert [package.version for package in packages] == searched("V")
    assert [package.architecture for package in packages] == searched("A")
    assert [package.source for package in packages] == searched("o")
    assert [package.licence for package in packages] == searched("L")
    assert [str(package.size) for package in packages] == searched("I")
    assert len(packages) == 14


def test_a_record_and_its_files() -> None:
    tool, other = found(record("tool", more="o:suite\ns:edge\n") + record("other"))
    assert (tool.name, tool.version, tool.architecture, tool.source, tool.source_version) == (
        "tool",
        "1.2-r0",
        "x86_64",
        "suite",
        "1.2-r0",
    )
    assert (tool.licence, tool.size, tool.repository, tool.manager) == ("MIT", 20, "@edge", "apk")
    assert (other.source, other.repository) == ("other", "")


def test_an_empty_database_is_empty() -> None:
    assert found("") == found("\n") == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (record("a") + "V:1\nA:x86_64\n\n", 17),
        ("P:a\nA:x86_64\n", 1),
        (record("a") + "P:b\nnonsense\n\n", 18),
        ("P:a\nV:1\nV:2\n", 3),
        ("P:a\nV:1\nI:many\n", 1),
        ("P:a b\nV:1\n", 1),
        ("\x00garbage", 1),
        ("<html>not found</html>", 1),
    ],
)
def test_broken_records_are_named_by_line(content: str, line: int) -> None:
    with pytest.raises(MalformedDatabase) as raised:
        found(content)
    assert (raised.value.path, raised.value.line) == (PATH, line)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes_end_in_packages_or_in_our_error(noise: bytes, at: int) -> None:
    whole = (record("a") + record("b")).encode()
    for content in (noise, whole[:at] + noise + whole[at:], whole[:at]):
        try:
            packages = found(content)
        except MalformedDatabase:
            continue
        assert all(package.name and package.version for package in packages)


@pytest.mark.parametrize("path", APK.paths)
def test_both_places_and_a_merged_usr(path: str) -> None:
    image = Layers(layer(file(path, record("tool")), file("etc/os-release", RELEASE)))
    assert [each.package.name for each in installed(image, image.layers, None).packages] == ["tool"]
    merged = Layers(layer(link("lib", "usr/lib"), file("usr/lib/apk/db/installed", record("tool"))))
    assert [each.package.name for each in installed(merged, merged.layers, None).packages] == ["tool"]


def test_the_database_of_the_highest_layer_counts() -> None:
    image = Layers(layer(file(PATH, record("tool") + record("gone"))), layer(file(PATH, record("tool", "1.3-r0"))))
    (only,) = installed(image, image.layers, None).packages
    assert (only.package.version, only.layer) == ("1.3-r0", 1)


def test_package_urls() -> None:
    # purl-spec, types/apk-definition.json § examples, apart from the qualifier that we add
    curl = Package("curl", "7.83.0-r0", "x86", "curl", "7.83.0-r0", manager="apk")
    assert apk_purl(curl, OSRelease({"ID": "alpine"})) == "pkg:apk/alpine/curl@7.83.0-r0?arch=x86&distro=alpine"
    assert package_purl(curl, OSRelease({"ID": "wolfi"})) == "pkg:apk/wolfi/curl@7.83.0-r0?arch=x86&distro=wolfi"
    assert package_purl(curl, None) is None
