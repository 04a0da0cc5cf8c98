"""An image with company in a registry, `affineur copy` of it, and what has arrived: judged by what others say.

The image: an index of two platforms that share a layer, a referrer, a cosign tag, and a signature of the referrer.
"""

import hashlib
import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.docker_registry import CONFIG, IMAGE_MANIFEST, LAYER, docker_registry, push_blob, push_manifest
from support.leaving_out import leave_out
from support.registry import OCI_INDEX

__all__ = [
    "REPOSITORY",
    "Image",
    "Ran",
    "Registries",
    "copied",
    "fetched",
    "missing",
    "named",
    "raw",
    "receipt_of",
    "registries",
]

REPOSITORY = "team/app"
GIVES_UP_AFTER_S = 120.0
_SIZES = ((2_500_000, 1_000), (400_000,))
"""Of the layers: those of both platforms, and of each its own."""


@dataclass
class Image:
    """What was pushed.

    Attributes:
        digest: of the index, which the tag "1" names.
        manifests, blobs: digest → content, of all that belongs to it.
        tags: further tags that belong to it → digest.
        listed: subject → digests of what refers to it.
    """

    digest: str = ""
    manifests: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Registries:
    """Two real servers, and the image that is in the first."""

    source: str
    target: str
    image: Image


@dataclass(frozen=True)
class Ran:
    """One call of the command; code is -9 if it was killed."""

    code: int
    out: str
    err: str

    @property
    def clear_error(self) -> bool:
        """Whether it ended with an error of ours: its exit code, and one line that says what is wrong."""
        return self.code in (4, 5) and len(self.said) == 1 and re.match("affineur: .{20}", self.said[0]) is not None

    @property
    def said(self) -> list[str]:
        """What was written to stderr, but for progress."""
        return [line for line in self.err.splitlines() if not _PROGRESS.match(line)]


_PROGRESS = re.compile(r" +\d+ s  \d")


@contextmanager
def registries(folder: Path) -> Iterator[Registries]:
    """Both, with the image pushed to the first; the test is left out where they are not installed."""
    for program in ("docker-registry", "skopeo"):
        if shutil.which(program) is None:
            leave_out(f"{program} is not installed")
    with docker_registry(folder / "source") as source, docker_registry(folder / "target") as target:
        yield Registries(source, target, pushed(source))


