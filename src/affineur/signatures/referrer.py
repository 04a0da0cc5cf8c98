"""An assessment as a signed referrer of the image: what `affineur copy --attest KEY` leaves at the target.

    key = read_key(pem, "key.pem", passphrase)
    made = attested(subject, "registry.example/team/app", assessment, key, datetime.now(UTC))
    for blob in made.blobs: …      # (Descriptor, bytes), to be put first
    made.document                  # the manifest, to be put by its digest; its subject is the image

The manifest is cosign's (specs/BUNDLE_SPEC.md, OCI image-spec 1.1 § Guidelines for Artifact Usage), its only layer a
Sigstore bundle v0.3 (protobuf-specs, sigstore_bundle.proto) with a DSSE envelope. It is signed with a key of one's own,
and is in no transparency log.
"""

from datetime import UTC, datetime

import msgspec

from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.oci.manifest import OCI_MANIFEST
from affineur.signatures.dsse import Envelope, enveloped
from affineur.signatures.signing import SigningKey
from affineur.signatures.statement import ASSESSMENT, PAYLOAD_TYPE, statement

__all__ = ["BUNDLE", "Attested", "attested"]

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
EMPTY_CONTENT = b"{}"
EMPTY = "application/vnd.oci.empty.v1+json"


class Attested(msgspec.Struct, frozen=True):
    """What is to be stored.

    Attributes:
        document: the manifest.
        blobs: what it names, with their bytes: the empty config, and the bundle.
    """

    document: Document
    blobs: tuple[tuple[Descriptor, bytes], ...]


class _PublicKey(msgspec.Struct, frozen=True):
    hint: str


class _Material(msgspec.Struct, frozen=True, rename="camel"):
    public_key: _PublicKey
    tlog_entries: tuple[()] = ()  # none: but some readers (sigstore-models) want to be told so


class _Bundle(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str
    verification_material: _Material
    dsse_envelope: Envelope


def attested(subject: Descriptor, name: str, assessment: bytes, key: SigningKey, made: datetime) -> Attested:
    """Sign an assessment, and make a referrer of it.

    Args:
        subject: the manifest or index that was assessed: media type, digest, size.
        name: registry and repository where it is put, for people.
        assessment: JSON as `assess --json` prints it.
        made: now; with a zone.

    Raises MalformedDocument, LimitExceeded: the assessment is no JSON object, or too large.
    """
    envelope = enveloped(PAYLOAD_TYPE, statement(name, subject.digest, assessment), key)
    bundle = msgspec.json.encode(_Bundle(BUNDLE, _Material(_PublicKey(key.hint)), envelope))
    config = _descriptor(EMPTY, EMPTY_CONTENT)
    layer = _descriptor(BUNDLE, bundle)
    title = f"{layer.digest.replace(':', '-')}.sigstore.json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": BUNDLE,
        "config": _named(config),
        "layers": [{**_named(layer), "annotations": {"org.opencontainers.image.title": title}}],
        "subject": _named(subject),
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": ASSESSMENT,
            "org.opencontainers.image.created": made.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }
    content = msgspec.json.encode(manifest)
    document = Document(content, OCI_MANIFEST, Digest.of(content), f"the attestation of {subject.digest}")
    return Attested(document, ((config, EMPTY_CONTENT), (layer, bundle)))


def _descriptor(media_type: str, content: bytes) -> Descriptor:
    return Descriptor(media_type, Digest.of(content), len(content))


def _named(descriptor: Descriptor) -> dict[str, object]:
    """What a parent says of it. Its own annotations and platform belong to another parent."""
    return {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size}
