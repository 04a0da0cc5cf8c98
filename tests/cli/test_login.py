"""`affineur login` and `logout`, as their user types them. Beside podman: tests/system/test_login.py."""

import fcntl
import json
import os
import subprocess
import sys
import termios
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import Done
from support.docker_registry import free_port
from support.registry import Registry, tar_of
from support.token_service import TokenService

PASSWORD = "pa55:word"
AUTH = b64encode(f"somebody:{PASSWORD}".encode()).decode()


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as served:
        served.push("team/app", "1", [tar_of({"a": b"b"})])
        served.login = ("somebody", PASSWORD)
        yield served


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "bin").mkdir()
    return tmp_path


def environment(home: Path, **variables: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    return (
        {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "PATH": path, "LC_ALL": "C.UTF-8"} | kept | variables
    )


def affineur(home: Path, *words: str, given: str | bytes = "", **variables: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "affineur", *words],
        input=given.encode() if isinstance(given, str) else given,
        capture_output=True,
        env=environment(home, **variables),
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def logged_in(home: Path, registry: Registry, *words: str, below: str = "", given: str = PASSWORD) -> Done:
    words = ("login", "-u", "somebody", "--password-stdin", *words, registry.host + below)
    return affineur(home, *words, given=given + "\n")


def auths(file: Path) -> object:
    return json.loads(file.read_text())["auths"]


def test_from_login_to_logout(home: Path, registry: Registry) -> None:
    file = home / "run/containers/auth.json"
    assert affineur(home, "tags", f"{registry.host}/team/app").code == 4
    done = logged_in(home, registry)
    assert done == Done(0, f"Logged in to {registry.host} as somebody; kept in {file}.\n", "")
    assert auths(file) == {registry.host: {"auth": AUTH}}
    assert affineur(home, "tags", f"{registry.host}/team/app").out == "1\n"
    assert affineur(home, "login", "--get-login", registry.host) == Done(0, "somebody\n", "")
    again = affineur(home, "login", registry.host)
    assert again.code == 0
    assert again.out == f"Logged in to {registry.host} already, as somebody ({file}, key {registry.host}).\n"
    assert affineur(home, "logout", registry.host) == Done(
        0, f"The login for {registry.host} removed from {file}.\n", ""
    )
    assert auths(file) == {}
    for words in (("logout", registry.host), ("login", "--get-login", registry.host)):
        assert affineur(home, *words) == Done(3, "", f"affineur: not logged in to {registry.host}\n")


def test_what_is_refused_is_not_kept(home: Path, registry: Registry) -> None:
    done = logged_in(home, registry, given="guessed")
    assert done.code == 4
    assert "does not take the login from standard input" in done.err
    assert "guessed" not in done.out + done.err
    assert not (home / "run/containers").exists()


def test_a_token_service_refuses(home: Path, registry: Registry) -> None:
    registry.login = None
    with TokenService(logins={"somebody": PASSWORD}) as service:
        service.guard(registry, "/v2/", scope=None)
        refused = logged_in(home, registry, given="guessed")
        assert refused.code == 4
        assert "incorrect username or password" in refused.err
        assert logged_in(home, registry).code == 0


def test_a_registry_that_wants_none(home: Path, registry: Registry) -> None:
    registry.login = None
    done = logged_in(home, registry)
    assert done.code == 0
    assert "asked for no login, so this one could not be tried" in done.err


def test_for_a_namespace(home: Path, registry: Registry) -> None:
    file = home / "here.json"
    assert logged_in(home, registry, "--authfile", str(file), below="/team").code == 0
    assert auths(file) == {f"{registry.host}/team": {"auth": AUTH}}
    assert affineur(home, "tags", "--authfile", str(file), f"{registry.host}/team/app").code == 0
    assert affineur(home, "tags", "--authfile", str(file), f"{registry.host}/other/app").code == 4
    assert affineur(home, "logout", "--authfile", str(file), registry.host).code == 3
    assert affineur(home, "logout", "--authfile", str(file), "--all").code == 0
    assert auths(file) == {}


@pytest.mark.parametrize("words", [("inspect", "--timings", "--json"), ("inspect", "--timings"), ("tags",)])
def test_what_is_kept_is_never_shown(home: Path, registry: Registry, words: tuple[str, ...]) -> None:
    logged_in(home, registry)
    done = affineur(home, *words, f"{registry.host}/team/app:1", AFFINEUR_DEBUG="1")
    registry.login = ("somebody", "changed")
    refused = affineur(home, *words, f"{registry.host}/team/app:1", AFFINEUR_DEBUG="1")
    assert refused.code == 4
    assert f"auth.json, key {registry.host} is not accepted" in refused.err
    assert f"; `affineur login {registry.host}` keeps another" in refused.err
    for shown in (done.out, done.err, refused.out, refused.err):
        assert PASSWORD not in shown
        assert AUTH not in shown


def test_what_remains_after_a_logout_is_told(home: Path, registry: Registry) -> None:
    logged_in(home, registry)
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text(json.dumps({"auths": {registry.host: {"auth": AUTH}}}))
    for code in (0, 3):
        done = affineur(home, "logout", registry.host)
        assert done.code == code
        assert f"the login from {home}/.docker/config.json, key {registry.host}" in done.err


def test_a_helper(home: Path, registry: Registry) -> None:
    helper = home / "bin/docker-credential-test"
    helper.write_text(f"""#!/bin/sh
case $1 in
  store) cat >{home}/kept ;;
  get) cat {home}/kept 2>/dev/null || {{ echo "credentials not found in native keychain"; exit 1; }} ;;
  erase) rm {home}/kept ;;
esac
""")
    helper.chmod(0o755)
    file = home / "run/containers/auth.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"credHelpers": {registry.host: "test"}}))
    done = logged_in(home, registry)
    assert (done.code, done.err) == (0, "")
    assert f"kept in credential helper test, named in {file}." in done.out
    assert PASSWORD not in file.read_text()
    assert affineur(home, "tags", f"{registry.host}/team/app").code == 0
    assert affineur(home, "logout", registry.host).code == 0
    assert affineur(home, "tags", f"{registry.host}/team/app").code == 4
    helper.write_text("#!/bin/sh\necho 'the wallet is locked'; exit 1\n")
    locked = affineur(home, "tags", f"{registry.host}/team/app")
    assert (locked.code, locked.err) == (
        2,
        "affineur: credential helper docker-credential-test get: the wallet is locked\n",
    )


@pytest.mark.parametrize(
    ("words", "given", "code"),
    [
        (("login",), "", 2),
        (("login", "team/app"), "", 2),
        (("login", "HOST"), "", 2),  # no terminal
        (("login", "--password-stdin", "HOST"), "x", 2),
        (("login", "-u", "a:b", "--password-stdin", "HOST"), "x", 2),
        (("login", "-u", "a", "--password-stdin", "HOST"), "", 2),
        (("login", "-u", "a", "--password-stdin", "HOST"), "x\ny\n", 2),
        (("login", "-u", "a", "--password-stdin", "HOST"), b"\xff", 2),
        (("login", "-u", "a", "--password-stdin", "HOST"), "x" * 20_000, 2),
        (("login", "-u", "a", "--password-stdin", "CLOSED"), "x", 4),
        (("login", "-u", "a", "--password-stdin", "--authfile", "/proc/none", "HOST"), PASSWORD, 4),
        (("login", "-u", "somebody", "--password-stdin", "--authfile", "/proc/none", "HOST"), PASSWORD, 2),
        (("logout",), "", 2),
        (("logout", "--all", "HOST"), "", 2),
        (("logout", "HOST:1/x:2"), "", 2),
    ],
)
def test_exit_codes(home: Path, registry: Registry, words: tuple[str, ...], given: str | bytes, code: int) -> None:
    closed = f"127.0.0.1:{free_port()}"
    done = affineur(home, *(w.replace("HOST", registry.host).replace("CLOSED", closed) for w in words), given=given)
    assert done.code == code, done
    assert "Traceback" not in done.err
    assert PASSWORD not in done.out + done.err


def test_at_a_terminal(home: Path, registry: Registry) -> None:
    """Name and password are asked for; the password is not echoed."""
    master, slave = os.openpty()

    def own_terminal() -> None:
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        [sys.executable, "-m", "affineur", "login", registry.host],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        env=environment(home),
        start_new_session=True,
        preexec_fn=own_terminal,
    ) as process:
        os.close(slave)
        seen = b""
        for prompt, typed in ((b"Username: ", b"somebody\n"), (b"Password: ", PASSWORD.encode() + b"\n")):
            while prompt not in seen:
                seen += os.read(master, 1000)
            os.write(master, typed)
        out, _ = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == 0
    assert out.decode().startswith(f"Logged in to {registry.host} as somebody")
    assert PASSWORD.encode() not in seen
    assert auths(home / "run/containers/auth.json") == {registry.host: {"auth": AUTH}}
