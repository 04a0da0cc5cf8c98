"""Which updates dnf would list; each rule's answer is what dnf printed (tests/system/test_dnf_choice.py)."""

import pytest

from affineur.repositories.rpmmd.choose import Choice, Hidden, Offered, choose
from affineur.repositories.rpmmd.model import ModuleState, Offer, Repository, RpmConfiguration
from affineur.repositories.rpmmd.modules import Modules, ModuleStream
from affineur.repositories.update import Update
from support import zypper_cases
from support.dnf_cases import ALONE, CASES, Case
from support.dnf_scenarios import ask_us, ours
from support.rpm_roots import Rpm

ENABLED = ModuleState("m", "2", "enabled")
CONFIGURATION = RpmConfiguration((), "dnf", "x86_64", "9")


def offer(name: str, version: str, architecture: str = "x86_64") -> Offer:
    return Offer(name, version, architecture, name, version)


def place(*offers: Offer, name: str = "r1", **options: object) -> Offered:
    return Offered(Repository(name, name, **options), offers)  # type: ignore[arg-type]


def chosen(installed: list[Rpm], *offered: Offered, configuration: RpmConfiguration = CONFIGURATION) -> Choice:
    return choose([rpm.package() for rpm in installed], offered, configuration)


@pytest.mark.parametrize("case", [*CASES, *ALONE], ids=lambda case: case.rule)
def test_each_rule(case: Case) -> None:
    answer = ours(ask_us(case.system))
    assert (sorted(answer.updates), sorted(answer.obsoleting)) == (sorted(case.updates), sorted(case.obsoleting))


@pytest.mark.parametrize("case", zypper_cases.CASES, ids=lambda case: case.rule)
def test_each_rule_of_zypper(case: zypper_cases.Case) -> None:
    choice = ask_us(case.system, "zypper", locks=case.locks, vendor_change=case.vendor_change)
    assert sorted(ours(choice).updates) == sorted(case.updates)


def test_yum_takes_the_cheapest_repository_and_has_priorities_by_a_plugin() -> None:
    """yum.conf(5) § cost; yum itself cannot be had any more."""
    offered = [
        place(offer("a", "2-1"), name="r1", priority=1, cost=1000),
        place(offer("a", "3-1"), offer("a", "9-1", "aarch64"), name="r2", cost=2000),
        place(offer("a", "3-1"), name="r3", cost=500),
    ]
    yum = RpmConfiguration((), "yum", "x86_64", "7")
    installed = [Rpm("a", "1-1", "x86_64")]
    (update,) = chosen(installed, *offered, configuration=yum).updates
    assert (update.available, update.suites) == ("3-1", ("r3",))
    installed.append(Rpm("yum-plugin-priorities", "1-1"))
    (update,) = chosen(installed, *offered, configuration=yum).updates
    assert (update.available, update.suites) == ("2-1", ("r1",))


def test_an_update_says_what_is_installed_and_where_the_other_lies() -> None:
    new = Offer("bash", "1:5-2", "noarch", "bash5", "1:5-2", "p/bash.rpm", 77, "sha256:ab")
    choice = chosen([Rpm("bash", "4-1", "x86_64", source="bash4")], place(new), place(new, name="r2"))
    assert choice.updates == (
        Update(
            name="bash",
            architecture="x86_64",
            installed="4-1",
            available="1:5-2",
            suites=("r1", "r2"),
            security=None,
            source="bash5",
            source_version="1:5-2",
            installed_source_version="4-1",
            filename="p/bash.rpm",
            size=77,
            sha256="ab",
            available_architecture="noarch",
            manager="rpm",
        ),
    )


@pytest.mark.parametrize(
    ("offered", "candidate", "because"),
    [
        (
            [place(offer("a", "3-1"), exclude=("a",), path="etc/yum.repos.d/x.repo", line=3)],
            "1-1",
            "x.repo:3 excludes a",
        ),
        ([place(offer("a", "3-1"), includepkgs=("b",))], "1-1", "[r1] includes other packages only"),
        ([place(offer("a", "2-1"), priority=1), place(offer("a", "3-1"), name="r2")], "2-1", "better priority"),
    ],
)
def test_what_is_hidden_is_said_and_why(offered: list[Offered], candidate: str, because: str) -> None:
    (hidden,) = chosen([Rpm("a", "1-1", "x86_64")], *offered).hidden
    assert because in hidden.because
    assert hidden == Hidden("a", "x86_64", "1-1", candidate, "3-1", (offered[-1].repository.id,), hidden.because)


def test_an_inactive_module_stream_hides_its_packages() -> None:
    modules = Modules((ModuleStream("m", "2", 1, "c", "x86_64", frozenset({"a-0:3-1.x86_64"})),))
    choice = chosen([Rpm("a", "1-1", "x86_64")], Offered(Repository("r1", "r1"), [offer("a", "3-1")], modules))
    assert not choice.updates
    assert "m:2" in choice.hidden[0].because
    assert choice.active == frozenset()


def test_a_platform_makes_a_stream_active() -> None:
    requires = (("platform", ("el8",)),)
    stream = ModuleStream("m", "2", 1, "c", "x86_64", frozenset({"a-0:3-1.x86_64"}), requires)
    place = Offered(Repository("r1", "r1"), [offer("a", "3-1")], Modules((stream,), {}))
    for platform, active in (("platform:el8", {"m:2:c"}), ("platform:el9", set()), ("", set())):
        states = RpmConfiguration((), "dnf", "x86_64", "8", modules=(ENABLED,), platform=platform)
        choice = chosen([Rpm("a", "1-1", "x86_64")], place, configuration=states)
        assert choice.active == active
        assert bool(choice.updates) == bool(active)
        assert bool(choice.problems) != bool(active)


def test_without_modules_yaml_labels_decide_and_that_is_said() -> None:
    offers = [
        offer("a", "3-1.module+el8+1"),
        offer("b", "3-1.module+el8+1"),
        offer("b", "2-1.el8"),
        offer("a", "9-1.el8"),
    ]
    installed = [Rpm("a", "1-1", "x86_64", module="m:1:1:c"), Rpm("b", "1-1", "x86_64")]
    choice = chosen(installed, Offered(Repository("r1", "r1"), offers, None, "it did not answer"))
    assert [(each.name, each.available) for each in choice.updates] == [("a", "3-1.module+el8+1"), ("b", "2-1.el8")]
    assert "it did not answer" in choice.problems[0]


def test_nothing_is_told_where_nothing_can_be() -> None:
    configuration = RpmConfiguration((), "dnf", "x86_64", "9", unanswerable=("no",))
    choice = chosen([Rpm("a", "1-1")], place(offer("a", "2-1", "noarch")), configuration=configuration)
    assert (choice.updates, choice.unanswerable) == ((), ("no",))
