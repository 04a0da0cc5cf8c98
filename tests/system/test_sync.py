"""`affineur sync` beside `skopeo sync`, between Debian's docker-registry servers; and what that one deletes."""

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from support.command import affineur
from support.docker_registry import docker_registry, push_image, push_manifest
from support.leaving_out import leave_out

pytestmark = pytest.mark.system

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DELETING = ("env", "REGISTRY_STORAGE_DELETE_ENABLED=true")


@pytest.fixture(autouse=True)
def _programs() -> None:
    for program in ("skopeo", "docker-registry"):
        if shutil.which(program) is None:
            leave_out(f"{program} is not installed")


def content(host: str) -> dict[str, dict[str, str]]:
    """Repository → tag → digest, asked without any of our code."""
    found: dict[str, dict[str, str]] = {}
    for repository in asked(f"http://{host}/v2/_catalog")["repositories"]:
        try:
            tags = asked(f"http://{host}/v2/{repository}/tags/list")["tags"] or []
        except urllib.error.HTTPError:  # a repository that has none
            tags = []
        found[repository] = {tag: digest(host, repository, tag) for tag in tags}
    return found


def asked(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def digest(host: str, repository: str, tag: str) -> str:
    request = urllib.request.Request(
        f"http://{host}/v2/{repository}/manifests/{tag}", method="HEAD", headers={"Accept": f"{INDEX}, {MANIFEST}"}
    )
    with urllib.request.urlopen(request) as answer:
        said: str = answer.headers["Docker-Content-Digest"]
        return said


def fill(host: str) -> str:
    """Two repositories, one image of them an index; returns the digest of another."""
    for tag in ("1.13.1-alpine-perl", "1.13.2-alpine-perl", "1.13.3-alpine-perl", "1.14.0", "latest"):
        push_image(host, "library/nginx", tag, [tag.encode().ljust(512, b"\0") + bytes(1024)])
    children = [
        push_image(host, "team/redis", each, [bytes(1024)], {"architecture": each}) for each in ("amd64", "arm64")
    ]
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {
                "mediaType": MANIFEST,
                "digest": child["digest"],
                "size": len(raw(host, "team/redis", child["digest"])),
                "platform": {"os": "linux", "architecture": child_of},
            }
            for child, child_of in zip(children, ("amd64", "arm64"), strict=True)
        ],
    }
    push_manifest(host, "team/redis", "7.2", json.dumps(index).encode(), INDEX)
    for tag in ("2.10", "7.0"):
        push_image(host, "team/redis", tag, [tag.encode().ljust(512, b"\0") + bytes(1024)])
    return digest(host, "library/nginx", "1.14.0")


def raw(host: str, repository: str, which: str) -> bytes:
    request = urllib.request.Request(
        f"http://{host}/v2/{repository}/manifests/{which}", headers={"Accept": f"{INDEX}, {MANIFEST}"}
    )
    with urllib.request.urlopen(request) as answer:
        found: bytes = answer.read()
        return found


