"""`affineur inspect` beside `skopeo inspect`, both asking Debian's docker-registry."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import affineur
from support.docker_registry import DOCKER_REGISTRY, docker_registry, push_blob, push_image, push_manifest
from support.leaving_out import leave_out
from support.registry import tar_of

pytestmark = pytest.mark.system

INDEX = "application/vnd.oci.image.index.v1+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TAR = tar_of({"etc/os-release": b"ID=debian\n", "a": b"x" * 4000})


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a registry with images of every kind in the repository team/app."""
    for program in ("skopeo", "docker-registry"):
        if shutil.which(program) is None:
            leave_out(f"{program} is not installed")
    assert DOCKER_REGISTRY is not None
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        full = {
            "created": "2026-01-02T03:04:05.678901234Z",
            "author": "somebody",
            "docker_version": "20.10.24",
            "config": {
                "Env": ["PATH=/bin", "EMPTY=", "A=b=c"],
                "Labels": {"b": "2", "a": "<&>é", "org.opencontainers.image.base.name": "docker.io/library/debian:12"},
                "User": "nobody",
                "Cmd": ["/bin/true"],
            },
        }
        push_image(host, "team/app", "oci", [TAR, tar_of({"b": b"c"})], full)
        push_image(host, "team/app", "bare", [TAR], {"created": None, "config": None})
        push_image(host, "team/app", "zone", [TAR], {"created": "2025-01-26T22:54:00.500849935+01:00"})
        push_image(host, "team/app", "empty", [], {"config": {"Env": [], "Labels": {}}})
        here = subprocess.run(
            ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
        ).stdout.strip()
        children = []
        for architecture, variant in ((here, None), ("arm", "v7"), ("s390x", None)):
            named = {"architecture": architecture, **({"variant": variant} if variant else {})}
            pushed = push_image(host, "team/app", f"one-{architecture}", [TAR], {**full, **named})
            children.append(child(host, pushed["digest"], {"os": "linux", **named}))
        attestation = push_image(host, "team/app", "attestation", [TAR])
        speaking = {
            **child(host, attestation["digest"], {"os": "unknown", "architecture": "unknown"}),
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": children[0]["digest"],
            },
        }
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*children, speaking]}
        push_manifest(host, "team/app", "index", json.dumps(index).encode(), INDEX)
        for source, target in (("oci", "schema2"), ("bare", "schema2-bare")):
            skopeo("copy", "--format", "v2s2", "--src-tls-verify=false", "--dest-tls-verify=false",
                   f"docker://{host}/team/app:{source}", f"docker://{host}/team/app:{target}")  # fmt: skip
        skopeo("copy", "--all", "--format", "v2s2", "--src-tls-verify=false", "--dest-tls-verify=false",
               f"docker://{host}/team/app:index", f"docker://{host}/team/list:1")  # fmt: skip
        empty = push_blob(host, "team/app", b"{}", "application/vnd.cncf.helm.config.v1+json")
        chart = {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": []}
        push_manifest(host, "team/app", "chart", json.dumps(chart).encode(), MANIFEST)
        yield host


def child(host: str, digest: str, platform: dict[str, str]) -> dict[str, Any]:
    content = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{host}/team/app@{digest}")
    return {"mediaType": MANIFEST, "digest": digest, "size": len(content), "platform": platform}


def skopeo(*words: str) -> bytes:
    return subprocess.run(["skopeo", *words], capture_output=True, check=True).stdout


def theirs(reference: str, *words: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(skopeo("inspect", "--tls-verify=false", *words, f"docker://{reference}"))
    return read


TAGS = ["oci", "bare", "zone", "empty", "schema2", "schema2-bare", "index"]


@pytest.mark.parametrize("name", [f"team/app:{tag}" for tag in TAGS] + ["team/list:1"])
def test_every_key_of_skopeo_has_its_value(registry: str, tmp_path: Path, name: str) -> None:
    done = affineur(tmp_path, "inspect", "--json", f"{registry}/{name}")
    assert done.code == 0, done
    expected = theirs(f"{registry}/{name}")
    assert {key: done.document[key] for key in expected} == expected
    assert set(done.document) - set(expected) <= {"LayersData", "affineur"}


def test_by_digest_and_without_tags(registry: str, tmp_path: Path) -> None:
    digest = theirs(f"{registry}/team/app:index")["Digest"]
    done = affineur(tmp_path, "inspect", "--json", "--no-tags", f"{registry}/team/app@{digest}")
    expected = theirs(f"{registry}/team/app@{digest}", "--no-tags")
    assert {key: done.document[key] for key in expected} == expected


def test_another_platform(registry: str, tmp_path: Path) -> None:
    name = f"{registry}/team/app:index"
    done = affineur(tmp_path, "inspect", "--json", "--platform", "linux/arm/v7", name)
    expected = json.loads(
        skopeo(
            "--override-arch", "arm", "--override-variant", "v7", "inspect", "--tls-verify=false", f"docker://{name}"
        )
    )
    assert {key: done.document[key] for key in expected} == expected


def test_raw_and_config_are_the_exact_bytes(registry: str, tmp_path: Path) -> None:
    name = f"{registry}/team/app:index"
    for words in (["--raw"], ["--raw", "--config"]):
        done = affineur(tmp_path, "inspect", *words, name)
        assert done.out.encode() == skopeo("inspect", "--tls-verify=false", *words, f"docker://{name}")
    raw = affineur(tmp_path, "inspect", "--raw", name).out.encode()
    assert "sha256:" + hashlib.sha256(raw).hexdigest() == theirs(name)["Digest"]


def test_what_skopeo_cannot_say(registry: str, tmp_path: Path) -> None:
    more = affineur(tmp_path, "inspect", "--json", f"{registry}/team/app:index").document["affineur"]
    assert more["media_type"] == INDEX
    assert (more["base_name"], more["user"], more["hosts"]) == ("docker.io/library/debian:12", "nobody", [registry])
    assert [facts["claimed"] for facts in more["platforms"]][1:] == ["linux/arm/v7", "linux/s390x"]
    assert [len(facts["attestations"]) for facts in more["platforms"]] == [1, 0, 0]
    for facts in more["platforms"]:
        alone = theirs(f"{registry}/team/app@{facts['digest']}", "--no-tags")
        assert facts["created"] == alone["Created"]
        manifest = json.loads(
            skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry}/team/app@{facts['digest']}")
        )
        assert facts["size"] == sum(layer["size"] for layer in manifest["layers"])


def test_layers_data_is_what_the_manifest_says(registry: str, tmp_path: Path) -> None:
    name = f"{registry}/team/app:oci"
    manifest = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}"))
    assert affineur(tmp_path, "inspect", "--json", name).document["LayersData"] == [
        {"MIMEType": layer["mediaType"], "Digest": layer["digest"], "Size": layer["size"], "Annotations": None}
        for layer in manifest["layers"]
    ]


