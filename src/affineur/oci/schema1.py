"""Docker's image manifest version 2, schema 1: how images were described until 2015, and some still are.

distribution, docs/spec/manifest-v2-1.md; what its readers check is in docker's distribution/pull_v2.go and in
containers/image, manifest/docker_schema1.go. Its own signatures are not verified: each was made by a key of the pushing
daemon's own that nobody vouches for, and docker itself never looked at whose it was. No I/O.
"""

import base64
import binascii
import re

import msgspec

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.oci.config import Config, History, read_config
from affineur.oci.descriptor import UNKNOWN_SIZE, Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import decoded, spellings

__all__ = ["SCHEMA_1", "Schema1", "content_digest", "payload", "read_schema1"]

SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)
"""Signed, and not."""

MAX_SIGNATURES = 100
MAX_LAYERS = 1_000

_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_KEYS = spellings(
    *("schemaVersion", "mediaType", "name", "tag", "architecture", "fsLayers", "blobSum", "history"),
    *("v1Compatibility", "signatures"),
)
_STEP_KEYS = spellings("id", "parent", "created", "author", "comment", "throwaway", "container_config", "Cmd")
_ID = re.compile(r"[0-9a-f]{64}")


class Schema1(msgspec.Struct, frozen=True):
    """An image for one platform. Unlike later manifests it says neither how large its layers are nor their diff IDs.

    Attributes:
        name, tag: the repository and tag that it was first pushed as; only claimed.
        architecture: likewise; the configuration may say another, or none.
        blobs: of every step, base first: also of those that changed no file.
        layers: of the steps that changed files, base first; of UNKNOWN_SIZE.
        configuration: of the newest step, with the history of all.
        signed: whether there are signatures; they are not verified.
    """

    name: str
    tag: str
    architecture: str
    media_type: str
    blobs: tuple[Digest, ...]
    layers: tuple[Descriptor, ...]
    configuration: Config
    signed: bool
    annotations: dict[str, str] | None = None


class _Blob(msgspec.Struct, rename="camel"):
    blob_sum: Digest


class _Compatibility(msgspec.Struct):
    v1: str = msgspec.field(name="v1Compatibility")


class _Shape(msgspec.Struct, rename="camel"):
    schema_version: int
    fs_layers: tuple[_Blob, ...]
    history: tuple[_Compatibility, ...]
    name: str = ""
    tag: str = ""
    architecture: str = ""


class _Command(msgspec.Struct, rename="pascal"):
    cmd: tuple[str, ...] | None = None


class _Step(msgspec.Struct):
    """What one entry of the history says, as far as it is used."""

    id: str = ""
    parent: str = ""
    created: str | None = None
    author: str | None = None
    comment: str | None = None
    throwaway: bool = False
    container_config: _Command | None = None


class _Signature(msgspec.Struct):
    protected: str


class _Signed(msgspec.Struct, rename="camel"):
    schema_version: int | None = None
    signatures: tuple[_Signature, ...] | None = None


class _Format(msgspec.Struct, rename="camel"):
    format_length: int
    format_tail: str


def content_digest(content: bytes, source: str, algorithm: str = "sha256") -> Digest:
    """The digest by which a registry knows these bytes: their own, save for a signed schema 1. Raises as `payload`."""
    return Digest.of(payload(content, source), algorithm)


def payload(content: bytes, source: str) -> bytes:
    """What the digest of a manifest is over: the bytes themselves, without its signatures where they are a schema 1's.

    Whoever checks that digest must read this and not `content`: the two need not have anything in common.
    manifest-v2-1.md § Signed Manifests; libtrust, ParsePrettySignature.

    Raises:
        MalformedDocument: a schema 1 whose signatures do not say what they sign, or not the same.
    """
    if b'"signatures"' not in content:
        return content
    try:
        signed = decoded(content, _Signed, source, _KEYS)
    except (MalformedDocument, LimitExceeded):
        return content  # no such document; whoever reads it will say why
    if signed.schema_version != 1 or not signed.signatures:
        return content
    if len(signed.signatures) > MAX_SIGNATURES:
        raise LimitExceeded(f"{source}: more than {MAX_SIGNATURES} signatures")
    said = {_format(each, source) for each in signed.signatures}
    if len(said) > 1:
        raise MalformedDocument(f"{source}: its signatures are over different contents")
    length, tail = said.pop()
    if not 0 <= length <= len(content):
        raise MalformedDocument(f"{source}: its signature is over {length} of {len(content)} bytes")
    return content[:length] + tail


