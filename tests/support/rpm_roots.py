"""rpm databases and repositories made without rpmbuild and createrepo_c: hundreds of packages in a tenth of a second.

Only what check-update looks at is there: names, versions, architectures, vendors, and what they provide and obsolete.
"""

import dataclasses
import gzip
import hashlib
import sqlite3
import struct
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from affineur.packages.inventory import Package
from support.rpms import database

__all__ = ["Rpm", "primary", "publish", "record"]

_INT32, _STRING, _STRINGS, _I18N = 4, 6, 8, 9


@dataclasses.dataclass(frozen=True)
class Rpm:
    """A package, installed or on offer.

    Attributes:
        version: `[epoch:]version-release`.
        obsoletes: `name` or `name FLAGS version`, the flags as in primary.xml.
    """

    name: str
    version: str
    architecture: str = "noarch"
    source: str = ""
    vendor: str = ""
    obsoletes: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    module: str = ""

    @property
    def parts(self) -> tuple[str, str, str]:
        """Epoch (empty where there is none), version, release."""
        epoch, _, rest = self.version.rpartition(":")
        version, _, release = rest.partition("-")
        return epoch, version, release

    @property
    def nevra(self) -> str:
        """As modules.yaml names an artifact."""
        epoch, version, release = self.parts
        return f"{self.name}-{epoch or 0}:{version}-{release}.{self.architecture}"

    @property
    def source_rpm(self) -> str:
        _, version, release = self.parts
        return f"{self.source or self.name}-{version}-{release}.src.rpm"

    def package(self) -> Package:
        return Package(
            name=self.name,
            version=self.version.removeprefix("0:"),
            architecture=self.architecture,
            source=self.source or self.name,
            source_version=self.version.removeprefix("0:"),
            manager="rpm",
            vendor=self.vendor,
            module=self.module,
        )


def record(root: Path, packages: Iterable[Rpm]) -> Path:
    """Make a root in which these packages are installed; rpm itself makes the database's indexes."""
    root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["rpm", "--root", str(root), "--define", "_db_backend sqlite", "--initdb"], check=True)
    connection = sqlite3.connect(database(root) / "rpmdb.sqlite")
    rows = [(number, _header(package)) for number, package in enumerate(packages, start=1)]
    connection.executemany("INSERT INTO Packages (hnum, blob) VALUES (?, ?)", rows)
    connection.commit()
    connection.close()
    subprocess.run(["rpmdb", "--root", str(root), "--define", "_db_backend sqlite", "--rebuilddb"], check=True)
    return root


def primary(packages: Sequence[Rpm]) -> bytes:
    """primary.xml, as createrepo_c writes it."""
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common"'
        f' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{len(packages)}">\n'
    )
    return (head + "".join(map(_element, packages)) + "</metadata>\n").encode()


def publish(folder: Path, packages: Sequence[Rpm], modules: str | None = None) -> Path:
    """Make a repository with primary.xml and, where given, modules.yaml; there are no packages in it."""
    (folder / "repodata").mkdir(parents=True)
    documents = {"primary.xml": primary(packages), "modules.yaml": (modules or "").encode()}
    data = ""
    for name, content in documents.items():
        if name == "modules.yaml" and modules is None:
            continue
        packed = gzip.compress(content, mtime=0)
        (folder / "repodata" / f"{name}.gz").write_bytes(packed)
        data += (
            f'<data type="{name.split(".")[0]}"><checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum>'
            f'<open-checksum type="sha256">{hashlib.sha256(content).hexdigest()}</open-checksum>'
            f'<location href="repodata/{name}.gz"/><timestamp>1717200000</timestamp>'
            f"<size>{len(packed)}</size><open-size>{len(content)}</open-size></data>"
        )
    text = f'<?xml version="1.0"?><repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>{data}</repomd>'
    (folder / "repodata" / "repomd.xml").write_text(text)
    return folder


def _element(package: Rpm) -> str:
    epoch, version, release = package.parts
    evr = f'epoch="{epoch or 0}" ver={quoteattr(version)} rel={quoteattr(release)}'
    provides = f'<rpm:entry name={quoteattr(package.name)} flags="EQ" {evr}/>'
    provides += "".join(f"<rpm:entry name={quoteattr(name)}/>" for name in package.provides)
    obsoletes = "".join(map(_relation, package.obsoletes))
    digest = hashlib.sha256(repr(package).encode()).hexdigest()
    return (
        f'<package type="rpm"><name>{escape(package.name)}</name><arch>{package.architecture}</arch><version {evr}/>'
        f'<checksum type="sha256" pkgid="YES">{digest}</checksum><summary>x</summary><description>x</description>'
        '<packager/><url/><time file="1717200000" build="1717200000"/><size package="1" installed="1" archive="1"/>'
        f'<location href="{package.name}-{version}-{release}.{package.architecture}.rpm"/><format>'
        f"<rpm:license>MIT</rpm:license><rpm:vendor>{escape(package.vendor)}</rpm:vendor>"
        f"<rpm:sourcerpm>{escape(package.source_rpm)}</rpm:sourcerpm><rpm:provides>{provides}</rpm:provides>"
        f"<rpm:obsoletes>{obsoletes}</rpm:obsoletes></format></package>\n"
    )


def _relation(text: str) -> str:
    name, _, rest = text.partition(" ")
    flags, _, evr = rest.partition(" ")
    if not flags:
        return f"<rpm:entry name={quoteattr(name)}/>"
    epoch, _, version = evr.rpartition(":")
    number, _, release = version.partition("-")
    more = f' rel="{release}"' if release else ""
    return f'<rpm:entry name={quoteattr(name)} flags="{flags}" epoch="{epoch or 0}" ver="{number}"{more}/>'


def _header(package: Rpm) -> bytes:
    """A header as rpm stores it, without magic and region; rpm's file format: docs/manual/format.md."""
    epoch, version, release = package.parts
    evr = f"{epoch}:{version}-{release}" if epoch else f"{version}-{release}"
    tags: list[tuple[int, int, list[str] | int]] = [
        (1000, _STRING, [package.name]),
        (1001, _STRING, [version]),
        (1002, _STRING, [release]),
        (1004, _I18N, ["x"]),
        (1005, _I18N, ["x"]),
        (1006, _INT32, 1_717_200_000),  # built
        (1008, _INT32, 1_717_200_000),  # installed
        (1009, _INT32, 0),
        (1014, _STRING, ["MIT"]),
        (1016, _I18N, ["x"]),
        (1021, _STRING, ["linux"]),
        (1022, _STRING, [package.architecture]),
        (1044, _STRING, [package.source_rpm]),
        (1047, _STRINGS, [package.name, *package.provides]),
        (1112, _INT32, 8),
        (1113, _STRINGS, [evr, *("" for _ in package.provides)]),
    ]
    if epoch:
        tags.append((1003, _INT32, int(epoch)))
    if package.vendor:
        tags.append((1011, _STRING, [package.vendor]))
    if package.module:
        tags.append((5096, _STRING, [package.module]))
    index, data = b"", b""
    for tag, kind, value in sorted(tags):
        if isinstance(value, int):
            data += b"\0" * (-len(data) % 4)
            numbers = [value] + [0] * (len(package.provides) if tag == 1112 else 0)
            index += struct.pack(">4I", tag, kind, len(data), len(numbers))
            data += struct.pack(f">{len(numbers)}I", *numbers)
        else:
            index += struct.pack(">4I", tag, kind, len(data), len(value))
            data += b"".join(text.encode() + b"\0" for text in value)
    return struct.pack(">2I", len(index) // 16, len(data)) + index + data
