"""Which engine: the first that is there and answers, in the order that the help names."""

from pathlib import Path

import pytest

from affineur.engines.detect import find_engine
from affineur.engines.engine import EngineFailed
from support.engines import StandIn, docker_info, podman_info

NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.fixture
def all_there(tmp_path: Path) -> dict[str, StandIn]:
    made = {name: StandIn(tmp_path, name) for name in ("podman", "docker", "nerdctl", "ctr")}
    made["podman"].say("info", podman_info())
    made["docker"].say("info", docker_info())
    made["nerdctl"].say("info", docker_info())
    made["ctr"].say("version", "Client:\n  Version:  2.0\n\nServer:\n  Version:  2.0\n")
    return made


def test_the_first_that_is_there(all_there: dict[str, StandIn]) -> None:
    environment = all_there["podman"].environment
    for name, program in all_there.items():
        engine, passed_over = find_engine(None, environment)
        assert engine.name == name
        assert passed_over == ()
        program.path.unlink()
    with pytest.raises(
        EngineFailed, match=r"^no container engine answers: podman: not on the PATH; docker: not"
    ) as none:
        find_engine(None, environment)
    assert "--engine none" in str(none.value)


def test_a_client_without_a_daemon_does_not_count(all_there: dict[str, StandIn]) -> None:
    all_there["podman"].path.unlink()
    all_there["docker"].say("info", docker_info() | {"ServerVersion": ""}, status=1, err=NO_DAEMON)
    engine, passed_over = find_engine(None, all_there["docker"].environment)
    assert engine.name == "nerdctl"
    assert passed_over == (f"docker info: {NO_DAEMON}",)
    for name in ("nerdctl", "ctr"):
        all_there[name].path.unlink()
    with pytest.raises(EngineFailed) as none:
        find_engine(None, all_there["docker"].environment)
    assert f"podman: not on the PATH; docker info: {NO_DAEMON}; nerdctl: not on the PATH; ctr: not" in str(none.value)


def test_one_whose_answer_is_not_to_be_understood_does_not_count(all_there: dict[str, StandIn]) -> None:
    all_there["podman"].say("info", "[1]")
    assert find_engine(None, all_there["podman"].environment)[0].name == "docker"


@pytest.mark.parametrize("name", ["podman", "docker", "nerdctl", "ctr"])
def test_the_named_one_or_none(all_there: dict[str, StandIn], name: str) -> None:
    environment = all_there[name].environment
    assert find_engine(name, environment)[0].name == name
    all_there[name].say("info", status=125, err="no")
    all_there[name].say("version", status=1, err="no")
    with pytest.raises(EngineFailed, match=f"^{name} (info|version): no "):
        find_engine(name, environment)
    all_there[name].path.unlink()
    with pytest.raises(EngineFailed, match=f"^{name}: not on the PATH"):
        find_engine(name, environment)
