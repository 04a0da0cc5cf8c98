"""`affineur copy` between two of Debian's docker-registry, plain, and with TLS and logins; skopeo and podman judge."""

import base64
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.certificates import Authority
from support.command import Done, affineur
from support.docker_registry import (
    CONFIG,
    DOCKER_REGISTRY,
    IMAGE_MANIFEST,
    docker_registry,
    push_blob,
    push_image,
    push_manifest,
)
from support.leaving_out import leave_out
from support.registry import tar_of

pytestmark = pytest.mark.system

INDEX = "application/vnd.oci.image.index.v1+json"
SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"
USER, PASSWORD = "tester", "pa55-word"
# `htpasswd -nbB -C 5 tester pa55-word`, or any other crypt(3) that knows bcrypt
HTPASSWD = "tester:$2b$05$affineurTestsSalt22byeTVHx918Iqv/7anDfuUJdfszMg9ezwuK\n"
LOGIN = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Image(NamedTuple):
    """What is at `team/app:1` of the source: digests of the index and of its platforms, and what speaks of them."""

    top: str
    platforms: dict[str, str]
    sbom: str
    signature_of_sbom: str
    cosign_tags: tuple[str, ...]


class Stage(NamedTuple):
    """A plain registry with an image; one with TLS and logins; and a user who may write there."""

    source: str
    target: str
    home: Path
    image: Image

    def run(self, *words: str) -> Done:
        return affineur(self.home, *words)

    def copied(self, *words: str) -> dict[str, Any]:
        """What became of the only image, as the receipt has it."""
        path = self.home / "receipt.json"
        done = self.run("copy", "--receipt", str(path), *words)
        assert done.code == 0, done.err
        (image,) = json.loads(path.read_text())["images"]
        return dict(image["receipt"])

    def raw(self, name: str) -> bytes:
        """A manifest by skopeo."""
        return self._skopeo("inspect", "--raw", f"docker://{name}")

    def tags(self, repository: str) -> set[str]:
        return set(json.loads(self._skopeo("list-tags", f"docker://{repository}"))["Tags"])

    def blob(self, repository: str, digest: str) -> bytes:
        """A blob of the target."""
        context = ssl.create_default_context(cafile=self.home / ".config/containers/certs.d" / self.target / "ca.crt")
        request = urllib.request.Request(f"https://{self.target}/v2/{repository}/blobs/{digest}")
        request.add_header("Authorization", f"Basic {LOGIN}")
        with urllib.request.urlopen(request, context=context) as answer:
            content: bytes = answer.read()
        return content

    def _skopeo(self, *words: str) -> bytes:
        options = ["--authfile", str(self.home / "auth.json"), "--cert-dir", str(self.home / "certs")]
        plain = ["--tls-verify=false"] if self.source in words[-1] else []
        done = subprocess.run(["skopeo", *words[:-1], *plain, *options, words[-1]], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    for program in ("skopeo", "openssl"):
        if shutil.which(program) is None:
            leave_out(f"{program} is not installed")
    if DOCKER_REGISTRY is None:
        leave_out("docker-registry is not installed")
    folder = tmp_path_factory.mktemp("copy")
    authority = Authority(folder / "authority")
    certificate = authority.issue("registry", "IP:127.0.0.1")
    (folder / "htpasswd").write_text(HTPASSWD)
    auth = f"{{htpasswd: {{realm: tests, path: '{folder / 'htpasswd'}'}}}}"
    with (
        docker_registry(folder / "source") as source,
        docker_registry(folder / "target", tls=certificate, auth=auth) as target,
    ):
        home = folder / "home"
        trusted = home / ".config/containers/certs.d" / target
        for place in (trusted, home / "certs"):
            place.mkdir(parents=True)
            shutil.copy(authority.folder / "ca.crt", place / "ca.crt")
        logins = json.dumps({"auths": {target: {"auth": LOGIN}}})
        (home / "auth.json").write_text(logins)
        (home / ".docker").mkdir()
        (home / ".docker/config.json").write_text(logins)
        yield Stage(source, target, home, _fill(source, folder))


def _fill(host: str, folder: Path) -> Image:
    children = []
    for architecture in ("amd64", "arm64"):
        tars = [tar_of({"etc/os-release": b"ID=tests\n"}), tar_of({architecture: os.urandom(700_000)})]
        pushed = push_image(host, "team/app", architecture, tars, {"architecture": architecture})
        raw = json.dumps(pushed["manifest"]).encode()
        children.append(_descriptor(raw, IMAGE_MANIFEST) | {"platform": {"os": "linux", "architecture": architecture}})
    content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode()
    index = push_manifest(host, "team/app", "1", content, INDEX)
    sbom = _referrer(host, _descriptor(content, INDEX), b"an SBOM", "application/spdx+json")
    signature = _referrer(host, _descriptor(sbom, IMAGE_MANIFEST), b"a signature", "application/vnd.example.signature")
    _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem")
    _openssl(folder, "ec", "-in", "key.pem", "-pubout", "-out", "key.pub")
    cosign = tuple(_sign(host, digest, folder) for digest in (index, *(str(each["digest"]) for each in children)))
    platforms = {str(each["platform"]["architecture"]): str(each["digest"]) for each in children}
    return Image(index, platforms, _digest(sbom), _digest(signature), cosign)


def _referrer(host: str, subject: dict[str, Any], content: bytes, kind: str) -> bytes:
    """Push a referrer and, as the registry keeps no list of them, the index at the referrers tag."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": kind,
        "config": push_blob(host, "team/app", b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [push_blob(host, "team/app", content, "text/plain")],
        "subject": subject,
    }
    raw = json.dumps(manifest).encode()
    push_manifest(host, "team/app", _digest(raw), raw, IMAGE_MANIFEST)
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [_descriptor(raw, IMAGE_MANIFEST)]}
    push_manifest(host, "team/app", subject["digest"].replace(":", "-"), json.dumps(listed).encode(), INDEX)
    return raw


def _sign(host: str, digest: str, folder: Path) -> str:
    """A signature as cosign's SIGNATURE_SPEC.md has it, by openssl; returns its tag."""
    critical = {
        "identity": {"docker-reference": f"{host}/team/app"},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    payload = json.dumps({"critical": critical, "optional": None}).encode()
    (folder / "payload").write_bytes(payload)
    signature = _openssl(folder, "dgst", "-sha256", "-sign", "key.pem", "payload")
    layer = push_blob(host, "team/app", payload, SIGNATURE)
    layer["annotations"] = {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}
    diff_ids = {"type": "layers", "diff_ids": [_digest(payload)]}
    config = {"architecture": "", "os": "", "config": {}, "rootfs": diff_ids}
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": push_blob(host, "team/app", json.dumps(config).encode(), CONFIG),
        "layers": [layer],
    }
    tag = f"{digest.replace(':', '-')}.sig"
    push_manifest(host, "team/app", tag, json.dumps(manifest).encode(), IMAGE_MANIFEST)
    return tag


def _openssl(folder: Path, *words: str) -> bytes:
    return subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True).stdout


