"""JSON from strangers: the exact bytes, and one strict way from them to values.

Digests and signatures are over bytes, so the bytes stay beside every parsed value and are never serialised again.
Two readers of one document must not see two contents. Duplicate keys are refused (RFC 8259 § 4 leaves their meaning
open, and Go, Python and others differ). So is another spelling of a key that decides something: Go's encoding/json,
which the engines use, takes `Layers`, or even `layer\u017f`, for `layers`, and the last of them wins. Anything too
large or nested too deeply is refused as well.
"""

import re
import threading
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.oci.digest import Digest

__all__ = ["MAX_DEPTH", "MAX_DOCUMENT_BYTES", "Document", "decoded", "spellings"]

MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
"""Registries must take manifests of 4 MiB (distribution-spec 1.1 § Pushing Manifests); configs stay below that too."""
MAX_DEPTH = 64

_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*+)"(\s*+:)?|([{\[])|([}\]])', re.DOTALL)
_NO_KEYS: Mapping[str, str] = {}
_FREE_NAMES = frozenset({"annotations", "Labels", "Volumes", "ExposedPorts"})
_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
_MAKING = threading.Lock()
T = TypeVar("T")


class Document(msgspec.Struct, frozen=True):
    """Bytes that came from somewhere, and that `digest` has been checked against.

    Attributes:
        content: exactly as served.
        media_type: Content-Type as served, without its parameters; "" where there was none.
        digest: of `content` (of a signed schema 1: of what it signs), by our own hash.
        source: URL or path, for messages and evidence.
    """

    content: bytes
    media_type: str
    digest: Digest
    source: str


def decoded(content: bytes, shape: type[T], source: str, keys: Mapping[str, str] = _NO_KEYS) -> T:
    """JSON bytes as a value of `shape`.

    Args:
        keys: what `spellings` returned: the keys that may be spelled in one way only, save where names are free.

    Raises:
        MalformedDocument: not JSON, not of that shape, with a key twice in one object, or one of `keys` otherwise.
        LimitExceeded: more than MAX_DOCUMENT_BYTES, or nested deeper than MAX_DEPTH.
    """
    if len(content) > MAX_DOCUMENT_BYTES:
        raise LimitExceeded(f"{source}: a document of more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        # Syntax first: in a document whose strings all end, the pass over its tokens takes linear time.
        msgspec.json.decode(content, type=msgspec.Raw)
        content.decode()  # msgspec does not look into strings that it passes over
        _refuse_ambiguity(content, source, keys)
        value: T = _decoder(shape).decode(content)
        return value
    except msgspec.MsgspecError as problem:
        raise MalformedDocument(f"{source}: {problem}") from problem
    except UnicodeDecodeError as problem:
        raise MalformedDocument(f"{source}: not UTF-8: {problem.reason}") from problem
    except RecursionError as problem:
        raise LimitExceeded(f"{source}: nested deeper than {MAX_DEPTH} levels") from problem


def _decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    """Made once for each shape, by one thread at a time.

    msgspec 0.22 fills in what it knows of a Struct on first use, where others see it half filled in: two threads that
    decode the same shape for the first time crash the interpreter (a null pointer in StructInfo). Once made, decoders
    serve all threads.
    """
    with _MAKING:
        if shape not in _DECODERS:
            _DECODERS[shape] = msgspec.json.Decoder(shape, dec_hook=_value)
        return _DECODERS[shape]


def _value(kind: type[Any], value: object) -> object:
    if kind is Digest and isinstance(value, str):
        try:
            return Digest(value)
        except MalformedDocument as problem:
            raise ValueError(str(problem)) from problem
    raise ValueError(f"expected {kind.__name__}")


def spellings(*keys: str) -> Mapping[str, str]:
    """The keys of a format, for `decoded`."""
    return {key.casefold(): key for key in keys}


def _refuse_ambiguity(content: bytes, source: str, keys: Mapping[str, str]) -> None:
    """One pass over the tokens that matter: strings (keys where a colon follows) and brackets."""
    names_of: list[set[str]] = []  # of each open object or array
    free_below = 0  # depth of the outermost object whose names are anybody's; 0 outside of one
    last = ""
    for token in _TOKEN.finditer(content):
        key, colon, opening, closing = token.groups()
        if opening:
            names_of.append(set())
            if len(names_of) > MAX_DEPTH:
                raise LimitExceeded(f"{source}: nested deeper than {MAX_DEPTH} levels")
            if not free_below and last in _FREE_NAMES:
                free_below = len(names_of)
        elif closing:
            if free_below == len(names_of):
                free_below = 0
            names_of.pop()
            last = ""
        elif colon and names_of:
            last = _plain(key)
            if last in names_of[-1]:
                raise MalformedDocument(f"{source}: the key {last[:80]!r} occurs twice in one object")
            names_of[-1].add(last)
            meant = keys.get(last.casefold(), last)
            if meant != last and not free_below:
                raise MalformedDocument(f"{source}: the key {last[:80]!r} would be read as {meant!r} by some programs")


def _plain(key: bytes) -> str:
    """The key without escapes, so that another spelling of the same name is still the same name."""
    if b"\\" in key:
        try:
            return msgspec.json.decode(b'"' + key + b'"', type=str)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass  # the decoder proper will refuse it, with the place
    return key.decode(errors="surrogateescape")
