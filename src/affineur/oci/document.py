"""JSON from strangers: the exact bytes, and one strict way from them to values.

Digests and signatures are over bytes, so the bytes stay beside every parsed value and are never serialised again.
Two readers of one document must not see two contents: duplicate keys are refused (RFC 8259 § 4 leaves their meaning
open, and Go, Python and others differ), as is anything too large or nested too deeply.
"""

import re
from typing import Any, TypeVar

import msgspec

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.oci.digest import Digest

__all__ = ["MAX_DEPTH", "MAX_DOCUMENT_BYTES", "Document", "decoded"]

MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
"""Registries must take manifests of 4 MiB (distribution-spec 1.1 § Pushing Manifests); configs stay below that too."""
MAX_DEPTH = 64

_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*+)"(\s*+:)?|([{\[])|([}\]])', re.DOTALL)
T = TypeVar("T")


class Document(msgspec.Struct, frozen=True):
    """Bytes that came from somewhere, and that `digest` has been checked against.

    Attributes:
        content: exactly as served.
        media_type: Content-Type as served, without its parameters; "" where there was none.
        digest: of `content`, by our own hash.
        source: URL or path, for messages and evidence.
    """

    content: bytes
    media_type: str
    digest: Digest
    source: str


def decoded(content: bytes, shape: type[T], source: str) -> T:
    """JSON bytes as a value of `shape`.

    Raises:
        MalformedDocument: not JSON, not of that shape, or with a key twice in one object.
        LimitExceeded: more than MAX_DOCUMENT_BYTES, or nested deeper than MAX_DEPTH.
    """
    if len(content) > MAX_DOCUMENT_BYTES:
        raise LimitExceeded(f"{source}: a document of more than {MAX_DOCUMENT_BYTES} bytes")
    _refuse_ambiguity(content, source)
    try:
        return msgspec.json.decode(content, type=shape, dec_hook=_value)
    except msgspec.MsgspecError as problem:
        raise MalformedDocument(f"{source}: {problem}") from problem
    except UnicodeDecodeError as problem:
        raise MalformedDocument(f"{source}: not UTF-8: {problem.reason}") from problem


def _value(kind: type[Any], value: object) -> object:
    if kind is Digest and isinstance(value, str):
        try:
            return Digest(value)
        except MalformedDocument as problem:
            raise ValueError(str(problem)) from problem
    raise ValueError(f"expected {kind.__name__}")


def _refuse_ambiguity(content: bytes, source: str) -> None:
    """One pass over the tokens that matter: strings (keys where a colon follows) and brackets."""
    open_objects: list[set[bytes]] = []
    for token in _TOKEN.finditer(content):
        key, colon, opening, closing = token.groups()
        if opening:
            open_objects.append(set())
            if len(open_objects) > MAX_DEPTH:
                raise LimitExceeded(f"{source}: nested deeper than {MAX_DEPTH} levels")
        elif closing:
            if open_objects:
                open_objects.pop()
        elif colon and open_objects:
            name = _plain(key)
            if name in open_objects[-1]:
                shown = name[:80].decode(errors="replace")
                raise MalformedDocument(f"{source}: the key {shown!r} occurs twice in one object")
            open_objects[-1].add(name)


def _plain(key: bytes) -> bytes:
    """The key without escapes, so that another spelling of the same name is still the same name."""
    if b"\\" not in key:
        return key
    try:
        return msgspec.json.decode(b'"' + key + b'"', type=str).encode(errors="surrogatepass")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return key  # the decoder proper will refuse it, with the place
