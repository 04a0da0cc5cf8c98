"""OCI layouts. image-spec 1.1, image-layout.md; which image is meant: containers/image, oci/layout/oci_transport.go."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from affineur.errors import (
    DigestMismatch,
    LimitExceeded,
    MalformedDocument,
    NotFound,
    SizeMismatch,
    UnsupportedContent,
)
from affineur.oci.digest import Digest
from affineur.oci.document import MAX_DOCUMENT_BYTES
from affineur.oci.place import parse_place
from affineur.source.files import Folder
from affineur.source.layout import LayoutSource
from affineur.source.members import Members
from support.places import write_tar

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
FIRST, SECOND = b'{"schemaVersion": 2, "first": 1}', b'{"schemaVersion": 2, "second": 1}'
Open = Callable[[str], LayoutSource]


def listed(content: bytes, name: str | None = None, **more: Any) -> dict[str, Any]:
    named = {"annotations": {"org.opencontainers.image.ref.name": name}} if name else {}
    return {"mediaType": MANIFEST, "digest": str(Digest.of(content)), "size": len(content), **named, **more}


def blob_of(folder: Path, content: bytes) -> Path:
    return folder / "blobs" / "sha256" / Digest.of(content).encoded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A layout of two images, `first` and `second`."""
    made = tmp_path / "layout"
    (made / "blobs" / "sha256").mkdir(parents=True)
    for content in (FIRST, SECOND):
        blob_of(made, content).write_bytes(content)
    (made / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    write_index(made, listed(FIRST, "first"), listed(SECOND, "second"))
    return made


def write_index(folder: Path, *manifests: dict[str, Any]) -> None:
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))


def opened(folder: Path, which: str = "") -> LayoutSource:
    place = parse_place(f"oci:{folder}{which}")
    assert place is not None
    return LayoutSource(place, Folder(place.path))


def test_an_image_is_chosen_by_name_by_place_or_by_digest(folder: Path) -> None:
    assert opened(folder, ":first").manifest().content == FIRST
    assert opened(folder, ":@1").manifest().content == SECOND
    assert opened(folder, f"@{Digest.of(SECOND)}").manifest().content == SECOND
    assert opened(folder, f":first@{Digest.of(SECOND)}").manifest().content == SECOND
    assert opened(folder, ":first").manifest().media_type == MANIFEST


def test_without_a_name_there_must_be_one_image(folder: Path) -> None:
    with pytest.raises(NotFound, match=r"holds 2 images: name one, as oci:.*:NAME, or .*:@0.*there is: first, second"):
        opened(folder).manifest()
    write_index(folder, listed(SECOND))
    assert opened(folder).manifest().content == SECOND
    write_index(folder, listed(SECOND, "1"), listed(SECOND, "latest"))
    assert opened(folder).manifest().content == SECOND
    write_index(folder)
    with pytest.raises(NotFound, match="lists no image"):
        opened(folder).manifest()


def test_without_a_name_what_belongs_to_an_image_is_passed_over(folder: Path) -> None:
    """A referrer is listed beside its image, and cosign's signature under a name made of the image's digest."""
    of_first = Digest.of(FIRST).replace(":", "-")
    for beside in (
        listed(SECOND, artifactType="application/vnd.example.sbom"),
        listed(SECOND, f"{of_first}.sig"),
        listed(SECOND, of_first),
    ):
        write_index(folder, beside, listed(FIRST))
        assert opened(folder).manifest().content == FIRST
        assert opened(folder, ":@0").manifest().content == SECOND
        write_index(folder, beside)  # an artifact of its own
        assert opened(folder).manifest().content == SECOND
    write_index(folder, listed(FIRST), listed(SECOND, f"{of_first}.sig.old"))
    with pytest.raises(NotFound, match="holds 2 images"):
        opened(folder).manifest()


def test_what_is_not_there_is_said_with_what_is(folder: Path) -> None:
    with pytest.raises(NotFound, match="no image is named third; there is: first, second"):
        opened(folder, ":third").manifest()
    with pytest.raises(NotFound, match=r"no image @2; index.json lists 2, from @0"):
        opened(folder, ":@2").manifest()
    write_index(folder, *(listed(FIRST, f"name-{number}" + "x" * 1000) for number in range(5000)))
    with pytest.raises(NotFound, match="and 4980 more") as caught:
        opened(folder, ":third").manifest()
    assert len(str(caught.value)) < 5000


def test_the_first_of_a_name_counts(folder: Path) -> None:
    write_index(folder, listed(SECOND, "1"), listed(FIRST, "1"))
    assert opened(folder, ":1").manifest().content == SECOND
    assert list(opened(folder).tags()) == ["1"]


def test_a_manifest_that_is_not_listed_is_found_by_its_digest(folder: Path) -> None:
    write_index(folder, listed(FIRST))
    assert opened(folder).manifest(Digest.of(SECOND)).media_type == ""


