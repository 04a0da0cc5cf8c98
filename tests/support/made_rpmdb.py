"""Small rpm databases made here, byte by byte, so that each byte can be bent."""

import sqlite3
import struct
import zlib
from collections.abc import Mapping, Sequence

__all__ = ["bdb", "header", "log_of", "ndb", "sqlite"]

PAGE = 512
NUMBER, TEXT, BINARY, TEXTS = 4, 6, 7, 8
Value = int | str | bytes | Sequence[str]
TOOL: Mapping[int, Value] = {
    1000: "tool",
    1001: "1.2",
    1002: "3.el9",
    1003: 4,
    1008: 1_700_000_000,
    1009: 5678,
    1011: "Example",
    1014: "MIT",
    1022: "x86_64",
    1044: "suite-1.2-3.el9.src.rpm",
    5096: "suite:1:2:3",
    268: bytes.fromhex("890013030500") + bytes(4) + bytes.fromhex("0123456789abcdef") + b"\1\2" + bytes(2),
}


def header(**changed: Value | None) -> bytes:
    """A header as a database has it; `t1000="x"` sets a tag, None leaves it out."""
    tags = {**TOOL, **{int(name[1:]): value for name, value in changed.items()}}
    index, data = b"", b""
    for tag, value in sorted(tags.items()):
        if value is None:
            continue
        kind, count, content = _value(value)
        data += bytes(-len(data) % 4)
        index += struct.pack(">4I", tag, kind, len(data), count)
        data += content
    return struct.pack(">2I", len(index) // 16, len(data)) + index + data


def _value(value: Value) -> tuple[int, int, bytes]:
    if isinstance(value, int):
        return NUMBER, 1, struct.pack(">I", value)
    if isinstance(value, bytes):
        return BINARY, len(value), value
    if isinstance(value, str):
        return TEXT, 1, value.encode() + b"\0"
    return TEXTS, len(value), b"".join(each.encode() + b"\0" for each in value)


def bdb(values: Sequence[bytes], order: str = "<") -> bytes:
    """A hash database of one bucket, each value in overflow pages of its own."""
    pages: list[bytes] = [b"", b""]
    items = [b"\1\0\0\0\0", b"\1" + struct.pack(f"{order}I", len(values) + 1)]
    for number, value in enumerate(values, 1):
        items += [
            b"\1" + struct.pack(f"{order}I", number),
            struct.pack(f"{order}B3xII", 3, len(pages), len(value)),
        ]
        pieces = [value[at : at + PAGE - 26] for at in range(0, len(value), PAGE - 26)]
        for count, piece in enumerate(pieces, 1):
            own = len(pages)
            following = own + 1 if count < len(pieces) else 0
            pages.append(struct.pack(f"{order}8x3IHHBB", own, 0, following, 1, len(piece), 0, 7) + piece)
    offsets, body, at = [], b"", PAGE
    for item in items:
        at -= len(item)
        offsets.append(at)
        body = item + body
    start = struct.pack(f"{order}8x3IHHBB", 1, 0, 0, len(items), at, 0, 13)
    start += struct.pack(f"{order}{len(offsets)}H", *offsets)
    pages[1] = start + bytes(at - len(start)) + body
    pages[0] = struct.pack(f"{order}8x4IBBBxIII", 0, 0x061561, 9, PAGE, 0, 8, 0, 0, len(pages) - 1, 0)
    return b"".join(page.ljust(PAGE, b"\0") for page in pages)


def ndb(values: Sequence[bytes]) -> bytes:
    """An NDB with one page of slots."""
    slots, blobs = b"", b""
    for number, value in enumerate(values, 1):
        count = -(-(len(value) + 28) // 16)
        slots += struct.pack("<4sIII", b"Slot", number, 256 + len(blobs) // 16, count)
        blob = (struct.pack("<4sIII", b"BlbS", number, 1, len(value)) + value).ljust(count * 16 - 12, b"\0")
        blobs += blob + struct.pack("<II4s", zlib.adler32(blob), len(value), b"BlbE")
    empty = struct.pack("<4sIII", b"Slot", 0, 0, 0)
    start = struct.pack("<4s5I8x", b"RpmP", 0, 1, 1, len(values) + 1, 0)
    return (
        (start + slots).ljust(4096 - 16 * ((4096 - len(start + slots)) // 16), b"\0")
        + empty * ((4096 - len(start + slots)) // 16)
        + blobs
    )


def sqlite(values: Sequence[bytes], page: int = PAGE) -> bytes:
    """A database as rpm lays it out, by SQLite itself."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"PRAGMA page_size = {page}")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(value,) for value in values])
    connection.commit()
    content = connection.serialize()
    connection.close()
    return content


def log_of(before: bytes, after: bytes, order: str = "<", page: int = PAGE, salt: int = 7) -> bytes:
    """A write-ahead log that makes the second database of the first, in one transaction (fileformat2 § 4)."""
    start = struct.pack(">6I", 0x377F0682 + (order == ">"), 3007000, page, 0, salt, salt)
    sums = _summed((0, 0), start, order)
    log = start + struct.pack(">2I", *sums)
    count = len(after) // page
    changed = [n for n in range(count) if before[n * page : (n + 1) * page] != after[n * page : (n + 1) * page]]
    for number in changed:
        content = after[number * page : (number + 1) * page]
        head = struct.pack(">2I", number + 1, count if number == changed[-1] else 0)
        sums = _summed(_summed(sums, head, order), content, order)
        log += head + struct.pack(">4I", salt, salt, *sums) + content
    return log


def _summed(start: tuple[int, int], data: bytes, order: str) -> tuple[int, int]:
    one, two = start
    for first, second in struct.iter_unpack(f"{order}2I", data):
        one = (one + first + two) % 2**32
        two = (two + second + one) % 2**32
    return one, two
