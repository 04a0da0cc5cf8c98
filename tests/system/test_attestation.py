"""The signed assessment at the target of a copy: found as a referrer, and verified by OpenSSL alone."""

import http.client
import json
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from affineur.http.addresses import AddressPolicy
from affineur.http.client import Client
from affineur.move.attesting import Attestation
from affineur.move.copy import copy
from affineur.move.receipt import Receipt
from affineur.oci.digest import Digest
from affineur.oci.reference import parse_reference
from affineur.signatures.signing import read_key
from affineur.source.opening import open_source
from affineur.source.registry import RegistrySource
from affineur.target.opening import open_target
from affineur.target.registry import RegistryTarget
from support.command import affineur, started
from support.docker_registry import DOCKER_REGISTRY, docker_registry, push_image
from support.leaving_out import leave_out
from support.registry import tar_of

pytestmark = pytest.mark.system

ASSESSMENT = b'{"schema": "affineur.assessment/1", "grade": {"letter": "A"}}'
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if DOCKER_REGISTRY is None:
        leave_out("docker-registry is not installed")
    if shutil.which("openssl") is None:
        leave_out("openssl is not installed")
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        push_image(host, "team/app", "1", [tar_of({"etc/os-release": b"ID=debian\n"})])
        yield host


@pytest.fixture(scope="module")
def pem() -> bytes:
    words = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    return subprocess.run(words, capture_output=True, check=True).stdout


def attest(host: str, to: str, pem: bytes, more: Mapping[Digest, bytes] | None = None) -> Receipt:
    key = read_key(pem, "key.pem", lambda: "")
    with Client(addresses=AddressPolicy(["127.0.0.0/8"]), environment={}) as client:
        source = open_source(f"{host}/team/app:1", lambda text: RegistrySource(parse_reference(text), client))
        assessments = {source.manifest().digest: ASSESSMENT, **(more or {})}
        attestation = Attestation(key, assessments, datetime.now(UTC))
        target = open_target(to, lambda text: RegistryTarget(parse_reference(text), client))
        return copy(source, target, attestation=attestation)


def fetched(host: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(host, timeout=10)
    kinds = ", ".join(f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))
    connection.request("GET", path, headers={"Accept": kinds})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, (path, body)
    return body