def _descriptor(raw: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(raw), "size": len(raw)}


def _digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def test_both_sides_are_the_same_byte_for_byte(stage: Stage) -> None:
    here, there = f"{stage.source}/team/app", f"{stage.target}/prod/all"
    receipt = stage.copied("--to", "stable", f"{here}:1", f"{there}:1")
    image = stage.image
    assert receipt["digest"] == image.top
    assert receipt["unassessed"] == receipt["not_carried"] == []
    for name in ("1", "stable"):
        assert stage.raw(f"{there}:{name}") == stage.raw(f"{here}:1")
    for digest in (*image.platforms.values(), image.sbom, image.signature_of_sbom):
        assert stage.raw(f"{there}@{digest}") == stage.raw(f"{here}@{digest}")
    manifests = [json.loads(stage.raw(f"{there}@{digest}")) for digest in (*image.platforms.values(), image.sbom)]
    for blob in (each for manifest in manifests for each in (manifest["config"], *manifest["layers"])):
        content = stage.blob("prod/all", blob["digest"])
        assert (_digest(content), len(content)) == (blob["digest"], blob["size"])


def test_all_that_speaks_of_it_comes_along(stage: Stage) -> None:
    here, there = f"{stage.source}/team/app", f"{stage.target}/prod/speaking"
    receipt = stage.copied(f"{here}:1", f"{there}:1")
    image = stage.image
    carried = {each["digest"]: each for each in receipt["carried"]}
    assert carried[image.sbom]["subject"] == image.top
    assert carried[image.signature_of_sbom]["subject"] == image.sbom
    for tag in image.cosign_tags:
        assert stage.raw(f"{there}:{tag}") == stage.raw(f"{here}:{tag}")
    for subject, referrer in ((image.top, image.sbom), (image.sbom, image.signature_of_sbom)):
        listed = json.loads(stage.raw(f"{there}:{subject.replace(':', '-')}"))["manifests"]
        assert [each["digest"] for each in listed] == [referrer]
        assert listed[0]["artifactType"]  # ours says what it is, though the source's index did not
    assert "nothing" not in stage.run("copy", "--no-referrers", f"{here}:1", f"{stage.target}/prod/alone:1").out
    assert stage.tags(f"{stage.target}/prod/alone") == {"1"}


def test_the_signature_verifies_at_the_target(stage: Stage, tmp_path: Path) -> None:
    """By openssl: Debian's skopeo and podman are built without Sigstore. (GPG's: test_lookaside.py, by both.)"""
    stage.copied(f"{stage.source}/team/app:1", f"{stage.target}/prod/signed:1")
    for digest, tag in zip((stage.image.top, *stage.image.platforms.values()), stage.image.cosign_tags, strict=True):
        (layer,) = json.loads(stage.raw(f"{stage.target}/prod/signed:{tag}"))["layers"]
        payload = stage.blob("prod/signed", layer["digest"])
        assert json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == digest
        (tmp_path / "payload").write_bytes(payload)
        (tmp_path / "signature").write_bytes(
            base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"])
        )
        key = str(stage.home.parent / "key.pub")
        said = _openssl(tmp_path, "dgst", "-sha256", "-verify", key, "-signature", "signature", "payload")
        assert said == b"Verified OK\n"


