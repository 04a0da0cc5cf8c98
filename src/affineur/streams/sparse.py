"""Sparse files in tar: old GNU, and pax 0.0, 0.1 and 1.0 (info tar, § Storing Sparse Files)."""

from collections.abc import Callable

from affineur.streams.pax import Records

__all__ = ["MAP_MAX", "REGIONS_MAX", "Map", "expanded", "is_sparse", "old_gnu", "pax_name_and_size"]

Map = list[tuple[int, int]]
"""Regions that hold data: offset and length in bytes, ascending, not overlapping."""

REGIONS_MAX = 100_000
"""Regions of one file."""
MAP_MAX = 1024 * 1024
"""Bytes of a pax 1.0 map, which stands before the data."""


def old_gnu(header: bytes, next_block: Callable[[], bytes]) -> tuple[Map, int]:
    """Map and real size of an old GNU sparse entry; reads the extension blocks that follow its header.

    Raises:
        ValueError: no such map.
    """
    if header[257:265] != b"ustar  \0":
        raise ValueError("a GNU sparse file in an archive that is not GNU's")
    real = _octal(header[483:495])
    regions: Map = []
    table, count, more = header[386:482], 4, header[482]
    while True:
        for index in range(count):
            field = table[index * 24 : index * 24 + 24]
            if not field[0]:
                break
            regions.append((_octal(field[:12]), _octal(field[12:])))
        if not more:
            break
        if len(regions) > REGIONS_MAX:
            raise ValueError("a sparse map with too many regions")
        block = next_block()
        table, count, more = block[:504], 21, block[504]
    _check(regions, real)
    return regions, real


def is_sparse(pax: Records) -> bool:
    """Whether these records describe a sparse file of a known form (Go: readGNUSparsePAXHeaders)."""
    version = pax.get(b"GNU.sparse.major", b""), pax.get(b"GNU.sparse.minor", b"")
    if version in ((b"0", b"0"), (b"0", b"1"), (b"1", b"0")):
        return True
    return version == (b"", b"") and bool(pax.get(b"GNU.sparse.map"))


def pax_name_and_size(pax: Records, name: bytes, size: int) -> tuple[bytes, int]:
    """Real name and size, which the entry itself gives to a placeholder and to the stored bytes.

    Raises:
        ValueError: a size that is none.
    """
    real = pax.get(b"GNU.sparse.size") or pax.get(b"GNU.sparse.realsize")
    return pax.get(b"GNU.sparse.name") or name, size if real is None else _decimal(real)


def expanded(stored: bytes, size: int, regions: Map | None, pax: Records | None) -> bytes:
    """Content with its holes filled.

    Args:
        stored: the bytes in the archive, in pax 1.0 with the map at their start.
        size: real size in bytes, already held against a limit.
        regions: old GNU's map; None for pax, whose records then say.

    Raises:
        ValueError: map and data do not fit.
    """
    if regions is None:
        pax = pax or {}
        if pax.get(b"GNU.sparse.major") == b"1":
            regions, stored = _map_before_data(stored)
        else:
            numbers = [_decimal(text) for text in pax.get(b"GNU.sparse.map", b"").split(b",") if text]
            count = _decimal(pax.get(b"GNU.sparse.numblocks", b"%d" % (len(numbers) // 2)))
            if len(numbers) != 2 * count or count > REGIONS_MAX:
                raise ValueError("a sparse map of the wrong length")
            regions = list(zip(numbers[::2], numbers[1::2], strict=True))
        _check(regions, size)
    if sum(length for _, length in regions) != len(stored):
        raise ValueError("a sparse map that does not fit its data")
    content = bytearray(size)
    position = 0
    for offset, length in regions:
        content[offset : offset + length] = stored[position : position + length]
        position += length
    return bytes(content)


def _map_before_data(stored: bytes) -> tuple[Map, bytes]:
    head, position = _line(stored, 0)
    if head > REGIONS_MAX:
        raise ValueError("a sparse map with too many regions")
    regions: Map = []
    for _ in range(head):
        offset, position = _line(stored, position)
        length, position = _line(stored, position)
        regions.append((offset, length))
    return regions, stored[position + -position % 512 :]


def _line(stored: bytes, position: int) -> tuple[int, int]:
    end = stored.find(b"\n", position, position + 21)
    if end < 0:
        raise ValueError("a sparse map that does not end")
    return _decimal(stored[position:end]), end + 1


def _check(regions: Map, size: int) -> None:
    before = 0
    for offset, length in regions:
        if offset < before or offset + length > size:
            raise ValueError("a sparse map whose regions overlap or pass the file's end")
        before = offset + length


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 19:
        raise ValueError("a number in a sparse map that is none")
    return int(text)


def _octal(field: bytes) -> int:
    if field[0] & 0x80:  # base 256
        if field[0] & 0x40:
            raise ValueError("a negative number in a sparse map")
        value = int.from_bytes(field, "big") & ((1 << (len(field) * 8 - 1)) - 1)
    else:
        text = field.strip(b" \0")
        if text and not text.isdigit():
            raise ValueError("a number in a sparse map that is none")
        value = int(text or b"0", 8)
    if value >= 1 << 63:
        raise ValueError("a number in a sparse map that is too large")
    return value
