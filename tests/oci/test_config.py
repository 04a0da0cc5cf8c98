import json
from typing import Any

import pytest

from affineur.errors import MalformedDocument
from affineur.oci.config import read_config


def config(**members: Any) -> bytes:
    return json.dumps({"architecture": "amd64", "os": "linux", **members}).encode()


def test_reads_what_the_specifications_example_says() -> None:
    """image-spec 1.1, config.md § Example, shortened."""
    read = read_config(
        config(
            created="2015-10-31T22:22:56.015925234Z",
            author="Alyssa P. Hacker <alyspdev@example.com>",
            config={
                "User": "alice",
                "ExposedPorts": {"8080/tcp": {}},
                "Env": ["PATH=/usr/bin", "FOO=oci_is_a"],
                "Entrypoint": ["/bin/my-app-binary"],
                "Cmd": ["--foreground"],
                "Volumes": {"/var/job-result-data": {}},
                "WorkingDir": "/home/alice",
                "Labels": {"com.example.project.git.url": "https://example.com/project.git"},
            },
            rootfs={"diff_ids": ["sha256:" + "c" * 64, "sha256:" + "5" * 64], "type": "layers"},
            history=[{"created": "2015-10-31T22:22:54Z", "created_by": "/bin/sh -c #(nop) ADD"}, {"empty_layer": True}],
        ),
        "x",
    )
    assert (read.created, read.run.user, len(read.diff_ids)) == ("2015-10-31T22:22:56.015925234Z", "alice", 2)
    assert read.labels == {"com.example.project.git.url": "https://example.com/project.git"}
    assert read.history is not None
    assert [step.empty_layer for step in read.history] == [None, True]


def test_what_docker_adds_is_passed_over() -> None:
    added = {
        "Hostname": "",
        "AttachStdin": False,
        "Image": "sha256:x",
        "OnBuild": None,
        "Healthcheck": {"Test": ["NONE"]},
    }
    read = read_config(config(config=added, container_config=added, container="x", docker_version="20.10.24"), "x")
    assert read.docker_version == "20.10.24"


@pytest.mark.parametrize(
    "members",
    [
        {"OS": "windows"},
        {"Config": {}},
        {"rootFS": {}},
        {"config": {"env": []}},
        {"config": {"labels": {}, "Labels": {}}},
    ],
)
def test_a_second_spelling_of_a_key_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(MalformedDocument, match="would be read as"):
        read_config(config(**members), "x")


def test_labels_and_paths_may_have_any_names() -> None:
    free = {"Env": "1", "env": "2", "Layers": "3"}
    read = read_config(config(config={"Labels": free, "Volumes": {"/OS": {}, "os": {}}}), "x")
    assert read.labels == free


@pytest.mark.parametrize("content", [b"[]", b"null", b'"x"', b"{", config(rootfs={"diff_ids": "x"}), config(os=None)])
def test_what_is_no_config_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        read_config(content, "x")
