"""Digests: content addresses whose type is the proof that they are well formed.

Grammar: OCI image-spec 1.1, descriptor.md § Digests. No I/O.
"""

import hashlib
import re
from typing import TYPE_CHECKING, Self

from affineur.errors import MalformedDocument, UnsupportedContent

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["VERIFIABLE", "Digest"]

VERIFIABLE = {"sha256": 64, "sha512": 128}
"""Registered algorithms that can be checked here, and their length in lower-case hex digits."""

MAX_LENGTH = 512
_GRAMMAR = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
_HEX = re.compile(r"[0-9a-f]+")


class Digest(str):
    """`algorithm:encoded`. A str, so that it prints, sorts and serves as a key; made only of what fits the grammar.

    For JSON, `str(digest)`: msgspec encodes plain strings only. An algorithm that is not registered passes the grammar,
    as the specification asks, and cannot be verified: `hasher` says so.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check and wrap `text`. Raises MalformedDocument."""
        if len(text) > MAX_LENGTH or not _GRAMMAR.fullmatch(text):
            raise MalformedDocument(f"not a digest: {text[:100]!r}")
        algorithm, _, encoded = text.partition(":")
        length = VERIFIABLE.get(algorithm)
        if length is not None and not (len(encoded) == length and _HEX.fullmatch(encoded)):
            raise MalformedDocument(f"not a {algorithm} digest of {length} lower-case hex digits: {text[:160]!r}")
        return super().__new__(cls, text)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """The digest of these bytes."""
        return cls(f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")

    @property
    def algorithm(self) -> str:
        """The part before the colon."""
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        """The part after the colon."""
        return self.partition(":")[2]

    def hasher(self) -> "_Hash":
        """A fresh hash object of the algorithm. Raises UnsupportedContent where it is not one of VERIFIABLE."""
        if self.algorithm not in VERIFIABLE:
            raise UnsupportedContent(f"a digest by {self.algorithm} cannot be verified here: {self}")
        return hashlib.new(self.algorithm)

    def matches(self, content: bytes) -> bool:
        """Whether this is the digest of `content`. Raises UnsupportedContent as `hasher` does."""
        hasher = self.hasher()
        hasher.update(content)
        return hasher.hexdigest() == self.encoded
