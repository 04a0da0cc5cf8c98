"""A pull-through mirror named in registries.conf, beside skopeo with the same file."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.command import affineur
from support.docker_registry import DOCKER_REGISTRY, docker_registry, push_image
from support.leaving_out import leave_out
from support.registry import tar_of

pytestmark = pytest.mark.system


@pytest.mark.parametrize("which", [":1", "@"], ids=["tag", "digest"])
def test_a_pull_through_mirror(tmp_path: Path, which: str) -> None:
    if DOCKER_REGISTRY is None or shutil.which("skopeo") is None:
        leave_out("docker-registry or skopeo is not installed")
    home = tmp_path / "home"
    conf = home / ".config/containers/registries.conf"
    conf.parent.mkdir(parents=True)
    with (
        docker_registry(tmp_path / "own") as own,
        docker_registry(tmp_path / "mirror", of=own) as mirror,
    ):
        pushed = push_image(own, "team/app", "1", [tar_of({"etc/os-release": b"ID=debian\n"})])
        reference = f"{own}/team/app" + (f"@{pushed['digest']}" if which == "@" else which)
        conf.write_text(
            f'[[registry]]\nlocation = "{own}"\ninsecure = true\n'
            f'[[registry.mirror]]\nlocation = "{mirror}"\ninsecure = true\n'
        )
        theirs = subprocess.run(
            ["skopeo", "inspect", f"docker://{reference}"],
            capture_output=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
        )
        assert theirs.returncode == 0, theirs
        ours = affineur(home, "inspect", "--json", reference)
        assert ours.code == 0, ours
        expected = json.loads(theirs.stdout)
        assert {key: ours.document[key] for key in expected} == expected
        assert expected["RepoTags"] == ["1"]
        assert f"served by the mirror {mirror}/team/app" in ours.document["affineur"]["warnings"]
    kept = tmp_path / "mirror/storage/docker/registry/v2/repositories/team/app/_manifests/revisions"
    assert [folder.name for folder in (kept / "sha256").iterdir()] == [pushed["digest"].partition(":")[2]]
