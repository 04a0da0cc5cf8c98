"""An assessment as a referrer: what OpenSSL, in-toto's and Sigstore's own definitions, and real bundles say of it."""

import json
import subprocess
from base64 import b64decode
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from sigstore_models.bundle.v1 import Bundle

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.manifest import Manifest, artifact, read_manifest
from affineur.signatures.dsse import enveloped, pae
from affineur.signatures.referrer import Attested, attested
from affineur.signatures.signing import SigningKey, read_key
from affineur.signatures.statement import ASSESSMENT, MAX_ASSESSMENT_BYTES, statement
from support.leaving_out import leave_out

SUBJECT = Descriptor("application/vnd.oci.image.index.v1+json", Digest.of(b"an index"), 8)
ASSESSED = (
    b'{"schema": "affineur.assessment/1",  "grade": {"letter": "A", "of": [1, 2.50, null]}, "text": "\xc3\xbc\\u0000"}'
)
MADE = datetime(2026, 11, 24, 18, 30, 5, 600_000, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture(scope="module")
def pem() -> bytes:
    words = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    try:
        return subprocess.run(words, capture_output=True, check=True).stdout
    except FileNotFoundError:
        leave_out("openssl is not installed")


@pytest.fixture(scope="module")
def key(pem: bytes) -> SigningKey:
    return read_key(pem, "k", lambda: "")


@pytest.fixture(scope="module")
def made(key: SigningKey) -> Attested:
    return attested(SUBJECT, "registry.example/team/app", ASSESSED, key, MADE)


def bundle_of(made: Attested) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made.blobs[1][1])
    return found


@pytest.mark.parametrize(
    ("payload_type", "payload", "encoded"),
    [
        # protocol.md § Test Vectors
        ("http://example.com/HelloWorld", b"hello world", b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"),
        ("ü", "ü".encode(), "DSSEv1 2 ü 2 ü".encode()),
        ("", b"", b"DSSEv1 0  0 "),
    ],
)
def test_what_is_signed(payload_type: str, payload: bytes, encoded: bytes) -> None:
    assert pae(payload_type, payload) == encoded


def openssl_verifies(folder: Path, public: bytes, message: bytes, signature: bytes) -> bool:
    for name, content in (("public", public), ("message", message), ("signature", signature)):
        (folder / name).write_bytes(content)
    words = ["openssl", "dgst", "-sha256", "-verify", "public", "-signature", "signature", "message"]
    return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode == 0


def test_openssl_verifies_the_envelope(tmp_path: Path, made: Attested, key: SigningKey) -> None:
    envelope = bundle_of(made)["dsseEnvelope"]
    payload, (signature,) = b64decode(envelope["payload"]), envelope["signatures"]
    kind = envelope["payloadType"]
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    assert openssl_verifies(tmp_path, key.public_pem, message, b64decode(signature["sig"]))
    assert not openssl_verifies(tmp_path, key.public_pem, payload, b64decode(signature["sig"]))


@pytest.mark.corpus
def test_real_envelopes_are_signed_as_ours_are(corpus: Path, tmp_path: Path) -> None:
    """npm's and sigstore's own: OpenSSL verifies them over what `pae` makes of them."""
    folder = corpus / "signatures" / "sigstore-bundles"
    for name in ("bundle-publish.json", "bundle-provenance.json", "bundles/dsse.sigstore.json"):
        bundle = json.loads((folder / name).read_bytes())
        material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]
        if "publicKey" in material:
            public = (folder / "publish_key.pub").read_bytes()
        else:
            der = b64decode(material["x509CertificateChain"]["certificates"][0]["rawBytes"])
            words = ["openssl", "x509", "-inform", "DER", "-pubkey", "-noout"]
            public = subprocess.run(words, input=der, capture_output=True, check=True).stdout
        message = pae(envelope["payloadType"], b64decode(envelope["payload"]))
        assert openssl_verifies(tmp_path, public, message, b64decode(envelope["signatures"][0]["sig"])), name


@pytest.mark.corpus
def test_the_hint_is_that_of_a_real_bundle(corpus: Path) -> None:
    """SHA-256 of the public key: that of a real bundle, by OpenSSL; that of our keys is in test_signing."""
    folder = corpus / "signatures" / "sigstore-bundles"
    bundle = json.loads((folder / "bundles/public-key-validity.sigstore.json").read_bytes())
    words = ["openssl", "pkey", "-pubin", "-in", str(folder / "public-keys/public-key-validity.pem"), "-outform", "DER"]
    der = subprocess.run(words, capture_output=True, check=True).stdout
    assert Digest.of(der).encoded == b64decode(bundle["verificationMaterial"]["publicKey"]["hint"]).hex()