@pytest.mark.parametrize("tag", [*TAGS])
def test_the_page_fits_80_columns(registry: str, tmp_path: Path, tag: str) -> None:
    name = f"{registry}/team/app:{tag}"
    done = affineur(tmp_path, "inspect", name)
    assert done.code == 0, done
    assert theirs(name)["Digest"] in done.out
    for line in done.out.splitlines():
        assert len(line) <= 80 or len(line.split()) <= 2, line  # only a digest may stick out


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("team/app:chart", 5, ["a Helm chart", "application/vnd.cncf.helm.config.v1+json"]),
        ("team/app:none", 4, ["team/app:none", "MANIFEST_UNKNOWN"]),
        ("team/none:1", 4, ["team/none:1"]),
        ("Team/app", 2, ["upper-case"]),
    ],
)
def test_what_cannot_be_inspected_is_said_in_a_sentence(
    registry: str, tmp_path: Path, name: str, code: int, words: list[str]
) -> None:
    done = affineur(tmp_path, "inspect", f"{registry}/{name}")
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("affineur: ")
    assert done.err.count("\n") == 1
    assert all(word in done.err for word in words), done.err


def test_a_platform_that_is_not_there_lists_those_that_are(registry: str, tmp_path: Path) -> None:
    done = affineur(tmp_path, "inspect", "--platform", "linux/riscv64", f"{registry}/team/app:index")
    assert done.code == 4
    assert "linux/arm/v7, linux/s390x" in done.err


@pytest.mark.corpus
def test_a_real_layouts_images_agree(registry: str, tmp_path: Path, corpus: Path) -> None:
    for name in ("gzip", "zstd", "estargz", "uncompressed"):
        there = f"{registry}/corpus/{name}:1"
        skopeo(
            "copy",
            "--dest-tls-verify=false",
            f"oci-archive:{corpus}/images/oci-archive-{name}.tar",
            f"docker://{there}",
        )
        expected = theirs(there)
        done = affineur(tmp_path, "inspect", "--json", there)
        assert {key: done.document[key] for key in expected} == expected