def read_schema1(content: bytes, served: str, source: str) -> Schema1:
    """A schema 1 manifest's bytes, signed or not, as a value.

    Args:
        served: its media type; "" decides by whether there are signatures.

    Raises:
        MalformedDocument, LimitExceeded: not such a document; or its steps do not follow one another.
    """
    signed_bytes = payload(content, source)
    shape = decoded(signed_bytes, _Shape, source, _KEYS)
    if shape.schema_version != 1:
        raise MalformedDocument(f"{source}: schemaVersion is {shape.schema_version}, not 1")
    if not 0 < len(shape.fs_layers) == len(shape.history) <= MAX_LAYERS:
        raise MalformedDocument(
            f"{source}: {len(shape.fs_layers)} layers and {len(shape.history)} entries of history;"
            f" there must be as many of each, and 1 to {MAX_LAYERS}"
        )
    steps = [decoded(entry.v1.encode(), _Step, source, _STEP_KEYS) for entry in shape.history]
    kept = _kept(steps, source)
    signed = signed_bytes is not content
    newest = read_config(shape.history[0].v1.encode(), source)
    return Schema1(
        name=shape.name,
        tag=shape.tag,
        architecture=shape.architecture,
        media_type=served if served in SCHEMA_1 else SCHEMA_1[0 if signed else 1],
        blobs=tuple(shape.fs_layers[position].blob_sum for position in kept),
        layers=tuple(
            Descriptor(_LAYER, shape.fs_layers[position].blob_sum, UNKNOWN_SIZE)
            for position in kept
            if not steps[position].throwaway
        ),
        configuration=msgspec.structs.replace(newest, history=tuple(_history(steps[position]) for position in kept)),
        signed=signed,
    )


def _format(signature: _Signature, source: str) -> tuple[int, bytes]:
    protected = decoded(_base64url(signature.protected, source), _Format, source)
    return protected.format_length, _base64url(protected.format_tail, source)


def _base64url(text: str, source: str) -> bytes:
    """RFC 7515 § 2: base64url without padding."""
    try:
        return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as problem:
        raise MalformedDocument(f"{source}: a signature that is no base64") from problem


def _kept(steps: list[_Step], source: str) -> list[int]:
    """Positions of the steps that count, base first: one that repeats the ID of the step below it does not.

    As docker and containers/image do, and refuse what they refuse (both: fixManifestLayers).
    """
    if not all(_ID.fullmatch(step.id) for step in steps):
        raise MalformedDocument(f"{source}: a step of the history whose ID is not 64 hex digits")
    if steps[-1].parent:
        raise MalformedDocument(f"{source}: its first step is said to have a parent")
    kept = [len(steps) - 1]
    seen = {steps[-1].id}
    for position in reversed(range(len(steps) - 1)):
        step, below = steps[position], steps[position + 1]
        if step.id == below.id:
            continue
        if step.id in seen or step.parent != below.id:
            raise MalformedDocument(f"{source}: step {step.id} of the history does not follow the one below it")
        seen.add(step.id)
        kept.append(position)
    return kept


def _history(step: _Step) -> History:
    command = step.container_config.cmd if step.container_config is not None else None
    return History(
        created=step.created,
        created_by=" ".join(command or ()) or None,
        author=step.author,
        comment=step.comment,
        empty_layer=step.throwaway or None,
    )
