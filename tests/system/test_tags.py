"""`affineur tags` beside `skopeo list-tags`, both asking Debian's docker-registry."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support.command import affineur
from support.docker_registry import docker_registry, push_image
from support.leaving_out import leave_out
from support.registry import Registry

pytestmark = pytest.mark.system


def test_lists_what_skopeo_lists(tmp_path: Path) -> None:
    for program in ("skopeo", "docker-registry"):
        if shutil.which(program) is None:
            leave_out(f"{program} is not installed")
    with docker_registry(tmp_path / "registry") as host:
        for number in range(12):
            push_image(host, "team/app", f"v{number}", [])
        done = affineur(tmp_path, "tags", "--json", f"{host}/team/app")
        listed = subprocess.run(
            ["skopeo", "list-tags", "--tls-verify=false", f"docker://{host}/team/app"], capture_output=True, check=True
        )
        assert (done.code, done.document) == (0, json.loads(listed.stdout))
        lines = affineur(tmp_path, "tags", f"{host}/team/app:v3").out
        assert lines.splitlines() == done.document["Tags"]


def test_follows_pages(tmp_path: Path) -> None:
    with Registry() as registry:
        for number in range(25):
            registry.push("team/app", f"v{number}", [])
        registry.page_size = 10
        done = affineur(tmp_path, "tags", f"{registry.host}/team/app")
        assert sorted(done.out.split()) == sorted(f"v{number}" for number in range(25))
        assert [path.partition("?")[0] for _, path in registry.requests] == ["/v2/team/app/tags/list"] * 3


def test_an_unknown_repository(tmp_path: Path) -> None:
    with Registry() as registry:
        done = affineur(tmp_path, "tags", f"{registry.host}/team/none")
    assert (done.code, done.out) == (4, "")
    assert "team/none" in done.err