def test_content_in_the_index_itself_is_not_looked_for(folder: Path) -> None:
    """descriptor.md § Properties: `data` is the content, and readers may use it; it has to be what is promised."""
    blob_of(folder, FIRST).unlink()
    write_index(folder, listed(FIRST, data=base64.b64encode(FIRST).decode()))
    assert opened(folder).manifest().content == FIRST
    write_index(folder, listed(FIRST, data=base64.b64encode(SECOND).decode()))
    with pytest.raises(MalformedDocument):
        opened(folder).manifest()


def test_a_manifest_is_as_large_as_the_index_says(folder: Path) -> None:
    write_index(folder, listed(FIRST, size=5))
    with pytest.raises(SizeMismatch):
        opened(folder).manifest()


def test_a_manifest_is_what_the_index_says(folder: Path) -> None:
    blob_of(folder, FIRST).write_bytes(FIRST.replace(b"1", b"2"))
    for which in (":first", f"@{Digest.of(FIRST)}"):
        with pytest.raises(DigestMismatch):
            opened(folder, which).manifest()


def test_sha512_has_a_folder_of_its_own(folder: Path) -> None:
    digest = Digest.of(FIRST, "sha512")
    (folder / "blobs" / "sha512").mkdir()
    (folder / "blobs" / "sha512" / digest.encoded).write_bytes(FIRST)
    write_index(folder, {**listed(FIRST), "digest": str(digest)})
    assert opened(folder).manifest().digest == digest


def test_a_digest_by_an_unknown_algorithm_leads_nowhere(folder: Path) -> None:
    write_index(folder, {**listed(FIRST), "digest": "blake3:" + "a" * 64})
    with pytest.raises(UnsupportedContent, match="blake3"):
        opened(folder).manifest()


@pytest.mark.parametrize("digest", ["sha256:../../../etc/passwd", "sha256:" + "A" * 64, "../x:" + "a" * 64, ""])
def test_a_digest_is_no_path(folder: Path, digest: str) -> None:
    write_index(folder, {**listed(FIRST), "digest": digest})
    with pytest.raises(MalformedDocument):
        opened(folder).manifest()


@pytest.mark.parametrize("missing", ["oci-layout", "index.json"])
def test_what_lacks_a_part_is_no_layout(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(NotFound, match=rf"is no OCI layout: it has no {missing}$"):
        opened(folder).manifest()


def test_what_it_is_instead_is_told(folder: Path, tmp_path: Path) -> None:
    (folder / "oci-layout").unlink()
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(NotFound, match=f"but a manifest.json; write dir:{folder}"):
        opened(folder).manifest()
    file = write_tar(tmp_path / "a.tar", [("manifest.json", b"[]")])
    place = parse_place(f"oci-archive:{file}")
    assert place is not None
    with pytest.raises(NotFound, match=f"but a manifest.json; write docker-archive:{file}"):
        LayoutSource(place, Members(place.path)).manifest()


def test_another_version_of_the_format_is_named(folder: Path) -> None:
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    with pytest.raises(UnsupportedContent, match=r"version '2.0.0'; only 1.0.0"):
        opened(folder).manifest()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("oci-layout", b"{}"),
        ("oci-layout", b"\xff\xfe"),
        ("index.json", b""),
        ("index.json", b"[]"),
        ("index.json", b'{"manifests": [], "manifests": []}'),
        ("index.json", b'{"Manifests": []}'),
        ("index.json", b'{"manifests": {"a": 1}}'),
        ("index.json", b'{"manifests": [{"mediaType": "a", "digest": "sha256:aa", "size": 1}]}'),
        ("index.json", b'{"manifests": [{"mediaType": "a", "digest": "' + FIRST[:1] + b'", "size": -1}]}'),
    ],
)
def test_what_is_no_such_document_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(MalformedDocument):
        opened(folder).manifest()


@pytest.mark.parametrize("name", ["oci-layout", "index.json", "blob"])
def test_a_document_without_end_is_not_read(folder: Path, name: str) -> None:
    path = blob_of(folder, FIRST) if name == "blob" else folder / name
    with path.open("ab") as out:
        out.truncate(MAX_DOCUMENT_BYTES + 1)
    with pytest.raises(LimitExceeded):
        opened(folder, ":first").manifest()


def test_an_index_of_too_many_images_is_refused(folder: Path) -> None:
    write_index(folder, *[listed(FIRST)] * 10_001)
    with pytest.raises(UnsupportedContent, match="more than 10000"):
        opened(folder).manifest()


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["oci-layout-valid", "oci-layout-multiplatform", "oci-layout-testrepo"])
def test_every_image_of_a_real_layout_opens(corpus: Path, name: str) -> None:
    folder = corpus / "images" / name
    for position, entry in enumerate(json.loads((folder / "index.json").read_bytes())["manifests"]):
        tag = entry.get("annotations", {}).get("org.opencontainers.image.ref.name", f"@{position}")
        found = opened(folder, f":{tag}").manifest()
        assert (found.digest, len(found.content), found.media_type) == (
            entry["digest"],
            entry["size"],
            entry["mediaType"],
        )
