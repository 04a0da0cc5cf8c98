"""A tag that is another image each time that it is asked for."""

import hashlib
import json

import pytest

from support.hostile import BLOBS, INDEX, MANIFEST, OCI, Asked, Line, reply
from support.hostile_victim import READING, Victim
from support.registry import tar_of
from support.world import World

AMD64 = {"os": "linux", "architecture": "amd64"}


def digest_of(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def test_a_different_manifest_at_each_request(victim: Victim, good: World) -> None:
    """It is asked for once; what is told is of that one, to the last byte."""
    images = [
        json.dumps(victim.registry.image([good.layer(), tar_of({f"etc/{number}": b"x"})], tag=None)).encode()
        for number in range(10)
    ]

    def answer(asked: Asked, line: Line) -> bytes:
        return reply(images[victim.registry.times(MANIFEST) - 1], media_type=OCI)

    victim.registry.tricks[MANIFEST] = answer
    victim.acceptable = True
    for outcome in victim.every(*READING):
        assert outcome.code == 0
        served = victim.registry.times(MANIFEST) - (0 if outcome.demand == "nothing" else 1)  # the first was refused
        assert served == 1
        said = json.loads(images[victim.registry.times(MANIFEST) - 1])
        document = outcome.document
        digest = document["Digest"] if outcome.command == "inspect" else document["image"]["digest"]
        assert digest == digest_of(json.dumps(said).encode())
        layers = [asked.path for asked in victim.registry.asked if asked.path.startswith(BLOBS)]
        known = {f"{BLOBS}{each['digest']}" for each in (said["config"], *said["layers"])}
        assert set(layers) <= known


def test_an_index_at_one_request_and_a_manifest_at_the_next(victim: Victim, good: World) -> None:
    victim.arguments += ["--platform", "linux/amd64"]
    manifest = victim.registry.image([good.layer()])
    child = victim.registry.document(manifest, tag=None)
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**child, "platform": AMD64}]}).encode()
    turns = [reply(index, media_type=INDEX), reply(json.dumps(manifest).encode(), media_type=OCI)]
    victim.registry.tricks[MANIFEST] = lambda asked, line: turns[victim.registry.times(MANIFEST) % 2]
    victim.acceptable = True
    for outcome in victim.every(*READING):
        assert outcome.code == 0
        digest = outcome.document["Digest"] if outcome.command == "inspect" else outcome.document["image"]["digest"]
        assert digest in (digest_of(index), child["digest"])


def test_children_that_change_with_their_index(victim: Victim, good: World) -> None:
    """The index is of one moment, its children of another: what it promised is not there any more."""
    victim.arguments += ["--platform", "linux/amd64"]
    promised = victim.registry.document(victim.registry.image([good.layer()], tag=None), tag=None)
    another = json.dumps(victim.registry.image([tar_of({"etc/x": b"x"})], tag=None)).encode()
    victim.registry.document(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**promised, "platform": AMD64}]}, media_type=INDEX
    )
    victim.registry.tricks[f"/v2/team/app/manifests/{promised['digest']}"] = reply(another, media_type=OCI)
    victim.refuse(5, promised["digest"])


@pytest.mark.parametrize("which", ["config", "layer"])
def test_a_blob_that_is_another_at_each_request(victim: Victim, good: World, which: str) -> None:
    manifest = victim.registry.image([good.layer()])
    promise = manifest["config"] if which == "config" else manifest["layers"][0]
    path = f"{BLOBS}{promise['digest']}"
    content = victim.registry.honest(path).partition(b"\r\n\r\n")[2]

    def answer(asked: Asked, line: Line) -> bytes:
        turn = victim.registry.times(path)
        return reply(content[:turn] + bytes([content[turn] ^ 1]) + content[turn + 1 :])

    victim.registry.tricks[path] = answer
    victim.refuse(5, promise["digest"], commands=READING if which == "config" else ("packages", "assess"))


def test_a_manifest_that_is_there_at_the_first_request_only(victim: Victim) -> None:
    honest = victim.registry.honest(MANIFEST)
    victim.registry.tricks[MANIFEST] = lambda asked, line: (
        honest if victim.registry.times(MANIFEST) <= 2 else reply(b"", 404)
    )
    victim.acceptable = True
    for outcome in victim.every(*READING):
        assert outcome.code == 0
