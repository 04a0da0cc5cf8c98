"""Real rpm databases, what rpm says of them, and copies in other formats and byte orders.

Debian's golang-github-knqyf263-go-rpmdb-dev has ten databases of real systems; the corpus has three of them and more,
with what rpm printed. `rpm` and `db5.3_load` make copies; tests that use those are marked `system`.
"""

import lzma
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from affineur.packages.inventory import Package
from support.rpms import needed

__all__ = [
    "DEBIAN",
    "FORMAT",
    "NAMES",
    "Row",
    "asked",
    "bdb_copy",
    "database",
    "listed",
    "loaded",
    "reloaded",
    "row",
    "said",
    "sqlite_copy",
]

NAMES = ("centos5-plain", "centos7-httpd24", "centos8-modularitylabel", "fedora-libuuid", "mariner-2.0", "sle15-bci")
FILES = ("Packages", "Packages.xz", "Packages.db", "rpmdb.sqlite")
DEBIAN = Path("/usr/share/gocode/src/github.com/knqyf263/go-rpmdb/pkg/testdata")

FORMAT = (
    r"%{NAME}\t%|EPOCH?{%{EPOCH}}:{(none)}|\t%{VERSION}\t%{RELEASE}\t%|ARCH?{%{ARCH}}:{(none)}|\t"
    r"%|SOURCERPM?{%{SOURCERPM}}:{(none)}|\t%|MODULARITYLABEL?{%{MODULARITYLABEL}}:{(none)}|\t"
    r"%|VENDOR?{%{VENDOR}}:{(none)}|\t%{LICENSE}\t%{SIZE}\t%{INSTALLTIME}\t"
    r"%|RSAHEADER?{%{RSAHEADER:pgpsig}}:{%|DSAHEADER?{%{DSAHEADER:pgpsig}}:{%|SIGPGP?{%{SIGPGP:pgpsig}}:{(none)}|}|}|\n"
)
"""The corpus's columns (QUERYFORMAT.txt) without SIGMD5, and with what else can say who signed."""

Row = tuple[str, ...]
_NONE = "(none)"


def database(corpus: Path, name: str) -> tuple[str, bytes]:
    """Name and content of one of the corpus's databases."""
    (file,) = (path for path in (corpus / "rpmdb" / name).iterdir() if path.name in FILES)
    content = file.read_bytes()
    return (file.stem, lzma.decompress(content)) if file.suffix == ".xz" else (file.name, content)


def listed(corpus: Path, name: str) -> list[Row]:
    """What rpm said of it: the packages in the order of the columns, SIGMD5 left out, keys left out, sorted."""
    lines = (corpus / "rpmdb" / name / "packages.tsv").read_text().splitlines()
    return _rows([[*fields[:11], *fields[12:]] for fields in (line.split("\t") for line in lines)])


def asked(folder: Path) -> list[Row]:
    """What this machine's rpm says of the database in a folder, likewise."""
    needed("rpm")
    command = ["rpm", "-qa", "--nosignature", "--nodigest", "--dbpath", str(folder), "--qf", FORMAT]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return said(done.stdout.decode("utf-8", "replace"))


def said(text: str) -> list[Row]:
    """The rows that rpm printed by FORMAT, likewise."""
    return _rows([line.split("\t") for line in text.splitlines()])


def row(package: Package) -> Row:
    """The same columns, out of what we have read; the source rpm's name put together again."""
    epoch, colon, version = package.version.rpartition(":")
    number, _, release = version.rpartition("-")
    source_version = package.source_version.rpartition(":")[2]
    return (
        package.name,
        epoch if colon else "0",
        number,
        release,
        package.architecture,
        f"{package.source}-{source_version}",
        package.module,
        package.vendor,
        package.licence,
        str(package.size),
        _seconds(package.installed_at),
        package.key_id,
    )


def sqlite_copy(content: bytes, folder: Path) -> Path:
    """Have rpm convert a Berkeley DB, and return the folder of the SQLite database."""
    needed("rpmdb")
    folder.mkdir(parents=True)
    (folder / "Packages").write_bytes(content)
    command = ["rpmdb", "--rebuilddb", "--dbpath", str(folder), "--define", "_db_backend sqlite"]
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert (folder / "rpmdb.sqlite").exists()
    return folder


def reloaded(content: bytes, folder: Path, **settings: str) -> bytes:
    """A Berkeley DB written anew by Berkeley DB's own tools: `db_lorder="4321"`, `db_pagesize="512"`."""
    needed("db5.3_dump", "db5.3_load")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "before").write_bytes(content)
    dump = subprocess.run(["db5.3_dump", str(folder / "before")], capture_output=True, check=True, timeout=60).stdout
    return loaded(dump, folder / "after", **settings)


def bdb_copy(file: Path, folder: Path) -> bytes:
    """The headers of a SQLite database as Berkeley DB's own tools write them: rpm's key is the number of the header."""
    folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file)
    rows = connection.execute("SELECT hnum, blob FROM Packages ORDER BY hnum").fetchall()
    connection.close()
    pairs = [(0, (len(rows) + 1).to_bytes(4, "little")), *rows]  # number 0 has the last number that was given
    lines = [f" {number.to_bytes(4, 'little').hex()}\n {bytes(value).hex()}\n" for number, value in pairs]
    head = "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n"
    return loaded((head + "".join(lines) + "DATA=END\n").encode(), folder / "Packages")


def loaded(dump: bytes, file: Path, **settings: str) -> bytes:
    """A Berkeley DB out of a dump; what the dump says of settings that are given is left out."""
    needed("db5.3_load")
    lines = [line for line in dump.split(b"\n") if line.split(b"=")[0].decode("latin-1") not in settings]
    chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = ["db5.3_load", *chosen, str(file)]
    subprocess.run(command, input=b"\n".join(lines), capture_output=True, check=True, timeout=60)
    return file.read_bytes()


def _rows(lines: list[list[str]]) -> list[Row]:
    return sorted(_comparable(line) for line in lines if line[0] != "gpg-pubkey")


def _comparable(fields: list[str]) -> Row:
    name, epoch, version, release, architecture, source, module, vendor, licence, size, installed, signed = fields
    for ending in (".nosrc.rpm", ".src.rpm"):
        source = source.removesuffix(ending)
    known = ["" if field == _NONE else field for field in (architecture, module, vendor, signed)]
    architecture, module, vendor, signed = known
    source = f"{name}-{version}-{release}" if source == _NONE else source
    key_id = signed.rpartition("Key ID ")[2]
    epoch = "0" if epoch == _NONE else epoch
    return name, epoch, version, release, architecture, source, module, vendor, licence, size, installed, key_id


def _seconds(moment: datetime | None) -> str:
    return str(int(moment.astimezone(UTC).timestamp())) if moment else ""
