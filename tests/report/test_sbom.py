"""Bills of materials, by the judgement of those projects' own validators."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from affineur.assessment.model import Distribution, ImageFacts
from affineur.evidence import Unassessed
from affineur.report import sbom_cyclonedx, sbom_spdx
from affineur.report.documents import InstalledPackage, Packages
from support.leaving_out import leave_out

DIGEST = "sha256:" + "4a" * 32
LAYER = "sha256:" + "b7" * 32


def package(name: str, version: str = "1:2.3+b1-4", purl: str | None = "") -> InstalledPackage:
    if purl == "":
        purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch=amd64&distro=debian-12"
    return InstalledPackage(name, version, "amd64", "src", "2.3", "install ok installed", purl, LAYER)


def document(*packages: InstalledPackage, gaps: tuple[Unassessed, ...] = (), **image: Any) -> Packages:
    facts = {
        "reference": "registry.example:5000/team/app:1",
        "registry": "registry.example:5000",
        "repository": "team/app",
        "tag": "1",
        "digest": DIGEST,
        "manifest_digest": DIGEST,
        "platform": "linux/amd64",
        "created": None,
        "layers": 1,
        "size": 10,
        **image,
    }
    return Packages(
        schema_="affineur.packages/1",
        affineur="0.1",
        made=datetime(2026, 1, 2, 3, 4, 5, 678, UTC),
        image=ImageFacts(**facts),
        distribution=Distribution("debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)", "notices", "…"),
        packages=packages,
        evidence=(),
        unassessed=gaps,
    )


GAP = Unassessed("packages of languages", "these are not looked for yet")
DOCUMENTS = {
    "usual": document(package("libc6"), package("g++"), package("attr", "1"), gaps=(GAP,)),
    "the same package twice": document(package("libc6"), package("libc6"), gaps=(GAP,)),
    "without os-release": document(package("libc6", purl=None), package("libc6", purl=None)),
    "nothing": document(),
    "hostile": document(package("libc6\x1b[31m", "1\u202e"), gaps=(Unassessed("\x1b]0;x\x07", "\u2066 \udcff"),)),
    "rpm": document(
        msgspec.structs.replace(
            package("bind-license", purl="pkg:rpm/centos/bind-license@9-1?arch=noarch"),
            manager="rpm",
            vendor="A\nB \x1b <a@b.example>",
            licence="MPLv2.0 and \udcff",
            size=5,
            module="bind:9:1:2",
            key_id="0123456789abcdef",
            repository="base",
        )
    ),
    "variant": document(package("libc6"), platform="linux/arm/v7"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_cyclonedx_is_valid_by_its_own_library(name: str) -> None:
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ModuleNotFoundError:
        leave_out("needs cyclonedx-python-lib[json-validation]")
    text = sbom_cyclonedx.render(DOCUMENTS[name])
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert problem is None, str(problem)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_cyclonedx_is_read_back_by_its_own_library(name: str) -> None:
    try:
        from cyclonedx.model.bom import Bom
    except ModuleNotFoundError:
        leave_out("needs cyclonedx-python-lib[json-validation]")
    bom = Bom.from_json(json.loads(sbom_cyclonedx.render(DOCUMENTS[name])))  # type: ignore[attr-defined]
    libraries = {(c.name, c.version) for c in bom.components if c.type == "library"}
    assert libraries == {(p.name, p.version) for p in DOCUMENTS[name].packages}
    assert bom.validate()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_spdx_is_valid_by_its_own_tools(name: str, tmp_path: Any) -> None:
    try:
        from spdx_tools.spdx.parser.parse_anything import parse_file
        from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
    except ModuleNotFoundError:
        leave_out("needs spdx-tools")
    file = tmp_path / "app.spdx.json"
    file.write_text(sbom_spdx.render(DOCUMENTS[name]))
    read = parse_file(str(file))
    assert [problem.validation_message for problem in validate_full_spdx_document(read)] == []
    contained = [r for r in read.relationships if r.relationship_type.name == "CONTAINS"]
    assert len(contained) == len(DOCUMENTS[name].packages)
    assert [p.version for p in read.packages[1:]] == [p.version for p in DOCUMENTS[name].packages]


def test_what_was_not_looked_for_is_said() -> None:
    bom = json.loads(sbom_cyclonedx.render(DOCUMENTS["usual"]))
    assert bom["compositions"] == [{"aggregate": "incomplete", "assemblies": [bom["metadata"]["component"]["bom-ref"]]}]
    assert bom["metadata"]["properties"][0]["value"] == f"{GAP.what}: {GAP.why}"
    assert json.loads(sbom_cyclonedx.render(DOCUMENTS["nothing"]))["compositions"][0]["aggregate"] == "complete"
    assert f"{GAP.what}: {GAP.why}" in json.loads(sbom_spdx.render(DOCUMENTS["usual"]))["comment"]
    assert "comment" not in json.loads(sbom_spdx.render(DOCUMENTS["nothing"]))


@pytest.mark.parametrize("render", [sbom_cyclonedx.render, sbom_spdx.render])
def test_the_same_document_is_the_same_bill(render: Any) -> None:
    assert render(DOCUMENTS["usual"]) == render(DOCUMENTS["usual"])
    assert "\x1b" not in render(DOCUMENTS["hostile"])
    assert "\u202e" not in render(DOCUMENTS["hostile"])
