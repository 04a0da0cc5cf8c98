"""Where logins are written: pkg/docker/config of containers/image. podman reads them in tests/system/test_login.py."""

import json
import stat
from base64 import b64encode
from pathlib import Path

import pytest

from affineur.errors import InvalidReference, InvalidSettings
from affineur.source.configuration.keeping import Keeper, LoginKey
from affineur.source.configuration.logins import AUTH_FILES, ConfiguredLogins
from affineur.source.credentials import Login

LOGIN = Login("name", "pass:word")
ENTRY = {"auth": b64encode(b"name:pass:word").decode()}
STORE = """#!/bin/sh
# one file a server, named by the server with its slashes bent
folder=$(dirname "$0")/kept; mkdir -p "$folder"
case $1 in
  store) given=$(cat); server=$(printf %s "$given" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/'); printf %s "$given" >"$folder/$(printf %s "$server" | tr / _)" ;;
  get) cat "$folder/$(tr / _)" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
  erase) rm "$folder/$(tr / _)" ;;
  list) echo "{"; separator=
    for file in "$folder"/*; do [ -e "$file" ] && { printf '%s"%s":"x"' "$separator" "$(basename "$file" | tr _ /)"; separator=,; }; done; echo "}" ;;
esac
"""  # noqa: E501 - a program


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/docker-credential-folder"
    program.write_text(STORE)
    program.chmod(0o755)
    (tmp_path / "run").mkdir()
    return {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path / "home"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }


def key(text: str) -> LoginKey:
    return LoginKey.parse(text)


class TestKey:
    @pytest.mark.parametrize(
        ("text", "registry", "repository"),
        [
            ("registry.example", "registry.example", ""),
            ("localhost", "localhost", ""),
            ("registry.example:5000/team/app", "registry.example:5000", "team/app"),
            ("[::1]:5000", "[::1]:5000", ""),
            ("docker.io", "docker.io", ""),
            ("index.docker.io", "docker.io", ""),
            ("docker.io/vendor", "docker.io", "vendor"),
            ("https://registry.example/v2/", "registry.example", ""),
        ],
    )
    def test_is(self, text: str, registry: str, repository: str) -> None:
        assert key(text) == LoginKey(registry, repository)

    @pytest.mark.parametrize(
        "text", ["", "team", "team/app", "registry.example/", "registry.example/team:1", "registry.example/a@b", "a b"]
    )
    def test_is_not(self, text: str) -> None:
        with pytest.raises(InvalidReference):
            key(text)


class TestStore:
    def test_in_a_new_file(self, tmp_path: Path, environment: dict[str, str]) -> None:
        where = Keeper(None, environment).store(key("registry.example/team"), LOGIN)
        file = tmp_path / "run/containers/auth.json"
        assert where == str(file)
        assert json.loads(file.read_text()) == {"auths": {"registry.example/team": ENTRY}}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert [each.name for each in file.parent.iterdir()] == ["auth.json"]
        found = ConfiguredLogins(None, environment).find("registry.example", "team/app")
        assert found is not None
        assert found.login == LOGIN

    def test_beside_what_is_there(self, tmp_path: Path, environment: dict[str, str]) -> None:
        file = tmp_path / "config.json"
        others = {"HttpHeaders": {"X": "ü"}, "detachKeys": "ctrl-a", "n": 12345678901234567890}
        file.write_text(json.dumps({"auths": {"z.example": {"auth": "eDp5", "email": "e"}}, **others}))
        file.chmod(0o644)
        Keeper(file, environment).store(key("a.example"), LOGIN)
        Keeper(file, environment).store(key("a.example"), Login("other", "x"))
        kept = json.loads(file.read_text())
        assert kept["auths"] == {
            "a.example": {"auth": b64encode(b"other:x").decode()},
            "z.example": {"auth": "eDp5", "email": "e"},
        }
        assert {name: kept[name] for name in others} == others
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_a_link_stays_one(self, tmp_path: Path, environment: dict[str, str]) -> None:
        """podman 4 writes through it."""
        real = tmp_path / "elsewhere/real.json"
        link = tmp_path / "link.json"
        link.symlink_to(real)
        Keeper(link, environment).store(key("a.example"), LOGIN)
        assert link.is_symlink()
        assert json.loads(real.read_text()) == {"auths": {"a.example": ENTRY}}

    def test_in_dockers_file_as_docker_would(self, tmp_path: Path, environment: dict[str, str]) -> None:
        keeper = Keeper(None, {**environment, "DOCKER_CONFIG": str(tmp_path / "dc")})
        keeper.store(key("docker.io"), LOGIN)
        assert json.loads((tmp_path / "dc/config.json").read_text()) == {
            "auths": {"https://index.docker.io/v1/": ENTRY}
        }
        with pytest.raises(InvalidSettings, match="by host"):
            keeper.store(key("registry.example/team"), LOGIN)

    @pytest.mark.parametrize("content", ["no json", "[]", '{"auths": []}'])
    def test_a_file_that_is_none_is_left_alone(self, tmp_path: Path, environment: dict[str, str], content: str) -> None:
        file = tmp_path / "a"
        file.write_text(content)
        with pytest.raises(InvalidSettings, match="no auth file"):
            Keeper(file, environment).store(key("a.example"), LOGIN)
        assert file.read_text() == content

    def test_what_is_no_file_is_not_replaced(self, environment: dict[str, str]) -> None:
        with pytest.raises(InvalidSettings, match="is no file"):
            Keeper(Path("/dev/null"), environment).store(key("a.example"), LOGIN)
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    def test_a_runtime_folder_that_is_not_there(self, tmp_path: Path, environment: dict[str, str]) -> None:
        with pytest.raises(InvalidSettings, match="XDG_RUNTIME_DIR"):
            Keeper(None, {**environment, "XDG_RUNTIME_DIR": str(tmp_path / "none")}).store(key("a.example"), LOGIN)


