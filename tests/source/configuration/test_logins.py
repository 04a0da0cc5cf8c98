"""Auth files in podman's order, and helpers where they are named. containers-auth.json(5), pkg/docker/config."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from affineur.errors import InvalidSettings
from affineur.source.configuration.logins import AUTH_FILES, ConfiguredLogins
from affineur.source.credentials import Found, Login


def auth(name: str, password: str) -> dict[str, str]:
    return {"auth": b64encode(f"{name}:{password}".encode()).decode()}


def written(path: Path, auths: object, **others: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": auths, **others}))
    return path


def helper(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


AUTHS = {
    "registry.example": auth("host", "1"),
    "registry.example/team": auth("team", "2"),
    "registry.example/team/app": auth("app", "3"),
    "https://index.docker.io/v1/": auth("hub", "4"),
    "https://old.example/v1/": auth("old", "5"),
    "http://plain.example": auth("plain", "6"),
    "docker.io/vendor": auth("vendor", "7"),
}


class TestWhichEntry:
    @pytest.mark.parametrize(
        ("registry", "repository", "name"),
        [  # from the most specific to the registry alone; then spellings that docker has written
            ("registry.example", "team/app", "app"),
            ("registry.example", "team/app/sub", "app"),
            ("registry.example", "team/application", "team"),
            ("registry.example", "other", "host"),
            ("registry.example", "", "host"),
            ("docker.io", "library/debian", "hub"),
            ("docker.io", "vendor/app", "vendor"),
            ("old.example", "x", "old"),
            ("plain.example", "x/y", "plain"),
            ("registry.example:5000", "team/app", None),
            ("example", "x", None),
        ],
    )
    def test_the_most_specific(self, tmp_path: Path, registry: str, repository: str, name: str | None) -> None:
        logins = ConfiguredLogins(written(tmp_path / "a.json", AUTHS), {})
        found = logins.find(registry, repository)
        assert (found.login.username if found else None) == name

    def test_it_is_told_where_it_is_from(self, tmp_path: Path) -> None:
        file = written(tmp_path / "a.json", AUTHS)
        assert ConfiguredLogins(file, {}).find("registry.example", "team/x") == Found(
            Login("team", "2"), f"{file}, key registry.example/team"
        )

    def test_an_exact_key_goes_before_a_url(self, tmp_path: Path) -> None:
        file = written(tmp_path / "a", {"https://index.docker.io/v1/": auth("url", "1"), "docker.io": auth("x", "2")})
        found = ConfiguredLogins(file, {}).find("docker.io", "library/debian")
        assert found is not None
        assert found.login.username == "x"

    @pytest.mark.parametrize("entry", [{}, {"auth": b64encode(b"name:").decode()}])
    def test_one_without_a_secret_is_none(self, tmp_path: Path, entry: dict[str, str]) -> None:
        assert ConfiguredLogins(written(tmp_path / "a", {"a.example": entry}), {}).find("a.example", "x") is None

    def test_an_identity_token(self, tmp_path: Path) -> None:
        """As docker writes it; the NUL at the end of some passwords is docker's, too (decodeAuth trims it)."""
        entry = {**auth("<token>", ""), "identitytoken": "refresh-me"}
        file = written(tmp_path / "a", {"a.example": entry, "b.example": auth("b", "pw\0")})
        logins = ConfiguredLogins(file, {})
        token, other = logins.find("a.example", "x"), logins.find("b.example", "x")
        assert token is not None
        assert other is not None
        assert token.login.identity_token == "refresh-me"
        assert other.login.password == "pw"

    def test_one_that_is_not_asked_for_may_be_broken(self, tmp_path: Path) -> None:
        file = written(tmp_path / "a", {"a.example": {"auth": "%%%"}, "b.example": auth("b", "1")})
        assert ConfiguredLogins(file, {}).find("b.example", "x") is not None


