"""Which repository a package came from: by what dnf, zypper and yum leave behind, beside what dnf itself says of it."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.packages.databases import Recorded
from affineur.packages.installed import installed
from affineur.packages.inventory import Package
from affineur.packages.rpm.history import HISTORY_MAX, attributed
from support.layers import Layers, file, layer
from support.made_rpmdb import header, sqlite
from support.rpms import build, database, dnf, install_root, needed, repository

RPMDB = "var/lib/rpm/rpmdb.sqlite"
DNF, DNF5 = "var/lib/dnf/history.sqlite", "usr/lib/sysimage/libdnf5/nevras.toml"
TOOL = Package("tool", "4:1.2-3.el9", "x86_64", "suite", "1.2-3.el9", manager="rpm")
OTHER = Package("other", "1.2-3.el9", "noarch", "suite", "1.2-3.el9", manager="rpm")


def told(files: dict[str, bytes]) -> dict[str, str]:
    return {package.name: package.repository for package in attributed([TOOL, OTHER], files)}


def in_image(files: dict[str, bytes]) -> tuple[Recorded, ...]:
    image = Layers(layer(*(file(path, content) for path, content in files.items()), file("etc/os-release", "ID=x\n")))
    return installed(image, image.layers, None).packages


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("packages")
    first = [build(folder, "hello", "1.0", "1"), build(folder, "other", "1", "1", epoch=2)]
    first += [build(folder, "gone", "1", "1")]
    second = [build(folder, "hello", "1.1", "1"), build(folder, "third", "1", "1", arch="x86_64")]
    third = [build(folder, "by-hand", "1", "1")]
    made = repository(folder / "first", first), repository(folder / "second", second)
    shutil.copy(third[0], folder / "by-hand.rpm")
    return made


def rpmdb_of(folder: Path) -> dict[str, bytes]:
    found = {f"var/lib/rpm/{each.name}": each.read_bytes() for each in folder.glob("rpmdb.sqlite*")}
    return {path: content for path, content in found.items() if not path.endswith("-shm")}


@pytest.mark.system
def test_dnf_itself_agrees(repositories: tuple[Path, Path], tmp_path: Path) -> None:
    """Installed, upgraded from another repository, downgraded, reinstalled, removed, and from a file."""
    needed("dnf", "createrepo_c")
    first, second = repositories
    root = install_root(tmp_path / "root", [])
    both = {"first": first, "second": second}
    for words, repos in (
        (("install", "hello", "other", "gone"), {"first": first}),
        (("upgrade",), both),
        (("install", "third"), both),
        (("downgrade", "hello"), both),
        (("reinstall", "other"), {"elsewhere": first}),
        (("remove", "gone"), both),
        (("install", str(first.parent / "by-hand.rpm")), both),
        (("mark", "install", "third"), both),
    ):
        done = dnf(root, "-y", *words, repos=repos)
        assert done.returncode == 0, done.stdout + done.stderr
    asked = dnf(root, "repoquery", "-q", "--installed", "--qf", "%{name} %{evr} %{arch} %{from_repo}", repos=both)
    expected = sorted(tuple(line.split(" ")) for line in asked.stdout.splitlines())
    files = rpmdb_of(database(root)) | {
        path: (root / path).read_bytes() for path in (DNF, f"{DNF}-wal") if (root / path).exists()
    }
    found = [each.package for each in in_image(files)]
    assert sorted((p.name, p.version, p.architecture, p.repository) for p in found) == expected
    assert {name: repo for name, _, _, repo in expected} == {
        "hello": "first",
        "other": "elsewhere",
        "third": "second",
        "by-hand": "@commandline",
    }


@pytest.mark.system
def test_zypper_itself_agrees(repositories: tuple[Path, Path], tmp_path: Path) -> None:
    needed("zypper", "createrepo_c")
    first, second = repositories
    root = install_root(tmp_path / "root", [])
    (root / "etc/zypp/repos.d").mkdir(parents=True)
    zypper = ["zypper", "--root", str(root), "--no-gpg-checks", "--non-interactive"]
    for words in (
        ("addrepo", "-G", f"dir:{first}", "first"),
        ("install", "hello", "other", "gone"),
        ("addrepo", "-G", f"dir:{second}", "the second"),
        ("update",),
        ("install", "third"),
        ("remove", "gone"),
    ):
        done = subprocess.run([*zypper, *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    files = rpmdb_of(root / "var/lib/rpm") | {"var/log/zypp/history": (root / "var/log/zypp/history").read_bytes()}
    found = {(each.package.name, each.package.version): each.package.repository for each in in_image(files)}
    assert found == {("hello", "1.1-1"): "the second", ("other", "2:1-1"): "first", ("third", "1-1"): "the second"}


def test_dnf_5() -> None:
    """By its own tests' example of the file, the epoch as its names of packages have it."""
    text = (
        b'version = "1.0"\n[nevras]\n"tool-4:1.2-3.el9.x86_64" = {from_repo="updates"}\n'
        b'"other-1.2-3.el9.noarch" = {from_repo=""}\n"x" = {from_repo="y"}\n"z-1-1.noarch" = 3\n'
    )
    assert told({DNF5: text}) == {"tool": "updates", "other": ""}


