"""Whether an image will fit: what an engine's storage needs for it, and what its file system has left.

How large a layer is unpacked is known only once it is unpacked, unless it is not compressed. Else FACTOR times its
compressed size is reckoned with. A file system is asked by statvfs(3); what an unprivileged user may have is counted.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from affineur.engines.engine import Storage
from affineur.oci.descriptor import UNKNOWN_SIZE, Descriptor

__all__ = ["FACTOR", "Need", "Room", "needed", "room"]

FACTOR = 3
"""Unpacked bytes for each compressed byte, on the safe side: programs, libraries and documents of Debian 12 took 2.2 to
2.9 times as much as their gzip -6, 2.4 to 2.9 times as much as their zstd -3, the layer of Alpine 3.10 2.2 times."""


class Need(msgspec.Struct, frozen=True):
    """Bytes that an engine will write.

    Attributes:
        layers: that are not there yet.
        fetched: of those, as they are transferred; None where the manifest does not say.
        unpacked: what they will take in the storage; an estimate where `estimated`.
    """

    layers: int
    fetched: int | None
    unpacked: int | None
    estimated: bool


class Room(msgspec.Struct, frozen=True):
    """Whether there is room: yes, no, or could not tell, and why.

    Attributes:
        enough: None: could not be told.
        because: one sentence.
    """

    enough: bool | None
    because: str


def needed(layers: Sequence[Descriptor], there: frozenset[int], storage: Storage) -> Need:
    """What is needed for the layers (base first) that are not there.

    Args:
        there: positions of those that are.
    """
    sizes = [layer.size for layer in layers]
    missing = [number for number in range(len(layers)) if number not in there]
    if any(sizes[number] == UNKNOWN_SIZE for number in missing):
        return Need(len(missing), None, None, True)
    unpacked = [layer.size * (FACTOR if _is_compressed(layer) else 1) for layer in layers]
    # a driver that copies has, for each layer, all that is below it once more
    sums = [sum(unpacked[: number + 1]) for number in missing] if storage.copies else [unpacked[n] for n in missing]
    estimated = any(_is_compressed(layers[number]) for number in missing)
    return Need(len(missing), sum(sizes[number] for number in missing), sum(sums), estimated)


def room(storage: Storage, need: Need) -> Room:
    """Compare what is needed with what is free where it will be written."""
    if storage.root is None:
        return Room(None, storage.why)
    if need.fetched is None or need.unpacked is None:
        return Room(None, "the manifest does not say how large its layers are")
    wanted: dict[int, tuple[Path, int]] = {}
    for folder, size in ((storage.root, need.unpacked), (storage.temporary or storage.root, need.fetched)):
        try:
            device = folder.stat().st_dev
        except OSError as problem:
            return Room(None, f"{folder}: cannot be looked at: {problem.strerror}")
        kept, so_far = wanted.get(device, (folder, 0))
        wanted[device] = (kept, so_far + size)
    told = []
    for folder, size in wanted.values():
        try:
            found = os.statvfs(folder)
        except OSError as problem:
            return Room(None, f"{folder}: its free space cannot be told: {problem.strerror}")
        free = found.f_bavail * found.f_frsize
        words = f"{folder}: {_megabytes(size)} needed for {_counted(need)}, {_megabytes(free)} free"
        if free < size:
            guess = f" (reckoned at {FACTOR} times the compressed size)" if need.estimated else ""
            return Room(False, words + guess)
        told.append(words)
    return Room(True, "; ".join(told))


def _is_compressed(layer: Descriptor) -> bool:
    return not layer.media_type.endswith(".tar")


def _counted(need: Need) -> str:
    return "1 layer" if need.layers == 1 else f"{need.layers} layers"


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
