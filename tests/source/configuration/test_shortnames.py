"""Short names: containers-registries.conf(5) § Short-Name Aliasing. What podman makes of them: tests/system."""

from pathlib import Path

import pytest

from affineur.errors import InvalidReference, InvalidSettings
from affineur.oci.reference import parse_reference
from affineur.source.configuration.registries import Registries
from affineur.source.configuration.shortnames import resolve

DIGEST = "sha256:" + "0" * 64
ALIASES = '[aliases]\n"tool" = "r.example/team/tool"\n"hub/x" = "docker.io/x"\n'


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def configured(root: Path, text: str | None, user: int = 1000) -> Registries:
    if text is not None:
        write(root / "etc/containers/registries.conf", text)
    return Registries.read({"HOME": str(root / "home")}, root, user)


@pytest.mark.parametrize("text", [None, ALIASES, 'unqualified-search-registries = ["a.example", "b.example"]\n'])
@pytest.mark.parametrize(
    "name",
    ["docker.io/debian", "index.docker.io/a/b:1", "localhost/a", "localhost:5000/a", "r.example/a", "[::1]:5000/a"],
)
def test_a_name_with_a_registry_is_left_alone(tmp_path: Path, text: str | None, name: str) -> None:
    for written in (name, f"docker://{name}"):
        found = resolve(written, configured(tmp_path, text))
        assert (found.why, found.said) == ("", None)
        assert found.reference == parse_reference(name)
        assert found.reference.registry == name.partition("/")[0].removeprefix("index.")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("tool", "r.example/team/tool:latest"),
        ("tool:1", "r.example/team/tool:1"),
        (f"tool@{DIGEST}", f"r.example/team/tool@{DIGEST}"),
        (f"tool:1@{DIGEST}", f"r.example/team/tool:1@{DIGEST}"),
        ("hub/x", "docker.io/library/x:latest"),
        ("localhost", "only.example/localhost:latest"),
        ("team/tool:1", "only.example/team/tool:1"),
    ],
)
def test_alias_or_the_one_registry(tmp_path: Path, name: str, full: str) -> None:
    found = resolve(name, configured(tmp_path, '\nunqualified-search-registries = ["only.example/"]\n' + ALIASES))
    assert found.text == full
    line = 2 if full.startswith("only") else 4 if name.startswith("tool") else 5
    assert str(found.said) == f"{tmp_path}/etc/containers/registries.conf:{line}"
    assert full in found.why
    assert str(found.said) in found.why


def test_several_are_never_chosen_from(tmp_path: Path) -> None:
    for mode in ("enforcing", "permissive", "disabled"):
        text = f'short-name-mode = "{mode}"\nunqualified-search-registries = ["a.example", "docker.io"]\n'
        with pytest.raises(InvalidReference) as refused:
            resolve("x:1", configured(tmp_path, text))
        assert str(refused.value).endswith("registries.conf:2); write one of: a.example/x:1, docker.io/library/x:1")


def test_none_is_not_docker_hub_by_guess(tmp_path: Path) -> None:
    """podman: "did not resolve to an alias and no unqualified-search registries are defined"."""
    for text in ("", "unqualified-search-registries = []\n"):
        with pytest.raises(InvalidReference, match=r"registries\.conf.*write docker\.io/library/x:1 if Docker Hub"):
            resolve("x:1", configured(tmp_path, text))


def test_without_any_file_docker_hub_is_meant_and_said(tmp_path: Path) -> None:
    found = resolve("x:1", configured(tmp_path, None))
    assert found.text == "docker.io/library/x:1"
    assert "no registries.conf" in found.why


def test_skopeos_transport_is_always_docker_hub(tmp_path: Path) -> None:
    """containers-transports(5): docker:// without a registry is docker.io."""
    found = resolve("docker://tool", configured(tmp_path, ALIASES))
    assert found.text == "docker.io/library/tool:latest"
    assert "docker://" in found.why


@pytest.mark.parametrize(("user", "place"), [(0, "var/cache"), (1000, "home/.cache")])
def test_what_a_person_chose_goes_first(tmp_path: Path, user: int, place: str) -> None:
    chosen = write(
        tmp_path / place / "containers/short-name-aliases.conf", '[aliases]\n  "tool" = "chosen.example/tool"\n'
    )
    found = resolve("tool", configured(tmp_path, ALIASES, user))
    assert (found.text, str(found.said)) == ("chosen.example/tool:latest", f"{chosen}:2")
    assert resolve("tool", configured(tmp_path, ALIASES, 1000 - user)).reference.registry == "r.example"


def test_the_cache_may_be_elsewhere_and_must_be_sound(tmp_path: Path) -> None:
    cache = write(tmp_path / "cache/containers/short-name-aliases.conf", '[aliases]\n"tool" = "tool"\n')
    registries = Registries.read({"HOME": "/none", "XDG_CACHE_HOME": str(tmp_path / "cache")}, tmp_path, 1000)
    with pytest.raises(InvalidSettings, match=f"{cache}:2"):
        resolve("tool", registries)
    assert resolve("r.example/tool", registries).text == "r.example/tool:latest"


def test_a_drop_in_takes_an_alias_away(tmp_path: Path) -> None:
    write(tmp_path / "home/.config/containers/registries.conf.d/1.conf", '[aliases]\n"tool" = ""\n')
    with pytest.raises(InvalidReference, match="is no alias"):
        resolve("tool", configured(tmp_path, ALIASES))


@pytest.mark.parametrize(
    "name", ["", "UPPER", "a" * 64, "x:", "oci:folder", "https://r.example/a", "docker://", "a" * 3000]
)
def test_what_is_no_name_is_refused_first(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidReference):
        resolve(name, configured(tmp_path, 'unqualified-search-registries = ["a.example"]\n'))