def check_bundle(folder: Path, pem: bytes, content: bytes, digest: str, name: str, said: bytes = ASSESSMENT) -> None:
    """With the public key and OpenSSL, by the text of the specifications alone."""
    envelope: dict[str, Any] = json.loads(content)["dsseEnvelope"]
    payload, (signature,) = b64decode(envelope["payload"]), envelope["signatures"]
    kind = envelope["payloadType"]
    (folder / "message").write_bytes(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    (folder / "signature").write_bytes(b64decode(signature["sig"]))
    (folder / "key").write_bytes(pem)
    subprocess.run(["openssl", "pkey", "-in", "key", "-pubout", "-out", "public"], cwd=folder, check=True)
    words = ["openssl", "dgst", "-sha256", "-verify", "public", "-signature", "signature", "message"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "Verified OK"
    statement = json.loads(payload)
    assert statement["subject"] == [{"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}]
    assert (statement["predicateType"], statement["predicate"]) == (
        "https://affineur.dev/assessment/v1",
        json.loads(said),
    )


def test_at_a_registry(host: str, tmp_path: Path, pem: bytes) -> None:
    """docker-registry has no referrers API: the tag named after the digest lists it (distribution-spec 1.1)."""
    receipt = attest(host, f"{host}/prod/app:1", pem)
    (carried,) = receipt.carried
    assert (carried.kind, carried.subject, carried.found_by) == ("a signed assessment", receipt.digest, "made here")
    listed = json.loads(fetched(host, f"/v2/prod/app/manifests/{receipt.digest.replace(':', '-')}"))
    (entry,) = listed["manifests"]
    assert (entry["digest"], entry["artifactType"]) == (carried.digest, BUNDLE)
    assert entry["annotations"]["dev.sigstore.bundle.predicateType"] == "https://affineur.dev/assessment/v1"
    manifest = json.loads(fetched(host, f"/v2/prod/app/manifests/{carried.digest}"))
    assert manifest["subject"]["digest"] == receipt.digest
    (layer,) = manifest["layers"]
    bundle = fetched(host, f"/v2/prod/app/blobs/{layer['digest']}")
    check_bundle(tmp_path, pem, bundle, receipt.digest, f"{host}/prod/app")


def test_it_goes_along_with_the_next_copy(host: str, tmp_path: Path, pem: bytes) -> None:
    receipt = attest(host, f"{host}/stage/app:1", pem)
    done = affineur(tmp_path, "copy", f"{host}/stage/app:1", f"{host}/later/app:1")
    assert done.code == 0, done.err
    assert "a Sigstore bundle" in done.out
    listed = json.loads(fetched(host, f"/v2/later/app/manifests/{receipt.digest.replace(':', '-')}"))
    assert [entry["digest"] for entry in listed["manifests"]] == [receipt.carried[0].digest]


def test_in_a_layout(host: str, tmp_path: Path, pem: bytes) -> None:
    receipt = attest(host, f"oci:{tmp_path}/layout:1", pem)
    blobs = tmp_path / "layout" / "blobs" / "sha256"
    manifest = json.loads((blobs / receipt.carried[0].digest.removeprefix("sha256:")).read_bytes())
    assert manifest["subject"]["digest"] == receipt.digest
    bundle = (blobs / manifest["layers"][0]["digest"].removeprefix("sha256:")).read_bytes()
    check_bundle(tmp_path, pem, bundle, receipt.digest, "image")
    document = affineur(tmp_path, "inspect", "--json", f"oci:{tmp_path}/layout:1").document
    listed = document["affineur"]["referrers"]
    assert [(each["digest"], each["kind"]) for each in listed] == [(receipt.carried[0].digest, "a Sigstore bundle")]


@pytest.mark.parametrize("place", ["dir:{}/image", "docker-archive:{}/image.tar:r.example/a:1"])
def test_where_it_cannot_be_that_is_told(host: str, tmp_path: Path, pem: bytes, place: str) -> None:
    receipt = attest(host, place.format(tmp_path), pem)
    assert receipt.carried == ()
    (lost,) = receipt.not_carried
    assert lost.what == f"a signed assessment of {receipt.digest}"
    assert lost.why


def test_of_what_was_not_moved_nothing_is_said(host: str, pem: bytes) -> None:
    other = Digest.of(b"something else")
    receipt = attest(host, f"{host}/other/app:1", pem, {other: ASSESSMENT})
    assert len(receipt.carried) == 1
    (lost,) = receipt.not_carried
    assert (lost.what, lost.why) == (f"a signed assessment of {other}", "what it is about was not moved")


def test_affineur_copy_attests_what_it_has_judged(host: str, tmp_path: Path, pem: bytes) -> None:
    (tmp_path / "policy.yaml").write_text("build-age-max-days: 100000\n")
    encrypt = ["openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:s3cret"]
    encrypted = subprocess.run(encrypt, input=pem, capture_output=True, check=True).stdout
    (tmp_path / "key.pem").write_bytes(encrypted)
    words = ["copy", "--policy", f"{tmp_path}/policy.yaml", "--attest", f"{tmp_path}/key.pem"]
    words += ["--receipt", f"{tmp_path}/receipt.json", f"{host}/team/app:1"]
    refused = affineur(tmp_path, *words, f"{host}/judged/app:1")
    assert refused.code == 2
    assert "put its passphrase into $AFFINEUR_KEY_PASSPHRASE" in refused.err
    settings = {"AFFINEUR_CONFIG": f"{tmp_path}/config.toml", "AFFINEUR_KEY_PASSPHRASE": "s3cret"}
    done = started(tmp_path, [*words, f"{host}/judged/app:1"], **settings)
    assert done.code == 0, done.err
    (image,) = json.loads((tmp_path / "receipt.json").read_bytes())["images"]
    (carried,) = image["receipt"]["carried"]
    assert (carried["kind"], carried["found_by"]) == ("a signed assessment", "made here")
    manifest = json.loads(fetched(host, f"/v2/judged/app/manifests/{carried['digest']}"))
    bundle = fetched(host, f"/v2/judged/app/blobs/{manifest['layers'][0]['digest']}")
    payload = json.loads(b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]))
    said = json.dumps(payload["predicate"]).encode()
    check_bundle(tmp_path, pem, bundle, image["receipt"]["digest"], f"{host}/judged/app", said)
    assert payload["predicate"]["schema"] == "affineur.assessment/1"
    assert payload["predicate"]["image"]["manifest_digest"] == carried["subject"]
    assert "s3cret" not in done.out + done.err + (tmp_path / "receipt.json").read_text()

    (tmp_path / "policy.yaml").write_text("build-age-max-days: 1\n")
    rejected = started(tmp_path, [*words, f"{host}/rejected/app:1"], **settings)
    assert rejected.code == 1, rejected.err
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/v2/rejected/app/tags/list")
    assert connection.getresponse().status == 404
    connection.close()
