"""Pax extended headers, `length key=value` (POSIX.1-2001 § pax Extended Header), as Go's archive/tar takes them."""

import re

__all__ = ["RECORDS_MAX", "Records", "merge", "records"]

Records = dict[bytes, bytes]
RECORDS_MAX = 100_000
"""Records in one header; a sparse map of pax 0.0 has two for each region."""

_TEXTS = frozenset((b"path", b"linkpath", b"uname", b"gname"))
_INTEGERS = (b"uid", b"gid", b"size")
_TIMES = (b"mtime", b"atime", b"ctime")
_INTEGER = re.compile(rb"[+-]?[0-9]{1,64}\Z")
_TIME = re.compile(rb"-?[0-9]{1,19}(?:\.[0-9]*)?\Z")


def records(content: bytes) -> Records:
    """Read all records of one header; a later one of the same key wins.

    pax 0.0's repeated `GNU.sparse.offset` and `GNU.sparse.numbytes` come out as 0.1's single `GNU.sparse.map`.

    Raises:
        ValueError: a record breaks the form, says what.
    """
    found: Records = {}
    sparse: list[bytes] = []
    position, end, count = 0, len(content), 0
    while position < end:
        count += 1
        if count > RECORDS_MAX:
            raise ValueError(f"more than {RECORDS_MAX} records")
        space = content.find(b" ", position, position + 20)
        digits = content[position:space]
        if space < 0 or not digits.isdigit():
            raise ValueError("a record without its length")
        stop = position + int(digits)
        if stop > end or stop <= space + 1 or content[stop - 1] != 0x0A:
            raise ValueError("a record whose length is wrong")
        key, equals, value = content[space + 1 : stop - 1].partition(b"=")
        if not equals or not key or b"\0" in (value if key in _TEXTS else key):
            raise ValueError("a record that is no `key=value`, or has a NUL where none may be")
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            # 0.0: pairs, in this order
            if (key == b"GNU.sparse.numbytes") != bool(len(sparse) % 2) or b"," in value:
                raise ValueError("a sparse map that is out of order")
            sparse.append(value)
        else:
            found[key] = value
        position = stop
    if sparse:
        found[b"GNU.sparse.map"] = b",".join(sparse)
    return found


def merge(pax: Records, name: bytes, link: bytes, size: int) -> tuple[bytes, bytes, int]:
    """Name, link target and size of an entry, as its extended header overrides them; an empty value overrides nothing.

    Raises:
        ValueError: a number that is none, also in fields that are not used here: an engine would refuse the entry.
    """
    for key in _INTEGERS:
        if (value := pax.get(key)) and not (_INTEGER.match(value) and -(1 << 63) <= int(value) < 1 << 63):
            raise ValueError(f"pax {key.decode()} is no number")
    for key in _TIMES:
        if (value := pax.get(key)) and not _TIME.match(value):
            raise ValueError(f"pax {key.decode()} is no time")
    if value := pax.get(b"size"):
        size = int(value)
        if size < 0:
            raise ValueError("negative size")
    return pax.get(b"path") or name, pax.get(b"linkpath") or link, size
