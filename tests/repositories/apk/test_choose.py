"""What apk would offer: apk-tools' own cases of its solver, as far as they are about newer versions of what is there.

Those of test/solver (90b974f): basic3, basic6, basic7, pinning6, and pinning-* for where versions come from;
`a@testing` of their installed records is `s:testing`. What is upgraded to what is upstream's expected output.
"""

from collections.abc import Mapping

import pytest

from affineur.packages.inventory import Package
from affineur.repositories.apk.choose import choose
from affineur.repositories.apk.configuration import parse_world
from affineur.repositories.apk.model import ApkConfiguration, ApkIndex, ApkRepository, Offer, OfferedIndex

BASIC = {"a": ("1", "2"), "b": ("1", "2"), "broken": ("1",)}
PINNING_BASIC = {"a": ("2",), "b": ("2",), "c": ("2",), "samever": ("10",)}
OVERLAY_1 = {"a": ("3",), "b": ("3",), "c": ("3",), "samever": ("10",)}
OVERLAY_2 = {"a": ("3.1",), "b": ("3.1",), "c": ("3.1",)}
FUZZY = {"a": ("2.2", "2.10")}


def package(name: str, version: str, tag: str = "") -> Package:
    return Package(name, version, "x86_64", name, version, manager="apk", repository=tag)


def offered(repositories: Mapping[str, Mapping[str, tuple[str, ...]]]) -> list[OfferedIndex]:
    """`@tag` or a plain word → name → versions."""
    found = []
    for number, (tag, versions) in enumerate(repositories.items()):
        tag = tag.partition(" ")[0]
        repository = ApkRepository(f"https://a.example/{number}", tag if tag.startswith("@") else "")
        offers = tuple(Offer(name, version, "x86_64", name) for name in versions for version in versions[name])
        found.append(OfferedIndex(ApkIndex(repository, repository.url, verified=True), offers))
    return found


def upgraded(
    packages: list[Package], repositories: Mapping[str, Mapping[str, tuple[str, ...]]], world: str
) -> list[tuple[str, str]]:
    """What is upgraded, and to what."""
    places = offered(repositories)
    configuration = ApkConfiguration(
        tuple(each.index.repository for each in places), parse_world(world, []), ("x86_64",)
    )
    return [(each.name, each.available) for each in choose(packages, configuration, places).updates if not each.held]


PINNED = [package("a", "3", "@testing"), package("b", "3"), package("c", "3", "@testing")]


@pytest.mark.parametrize(
    ("installed", "repositories", "world", "expected"),
    [
        pytest.param(
            [package("a", "1"), package("b", "1")], {"basic": BASIC}, "a", [("a", "2"), ("b", "2")], id="basic3"
        ),
        pytest.param([package("a", "2"), package("b", "2")], {"basic": BASIC}, "a", [], id="basic6"),
        pytest.param([package("a", "1"), package("b", "1")], {}, "a", [], id="basic7"),
        pytest.param(
            PINNED,
            {"basic": PINNING_BASIC, "@testing 1": OVERLAY_1, "@testing 2": OVERLAY_2},
            "c@testing",
            [("a", "3.1"), ("c", "3.1")],
            id="pinning6",
        ),
        pytest.param([package("a", "1")], {"fuzzy": FUZZY}, "a~2.2", [("a", "2.2")], id="fuzzy1"),
        pytest.param([package("a", "1")], {"fuzzy": FUZZY}, "a~2.4", [], id="fuzzy2"),
        pytest.param([package("a", "1")], {"fuzzy": FUZZY}, "a>~2.5", [("a", "2.10")], id="fuzzy3"),
        pytest.param(
            [package("a", "1")], {"basic": PINNING_BASIC, "@testing": OVERLAY_1}, "a", [("a", "2")], id="pinning1"
        ),
        pytest.param(
            [package("a", "1"), package("b", "1")],
            {"basic": PINNING_BASIC, "@testing": OVERLAY_1},
            "a@testing",
            [("a", "3"), ("b", "2")],
            id="pinning2",
        ),
        pytest.param(
            [package("a", "1"), package("b", "1")],
            {"basic": PINNING_BASIC, "@testing": OVERLAY_1},
            "a@testing b@testing",
            [("a", "3"), ("b", "3")],
            id="pinning3",
        ),
    ],
)
def test_upstreams_cases(
    installed: list[Package],
    repositories: Mapping[str, Mapping[str, tuple[str, ...]]],
    world: str,
    expected: list[tuple[str, str]],
) -> None:
    assert upgraded(installed, repositories, world) == expected


def chosen(world: str, versions: tuple[str, ...]) -> tuple[list[tuple[str, bool]], list[tuple[str, str]]]:
    places = offered({"main": {"a": versions}})
    configuration = ApkConfiguration((places[0].index.repository,), parse_world(world, []), ("x86_64",))
    found = choose([package("a", "1.0-r0")], configuration, places)
    return [(each.available, each.held) for each in found.updates], [(e.available, e.because) for e in found.held]


def test_a_pin_of_world_is_listed_and_marked_as_held() -> None:
    assert chosen("a=1.0-r0", ("1.0-r0", "1.1-r0")) == ([("1.1-r0", True)], [("1.1-r0", "a=1.0-r0")])
    assert chosen("a<1.1", ("1.0-r1", "1.1-r0")) == ([("1.0-r1", False)], [("1.1-r0", "a<1.1")])
    assert chosen("!a>=1.1", ("1.1-r0",)) == ([("1.1-r0", True)], [("1.1-r0", "!a>=1.1")])
    assert chosen("a><Q1other=", ("1.1-r0",)) == ([("1.1-r0", True)], [("1.1-r0", "a><Q1other=")])


def test_what_an_update_says() -> None:
    places = offered({"main": {"a": ("1.1-r0",)}, "again": {"a": ("1.1-r0",)}, "@edge": {"a": ("9-r0",)}})
    configuration = ApkConfiguration(tuple(each.index.repository for each in places), (), ("x86_64",))
    (update,) = choose([package("a", "1.0-r0")], configuration, places).updates
    assert (update.installed, update.available, update.security, update.manager) == ("1.0-r0", "1.1-r0", None, "apk")
    assert update.suites == ("https://a.example/0", "https://a.example/1")
    assert update.base_uri + update.filename == "https://a.example/0/x86_64/a-1.1-r0.apk"


def test_another_architecture_is_not_offered() -> None:
    repository = ApkRepository("https://a.example")
    index = ApkIndex(repository, repository.url, verified=True)
    offers = tuple(Offer("a", version, arch, "a") for version, arch in (("3", "badarch"), ("2", "noarch")))
    configuration = ApkConfiguration((repository,), (), ("x86_64",))
    (update,) = choose([package("a", "1")], configuration, [OfferedIndex(index, offers)]).updates
    assert update.available == "2"


def test_without_a_repository_nothing_can_be_told() -> None:
    assert choose([], ApkConfiguration((), (), ("x86_64",)), ()).unanswerable
