"""What breaks a format of rpm's database, or only seems to; and SQLite's log, as SQLite itself writes it."""

import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from affineur.errors import ContentError, LimitExceeded, MalformedDatabase, UnsupportedContent
from affineur.packages.databases import PACKAGES
from affineur.packages.installed import installed
from affineur.packages.rpm import database as module
from affineur.packages.rpm.database import RPM
from affineur.packages.rpm.signature import issuer
from support.layers import Layers, file, layer, link
from support.made_rpmdb import bdb, header, log_of, ndb, sqlite

HEADERS = [header(), header(t1000="other", t1003=None, t1117=["name"] * 400)]
MADE: dict[str, bytes] = {"bdb": bdb(HEADERS), "big": bdb(HEADERS, ">"), "ndb": ndb(HEADERS), "sqlite": sqlite(HEADERS)}
PATH = "var/lib/rpm/rpmdb.sqlite"
RELEASE = 'ID="rhel"\nVERSION_ID="9.4"\n'


def names(content: bytes) -> list[str]:
    return [package.name for package in RPM.extract(PATH, content)]


@pytest.mark.parametrize("kind", MADE)
def test_each_format_has_the_same_packages(kind: str) -> None:
    tool, other = RPM.extract(PATH, MADE[kind])
    assert (tool.name, tool.version, tool.architecture) == ("tool", "4:1.2-3.el9", "x86_64")
    assert (tool.source, tool.source_version, tool.manager) == ("suite", "4:1.2-3.el9", "rpm")
    assert (tool.vendor, tool.licence, tool.module, tool.size) == ("Example", "MIT", "suite:1:2:3", 5678)
    assert (tool.key_id, tool.installed_at and tool.installed_at.isoformat()) == (
        "0123456789abcdef",
        "2023-11-14T22:13:20+00:00",
    )
    assert (other.name, other.version) == ("other", "1.2-3.el9")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("suite-1.2-3.el9.src.rpm", ("suite", "4:1.2-3.el9")),  # its version is the package's, and so is its epoch
        ("suite-7-1.src.rpm", ("suite", "7-1")),  # whose epoch is not known
        ("suite-1.2-3.el9.nosrc.rpm", ("suite", "4:1.2-3.el9")),
        ("(none)", ("tool", "4:1.2-3.el9")),
        (None, ("tool", "4:1.2-3.el9")),
    ],
)
def test_the_source(source: str | None, found: tuple[str, str]) -> None:
    (package,) = RPM.extract(PATH, ndb([header(t1044=source)]))
    assert (package.source, package.source_version) == found


@pytest.mark.parametrize("kind", MADE)
def test_an_empty_database_is_empty(kind: str) -> None:
    empty = {"bdb": bdb([]), "big": bdb([], ">"), "ndb": ndb([]), "sqlite": sqlite([])}
    assert names(empty[kind]) == []


@pytest.mark.parametrize("kind", MADE)
def test_cut_short_anywhere_it_is_refused(kind: str) -> None:
    whole = MADE[kind]
    for length in range(0, len(whole), 97):
        with pytest.raises(ContentError):
            names(whole[:length])


@pytest.mark.parametrize("kind", MADE)
def test_a_bit_flipped_anywhere_ends_in_packages_or_our_error(kind: str) -> None:
    whole = MADE[kind]
    for at in range(0, len(whole), 3):
        bent = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
        try:
            names(bent)
        except ContentError:
            continue


def patched(content: bytes, at: int, form: str, *numbers: int | bytes) -> bytes:
    new = struct.pack(form, *numbers)
    return content[:at] + new + content[at + len(new) :]


