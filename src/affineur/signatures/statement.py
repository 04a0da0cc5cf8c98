"""Statements: what is said of an image, by its digest. in-toto attestation framework, spec/v1/statement.md. No I/O."""

import msgspec

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.oci.digest import Digest

__all__ = ["ASSESSMENT", "PAYLOAD_TYPE", "STATEMENT", "statement"]

STATEMENT = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
ASSESSMENT = "https://affineur.dev/assessment/v1"
"""The predicate is what `affineur assess --json` prints: `affineur.assessment/1` of docs/reference/json.md."""
MAX_ASSESSMENT_BYTES = 64 * 1024 * 1024
"""cosign reads attestations of up to 128 MiB, and the assessment is in base64 there."""


class _Subject(msgspec.Struct, frozen=True):
    name: str
    digest: dict[str, str]


class _Statement(msgspec.Struct, frozen=True, rename={"type_": "_type", "predicate_type": "predicateType"}):
    type_: str
    subject: tuple[_Subject, ...]
    predicate_type: str
    predicate: msgspec.Raw


def statement(name: str, digest: Digest, assessment: bytes) -> bytes:
    """An assessment, said of an image; the bytes that are to be signed.

    Args:
        name: registry and repository, for people; the digest alone decides what is meant.
        digest: of the manifest or index that was assessed.
        assessment: a JSON object, kept byte for byte.

    Raises MalformedDocument, LimitExceeded: the assessment is no JSON object, or too large.
    """
    if len(assessment) > MAX_ASSESSMENT_BYTES:
        raise LimitExceeded(f"the assessment has {len(assessment)} bytes, more than {MAX_ASSESSMENT_BYTES}")
    try:
        msgspec.json.decode(assessment, type=dict[str, msgspec.Raw])
        assessment.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise MalformedDocument(f"the assessment is no JSON object: {problem}") from problem
    subject = _Subject(name, {digest.algorithm: digest.encoded})
    return msgspec.json.encode(_Statement(STATEMENT, (subject,), ASSESSMENT, msgspec.Raw(assessment)))
