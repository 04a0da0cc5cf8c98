"""Debian's docker-registry on a free loopback port, and how images get into it."""

import gzip
import hashlib
import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["DOCKER_REGISTRY", "Pushed", "docker_registry", "free_port", "push_blob", "push_image", "push_manifest"]

DOCKER_REGISTRY = shutil.which("docker-registry")
STARTS_WITHIN_S = 15.0
IMAGE_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Pushed(dict[str, Any]):
    """What was pushed: `digest` of the manifest, `manifest` as parsed JSON."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def docker_registry(
    folder: Path,
    host: str = "127.0.0.1",
    prefix: Sequence[str] = (),
    *,
    tls: tuple[str, str] | None = None,
    clients: Path | None = None,
    auth: str = "",
    of: str = "",
) -> Iterator[str]:
    """Run docker-registry until the block ends; stopped by its process id.

    Args:
        folder: where it may keep its storage and its log.
        prefix: words before the command, e.g. `ip netns exec NAME`.
        tls: paths of certificate and key; None serves plain HTTP.
        clients: with `tls`, the authority by whom clients must be certified.
        auth: the `auth` member of its configuration, in YAML's flow style; push to the same folder without it first.
        of: `host:port` of the plain registry that it passes on and keeps, as a pull-through mirror.

    Yields:
        `host:port`.
    """
    assert DOCKER_REGISTRY is not None
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    secured = ""
    if tls is not None:
        wanted = f", clientcas: ['{clients}']" if clients is not None else ""
        secured = f", tls: {{certificate: '{tls[0]}', key: '{tls[1]}'{wanted}}}"
    configuration = folder / "registry.yml"
    configuration.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder / 'storage'}}}}}\n"
        f"http: {{addr: '{host}:{port}'{secured}}}\n"
        "compatibility: {schema1: {enabled: true}}\n"
        + (f"auth: {auth}\n" if auth else "")
        + (f"proxy: {{remoteurl: 'http://{of}'}}\n" if of else "")
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            [*prefix, DOCKER_REGISTRY, "serve", str(configuration)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        _wait_until_listening(process, host, port, bool(prefix))
        yield f"{host}:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_listening(process: subprocess.Popen[bytes], host: str, port: int, elsewhere: bool) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    if elsewhere:  # in another network namespace: not to be reached from here
        time.sleep(1)
        return
    while time.monotonic() < deadline:
        assert process.poll() is None, "docker-registry ended at once; see registry.log"
        try:
            socket.create_connection((host, port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("docker-registry did not start")


def push_image(
    registry: str, repository: str, tag: str, tars: Sequence[bytes | Path], config: dict[str, Any] | None = None
) -> Pushed:
    """Push an OCI image of gzip layers.

    Args:
        tars: the uncompressed layers, base first; a Path is compressed as a stream.
        config: members of the image config that replace the defaults.
    """
    layers: list[dict[str, Any]] = []
    diff_ids: list[str] = []
    for tar in tars:
        content = tar if isinstance(tar, bytes) else tar.read_bytes()
        diff_ids.append("sha256:" + hashlib.sha256(content).hexdigest())
        layers.append(push_blob(registry, repository, gzip.compress(content, 6, mtime=0), LAYER + "+gzip"))
    document = {
        "created": "2026-01-02T03:04:05Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        **(config or {}),
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": push_blob(registry, repository, json.dumps(document).encode(), CONFIG),
        "layers": layers,
    }
    digest = push_manifest(registry, repository, tag, json.dumps(manifest).encode(), IMAGE_MANIFEST)
    return Pushed(digest=digest, manifest=manifest)


def push_blob(registry: str, repository: str, content: bytes, media_type: str) -> dict[str, Any]:
    """Upload in one piece (distribution-spec § Single POST falls back to POST then PUT); gives its descriptor."""
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    connection = http.client.HTTPConnection(registry, timeout=60)
    connection.request("POST", f"/v2/{repository}/blobs/uploads/")
    answer = connection.getresponse()
    answer.read()
    location = answer.headers["Location"]
    path = location.split(registry, 1)[-1]
    separator = "&" if "?" in path else "?"
    connection.request(
        "PUT", f"{path}{separator}digest={digest}", content, {"Content-Type": "application/octet-stream"}
    )
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 201, (answer.status, body)
    connection.close()
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def push_manifest(registry: str, repository: str, tag: str, content: bytes, media_type: str) -> str:
    """Put a manifest or an index under a tag (or a digest); gives its digest."""
    connection = http.client.HTTPConnection(registry, timeout=60)
    connection.request("PUT", f"/v2/{repository}/manifests/{tag}", content, {"Content-Type": media_type})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 201, (answer.status, body)
    connection.close()
    return "sha256:" + hashlib.sha256(content).hexdigest()
