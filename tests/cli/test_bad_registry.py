"""What a registry may serve or refuse, through the command line: one clear sentence, the right exit code."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.bending import run_at
from support.endings import ASSESS, judged, refused
from support.registry import Answer, digest_of, layer
from support.world import World

MANIFEST = "/v2/team/app/manifests/1"


def manifest_of(world: World) -> dict[str, Any]:
    found = world.registry.manifest("team/app", "1")
    assert found is not None
    document: dict[str, Any] = json.loads(found[0])
    return document


def push_changed(world: World, change: Callable[[dict[str, Any]], object]) -> None:
    """Push the image's manifest again, changed."""
    world.publish()
    manifest = manifest_of(world)
    change(manifest)
    world.registry.add_manifest("team/app", "1", manifest, manifest["mediaType"])


def test_a_host_that_is_not_allowed(world: World) -> None:
    refused(run_at(world, "registry.example/team/app:1"), 4, "registry.example", "its name was not looked up")


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "224.0.0.1", "100.100.100.200"])
def test_a_registry_at_an_address_that_nobody_may_ask(world: World, host: str) -> None:
    refused(run_at(world, f"{host}:5000/team/app:1"), 4, host.strip("[]"), "never asked")


def test_a_port_where_nobody_listens(world: World) -> None:
    refused(run_at(world, "127.0.0.1:1/team/app:1"), 4, "127.0.0.1 port 1", "no connection")


def test_no_such_repository(world: World) -> None:
    world.publish()
    refused(run_at(world, f"{world.registry.host}/team/other:1"), 4, "team/other:1", "HTTP 404")


def test_no_such_tag(world: World) -> None:
    world.publish()
    refused(run_at(world, f"{world.registry.host}/team/app:2"), 4, "team/app:2", "HTTP 404")


def test_no_such_digest(world: World) -> None:
    world.publish()
    digest = digest_of(b"nothing")
    refused(run_at(world, f"{world.registry.host}/team/app@{digest}"), 4, digest, "HTTP 404")


def test_a_registry_that_wants_a_login(world: World) -> None:
    world.registry.login = ("somebody", "secret")
    refused(world.run("assess"), 4, "team/app:1", "no login for")


def test_a_login_that_is_wrong(world: World, tmp_path: Path) -> None:
    world.registry.login = ("somebody", "secret")
    authfile = tmp_path / "auth.json"
    authfile.write_text(json.dumps({"auths": {world.registry.host: {"auth": "c29tZWJvZHk6cGE1NXdvcmQ="}}}))
    sentence = refused(world.run("assess", "--authfile", str(authfile)), 4, "team/app:1")
    assert "pa55word" not in sentence
    assert "c29tZWJvZHk6cGE1NXdvcmQ" not in sentence


@pytest.mark.parametrize("content", ["", "{", "[]", '{"auths": 1}', '{"auths": {"x": {"auth": "!"}}}'])
def test_a_file_of_logins_that_is_broken(world: World, tmp_path: Path, content: str) -> None:
    authfile = tmp_path / "auth.json"
    authfile.write_text(content)
    done = world.run(*ASSESS, "--authfile", str(authfile))
    assert done.code in (1, 2)
    assert "Traceback" not in done.err
    if done.code == 2:
        refused(done, 2, "auth.json")


def test_a_token_service_at_a_forbidden_address(world: World) -> None:
    world.registry.bearer = True
    world.registry.realm = "http://169.254.169.254/token"
    refused(world.run("assess"), 4, "169.254.169.254")


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("http://169.254.169.254/x", "never asked"),
        ("http://10.1.2.3/x", "not among the allowed networks"),
        ("http://evil.example/x", "not among the allowed hosts"),
        ("file:///etc/passwd", "no http or https URL"),
        ("http://somebody:pa55word@127.0.0.1/x", "carries a login"),
    ],
)
@pytest.mark.parametrize("what", ["manifest", "blob"])
def test_a_registry_that_redirects_where_nobody_may_go(world: World, what: str, target: str, word: str) -> None:
    world.publish()
    path = MANIFEST if what == "manifest" else f"/v2/team/app/blobs/{manifest_of(world)['layers'][0]['digest']}"
    world.registry.misbehave[path] = Answer(307, [("Location", target)])
    refused(world.run("assess", publish=False), 4, word)