class TestHelpers:
    def kept(self, tmp_path: Path) -> set[str]:
        folder = tmp_path / "bin/kept"
        return {each.name for each in folder.iterdir()} if folder.exists() else set()

    def test_one_that_a_file_names(self, tmp_path: Path, environment: dict[str, str]) -> None:
        file = tmp_path / "f"
        file.write_text('{"credHelpers": {"a.example": "folder"}}')
        before = file.read_text()
        keeper = Keeper(file, environment)
        assert keeper.store(key("a.example"), LOGIN) == f"credential helper folder, named in {file}"
        assert self.kept(tmp_path) == {"a.example"}
        found = ConfiguredLogins(file, environment).find("a.example", "team/app")
        assert found is not None
        assert found.login == LOGIN
        with pytest.raises(InvalidSettings, match="by host"):
            keeper.store(key("a.example/team"), LOGIN)
        assert keeper.erase(key("a.example")) == ("credential helper folder",)
        assert keeper.erase(key("a.example")) == ()
        assert self.kept(tmp_path) == set()
        assert file.read_text() == before

    def test_a_store(self, tmp_path: Path, environment: dict[str, str]) -> None:
        """As docker: the secret in the store, by the old URL for Docker Hub; an empty entry in the file."""
        file = tmp_path / "f"
        file.write_text('{"credsStore": "folder"}')
        keeper = Keeper(file, environment)
        keeper.store(key("docker.io"), LOGIN)
        keeper.store(key("a.example"), LOGIN)
        assert json.loads(file.read_text()) == {"auths": {"a.example": {}, "docker.io": {}}, "credsStore": "folder"}
        assert self.kept(tmp_path) == {"https:__index.docker.io_v1_", "a.example"}
        logins = ConfiguredLogins(file, environment)
        assert [found.login for host in ("docker.io", "a.example") if (found := logins.find(host, "x"))] == [LOGIN] * 2
        assert keeper.erase(key("docker.io")) == ("credential helper folder",)
        assert json.loads(file.read_text())["auths"] == {"a.example": {}}
        assert keeper.erase_all() == ("credential helper folder", str(file))
        assert json.loads(file.read_text()) == {"auths": {}, "credsStore": "folder"}
        assert self.kept(tmp_path) == set()

    def test_those_of_registries_conf(self, tmp_path: Path, environment: dict[str, str]) -> None:
        keeper = Keeper(None, environment, ("missing", "folder", AUTH_FILES))
        assert keeper.store(key("a.example"), LOGIN) == "credential helper folder"
        assert keeper.store(key("a.example/team"), LOGIN) == str(tmp_path / "run/containers/auth.json")
        only = Keeper(None, environment, ("folder", AUTH_FILES))
        assert only.erase_all() == ("credential helper folder", str(tmp_path / "run/containers/auth.json"))
        with pytest.raises(InvalidSettings, match="docker-credential-missing"):
            Keeper(None, environment, ("missing",)).store(key("a.example"), LOGIN)


class TestErase:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("docker.io", {"a.example", "a.example/team"}),
            ("a.example", {"a.example/team", "https://index.docker.io/v1/"}),
            ("a.example/team", {"a.example", "https://index.docker.io/v1/"}),
        ],
    )
    def test_every_spelling_of_one_key(
        self, tmp_path: Path, environment: dict[str, str], text: str, left: set[str]
    ) -> None:
        file = tmp_path / "f"
        auths = dict.fromkeys(["a.example", "a.example/team", "https://index.docker.io/v1/"], ENTRY)
        file.write_text(json.dumps({"auths": auths, "other": 1}))
        assert Keeper(file, environment).erase(key(text)) == (str(file),)
        assert set(json.loads(file.read_text())["auths"]) == left

    def test_what_is_not_there_changes_nothing(self, tmp_path: Path, environment: dict[str, str]) -> None:
        file = tmp_path / "f"
        assert Keeper(file, environment).erase(key("a.example")) == ()
        assert Keeper(file, environment).erase_all() == ()
        assert not file.exists()
        file.write_text('{ "auths": {"a.example/team": {}}}')
        assert Keeper(file, environment).erase(key("a.example")) == ()
        assert file.read_text() == '{ "auths": {"a.example/team": {}}}'
