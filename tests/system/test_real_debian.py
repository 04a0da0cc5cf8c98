"""A real root in a real registry: what dpkg-query and apt say inside it is what the command line says from outside."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import docker_registry, real_debian
from support.command import Done, started
from support.leaving_out import leave_out
from support.real_debian import RealDebian

pytestmark = pytest.mark.system
BUILD = Path(__file__).parents[2] / "build" / "example"


class Judged:
    """The root, pushed, and the command line pointed at it."""

    def __init__(self, real: RealDebian, reference: str, config: Path) -> None:
        self.real, self.reference, self.config = real, reference, config

    def run(self, command: str, *arguments: str) -> Done:
        done = started(self.config.parent, [command, "--settings", str(self.config), *arguments, self.reference])
        assert "Traceback" not in done.err
        return done

    def document(self, command: str, *arguments: str) -> dict[str, Any]:
        return self.run(command, "--json", *arguments).document


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    if why := real_debian.cannot_make():
        leave_out(why)
    if not docker_registry.DOCKER_REGISTRY:
        leave_out("docker-registry is not installed")
    folder = tmp_path_factory.mktemp("real")
    real = real_debian.make(BUILD)
    with real_debian.serve(real) as base, docker_registry.docker_registry(folder / "registry") as registry:
        docker_registry.push_image(registry, "example/debian", "1", [real.tar])
        yield Judged(real, f"{registry}/example/debian:1", real_debian.configuration(real, base, folder))


def test_updates_are_those_of_apt(judged: Judged) -> None:
    done = judged.run("updates", "--list")
    assert judged.real.upgradable, "a root that lacks nothing tests nothing"
    assert done.out.splitlines() == judged.real.upgradable
    assert done.code == 0


def test_packages_are_those_of_dpkg_query(judged: Judged) -> None:
    rows = (judged.real.folder / "packages.tsv").read_text().splitlines()
    expected = sorted(tuple(row.split("\t")) for row in rows)
    found = judged.document("packages")["packages"]
    fields = ("name", "version", "architecture", "source", "source_version")
    assert sorted(tuple(package[field] for field in fields) for package in found) == expected


def test_every_suite_is_verified_by_a_pinned_key(judged: Judged) -> None:
    document = judged.document("assess")
    assert [suite["role"] for suite in document["suites"]] == ["both", "both", "both"]
    assert all(suite["verified"] and suite["fresh"] for suite in document["suites"])
    assert document["deviations"] == []
    lacking = {name for erratum in document["errata"] for name in erratum["packages"]}
    offered = {line.partition("/")[0] for line in judged.real.upgradable if "-security" in line}
    assert offered <= lacking, "each update of the security suite is explained by an erratum, or is an unrated one"
    assert document["grade"]["letter"] != "A"


def test_the_second_look_reads_no_layer_again(judged: Judged) -> None:
    first, second = (judged.document("assess") for _ in range(2))
    for document in (first, second):
        for changing in ("made", "as_of", "evidence", "today"):
            document.pop(changing, None)
        document["grade"].pop("as_of")
    assert first == second
    assert "layers (0 of 1 layers fetched)" in judged.run("assess", "--timings").err
