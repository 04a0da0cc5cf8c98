"""The JSON reference mentions every member of the document that `inspect` prints."""

import re
from pathlib import Path

import msgspec
import pytest

from affineur.image import inspection

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"


@pytest.mark.parametrize(
    "structure", [inspection.Inspection, inspection.More, inspection.PlatformFacts, inspection.LayerData]
)
def test_every_member_is_mentioned(structure: type[msgspec.Struct]) -> None:
    told = set(re.findall(r"`(\w+)(?:\[\])?`", REFERENCE.read_text("utf-8")))
    assert {field.encode_name for field in msgspec.structs.fields(structure)} - told == set()