@pytest.mark.parametrize("status", [400, 403, 410, 418, 500, 503])
def test_a_registry_that_answers_with_an_error(world: World, status: int) -> None:
    world.registry.misbehave[MANIFEST] = Answer(status, [], b"\x1b[31mno\x1b[0m")
    sentence = refused(world.run("assess"), 4, f"HTTP {status}")
    assert "\x1b" not in sentence


def test_a_registry_that_asks_for_patience(world: World) -> None:
    world.registry.misbehave[MANIFEST] = Answer(429, [("Retry-After", "3600")])
    refused(world.run("assess"), 4, "HTTP 429", "3600 s")


def test_a_registry_that_never_ends(world: World) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65536

    world.registry.misbehave[MANIFEST] = Answer(200, [("Content-Type", "application/json")], endless())
    refused(world.run("assess"), 5, "more than")


def test_a_registry_that_hangs_up(world: World) -> None:
    world.publish()
    path = f"/v2/team/app/blobs/{manifest_of(world)['layers'][0]['digest']}"
    world.registry.misbehave[path] = Answer(200, [], b"x" * 10, length=manifest_of(world)["layers"][0]["size"])
    done = world.run("assess", publish=False)
    refused(done, 4, "connection broke")


def serve_blob(world: World, which: str, content: bytes) -> str:
    """Have the registry serve other bytes for a blob; return its digest."""
    world.publish()
    manifest = manifest_of(world)
    digest: str = (manifest["config"] if which == "config" else manifest["layers"][0])["digest"]
    world.registry.misbehave[f"/v2/team/app/blobs/{digest}"] = Answer(200, [], content)
    return digest


@pytest.mark.parametrize("which", ["config", "layer"])
def test_other_bytes_of_the_same_size(world: World, which: str) -> None:
    world.publish()
    manifest = manifest_of(world)
    descriptor = manifest["config"] if which == "config" else manifest["layers"][0]
    true = world.registry.blob("team/app", descriptor["digest"])
    assert true is not None
    digest = serve_blob(world, which, true[:-1] + bytes([true[-1] ^ 1]))
    refused(world.run("assess", publish=False), 5, digest)


@pytest.mark.parametrize("which", ["config", "layer"])
@pytest.mark.parametrize("content", [b"", b"x" * 1_000_000], ids=["fewer", "more"])
def test_another_number_of_bytes(world: World, which: str, content: bytes) -> None:
    digest = serve_blob(world, which, content)
    refused(world.run("assess", publish=False), 5, digest, "bytes were promised")


@pytest.mark.parametrize("which", ["config", "layer"])
def test_a_blob_that_is_not_there(world: World, which: str) -> None:
    digest = serve_blob(world, which, b"")
    world.registry.misbehave[f"/v2/team/app/blobs/{digest}"] = Answer(404)
    refused(world.run("assess", publish=False), 4, digest, "HTTP 404")


def test_a_manifest_that_is_not_the_digest_asked_for(world: World) -> None:
    world.publish()
    found = world.registry.manifest("team/app", "1")
    assert found is not None
    digest = digest_of(found[0])
    world.registry.misbehave[f"/v2/team/app/manifests/{digest}"] = Answer(
        200, [("Content-Type", found[1]), ("Docker-Content-Digest", digest)], found[0] + b"\n"
    )
    refused(run_at(world, f"{world.registry.host}/team/app@{digest}"), 5, digest, "not the promised")