class TestWhichFile:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        return tmp_path / "home"

    @pytest.fixture
    def environment(self, tmp_path: Path, home: Path) -> dict[str, str]:
        return {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(home)}

    def user(self, environment: dict[str, str], repository: str = "x", authfile: Path | None = None) -> str | None:
        found = ConfiguredLogins(authfile, environment).find("a.example", repository)
        return found.login.username if found else None

    def test_in_order(self, tmp_path: Path, home: Path, environment: dict[str, str]) -> None:
        """Each goes before the ones written so far; man page § DESCRIPTION has the order."""
        (home / ".docker").mkdir(parents=True)
        (home / ".dockercfg").write_text(json.dumps({"https://a.example/v1/": auth("cfg", "1")}))
        assert self.user(environment) == "cfg"
        written(home / ".docker/config.json", {"a.example": auth("docker", "1")})
        assert self.user(environment) == "docker"
        written(home / ".config/containers/auth.json", {"a.example": auth("config", "1")})
        assert self.user(environment) == "config"
        moved = {**environment, "XDG_CONFIG_HOME": str(tmp_path / "moved")}
        written(tmp_path / "moved/containers/auth.json", {"a.example": auth("moved", "1")})
        assert self.user(moved) == "moved"
        written(tmp_path / "run/containers/auth.json", {"a.example": auth("run", "1")})
        assert self.user(environment) == "run"
        only = {**environment, "DOCKER_CONFIG": str(tmp_path / "dc")}
        assert self.user(only) is None
        written(tmp_path / "dc/config.json", {"a.example": auth("dc", "1")})
        assert self.user(only) == "dc"
        variable = {**only, "REGISTRY_AUTH_FILE": str(written(tmp_path / "v", {"a.example": auth("variable", "1")}))}
        assert self.user(variable) == "variable"
        assert self.user(variable, authfile=written(tmp_path / "o", {"a.example": auth("option", "1")})) == "option"

    def test_a_named_file_is_the_only_one(self, tmp_path: Path, environment: dict[str, str]) -> None:
        written(tmp_path / "run/containers/auth.json", {"a.example": auth("run", "1")})
        assert self.user(environment, authfile=written(tmp_path / "other", {})) is None
        with pytest.raises(InvalidSettings, match=r"REGISTRY_AUTH_FILE.*no such file"):
            self.user({**environment, "REGISTRY_AUTH_FILE": str(tmp_path / "none")})

    def test_an_earlier_file_hides_a_later_ones_namespace(
        self, tmp_path: Path, home: Path, environment: dict[str, str]
    ) -> None:
        """containers/image looks for all keys in one file before it opens the next."""
        written(tmp_path / "run/containers/auth.json", {"a.example": auth("host", "1")})
        written(home / ".docker/config.json", {"a.example/x": auth("namespace", "1")})
        assert self.user(environment) == "host"

    def test_nothing_anywhere(self, environment: dict[str, str]) -> None:
        assert self.user(environment) is None

    @pytest.mark.parametrize(
        "content",
        [
            "no json",
            '{"auths": 1}',
            '{"auths": {"a.example": {"auth": "%%%"}}}',
            '{"auths": {"a.example": {"auth": "YWJj"}}}',
            '{"auths": {"a.example": {"auth": "/w=="}}}',
            '{"auths": {"a.example": {"auth": ["YWJj"]}}}',
        ],
    )
    def test_one_that_is_none_is_named_and_its_secrets_are_not(self, tmp_path: Path, content: str) -> None:
        file = tmp_path / "auth.json"
        file.write_text(content)
        with pytest.raises(InvalidSettings, match=r"auth\.json") as caught:
            self.user({}, authfile=file)
        assert "YWJj" not in str(caught.value)

    def test_what_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidSettings, match=str(tmp_path)):
            self.user({}, authfile=tmp_path)


