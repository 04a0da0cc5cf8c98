"""A real Alpine image, copied into a real registry by skopeo: its packages, and what its repositories say of it."""

import gzip
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.command import Done, started
from support.docker_registry import DOCKER_REGISTRY, docker_registry
from support.leaving_out import leave_out

pytestmark = [pytest.mark.system, pytest.mark.corpus]

REPOSITORY = "http://dl-cdn.alpinelinux.org/alpine/v3.10"  # as /etc/apk/repositories of the image has it


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL at which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def image(corpus: Path, tmp_path: Path) -> Iterator[str]:
    if DOCKER_REGISTRY is None or shutil.which("skopeo") is None:
        leave_out("needs docker-registry and skopeo")
    with docker_registry(tmp_path / "registry") as host:
        target = f"docker://{host}/library/alpine:3.10"
        archive = tmp_path / "alpine.tar"  # docker's archives are not compressed: skopeo knows no other
        archive.write_bytes(gzip.decompress((corpus / "images/alpine-3.10-docker-archive.tar.gz").read_bytes()))
        source = f"docker-archive:{archive}"
        command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", source, target]
        subprocess.run(command, check=True, timeout=60)
        yield target.removeprefix("docker://")


def asked(folder: Path, image: str, mirror: str, *words: str) -> Done:
    config = folder / "config.toml"
    config.write_text(
        f'cache = "{folder / "cache"}"\n[network]\nallow = ["127.0.0.0/8"]\n[feeds]\nosv = ""\n'
        f'[[mirror]]\nfrom = "{REPOSITORY}"\nto = "{mirror}"\n'
    )
    return started(folder, [words[0], "--settings", str(config), *words[1:], image])


def test_a_real_image(corpus: Path, tmp_path: Path, image: str, served: tuple[Path, str]) -> None:
    folder, mirror = served
    packages = asked(tmp_path, image, mirror, "packages", "--json").document["packages"]
    names = {each["Name"] for each in json.loads((corpus / "images/alpine-3.10-packages.json").read_bytes())}
    assert {package["name"] for package in packages} == names
    assert {package["manager"] for package in packages} == {"apk"}
    # A real index of another release, signed by a key that this image does not have: apk would not take it either.
    place = folder / "main/x86_64"
    place.mkdir(parents=True)
    shutil.copy(corpus / "apk/alpine-3.16-main-x86_64-APKINDEX.tar.gz", place / "APKINDEX.tar.gz")
    done = asked(tmp_path, image, mirror, "assess", "--json")
    assessment = done.document
    assert assessment["grade"]["letter"] is None
    assert assessment["updates"] == []
    own = [suite for suite in assessment["suites"] if suite["role"] != "reference"]
    assert not any(suite["verified"] for suite in own)
    assert done.code == 1, "the support of Alpine 3.10 has ended"
