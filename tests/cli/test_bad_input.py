"""What a user may get wrong: references, dates, hosts, logins and settings. One clear sentence, the right exit code."""

from pathlib import Path

import pytest

from support.bending import run_at
from support.endings import ASSESS, judged, refused, unknown
from support.world import World


@pytest.mark.parametrize(
    "reference",
    [
        "",
        " ",
        "Team/App:1",
        "registry.example/",
        "registry.example/team/app:",
        "registry.example/team/app:a b",
        "registry.example/team/app@sha256:12",
        "registry.example:99999/team/app",
        "https://registry.example/team/app",
        "oci:",
        "ostree:/srv/layout",
        "docker-daemon:app",
        "../../etc/passwd",
        "registry.example/team/app\x1b[31m",
        "x" * 300,
        "f" * 64,
    ],
)
def test_not_a_reference(world: World, reference: str) -> None:
    sentence = refused(run_at(world, reference), 2)
    assert "\x1b" not in sentence
    assert world.registry.requests == []


def test_a_digest_that_cannot_be_verified(world: World) -> None:
    reference = "127.0.0.1:5000/team/app@md5:d41d8cd98f00b204e9800998ecf8427e"
    refused(run_at(world, reference), 5, "md5", "cannot be verified")


def test_no_reference_at_all(world: World) -> None:
    done = world.run_words(["assess"])
    assert done.code == 2
    assert "REFERENCE" in done.err
    assert world.run_words(["asses", "x"]).code == 2
    assert world.run_words(["assess", "--no-such-option", "x"]).code == 2


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "2026-02-30", "0000-01-01", ""])
def test_not_a_date(world: World, date: str) -> None:
    done = world.run("assess", "--as-of", date)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert done.out == ""


@pytest.mark.parametrize("date", ["0001-01-01", "9999-12-31", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00"])
def test_the_first_and_the_last_day(world: World, date: str) -> None:
    done = world.run("assess", "--json", "--as-of", date)
    assert done.code in (0, 1, 2, 3)  # before the notice there was nothing to apply
    if done.code == 0:
        assert date < "2026-05-01"


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ("no TOML", "settings"),
        ('unknown = "x"', "unknown"),
        ("policy = 7", "policy"),
        ('policy = "/no/such/file"', "/no/such/file"),
        ('[[mirror]]\nfrom = "x"\nto = "y"', "mirror"),
        ('[[mirror]]\nfrom = "http://a.example"', "to"),
        ('archives = "x"', "archives"),
    ],
)
def test_settings_that_are_wrong(world: World, lines: str, word: str) -> None:
    world.settings = lines
    refused(world.run("assess"), 2, word if word != "settings" else ".toml")


def test_settings_that_are_not_there(world: World, tmp_path: Path) -> None:
    done = world.run_words(["assess", "--settings", str(tmp_path / "absent.toml"), world.image])
    refused(done, 2, "absent.toml")


def test_a_network_that_is_none(world: World) -> None:
    world.publish()
    words = world.words("assess")
    file = world.configuration()
    file.write_text(file.read_text().replace("127.0.0.0/8", "127.0.0.0/99"))
    refused(world.run_words(words), 2, "127.0.0.0/99")


def test_a_reference_whose_keyring_is_not_there(world: World) -> None:
    world.reference = world.reference.replace("keys = ", 'keyring = "/no/such/keyring.gpg"\nkeys = ')
    refused(world.run("assess"), 2, "/no/such/keyring.gpg")


def test_a_reference_whose_keyring_is_none(world: World, tmp_path: Path) -> None:
    (tmp_path / "keyring.gpg").write_bytes(b"nothing like it")
    world.reference = world.reference.replace("keys = ", f'keyring = "{tmp_path}/keyring.gpg"\nkeys = ')
    refused(world.run("assess"), 2, "keyring.gpg")


def test_a_reference_without_keys_verifies_nothing(updated: World) -> None:
    lines = updated.reference.splitlines()
    updated.reference = "\n".join("keys = []" if line.startswith("keys") else line for line in lines)
    unknown(updated.run(*ASSESS), "none of the keys that sign it is at hand")


def test_a_cache_that_cannot_be_written(world: World, tmp_path: Path) -> None:
    """Nothing is remembered then, and nothing else is lost."""
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert judged(world.run(*ASSESS))["grade"]["letter"] == "E"


@pytest.mark.parametrize("file", ["layers", "feeds", "releases"])
def test_a_cache_that_is_damaged(world: World, tmp_path: Path, file: str) -> None:
    first = judged(world.run(*ASSESS))
    damaged = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and file in str(path)]
    for path in damaged or [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]:
        path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    again = judged(world.run(*ASSESS))
    assert again["grade"] == {**first["grade"], "as_of": again["grade"]["as_of"]}
    assert again["errata"] == first["errata"]


def test_a_remembered_layer_is_another_images_only_by_its_digest(world: World) -> None:
    """Two images, one cache: what one said is not taken for the other."""
    assert judged(world.run(*ASSESS))["grade"]["letter"] == "E"
    world.update()
    world.registry.push("team/app", "1", [world.layer()])
    assert judged(world.run(*ASSESS, publish=False))["grade"]["letter"] == "A"
