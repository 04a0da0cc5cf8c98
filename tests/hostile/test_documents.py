"""Manifests, indexes and configurations that are not what was promised, or more than anybody should read."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from support.hostile import BLOBS, CONFIG, INDEX, MANIFEST, OCI, Asked, HostileRegistry, Line, reply
from support.hostile_victim import Victim
from support.registry import digest_of, tar_of
from support.world import World

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
AMD64 = {"os": "linux", "architecture": "amd64"}
MIB = 1 << 20
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(autouse=True)
def amd64(victim: Victim) -> None:
    """The same on every machine."""
    victim.arguments += ["--platform", "linux/amd64"]


def body_of(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest).encode()


def index_of(*children: dict[str, Any]) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"platform": AMD64, **child} for child in children]}


class TestDigests:
    def test_other_bytes_than_the_digest_asked_for(self, victim: Victim, good: World) -> None:
        manifest = body_of(victim.registry.image([good.layer()]))
        digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
        served = ("Docker-Content-Digest", digest)
        victim.registry.tricks[f"/v2/team/app/manifests/{digest}"] = reply(manifest + b" ", 200, served, media_type=OCI)
        victim.image = f"{victim.registry.host}/team/app@{digest}"
        victim.refuse(5, digest)

    def test_another_manifest_that_is_well_formed(self, victim: Victim, good: World) -> None:
        digest = digest_of(body_of(victim.registry.image([good.layer()])))
        another = body_of(victim.registry.image([tar_of({"etc/x": b""})], "2"))
        victim.registry.tricks[f"/v2/team/app/manifests/{digest}"] = reply(another, media_type=OCI)
        victim.image = f"{victim.registry.host}/team/app@{digest}"
        victim.refuse(5, digest, digest_of(another))

    @pytest.mark.parametrize("lie", ["sha256:" + "0" * 64, "sha512:" + "0" * 128, "md5:1", "", "\x1b[31m", "x" * 5000])
    def test_the_registrys_word_for_a_tags_digest_counts_for_nothing(
        self, victim: Victim, good: World, lie: str
    ) -> None:
        manifest = body_of(victim.registry.image([good.layer()]))
        victim.registry.tricks[MANIFEST] = reply(manifest, 200, ("Docker-Content-Digest", lie), media_type=OCI)
        for outcome in victim.every("inspect"):
            assert outcome.document["Digest"] == "sha256:" + hashlib.sha256(manifest).hexdigest()

    def test_a_config_of_other_bytes(self, victim: Victim, good: World) -> None:
        promise = victim.registry.image([good.layer()])["config"]
        victim.registry.tricks[f"{BLOBS}{promise['digest']}"] = reply(b"{" + b" " * (promise["size"] - 2) + b"}")
        victim.refuse(5, promise["digest"])

    @pytest.mark.parametrize("change", [-1, 1], ids=["too short", "too long"])
    def test_a_config_of_another_size(self, victim: Victim, good: World, change: int) -> None:
        victim.registry.image([good.layer()], change=lambda m: m["config"].update(size=m["config"]["size"] + change))
        victim.refuse(5, "bytes were promised")


DIGESTS = {
    "md5": "md5:" + "0" * 32,
    "sha1": "sha1:" + "0" * 40,
    "sha384": "sha384:" + "0" * 96,
    "blake3": "blake3:" + "0" * 64,
    "unknown": "tomorrow:" + "0" * 64,
    "upper case": "sha256:" + "A" * 64,
    "too short": "sha256:" + "0" * 63,
    "too long": "sha256:" + "0" * 65,
    "none": "",
    "no algorithm": "0" * 64,
    "path": "sha256:../../../../etc/passwd",
    "query": "sha256:" + "0" * 64 + "?x",
    "line feed": "sha256:" + "0" * 64 + "\n",
    "escape": "sha256:\x1b[31m" + "0" * 59,
    "megabyte": "sha256:" + "0" * MIB,
    "number": 7,
    "null": None,
}


@pytest.mark.parametrize("digest", DIGESTS.values(), ids=DIGESTS)
def test_a_digest_that_cannot_be_checked(victim: Victim, good: World, digest: Any) -> None:
    """Not asked for, let alone used."""
    victim.registry.image([good.layer()], change=lambda m: m["config"].update(digest=digest))
    for outcome in victim.every():
        outcome.refused(5)
        assert not [asked for asked in victim.registry.asked if asked.path.startswith(BLOBS)]


SIZES = {
    "negative": -1,
    "less than an int64": -(1 << 63) - 1,
    "more than an int64": 1 << 63,
    "huge": 10**400,
    "float": 1000.5,
    "exponent": 1e300,
    "text": "1000",
    "true": True,
    "null": None,
    "list": [1],
}


@pytest.mark.parametrize("which", ["config", "layer"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_size_that_is_none(victim: Victim, good: World, which: str, size: Any) -> None:
    def change(manifest: dict[str, Any]) -> None:
        (manifest["config"] if which == "config" else manifest["layers"][0])["size"] = size

    victim.registry.image([good.layer()], change=change)
    victim.refuse(5)


@pytest.mark.parametrize("size", [1 << 24, 1 << 40, (1 << 63) - 1])
def test_a_config_that_is_said_to_be_huge(victim: Victim, good: World, size: int) -> None:
    """It is not even asked for."""
    victim.registry.image([good.layer()], change=lambda m: m["config"].update(size=size))
    for outcome in victim.every():
        outcome.refused(5, str(size))
        assert not [asked for asked in victim.registry.asked if asked.path.startswith(BLOBS)]


CHANGES: dict[str, Change] = {
    "schema version": lambda m: m.update(schemaVersion=3),
    "no layers": lambda m: m.pop("layers"),
    "no config": lambda m: m.pop("config"),
    "one layer too many": lambda m: m["layers"].append(m["layers"][0]),
    "the same layer 100,000 times": lambda m: m["layers"].extend(m["layers"] * 100_000),
    "an index as well": lambda m: m.update(manifests=[{**m["config"], "platform": AMD64}]),
    "schema 1 as well": lambda m: m.update(fsLayers=[]),
    "the type of an index": lambda m: m.update(mediaType=INDEX),
    "a type of no manifest": lambda m: m.update(mediaType="text/html"),
    "layers twice, by another spelling": lambda m: m.update(Layers=[]),
    "layers twice, by a long s": lambda m: m.update({"layer\u017f": []}),
    "a chart": lambda m: m["config"].update(mediaType="application/vnd.cncf.helm.config.v1+json"),
    "an artifact": lambda m: m.update(artifactType="application/vnd.example"),
    "data of other content": lambda m: m["config"].update(data="AAAA"),
    "data of the right size": lambda m: m["config"].update(data=base64.b64encode(b" " * m["config"]["size"]).decode()),
    "data that is no base64": lambda m: m["config"].update(data="!" * 40),
    "data that is a list": lambda m: m["config"].update(data=["x"]),
    "the config is the manifest's layer": lambda m: m.update(config=m["layers"][0] | {"mediaType": CONFIG}),
    "annotations that are a list": lambda m: m.update(annotations=["x"]),
    "an annotation that is a number": lambda m: m.update(annotations={"x": 1}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_manifest_that_is_wrong(victim: Victim, good: World, change: Change) -> None:
    victim.registry.image([good.layer()], change=change)
    victim.refuse(5)


@pytest.mark.parametrize("which", ["config", "manifest"])
def test_a_layer_that_is_another_document(victim: Victim, good: World, which: str) -> None:
    """The digest holds, but what comes is JSON."""
    first = victim.registry.image([good.layer()])
    content = victim.registry.document(first)
    victim.registry.serve(f"{BLOBS}{content['digest']}", reply(body_of(first)))
    named = first["config"] if which == "config" else content
    layers = [{**named, "mediaType": first["layers"][0]["mediaType"]}]
    victim.registry.image([good.layer()], change=lambda m: m.update(layers=layers))
    victim.refuse(5, commands=("packages", "assess"))


@pytest.mark.parametrize("media_type", [INDEX, DOCKER, "application/vnd.docker.distribution.manifest.v1+json"])
def test_a_content_type_that_lies(victim: Victim, good: World, media_type: str) -> None:
    manifest = body_of(victim.registry.image([good.layer()]))
    victim.registry.tricks[MANIFEST] = reply(manifest, media_type=media_type)
    victim.refuse(5, "served as")


@pytest.mark.parametrize("media_type", ["", "text/html", "\x1b[31m", ";;;", "x" * 60_000, OCI.upper(), f"{OCI}; a=b"])
def test_a_content_type_that_says_nothing(victim: Victim, good: World, media_type: str) -> None:
    """The body says what it is."""
    manifest = body_of(victim.registry.image([good.layer()]))
    victim.registry.tricks[MANIFEST] = reply(manifest, media_type=media_type)
    for outcome in victim.every("inspect"):
        assert outcome.code == 0
        assert outcome.document["affineur"]["media_type"] == OCI


class TestIndexes:
    def test_of_indexes_1000_deep(self, victim: Victim, good: World) -> None:
        child = victim.registry.document(victim.registry.image([good.layer()], tag=None), tag=None)
        for _ in range(1000):
            child = victim.registry.document(index_of(child), media_type=INDEX)
        for outcome in victim.every():
            outcome.refused(5, "nested deeper")
            assert len(victim.registry.asked) < 20

    def test_that_holds_itself(self, victim: Victim) -> None:
        """No index can name its own digest; a registry can serve it by that of its child all the same."""
        child = digest_of(b"a child")
        index = body_of(index_of({"mediaType": INDEX, "digest": child, "size": 0}))
        index = index.replace(b'"size": 0', b'"size": %d' % (len(index) + 2))
        victim.registry.document(index, media_type=INDEX)
        victim.registry.tricks[f"/v2/team/app/manifests/{child}"] = reply(index, media_type=INDEX)
        victim.refuse(5, child)

    def test_whose_child_is_the_index_of_another_tag_and_back(self, victim: Victim, good: World) -> None:
        """Two documents that serve each other in turn."""
        names = [digest_of(b"one"), digest_of(b"two")]
        bodies = [body_of(index_of({"mediaType": INDEX, "digest": name, "size": 400})) for name in names]
        bodies = [body + b" " * (400 - len(body)) for body in bodies]
        victim.registry.document(bodies[0], media_type=INDEX)
        for name, body in zip(names, reversed(bodies), strict=True):
            victim.registry.tricks[f"/v2/team/app/manifests/{name}"] = reply(body, media_type=INDEX)
        victim.refuse(5, names[0])

    CHILDREN: ClassVar[dict[str, Change]] = {
        "another size": lambda child: child.update(size=child["size"] + 1),
        "a negative size": lambda child: child.update(size=-1),
        "another digest": lambda child: child.update(digest="sha256:" + "1" * 64),
        "a digest by md5": lambda child: child.update(digest="md5:" + "0" * 32),
        "a platform that is text": lambda child: child.update(platform="linux/amd64"),
        "data of other content": lambda child: child.update(data="AAAA"),
    }

    @pytest.mark.parametrize("change", CHILDREN.values(), ids=CHILDREN)
    def test_whose_child_is_not_what_it_promised(self, victim: Victim, good: World, change: Change) -> None:
        manifest = victim.registry.image([good.layer()])
        child = victim.registry.document(manifest, tag=None)
        answer = reply(body_of(manifest), media_type=OCI)
        change(child)
        victim.registry.tricks[f"/v2/team/app/manifests/{child['digest']}"] = answer
        victim.registry.document(index_of(child), media_type=INDEX)
        victim.refuse((4, 5) if child.get("digest", "").startswith("md5") else 5)

    def test_whose_child_is_of_another_media_type(self, victim: Victim, good: World) -> None:
        """It says that the child is an index; what is served, by the right digest, is a manifest that says DOCKER."""
        manifest = victim.registry.image([good.layer()], tag=None, change=lambda m: m.update(mediaType=DOCKER))
        child = victim.registry.document(manifest, tag=None, media_type=OCI)
        victim.registry.document(index_of(child), media_type=INDEX)
        victim.refuse(5, "served as")

    def test_whose_child_is_of_another_platform_than_it_says(self, victim: Victim, good: World) -> None:
        """Both are said, and what is judged is what the configuration says."""
        manifest = victim.registry.image([good.layer()], tag=None, architecture="s390x")
        child = victim.registry.document(manifest, tag=None)
        victim.registry.document(index_of(child), media_type=INDEX)
        for outcome in victim.every("inspect"):
            (one,) = outcome.document["affineur"]["platforms"]
            assert (one["claimed"], one["platform"]) == ("linux/amd64", "linux/s390x")
            assert outcome.document["Architecture"] == "s390x"
        victim.acceptable = True
        for outcome in victim.every("assess"):
            assert outcome.document["image"]["platform"] == "linux/s390x"

    def test_of_thousands_of_children(self, victim: Victim, good: World) -> None:
        """Listed; 64 of them are looked at."""
        child = victim.registry.document(victim.registry.image([good.layer()], tag=None), tag=None)
        others = [
            {
                "mediaType": OCI,
                "digest": digest_of(b"%d" % n),
                "size": 9,
                "platform": {"os": "linux", "architecture": "x"},
            }
            for n in range(2999)
        ]
        victim.registry.document(index_of(child, *others), media_type=INDEX)
        victim.logins = ("bearer",)
        for outcome in victim.every("inspect"):
            assert outcome.code == 3
            assert len(outcome.document["affineur"]["platforms"]) == 3000
            assert len(victim.registry.asked) < 100

    def test_of_more_children_than_that(self, victim: Victim) -> None:
        child = {"mediaType": OCI, "digest": digest_of(b""), "size": 0}
        victim.registry.document(index_of(*[child] * 10_001), media_type=INDEX)
        victim.logins = ("bearer",)
        victim.refuse(5, "more than 10000", commands=("packages",))

    def test_without_children(self, victim: Victim) -> None:
        victim.registry.document(index_of(), media_type=INDEX)
        victim.refuse(4, "no image for linux/amd64")


class TestSize:
    """A manifest of 1 GB: the little that is looked at is counted at both ends."""

    def test_announced(self, victim: Victim) -> None:
        def huge(asked: Asked, line: Line) -> None:
            if line.send(reply(b"", media_type=OCI, length=1 << 30)):
                line.flood(b" " * 65536)

        victim.registry.tricks[MANIFEST] = huge
        for outcome in victim.every():
            outcome.refused(5, "bytes")
            assert outcome.read < MIB

    @pytest.mark.parametrize("chunked", [False, True], ids=["until the end", "in chunks"])
    def test_not_announced(self, victim: Victim, chunked: bool) -> None:
        how = b"Transfer-Encoding: chunked" if chunked else b"Connection: close"

        def huge(asked: Asked, line: Line) -> None:
            if line.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + how + b"\r\n\r\n"):
                line.flood(b"10000\r\n" + b" " * 65536 + b"\r\n" if chunked else b" " * 65536)

        victim.registry.tricks[MANIFEST] = huge
        for outcome in victim.every():
            outcome.refused(5, "more than 8388608 bytes")
            assert outcome.read < 9 * MIB

    def test_once_decoded(self, victim: Victim) -> None:
        """A gzip bomb by Content-Encoding: 1 GB from 1 MB."""
        import gzip

        body = gzip.compress(bytes(64 * MIB)) * 16
        victim.registry.tricks[MANIFEST] = reply(body, 200, ("Content-Encoding", "gzip"), media_type=OCI)
        for outcome in victim.every():
            outcome.refused(5, "once decoded")
            assert outcome.held < 24 * MIB


class TestConfigs:
    CONTENTS: ClassVar[dict[str, bytes]] = {
        "nothing": b"",
        "half": b"{",
        "a list": b"[]",
        "rootfs of the wrong kind": b'{"rootfs": 1}',
        "diff ID that is none": b'{"rootfs": {"type": "layers", "diff_ids": ["sha256:12"]}}',
        "a key twice": b'{"os": "linux", "os": "linux"}',
        "no diff IDs": b'{"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}',
        "100,000 diff IDs": json.dumps({"rootfs": {"diff_ids": [digest_of(b"")] * 100_000}}).encode(),
        "created that is a number": b'{"created": 7, "rootfs": {"diff_ids": ["' + digest_of(b"").encode() + b'"]}}',
        "deep": b'{"config": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "labels of numbers": b'{"config": {"Labels": {"a": 1}}}',
        "a layer": b"\x1f\x8b" + bytes(1000),
    }

    @pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
    def test_that_are_none(self, victim: Victim, good: World, content: bytes) -> None:
        victim.registry.image([good.layer()], change=lambda m: m.update(config=victim.registry.blob(content, CONFIG)))
        if len(content) > MIB:
            victim.logins = ("bearer",)
        victim.refuse(5, commands=("packages", "assess") if len(content) < MIB else ("packages",))

    def test_with_a_million_steps_of_history(self, victim: Victim, good: World) -> None:
        """8 MB of it are parsed, within the limit of memory; more are refused."""
        victim.most_held = 256 * MIB
        victim.acceptable = True
        victim.registry.image([good.layer()], history=[{"empty_layer": True}] * 100_000)
        victim.logins = ("nothing",)
        for outcome in victim.every("inspect"):
            assert outcome.code == 0
        victim.registry.image([good.layer()], history=[{"empty_layer": True}] * 1_000_000)
        victim.refuse(5, commands=("packages",))

    @pytest.mark.parametrize("text", ["\x1b[31m", "\x9b31m", "\u202eevil", "\u2028", "\x00", "a\nb", "\x7f", "\ufeff"])
    def test_whose_words_would_move_a_terminal(self, victim: Victim, good: World, text: str) -> None:
        """What is shown is spelled out: `Victim` looks at every character."""
        victim.acceptable = True
        said = {"Labels": {text: text}, "Env": [text], "User": text, "Entrypoint": [text], "Cmd": [text]}
        victim.registry.image(
            [good.layer()], created=text, author=text, os=text, architecture=text, config=said,
            change=lambda m: m.update(annotations={text: text}),
        )  # fmt: skip
        for command in ("inspect", "packages", "assess"):
            for output in ("text", "json"):
                assert victim.run(command, "--format", output).code in (0, 3)


def test_places_that_a_layer_names(victim: Victim, other: HostileRegistry, good: World) -> None:
    """`urls` of foreign layers are shown, not followed."""
    victim.others.append(other)
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": digest_of(b"far away"),
        "size": 8,
        "urls": [f"{other.url}/layer", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"],
    }
    both = {"type": "layers", "diff_ids": [digest_of(good.layer()), digest_of(b"far away")]}
    victim.registry.image([good.layer()], change=lambda m: m["layers"].append(foreign), rootfs=both)
    for outcome in victim.every("packages", "assess"):
        assert outcome.code == 3
        outcome.told("foreign")
        assert other.asked == []


def test_a_manifest_of_schema_1(victim: Victim) -> None:
    body = {"schemaVersion": 1, "name": "team/app", "tag": "1", "architecture": "amd64", "fsLayers": [], "history": []}
    victim.registry.document(body, media_type="application/vnd.docker.distribution.manifest.v1+json")
    victim.refuse((3, 5), commands=("assess",))
