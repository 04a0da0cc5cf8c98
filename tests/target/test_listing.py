"""index.json, changed: what it then says, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import ContentError, MalformedDocument, SourceError
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.oci.document import Document
from affineur.target.listing import Listing, described

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DIGESTS = [Digest.of(bytes([number])) for number in range(4)]
NAMES = ["", "1", "2", "a/b:c"]
EXAMPLE = json.dumps(
    {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": MANIFEST,
                "digest": DIGESTS[0],
                "size": 7,
                "annotations": {"org.opencontainers.image.ref.name": "1"},
            },
            {"mediaType": MANIFEST, "digest": DIGESTS[1], "size": 7, "artifactType": "a/b"},
        ],
    }
).encode()


@given(st.lists(st.tuples(st.sampled_from(DIGESTS), st.sampled_from([*NAMES, None]))))
def test_the_last_of_a_name_counts(steps: list[tuple[Digest, str | None]]) -> None:
    """As a dictionary does it; referrers are a set beside it. And what is written says the same when it is read."""
    listing, names, referrers = Listing(None, "x"), dict[str, Digest](), set[Digest]()
    for digest, name in steps:
        if name is None:
            listing.refer(Descriptor(MANIFEST, digest, 1, artifact_type="a/b"))
            if digest != names.get(""):
                referrers.add(digest)
        else:
            listing.name(Descriptor(MANIFEST, digest, 1), name)
            names[name] = digest
        listing = Listing(listing.content, "x")
        for each in NAMES:
            found = listing.named(each)
            assert (found.digest if found is not None else None) == names.get(each)
        entries = json.loads(listing.content)["manifests"]
        assert {each["digest"] for each in entries if "artifactType" in each} == referrers
        assert len(entries) == len(names) + len(referrers)


@given(st.integers(0, len(EXAMPLE)), st.integers(0, 8), st.binary(max_size=8))
def test_a_file_that_somebody_bent_is_changed_or_refused(start: int, cut: int, put: bytes) -> None:
    bent = EXAMPLE[:start] + put + EXAMPLE[start + cut :]
    try:
        listing = Listing(bent, "x")
        listing.name(Descriptor(MANIFEST, DIGESTS[2], 7), "new")
        written = listing.content
    except (ContentError, SourceError):
        return
    found = Listing(written, "x").named("new")
    assert found is not None
    assert found.digest == DIGESTS[2]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"manifests": null}', b'{"manifests": [1]}', b'{"manifests": [], "Manifests": []}', b"\xff"],
)
def test_what_is_no_index_is_not_changed(content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        Listing(content, "x")


def test_an_index_without_a_list_gets_one() -> None:
    listing = Listing(b'{"schemaVersion": 2, "x": [1 , 2]}', "x")
    assert json.loads(listing.content) == {"schemaVersion": 2, "x": [1, 2], "manifests": []}


def test_more_than_is_read_is_not_added_to() -> None:
    entry: dict[str, Any] = {"mediaType": "a/b", "digest": DIGESTS[0], "size": 1}
    with pytest.raises(SourceError, match="lists more than 10000 images: name another layout"):
        Listing(json.dumps({"manifests": [entry] * 10_001}).encode(), "x")


@pytest.mark.parametrize(
    ("document", "served", "media_type", "kind"),
    [
        ({"mediaType": MANIFEST, "artifactType": "a/b", "config": "C"}, "", MANIFEST, "a/b"),
        ({"config": "C"}, MANIFEST, MANIFEST, "c/c"),
        ({"config": "C", "layers": []}, "", MANIFEST, "c/c"),
        ({"manifests": []}, "", "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.index.v1+json"),
        ({"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "artifactType": "x/y"}, "", None, "x/y"),
    ],
)
def test_how_a_manifest_is_listed(document: dict[str, Any], served: str, media_type: str | None, kind: str) -> None:
    """Its type by itself, else as served, else by its members; its artifact type, else its config's."""
    if "config" in document:
        document = document | {"config": {"mediaType": "c/c", "digest": DIGESTS[0], "size": 1}}
    content = json.dumps({"schemaVersion": 2, **document}).encode()
    about = described(Document(content, served, Digest.of(content), "x"))
    assert about.plain == Descriptor(media_type or document["mediaType"], Digest.of(content), len(content))
    assert about.full.artifact_type == kind
    assert about.subject is None
