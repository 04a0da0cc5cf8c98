"""dpkg's database: what is found is what dpkg-query itself lists."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import MalformedDatabase
from affineur.packages.dpkg import DPKG
from affineur.packages.inventory import Package
from support.layers import Layers, file, layer
from support.leaving_out import leave_out

STATUS = "var/lib/dpkg/status"
FIELDS = ("Package", "Version", "Architecture", "source:Package", "source:Version", "Status")
FORMAT = "|".join(f"${{{name}}}" for name in FIELDS)
REST = "Maintainer: A <a@example>\nDescription: short\n long, with é\n .\n Package: not a field\n"
TRIGGERS = {"triggers-awaited": "Triggers-Awaited: last\n", "triggers-pending": "Triggers-Pending: x\n"}
STATES = ["unpacked", "half-configured", "triggers-awaited", "triggers-pending", "installed"]


def record(name: str, status: str = "install ok installed", version: str = "1", more: str = "") -> str:
    return f"Package: {name}\nStatus: {status}\nArchitecture: all\nVersion: {version}\n{more}{REST}\n"


def found(content: str | bytes, path: str = STATUS) -> list[Package]:
    return DPKG.extract(path, content.encode() if isinstance(content, str) else content)


def said(content: str | bytes) -> list[str]:
    packages = found(content)
    return ["|".join((p.name, p.version, p.architecture, p.source, p.source_version, p.status)) for p in packages]


def dpkg_query(folder: Path, status: bytes) -> list[str]:
    """What `dpkg-query -W` lists, without what leaves nothing on disk (dpkg(1) § Package states)."""
    for name in ("updates", "info"):
        (folder / name).mkdir()
    (folder / "status").write_bytes(status)
    command = ["dpkg-query", f"--admindir={folder}", "-W", "-f", FORMAT + "\n"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        leave_out("needs dpkg-query")
    return [line for line in done.stdout.splitlines() if not line.endswith((" not-installed", " config-files"))]


@pytest.mark.system
def test_every_package_of_this_machine(tmp_path: Path) -> None:
    own = Path("/var/lib/dpkg/status")
    if not own.exists():
        leave_out("needs a machine with dpkg")
    status = own.read_bytes()
    assert sorted(said(status)) == sorted(dpkg_query(tmp_path, status))
    assert len(said(status)) > 50


ODD = (
    record("ok")
    + "\n\n"
    + record("UPPER.case")
    + record("epoch", version="1:2.3~rc1+b1-4")
    + record("of-source", more="Source: src\n")
    + record("of-version", version="2+b1", more="Source: src (1:2)\n")
    + record("folded", more="Depends: a,\n b,\n\tc\nMulti-Arch: foreign\n")
    + record("strange-version", version="1_x")
    + record("held", "hold ok installed")
    + record("removed", "deinstall ok config-files", more="Config-Version: 1\n")
    + record("purged", "purge ok not-installed")
    + record("broken", "install reinstreq half-installed")
    + "Package: nothing-yet\nStatus: install reinstreq half-installed\nArchitecture: all\n"
    + REST
    + "\n"
    + "".join(record(state, f"install ok {state}", more=TRIGGERS.get(state, "")) for state in STATES)
    + record("shouting", "Install OK Installed").replace("Status:", "STATUS:").replace("Version:", "version :")
    + f"Package: without-status\nVersion: 1\nArchitecture: all\n{REST}\n"
    + record("last").rstrip("\n")
)


@pytest.mark.system
def test_odd_records_are_read_as_dpkg_reads_them(tmp_path: Path) -> None:
    expected = dpkg_query(tmp_path, ODD.encode() + b"\n")
    assert sorted(said(ODD)) == sorted(expected)
    assert len(expected) == 17


def test_every_state_that_leaves_files_on_disk_counts() -> None:
    names = [package.name for package in found(ODD)]
    assert {"removed", "purged", "without-status"}.isdisjoint(names)
    assert {"held", "broken", *STATES} <= set(names)
    assert next(p for p in found(ODD) if p.name == "folded").multi_arch == "foreign"


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (record("a") + record("nover").replace("Version: 1\n", ""), 11, "nover: no valid Version field"),
        (record("a") + record("nostate", "install ok foo"), 11, "nostate: no valid Status field"),
        (record("a") + record("few", "installed"), 11, "few: no valid Status field"),
        (record("twice", more="Version: 2\n"), 1, "the same field twice"),
        (record("a") + record("garbled", more="garbage\n"), 15, "a line without a field name"),
        (record("a").replace("\n .\n", "\n \n"), 8, "a line without a field name"),
        (record("-bad"), 1, "without a valid Package"),
        (record("space", version="1 2"), 1, "space: no valid Version field"),
        (record("a", more="Source: b c\n"), 1, "a: no valid Source field"),
        ("\0garbage", 1, "a line without a field name"),
        ("\n\nVersion: 1\n", 3, "without a valid Package"),
    ],
)
def test_what_dpkg_refuses_is_refused_with_its_place(tmp_path: Path, content: str, line: int, problem: str) -> None:
    with pytest.raises(MalformedDatabase, match=problem) as caught:
        found(content)
    assert (caught.value.path, caught.value.line) == (STATUS, line)


def test_an_empty_database_is_not_a_broken_one() -> None:
    assert found("") == []
    assert found("\n\n") == []


def test_broken_text_does_not_matter_where_it_is_not_needed() -> None:
    content = record("a").encode().replace("é".encode(), b"\xff\xfe")
    assert said(content) == ["a|1|all|a|1|install ok installed"]


def test_windows_line_ends() -> None:
    assert said(record("a").replace("\n", "\r\n")) == ["a|1|all|a|1|install ok installed"]


def test_distroless() -> None:
    # a record a file, without Status, and lists of files beside them
    stanza = "Package: base-files\nVersion: 12.4\nArchitecture: amd64\nDescription: x\n"
    image = Layers(
        layer(file("var/lib/dpkg/status.d/base", stanza), file("var/lib/dpkg/status.d/base.md5sums", "0123  etc/x\n")),
        layer(file("./var/lib/dpkg/status.d/tzdata", stanza.replace("base-files", "tzdata"))),
    )
    tree = image.walk(DPKG)
    assert tree.broken(DPKG) == {}
    packages = {package.name: located.layer for located in tree.facts(DPKG).values() for package in located.facts}
    assert packages == {"base-files": 0, "tzdata": 1}


def test_reads_all_files_at_once() -> None:
    files = {STATUS: record("a").encode(), "var/lib/dpkg/status.d/b": b"Package: b\nVersion: 1\nArchitecture: all\n"}
    assert [package.name for package in DPKG.read(files)] == ["a", "b"]


@given(st.lists(st.sampled_from([*record("a", more="Source: b (2)\n"), "\n", "\0", "é", ":"]), max_size=60))
def test_any_text_ends_in_packages_or_a_malformed_database(parts: list[str]) -> None:
    try:
        packages = found("".join(parts))
    except MalformedDatabase:
        return
    assert all(package.name and package.version for package in packages)