BDB, NDB, SQLITE = MADE["bdb"], MADE["ndb"], MADE["sqlite"]
BENT: dict[str, tuple[bytes, str]] = {
    "an overflow page that leads to itself": (patched(BDB, 512 * 3 + 16, "<I", 3), "used twice|missing"),
    "an overflow page that leads back": (patched(BDB, 512 * 4 + 16, "<I", 3), "used twice|missing"),
    "an overflow page outside the file": (patched(BDB, 512 * 3 + 16, "<I", 1 << 30), "outside the file"),
    "overflow without an end": (patched(BDB, 512 * 3 + 16, "<I", 0), "outside the file"),
    "an overflow page of another type": (patched(BDB, 512 * 3 + 25, "B", 13), "type 13|without a value|entries|item"),
    "a page of another number": (patched(BDB, 512 + 8, "<I", 9), "says it is number 9"),
    "more entries than fit": (patched(BDB, 512 + 20, "<H", 60000), "60000 entries"),
    "pages of three bytes": (patched(BDB, 20, "<I", 3), "page size"),
    "more pages than there are": (patched(BDB, 32, "<I", 1 << 31), "are promised"),
    "two slots of one blob": (patched(NDB, 48, "<4sIII", b"Slot", 2, *struct.unpack("<II", NDB[40:48])), "its slot"),
    "a package twice": (patched(NDB, 52, "<I", 1), "twice"),
    "a slot beyond the end": (patched(NDB, 40, "<I", 1 << 27), "outside the file"),
    "a blob that is most of memory": (patched(NDB, 44, "<I", 1 << 27), "over each other"),
    "slots without end": (patched(NDB, 12, "<I", 1 << 31), "pages of slots"),
    "a blob that was changed": (NDB.replace(b"suite-1.2", b"suite-1.3", 1), "checksum"),
    "no table": (SQLITE.replace(b"Packages", b"Pakcages"), "no table"),
    "a header that promises more": (ndb([patched(header(), 4, ">I", 1 << 30)]), "a header of"),
    "text without an end": (ndb([header(t1000=b"tool")]), "tag 1000"),
    "a name with a space": (ndb([header(t1000="a tool")]), "valid name"),
    "a version that is none": (ndb([header(t1001="")]), "valid version"),
    "no release": (ndb([header(t1002=None)]), "valid release"),
}


@pytest.mark.parametrize(("content", "told"), BENT.values(), ids=BENT)
def test_what_breaks_the_format(content: bytes, told: str) -> None:
    with pytest.raises(MalformedDatabase, match=told) as raised:
        names(content)
    assert raised.value.path == PATH


def test_a_tree_that_leads_back_to_its_root() -> None:
    """Interior pages whose every cell names the page itself: a walk without memory would never end."""
    many = sqlite([header(t1117=["name"] * 60, t1001=str(number)) for number in range(300)])
    assert len(names(many)) == 300
    interior = [at for at in range(512, len(many), 512) if many[at] == 5]
    assert interior
    for at in interior:
        (cells,) = struct.unpack_from(">H", many, at + 3)
        bent = patched(many, at + 8, ">I", at // 512 + 1)
        for cell in struct.unpack_from(f">{cells}H", many, at + 12):
            bent = patched(bent, at + cell, ">I", at // 512 + 1)
        with pytest.raises(MalformedDatabase, match="used twice"):
            names(bent)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "no rpm database of a known kind"),
        (b"\0" * 4096, "no rpm database of a known kind"),
        (patched(BDB, 12, "<I", 0x053162), "btree"),
        (patched(BDB, 24, "B", 1), "encryption"),
        (patched(BDB, 26, "B", 1), "checksums"),
        (patched(BDB, 36, "<I", 4), "partitions"),
        (patched(NDB, 4, "<I", 1), "version 0"),
        (patched(SQLITE, 56, ">I", 2), "UTF-16"),
    ],
)
def test_other_kinds_are_refused_by_name(content: bytes, named: str) -> None:
    with pytest.raises(UnsupportedContent, match=named):
        names(content)


def test_more_packages_than_there_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKAGES_MAX", 1)
    with pytest.raises(LimitExceeded):
        names(NDB)


def test_issuers_of_signatures() -> None:
    fingerprint = bytes(range(20))
    hashed = bytes([22, 33, 4]) + fingerprint
    beside = bytes([9, 16]) + b"\xff" * 8
    body = b"\4\0\1\x08" + len(hashed).to_bytes(2, "big") + hashed + len(beside).to_bytes(2, "big") + beside + b"\0" * 6
    assert issuer(b"\xc2" + bytes([len(body)]) + body) == fingerprint[-8:].hex()
    assert issuer(b"\x88" + bytes([len(body)]) + body) == fingerprint[-8:].hex()
    body6 = (
        b"\6\0\1\x08" + (35).to_bytes(4, "big") + bytes([34, 33 | 0x80, 6]) + bytes(range(32)) + bytes(4) + b"\0" * 6
    )
    assert issuer(b"\xc2" + bytes([len(body6)]) + body6) == bytes(range(8)).hex()
    assert issuer(b"") == issuer(b"\xc2") == issuer(b"\xc2\xff\0") == issuer(b"garbage") == ""


