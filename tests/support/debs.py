"""Binary packages made by hand, in every compression that dpkg-deb has used, and in broken shapes."""

import gzip
import importlib
import io
import lzma
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from support.leaving_out import leave_out

__all__ = ["ar", "compressed", "data_tar", "deb", "downloaded", "entry"]


def entry(source: str, version: str, change: str = "* Change.", **fields: str) -> str:
    """Write one changelog entry; fields: distribution, urgency, date."""
    distribution = fields.get("distribution", "unstable")
    urgency = fields.get("urgency", "medium")
    date = fields.get("date", "Tue, 24 Oct 2023 18:15:03 +0200")
    return f"{source} ({version}) {distribution}; urgency={urgency}\n\n  {change}\n\n -- A B <a@b.example>  {date}\n\n"


def data_tar(files: Mapping[str, bytes], links: Mapping[str, str] | None = None, folders: Iterable[str] = ()) -> bytes:
    """Make a data.tar; paths without the leading ./, which is added as dpkg-deb does."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in folders:
            member = tarfile.TarInfo(f"./{path}/")
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
        for path, target in (links or {}).items():
            member = tarfile.TarInfo(f"./{path}")
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
        for path, body in files.items():
            member = tarfile.TarInfo(f"./{path}")
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return content.getvalue()


def compressed(content: bytes, name: str) -> bytes:
    """Compress as `xz`, `zst` or `gz`; anything else leaves it plain."""
    if name == "xz":
        return lzma.compress(content)
    if name == "gz":
        return gzip.compress(content)
    if name == "zst":
        try:
            zstd = importlib.import_module("compression.zstd")
        except ModuleNotFoundError:
            zstd = importlib.import_module("backports.zstd")
        packed: bytes = zstd.compress(content)
        return packed
    return content


def ar(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Make an ar archive (ar(5))."""
    parts = [b"!<arch>\n"]
    for name, body in members:
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n".encode() + body)
        parts.append(b"\n" * (len(body) % 2))
    return b"".join(parts)


def deb(data: bytes, compression: str = "xz") -> bytes:
    """Make a .deb of a data.tar."""
    ending = f".{compression}" if compression in ("xz", "zst", "gz") else ""
    control = compressed(data_tar({"control": b"Package: x\n"}), compression)
    return ar(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{ending}", control),
            (f"data.tar{ending}", compressed(data, compression)),
        ]
    )


def downloaded(package: str, folder: Path) -> Path:
    """Have apt fetch a real .deb; the test is left out where it cannot."""
    command = ["apt-get", "download", "-q", package]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        leave_out(f"apt-get download {package}: {error}")
    (found,) = folder.glob(f"{package}_*.deb")
    return found