def test_yum() -> None:
    folder = "var/lib/yum/yumdb"
    files = {
        f"{folder}/t/0123456789abcdef0123456789abcdef01234567-tool-1.2-3.el9-x86_64/from_repo": b"base",
        f"{folder}/o/0123456789abcdef0123456789abcdef01234567-other-1.2-3.el9-noarch/from_repo": b"installed",
    }
    assert told(files) == {"tool": "base", "other": ""}
    renamed = {path.replace("-x86_64/", ".x86_64/"): content for path, content in files.items()}
    assert told(renamed) == {"tool": "", "other": ""}


def test_zyppers_lines() -> None:
    lines = (
        b"# 2024-01-02 03:04:05 tool-4:1.2-3.el9.x86_64.rpm installed ok\n"
        b"2024-01-02 03:04:05|install|tool|4:1.2-3.el9|x86_64|root@host|old|abc|\n"
        b"2024-01-02 03:04:06|radd   |repo|http://archive.example/|\n"
        b"2024-01-02 03:04:07|install|tool|4:1.2-3.el9|x86_64||a \\| bar|abc|\n"
        b"2024-01-02 03:04:08|remove |other|1.2-3.el9|noarch|root@host|\n"
    )
    assert told({"var/log/zypp/history": lines}) == {"tool": "a | bar", "other": ""}


@pytest.mark.parametrize("content", [b"", b"garbage", b"[" * 100_000, b"a" * 3_000_000, sqlite([header()])])
@pytest.mark.parametrize("path", [DNF, f"{DNF}-wal", DNF5, "var/log/zypp/history"])
def test_a_broken_record_tells_nothing(path: str, content: bytes) -> None:
    assert told({path: content}) == {"tool": "", "other": ""}


def test_a_record_that_is_too_large_is_named() -> None:
    image = Layers(
        layer(
            file(RPMDB, sqlite([header()])),
            file("var/log/zypp/history", bytes(HISTORY_MAX + 1)),
            file("etc/os-release"),
        )
    )
    found = installed(image, image.layers, None)
    assert [each.package.repository for each in found.packages] == [""]
    assert "/var/log/zypp/history" in [gap.what for gap in found.unassessed]


def bent(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), 61):
        yield content[:at]
        yield content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]


@pytest.mark.system
def test_a_bent_history_never_raises(repositories: tuple[Path, Path], tmp_path: Path) -> None:
    root = install_root(tmp_path / "root", [])
    assert dnf(root, "-y", "install", "hello", repos={"first": repositories[0]}).returncode == 0
    content, log = (root / DNF).read_bytes(), (root / f"{DNF}-wal").read_bytes()
    for one in bent(content[:40_000]):
        told({DNF: one})
    for one in list(bent(log[:30_000]))[::25]:
        told({DNF: content, f"{DNF}-wal": one})


@given(st.binary())
def test_any_bytes_are_no_error(content: bytes) -> None:
    for path in (DNF5, "var/log/zypp/history"):
        assert set(told({path: content})) == {"tool", "other"}
