"""docker-credential-helpers' protocol: action as argument, question on stdin, JSON or the reason on stdout."""

import json
import time
from pathlib import Path

import pytest

from affineur.errors import InvalidSettings
from affineur.source.configuration import helpers
from affineur.source.configuration.helpers import CredentialHelper
from affineur.source.credentials import Login


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": f"{tmp_path}:/usr/bin:/bin"}


def says(folder: Path, script: str, name: str = "x") -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_what_it_is_asked(tmp_path: Path, environment: dict[str, str]) -> None:
    """README § Development of docker-credential-helpers names the actions and what each reads."""
    log = tmp_path / "log"
    says(tmp_path, f"""echo "$1 $(cat)" >>{log}; [ "$1" = get ] && echo '{{"Username":"u","Secret":"s"}}'; true""")
    helper = CredentialHelper("x", environment)
    assert helper.get("registry.example") == Login("u", "s")
    helper.store("registry.example", Login('na"me', "pass'word"))
    assert helper.erase("registry.example") is True
    asked = log.read_text().splitlines()
    assert [line.partition(" ")[0] for line in asked] == ["get", "store", "get", "erase"]
    assert asked[0] == "get registry.example"
    stored = json.loads(asked[1].removeprefix("store "))
    assert stored == {"ServerURL": "registry.example", "Username": 'na"me', "Secret": "pass'word"}
    assert asked[3] == "erase registry.example"


def test_what_it_lists(tmp_path: Path, environment: dict[str, str]) -> None:
    says(tmp_path, """[ "$1" = list ] && echo '{"a.example":"u","https://index.docker.io/v1/":"v"}'""")
    assert CredentialHelper("x", environment).list() == ("a.example", "https://index.docker.io/v1/")


@pytest.mark.parametrize(
    "script",
    [
        "echo 'credentials not found in native keychain'; exit 1",
        "echo 'Credentials not found in native keychain'; exit 1",
        """echo '{"ServerURL":"","Username":"","Secret":""}'""",
    ],
)
def test_none_is_no_error(tmp_path: Path, environment: dict[str, str], script: str) -> None:
    says(tmp_path, script)
    helper = CredentialHelper("x", environment)
    assert helper.get("a.example") is None
    assert helper.erase("a.example") is False


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'pass not initialized: exit status 1'; exit 1", "docker-credential-x get: pass not initialized"),
        ("echo 'gpg: no key' >&2; exit 2", "gpg: no key"),
        ("exit 3", "ended with status 3"),
        ("kill -9 $$", "ended with status -9"),
        ("printf 'a\\033[2J\\nb'; exit 1", r"a \[2J b$"),
        ("head -c 5000 /dev/zero | tr '\\0' x; exit 1", "x{300}$"),
        ("echo s3cret", "not the JSON of a login"),
        ("""echo '{"Username":"u","Secret":["s3cret"]}'""", "not the JSON of a login"),
        ("head -c 300000 /dev/zero", "more than 262144 bytes"),
        ("head -c 300000 /dev/zero >&2", "more than 262144 bytes"),
    ],
)
def test_any_other_failure_is_one(tmp_path: Path, environment: dict[str, str], script: str, words: str) -> None:
    says(tmp_path, script)
    with pytest.raises(InvalidSettings, match=words) as caught:
        CredentialHelper("x", environment).get("a.example")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None or "s3cret" not in str(caught.value.__cause__)


def test_one_that_never_answers(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helpers, "MAX_HELPER_S", 0.3)
    pid = tmp_path / "pid"
    says(tmp_path, f"echo $$ >{pid}; exec sleep 60")
    started = time.monotonic()
    with pytest.raises(InvalidSettings, match="no answer"):
        CredentialHelper("x", environment).get("a.example")
    assert time.monotonic() - started < 10
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_one_that_does_not_listen(tmp_path: Path, environment: dict[str, str]) -> None:
    says(tmp_path, """exec <&-; echo '{"Username":"u","Secret":"s"}'""")
    assert CredentialHelper("x", environment).get("a" * 30_000) == Login("u", "s")
    with pytest.raises(InvalidSettings, match="to hand over"):
        CredentialHelper("x", environment).get("a" * 40_000)


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "-x", "x\n", "a b", "x" * 200])
def test_what_is_no_name(name: str, environment: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings, match="names no credential helper"):
        CredentialHelper(name, environment)


def test_it_is_found_in_absolute_folders_of_the_path_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in the folder where the command happens to be run, which an empty part of PATH means to a shell."""
    says(tmp_path, """echo '{"Username":"u","Secret":"s"}'""")
    monkeypatch.chdir(tmp_path)
    for path in ("", ".", ":/usr/bin", "./:"):
        with pytest.raises(InvalidSettings, match="docker-credential-x get: no such program"):
            CredentialHelper("x", {"PATH": path}).get("a.example")
    (tmp_path / "docker-credential-x").chmod(0o644)
    with pytest.raises(InvalidSettings, match="no such program"):
        CredentialHelper("x", {"PATH": str(tmp_path)}).get("a.example")
