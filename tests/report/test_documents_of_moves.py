"""What was copied and pulled, as JSON: valid by the schemas of the reference, and read back as it was."""

import json as standard
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
import pytest

from affineur.evidence import Unassessed
from affineur.move.pull import Pulled
from affineur.move.receipt import Carried, Copied, MovedBlob, MovedManifest, NotCarried, Receipt
from affineur.report import copied, json, pull
from affineur.trust.model import Decision
from support import assessments

T = TypeVar("T", bound=msgspec.Struct)
DIGEST = f"sha256:{'a' * 64}"
INDEX = "application/vnd.oci.image.index.v1+json"
RECEIPT = Receipt(
    source="registry.example/team/app:1",
    target="oci:folder:1",
    digest=DIGEST,
    media_type=INDEX,
    tags=("1",),
    manifests=(MovedManifest(DIGEST, INDEX, 517, "index", "sent"),),
    blobs=(MovedBlob(DIGEST, 2, "present"), MovedBlob(DIGEST, 9, "resumed", 4)),
    carried=(Carried(DIGEST, "cosign signatures", DIGEST, "tag of cosign", "sha256-a.sig"),),
    not_carried=(NotCarried("a GPG signature", "no place"),),
    unassessed=(Unassessed("what refers to it", "HTTP 500"),),
    sparse=("linux/arm64",),
    verified="read back",
    sent_bytes=5,
    began=datetime(2026, 11, 24, tzinfo=UTC),
    seconds=0.25,
)
PULLED = Pulled("podman", "4.3.1", "/usr/bin/podman", ("podman", "pull"), "a@b", "a:1", "id", DIGEST, "", ("digest",))


def test_a_copy() -> None:
    outcomes = (
        Copied("a", "b", 3, Decision.ACCEPT, RECEIPT, (assessments.accepted(),)),
        Copied("a", "b", 1, Decision.REJECT, None, (assessments.rejected(),)),
        Copied("a", "b", 4, problem="a: not there"),
    )
    text = copied.document(outcomes)
    assert [each.receipt for each in valid(text, copied.SCHEMA, copied.CopyDocument).images] == [RECEIPT, None, None]


@pytest.mark.parametrize(("pulled", "receipt"), [(PULLED, None), (None, RECEIPT), (None, None)])
def test_a_pull(pulled: Pulled | None, receipt: Receipt | None) -> None:
    text = pull.document(assessments.accepted(), pulled, receipt, ("podman", "pull"), ("a remark",))
    found = valid(text, pull.SCHEMA, pull.PullDocument)
    assert (found.pulled, found.copied, found.decision) == (pulled, receipt, Decision.ACCEPT)


def valid(text: str, name: str, kind: type[T]) -> T:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(standard.loads(json.schema(name))).validate(standard.loads(text))
    return msgspec.json.decode(text, type=kind)
