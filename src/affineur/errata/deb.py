"""The changelog inside a .deb, read from memory: nothing of the package is unpacked to disk.

Sources: deb(5) (an ar archive: debian-binary, control.tar, data.tar), ar(5), Debian Policy § 12.7 (changelogs lie in
usr/share/doc/<package>/: changelog.Debian.gz, or changelog.gz for a native package; the folder may be a link to that
of another package of the same source).
"""

from collections.abc import Iterator

from affineur.errors import LimitExceeded, MalformedArchive, UnsupportedContent
from affineur.streams.decompress import decompressed
from affineur.streams.tar import Archive

__all__ = ["changelog_of", "data_member"]

MAX_MEMBERS = 16  # a .deb has three; dpkg-deb passes over others whose names start with "_"
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
"""Bytes of data.tar that are unpacked while looking; a package within the byte budget has far fewer."""
MAX_CHANGELOG_BYTES = 16 * 1024 * 1024
_HEADER = 60
_NAMES = ("changelog.Debian.gz", "changelog.gz", "changelog.Debian", "changelog")


def changelog_of(deb: bytes, package: str, where: str) -> str:
    """Read the Debian changelog of a binary package.

    Args:
        deb: the whole .deb, already checked against its index.
        package: the binary package's name.
        where: where it came from, for messages only.

    Raises:
        UnsupportedContent: there is none in it: the folder is a link to another package's, or it was left out. The
            message says which.
        MalformedArchive, LimitExceeded: it is no readable .deb.
    """
    folder = f"usr/share/doc/{package}"
    wanted = {f"{folder}/{name}".encode(): rank for rank, name in enumerate(_NAMES)}
    _, pieces = decompressed(_in_chunks(data_member(deb, where)), where)
    archive = Archive(_bounded(pieces, where), where)
    best: tuple[int, bytes] | None = None
    for entry in archive.entries(lambda name: _plain(name) in wanted or _plain(name) == folder.encode()):
        name = _plain(entry.name)
        if entry.kind in ("symlink", "hardlink"):
            target = entry.link.decode(errors="replace")[:200]
            if name not in wanted or best is None:
                raise UnsupportedContent(f"{where}: {name.decode()} is a link to {target}, of another package")
            continue
        rank = wanted.get(name)
        if entry.kind != "file" or rank is None or (best is not None and best[0] <= rank):
            continue
        best = rank, archive.read(entry, MAX_CHANGELOG_BYTES)
        if rank == 0:
            break
    if best is None:
        raise UnsupportedContent(f"{where}: it holds no {folder}/changelog.Debian.gz")
    return _text(best[1], where)


def data_member(deb: bytes, where: str) -> memoryview:
    """Give data.tar, as compressed, of a .deb. Raises MalformedArchive."""
    if not deb.startswith(b"!<arch>\n"):
        raise MalformedArchive(f"{where}: no ar archive, so no .deb")
    at = 8
    for _ in range(MAX_MEMBERS):
        header = deb[at : at + _HEADER]
        if len(header) < _HEADER or header[58:60] != b"`\n":
            raise MalformedArchive(f"{where}: a broken ar header at byte {at}")
        digits = header[48:58].strip()
        if not digits.isdigit():
            raise MalformedArchive(f"{where}: an ar member without a size at byte {at}")
        start, size = at + _HEADER, int(digits)
        if start + size > len(deb):
            raise MalformedArchive(f"{where}: it ends within an ar member")
        name = header[:16].strip().rstrip(b"/")
        if name.startswith(b"data.tar"):
            return memoryview(deb)[start : start + size]
        at = start + size + (size & 1)
    raise MalformedArchive(f"{where}: no data.tar among its first {MAX_MEMBERS} members")


def _text(content: bytes, where: str) -> str:
    """The changelog's text, unpacked if it is gzip; bytes that are not UTF-8 (old entries) are replaced."""
    _, pieces = decompressed(iter([content]), where)
    parts: list[bytes] = []
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > MAX_CHANGELOG_BYTES:
            raise LimitExceeded(f"{where}: a changelog of more than {MAX_CHANGELOG_BYTES} bytes")
        parts.append(piece)
    return b"".join(parts).decode("utf-8", errors="replace")


def _in_chunks(content: memoryview) -> Iterator[bytes]:
    for start in range(0, len(content), 65536):
        yield bytes(content[start : start + 65536])


def _bounded(pieces: Iterator[bytes], where: str) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > MAX_UNPACKED_BYTES:
            raise LimitExceeded(f"{where}: no changelog in the first {MAX_UNPACKED_BYTES} bytes of data.tar")
        yield piece


def _plain(name: bytes) -> bytes:
    return name.removeprefix(b"./").rstrip(b"/")