def beside(folder: Path, change: Callable[[sqlite3.Connection], None]) -> tuple[bytes, bytes]:
    """A database and its log, as they lie there while a writer has them open."""
    source = folder / "rpmdb.sqlite"
    source.write_bytes(sqlite(HEADERS[:1], page=4096))
    connection = sqlite3.connect(source, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    change(connection)
    content, log = source.read_bytes(), Path(f"{source}-wal").read_bytes()
    connection.close()
    return content, log


def by_sqlite(folder: Path, content: bytes, log: bytes) -> list[bytes]:
    """What SQLite itself reads of the two."""
    folder.mkdir()
    (folder / "db").write_bytes(content)
    (folder / "db-wal").write_bytes(log)
    connection = sqlite3.connect(folder / "db")
    found = [blob for (blob,) in connection.execute("SELECT blob FROM Packages ORDER BY hnum")]
    connection.close()
    shutil.rmtree(folder)
    return found


INSERT = "INSERT INTO Packages (blob) VALUES (?)"


def test_a_log_counts_as_far_as_sqlite_says(tmp_path: Path) -> None:
    """Whole transactions, one cut off in its middle, a bent frame, and what an earlier use of the file left behind."""

    def change(connection: sqlite3.Connection) -> None:
        for number in range(40):
            connection.execute(INSERT, [header(t1000=f"package-{number}", t1117=["name"] * 900)])
        connection.execute("DELETE FROM Packages WHERE hnum < 4")
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        for number in range(5):
            connection.execute(INSERT, [header(t1000=f"later-{number}")])

    content, log = beside(tmp_path, change)
    frame = 24 + 4096
    sizes = []
    for length in (len(log), 32 + frame * 2, 32 + frame * 3 + 100, 32 + frame * 12, 33, 20, 0):
        for bent in (log[:length], log[:5000] + b"\1" + log[5001:length]):
            read = list(RPM.read({PATH: content, PATH + "-wal": bent}))
            witness = by_sqlite(tmp_path / "again", content, bent)
            assert [package.name for package in read] == [RPM.extract("x", ndb([blob]))[0].name for blob in witness]
            sizes.append(len(read))
    assert len(set(sizes)) > 2


def test_a_log_of_each_byte_order() -> None:
    before, after = sqlite(HEADERS[:1]), sqlite(HEADERS)
    for order in "<>":
        log = log_of(before, after, order)
        assert [each.name for each in RPM.read({PATH: before, PATH + "-wal": log})] == ["tool", "other"]


def test_a_log_in_the_image_is_applied() -> None:
    before, after = sqlite(HEADERS[:1]), sqlite(HEADERS)
    log, release = log_of(before, after), file("etc/os-release", RELEASE)
    plain = Layers(layer(release, file(PATH, before), file(PATH + "-wal", b"")))
    found = installed(plain, plain.layers, None)
    assert ([each.package.name for each in found.packages], found.fetched, found.complete) == (["tool"], 1, True)
    image = Layers(layer(release, file(PATH, before), file(PATH + "-wal", log)))
    found = installed(image, image.layers, None)
    assert [(each.package.name, each.path, each.layer) for each in found.packages] == [
        ("tool", PATH, 0),
        ("other", PATH, 0),
    ]
    assert found.complete


def test_a_log_that_holds_the_table_itself() -> None:
    """As where rpm has made the database, and nothing has been written back yet."""
    empty = sqlite3.connect(":memory:")
    empty.execute("PRAGMA page_size = 512")
    empty.execute("CREATE TABLE x (y)")
    before = empty.serialize()
    empty.close()
    image = Layers(layer(file(PATH, before), file(PATH + "-wal", log_of(before, MADE["sqlite"]))))
    found = installed(image, image.layers, None)
    assert ([each.package.name for each in found.packages], found.complete) == (["tool", "other"], True)


def test_a_log_without_its_database_says_nothing() -> None:
    image = Layers(layer(file(PATH + "-wal", log_of(sqlite([]), MADE["sqlite"])), file("etc/os-release", RELEASE)))
    found = installed(image, image.layers, None)
    assert (found.packages, found.complete) == ((), False)
    left = Layers(layer(file(PATH + "-wal", b""), file("etc/os-release", RELEASE)))
    assert not installed(left, left.layers, None).complete


@pytest.mark.parametrize("where", ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"])
@pytest.mark.parametrize(("name", "kind"), [("Packages", "bdb"), ("Packages.db", "ndb"), ("rpmdb.sqlite", "sqlite")])
def test_every_place(where: str, name: str, kind: str) -> None:
    image = Layers(layer(file(f"{where}/{name}", MADE[kind]), file("etc/os-release", RELEASE)))
    found = installed(image, image.layers, None)
    assert [each.package.name for each in found.packages] == ["tool", "other"]
    assert found.complete


def test_a_folder_that_is_a_link_counts_once() -> None:
    files = (file("usr/lib/sysimage/rpm/rpmdb.sqlite", MADE["sqlite"]), file("etc/os-release", RELEASE))
    image = Layers(layer(*files, link("var/lib/rpm", "../../usr/lib/sysimage/rpm")))
    found = installed(image, image.layers, None)
    assert [(each.package.name, each.path) for each in found.packages] == [
        ("tool", "usr/lib/sysimage/rpm/rpmdb.sqlite"),
        ("other", "usr/lib/sysimage/rpm/rpmdb.sqlite"),
    ]
    log = log_of(sqlite(HEADERS[:1]), MADE["sqlite"])
    logged = (
        file("usr/lib/sysimage/rpm/rpmdb.sqlite", sqlite(HEADERS[:1])),
        file("usr/lib/sysimage/rpm/rpmdb.sqlite-wal", log),
    )
    image = Layers(layer(*logged, link("var/lib/rpm", "../../usr/lib/sysimage/rpm")))
    assert [each.package.name for each in installed(image, image.layers, None).packages] == ["tool", "other"]


def test_two_databases_are_not_told_from_each_other() -> None:
    """What a conversion left behind, or somebody put there: rpm reads one of them."""
    files = [file("var/lib/rpm/Packages", MADE["bdb"]), file(PATH, sqlite([header(t1001="9")]))]
    image = Layers(layer(*files, file("etc/os-release", RELEASE)))
    found = installed(image, image.layers, None)
    assert [each.package.version for each in found.packages] == ["4:1.2-3.el9", "1.2-3.el9", "4:9-3.el9"]
    assert not found.complete
    assert "packages of rpm (/var/lib/rpm/Packages, /var/lib/rpm/rpmdb.sqlite)" in [
        gap.what for gap in found.unassessed
    ]
    empty = Layers(layer(files[0], file(PATH, sqlite([])), file("etc/os-release", RELEASE)))
    assert installed(empty, empty.layers, None).complete


def test_pages_full_of_cells_that_are_the_same_one() -> None:
    """A file of some MiB that would be billions of rows: read for as long as its bytes last."""
    page = 65536
    content = bytearray(sqlite(HEADERS[:1], page=page))
    at = page  # the root of Packages; the page after it is sqlite_sequence
    (cell,) = struct.unpack_from(">H", content, at + 8)
    cells = (cell - 8) // 2
    struct.pack_into(">H", content, at + 3, cells)
    struct.pack_into(f">{cells}H", content, at + 8, *[cell] * cells)
    with pytest.raises(MalformedDatabase, match="over each other"):
        names(bytes(content))
    empty = bytearray(struct.pack(">BHHHB", 13, 0, 30000, 0, 0) + struct.pack(">30000H", *[60020] * 30000)).ljust(
        page, b"\0"
    )
    first = bytearray(content[:page])
    children = 10
    first[100:112] = struct.pack(">BHHHBI", 5, 0, children - 1, 0, 0, children + 1)
    for number in range(children - 1):
        struct.pack_into(">H", first, 112 + 2 * number, 1000 + 8 * number)
        struct.pack_into(">IB", first, 1000 + 8 * number, number + 2, 1)
    struct.pack_into(">I", first, 28, children + 1)
    empty[60020:60025] = b"\x02\x01\x02\x00\x00"
    with pytest.raises((LimitExceeded, MalformedDatabase)):
        names(bytes(first) + bytes(empty) * children)


def test_a_link_to_a_database_of_another_name() -> None:
    image = Layers(layer(file("opt/data", MADE["bdb"]), link("var/lib/rpm/Packages", "../../../opt/data")))
    assert [each.package.name for each in installed(image, image.layers, None).packages] == ["tool", "other"]


def test_a_broken_database_is_an_error_and_not_an_empty_list() -> None:
    for content in (SQLITE[:1000], b"", patched(BDB, 12, "<I", 0x053162)):
        image = Layers(layer(file("var/lib/rpm/Packages", content)))
        with pytest.raises(ContentError, match="var/lib/rpm/Packages"):
            installed(image, image.layers, None)
    assert PACKAGES.limit >= RPM.limit