def test_podman_pulls_from_the_target(stage: Stage) -> None:
    if shutil.which("podman") is None:
        leave_out("podman is not installed")
    stage.copied(f"{stage.source}/team/app:1", f"{stage.target}/prod/pulled:1")
    connecting = ["--authfile", str(stage.home / "auth.json"), "--cert-dir", str(stage.home / "certs")]
    with tempfile.TemporaryDirectory() as short:  # podman wants a path of at most 50 characters
        storage = ["--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
        pull = ["podman", *storage, "pull", "-q", "--arch", "arm64", *connecting, f"{stage.target}/prod/pulled:1"]
        done = subprocess.run(pull, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    config = json.loads(stage.raw(f"{stage.source}/team/app@{stage.image.platforms['arm64']}"))["config"]["digest"]
    assert done.stdout.strip() == config.removeprefix("sha256:")


def test_again_sends_nothing(stage: Stage) -> None:
    names = f"{stage.source}/team/app:1", f"{stage.target}/prod/again:1"
    first, second = stage.copied(*names), stage.copied(*names)
    assert first["sent_bytes"] == sum(blob["size"] for blob in first["blobs"])
    assert second["sent_bytes"] == 0
    assert {blob["how"] for blob in second["blobs"]} == {manifest["how"] for manifest in second["manifests"]}
    assert {blob["how"] for blob in second["blobs"]} == {"present"}
    assert second["carried"] == first["carried"]


def test_within_a_registry_blobs_are_mounted(stage: Stage) -> None:
    stage.copied(f"{stage.source}/team/app:1", f"{stage.target}/prod/first:1")
    receipt = stage.copied(f"{stage.target}/prod/first:1", f"{stage.target}/prod/second:1")
    assert {blob["how"] for blob in receipt["blobs"]} == {"mounted"}
    assert receipt["sent_bytes"] == 0
    assert stage.raw(f"{stage.target}/prod/second:1") == stage.raw(f"{stage.source}/team/app:1")


def test_one_platform_is_its_own_manifest(stage: Stage) -> None:
    receipt = stage.copied("--platform", "linux/arm64", f"{stage.source}/team/app:1", f"{stage.target}/prod/arm:1")
    assert receipt["digest"] == stage.image.platforms["arm64"]
    assert _digest(stage.raw(f"{stage.target}/prod/arm:1")) == stage.image.platforms["arm64"]


def test_every_tag_of_a_repository(stage: Stage) -> None:
    done = stage.run("copy", "--all-tags", f"{stage.source}/team/app", f"{stage.target}/prod/tags")
    assert done.code == 0, done.err
    assert stage.tags(f"{stage.target}/prod/tags") == stage.tags(f"{stage.source}/team/app")
    for tag in ("1", "amd64", "arm64", *stage.image.cosign_tags):
        assert stage.raw(f"{stage.target}/prod/tags:{tag}") == stage.raw(f"{stage.source}/team/app:{tag}")


def test_nothing_is_overwritten_if_so_wished(stage: Stage) -> None:
    there = f"{stage.target}/prod/kept:1"
    stage.copied(f"{stage.source}/team/app:amd64", there)
    done = stage.run("copy", "--no-clobber", f"{stage.source}/team/app:arm64", there)
    assert done.code == 4
    assert "--no-clobber" in done.err
    assert _digest(stage.raw(there)) == stage.image.platforms["amd64"]
    stage.copied("--no-clobber", f"{stage.source}/team/app:amd64", there)  # what is there already is no harm


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("{source}/team/none:1", "{target}/prod/x:1", "team/none:1: not there"),
        ("{source}/team/app:none", "{target}/prod/x:1", "team/app:none: not there"),
        ("127.0.0.1:1/team/app:1", "{target}/prod/x:1", "127.0.0.1 port 1: no connection"),
        ("{source}/team/app:1", "127.0.0.1:1/prod/x:1", "127.0.0.1 port 1: no connection"),
    ],
)
def test_what_does_not_answer_is_named(stage: Stage, source: str, target: str, said: str) -> None:
    names = (text.format(source=stage.source, target=stage.target) for text in (source, target))
    done = stage.run("copy", *names)
    assert (done.code, done.out) == (4, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_without_a_login_nothing_is_written(stage: Stage, tmp_path: Path) -> None:
    certificates = tmp_path / ".config/containers/certs.d"
    shutil.copytree(stage.home / ".config/containers/certs.d", certificates)
    done = affineur(tmp_path, "copy", f"{stage.source}/team/app:1", f"{stage.target}/prod/denied:1")
    assert done.code == 4
    assert f"there is no login for {stage.target}; `affineur login {stage.target}` keeps one" in done.err