KEEPS = """read -r server
[ "$1" = get ] || exit 9
case $server in
  a.example) echo '{"ServerURL":"a.example","Username":"kept","Secret":"s3cret"}' ;;
  token.example) echo '{"ServerURL":"token.example","Username":"<token>","Secret":"refresh-me"}' ;;
  https://index.docker.io/v1/) echo '{"Username":"hub","Secret":"s"}' ;;
  *) echo "credentials not found in native keychain"; exit 1 ;;
esac"""


class TestHelpers:
    @pytest.fixture
    def environment(self, tmp_path: Path) -> dict[str, str]:
        helper(tmp_path / "bin", "keeps", KEEPS)
        return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}

    def test_one_of_the_file_goes_before_its_entry(self, tmp_path: Path, environment: dict[str, str]) -> None:
        file = written(tmp_path / "f", {"a.example": auth("entry", "1")}, credHelpers={"a.example": "keeps"})
        found = ConfiguredLogins(file, environment).find("a.example", "team/app")
        assert found == Found(Login("kept", "s3cret"), f"credential helper keeps, named in {file}")

    def test_one_that_has_none_leaves_it_to_the_next_file(self, tmp_path: Path, environment: dict[str, str]) -> None:
        written(tmp_path / "containers/auth.json", {}, credHelpers={"b.example": "keeps"})
        written(tmp_path / ".docker/config.json", {"b.example": auth("docker", "1")})
        found = ConfiguredLogins(None, environment).find("b.example", "x")
        assert found is not None
        assert found.login.username == "docker"

    def test_an_identity_token(self, tmp_path: Path, environment: dict[str, str]) -> None:
        file = written(tmp_path / "f", {}, credHelpers={"token.example": "keeps"})
        found = ConfiguredLogins(file, environment).find("token.example", "x")
        assert found is not None
        assert (found.login.username, found.login.password, found.login.identity_token) == ("", "", "refresh-me")

    def test_a_store_answers_for_all_that_has_no_entry(self, tmp_path: Path, environment: dict[str, str]) -> None:
        """docker leaves an empty entry for what it stored; Docker Hub is known to the store by its old URL."""
        auths = {"a.example": {}, "https://index.docker.io/v1/": {}, "c.example": auth("entry", "1")}
        logins = ConfiguredLogins(written(tmp_path / "f", auths, credsStore="keeps"), environment)
        names = {host: logins.find(host, "x") for host in ("a.example", "docker.io", "c.example", "d.example")}
        assert {host: found and found.login.username for host, found in names.items()} == {
            "a.example": "kept",
            "docker.io": "hub",
            "c.example": "entry",
            "d.example": None,
        }

    def test_those_of_registries_conf_are_asked_in_order(self, tmp_path: Path, environment: dict[str, str]) -> None:
        file = written(tmp_path / "f", {"a.example": auth("entry", "1"), "b.example": auth("b", "1")})
        both = ConfiguredLogins(file, environment, ("keeps", AUTH_FILES))
        files_first = ConfiguredLogins(file, environment, (AUTH_FILES, "keeps"))
        found = [each.find(host, "x") for each in (both, files_first) for host in ("a.example", "b.example")]
        assert [each.login.username for each in found if each] == ["kept", "b", "entry", "b"]

    def test_one_that_fails_is_no_silent_anonymity(self, tmp_path: Path, environment: dict[str, str]) -> None:
        file = written(tmp_path / "f", {"b.example": auth("b", "1")})
        logins = ConfiguredLogins(file, environment, ("missing", AUTH_FILES))
        assert logins.find("b.example", "x") is not None  # as podman: another one knows
        with pytest.raises(InvalidSettings, match="docker-credential-missing"):
            logins.find("a.example", "x")

    def test_nothing_is_run_before_a_login_is_asked_for(self, tmp_path: Path) -> None:
        ran = tmp_path / "ran"
        helper(tmp_path / "bin", "tells", f"touch {ran}; exit 1")
        ConfiguredLogins(tmp_path / "none", {"PATH": str(tmp_path / "bin")}, ("tells",))
        assert not ran.exists()