def test_the_bundle_is_one_by_sigstores_definition(made: Attested, key: SigningKey) -> None:
    bundle = Bundle.from_json(made.blobs[1][1].decode())
    assert bundle.media_type == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert bundle.verification_material.public_key is not None
    assert bundle.verification_material.public_key.hint == key.hint
    assert bundle.verification_material.tlog_entries == []
    assert bundle.dsse_envelope is not None
    assert len(bundle.dsse_envelope.signatures) == 1


def test_the_statement_is_one_by_in_totos_definition(made: Attested) -> None:
    payload = b64decode(bundle_of(made)["dsseEnvelope"]["payload"])
    found = Statement.copy_from_pb(Parse(payload, statement_pb2.Statement()))
    found.validate()
    (subject,) = found.pb.subject
    assert (subject.name, dict(subject.digest)) == ("registry.example/team/app", {"sha256": SUBJECT.digest.encoded})
    assert found.pb.predicate_type == ASSESSMENT == "https://affineur.dev/assessment/v1"


def test_the_assessment_is_kept_byte_for_byte(made: Attested) -> None:
    assert ASSESSED in b64decode(bundle_of(made)["dsseEnvelope"]["payload"])


def test_the_manifest_is_cosigns(made: Attested) -> None:
    """cosign, specs/BUNDLE_SPEC.md § Publishing, § Annotations, with the digests of what is here."""
    (config, empty), (layer, bundle) = made.blobs
    assert (empty, config.digest) == (b"{}", Digest.of(b"{}"))
    assert (layer.size, layer.digest) == (len(bundle), Digest.of(bundle))
    assert json.loads(made.document.content) == {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "schemaVersion": 2,
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config.digest, "size": 2},
        "layers": [
            {
                "digest": layer.digest,
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "size": layer.size,
                "annotations": {"org.opencontainers.image.title": f"sha256-{layer.digest.encoded}.sigstore.json"},
            }
        ],
        "subject": {"mediaType": SUBJECT.media_type, "digest": SUBJECT.digest, "size": 8},
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": "https://affineur.dev/assessment/v1",
            "org.opencontainers.image.created": "2026-11-24T17:30:05Z",
        },
    }


def test_it_is_read_as_what_it_is(made: Attested) -> None:
    manifest = read_manifest(made.document)
    assert isinstance(manifest, Manifest)
    assert made.document.digest.matches(made.document.content)
    assert manifest.subject == SUBJECT
    assert artifact(manifest) == "a Sigstore bundle (application/vnd.dev.sigstore.bundle.v0.3+json)"


def test_what_a_parent_says_of_the_subject_stays_behind(key: SigningKey) -> None:
    subject = Descriptor(SUBJECT.media_type, SUBJECT.digest, 8, annotations={"a": "b"}, urls=("https://a.example",))
    document = json.loads(attested(subject, "r.example/a", ASSESSED, key, MADE).document.content)
    assert document["subject"] == {"mediaType": SUBJECT.media_type, "digest": SUBJECT.digest, "size": 8}


def test_other_digests_keep_their_algorithm() -> None:
    digest = Digest.of(b"x", "sha512")
    assert json.loads(statement("a", digest, b"{}"))["subject"] == [{"name": "a", "digest": {"sha512": digest.encoded}}]


@pytest.mark.parametrize("assessment", [b"", b"[]", b"1", b"{", b'{"a": 1} {}', b'{"a": "\xff"}'])
def test_what_is_no_assessment(key: SigningKey, assessment: bytes) -> None:
    with pytest.raises(MalformedDocument, match="the assessment"):
        attested(SUBJECT, "r.example/a", assessment, key, datetime.now(UTC))


def test_one_that_is_too_large() -> None:
    with pytest.raises(LimitExceeded):
        statement("a", SUBJECT.digest, b'{"a": "' + b"x" * MAX_ASSESSMENT_BYTES + b'"}')


def test_each_envelope_has_one_signature(key: SigningKey) -> None:
    """sigstore_bundle.proto: "DSSE envelopes in a bundle MUST have exactly one signature"."""
    assert len(enveloped("text/plain", b"", key).signatures) == 1
