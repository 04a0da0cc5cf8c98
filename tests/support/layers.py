"""Images made of a few tar entries, held in memory."""

import gzip
import io
import tarfile
from collections.abc import Iterator, Sequence

from affineur.image.reader import Reader
from affineur.image.walk import LayerMemory, Tree, walk
from affineur.oci.descriptor import Descriptor
from affineur.oci.reference import parse_reference
from affineur.source.memory import MemorySource

__all__ = ["GZIP", "Layers", "directory", "file", "hard", "layer", "link", "opaque", "whiteout"]

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
Item = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes | str = b"") -> Item:
    """A regular file."""
    content = content.encode() if isinstance(content, str) else content
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def directory(name: str) -> Item:
    """A directory."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info, b""


def link(name: str, target: str) -> Item:
    """A symbolic link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info, b""


def hard(name: str, target: str) -> Item:
    """A hard link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.LNKTYPE, target
    return info, b""


def whiteout(name: str) -> Item:
    """What hides a path of lower layers."""
    folder, slash, base = name.rpartition("/")
    return file(f"{folder}{slash}.wh.{base}")


def opaque(name: str) -> Item:
    """What hides everything in a directory of lower layers."""
    return file(f"{name}/.wh..wh..opq" if name else ".wh..wh..opq")


def layer(*items: Item) -> bytes:
    """A layer, gzip-compressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in items:
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), 1)


class Layers:
    """An image's layers, base first, and how often each was fetched."""

    def __init__(self, *contents: bytes, media_types: Sequence[str] = ()) -> None:
        self._source = MemorySource(parse_reference("registry.example/image"))
        self.layers: list[Descriptor] = []
        self.fetches: list[int] = []
        for index, content in enumerate(contents):
            media_type = media_types[index] if media_types else GZIP
            self.layers.append(Descriptor(media_type, self._source.add_blob(content), len(content)))

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """See `Source`."""
        self.fetches.append(next(i for i, known in enumerate(self.layers) if known is descriptor))
        return self._source.blob(descriptor)

    def walk(self, *readers: Reader, memory: LayerMemory | None = None, stop_early: bool = False) -> Tree:
        """Walk them."""
        return walk(self, self.layers, readers, memory, stop_early=stop_early)
