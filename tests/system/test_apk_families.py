"""Images of apk through the command, from a real registry: what a user gets is what the tests in one process know.

apk cannot be had here as a witness. tests/cli/test_apk.py holds each answer to what apk's rules make of these indexes;
this one holds a process of its own, and Debian's docker-registry, to those answers. The repositories, the security
databases and OSV's records are on loopback, at the addresses that the image and the distributions name.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.apk_world import ApkWorld, names
from support.docker_registry import DOCKER_REGISTRY, docker_registry
from support.leaving_out import leave_out

pytestmark = pytest.mark.system

ALPINE = [
    ("libssl1.1", "1.1.1s-r0", "1.1.1t-r0", True),
    ("libcrypto1.1", "1.1.1s-r0", "1.1.1t-r0", True),
    ("tree", "2.0.2-r0", "2.0.2-r1", False),
]
ROLLING = [("libssl3", "3.3.1-r0", "3.3.2-r1", True)]
OF_ITS_OWN = {"image", "digest", "made", "evidence", "as_of"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if DOCKER_REGISTRY is None:
        leave_out("needs docker-registry")
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


def without(document: Any) -> Any:
    """A document without what differs from registry to registry, and from second to second."""
    if isinstance(document, dict):
        return {key: without(value) for key, value in document.items() if key not in OF_ITS_OWN}
    return [without(each) for each in document] if isinstance(document, list) else document


@pytest.mark.parametrize(
    ("distribution", "release"),
    [("alpine", "3.16"), ("alpine", "3.22"), ("alpine", "edge"), ("wolfi", ""), ("chainguard", "")],
)
def test_a_family(distribution: str, release: str, registry: str, tmp_path: Path) -> None:
    commands = ("packages", "updates", "cves", "assess")
    with ApkWorld(tmp_path, release or "3.16") as world:
        if not release:
            world.rolling(distribution)
        if distribution == "chainguard":
            world.references = [("chainguard", "", "chainguard", "https://apk.cgr.dev/chainguard")]
        known = {command: world.run(command, "--json") for command in commands}
        shutil.rmtree(tmp_path / "cache")
        world.registry_host = registry
        done = {command: world.started(command, "--json") for command in commands}
        listed = world.started("updates", "--list").out
    for command in commands:
        assert done[command].code == known[command].code, done[command].err
        assert without(done[command].document) == without(known[command].document)
    updates = names(done["updates"].document["updates"], "name", "installed", "available", "security")
    assert updates == (ALPINE if release else ROLLING)
    assert [line.split()[:2] for line in listed.splitlines()] == [[f"{each[0]}.x86_64", each[2]] for each in updates]
    old, new = ("1.1.1s-r0", "1.1.1t-r0") if release else ("3.3.1-r0", "3.3.2-r0")
    fields = ("id", "package", "installed", "fixed", "severity")
    assert names(done["cves"].document["cves"], *fields) == [("CVE-2026-1000", "openssl", old, new, "important")]
    assessment = done["assess"].document
    assert assessment["grade"]["letter"] == "B", assessment["grade"]["reasons"]
    assert all(suite["verified"] and suite["fresh"] for suite in assessment["suites"])
    assert done["assess"].code == (1 if assessment["lifecycle"]["support"] == "ended" else 0)
    assert (assessment["lifecycle"]["support"] == "ended") is (release == "3.16")