def test_skopeos_file_gives_what_skopeo_gives(tmp_path: Path) -> None:
    with (
        docker_registry(tmp_path / "source") as source,
        docker_registry(tmp_path / "theirs") as theirs,
        docker_registry(tmp_path / "ours") as ours,
    ):
        by_digest = fill(source)
        file = tmp_path / "sync.yaml"
        file.write_text(
            f"""\
{source}:
  images:
    team/redis: [2.10, "7.2", amd64]
    library/nginx:
      - {by_digest}
  images-by-tag-regex:
    library/nginx: ^1\\.13\\.[12]-alpine-perl$
  tls-verify: false
"""
        )
        skopeo = ["skopeo", "sync", "--all", "--src", "yaml", "--dest", "docker", "--dest-tls-verify=false"]
        subprocess.run([*skopeo, str(file), f"{theirs}/mirror"], check=True, capture_output=True)
        done = affineur(tmp_path, "sync", "--to", f"{ours}/mirror", str(file))
        assert done.code == 0, done
        assert content(ours) == content(theirs)
        assert content(ours) == {
            "mirror/nginx": {
                tag: digest(source, "library/nginx", tag) for tag in ("1.13.1-alpine-perl", "1.13.2-alpine-perl")
            },
            "mirror/redis": {tag: digest(source, "team/redis", tag) for tag in ("2.10", "7.2", "amd64")},
        }
        assert raw(ours, "mirror/nginx", by_digest) == raw(theirs, "mirror/nginx", by_digest)
        # all tags, where none is named
        file.write_text(f"{source}: {{images: {{team/redis: [], library/nginx: []}}, tls-verify: false}}\n")
        subprocess.run([*skopeo, str(file), f"{theirs}/all"], check=True, capture_output=True)
        assert affineur(tmp_path, "sync", "--to", f"{ours}/all/", str(file)).code == 0
        assert content(ours) == content(theirs)
        # a port cannot be part of a name: neither there
        scoped = subprocess.run([*skopeo, "--scoped", str(file), f"{theirs}/scoped"], check=False, capture_output=True)
        assert scoped.returncode != 0
        done = affineur(tmp_path, "sync", "--scoped", "--to", f"{ours}/scoped", str(file))
        assert done.code == 2
        assert "because of its port" in done.err
        assert content(ours) == content(theirs)


def test_this_registry_deletes_by_digest_only_and_nothing_is_lost_by_that(tmp_path: Path) -> None:
    with (
        docker_registry(tmp_path / "source") as source,
        docker_registry(tmp_path / "target", prefix=DELETING) as target,
    ):
        fill(source)
        push_image(source, "team/redis", "7.0-twin", [b"7.0".ljust(512, b"\0") + bytes(1024)])
        assert digest(source, "team/redis", "7.0-twin") == digest(source, "team/redis", "7.0")
        file = tmp_path / "sync.yaml"
        entry = f"sync:\n- from: {source}/team/redis\n  to: {target}/mirror/redis\n"
        file.write_text(entry)
        assert affineur(tmp_path, "sync", str(file)).code == 0
        before = content(target)["mirror/redis"]
        assert sorted(before) == ["2.10", "7.0", "7.0-twin", "7.2", "amd64", "arm64"]
        file.write_text(entry + "  include: ['7.0', '7.2']\n")
        done = affineur(tmp_path, "sync", "--prune", "--yes", str(file))
        # 2.10 goes; what 7.0-twin, amd64 and arm64 name is needed by the tags that stay
        assert sorted(content(target)["mirror/redis"]) == ["7.0", "7.0-twin", "7.2", "amd64", "arm64"], done
        assert done.code == 3
        assert "this one is 7.0's, too" in " ".join(done.out.split())
        assert (
            done.out.count("this one is 7.2's, too") + " ".join(done.out.split()).count("this one is 7.2's, too") >= 2
        )
        for tag in ("7.0", "7.2"):
            inspected = subprocess.run(
                ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{target}/mirror/redis:{tag}"],
                capture_output=True,
                check=True,
            )
            assert inspected.stdout == raw(source, "team/redis", tag)


def test_a_registry_that_deletes_nothing_is_told(tmp_path: Path) -> None:
    with docker_registry(tmp_path / "source") as source, docker_registry(tmp_path / "target") as target:
        fill(source)
        file = tmp_path / "sync.yaml"
        entry = f"sync:\n- from: {source}/team/redis\n  to: {target}/mirror/redis\n"
        file.write_text(entry)
        assert affineur(tmp_path, "sync", str(file)).code == 0
        before = content(target)
        file.write_text(entry + "  exclude: '2.10'\n")
        done = affineur(tmp_path, "sync", "--prune", "--yes", str(file))
        assert done.code == 3
        assert "the registry deletes nothing" in " ".join(done.out.split())
        assert content(target) == before
