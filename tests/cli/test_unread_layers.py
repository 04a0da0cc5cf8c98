"""Layers that are not read: foreign ones are named and never asked for, and nothing that needs them is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import affineur
from support.registry import OCI_MANIFEST, Registry, digest_of, layer, tar_of

STATUS = b"Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
TAR = tar_of({"etc/os-release": b"ID=debian\nVERSION_ID=12\n", "var/lib/dpkg/status": STATUS})


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as served:
        yield served


def push_with(registry: Registry, media_type: str, urls: list[str] | None) -> str:
    """An image with a further layer on top; returns that layer's digest."""
    base, top = layer(TAR), layer(tar_of({"var/lib/dpkg/status": b""}))
    read = json.loads((registry.manifest("team/app", registry.push("team/app", None, [base, top])) or (b"", ""))[0])
    described: dict[str, Any] = {**read["layers"][1], "mediaType": media_type}
    if urls is not None:
        described["urls"] = urls
    registry.add_manifest("team/app", "1", {**read, "layers": [read["layers"][0], described]}, OCI_MANIFEST)
    return digest_of(top.content)


@pytest.mark.parametrize(
    ("media_type", "named"),
    [
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "a foreign layer"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "a foreign layer"),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "an encrypted layer"),
        ("application/vnd.example.layer.of.days.to.come", "are not read"),
    ],
)
def test_a_layer_that_is_not_read_is_named_and_leaves_the_answer_open(
    registry: Registry, tmp_path: Path, media_type: str, named: str
) -> None:
    """image-spec 1.1, layer.md § Non-Distributable Layers: `urls` may lead into this machine's own network."""
    digest = push_with(registry, media_type, [f"{registry.url}/elsewhere", "http://169.254.169.254/"])
    packages = affineur(tmp_path, "packages", "--json", f"{registry.host}/team/app:1")
    assert packages.code == 3
    (gap,) = [each for each in packages.document["unassessed"] if digest in each["what"]]
    assert named in gap["why"]
    assert media_type in gap["why"]
    judged = affineur(tmp_path, "assess", "--offline", "--json", f"{registry.host}/team/app:1")
    assert judged.document["grade"]["letter"] is None
    assert any(digest in each["what"] for each in judged.document["unassessed"])
    asked = [path for _, path in registry.requests]
    assert not [path for path in asked if digest in path or "elsewhere" in path]
    assert affineur(tmp_path, "inspect", f"{registry.host}/team/app:1").code == 0
