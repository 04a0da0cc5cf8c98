"""Logins beside podman and skopeo, at Debian's docker-registry: each reads what another wrote."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import Done
from support.docker_registry import docker_registry, push_image
from support.leaving_out import leave_out
from support.registry import tar_of
from support.token_service import Asked, TokenService

pytestmark = pytest.mark.system

USER, PASSWORD = "tester", "pa55-word"
# `htpasswd -nbB -C 5 tester pa55-word`, or any other crypt(3) that knows bcrypt
HTPASSWD = "tester:$2b$05$affineurTestsSalt22byeTVHx918Iqv/7anDfuUJdfszMg9ezwuK\n"
HELPER = """#!/bin/sh
folder=$(dirname "$0")/kept; mkdir -p "$folder"; cd "$folder" || exit 1
case $1 in
  store) given=$(cat); printf %s "$given" >"$(printf %s "$given" | sed 's/.*"ServerURL": *"\\([^"]*\\)".*/\\1/')" ;;
  get) cat "$(cat)" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
  erase) rm "$(cat)" ;;
esac
"""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry's folder with an image in it."""
    for program in ("skopeo", "podman", "docker-registry"):
        if shutil.which(program) is None:
            leave_out(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("registry")
    with docker_registry(folder) as host:
        push_image(host, "team/app", "1", [tar_of({"a": b"b"})])
    return folder


@pytest.fixture(scope="module")
def registry(storage: Path) -> Iterator[str]:
    """`host:port` of a registry that wants USER's login."""
    (storage / "htpasswd").write_text(HTPASSWD)
    with docker_registry(storage, auth=f"{{htpasswd: {{realm: tests, path: '{storage / 'htpasswd'}'}}}}") as host:
        yield host


class User:
    """Somebody with a home, who runs all three programs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for folder in ("run", "bin"):
            (home / folder).mkdir()
        self.file = home / "run/containers/auth.json"
        self.variables: dict[str, str] = {}

    def run(self, *words: str, given: str = "") -> Done:
        environment = {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
            **self.variables,
        }
        if words[0] == "affineur":
            words = (sys.executable, "-m", *words)
        done = subprocess.run(
            words, input=given, capture_output=True, text=True, env=environment, timeout=120, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def login(self, program: str, where: str, *options: str, password: str = PASSWORD) -> Done:
        words = [program, "login", "-u", USER, "--password-stdin", "--tls-verify=false", *options, where]
        return self.run(*words, given=password)

    def logout(self, program: str, *words: str) -> Done:
        return self.run(program, "logout", *words)

    def may_read(self, registry: str, *options: str) -> tuple[bool, bool]:
        """Whether affineur does, and whether skopeo does."""
        ours = self.run("affineur", "tags", *options, f"{registry}/team/app")
        theirs = self.run("skopeo", "list-tags", "--tls-verify=false", *options, f"docker://{registry}/team/app")
        assert ours.code in (0, 4), ours
        return ours.code == 0, theirs.code == 0


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


@pytest.mark.parametrize("writer", ["affineur", "podman", "skopeo"])
@pytest.mark.parametrize("remover", ["affineur", "podman", "skopeo"])
def test_each_reads_and_removes_what_another_wrote(user: User, registry: str, writer: str, remover: str) -> None:
    assert user.may_read(registry) == (False, False)
    assert user.login(writer, registry).code == 0
    assert user.may_read(registry) == (True, True)
    for reader in ("affineur", "podman", "skopeo"):
        assert user.run(reader, "login", "--get-login", registry).out == f"{USER}\n"
    assert user.logout(remover, registry).code == 0
    assert json.loads(user.file.read_text())["auths"] == {}
    assert user.may_read(registry) == (False, False)


def test_the_file_is_podmans_to_the_byte(user: User, registry: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = User(tmp_path_factory.mktemp("other"))
    for where in (registry, f"{registry}/team", f"{registry}/a"):
        user.login("affineur", where)
        other.login("podman", where)
    assert user.file.read_bytes() == other.file.read_bytes()
    assert user.file.stat().st_mode == other.file.stat().st_mode
    user.logout("affineur", f"{registry}/team")
    other.logout("podman", f"{registry}/team")
    assert user.file.read_bytes() == other.file.read_bytes()


@pytest.mark.parametrize("program", ["affineur", "podman", "skopeo"])
def test_what_is_refused_is_not_kept(user: User, registry: str, program: str) -> None:
    assert user.login(program, registry, password="guessed").code != 0
    assert not user.file.exists()


@pytest.mark.parametrize("writer", ["affineur", "podman"])
def test_for_a_namespace_in_a_named_file(user: User, registry: str, writer: str) -> None:
    file = user.home / "here.json"
    options = ("--authfile", str(file))
    assert user.login(writer, f"{registry}/team", *options).code == 0
    assert user.may_read(registry, *options) == (True, True)
    assert user.login(writer, f"{registry}/other", *options).code == 0
    other = "podman" if writer == "affineur" else "affineur"
    assert user.logout(other, *options, f"{registry}/team").code == 0
    assert list(json.loads(file.read_text())["auths"]) == [f"{registry}/other"]
    assert user.may_read(registry, *options) == (False, False)


@pytest.mark.parametrize(("writer", "remover"), [("affineur", "podman"), ("podman", "affineur")])
def test_a_helper(user: User, registry: str, writer: str, remover: str) -> None:
    program = user.home / "bin/docker-credential-folder"
    program.write_text(HELPER)
    program.chmod(0o755)
    user.file.parent.mkdir()
    user.file.write_text(json.dumps({"auths": {}, "credHelpers": {registry: "folder"}}))
    assert user.may_read(registry) == (False, False)
    assert user.login(writer, registry).code == 0
    assert PASSWORD not in user.file.read_text()
    assert json.loads((user.home / "bin/kept" / registry).read_text())["Secret"] == PASSWORD
    assert user.may_read(registry) == (True, True)
    assert user.logout(remover, registry).code == 0
    assert list((user.home / "bin/kept").iterdir()) == []
    assert user.may_read(registry) == (False, False)


@pytest.mark.parametrize("writer", ["affineur", "podman"])
def test_a_helper_of_registries_conf(user: User, registry: str, writer: str) -> None:
    program = user.home / "bin/docker-credential-folder"
    program.write_text(HELPER)
    program.chmod(0o755)
    conf = user.home / "registries.conf"
    conf.write_text('credential-helpers = ["folder", "containers-auth.json"]\n')
    user.variables = {"CONTAINERS_REGISTRIES_CONF": str(conf)}
    assert user.login(writer, registry).code == 0
    assert not user.file.exists()
    for reader in ("affineur", "podman"):
        assert user.run(reader, "login", "--get-login", registry).out == f"{USER}\n"
    # a helper knows hosts only, so what is for a namespace goes into the file
    assert user.login("affineur", f"{registry}/team").code == 0
    assert list(json.loads(user.file.read_text())["auths"]) == [f"{registry}/team"]
    assert user.logout("podman" if writer == "affineur" else "affineur", registry).code == 0
    assert list((user.home / "bin/kept").iterdir()) == []
    for reader in ("affineur", "podman"):
        assert user.run(reader, "login", "--get-login", registry).code != 0


@pytest.mark.parametrize(("variable", "file"), [("REGISTRY_AUTH_FILE", "named.json"), ("DOCKER_CONFIG", "config.json")])
@pytest.mark.parametrize("writer", ["affineur", "podman"])
def test_where_a_variable_says(user: User, registry: str, variable: str, file: str, writer: str) -> None:
    """And a login elsewhere is not looked for then; with $DOCKER_CONFIG, skopeo does so only when it logs in."""
    assert user.login("podman", registry).code == 0
    user.variables = {variable: str(user.home / (file if variable == "REGISTRY_AUTH_FILE" else ""))}
    (user.home / file).write_text('{"auths": {}}')
    assert user.may_read(registry)[0] is False
    for program in ("affineur", "podman", "skopeo"):
        assert user.run(program, "login", "--get-login", registry).code != 0
    assert user.login(writer, registry).code == 0
    assert list(json.loads((user.home / file).read_text())["auths"]) == [registry]
    assert user.may_read(registry) == (True, True)


@pytest.mark.parametrize("key", ["http://{}", "https://{}/v1/", "{}/team/app", "{}"])
def test_keys_as_they_are_found_in_files(user: User, registry: str, key: str) -> None:
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    user.file.parent.mkdir()
    user.file.write_text(json.dumps({"auths": {key.format(registry): {"auth": auth}}}))
    assert user.may_read(registry) == (True, True)


@pytest.mark.parametrize("form", ["auths", "bare"])
def test_dockers_files(user: User, registry: str, form: str) -> None:
    auths = {f"https://{registry}/v1/": {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}
    if form == "auths":
        (user.home / ".docker").mkdir()
        (user.home / ".docker/config.json").write_text(json.dumps({"auths": auths}))
    else:
        (user.home / ".dockercfg").write_text(json.dumps(auths))
    assert user.may_read(registry) == (True, True)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `key.pem` and the certificate of it, `cert.pem`."""
    if shutil.which("openssl") is None:
        leave_out("needs the openssl program")
    folder = tmp_path_factory.mktemp("key")
    words = ["-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=tokens"]
    subprocess.run(["openssl", "req", "-x509", *words], cwd=folder, check=True, capture_output=True)
    return folder


class TestTokenService:
    """docker-registry believes tokens of a service on another name; docs/spec/auth/jwt.md of distribution."""

    @pytest.fixture
    def service(self, key: Path) -> Iterator[TokenService]:
        def part(value: object) -> bytes:
            text = value if isinstance(value, bytes) else json.dumps(value).encode()
            return base64.urlsafe_b64encode(text).rstrip(b"=")

        certificate = "".join((key / "cert.pem").read_text().splitlines()[1:-1])

        def mint(asked: Asked) -> str:
            scopes = [scope.rsplit(":", 1) for line in asked.fields.get("scope", []) for scope in line.split()]
            access = [
                {"type": name.partition(":")[0], "name": name.partition(":")[2], "actions": actions.split(",")}
                for name, actions in scopes
            ]
            now = int(time.time())
            claims: dict[str, object] = {
                "iss": "tests",
                "aud": "tests",
                "sub": USER,
                "jti": str(len(service.asked)),
                "access": access,
            }
            claims |= {"iat": now, "nbf": now - 1, "exp": now + 1}
            signed = part({"typ": "JWT", "alg": "RS256", "x5c": [certificate]}) + b"." + part(claims)
            done = subprocess.run(
                ["openssl", "dgst", "-sha256", "-sign", "key.pem"],
                input=signed,
                cwd=key,
                capture_output=True,
                check=True,
            )
            return (signed + b"." + part(done.stdout)).decode()

        with TokenService(logins={USER: PASSWORD}, mint=mint, expires_in=1) as service:
            yield service

    @pytest.fixture
    def believer(self, storage: Path, service: TokenService, key: Path) -> Iterator[str]:
        realm = service.url.replace("127.0.0.1", "localhost")
        auth = f"{{realm: '{realm}', service: tests, issuer: tests, rootcertbundle: '{key / 'cert.pem'}'}}"
        with docker_registry(storage, auth=f"{{token: {auth}}}") as host:
            yield host

    @pytest.mark.parametrize("writer", ["affineur", "podman"])
    def test_by_password(self, user: User, believer: str, service: TokenService, writer: str) -> None:
        assert user.may_read(believer) == (False, False)
        assert user.login(writer, believer, password="guessed").code != 0
        assert user.login(writer, believer).code == 0
        assert user.may_read(believer) == (True, True)
        done = user.run("affineur", "inspect", "--json", f"{believer}/team/app:1")
        assert done.code == 0, done
        assert {asked.method for asked in service.asked} == {"GET"}

    def test_a_copy_within_the_registry(self, user: User, believer: str, service: TokenService) -> None:
        """Tokens of one second, for one repository or, to take a blob over, for both: all are mounted, none is sent."""
        assert user.login("affineur", believer).code == 0
        receipt = user.home / "receipt.json"
        names = f"{believer}/team/app:1", f"{believer}/team/{user.home.name.lower()}:1"
        done = user.run("affineur", "copy", "--receipt", str(receipt), *names)
        assert done.code == 0, done
        (image,) = json.loads(receipt.read_text())["images"]
        assert {blob["how"] for blob in image["receipt"]["blobs"]} == {"mounted"}
        scopes = {scope for asked in service.asked for line in asked.fields.get("scope", []) for scope in line.split()}
        actions = {frozenset(scope.rpartition(":")[2].split(",")) for scope in scopes}
        assert actions >= {frozenset({"pull"}), frozenset({"pull", "push"})}

    def test_by_identity_token(self, user: User, believer: str, service: TokenService) -> None:
        """As docker keeps one; skopeo reads it too."""
        service.identity_tokens = {"refresh-me"}
        auth = base64.b64encode(b"<token>:").decode()
        user.file.parent.mkdir()
        user.file.write_text(json.dumps({"auths": {believer: {"auth": auth, "identitytoken": "refresh-me"}}}))
        assert user.may_read(believer) == (True, True)
        ours, theirs = ({name: asked.fields[name] for name in asked.fields} for asked in service.asked)
        assert ours.pop("client_id") == ["affineur"]
        theirs.pop("client_id")
        assert ours == theirs
        service.identity_tokens = set()
        assert user.may_read(believer) == (False, False)
        assert "refresh-me" not in user.run("affineur", "tags", f"{believer}/team/app").err