def test_a_child_that_is_not_what_its_index_promised(world: World) -> None:
    digest = world.registry.push("team/app", None, [world.layer()])
    platform = {"os": "linux", "architecture": "amd64"}
    world.registry.push_index("team/app", "1", [{"digest": digest, "platform": platform}])
    found = world.registry.manifest("team/app", digest)
    assert found is not None
    world.registry.misbehave[f"/v2/team/app/manifests/{digest}"] = Answer(
        200, [("Content-Type", found[1])], found[0].replace(b"2", b"3", 1)
    )
    refused(world.run("assess"), 5, digest)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"schemaVersion": 2}',
        b'{"schemaVersion": 3}',
        b"{" * 100_000,
        b"<html>",
    ],
)
def test_a_manifest_that_is_none(world: World, content: bytes) -> None:
    world.publish()
    world.registry.add_manifest("team/app", "1", content, manifest_of(world)["mediaType"])
    refused(world.run("assess", publish=False), 5, "team/app")


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no layers member": lambda m: m.pop("layers"),
    "no config": lambda m: m.pop("config"),
    "negative size": lambda m: m["layers"][0].update(size=-1),
    "huge size": lambda m: m["layers"][0].update(size=1 << 80),
    "config of a terabyte": lambda m: m["config"].update(size=1 << 40),
    "no digest": lambda m: m["layers"][0].update(digest="sha256:12"),
    "unknown digest": lambda m: m["layers"][0].update(digest="md5:" + "0" * 32),
    "digest that is a path": lambda m: m["layers"][0].update(digest="sha256:../../../etc/passwd"),
    "one layer too many": lambda m: m["layers"].append(m["layers"][0]),
    "thousands of layers": lambda m: m["layers"].extend(m["layers"] * 100_000),
    "an index as well": lambda m: m.update(
        manifests=[{**m["config"], "platform": {"os": "linux", "architecture": "amd64"}}]
    ),
    "the type of an index": lambda m: m.update(mediaType="application/vnd.oci.image.index.v1+json"),
    "layers twice, by another spelling": lambda m: m.update(Layers=[]),
    "a chart": lambda m: m["config"].update(mediaType="application/vnd.cncf.helm.config.v1+json"),
    "an artifact": lambda m: m.update(artifactType="application/vnd.example"),
    "embedded data that differs": lambda m: m["config"].update(data="AAAA"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_manifest_that_is_wrong(world: World, change: Callable[[dict[str, Any]], object]) -> None:
    push_changed(world, change)
    sentence = refused(world.run("assess", publish=False), 5)
    assert any(name in sentence for name in ("team/app", "digest by md5", "descriptor of sha256:")), sentence


def test_a_manifest_of_schema_1_without_layers(world: World) -> None:
    body = {"schemaVersion": 1, "name": "team/app", "tag": "1", "architecture": "amd64", "fsLayers": [], "history": []}
    world.registry.add_manifest("team/app", "1", body, "application/vnd.docker.distribution.manifest.v1+json")
    refused(world.run("assess"), 5, "0 layers and 0 entries of history")


def test_an_index_of_indexes_without_end(world: World) -> None:
    digest = world.registry.push("team/app", None, [world.layer()])
    platform = {"os": "linux", "architecture": "amd64"}
    for _ in range(6):
        digest = world.registry.push_index("team/app", "1", [{"digest": digest, "platform": platform}])
    refused(world.run("assess"), 5, "nested deeper")


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"{",
        b"[]",
        b'{"rootfs": 1}',
        b'{"rootfs": {"type": "layers", "diff_ids": ["sha256:12"]}}',
        b'{"os": 1, "os": 2}',
    ],
)
def test_a_config_that_is_none(world: World, config: bytes) -> None:
    world.publish()
    manifest = manifest_of(world)
    manifest["config"] |= {"digest": world.registry.add_blob("team/app", config), "size": len(config)}
    world.registry.add_manifest("team/app", "1", manifest, manifest["mediaType"])
    refused(world.run("assess", publish=False), 5, "team/app")


@pytest.mark.parametrize(
    "created", [None, "", "yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "\x1b[31m", 7]
)
def test_a_build_date_that_is_none(world: World, created: Any) -> None:
    """The date is only what the image says; nothing hangs on it but the build age."""
    world.config_of_image = {"created": created}
    done = world.run(*ASSESS)
    if created == 7:
        refused(done, 5, "created")
        return
    assert judged(done)["build_age_days"] is None
    text = world.run("assess", publish=False)
    assert text.code == 1
    assert "\x1b" not in text.out


def test_labels_with_odd_characters(world: World) -> None:
    world.config_of_image = {"config": {"Labels": {"org.opencontainers.image.base.name": "\x1b[31m\u202ex"}}}
    done = world.run("assess")
    assert done.code == 1
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out


def test_a_media_type_that_lies_about_the_compression(world: World) -> None:
    """Engines look at the bytes; so do we."""
    world.layers = [layer(world.layer(), "zstd")]
    world.publish()
    manifest = manifest_of(world)
    manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
    world.registry.add_manifest("team/app", "1", manifest, manifest["mediaType"])
    assert judged(world.run(*ASSESS, publish=False))["grade"]["letter"] == "E"


def test_an_image_of_another_platform_is_read_and_said(world: World) -> None:
    world.config_of_image = {"architecture": "s390x"}
    document = judged(world.run(*ASSESS))
    assert document["image"]["platform"] == "linux/s390x"
