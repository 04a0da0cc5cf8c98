"""Packages indexes: what a suite offers of the names that matter, read as a stream.

Source: Debian wiki, DebianRepository/Format § "Packages" indices; apt's reader for what it tolerates.
"""

import re
from collections.abc import Collection, Iterable, Iterator

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.packages.relations import relations
from affineur.repositories.apt.model import Offer

__all__ = ["MAX_STANZA_BYTES", "parse_packages"]

MAX_STANZA_BYTES = 2 << 20  # apt gives up on longer ones; real ones stay below 300 kB
MAX_STANZAS = 1_000_000  # of one index; the largest known have 70,000

_FILLED = re.compile(rb"[^\n]")


def parse_packages(
    chunks: Iterable[bytes], names: Collection[str] | None, component: str = "", architecture: str = ""
) -> Iterator[Offer]:
    """Yield the stanzas of wanted packages, in the index's order; the others are passed over unread.

    Memory is bounded by one chunk and one stanza.

    Args:
        chunks: the index's uncompressed bytes, in pieces of any size.
        names: the wanted packages' names, lower case; None for all.
        component, architecture: of the index; they become part of each offer and of messages.

    Raises:
        MalformedDocument: a wanted stanza lacks its version or architecture, or a line of it breaks the format.
        LimitExceeded: a stanza above MAX_STANZA_BYTES, or more than MAX_STANZAS.
    """
    wanted = None if names is None else frozenset(name.encode() for name in names)
    place = f"Packages of {component or 'a flat repository'} ({architecture or 'any'})"
    count = 0
    for block in _blocks(chunks, place):
        start = 0
        while filled := _FILLED.search(block, start):  # a hostile index may hold gigabytes of empty lines
            start = filled.start()
            count += 1
            if count > MAX_STANZAS:
                raise LimitExceeded(f"{place}: more than {MAX_STANZAS} stanzas")
            end = block.find(b"\n\n", start)
            if end < 0:
                end = len(block)
            if block.startswith(b"Package: ", start):
                line_end = block.find(b"\n", start, end)
                name = block[start + 9 : end if line_end < 0 else line_end]
                skip = wanted is not None and name not in wanted and name.strip().lower() not in wanted
            else:
                skip = not block[start:end].strip()
            if not skip:
                offer = _offer(block[start:end], wanted, (component, architecture), place)
                if offer is not None:
                    yield offer
            start = end + 2


def _blocks(chunks: Iterable[bytes], place: str) -> Iterator[bytes]:
    """Whole stanzas only: each block ends at an empty line, or at the end of the index."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        cut = data.rfind(b"\n\n")
        if cut < 0:
            rest = data
        else:
            yield data[: cut + 2]
            rest = data[cut + 2 :]
        if len(rest) > MAX_STANZA_BYTES:
            raise LimitExceeded(f"{place}: a stanza of more than {MAX_STANZA_BYTES} bytes")
    if rest.strip():
        yield rest


def _offer(stanza: bytes, wanted: frozenset[bytes] | None, index: tuple[str, str], place: str) -> Offer | None:
    fields = _fields(stanza, place)
    name = fields.get("package", "").lower()
    if not name:
        raise MalformedDocument(f"{place}: a stanza without Package")
    if wanted is not None and name.encode("utf-8", "surrogateescape") not in wanted:
        return None
    version = fields.get("version", "")
    if not version:
        raise MalformedDocument(f"{place}: {name} has no Version")
    source, source_version = _source(fields.get("source", ""), name, version)
    return Offer(
        name=name,
        version=version,
        architecture=fields.get("architecture", ""),
        source=source,
        source_version=source_version,
        filename=fields.get("filename", ""),
        size=_number(fields, "size", name, place) or 0,
        sha256=fields.get("sha256", "").lower(),
        phased=_number(fields, "phased-update-percentage", name, place),
        component=index[0],
        index_architecture=index[1],
        multi_arch=fields.get("multi-arch", ""),
        relations=relations(fields.get),
    )


def _fields(stanza: bytes, place: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.decode("utf-8", "surrogateescape").split("\n"):
        if line[:1] in (" ", "\t"):
            if not name:
                raise MalformedDocument(f"{place}: a stanza begins with a continuation line")
            fields[name] += "\n" + line
        elif line:
            label, colon, value = line.partition(":")
            if not colon or not label.strip():
                raise MalformedDocument(f"{place}: {line[:80]!r} is no field")
            name = label.strip().lower()
            fields[name] = value.strip()
    return fields


def _source(text: str, name: str, version: str) -> tuple[str, str]:
    """`name` or `name (version)`; each defaults to the binary's own."""
    source, _, rest = text.partition(" ")
    inside = rest.strip()
    if inside.startswith("(") and inside.endswith(")"):
        return source, inside[1:-1].strip()
    return source or name, version


def _number(fields: dict[str, str], field: str, name: str, place: str) -> int | None:
    text = fields.get(field)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise MalformedDocument(f"{place}: {name} has the {field} {text[:40]!r}")
    return int(text)
