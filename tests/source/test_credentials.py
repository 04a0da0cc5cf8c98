import json
from base64 import b64encode
from pathlib import Path

import pytest

from affineur.errors import InvalidSettings
from affineur.source.credentials import Found, KnownLogins, Login, read_auth_file


def auth(name: str, password: str) -> dict[str, str]:
    return {"auth": b64encode(f"{name}:{password}".encode()).decode()}


def written(path: Path, auths: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": auths, "credHelpers": {"x": "y"}}))
    return path


LOGINS = {
    "registry.example": Login("host", "1"),
    "registry.example/team": Login("team", "2"),
    "registry.example/team/app": Login("app", "3"),
    "https://index.docker.io/v1/": Login("hub", "4"),
    "https://old.example/v1/": Login("old", "5"),
}


@pytest.mark.parametrize(
    ("registry", "repository", "name"),
    [  # containers-auth.json(5) § Credential lookup: from the most specific to the registry alone
        ("registry.example", "team/app", "app"),
        ("registry.example", "team/app/sub", "app"),
        ("registry.example", "team/application", "team"),
        ("registry.example", "other", "host"),
        ("docker.io", "library/debian", "hub"),
        ("old.example", "x", "old"),
        ("registry.example:5000", "team/app", None),
        ("example", "x", None),
    ],
)
def test_the_most_specific_login_is_taken(registry: str, repository: str, name: str | None) -> None:
    known = KnownLogins({key: Found(login, "the test") for key, login in LOGINS.items()})
    found = known.find(registry, repository)
    assert (found.login.username if found else None) == name


def test_a_named_file_is_the_only_one(tmp_path: Path) -> None:
    named = written(tmp_path / "a.json", {"a.example": auth("a", "p:w")})
    written(tmp_path / "run/containers/auth.json", {"b.example": auth("b", "x")})
    environment = {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "REGISTRY_AUTH_FILE": str(tmp_path / "none")}
    found = read_auth_file(named, environment)
    assert found.find("a.example", "x") == Found(Login("a", "p:w"), f"{named}, key a.example")
    assert found.find("b.example", "x") is None
    with pytest.raises(InvalidSettings, match="no such file"):
        read_auth_file(None, environment)


def test_the_default_places_fill_each_other_in(tmp_path: Path) -> None:
    written(tmp_path / "run/containers/auth.json", {"a.example": auth("podman", "1")})
    written(tmp_path / "home/.docker/config.json", {"a.example": auth("docker", "2"), "b.example": auth("docker", "3")})
    found = read_auth_file(None, {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path / "home")})
    kept = [found.find(host, "x") for host in ("a.example", "b.example")]
    assert [each.login for each in kept if each] == [Login("podman", "1"), Login("docker", "3")]


def test_nothing_anywhere_is_no_login(tmp_path: Path) -> None:
    assert (
        read_auth_file(None, {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}).find("a.example", "x") is None
    )


def test_an_entry_of_a_helper_is_no_login(tmp_path: Path) -> None:
    assert read_auth_file(written(tmp_path / "a", {"a.example": {}}), {}).find("a.example", "x") is None


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        '{"auths": 1}',
        '{"auths": {"a": {"auth": "%%%"}}}',
        '{"auths": {"a": {"auth": "YWJj"}}}',
        '{"auths": {"a": {"auth": "/w=="}}}',
    ],
)
def test_a_file_that_is_none_is_named_and_its_secrets_are_not(tmp_path: Path, content: str) -> None:
    file = tmp_path / "auth.json"
    file.write_text(content)
    with pytest.raises(InvalidSettings, match=r"auth\.json") as caught:
        read_auth_file(file, {})
    assert "YWJj" not in str(caught.value)


def test_a_login_does_not_show_itself() -> None:
    assert "secret" not in repr(Login("name", "secret"))
    assert "secret" not in str(Login("name", "secret"))