def pushed(registry: str) -> Image:
    """Push the image; the same bytes each time."""
    image, made = Image(), random.Random(20261124)

    def blob(content: bytes, media_type: str) -> dict[str, Any]:
        described = push_blob(registry, REPOSITORY, content, media_type)
        image.blobs[described["digest"]] = content
        return described

    def manifest(document: dict[str, Any], tag: str | None = None) -> dict[str, Any]:
        media_type = document["mediaType"]
        content = json.dumps({"schemaVersion": 2, **document}, indent=1).encode()
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        push_manifest(registry, REPOSITORY, tag or digest, content, media_type)
        image.manifests[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def artifact(kind: str, size: int, subject: dict[str, Any] | None, tag: str | None = None) -> dict[str, Any]:
        document: dict[str, Any] = {
            "mediaType": IMAGE_MANIFEST,
            "artifactType": kind,
            "config": blob(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [blob(made.randbytes(size), kind)],
        }
        if subject is None:
            return manifest({**document, "annotations": {"of": "cosign"}}, tag)
        entry = manifest({**document, "subject": subject}) | {"artifactType": kind}
        image.listed.setdefault(subject["digest"], []).append(entry["digest"])
        listing = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        push_manifest(registry, REPOSITORY, _fallback(subject["digest"]), json.dumps(listing).encode(), OCI_INDEX)
        return {each: entry[each] for each in ("mediaType", "digest", "size")}

    shared = [blob(made.randbytes(size), LAYER + "+gzip") for size in _SIZES[0]]
    children = []
    for architecture in ("amd64", "arm64"):
        own = [blob(made.randbytes(size), LAYER + "+gzip") for size in _SIZES[1]]
        config = {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
        document = {
            "mediaType": IMAGE_MANIFEST,
            "config": blob(json.dumps(config).encode(), CONFIG),
            "layers": [*shared, *own],
        }
        children.append(manifest(document) | {"platform": {"os": "linux", "architecture": architecture}})
    index = manifest({"mediaType": OCI_INDEX, "manifests": children}, "1")
    image.digest = index["digest"]
    sbom = artifact("application/spdx+json", 40_000, index)
    artifact("application/vnd.dev.sigstore.bundle.v0.3+json", 3_000, sbom)
    tag = f"{_fallback(index['digest'])}.sig"
    image.tags[tag] = artifact("application/vnd.dev.cosign.simplesigning.v1+json", 250, None, tag)["digest"]
    return image


def _fallback(digest: str) -> str:
    """distribution-spec 1.1 § Referrers Tag Schema."""
    return digest.replace(":", "-")


def copied(
    home: Path,
    source: str,
    target: str,
    *words: str,
    started: Callable[[subprocess.Popen[str]], object] = lambda _: None,
    kill_after_s: float | None = None,
) -> Ran:
    """Run `affineur copy source target`. Args: started: is given the process, to kill it; home: keeps its state."""
    home.mkdir(exist_ok=True)
    settings = home / "config.toml"
    settings.write_text('[network]\nallow = ["127.0.0.0/8"]\n')
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "AFFINEUR_CONFIG": str(settings)}
    environment["PYTHONFAULTHANDLER"] = "1"  # should the interpreter itself crash, it says where
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    with subprocess.Popen(
        [sys.executable, "-m", "affineur", "copy", *words, source, target],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        started(process)
        timers = [threading.Timer(GIVES_UP_AFTER_S, process.kill)]
        if kill_after_s is not None:
            timers.append(threading.Timer(kill_after_s, process.kill))
        for timer in timers:
            timer.start()
        try:
            out, err = process.communicate()
        finally:
            for timer in timers:
                timer.cancel()
                timer.join()
    return Ran(process.returncode, out, err)


def fetched(registry: str, path: str) -> tuple[int, bytes]:
    """Status and body of one request, by nobody's client."""
    connection = http.client.HTTPConnection(registry, timeout=30)
    try:
        connection.request("GET", path, headers={"Accept": f"{OCI_INDEX}, {IMAGE_MANIFEST}"})
        with connection.getresponse() as answer:
            return answer.status, answer.read()
    finally:
        connection.close()


def named(registry: str, repository: str, tag: str) -> str | None:
    """The digest of the bytes that a tag names; None where there is none."""
    status, body = fetched(registry, f"/v2/{repository}/manifests/{tag}")
    return "sha256:" + hashlib.sha256(body).hexdigest() if status == 200 else None


def raw(reference: str) -> bytes | None:
    """What `skopeo inspect --raw` says a reference names; None where it finds nothing."""
    done = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"], capture_output=True, check=False
    )
    assert done.returncode == 0 or b"manifest unknown" in done.stderr or b"unknown" in done.stderr, done.stderr
    return done.stdout if done.returncode == 0 else None


def missing(image: Image, registry: str, repository: str, tag: str = "1", *, company: bool = True) -> list[str]:
    """In what a registry's repository differs from the image: nothing, if all of it is there and right.

    Args:
        company: whether what speaks of it counts, too.
    """
    found = []
    if raw(f"{registry}/{repository}:{tag}") != image.manifests[image.digest]:
        found.append(f"skopeo sees something else at {tag}")
    speaking = (
        set() if company else {*image.tags.values(), *(each for digests in image.listed.values() for each in digests)}
    )
    for digest, content in image.manifests.items():
        if digest not in speaking and fetched(registry, f"/v2/{repository}/manifests/{digest}") != (200, content):
            found.append(f"manifest {digest}")
    of_them = {
        each["digest"]
        for digest, content in image.manifests.items()
        if digest not in speaking and "layers" in (document := json.loads(content))
        for each in (document["config"], *document["layers"])
    }
    found += [
        f"blob {digest}"
        for digest, content in image.blobs.items()
        if digest in of_them and fetched(registry, f"/v2/{repository}/blobs/{digest}") != (200, content)
    ]
    if not company:
        return found
    found += [f"tag {name}" for name, digest in image.tags.items() if named(registry, repository, name) != digest]
    for subject, digests in image.listed.items():
        status, body = fetched(registry, f"/v2/{repository}/manifests/{_fallback(subject)}")
        entries = [each["digest"] for each in json.loads(body)["manifests"]] if status == 200 else []
        if sorted(entries) != sorted(digests):
            found.append(f"list of what refers to {subject}: {entries}")
    return found


def receipt_of(path: Path) -> dict[str, Any]:
    """What `--receipt` wrote of one image."""
    (image,) = json.loads(path.read_text())["images"]
    read: dict[str, Any] = image["receipt"]
    return read
