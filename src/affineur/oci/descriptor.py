"""Descriptors: what a parent promises of a child. OCI image-spec 1.1, descriptor.md."""

import base64
import binascii
from typing import Annotated

import msgspec

from affineur.errors import MalformedDocument
from affineur.oci.digest import Digest
from affineur.oci.platform import Platform

__all__ = ["UNKNOWN_SIZE", "Descriptor"]

UNKNOWN_SIZE = -1
"""Of a schema 1's layers. No document can say so: only we."""


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """The type, address and size of some content.

    Attributes:
        size: bytes as transferred, an int64; UNKNOWN_SIZE where nobody promises any.
        data: the content itself, base64, where the parent carries it; read it with `embedded`.
        urls: further places (foreign layers); never asked without the address rules.
    """

    media_type: str
    digest: Digest
    size: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    annotations: dict[str, str] | None = None
    platform: Platform | None = None
    artifact_type: str | None = None
    urls: tuple[str, ...] | None = None
    data: str | None = None

    def embedded(self) -> bytes | None:
        """The content carried in the descriptor itself, checked against its own size and digest; None without.

        Raises:
            MalformedDocument: data that is no base64, or not what the same descriptor promises.
        """
        if self.data is None:
            return None
        try:
            content = base64.b64decode(self.data, validate=True)
        except binascii.Error as problem:
            raise MalformedDocument(f"descriptor of {self.digest}: its data is no base64") from problem
        if len(content) != self.size or not self.digest.matches(content):
            raise MalformedDocument(f"descriptor of {self.digest}: its data is other content than it promises")
        return content
