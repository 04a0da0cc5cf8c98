"""Images in every form in which they lie on a disk, written from those of the registry in this process.

What reads them is held against this only where the point is a rule; that the forms are those of other programs is shown
in tests/system, with images that skopeo and podman wrote.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from support.registry import Registry, digest_of

__all__ = ["hex_of", "stored", "write_dir", "write_docker_archive", "write_layout", "write_tar"]

REF_NAME = "org.opencontainers.image.ref.name"
Members = Sequence[tuple[str, bytes | tarfile.TarInfo]]


def hex_of(digest: str) -> str:
    """Without the algorithm."""
    return digest.partition(":")[2]


def stored(registry: Registry, repository: str) -> dict[str, bytes]:
    """Every manifest and blob of a repository, by digest."""
    tags = registry.tags(repository) or []
    found = {digest_of(blob): blob for blob in registry.blobs(repository)}
    for tag in tags:
        pending = [tag]
        while pending:
            content, _ = registry.manifest(repository, pending.pop()) or (b"{}", "")
            found[digest_of(content)] = content
            pending += [child["digest"] for child in json.loads(content).get("manifests", ())]
    return found


def write_layout(
    folder: Path, registry: Registry, repository: str, instead: Mapping[str, bytes] = MappingProxyType({})
) -> Path:
    """An OCI layout of a repository. Args: instead: digest → other bytes for a blob."""
    (folder / "blobs" / "sha256").mkdir(parents=True)
    for digest, content in stored(registry, repository).items():
        (folder / "blobs" / "sha256" / hex_of(digest)).write_bytes(instead.get(digest, content))
    listed = []
    for tag in registry.tags(repository) or ():
        content, media_type = registry.manifest(repository, tag) or (b"", "")
        named = {"digest": digest_of(content), "size": len(content), "annotations": {REF_NAME: tag}}
        listed.append({"mediaType": media_type, **named})
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": listed}))
    return folder


def write_tar(file: Path, members: Path | Members) -> Path:
    """A tar archive of a folder's files, or of given members; compressed if the name ends in .gz."""
    if isinstance(members, Path):
        there = sorted(each for each in members.rglob("*") if each.is_file())
        members = [(each.relative_to(members).as_posix(), each.read_bytes()) for each in there]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    content = buffer.getvalue()
    file.write_bytes(gzip.compress(content, 1) if file.suffix == ".gz" else content)
    return file


def write_docker_archive(
    file: Path, images: Mapping[str, Sequence[bytes]], config: Mapping[str, Any], bent: int = 0
) -> Path:
    """What docker save writes: tag → layers as tar, base first. Args: bent: how many bytes at a layer's end differ."""
    members: dict[str, bytes] = {}
    items = []
    for tag, layers in images.items():
        diff_ids = [digest_of(layer) for layer in layers]
        written = json.dumps({**config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
        name = f"{hex_of(digest_of(written))}.json"
        members[name] = written
        for diff_id, layer in zip(diff_ids, layers, strict=True):
            members[f"{hex_of(diff_id)}/layer.tar"] = layer[: len(layer) - bent] + b"\1" * bent
        paths = [f"{hex_of(diff_id)}/layer.tar" for diff_id in diff_ids]
        items.append({"Config": name, "RepoTags": [tag], "Layers": paths})
    return write_tar(file, [*members.items(), ("manifest.json", json.dumps(items).encode())])


def write_dir(
    folder: Path, registry: Registry, repository: str, tag: str, instead: Mapping[str, bytes] = MappingProxyType({})
) -> Path:
    """What skopeo writes to dir:. Args: instead: digest → other bytes for a blob."""
    folder.mkdir(parents=True)
    top, _ = registry.manifest(repository, tag) or (b"{}", "")
    for digest, content in stored(registry, repository).items():
        manifest = registry.manifest(repository, digest)
        name = hex_of(digest) + (".manifest.json" if manifest else "")
        (folder / name).write_bytes(instead.get(digest, content))
    (folder / "manifest.json").write_bytes(top)
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    return folder
