"""The Ubuntu 14.04 image of the article and the archive that it asked: 55 lines of a real transcript, made whole again.

The transcript gives, for each package, the installed and the available version and the suites that offer it; Ubuntu's
notices (OSV) give the source packages. What neither tells is made up and said here: the release's own suite, `trusty`,
offers the installed versions, and files have sizes and digests of nothing.
"""

import csv
import dataclasses
import hashlib
import json
import lzma
from datetime import datetime
from pathlib import Path

from support.apt import Line, stanza

__all__ = [
    "SUITES", "Row", "image_files", "lines", "os_release", "packages_index", "release_file", "repository", "rows",
    "sources_list", "status",
]  # fmt: skip

SUITES = ("trusty", "trusty-updates", "trusty-security")
ARCHITECTURE = "amd64"

# Binaries that no notice names → their source, by Ubuntu 14.04's own Packages files.
_SOURCES = {
    "apt-utils": "apt", "libapt-inst1.5": "apt", "libapt-pkg4.12": "apt", "initramfs-tools-bin": "initramfs-tools",
    "isc-dhcp-client": "isc-dhcp", "isc-dhcp-common": "isc-dhcp", "klibc-utils": "klibc", "libklibc": "klibc",
    "libdrm2": "libdrm", "libplymouth2": "plymouth", "libkmod2": "kmod", "module-init-tools": "kmod",
    "gcc-4.8-base": "gcc-4.8", "libstdc++6": "gcc-4.8", "multiarch-support": "eglibc",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the transcript, with the source package."""

    package: str
    suites: tuple[str, ...]
    available: str
    architecture: str
    installed: str
    source: str


def rows(corpus: Path) -> list[Row]:
    """The transcript's lines in its own order, which is apt's."""
    known = _sources_of_notices(corpus)
    with (corpus.parent / "article" / "ubuntu-trusty-upgradable.tsv").open(newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    return [
        Row(
            row["package"],
            tuple(row["suites"].split(",")),
            row["available"],
            row["architecture"],
            row["installed"],
            known.get(row["package"]) or _SOURCES.get(row["package"]) or row["package"],
        )
        for row in table
    ]


def lines(corpus: Path) -> list[Line]:
    """What `apt list --upgradable` printed."""
    return [
        Line(row.package, ",".join(row.suites), row.available, row.architecture, row.installed) for row in rows(corpus)
    ]


def status(corpus: Path) -> bytes:
    """`var/lib/dpkg/status`."""
    return "".join(
        stanza(
            {
                "Package": row.package,
                "Status": "install ok installed",
                "Maintainer": "Ubuntu Developers <ubuntu-devel-discuss@lists.example>",
                "Architecture": row.architecture,
                "Source": _source_field(row),
                "Version": row.installed,
                "Description": "a package of the article's image",
            }
        )
        for row in rows(corpus)
    ).encode()


def packages_index(corpus: Path, suite: str) -> bytes:
    """`main/binary-amd64/Packages` of a suite, uncompressed."""
    return "".join(
        stanza(
            {
                "Package": row.package,
                "Architecture": row.architecture,
                "Source": _source_field(row),
                "Version": row.installed if suite == "trusty" else row.available,
                "Filename": f"pool/main/{row.package}_{row.available.replace(':', '%3a')}_{row.architecture}.deb",
                "Size": 1000,
                "SHA256": hashlib.sha256(b"").hexdigest(),
                "Description": "a package of the article's image",
            }
        )
        for row in rows(corpus)
        if suite == "trusty" or suite in row.suites
    ).encode()


def release_file(suite: str, indexes: dict[str, bytes], date: datetime) -> bytes:
    """An unsigned Release file.

    Args:
        indexes: path below the suite's folder → content.
        date: UTC.
    """
    hashes = "".join(
        f"\n {hashlib.sha256(content).hexdigest()} {len(content)} {path}" for path, content in sorted(indexes.items())
    )
    return stanza(
        {
            "Origin": "Ubuntu",
            "Label": "Ubuntu",
            "Suite": suite,
            "Version": "14.04",
            "Codename": "trusty",
            "Date": f"{date:%a, %d %b %Y %H:%M:%S} UTC",
            "Architectures": ARCHITECTURE,
            "Components": "main",
            "Description": f"Ubuntu {suite.title()} 14.04",
            "SHA256": hashes,
        }
    ).rstrip("\n").encode() + b"\n"  # fmt: skip


def repository(corpus: Path, date: datetime) -> dict[str, bytes]:
    """An archive's files below its URI, path → content: an unsigned Release per suite, and its index in two forms."""
    files: dict[str, bytes] = {}
    for suite in SUITES:
        plain = packages_index(corpus, suite)
        indexes = {
            "main/binary-amd64/Packages": plain,
            "main/binary-amd64/Packages.xz": lzma.compress(plain),
        }
        files |= {f"dists/{suite}/{path}": content for path, content in indexes.items()}
        files[f"dists/{suite}/Release"] = release_file(suite, indexes, date)
    return files


def sources_list(uri: str) -> bytes:
    """`etc/apt/sources.list`, in the order of Ubuntu's own images."""
    return "".join(f"deb {uri} {suite} main\n" for suite in SUITES).encode()


def os_release() -> bytes:
    """`etc/os-release` of Ubuntu 14.04."""
    return (
        b'NAME="Ubuntu"\nVERSION="14.04.5 LTS, Trusty Tahr"\nID=ubuntu\nID_LIKE=debian\n'
        b'PRETTY_NAME="Ubuntu 14.04.5 LTS"\nVERSION_ID="14.04"\n'
    )


def image_files(corpus: Path, uri: str) -> dict[str, bytes]:
    """All that an image needs to hold, path relative to its root → content."""
    return {
        "etc/os-release": os_release(),
        "etc/apt/sources.list": sources_list(uri),
        "var/lib/dpkg/status": status(corpus),
    }


def _source_field(row: Row) -> str | None:
    return None if row.source == row.package else row.source


def _sources_of_notices(corpus: Path) -> dict[str, str]:
    notices = json.loads((corpus / "errata" / "ubuntu-trusty-usn-osv.json").read_text())
    return {
        binary["binary_name"]: affected["package"]["name"]
        for notice in notices
        for affected in notice["affected"]
        for binary in affected["ecosystem_specific"]["binaries"]
    }
