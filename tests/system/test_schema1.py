"""Docker's schema 1, as skopeo converts an image to it, signs it and pushes it to Debian's docker-registry."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import affineur
from support.docker_registry import DOCKER_REGISTRY, docker_registry, push_image
from support.leaving_out import leave_out
from support.registry import Answer, Registry, tar_of

pytestmark = pytest.mark.system

STATUS = b"""Package: zlib1g
Status: install ok installed
Architecture: amd64
Source: zlib
Version: 1:1.2.13.dfsg-1

"""
BASE = tar_of({"etc/os-release": b"ID=debian\nVERSION_ID=12\n", "var/lib/dpkg/status": b""})
HISTORY = [
    {"created": "2014-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file in /"},
    {"created": "2014-01-02T00:00:00Z", "created_by": '/bin/sh -c #(nop) ENV A="1"', "empty_layer": True},
    {"created": "2014-01-03T00:00:00Z", "created_by": "/bin/sh -c apt-get install zlib1g", "author": "somebody"},
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a registry with one image as OCI's manifest (team/new:1) and as schema 1 (team/old:1)."""
    for program in ("skopeo", "docker-registry"):
        if shutil.which(program) is None:
            leave_out(f"{program} is not installed")
    assert DOCKER_REGISTRY is not None
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        members = {
            "created": "2014-01-03T00:00:00.5Z",
            "history": HISTORY,
            "config": {"Env": ["A=1"], "Labels": {"b": "c"}, "User": "nobody"},
        }
        push_image(host, "team/new", "1", [BASE, tar_of({"var/lib/dpkg/status": STATUS})], members)
        skopeo("copy", "--format", "v2s1", "--src-tls-verify=false", "--dest-tls-verify=false",
               f"docker://{host}/team/new:1", f"docker://{host}/team/old:1")  # fmt: skip
        yield host


def skopeo(*words: str) -> bytes:
    return subprocess.run(["skopeo", *words], capture_output=True, check=True).stdout


def theirs(*words: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(skopeo("inspect", "--tls-verify=false", *words))
    return read


def test_every_key_of_skopeo_has_its_value_by_tag_and_by_digest(registry: str, tmp_path: Path) -> None:
    expected = theirs(f"docker://{registry}/team/old:1")
    assert expected["Tag"] == "1"
    done = affineur(tmp_path, "inspect", "--json", f"{registry}/team/old:1")
    assert (done.code, {key: done.document[key] for key in expected}) == (0, expected)
    assert set(done.document) - set(expected) <= {"LayersData", "affineur"}
    by_digest = affineur(tmp_path, "inspect", "--json", f"{registry}/team/old@{expected['Digest']}")
    assert (by_digest.code, by_digest.document["Digest"]) == (0, expected["Digest"])


def test_the_manifest_is_signed_and_that_is_not_taken_for_a_proof(registry: str, tmp_path: Path) -> None:
    raw = json.loads(affineur(tmp_path, "inspect", "--raw", f"{registry}/team/old:1").out)
    other = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry}/team/old:1"))
    assert raw.pop("signatures") != other.pop("signatures")  # docker-registry signs at each request
    assert raw == other
    remarks = affineur(tmp_path, "inspect", "--json", f"{registry}/team/old:1").document["affineur"]["remarks"]
    assert any("are not verified" in remark for remark in remarks)


def test_packages_are_those_of_the_same_image_described_anew(registry: str, tmp_path: Path) -> None:
    old, new = (affineur(tmp_path, "packages", "--json", f"{registry}/team/{name}:1") for name in ("old", "new"))
    assert old.code == new.code
    found = [{**package, "layer": None} for package in new.document["packages"]]
    assert old.document["packages"] == found != []
    assert (old.document["image"]["size"], old.document["image"]["layers"]) == (None, 2)


def test_a_configuration_is_not_made_up(registry: str, tmp_path: Path) -> None:
    done = affineur(tmp_path, "inspect", "--config", f"{registry}/team/old:1")
    assert (done.code, done.out) == (5, "")
    assert "schema 1" in done.err


def test_a_layer_of_other_bytes_is_refused(registry: str, tmp_path: Path) -> None:
    """Nobody states its size: the digest alone decides."""
    manifest = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry}/team/old:1")
    with Registry() as other:
        other.add_manifest("team/old", "1", manifest, "application/vnd.docker.distribution.manifest.v1+prettyjws")
        for layer in json.loads(manifest)["fsLayers"]:
            other.misbehave[f"/v2/team/old/blobs/{layer['blobSum']}"] = Answer(body=b"other bytes")
        done = affineur(tmp_path, "packages", f"{other.host}/team/old:1")
    assert done.code == 5
