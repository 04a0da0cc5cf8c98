"""XML documents of any size, read as a stream by the standard library's expat: no tree, and memory by named limits.

Document type declarations are refused, and so are the entities that they would declare. Text is UTF-8, as createrepo_c
writes it, whatever the declaration says. Names of elements are given as `namespace name`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from affineur.errors import LimitExceeded, MalformedDocument

__all__ = ["MAX_DEPTH", "MAX_HELD", "MAX_TOKEN_BYTES", "Handler", "edited", "parsed"]

MAX_DEPTH = 64  # elements inside each other; createrepo_c's documents have 5
MAX_TOKEN_BYTES = 1 << 20  # a tag with its attributes, or a comment: expat keeps it whole; real ones have 1 kB
MAX_HELD = 1 << 20  # of one package, to edit it; a longer one is passed on as it is
PIECE = 1 << 16  # bytes parsed before the limits are looked at again


class Handler(Protocol):
    """What is told of a document, in its order; `text` may come in pieces."""

    def start(self, name: str, attributes: dict[str, str], /) -> None:
        """An element begins."""
        ...

    def end(self, name: str, /) -> None:
        """An element ends."""
        ...

    def text(self, data: str, /) -> None:
        """Character data, directly or further down in the element that began last and is still open."""
        ...

    @property
    def depth(self) -> int:
        """How many elements are open."""
        ...


def parsed(chunks: Iterable[bytes], handler: Handler, where: str) -> Iterator[None]:
    """Parse a document, pausing after each piece so that the caller can pass on what the handler has gathered.

    Args:
        chunks: the document's bytes, unpacked, in pieces of any size.
        where: what it is, for messages only.

    Raises:
        MalformedDocument: not well-formed, or with a document type.
        LimitExceeded: deeper than MAX_DEPTH, or with a tag above MAX_TOKEN_BYTES.
    """
    from xml.parsers import expat

    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text

    def refuse(*_: object) -> None:
        raise MalformedDocument(f"{where}: it has a document type, which is refused")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    fed = 0
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), PIECE):
                piece = chunk[start : start + PIECE]
                parser.Parse(piece, False)
                fed += len(piece)
                if handler.depth > MAX_DEPTH:
                    raise LimitExceeded(f"{where}: more than {MAX_DEPTH} elements inside each other")
                if fed - max(parser.CurrentByteIndex, 0) > MAX_TOKEN_BYTES:
                    raise LimitExceeded(f"{where}: a tag of more than {MAX_TOKEN_BYTES} bytes")
                yield
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise MalformedDocument(f"{where}: {error}") from error
    yield


def edited(chunks: Iterable[bytes], closing: bytes, edit: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """Give whole packages to `edit`, which may cut out what will not be read; only where that cannot be wrong.

    In a document without `<!` (comments, CDATA) and processing instructions `<` begins a tag and nothing else, so that
    a tag without attributes and the next closing one belong together. From anything else on, all is passed on as it is.

    Args:
        closing: the tag that ends a package.
        edit: is given bytes that begin after a closing tag (or with the document, its declaration apart) and end with
            one; there may be many packages in between.
    """
    rest, incoming, declared = b"", _blocks(chunks), False
    for block in incoming:
        data = rest + block
        if not declared and (end := data.find(b"?>")) >= 0:
            yield data[: end + 2]
            data = data[end + 2 :]
        declared = True
        if len(data) > MAX_HELD + PIECE or b"<!" in data or b"<?" in data:
            yield data
            yield from incoming
            return
        end = data.rfind(closing) + len(closing)
        if end < len(closing):
            rest = data
            continue
        rest = data[end:]
        yield edit(data[:end])
    yield rest


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces of at least PIECE bytes (the last may be shorter), so that small chunks cost nothing."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= PIECE:
            yield b"".join(held)
            held.clear()
            size = 0
    yield b"".join(held)
