"""registries.conf through the command line: who is asked, what a short name means, and what is said of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.command import Done, affineur
from support.registry import OCI_MANIFEST, Answer, Registry, layer, tar_of

LAYERS = [layer(tar_of({"etc/os-release": b"ID=debian\nVERSION_ID=12\n"}))]
DEAD = "127.0.0.1:9"


class User(NamedTuple):
    """A user with a registries.conf of their own, and two registries."""

    home: Path
    one: Registry
    two: Registry

    def configure(self, text: str) -> None:
        path = self.home / ".config/containers/registries.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *words: str) -> Done:
        return affineur(self.home, *words)

    def asked(self, registry: Registry) -> list[str]:
        return [path for _, path in registry.requests if "/manifests/" in path]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with Registry() as one, Registry() as two:
        yield User(tmp_path, one, two)


def mirrored(*mirrors: str, location: str = DEAD, more: str = "") -> str:
    entries = "".join(f'[[registry.mirror]]\nlocation = "{each}"\n' for each in mirrors)
    return f'[[registry]]\nprefix = "registry.example"\nlocation = "{location}"\n{more}{entries}'


def test_a_mirror_serves_the_image(user: User) -> None:
    digest = user.one.push("cache/team/app", "1", layers=LAYERS)
    user.configure(mirrored(f"{user.one.host}/cache"))
    done = user.run("inspect", "--json", "registry.example/team/app:1")
    assert done.code == 0, done
    assert done.document["Name"] == "registry.example/team/app"
    assert done.document["Digest"] == digest
    assert done.document["RepoTags"] == ["1"]
    warnings = "\n".join(done.document["affineur"]["warnings"])
    assert f"served by the mirror {user.one.host}/cache/team/app" in warnings
    assert f"tags as the mirror {user.one.host}/cache/team/app lists them" in warnings


def test_a_mirror_without_it_is_passed_over_and_said(user: User) -> None:
    user.one.push("other", "1", layers=LAYERS)
    user.two.push("team/app", "1", layers=LAYERS)
    user.configure(mirrored(f"{user.one.host}", location=user.two.host))
    done = user.run("inspect", "--json", "registry.example/team/app:1")
    assert done.code == 0, done
    (warning,) = done.document["affineur"]["warnings"]
    assert warning.startswith(f"not from the mirror {user.one.host}/team/app: ")
    assert user.asked(user.one)[0] == user.asked(user.two)[0] == "/v2/team/app/manifests/1"


def test_layers_come_from_where_the_image_was_found(user: User) -> None:
    user.one.push("team/app", "1", layers=LAYERS)
    user.two.push("team/app", "1", layers=LAYERS)
    user.configure(mirrored(user.one.host, location=user.two.host))
    done = user.run("packages", "registry.example/team/app:1")
    assert any("/blobs/" in path for _, path in user.one.requests)
    assert not any("/blobs/" in path or "/manifests/" in path for _, path in user.two.requests), done


def test_a_mirror_with_other_bytes_ends_it(user: User) -> None:
    """The registry itself would have the right ones; that a mirror lies is not to be hidden by that."""
    digest = user.two.push("team/app", "1", layers=LAYERS)
    other = Answer(headers=[("Content-Type", OCI_MANIFEST)], body=b"{}")
    user.one.misbehave[f"/v2/team/app/manifests/{digest}"] = other
    user.configure(mirrored(user.one.host, location=user.two.host))
    done = user.run("inspect", "--no-tags", f"registry.example/team/app@{digest}")
    assert done.code == 5, done
    assert user.one.host in done.err
    assert not user.asked(user.two)


def test_where_nobody_has_it_all_are_named(user: User) -> None:
    user.one.push("other", "1", layers=LAYERS)
    user.configure(mirrored(user.one.host))
    done = user.run("inspect", "registry.example/team/app:1")
    assert done.code == 4, done
    assert "127.0.0.1 port 9: no connection" in done.err
    assert f"not from the mirror {user.one.host}/team/app" in done.err


def test_what_is_blocked_is_not_asked(user: User) -> None:
    user.configure(mirrored(location=user.one.host, more="blocked = true\n"))
    done = user.run("inspect", "registry.example/team/app:1")
    assert done.code == 4, done
    assert "registries.conf:4" in done.err
    assert not user.one.requests


def test_what_a_short_name_means_is_said(user: User) -> None:
    user.one.push("team/app", "1", layers=LAYERS)
    user.configure(f'[aliases]\napp = "{user.one.host}/team/app"\n')
    done = user.run("tags", "app")
    assert done.code == 0, done
    assert f"app means {user.one.host}/team/app:latest: app is an alias in " in done.err


def test_a_short_name_is_not_guessed(user: User) -> None:
    user.configure(f'unqualified-search-registries = ["{user.one.host}", "{user.two.host}"]\n')
    done = user.run("inspect", "app")
    assert done.code == 2, done
    assert f"{user.one.host}/app" in done.err
    assert f"{user.two.host}/app" in done.err
    assert not user.one.requests
    assert not user.two.requests


def test_a_look_alike_is_warned_of(user: User) -> None:
    user.one.push("library/debian", "12", layers=LAYERS)
    user.configure(f'[[registry]]\nprefix = "dockr.io"\nlocation = "{user.one.host}"\n')
    done = user.run("inspect", "--json", "dockr.io/library/debian:12")
    assert done.code == 0, done
    assert "dockr.io is not docker.io" in done.err
    assert "dockr.io is not docker.io" in done.document["affineur"]["warnings"][0]


def test_a_file_against_the_rules(user: User) -> None:
    user.configure("[[registry]]\nlocation = 1\n")
    done = user.run("inspect", "registry.example/team/app:1")
    assert done.code == 2, done
    assert "registries.conf" in done.err
